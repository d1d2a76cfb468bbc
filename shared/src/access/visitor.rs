//! Tokens of visitors: JWTs that Maskline issues itself, for one visit, and that let their
//! holder open sockets and ask for ICE servers. Nothing else takes them.
//!
//! Which key checks a token is decided by its `kid`, and the algorithm by the key, so neither
//! a host application's token passes for a visitor's nor the other way round.

use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, decode_header, encode,
};
use ring::hmac;
use serde::{Deserialize, Serialize};

use super::auth::{TokenError, Tokens, bearer};
use super::config::{ConfigError, Env};
use super::error::Error;
use super::jwt_crypto;
use crate::domain::secret::Secret;
use crate::domain::time::Timestamp;
use crate::domain::visit;

/// The `kid` of visitors' tokens; the host application's keys have others.
pub const KEY_ID: &str = "maskline-visitor";
/// Their `iss` and `aud`.
const MASKLINE: &str = "maskline";
/// What the key is derived for. The same secret also keys hashes of texts that strangers
/// choose, none of which can hold a NUL.
const PURPOSE: &[u8] = b"visitor tokens\0";

/// Issues and checks the tokens of visitors.
pub struct VisitorTokens {
    encoding: EncodingKey,
    /// The current one, and the one before while the secret is changed.
    decoding: Vec<DecodingKey>,
    validation: Validation,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: String,
    exp: i64,
}

impl VisitorTokens {
    /// With a key derived from IP_HASH_SECRET; one from IP_HASH_SECRET_PREVIOUS checks, too.
    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        jwt_crypto::install();
        let key = derive(&env.ip_hash_secret()?);
        let previous = env.previous_ip_hash_secret()?;
        let keys = [key].into_iter().chain(previous.as_ref().map(derive));
        let mut validation = Validation::new(Algorithm::HS256);
        validation.leeway = 0;
        validation.set_required_spec_claims(&["exp", "sub", "iss", "aud"]);
        validation.set_issuer(&[MASKLINE]);
        validation.set_audience(&[MASKLINE]);
        Ok(VisitorTokens {
            encoding: EncodingKey::from_secret(key.as_ref()),
            decoding: keys
                .map(|key| DecodingKey::from_secret(key.as_ref()))
                .collect(),
            validation,
        })
    }

    /// A token of that visitor, good until `expires`.
    pub fn issue(&self, visitor: &str, expires: Timestamp) -> Result<Secret, Error> {
        let header = Header {
            kid: Some(KEY_ID.to_owned()),
            ..Header::new(Algorithm::HS256)
        };
        let claims = Claims {
            iss: MASKLINE.to_owned(),
            aud: MASKLINE.to_owned(),
            sub: visitor.to_owned(),
            exp: expires.as_second(),
        };
        let token = encode(&header, &claims, &self.encoding);
        let token = token.map_err(|_| Error::Unavailable("a token was not signed".to_owned()))?;
        Ok(Secret::new(token))
    }

    /// Which visitor sent a token.
    fn check(&self, token: &str) -> Result<String, TokenError> {
        let mut keys = self.decoding.iter();
        let read = |key| decode::<Claims>(token, key, &self.validation).ok();
        let claims = keys.find_map(read).ok_or(TokenError::Refused)?.claims;
        match visit::is_visitor(&claims.sub) {
            true => Ok(claims.sub),
            false => Err(TokenError::Refused),
        }
    }
}

fn derive(secret: &Secret) -> hmac::Tag {
    let secret = hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
    hmac::sign(&secret, PURPOSE)
}

/// Checks the tokens of everybody who may be in an in-app call.
pub struct CallerTokens {
    users: Tokens,
    visitors: VisitorTokens,
}

/// Who may be in an in-app call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// A user of the host application's, by id.
    User(String),
    /// A visitor, by id.
    Visitor(String),
}

impl Caller {
    /// The user id, whoever it is.
    pub fn into_id(self) -> String {
        match self {
            Caller::User(id) | Caller::Visitor(id) => id,
        }
    }
}

