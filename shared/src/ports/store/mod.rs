//! DynamoDB. One module per table; what each conditional write settles is said there.
//!
//! Every request has a budget: [`ATTEMPT_TIMEOUT`] an attempt, [`OPERATION_TIMEOUT`]
//! in all, two retries. A write of a tag, a booking or a call may be sent twice without harm, so a
//! retry after an ambiguous answer is safe; a rate limit then counts twice, on the
//! strict side. What several slow requests add up to is limited where the request is
//! handled.

use std::time::Duration;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use futures_util::future::join_all;

pub mod app_calls;
pub mod bookings;
pub mod calls;
pub mod connections;
pub mod rate_limits;
pub mod tags;

/// How long one attempt of a request may take.
pub const ATTEMPT_TIMEOUT: Duration = Duration::from_millis(1000);
/// How long a request may take with its retries.
pub const OPERATION_TIMEOUT: Duration = Duration::from_millis(2500);
/// How often a request is tried.
pub const ATTEMPTS: u32 = 3;

/// Why the store did not answer. No variant holds an item or a key: they carry
/// phone numbers.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Throttled, timed out, or failing on AWS's side, and still so after the retries.
    #[error("the store is not available ({0})")]
    Unavailable(String),
    /// Too many writers at one item for too long.
    #[error("too many concurrent changes")]
    Contended,
    /// Refused: no permission, no such table. A retry would not help.
    #[error("the store refused the request ({0})")]
    Refused(String),
    /// An item that this code cannot read.
    #[error("an item of {table} is malformed")]
    Malformed {
        /// The table's purpose.
        table: &'static str,
    },
}

impl StoreError {
    fn from_sdk<E, R>(error: &SdkError<E, R>) -> Self
    where
        E: ProvideErrorMetadata,
    {
        // The code alone: messages of validation errors quote keys.
        match error {
            SdkError::ServiceError(service) => {
                let code = service.err().code().unwrap_or("unknown").to_owned();
                match code.as_str() {
                    "ThrottlingException"
                    | "ProvisionedThroughputExceededException"
                    | "RequestLimitExceeded"
                    | "InternalServerError"
                    | "ServiceUnavailable"
                    | "TransactionCanceledException"
                    | "TransactionConflictException"
                    | "TransactionInProgressException"
                    | "unknown" => StoreError::Unavailable(code),
                    _ => StoreError::Refused(code),
                }
            }
            SdkError::TimeoutError(_) => StoreError::Unavailable("timeout".into()),
            SdkError::ConstructionFailure(_) => StoreError::Refused("construction".into()),
            _ => StoreError::Unavailable("connection".into()),
        }
    }
}

/// Sends cheap reads whose answers do not matter, as many as the function has under
/// way at once, so that their connections are open before the first request: during
/// init Lambda grants a full core, later only the share that the function's memory buys.
pub async fn warm_up(client: &aws_sdk_dynamodb::Client, table: Table<'_>, at_once: usize) {
    join_all((0..at_once).map(|_| read_nothing(client, table))).await;
}

async fn read_nothing(client: &aws_sdk_dynamodb::Client, table: Table<'_>) {
    let request = match table {
        Table::Tags(name) | Table::RateLimits(name) | Table::Bookings(name) => {
            client.get_item().table_name(name).key("pk", text("-"))
        }
        Table::Calls(name) => client
            .get_item()
            .table_name(name)
            .key("line", text("-"))
            .key("seq", number(0)),
        Table::Connections(name) => client
            .get_item()
            .table_name(name)
            .key("pk", text("-"))
            .key("sk", text("-")),
        Table::None => return,
    };
    if let Err(error) = request.send().await {
        tracing::debug!(error = %StoreError::from_sdk(&error), "warm-up read failed");
    }
}

/// A table by its purpose, with its name.
#[derive(Debug, Clone, Copy)]
pub enum Table<'a> {
    /// [`tags`]
    Tags(&'a str),
    /// [`bookings`]
    Bookings(&'a str),
    /// [`calls`]
    Calls(&'a str),
    /// [`rate_limits`]
    RateLimits(&'a str),
    /// [`connections`]
    Connections(&'a str),
    /// None: for what needs no store.
    None,
}

type AttributeValue = aws_sdk_dynamodb::types::AttributeValue;
/// An item as DynamoDB writes it.
type Item = std::collections::HashMap<String, AttributeValue>;

fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

fn number(value: u64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}
