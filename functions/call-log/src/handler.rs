use maskline::access::auth::Tokens;
use maskline::access::config::ConfigError;
use maskline::access::error::Error;
use maskline::domain::app_call::{AppCall, AppCallId, End, LogStatus, Times};
use maskline::domain::booking::{Booking, BookingId, Role};
use maskline::domain::time::{Timestamp, add_seconds};
use maskline::lambda::call_rows::Row;
use maskline::lambda::http::{Request, Response};
use maskline::lambda::{Function, Start};
use maskline::ports::store::app_calls::{AppCalls, Stored};
use maskline::ports::store::{Table, bookings::Bookings};
use serde::Deserialize;

/// A report is about the call that we recorded ourselves if that ended so recently, seconds.
const SAME_CALL_SECONDS: i64 = 600;
/// The longest call that a client may report, seconds.
const LONGEST: u32 = 86_400;
/// Among how many calls of a booking a report is looked for that was sent before: one or two
/// read units.
const LOOK_BACK: i32 = 8;
/// The longest id that a client may give a call of its own, bytes.
const LONGEST_ID: usize = 256;
/// How often a place is looked for among concurrent calls.
const TRIES: u32 = 8;

pub struct CallLog {
    tokens: Tokens,
    bookings: Bookings,
    calls: AppCalls,
    retention_seconds: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    booking_id: BookingId,
    duration: u32,
    caller_type: Role,
    status: Reported,
    call_id: Option<String>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Reported {
    Completed,
    Missed,
    Failed,
}

impl Function for CallLog {
    const NAME: &'static str = "call-log";

    fn init(start: &Start) -> Result<Self, ConfigError> {
        Ok(CallLog {
            tokens: Tokens::from_env(&start.env)?,
            bookings: start.bookings()?,
            calls: start.app_calls()?,
            retention_seconds: start.env.retention_seconds()?,
        })
    }

    fn first_table(&self) -> Table<'_> {
        self.bookings.table()
    }

    async fn handle(&self, request: &Request) -> Result<Response, Error> {
        let who = self.tokens.check(request.header("authorization")).await?;
        let body: Body = request.json()?;
        if body.duration > LONGEST {
            let problem = format_args!("must be a whole number from 0 to {LONGEST}");
            return Err(Error::field("duration", problem));
        }
        if body.id().is_some_and(|id| id.len() > LONGEST_ID) {
            let problem = format_args!("must have at most {LONGEST_ID} bytes");
            return Err(Error::field("callId", problem));
        }
        let now = Timestamp::now();
        let booking = self.bookings.get(&body.booking_id, now).await?;
        let booking = booking.ok_or(Error::NotFound("booking"))?;
        if booking.role_of(&who.user_id).is_none() {
            return Err(Error::Forbidden(
                "only the booking's two parties may report",
            ));
        }
        if let Some(row) = self.named(&body, &who.user_id, now).await? {
            return Response::success(200, &row);
        }
        for _ in 0..TRIES {
            let calls = self.calls.last(&booking.id, LOOK_BACK, true).await?;
            // A booking may have had other parties: their calls are theirs.
            let mine = |call: &&AppCall| call.side_of(&who.user_id).is_some();
            let newest = calls.first();
            let named = calls.iter().filter(mine).find(|call| body.names(call));
            let carried = newest.filter(mine).filter(|call| is_about(call, now));
            if let Some(call) = named.or(carried) {
                return Response::success(200, &Row::so_far(call, now));
            }
            let seq = newest.map_or(1, |call| call.seq + 1);
            let call = self.reported(&booking, seq, &body, now);
            if matches!(self.calls.add(&call).await?, Stored::Now) {
                return Response::success(201, &Row::of(&call, now));
            }
        }
        Err(Error::Unavailable("too many concurrent calls".to_owned()))
    }
}

impl Body {
    /// The id that it gives the call.
    fn id(&self) -> Option<&str> {
        self.call_id.as_deref().filter(|id| !id.is_empty())
    }

    /// Whether it is about a call that was reported before, by either party.
    fn names(&self, call: &AppCall) -> bool {
        self.id().is_some() && self.id() == call.reported_id.as_deref()
    }
}

impl CallLog {
    /// The call that the report names, if it is one of ours.
    async fn named(&self, body: &Body, user: &str, now: Timestamp) -> Result<Option<Row>, Error> {
        // An app may have ids of its own.
        let id = body.id().and_then(|id| id.parse().ok());
        let Some(id) = id.filter(|id: &AppCallId| id.booking == body.booking_id) else {
            return Ok(None);
        };
        let call = self.calls.get(&id, true).await?;
        let call = call.filter(|call| call.side_of(user).is_some());
        Ok(call.map(|call| Row::so_far(&call, now)))
    }

    fn reported(&self, booking: &Booking, seq: u64, body: &Body, now: Timestamp) -> AppCall {
        let times = Times {
            ring: 0,
            talk: 0,
            gone: 0,
            retention: self.retention_seconds,
        };
        let status = match body.status {
            Reported::Completed => LogStatus::Completed,
            Reported::Missed => LogStatus::Missed,
            Reported::Failed => LogStatus::Failed,
        };
        let call = AppCall::start(booking, seq, body.caller_type, "", None, &times, now);
        AppCall {
            reported_id: body.id().map(str::to_owned),
            ..call.reported(status, body.duration, now)
        }
    }
}

/// Whether a report now must be about that call: one that we recorded ourselves, which ended
/// not long ago, or which a client has left and we have not ended yet.
fn is_about(call: &AppCall, now: Timestamp) -> bool {
    let recent = |end: End| now < add_seconds(end.at, SAME_CALL_SECONDS);
    !call.reported && call.end(now).is_none_or(recent)
}
