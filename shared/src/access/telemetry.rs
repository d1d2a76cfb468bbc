//! Logs: one JSON object a line on standard output, as CloudWatch takes them.
//!
//! What may be logged is decided by types: numbers and secrets have masked `Debug`
//! and `Display`, and requests, forms and items have none.

use tracing::Level;

/// Starts logging at the level that Lambda's configuration names
/// (`AWS_LAMBDA_LOG_LEVEL`), INFO by default.
pub fn start() {
    let level = std::env::var("AWS_LAMBDA_LOG_LEVEL")
        .ok()
        .and_then(|level| level.parse().ok())
        .unwrap_or(Level::INFO);
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_target(false)
        .with_current_span(false)
        .with_span_list(false)
        .with_max_level(level)
        .with_ansi(false)
        .init();
}
