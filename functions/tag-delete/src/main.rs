//! `DELETE /api/v1/tags/{shortCode}`: remove a tag.

mod handler;

fn main() -> std::process::ExitCode {
    maskline::lambda::run::<handler::TagDelete>()
}
