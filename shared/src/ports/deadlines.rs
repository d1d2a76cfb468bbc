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

    /// Opens the connection by sending a message that SQS refuses, for it is empty.
    pub async fn open(&self) {
        let empty = self.client.send_message().queue_url(&self.url);
        if let Err(error) = empty.message_body("").send().await {
            tracing::debug!(code = error.code(), "the empty message failed");
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::domain::app_call::{Act, Device, Times};
    use crate::domain::booking::{Booking, Role, Status};
    use crate::domain::time::add_seconds;

    #[test]
    fn a_question_comes_back_when_its_deadline_has_passed() {
        let start: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        let booking = Booking {
            id: "b".parse().unwrap(),
            user_id: "asha".into(),
            user_name: "Asha".into(),
            provider_id: "ravi".into(),
            provider_name: "Ravi".into(),
            service_name: "Plumbing".into(),
            status: Status::Accepted,
            tag: None,
            open_until: None,
            expires_at: None,
            created_at: start,
            updated_at: start,
        };
        let times = Times {
            ring: 45,
            talk: 3600,
            gone: 60,
            retention: 86_400,
        };
        let device = |user: &str| Device {
            user: user.to_owned(),
            connection: format!("{user}'s"),
        };
        let ringing = AppCall::start(&booking, 7, Role::User, "asha's", None, &times, start);
        let act = |call: &AppCall, act, user| call.apply(act, &device(user), start).unwrap().call;
        let running = act(&ringing, Act::Accept, "ravi");
        let gone = act(&running, Act::Gone, "asha");
        let over = act(&running, Act::Hangup, "asha");
        for (call, milliseconds, asked) in [
            (&ringing, 0, Some((1, 45))),
            // SQS counts whole seconds: rather late than too early.
            (&ringing, 1, Some((1, 45))),
            (&ringing, 44_000, Some((1, 1))),
            (&ringing, 44_999, Some((1, 1))),
            // A deadline that has passed is asked about at once.
            (&ringing, 45_000, Some((1, 0))),
            (&ringing, 99_000, Some((1, 0))),
            // Longer than SQS can wait: in hops.
            (&running, 0, Some((2, 900))),
            (&running, 2_699_999, Some((2, 900))),
            (&running, 2_701_000, Some((2, 899))),
            // The nearest deadline.
            (&gone, 0, Some((3, 60))),
            (&over, 0, None),
        ] {
            let now = start + jiff::SignedDuration::from_millis(milliseconds);
            let asked = asked.map(|(version, seconds)| {
                let call_id = "b.7".to_owned();
                (Question { call_id, version }, seconds)
            });
            assert_eq!(
                Question::about(call, now),
                asked,
                "{milliseconds} ms: {call:?}"
            );
        }
        // By a clock that is behind the one that it was made by.
        let before = add_seconds(start, -1);
        assert_eq!(Question::about(&ringing, before).unwrap().1, 46);
    }
}
