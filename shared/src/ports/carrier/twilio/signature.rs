//! `X-Twilio-Signature`: base64(HMAC-SHA1(auth token, URL + every name and value,
//! sorted by name, of each name the distinct values in order)).
//! <https://www.twilio.com/docs/usage/security#validating-requests>

use std::collections::BTreeSet;

use base64::{Engine, prelude::BASE64_STANDARD};
use ring::hmac;

/// Whether `signature` is Twilio's for that URL and those fields. The comparison
/// takes the same time wherever the first difference is.
///
/// Twilio signs the URL sometimes with the port and sometimes without, so both are tried.
pub fn verify(auth_token: &str, url: &str, fields: &[(String, String)], signature: &str) -> bool {
    let Ok(signature) = BASE64_STANDARD.decode(signature) else {
        return false;
    };
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, auth_token.as_bytes());
    let fields: BTreeSet<_> = fields.iter().collect();
    [Some(url.to_owned()), toggle_port(url)]
        .into_iter()
        .flatten()
        .any(|mut signed| {
            for (name, value) in &fields {
                signed.push_str(name);
                signed.push_str(value);
            }
            hmac::verify(&key, signed.as_bytes(), &signature).is_ok()
        })
}

/// The URL with its port taken away, or with its scheme's usual one added.
fn toggle_port(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let port_at = authority
        .rfind(':')
        .filter(|at| authority[at + 1..].bytes().all(|b| b.is_ascii_digit()));
    Some(match (port_at, scheme) {
        (Some(at), _) => format!("{scheme}://{}{path}", &authority[..at]),
        (None, "https") => format!("{scheme}://{authority}:443{path}"),
        (None, "http") => format!("{scheme}://{authority}:80{path}"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "12345";
    const URL: &str = "https://mycompany.com/myapp.php?foo=1&bar=2";

    fn owned(fields: &[(&str, &str)]) -> Vec<(String, String)> {
        let owned = |(name, value): &(&str, &str)| (name.to_string(), value.to_string());
        fields.iter().map(owned).collect()
    }

    fn call() -> Vec<(String, String)> {
        owned(&[
            ("CallSid", "CA1234567890ABCDE"),
            ("Caller", "+14158675309"),
            ("Digits", "1234"),
            ("From", "+14158675309"),
            ("To", "+18005551212"),
        ])
    }

    #[test]
    fn published_vectors() {
        for (url, signature) in [
            (URL, "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
            (
                "https://mycompany.com:443/myapp.php?foo=1&bar=2",
                "kvajT1Ptam85bY51eRf/AJRuM3w=",
            ),
            (
                "http://mycompany.com:80/myapp.php?foo=1&bar=2",
                "0ZXoZLH/DfblKGATFgpif+LLRf4=",
            ),
        ] {
            assert!(verify(TOKEN, url, &call(), signature), "{url}");
        }
        let repeated = owned(&[
            ("Sid", "CA123"),
            ("SidAccount", "AC123"),
            ("Digits", "5678"),
            ("Digits", "1234"),
            ("Digits", "1234"),
        ]);
        assert!(verify(
            TOKEN,
            URL,
            &repeated,
            "IK+Dwps556ElfBT0I3Rgjkr1wJU="
        ));
    }

    #[test]
    fn the_port_may_be_there_or_not() {
        let with = "https://mycompany.com:443/myapp.php?foo=1&bar=2";
        assert!(verify(TOKEN, with, &call(), "RSOYDt4T1cUTdK1PDd93/VVr8B8="));
        assert!(verify(TOKEN, URL, &call(), "kvajT1Ptam85bY51eRf/AJRuM3w="));
        let plain = "http://mycompany.com/myapp.php?foo=1&bar=2";
        assert!(verify(
            TOKEN,
            plain,
            &call(),
            "0ZXoZLH/DfblKGATFgpif+LLRf4="
        ));
        let ipv6 = toggle_port("https://[::1]/x");
        assert_eq!(ipv6.as_deref(), Some("https://[::1]:443/x"));
    }

    #[test]
    fn one_changed_byte_anywhere_is_refused() {
        let good = "RSOYDt4T1cUTdK1PDd93/VVr8B8=";
        for i in 0..URL.len() {
            let mut changed = URL.as_bytes().to_vec();
            changed[i] ^= 1;
            let changed = String::from_utf8_lossy(&changed);
            assert!(!verify(TOKEN, &changed, &call(), good), "{changed}");
        }
        for i in 0..call().len() {
            let mut changed = call();
            changed[i].1.push('0');
            assert!(!verify(TOKEN, URL, &changed, good));
            changed[i].0.push('0');
            assert!(!verify(TOKEN, URL, &changed, good));
            let mut fewer = call();
            fewer.remove(i);
            assert!(!verify(TOKEN, URL, &fewer, good));
        }
        for i in 0..good.len() {
            let mut changed = good.as_bytes().to_vec();
            changed[i] ^= 1;
            assert!(!verify(
                TOKEN,
                URL,
                &call(),
                &String::from_utf8_lossy(&changed)
            ));
        }
        for signature in ["", "=", "not base64 at all", "AAAA"] {
            assert!(!verify(TOKEN, URL, &call(), signature));
        }
        assert!(!verify("12346", URL, &call(), good));
    }
}
