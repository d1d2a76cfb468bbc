//! Metrics in CloudWatch's embedded metric format: a log line that CloudWatch reads
//! numbers out of, without an agent or a request.
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>
//!
//! | metric | unit | dimensions | counts |
//! |---|---|---|---|
//! | `CallsStarted` | | `Kind` | calls recorded, before anybody is rung |
//! | `CallsConnected` | | `Kind` | calls answered, by whomever: an answering machine is not known as one yet |
//! | `CallsEnded` | | `Kind`, `Reason` | calls whose end became known; the reason as it was known then |
//! | `RingTime` | ms | `Kind` | from ringing to answered |
//! | `CarrierLatency` | ms | | requests to the carrier, however they ended |
//! | `CarrierErrors` | | | those that failed |
//! | `RateLimited` | | | whatever was refused because somebody had done it too often |
//! | `StaleConnections` | | | connections found gone that `$disconnect` had not told of |
//!
//! Whatever handles a request counts; whoever answers it takes what was counted into the
//! line that is logged anyway ([`super::telemetry`]). A process handles its requests in
//! one thread, which is what keeps them here.
//!
//! Each line of a metric costs its bytes, each combination of dimensions a custom metric:
//! both are few on purpose. A phone call's three lines, which are logged anyway, are 650
//! bytes longer by it; an in-app call has three lines of 1,200 bytes together, where it had
//! none: 0.3 and 0.6 dollars of log for a million calls, at 0.5 dollars a GB.

use std::cell::RefCell;
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::domain::time::Timestamp;

/// Which calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Over the telephone.
    Phone,
    /// From app to app.
    App,
}

/// Something that happened once.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Metric {
    /// A call was recorded.
    CallStarted(Kind),
    /// A call was answered, after so long a time of ringing, where that is known.
    CallConnected(Kind, Option<Duration>),
    /// A call ended, and why, in one of a few words.
    CallEnded(Kind, &'static str),
    /// The carrier was asked for something.
    CarrierAsked {
        /// How long that took.
        latency: Duration,
        /// Whether it failed.
        failed: bool,
    },
    /// Somebody was refused for doing something too often.
    RateLimited,
    /// A connection was found gone.
    StaleConnection,
}

/// One number of a line.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Datum {
    name: &'static str,
    milliseconds: bool,
    value: f64,
    kind: Option<Kind>,
    reason: Option<&'static str>,
}

static NAMESPACE: OnceLock<String> = OnceLock::new();

thread_local! {
    static COUNTED: RefCell<Vec<Datum>> = const { RefCell::new(Vec::new()) };
}

/// Has this process count, under that namespace. Before, nothing is counted.
pub fn start(namespace: &str) {
    NAMESPACE.get_or_init(|| namespace.to_owned());
}

/// Counts.
pub fn count(metric: Metric) {
    if NAMESPACE.get().is_some() {
        COUNTED.with_borrow_mut(|counted| counted.extend(data(metric)));
    }
}

/// What was counted since the last time, as members of log lines: usually none or one
/// line's, and more only where calls of different dimensions were counted together.
pub(super) fn take(now: Timestamp) -> Vec<Map<String, Value>> {
    match NAMESPACE.get() {
        Some(namespace) => lines(namespace, &COUNTED.take(), now),
        None => Vec::new(),
    }
}

fn data(metric: Metric) -> Vec<Datum> {
    let one = |name| Datum {
        name,
        milliseconds: false,
        value: 1.0,
        kind: None,
        reason: None,
    };
    let time = |name, time: Duration| Datum {
        milliseconds: true,
        value: (time.as_secs_f64() * 1000.0).round(),
        ..one(name)
    };
    let of = |kind, datum| Datum {
        kind: Some(kind),
        ..datum
    };
    match metric {
        Metric::CallStarted(kind) => vec![of(kind, one("CallsStarted"))],
        Metric::CallConnected(kind, rang) => {
            let connected = of(kind, one("CallsConnected"));
            let rang = rang.map(|rang| of(kind, time("RingTime", rang)));
            [Some(connected), rang].into_iter().flatten().collect()
        }
        Metric::CallEnded(kind, reason) => {
            let reason = Some(reason);
            let ended = of(kind, one("CallsEnded"));
            vec![Datum { reason, ..ended }]
        }
        Metric::CarrierAsked { latency, failed } => {
            let latency = time("CarrierLatency", latency);
            let failed = failed.then(|| one("CarrierErrors"));
            [Some(latency), failed].into_iter().flatten().collect()
        }
        Metric::RateLimited => vec![one("RateLimited")],
        Metric::StaleConnection => vec![one("StaleConnections")],
    }
}

