//! The servers that help two clients reach each other: STUN, and TURN with credentials
//! that expire, as coturn's `use-auth-secret` checks them.

use base64::{Engine, prelude::BASE64_STANDARD};
use ring::hmac;
use serde::Serialize;

use super::secret::Secret;
use super::text;
use super::time::{self, Timestamp, add_seconds};

/// How long before a call its credentials may be fetched, seconds.
const HEAD_START_SECONDS: i64 = 3600;

/// Whether clients may show each other their own addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum IcePolicy {
    /// They may.
    All,
    /// Everything goes through relays.
    Relay,
}

/// A server's URI: `stun:` and `stuns:` (RFC 7064), `turn:` and `turns:` (RFC 7065).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct ServerUri(String);

impl ServerUri {
    /// Reads a STUN server's.
    pub fn stun(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("stuns:");
        let rest = rest.or_else(|| text.strip_prefix("stun:"))?;
        is_host_and_port(rest).then(|| ServerUri(text.to_owned()))
    }

    /// Reads a TURN server's. Of the transports those that browsers know.
    pub fn turn(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("turns:");
        let rest = rest.or_else(|| text.strip_prefix("turn:"))?;
        let (rest, transport) = rest.split_once('?').unwrap_or((rest, "transport=udp"));
        let known = ["transport=udp", "transport=tcp"].contains(&transport);
        (known && is_host_and_port(rest)).then(|| ServerUri(text.to_owned()))
    }
}

fn is_host_and_port(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, port)) if address.parse::<core::net::Ipv6Addr>().is_ok() => ("v6", port),
        Some(_) => return false,
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    let of_name = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'.';
    let named = (1..=253).contains(&host.len()) && host.bytes().all(of_name);
    let digits = |port: &str| {
        port.bytes().all(|b| b.is_ascii_digit()) && port.parse().is_ok_and(|port: u16| port > 0)
    };
    named && (port.is_empty() || port.strip_prefix(':').is_some_and(digits))
}

/// The servers of a deployment.
pub struct IceServers {
    stun: Vec<ServerUri>,
    turn: Option<Turn>,
    policy: IcePolicy,
    valid_seconds: i64,
}

/// TURN servers that share a secret with us.
pub struct Turn {
    uris: Vec<ServerUri>,
    credentials: hmac::Key,
    ids: hmac::Key,
}

impl Turn {
    /// `secret` is the servers' `static-auth-secret`.
    ///
    /// TURN servers write usernames into their logs, so users go by a hash there, and
    /// `id_secret` keys it: whoever has the logs, and the secret of the servers beside
    /// them, still cannot try out user ids.
    pub fn new(uris: Vec<ServerUri>, secret: &Secret, id_secret: &Secret) -> Self {
        let sha1 = hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY;
        Turn {
            uris,
            credentials: hmac::Key::new(sha1, secret.expose().as_bytes()),
            ids: hmac::Key::new(hmac::HMAC_SHA256, id_secret.expose().as_bytes()),
        }
    }

    fn server(&self, user_id: &str, expires: i64) -> IceServer<'_> {
        let id = hmac::sign(&self.ids, format!("turn:{user_id}").as_bytes());
        let username = format!("{expires}:{}", text::hex(&id.as_ref()[..16]));
        let credential = hmac::sign(&self.credentials, username.as_bytes());
        IceServer {
            urls: &self.uris,
            username: Some(username),
            credential: Some(BASE64_STANDARD.encode(credential)),
        }
    }
}

/// An RTCIceServer. Not `Debug`: it holds a credential.
#[derive(Serialize)]
pub struct IceServer<'a> {
    urls: &'a [ServerUri],
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    credential: Option<String>,
}

/// What a client makes its connection with: an RTCConfiguration, and when to ask again.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct IceConfiguration<'a> {
    ice_servers: Vec<IceServer<'a>>,
    ice_transport_policy: IcePolicy,
    #[serde(with = "time::text")]
    expires_at: Timestamp,
}

impl IceServers {
    /// `longest_call` is in seconds. coturn checks a credential's time with each
    /// request, also with those that keep a relay alive: it has to last for the call.
    pub fn new(
        stun: Vec<ServerUri>,
        turn: Option<Turn>,
        policy: IcePolicy,
        longest_call: u32,
    ) -> Self {
        IceServers {
            stun,
            turn,
            policy,
            valid_seconds: HEAD_START_SECONDS + i64::from(longest_call),
        }
    }

