//! The figures as a person reads them, and whether they are what they should be.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use serde::Serialize;

use crate::client::Client;
use crate::cost::{
    Bill, DYNAMODB_MS, POST_MS, PRICES, Prices, REQUESTS_A_MESSAGE, Usage, gb_seconds,
};
use crate::measure::{Figures, Rounds};
use crate::world::{Latency, Step, Through};

/// For how long the two of an in-app call are taken to be connected for it, minutes.
const APP_CALL_MINUTES: f64 = 3.0;
/// What opens and ends with a socket, not with a call.
const SOCKETS: [&str; 3] = ["ws-connect", "ws-join", "ws-disconnect"];

/// Everything that was measured.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// When.
    pub measured_at: String,
    /// On what.
    pub machine: String,
    /// The load average of the last minute, before.
    pub load: String,
    /// How the CPU quota was kept.
    pub throttle: &'static str,
    /// What share of a core a busy loop got under the quota of 128 MB.
    pub throttled_share: f64,
    /// How often each thing was measured.
    pub rounds: Rounds,
    /// The functions.
    pub functions: Vec<Figures>,
    /// Node's.
    pub node: Vec<Figures>,
    /// What each function's main event uses.
    pub store: Vec<Step>,
    /// Whole calls.
    pub calls: Vec<Call>,
    /// Relayed frames of in-app calls.
    pub latency: Vec<Latency>,
    /// How many processes a function could have meanwhile.
    pub processes: usize,
    /// The client package.
    pub client: Client,
    /// The prices.
    pub prices: Prices,
    /// What was aimed at.
    pub targets: Vec<Target>,
}

/// The kinds of calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// Over the carrier; then the owner reads the history.
    Phone,
    /// Over sockets, which are opened and closed for it.
    App,
}

impl Kind {
    /// Whether a step is the call's own.
    fn owns(self, step: &Step) -> bool {
        match self {
            Self::Phone => step.through == Through::FunctionUrl,
            Self::App => !SOCKETS.contains(&step.function.as_str()),
        }
    }

    /// What the other steps are.
    fn beside(self) -> &'static str {
        match self {
            Self::Phone => "history",
            Self::App => "sockets",
        }
    }
}

/// A call and what a million of them cost.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Call {
    /// Which kind.
    pub kind: Kind,
    /// Which of the kind.
    pub what: &'static str,
    /// Everything that it sets off, and what goes with it.
    pub steps: Vec<Step>,
    /// Dollars for a million: the call itself and its record.
    pub call: Bill,
    /// Dollars for a million: what goes with it.
    pub beside: Bill,
    /// Compute alone, if every invocation were a process's first.
    pub compute_if_always_cold: f64,
}

/// A target and the figure that decides.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Target {
    /// What is measured.
    pub what: String,
    /// Where it is worst.
    pub worst: String,
    /// The figure there.
    pub figure: f64,
    /// What it must be below, or not above for counts.
    pub limit: f64,
    /// Whether it is.
    pub met: bool,
}

impl Target {
    /// One that is met up to the limit.
    pub fn at_most(what: &str, worst: &str, figure: f64, limit: f64) -> Self {
        Self {
            what: what.into(),
            worst: worst.into(),
            figure,
            limit,
            met: figure <= limit,
        }
    }
}

impl Call {
    /// Adds up the steps. A record stays for `months`.
    pub fn new(
        kind: Kind,
        what: &'static str,
        steps: Vec<Step>,
        functions: &[Figures],
        months: f64,
    ) -> Self {
        let (mut call, mut beside) = (Usage::default(), Usage::default());
        call.item_months = months;
        if kind == Kind::App {
            call.connection_minutes = 2.0 * APP_CALL_MINUTES;
        }
        let mut cold = Usage::default();
        for step in &steps {
            let figures = functions.iter().find(|f| f.function == step.function);
            let posts = step.frames_out as f64 + step.questions as f64;
            let waiting = step.requests as f64 * DYNAMODB_MS + posts * POST_MS;
            let compute = |busy: fn(&Figures) -> f64| {
                figures.map_or(0.0, |f| gb_seconds(f.memory_mb, busy(f) + waiting))
            };
            cold.gb_seconds += compute(|f| f.start.billed + f.first_throttled.billed);
            *(if kind.owns(step) {
                &mut call
            } else {
                &mut beside
            }) += Usage {
                requests: 1.0,
                http_api_requests: f64::from(u8::from(step.through == Through::HttpApi)),
                messages: (step.frames_in + step.frames_out) as f64,
                queue_requests: step.questions as f64 * REQUESTS_A_MESSAGE,
                gb_seconds: compute(|f| f.warm_throttled.billed),
                read_units: step.read_units,
                write_units: step.write_units,
                log_bytes: step.log_bytes as f64,
                answer_bytes: step.answer_bytes as f64,
                ..Usage::default()
            };
        }
        Self {
            kind,
            what,
            steps,
            call: Bill::new(&PRICES, &call),
            beside: Bill::new(&PRICES, &beside),
            compute_if_always_cold: Bill::new(&PRICES, &cold).compute,
        }
    }

