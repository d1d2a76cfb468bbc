//! Configuration, tokens, errors and logs.

pub mod auth;
pub mod config;
pub mod error;
mod jwt_crypto;
pub mod telemetry;
pub mod visitor;
