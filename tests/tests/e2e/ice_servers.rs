//! `GET /api/calls/ice-servers`: what a client makes its connection with.

use maskline_local::{Options, Stack};
use maskline_tests::{Answer, World, world};
use reqwest::Method;
use serde_json::json;

async fn ask(world: &World, user: &str) -> Answer {
    let token = world.token(user, "");
    let path = "/api/calls/ice-servers";
    world.api(Method::GET, path, Some(&token), None).await
}

/// Unix seconds.
fn now() -> i64 {
    maskline::domain::time::Timestamp::now().as_second()
}

#[tokio::test]
async fn without_turn_there_is_stun() {
    let world = world();
    let answer = ask(world, "somebody").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let body = answer.json();
    assert_eq!(body["status"], "success");
    let data = &body["data"];
    let servers = json!([{"urls": ["stun:stun.cloudflare.com:3478"]}]);
    assert_eq!(data["iceServers"], servers);
    assert_eq!(data["iceTransportPolicy"], "all");

    let path = "/api/calls/ice-servers";
    let nobody = world.api(Method::GET, path, None, None).await;
    nobody.error(401, "unauthorized");
}

#[tokio::test]
async fn with_turn_there_are_credentials_that_name_nobody() {
    let options = Options::ephemeral()
        .with("STUN_URLS", "stun:a.example.com,stun:b.example.com")
        .with(
            "TURN_URLS",
            "turn:c.example.com,turns:d.example.com:443?transport=tcp",
        )
        .with("TURN_SECRET", "the-secret-of-the-turn-servers")
        .with("MAX_CALL_SECONDS", "7200");
    let world = World::start_aside(options);
    let before = now();
    let answer = ask(&world, "user-with-a-name").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert!(!answer.text.contains("user-with-a-name"), "{}", answer.text);
    assert!(!answer.text.contains("the-secret"), "{}", answer.text);
    let data = answer.json()["data"].clone();
    assert_eq!(data["iceTransportPolicy"], "relay");
    let [stun, turn] = data["iceServers"].as_array().unwrap().as_slice() else {
        panic!("{data}");
    };
    let urls = json!(["stun:a.example.com", "stun:b.example.com"]);
    assert_eq!(stun, &json!({ "urls": urls }));
    let urls = json!([
        "turn:c.example.com",
        "turns:d.example.com:443?transport=tcp"
    ]);
    assert_eq!(turn["urls"], urls);

    // For a call of two hours that begins within one.
    let username = turn["username"].as_str().unwrap();
    let (expires, id) = username.split_once(':').unwrap();
    let expires: i64 = expires.parse().unwrap();
    assert!(
        (before + 10_800..=now() + 10_800).contains(&expires),
        "{expires}"
    );
    let told: maskline::domain::time::Timestamp =
        data["expiresAt"].as_str().unwrap().parse().unwrap();
    assert_eq!(told.as_second(), expires);

    // One id a user, another one for another.
    let id_of = |answer: Answer| {
        let name = answer.json()["data"]["iceServers"][1]["username"].clone();
        name.as_str().unwrap().split_once(':').unwrap().1.to_owned()
    };
    assert_eq!(id_of(ask(&world, "user-with-a-name").await), id);
    assert_ne!(id_of(ask(&world, "another-user").await), id);
}

#[tokio::test]
async fn policies() {
    let turn = Options::ephemeral()
        .with("TURN_URLS", "turn:c.example.com")
        .with("TURN_SECRET", "the-secret-of-the-turn-servers")
        .with("ICE_POLICY", "all");
    let world = World::start_aside(turn);
    let data = ask(&world, "somebody").await.json()["data"].clone();
    assert_eq!(data["iceTransportPolicy"], "all");
    assert!(data["iceServers"][1]["credential"].is_string());

    // Relay without a relay is no configuration to start with.
    let relay = Options::ephemeral().with("ICE_POLICY", "relay");
    let error = Stack::start(relay).await.unwrap_err().to_string();
    assert!(
        error.contains("configuration: ICE_POLICY is relay"),
        "{error}"
    );
}
