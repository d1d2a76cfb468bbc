//! Frames of the WebSocket API: what clients send, and what they are sent.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::app_call::{AppCall, Notice, Reason};
use super::booking::BookingId;
use super::time::{self, Timestamp};

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

    /// A notice about a call, in words. Each carries the call's version: frames overtake
    /// each other, and a client ignores one that is older than what it has seen.
    pub fn notice(call: &AppCall, notice: Notice, now: Timestamp) -> Self {
        let mut data = json!({
            "bookingId": call.booking,
            "callId": call.id().to_string(),
            "version": call.version,
        });
        let mut add = |name: &str, value: Value| data[name] = value;
        let event = match notice {
            Notice::Incoming | Notice::Ringing => {
                add("callerId", json!(call.caller.user));
                add("callerName", json!(call.caller.name));
                add("receiverId", json!(call.receiver.user));
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
                add("receiverId", json!(call.receiver.user));
                "call:accepted"
            }
            Notice::Rejected => {
                let reason = call.end.as_ref().map(|end| end.reason);
                add("reason", json!(reason.unwrap_or(Reason::Rejected)));
                "call:rejected"
            }
            Notice::AnsweredElsewhere => {
                add("duration", json!(0));
                add("endedBy", json!(call.receiver.user));
                add("reason", json!(Reason::AnsweredElsewhere));
                "call:ended"
            }
            Notice::Ended => {
                let end = call.end(now);
                let duration = end.as_ref().map_or(0, |end| call.duration(end));
                let by = end.as_ref().and_then(|end| end.by.as_deref());
                add("duration", json!(duration));
                add("endedBy", json!(by.unwrap_or("server")));
                add(
                    "reason",
                    json!(end.map_or(Reason::Failed, |end| end.reason)),
                );
                "call:ended"
            }
        };
        Self::new(event, data)
    }

    /// What one party's device sends the other's, as it is.
    pub fn relayed(
        event: &'static str,
        call: &AppCall,
        field: &str,
        value: Value,
        from: &str,
    ) -> Self {
        let mut data = json!({
            "bookingId": call.booking,
            "callId": call.id().to_string(),
            "version": call.version,
            "from": from,
        });
        data[field] = value;
        Self::new(event, data)
    }
}
