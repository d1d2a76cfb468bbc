//! The control API, through which calls are placed from outside.

use std::future::Future;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use tokio::net::TcpListener;

use crate::{CallPlan, Carrier, Settings};

/// Serves `POST /sim/calls` until `shutdown` is ready. The body is a [`CallPlan`]; the
/// answer is the [`Transcript`](crate::Transcript) of the finished call. A call that
/// is under way at the end is dropped: its phones exist only here.
///
/// # Errors
/// When the settings cannot be used or the listener fails.
pub async fn serve(
    listener: TcpListener,
    settings: Settings,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let carrier = Carrier::new(settings).map_err(std::io::Error::other)?;
    let router = Router::new()
        .route("/sim/calls", post(place))
        .with_state(carrier);
    tokio::select! {
        served = async { axum::serve(listener, router).await } => served,
        () = shutdown => Ok(()),
    }
}

async fn place(State(carrier): State<Carrier>, body: Bytes) -> Response {
    let placed = match CallPlan::from_json(&body) {
        Ok(plan) => carrier.place(plan).await,
        Err(error) => Err(error),
    };
    match placed {
        Ok(transcript) => Json(transcript).into_response(),
        Err(error) => {
            let body = serde_json::json!({
                "status": "error",
                "code": "bad_plan",
                "field": error.field,
                "message": error.to_string(),
            });
            (StatusCode::BAD_REQUEST, Json(body)).into_response()
        }
    }
}
