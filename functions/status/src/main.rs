//! `POST /api/v1/call/status`: the owner's leg reports how it goes.

mod handler;

fn main() -> std::process::ExitCode {
    maskline::lambda::run::<handler::Status>()
}
