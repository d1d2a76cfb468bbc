//! The `$disconnect` route, which API Gateway calls late or never.

mod handler;

fn main() -> std::process::ExitCode {
    maskline::lambda::socket::run::<handler::Disconnect>()
}
