use maskline::access::config::ConfigError;
use maskline::access::error::Error;
use maskline::domain::call::{CallId, EndStatus, Report};
use maskline::domain::time::Timestamp;
use maskline::lambda::http::{Request, Response};
use maskline::lambda::missed_call::MissedCalls;
use maskline::lambda::{Function, Start};
use maskline::ports::carrier::twilio::Twilio;
use maskline::ports::carrier::{Carrier, Instruction, LegReport};
use maskline::ports::store::Table;
use maskline::ports::store::calls::{Calls, Recorded};

pub struct Status {
    carrier: Twilio,
    calls: Calls,
    public_base_url: Option<String>,
    missed_calls: MissedCalls,
}

impl Function for Status {
    const NAME: &'static str = "status";

    fn init(start: &Start) -> Result<Self, ConfigError> {
        Ok(Status {
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
            leg = visitors(leg);
        }
        if let Some(report) = leg.report {
            let not_leg = leg.maybe_visitors_leg.as_deref();
            match self.calls.record(&id, report, not_leg, now).await? {
                Recorded::News(call) => self.missed_calls.tell(&self.carrier, &call, now).await,
                Recorded::Nothing => {}
                Recorded::NoSuchCall => return Err(Error::NotFound("call")),
            }
        }
        Ok(nothing)
    }
}

/// The leg of a visitor who asked to be rung. It matters only where it was never
/// answered, so that the owner's was never begun: `completed` says nothing of that one.
fn visitors(leg: LegReport) -> LegReport {
    let report = match leg.report {
        Some(Report::LegEnd(end)) if end.status != EndStatus::Completed => {
            Some(Report::VisitorEnd(end))
        }
        _ => None,
    };
    LegReport {
        report,
        maybe_visitors_leg: None,
    }
}