impl CallerTokens {
    /// As [`Tokens::from_env`] and [`VisitorTokens::from_env`].
    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        Ok(CallerTokens {
            users: Tokens::from_env(env)?,
            visitors: VisitorTokens::from_env(env)?,
        })
    }

    /// Who sent a request with that `Authorization` header.
    pub async fn check(&self, authorization: Option<&str>) -> Result<Caller, TokenError> {
        self.check_token(bearer(authorization)?).await
    }

    /// Who sent a token.
    pub async fn check_token(&self, token: &str) -> Result<Caller, TokenError> {
        let header = decode_header(token).map_err(|_| TokenError::Refused)?;
        if header.kid.as_deref() == Some(KEY_ID) {
            return self.visitors.check(token).map(Caller::Visitor);
        }
        let identity = self.users.check_token(token).await?;
        Ok(Caller::User(identity.user_id))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
    use serde_json::{Value, json};

    use super::*;

    const IP_HASH_SECRET: &str = "16-bytes-or-more";
    const JWT_SECRET: &str = "a-secret-of-the-host-applications";
    const VISITOR: &str = "visitor:00000000000000000000000000000abc";
    const LATER: i64 = 4_102_444_800;

    fn env() -> Env {
        Env::from([
            ("IP_HASH_SECRET", IP_HASH_SECRET),
            ("JWT_SECRET", JWT_SECRET),
        ])
    }

    /// The key as anybody with the secret would derive it.
    fn derived(purpose: &[u8]) -> Vec<u8> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, IP_HASH_SECRET.as_bytes());
        hmac::sign(&key, purpose).as_ref().to_vec()
    }

    /// A token made by hand, with the signature of that algorithm's name.
    fn token(header: &Value, claims: &Value, key: &[u8]) -> String {
        let part = |json: &Value| BASE64_URL_SAFE_NO_PAD.encode(json.to_string());
        let message = format!("{}.{}", part(header), part(claims));
        let signed = |algorithm| hmac::sign(&hmac::Key::new(algorithm, key), message.as_bytes());
        let signature = match header["alg"].as_str() {
            Some("HS256") => BASE64_URL_SAFE_NO_PAD.encode(signed(hmac::HMAC_SHA256)),
            Some("HS384") => BASE64_URL_SAFE_NO_PAD.encode(signed(hmac::HMAC_SHA384)),
            Some("HS512") => BASE64_URL_SAFE_NO_PAD.encode(signed(hmac::HMAC_SHA512)),
            _ => String::new(),
        };
        format!("{message}.{signature}")
    }

    fn header(algorithm: &str, kid: &str) -> Value {
        json!({"typ": "JWT", "alg": algorithm, "kid": kid})
    }

    fn claims() -> Value {
        json!({"iss": MASKLINE, "aud": MASKLINE, "sub": VISITOR, "exp": LATER})
    }

    fn with(name: &str, value: Value) -> Value {
        let mut changed = claims();
        changed[name] = value;
        changed
    }

    fn without(name: &str) -> Value {
        let mut changed = claims();
        changed.as_object_mut().unwrap().remove(name);
        changed
    }

    #[tokio::test]
    async fn a_visitors_token_is_good_where_calls_are_and_nowhere_else() {
        let visitors = VisitorTokens::from_env(&env()).unwrap();
        let expires = Timestamp::from_second(LATER).unwrap();
        let issued = visitors.issue(VISITOR, expires).unwrap();
        let by_hand = token(&header("HS256", KEY_ID), &claims(), &derived(PURPOSE));
        let callers = CallerTokens::from_env(&env()).unwrap();
        let users = Tokens::from_env(&env()).unwrap();
        for token in [issued.expose(), &by_hand] {
            let caller = callers.check_token(token).await.unwrap();
            assert_eq!(caller, Caller::Visitor(VISITOR.to_owned()));
            let bearing = format!("Bearer {token}");
            assert_eq!(callers.check(Some(&bearing)).await.unwrap(), caller);
            let elsewhere = users.check(Some(&bearing)).await;
            assert!(matches!(elsewhere, Err(TokenError::Refused)));
        }
    }

    /// The secrets are `new`, and `old` where it is given.
    fn changed(new: &str, old: &str) -> Env {
        Env::from([
            ("IP_HASH_SECRET", new),
            ("IP_HASH_SECRET_PREVIOUS", old),
            ("JWT_SECRET", &new.repeat(2)),
            ("JWT_SECRET_PREVIOUS", &old.repeat(2)),
        ])
    }

    #[tokio::test]
    async fn while_secrets_are_changed_both_hold() {
        let (old, new) = ("the-old-16-bytes", "the-new-16-bytes");
        let expires = Timestamp::from_second(LATER).unwrap();
        let host = |secret: &str| {
            let claims = json!({"sub": "asha", "exp": LATER});
            token(
                &header("HS256", "host"),
                &claims,
                secret.repeat(2).as_bytes(),
            )
        };
        let visitors = |env: &Env| {
            let tokens = VisitorTokens::from_env(env).unwrap();
            tokens.issue(VISITOR, expires).unwrap().expose().to_owned()
        };
        let of_old = [host(old), visitors(&changed(old, ""))];
        let of_new = [host(new), visitors(&changed(new, old))];
        for (env, tokens, holds) in [
            (changed(old, ""), &of_old, true),
            (changed(old, ""), &of_new, false),
            (changed(new, old), &of_old, true),
            (changed(new, old), &of_new, true),
            (changed(new, ""), &of_old, false),
            (changed(new, ""), &of_new, true),
        ] {
            let callers = CallerTokens::from_env(&env).unwrap();
            for token in tokens {
                assert_eq!(callers.check_token(token).await.is_ok(), holds);
            }
        }
        for (name, short) in [
            ("IP_HASH_SECRET_PREVIOUS", "15-bytes-or-so."),
            ("JWT_SECRET_PREVIOUS", "short"),
        ] {
            let env = Env::from([
                ("IP_HASH_SECRET", IP_HASH_SECRET),
                ("JWT_SECRET", JWT_SECRET),
                (name, short),
            ]);
            let error = CallerTokens::from_env(&env).err().map(|error| error.name);
            assert_eq!(error, Some(name));
        }
    }

    #[tokio::test]
    async fn no_token_passes_for_another_kind() {
        let ours = derived(PURPOSE);
        let theirs = JWT_SECRET.as_bytes();
        let kid = |name| header("HS256", name);
        let callers = CallerTokens::from_env(&env()).unwrap();
        for (what, token) in [
            (
                "the host's key under our kid",
                token(&kid(KEY_ID), &claims(), theirs),
            ),
            (
                "our key under no kid",
                token(&json!({"typ": "JWT", "alg": "HS256"}), &claims(), &ours),
            ),
            (
                "our key under another kid",
                token(&kid("other"), &claims(), &ours),
            ),
            (
                "the host's key, and a visitor's name",
                token(&kid("other"), &claims(), theirs),
            ),
            (
                "the secret itself",
                token(&kid(KEY_ID), &claims(), IP_HASH_SECRET.as_bytes()),
            ),
            // What a stranger's Idempotency-Key of these words is stored as, were it whole.
            (
                "a hash of the same words",
                token(&kid(KEY_ID), &claims(), &derived(b"visitor tokens")),
            ),
            ("unsigned", token(&header("none", KEY_ID), &claims(), &ours)),
            ("HS384", token(&header("HS384", KEY_ID), &claims(), &ours)),
            ("HS512", token(&header("HS512", KEY_ID), &claims(), &ours)),
            (
                "expired",
                token(&kid(KEY_ID), &with("exp", json!(1_700_000_000)), &ours),
            ),
            (
                "another issuer",
                token(&kid(KEY_ID), &with("iss", json!("host")), &ours),
            ),
            (
                "another audience",
                token(&kid(KEY_ID), &with("aud", json!("host")), &ours),
            ),
            (
                "a user of the host's",
                token(&kid(KEY_ID), &with("sub", json!("asha")), &ours),
            ),
            ("no exp", token(&kid(KEY_ID), &without("exp"), &ours)),
            ("no iss", token(&kid(KEY_ID), &without("iss"), &ours)),
            ("no aud", token(&kid(KEY_ID), &without("aud"), &ours)),
            ("no sub", token(&kid(KEY_ID), &without("sub"), &ours)),
            ("nonsense", "nonsense".to_owned()),
        ] {
            let checked = callers.check_token(&token).await;
            assert!(
                matches!(checked, Err(TokenError::Refused)),
                "{what}: {checked:?}"
            );
        }
    }

    /// With the host application's published keys, which nobody is asked for here.
    #[tokio::test]
    async fn published_keys_make_no_difference() {
        let env = Env::from([
            ("IP_HASH_SECRET", IP_HASH_SECRET),
            ("JWT_JWKS_URL", "http://127.0.0.1:9/keys"),
        ]);
        let callers = CallerTokens::from_env(&env).unwrap();
        let good = token(&header("HS256", KEY_ID), &claims(), &derived(PURPOSE));
        let caller = callers.check_token(&good).await.unwrap();
        assert_eq!(caller, Caller::Visitor(VISITOR.to_owned()));
        let users = Tokens::from_env(&env).unwrap();
        let elsewhere = users.check_token(&good).await;
        assert!(matches!(elsewhere, Err(TokenError::Refused)));
    }

    #[tokio::test]
    async fn users_are_who_they_are() {
        let callers = CallerTokens::from_env(&env()).unwrap();
        let claims = json!({"sub": "asha", "exp": LATER});
        for header in [json!({"alg": "HS256"}), header("HS256", "of-the-host")] {
            let token = token(&header, &claims, JWT_SECRET.as_bytes());
            let caller = callers.check_token(&token).await.unwrap();
            assert_eq!(caller, Caller::User("asha".to_owned()));
        }
        assert!(matches!(
            callers.check(None).await,
            Err(TokenError::Missing)
        ));
    }
}
