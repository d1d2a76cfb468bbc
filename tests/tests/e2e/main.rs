//! End to end, over HTTP, through the functions' real binaries.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod alarms;
mod app_calls;
mod app_deadlines;
mod app_faults;
mod bad_input;
mod bookings;
mod call_log;
mod call_prepare;
mod callbacks;
mod calls;
mod cors;
mod crashes;
mod demo;
mod dependencies;
mod events;
mod faults;
mod history;
mod hostile;
mod ice_servers;
mod initiate;
mod limits;
mod missed_calls;
mod privacy;
mod published_keys;
mod push;
mod rare_paths;
mod rotation;
mod signature;
mod socket_auth;
mod tag_page;
mod tags;
mod turn;
mod visits;
