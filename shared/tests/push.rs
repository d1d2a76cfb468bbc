//! The push hook, as the host application sees it.

#![allow(clippy::unwrap_used)]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Redirect};
use maskline::domain::secret::Secret;
use maskline::domain::time::Timestamp;
use maskline::ports::push::{IncomingCall, NotDelivered, Push};
use ring::hmac;
use serde_json::{Value, json};
use tokio::net::TcpListener;

const SECRET: &str = "a-secret-of-the-host-application";

type Asked = Arc<Mutex<Vec<(Method, Uri, HeaderMap, String)>>>;

/// Notes what comes, and answers as the path says.
async fn hook(
    State(asked): State<Asked>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: String,
) -> impl IntoResponse {
    let path = uri.path().trim_start_matches('/').to_owned();
    asked.lock().unwrap().push((method, uri, headers, body));
    match path.as_str() {
        "silent" => std::future::pending().await,
        "moved" => Redirect::temporary("/200").into_response(),
        status => status.parse::<StatusCode>().unwrap().into_response(),
    }
}

async fn host_application() -> (String, Asked) {
    let asked = Asked::default();
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().fallback(hook).with_state(Arc::clone(&asked));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, asked)
}

async fn wake(url: &str) -> Result<(), NotDelivered> {
    let push = Push::new(url.parse().unwrap(), &Secret::new(SECRET));
    let now: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
    let call = IncomingCall {
        call_id: "bk-7.3",
        booking_id: "bk-7",
        user_id: "provider-1",
        caller_name: "आशा \"A\"",
        expires_at: "2026-11-21T12:00:45Z".parse().unwrap(),
    };
    push.wake(&call, now).await
}

#[tokio::test]
async fn a_call_is_announced_signed() {
    let (url, asked) = host_application().await;
    assert_eq!(wake(&format!("{url}/204?app=1")).await, Ok(()));
    let asked = asked.lock().unwrap();
    let [(method, uri, headers, body)] = asked.as_slice() else {
        panic!("asked {} times", asked.len());
    };
    assert_eq!(
        (method, uri.to_string().as_str()),
        (&Method::POST, "/204?app=1")
    );
    assert_eq!(headers["content-type"], "application/json");
    assert_eq!(
        serde_json::from_str::<Value>(body).unwrap(),
        json!({
            "type": "call.incoming", "callId": "bk-7.3", "bookingId": "bk-7",
            "userId": "provider-1", "callerName": "आशा \"A\"",
            "expiresAt": "2026-11-21T12:00:45.000Z"
        })
    );
    // As the host application checks it.
    let header = headers["maskline-signature"].to_str().unwrap();
    let (time, digits) = header.split_once(",v1=").unwrap();
    let time = time.strip_prefix("t=").unwrap();
    assert_eq!(time, "1795262400");
    let signature: Vec<u8> = (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
        .collect();
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let signed = format!("{time}.{body}");
    assert!(hmac::verify(&key, signed.as_bytes(), &signature).is_ok());
}

#[tokio::test]
async fn anything_but_a_2xx_is_a_failure_and_nothing_is_sent_twice() {
    let (url, asked) = host_application().await;
    for status in [200, 201, 202, 204] {
        assert_eq!(wake(&format!("{url}/{status}")).await, Ok(()));
    }
    for status in [304, 400, 401, 404, 410, 429, 500, 503] {
        let refused = wake(&format!("{url}/{status}")).await;
        assert_eq!(refused, Err(NotDelivered::Refused(status)));
    }
    let redirected = wake(&format!("{url}/moved")).await;
    assert_eq!(redirected, Err(NotDelivered::Refused(307)));
    assert_eq!(asked.lock().unwrap().len(), 13);
}

#[tokio::test]
async fn a_hook_that_does_not_answer_is_not_waited_for() {
    let (url, asked) = host_application().await;
    let url = format!("{url}/silent?token=secret");
    let given_up = tokio::time::timeout(Duration::from_secs(60), wake(&url)).await;
    let silent = given_up.unwrap().unwrap_err();
    assert_eq!(silent, NotDelivered::NoAnswer("a timeout"));
    assert_eq!(asked.lock().unwrap().len(), 1);

    let closed = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = closed.local_addr().unwrap();
    drop(closed);
    let nobody = wake(&format!("http://{address}/")).await.unwrap_err();
    assert_eq!(nobody, NotDelivered::NoAnswer("no connection"));
    for error in [silent, nobody] {
        let words = error.to_string();
        assert!(
            !words.contains("secret") && !words.contains("127.0.0.1"),
            "{words}"
        );
    }
}
