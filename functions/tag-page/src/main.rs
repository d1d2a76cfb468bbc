//! `GET /t/{shortCode}`: what a visitor sees after scanning a tag, and `GET /assets/{file}`:
//! the script behind it.

mod handler;
mod page;
mod script;

fn main() -> std::process::ExitCode {
    maskline::lambda::run::<handler::TagPage>()
}
