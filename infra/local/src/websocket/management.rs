//! The `@connections` API, by which functions write to sockets.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::header::AUTHORIZATION;
use axum::http::{Method, Response, StatusCode};
use axum::response::IntoResponse;
use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use serde_json::json;

use super::connection::Connection;
use super::{Posts, WebSocketApi, refuse};
use crate::faults::pass;
use crate::log::lock;
use crate::usage::signed_by;

/// The largest message that can be posted.
const PAYLOAD_LIMIT: usize = 128 * 1024;
/// More is still read: a client that is writing cannot hear the refusal.
const READ_LIMIT: usize = 16 * 1024 * 1024;

/// Answers one request about the connection with that id, as it stands in the path.
pub(super) async fn handle(api: &Arc<WebSocketApi>, id: &str, request: Request) -> Response<Body> {
    if !request.headers().contains_key(AUTHORIZATION) {
        let kind = "MissingAuthenticationTokenException";
        return refuse(StatusCode::FORBIDDEN, kind, "Missing Authentication Token");
    }
    if let (Some(usage), Some(function)) = (&api.usage, signed_by(request.headers())) {
        usage.connection(function, &api.plan.stage, request.method().as_str());
    }
    let id = percent_decode_str(id).decode_utf8_lossy();
    let method = request.method().clone();
    let message = match to_bytes(request.into_body(), READ_LIMIT).await {
        Ok(message) if message.len() <= PAYLOAD_LIMIT => message,
        _ => {
            return refuse(
                StatusCode::PAYLOAD_TOO_LARGE,
                "PayloadTooLargeException",
                "Message too long",
            );
        }
    };
    let fate = |connection: &Arc<Connection>| *lock(&connection.fate);
    let there = api.find(&id).filter(|c| fate(c) != Posts::AreRefused);
    let Some(connection) = there else {
        return refuse(StatusCode::GONE, "GoneException", "Gone");
    };
    match method {
        Method::POST if fate(&connection) == Posts::Fail => {
            let (status, kind) = (StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError");
            refuse(status, kind, "Internal server error")
        }
        Method::POST => {
            for late in api.posts.arrivals() {
                pass(late).await;
                if fate(&connection) == Posts::Arrive {
                    connection.post(message.clone());
                }
            }
            StatusCode::OK.into_response()
        }
        Method::GET => {
            let idle = connection.last_active().elapsed();
            let last_active =
                Timestamp::now() - jiff::SignedDuration::try_from(idle).unwrap_or_default();
            let identity = json!({
                "sourceIp": connection.source_ip.to_string(), "userAgent": connection.user_agent,
            });
            let info = json!({
                "connectedAt": connection.connected_at.to_string(),
                "lastActiveAt": last_active.to_string(),
                "identity": identity,
            });
            ([("content-type", "application/json")], info.to_string()).into_response()
        }
        Method::DELETE => {
            connection.close();
            StatusCode::NO_CONTENT.into_response()
        }
        _ => refuse(
            StatusCode::METHOD_NOT_ALLOWED,
            "MethodNotAllowedException",
            "Method Not Allowed",
        ),
    }
}
