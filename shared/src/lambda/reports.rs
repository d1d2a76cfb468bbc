//! What the carrier reports of a call is recorded, and a call that was missed is
//! told: one text message to the tag's owner.

use std::time::{Duration, Instant};

use super::Start;
use crate::access::config::ConfigError;
use crate::access::error::Error;
use crate::access::metrics::{self, Kind, Metric};
use crate::domain::call::{CallId, PhoneCall, Report};
use crate::domain::limit::{Deed, Limit, Subject};
use crate::domain::time::Timestamp;
use crate::ports::carrier::{Carrier, CarrierError, Message};
use crate::ports::store::Table;
use crate::ports::store::calls::{Calls, Recorded};
use crate::ports::store::rate_limits::{Checked, RateLimits};
use crate::ports::store::tags::Tags;

/// Records reports.
pub struct Reports {
    calls: Calls,
    notices: Option<Notices>,
}

/// What telling takes, where TWILIO_MESSAGING_SERVICE_SID is set.
struct Notices {
    calls: Calls,
    service_sid: String,
    limit: Limit,
    tags: Tags,
    rate_limits: RateLimits,
}

impl Reports {
    /// From the configuration.
    pub fn from_start(start: &Start) -> Result<Self, ConfigError> {
        let calls = start.calls()?;
        let notices = match start.env.optional("TWILIO_MESSAGING_SERVICE_SID") {
            Some(service_sid) => Some(Notices {
                calls: calls.clone(),
                service_sid: service_sid.to_owned(),
                limit: start.env.limit("LIMIT_NOTICES_PER_TAG")?,
                tags: start.tags()?,
                rate_limits: start.rate_limits()?,
            }),
            None => None,
        };
        Ok(Reports { calls, notices })
    }

    /// The table of the calls.
    pub fn table(&self) -> Table<'_> {
        self.calls.table()
    }

    /// Records a report, and tells the owner if the call is one that they missed and
    /// nobody has told yet. `not_leg` as for [`Calls::record`].
    ///
    /// The ends of dials and of visitors' legs nearly always tell nothing new; a read
    /// that finds so costs a tenth of a write. Stale facts will do for it: what makes
    /// a report redundant stays so.
    pub async fn record(
        &self,
        carrier: &impl Carrier,
        id: &CallId,
        report: Report,
        not_leg: Option<&str>,
        now: Timestamp,
    ) -> Result<(), Error> {
        if matches!(report, Report::DialEnd(_) | Report::VisitorGone(_))
            && let Some(call) = self.calls.get(id, false).await?
            && call.facts.make_redundant(report)
        {
            self.tell(carrier, &call, now).await;
            return Ok(());
        }
        match self.calls.record(id, report, not_leg, now).await? {
            Recorded::News(call) => {
                count_news(&call, report, now);
                self.tell(carrier, &call, now).await;
            }
            Recorded::Nothing(call) => self.tell(carrier, &call, now).await,
            Recorded::NoSuchCall => return Err(Error::NotFound("call")),
        }
        Ok(())
    }

    /// Every report of a missed call comes here until one has taken it on, so that a
    /// process that dies in between is made up for. Whoever took it on sends once: at
    /// most one message a call. A failure is logged: the report itself was taken.
    async fn tell(&self, carrier: &impl Carrier, call: &PhoneCall, now: Timestamp) {
        let missed = call.told_at.is_none() && call.facts.missed();
        let Some(notices) = self.notices.as_ref().filter(|_| missed) else {
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
        if !self.calls.claim_telling(&call.id(), now).await? {
            return Ok(());
        }
        let subject = Subject::Line(&call.line);
        let checked = self
            .rate_limits
            .check(&subject, Deed::Notice, self.limit, now);
        match checked.await {
            Ok(Checked::Over { .. }) => return Ok(()),
            Ok(Checked::Within { .. }) => {}
            // Nobody else will tell of this call any more.
            Err(error) => tracing::error!(%error, "a message was not counted"),
        }
        let when = call.call.created_at.strftime("%H:%M UTC on %-d %B");
        let label = tag.label_without_number();
        let about = label.as_deref().unwrap_or("your tag");
        let message = Message {
            body: format!("Somebody called about {about} at {when}, and did not reach you."),
            to: tag.owner_phone,
            service_sid: self.service_sid.clone(),
        };
        match asked(carrier.send(&message)).await {
            // Nothing to mend of ours: a landline, or an owner who wants no messages.
            Err(error @ CarrierError::InvalidNumber(_)) => {
                tracing::warn!(%error, "an owner takes no messages");
                Ok(())
            }
            sent => sent.map_err(|error| Error::UpstreamFailed(error.to_string())),
        }
    }
}

/// Asks the carrier for something, and counts it.
pub async fn asked<T>(
    request: impl Future<Output = Result<T, CarrierError>>,
) -> Result<T, CarrierError> {
    let started = Instant::now();
    let answer = request.await;
    // That a number is not to be called is no failure of the carrier's.
    let failed = |error: &CarrierError| {
        use CarrierError::{InvalidNumber, NotAllowed};
        !matches!(error, InvalidNumber(_) | NotAllowed(_))
    };
    metrics::count(Metric::CarrierAsked {
        latency: started.elapsed(),
        failed: answer.as_ref().is_err_and(failed),
    });
    answer
}

/// Counts what a report told first. What corrects it later is not counted again.
pub fn count_news(call: &PhoneCall, report: Report, received: Timestamp) {
    match report {
        Report::Answered(_) => {
            let rang = call
                .facts
                .rang()
                .map(|rang| Duration::from_secs(rang.into()));
            metrics::count(Metric::CallConnected(Kind::Phone, rang));
        }
        _ if call.facts.first_end_came(received) => {
            let status = call.outcome(received).status;
            metrics::count(Metric::CallEnded(Kind::Phone, status.as_str()));
        }
        _ => {}
    }
}
