//! What turns a handler into a Lambda function: clients, start-up, and the
//! translation of Lambda's events.

use std::cell::OnceCell;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::process::ExitCode;
use std::task::Poll;
use std::time::{Duration, Instant};

use lambda_runtime::{LambdaEvent, service_fn};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::access::config::{ConfigError, Env};
use crate::access::error::Error;
use crate::access::metrics::{self, Metric};
use crate::access::telemetry::{self, Answered};
use crate::domain::app_call::Times;
use crate::domain::time::{Timestamp, add_seconds};
use crate::ports::carrier::{Carrier, Instruction};
use crate::ports::deadlines::Deadlines;
use crate::ports::delivery::ApiGateway;
use crate::ports::store::app_calls::AppCalls;
use crate::ports::store::bookings::Bookings;
use crate::ports::store::calls::Calls;
use crate::ports::store::connections::Connections;
use crate::ports::store::rate_limits::RateLimits;
use crate::ports::store::tags::Tags;
use crate::ports::store::{self, Table};

mod aws;
pub mod call_rows;
pub mod http;
pub mod limits;
pub mod queue;
pub mod reports;
pub mod socket;
pub mod switchboard;

use aws::Aws;
use http::{Request, Response};
use switchboard::Switchboard;

/// One endpoint.
pub trait Function: Sized + 'static {
    /// The function's name in logs.
    const NAME: &'static str;

    /// Reads the configuration and takes what clients it needs. Nothing is loaded
    /// or fetched here that the first request may not need.
    fn init(start: &Start) -> Result<Self, ConfigError>;

    /// What every request needs and takes milliseconds: done while the connection to
    /// the store opens, at the full speed that Lambda grants a start.
    fn prepare(_: &Env) -> Result<(), ConfigError> {
        Ok(())
    }

    /// How many requests to the store it has under way at once.
    const AT_ONCE: usize = 1;

    /// The table that most requests begin with, so that its connection is open.
    fn first_table(&self) -> Table<'_>;

    /// Answers one request.
    fn handle(&self, request: &Request) -> impl Future<Output = Result<Response, Error>>;

    /// Gives a failure words; JSON unless the caller is on the telephone.
    fn refuse(&self, error: &Error) -> Response {
        Response::error(error)
    }
}

/// What a function starts from.
pub struct Start {
    /// The configuration.
    pub env: Env,
    aws: Aws,
    dynamodb: OnceCell<aws_sdk_dynamodb::Client>,
}

impl Start {
    /// From a configuration.
    pub fn from_env(env: Env) -> Result<Self, ConfigError> {
        Ok(Start {
            aws: Aws::from_env(&env)?,
            env,
            dynamodb: OnceCell::new(),
        })
    }

    /// The client of every store.
    pub fn dynamodb(&self) -> Result<aws_sdk_dynamodb::Client, ConfigError> {
        if let Some(client) = self.dynamodb.get() {
            return Ok(client.clone());
        }
        let client = self.aws.dynamodb(&self.env)?;
        Ok(self.dynamodb.get_or_init(|| client).clone())
    }

    /// Opens connections to the store, unless the function needs none.
    async fn warm_up(&self, table: Table<'_>, at_once: usize) -> Result<(), ConfigError> {
        if !matches!(table, Table::None) {
            store::warm_up(&self.dynamodb()?, table, at_once).await;
        }
        Ok(())
    }

    /// The Tags table, TAGS_TABLE.
    pub fn tags(&self) -> Result<Tags, ConfigError> {
        Ok(Tags::new(
            self.dynamodb()?,
            self.env.required("TAGS_TABLE")?,
        ))
    }

    /// The RateLimits table, RATE_LIMITS_TABLE.
    pub fn rate_limits(&self) -> Result<RateLimits, ConfigError> {
        let table = self.env.required("RATE_LIMITS_TABLE")?;
        let secret = self.env.ip_hash_secret()?;
        Ok(RateLimits::new(self.dynamodb()?, table, &secret))
    }

