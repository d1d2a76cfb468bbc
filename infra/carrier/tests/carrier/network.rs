//! What the network does to callbacks, and the control API.

use std::collections::{BTreeMap, HashMap};

use crate::backend::{Backend, VIRTUAL, VISITOR};
use maskline_carrier::{CallPlan, Callback, Settings, Transcript, serve};

const DIAL: &str = r#"<Dial callerId="+14155550100" action="/dial-status"><Number
    statusCallback="/status" statusCallbackEvent="initiated ringing answered completed"
    machineDetection="Enable" amdStatusCallback="/amd">+919876543210</Number></Dial>"#;

const IN_ORDER: [&str; 7] = [
    "/connect ringing",
    "/status initiated",
    "/status ringing",
    "/status in-progress",
    "/amd human",
    "/status human",
    "/dial-status completed",
];

async fn backend() -> Backend {
    Backend::with(&[("/connect", DIAL), ("/dial-status", "<Say>Goodbye.</Say>")]).await
}

fn plan(seed: u64) -> CallPlan {
    let mut plan = CallPlan::new(VISITOR, VIRTUAL);
    plan.network.seed = Some(seed);
    plan
}

fn sent(transcript: &Transcript) -> Vec<(String, u32)> {
    let requests = transcript.requests.iter();
    requests
        .map(|request| (request.kind.as_str().to_owned(), request.copy))
        .collect()
}

#[tokio::test]
async fn repeats_every_callback_with_the_same_content() {
    let backend = backend().await;
    let mut plan = plan(1);
    plan.network.duplicate = 2;
    let transcript = backend.call(plan).await;
    assert_eq!(transcript.errors, []);
    let mut times: BTreeMap<String, Vec<_>> = BTreeMap::new();
    for (story, seen) in backend.story().into_iter().zip(backend.seen()) {
        times
            .entry(story)
            .or_default()
            .push((seen.params, seen.idempotency_token));
    }
    for (story, copies) in times {
        let expected = if story == "/connect ringing" { 1 } else { 3 };
        assert_eq!(copies.len(), expected, "{story}");
        assert!(copies.windows(2).all(|pair| pair[0] == pair[1]), "{story}");
    }
    assert_eq!(transcript.visitor.heard.last().unwrap(), "hang-up");
    let goodbyes = transcript
        .visitor
        .heard
        .iter()
        .filter(|heard| heard.contains("Goodbye"));
    assert_eq!(goodbyes.count(), 1, "only the first answer counts");
}

#[tokio::test]
async fn reorders_by_the_seed() {
    let mut orders = Vec::new();
    for seed in [3, 3, 4, 5, 6] {
        let backend = backend().await;
        let mut plan = plan(seed);
        plan.network.reorder = true;
        plan.network.duplicate = 1;
        let transcript = backend.call(plan).await;
        assert_eq!(transcript.seed, seed);
        assert_eq!(transcript.errors, []);
        let mut story = backend.story();
        assert_eq!(story.len(), 13);
        story.sort();
        story.dedup();
        assert_eq!(story.len(), 7, "nothing is lost");
        orders.push(sent(&transcript));
    }
    assert_eq!(orders[0], orders[1], "the same seed, the same order");
    assert!(orders[1..].windows(2).any(|pair| pair[0] != pair[1]));
    let early = orders.iter().any(|order| {
        let dial = order.iter().position(|(kind, _)| kind == "dial-status");
        dial < order.iter().rposition(|(kind, _)| kind == "status")
    });
    assert!(early, "a dial-status can come before a status");
}

#[tokio::test]
async fn loses_what_the_plan_says() {
    for (lose, missing) in [
        (Callback::Initiated, "/status initiated"),
        (Callback::Ringing, "/status ringing"),
        (Callback::Answered, "/status in-progress"),
        (Callback::Amd, "/amd human"),
        (Callback::Completed, "/status human"),
        (Callback::DialStatus, "/dial-status completed"),
    ] {
        for reorder in [false, true] {
            let backend = backend().await;
            let mut plan = plan(9);
            plan.network.lose = vec![lose];
            plan.network.reorder = reorder;
            let transcript = backend.call(plan).await;
            assert_eq!(transcript.errors, [], "a planned loss is no error");
            let mut left: Vec<&str> = IN_ORDER.into_iter().filter(|s| *s != missing).collect();
            let mut story = backend.story();
            if reorder {
                left.sort_unstable();
                story.sort();
            }
            assert_eq!(story, left, "{lose:?}");
            let lost: Vec<_> = transcript
                .requests
                .iter()
                .filter(|request| request.lost)
                .collect();
            assert_eq!(lost.len(), 1);
            assert_eq!(lost[0].http_status, None);
        }
    }
}

#[tokio::test]
async fn delays_keep_the_order_unless_told_otherwise() {
    let backend = backend().await;
    let mut plan = plan(2);
    plan.network.delay_ms = 20;
    backend.call(plan).await;
    assert_eq!(backend.story(), IN_ORDER);
}

#[tokio::test]
async fn a_gateway_is_sent_what_is_signed_for_another_host() {
    let answers = HashMap::from([(
        "/connect",
        (200, "text/xml", format!("<Response>{DIAL}</Response>")),
    )]);
    let backend = Backend::named("https://a1b2.lambda-url.eu-west-1.on.aws", answers).await;
    let transcript = backend.call(plan(1)).await;
    assert_eq!(transcript.errors, []);
    assert_eq!(backend.story(), IN_ORDER);
}

#[tokio::test]
async fn the_control_api_runs_plans_and_refuses_bad_ones() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/sim/calls", listener.local_addr().unwrap());
    let settings = Settings {
        account_sid: "AC1".to_owned(),
        auth_token: "very secret".to_owned(),
        // Nothing listens there: every call ends in an application error.
        voice_url: "http://127.0.0.1:9/connect".to_owned(),
        gateway: None,
    };
    let mut bad = settings.clone();
    bad.gateway = Some("nowhere".to_owned());
    assert!(
        maskline_carrier::Carrier::new(bad)
            .is_err_and(|error| error.to_string().contains("gateway"))
    );
    assert!(!format!("{settings:?}").contains("very secret"));
    // The shutdown signal is a connection, so that the test needs no channel.
    let bell = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let bell_address = bell.local_addr().unwrap();
    let served = tokio::spawn(serve(listener, settings, async move {
        let _ = bell.accept().await;
    }));

    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let post = |body: &'static str| client.post(&url).body(body).send();
    let answer = post(r#"{"from":"+14155550123","to":"100"}"#).await.unwrap();
    assert_eq!(answer.status(), 400);
    let body: serde_json::Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
    assert_eq!(body["field"], "to");
    assert!(body["message"].as_str().unwrap().contains("E.164"));

    let answer = post(r#"{"from":"anonymous","to":"+14155550100"}"#)
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    let transcript: Transcript = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
    assert_eq!(transcript.errors[0].code, 11200);
    assert_eq!(transcript.requests[0].http_status, None);

    tokio::net::TcpStream::connect(bell_address).await.unwrap();
    served.await.unwrap().unwrap();
}
