//! The simulated carrier against a scripted application, over HTTP.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod backend;
mod calls;
mod network;
mod rest;
