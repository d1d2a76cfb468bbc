//! JWT bearer tokens (RFC 7519, RFC 6750) issued by the host application.
//!
//! The algorithm is the configured one, never the token's choice. `exp` and `sub`
//! are required; `nbf` is checked where present, `iss` and `aud` where configured.
//! Visitors, whom the host application does not know, have [tokens of ours](super::visitor).

use std::time::{Duration, Instant};

use jsonwebtoken::jwk::{AlgorithmParameters, Jwk, JwkSet, KeyAlgorithm};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;
use tokio::sync::Mutex;

use super::config::{ConfigError, Env, private_url};
use super::{jwt_crypto, visitor};
use crate::domain::visit;
use crate::ports::web::Web;

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
    /// Without the algorithm, which comes with the key.
    validation: Validation,
    keys: Keys,
}

enum Keys {
    /// The current one, and the one before while they are changed.
    Secrets(Vec<DecodingKey>),
    Jwks(Jwks),
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    scope: Option<Scope>,
}

/// Space-separated (RFC 8693, section 4.2), or a list, as some issuers write it.
#[derive(Deserialize)]
#[serde(untagged)]
enum Scope {
    Words(String),
    List(Vec<String>),
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
    /// From JWT_SECRET and JWT_SECRET_PREVIOUS, or JWT_JWKS_URL, and JWT_ALGORITHM, JWT_ISSUER,
    /// JWT_AUDIENCE. Keys are fetched by the first token that needs one.
    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        jwt_crypto::install();
        let algorithm = algorithm(env)?;
        let (secret, url) = (env.optional("JWT_SECRET"), env.optional("JWT_JWKS_URL"));
        let keys = match (url, secret, algorithm) {
            (Some(_), Some(_), _) => {
                let problem = "and JWT_JWKS_URL are both given; choose one";
                return Err(ConfigError {
                    name: "JWT_SECRET",
                    problem,
                });
            }
            (Some(_), None, Some(Algorithm::HS256))
            | (None, Some(_), Some(Algorithm::RS256 | Algorithm::ES256 | Algorithm::EdDSA)) => {
                let problem = "goes with JWT_SECRET for HS256, with JWT_JWKS_URL for any other";
                return Err(ConfigError {
                    name: "JWT_ALGORITHM",
                    problem,
                });
            }
            (Some(url), None, algorithm) => Keys::Jwks(Jwks::new(url, algorithm)?),
            (None, _, _) => Keys::Secrets(secret_keys(env)?),
        };
        let mut validation = Validation {
            leeway: 0,
            validate_nbf: true,
            ..Validation::default()
        };
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
        self.check_token(bearer(authorization)?).await
    }

    /// Who sent a token.
    pub async fn check_token(&self, token: &str) -> Result<Identity, TokenError> {
        let header = decode_header(token).map_err(|_| TokenError::Refused)?;
        // Extensions that must be understood: none is (RFC 7515, 4.1.11).
        if header.crit.is_some() {
            return Err(TokenError::Refused);
        }
        let claims = match &self.keys {
            Keys::Secrets(keys) => {
                let mut keys = keys.iter();
                keys.find_map(|key| self.claims(token, key, Algorithm::HS256))
            }
            Keys::Jwks(jwks) => {
                // Ours, and anybody can have one: no reason to ask for keys.
                if header.kid.as_deref() == Some(visitor::KEY_ID) {
                    return Err(TokenError::Refused);
                }
                let (key, algorithm) = jwks.key(header.kid.as_deref()).await?;
                self.claims(token, &key, algorithm)
            }
        };
        let claims = claims.ok_or(TokenError::Refused)?;
        // Visitors' tokens are ours to give.
        if claims.sub.is_empty() || visit::is_visitor(&claims.sub) {
            return Err(TokenError::Refused);
        }
        Ok(Identity {
            admin: claims.scope.is_some_and(|scope| scope.is_admin()),
            user_id: claims.sub,
        })
    }

    /// What a token says, if that key made it and it holds.
    fn claims(&self, token: &str, key: &DecodingKey, algorithm: Algorithm) -> Option<Claims> {
        let validation = Validation {
            algorithms: vec![algorithm],
            ..self.validation.clone()
        };
        let token = decode(token, key, &validation).ok()?;
        Some(token.claims)
    }
}

/// The token of an `Authorization` header.
pub(super) fn bearer(authorization: Option<&str>) -> Result<&str, TokenError> {
    let header = authorization.ok_or(TokenError::Missing)?;
    let (scheme, token) = header.split_once(' ').ok_or(TokenError::Missing)?;
    match scheme.eq_ignore_ascii_case("bearer") {
        true => Ok(token.trim()),
        false => Err(TokenError::Missing),
    }
}

