//! `make bench`: what the functions of the release build weigh, how fast they start
//! and answer, what they ask of the store, how long a relayed frame takes, and what a
//! phone call and an in-app call cost on AWS; then what the client package weighs and sends.
//!
//! Every function of the template is measured; one without an event here is an
//! error. The table goes to standard output, the same as JSON to `target/bench.json`.
//! Functions named on the command line are measured alone, and `--quick` in fewer rounds.

mod client;
mod cost;
mod error;
mod measure;
mod report;
mod stats;
mod throttle;
mod world;

use std::path::Path;
use std::process::ExitCode;

use maskline_local::lambda::default_functions_dir;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use client::Client;
use cost::PRICES;
use error::Error;
use measure::{Bench, Figures, Rounds};
use report::{Call, Kind, Report};
use throttle::Means;
use world::{Purpose, Step, World};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
/// The functions that are also written for Node, and the file that is bundled.
const NODE: [&str; 1] = ["status"];
const NODE_FILE: &str = "bootstrap";
/// The smallest memory that Lambda sells; what the figures under a quota are named after.
const SMALLEST_MB: u64 = 128;
/// Processes that a function may have where frames are timed: the local stack's default.
const PROCESSES: usize = 10;
/// In-app calls at once, and candidates that are timed in each of them in full rounds.
const AT_ONCE: [(usize, usize); 3] = [(1, 1000), (10, 200), (100, 40)];
/// Open files that the sockets of one function's events take, both ends of them.
const OPEN_FILES: u64 = 8192;

const ROUNDS: Rounds = Rounds {
    cold: 20,
    warm: 200,
    warm_throttled: 40,
};
/// For those who change the bench itself.
const QUICK: Rounds = Rounds {
    cold: 3,
    warm: 20,
    warm_throttled: 3,
};

