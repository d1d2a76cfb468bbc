//! The figures as a person reads them, and whether they are what they should be.

use std::fmt::{self, Write as _};

use serde::Serialize;

use crate::cost::{Bill, DYNAMODB_MS, PRICES, Prices, Usage, gb_seconds};
use crate::measure::{Figures, Rounds};
use crate::world::Step;

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
    /// Whole phone calls.
    pub calls: Vec<PhoneCall>,
    /// The prices.
    pub prices: Prices,
    /// What was aimed at.
    pub targets: Vec<Target>,
}

/// A phone call and what a million of them cost.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PhoneCall {
    /// Which kind.
    pub what: &'static str,
    /// Every webhook, then the read of the history.
    pub steps: Vec<Step>,
    /// Dollars for a million: the webhooks and the record.
    pub call: Bill,
    /// Dollars for a million: what follows the webhooks.
    pub history: Bill,
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

impl PhoneCall {
    /// Adds up the steps. A record stays for `months`.
    pub fn new(what: &'static str, steps: Vec<Step>, functions: &[Figures], months: f64) -> Self {
        let (mut call, mut history) = (Usage::default(), Usage::default());
        call.item_months = months;
        let mut cold = Usage::default();
        for step in &steps {
            let figures = functions.iter().find(|f| f.function == step.function);
            let compute = |busy: fn(&Figures) -> f64| {
                let waiting = step.requests as f64 * DYNAMODB_MS;
                figures.map_or(0.0, |f| gb_seconds(f.memory_mb, busy(f) + waiting))
            };
            cold.gb_seconds += compute(|f| f.start.billed + f.first_throttled.billed);
            *(if step.webhook {
                &mut call
            } else {
                &mut history
            }) += Usage {
                requests: 1.0,
                http_api_requests: if step.webhook { 0.0 } else { 1.0 },
                gb_seconds: compute(|f| f.warm_throttled.billed),
                read_units: step.read_units,
                write_units: step.write_units,
                item_months: 0.0,
                log_bytes: step.log_bytes as f64,
                answer_bytes: step.answer_bytes as f64,
            };
        }
        Self {
            what,
            steps,
            call: Bill::new(&PRICES, &call),
            history: Bill::new(&PRICES, &history),
            compute_if_always_cold: Bill::new(&PRICES, &cold).compute,
        }
    }

    /// A figure of both bills.
    fn both(&self, part: fn(&Bill) -> f64) -> f64 {
        part(&self.call) + part(&self.history)
    }
}