    /// What a user gets at `now`.
    pub fn for_user(&self, user_id: &str, now: Timestamp) -> IceConfiguration<'_> {
        let expires_at = add_seconds(now, self.valid_seconds);
        // Credentials expire at a whole second.
        let expires = expires_at.as_second();
        let expires_at = Timestamp::from_second(expires).unwrap_or(expires_at);
        let stun = (!self.stun.is_empty()).then_some(IceServer {
            urls: &self.stun,
            username: None,
            credential: None,
        });
        let turn = self.turn.as_ref().map(|turn| turn.server(user_id, expires));
        IceConfiguration {
            ice_servers: stun.into_iter().chain(turn).collect(),
            ice_transport_policy: self.policy,
            expires_at,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn uris() {
        for good in [
            "stun:stun.example.com",
            "stuns:stun.example.com:5349",
            "stun:192.0.2.1:3478",
            "stun:[2001:db8::1]",
            "stun:[2001:db8::1]:3478",
        ] {
            assert!(ServerUri::stun(good).is_some(), "{good}");
            assert!(ServerUri::turn(good).is_none(), "{good}");
        }
        for good in [
            "turn:turn.example.com",
            "turns:turn.example.com:443?transport=tcp",
            "turn:[2001:db8::1]:3478?transport=udp",
        ] {
            assert!(ServerUri::turn(good).is_some(), "{good}");
            assert!(ServerUri::stun(good).is_none(), "{good}");
        }
        for bad in [
            "",
            "example.com",
            "http:example.com",
            "turn:",
            "turn:?transport=udp",
            "turn://example.com",
            "turn:user@example.com",
            "turn:example.com:",
            "turn:example.com:0",
            "turn:example.com:+1",
            "turn:example.com:65536",
            "turn:example.com:1:2",
            "turn:example.com/",
            "turn:exa mple.com",
            "turn:example.com?transport=sctp",
            "turn:example.com?udp",
            "turn:2001:db8::1",
            "turn:[example.com]",
            "turn:[::1",
            "turn:[::1]x",
        ] {
            assert!(ServerUri::turn(bad).is_none(), "{bad}");
            let stun = bad.replacen("turn", "stun", 1);
            assert!(ServerUri::stun(&stun).is_none(), "{stun}");
        }
        assert!(ServerUri::stun("stun:example.com?transport=udp").is_none());
    }

    /// The credential is that of `printf '<username>' | openssl dgst -sha1 -hmac <secret>
    /// -binary | base64`, the id the first half of `printf 'turn:<user>' | openssl dgst
    /// -sha256 -hmac <id secret>`.
    #[test]
    fn a_known_credential() {
        let stun = ServerUri::stun("stun:stun.example.com").unwrap();
        let turn = ServerUri::turn("turn:turn.example.com").unwrap();
        let secret = Secret::new("the-secret-of-the-turn-servers");
        let turn = Turn::new(vec![turn], &secret, &Secret::new("the-secret-of-the-ids"));
        let servers = IceServers::new(vec![stun], Some(turn), IcePolicy::Relay, 3600);
        let now = "2026-11-21T12:00:00.9Z".parse().unwrap();
        assert_eq!(
            serde_json::to_value(servers.for_user("user-1", now)).unwrap(),
            json!({
                "iceServers": [
                    {"urls": ["stun:stun.example.com"]},
                    {
                        "urls": ["turn:turn.example.com"],
                        "username": "1795269600:fadb02732239827d336c2d6fcb8a2b40",
                        "credential": "WZHWtYc1nTT+pJFE8RRaWskKIMk="
                    }
                ],
                "iceTransportPolicy": "relay",
                "expiresAt": "2026-11-21T14:00:00.000Z"
            })
        );
        let plain = IceServers::new(Vec::new(), None, IcePolicy::All, 60);
        assert_eq!(
            serde_json::to_value(plain.for_user("user-1", now)).unwrap(),
            json!({
                "iceServers": [], "iceTransportPolicy": "all",
                "expiresAt": "2026-11-21T13:01:00.000Z"
            })
        );
    }
}