    /// A figure of both bills.
    fn both(&self, part: fn(&Bill) -> f64) -> f64 {
        part(&self.call) + part(&self.beside)
    }

    /// DynamoDB units of the call itself.
    fn units(&self) -> f64 {
        let own = self.part(true);
        own.map(|step| step.read_units + step.write_units).sum()
    }

    /// The call's own steps, or those that go with it.
    fn part(&self, own: bool) -> impl Iterator<Item = &Step> {
        let steps = self.steps.iter();
        steps.filter(move |step| self.kind.owns(step) == own)
    }
}

/// Holds the figures against what was aimed at.
pub fn targets(functions: &[Figures], store: &[Step], calls: &[Call]) -> Vec<Target> {
    type OfFunction = fn(&Figures) -> f64;
    type OfCall = fn(&Call) -> f64;
    let by_function: [(&str, f64, OfFunction); 5] = [
        ("start to first poll, ms", 6.0, |f| f.start.median),
        ("first invocation at 128 MB, ms", 15.0, |f| {
            f.first_throttled.median
        }),
        ("warm invocation, ms", 2.0, |f| f.warm.median),
        ("zipped, MB", 2.5, |f| mb(f.zipped_bytes)),
        ("resident, MB", 12.0, |f| mb(f.resident_bytes)),
    ];
    let mut targets: Vec<Target> = by_function
        .into_iter()
        .filter_map(|(what, limit, figure)| {
            let all = functions.iter().map(|f| (f.function.clone(), figure(f)));
            let (worst, figure) = all.max_by(|a, b| a.1.total_cmp(&b.1))?;
            Some(Target {
                what: what.to_owned(),
                worst,
                figure,
                limit,
                met: figure < limit,
            })
        })
        .collect();
    let steps = calls.iter().flat_map(|call| &call.steps).chain(store);
    type OfStep = fn(&Step) -> bool;
    let by_step: [(&str, usize, OfStep); 2] = [
        ("DynamoDB requests of a webhook", 3, |step| {
            step.through == Through::FunctionUrl
        }),
        ("DynamoDB requests of a relayed frame", 1, |step| {
            step.function == "ws-relay"
        }),
    ];
    for (what, limit, counts) in by_step {
        let counted = steps.clone().filter(|step| counts(step));
        if let Some(step) = counted.max_by_key(|step| step.requests) {
            let worst = format!("{}, {}", step.function, step.what);
            let (figure, limit) = (step.requests as f64, limit as f64);
            targets.push(Target::at_most(what, &worst, figure, limit));
        }
    }
    use Kind::{App, Phone};
    let by_call: [(Kind, &str, f64, OfCall); 8] = [
        (Phone, "$ a million calls, webhooks and record", 5.0, |c| {
            c.call.answering()
        }),
        (Phone, "with log ingestion", 5.0, |c| c.call.with_logs()),
        (Phone, "with one read of the history", 5.0, |c| {
            c.both(Bill::answering)
        }),
        (Phone, "with both", 5.0, |c| c.both(Bill::with_logs)),
        (Phone, "with storage and transfer, too", 5.0, |c| {
            c.both(Bill::everything)
        }),
        (App, "DynamoDB units of an in-app call", 45.0, Call::units),
        (App, "$ a million in-app calls, everything", 60.0, |c| {
            c.call.everything()
        }),
        (App, "with sockets opened for each", 60.0, |c| {
            c.both(Bill::everything)
        }),
    ];
    for (kind, what, limit, figure) in by_call {
        let of_kind = calls.iter().filter(|call| call.kind == kind);
        let all = of_kind.map(|call| (call.what, figure(call)));
        if let Some((worst, figure)) = all.max_by(|a, b| a.1.total_cmp(&b.1)) {
            targets.push(Target {
                what: what.into(),
                worst: worst.into(),
                figure,
                limit,
                met: match kind {
                    Phone => figure < limit,
                    App => figure <= limit,
                },
            });
        }
    }
    targets
}

