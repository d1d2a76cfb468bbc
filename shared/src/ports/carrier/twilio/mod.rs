//! Twilio: signed form-encoded webhooks in, TwiML out.

use super::{
    BadForm, Bridge, Carrier, CarrierError, Forged, Form, Incoming, Instruction, Keyed, LegReport,
    Message, Reply, Ring, Webhook,
};
use crate::domain::call::{End, EndStatus, Report, Visitor};
use crate::domain::phone::PhoneNumber;
use crate::domain::secret::Secret;
use crate::domain::tag::Extension;
use crate::domain::time::Timestamp;
use crate::ports::web::Web;

mod rest;
mod signature;
mod twiml;

use twiml::{Dial, Gather, Number, Twiml};

/// One Twilio account.
#[derive(Debug, Clone)]
pub struct Twilio {
    account_sid: String,
    auth_token: Secret,
    previous_auth_token: Option<Secret>,
    api_base_url: String,
    web: Web,
}

impl Twilio {
    /// An account by its SID, with the auth token that signs its webhooks, and the
    /// origin of its REST API.
    pub fn new(
        account_sid: impl Into<String>,
        auth_token: Secret,
        api_base_url: impl Into<String>,
    ) -> Self {
        Twilio {
            account_sid: account_sid.into(),
            auth_token,
            previous_auth_token: None,
            api_base_url: api_base_url.into(),
            web: Web::new(rest::TIMEOUT),
        }
    }

    /// The same, taking webhooks signed with another auth token too: while the account's is
    /// changed, Twilio signs with the one and then with the other.
    #[must_use]
    pub fn also_signed_with(mut self, auth_token: Option<Secret>) -> Self {
        self.previous_auth_token = auth_token;
        self
    }

    /// Makes the client of the REST API ahead of the first request, for a function whose
    /// every request needs it: a start has a whole core. The first request says what
    /// fails here.
    pub fn prepare(&self) {
        let _ = self.web.client();
    }
}

impl Carrier for Twilio {
    fn authenticate(&self, webhook: &Webhook<'_>) -> Result<Form, Forged> {
        let fields: Vec<(String, String)> =
            form_urlencoded::parse(webhook.body).into_owned().collect();
        let signature = webhook.signature.ok_or(Forged)?;
        let tokens = [Some(&self.auth_token), self.previous_auth_token.as_ref()];
        let signed_with =
            |token: &Secret| signature::verify(token.expose(), webhook.url, &fields, signature);
        if !tokens.into_iter().flatten().any(signed_with) {
            return Err(Forged);
        }
        let form = Form(fields);
        // A valid signature of another account's sub-account is not for us.
        match form.get("AccountSid") {
            Some(sid) if sid == self.account_sid => Ok(form),
            _ => Err(Forged),
        }
    }

    fn incoming(&self, form: &Form) -> Result<Incoming, BadForm> {
        let dialled = PhoneNumber::from_e164(form.require("To")?).ok_or(BadForm {
            field: "To",
            problem: "is not a phone number in E.164",
        })?;
        let keyed = match form.get("Digits") {
            None => Keyed::Nothing,
            Some(digits) => Extension::read(digits).map_or(Keyed::Other, Keyed::Extension),
        };
        Ok(Incoming {
            call_sid: call_sid(form)?,
            dialled,
            visitor: visitor(form.get("From").unwrap_or_default()),
            keyed,
        })
    }

