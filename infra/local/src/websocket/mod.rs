//! The WebSocket API: sockets, the functions behind their messages, and the
//! `@connections` requests by which functions write to them.

mod connection;
mod event;
mod management;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_PROTOCOL};
use axum::http::request::Parts;
use axum::http::{Response, StatusCode};
use axum::response::IntoResponse;
use hyper::upgrade::OnUpgrade;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout};
use tokio_tungstenite::tungstenite::handshake::server::create_response_with_body;

use crate::faults::{Faults, Way, pass};
use crate::lambda::Function;
use crate::log::{lock, now};
use crate::template::WebSocketPlan;
use crate::usage::Usage;
use crate::{LogSink, runtime_api};
use connection::Connection;
use event::Kind;

/// After this API Gateway gives up on a route's function.
const INTEGRATION_TIMEOUT: Duration = Duration::from_secs(29);

/// API Gateway's limits on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one frame from a client.
    pub frame: usize,
    /// Bytes of one message from a client, all its frames together.
    pub message: usize,
    /// How long a connection may be without a message in either direction.
    pub idle: Duration,
    /// How long a connection may last.
    pub lifetime: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            frame: 32 * 1024,
            message: 128 * 1024,
            idle: Duration::from_secs(10 * 60),
            lifetime: Duration::from_secs(2 * 60 * 60),
        }
    }
}

/// What takes a way on which something can go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passing {
    /// Messages from clients to functions.
    Frames,
    /// Posts from functions to clients. The function waits for a delay, and hears
    /// of no loss.
    Posts,
    /// The news that a socket has closed.
    Disconnects,
}

/// What becomes of posts to a connection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Posts {
    /// They arrive.
    #[default]
    Arrive,
    /// They are accepted and never arrive, as when a phone has just lost its network.
    AreLost,
    /// They are refused with 410, though the socket is open.
    AreRefused,
    /// They are answered with 500 and never arrive.
    Fail,
}

/// The WebSocket API of a stack.
#[derive(Debug)]
pub struct WebSocketApi {
    plan: WebSocketPlan,
    functions: BTreeMap<String, Arc<Function>>,
    url: String,
    usage: Option<Usage>,
    log: LogSink,
    limits: Mutex<Limits>,
    connections: Mutex<BTreeMap<String, Arc<Connection>>>,
    frames: Way,
    posts: Way,
    disconnects: Way,
    frames_in: AtomicU64,
    frames_out: AtomicU64,
    stopping: watch::Sender<bool>,
    /// How many sockets are not closed yet.
    open: watch::Sender<usize>,
}

impl WebSocketApi {
    /// The API of that plan, to be served at `url`.
    pub(crate) fn new(
        plan: WebSocketPlan,
        functions: &[Arc<Function>],
        url: String,
        usage: Option<Usage>,
        log: LogSink,
    ) -> Arc<Self> {
        let function = |id: &String| functions.iter().find(|function| function.plan.id == *id);
        let routes = plan.routes.iter();
        Arc::new(Self {
            functions: routes
                .filter_map(|(key, id)| Some((key.clone(), Arc::clone(function(id)?))))
                .collect(),
            plan,
            url,
            usage,
            log,
            limits: Mutex::default(),
            connections: Mutex::default(),
            frames: Way::default(),
            posts: Way::default(),
            disconnects: Way::default(),
            frames_in: AtomicU64::new(0),
            frames_out: AtomicU64::new(0),
            stopping: watch::Sender::new(false),
            open: watch::Sender::new(0),
        })
    }

    /// Where clients connect, without a path.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The ids of the open connections, oldest first.
    pub fn connections(&self) -> Vec<String> {
        let mut all: Vec<_> = lock(&self.connections).values().cloned().collect();
        all.sort_by_key(|connection| connection.opened);
        all.iter().map(|c| c.id.clone()).collect()
    }

    /// Sets the limits for connections that open from now on.
    pub fn limit(&self, limits: Limits) {
        *lock(&self.limits) = limits;
    }

