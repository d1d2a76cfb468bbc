//! The host application's push hook: asked to wake somebody who is called and has no
//! device online.
//!
//! One `POST` of JSON with a header `Maskline-Signature: t=<Unix seconds>,v1=<hex>`:
//! HMAC-SHA256 of PUSH_WEBHOOK_SECRET over `<t>.<body>`. The time is signed, so that the
//! host application can refuse what somebody else sends once more.

use std::time::Duration;

use reqwest::Url;
use ring::hmac;
use serde::Serialize;

use super::web::{self, Web};
use crate::domain::secret::Secret;
use crate::domain::text;
use crate::domain::time::{self, Timestamp};

/// How long the hook may take. The caller waits behind it.
const TIMEOUT: Duration = Duration::from_secs(2);
/// The header of the signature.
const SIGNATURE: &str = "maskline-signature";

/// The hook.
pub struct Push {
    url: Url,
    key: hmac::Key,
    web: Web,
}

/// A call that somebody is to be woken for.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename = "call.incoming", rename_all = "camelCase")]
pub struct IncomingCall<'a> {
    /// The call.
    pub call_id: &'a str,
    /// Its booking.
    pub booking_id: &'a str,
    /// Who is to be woken.
    pub user_id: &'a str,
    /// Who calls.
    pub caller_name: &'a str,
    /// When it stops ringing.
    #[serde(with = "time::text")]
    pub expires_at: Timestamp,
}

/// Why nobody is being woken, as far as we know. Never holds the URL, which may be secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotDelivered {
    /// No whole answer in time; the request may have arrived.
    #[error("the push hook did not answer: {0}")]
    NoAnswer(&'static str),
    /// An answer that is no 2xx.
    #[error("the push hook answered with status {0}")]
    Refused(u16),
}

impl Push {
    /// The hook at `url`, with the secret that it shares with us.
    pub fn new(url: Url, secret: &Secret) -> Self {
        Push {
            url,
            key: hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes()),
            web: Web::new(TIMEOUT),
        }
    }

    /// Asks once. Delivered is what was answered with a 2xx.
    pub async fn wake(&self, call: &IncomingCall<'_>, now: Timestamp) -> Result<(), NotDelivered> {
        let body = serde_json::to_string(call)
            .map_err(|_| NotDelivered::NoAnswer("the request does not serialize"))?;
        let client = self.web.client().map_err(NotDelivered::NoAnswer)?;
        let answer = client
            .post(self.url.clone())
            .header("content-type", "application/json")
            .header(SIGNATURE, self.signature(&body, now))
            .body(body)
            .send()
            .await
            .map_err(|error| NotDelivered::NoAnswer(web::kind(&error)))?;
        match answer.status().as_u16() {
            200..300 => Ok(()),
            status => Err(NotDelivered::Refused(status)),
        }
    }

    fn signature(&self, body: &str, now: Timestamp) -> String {
        let seconds = now.as_second();
        let tag = hmac::sign(&self.key, format!("{seconds}.{body}").as_bytes());
        let digits = text::hex(tag.as_ref());
        format!("t={seconds},v1={digits}")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// The digits are those of `printf '<t>.<body>' | openssl dgst -sha256 -hmac <secret>`.
    #[test]
    fn a_known_signature() {
        let url = "https://host.example/push".parse().unwrap();
        let push = Push::new(url, &Secret::new("a-secret-of-the-host-application"));
        let call = IncomingCall {
            call_id: "bk-7.3",
            booking_id: "bk-7",
            user_id: "provider-1",
            caller_name: "Asha",
            expires_at: "2026-11-21T12:00:45Z".parse().unwrap(),
        };
        let body = serde_json::to_string(&call).unwrap();
        assert_eq!(
            body,
            "{\"type\":\"call.incoming\",\"callId\":\"bk-7.3\",\"bookingId\":\"bk-7\",\
             \"userId\":\"provider-1\",\"callerName\":\"Asha\",\
             \"expiresAt\":\"2026-11-21T12:00:45.000Z\"}"
        );
        assert_eq!(
            push.signature(&body, "2026-11-21T12:00:00.9Z".parse().unwrap()),
            "t=1795262400,v1=0edbaf2956374efa96578752a27bd14d9fd427f377e1f55c0aa94a066cc5353e"
        );
    }
}
