//! `GET /api/v1/call/{shortCode}/history`: a tag's calls, newest first.

mod handler;

fn main() -> std::process::ExitCode {
    maskline::lambda::run::<handler::History>()
}
