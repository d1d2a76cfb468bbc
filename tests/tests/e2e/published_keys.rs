//! Tokens signed with keys that the host application publishes (JWT_JWKS_URL).

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::{Router, routing::get};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use maskline_local::Options;
use maskline_tests::{ADMIN, Answer, World};
use reqwest::Method;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};

/// A key pair of the host application.
struct Signer {
    algorithm: Algorithm,
    kid: &'static str,
    key: EncodingKey,
    jwk: Value,
    public: Vec<u8>,
}

impl Signer {
    fn es256(kid: &'static str) -> Self {
        let random = SystemRandom::new();
        let pkcs8 =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let pair =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random)
                .unwrap();
        let public = pair.public_key().as_ref().to_vec();
        let part = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
        Signer {
            algorithm: Algorithm::ES256,
            kid,
            key: EncodingKey::from_ec_der(pkcs8.as_ref()),
            jwk: json!({
                "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": kid,
                "x": part(&public[1..33]), "y": part(&public[33..])
            }),
            public,
        }
    }

    fn eddsa(kid: &'static str) -> Self {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        let pair = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap();
        let public = pair.public_key().as_ref().to_vec();
        Signer {
            algorithm: Algorithm::EdDSA,
            kid,
            key: EncodingKey::from_ed_der(pkcs8.as_ref()),
            jwk: json!({
                "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "kid": kid,
                "x": BASE64_URL_SAFE_NO_PAD.encode(&public)
            }),
            public,
        }
    }

    fn header(&self) -> Header {
        Header {
            kid: Some(self.kid.to_owned()),
            ..Header::new(self.algorithm)
        }
    }

    fn token(&self, claims: &Value) -> String {
        jsonwebtoken::encode(&self.header(), claims, &self.key).unwrap()
    }
}

/// What the host application publishes, and how often it was asked.
struct Published {
    url: String,
    keys: Arc<Mutex<Vec<Value>>>,
    asked: Arc<AtomicUsize>,
}

async fn publish(keys: &[&Signer]) -> Published {
    let keys = Arc::new(Mutex::new(
        keys.iter()
            .map(|signer| signer.jwk.clone())
            .collect::<Vec<_>>(),
    ));
    let asked = Arc::new(AtomicUsize::new(0));
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0))
        .await
        .unwrap();
    let url = format!("http://{}/keys", listener.local_addr().unwrap());
    let (shown, counted) = (Arc::clone(&keys), Arc::clone(&asked));
    let router = Router::new().route(
        "/keys",
        get(async move || {
            counted.fetch_add(1, Ordering::SeqCst);
            json!({"keys": *shown.lock().unwrap()}).to_string()
        }),
    );
    tokio::spawn(async move { axum::serve(listener, router).await });
    Published { url, keys, asked }
}

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
