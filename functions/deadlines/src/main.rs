//! The deadline queue's function: writes down that a ring timeout, a party's absence or
//! the longest call has passed, and tells both sides.

mod handler;

fn main() -> std::process::ExitCode {
    maskline::lambda::queue::run::<handler::Deadlines>()
}
