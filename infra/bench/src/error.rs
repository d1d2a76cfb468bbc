//! What can go wrong, worded for the person at the terminal.

use maskline_local::InvokeError;

/// Why there are no figures.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The local stack, or a part of it.
    #[error(transparent)]
    Local(#[from] maskline_local::Error),
    /// A function of the template that the bench does not know how to call.
    #[error(
        "{0}: the bench has no event for this function; add one in infra/bench/src/world/events.rs"
    )]
    NoEvent(String),
    /// A function that did not answer.
    #[error("{0}: {1}")]
    Invoke(String, #[source] InvokeError),
    /// A function that answered something else than success. Figures of failures
    /// would look good and mean nothing.
    #[error("{function}: expected success with {expected:?}, got {answer}")]
    Unexpected {
        /// The function.
        function: String,
        /// What its body should hold.
        expected: &'static str,
        /// What it answered.
        answer: String,
    },
    /// A frame that did not come, or another one in its place.
    #[error("{user}: expected the frame {expected}, came {came}")]
    Frame {
        /// To whom.
        user: String,
        /// The event.
        expected: &'static str,
        /// What came.
        came: String,
    },
    /// Something that the bench itself needs.
    #[error("{0}")]
    Needs(String),
    /// Anything else, with what was being done.
    #[error("{0}: {1}")]
    Io(String, #[source] std::io::Error),
}

impl Error {
    /// Adds what was being done to an I/O error.
    pub fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        move |error| Self::Io(what.into(), error)
    }
}
