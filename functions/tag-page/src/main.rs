//! `GET /t/{shortCode}`: what a visitor sees after scanning a tag.

mod handler;
mod page;

fn main() -> std::process::ExitCode {
    maskline::lambda::run::<handler::TagPage>()
}
