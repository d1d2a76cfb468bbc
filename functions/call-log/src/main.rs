//! `POST /api/calls/log`: stores a call that a client reports, unless we recorded it ourselves.

mod handler;

fn main() -> std::process::ExitCode {
    maskline::lambda::run::<handler::CallLog>()
}
