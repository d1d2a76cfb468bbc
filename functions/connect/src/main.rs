//! `POST /api/v1/call/connect`: a visitor calls; ask for an extension where the
//! number does not tell which tag is meant, then ring its owner.

mod handler;

fn main() -> std::process::ExitCode {
    maskline::lambda::run::<handler::Connect>()
}
