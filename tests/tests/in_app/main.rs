//! In-app calls under everything that can happen at once: two to four devices do what
//! comes to mind, connections drop, frames and the queue's messages are late, lost, out of
//! order or twice, processes die, and clocks differ, over the real switchboard and the
//! real store. Whatever happened, in the end
//!
//! - every call has ended, once, in one row of its booking's history, the way it was told;
//! - no two devices of a user take themselves to be in the same call;
//! - nobody is left busy: the next call rings;
//! - nothing of a booking was sent to anybody else.
//!
//! Each run has a seed, which decides everything in it. `IN_APP_RUNS` is how many there
//! are; `IN_APP_SEED` repeats one of them, and shows all that happened in it.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use maskline::lambda::Start;
use maskline_local::store::{StoreAddress, create_tables};
use maskline_local::template::TablePlan;
use maskline_tests::store::{empty_store, environment};
use serde_json::json;
use tokio::runtime::Runtime;

mod check;
mod device;
mod dice;
mod gate;
mod run;
mod server;
mod world;

use run::{CALLS, CONNECTIONS, Run};

/// How many runs there are unless somebody says otherwise.
const RUNS: u64 = 2000;
/// How many failures are enough to see what is wrong.
const ENOUGH: usize = 10;

#[test]
fn whatever_happens_every_call_comes_to_one_end() {
    let number = |name: &str| {
        let value = std::env::var(name).ok()?;
        Some(
            value
                .parse::<u64>()
                .unwrap_or_else(|_| panic!("{name} is not a number")),
        )
    };
    let store = start_store();
    if let Some(seed) = number("IN_APP_SEED") {
        if let Err(failure) = one_run(seed, "only", &store, true) {
            panic!("{failure}");
        }
        return;
    }
    let runs = number("IN_APP_RUNS").unwrap_or(RUNS);
    let first = RandomState::new().build_hasher().finish() >> 16;
    println!("{runs} runs, seeds from {first}; IN_APP_SEED=… repeats one");
    let next = AtomicU64::new(0);
    let failed = Mutex::new(Vec::new());
    let ends = Mutex::new(BTreeMap::new());
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    if at >= runs || failed.lock().unwrap().len() >= ENOUGH {
                        return;
                    }
                    match one_run(first + at, "run", &store, false) {
                        Ok(ended) => {
                            let mut ends = ends.lock().unwrap();
                            for end in ended {
                                *ends.entry(end).or_insert(0_u64) += 1;
                            }
                        }
                        Err(failure) => {
                            println!("IN_APP_SEED={} fails: {failure}", first + at);
                            failed.lock().unwrap().push(first + at);
                        }
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    println!("calls that ended so: {:?}", ends.lock().unwrap());
    if let Some(seed) = failed.iter().min() {
        let again = one_run(*seed, "again", &store, true);
        let again = again
            .err()
            .unwrap_or_else(|| "not again: another thing plays a part".into());
        panic!("{failed:?} fail; IN_APP_SEED={seed}:\n{again}");
    }
}

/// One run: how its calls ended, or what was wrong with it.
fn one_run(
    seed: u64,
    which: &str,
    store: &StoreAddress,
    traced: bool,
) -> Result<Vec<String>, String> {
    thread_local! {
        static CLIENT: std::cell::OnceCell<(Runtime, Client)> = const { std::cell::OnceCell::new() };
    }
    let prefix = format!("{which}-{seed:016x}");
    CLIENT.with(|client| {
        let (runtime, client) = client.get_or_init(|| {
            let mut builder = tokio::runtime::Builder::new_current_thread();
            let runtime = builder.enable_all().build().unwrap();
            (runtime, new_client(store))
        });
        let mut run = Run::new(seed, prefix, client, traced);
        let ran = catch_unwind(AssertUnwindSafe(|| {
            runtime.block_on(async {
                run.act_up().await;
                if !run.failed() {
                    run.end().await;
                }
            });
        }));
        let (violations, trace) = run
            .net
            .world(|world| (world.violations.clone(), world.trace.take()));
        if ran.is_ok() && violations.is_empty() {
            return Ok(run.ends());
        }
        let panicked = if ran.is_err() { "it panicked\n" } else { "" };
        let trace = trace.unwrap_or_default().join("\n");
        Err(format!("{trace}\n{panicked}{}", violations.join("\n")))
    })
}

/// A client as a function has it, but that requests have all the time they want, and are
/// repeated only where a run says so: a wait of the client's own would make no two runs alike.
fn new_client(store: &StoreAddress) -> Client {
    let env = environment(store).into();
    let client = Start::from_env(env).unwrap().dynamodb().unwrap();
    let config = client.config().to_builder();
    let config = config.timeout_config(TimeoutConfig::disabled());
    let config = config.retry_config(RetryConfig::disabled());
    Client::from_conf(config.build())
}

/// The store that all runs share, each by names of its own.
fn start_store() -> StoreAddress {
    let store = empty_store();
    let table = |name: &str, key: [(&str, &str); 2]| {
        let types = ["HASH", "RANGE"];
        let attributes =
            key.map(|(name, kind)| json!({"AttributeName": name, "AttributeType": kind}));
        let keys = [0, 1].map(|at| json!({"AttributeName": key[at].0, "KeyType": types[at]}));
        TablePlan {
            name: name.to_owned(),
            create: json!({
                "TableName": name, "BillingMode": "PAY_PER_REQUEST",
                "AttributeDefinitions": attributes, "KeySchema": keys,
            }),
            ttl_attribute: None,
        }
    };
    let tables = [
        table(CALLS, [("line", "S"), ("seq", "N")]),
        table(CONNECTIONS, [("pk", "S"), ("sk", "S")]),
    ];
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let client = maskline_tests::client();
    runtime
        .block_on(create_tables(client, &store, &tables))
        .unwrap();
    store
}
