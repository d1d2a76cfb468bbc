//! The RateLimits table: an item a subject, in it a counter a deed.
//!
//! A check is one conditional write that counts and decides at once, so of any burst
//! exactly as many succeed as the limit allows. (Where a counter has run out but not
//! been removed yet, a second one starts it anew.) A retry after a lost answer counts
//! twice: limits err on the strict side. Subjects are stored as keyed hashes only.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{ReturnValue, ReturnValuesOnConditionCheckFailure};
use ring::hmac;
use std::collections::HashMap;

use super::{AttributeValue, StoreError, Table, number, text};
use crate::domain::limit::{Deed, Limit, Subject};
use crate::domain::secret::Secret;
use crate::domain::text::hex;
use crate::domain::time::Timestamp;

/// How long an item outlives its newest window, so that a longer window's counter in
/// the same item is not removed with it.
const KEPT_SECONDS: u64 = 2 * 86_400;
/// How often a race for an expired counter is run again.
const TRIES: u32 = 4;

/// The table, and the client that reaches it.
#[derive(Debug, Clone)]
pub struct RateLimits {
    client: Client,
    table: String,
    key: hmac::Key,
}

/// What a check came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Checked {
    /// Allowed, and counted.
    Within {
        /// How often more, in this window.
        left: u32,
        /// The subject's other counters.
        others: Counters,
    },
    /// Not allowed, and not counted.
    Over {
        /// Seconds until the window ends, at least 1.
        retry_after: u32,
    },
}

/// A subject's counters, as they were found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Counters(HashMap<String, u64>);

impl Counters {
    fn read(item: &HashMap<String, AttributeValue>) -> Self {
        let number = |value: &AttributeValue| value.as_n().ok()?.parse().ok();
        let numbers = item
            .iter()
            .filter_map(|(name, value)| Some((name.clone(), number(value)?)));
        Counters(numbers.collect())
    }

    fn get(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or(0)
    }

    /// Whether a deed's limit is used up at `now`. An expired counter counts as absent.
    pub fn used_up(&self, deed: Deed, limit: Limit, now: Timestamp) -> bool {
        let (hits, ends_at) = names(deed);
        self.get(&ends_at) > millis(now) && self.get(&hits) >= u64::from(limit.most)
    }
}

impl RateLimits {
    /// Wraps a client; `secret` keys the hashes of subjects.
    pub fn new(client: Client, table: impl Into<String>, secret: &Secret) -> Self {
        RateLimits {
            client,
            table: table.into(),
            key: hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes()),
        }
    }

    /// The table itself.
    pub fn table(&self) -> Table<'_> {
        Table::RateLimits(&self.table)
    }

    /// Counts a deed of a subject, unless its limit is used up.
    pub async fn check(
        &self,
        subject: &Subject<'_>,
        deed: Deed,
        limit: Limit,
        now: Timestamp,
    ) -> Result<Checked, StoreError> {
        let pk = self.hash(subject);
        let ends_at = millis(now) + u64::from(limit.seconds) * 1000;
        for _ in 0..TRIES {
            let counted = self.count(&pk, deed, limit, millis(now), ends_at).await?;
            let found = match counted {
                Ok(counters) => return Ok(within(counters, deed, limit)),
                Err(found) => found,
            };
            let window = found.get(&names(deed).1);
            if window > millis(now) {
                // The window may have been started by somebody whose clock is ahead.
                let left = (window - millis(now)).div_ceil(1000);
                let retry_after =
                    u32::try_from(left).map_or(limit.seconds, |left| left.min(limit.seconds));
                return Ok(Checked::Over { retry_after });
            }
            if let Some(counters) = self.start_anew(&pk, deed, window, ends_at).await? {
                return Ok(within(counters, deed, limit));
            }
        }
        Err(StoreError::Contended)
    }

    /// Starts the counter or counts on; otherwise the counters as they are.
    async fn count(
        &self,
        pk: &str,
        deed: Deed,
        limit: Limit,
        now: u64,
        ends_at: u64,
    ) -> Result<Result<Counters, Counters>, StoreError> {
        let request = self
            .update(pk, deed, ends_at)
            .update_expression(
                "SET #ends = if_not_exists(#ends, :ends), expiresAt = :expires ADD #hits :one",
            )
            .condition_expression("attribute_not_exists(#ends) OR (#ends > :now AND #hits < :most)")
            .expression_attribute_values(":now", number(now))
            .expression_attribute_values(":most", number(limit.most.into()));
        self.send(request).await
    }

    /// Starts a counter that has expired, if nobody else has meanwhile.
    async fn start_anew(
        &self,
        pk: &str,
        deed: Deed,
        expired: u64,
        ends_at: u64,
    ) -> Result<Option<Counters>, StoreError> {
        let request = self
            .update(pk, deed, ends_at)
            .update_expression("SET #ends = :ends, expiresAt = :expires, #hits = :one")
            .condition_expression("#ends = :expired")
            .expression_attribute_values(":expired", number(expired));
        Ok(self.send(request).await?.ok())
    }

    fn update(
        &self,
        pk: &str,
        deed: Deed,
        ends_at: u64,
    ) -> aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder {
        let (hits, ends) = names(deed);
        self.client
            .update_item()
            .table_name(&self.table)
            .key("pk", text(pk))
            .expression_attribute_names("#hits", hits)
            .expression_attribute_names("#ends", ends)
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":ends", number(ends_at))
            .expression_attribute_values(":expires", number(ends_at / 1000 + KEPT_SECONDS))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
    }

    async fn send(
        &self,
        request: aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder,
    ) -> Result<Result<Counters, Counters>, StoreError> {
        match request.send().await {
            Ok(answer) => {
                let item = answer.attributes.unwrap_or_default();
                Ok(Ok(Counters::read(&item)))
            }
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(refusal)) => {
                    let found = refusal.item().map(Counters::read);
                    Ok(Err(found.unwrap_or_default()))
                }
                _ => Err(StoreError::from_sdk(&error)),
            },
        }
    }

    fn hash(&self, subject: &Subject<'_>) -> String {
        let (kind, text) = match subject {
            Subject::Ip(ip) => ("ip", *ip),
            Subject::Number(number) => ("number", number.expose()),
            Subject::Withheld(dialled) => ("withheld", dialled.expose()),
            Subject::Line(line) => ("line", line.as_str()),
        };
        format!("{kind}#{}", self.fingerprint(&format!("{kind}:{text}")))
    }

    /// A keyed hash of a text, 32 hexadecimal digits.
    pub fn fingerprint(&self, text: &str) -> String {
        let tag = hmac::sign(&self.key, text.as_bytes());
        hex(&tag.as_ref()[..16])
    }
}

fn within(counters: Counters, deed: Deed, limit: Limit) -> Checked {
    let hits = counters.get(&names(deed).0);
    let left = u64::from(limit.most).saturating_sub(hits);
    Checked::Within {
        left: u32::try_from(left).unwrap_or(0),
        others: counters,
    }
}

/// The attributes of a counter: how often, and until when (Unix milliseconds).
fn names(deed: Deed) -> (String, String) {
    (
        format!("{}Hits", deed.as_str()),
        format!("{}EndsAt", deed.as_str()),
    )
}

fn millis(at: Timestamp) -> u64 {
    u64::try_from(at.as_millisecond()).unwrap_or(0)
}
