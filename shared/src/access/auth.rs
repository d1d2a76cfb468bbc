//! JWT bearer tokens (RFC 7519, RFC 6750) issued by the host application.
//!
//! The algorithm is the configured one, never the token's choice. `exp` and `sub`
//! are required; `nbf` is checked where present, `iss` and `aud` where configured.

use std::time::{Duration, Instant};

use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;
use tokio::sync::Mutex;

use super::config::{ConfigError, Env};

/// The scope that makes an admin.
pub const ADMIN_SCOPE: &str = "maskline:admin";

/// How long fetched keys are used before they are fetched again.
const KEYS_MAX_AGE: Duration = Duration::from_secs(3600);
/// How soon after a fetch an unknown `kid` may cause another: tokens with made-up
/// key ids must not turn into requests to the host application.
const KEYS_MIN_AGE: Duration = Duration::from_secs(10);
/// How long the host application may take to send its keys.
const FETCH_TIMEOUT: Duration = Duration::from_secs(3);
/// HS256 keys shorter than its hash are refused (RFC 7518, section 3.2).
const SECRET_BYTES: usize = 32;

/// Who sent a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The host application's user id.
    pub user_id: String,
    /// Whether the token carries [`ADMIN_SCOPE`].
    pub admin: bool,
}

/// Why a token was not taken. Says no more: which check failed is no news for a client.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// There was none.
    #[error("no token")]
    Missing,
    /// Malformed, wrongly signed, expired, or not for us.
    #[error("token refused")]
    Refused,
    /// The host application's keys could not be fetched.
    #[error("signing keys: {0}")]
    KeysUnavailable(String),
}

/// Checks tokens.
pub struct Tokens {
    validation: Validation,
    keys: Keys,
}

enum Keys {
    Secret(DecodingKey),
    Jwks(Jwks),
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    #[serde(default)]
    scope: Scope,
}

/// Space-separated (RFC 8693, section 4.2), or a list, as some issuers write it.
#[derive(Deserialize)]
#[serde(untagged)]
enum Scope {
    Words(String),
    List(Vec<String>),
}

impl Default for Scope {
    fn default() -> Self {
        Scope::List(Vec::new())
    }
}

impl Scope {
    fn is_admin(&self) -> bool {
        match self {
            Scope::Words(words) => words.split(' ').any(|word| word == ADMIN_SCOPE),
            Scope::List(list) => list.iter().any(|word| word == ADMIN_SCOPE),
        }
    }
}

impl Tokens {
    /// From JWT_SECRET or JWT_JWKS_URL, JWT_ALGORITHM, JWT_ISSUER, JWT_AUDIENCE.
    /// Keys are fetched by the first token that needs one.
    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        let (algorithm, keys) = match (env.optional("JWT_JWKS_URL"), env.optional("JWT_SECRET")) {
            (Some(_), Some(_)) => {
                let problem = "and JWT_JWKS_URL are both given; choose one";
                return Err(ConfigError {
                    name: "JWT_SECRET",
                    problem,
                });
            }
            (Some(url), None) => (asymmetric(env)?, Keys::Jwks(Jwks::new(url))),
            (None, _) => {
                let secret = env.required("JWT_SECRET")?.as_bytes();
                if secret.len() < SECRET_BYTES {
                    let problem = "is shorter than 32 bytes";
                    return Err(ConfigError {
                        name: "JWT_SECRET",
                        problem,
                    });
                }
                (
                    Algorithm::HS256,
                    Keys::Secret(DecodingKey::from_secret(secret)),
                )
            }
        };
        let mut validation = Validation::new(algorithm);
        validation.leeway = 0;
        validation.validate_nbf = true;
        validation.set_required_spec_claims(&["exp", "sub"]);
        if let Some(issuer) = env.optional("JWT_ISSUER") {
            validation.set_issuer(&[issuer]);
            validation.required_spec_claims.insert("iss".to_owned());
        }
        match env.optional("JWT_AUDIENCE") {
            Some(audience) => {
                validation.set_audience(&[audience]);
                validation.required_spec_claims.insert("aud".to_owned());
            }
            None => validation.validate_aud = false,
        }
        Ok(Tokens { validation, keys })
    }

    /// Who sent a request with that `Authorization` header.
    pub async fn check(&self, authorization: Option<&str>) -> Result<Identity, TokenError> {
        let header = authorization.ok_or(TokenError::Missing)?;
        let (scheme, token) = header.split_once(' ').ok_or(TokenError::Missing)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(TokenError::Missing);
        }
        let token = token.trim();
        let fetched;
        let key = match &self.keys {
            Keys::Secret(key) => key,
            Keys::Jwks(jwks) => {
                let kid = decode_header(token).map_err(|_| TokenError::Refused)?.kid;
                fetched = jwks.key(kid.as_deref()).await?;
                &fetched
            }
        };
        let claims = decode::<Claims>(token, key, &self.validation)
            .map_err(|_| TokenError::Refused)?
            .claims;
        if claims.sub.is_empty() {
            return Err(TokenError::Refused);
        }
        Ok(Identity {
            admin: claims.scope.is_admin(),
            user_id: claims.sub,
        })
    }
}

