//! The `callInitiate` route: rings the other one of a booking on all of their devices.

mod handler;

fn main() -> std::process::ExitCode {
    maskline::lambda::socket::run::<handler::InitiateRoute>()
}
