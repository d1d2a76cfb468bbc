//! The Lambda Runtime API, as one process sees it: each has an address of its own.

use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE;
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

use crate::InvokeError;
use crate::lambda::{Function, Invocation};
use crate::log::lock;
use crate::template::function_arn;

/// The largest answer that Lambda takes.
const RESPONSE_LIMIT: usize = 6 * 1024 * 1024;

/// One process, as its Runtime API knows it.
#[derive(Debug)]
pub struct Sandbox {
    function: Arc<Function>,
    state: Mutex<SandboxState>,
    /// When the process is to be killed.
    deadline: watch::Sender<Option<Instant>>,
}

#[derive(Debug)]
struct SandboxState {
    polled: bool,
    closed: bool,
    ready: Option<oneshot::Sender<Result<(), InvokeError>>>,
    in_flight: Option<Invocation>,
}

/// What a function reports of an error.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Report {
    error_type: String,
    error_message: String,
}

impl Default for Report {
    fn default() -> Self {
        Self {
            error_type: "Error".into(),
            error_message: "(no message)".into(),
        }
    }
}

impl Sandbox {
    /// A process that has not asked for work yet; `ready` hears when it does, or
    /// why it does not.
    pub(crate) fn new(
        function: Arc<Function>,
        ready: Option<oneshot::Sender<Result<(), InvokeError>>>,
    ) -> Self {
        Self {
            function,
            state: Mutex::new(SandboxState {
                polled: false,
                closed: false,
                ready,
                in_flight: None,
            }),
            deadline: watch::Sender::new(None),
        }
    }

    pub(crate) fn polled(&self) -> bool {
        lock(&self.state).polled
    }

    pub(crate) fn set_deadline(&self, deadline: Instant) -> watch::Receiver<Option<Instant>> {
        self.deadline.send_replace(Some(deadline));
        self.deadline.subscribe()
    }

    /// The process gets no more events: it is gone, even if its last request for
    /// one still stands.
    pub(crate) fn close(&self) {
        lock(&self.state).closed = true;
        self.function.work.notify_waiters();
    }

    /// The process is gone: whoever waits for it hears why.
    pub(crate) fn end(&self, error: &InvokeError) {
        let mut state = lock(&self.state);
        if let Some(ready) = state.ready.take() {
            let _ = ready.send(Err(error.clone()));
        }
        if let Some(invocation) = state.in_flight.take() {
            let status = match error {
                InvokeError::TimedOut(_) => "timeout",
                _ => "error",
            };
            self.function.report(&invocation.request_id, status);
            let _ = invocation.reply.send(Err(error.clone()));
        }
    }

    /// Answers the invocation in flight, if it is this one.
    fn complete(&self, request_id: &str, result: Result<Bytes, InvokeError>) -> bool {
        let mut state = lock(&self.state);
        let Some(invocation) = state
            .in_flight
            .take_if(|invocation| invocation.request_id == request_id)
        else {
            return false;
        };
        self.deadline.send_replace(None);
        lock(&self.function.pool).deaths = 0;
        if result.is_err() {
            self.function.report(request_id, "error");
        }
        // The client may have gone away; Lambda does not mind either.
        let _ = invocation.reply.send(result);
        true
    }

    /// The process asks for work: it has started, and it is done with what it had.
    fn poll(&self) {
        let mut state = lock(&self.state);
        if !state.polled {
            state.polled = true;
            let mut pool = lock(&self.function.pool);
            pool.starting -= 1;
            pool.refused_start = None;
            drop(pool);
            if let Some(ready) = state.ready.take() {
                let _ = ready.send(Ok(()));
            }
        }
        if let Some(invocation) = state.in_flight.take() {
            let _ = invocation.reply.send(Err(InvokeError::NoAnswer));
        }
        self.deadline.send_replace(None);
    }

    /// Waits for an event and takes charge of it.
    async fn next(&self) -> Response {
        self.poll();
        let mut idle = Idle::new(&self.function);
        loop {
            // Listening before looking: work that comes in between is not missed.
            let mut work = std::pin::pin!(self.function.work.notified());
            work.as_mut().enable();
            if lock(&self.state).closed {
                return StatusCode::GONE.into_response();
            }
            if let Some(invocation) = idle.take() {
                return self.hand_over(invocation);
            }
            work.await;
        }
    }

    fn hand_over(&self, invocation: Invocation) -> Response {
        let limit = self.function.plan.timeout;
        let deadline = SystemTime::now() + limit;
        let deadline_ms = deadline
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_millis());
        let headers = [
            ("content-type", "application/json".to_owned()),
            (
                "lambda-runtime-aws-request-id",
                invocation.request_id.clone(),
            ),
            ("lambda-runtime-deadline-ms", deadline_ms.to_string()),
            (
                "lambda-runtime-invoked-function-arn",
                function_arn(&self.function.plan.id),
            ),
            (
                "lambda-runtime-trace-id",
                format!("{};Sampled=0", trace_id()),
            ),
        ];
        let event = invocation.event.clone();
        lock(&self.state).in_flight = Some(invocation);
        self.deadline.send_replace(Some(Instant::now() + limit));
        (headers, event).into_response()
    }
}

