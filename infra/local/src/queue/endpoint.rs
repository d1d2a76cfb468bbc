//! As much of SQS's protocol (AWS JSON 1.0) as it takes to send a message.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{self, AUTHORIZATION, HeaderMap};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{Queues, md5_of};
use crate::template::ACCOUNT;
use crate::usage::signed_by;

/// SQS's longest delay, seconds.
const MOST_DELAY: u64 = 900;
/// SQS's largest message, bytes.
const LARGEST: usize = 1024 * 1024;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct SendMessage {
    queue_url: String,
    message_body: String,
    #[serde(default)]
    delay_seconds: u64,
}

pub(super) async fn serve(
    queues: Arc<Queues>,
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let router = Router::new().fallback(handle).with_state(queues);
    axum::serve(listener, router)
        .with_graceful_shutdown(shutdown)
        .await
}

async fn handle(State(queues): State<Arc<Queues>>, headers: HeaderMap, body: Bytes) -> Response {
    let target = headers.get("x-amz-target").map(|target| target.as_bytes());
    if !headers.contains_key(AUTHORIZATION) {
        return refuse("MissingAuthenticationToken", "there is no signature");
    }
    if target != Some(b"AmazonSQS.SendMessage") {
        return refuse("InvalidAction", "the local stack knows SendMessage only");
    }
    let request: SendMessage = match serde_json::from_slice(&body) {
        Ok(request) => request,
        Err(error) => return refuse("InvalidParameterValue", &error.to_string()),
    };
    let name = request
        .queue_url
        .strip_prefix(queues.url())
        .and_then(|path| {
            path.strip_prefix('/')?
                .strip_prefix(ACCOUNT)?
                .strip_prefix('/')
        });
    let Some(queue) = name.and_then(|name| queues.queues.get(name)) else {
        return refuse("QueueDoesNotExist", "there is no such queue");
    };
    if let (Some(usage), Some(function)) = (&queues.usage, signed_by(&headers)) {
        usage.sent(function, &queue.plan.name);
    }
    if request.delay_seconds > MOST_DELAY {
        return refuse("InvalidParameterValue", "DelaySeconds must be 0 to 900");
    }
    if !(1..=LARGEST).contains(&request.message_body.len()) {
        return refuse(
            "InvalidParameterValue",
            "MessageBody must be 1 byte to 1 MiB",
        );
    }
    let md5 = md5_of(&request.message_body);
    let delay = Duration::from_secs(request.delay_seconds);
    let id = queues.send(queue, request.message_body, delay);
    let answer = json!({ "MD5OfMessageBody": md5, "MessageId": id });
    respond(StatusCode::OK, &answer)
}

fn refuse(code: &str, message: &str) -> Response {
    let error = json!({ "__type": format!("com.amazonaws.sqs#{code}"), "message": message });
    respond(StatusCode::BAD_REQUEST, &error)
}

fn respond(status: StatusCode, body: &Value) -> Response {
    let json = [(header::CONTENT_TYPE, "application/x-amz-json-1.0")];
    (status, json, body.to_string()).into_response()
}
