//! `POST /api/v1/call/{shortCode}/initiate`: a visitor asks a web page to be rung.

mod handler;

fn main() -> std::process::ExitCode {
    maskline::lambda::run::<handler::Initiate>()
}
