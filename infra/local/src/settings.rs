//! Where values come from: the environment, then `.env`, then local defaults.

use std::collections::BTreeMap;
use std::path::Path;

use crate::Error;

/// Values that let the stack run without any configuration. They are good for
/// this machine only, and plainly so.
const LOCAL_DEFAULTS: [(&str, &str); 5] = [
    ("TWILIO_ACCOUNT_SID", "AC00000000000000000000000000000000"),
    ("TWILIO_AUTH_TOKEN", "local-development-auth-token"),
    ("TWILIO_PHONE_NUMBER", "+14155550100"),
    ("IP_HASH_SECRET", "local-development-ip-hash-secret"),
    (
        "JWT_SECRET",
        "local-development-jwt-secret-for-this-machine-only",
    ),
];

/// The settings of one stack.
#[derive(Debug, Default)]
pub struct Settings {
    /// The first that holds a name decides.
    given: Vec<BTreeMap<String, String>>,
    defaults: BTreeMap<String, String>,
}

impl Settings {
    /// Reads the environment and, where there is one, the `.env` file.
    /// `overrides` go before both.
    pub fn load(overrides: BTreeMap<String, String>, dotenv: Option<&Path>) -> Result<Self, Error> {
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let file = match dotenv.map(std::fs::read_to_string) {
            Some(Ok(text)) => parse_dotenv(&text)?,
            Some(Err(error)) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::Io(".env".into(), error));
            }
            _ => BTreeMap::new(),
        };
        Ok(Self {
            given: vec![overrides, environment, file],
            defaults: BTreeMap::new(),
        })
    }

    /// The value somebody gave. An empty one counts as none, so that `NAME=` in
    /// an example file asks for the default.
    pub fn given(&self, name: &str) -> Option<&str> {
        self.given
            .iter()
            .find_map(|layer| layer.get(name))
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    /// The value given, or else the local default.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.given(name)
            .or_else(|| self.defaults.get(name).map(String::as_str))
    }

    /// A number given under `name`, or else `default`.
    pub fn number<T: std::str::FromStr>(&self, name: &str, default: T) -> Result<T, Error> {
        self.given(name).map_or(Ok(default), |value| {
            value.parse().map_err(|_| Error::Malformed {
                name: name.into(),
                reason: "expected a whole number that fits".into(),
            })
        })
    }

    /// Whether demo data and demo apps are wanted: DEMO is not `off`.
    pub fn demo_wanted(&self) -> bool {
        self.get("DEMO") != Some("off")
    }

    /// Fills in the local defaults, once the addresses are known.
    pub fn set_defaults(&mut self, http_url: &str, carrier_url: Option<&str>) {
        // The demo apps' pages, by either name of this machine.
        let by_name = http_url.replacen("127.0.0.1", "localhost", 1);
        let demo_origins = format!("{http_url},{by_name}");
        let demo_origins = self.demo_wanted().then_some(demo_origins);
        self.defaults = LOCAL_DEFAULTS
            .into_iter()
            .chain([("PUBLIC_BASE_URL", http_url)])
            .chain(
                demo_origins
                    .iter()
                    .map(|origins| ("CORS_ORIGINS", origins.as_str())),
            )
            .chain(carrier_url.map(|url| ("TWILIO_API_BASE_URL", url)))
            // Published keys stand instead of a shared secret, not beside it.
            .filter(|(name, _)| *name != "JWT_SECRET" || self.given("JWT_JWKS_URL").is_none())
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
    }
}

/// Reads `NAME=value` lines: comments, `export`, and both kinds of quotes.
fn parse_dotenv(text: &str) -> Result<BTreeMap<String, String>, Error> {
    let mut values = BTreeMap::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let malformed = |reason: &str| Error::Malformed {
            name: format!(".env line {}", index + 1),
            reason: reason.to_owned(),
        };
        let line = line.strip_prefix("export ").unwrap_or(line);
        let (name, value) = line
            .split_once('=')
            .ok_or_else(|| malformed("expected NAME=value"))?;
        let name = name.trim();
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            return Err(malformed("the name may hold A-Z, 0-9 and _ only"));
        }
        let value = parse_value(value.trim()).ok_or_else(|| malformed("a quote is not closed"))?;
        values.insert(name.to_owned(), value);
    }
    Ok(values)
}

