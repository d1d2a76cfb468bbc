//! The deadline queue: messages that come back after a delay, and ask whether a call's
//! deadline has passed. Each is a question, never an order: one that comes late, twice
//! or not at all does no harm, because a passed deadline counts in every read, too.

use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use serde::{Deserialize, Serialize};

use crate::domain::app_call::AppCall;
use crate::domain::time::Timestamp;

/// The longest that SQS delays a message, seconds: longer waits are made in hops.
const LONGEST_DELAY: i32 = 900;
/// How long one attempt may take.
pub const ATTEMPT_TIMEOUT: Duration = Duration::from_millis(1500);
/// How often a message is tried to be sent. One that was sent twice asks twice.
pub const ATTEMPTS: u32 = 2;

/// The question: has a deadline of this call passed, and if not, is it still the one
/// that this message waits for?
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Question {
    /// The call.
    pub call_id: String,
    /// Its version when the question was sent.
    pub version: u64,
}

impl Question {
    /// The question about a call's next deadline, and in how many seconds to ask it;
    /// none for a call that is over.
    pub fn about(call: &AppCall, now: Timestamp) -> Option<(Self, i32)> {
        let left = call.wake_at()?.duration_since(now).as_millis();
        // Not before the deadline, and so up to a second after it.
        let seconds = i32::try_from((left.max(0) + 999) / 1000).unwrap_or(LONGEST_DELAY);
        let question = Question {
            call_id: call.id().to_string(),
            version: call.version,
        };
        Some((question, seconds.min(LONGEST_DELAY)))
    }
}

/// What asks later.
pub trait AskLater {
    /// Sends a question to be asked after so many seconds, 900 at most.
    fn ask(
        &self,
        question: &Question,
        after_seconds: i32,
    ) -> impl Future<Output = Result<(), QueueError>>;
}

/// A question could not be sent; the cause is for the log.
#[derive(Debug, thiserror::Error)]
#[error("the deadline queue is not available ({0})")]
pub struct QueueError(String);

/// The queue.
#[derive(Debug, Clone)]
pub struct Deadlines {
    client: Client,
    url: String,
}

impl Deadlines {
    /// Wraps a client.
    pub fn new(client: Client, url: impl Into<String>) -> Self {
        Deadlines {
            client,
            url: url.into(),
        }
    }
}

impl AskLater for Deadlines {
    async fn ask(&self, question: &Question, after_seconds: i32) -> Result<(), QueueError> {
        let body = serde_json::to_string(question).map_err(|_| QueueError("json".into()))?;
        let sent = self
            .client
            .send_message()
            .queue_url(&self.url)
            .delay_seconds(after_seconds)
            .message_body(body)
            .send()
            .await;
        sent.map(drop).map_err(|error| {
            let code = match &error {
                SdkError::ServiceError(service) => service.err().code().unwrap_or("unknown"),
                SdkError::TimeoutError(_) => "timeout",
                _ => "connection",
            };
            QueueError(code.to_owned())
        })
    }
}
