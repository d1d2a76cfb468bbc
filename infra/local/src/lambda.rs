//! Functions as Lambda runs them: a pool of processes, one invocation at a time
//! in each, more processes while requests are waiting, a new one for each that dies.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Bytes;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::{Notify, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};

use crate::log::lock;
use crate::runtime_api::{self, Sandbox};
use crate::template::{FunctionPlan, REGION};
use crate::{Error, InvokeError, LogSink};

/// Lambda's own limit for the time before the first poll.
const INIT_TIMEOUT: Duration = Duration::from_secs(10);
/// What remains to be read of a process that has ended is there already.
const DRAIN_TIMEOUT: Duration = Duration::from_millis(500);
/// After so many processes in a row have died without an answer, the next one is
/// started only when a request needs it.
const RESTARTS: u32 = 3;
/// Lines of a process's output that are kept to explain a failed start.
const KEPT_LINES: usize = 10;

/// What is the same for every function of a stack.
#[derive(Debug, Clone)]
pub struct Host {
    /// Where the binaries are.
    pub functions_dir: PathBuf,
    /// The store's address.
    pub store_url: String,
    /// How many processes a function may have.
    pub max_concurrency: usize,
    /// Where the functions' output goes.
    pub log: LogSink,
}

/// One function and its processes.
#[derive(Debug)]
pub struct Function {
    pub(crate) plan: FunctionPlan,
    host: Host,
    binary: PathBuf,
    pub(crate) pool: Mutex<Pool>,
    /// Told once for each invocation that is put into the queue.
    pub(crate) work: Notify,
    stop: watch::Sender<bool>,
}

/// One event on its way to a process.
#[derive(Debug)]
pub(crate) struct Invocation {
    pub(crate) request_id: String,
    pub(crate) event: Bytes,
    pub(crate) reply: oneshot::Sender<Result<Bytes, InvokeError>>,
}

#[derive(Debug, Default)]
pub(crate) struct Pool {
    pub(crate) queue: VecDeque<Invocation>,
    /// Processes that wait for an event, and those that do not yet.
    pub(crate) idle: usize,
    pub(crate) starting: usize,
    live: BTreeMap<u64, Live>,
    next_id: u64,
    /// Processes in a row that ended without having answered anything.
    pub(crate) deaths: u32,
    pub(crate) refused_start: Option<RefusedStart>,
}

#[derive(Debug)]
struct Live {
    pid: Option<u32>,
    task: JoinHandle<()>,
}

/// A process that ended before it asked for work.
#[derive(Debug)]
pub(crate) struct RefusedStart {
    error: InvokeError,
    retry_at: Instant,
}

impl Pool {
    /// The last refused start, while it is too early for another try.
    fn backing_off(&self) -> Option<&RefusedStart> {
        self.refused_start
            .as_ref()
            .filter(|refused| Instant::now() < refused.retry_at)
    }
}

/// How a process came to its end.
enum End {
    Exited(String),
    TimedOut,
    Stopped,
}

type Ready = oneshot::Sender<Result<(), InvokeError>>;

impl Function {
    /// A function without a process yet.
    pub fn new(plan: FunctionPlan, host: Host) -> Result<Arc<Self>, Error> {
        let binary = host.functions_dir.join(&plan.binary);
        if !binary.is_file() {
            return Err(Error::NoBinary {
                function: plan.id,
                path: binary,
            });
        }
        Ok(Arc::new(Self {
            plan,
            host,
            binary,
            pool: Mutex::default(),
            work: Notify::new(),
            stop: watch::Sender::new(false),
        }))
    }

    /// Starts the first process and waits until it asks for work.
    pub async fn boot(self: &Arc<Self>) -> Result<(), Error> {
        let (ready, polled) = oneshot::channel();
        self.spawn(&mut lock(&self.pool), Some(ready));
        polled
            .await
            .unwrap_or(Err(InvokeError::Stopped))
            .map_err(|source| Error::Function {
                function: self.plan.binary.clone(),
                source,
            })
    }

    /// Has one event handled, and gives the function's answer.
    pub async fn invoke(self: &Arc<Self>, event: &Value) -> Result<Value, InvokeError> {
        let (reply, answer) = oneshot::channel();
        {
            let pool = &mut lock(&self.pool);
            if *self.stop.borrow() {
                return Err(InvokeError::Stopped);
            }
            // A function that cannot start costs one process now and then, not
            // one for each request.
            if let (true, Some(refused)) = (pool.live.is_empty(), pool.backing_off()) {
                return Err(refused.error.clone());
            }
            pool.queue.push_back(Invocation {
                request_id: runtime_api::request_id(),
                event: Bytes::from(event.to_string()),
                reply,
            });
            self.scale(pool);
        }
        self.work.notify_one();
        let answer = answer.await.unwrap_or(Err(InvokeError::Stopped))?;
        serde_json::from_slice(&answer).map_err(|_| InvokeError::NotJson)
    }

