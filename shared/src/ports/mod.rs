//! The outside world: DynamoDB, the carrier, the host application, the web.

pub mod carrier;
pub mod deadlines;
pub mod delivery;
pub mod push;
pub mod store;
pub mod web;