fn main() -> ExitCode {
    let mut only: Vec<String> = std::env::args().skip(1).collect();
    let quick = only.iter().position(|argument| argument == "--quick");
    let rounds = match quick.map(|place| only.remove(place)) {
        None => ROUNDS,
        Some(_) => QUICK,
    };
    if only.iter().any(|argument| argument.starts_with('-')) {
        eprintln!("usage: maskline-bench [--quick] [FUNCTION ...]");
        return ExitCode::FAILURE;
    }
    // The store has a thread of its own, the function a process: one more thread for
    // everything else is enough, and saves it the company of others.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let done = runtime
        .map_err(Error::io("the runtime"))
        .and_then(|runtime| runtime.block_on(run(rounds, &only)));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(rounds: Rounds, only: &[String]) -> Result<(), Error> {
    if cfg!(debug_assertions) {
        let problem = "a debug build measures nothing that ships; use make bench";
        return Err(Error::Needs(problem.into()));
    }
    let functions_dir = default_functions_dir()?;
    let means = Means::find();
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default().to_owned();
    let throttled_share = means.try_out(SMALLEST_MB)?;
    let due = throttle::quota(SMALLEST_MB).as_secs_f64() / throttle::PERIOD.as_secs_f64();
    if throttled_share > 1.5 * due {
        let how = means.describe();
        return Err(Error::Needs(format!(
            "the CPU quota does not hold ({how}): a busy loop got {:.1} % of a core instead of {:.1} %",
            throttled_share * 100.0,
            due * 100.0
        )));
    }
    more_open_files();
    let template = Path::new(ROOT).join("template.yaml");
    let processes = PROCESSES;
    if !only.is_empty() {
        let world = World::start(&template, &functions_dir, Purpose::Timing { processes }).await?;
        let bench = Bench {
            world: &world,
            means,
            rounds,
        };
        let figures = measure_some(&bench, &functions_dir, only).await;
        world.stop().await;
        print!("{}", report::table(&figures?));
        return Ok(());
    }
    let client = Client::read(Path::new(ROOT))?;
    let world = World::start(&template, &functions_dir, Purpose::Counting).await?;
    let counts = Counts::take(&world).await;
    world.stop().await;
    let counts = counts?;
    let world = World::start(&template, &functions_dir, Purpose::Timing { processes }).await?;
    let bench = Bench {
        world: &world,
        means,
        rounds,
    };
    let report = report(
        &bench,
        client,
        counts,
        &functions_dir,
        load,
        throttled_share,
    )
    .await;
    world.stop().await;
    let report = report?;
    print!("{report}");
    let path = functions_dir
        .parent()
        .unwrap_or(&functions_dir)
        .join("bench.json");
    let json = serde_json::to_vec_pretty(&report).map_err(|error| Error::io("JSON")(error.into()));
    std::fs::write(&path, json?).map_err(Error::io(path.display().to_string()))
}

/// Raises the limit as far as this process may, if it is low: many systems begin with
/// 1024. Where even that is too few, a socket says so.
fn more_open_files() {
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.unwrap_or(OPEN_FILES).min(OPEN_FILES);
    if limit.current.is_some_and(|current| current < wanted) {
        let current = Some(wanted);
        let _ = setrlimit(Resource::Nofile, Rlimit { current, ..limit });
    }
}

/// What things use, however long they take.
struct Counts {
    store: Vec<Step>,
    calls: Vec<(Kind, &'static str, Vec<Step>)>,
}

impl Counts {
    async fn take(world: &World) -> Result<Self, Error> {
        eprintln!("counting requests");
        let mut store = Vec::new();
        // First, because a function without an event is to fail at once.
        for function in &world.plan().functions {
            let event = world.event(function).await?;
            store.push(world.step("main", &event).await?.0);
        }
        let shared = world.phone_call(false).await?;
        let own = world.phone_call(true).await?;
        let app = world.app_call().await?;
        Ok(Self {
            store,
            calls: vec![
                (Kind::Phone, "the shared number", shared),
                (Kind::Phone, "a number of the tag's own", own),
                (Kind::App, "20 frames, accepted and hung up", app),
            ],
        })
    }
}

/// The figures of single functions, for those who work on them.
async fn measure_some(
    bench: &Bench<'_>,
    functions_dir: &Path,
    only: &[String],
) -> Result<Vec<Figures>, Error> {
    let plan = bench.world.plan();
    let mut measured = Vec::new();
    for name in only {
        let function = plan.functions.iter().find(|f| &f.binary == name);
        let function = function.ok_or_else(|| Error::Needs(format!("no function {name}")))?;
        let figures = bench.measure("Rust", function, functions_dir, name);
        measured.push(figures.await?);
    }
    Ok(measured)
}

async fn report(
    bench: &Bench<'_>,
    client: Client,
    counts: Counts,
    functions_dir: &Path,
    load: String,
    throttled_share: f64,
) -> Result<Report, Error> {
    let world = bench.world;
    let plan = world.plan();
    let mut functions = Vec::new();
    for function in &plan.functions {
        eprintln!("measuring {}", function.binary);
        let dir = functions_dir;
        let figures = bench.measure("Rust", function, dir, &function.binary);
        functions.push(figures.await?);
    }
    let mut node = Vec::new();
    for name in NODE {
        eprintln!("measuring {name} on Node");
        let function = plan.functions.iter().find(|f| f.binary == name);
        let function = function.ok_or_else(|| Error::Needs(format!("no function {name}")))?;
        let dir = Path::new(ROOT).join("infra/bench/node/dist").join(name);
        let figures = bench.measure("Node", function, &dir, NODE_FILE);
        node.push(figures.await?);
    }
    let days = plan.parameters.get("CALL_RETENTION_DAYS");
    let days: Option<f64> = days.and_then(|days| days.parse().ok());
    let days = days.ok_or_else(|| Error::Needs("no CALL_RETENTION_DAYS".into()))?;
    let call = |(kind, what, steps)| Call::new(kind, what, steps, &functions, days / 30.0);
    let calls: Vec<Call> = counts.calls.into_iter().map(call).collect();
    let mut latency = Vec::new();
    for (at_once, frames) in AT_ONCE {
        eprintln!("relaying in {at_once} calls at once");
        let frames = (frames * bench.rounds.warm / ROUNDS.warm).max(2);
        latency.push(world.latency(at_once, frames).await?);
    }
    let mut targets = report::targets(&functions, &counts.store, &calls);
    targets.extend(client.targets());
    Ok(Report {
        measured_at: jiff::Timestamp::now()
            .strftime("%Y-%m-%d %H:%M UTC")
            .to_string(),
        machine: machine(),
        load,
        throttle: bench.means.describe(),
        throttled_share,
        rounds: bench.rounds,
        targets,
        functions,
        node,
        store: counts.store,
        calls,
        latency,
        processes: PROCESSES,
        client,
        prices: PRICES,
    })
}

fn machine() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name"));
    let model = model.map_or("unknown CPU", |model| {
        model.trim_start_matches([' ', '\t', ':'])
    });
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{} {model}, {cores} cores", std::env::consts::ARCH)
}