/// Counts a process as idle until it has taken an event or gone away.
struct Idle<'a> {
    function: &'a Function,
    counted: bool,
}

impl<'a> Idle<'a> {
    fn new(function: &'a Function) -> Self {
        lock(&function.pool).idle += 1;
        Self {
            function,
            counted: true,
        }
    }

    /// Takes an event and stops counting in one step, so that nobody counts on
    /// this process for a second event.
    fn take(&mut self) -> Option<Invocation> {
        let mut pool = lock(&self.function.pool);
        let invocation = pool.queue.pop_front()?;
        pool.idle -= 1;
        self.counted = false;
        Some(invocation)
    }
}

impl Drop for Idle<'_> {
    fn drop(&mut self) {
        if self.counted {
            lock(&self.function.pool).idle -= 1;
        }
    }
}

/// Serves one process until `closing`.
pub(crate) async fn serve(
    listener: TcpListener,
    sandbox: Arc<Sandbox>,
    closing: impl Future<Output = ()> + Send + 'static,
) {
    let router = Router::new()
        .route("/2018-06-01/runtime/invocation/next", get(next))
        .route(
            "/2018-06-01/runtime/invocation/{id}/response",
            post(response),
        )
        .route("/2018-06-01/runtime/invocation/{id}/error", post(error))
        .route("/2018-06-01/runtime/init/error", post(init_error))
        .layer(DefaultBodyLimit::max(RESPONSE_LIMIT))
        .with_state(sandbox);
    // Serving ends with `closing`; there is nobody to tell of anything else.
    let _ = axum::serve(listener, router)
        .with_graceful_shutdown(closing)
        .await;
}

async fn next(State(sandbox): State<Arc<Sandbox>>) -> Response {
    sandbox.next().await
}

async fn response(
    State(sandbox): State<Arc<Sandbox>>,
    Path(id): Path<String>,
    body: Bytes,
) -> Response {
    acknowledge(sandbox.complete(&id, Ok(body)))
}

async fn error(
    State(sandbox): State<Arc<Sandbox>>,
    Path(id): Path<String>,
    body: Bytes,
) -> Response {
    let report: Report = serde_json::from_slice(&body).unwrap_or_default();
    let error = InvokeError::Function {
        error_type: report.error_type,
        message: report.error_message,
    };
    sandbox
        .function
        .log(&format!("an invocation failed: {error}"));
    acknowledge(sandbox.complete(&id, Err(error)))
}

async fn init_error(State(sandbox): State<Arc<Sandbox>>, body: Bytes) -> Response {
    let report: Report = serde_json::from_slice(&body).unwrap_or_default();
    let error = InvokeError::Init(format!("{}: {}", report.error_type, report.error_message));
    sandbox.end(&error);
    acknowledge(true)
}

fn acknowledge(known: bool) -> Response {
    const JSON: [(&str, &str); 1] = [("content-type", "application/json")];
    if known {
        (StatusCode::ACCEPTED, JSON, r#"{"status":"OK"}"#).into_response()
    } else {
        let body = r#"{"errorType":"InvalidRequestID","errorMessage":"Invalid request ID"}"#;
        (StatusCode::BAD_REQUEST, JSON, body).into_response()
    }
}

/// A random version 4 UUID, the form of Lambda's request ids.
pub(crate) fn request_id() -> String {
    let mut id = hex(random());
    id.replace_range(12..13, "4");
    id.replace_range(16..17, "a");
    for at in [20, 16, 12, 8] {
        id.insert(at, '-');
    }
    id
}

/// An id as API Gateway's WebSocket APIs write them, `L0SM9cOFvHcCIhw=`.
pub(crate) fn short_id() -> String {
    BASE64_URL_SAFE.encode(&random().to_be_bytes()[..11])
}

/// A trace id as X-Ray writes them: `Root=1-<time>-<24 hex digits>`.
pub(crate) fn trace_id() -> String {
    let seconds = jiff::Timestamp::now().as_second();
    format!("Root=1-{seconds:08x}-{}", &hex(random())[..24])
}

fn random() -> u128 {
    // The hasher's keys are random for each instance; ids here need to be
    // unlike each other, not hard to guess.
    use std::hash::{BuildHasher as _, RandomState};
    let half = || u128::from(RandomState::new().hash_one(Instant::now()));
    half() << 64 | half()
}

fn hex(number: u128) -> String {
    format!("{number:032x}")
}
