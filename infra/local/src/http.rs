//! The HTTP API and the Function URLs on one address.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, HttpBody as _, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{self, HeaderValue};
use axum::http::{Response, StatusCode};
use axum::response::IntoResponse;
use jiff::Timestamp;
use tokio::net::TcpListener;

use crate::event::{self, Door};
use crate::lambda::Function;
use crate::template::CorsPlan;
use crate::{InvokeError, LogSink, cors, runtime_api};

const MB: usize = 1024 * 1024;
/// A body over its limit is still read up to here: a client that is writing
/// cannot hear the refusal.
const READ_LIMIT: usize = 64 * MB;
/// After this the HTTP API gives up on its function.
const INTEGRATION_TIMEOUT: Duration = Duration::from_secs(30);

/// The front door: routes, and the functions behind them.
#[derive(Debug)]
pub struct Gateway {
    /// The most specific first.
    routes: Vec<Route>,
    cors: Option<CorsPlan>,
    port: u16,
    log: LogSink,
}

#[derive(Debug)]
struct Route {
    door: Door,
    /// `ANY` is every method.
    method: String,
    segments: Vec<Segment>,
    /// As the event names it.
    key: String,
    function: Arc<Function>,
}

/// A part of a route's path. The order is that of precedence.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Segment {
    Literal(String),
    Parameter(String),
    /// `{name+}`: all that follows.
    Rest(String),
}

impl Gateway {
    /// The routes of all functions, to be served on `port`.
    pub fn new(
        functions: &[Arc<Function>],
        cors: Option<CorsPlan>,
        port: u16,
        log: LogSink,
    ) -> Self {
        let mut routes = Vec::new();
        for function in functions {
            for route in &function.plan.routes {
                routes.push(Route {
                    door: Door::HttpApi,
                    method: route.method.clone(),
                    segments: segments(&route.path),
                    key: format!("{} {}", route.method, route.path),
                    function: Arc::clone(function),
                });
            }
            for path in &function.plan.url_paths {
                routes.push(Route {
                    door: Door::FunctionUrl,
                    method: "ANY".into(),
                    segments: path
                        .split('/')
                        .map(|s| Segment::Literal(s.into()))
                        .collect(),
                    key: "$default".into(),
                    function: Arc::clone(function),
                });
            }
        }
        routes.sort_by_cached_key(|route| {
            let kinds: Vec<u8> = route.segments.iter().map(Segment::rank).collect();
            (kinds, route.method == "ANY")
        });
        Self {
            routes,
            cors,
            port,
            log,
        }
    }

    /// Serves until `shutdown`, then lets running requests finish. `besides` are routes
    /// that are no function's.
    pub async fn serve(
        self,
        listener: TcpListener,
        besides: Router,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> std::io::Result<()> {
        let functions = Router::new().fallback(handle).with_state(Arc::new(self));
        let router = functions
            .merge(besides)
            .into_make_service_with_connect_info::<SocketAddr>();
        axum::serve(listener, router)
            .with_graceful_shutdown(shutdown)
            .await
    }

    fn find<'a>(&'a self, method: &str, path: &'a str) -> Option<Match<'a>> {
        self.routes.iter().find_map(|route| {
            if route.method != "ANY" && route.method != method {
                return None;
            }
            let parameters = capture(&route.segments, path)?;
            Some((route, parameters))
        })
    }
}

type Match<'a> = (&'a Route, Vec<(&'a str, &'a str)>);

impl Segment {
    fn rank(&self) -> u8 {
        match self {
            Self::Literal(_) => 0,
            Self::Parameter(_) => 1,
            Self::Rest(_) => 2,
        }
    }
}

fn segments(path: &str) -> Vec<Segment> {
    path.split('/')
        .map(|part| {
            match part
                .strip_prefix('{')
                .and_then(|part| part.strip_suffix('}'))
            {
                Some(name) => match name.strip_suffix('+') {
                    Some(name) => Segment::Rest(name.into()),
                    None => Segment::Parameter(name.into()),
                },
                None => Segment::Literal(part.into()),
            }
        })
        .collect()
}

/// Matches a path, and gives the parameters' values as they stand in it.
fn capture<'a>(segments: &'a [Segment], path: &'a str) -> Option<Vec<(&'a str, &'a str)>> {
    let mut captured = Vec::new();
    let mut rest = Some(path);
    for segment in segments {
        let remaining = rest?;
        let (part, after) = match remaining.split_once('/') {
            Some((part, after)) => (part, Some(after)),
            None => (remaining, None),
        };
        match segment {
            Segment::Literal(literal) if literal == part => rest = after,
            Segment::Parameter(name) if !part.is_empty() => {
                captured.push((name.as_str(), part));
                rest = after;
            }
            Segment::Rest(name) if !remaining.is_empty() => {
                captured.push((name.as_str(), remaining));
                rest = None;
            }
            _ => return None,
        }
    }
    rest.is_none().then_some(captured)
}

