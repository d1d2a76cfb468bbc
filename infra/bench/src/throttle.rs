//! A CPU quota like that of a small Lambda: so many microseconds of CPU time in each
//! period of 20 ms, by the function's memory.
//!
//! The kernel's own quota is used where a control group can be made; elsewhere a
//! thread stops and continues the process, which is coarser. The report says which,
//! and how much of a core a busy loop really got.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::error::Error;

/// Lambda hands out CPU time in periods of this length.
pub const PERIOD: Duration = Duration::from_millis(20);
/// The memory with which a function has one whole core, MB.
const WHOLE_CORE_MB: u64 = 1769;
/// How often the signalling thread looks.
const LOOK: Duration = Duration::from_micros(100);
/// For how long a busy loop is watched to see whether the quota holds.
const TRIAL: Duration = Duration::from_secs(1);

/// CPU time that a function of that memory has in each [`PERIOD`].
pub fn quota(memory_mb: u64) -> Duration {
    let micros = PERIOD.as_micros() as u64 * memory_mb / WHOLE_CORE_MB;
    Duration::from_micros(micros)
}

/// How the quota is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Means {
    /// `cpu.max` of a control group under this directory.
    CgroupV2(PathBuf),
    /// `cpu.cfs_quota_us` of one.
    CgroupV1(PathBuf),
    /// SIGSTOP and SIGCONT.
    Signals,
}

impl Means {
    /// The best that this machine allows.
    pub fn find() -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        candidates(&read("/proc/self/mounts"), &read("/proc/self/cgroup"))
            .into_iter()
            .find(|means| means.prepare().is_ok())
            .unwrap_or(Self::Signals)
    }

    /// For the report.
    pub fn describe(&self) -> &'static str {
        match self {
            Self::CgroupV2(_) => "cgroup v2, cpu.max",
            Self::CgroupV1(_) => "cgroup v1, cpu.cfs_quota_us",
            Self::Signals => {
                "FALLBACK: SIGSTOP/SIGCONT by a thread of the bench, because no control group \
                 can be made here (run as root); the 128 MB figures are approximate"
            }
        }
    }

    /// Holds the process to the quota from now on.
    pub fn hold(&self, pid: u32, memory_mb: u64) -> io::Result<Held> {
        let quota = quota(memory_mb);
        let (micros, period) = (quota.as_micros(), PERIOD.as_micros());
        match self {
            Self::CgroupV2(parent) => {
                let files = [("cpu.max", format!("{micros} {period}"))];
                Held::group(parent, pid, &files)
            }
            Self::CgroupV1(parent) => {
                let files = [
                    ("cpu.cfs_period_us", period.to_string()),
                    ("cpu.cfs_quota_us", micros.to_string()),
                ];
                Held::group(parent, pid, &files)
            }
            Self::Signals => Held::signals(pid, quota),
        }
    }

    /// What share of a core a busy loop gets: the proof that the quota is kept.
    pub fn try_out(&self, memory_mb: u64) -> Result<f64, Error> {
        let failed = || Error::io("trying the CPU quota out");
        let mut child = std::process::Command::new("/bin/sh")
            .args(["-c", "while :; do :; done"])
            .spawn()
            .map_err(failed())?;
        let pid = child.id();
        let measured = self.hold(pid, memory_mb).and_then(|held| {
            let before = cpu_time(pid)?;
            std::thread::sleep(TRIAL);
            let used = cpu_time(pid)?.saturating_sub(before);
            held.release()?;
            Ok(used.as_secs_f64() / TRIAL.as_secs_f64())
        });
        child.kill().map_err(failed())?;
        child.wait().map_err(failed())?;
        measured.map_err(failed())
    }

    fn prepare(&self) -> io::Result<()> {
        if let Self::CgroupV2(parent) = self {
            fs::write(parent.join("cgroup.subtree_control"), "+cpu")?;
        }
        let own = std::process::id();
        // An empty group with a quota shows that one may be made.
        let (parent, file) = match self {
            Self::CgroupV2(parent) => (parent, "cpu.max"),
            Self::CgroupV1(parent) => (parent, "cpu.cfs_quota_us"),
            Self::Signals => return Ok(()),
        };
        let dir = parent.join(format!("maskline-bench-{own}"));
        fs::create_dir(&dir)?;
        let there = fs::read_to_string(dir.join(file)).map(drop);
        fs::remove_dir(&dir)?;
        there
    }
}

/// The control groups in which this process could make one of its own, from the
/// texts of `/proc/self/mounts` and `/proc/self/cgroup`.
fn candidates(mounts: &str, own: &str) -> Vec<Means> {
    let place = |controller: &str| {
        own.lines().find_map(|line| {
            let mut parts = line.splitn(3, ':').skip(1);
            let controllers = parts.next()?;
            let path = parts.next()?.trim_start_matches('/');
            let same = controllers.split(',').any(|name| name == controller);
            same.then_some(path)
        })
    };
    mounts
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(' ').skip(1);
            let (at, kind, options) = (fields.next()?, fields.next()?, fields.next()?);
            match kind {
                "cgroup2" => Some(Means::CgroupV2(Path::new(at).join(place("")?))),
                "cgroup" if options.split(',').any(|option| option == "cpu") => {
                    Some(Means::CgroupV1(Path::new(at).join(place("cpu")?)))
                }
                _ => None,
            }
        })
        .collect()
}

