use maskline::access::config::ConfigError;
use maskline::access::error::Error;
use maskline::domain::call::{CallId, End, Report};
use maskline::domain::time::Timestamp;
use maskline::lambda::http::{Request, Response};
use maskline::lambda::missed_call::MissedCalls;
use maskline::lambda::{Function, Start, failure_in_words};
use maskline::ports::carrier::twilio::Twilio;
use maskline::ports::carrier::{Carrier, farewell};
use maskline::ports::store::Table;
use maskline::ports::store::calls::{Calls, Recorded};

pub struct DialStatus {
    carrier: Twilio,
    calls: Calls,
    public_base_url: Option<String>,
    missed_calls: MissedCalls,
}

impl Function for DialStatus {
    const NAME: &'static str = "dial-status";

    fn init(start: &Start) -> Result<Self, ConfigError> {
        Ok(DialStatus {
            carrier: start.env.twilio()?,
            calls: start.calls()?,
            public_base_url: start.env.public_base_url()?,
            missed_calls: MissedCalls::from_start(start)?,
        })
    }

    fn first_table(&self) -> Table<'_> {
        self.calls.table()
    }

    async fn handle(&self, request: &Request) -> Result<Response, Error> {
        let url = request.url(self.public_base_url.as_deref());
        let form = self.carrier.authenticate(&request.webhook(&url))?;
        let id: CallId = request.query_parameter("call")?;
        let end = self.carrier.dial_end(&form)?;
        // The dial is over whether it could be written down or not, the owner's leg
        // reports its end to another webhook, and the visitor is on the line.
        if let Err(error) = self.record(&id, end).await {
            tracing::error!(%error, "the end of a dial was not recorded");
        }
        let goodbye = farewell(end.attended_status());
        Ok(Response::carrier(self.carrier.write(&goodbye)))
    }

    fn refuse(&self, error: &Error) -> Response {
        failure_in_words(&self.carrier, error)
    }
}

impl DialStatus {
    /// Nearly always the owner's leg has told the same before; a read that finds so
    /// costs a tenth of a write.
    async fn record(&self, id: &CallId, end: End) -> Result<(), Error> {
        let report = Report::DialEnd(end);
        let now = Timestamp::now();
        // Stale facts will do: what makes a report redundant stays so.
        let call = self.calls.get(id, false).await?;
        if call.is_some_and(|call| call.facts.make_redundant(report)) {
            return Ok(());
        }
        match self.calls.record(id, report, None, now).await? {
            Recorded::News(call) => self.missed_calls.tell(&self.carrier, &call, now).await,
            Recorded::Nothing => {}
            Recorded::NoSuchCall => return Err(Error::NotFound("call")),
        }
        Ok(())
    }
}
