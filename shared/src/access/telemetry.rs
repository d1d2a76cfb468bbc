//! Logs: one JSON object a line on standard output, as CloudWatch takes them.
//!
//! What may be logged is decided by types: numbers and secrets have masked `Debug`
//! and `Display`, and requests, forms and items have none. Libraries know no such
//! types, and print whole requests when asked for detail: they never are.

use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Starts logging at the level that Lambda's configuration names
/// (`AWS_LAMBDA_LOG_LEVEL`), INFO by default. Finer levels show this crate's own
/// lines only, and are not in a release build at all: without the libraries' a function is
/// a tenth smaller.
pub fn start() {
    let level = std::env::var("AWS_LAMBDA_LOG_LEVEL")
        .ok()
        .and_then(|level| level.parse().ok())
        .unwrap_or(Level::INFO);
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_target(false)
        .with_current_span(false)
        .with_span_list(false);
    let shown = Targets::new()
        .with_default(level.min(Level::INFO))
        .with_target("maskline", level);
    tracing_subscriber::registry()
        .with(shown)
        .with(lines)
        .init();
}
