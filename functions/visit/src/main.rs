//! `POST /t/{shortCode}/visits`: lets a visitor of a tag's page ring the owner from it.

mod handler;

fn main() -> std::process::ExitCode {
    maskline::lambda::run::<handler::Visit>()
}
