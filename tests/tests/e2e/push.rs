//! A receiver with no device online is woken by the host application.

use std::sync::{Arc, Mutex};

use axum::http::{HeaderMap, StatusCode};
use axum::{Router, routing::post};
use maskline_tests::{World, unlimited};
use ring::hmac;
use serde_json::{Value, json};

const SECRET: &str = "push-secret-of-the-tests";

/// A host application's hook, and what it was asked.
async fn hook(status: StatusCode) -> (String, Arc<Mutex<Vec<(HeaderMap, String)>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&asked);
    let take = async move |headers: HeaderMap, body: String| {
        noted.lock().unwrap().push((headers, body));
        status
    };
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0))
        .await
        .unwrap();
    let url = format!("http://{}/push", listener.local_addr().unwrap());
    let router = Router::new().route("/push", post(take));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, asked)
}

fn world(url: &str) -> World {
    let options = unlimited()
        .with("PUSH_WEBHOOK_URL", url)
        .with("PUSH_WEBHOOK_SECRET", SECRET);
    World::start_aside(options)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_who_is_woken_in_time_is_rung_on_join() {
    let (url, asked) = hook(StatusCode::ACCEPTED).await;
    let world = world(&url);
    let booking = world.new_booking().await;
    let mut caller = world.app(&booking.user).await;
    let about = json!({"bookingId": booking.id});
    let ringing = caller.ask("callInitiate", about.clone()).await;
    assert_eq!(ringing["event"], "call:ringing");
    let again = caller.ask("callInitiate", about.clone()).await;
    assert_eq!(again["data"]["callId"], ringing["data"]["callId"]);

    let asked = asked.lock().unwrap().clone();
    assert_eq!(asked.len(), 1, "a repeated request rings nobody twice");
    let (headers, body) = &asked[0];
    let signature = headers["maskline-signature"].to_str().unwrap();
    let (time, tag) = signature.split_once(",v1=").unwrap();
    let time = time.strip_prefix("t=").unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let expected = hmac::sign(&key, format!("{time}.{body}").as_bytes());
    let expected: String = expected
        .as_ref()
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    assert_eq!(tag, expected);
    let body: Value = serde_json::from_str(body).unwrap();
    assert_eq!(
        body,
        json!({
            "type": "call.incoming", "callId": ringing["data"]["callId"],
            "bookingId": booking.id, "userId": booking.provider, "callerName": "Asha",
            "expiresAt": ringing["data"]["expiresAt"],
        })
    );

    let mut receiver = world.app(&booking.provider).await;
    receiver
        .ask("join", json!({"userId": booking.provider}))
        .await;
    receiver.event("call:incoming").await;
    receiver.ask("callAccept", about.clone()).await;
    caller.event("call:accepted").await;
    caller.ask("callEnd", about).await;
    assert_eq!(world.rows(&booking).await[0]["call_status"], "completed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hook_that_fails_is_no_device() {
    let (refusing, _) = hook(StatusCode::INTERNAL_SERVER_ERROR).await;
    let closed = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let nobody = format!("http://{}/push", closed.local_addr().unwrap());
    drop(closed);
    for url in [refusing, nobody] {
        let world = world(&url);
        let booking = world.new_booking().await;
        let mut caller = world.app(&booking.user).await;
        let about = json!({"bookingId": booking.id});
        let answer = caller.ask("callInitiate", about).await;
        assert_eq!(answer["data"]["reason"], "unavailable", "{answer}");
        assert_eq!(world.rows(&booking).await[0]["call_status"], "missed");
    }
}
