//! Where the stack's and the functions' lines go.

use std::io::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Where log lines go. Clones write to the same place.
#[derive(Debug, Clone, Default)]
pub enum LogSink {
    /// Standard error, so that standard output holds the welcome text and `ready` only.
    #[default]
    Stderr,
    /// A list in memory, which tests read with [`LogSink::lines`].
    Memory(Arc<Mutex<Vec<String>>>),
}

impl LogSink {
    /// A sink that collects.
    pub fn memory() -> Self {
        Self::Memory(Arc::default())
    }

    /// Everything collected so far; nothing for [`LogSink::Stderr`].
    pub fn lines(&self) -> Vec<String> {
        match self {
            Self::Stderr => Vec::new(),
            Self::Memory(lines) => lock(lines).clone(),
        }
    }

    /// Writes one line.
    pub fn line(&self, line: impl AsRef<str>) {
        let line = line.as_ref();
        match self {
            // A reader who has closed the pipe is no reason to stop.
            Self::Stderr => drop(writeln!(std::io::stderr().lock(), "{line}")),
            Self::Memory(lines) => lock(lines).push(line.to_owned()),
        }
    }
}

/// Locks, also after another thread has panicked: the data behind this crate's
/// locks is whole between any two statements.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The time as log lines show it, UTC.
pub(crate) fn now() -> String {
    jiff::Timestamp::now().strftime("%H:%M:%S%.3f").to_string()
}
