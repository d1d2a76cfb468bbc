//! The `callEnd` route: either party hangs up, or the caller gives up.

mod handler;

fn main() -> std::process::ExitCode {
    maskline::lambda::socket::run::<handler::EndRoute>()
}
