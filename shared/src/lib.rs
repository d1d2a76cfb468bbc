//! Masked calling: what two or more of Maskline's functions need.
//!
//! Four layers, each importing only from those above it in this list
//! (`tests/layers.rs` checks it):
//!
//! 1. [`domain`]: numbers, tags, bookings, calls; no I/O, no clock, time is an argument.
//! 2. [`ports`]: DynamoDB and the carrier.
//! 3. [`access`]: configuration, tokens, errors, logs.
//! 4. [`lambda`]: clients, start-up, and the translation of Lambda's events.

pub mod access;
#[cfg(test)]
mod client_types;
pub mod domain;
pub mod lambda;
pub mod ports;
