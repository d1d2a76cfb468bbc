//! `GET /api/v1/bookings/{bookingId}`: a booking, as its two parties and admins see it.

mod handler;

fn main() -> std::process::ExitCode {
    maskline::lambda::run::<handler::BookingGet>()
}
