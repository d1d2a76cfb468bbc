//! Frames of the WebSocket API: what clients send, and what they are sent.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::app_call::{AppCall, Notice, Reason};
use super::booking::{BookingId, Role};
use super::time::{self, Timestamp};

/// How the owner of a tag goes by towards a visitor of it.
const OWNER: &str = "owner";
/// The longest `id` of a frame, bytes as JSON.
const MAX_ID: usize = 128;

/// A frame from a client.
#[derive(Debug, Deserialize)]
pub struct Frame<T> {
    /// What the answer carries, too.
    #[serde(default)]
    pub id: Option<FrameId>,
    /// What the action takes.
    pub data: T,
}

/// A frame's `id`: a string or a number that the client chose.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Value", into = "Value")]
pub struct FrameId(Value);

impl TryFrom<Value> for FrameId {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        let plain = value.is_string() || value.is_number();
        match plain && value.to_string().len() <= MAX_ID {
            true => Ok(FrameId(value)),
            false => Err(format!(
                "invalid value, expected a string or a number of at most {MAX_ID} bytes"
            )),
        }
    }
}

impl From<FrameId> for Value {
    fn from(id: FrameId) -> Value {
        id.0
    }
}

/// Which call a frame is about: the one of that id, else the booking's newest.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CallRef {
    /// The booking.
    pub booking_id: BookingId,
    /// The call in it.
    #[serde(default)]
    pub call_id: Option<String>,
}

/// What a client says of itself: `join`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Join {
    /// Must be the token's subject.
    pub user_id: String,
    /// The call that this device is in: it takes it over from its own old connection,
    /// which may still be open.
    #[serde(default)]
    pub call_id: Option<String>,
}

/// `callInitiate`. Who calls whom comes from the token and the booking.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Initiate {
    /// The booking.
    pub booking_id: BookingId,
    /// What the receiver is told of media, as it is.
    #[serde(default)]
    pub media: Option<Value>,
}

/// `callReject`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reject {
    /// The call.
    #[serde(flatten)]
    pub call: CallRef,
    /// `rejected` or `busy`.
    #[serde(default)]
    pub reason: Option<String>,
}

/// `callOffer`, `callAnswer`, `callIceCandidate`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Relayed {
    /// The call.
    #[serde(flatten)]
    pub call: CallRef,
    /// An SDP offer.
    #[serde(default)]
    pub offer: Option<Value>,
    /// An SDP answer.
    #[serde(default)]
    pub answer: Option<Value>,
    /// An ICE candidate, or several.
    #[serde(default)]
    pub candidate: Option<Value>,
}

/// A frame to a client.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sent {
    /// Its name.
    pub event: &'static str,
    /// The `id` of the frame that it answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<FrameId>,
    /// What it says.
    pub data: Value,
}

impl Sent {
    /// A frame that answers none.
    pub fn new(event: &'static str, data: Value) -> Self {
        let id = None;
        Sent { event, id, data }
    }

    /// The same as the answer to a frame.
    #[must_use]
    pub fn answering(mut self, id: Option<&FrameId>) -> Self {
        self.id = id.cloned();
        self
    }

    /// `joined`
    pub fn joined(user: &str) -> Self {
        Self::new("joined", json!({"userId": user}))
    }

    /// `pong`
    pub fn pong() -> Self {
        Self::new("pong", json!({}))
    }

    /// `error`
    pub fn error(code: &str, message: &str, action: &str) -> Self {
        let data = json!({"code": code, "message": message, "action": action});
        Self::new("error", data)
    }

    /// A notice about a call, in words, to the user `to`. Each carries the call's version:
    /// frames overtake each other, and a client ignores one that is older than what it has
    /// seen.
    pub fn notice(call: &AppCall, notice: Notice, to: &str, now: Timestamp) -> Self {
        let known_as = |user| known_as(call, user, to);
        let mut data = json!({
            "bookingId": call.booking,
            "callId": call.id().to_string(),
            "version": call.version,
        });
        let mut add = |name: &str, value: Value| data[name] = value;
        let event = match notice {
            Notice::Incoming | Notice::Ringing => {
                add("callerId", json!(known_as(&call.caller.user)));
                add("callerName", json!(call.caller.name));
                add("receiverId", json!(known_as(&call.receiver.user)));
                add("receiverName", json!(call.receiver.name));
                add("serviceName", json!(call.service_name));
                add("expiresAt", json!(time::rfc3339(call.ring_until)));
                let media = call.media.as_deref().map(serde_json::from_str::<Value>);
                if let Some(Ok(media)) = media {
                    add("media", media);
                }
                match notice {
                    Notice::Incoming => "call:incoming",
                    _ => "call:ringing",
                }
            }
            Notice::Accepted => {
                add("receiverId", json!(known_as(&call.receiver.user)));
                "call:accepted"
            }
            Notice::Rejected => {
                let reason = call.end.as_ref().map(|end| end.reason);
                add("reason", json!(reason.unwrap_or(Reason::Rejected)));
                "call:rejected"
            }
            Notice::AnsweredElsewhere => {
                add("duration", json!(0));
                add("endedBy", json!(known_as(&call.receiver.user)));
                add("reason", json!(Reason::AnsweredElsewhere));
                "call:ended"
            }
            Notice::Ended => {
                let end = call.end(now);
                let duration = end.as_ref().map_or(0, |end| call.duration(end));
                let by = end.as_ref().and_then(|end| end.by.as_deref());
                add("duration", json!(duration));
                add("endedBy", json!(by.map_or("server", known_as)));
                add(
                    "reason",
                    json!(end.map_or(Reason::Failed, |end| end.reason)),
                );
                "call:ended"
            }
        };
        Self::new(event, data)
    }

