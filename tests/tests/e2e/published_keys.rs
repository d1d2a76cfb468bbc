//! Tokens signed with keys that the host application publishes (JWT_JWKS_URL).

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use maskline_local::Options;
use maskline_tests::keys::{Signer, publish};
use maskline_tests::{ADMIN, Answer, World};
use reqwest::Method;
use serde_json::{Value, json};

fn world(url: &str, algorithm: &str) -> World {
    let options = Options::ephemeral()
        .with("JWT_JWKS_URL", url)
        .with("JWT_ALGORITHM", algorithm)
        .with("JWT_ISSUER", "https://host.example")
        .with("JWT_AUDIENCE", "maskline")
        // Each process fetches for itself.
        .with("MAX_CONCURRENCY", "1");
    World::start_aside(options)
}

fn claims() -> Value {
    json!({
        "sub": "a", "scope": ADMIN, "exp": 4_102_444_800_u64,
        "iss": "https://host.example", "aud": "maskline"
    })
}

/// A request that an admin's token gets a 404 for, and no other token.
async fn ask(world: &World, token: &str) -> Answer {
    world
        .api(
            Method::GET,
            "/api/v1/call/nobodys-tag/history",
            Some(token),
            None,
        )
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_configured_algorithm_issuer_and_audience_hold() {
    let signer = Signer::es256("one");
    let published = publish(&[&signer]).await;
    let world = world(&published.url, "ES256");
    ask(&world, &signer.token(&claims()))
        .await
        .error(404, "not_found");

    let with = |name: &str, value: Value| {
        let mut claims = claims();
        claims[name] = value;
        signer.token(&claims)
    };
    let without = |name: &str| {
        let mut claims = claims();
        claims.as_object_mut().unwrap().remove(name);
        signer.token(&claims)
    };
    // The public key as a shared secret: the oldest trick.
    let confused = Header {
        kid: Some("one".into()),
        ..Header::new(Algorithm::HS256)
    };
    let secret = EncodingKey::from_secret(&signer.public);
    for token in [
        jsonwebtoken::encode(&confused, &claims(), &secret).unwrap(),
        Signer::es256("one").token(&claims()),
        Signer::eddsa("one").token(&claims()),
        with("iss", json!("https://elsewhere.example")),
        with("aud", json!("another")),
        without("iss"),
        without("aud"),
        without("exp"),
    ] {
        ask(&world, &token).await.error(401, "unauthorized");
    }
    assert_eq!(
        published.asked.load(Ordering::SeqCst),
        1,
        "the keys are fetched once"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_key_is_fetched_and_made_up_key_ids_are_not_requests() {
    let (old, new) = (Signer::eddsa("old"), Signer::eddsa("new"));
    let published = publish(&[&old]).await;
    let world = world(&published.url, "EdDSA");
    assert_eq!(
        published.asked.load(Ordering::SeqCst),
        0,
        "nothing is fetched at start"
    );
    ask(&world, &old.token(&claims()))
        .await
        .error(404, "not_found");

    published.keys.lock().unwrap().push(new.jwk.clone());
    for _ in 0..5 {
        ask(&world, &Signer::eddsa("made-up").token(&claims()))
            .await
            .error(401, "unauthorized");
    }
    assert_eq!(published.asked.load(Ordering::SeqCst), 1);
    // Unknown keys are asked for again once the last answer is ten seconds old.
    let deadline = Instant::now() + Duration::from_secs(60);
    while ask(&world, &new.token(&claims())).await.status != 404 {
        assert!(Instant::now() < deadline, "the new key is never fetched");
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    assert_eq!(published.asked.load(Ordering::SeqCst), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_cannot_be_fetched_are_our_failure() {
    let signer = Signer::es256("one");
    let closed = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let url = format!("http://{}/keys", closed.local_addr().unwrap());
    drop(closed);
    let world = world(&url, "ES256");
    let answer = ask(&world, &signer.token(&claims())).await;
    let message = answer.error(503, "unavailable");
    assert!(!message.contains("127.0.0.1"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_algorithm_of_published_keys() {
    let signers = [
        Signer::rs256("rsa", false),
        Signer::es256("ec"),
        Signer::eddsa("ed"),
    ];
    let published = publish(&signers.each_ref()).await;
    let world = world(&published.url, "");
    for signer in &signers {
        let token = signer.token(&claims());
        ask(&world, &token).await.error(404, "not_found");
        // One byte of the signature changed.
        let (rest, last) = token.split_at(token.len() - 10);
        let changed = if last.starts_with('A') { "B" } else { "A" };
        let forged = format!("{rest}{changed}{}", &last[1..]);
        ask(&world, &forged).await.error(401, "unauthorized");
    }
    let forger = Signer::rs256("rsa", true).token(&claims());
    ask(&world, &forger).await.error(401, "unauthorized");
}
