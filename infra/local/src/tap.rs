//! A tap on the line between the functions and the store: passes every request on,
//! notes what it was and what it cost, breaks the ones it is told to break, and signs them
//! all alike: to the tap, a signature tells the function; to the store, whose tables are meant.
//!
//! The reads by which a process that starts opens its connections are passed on, neither seen nor
//! broken: when a process starts is the runtime's affair, and they belong to no invocation.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::Error;
use crate::log::lock;
use crate::stack::http_client;
use crate::store::StoreAddress;
use crate::usage::{Usage, signed_by};

/// One DynamoDB request.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// The function that asked, by its binary's name.
    pub function: String,
    /// `GetItem`, `Query`, …
    pub operation: String,
    /// The status of the answer.
    pub status: u16,
    /// What it consumed, in read or write units by its operation.
    pub units: f64,
}

/// What can happen to a request. All of a client's attempts at it suffer the same,
/// but for the lost answer, which only the first does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Break {
    /// DynamoDB throttles it.
    Throttled,
    /// DynamoDB fails.
    ServerError,
    /// DynamoDB refuses it for good.
    Refused,
    /// Nobody answers.
    Silence,
    /// It is carried out, and the connection breaks before the answer.
    AnswerLost,
    /// A transaction is under way that writes the same item.
    Conflict,
    /// Nobody answers the first attempt of it, nor of any that follows.
    Slow,
}

/// A running tap.
#[derive(Debug, Clone)]
pub struct Tap {
    url: String,
    state: Arc<Mutex<Noted>>,
    broken: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Noted {
    seen: Vec<Seen>,
    /// How many requests of which function are let through before which break.
    plan: Option<(String, usize, Break)>,
    /// Attempts so far by the SDK's invocation id, in the order of their first.
    attempts: HashMap<String, (usize, u32)>,
}

#[derive(Clone)]
struct Line {
    store: StoreAddress,
    client: reqwest::Client,
    usage: Option<Usage>,
    state: Arc<Mutex<Noted>>,
    broken: watch::Sender<bool>,
}

impl Tap {
    /// Starts one in front of that store; it runs as long as the current runtime does.
    /// `usage` notes the permissions that requests take.
    pub async fn start(store: &StoreAddress, usage: Option<Usage>) -> Result<Self, Error> {
        let listener = TcpListener::bind(("127.0.0.1", 0))
            .await
            .map_err(Error::io("the tap"))?;
        let address = listener.local_addr().map_err(Error::io("the tap"))?;
        let state = Arc::default();
        let broken = watch::Sender::new(false);
        let line = Line {
            store: store.clone(),
            client: http_client()?,
            usage,
            state: Arc::clone(&state),
            broken: broken.clone(),
        };
        let router = Router::new().fallback(pass_on).with_state(line);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Tap {
            url: format!("http://{address}"),
            state,
            broken,
        })
    }

    /// Where the functions reach the store through this tap.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What passed since the last call.
    pub fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut lock(&self.state).seen)
    }

    /// Lets `after` requests of a function through from now on and breaks the next one.
    pub fn break_one(&self, function: &str, after: usize, how: Break) {
        let mut state = lock(&self.state);
        state.attempts.clear();
        state.plan = Some((function.to_owned(), after, how));
        self.broken.send_replace(false);
    }

    /// Waits until a request has been broken since [`Tap::break_one`].
    pub async fn broken(&self) {
        let mut count = self.broken.subscribe();
        // The sender lives in this tap.
        let _ = count.wait_for(|broken| *broken).await;
    }

    /// Lets everything through again.
    pub fn mend(&self) {
        lock(&self.state).plan = None;
    }
}

async fn pass_on(State(line): State<Line>, headers: HeaderMap, body: Bytes) -> Response {
    match line.send(headers, body).await {
        Ok(response) => response,
        // The store is not there: to a client, a gateway that says so.
        Err(error) => (StatusCode::BAD_GATEWAY, error.without_url().to_string()).into_response(),
    }
}

