//! The outside world: DynamoDB and the carrier.

pub mod carrier;
pub mod store;
