//! The host application's keys, and where it publishes them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::{Router, routing::get};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use ring::rand::SystemRandom;
use ring::rsa::{KeyPair as RsaKeyPair, PublicKeyComponents};
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};

/// A key pair of the host application.
#[allow(missing_debug_implementations)]
pub struct Signer {
    algorithm: Algorithm,
    kid: &'static str,
    key: EncodingKey,
    /// The public key as it is published.
    pub jwk: Value,
    /// The public key as it is.
    pub public: Vec<u8>,
}

impl Signer {
    /// A fresh key for ES256.
    pub fn es256(kid: &'static str) -> Self {
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

    /// A fresh key for EdDSA.
    pub fn eddsa(kid: &'static str) -> Self {
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

    /// A key for RS256: one of the two in `tests/keys`, which sign nothing but tests.
    pub fn rs256(kid: &'static str, second: bool) -> Self {
        let der: &[u8] = match second {
            false => include_bytes!("../keys/rsa-1.der"),
            true => include_bytes!("../keys/rsa-2.der"),
        };
        let pair = RsaKeyPair::from_der(der).unwrap();
        let public = pair.public();
        let part = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
        let components = PublicKeyComponents::<Vec<u8>>::from(public);
        Signer {
            algorithm: Algorithm::RS256,
            kid,
            key: EncodingKey::from_rsa_der(der),
            jwk: json!({
                "kty": "RSA", "alg": "RS256", "use": "sig", "kid": kid,
                "n": part(&components.n), "e": part(&components.e)
            }),
            public: public.as_ref().to_vec(),
        }
    }

    fn header(&self) -> Header {
        Header {
            kid: Some(self.kid.to_owned()),
            ..Header::new(self.algorithm)
        }
    }

    /// A token with those claims.
    pub fn token(&self, claims: &Value) -> String {
        jsonwebtoken::encode(&self.header(), claims, &self.key).unwrap()
    }
}

/// What the host application publishes, and how often it was asked.
#[derive(Debug)]
pub struct Published {
    /// Where.
    pub url: String,
    /// The keys.
    pub keys: Arc<Mutex<Vec<Value>>>,
    /// How often they were asked for.
    pub asked: Arc<AtomicUsize>,
}

/// Publishes keys.
pub async fn publish(keys: &[&Signer]) -> Published {
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
