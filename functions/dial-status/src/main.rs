//! `POST /api/v1/call/dial-status`: a dial ended; tell the visitor how, if they are
//! still there.

mod handler;

fn main() -> std::process::ExitCode {
    maskline::lambda::run::<handler::DialStatus>()
}
