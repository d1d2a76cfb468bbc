//! `GET /api/v1/tags/{shortCode}`: a tag, as its owner and admins see it.

mod handler;

fn main() -> std::process::ExitCode {
    maskline::lambda::run::<handler::TagGet>()
}
