//! The `$default` route: what no other route takes.

mod handler;

fn main() -> std::process::ExitCode {
    maskline::lambda::socket::run::<handler::Default>()
}
