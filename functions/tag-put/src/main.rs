//! `PUT /api/v1/tags/{shortCode}`: create or replace a tag.

mod handler;

fn main() -> std::process::ExitCode {
    maskline::lambda::run::<handler::TagPut>()
}
