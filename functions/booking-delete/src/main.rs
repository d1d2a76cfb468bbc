//! `DELETE /api/v1/bookings/{bookingId}`: remove a booking.

mod handler;

fn main() -> std::process::ExitCode {
    maskline::lambda::run::<handler::BookingDelete>()
}
