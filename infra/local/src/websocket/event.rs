//! What happens on a socket, as the Lambda events that API Gateway makes of it.

use axum::http::header::{self, HeaderMap, HeaderName};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::connection::Connection;
use crate::event::text;
use crate::runtime_api::{short_id, trace_id};
use crate::template::API_ID;

/// What has happened.
pub(super) enum Kind<'a> {
    Connect {
        headers: &'a HeaderMap,
        query: &'a str,
    },
    Message {
        body: &'a str,
        binary: bool,
    },
    Disconnect {
        code: u16,
        reason: String,
    },
}

/// Builds the event.
pub(super) fn build(
    stage: &str,
    connection: &Connection,
    route_key: &str,
    request_id: &str,
    kind: Kind<'_>,
) -> Value {
    let now = Timestamp::now();
    let mut identity = json!({ "sourceIp": connection.source_ip.to_string() });
    if !connection.user_agent.is_empty() {
        identity["userAgent"] = connection.user_agent.as_str().into();
    }
    let mut event = json!({
        "requestContext": {
            "routeKey": route_key,
            "eventType": match &kind {
                Kind::Connect { .. } => "CONNECT",
                Kind::Message { .. } => "MESSAGE",
                Kind::Disconnect { .. } => "DISCONNECT",
            },
            "extendedRequestId": request_id,
            "requestTime": now.strftime("%d/%b/%Y:%H:%M:%S +0000").to_string(),
            "messageDirection": "IN",
            "stage": stage,
            "connectedAt": connection.connected_at.as_millisecond(),
            "requestTimeEpoch": now.as_millisecond(),
            "identity": identity,
            "requestId": request_id,
            "domainName": connection.host,
            "connectionId": connection.id,
            "apiId": API_ID,
        },
        "isBase64Encoded": false,
    });
    match kind {
        Kind::Connect { headers, query } => {
            let headers = self::headers(headers, connection);
            event["headers"] = last_of_each(&headers);
            event["multiValueHeaders"] = Value::Object(headers);
            if !query.is_empty() {
                let mut values = Map::new();
                for (name, value) in form_urlencoded::parse(query.as_bytes()) {
                    add(&mut values, name.into_owned(), value.into_owned());
                }
                event["queryStringParameters"] = last_of_each(&values);
                event["multiValueQueryStringParameters"] = Value::Object(values);
            }
        }
        Kind::Message { body, binary } => {
            event["requestContext"]["messageId"] = short_id().into();
            event["body"] = body.into();
            event["isBase64Encoded"] = binary.into();
        }
        Kind::Disconnect { code, reason } => {
            event["requestContext"]["disconnectStatusCode"] = code.into();
            event["requestContext"]["disconnectReason"] = reason.into();
            let mut headers = Map::new();
            add(&mut headers, "Host".into(), connection.host.clone());
            add(&mut headers, "X-Forwarded-For".into(), String::new());
            event["headers"] = last_of_each(&headers);
            event["multiValueHeaders"] = Value::Object(headers);
        }
    }
    event
}

fn headers(sent: &HeaderMap, connection: &Connection) -> Map<String, Value> {
    let mut headers = Map::new();
    for (name, value) in sent {
        if *name != header::CONNECTION && *name != header::UPGRADE {
            add(&mut headers, spelled(name), text(Some(value)));
        }
    }
    let port = connection.host.rsplit(':').next().unwrap_or_default();
    for (name, value) in [
        ("X-Forwarded-For", connection.source_ip.to_string()),
        ("X-Forwarded-Port", port.to_owned()),
        ("X-Forwarded-Proto", "http".to_owned()),
        ("X-Amzn-Trace-Id", trace_id()),
    ] {
        headers.insert(name.into(), json!([value]));
    }
    headers
}

/// Here names arrive in lower case; on AWS they come as clients spell them.
fn spelled(name: &HeaderName) -> String {
    let parts = name.as_str().split('-').map(|part| match part {
        "websocket" => "WebSocket".to_owned(),
        part => match part.split_at_checked(1) {
            Some((first, rest)) => first.to_ascii_uppercase() + rest,
            None => String::new(),
        },
    });
    parts.collect::<Vec<_>>().join("-")
}

fn add(map: &mut Map<String, Value>, name: String, value: String) {
    let values = map.entry(name).or_insert_with(|| json!([]));
    if let Value::Array(values) = values {
        values.push(value.into());
    }
}

fn last_of_each(values: &Map<String, Value>) -> Value {
    let last = |values: &Value| values.as_array().and_then(|all| all.last().cloned());
    let pairs = values.iter();
    pairs
        .map(|(name, values)| (name.clone(), last(values)))
        .collect()
}