    /// What the user `from`'s device sends the device of the user `to`, as it is.
    pub fn relayed(
        event: &'static str,
        call: &AppCall,
        field: &str,
        value: Value,
        from: &str,
        to: &str,
    ) -> Self {
        let mut data = json!({
            "bookingId": call.booking,
            "callId": call.id().to_string(),
            "version": call.version,
            "from": known_as(call, from, to),
        });
        data[field] = value;
        Self::new(event, data)
    }
}

/// What a frame to the user `to` calls a party of a call: by their id, but that a visitor
/// is not told who the owner of a tag is.
fn known_as<'a>(call: &AppCall, party: &'a str, to: &str) -> &'a str {
    let visitor = call.booking.is_visit().then(|| call.party_as(Role::User));
    match visitor {
        Some(visitor) if visitor.user == to && party != to => OWNER,
        _ => party,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::domain::app_call::{Act, Device, Times};
    use crate::domain::booking::{Booking, Status};

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn device(user: &str) -> Device {
        let (user, connection) = (user.to_owned(), format!("of-{user}"));
        Device { user, connection }
    }

    /// A call that each of the two has begun, while it rings, while it runs, and over by
    /// each of the two and by nobody.
    fn calls(booking: &str) -> Vec<AppCall> {
        let booking = Booking {
            id: booking.parse().unwrap(),
            user_id: "visitor-1".into(),
            user_name: "Visitor at Van".into(),
            provider_id: "asha-the-owner".into(),
            provider_name: "Van".into(),
            service_name: "Van".into(),
            status: Status::Accepted,
            tag: None,
            open_until: None,
            expires_at: None,
            created_at: NOW,
            updated_at: NOW,
        };
        let times = Times {
            ring: 45,
            talk: 60,
            gone: 60,
            retention: 60,
        };
        let mut calls = Vec::new();
        for caller in [Role::User, Role::Provider] {
            let by = device(booking.id_of(caller));
            let other = device(booking.id_of(caller.other()));
            let call = AppCall::start(&booking, 1, caller, &by.connection, None, &times, NOW);
            let running = call.apply(Act::Accept, &other, NOW).unwrap().call;
            for (call, act, by) in [
                (&call, Act::Hangup, &by),
                (&call, Act::Unreachable, &by),
                (&call, Act::Reject(Reason::Busy), &other),
                (&running, Act::Hangup, &by),
                (&running, Act::Hangup, &other),
            ] {
                calls.push(call.apply(act, by, NOW).unwrap().call);
            }
            calls.extend([call, running]);
        }
        calls
    }

    fn frames<'a>(call: &'a AppCall, to: &'a str) -> impl Iterator<Item = String> + 'a {
        let notices = [
            Notice::Incoming,
            Notice::Ringing,
            Notice::Accepted,
            Notice::Rejected,
            Notice::Ended,
            Notice::AnsweredElsewhere,
        ];
        let notices = notices.map(|notice| Sent::notice(call, notice, to, NOW));
        let other = match to {
            "visitor-1" => "asha-the-owner",
            _ => "visitor-1",
        };
        let relayed = Sent::relayed("call:offer", call, "offer", json!("sdp"), other, to);
        let frames = notices.into_iter().chain([relayed]);
        frames.map(|frame| serde_json::to_string(&frame).unwrap())
    }

    #[test]
    fn no_frame_tells_a_visitor_who_the_owner_is() {
        let mut stand_ins = 0;
        for call in calls("visit:1") {
            for frame in frames(&call, "visitor-1") {
                assert!(!frame.contains("asha-the-owner"), "{frame}");
                stand_ins += frame.matches("\"owner\"").count();
            }
        }
        assert!(stand_ins > 50, "{stand_ins}");
    }

    #[test]
    fn everybody_else_goes_by_their_id() {
        for (booking, to) in [
            ("visit:1", "asha-the-owner"),
            ("b", "asha-the-owner"),
            ("b", "visitor-1"),
        ] {
            for call in calls(booking) {
                for frame in frames(&call, to) {
                    assert!(!frame.contains("\"owner\""), "{frame}");
                }
                let ringing = Sent::notice(&call, Notice::Ringing, to, NOW);
                assert_eq!(ringing.data["callerId"], call.caller.user);
                assert_eq!(ringing.data["receiverId"], call.receiver.user);
            }
        }
    }
}