fn parse_value(value: &str) -> Option<String> {
    if let Some(rest) = value.strip_prefix('\'') {
        return rest.split_once('\'').map(|(inner, _)| inner.to_owned());
    }
    let Some(rest) = value.strip_prefix('"') else {
        let end = match value.strip_prefix('#') {
            Some(_) => 0,
            None => value.find(" #").unwrap_or(value.len()),
        };
        return Some(value[..end].trim_end().to_owned());
    };
    let mut out = String::new();
    let mut chars = rest.chars();
    loop {
        match chars.next()? {
            '"' => return Some(out),
            '\\' => match chars.next()? {
                'n' => out.push('\n'),
                other => out.push(other),
            },
            other => out.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn settings(overrides: &[(&str, &str)]) -> Settings {
        Settings {
            given: vec![
                overrides
                    .iter()
                    .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                    .collect(),
            ],
            defaults: BTreeMap::new(),
        }
    }

    #[test]
    fn reads_an_env_file() {
        let values = parse_dotenv(
            "# comment\n\nA=1\nexport B = two words # why\nC='it is # literal \\n'\n\
             D=\"a \\\"b\\\"\\nc\" # end\nE= # none\nF=a#b\n",
        )
        .unwrap();
        assert_eq!(values["A"], "1");
        assert_eq!(values["B"], "two words");
        assert_eq!(values["C"], "it is # literal \\n");
        assert_eq!(values["D"], "a \"b\"\nc");
        assert_eq!(values["E"], "");
        assert_eq!(values["F"], "a#b");
    }

    #[test]
    fn a_broken_line_is_named_without_its_value() {
        for text in ["A=1\nsecret", "A=1\nB=\"secret", "A=1\nB C=secret"] {
            let error = parse_dotenv(text).unwrap_err().to_string();
            assert!(error.contains(".env line 2"), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn published_keys_take_the_place_of_the_default_secret() {
        let mut plain = settings(&[]);
        plain.set_defaults("http://127.0.0.1:1", None);
        assert!(plain.get("JWT_SECRET").is_some_and(|s| s.len() >= 32));
        let mut keys = settings(&[("JWT_JWKS_URL", "https://example.com/keys")]);
        keys.set_defaults("http://127.0.0.1:1", None);
        assert_eq!(keys.get("JWT_SECRET"), None);
    }

    #[test]
    fn the_demo_apps_may_open_sockets() {
        let origins = |overrides: &[(&str, &str)]| {
            let mut settings = settings(overrides);
            settings.set_defaults("http://127.0.0.1:1", None);
            settings.get("CORS_ORIGINS").map(str::to_owned)
        };
        let both = "http://127.0.0.1:1,http://localhost:1";
        assert_eq!(origins(&[]).as_deref(), Some(both));
        assert_eq!(origins(&[("DEMO", "off")]), None);
        let own = "https://app.example.com";
        assert_eq!(origins(&[("CORS_ORIGINS", own)]).as_deref(), Some(own));
    }

    #[test]
    fn an_empty_value_asks_for_the_default() {
        let mut settings = settings(&[("PUBLIC_BASE_URL", ""), ("HTTP_PORT", "x")]);
        settings.set_defaults("http://127.0.0.1:1", None);
        assert_eq!(settings.get("PUBLIC_BASE_URL"), Some("http://127.0.0.1:1"));
        let error = settings.number::<u16>("HTTP_PORT", 3000).unwrap_err();
        assert!(error.to_string().starts_with("HTTP_PORT is malformed"));
    }
}
