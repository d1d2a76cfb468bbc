use maskline::access::auth::Tokens;
use maskline::access::config::ConfigError;
use maskline::access::error::Error;
use maskline::domain::booking::BookingId;
use maskline::domain::time::Timestamp;
use maskline::lambda::http::{Request, Response};
use maskline::lambda::{Function, Start};
use maskline::ports::store::{Table, bookings::Bookings};

pub struct BookingDelete {
    tokens: Tokens,
    bookings: Bookings,
}

impl Function for BookingDelete {
    const NAME: &'static str = "booking-delete";

    fn init(start: &Start) -> Result<Self, ConfigError> {
        Ok(BookingDelete {
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
            return Err(Error::Forbidden("only an admin may delete bookings"));
        }
        let id: BookingId = request.path_parameter("bookingId")?;
        if self.bookings.delete(&id, Timestamp::now()).await? {
            Ok(Response::no_content())
        } else {
            Err(Error::NotFound("booking"))
        }
    }
}
