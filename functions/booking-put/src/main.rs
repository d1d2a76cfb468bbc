//! `PUT /api/v1/bookings/{bookingId}`: create or replace a booking.

mod handler;

fn main() -> std::process::ExitCode {
    maskline::lambda::run::<handler::BookingPut>()
}