    /// Two kinds of callback come here: call progress (`CallStatus`), and the
    /// result of answering machine detection (`AnsweredBy` alone).
    fn leg_report(&self, form: &Form, received: Timestamp) -> Result<LegReport, BadForm> {
        let sid = call_sid(form)?;
        let machine = answered_by_machine(form);
        let told = timestamp(form);
        let at = told.unwrap_or(received);
        let report = match form.get("CallStatus") {
            None if machine => Some(Report::Machine(at)),
            None if form.get("AnsweredBy").is_some() => None,
            None => {
                return Err(BadForm {
                    field: "CallStatus",
                    problem: "is missing",
                });
            }
            Some("queued" | "initiated") => None,
            Some("in-progress" | "answered") if machine => Some(Report::Machine(at)),
            Some("ringing") => Some(Report::Ringing(at)),
            Some("in-progress" | "answered") => Some(Report::Answered(at)),
            Some(word) => Some(Report::LegEnd(End {
                unattended: machine,
                status: end_status(word, "CallStatus")?,
                seconds: seconds(form, "CallDuration")?,
                at: told,
            })),
        };
        // Only a dialled leg has a parent, and a machine is only looked for there.
        let dialled_leg = form.get("ParentCallSid").is_some() || form.get("CallStatus").is_none();
        Ok(LegReport {
            report,
            maybe_visitors_leg: (!dialled_leg).then_some(sid),
        })
    }

    fn dial_end(&self, form: &Form) -> Result<End, BadForm> {
        call_sid(form)?;
        let status = end_status(form.require("DialCallStatus")?, "DialCallStatus")?;
        let bridged = form.get("DialBridged") != Some("false");
        Ok(End {
            unattended: status == EndStatus::Completed && (!bridged || answered_by_machine(form)),
            status,
            seconds: seconds(form, "DialCallDuration")?,
            at: None,
        })
    }

    fn write(&self, instruction: &Instruction) -> Reply {
        let verbs = match instruction {
            // The redirect is what happens when nobody keys in anything.
            Instruction::AskExtension { prompt, action } => vec![
                Twiml::Gather(Gather {
                    num_digits: Extension::DIGITS,
                    action: action.clone(),
                    prompt,
                }),
                Twiml::Redirect(action.clone()),
            ],
            Instruction::Bridge(bridge) => vec![Twiml::Dial(dial(bridge))],
            Instruction::Apologise(words) => vec![Twiml::Say(words), Twiml::Hangup],
            Instruction::HangUp => vec![Twiml::Hangup],
            Instruction::Nothing => Vec::new(),
        };
        Reply {
            content_type: "text/xml; charset=utf-8",
            body: twiml::write(&verbs),
        }
    }

    async fn ring(&self, call: &Ring) -> Result<String, CarrierError> {
        let timeout = call.ring_timeout.to_string();
        let fields = [
            ("To", call.visitor.expose()),
            ("From", call.caller_id.expose()),
            ("Url", call.connect_url.as_str()),
            ("Timeout", timeout.as_str()),
            ("StatusCallback", call.status_url.as_str()),
            ("StatusCallbackEvent", "completed"),
        ];
        self.post("Calls", &fields).await
    }

    async fn send(&self, message: &Message) -> Result<(), CarrierError> {
        let fields = [
            ("To", message.to.expose()),
            ("MessagingServiceSid", message.service_sid.as_str()),
            ("Body", message.body.as_str()),
        ];
        self.post("Messages", &fields).await.map(drop)
    }
}

fn dial(bridge: &Bridge) -> Dial {
    Dial {
        caller_id: bridge.caller_id.expose().to_owned(),
        timeout: bridge.ring_timeout,
        time_limit: bridge.time_limit,
        action: bridge.dial_status_url.clone(),
        number: Number {
            e164: bridge.owner.expose().to_owned(),
            status_callback: bridge.status_url.clone(),
            machine_detection: bridge.machine_detection,
        },
    }
}

/// How Twilio writes callers who withhold their number: words spelled on a keypad.
/// <https://help.twilio.com/articles/223179988>
const WITHHELD: [&str; 5] = [
    "+266696687",   // ANONYMOUS
    "+7378742833",  // RESTRICTED
    "+2562533",     // BLOCKED
    "+8656696",     // UNKNOWN
    "+86282452253", // UNAVAILABLE
];

fn visitor(from: &str) -> Visitor {
    match WITHHELD.contains(&from) {
        true => Visitor::Withheld,
        false => Visitor::read(from),
    }
}

