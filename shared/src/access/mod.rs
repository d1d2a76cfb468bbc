//! Configuration, tokens, errors, logs and metrics.

pub mod auth;
pub mod config;
pub mod error;
mod jwt_crypto;
pub mod metrics;
pub mod telemetry;
pub mod visitor;
