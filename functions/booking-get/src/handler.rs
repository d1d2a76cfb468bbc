use maskline::access::auth::Tokens;
use maskline::access::config::ConfigError;
use maskline::access::error::Error;
use maskline::domain::booking::BookingId;
use maskline::domain::time::Timestamp;
use maskline::lambda::http::{Request, Response};
use maskline::lambda::{Function, Start};
use maskline::ports::store::{Table, bookings::Bookings};

pub struct BookingGet {
    tokens: Tokens,
    bookings: Bookings,
}

impl Function for BookingGet {
    const NAME: &'static str = "booking-get";

    fn init(start: &Start) -> Result<Self, ConfigError> {
        Ok(BookingGet {
            tokens: Tokens::from_env(&start.env)?,
            bookings: start.bookings()?,
        })
    }

    fn first_table(&self) -> Table<'_> {
        self.bookings.table()
    }

    async fn handle(&self, request: &Request) -> Result<Response, Error> {
        let identity = self.tokens.check(request.header("authorization")).await?;
        let id: BookingId = request.path_parameter("bookingId")?;
        let booking = self.bookings.get(&id, Timestamp::now()).await?;
        let booking = booking.ok_or(Error::NotFound("booking"))?;
        if !identity.admin && booking.role_of(&identity.user_id).is_none() {
            return Err(Error::Forbidden(
                "only the booking's two parties may read it",
            ));
        }
        Response::json(200, &booking.view())
    }
}
