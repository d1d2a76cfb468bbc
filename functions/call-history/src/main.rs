//! `GET /api/calls/history/{bookingId}`: a booking's calls, newest first.

mod handler;

fn main() -> std::process::ExitCode {
    maskline::lambda::run::<handler::CallHistory>()
}