/// Holds the figures against what was aimed at.
pub fn targets(functions: &[Figures], store: &[Step], calls: &[PhoneCall]) -> Vec<Target> {
    type OfFunction = fn(&Figures) -> f64;
    type OfCall = fn(&PhoneCall) -> f64;
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
    let webhooks = steps.filter(|step| step.webhook);
    if let Some(step) = webhooks.max_by_key(|step| step.requests) {
        targets.push(Target {
            what: "DynamoDB requests of a webhook".into(),
            worst: format!("{}, {}", step.function, step.what),
            figure: step.requests as f64,
            limit: 3.0,
            met: step.requests <= 3,
        });
    }
    let by_call: [(&str, OfCall); 5] = [
        ("$ a million calls, webhooks and record", |c| {
            c.call.answering()
        }),
        ("with log ingestion", |c| c.call.with_logs()),
        ("with one read of the history", |c| c.both(Bill::answering)),
        ("with both", |c| c.both(Bill::with_logs)),
        ("with storage and transfer, too", |c| {
            c.both(Bill::everything)
        }),
    ];
    for (what, figure) in by_call {
        let all = calls.iter().map(|call| (call.what, figure(call)));
        if let Some((worst, figure)) = all.max_by(|a, b| a.1.total_cmp(&b.1)) {
            targets.push(Target {
                what: what.into(),
                worst: worst.into(),
                figure,
                limit: 5.0,
                met: figure < 5.0,
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
        self.functions(out)?;
        self.store(out)?;
        for call in &self.calls {
            call.write(out)?;
        }
        writeln!(
            out,
            "Prices: {}. Compute: as measured warm at 128 MB, and {DYNAMODB_MS} ms for each DynamoDB request.\n\
             Storage: an item of 1 KB with point-in-time recovery, for as long as records are kept.\n\
             Transfer: the bodies of answers. A refused condition counts as one write unit.\n",
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

impl Report {
    fn functions(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new([
            "function",
            "",
            "size MB",
            "zip MB",
            "start ms",
            "first ms",
            "at 128 MB",
            "p95",
            "waited",
            "warm ms",
            "p95",
            "at 128 MB",
            "RSS MB",
        ]);
        for f in self.functions.iter().chain(&self.node) {
            table.row([
                f.function.clone(),
                f.runtime.into(),
                format!("{:.2}", mb(f.binary_bytes)),
                format!("{:.2}", mb(f.zipped_bytes)),
                format!("{:.2}", f.start.median),
                format!("{:.2}", f.first.median),
                format!("{:.2}", f.first_throttled.median),
                format!("{:.2}", f.first_throttled.p95),
                format!("{}/{}", f.first_waited, f.first_throttled.count),
                format!("{:.2}", f.warm.median),
                format!("{:.2}", f.warm.p95),
                format!("{:.2}", f.warm_throttled.median),
                format!("{:.1}", mb(f.resident_bytes)),
            ]);
        }
        writeln!(out, "{table}")
    }

    fn store(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "One invocation of each, as in the table above\n")?;
        writeln!(out, "{}", steps_table(&self.store))
    }
}

impl PhoneCall {
    fn write(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "A phone call over {}\n", self.what)?;
        writeln!(out, "{}", steps_table(&self.steps))?;
        let mut table = Table::new(["$ a million calls", "call", "history", "both"]);
        type Part = fn(&Bill) -> f64;
        let parts: [(&str, Part); 11] = [
            ("Lambda requests", |bill| bill.requests),
            ("HTTP API requests", |bill| bill.http_api),
            ("Lambda compute", |bill| bill.compute),
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
            let figures = [part(&self.call), part(&self.history), self.both(part)];
            let [call, history, both] = figures.map(|figure| format!("{figure:.3}"));
            table.row([name.to_owned(), call, history, both]);
        }
        writeln!(out, "{table}")?;
        let cold = self.compute_if_always_cold;
        writeln!(
            out,
            "Compute, if every invocation were a cold start: {cold:.3}\n"
        )
    }
}

fn steps_table(steps: &[Step]) -> Table<8> {
    let mut table = Table::new([
        "function",
        "event",
        "requests",
        "read units",
        "write units",
        "log bytes",
        "answer",
        "operations",
    ]);
    for step in steps {
        table.row([
            step.function.clone(),
            step.what.clone(),
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

/// Text in columns as wide as they need to be.
#[derive(Debug)]
struct Table<const N: usize>(Vec<[String; N]>);

impl<const N: usize> Table<N> {
    fn new(head: [&str; N]) -> Self {
        Self(vec![head.map(str::to_owned)])
    }

    fn row(&mut self, cells: [String; N]) {
        self.0.push(cells);
    }
}

impl<const N: usize> fmt::Display for Table<N> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |column: usize| {
            let cells = self.0.iter().map(|row| row[column].chars().count());
            cells.max().unwrap_or_default()
        };
        for row in &self.0 {
            let mut line = String::new();
            for (column, cell) in row.iter().enumerate() {
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

    fn step(function: &str, webhook: bool, requests: usize) -> Step {
        Step {
            function: function.into(),
            what: "an event".into(),
            webhook,
            requests,
            operations: Vec::new(),
            read_units: 0.5,
            write_units: 1.0,
            log_bytes: 100,
            answer_bytes: 10,
        }
    }

    #[test]
    fn a_call_is_the_sum_of_its_steps() {
        let steps = vec![step("connect", true, 2), step("history", false, 4)];
        let call = PhoneCall::new("a number", steps, &[], 3.0);
        assert_eq!(call.call.requests, PRICES.lambda_requests);
        assert_eq!(call.call.writes, PRICES.write_units);
        assert_eq!((call.call.http_api, call.history.http_api), (0.0, 1.0));
        assert_eq!(call.both(|bill| bill.reads), PRICES.read_units);
        assert!(call.call.storage > 0.0 && call.history.storage == 0.0);
        let limits = targets(&[], &[], &[call]);
        let figures: Vec<f64> = limits[1..].iter().map(|target| target.figure).collect();
        assert!(figures.len() == 5 && figures.iter().all(|figure| *figure >= figures[0]));
    }

    #[test]
    fn only_webhooks_count_for_their_target() {
        let store = [step("history", false, 4), step("status", true, 3)];
        let targets = targets(&[], &store, &[]);
        assert_eq!(targets.len(), 1);
        assert!(targets[0].met && targets[0].worst.starts_with("status"));
        let too_many = super::targets(&[], &[step("connect", true, 4)], &[]);
        assert!(!too_many[0].met);
    }

    #[test]
    fn columns_line_up() {
        let mut table = Table::new(["name", "n"]);
        table.row(["a".into(), "10".into()]);
        table.row(["longer".into(), "5".into()]);
        assert_eq!(table.to_string(), "name     n\na       10\nlonger   5\n");
    }
}
