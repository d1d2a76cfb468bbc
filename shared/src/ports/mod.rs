//! The outside world: DynamoDB, the carrier, the web.

pub mod carrier;
pub mod deadlines;
pub mod delivery;
pub mod store;
pub mod web;
