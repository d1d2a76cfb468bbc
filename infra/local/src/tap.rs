//! A tap on the line between the functions and the store: passes every request on,
//! and notes what it was and what it cost.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use tokio::net::TcpListener;

use crate::Error;
use crate::log::lock;
use crate::stack::http_client;

/// One DynamoDB request.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// `GetItem`, `Query`, …
    pub operation: String,
    /// The status of the answer.
    pub status: u16,
    /// What it consumed, in read or write units by its operation.
    pub units: f64,
}

/// A running tap.
#[derive(Debug, Clone)]
pub struct Tap {
    url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

#[derive(Clone)]
struct Line {
    store_url: String,
    client: reqwest::Client,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Tap {
    /// Starts one in front of the store at `store_url`; it runs as long as the
    /// current runtime does.
    pub async fn start(store_url: &str) -> Result<Self, Error> {
        let listener = TcpListener::bind(("127.0.0.1", 0))
            .await
            .map_err(Error::io("the tap"))?;
        let address = listener.local_addr().map_err(Error::io("the tap"))?;
        let seen = Arc::default();
        let line = Line {
            store_url: store_url.to_owned(),
            client: http_client()?,
            seen: Arc::clone(&seen),
        };
        let router = Router::new().fallback(pass_on).with_state(line);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Tap {
            url: format!("http://{address}"),
            seen,
        })
    }

    /// Where the functions reach the store through this tap.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What passed since the last call.
    pub fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut lock(&self.seen))
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
        let target = headers
            .get("x-amz-target")
            .and_then(|target| target.to_str().ok());
        let operation = target.and_then(|target| target.split('.').nth(1));
        let operation = operation.unwrap_or_default().to_owned();
        headers.remove("content-length");
        headers.remove("host");
        let answer = self
            .client
            .post(&self.store_url)
            .headers(headers)
            .body(asking_for_the_cost(body))
            .send()
            .await?;
        let status = answer.status();
        let headers = answer.headers().clone();
        let body = answer.bytes().await?;
        lock(&self.seen).push(Seen {
            operation,
            status: status.as_u16(),
            units: units(&body),
        });
        Ok((status, headers, body).into_response())
    }
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