/// A process under a quota.
#[derive(Debug)]
pub enum Held {
    /// In a control group of its own.
    Group {
        /// The process.
        pid: u32,
        /// The group.
        dir: PathBuf,
    },
    /// Watched by a thread.
    Watched {
        /// Tells the thread to let go.
        stop: Arc<AtomicBool>,
        /// In how many periods it stopped the process.
        stopped: Arc<AtomicU64>,
        /// The thread.
        thread: JoinHandle<io::Result<()>>,
    },
}

impl Held {
    fn group(parent: &Path, pid: u32, files: &[(&str, String)]) -> io::Result<Self> {
        let dir = parent.join(format!("maskline-bench-{pid}"));
        fs::create_dir(&dir)?;
        for (file, text) in files {
            fs::write(dir.join(file), text)?;
        }
        fs::write(dir.join("cgroup.procs"), pid.to_string())?;
        Ok(Self::Group { pid, dir })
    }

    fn signals(pid: u32, quota: Duration) -> io::Result<Self> {
        let (stop, stopped) = (Arc::new(AtomicBool::new(false)), Arc::default());
        let thread = std::thread::Builder::new().name("throttle".into()).spawn({
            let (stop, stopped) = (Arc::clone(&stop), Arc::clone(&stopped));
            move || watch(pid, quota, &stop, &stopped)
        })?;
        Ok(Self::Watched {
            stop,
            stopped,
            thread,
        })
    }

    /// Lets the process run freely again; it must still be there. Tells in how many
    /// periods it had to wait.
    pub fn release(self) -> io::Result<u64> {
        match self {
            Self::Group { pid, dir } => {
                let stat = fs::read_to_string(dir.join("cpu.stat"))?;
                let parent = dir.parent().unwrap_or(&dir);
                fs::write(parent.join("cgroup.procs"), pid.to_string())?;
                fs::remove_dir(&dir)?;
                Ok(throttled_periods(&stat))
            }
            Self::Watched {
                stop,
                stopped,
                thread,
            } => {
                stop.store(true, Ordering::Relaxed);
                let died = |_| io::Error::other("the throttling thread panicked");
                thread.join().map_err(died)??;
                Ok(stopped.load(Ordering::Relaxed))
            }
        }
    }
}

/// What a group's `cpu.stat` says of waiting; both versions name it alike.
fn throttled_periods(stat: &str) -> u64 {
    stat.lines()
        .find_map(|line| line.strip_prefix("nr_throttled ")?.trim().parse().ok())
        .unwrap_or_default()
}

/// Stops the process in each period once its quota is used up. What it has used
/// beyond is taken off the next periods, as the kernel does.
fn watch(pid: u32, quota: Duration, stop: &AtomicBool, stopped: &AtomicU64) -> io::Result<()> {
    let target = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let target = target.ok_or(io::ErrorKind::InvalidInput)?;
    let mut period_end = Instant::now();
    let mut allowed = cpu_time(pid)?;
    while !stop.load(Ordering::Relaxed) {
        period_end += PERIOD;
        allowed = (allowed + quota).min(cpu_time(pid)? + quota);
        let mut runs = true;
        while Instant::now() < period_end && !stop.load(Ordering::Relaxed) {
            let may_run = cpu_time(pid)? < allowed;
            if runs && !may_run {
                kill_process(target, Signal::STOP)?;
                stopped.fetch_add(1, Ordering::Relaxed);
                runs = false;
            }
            std::thread::sleep(LOOK);
        }
        if !runs {
            kill_process(target, Signal::CONT)?;
        }
    }
    Ok(())
}

/// The CPU time that all threads of a process have used.
pub fn cpu_time(pid: u32) -> io::Result<Duration> {
    let mut nanos = 0;
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        // A thread that has just ended takes its figure with it.
        let text = fs::read_to_string(thread?.path().join("schedstat")).unwrap_or_default();
        nanos += on_cpu(&text).unwrap_or_default();
    }
    Ok(Duration::from_nanos(nanos))
}

/// The first figure of a `schedstat`: nanoseconds on a CPU.
fn on_cpu(schedstat: &str) -> Option<u64> {
    schedstat.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotas_go_by_memory() {
        assert_eq!(quota(128), Duration::from_micros(1447));
        assert_eq!(quota(1769), PERIOD);
    }

    #[test]
    fn finds_the_groups_of_this_process() {
        let hybrid = "tmpfs /sys/fs/cgroup tmpfs rw 0 0\n\
             cgroup /sys/fs/cgroup/cpuset cgroup rw,relatime,cpuset 0 0\n\
             cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,relatime,cpu,cpuacct 0 0\n\
             cgroup2 /sys/fs/cgroup/unified cgroup2 rw,relatime 0 0\n";
        let own = "3:cpuset:/elsewhere\n2:cpu,cpuacct:/here\n0::/there/too\n";
        assert_eq!(
            candidates(hybrid, own),
            [
                Means::CgroupV1("/sys/fs/cgroup/cpu,cpuacct/here".into()),
                Means::CgroupV2("/sys/fs/cgroup/unified/there/too".into()),
            ]
        );
        let pure = "cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid 0 0\n";
        assert_eq!(
            candidates(pure, "0::/\n"),
            [Means::CgroupV2("/sys/fs/cgroup/".into())]
        );
        assert_eq!(candidates("garbage\n\nproc /proc proc rw 0 0", own), []);
    }

    #[test]
    fn reads_the_kernels_figures() {
        let stat = "nr_periods 9\nnr_throttled 7\nthrottled_time 100\n";
        assert_eq!(throttled_periods(stat), 7);
        assert_eq!(throttled_periods(""), 0);
        assert_eq!(on_cpu("1234567 89 3\n"), Some(1_234_567));
        assert_eq!(on_cpu(""), None);
    }
}
