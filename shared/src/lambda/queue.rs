//! SQS events: messages in, and which of them are to come again.
//! <https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html>

use std::process::ExitCode;
use std::time::Instant;

use futures_util::future::join_all;
use lambda_runtime::LambdaEvent;
use serde::{Deserialize, Serialize};

use super::{Start, finish, serve, within_limits};
use crate::access::config::ConfigError;
use crate::access::error::Error;
use crate::access::telemetry::{self, Answered};
use crate::ports::store::Table;

/// A function that a queue invokes.
pub trait QueueFunction: Sized + 'static {
    /// The function's name in logs.
    const NAME: &'static str;

    /// Reads the configuration and takes what clients it needs.
    fn init(start: &Start) -> Result<Self, ConfigError>;

    /// The table that most messages begin with, so that its connection is open.
    fn first_table(&self) -> Table<'_>;

    /// Handles one message. One that fails comes again, and in the end goes to the
    /// dead-letter queue.
    fn handle(&self, body: &str) -> impl Future<Output = Result<(), Error>>;
}

/// The event, as far as it is used.
#[derive(Deserialize)]
struct Event {
    #[serde(rename = "Records")]
    records: Vec<Record>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    message_id: String,
    body: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    batch_item_failures: Vec<Failure>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Failure {
    item_identifier: String,
}

/// Runs a queue's function until Lambda ends it.
pub fn run<F: QueueFunction>() -> ExitCode {
    let ran = serve(
        F::init,
        async |start, function: &F| Ok(start.warm_up(function.first_table(), 1).await?),
        async |function, event| answer(function, event).await,
    );
    finish(F::NAME, ran)
}

async fn answer<F: QueueFunction>(function: &F, event: LambdaEvent<Event>) -> Answer {
    let started = Instant::now();
    let request_id = &event.context.request_id;
    // Side by side, so that a batch takes no longer than its slowest message.
    let handled = event.payload.records.into_iter().map(async |record| {
        let error = within_limits(function.handle(&record.body)).await.err()?;
        tracing::error!(function = F::NAME, request_id, %error, "failed");
        Some(Failure {
            item_identifier: record.message_id,
        })
    });
    let failures: Vec<Failure> = join_all(handled).await.into_iter().flatten().collect();
    let answered = Answered {
        function: F::NAME,
        request_id,
        status: None,
        code: Some(if failures.is_empty() { "ok" } else { "failed" }),
        ms: telemetry::milliseconds_since(started),
    };
    telemetry::answered(&answered, failures.is_empty());
    Answer {
        batch_item_failures: failures,
    }
}
