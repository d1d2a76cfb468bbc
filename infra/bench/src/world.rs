//! The stack, with a tap on its line to the store where requests are counted.

mod app_calls;
mod events;
mod socket;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use maskline_local::tap::{Seen, Tap};
use maskline_local::template::{FunctionPlan, Plan, Template};
use maskline_local::websocket::{Passing, WebSocketApi};
use maskline_local::{Faults, Options, Stack};
use serde::Serialize;

use crate::error::Error;
pub use app_calls::Latency;
pub use events::Event;

/// A process's lines come through a pipe, a moment after its answer.
const LINES_ARRIVE: Duration = Duration::from_millis(30);
/// The queue that asks about in-app calls' deadlines.
const QUEUE: &str = "DeadlinesQueue";
/// How long in-app calls ring here, seconds: the longest there is, so that none ends
/// while others like it are measured.
const RING_SECONDS: &str = "600";
/// Settings that would lead out of this machine, or to data that is to last.
const ONLY_HERE: [&str; 7] = [
    "AWS_ENDPOINT_URL_DYNAMODB",
    "FUNCTIONS_DIR",
    "JWT_JWKS_URL",
    "PUBLIC_BASE_URL",
    "PUSH_WEBHOOK_URL",
    "STORE_PATH",
    "TWILIO_API_BASE_URL",
];

/// What a world is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Requests are counted: they pass a tap, and each function is one process, because
    /// a process that starts sends requests, too.
    Counting,
    /// Times are measured: no tap, so many processes a function, and nothing goes on
    /// behind a measurement's back (deadlines are not asked about, nor sockets' ends told).
    Timing {
        /// How many.
        processes: usize,
    },
}

/// Where the events come from.
#[derive(Debug)]
pub struct World {
    stack: Stack,
    plan: Plan,
    serial: Cell<u64>,
    /// Events that can be used again, by function.
    lasting: RefCell<BTreeMap<String, Event>>,
    /// Bytes of frames that came to sockets.
    received: Arc<AtomicUsize>,
}

/// Whence a function is invoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Through {
    /// By the carrier.
    FunctionUrl,
    /// By a request.
    HttpApi,
    /// By a frame, or by a socket's opening or end.
    WebSocketApi,
    /// By a message.
    Queue,
}

impl Through {
    fn of(function: &FunctionPlan) -> Self {
        match function {
            f if !f.url_paths.is_empty() => Self::FunctionUrl,
            f if !f.routes.is_empty() => Self::HttpApi,
            f if !f.sources.is_empty() => Self::Queue,
            _ => Self::WebSocketApi,
        }
    }
}

/// What one invocation used.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// The function.
    pub function: String,
    /// What it was told.
    pub what: String,
    /// Whence.
    pub through: Through,
    /// Frames from clients.
    pub frames_in: u64,
    /// Frames to clients, each a post.
    pub frames_out: u64,
    /// Messages that it put into the queue.
    pub questions: usize,
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
    /// Bytes of the answer's body, or of the frames to clients.
    pub answer_bytes: usize,
}

/// What counts by itself, at one moment.
struct Meters {
    frames_in: u64,
    frames_out: u64,
    questions: usize,
    received: usize,
    lines: usize,
}

impl World {
    /// Starts the stack with the binaries in `functions_dir`.
    pub async fn start(
        template: &Path,
        functions_dir: &Path,
        purpose: Purpose,
    ) -> Result<Self, Error> {
        let processes = match purpose {
            Purpose::Counting => 1,
            Purpose::Timing { processes } => processes,
        };
        let mut options = Options::ephemeral()
            .with("MAX_CONCURRENCY", &processes.to_string())
            .with("APP_RING_SECONDS", RING_SECONDS);
        options.tapped = purpose == Purpose::Counting;
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
        let world = Self {
            stack,
            plan,
            serial: Cell::new(0),
            lasting: RefCell::default(),
            received: Arc::default(),
        };
        if purpose != Purpose::Counting {
            let all = Faults {
                lose: 1.0,
                ..Faults::default()
            };
            world.gateway()?.trouble(Passing::Disconnects, all, 0);
            if let Some(queues) = world.stack.queues() {
                queues.trouble(all, 0);
            }
        }
        Ok(world)
    }

    /// The template with every value in its place.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Where the store is, without the tap.
    pub fn store_url(&self) -> &str {
        &self.stack.store().url
    }

    /// Takes everything down.
    pub async fn stop(self) {
        self.stack.stop().await;
    }

    /// What one invocation of that event uses, and its answer's body.
    pub async fn step(&self, what: &str, event: &Event) -> Result<(Step, String), Error> {
        let (mut step, body) = self
            .counted(&event.function, what, async {
                let body = self.run(event).await?;
                event.settle().await?;
                Ok(body)
            })
            .await?;
        step.answer_bytes += body.len();
        Ok((step, body))
    }

    /// What that function uses while something is done that has it invoked once.
    async fn counted<T>(
        &self,
        function: &str,
        what: &str,
        doing: impl Future<Output = Result<T, Error>>,
    ) -> Result<(Step, T), Error> {
        let plan = self.function(function)?;
        tokio::time::sleep(LINES_ARRIVE).await;
        let before = self.meters()?;
        self.tap()?.take();
        let done = doing.await?;
        tokio::time::sleep(LINES_ARRIVE).await;
        let after = self.meters()?;
        let mut seen = self.tap()?.take();
        seen.retain(|seen| seen.function == function);
        let prefix = format!("{function} | ");
        let lines = self.stack.log().lines().split_off(before.lines);
        let lines = lines.iter().filter_map(|line| line.strip_prefix(&prefix));
        let step = Step {
            function: function.to_owned(),
            what: what.to_owned(),
            through: Through::of(plan),
            frames_in: after.frames_in - before.frames_in,
            frames_out: after.frames_out - before.frames_out,
            questions: after.questions.saturating_sub(before.questions),
            requests: seen.len(),
            operations: seen.iter().map(|seen| seen.operation.clone()).collect(),
            read_units: total(&seen, true),
            write_units: total(&seen, false),
            log_bytes: lines.map(|line| line.len() + 1).sum(),
            answer_bytes: after.received - before.received,
        };
        Ok((step, done))
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
        let answer = self.stack.invoke(&event.function, event.json()).await;
        event.check(answer)
    }

    fn meters(&self) -> Result<Meters, Error> {
        let gateway = self.gateway()?;
        let queues = self.stack.queues();
        Ok(Meters {
            frames_in: gateway.frames_in(),
            frames_out: gateway.frames_out(),
            // None is ever due here: see RING_SECONDS.
            questions: queues.map_or(0, |queues| queues.depth(QUEUE)),
            received: self.received.load(Ordering::Relaxed),
            lines: self.stack.log().lines().len(),
        })
    }

    fn tap(&self) -> Result<&Tap, Error> {
        let tap = self.stack.tap();
        tap.ok_or_else(|| Error::Needs("no tap where nothing is counted".into()))
    }

    fn gateway(&self) -> Result<&WebSocketApi, Error> {
        let gateway = self.stack.websocket();
        gateway.ok_or_else(|| Error::Needs("no WebSocket API in the template".into()))
    }

    fn function(&self, name: &str) -> Result<&FunctionPlan, Error> {
        let found = self.plan.functions.iter().find(|f| f.binary == name);
        found.ok_or_else(|| Error::Needs(format!("no function {name}")))
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