async fn handle(
    State(gateway): State<Arc<Gateway>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response<Body> {
    let started = Instant::now();
    let method = request.method().clone();
    // Never the query: it may carry what does not belong into a log.
    let path = request.uri().path().to_owned();
    let found = gateway.find(method.as_str(), &path);
    let name = found
        .as_ref()
        .map_or("-", |(route, _)| route.function.plan.binary.as_str());
    // A Function URL is an address of its own on AWS.
    let api = |(route, _): &Match<'_>| route.door == Door::HttpApi;
    let cors = gateway
        .cors
        .as_ref()
        .filter(|_| found.as_ref().is_none_or(api));
    let origin = cors.and_then(|plan| cors::allowed(plan, request.headers()));
    let preflight = cors.and_then(|plan| cors::preflight(plan, &method, request.headers()));
    let response = match preflight {
        Some(response) => response,
        None => {
            let mut response = match &found {
                Some(found) => answer(&gateway, found, peer, request).await,
                None => refuse(StatusCode::NOT_FOUND, r#"{"message":"Not Found"}"#),
            };
            if let Some(plan) = cors {
                cors::apply(plan, origin, response.headers_mut());
            }
            response
        }
    };
    gateway.log.line(format!(
        "{} {method} {path} {} {name} {} ms",
        crate::log::now(),
        response.status().as_u16(),
        started.elapsed().as_millis()
    ));
    response
}

async fn answer(
    gateway: &Gateway,
    (route, path_parameters): &Match<'_>,
    peer: SocketAddr,
    request: Request,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let local = format!("127.0.0.1:{}", gateway.port);
    let host = match parts.headers.get(header::HOST).map(HeaderValue::to_str) {
        None => local.as_str(),
        Some(Ok(host)) if is_host(host) => host,
        Some(_) => return bad_request(),
    };
    let limit = match route.door {
        Door::HttpApi => 10 * MB,
        Door::FunctionUrl => 6 * MB,
    };
    let announced = body.size_hint().lower();
    let body = match to_bytes(body, READ_LIMIT).await {
        Ok(body) if body.len() <= limit => body,
        // The client went away before its body was complete.
        Err(_) if announced <= limit as u64 => return bad_request(),
        _ => {
            return refuse(
                StatusCode::PAYLOAD_TOO_LARGE,
                r#"{"message":"Request Entity Too Large"}"#,
            );
        }
    };
    let request_id = runtime_api::request_id();
    let event = event::build(&event::Request {
        door: route.door,
        route_key: &route.key,
        path_parameters: path_parameters.clone(),
        method: parts.method.as_str(),
        path: parts.uri.path(),
        query: parts.uri.query().unwrap_or_default(),
        protocol: format!("{:?}", parts.version),
        headers: &parts.headers,
        body: &body,
        peer: peer.ip(),
        host,
        port: gateway.port,
        request_id: &request_id,
        time: Timestamp::now(),
    });
    let invocation = route.function.invoke(&event);
    let result = match route.door {
        Door::FunctionUrl => invocation.await,
        Door::HttpApi => match tokio::time::timeout(INTEGRATION_TIMEOUT, invocation).await {
            Ok(result) => result,
            Err(_) => {
                return refuse(
                    StatusCode::SERVICE_UNAVAILABLE,
                    r#"{"message":"Service Unavailable"}"#,
                );
            }
        },
    };
    let mut response = respond(route, result);
    if let Ok(id) = HeaderValue::try_from(request_id) {
        let name = match route.door {
            Door::HttpApi => "apigw-requestid",
            Door::FunctionUrl => "x-amzn-requestid",
        };
        response.headers_mut().insert(name, id);
    }
    response
}

fn respond(route: &Route, result: Result<serde_json::Value, InvokeError>) -> Response<Body> {
    let failed = || match route.door {
        Door::HttpApi => refuse(
            StatusCode::INTERNAL_SERVER_ERROR,
            r#"{"message":"Internal Server Error"}"#,
        ),
        // Not JSON, whatever its content type says: so it comes from AWS.
        Door::FunctionUrl => refuse(StatusCode::BAD_GATEWAY, "Internal Server Error"),
    };
    match result {
        Ok(value) => event::answer(route.door, &value).unwrap_or_else(|| {
            let what = "its answer is no valid response in payload format 2.0";
            route.function.log(what);
            failed()
        }),
        Err(_) => failed(),
    }
}

fn bad_request() -> Response<Body> {
    refuse(StatusCode::BAD_REQUEST, r#"{"message":"Bad Request"}"#)
}

fn refuse(status: StatusCode, body: &'static str) -> Response<Body> {
    let json = [(header::CONTENT_TYPE, "application/json")];
    (status, json, body).into_response()
}

/// Whether a Host header names a host at all. Functions build URLs with it.
fn is_host(host: &str) -> bool {
    // What ends a host in a URL would make the rest something else.
    !host.contains(['/', '\\', '?', '#', '@'])
        && reqwest::Url::parse(&format!("http://{host}/")).is_ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn paths_match_whole_and_segment_by_segment() {
        let history = segments("/api/{code}/history");
        let captured = |path| capture(&history, path);
        assert_eq!(captured("/api/a%2Fb/history").unwrap(), [("code", "a%2Fb")]);
        for path in ["/api/a", "/api//history", "/api/a/history/", "/", "", "*"] {
            assert_eq!(captured(path), None, "{path}");
        }
        let rest = segments("/files/{path+}");
        assert_eq!(capture(&rest, "/files/a/b").unwrap(), [("path", "a/b")]);
        assert_eq!(capture(&rest, "/files/"), None);
    }

    #[test]
    fn only_hosts_are_hosts() {
        for host in ["localhost:3000", "127.0.0.1", "[::1]:80", "a.example"] {
            assert!(is_host(host), "{host}");
        }
        for host in ["", "a b", "a/b", "a@b", "a?b", "a:99999", "a#b"] {
            assert!(!is_host(host), "{host}");
        }
    }
}