fn mb(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rounds = &self.rounds;
        writeln!(out, "{}, {}", self.measured_at, self.machine)?;
        writeln!(
            out,
            "Load average before: {} (other work here makes every time longer)",
            self.load
        )?;
        writeln!(
            out,
            "Medians of {} fresh processes and {} warm invocations; store on loopback",
            rounds.cold, rounds.warm
        )?;
        writeln!(
            out,
            "CPU quota at 128 MB: {} (a busy loop got {:.1} % of a core)\n",
            self.throttle,
            self.throttled_share * 100.0
        )?;
        writeln!(out, "{}", table(self.functions.iter().chain(&self.node)))?;
        self.store(out)?;
        for call in &self.calls {
            call.write(out)?;
        }
        self.latency(out)?;
        write!(out, "{}", self.client)?;
        writeln!(
            out,
            "Prices: {}. Compute: as measured warm at 128 MB, {DYNAMODB_MS} ms for each DynamoDB request, and\n\
             {POST_MS} ms for each frame posted and each message put into the queue.\n\
             An in-app call: both sides connected for {APP_CALL_MINUTES} minutes. A queued message is {REQUESTS_A_MESSAGE} requests.\n\
             Storage: an item of 1 KB with point-in-time recovery, for as long as records are kept.\n\
             Transfer: the bodies of answers, and frames. A refused condition counts as one write unit.\n",
            self.prices.as_of
        )?;
        let mut table = Table::new(["target", "worst", "figure", "limit", ""]);
        for target in &self.targets {
            table.row([
                target.what.clone(),
                target.worst.clone(),
                format!("{:.2}", target.figure),
                format!("{}", target.limit),
                if target.met { "met" } else { "NOT MET" }.into(),
            ]);
        }
        write!(out, "{table}")
    }
}

/// Sizes and times, a row a function.
pub fn table<'a>(figures: impl IntoIterator<Item = &'a Figures>) -> impl fmt::Display {
    let mut table = Table::new([
        "function",
        "",
        "size MB",
        "zip MB",
        "start ms",
        "first ms",
        "CPU ms",
        "at 128 MB",
        "p95",
        "waited",
        "warm ms",
        "p95",
        "CPU ms",
        "at 128 MB",
        "RSS MB",
    ]);
    for f in figures {
        table.row([
            f.function.clone(),
            f.runtime.into(),
            format!("{:.2}", mb(f.binary_bytes)),
            format!("{:.2}", mb(f.zipped_bytes)),
            format!("{:.2}", f.start.median),
            format!("{:.2}", f.first.median),
            format!("{:.2}", f.first_cpu.median),
            format!("{:.2}", f.first_throttled.median),
            format!("{:.2}", f.first_throttled.p95),
            format!("{}/{}", f.first_waited, f.first_throttled.count),
            format!("{:.2}", f.warm.median),
            format!("{:.2}", f.warm.p95),
            format!("{:.2}", f.warm_cpu.median),
            format!("{:.2}", f.warm_throttled.median),
            format!("{:.1}", mb(f.resident_bytes)),
        ]);
    }
    table
}

impl Report {
    fn store(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "One invocation of each, as in the table above\n")?;
        writeln!(out, "{}", steps_table(&self.store))
    }

    fn latency(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            out,
            "A relayed candidate, from one app's send to the other's receipt, through the local\n\
             stack at full speed, {} processes a function at most; each call sends its next\n\
             when its last one has come, and apps, stack and functions share the machine\n",
            self.processes
        )?;
        let mut table = Table::new([
            "calls at once",
            "frames",
            "p50 ms",
            "p95 ms",
            "max ms",
            "frames/s",
            "processes",
        ]);
        for at in &self.latency {
            table.row([
                at.calls.to_string(),
                at.times.count.to_string(),
                format!("{:.2}", at.times.median),
                format!("{:.2}", at.times.p95),
                format!("{:.2}", at.times.max),
                format!("{:.0}", at.per_second),
                at.processes.to_string(),
            ]);
        }
        writeln!(out, "{table}")
    }
}