/// One line's members for all data whose dimensions have the same values, or none.
fn lines(namespace: &str, data: &[Datum], now: Timestamp) -> Vec<Map<String, Value>> {
    let mut lines: Vec<Vec<Datum>> = Vec::new();
    for datum in data {
        match lines.iter_mut().find(|line| fits(line, datum)) {
            Some(line) => line.push(*datum),
            None => lines.push(vec![*datum]),
        }
    }
    let line = |data: &Vec<Datum>| line(namespace, data, now);
    lines.iter().map(line).collect()
}

fn fits(line: &[Datum], datum: &Datum) -> bool {
    fn agree<T: PartialEq>(one: Option<T>, other: Option<T>) -> bool {
        one.is_none() || other.is_none() || one == other
    }
    let same = |one: &Datum| agree(one.kind, datum.kind) && agree(one.reason, datum.reason);
    line.iter().all(same)
}

fn line(namespace: &str, data: &[Datum], now: Timestamp) -> Map<String, Value> {
    let mut members = Map::new();
    let mut directives: Vec<(Vec<&str>, Vec<Value>)> = Vec::new();
    for datum in data {
        let mut dimensions = Vec::new();
        if let Some(kind) = datum.kind {
            let word = match kind {
                Kind::Phone => "phone",
                Kind::App => "app",
            };
            dimensions.push("Kind");
            members.insert("Kind".to_owned(), word.into());
        }
        if let Some(reason) = datum.reason {
            dimensions.push("Reason");
            members.insert("Reason".to_owned(), reason.into());
        }
        // Several values of one metric are a list.
        match members.get_mut(datum.name) {
            Some(Value::Array(values)) => values.push(datum.value.into()),
            Some(value) => *value = json!([value.take(), datum.value]),
            None => {
                members.insert(datum.name.to_owned(), datum.value.into());
                let metric = match datum.milliseconds {
                    true => json!({"Name": datum.name, "Unit": "Milliseconds"}),
                    false => json!({"Name": datum.name}),
                };
                match directives.iter_mut().find(|(of, _)| *of == dimensions) {
                    Some((_, metrics)) => metrics.push(metric),
                    None => directives.push((dimensions, vec![metric])),
                }
            }
        }
    }
    let directive = |(dimensions, metrics): (Vec<&str>, Vec<Value>)| json!({"Namespace": namespace, "Dimensions": [dimensions], "Metrics": metrics});
    let directives: Vec<Value> = directives.into_iter().map(directive).collect();
    let metadata = json!({
        "Timestamp": now.as_millisecond(),
        "CloudWatchMetrics": directives,
    });
    members.insert("_aws".to_owned(), metadata);
    members
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn lines_of(metrics: &[Metric]) -> Vec<Map<String, Value>> {
        let data: Vec<Datum> = metrics.iter().copied().flat_map(data).collect();
        lines(
            "Maskline/test",
            &data,
            "2026-11-21T12:00:00.123Z".parse().unwrap(),
        )
    }

    const EVERY: [Metric; 9] = [
        Metric::CallStarted(Kind::Phone),
        Metric::CallStarted(Kind::App),
        Metric::CallConnected(Kind::App, Some(Duration::from_millis(4200))),
        Metric::CallConnected(Kind::Phone, None),
        Metric::CallEnded(Kind::App, "hangup"),
        Metric::CallEnded(Kind::App, "timeout"),
        Metric::CarrierAsked {
            latency: Duration::from_micros(250_400),
            failed: true,
        },
        Metric::RateLimited,
        Metric::StaleConnection,
    ];

    /// What the specification says of the root node, the metadata, the directives, the
    /// dimension sets, the metric definitions and their target members.
    fn assert_embedded_metric_format(line: &Map<String, Value>) {
        const DAY: i64 = 86_400_000;
        let metadata = line["_aws"].as_object().unwrap();
        assert_eq!(metadata.len(), 2);
        assert!(
            metadata["Timestamp"].as_i64().unwrap() > 20_000 * DAY,
            "milliseconds"
        );
        let directives = metadata["CloudWatchMetrics"].as_array().unwrap();
        assert!(!directives.is_empty());
        for directive in directives {
            let namespace = directive["Namespace"].as_str().unwrap();
            assert!((1..=1024).contains(&namespace.len()));
            let sets = directive["Dimensions"].as_array().unwrap();
            assert!(!sets.is_empty());
            for dimension in sets.iter().flat_map(|set| set.as_array().unwrap()) {
                let value = line[dimension.as_str().unwrap()].as_str().unwrap();
                assert!((1..=1024).contains(&value.len()) && value.is_ascii());
            }
            assert!(sets.iter().all(|set| set.as_array().unwrap().len() <= 30));
            let metrics = directive["Metrics"].as_array().unwrap();
            assert!((1..=100).contains(&metrics.len()));
            for metric in metrics {
                let known = |name: &String| name == "Name" || name == "Unit";
                assert!(metric.as_object().unwrap().keys().all(known));
                let unit = metric.get("Unit");
                assert!(unit.is_none_or(|unit| unit == "Milliseconds"));
                let numbers = match &line[metric["Name"].as_str().unwrap()] {
                    Value::Array(numbers) => numbers.clone(),
                    number => vec![number.clone()],
                };
                assert!((1..=100).contains(&numbers.len()));
                assert!(numbers.iter().all(Value::is_number));
            }
        }
    }

    #[test]
    fn every_line_is_as_the_specification_says() {
        for metric in EVERY {
            let lines = lines_of(&[metric]);
            assert_eq!(lines.len(), 1, "{metric:?}");
            assert_embedded_metric_format(&lines[0]);
        }
        for line in lines_of(&EVERY) {
            assert_embedded_metric_format(&line);
        }
    }

    #[test]
    fn a_line_in_full() {
        let lines = lines_of(&[
            Metric::CallConnected(Kind::App, Some(Duration::from_millis(4200))),
            Metric::StaleConnection,
        ]);
        let line = json!({
            "_aws": {
                "Timestamp": 1_795_262_400_123_i64,
                "CloudWatchMetrics": [
                    {
                        "Namespace": "Maskline/test",
                        "Dimensions": [["Kind"]],
                        "Metrics": [
                            {"Name": "CallsConnected"},
                            {"Name": "RingTime", "Unit": "Milliseconds"},
                        ],
                    },
                    {
                        "Namespace": "Maskline/test",
                        "Dimensions": [[]],
                        "Metrics": [{"Name": "StaleConnections"}],
                    },
                ],
            },
            "Kind": "app", "CallsConnected": 1.0, "RingTime": 4200.0, "StaleConnections": 1.0,
        });
        assert_eq!(lines, [line.as_object().unwrap().clone()]);
    }

    #[test]
    fn calls_of_different_dimensions_have_lines_of_their_own() {
        let ended = |kind, reason| Metric::CallEnded(kind, reason);
        let lines = lines_of(&[
            ended(Kind::App, "timeout"),
            ended(Kind::App, "failed"),
            ended(Kind::App, "timeout"),
            ended(Kind::Phone, "failed"),
        ]);
        let told: Vec<_> = lines
            .iter()
            .map(|line| (&line["Kind"], &line["Reason"], &line["CallsEnded"]))
            .collect();
        let expected = [
            (json!("app"), json!("timeout"), json!([1.0, 1.0])),
            (json!("app"), json!("failed"), json!(1.0)),
            (json!("phone"), json!("failed"), json!(1.0)),
        ];
        assert_eq!(told, expected.each_ref().map(|(a, b, c)| (a, b, c)));
    }

    #[test]
    fn what_was_counted_is_taken_once() {
        count(Metric::RateLimited);
        start("Maskline/test");
        count(Metric::StaleConnection);
        let now = Timestamp::now();
        let taken = take(now);
        assert!(taken[0].contains_key("StaleConnections"));
        assert!(!taken[0].contains_key("RateLimited"), "before the start");
        assert!(take(now).is_empty());
    }
}
