//! Configuration from the environment, typed and checked once, at start.
//!
//! A missing or malformed value is a [`ConfigError`] that names it, never its value.

use std::collections::HashMap;

use reqwest::Url;

use crate::domain::ice_servers::{IcePolicy, IceServers, ServerUri, Turn};
use crate::domain::limit::Limit;
use crate::domain::phone::{self, Country, PhoneNumber};
use crate::domain::secret::Secret;
use crate::ports::carrier::twilio::Twilio;
use crate::ports::push::Push;

/// A value that a function cannot start without.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("configuration: {name} {problem}")]
pub struct ConfigError {
    /// The variable.
    pub name: &'static str,
    /// What is wrong with it.
    pub problem: &'static str,
}

/// The environment. An empty value counts as none, because a template parameter
/// that was left out becomes one.
pub struct Env(HashMap<String, String>);

impl Env {
    /// The process's own.
    pub fn process() -> Self {
        Env(std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect())
    }

    /// A value that may be left out.
    pub fn optional(&self, name: &'static str) -> Option<&str> {
        self.0
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    /// A value that must be there.
    pub fn required(&self, name: &'static str) -> Result<&str, ConfigError> {
        self.optional(name).ok_or(ConfigError {
            name,
            problem: "is missing",
        })
    }

    /// A value that must be there and be a whole number within bounds, both included.
    pub fn number(&self, name: &'static str, least: u32, most: u32) -> Result<u32, ConfigError> {
        let number = self.required(name)?.parse().ok();
        number
            .filter(|number| (least..=most).contains(number))
            .ok_or(ConfigError {
                name,
                problem: "is not a whole number in its bounds",
            })
    }

    /// TWILIO_PHONE_NUMBER: the virtual number that tags share.
    pub fn shared_number(&self) -> Result<PhoneNumber, ConfigError> {
        let name = "TWILIO_PHONE_NUMBER";
        PhoneNumber::from_e164(self.required(name)?).ok_or(ConfigError {
            name,
            problem: "is not a phone number in E.164",
        })
    }

    /// TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN with TWILIO_AUTH_TOKEN_PREVIOUS where that is given,
    /// and TWILIO_API_BASE_URL (Twilio's by default).
    pub fn twilio(&self) -> Result<Twilio, ConfigError> {
        let name = "TWILIO_ACCOUNT_SID";
        let sid = self.required(name)?;
        let hexadecimal =
            |digits: &str| digits.len() == 32 && digits.bytes().all(|b| b.is_ascii_hexdigit());
        if !sid.strip_prefix("AC").is_some_and(hexadecimal) {
            return Err(ConfigError {
                name,
                problem: "is not AC and 32 hexadecimal digits",
            });
        }
        let token = Secret::new(self.required("TWILIO_AUTH_TOKEN")?);
        let previous = self.optional("TWILIO_AUTH_TOKEN_PREVIOUS").map(Secret::new);
        let name = "TWILIO_API_BASE_URL";
        let base = self.optional(name).unwrap_or("https://api.twilio.com");
        private_url(name, base)?;
        let twilio = Twilio::new(sid, token, origin(name, base)?);
        Ok(twilio.also_signed_with(previous))
    }

    /// PUBLIC_BASE_URL: scheme and authority where Twilio reaches the webhooks, if
    /// that is not the Function URL itself.
    pub fn public_base_url(&self) -> Result<Option<String>, ConfigError> {
        let name = "PUBLIC_BASE_URL";
        self.optional(name).map(|url| origin(name, url)).transpose()
    }

    /// A webhook's URL: that of the variable, moved to PUBLIC_BASE_URL where that is given.
    pub fn webhook_url(&self, name: &'static str) -> Result<String, ConfigError> {
        let url = self.required(name)?;
        let after_scheme = url.find("://").map(|at| at + 3);
        let path_at = after_scheme.and_then(|at| Some(at + url[at..].find('/')?));
        let path_at = path_at.ok_or(ConfigError {
            name,
            problem: "is not a URL with a path",
        })?;
        Ok(match self.public_base_url()? {
            Some(base) => base + &url[path_at..],
            None => url.to_owned(),
        })
    }

    /// SOCKET_URL: where pages open their sockets, the WebSocket API's `wss://…`.
    pub fn socket_url(&self) -> Result<Url, ConfigError> {
        let name = "SOCKET_URL";
        let url = Url::parse(self.required(name)?).ok();
        let url = url.filter(|url| matches!(url.scheme(), "wss" | "ws") && url.has_host());
        let problem = "is not a wss URL";
        url.ok_or(ConfigError { name, problem })
    }

    /// MACHINE_DETECTION: whether the carrier is asked what has answered, `on` or `off`.
    pub fn machine_detection(&self) -> Result<bool, ConfigError> {
        let name = "MACHINE_DETECTION";
        match self.required(name)? {
            "on" => Ok(true),
            "off" => Ok(false),
            _ => Err(ConfigError {
                name,
                problem: "must be on or off",
            }),
        }
    }

    /// A rate limit, like `5/60`: five times in sixty seconds.
    pub fn limit(&self, name: &'static str) -> Result<Limit, ConfigError> {
        let problem = "is not of the form TIMES/SECONDS, a day at most";
        let limit = self.required(name)?.parse();
        limit.map_err(|_| ConfigError { name, problem })
    }

    /// IP_HASH_SECRET: what keys the hashes of addresses and numbers in rate limits.
    pub fn ip_hash_secret(&self) -> Result<Secret, ConfigError> {
        let name = "IP_HASH_SECRET";
        long_secret(name, self.required(name)?)
    }

    /// IP_HASH_SECRET_PREVIOUS: the one before, whose visitors' tokens still hold.
    pub fn previous_ip_hash_secret(&self) -> Result<Option<Secret>, ConfigError> {
        let name = "IP_HASH_SECRET_PREVIOUS";
        let secret = self.optional(name);
        secret.map(|secret| long_secret(name, secret)).transpose()
    }

    /// ICE_POLICY: relay where there are TURN_URLS, unless it says otherwise.
    pub fn ice_policy(&self) -> Result<IcePolicy, ConfigError> {
        let name = "ICE_POLICY";
        let turn = self.optional("TURN_URLS").is_some();
        let problem = match (self.optional(name), turn) {
            (None, true) | (Some("relay"), true) => return Ok(IcePolicy::Relay),
            (None, false) | (Some("all"), _) => return Ok(IcePolicy::All),
            (Some("relay"), false) => "is relay, and there are no TURN_URLS",
            _ => "must be all or relay",
        };
        Err(ConfigError { name, problem })
    }

    /// STUN_URLS, TURN_URLS with TURN_SECRET, ICE_POLICY, and IP_HASH_SECRET and
    /// MAX_CALL_SECONDS for the credentials.
    pub fn ice_servers(&self) -> Result<IceServers, ConfigError> {
        let problem = "is not made of stun: and stuns: URIs";
        let stun = self.server_uris("STUN_URLS", ServerUri::stun, problem)?;
        let problem = "is not made of turn: and turns: URIs";
        let turn = self.server_uris("TURN_URLS", ServerUri::turn, problem)?;
        let turn = if turn.is_empty() && self.optional("TURN_SECRET").is_none() {
            None
        } else {
            self.required("TURN_URLS")?;
            let secret = Secret::new(self.required("TURN_SECRET")?);
            Some(Turn::new(turn, &secret, &self.ip_hash_secret()?))
        };
        let longest_call = self.number("MAX_CALL_SECONDS", 60, 14_400)?;
        Ok(IceServers::new(
            stun,
            turn,
            self.ice_policy()?,
            longest_call,
        ))
    }

    fn server_uris(
        &self,
        name: &'static str,
        read: impl Fn(&str) -> Option<ServerUri>,
        problem: &'static str,
    ) -> Result<Vec<ServerUri>, ConfigError> {
        let list = self.optional(name).map(|list| list.split(','));
        list.into_iter()
            .flatten()
            .map(|uri| read(uri.trim()).ok_or(ConfigError { name, problem }))
            .collect()
    }

    /// PUSH_WEBHOOK_URL and PUSH_WEBHOOK_SECRET: the host application's push hook, where
    /// it has one.
    pub fn push(&self) -> Result<Option<Push>, ConfigError> {
        let (url, secret) = ("PUSH_WEBHOOK_URL", "PUSH_WEBHOOK_SECRET");
        if self.optional(url).is_none() && self.optional(secret).is_none() {
            return Ok(None);
        }
        let hook = private_url(url, self.required(url)?)?;
        let secret = long_secret(secret, self.required(secret)?)?;
        Ok(Some(Push::new(hook, &secret)))
    }

    /// DEFAULT_COUNTRY: how a number without a country is read.
    pub fn default_country(&self) -> Result<Country, ConfigError> {
        let name = "DEFAULT_COUNTRY";
        country(name, self.required(name)?)
    }

    /// ALLOWED_COUNTRIES: whose numbers may be dialled, comma-separated.
    pub fn allowed_countries(&self) -> Result<Vec<Country>, ConfigError> {
        let name = "ALLOWED_COUNTRIES";
        self.required(name)?
            .split(',')
            .map(|code| country(name, code.trim()))
            .collect()
    }

    /// Loads what reading numbers of ALLOWED_COUNTRIES and DEFAULT_COUNTRY needs.
    pub fn prepare_phone_numbers(&self) -> Result<(), ConfigError> {
        let mut countries = self.allowed_countries()?;
        countries.push(self.default_country()?);
        match phone::prepare(&countries) {
            true => Ok(()),
            false => Err(ConfigError {
                name: "ALLOWED_COUNTRIES",
                problem: "or DEFAULT_COUNTRY names a country that does not exist",
            }),
        }
    }

    /// CORS_ORIGINS: the web origins that may open sockets, comma-separated; none by default.
    pub fn cors_origins(&self) -> Vec<String> {
        let origins = self.optional("CORS_ORIGINS").unwrap_or_default().split(',');
        let origins = origins.map(|origin| origin.trim().to_ascii_lowercase());
        origins.filter(|origin| !origin.is_empty()).collect()
    }

    /// CALL_RETENTION_DAYS, as seconds.
    pub fn retention_seconds(&self) -> Result<i64, ConfigError> {
        Ok(i64::from(self.number("CALL_RETENTION_DAYS", 1, 3650)?) * 86_400)
    }
}

impl<const N: usize> From<[(&str, &str); N]> for Env {
    fn from(values: [(&str, &str); N]) -> Self {
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        Env(values.into_iter().map(owned).collect())
    }
}

/// A URL that nobody on the way reads or answers in another's place.
pub(super) fn private_url(name: &'static str, url: &str) -> Result<Url, ConfigError> {
    let problem = "is not an https URL, or an http URL on this machine";
    let private = |url: &Url| match (url.scheme(), url.host_str()) {
        ("http", Some(host)) => ["127.0.0.1", "[::1]", "localhost"].contains(&host),
        (scheme, host) => scheme == "https" && host.is_some(),
    };
    let url = Url::parse(url).ok().filter(private);
    url.ok_or(ConfigError { name, problem })
}

fn long_secret(name: &'static str, secret: &str) -> Result<Secret, ConfigError> {
    match secret.len() < 16 {
        true => Err(ConfigError {
            name,
            problem: "is shorter than 16 bytes",
        }),
        false => Ok(Secret::new(secret)),
    }
}

fn country(name: &'static str, code: &str) -> Result<Country, ConfigError> {
    Country::read(code).ok_or(ConfigError {
        name,
        problem: "is not made of ISO 3166-1 alpha-2 country codes",
    })
}

/// Scheme and authority, without the slash that people like to leave at the end.
fn origin(name: &'static str, url: &str) -> Result<String, ConfigError> {
    let base = url.trim_end_matches('/');
    let authority = ["https://", "http://"]
        .iter()
        .find_map(|scheme| base.strip_prefix(scheme));
    let plain = |authority: &str| {
        !authority.is_empty() && !authority.contains(['/', '?', '#', '@', ' ', '"', '<'])
    };
    authority
        .filter(|authority| plain(authority))
        .map(|_| base.to_owned())
        .ok_or(ConfigError {
            name,
            problem: "is not a URL of scheme and host alone",
        })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::access::auth::Tokens;

    #[test]
    fn what_is_wrong_is_named_and_not_shown() {
        let missing = Env::from([]).shared_number().unwrap_err();
        assert_eq!(
            missing.to_string(),
            "configuration: TWILIO_PHONE_NUMBER is missing"
        );
        let empty = Env::from([("TWILIO_PHONE_NUMBER", "")]).shared_number();
        assert_eq!(empty.unwrap_err(), missing);
        let malformed = Env::from([("TWILIO_PHONE_NUMBER", "9876543210")]).shared_number();
        let text = malformed.unwrap_err().to_string();
        assert!(
            text.contains("TWILIO_PHONE_NUMBER") && !text.contains("987"),
            "{text}"
        );
    }

    #[test]
    fn accounts() {
        let sid = "AC00000000000000000000000000000001";
        assert!(
            Env::from([("TWILIO_ACCOUNT_SID", sid), ("TWILIO_AUTH_TOKEN", "t")])
                .twilio()
                .is_ok()
        );
        for (sid, token, name) in [
            ("AC1", "t", "TWILIO_ACCOUNT_SID"),
            ("", "t", "TWILIO_ACCOUNT_SID"),
            (sid, "", "TWILIO_AUTH_TOKEN"),
        ] {
            let env = Env::from([("TWILIO_ACCOUNT_SID", sid), ("TWILIO_AUTH_TOKEN", token)]);
            assert_eq!(env.twilio().unwrap_err().name, name);
        }
    }

    #[test]
    fn machine_detection_is_on_or_off() {
        let read = |value| Env::from([("MACHINE_DETECTION", value)]).machine_detection();
        assert_eq!((read("on"), read("off")), (Ok(true), Ok(false)));
        for bad in ["", "On", "true", "1"] {
            assert_eq!(read(bad).unwrap_err().name, "MACHINE_DETECTION", "{bad:?}");
        }
    }

    #[test]
    fn webhooks_move_to_the_public_address() {
        let url = (
            "STATUS_URL",
            "https://abc.lambda-url.eu-west-1.on.aws/api/v1/call/status",
        );
        assert_eq!(Env::from([url]).webhook_url("STATUS_URL").unwrap(), url.1);
        let moved = Env::from([url, ("PUBLIC_BASE_URL", "https://calls.example.com/")]);
        assert_eq!(
            moved.webhook_url("STATUS_URL").unwrap(),
            "https://calls.example.com/api/v1/call/status"
        );
        for bad in [
            "calls.example.com",
            "ftp://x",
            "https://",
            "https://x/y",
            "https://u@x",
            "https://x?y",
        ] {
            let error = Env::from([("PUBLIC_BASE_URL", bad)])
                .public_base_url()
                .unwrap_err();
            assert_eq!(error.name, "PUBLIC_BASE_URL", "{bad}");
        }
    }

    #[test]
    fn numbers_have_bounds() {
        let read = |value| {
            Env::from([("RING_TIMEOUT_SECONDS", value)]).number("RING_TIMEOUT_SECONDS", 5, 600)
        };
        assert_eq!(read("30").unwrap(), 30);
        for bad in ["4", "601", "-30", "30s", "", "1e2"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn ice_policies_and_servers() {
        let env = |stun, turn, secret, policy| {
            Env::from([
                ("STUN_URLS", stun),
                ("TURN_URLS", turn),
                ("TURN_SECRET", secret),
                ("ICE_POLICY", policy),
                ("IP_HASH_SECRET", "16-bytes-or-more"),
                ("MAX_CALL_SECONDS", "3600"),
            ])
        };
        let (stun, turn) = ("stun:a,stuns:b:5349", "turn:a, turns:b:443?transport=tcp");
        for (turn, secret, policy, expected) in [
            ("", "", "", IcePolicy::All),
            ("", "", "all", IcePolicy::All),
            (turn, "secret", "", IcePolicy::Relay),
            (turn, "secret", "relay", IcePolicy::Relay),
            (turn, "secret", "all", IcePolicy::All),
        ] {
            for stun in ["", stun] {
                let env = env(stun, turn, secret, policy);
                assert_eq!(env.ice_policy().unwrap(), expected);
                assert!(env.ice_servers().is_ok(), "{turn} {policy}");
            }
        }
        for (stun, turn, secret, policy, name) in [
            ("turn:a", "", "", "", "STUN_URLS"),
            ("stun:a,", "", "", "", "STUN_URLS"),
            (stun, "stun:a", "secret", "", "TURN_URLS"),
            (stun, "turn:a turn:b", "secret", "", "TURN_URLS"),
            (stun, "", "secret", "", "TURN_URLS"),
            (stun, turn, "", "", "TURN_SECRET"),
            (stun, "", "", "relay", "ICE_POLICY"),
            (stun, turn, "secret", "none", "ICE_POLICY"),
        ] {
            let error = env(stun, turn, secret, policy).ice_servers().err();
            assert_eq!(error.map(|error| error.name), Some(name), "{turn} {policy}");
        }
    }

    #[test]
    fn sockets() {
        let read = |url| Env::from([("SOCKET_URL", url)]).socket_url();
        let url = read("wss://a1b2.execute-api.eu-west-1.amazonaws.com/live").unwrap();
        assert_eq!(url.path(), "/live");
        assert!(read("ws://127.0.0.1:3001/live").is_ok());
        for bad in [
            "",
            "https://a.example/live",
            "wss:",
            "a.example/live",
            "wss://",
        ] {
            let error = read(bad).map_err(|error| error.name);
            assert_eq!(error.err(), Some("SOCKET_URL"), "{bad}");
        }
    }

    #[test]
    fn push_hooks() {
        let read = |url, secret| {
            Env::from([("PUSH_WEBHOOK_URL", url), ("PUSH_WEBHOOK_SECRET", secret)]).push()
        };
        let name = |url, secret| read(url, secret).err().map(|error| error.name);
        assert!(read("", "").unwrap().is_none());
        let secret = "16-bytes-or-more";
        for url in [
            "https://host.example/push?app=1",
            "http://127.0.0.1:9000/",
            "http://[::1]:9000",
            "http://localhost/push",
        ] {
            assert!(read(url, secret).unwrap().is_some(), "{url}");
            assert_eq!(name(url, ""), Some("PUSH_WEBHOOK_SECRET"));
            assert_eq!(name(url, "15-bytes-or-so."), Some("PUSH_WEBHOOK_SECRET"));
        }
        for url in [
            "",
            "host.example/push",
            "http://host.example/push",
            "http://127.0.0.1.host.example/",
            "ftp://host.example",
            "https://",
        ] {
            assert_eq!(name(url, secret), Some("PUSH_WEBHOOK_URL"), "{url}");
        }
    }

    /// What the carrier's token goes to, and what keys come from.
    #[test]
    fn only_this_machine_is_reached_without_tls() {
        let account = format!("AC{}", "0".repeat(32));
        let twilio = |base| {
            let env = Env::from([
                ("TWILIO_ACCOUNT_SID", account.as_str()),
                ("TWILIO_AUTH_TOKEN", "token"),
                ("TWILIO_API_BASE_URL", base),
            ]);
            env.twilio().map(drop)
        };
        let keys = |url| Tokens::from_env(&Env::from([("JWT_JWKS_URL", url)])).map(drop);
        for url in ["https://host.example", "http://127.0.0.1:9000"] {
            assert_eq!((twilio(url), keys(url)), (Ok(()), Ok(())), "{url}");
        }
        for url in ["http://host.example", "ftp://host.example", "host.example"] {
            let name = |read: Result<(), ConfigError>| read.err().map(|error| error.name);
            assert_eq!(name(twilio(url)), Some("TWILIO_API_BASE_URL"), "{url}");
            assert_eq!(name(keys(url)), Some("JWT_JWKS_URL"), "{url}");
        }
    }

    #[test]
    fn countries() {
        let read = |codes| Env::from([("ALLOWED_COUNTRIES", codes)]).allowed_countries();
        assert_eq!(read("IN, US,GB").unwrap().len(), 3);
        for bad in ["I", "IN,,US", "India", "91"] {
            assert!(read(bad).is_err(), "{bad}");
        }
        let expected = Env::from([("ALLOWED_COUNTRIES", "IN,XX"), ("DEFAULT_COUNTRY", "IN")]);
        let name = expected.prepare_phone_numbers().map_err(|error| error.name);
        assert_eq!(name, Err("ALLOWED_COUNTRIES"));
    }
}
