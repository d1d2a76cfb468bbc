//! `POST /api/calls/initiate`: who is who in a call that is about to be made. Rings nobody.

mod handler;

fn main() -> std::process::ExitCode {
    maskline::lambda::run::<handler::CallPrepare>()
}