    /// The ids of the processes that run now.
    pub fn pids(&self) -> Vec<u32> {
        let pool = lock(&self.pool);
        pool.live.values().filter_map(|live| live.pid).collect()
    }

    /// Tells every process to end; events that wait are dropped.
    pub(crate) fn begin_stop(&self) {
        self.stop.send_replace(true);
        lock(&self.pool).queue.clear();
    }

    /// Ends every process and waits until they are gone.
    pub async fn stop(&self) {
        self.begin_stop();
        let live = std::mem::take(&mut lock(&self.pool).live);
        for live in live.into_values() {
            // A panic in the task has dropped, and so killed, its process.
            let _ = live.task.await;
        }
    }

    /// Starts another process if more events wait than processes will take.
    fn scale(self: &Arc<Self>, pool: &mut Pool) {
        if pool.queue.len() > pool.idle + pool.starting
            && pool.live.len() < self.host.max_concurrency
            && pool.backing_off().is_none()
            && !*self.stop.borrow()
        {
            self.spawn(pool, None);
        }
    }

    fn spawn(self: &Arc<Self>, pool: &mut Pool, ready: Option<Ready>) {
        let id = pool.next_id;
        pool.next_id += 1;
        pool.starting += 1;
        let task = tokio::spawn(Arc::clone(self).life_of_a_process(id, ready));
        pool.live.insert(id, Live { pid: None, task });
    }

    async fn life_of_a_process(self: Arc<Self>, id: u64, ready: Option<Ready>) {
        let booting = ready.is_some();
        let sandbox = Arc::new(Sandbox::new(Arc::clone(&self), ready));
        let output = Output::default();
        let end = match self.run(id, &sandbox, &output).await {
            Ok(end) => end,
            Err(error) => End::Exited(error.to_string()),
        };
        let polled = sandbox.polled();
        let error = match &end {
            End::Stopped => InvokeError::Stopped,
            End::TimedOut if polled => InvokeError::TimedOut(self.plan.timeout.as_secs()),
            End::Exited(status) if polled => InvokeError::Crashed(status.clone()),
            End::TimedOut => InvokeError::Init(format!(
                "it asked for no work within {} s",
                INIT_TIMEOUT.as_secs()
            )),
            End::Exited(status) => InvokeError::Init(output.explain(status)),
        };
        match &end {
            End::Stopped => {}
            End::Exited(status) if polled => self.log(&format!("a process ended ({status})")),
            // Whoever boots the function is told, and tells it.
            _ if booting && !polled => {}
            _ => self.log(&error.to_string()),
        }
        sandbox.end(&error);

        let mut pool = lock(&self.pool);
        pool.live.remove(&id);
        if *self.stop.borrow() {
            return;
        }
        pool.deaths += 1;
        if !polled {
            pool.starting -= 1;
            let wait = Duration::from_millis(100) * 2u32.pow(pool.deaths.min(6));
            pool.refused_start = Some(RefusedStart {
                error: error.clone(),
                retry_at: Instant::now() + wait,
            });
            if pool.live.is_empty() {
                for invocation in pool.queue.drain(..) {
                    let _ = invocation.reply.send(Err(error.clone()));
                }
            }
        } else if pool.live.is_empty() && pool.deaths < RESTARTS {
            self.spawn(&mut pool, None);
        }
        self.scale(&mut pool);
    }

    /// Runs one process from its start to its end.
    async fn run(&self, id: u64, sandbox: &Arc<Sandbox>, output: &Output) -> std::io::Result<End> {
        let mut stop = self.stop.subscribe();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let mut command = Command::new(&self.binary);
        command
            .env_clear()
            .envs(self.environment(listener.local_addr()?.port()))
            .current_dir(&self.host.functions_dir)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A Ctrl-C in the terminal is for the stack, which then stops them in order.
            .process_group(0)
            .kill_on_drop(true);
        let mut child = command.spawn()?;
        if let Some(live) = lock(&self.pool).live.get_mut(&id) {
            live.pid = child.id();
        }
        let readers = self.read_output(&mut child, output);
        let (ended, closing) = oneshot::channel::<()>();
        let api = tokio::spawn(runtime_api::serve(
            listener,
            Arc::clone(sandbox),
            async move { drop(closing.await) },
        ));

        let mut deadline = sandbox.set_deadline(Instant::now() + INIT_TIMEOUT);
        let end = loop {
            let until = *deadline.borrow_and_update();
            tokio::select! {
                status = child.wait() => break End::Exited(status?.to_string()),
                () = at(until) => break End::TimedOut,
                _ = deadline.changed() => {}
                _ = stop.wait_for(|stop| *stop) => break End::Stopped,
            }
        };
        if !matches!(end, End::Exited(_)) {
            child.kill().await?;
        }
        sandbox.close();
        // An answer that the process gave just before its end still counts, and
        // so do its last words.
        drop(ended);
        let _ = timeout(DRAIN_TIMEOUT, async {
            let _ = api.await;
            for reader in readers {
                let _ = reader.await;
            }
        })
        .await;
        Ok(end)
    }

