use maskline::access::config::ConfigError;
use maskline::access::error::Error;
use maskline::domain::call::{CallId, EndStatus, Report};
use maskline::domain::time::Timestamp;
use maskline::lambda::http::{Request, Response};
use maskline::lambda::reports::Reports;
use maskline::lambda::{Function, Start};
use maskline::ports::carrier::twilio::Twilio;
use maskline::ports::carrier::{Carrier, Instruction, LegReport};
use maskline::ports::store::Table;

pub struct Status {
    carrier: Twilio,
    reports: Reports,
    public_base_url: Option<String>,
}

impl Function for Status {
    const NAME: &'static str = "status";

    fn init(start: &Start) -> Result<Self, ConfigError> {
        Ok(Status {
            carrier: start.env.twilio()?,
            reports: Reports::from_start(start)?,
            public_base_url: start.env.public_base_url()?,
        })
    }

    fn first_table(&self) -> Table<'_> {
        self.reports.table()
    }

    async fn handle(&self, request: &Request) -> Result<Response, Error> {
        let now = Timestamp::now();
        let url = request.url(self.public_base_url.as_deref());
        let form = self.carrier.authenticate(&request.webhook(&url))?;
        let nothing = Response::carrier(self.carrier.write(&Instruction::Nothing));
        // A callback that ops set on a number itself names no call: the visitor's
        // own leg, which tells nothing of the owner's.
        let Some(id) = request.optional_query_parameter::<CallId>("call")? else {
            return Ok(nothing);
        };
        let mut leg = self.carrier.leg_report(&form, now)?;
        if request.query("leg").as_deref() == Some("visitor") {
            leg = visitors(leg, now);
        }
        if let Some(report) = leg.report {
            let not_leg = leg.maybe_visitors_leg.as_deref();
            let recorded = self
                .reports
                .record(&self.carrier, &id, report, not_leg, now);
            recorded.await?;
        }
        Ok(nothing)
    }
}

/// The leg of a visitor who asked to be rung. It matters where it was never answered,
/// or was over before the owner's was begun: of the owner's it says nothing.
fn visitors(leg: LegReport, now: Timestamp) -> LegReport {
    let report = match leg.report {
        Some(Report::LegEnd(end)) if end.status == EndStatus::Completed => {
            Some(Report::VisitorGone(end.at.unwrap_or(now)))
        }
        Some(Report::LegEnd(end)) => Some(Report::VisitorEnd(end)),
        _ => None,
    };
    LegReport {
        report,
        maybe_visitors_leg: None,
    }
}
