//! Twilio's REST API, and the control API beside it.

use std::future::Future;

use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{post, put};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::behaviour::Behaviour;
use crate::exchange::{Exchange, List};
use crate::{CallPlan, Carrier, PlanError, Settings, phone, rest};

/// Serves until `shutdown` is ready; calls that are under way then are dropped.
///
/// As Twilio does: `POST /2010-04-01/Accounts/{AccountSid}/Calls.json` and
/// `…/Messages.json`. An accepted call really runs. The control API:
///
/// | | |
/// |---|---|
/// | `POST /sim/calls` | places a call from outside. The body is a [`CallPlan`], the answer the finished call's [`Transcript`](crate::Transcript) |
/// | `PUT /sim/behaviour` | sets the [`Behaviour`] towards REST requests |
/// | `DELETE /sim/behaviour` | as if nothing had been set |
/// | `GET /sim/calls`, `GET /sim/messages` | what REST requests asked for: `{"accepted":[…],"refused":[…]}` |
///
/// The last three take `?to=NUMBER`. A behaviour for a number goes before the
/// general one, whole, for calls and messages to that number.
///
/// # Errors
/// When the settings cannot be used or the listener fails.
pub async fn serve(
    listener: TcpListener,
    settings: Settings,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let carrier = Carrier::new(settings).map_err(std::io::Error::other)?;
    let (_running, stopping) = watch::channel(());
    let account = "/2010-04-01/Accounts/{account}";
    let router = Router::new()
        .route(&format!("{account}/Calls.json"), post(rest::create_call))
        .route(
            &format!("{account}/Messages.json"),
            post(rest::create_message),
        )
        .route("/sim/calls", post(place).get(calls))
        .route("/sim/messages", axum::routing::get(messages))
        .route("/sim/behaviour", put(behave).delete(forget))
        .with_state(Exchange::new(carrier, stopping));
    tokio::select! {
        served = async { axum::serve(listener, router).await } => served,
        () = shutdown => Ok(()),
    }
}

async fn place(State(exchange): State<Exchange>, body: Bytes) -> Response {
    let placed = match CallPlan::from_json(&body) {
        Ok(plan) => exchange.place(plan).await,
        Err(error) => Some(Err(error)),
    };
    match placed {
        Some(Ok(transcript)) => Json(transcript).into_response(),
        Some(Err(error)) => refused(&error),
        None => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

fn refused(error: &PlanError) -> Response {
    let body = json!({
        "status": "error",
        "code": "bad_plan",
        "field": error.field,
        "message": error.to_string(),
    });
    (StatusCode::BAD_REQUEST, Json(body)).into_response()
}

/// Whom a request of the control API is about.
#[derive(Deserialize)]
struct About {
    to: Option<String>,
}

impl About {
    fn number(self) -> Result<Option<String>, PlanError> {
        // A plus sign that was not encoded arrives as a space.
        let to = self.to.map(|to| to.replacen(' ', "+", 1));
        match to {
            Some(to) if !phone::is_e164(&to) => {
                Err(PlanError::new("to", "must be an E.164 number"))
            }
            to => Ok(to),
        }
    }
}

async fn calls(State(exchange): State<Exchange>, Query(about): Query<About>) -> Response {
    list(&exchange, List::Calls, about)
}

async fn messages(State(exchange): State<Exchange>, Query(about): Query<About>) -> Response {
    list(&exchange, List::Messages, about)
}

fn list(exchange: &Exchange, list: List, about: About) -> Response {
    match about.number() {
        Ok(to) => {
            let entries = |accepted| exchange.entries(list, accepted, to.as_deref());
            let body = json!({"accepted": entries(true), "refused": entries(false)});
            Json(body).into_response()
        }
        Err(error) => refused(&error),
    }
}

async fn behave(
    State(exchange): State<Exchange>,
    Query(about): Query<About>,
    body: Bytes,
) -> Response {
    let read = about.number().and_then(|to| {
        let behaviour = Behaviour::from_json(&body)?;
        exchange.behave(to, behaviour);
        Ok(())
    });
    match read {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => refused(&error),
    }
}

async fn forget(State(exchange): State<Exchange>, Query(about): Query<About>) -> Response {
    match about.number() {
        Ok(to) => {
            exchange.forget(to);
            StatusCode::NO_CONTENT.into_response()
        }
        Err(error) => refused(&error),
    }
}
