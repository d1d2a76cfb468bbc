//! The outside world: DynamoDB, the carrier, the web.

pub mod carrier;
pub mod store;
pub mod web;
