//! The stack, and the functions behind a tap on their line to the store.

mod events;

use std::cell::{Cell, OnceCell};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use maskline_local::lambda::{Function, Host};
use maskline_local::tap::{Seen, Tap};
use maskline_local::template::{FunctionPlan, Plan, Template};
use maskline_local::{LogSink, Options, Stack};
use serde::Serialize;

use crate::error::Error;
pub use events::Event;

/// A process's lines come through a pipe, a moment after its answer.
const LINES_ARRIVE: Duration = Duration::from_millis(30);
/// Settings that would lead out of this machine, or to data that is to last.
const ONLY_HERE: [&str; 6] = [
    "AWS_ENDPOINT_URL_DYNAMODB",
    "FUNCTIONS_DIR",
    "JWT_JWKS_URL",
    "PUBLIC_BASE_URL",
    "STORE_PATH",
    "TWILIO_API_BASE_URL",
];

/// Where the events come from.
#[derive(Debug)]
pub struct World {
    stack: Stack,
    plan: Plan,
    functions: BTreeMap<String, Arc<Function>>,
    tap: Tap,
    log: LogSink,
    serial: Cell<u64>,
    history: OnceCell<Event>,
}

/// What one invocation used.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// The function.
    pub function: String,
    /// What it was told.
    pub what: String,
    /// Whether it is called by the carrier.
    pub webhook: bool,
    /// DynamoDB requests.
    pub requests: usize,
    /// Their names.
    pub operations: Vec<String>,
    /// Read units.
    pub read_units: f64,
    /// Write units; a refused condition counts as one.
    pub write_units: f64,
    /// Bytes of log lines.
    pub log_bytes: usize,
    /// Bytes of the answer's body.
    pub answer_bytes: usize,
}

impl World {
    /// Starts the stack with the binaries in `functions_dir`, and every function
    /// once more behind the tap.
    pub async fn start(template: &Path, functions_dir: &Path) -> Result<Self, Error> {
        let mut options = Options::ephemeral();
        options.template = template.to_owned();
        options.functions_dir = Some(functions_dir.to_owned());
        for name in ONLY_HERE {
            options = options.with(name, "");
        }
        // Nobody talks to them: a credential is made out of nothing but these.
        options = options
            .with("TURN_URLS", "turn:turn.example.com")
            .with("TURN_SECRET", "bench");
        // The simulated carrier comes up with the stack and is where the template's
        // TWILIO_API_BASE_URL leads, for functions that place calls themselves.
        let stack = Stack::start(options).await?;
        let value = |name: &str| stack.value(name).map(str::to_owned);
        let plan = Template::read(template)?.resolve(value, stack.addresses())?;
        let tap = Tap::start(stack.store_url()).await?;
        let log = LogSink::memory();
        let host = Host {
            functions_dir: functions_dir.to_owned(),
            store_url: tap.url().to_owned(),
            max_concurrency: 1,
            log: log.clone(),
        };
        let mut functions = BTreeMap::new();
        for plan in &plan.functions {
            let function = Function::new(plan.clone(), host.clone())?;
            function.boot().await?;
            functions.insert(plan.binary.clone(), function);
        }
        Ok(Self {
            stack,
            plan,
            functions,
            tap,
            log,
            serial: Cell::new(0),
            history: OnceCell::new(),
        })
    }

    /// The template with every value in its place.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Where the store is, without the tap.
    pub fn store_url(&self) -> &str {
        self.stack.store_url()
    }

    /// Takes everything down.
    pub async fn stop(self) {
        for function in self.functions.values() {
            function.stop().await;
        }
        self.stack.stop().await;
    }

    /// What one invocation of that event uses, measured through the tap.
    pub async fn step(&self, what: &str, event: &Event) -> Result<(Step, String), Error> {
        tokio::time::sleep(LINES_ARRIVE).await;
        let lines_before = self.log.lines().len();
        self.tap.take();
        let body = self.run(event).await?;
        let seen = self.tap.take();
        tokio::time::sleep(LINES_ARRIVE).await;
        let prefix = format!("{} | ", event.function);
        let lines = self.log.lines().split_off(lines_before);
        let lines = lines.iter().filter_map(|line| line.strip_prefix(&prefix));
        let plan = self.plan.functions.iter();
        let webhook = |f: &FunctionPlan| f.binary == event.function && !f.url_paths.is_empty();
        let step = Step {
            function: event.function.clone(),
            what: what.to_owned(),
            webhook: plan.clone().any(webhook),
            requests: seen.len(),
            operations: seen.iter().map(|seen| seen.operation.clone()).collect(),
            read_units: total(&seen, true),
            write_units: total(&seen, false),
            log_bytes: lines.map(|line| line.len() + 1).sum(),
            answer_bytes: body.len(),
        };
        Ok((step, body))
    }

    async fn note(
        &self,
        what: &str,
        event: &Event,
        steps: &mut Option<Vec<Step>>,
    ) -> Result<String, Error> {
        let Some(steps) = steps else {
            return self.run(event).await;
        };
        let (step, body) = self.step(what, event).await?;
        steps.push(step);
        Ok(body)
    }

    async fn run(&self, event: &Event) -> Result<String, Error> {
        let function = self.functions.get(&event.function);
        let function = function.ok_or_else(|| Error::NoEvent(event.function.clone()))?;
        event.run(function).await
    }
}

fn reads(seen: &Seen) -> bool {
    ["Get", "BatchGet", "TransactGet", "Query", "Scan"]
        .iter()
        .any(|prefix| seen.operation.starts_with(prefix))
}

fn total(seen: &[Seen], reading: bool) -> f64 {
    let of_kind = seen.iter().filter(|seen| reads(seen) == reading);
    of_kind.fold(0.0, |sum, seen| sum + units(seen))
}

/// A refused condition consumes a unit, too, but does not tell.
fn units(seen: &Seen) -> f64 {
    match seen.status {
        400 if !reads(seen) => seen.units.max(1.0),
        _ => seen.units,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_of_the_right_kind() {
        let seen = |operation: &str, status, units| Seen {
            function: "history".into(),
            operation: operation.into(),
            status,
            units,
        };
        assert_eq!(units(&seen("UpdateItem", 400, 0.0)), 1.0);
        assert_eq!(units(&seen("UpdateItem", 200, 2.0)), 2.0);
        assert_eq!(units(&seen("GetItem", 400, 0.0)), 0.0);
        assert!(reads(&seen("Query", 200, 0.5)));
        assert!(reads(&seen("GetItem", 200, 0.5)));
        assert!(!reads(&seen("TransactWriteItems", 200, 4.0)));
        assert!(!reads(&seen("PutItem", 200, 1.0)));
    }
}
