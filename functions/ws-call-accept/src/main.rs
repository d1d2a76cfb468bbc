//! The `callAccept` route: the first device of the receiver wins.

mod handler;

fn main() -> std::process::ExitCode {
    maskline::lambda::socket::run::<handler::Accept>()
}