fn asymmetric(env: &Env) -> Result<Algorithm, ConfigError> {
    match env.optional("JWT_ALGORITHM") {
        Some("RS256") => Ok(Algorithm::RS256),
        Some("ES256") => Ok(Algorithm::ES256),
        Some("EdDSA") => Ok(Algorithm::EdDSA),
        _ => Err(ConfigError {
            name: "JWT_ALGORITHM",
            problem: "must be RS256, ES256 or EdDSA with JWT_JWKS_URL",
        }),
    }
}

/// The host application's public keys (RFC 7517).
struct Jwks {
    url: String,
    cached: Mutex<Option<Fetched>>,
}

struct Fetched {
    keys: JwkSet,
    at: Instant,
}

impl Jwks {
    fn new(url: &str) -> Self {
        Jwks {
            url: url.to_owned(),
            cached: Mutex::new(None),
        }
    }

    /// The key of that id; a token without one is checked with the only key there is.
    async fn key(&self, kid: Option<&str>) -> Result<DecodingKey, TokenError> {
        let mut cached = self.cached.lock().await;
        let age = cached.as_ref().map(|fetched| fetched.at.elapsed());
        let known = cached
            .as_ref()
            .is_some_and(|fetched| find(&fetched.keys, kid).is_some());
        let fetch = match age {
            None => true,
            Some(age) if known => age > KEYS_MAX_AGE,
            Some(age) => age > KEYS_MIN_AGE,
        };
        if fetch {
            match self.fetch().await {
                Ok(keys) => {
                    *cached = Some(Fetched {
                        keys,
                        at: Instant::now(),
                    })
                }
                // Keys that were good an hour ago are better than no service.
                Err(error) if known => tracing::warn!(%error, "using cached signing keys"),
                Err(error) => return Err(error),
            }
        }
        let key = cached.as_ref().and_then(|fetched| find(&fetched.keys, kid));
        let key = key.ok_or(TokenError::Refused)?;
        DecodingKey::from_jwk(key).map_err(|_| TokenError::Refused)
    }

    async fn fetch(&self) -> Result<JwkSet, TokenError> {
        // Already installed is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let unavailable =
            |error: reqwest::Error| TokenError::KeysUnavailable(error.without_url().to_string());
        let client = reqwest::Client::builder()
            .timeout(FETCH_TIMEOUT)
            .build()
            .map_err(unavailable)?;
        let answer = client.get(&self.url).send().await.map_err(unavailable)?;
        let body = answer.error_for_status().map_err(unavailable)?;
        let body = body.bytes().await.map_err(unavailable)?;
        serde_json::from_slice(&body)
            .map_err(|_| TokenError::KeysUnavailable("not a JSON Web Key Set".to_owned()))
    }
}

fn find<'a>(keys: &'a JwkSet, kid: Option<&str>) -> Option<&'a Jwk> {
    match (kid, keys.keys.as_slice()) {
        (Some(kid), _) => keys.find(kid),
        (None, [only]) => Some(only),
        (None, _) => None,
    }
}