impl Call {
    fn write(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Kind::Phone => {
                writeln!(out, "A phone call over {}\n", self.what)?;
                writeln!(out, "{}", steps_table(&self.steps))?;
            }
            Kind::App => {
                writeln!(out, "An in-app call: {}\n", self.what)?;
                writeln!(out, "{}", steps_table(&self.by_function()))?;
            }
        }
        let beside = self.kind.beside();
        let mut table = Table::new(["$ a million calls", "call", beside, "both"]);
        type Part = fn(&Bill) -> f64;
        let parts: [(&str, Part); 14] = [
            ("Lambda requests", |bill| bill.requests),
            ("Lambda compute", |bill| bill.compute),
            ("HTTP API requests", |bill| bill.http_api),
            ("WebSocket messages", |bill| bill.messages),
            ("WebSocket connections", |bill| bill.connections),
            ("SQS requests", |bill| bill.queue),
            ("DynamoDB writes", |bill| bill.writes),
            ("DynamoDB reads", |bill| bill.reads),
            ("to answer", Bill::answering),
            ("log ingestion", |bill| bill.logs),
            ("with logs", Bill::with_logs),
            ("storage", |bill| bill.storage),
            ("data transfer out", |bill| bill.transfer),
            ("everything", Bill::everything),
        ];
        for (name, part) in parts {
            if self.both(part) == 0.0 {
                continue;
            }
            let figures = [part(&self.call), part(&self.beside), self.both(part)];
            let [call, beside, both] = figures.map(|figure| format!("{figure:.3}"));
            table.row([name.to_owned(), call, beside, both]);
        }
        writeln!(out, "{table}")?;
        let cold = self.compute_if_always_cold;
        writeln!(
            out,
            "Compute, if every invocation were a cold start: {cold:.3}\n"
        )
    }

    /// The steps added up by function and in all: first the call's own.
    fn by_function(&self) -> Vec<Step> {
        let mut sums = Vec::new();
        for (name, own) in [("the call", true), (self.kind.beside(), false)] {
            let mut functions: Vec<&str> = Vec::new();
            for step in self.part(own) {
                if !functions.contains(&step.function.as_str()) {
                    functions.push(&step.function);
                }
            }
            for function in functions {
                let steps = self.part(own).filter(|step| step.function == function);
                sums.extend(sum(function, steps));
            }
            sums.extend(sum(name, self.part(own)));
        }
        sums
    }
}

/// Several steps as one, with their requests counted by name.
fn sum<'a>(name: &str, steps: impl Iterator<Item = &'a Step>) -> Option<Step> {
    let steps: Vec<&Step> = steps.collect();
    let mut sum = Step::clone(steps.first()?);
    for step in &steps[1..] {
        sum.frames_in += step.frames_in;
        sum.frames_out += step.frames_out;
        sum.questions += step.questions;
        sum.requests += step.requests;
        sum.operations.extend(step.operations.iter().cloned());
        sum.read_units += step.read_units;
        sum.write_units += step.write_units;
        sum.log_bytes += step.log_bytes;
        sum.answer_bytes += step.answer_bytes;
    }
    let mut counts = BTreeMap::new();
    for operation in &sum.operations {
        *counts.entry(operation).or_insert(0) += 1;
    }
    let counts = counts.iter().map(|(name, count)| format!("{count} {name}"));
    sum.operations = counts.collect();
    sum.function = name.to_owned();
    sum.what = format!("× {}", steps.len());
    Some(sum)
}

fn steps_table(steps: &[Step]) -> Table<11> {
    let mut table = Table::new([
        "function",
        "event",
        "frames in",
        "frames out",
        "to the queue",
        "requests",
        "read units",
        "write units",
        "log bytes",
        "bytes out",
        "operations",
    ]);
    for step in steps {
        table.row([
            step.function.clone(),
            step.what.clone(),
            step.frames_in.to_string(),
            step.frames_out.to_string(),
            step.questions.to_string(),
            step.requests.to_string(),
            step.read_units.to_string(),
            step.write_units.to_string(),
            step.log_bytes.to_string(),
            step.answer_bytes.to_string(),
            step.operations.join(" "),
        ]);
    }
    table
}

/// Text in columns as wide as they need to be. A column of nothing but zeros is left out.
#[derive(Debug)]
pub struct Table<const N: usize>(Vec<[String; N]>);

impl<const N: usize> Table<N> {
    /// One with that head.
    pub fn new(head: [&str; N]) -> Self {
        Self(vec![head.map(str::to_owned)])
    }

    /// Adds a row.
    pub fn row(&mut self, cells: [String; N]) {
        self.0.push(cells);
    }
}

