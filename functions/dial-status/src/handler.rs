use maskline::access::config::ConfigError;
use maskline::access::error::Error;
use maskline::domain::call::{CallId, Report};
use maskline::domain::time::Timestamp;
use maskline::lambda::http::{Request, Response};
use maskline::lambda::reports::Reports;
use maskline::lambda::{Function, Start, failure_in_words};
use maskline::ports::carrier::twilio::Twilio;
use maskline::ports::carrier::{Carrier, farewell};
use maskline::ports::store::Table;

pub struct DialStatus {
    carrier: Twilio,
    reports: Reports,
    public_base_url: Option<String>,
}

impl Function for DialStatus {
    const NAME: &'static str = "dial-status";

    fn init(start: &Start) -> Result<Self, ConfigError> {
        Ok(DialStatus {
            carrier: start.env.twilio()?,
            reports: Reports::from_start(start)?,
            public_base_url: start.env.public_base_url()?,
        })
    }

    fn first_table(&self) -> Table<'_> {
        self.reports.table()
    }

    async fn handle(&self, request: &Request) -> Result<Response, Error> {
        let url = request.url(self.public_base_url.as_deref());
        let form = self.carrier.authenticate(&request.webhook(&url))?;
        let id: CallId = request.query_parameter("call")?;
        let end = self.carrier.dial_end(&form)?;
        // The dial is over whether it could be written down or not, the owner's leg
        // reports its end to another webhook, and the visitor is on the line.
        let report = Report::DialEnd(end);
        let now = Timestamp::now();
        let recorded = self.reports.record(&self.carrier, &id, report, None, now);
        if let Err(error) = recorded.await {
            tracing::error!(%error, "the end of a dial was not recorded");
        }
        let goodbye = farewell(end.attended_status());
        Ok(Response::carrier(self.carrier.write(&goodbye)))
    }

    fn refuse(&self, error: &Error) -> Response {
        failure_in_words(&self.carrier, error)
    }
}
