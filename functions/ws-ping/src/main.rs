//! The `ping` route: answers `pong`, and keeps API Gateway's idle limit away.

mod handler;

fn main() -> std::process::ExitCode {
    maskline::lambda::socket::run::<handler::Ping>()
}
