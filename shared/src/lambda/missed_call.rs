//! A missed call is told: one text message to the tag's owner.

use super::Start;
use crate::access::config::ConfigError;
use crate::access::error::Error;
use crate::domain::call::PhoneCall;
use crate::domain::limit::{Deed, Limit, Subject};
use crate::domain::time::Timestamp;
use crate::ports::carrier::{Carrier, Message};
use crate::ports::store::rate_limits::{Checked, RateLimits};
use crate::ports::store::tags::Tags;

/// What telling takes, where TWILIO_MESSAGING_SERVICE_SID is set.
pub struct MissedCalls(Option<Notices>);

struct Notices {
    service_sid: String,
    limit: Limit,
    tags: Tags,
    rate_limits: RateLimits,
}

impl MissedCalls {
    /// From the configuration.
    pub fn from_start(start: &Start) -> Result<Self, ConfigError> {
        let Some(service_sid) = start.env.optional("TWILIO_MESSAGING_SERVICE_SID") else {
            return Ok(MissedCalls(None));
        };
        Ok(MissedCalls(Some(Notices {
            service_sid: service_sid.to_owned(),
            limit: start.env.limit("LIMIT_NOTICES_PER_TAG")?,
            tags: start.tags()?,
            rate_limits: start.rate_limits()?,
        })))
    }

    /// Tells the owner, if the news of the call is that they missed it. The tag's
    /// limit is counted before and decides which of several callbacks sends, so that
    /// none sends twice: at most once, not at least. A failure is logged: the callback
    /// itself was taken.
    pub async fn tell(&self, carrier: &impl Carrier, call: &PhoneCall, now: Timestamp) {
        let Some(notices) = self.0.as_ref().filter(|_| call.facts.missed()) else {
            return;
        };
        if let Err(error) = notices.tell(carrier, call, now).await {
            tracing::error!(%error, "a missed call was not told");
        }
    }
}

impl Notices {
    async fn tell(
        &self,
        carrier: &impl Carrier,
        call: &PhoneCall,
        now: Timestamp,
    ) -> Result<(), Error> {
        let tag = self.tags.by_code(&call.call.tag).await?;
        let Some(tag) = tag.filter(|tag| tag.line == call.line) else {
            return Ok(());
        };
        let subject = Subject::Line(&call.line);
        let checked = self
            .rate_limits
            .check(&subject, Deed::Notice, self.limit, now)
            .await?;
        if matches!(checked, Checked::Over { .. }) {
            return Ok(());
        }
        let when = call.call.created_at.strftime("%H:%M UTC on %-d %B");
        let message = Message {
            to: tag.owner_phone,
            service_sid: self.service_sid.clone(),
            body: format!(
                "Somebody called about {} at {when}, and did not reach you.",
                tag.label
            ),
        };
        carrier
            .send(&message)
            .await
            .map_err(|error| Error::UpstreamFailed(error.to_string()))
    }
}
