//! The `join` route: who is here, and which call they are in.

mod handler;

fn main() -> std::process::ExitCode {
    maskline::lambda::socket::run::<handler::JoinRoute>()
}