    /// What Lambda puts into the environment, and nothing of this machine's.
    fn environment(&self, port: u16) -> BTreeMap<String, String> {
        let plan = &self.plan;
        let own = [
            // Credentials of its own, as on AWS: they tell the store's tap who asks.
            ("AWS_ACCESS_KEY_ID", plan.binary.clone()),
            ("AWS_DEFAULT_REGION", REGION.to_owned()),
            ("AWS_ENDPOINT_URL_DYNAMODB", self.host.store_url.clone()),
            ("AWS_EXECUTION_ENV", "AWS_Lambda_provided.al2023".to_owned()),
            (
                "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
                plan.memory_mb.to_string(),
            ),
            ("AWS_LAMBDA_FUNCTION_NAME", plan.id.clone()),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".to_owned()),
            ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand".to_owned()),
            ("AWS_LAMBDA_LOG_FORMAT", "JSON".to_owned()),
            (
                "AWS_LAMBDA_LOG_GROUP_NAME",
                format!("/aws/lambda/{}", plan.id),
            ),
            ("AWS_LAMBDA_LOG_STREAM_NAME", "local".to_owned()),
            ("AWS_LAMBDA_RUNTIME_API", format!("127.0.0.1:{port}")),
            ("AWS_REGION", REGION.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "local".to_owned()),
            ("AWS_SESSION_TOKEN", "local".to_owned()),
            (
                "LAMBDA_TASK_ROOT",
                self.host.functions_dir.display().to_string(),
            ),
            ("PATH", "/usr/local/bin:/usr/bin/:/bin:/opt/bin".to_owned()),
            ("TZ", ":UTC".to_owned()),
        ];
        let mut environment = plan.environment.clone();
        environment.extend(own.map(|(name, value)| (name.to_owned(), value)));
        environment
    }

    fn read_output(&self, child: &mut Child, output: &Output) -> Vec<JoinHandle<()>> {
        let stdout = child.stdout.take().map(|pipe| self.read(pipe, output));
        let stderr = child.stderr.take().map(|pipe| self.read(pipe, output));
        stdout.into_iter().chain(stderr).collect()
    }

    fn read(&self, pipe: impl AsyncRead + Unpin + Send + 'static, out: &Output) -> JoinHandle<()> {
        let (log, name, out) = (self.host.log.clone(), self.plan.binary.clone(), out.clone());
        tokio::spawn(async move {
            let mut pipe = BufReader::new(pipe);
            let mut line = Vec::new();
            while pipe.read_until(b'\n', &mut line).await.is_ok_and(|n| n > 0) {
                let text = String::from_utf8_lossy(&line);
                let text = text.trim_end();
                log.line(format!("{name} | {text}"));
                out.keep(text);
                line.clear();
            }
        })
    }

    /// The line that Lambda itself logs of an invocation that failed.
    /// <https://docs.aws.amazon.com/lambda/latest/dg/telemetry-schema-reference.html>
    pub(crate) fn report(&self, request_id: &str, status: &str) {
        let record = json!({ "requestId": request_id, "status": status });
        let time = jiff::Timestamp::now();
        let line = json!({
            "time": format!("{time:.3}"), "type": "platform.report", "record": record,
        });
        self.log(&line.to_string());
    }

    /// A line of the stack about this function.
    pub(crate) fn log(&self, line: &str) {
        let (name, log) = (&self.plan.binary, &self.host.log);
        log.line(format!("{} {name}: {line}", crate::log::now()));
    }
}

async fn at(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// The last lines that a process wrote.
#[derive(Debug, Clone, Default)]
struct Output(Arc<Mutex<VecDeque<String>>>);

impl Output {
    fn keep(&self, line: &str) {
        let mut lines = lock(&self.0);
        if lines.len() == KEPT_LINES {
            lines.pop_front();
        }
        lines.push_back(line.to_owned());
    }

    fn explain(&self, status: &str) -> String {
        let lines = lock(&self.0);
        if lines.is_empty() {
            return format!("it ended without a word ({status})");
        }
        Vec::from_iter(lines.iter().map(String::as_str)).join("\n")
    }
}

/// The directory that holds the functions' binaries unless told otherwise: that
/// of the running executable, or above it for tests, which run in `deps`.
pub fn default_functions_dir() -> Result<PathBuf, Error> {
    let executable = std::env::current_exe().map_err(Error::io("the executable's path"))?;
    let mut dir = executable.parent().unwrap_or(Path::new("."));
    if dir.ends_with("deps") || dir.ends_with("examples") {
        dir = dir.parent().unwrap_or(dir);
    }
    Ok(dir.to_owned())
}
