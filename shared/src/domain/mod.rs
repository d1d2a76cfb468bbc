//! Numbers, tags, bookings and calls. No I/O and no clock: time is an argument.

pub mod app_call;
pub mod booking;
pub mod call;
pub mod error_code;
pub mod ice;
pub mod ice_servers;
pub mod limit;
mod numbering;
pub mod phone;
pub mod secret;
pub mod signaling;
pub mod tag;
pub mod text;
pub mod time;
pub mod visit;
