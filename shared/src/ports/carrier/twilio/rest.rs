//! Twilio's REST API: one form post, once.
//! <https://www.twilio.com/docs/usage/api>, <https://www.twilio.com/docs/api/errors>

use std::time::Duration;

use serde::Deserialize;

use super::Twilio;
use crate::ports::carrier::CarrierError;
use crate::ports::web::kind;

/// How long Twilio may take. A webhook of ours may be waiting behind it.
pub(super) const TIMEOUT: Duration = Duration::from_secs(6);
/// When to try again where Twilio does not say.
const RETRY_AFTER: u32 = 1;

#[derive(Deserialize)]
struct Created {
    sid: String,
}

#[derive(Deserialize)]
struct Refusal {
    code: u32,
}

impl Twilio {
    /// Creates a resource, and answers with its SID. Never retried: whoever gets
    /// [`CarrierError::Ambiguous`] must take it for done.
    pub(super) async fn post(
        &self,
        resource: &str,
        fields: &[(&str, &str)],
    ) -> Result<String, CarrierError> {
        let client = self.web.client().map_err(CarrierError::Ambiguous)?;
        let (base, account) = (&self.api_base_url, &self.account_sid);
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        let sent = client
            .post(format!(
                "{base}/2010-04-01/Accounts/{account}/{resource}.json"
            ))
            .basic_auth(account, Some(self.auth_token.expose()))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body)
            .send()
            .await;
        let answer = sent.map_err(|error| CarrierError::Ambiguous(kind(&error)))?;
        let status = answer.status().as_u16();
        let retry_after = answer.headers().get("retry-after");
        let retry_after = retry_after.and_then(|value| value.to_str().ok()?.parse().ok());
        let body = answer
            .bytes()
            .await
            .map_err(|error| CarrierError::Ambiguous(kind(&error)))?;
        if (200..300).contains(&status) {
            let created: Result<Created, _> = serde_json::from_slice(&body);
            return created
                .map(|created| created.sid)
                .map_err(|_| CarrierError::Ambiguous("an answer without a SID"));
        }
        if status >= 500 {
            return Err(CarrierError::Ambiguous("a server error"));
        }
        let code = serde_json::from_slice(&body).map_or(0, |refusal: Refusal| refusal.code);
        Err(match (code, status) {
            // Calls: no such number. Messages: a landline (21614), or who replied STOP (21610).
            (21211 | 21214 | 21217 | 13224 | 21614 | 21610, _) => CarrierError::InvalidNumber(code),
            (21215 | 21216 | 13227 | 21408, _) => CarrierError::NotAllowed(code),
            (20429, _) | (_, 429) => CarrierError::Busy {
                retry_after: retry_after.unwrap_or(RETRY_AFTER),
            },
            _ => CarrierError::Refused { status, code },
        })
    }
}
