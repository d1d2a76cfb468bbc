//! WebSocket API events as typed frames, and failures back as `error` frames.
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/websocket-api-develop-routes.html>

use std::collections::HashMap;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use lambda_runtime::LambdaEvent;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::join;
use tokio::time::timeout;

use super::http::{self, Response};
use super::{Start, finish, serve, within_limits};
use crate::access::config::ConfigError;
use crate::access::error::Error;
use crate::access::telemetry::{self, Answered};
use crate::domain::signaling::{Frame, FrameId, Sent};
use crate::ports::deadlines::Deadlines;
use crate::ports::delivery::{ApiGateway, Deliver};
use crate::ports::store::Table;

/// A frame that takes longer than this is logged even where it goes well, milliseconds.
const SLOW_MS: f64 = 2000.0;

/// A route of the WebSocket API.
pub trait SocketFunction: Sized + 'static {
    /// The function's name in logs.
    const NAME: &'static str;

    /// Reads the configuration and takes what clients it needs.
    fn init(start: &Start) -> Result<Self, ConfigError>;

    /// How many requests to the store it has under way at once.
    const AT_ONCE: usize = 1;

    /// The table that most frames begin with, so that its connection is open.
    fn first_table(&self) -> Table<'_>;

    /// What sends its answers; `$connect` has nobody to send to yet.
    fn deliver(&self) -> Option<&ApiGateway>;

    /// The queue that most of its frames make it send to.
    fn queue(&self) -> Option<&Deadlines> {
        None
    }

    /// Handles one frame. What a route answers reaches nobody but for `$connect`:
    /// frames are posted.
    fn handle(&self, message: &Message) -> impl Future<Output = Result<Response, Error>>;

    /// Tells the client of a failure: an `error` frame. The connection stays.
    fn refuse(&self, message: &Message, error: &Error) -> impl Future<Output = Response> {
        async move {
            let (code, action) = (error.status().1, message.action());
            let frame = Sent::error(code, error.message(), action);
            let frame = frame.answering(message.id().as_ref());
            if let Some(deliver) = self.deliver() {
                // A client that is gone needs no error.
                deliver.post(message.connection(), &frame).await;
            }
            Response::no_content()
        }
    }
}

/// How long telling the client of a failure may take: Lambda ends the process three seconds
/// after a request has run out of time.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Runs a route until Lambda ends it.
pub fn run<F: SocketFunction>() -> ExitCode {
    finish(
        F::NAME,
        serve(
            F::init,
            async |start, function: &F| {
                let way_out = async {
                    if let Some(deliver) = function.deliver() {
                        open(deliver).await;
                    }
                };
                let queue = async {
                    if let Some(queue) = function.queue() {
                        queue.open().await;
                    }
                };
                let table = function.first_table();
                Ok(join!(way_out, queue, start.warm_up(table, F::AT_ONCE)).2?)
            },
            async |function, event| answer(function, event).await,
        ),
    )
}

/// Opens the connection over which frames are sent, by asking about a connection that
/// there is none of.
async fn open(deliver: &ApiGateway) {
    deliver.is_gone("AAAAAAAAAAAAAAA=").await;
}

async fn answer<F: SocketFunction>(function: &F, event: LambdaEvent<Event>) -> Response {
    let started = Instant::now();
    let request_id = event.context.request_id;
    let message = Message::from(event.payload);
    let (response, code) = match within_limits(function.handle(&message)).await {
        Ok(response) => (response, None),
        Err(error) => {
            if error.is_internal() {
                tracing::error!(function = F::NAME, request_id, %error, "failed");
            }
            let refusal = timeout(LAST_WORDS, function.refuse(&message, &error)).await;
            let response = refusal.unwrap_or_else(|_| Response::no_content());
            (response, Some(error.status().1))
        }
    };
    let word = code.map_or_else(|| "ok".to_owned(), |code| code.to_string());
    let answered = Answered {
        function: F::NAME,
        request_id: &request_id,
        status: None,
        code: Some(&word),
        ms: telemetry::milliseconds_since(started),
    };
    let went_well = code.is_none() && answered.ms < SLOW_MS;
    telemetry::answered(&answered, went_well);
    response
}

/// The event, as far as it is used.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    request_context: Context,
    /// Only `$connect` and `$disconnect` carry them.
    headers: Option<HashMap<String, String>>,
    query_string_parameters: Option<HashMap<String, String>>,
    body: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Context {
    connection_id: String,
    #[serde(default)]
    route_key: String,
}

/// What came in over a connection. Not `Debug`: the token of `$connect` is in it, and
/// what clients send each other.
pub struct Message {
    connection: String,
    route: String,
    headers: HashMap<String, String>,
    query: HashMap<String, String>,
    body: String,
}

impl From<Event> for Message {
    fn from(event: Event) -> Self {
        let headers = event.headers.unwrap_or_default().into_iter();
        Message {
            connection: event.request_context.connection_id,
            route: event.request_context.route_key,
            headers: headers
                .map(|(name, value)| (name.to_ascii_lowercase(), value))
                .collect(),
            query: event.query_string_parameters.unwrap_or_default(),
            body: event.body.unwrap_or_default(),
        }
    }
}

impl Message {
    /// API Gateway's id of the connection.
    pub fn connection(&self) -> &str {
        &self.connection
    }

    /// The route: the frame's `action`, where there is a function for it.
    pub fn route(&self) -> &str {
        &self.route
    }

    /// A header of `$connect`, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// A query parameter of `$connect`.
    pub fn query(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str)
    }

    /// The frame. An error names the field, and shows nothing of its value.
    pub fn frame<T: DeserializeOwned>(&self) -> Result<Frame<T>, Error> {
        http::json(self.body.as_bytes())
    }

    /// Whether it is a JSON object at all.
    pub fn is_json_object(&self) -> bool {
        serde_json::from_str::<HashMap<String, serde::de::IgnoredAny>>(&self.body).is_ok()
    }

    /// The frame's `id`, as far as it can be read, for the answer to a frame that cannot.
    pub fn id(&self) -> Option<FrameId> {
        #[derive(Deserialize)]
        struct Only {
            id: FrameId,
        }
        let only = serde_json::from_str::<Only>(&self.body).ok();
        only.map(|only| only.id)
    }

    /// The frame's `action`, for an error frame: what the client called it.
    pub fn action(&self) -> String {
        #[derive(Deserialize)]
        struct Only {
            action: String,
        }
        let only = serde_json::from_str::<Only>(&self.body).ok();
        let action = only.map(|only| only.action);
        // An error shows nothing of what was sent but the name of an action.
        let plain = |action: &String| {
            action.len() <= 32 && action.bytes().all(|b| b.is_ascii_alphanumeric())
        };
        action.filter(plain).unwrap_or_else(|| self.route.clone())
    }
}