fn call_sid(form: &Form) -> Result<String, BadForm> {
    let sid = form.require("CallSid")?;
    let plain = sid.len() <= 64 && sid.bytes().all(|b| b.is_ascii_alphanumeric());
    plain.then(|| sid.to_owned()).ok_or(BadForm {
        field: "CallSid",
        problem: "is not a call SID",
    })
}

fn end_status(word: &str, field: &'static str) -> Result<EndStatus, BadForm> {
    EndStatus::read(word).ok_or(BadForm {
        field,
        problem: "is not a call status",
    })
}

fn seconds(form: &Form, field: &'static str) -> Result<Option<u32>, BadForm> {
    form.get(field)
        .map(|text| {
            text.parse().map_err(|_| BadForm {
                field,
                problem: "is not a number of seconds",
            })
        })
        .transpose()
}

/// The callback's own time, RFC 2822. An unreadable one counts as not told: the
/// event it dates has happened all the same.
fn timestamp(form: &Form) -> Option<Timestamp> {
    let zoned = jiff::fmt::rfc2822::parse(form.get("Timestamp")?).ok()?;
    Some(zoned.timestamp())
}

/// `machine_start`, `machine_end_beep`, … and `fax`; see Twilio's
/// answering-machine-detection page.
fn answered_by_machine(form: &Form) -> bool {
    form.get("AnsweredBy")
        .is_some_and(|by| by.starts_with("machine") || by == "fax")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn twilio() -> Twilio {
        Twilio::new("AC1", Secret::new("12345"), "http://localhost")
    }

    fn form(fields: &[(&str, &str)]) -> Form {
        let owned = |(name, value): &(&str, &str)| (name.to_string(), value.to_string());
        Form(fields.iter().map(owned).collect())
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    const RECEIVED: &str = "2026-11-21T12:01:00Z";

    fn leg(fields: &[(&str, &str)]) -> Result<LegReport, BadForm> {
        let mut all = vec![("CallSid", "CA2"), ("ParentCallSid", "CA1")];
        all.extend(fields);
        twilio().leg_report(&form(&all), at(RECEIVED))
    }

    #[test]
    fn while_the_auth_token_is_changed_both_sign() {
        use base64::{Engine, prelude::BASE64_STANDARD};
        use ring::hmac;
        let url = "https://calls.example.com/api/v1/call/status";
        let signed = |token: &str| {
            let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, token.as_bytes());
            let tag = hmac::sign(&key, format!("{url}AccountSidAC1").as_bytes());
            BASE64_STANDARD.encode(tag)
        };
        let takes = |twilio: &Twilio, token| {
            let signature = signed(token);
            let webhook = Webhook {
                url,
                signature: Some(&signature),
                body: b"AccountSid=AC1",
            };
            twilio.authenticate(&webhook).is_ok()
        };
        let plain = twilio().also_signed_with(None);
        assert!(takes(&plain, "12345") && !takes(&plain, "67890"));
        let changing = twilio().also_signed_with(Some(Secret::new("67890")));
        assert!(takes(&changing, "12345") && takes(&changing, "67890"));
        assert!(!takes(&changing, "") && !takes(&changing, "1234567890"));
    }

    #[test]
    fn progress_becomes_facts() {
        let told = ("Timestamp", "Sat, 21 Nov 2026 12:00:00 +0000");
        let then = at("2026-11-21T12:00:00Z");
        let report = |fields: &[(&str, &str)]| leg(fields).unwrap().report;
        assert_eq!(report(&[("CallStatus", "initiated")]), None);
        assert_eq!(
            report(&[("CallStatus", "ringing"), told]),
            Some(Report::Ringing(then))
        );
        assert_eq!(
            report(&[("CallStatus", "in-progress"), told]),
            Some(Report::Answered(then))
        );
        assert_eq!(
            report(&[("CallStatus", "completed"), ("CallDuration", "42"), told]),
            Some(Report::LegEnd(End {
                unattended: false,
                status: EndStatus::Completed,
                seconds: Some(42),
                at: Some(then)
            }))
        );
        assert_eq!(
            report(&[("CallStatus", "ringing"), ("Timestamp", "yesterday")]),
            Some(Report::Ringing(at(RECEIVED)))
        );
    }

    #[test]
    fn machines_are_told_apart() {
        let report = |by| leg(&[("AnsweredBy", by)]).unwrap();
        assert_eq!(
            report("machine_start").report,
            Some(Report::Machine(at(RECEIVED)))
        );
        assert_eq!(report("machine_start").maybe_visitors_leg, None);
        for by in ["human", "unknown"] {
            assert_eq!(report(by).report, None);
        }
        let answered = leg(&[
            ("CallStatus", "in-progress"),
            ("AnsweredBy", "machine_start"),
        ]);
        assert_eq!(
            answered.unwrap().report,
            Some(Report::Machine(at(RECEIVED)))
        );
        let ended = leg(&[("CallStatus", "completed"), ("AnsweredBy", "fax")]).unwrap();
        assert!(matches!(ended.report, Some(Report::LegEnd(end)) if end.unattended));
    }

    #[test]
    fn a_leg_without_a_parent_may_be_the_visitors() {
        let own = form(&[("CallSid", "CA1"), ("CallStatus", "completed")]);
        let report = twilio().leg_report(&own, at(RECEIVED)).unwrap();
        assert_eq!(report.maybe_visitors_leg.as_deref(), Some("CA1"));
    }

    #[test]
    fn dials_end() {
        let end = |fields: &[(&str, &str)]| {
            let mut all = vec![("CallSid", "CA1")];
            all.extend(fields);
            twilio().dial_end(&form(&all))
        };
        let talked = [
            ("DialCallStatus", "completed"),
            ("DialBridged", "true"),
            ("DialCallDuration", "7"),
        ];
        assert!(matches!(
            end(&talked),
            Ok(End {
                unattended: false,
                seconds: Some(7),
                ..
            })
        ));
        let not = [("DialCallStatus", "completed"), ("DialBridged", "false")];
        assert!(matches!(
            end(&not),
            Ok(End {
                unattended: true,
                ..
            })
        ));
        let busy = [("DialCallStatus", "busy"), ("DialBridged", "false")];
        assert!(matches!(
            end(&busy),
            Ok(End {
                unattended: false,
                ..
            })
        ));
    }

    #[test]
    fn bad_fields_are_named() {
        let field = |error: BadForm| error.field;
        assert_eq!(
            field(leg(&[("CallStatus", "dancing")]).unwrap_err()),
            "CallStatus"
        );
        assert_eq!(field(leg(&[]).unwrap_err()), "CallStatus");
        let long = leg(&[("CallStatus", "completed"), ("CallDuration", "long")]);
        assert_eq!(field(long.unwrap_err()), "CallDuration");
        let twilio = twilio();
        for (fields, name) in [
            (vec![("To", "+14155550100")], "CallSid"),
            (vec![("CallSid", "../x"), ("To", "+14155550100")], "CallSid"),
            (vec![("CallSid", "CA1")], "To"),
            (vec![("CallSid", "CA1"), ("To", "sip:a@b")], "To"),
        ] {
            let bad = twilio.incoming(&form(&fields)).unwrap_err();
            assert_eq!(bad.field, name);
        }
        assert_eq!(
            field(twilio.dial_end(&form(&[("CallSid", "CA1")])).unwrap_err()),
            "DialCallStatus"
        );
    }

    #[test]
    fn callers_without_a_number_are_callers_too() {
        for from in [
            "anonymous",
            "sip:bob@example.com",
            "+266696687",
            "",
            "client:x",
            "+14155550123",
        ] {
            let fields = form(&[("CallSid", "CA1"), ("To", "+14155550100"), ("From", from)]);
            let incoming = twilio().incoming(&fields).unwrap();
            let withheld = incoming.visitor == Visitor::Withheld;
            assert_eq!(withheld, from != "+14155550123", "{from}");
        }
    }
}
