use maskline::access::auth::Tokens;
use maskline::access::config::ConfigError;
use maskline::access::error::Error;
use maskline::domain::booking::{BookingId, Role};
use maskline::domain::time::Timestamp;
use maskline::lambda::http::{Request, Response};
use maskline::lambda::{Function, Start};
use maskline::ports::store::{Table, bookings::Bookings};
use serde::{Deserialize, Serialize};

pub struct CallPrepare {
    tokens: Tokens,
    bookings: Bookings,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    booking_id: String,
    caller_type: Role,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Parties<'a> {
    booking_id: &'a BookingId,
    caller_id: &'a str,
    caller_name: &'a str,
    receiver_id: &'a str,
    receiver_name: &'a str,
    service_name: &'a str,
}

impl Function for CallPrepare {
    const NAME: &'static str = "call-prepare";

    fn init(start: &Start) -> Result<Self, ConfigError> {
        Ok(CallPrepare {
            tokens: Tokens::from_env(&start.env)?,
            bookings: start.bookings()?,
        })
    }

    fn first_table(&self) -> Table<'_> {
        self.bookings.table()
    }

    async fn handle(&self, request: &Request) -> Result<Response, Error> {
        let identity = self.tokens.check(request.header("authorization")).await?;
        let body: Body = request.json()?;
        let id = body.booking_id.parse();
        let id: BookingId = id.map_err(|problem| Error::field("bookingId", problem))?;
        let now = Timestamp::now();
        let booking = self.bookings.get(&id, now).await?;
        let booking = booking.ok_or(Error::NotFound("booking"))?;
        let caller = body.caller_type;
        if booking.role_of(&identity.user_id) != Some(caller) {
            return Err(Error::Forbidden(
                "only a party of the booking may call, as the callerType it is",
            ));
        }
        if let Some(why) = booking.closed(now) {
            return Err(Error::Conflict(why));
        }
        let receiver = caller.other();
        Response::success(
            200,
            &Parties {
                booking_id: &booking.id,
                caller_id: booking.id_of(caller),
                caller_name: booking.name_of(caller),
                receiver_id: booking.id_of(receiver),
                receiver_name: booking.name_of(receiver),
                service_name: &booking.service_name,
            },
        )
    }
}
