use maskline::access::auth::Tokens;
use maskline::access::config::ConfigError;
use maskline::access::error::Error;
use maskline::domain::booking::{Booking, BookingId, Status};
use maskline::domain::phone::{self, PhoneNumber};
use maskline::domain::text;
use maskline::domain::time::Timestamp;
use maskline::lambda::http::{Request, Response};
use maskline::lambda::{Function, Start};
use maskline::ports::store::Table;
use maskline::ports::store::bookings::{Bookings, Stored};
use serde::Deserialize;

pub struct BookingPut {
    tokens: Tokens,
    bookings: Bookings,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    booking_id: Option<String>,
    user_id: String,
    user_name: String,
    provider_id: String,
    provider_name: String,
    service_name: String,
    status: Status,
}

impl Function for BookingPut {
    const NAME: &'static str = "booking-put";

    fn init(start: &Start) -> Result<Self, ConfigError> {
        Ok(BookingPut {
            tokens: Tokens::from_env(&start.env)?,
            bookings: start.bookings()?,
        })
    }

    fn first_table(&self) -> Table<'_> {
        self.bookings.table()
    }

    async fn handle(&self, request: &Request) -> Result<Response, Error> {
        let identity = self.tokens.check(request.header("authorization")).await?;
        if !identity.admin {
            return Err(Error::Forbidden("only an admin may change bookings"));
        }
        let booking = read(request, Timestamp::now())?;
        match self.bookings.put(&booking).await? {
            Stored::Created(booking) => Response::json(201, &booking.view()),
            Stored::Replaced(booking) => Response::json(200, &booking.view()),
        }
    }
}

fn read(request: &Request, now: Timestamp) -> Result<Booking, Error> {
    let id: BookingId = request.path_parameter("bookingId")?;
    if id.is_visit() {
        let problem = "begins like a visit's; choose another one";
        return Err(Error::field("bookingId", problem));
    }
    let body: Body = request.json()?;
    if body.booking_id.is_some_and(|given| given != id.as_str()) {
        return Err(Error::field("bookingId", "is another one in the path"));
    }
    let booking = Booking {
        id,
        user_id: party("userId", &body.user_id)?,
        user_name: name("userName", &body.user_name)?,
        provider_id: party("providerId", &body.provider_id)?,
        provider_name: name("providerName", &body.provider_name)?,
        service_name: name("serviceName", &body.service_name)?,
        status: body.status,
        tag: None,
        open_until: None,
        expires_at: None,
        created_at: now,
        updated_at: now,
    };
    if booking.user_id == booking.provider_id {
        let problem = "is the userId, too; nobody calls themselves";
        return Err(Error::field("providerId", problem));
    }
    Ok(booking)
}

/// Each learns the other's id and name: neither may be a number.
fn party(field: &str, given: &str) -> Result<String, Error> {
    let id = text::read(given).map_err(|problem| Error::field(field, problem))?;
    if PhoneNumber::from_e164(&id).is_some() {
        let problem = "is a phone number; the other party sees it";
        return Err(Error::field(field, problem));
    }
    Ok(id)
}

fn name(field: &str, given: &str) -> Result<String, Error> {
    let name = text::read(given).map_err(|problem| Error::field(field, problem))?;
    if phone::may_be_in(&name) {
        let problem = "shows what may be a phone number; the other party sees it";
        return Err(Error::field(field, problem));
    }
    Ok(name)
}
