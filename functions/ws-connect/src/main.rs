//! The `$connect` route: no valid token, no connection.

mod handler;

fn main() -> std::process::ExitCode {
    maskline::lambda::socket::run::<handler::Connect>()
}
