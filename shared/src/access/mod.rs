//! Configuration, tokens, errors and logs.

pub mod auth;
pub mod config;
pub mod error;
pub mod telemetry;