/// JWT_ALGORITHM, where it is given.
fn algorithm(env: &Env) -> Result<Option<Algorithm>, ConfigError> {
    let name = "JWT_ALGORITHM";
    let read = |word: &str| match word {
        "HS256" => Ok(Algorithm::HS256),
        "RS256" => Ok(Algorithm::RS256),
        "ES256" => Ok(Algorithm::ES256),
        "EdDSA" => Ok(Algorithm::EdDSA),
        _ => Err(ConfigError {
            name,
            problem: "must be HS256, RS256, ES256 or EdDSA",
        }),
    };
    env.optional(name).map(read).transpose()
}

/// JWT_SECRET and, where it is given, JWT_SECRET_PREVIOUS.
fn secret_keys(env: &Env) -> Result<Vec<DecodingKey>, ConfigError> {
    let previous = "JWT_SECRET_PREVIOUS";
    let current = ("JWT_SECRET", env.required("JWT_SECRET")?);
    let before = env.optional(previous).map(|secret| (previous, secret));
    let secrets = [current].into_iter().chain(before);
    secrets
        .map(|(name, secret)| match secret.len() < SECRET_BYTES {
            true => Err(ConfigError {
                name,
                problem: "is shorter than 32 bytes",
            }),
            false => Ok(DecodingKey::from_secret(secret.as_bytes())),
        })
        .collect()
}

/// The host application's public keys (RFC 7517).
struct Jwks {
    url: reqwest::Url,
    /// The one that is configured; else each key says what it is for.
    algorithm: Option<Algorithm>,
    cached: Mutex<Cached>,
    web: Web,
}

#[derive(Default)]
struct Cached {
    keys: Option<JwkSet>,
    /// When the keys were last asked for, whatever came of it.
    asked: Option<Instant>,
}

impl Jwks {
    fn new(url: &str, algorithm: Option<Algorithm>) -> Result<Self, ConfigError> {
        Ok(Jwks {
            url: private_url("JWT_JWKS_URL", url)?,
            algorithm,
            cached: Mutex::default(),
            web: Web::new(FETCH_TIMEOUT),
        })
    }

    /// The key of that id; a token without one is checked with the only key there is.
    async fn key(&self, kid: Option<&str>) -> Result<(DecodingKey, Algorithm), TokenError> {
        let mut cached = self.cached.lock().await;
        let age = cached.asked.map(|asked| asked.elapsed());
        let known = cached
            .keys
            .as_ref()
            .is_some_and(|keys| find(keys, kid).is_some());
        let stale_after = if known { KEYS_MAX_AGE } else { KEYS_MIN_AGE };
        if age.is_none_or(|age| age > stale_after) {
            cached.asked = Some(Instant::now());
            match self.fetch().await {
                Ok(keys) => cached.keys = Some(keys),
                // Keys that were good an hour ago are better than no service.
                Err(error) if known => tracing::warn!(%error, "using cached signing keys"),
                Err(error) => return Err(error),
            }
        }
        let Some(keys) = &cached.keys else {
            let cause = "not fetched a moment ago, and not asked for again yet";
            return Err(TokenError::KeysUnavailable(cause.to_owned()));
        };
        let key = find(keys, kid).ok_or(TokenError::Refused)?;
        let algorithm = self.algorithm.or_else(|| made_for(key));
        let decoding = DecodingKey::from_jwk(key).map_err(|_| TokenError::Refused)?;
        Ok((decoding, algorithm.ok_or(TokenError::Refused)?))
    }

    async fn fetch(&self) -> Result<JwkSet, TokenError> {
        let unavailable =
            |error: reqwest::Error| TokenError::KeysUnavailable(error.without_url().to_string());
        let client = self.web.client();
        let client = client.map_err(|cause| TokenError::KeysUnavailable(cause.to_owned()))?;
        let answer = client
            .get(self.url.clone())
            .send()
            .await
            .map_err(unavailable)?;
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

/// The algorithm of a published key: the issuer's word, never the token's.
fn made_for(key: &Jwk) -> Option<Algorithm> {
    match (&key.algorithm, key.common.key_algorithm) {
        (AlgorithmParameters::RSA(_), None | Some(KeyAlgorithm::RS256)) => Some(Algorithm::RS256),
        (AlgorithmParameters::EllipticCurve(_), None | Some(KeyAlgorithm::ES256)) => {
            Some(Algorithm::ES256)
        }
        (AlgorithmParameters::OctetKeyPair(_), None | Some(KeyAlgorithm::EdDSA)) => {
            Some(Algorithm::EdDSA)
        }
        _ => None,
    }
}
