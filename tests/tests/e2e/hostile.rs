//! Random bytes, wrong types and hostile strings on every route and webhook: no 5xx,
//! nothing written, and a process that lives on.

use maskline_tests::{ADMIN, call_sid, client, unique, world};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};
use reqwest::Method;
use serde_json::{Value, json};

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,40}".prop_map(Value::from),
        "[\\x00-\\x1f<>\"'&]{0,20}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 6, |inner| {
        let fields =
            "(bookingId|callerType|ownerId|ownerPhone|label|enabled|virtualNumber|visitorPhone|metadata|userId|userName|providerId|providerName|serviceName|status|\\PC{0,8})";
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::hash_map(fields, inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Values of a strategy, drawn by a runner whose seed is printed where a test fails.
fn draw<S: Strategy>(runner: &mut TestRunner, strategy: &S) -> S::Value {
    strategy.new_tree(runner).unwrap().current()
}

#[tokio::test]
async fn any_body_on_every_json_route() {
    let world = world();
    let mut runner = TestRunner::new(Config::default());
    let admin = world.token("an-admin", ADMIN);
    let code = format!("hostile-{}", unique());
    let routes = [
        (Method::PUT, format!("/api/v1/tags/{code}")),
        (Method::PUT, format!("/api/v1/bookings/{code}")),
        (Method::POST, format!("/api/v1/call/{code}/initiate")),
        (Method::POST, "/api/calls/initiate".to_owned()),
    ];
    let bytes = prop::collection::vec(any::<u8>(), 0..300);
    for round in 0..150 {
        for (method, path) in &routes {
            let body = match round % 2 {
                0 => draw(&mut runner, &any_json()).to_string().into_bytes(),
                _ => draw(&mut runner, &bytes),
            };
            let shown = String::from_utf8_lossy(&body).into_owned();
            let answer = world
                .raw_api(method.clone(), path, Some(&admin), Some(body))
                .await;
            let status = answer.status.as_u16();
            assert!(
                (400..500).contains(&status),
                "{method} {path} {shown}: {status} {}",
                answer.text
            );
        }
    }
    for (method, path) in &routes {
        let huge = vec![b'['; 2_000_000];
        let answer = world
            .raw_api(method.clone(), path, Some(&admin), Some(huge))
            .await;
        answer.error(413, "too_large");
    }
    assert!(world.items("TagsTable", "code", &code).await.is_empty());
    assert!(world.items("BookingsTable", "pk", &code).await.is_empty());
}

/// Signed by Twilio, and filled with anything: an attacker decides `From` and more.
#[tokio::test]
async fn any_form_on_every_webhook() {
    let world = world();
    let mut runner = TestRunner::new(Config::default());
    let tag = world.new_tag().await;
    let sid = call_sid();
    let dial = world.dial(&tag, &sid).await;
    let before = world.only_call(&tag).await;
    let names =
        "(CallSid|From|To|Digits|DialCallDuration|CallDuration|Timestamp|AnsweredBy|\\PC{0,6})";
    let fields = prop::collection::vec((names, "\\PC{0,30}|[\\x00-\\x1f<>\"'&]{0,10}"), 0..8);
    for _ in 0..120 {
        for path in [
            "/api/v1/call/connect",
            dial.status.as_str(),
            dial.dial_status.as_str(),
        ] {
            let fields = draw(&mut runner, &fields);
            let given: Vec<_> = fields
                .iter()
                .map(|(n, v)| (n.as_str(), v.as_str()))
                .collect();
            let answer = world.webhook(path, &given).await;
            assert!(
                answer.status.as_u16() < 500,
                "{path} {given:?}: {}",
                answer.text
            );
            assert!(
                !answer.text.contains("<Dial"),
                "{path} {given:?}: {}",
                answer.text
            );
        }
    }
    let mut huge = world.unsent("/api/v1/call/connect", &[]);
    huge.fields.push(("Digits".into(), "9".repeat(1_000_000)));
    huge.sign(world);
    huge.send().await.error(413, "too_large");
    assert_eq!(world.only_call(&tag).await, before);
}

/// Names and numbers that would break out of XML, if anything did.
#[tokio::test]
async fn no_twiml_is_broken() {
    let world = world();
    let hostile = "\"/><Dial>+19005550199</Dial><x y='&\u{202e}";
    let code = format!("xml-{}", unique());
    let body = json!({
        "ownerId": hostile, "ownerPhone": "+919876543210", "label": hostile, "enabled": true
    });
    let answer = world.put_tag(&code, &body).await;
    let extension = answer.json()["extension"].as_str().unwrap().to_owned();
    let shared = world.shared_number();
    let fields = [
        ("CallSid", "CA1"),
        ("To", shared),
        ("From", hostile),
        ("CallerName", hostile),
        ("Digits", extension.as_str()),
    ];
    let twiml = world
        .webhook(
            "/api/v1/call/connect?attempts=1&x=%22%3E%3CDial%3E",
            &fields,
        )
        .await;
    assert_eq!(twiml.text.matches("<Dial ").count(), 1, "{}", twiml.text);
    assert!(!twiml.text.contains("+19005550199"), "{}", twiml.text);
}

#[tokio::test]
async fn any_path_and_query() {
    let world = world();
    let mut runner = TestRunner::new(Config::default());
    let admin = world.token("an-admin", ADMIN);
    let text = "[a-zA-Z0-9/._~%-]{0,40}";
    for _ in 0..150 {
        let (path, query) = (draw(&mut runner, &text), draw(&mut runner, &text));
        for prefix in [
            "/",
            "/api/v1/call/",
            "/api/v1/tags/",
            "/api/v1/bookings/",
            "/api/calls/",
            "/t/",
            "/assets/",
        ] {
            let url = format!(
                "{}{prefix}{path}?tag={query}&limit={query}",
                world.stack.http_url()
            );
            let answer = client().get(&url).bearer_auth(&admin).send().await.unwrap();
            assert!(answer.status().as_u16() < 500, "{url}: {}", answer.status());
        }
    }
}
