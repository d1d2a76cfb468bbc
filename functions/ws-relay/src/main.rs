//! The `callOffer`, `callAnswer` and `callIceCandidate` routes: what the two devices in a
//! call send each other.

mod handler;

fn main() -> std::process::ExitCode {
    maskline::lambda::socket::run::<handler::Relay>()
}
