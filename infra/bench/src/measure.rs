//! One function's figures: processes started as Lambda starts them, by the same
//! Runtime API that the local stack has.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use maskline_local::LogSink;
use maskline_local::lambda::{Function, Host};
use maskline_local::template::FunctionPlan;
use serde::Serialize;
use zip::CompressionMethod;
use zip::write::SimpleFileOptions;

use crate::error::Error;
use crate::stats::Spread;
use crate::throttle::{Means, cpu_time};
use crate::world::{Event, World};

/// Invocations before those that count as warm.
const WARM_UP: usize = 20;
/// Between two throttled warm invocations: calls do not come back to back, and a
/// quota that the last one used up is there again.
const PAUSE: Duration = Duration::from_millis(50);

/// How often each thing is measured.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rounds {
    /// Fresh processes, at full speed and again under the quota.
    pub cold: usize,
    /// Warm invocations.
    pub warm: usize,
    /// Warm invocations under the quota.
    pub warm_throttled: usize,
}

/// What was measured of a function; times in milliseconds.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Figures {
    /// The function.
    pub function: String,
    /// `Rust` or `Node`.
    pub runtime: &'static str,
    /// Its memory, which decides its CPU quota.
    pub memory_mb: u64,
    /// The size of what is deployed.
    pub binary_bytes: u64,
    /// The same zipped.
    pub zipped_bytes: u64,
    /// From the start of the process to its first request for an event.
    pub start: Spread,
    /// A fresh process's first event.
    pub first: Spread,
    /// The same under the quota, which begins with the first request for an event.
    pub first_throttled: Spread,
    /// How many of those processes had to wait for CPU time.
    pub first_waited: usize,
    /// CPU time of a fresh process's first event, at full speed.
    pub first_cpu: Spread,
    /// Later events.
    pub warm: Spread,
    /// CPU time of later events.
    pub warm_cpu: Spread,
    /// Later events under the quota.
    pub warm_throttled: Spread,
    /// Resident memory after the warm invocations.
    pub resident_bytes: u64,
}

/// What stays the same from function to function.
#[derive(Debug)]
pub struct Bench<'a> {
    /// Where the events come from.
    pub world: &'a World,
    /// How quotas are kept.
    pub means: Means,
    /// How often.
    pub rounds: Rounds,
}

impl Bench<'_> {
    /// Measures `file` in `dir` as a program for the function's events.
    pub async fn measure(
        &self,
        runtime: &'static str,
        plan: &FunctionPlan,
        dir: &Path,
        file: &str,
    ) -> Result<Figures, Error> {
        let program = FunctionPlan {
            binary: file.to_owned(),
            ..plan.clone()
        };
        let host = Host {
            functions_dir: dir.to_owned(),
            store_url: self.world.store_url().to_owned(),
            max_concurrency: 1,
            log: LogSink::memory(),
        };
        let Rounds {
            cold,
            warm,
            warm_throttled,
        } = self.rounds;
        // All of them before the first measurement, so that nothing else runs then.
        let mut events = Vec::new();
        for _ in 0..2 * cold + WARM_UP + warm + warm_throttled {
            events.push(self.world.event(plan).await?);
        }
        let mut events = events.iter();
        let function = || Function::new(program.clone(), host.clone());

        let (mut start, mut first, mut first_cpu) = (Vec::new(), Vec::new(), Vec::new());
        for event in events.by_ref().take(cold) {
            let function = function()?;
            let began = Instant::now();
            function.boot().await?;
            start.push(millis(began));
            let used = cpu_millis(&function)?;
            first.push(timed(event, &function).await?);
            first_cpu.push(cpu_millis(&function)? - used);
            function.stop().await;
        }

        let (mut first_throttled, mut first_waited) = (Vec::new(), 0);
        for event in events.by_ref().take(cold) {
            let function = function()?;
            function.boot().await?;
            let held = self.means.hold(pid(&function)?, plan.memory_mb);
            let held = held.map_err(Error::io("the CPU quota"))?;
            first_throttled.push(timed(event, &function).await?);
            let waited = held.release().map_err(Error::io("the CPU quota"))?;
            first_waited += usize::from(waited > 0);
            function.stop().await;
        }

        let function = function()?;
        function.boot().await?;
        for event in events.by_ref().take(WARM_UP) {
            timed(event, &function).await?;
        }
        let (mut warm_times, mut warm_cpu) = (Vec::new(), Vec::new());
        for event in events.by_ref().take(warm) {
            let used = cpu_millis(&function)?;
            warm_times.push(timed(event, &function).await?);
            warm_cpu.push(cpu_millis(&function)? - used);
        }
        let resident_bytes = resident(pid(&function)?)?;
        let held = self.means.hold(pid(&function)?, plan.memory_mb);
        let held = held.map_err(Error::io("the CPU quota"))?;
        let mut throttled_times = Vec::new();
        for event in events {
            tokio::time::sleep(PAUSE).await;
            throttled_times.push(timed(event, &function).await?);
        }
        held.release().map_err(Error::io("the CPU quota"))?;
        function.stop().await;

        let path = dir.join(file);
        let content = std::fs::read(&path).map_err(Error::io(path.display().to_string()))?;
        Ok(Figures {
            function: plan.binary.clone(),
            runtime,
            memory_mb: plan.memory_mb,
            binary_bytes: content.len() as u64,
            zipped_bytes: zipped(&content)?,
            start: Spread::of(start),
            first: Spread::of(first),
            first_throttled: Spread::of(first_throttled),
            first_waited,
            first_cpu: Spread::of(first_cpu),
            warm: Spread::of(warm_times),
            warm_cpu: Spread::of(warm_cpu),
            warm_throttled: Spread::of(throttled_times),
            resident_bytes,
        })
    }
}

/// One invocation, from handing the event out to having the answer.
async fn timed(event: &Event, function: &Arc<Function>) -> Result<f64, Error> {
    let began = Instant::now();
    let answer = function.invoke(event.json()).await;
    let time = millis(began);
    event.check(answer)?;
    event.settle().await?;
    Ok(time)
}

fn millis(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
}

/// CPU time that the function's process has used so far.
fn cpu_millis(function: &Function) -> Result<f64, Error> {
    let used = cpu_time(pid(function)?).map_err(Error::io("the CPU time"))?;
    Ok(used.as_secs_f64() * 1000.0)
}

fn pid(function: &Function) -> Result<u32, Error> {
    let pid = function.pids().first().copied();
    pid.ok_or_else(|| Error::Needs("a function's process is gone".into()))
}

/// VmRSS, which the kernel gives in KiB.
fn resident(pid: u32) -> Result<u64, Error> {
    let path = format!("/proc/{pid}/status");
    let text = std::fs::read_to_string(&path).map_err(Error::io(path.clone()))?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    let kib = kib.ok_or_else(|| Error::Needs(format!("no VmRSS in {path}")))?;
    Ok(kib * 1024)
}

/// The size of a zip as Lambda takes it: the one file `bootstrap`.
fn zipped(content: &[u8]) -> Result<u64, Error> {
    let failed = |error: zip::result::ZipError| Error::Io("zipping".into(), error.into());
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(9))
        .unix_permissions(0o755);
    zip.start_file("bootstrap", options).map_err(failed)?;
    zip.write_all(content).map_err(Error::io("zipping"))?;
    Ok(zip.finish().map_err(failed)?.into_inner().len() as u64)
}