impl Line {
    async fn send(&self, mut headers: HeaderMap, body: Bytes) -> Result<Response, reqwest::Error> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let operation = text("x-amz-target").and_then(|target| target.split('.').nth(1));
        let operation = operation.unwrap_or_default().to_owned();
        let function = signed_by(&headers).unwrap_or_default().to_owned();
        if let Some(usage) = &self.usage {
            usage.dynamodb(&function, &operation, &body);
        }
        let of_a_start = opens_a_connection(&body);
        let invocation = text("amz-sdk-invocation-id").filter(|_| !of_a_start);
        let broken = self.breaks(&function, invocation);
        if broken.is_some() {
            self.broken.send_replace(true);
        }
        match broken {
            Some(Break::Throttled) => {
                return Ok(refusal(400, "ProvisionedThroughputExceededException"));
            }
            Some(Break::ServerError) => return Ok(refusal(500, "InternalServerError")),
            Some(Break::Refused) => return Ok(refusal(400, "AccessDeniedException")),
            Some(Break::Conflict) => return Ok(refusal(400, "TransactionConflictException")),
            Some(Break::Silence | Break::Slow) => std::future::pending().await,
            Some(Break::AnswerLost) | None => {}
        }
        headers.remove("content-length");
        headers.remove("host");
        sign_as(&mut headers, &self.store.account);
        let answer = self
            .client
            .post(&self.store.url)
            .headers(headers)
            .body(asking_for_the_cost(body))
            .send()
            .await?;
        let status = answer.status();
        let headers = answer.headers().clone();
        let body = answer.bytes().await?;
        if !of_a_start {
            lock(&self.state).seen.push(Seen {
                function,
                operation,
                status: status.as_u16(),
                units: units(&body),
            });
        }
        if broken.is_some() {
            return Ok(cut_off());
        }
        Ok((status, headers, body).into_response())
    }

    /// Whether this attempt is one to break, and how.
    fn breaks(&self, function: &str, invocation: Option<&str>) -> Option<Break> {
        let mut state = lock(&self.state);
        let plan = state.plan.clone();
        let (_, after, how) = plan.filter(|(of, ..)| of == function)?;
        let next = state.attempts.len();
        let attempts = state
            .attempts
            .entry(invocation?.to_owned())
            .or_insert((next, 0));
        attempts.1 += 1;
        let first = attempts.1 == 1;
        let breaks = match how {
            Break::Slow => attempts.0 >= after && first,
            Break::AnswerLost => attempts.0 == after && first,
            _ => attempts.0 == after,
        };
        breaks.then_some(how)
    }
}

/// Puts that access key id in the place of the signature's. Local stores do not check the rest.
fn sign_as(headers: &mut HeaderMap, account: &str) {
    let signed = headers.get("authorization").zip(signed_by(headers));
    let signed = signed.and_then(|(signature, key)| {
        let theirs = format!("Credential={key}/");
        let ours = format!("Credential={account}/");
        let signature = signature.to_str().ok()?.replacen(&theirs, &ours, 1);
        HeaderValue::try_from(signature).ok()
    });
    if let Some(signature) = signed {
        headers.insert("authorization", signature);
    }
}

fn refusal(status: u16, code: &str) -> Response {
    let body = serde_json::json!({"__type": format!("com.amazonaws.dynamodb.v20120810#{code}")});
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let json = [("content-type", "application/x-amz-json-1.0")];
    (status, json, body.to_string()).into_response()
}

/// An answer that breaks off in its body.
fn cut_off() -> Response {
    let end = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
    let frames = [Ok(Bytes::from_static(b"{")), Err(end)];
    axum::body::Body::from_stream(futures_util::stream::iter(frames)).into_response()
}

/// Whether this is a read of the item that no table has, as functions send when they start.
fn opens_a_connection(body: &[u8]) -> bool {
    let request: Value = serde_json::from_slice(body).unwrap_or_default();
    let key = request["Key"].as_object();
    key.is_some_and(|key| key.values().any(|value| value["S"] == "-"))
}

/// The same request, with the consumed units in its answer.
fn asking_for_the_cost(body: Bytes) -> Vec<u8> {
    match serde_json::from_slice::<Value>(&body) {
        Ok(Value::Object(mut request)) => {
            request.insert("ReturnConsumedCapacity".into(), "TOTAL".into());
            Value::Object(request).to_string().into_bytes()
        }
        _ => body.into(),
    }
}

/// One table's figure, or the sum of a transaction's. A refused condition tells none.
fn units(body: &[u8]) -> f64 {
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    let of = |capacity: &Value| capacity["CapacityUnits"].as_f64().unwrap_or(0.0);
    match &answer["ConsumedCapacity"] {
        Value::Array(tables) => tables.iter().map(of).sum(),
        table => of(table),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_read_at_the_start_is_told_from_an_invocations() {
        let read = |key: Value| serde_json::json!({"TableName": "T", "Key": key}).to_string();
        let text = |value: &str| serde_json::json!({"S": value});
        for (key, opens) in [
            (serde_json::json!({"pk": text("-")}), true),
            (serde_json::json!({"pk": text("-"), "sk": text("-")}), true),
            (
                serde_json::json!({"line": text("-"), "seq": {"N": "0"}}),
                true,
            ),
            (serde_json::json!({"pk": text("tag#-")}), false),
            (
                serde_json::json!({"line": text("a"), "seq": {"N": "0"}}),
                false,
            ),
        ] {
            assert_eq!(
                opens_a_connection(read(key.clone()).as_bytes()),
                opens,
                "{key}"
            );
        }
        assert!(!opens_a_connection(b""));
    }

    #[test]
    fn a_signature_is_the_accounts() {
        let signed = |key: &str| {
            let scope = "20261121/us-east-1/dynamodb/aws4_request";
            format!("AWS4-HMAC-SHA256 Credential={key}/{scope}, SignedHeaders=host, Signature=a0")
        };
        let mut headers = HeaderMap::new();
        headers.insert("authorization", signed("tag-put").parse().unwrap());
        sign_as(&mut headers, "123456789012");
        assert_eq!(headers["authorization"], signed("123456789012").as_str());
        assert_eq!(signed_by(&headers), Some("123456789012"));

        let mut none = HeaderMap::new();
        sign_as(&mut none, "123456789012");
        assert!(none.is_empty());
    }
}