    /// What happens from now on to everything that takes that way.
    pub fn trouble(&self, passing: Passing, faults: Faults, seed: u64) {
        let way = match passing {
            Passing::Frames => &self.frames,
            Passing::Posts => &self.posts,
            Passing::Disconnects => &self.disconnects,
        };
        way.trouble(faults, seed);
    }

    /// What becomes from now on of posts to that connection; whether there is one.
    pub fn posts_to(&self, id: &str, posts: Posts) -> bool {
        let connection = self.find(id);
        connection.is_some_and(|connection| {
            *lock(&connection.fate) = posts;
            true
        })
    }

    /// Cuts a connection's wire, and never tells `$disconnect`; whether there was one.
    pub fn vanish(&self, id: &str) -> bool {
        let connection = lock(&self.connections).remove(id);
        connection.is_some_and(|connection| {
            connection.vanish();
            true
        })
    }

    /// Messages that clients have sent, since the start.
    pub fn frames_in(&self) -> u64 {
        self.frames_in.load(Ordering::Relaxed)
    }

    /// Messages that were written to clients, since the start.
    pub fn frames_out(&self) -> u64 {
        self.frames_out.load(Ordering::Relaxed)
    }

    /// Serves until `shutdown`, then closes every socket.
    pub(crate) async fn serve(
        self: Arc<Self>,
        listener: TcpListener,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> std::io::Result<()> {
        let router = Router::new()
            .fallback(handle)
            .with_state(Arc::clone(&self))
            .into_make_service_with_connect_info::<SocketAddr>();
        let stopping = Arc::clone(&self);
        let served = axum::serve(listener, router)
            .with_graceful_shutdown(async move {
                shutdown.await;
                stopping.stopping.send_replace(true);
            })
            .await;
        // The sender lives in this very API.
        let _ = self.open.subscribe().wait_for(|open| *open == 0).await;
        served
    }

    fn find(&self, id: &str) -> Option<Arc<Connection>> {
        lock(&self.connections).get(id).cloned()
    }

    /// Asks a route's function, and gives the status of its answer with it.
    async fn ask(&self, route: &str, event: &Value) -> Result<(StatusCode, Value), ()> {
        let function = self.functions.get(route).ok_or(())?;
        let started = Instant::now();
        let answer = match timeout(INTEGRATION_TIMEOUT, function.invoke(event)).await {
            Ok(Ok(answer)) => {
                let status = answer["statusCode"].as_u64();
                let status = status.and_then(|status| u16::try_from(status).ok());
                let status = status.and_then(|status| StatusCode::from_u16(status).ok());
                if status.is_none() {
                    function.log("its answer has no valid statusCode");
                }
                status.map(|status| (status, answer)).ok_or(())
            }
            _ => Err(()),
        };
        let outcome = answer
            .as_ref()
            .map_or("failed", |(status, _)| status.as_str());
        self.log.line(format!(
            "{} {route} {outcome} {} {} ms",
            now(),
            function.plan.binary,
            started.elapsed().as_millis()
        ));
        answer
    }

    /// The route of a text message.
    fn route<'a>(&'a self, body: &str) -> &'a str {
        let message: Value = serde_json::from_str(body).unwrap_or_default();
        let selected = message[&self.plan.selector].as_str();
        let key = selected.filter(|key| !key.starts_with('$'));
        key.and_then(|key| self.functions.get_key_value(key))
            .map_or("$default", |(key, _)| key)
    }

    /// Has a client's message handled; failures are told to the client.
    async fn handle(&self, connection: &Connection, body: &str, binary: bool) {
        let route = if binary { "$default" } else { self.route(body) };
        let request_id = runtime_api::short_id();
        let kind = Kind::Message { body, binary };
        let event = event::build(&self.plan.stage, connection, route, &request_id, kind);
        let wrong = match self.ask(route, &event).await {
            Ok(_) => return,
            Err(()) if self.functions.contains_key(route) => "Internal server error",
            Err(()) => "Forbidden",
        };
        let frame = json!({
            "message": wrong, "connectionId": connection.id, "requestId": request_id,
        });
        connection.post(frame.to_string().into());
    }

    async fn opened(
        self: &Arc<Self>,
        peer: SocketAddr,
        request: Parts,
        upgrade: OnUpgrade,
        mut response: Response<Body>,
    ) -> Response<Body> {
        let (posts, mailbox) = mpsc::unbounded_channel();
        let connection = Arc::new(Connection::new(&request.headers, peer.ip(), posts));
        if self.functions.contains_key("$connect") {
            let kind = Kind::Connect {
                headers: &request.headers,
                query: request.uri.query().unwrap_or_default(),
            };
            let id = runtime_api::short_id();
            let event = event::build(&self.plan.stage, &connection, "$connect", &id, kind);
            match self.ask("$connect", &event).await {
                Ok((status, answer)) if status.is_success() => {
                    if let Some(protocol) = subprotocol(&answer) {
                        response
                            .headers_mut()
                            .insert(SEC_WEBSOCKET_PROTOCOL, protocol);
                    }
                }
                Ok((status, _)) if status.as_u16() >= 300 => return status.into_response(),
                _ => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
            }
        }
        lock(&self.connections).insert(connection.id.clone(), Arc::clone(&connection));
        self.open.send_modify(|open| *open += 1);
        let api = Arc::clone(self);
        tokio::spawn(async move {
            let end = connection.live(&api, upgrade, mailbox).await;
            lock(&api.connections).remove(&connection.id);
            api.open.send_modify(|open| *open -= 1);
            let Some((code, reason)) = end else {
                return;
            };
            for late in api.disconnects.arrivals() {
                pass(late).await;
                let reason = reason.clone();
                let kind = Kind::Disconnect { code, reason };
                let id = runtime_api::short_id();
                let event = event::build(&api.plan.stage, &connection, "$disconnect", &id, kind);
                let _ = api.ask("$disconnect", &event).await;
            }
        });
        response
    }
}

