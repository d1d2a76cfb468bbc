//! The whole of Maskline on one machine, for development and tests.
//!
//! [`Stack::start`] reads `template.yaml` and brings up what it describes:
//!
//! - [`store`]: a DynamoDB-compatible store with the template's tables;
//! - [`lambda`] and [`runtime_api`]: each function's real binary as processes of
//!   their own behind the Lambda Runtime API;
//! - [`http`] and [`event`]: the HTTP API and the Function URLs, with the events
//!   that AWS sends;
//! - [`websocket`]: the WebSocket API, if the template has one, and `@connections`;
//! - [`queue`]: SQS queues, and the events that their messages make;
//! - the simulated carrier, from the crate `maskline-carrier`.
//!
//! Nothing here knows what a call is: a function cannot tell this place from AWS
//! except by the addresses in its environment.

mod cors;
pub mod demo;
mod demo_pages;
mod error;
pub mod event;
mod faults;
pub mod http;
pub mod lambda;
mod log;
pub mod queue;
pub mod runtime_api;
pub mod settings;
mod stack;
pub mod store;
pub mod tap;
pub mod template;
pub mod usage;
pub mod websocket;

pub use error::{Error, InvokeError};
pub use faults::Faults;
pub use log::LogSink;
pub use stack::{Options, Stack};
