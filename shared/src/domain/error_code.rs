//! Codes of errors: the same over HTTP and in frames.

use std::fmt;

use serde::Serialize;
#[cfg(test)]
use ts_rs::TS;

/// What went wrong, for clients to act on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(TS), ts(rename = "ServerErrorCode"))]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// A field is missing or malformed.
    BadRequest,
    /// A field holds no phone number.
    InvalidPhone,
    /// No token, or none that holds.
    Unauthorized,
    /// A token, but not this one.
    Forbidden,
    /// A number that we do not dial.
    DestinationNotAllowed,
    /// It is not there.
    NotFound,
    /// Not as things stand.
    Conflict,
    /// More bytes than are taken.
    TooLarge,
    /// Too often.
    RateLimited,
    /// The telephone carrier did not do it.
    UpstreamFailed,
    /// Not right now.
    Unavailable,
}

/// As in JSON.
impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}