impl<const N: usize> fmt::Display for Table<N> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let zeros = |column: usize| self.0[1..].iter().all(|row| row[column] == "0");
        let width = |column: usize| {
            let cells = self.0.iter().map(|row| row[column].chars().count());
            cells.max().unwrap_or_default()
        };
        for row in &self.0 {
            let mut line = String::new();
            for (column, cell) in row.iter().enumerate().filter(|(n, _)| !zeros(*n)) {
                let width = width(column);
                let number = self.0.get(1).is_some_and(|first| is_number(&first[column]));
                match number {
                    true => write!(line, "{cell:>width$}  ")?,
                    false => write!(line, "{cell:<width$}  ")?,
                }
            }
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

fn is_number(cell: &str) -> bool {
    cell.starts_with(|c: char| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(function: &str, through: Through, requests: usize) -> Step {
        Step {
            function: function.into(),
            what: "an event".into(),
            through,
            frames_in: 0,
            frames_out: 0,
            questions: 0,
            requests,
            operations: vec!["GetItem".into(); requests],
            read_units: 0.5,
            write_units: 1.0,
            log_bytes: 100,
            answer_bytes: 10,
        }
    }

    #[test]
    fn a_phone_call_is_the_sum_of_its_steps() {
        let steps = vec![
            step("connect", Through::FunctionUrl, 2),
            step("history", Through::HttpApi, 4),
        ];
        let call = Call::new(Kind::Phone, "a number", steps, &[], 3.0);
        assert_eq!(call.call.requests, PRICES.lambda_requests);
        assert_eq!(call.call.writes, PRICES.write_units);
        assert_eq!((call.call.http_api, call.beside.http_api), (0.0, 1.0));
        assert_eq!(call.both(|bill| bill.reads), PRICES.read_units);
        assert!(call.call.storage > 0.0 && call.beside.storage == 0.0);
        let limits = targets(&[], &[], &[call]);
        let figures: Vec<f64> = limits[1..].iter().map(|target| target.figure).collect();
        assert!(figures.len() == 5 && figures.iter().all(|figure| *figure >= figures[0]));
    }

    #[test]
    fn an_app_call_is_frames_minutes_and_questions() {
        let frame = |function, frames_out, questions| Step {
            frames_in: 1,
            frames_out,
            questions,
            ..step(function, Through::WebSocketApi, 1)
        };
        let socket = step("ws-connect", Through::WebSocketApi, 1);
        let initiate = frame("ws-call-initiate", 2, 1);
        let steps = vec![
            socket,
            initiate,
            frame("ws-relay", 1, 0),
            frame("ws-relay", 1, 0),
        ];
        let call = Call::new(Kind::App, "a call", steps, &[], 3.0);
        assert_eq!(call.call.messages, 7.0 * PRICES.messages);
        assert_eq!(call.call.connections, 6.0 * PRICES.connection_minutes);
        assert_eq!(call.call.queue, 3.0 * PRICES.queue_requests);
        assert_eq!(call.beside.messages, 0.0);
        assert_eq!(call.beside.requests, PRICES.lambda_requests);
        let sums = call.by_function();
        let names: Vec<_> = sums.iter().map(|sum| sum.function.as_str()).collect();
        assert_eq!(
            names,
            [
                "ws-call-initiate",
                "ws-relay",
                "the call",
                "ws-connect",
                "sockets"
            ]
        );
        assert_eq!(
            (sums[1].operations[0].as_str(), sums[2].frames_in),
            ("2 GetItem", 3)
        );
        let limits = targets(&[], &[], &[call]);
        let reads = &limits[0];
        assert!(reads.met && reads.limit == 1.0 && reads.figure == 1.0);
        assert_eq!(limits[1].figure, 4.5, "without the socket's");
        assert!(limits[3].figure > limits[2].figure && limits[3].met);
    }

    #[test]
    fn only_webhooks_count_for_their_target() {
        let store = [
            step("history", Through::HttpApi, 4),
            step("status", Through::FunctionUrl, 3),
        ];
        let targets = targets(&[], &store, &[]);
        assert_eq!(targets.len(), 1);
        assert!(targets[0].met && targets[0].worst.starts_with("status"));
        let too_many = super::targets(&[], &[step("connect", Through::FunctionUrl, 4)], &[]);
        assert!(!too_many[0].met);
    }

    #[test]
    fn columns_line_up() {
        let mut table = Table::new(["name", "none", "n"]);
        table.row(["a".into(), "0".into(), "10".into()]);
        table.row(["longer".into(), "0".into(), "5".into()]);
        assert_eq!(table.to_string(), "name     n\na       10\nlonger   5\n");
    }
}
