//! What can go wrong, worded for the person at the terminal.

use std::path::PathBuf;

/// Why the stack could not start, or could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A setting without which the stack cannot run.
    #[error("{0} is missing: set it in the environment or in .env")]
    Missing(String),
    /// A setting that cannot be used; the value itself is never shown, it may be a secret.
    #[error("{name} is malformed: {reason}")]
    Malformed {
        /// The setting's name.
        name: String,
        /// What is expected of it.
        reason: String,
    },
    /// Another program listens there.
    #[error("{name}: port {port} on 127.0.0.1 is taken; stop what listens there or set {name}")]
    PortTaken {
        /// The variable that chooses the port.
        name: String,
        /// The port.
        port: u16,
    },
    /// The template says something that the stack cannot do.
    #[error("template: {0}")]
    Template(String),
    /// The store did not start or refused a table.
    #[error("store: {0}")]
    Store(String),
    /// A function's binary is not there.
    #[error("{function}: no binary at {}; build the workspace first (cargo build)", path.display())]
    NoBinary {
        /// The function.
        function: String,
        /// Where its binary was looked for.
        path: PathBuf,
    },
    /// A function did not come up.
    #[error("{function}: {source}")]
    Function {
        /// The function.
        function: String,
        /// What it said.
        source: InvokeError,
    },
    /// The demo data could not be written.
    #[error("demo data: {0}; DEMO=off starts without")]
    Demo(String),
    /// Anything else, with what was being done.
    #[error("{0}: {1}")]
    Io(String, #[source] std::io::Error),
}

impl Error {
    /// Adds what was being done to an I/O error.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        move |error| Self::Io(what.into(), error)
    }
}

/// Why an invocation has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvokeError {
    /// The template has no function of that name.
    #[error("there is no such function")]
    Unknown,
    /// The process ended before it asked for work.
    #[error("stopped at start: {0}")]
    Init(String),
    /// The handler returned an error or panicked.
    #[error("{error_type}: {message}")]
    Function {
        /// The kind of error, as the function reports it.
        error_type: String,
        /// Its message.
        message: String,
    },
    /// The process ended during the invocation.
    #[error("the process ended during the invocation ({0})")]
    Crashed(String),
    /// The template's Timeout passed; the process was killed.
    #[error("no answer within {0} s, the process was killed")]
    TimedOut(u64),
    /// The function asked for its next event without answering this one.
    #[error("the function gave no answer")]
    NoAnswer,
    /// The answer is not JSON.
    #[error("the answer is not JSON")]
    NotJson,
    /// The stack is stopping.
    #[error("the stack is stopping")]
    Stopped,
}
