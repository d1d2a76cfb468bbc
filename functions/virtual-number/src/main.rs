//! `GET /api/v1/call/virtual-number?tag=CODE`: what to dial.

mod handler;

fn main() -> std::process::ExitCode {
    maskline::lambda::run::<handler::VirtualNumber>()
}