/// The subprotocol that a function has chosen.
fn subprotocol(answer: &Value) -> Option<HeaderValue> {
    let mut headers = answer["headers"].as_object()?.iter();
    let (_, value) =
        headers.find(|(name, _)| name.eq_ignore_ascii_case(SEC_WEBSOCKET_PROTOCOL.as_str()))?;
    HeaderValue::try_from(value.as_str()?).ok()
}

async fn handle(
    State(api): State<Arc<WebSocketApi>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    mut request: Request,
) -> Response<Body> {
    let path = request.uri().path().trim_matches('/').to_owned();
    let stage = api.plan.stage.as_str();
    if let Some(id) = path
        .strip_prefix(stage)
        .and_then(|rest| rest.strip_prefix("/@connections/"))
    {
        return management::handle(&api, id, request).await;
    }
    if !path.is_empty() && path != stage {
        return refuse(StatusCode::FORBIDDEN, "ForbiddenException", "Forbidden");
    }
    match create_response_with_body(&request, Body::empty) {
        // In a task of its own: $connect runs to its end though the client may go.
        Ok(response) => {
            let upgrade = hyper::upgrade::on(&mut request);
            let (request, _) = request.into_parts();
            let opened = async move { api.opened(peer, request, upgrade, response).await };
            let failed = |_| StatusCode::INTERNAL_SERVER_ERROR.into_response();
            tokio::spawn(opened).await.unwrap_or_else(failed)
        }
        Err(_) => StatusCode::UPGRADE_REQUIRED.into_response(),
    }
}

/// An error in the form that the SDKs read.
fn refuse(status: StatusCode, kind: &'static str, message: &str) -> Response<Body> {
    const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");
    let body = json!({ "message": message }).to_string();
    let mut headers = HeaderMap::new();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    headers.insert(ERROR_TYPE, HeaderValue::from_static(kind));
    (status, headers, body).into_response()
}
