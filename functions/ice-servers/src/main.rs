//! `GET /api/calls/ice-servers`: the servers that help two clients reach each other.

mod handler;

fn main() -> std::process::ExitCode {
    maskline::lambda::run::<handler::IceServersGet>()
}
