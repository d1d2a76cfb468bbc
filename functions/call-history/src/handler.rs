use maskline::access::auth::Tokens;
use maskline::access::config::ConfigError;
use maskline::access::error::Error;
use maskline::domain::app_call::AppCall;
use maskline::domain::booking::BookingId;
use maskline::domain::time::Timestamp;
use maskline::lambda::call_rows::Row;
use maskline::lambda::http::{Request, Response};
use maskline::lambda::{Function, Start};
use maskline::ports::store::app_calls::AppCalls;
use maskline::ports::store::{Table, bookings::Bookings};
use serde::Serialize;

pub struct CallHistory {
    tokens: Tokens,
    bookings: Bookings,
    calls: AppCalls,
}

#[derive(Serialize)]
struct Answer {
    calls: Vec<Row>,
}

impl Function for CallHistory {
    const NAME: &'static str = "call-history";

    fn init(start: &Start) -> Result<Self, ConfigError> {
        Ok(CallHistory {
            tokens: Tokens::from_env(&start.env)?,
            bookings: start.bookings()?,
            calls: start.app_calls()?,
        })
    }

    fn first_table(&self) -> Table<'_> {
        self.bookings.table()
    }

    async fn handle(&self, request: &Request) -> Result<Response, Error> {
        let who = self.tokens.check(request.header("authorization")).await?;
        let id: BookingId = request.path_parameter("bookingId")?;
        let now = Timestamp::now();
        let booking = self.bookings.get(&id, now).await?;
        let booking = booking.ok_or(Error::NotFound("booking"))?;
        if !who.admin && booking.role_of(&who.user_id).is_none() {
            return Err(Error::Forbidden(
                "only the booking's two parties may read it",
            ));
        }
        // A booking may have had other parties: their calls are theirs.
        let shown = |call: &AppCall| who.admin || call.side_of(&who.user_id).is_some();
        let calls = self.calls.history(&id, now).await?;
        let calls = calls.iter().filter(|call| shown(call));
        let calls = calls.filter_map(|call| Row::of(call, now)).collect();
        Response::success(200, &Answer { calls })
    }
}