    /// The Bookings table, BOOKINGS_TABLE.
    pub fn bookings(&self) -> Result<Bookings, ConfigError> {
        let table = self.env.required("BOOKINGS_TABLE")?;
        Ok(Bookings::new(self.dynamodb()?, table))
    }

    /// The Connections table, CONNECTIONS_TABLE.
    pub fn connections(&self) -> Result<Connections, ConfigError> {
        let table = self.env.required("CONNECTIONS_TABLE")?;
        Ok(Connections::new(self.dynamodb()?, table))
    }

    /// The in-app calls of the Calls table, CALLS_TABLE.
    pub fn app_calls(&self) -> Result<AppCalls, ConfigError> {
        let table = self.env.required("CALLS_TABLE")?;
        Ok(AppCalls::new(self.dynamodb()?, table))
    }

    /// What sends frames to connections: the WebSocket API at CONNECTIONS_URL, as
    /// clients write it (`wss://…`).
    pub fn deliver(&self) -> Result<ApiGateway, ConfigError> {
        let name = "CONNECTIONS_URL";
        let url = self.env.required(name)?;
        let rest = url.strip_prefix("ws").filter(|rest| rest.contains("://"));
        let problem = "is not a wss URL";
        let rest = rest.ok_or(ConfigError { name, problem })?;
        let client = self.aws.connections(&format!("http{rest}"))?;
        Ok(ApiGateway::new(client))
    }

    /// The deadline queue, DEADLINES_QUEUE_URL.
    pub fn deadlines(&self) -> Result<Deadlines, ConfigError> {
        let url = self.env.required("DEADLINES_QUEUE_URL")?;
        Ok(Deadlines::new(self.aws.sqs(&self.env)?, url))
    }

    /// All that in-app calls take.
    pub fn switchboard(&self) -> Result<Switchboard<ApiGateway, Deadlines>, ConfigError> {
        Ok(Switchboard {
            calls: self.app_calls()?,
            connections: self.connections()?,
            deliver: self.deliver()?,
            queue: self.deadlines()?,
        })
    }

    /// The Calls table, CALLS_TABLE.
    pub fn calls(&self) -> Result<Calls, ConfigError> {
        Ok(Calls::new(
            self.dynamodb()?,
            self.env.required("CALLS_TABLE")?,
        ))
    }
}

/// How long the parts of a call last.
#[derive(Debug, Clone, Copy)]
pub struct CallTimes {
    /// How long a telephone rings, seconds.
    pub ring_timeout: u32,
    /// How long a call may last, seconds.
    pub time_limit: u32,
    /// How long its record is kept, seconds.
    pub retention_seconds: i64,
}

impl CallTimes {
    /// RING_TIMEOUT_SECONDS, MAX_CALL_SECONDS, CALL_RETENTION_DAYS.
    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        Ok(CallTimes {
            ring_timeout: env.number("RING_TIMEOUT_SECONDS", 5, 600)?,
            time_limit: env.number("MAX_CALL_SECONDS", 60, 14_400)?,
            retention_seconds: env.retention_seconds()?,
        })
    }

    /// When a call that begins at `start` cannot be alive any more: the visitor's
    /// telephone has rung, the owner's has, they have talked, and the last callback
    /// has had two minutes.
    pub fn lapse(&self, start: Timestamp) -> Timestamp {
        let longest = 2 * i64::from(self.ring_timeout) + i64::from(self.time_limit);
        add_seconds(start, longest + 120)
    }
}

/// How long the parts of an in-app call last: APP_RING_SECONDS, MAX_CALL_SECONDS,
/// APP_GONE_SECONDS, CALL_RETENTION_DAYS.
pub fn app_call_times(env: &Env) -> Result<Times, ConfigError> {
    Ok(Times {
        ring: env.number("APP_RING_SECONDS", 1, 600)?,
        talk: env.number("MAX_CALL_SECONDS", 1, 14_400)?,
        gone: env.number("APP_GONE_SECONDS", 1, 600)?,
        retention: env.retention_seconds()?,
    })
}

