//! The `callReject` route: ends the ringing on all of the receiver's devices.

mod handler;

fn main() -> std::process::ExitCode {
    maskline::lambda::socket::run::<handler::RejectRoute>()
}
