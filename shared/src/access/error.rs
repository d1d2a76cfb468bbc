//! One error for every function, and the one place that gives it words.

use serde::Serialize;

use super::auth::TokenError;
use crate::domain::error_code::ErrorCode;
use crate::domain::phone::{InvalidPhone, NotDiallable};
use crate::ports::carrier::{BadForm, Forged};
use crate::ports::store::StoreError;

/// Why a request was not done. What is public of it is [`Error::status`] and
/// [`Error::body`]; they never hold a number, a token or internal detail.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// 400 `bad_request`: what to change.
    #[error("{0}")]
    BadRequest(String),
    /// 400 `invalid_phone`: the field, and what is wrong with the number in it.
    #[error("{field} {problem}")]
    InvalidPhone {
        /// The field.
        field: &'static str,
        /// What is wrong.
        problem: InvalidPhone,
    },
    /// 401 `unauthorized`: no token, or none that holds.
    #[error("{0}")]
    Unauthorized(&'static str),
    /// 403 `forbidden`: a token, but not this one.
    #[error("{0}")]
    Forbidden(&'static str),
    /// 403 `destination_not_allowed`: a number that we do not dial.
    #[error("{field} {problem}")]
    DestinationNotAllowed {
        /// The field.
        field: &'static str,
        /// Why.
        problem: NotDiallable,
    },
    /// 404 `not_found`: what is not there.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// 409 `conflict`: with what.
    #[error("{0}")]
    Conflict(&'static str),
    /// 413 `too_large`: the most that is taken, bytes.
    #[error("the body is larger than {0} bytes")]
    TooLarge(usize),
    /// 429 `rate_limited`.
    #[error("too many requests; try again in {retry_after} seconds")]
    RateLimited {
        /// Seconds until the window ends.
        retry_after: u32,
    },
    /// 502 `upstream_failed`: the carrier failed, or did not answer; the cause is for the log.
    #[error("{0}")]
    UpstreamFailed(String),
    /// 503 `unavailable` with `Retry-After`: the carrier is busy.
    #[error("the telephone carrier is busy")]
    Busy {
        /// Seconds after which to try again.
        retry_after: u32,
    },
    /// 503 `unavailable`: the store or another service failed; the cause is for the log.
    #[error("{0}")]
    Unavailable(String),
}

#[derive(Serialize)]
struct Body<'a> {
    status: &'static str,
    code: ErrorCode,
    message: &'a str,
}

impl Error {
    /// A field that is missing or malformed.
    pub fn field(name: &str, problem: impl std::fmt::Display) -> Self {
        Error::BadRequest(format!("{name} {problem}"))
    }

    /// HTTP status and code.
    pub fn status(&self) -> (u16, ErrorCode) {
        match self {
            Error::BadRequest(_) => (400, ErrorCode::BadRequest),
            Error::InvalidPhone { .. } => (400, ErrorCode::InvalidPhone),
            Error::Unauthorized(_) => (401, ErrorCode::Unauthorized),
            Error::Forbidden(_) => (403, ErrorCode::Forbidden),
            Error::DestinationNotAllowed { .. } => (403, ErrorCode::DestinationNotAllowed),
            Error::NotFound(_) => (404, ErrorCode::NotFound),
            Error::Conflict(_) => (409, ErrorCode::Conflict),
            Error::TooLarge(_) => (413, ErrorCode::TooLarge),
            Error::RateLimited { .. } => (429, ErrorCode::RateLimited),
            Error::UpstreamFailed(_) => (502, ErrorCode::UpstreamFailed),
            Error::Unavailable(_) | Error::Busy { .. } => (503, ErrorCode::Unavailable),
        }
    }

    /// The `Retry-After` header's value, seconds.
    pub fn retry_after(&self) -> Option<u32> {
        match self {
            Error::RateLimited { retry_after } | Error::Busy { retry_after } => Some(*retry_after),
            _ => None,
        }
    }

    /// Whether it is our failure rather than the client's.
    pub fn is_internal(&self) -> bool {
        self.status().0 >= 500
    }

    /// What a client is told.
    pub fn message(&self) -> String {
        match self {
            Error::Unavailable(_) => {
                "the service is not available right now; try again in a moment".to_owned()
            }
            Error::UpstreamFailed(_) => {
                "the telephone carrier did not do it; try again in a moment".to_owned()
            }
            _ => self.to_string(),
        }
    }

    /// The JSON that a client gets.
    pub fn body(&self) -> String {
        let body = Body {
            status: "error",
            code: self.status().1,
            message: &self.message(),
        };
        // Three strings always serialize.
        serde_json::to_string(&body).unwrap_or_default()
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        Error::Unavailable(error.to_string())
    }
}

impl From<Forged> for Error {
    fn from(_: Forged) -> Self {
        Error::Forbidden("the request is not signed by the carrier for this account")
    }
}

impl From<BadForm> for Error {
    fn from(error: BadForm) -> Self {
        Error::BadRequest(error.to_string())
    }
}

impl From<TokenError> for Error {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::KeysUnavailable(cause) => Error::Unavailable(cause),
            TokenError::Missing => Error::Unauthorized("send a token: Authorization: Bearer …"),
            TokenError::Refused => Error::Unauthorized("the token is not valid, or not any more"),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn internal_detail_stays_inside() {
        let error = Error::from(StoreError::Refused("AccessDeniedException".into()));
        assert!(error.is_internal());
        assert!(error.to_string().contains("AccessDenied"), "for the log");
        assert!(!error.body().contains("AccessDenied"), "not for the client");
    }

    #[test]
    fn the_body_is_the_contracts() {
        let body = Error::field("limit", "must be 1 to 100").body();
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        let expected = serde_json::json!({
            "status": "error", "code": "bad_request", "message": "limit must be 1 to 100"
        });
        assert_eq!(body, expected);
    }
}
