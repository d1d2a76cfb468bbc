//! Logs: one JSON object a line on standard output, as CloudWatch takes them.
//!
//! What may be logged is decided by types: numbers and secrets have masked `Debug`
//! and `Display`, and requests, forms and items have none. Libraries know no such
//! types, and print whole requests when asked for detail: they never are.

use std::time::Instant;

use serde::Serialize;
use serde_json::{Map, Value};
use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use super::metrics;
use crate::domain::time::{Timestamp, rfc3339};

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

/// What there is to say of a request that was answered.
#[derive(Debug, Serialize)]
pub struct Answered<'a> {
    /// The function.
    pub function: &'static str,
    /// Lambda's id of the request.
    pub request_id: &'a str,
    /// How it ended: the HTTP status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// How it ended: `ok`, or the error's code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'a str>,
    /// How long it took, milliseconds.
    pub ms: f64,
}

/// The time since then in milliseconds, to the microsecond.
pub fn milliseconds_since(started: Instant) -> f64 {
    (started.elapsed().as_secs_f64() * 1e6).round() / 1e3
}

/// Logs that a request was answered, with what was counted in it. With `only_if_counted`
/// nothing is logged where nothing was: a line for each frame that goes well would cost as
/// much as storing the call.
pub fn answered(answered: &Answered<'_>, only_if_counted: bool) {
    let now = Timestamp::now();
    let mut counted = metrics::take(now);
    if counted.is_empty() && !only_if_counted {
        counted.push(Map::new());
    }
    for metrics in counted {
        println!("{}", line(answered, metrics, now));
    }
}

/// The line, of the same form as all others.
fn line(answered: &Answered<'_>, metrics: Map<String, Value>, now: Timestamp) -> String {
    #[derive(Serialize)]
    struct Line<'a> {
        timestamp: String,
        level: &'static str,
        message: &'static str,
        #[serde(flatten)]
        answered: &'a Answered<'a>,
        #[serde(flatten)]
        metrics: Map<String, Value>,
    }
    let line = Line {
        timestamp: rfc3339(now),
        level: "INFO",
        message: "answered",
        answered,
        metrics,
    };
    serde_json::to_string(&line).unwrap_or_default()
}
