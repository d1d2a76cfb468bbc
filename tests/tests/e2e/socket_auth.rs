//! No valid token, no connection.

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use maskline_local::Options;
use maskline_tests::apps::App;
use maskline_tests::keys::{Signer, publish};
use maskline_tests::{APP_ORIGIN, World, unique, world};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, handshake::client::Request};

fn with_token(world: &World, token: &str) -> Request {
    let url = format!("{}/live?token={token}", world.socket_url());
    url.into_client_request().unwrap()
}

fn bare(world: &World) -> Request {
    let url = format!("{}/live", world.socket_url());
    url.into_client_request().unwrap()
}

/// The status that the handshake was refused with.
async fn refusal(request: Request) -> u16 {
    match *App::open("nobody", request).await.unwrap_err() {
        Error::Http(answer) => answer.status().as_u16(),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn tokens_that_do_not_hold() {
    let world = world();
    let user = format!("user-{}", unique());
    let claims = |exp: u64| json!({"sub": user, "exp": exp});
    let secret = |text: &str| EncodingKey::from_secret(text.as_bytes());
    let encode =
        |header: &Header, claims: &Value, key| jsonwebtoken::encode(header, claims, &key).unwrap();
    let good = world.token_with(&claims(4_102_444_800));
    // {"alg":"none","typ":"JWT"}
    let payload = good.split('.').nth(1).unwrap();
    let unsigned = format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{payload}.");
    let own = world.value("JWT_SECRET");
    for token in [
        String::new(),
        "nonsense".to_owned(),
        unsigned,
        world.token_with(&claims(1_700_000_000)),
        world.token_with(&json!({"sub": user})),
        world.token_with(&json!({"sub": "", "exp": 4_102_444_800_u64})),
        encode(
            &Header::default(),
            &claims(4_102_444_800),
            secret("another-secret-of-32-bytes-or-so"),
        ),
        encode(
            &Header::new(Algorithm::HS512),
            &claims(4_102_444_800),
            secret(own),
        ),
        encode(
            &Header {
                crit: Some(vec!["exp".to_owned()]),
                ..Header::default()
            },
            &claims(4_102_444_800),
            secret(own),
        ),
        good[..good.len() - 2].to_owned(),
    ] {
        assert_eq!(refusal(with_token(world, &token)).await, 401, "{token}");
    }
    assert_eq!(refusal(bare(world)).await, 401);
    App::open(&user, with_token(world, &good)).await.unwrap();
}

#[tokio::test]
async fn a_token_may_come_as_a_subprotocol() {
    let world = world();
    let user = format!("user-{}", unique());
    let token = world.token(&user, "");
    let offering = |protocols: String| {
        let mut request = bare(world);
        let headers = request.headers_mut();
        headers.insert("sec-websocket-protocol", protocols.parse().unwrap());
        request
    };
    // The client library checks that the server chose one of those offered.
    let offer = offering(format!("maskline, {token}"));
    let mut app = App::open(&user, offer).await.unwrap();
    let joined = app.ask("join", json!({"userId": user})).await;
    assert_eq!(joined["event"], "joined");
    for protocols in [
        token.clone(),
        format!("other, {token}"),
        "maskline".to_owned(),
    ] {
        assert_eq!(refusal(offering(protocols)).await, 401);
    }
}

/// RS256 with published keys that rotate, and the oldest tricks.
#[tokio::test(flavor = "multi_thread")]
async fn published_keys_rotate() {
    let (old, new) = (Signer::rs256("old", false), Signer::rs256("new", true));
    let published = publish(&[&old]).await;
    let options = Options::ephemeral()
        .with("JWT_JWKS_URL", &published.url)
        .with("JWT_ALGORITHM", "RS256")
        .with("MAX_CONCURRENCY", "1");
    let world = World::start_aside(options);
    let claims = json!({"sub": "user-of-rs256", "exp": 4_102_444_800_u64});
    App::open("old", with_token(&world, &old.token(&claims)))
        .await
        .unwrap();

    let confused = Header {
        kid: Some("old".into()),
        ..Header::new(Algorithm::HS256)
    };
    let secret = EncodingKey::from_secret(&old.public);
    for token in [
        jsonwebtoken::encode(&confused, &claims, &secret).unwrap(),
        Signer::rs256("old", true).token(&claims),
        Signer::es256("old").token(&claims),
    ] {
        assert_eq!(refusal(with_token(&world, &token)).await, 401);
    }

    published.keys.lock().unwrap().push(new.jwk.clone());
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(60);
    while App::open("new", with_token(&world, &new.token(&claims)))
        .await
        .is_err()
    {
        // Unknown keys are asked for again once the last answer is ten seconds old.
        assert!(tokio::time::Instant::now() < deadline, "never fetched");
        tokio::time::sleep(std::time::Duration::from_millis(250)).await;
    }
    published.keys.lock().unwrap().remove(0);
    App::open("old", with_token(&world, &old.token(&claims)))
        .await
        .expect("cached for an hour");
}

/// Browsers say whose page opens a socket; apps say nothing, or name the socket itself.
#[tokio::test]
async fn foreign_pages_open_no_sockets() {
    let world = world();
    let user = format!("user-{}", unique());
    let from = |origin: &str| {
        let mut request = with_token(world, &world.token(&user, ""));
        request
            .headers_mut()
            .insert("origin", origin.parse().unwrap());
        request
    };
    let url = world.socket_url();
    let host = url.trim_start_matches("ws://");
    for origin in [
        APP_ORIGIN,
        &format!("http://{host}"),
        &format!("https://{host}"),
    ] {
        App::open(&user, from(origin)).await.unwrap();
    }
    for origin in [
        "https://elsewhere.example",
        "null",
        "https://",
        &format!("{APP_ORIGIN}.evil.example"),
        &format!("https://{host}.evil.example"),
        host,
    ] {
        assert_eq!(refusal(from(origin)).await, 403, "{origin}");
    }
}