/// A failure as somebody on the telephone hears it. A request that is forged or
/// malformed has no caller on the line, and gets an HTTP error.
pub fn failure_in_words(carrier: &impl Carrier, error: &Error) -> Response {
    if !error.is_internal() {
        return Response::error(error);
    }
    const WORDS: &str =
        "Sorry, something went wrong on our side. Please call again in a moment. Goodbye.";
    Response::carrier(carrier.write(&Instruction::Apologise(WORDS)))
}

/// Runs a function until Lambda ends it. A configuration that it cannot start with
/// is one line on standard error, and exit status 1.
pub fn run<F: Function>() -> ExitCode {
    let preparing = std::thread::spawn(|| F::prepare(&Env::process()));
    let ran = serve(
        F::init,
        async |start, function: &F| {
            start.warm_up(function.first_table(), F::AT_ONCE).await?;
            Ok(preparing.join().map_err(|_| "a panic while preparing")??)
        },
        async |function, event| answer(function, event).await,
    );
    finish(F::NAME, ran)
}

fn finish(name: &str, ran: Result<(), lambda_runtime::Error>) -> ExitCode {
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{name}: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Starts a function: its configuration and clients, what `warm_up` does at the full
/// speed that Lambda grants a start, then one invocation after the other.
fn serve<F, E, A>(
    init: impl FnOnce(&Start) -> Result<F, ConfigError>,
    warm_up: impl AsyncFnOnce(&Start, &F) -> Result<(), lambda_runtime::Error>,
    answer: impl AsyncFn(&F, LambdaEvent<E>) -> A,
) -> Result<(), lambda_runtime::Error>
where
    E: DeserializeOwned,
    A: Serialize,
{
    let env = Env::process();
    env.required("AWS_LAMBDA_RUNTIME_API")?;
    let start = Start::from_env(env)?;
    let function = init(&start)?;
    telemetry::start();
    metrics::start(start.env.required("METRICS_NAMESPACE")?);
    // One invocation at a time is all that Lambda gives a process.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        warm_up(&start, &function).await?;
        let (function, answer) = (&function, &answer);
        lambda_runtime::run(service_fn(move |event: LambdaEvent<E>| async move {
            Ok::<_, lambda_runtime::Error>(answer(function, event).await)
        }))
        .await
    })
}

/// How long a request may take. Twilio waits 15 s, and Lambda ends the process at
/// the template's 14: what takes longer than this is answered while somebody listens.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(11);

/// Runs a handler so that a panic or a stuck request is a failure with words, too.
async fn within_limits<T>(handler: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let mut handler = pin!(handler);
    let caught = poll_fn(|context| {
        // What a panic leaves half-done in memory is dropped with the request.
        match catch_unwind(AssertUnwindSafe(|| handler.as_mut().poll(context))) {
            Ok(poll) => poll,
            Err(_) => Poll::Ready(Err(Error::Unavailable("a panic".to_owned()))),
        }
    });
    match tokio::time::timeout(REQUEST_TIMEOUT, caught).await {
        Ok(outcome) => outcome,
        Err(_) => Err(Error::Unavailable("the request took too long".to_owned())),
    }
}

async fn answer<F: Function>(function: &F, event: LambdaEvent<http::Event>) -> Response {
    let started = Instant::now();
    let request_id = event.context.request_id;
    let outcome = match Request::read(event.payload) {
        Ok(request) => within_limits(function.handle(&request)).await,
        Err(error) => Err(error),
    };
    let response = outcome.unwrap_or_else(|error| {
        if matches!(error, Error::RateLimited { .. }) {
            metrics::count(Metric::RateLimited);
        }
        if error.is_internal() {
            tracing::error!(function = F::NAME, request_id, %error, "failed");
        } else {
            tracing::info!(
                function = F::NAME,
                request_id,
                code = %error.status().1,
                "refused"
            );
        }
        function.refuse(&error)
    });
    let answered = Answered {
        function: F::NAME,
        request_id: &request_id,
        status: Some(response.status),
        code: None,
        ms: telemetry::milliseconds_since(started),
    };
    telemetry::answered(&answered, false);
    response
}
