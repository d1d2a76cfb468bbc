//! Frames of the WebSocket API: what clients send, and what they are sent. The client
//! package's types are generated from them (`client_types.rs`).

use serde::{Deserialize, Serialize};
use serde_json::Value;
#[cfg(test)]
use ts_rs::TS;

use super::app_call::{AppCall, Notice, Reason};
use super::booking::{BookingId, Role};
use super::error_code::ErrorCode;
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
#[cfg_attr(test, derive(TS), ts(optional_fields))]
#[serde(rename_all = "camelCase")]
pub struct CallRef {
    /// The booking.
    #[cfg_attr(test, ts(as = "String"))]
    pub booking_id: BookingId,
    /// The call in it.
    #[serde(default)]
    pub call_id: Option<String>,
}

/// What a client says of itself: `join`.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(TS), ts(optional_fields))]
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
#[cfg_attr(test, derive(TS), ts(optional_fields))]
#[serde(rename_all = "camelCase")]
pub struct Initiate {
    /// The booking.
    #[cfg_attr(test, ts(as = "String"))]
    pub booking_id: BookingId,
    /// What the receiver is told of media, as it is.
    #[serde(default)]
    #[cfg_attr(test, ts(optional, type = "unknown"))]
    pub media: Option<Value>,
}

/// `callReject`.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(TS), ts(optional_fields))]
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
#[cfg_attr(test, derive(TS), ts(optional_fields))]
#[serde(rename_all = "camelCase")]
pub struct Relayed {
    /// The call.
    #[serde(flatten)]
    pub call: CallRef,
    /// An SDP offer.
    #[serde(default)]
    #[cfg_attr(test, ts(optional, type = "RTCSessionDescriptionInit"))]
    pub offer: Option<Value>,
    /// An SDP answer.
    #[serde(default)]
    #[cfg_attr(test, ts(optional, type = "RTCSessionDescriptionInit"))]
    pub answer: Option<Value>,
    /// An ICE candidate, or several; null where there are no more.
    #[serde(default, deserialize_with = "even_null")]
    #[cfg_attr(
        test,
        ts(optional, type = "RTCIceCandidateInit | null | RTCIceCandidateInit[]")
    )]
    pub candidate: Option<Value>,
}

/// A field that is there, whatever it holds: `Option` alone takes null for nothing.
fn even_null<'de, D: serde::Deserializer<'de>>(given: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(given).map(Some)
}

/// What every event of a call has.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(TS))]
#[serde(rename_all = "camelCase")]
pub struct OfCall {
    /// The booking.
    #[cfg_attr(test, ts(as = "String"))]
    pub booking_id: BookingId,
    /// The call in it.
    pub call_id: String,
    /// Counts the call's changes: whoever has seen a higher one ignores the frame.
    pub version: u64,
}

impl OfCall {
    fn new(call: &AppCall) -> Self {
        OfCall {
            booking_id: call.booking.clone(),
            call_id: call.id().to_string(),
            version: call.version,
        }
    }
}

/// `call:incoming`, `call:ringing`
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(TS), ts(optional_fields))]
#[serde(rename_all = "camelCase")]
pub struct Rings {
    /// The call.
    #[serde(flatten)]
    pub call: OfCall,
    /// Who calls.
    pub caller_id: String,
    /// Their name.
    pub caller_name: String,
    /// Who is called.
    pub receiver_id: String,
    /// Their name.
    pub receiver_name: String,
    /// What was booked.
    pub service_name: String,
    /// Until when it rings, RFC 3339.
    pub expires_at: String,
    /// What the caller said of media, as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional, type = "unknown"))]
    pub media: Option<Value>,
}

/// `call:accepted`
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(TS))]
#[serde(rename_all = "camelCase")]
pub struct Accepted {
    /// The call.
    #[serde(flatten)]
    pub call: OfCall,
    /// Who accepted.
    pub receiver_id: String,
}

/// `call:rejected`
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(TS))]
pub struct Rejected {
    /// The call.
    #[serde(flatten)]
    pub call: OfCall,
    /// `rejected` or `busy`.
    pub reason: Reason,
}

/// `call:ended`
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(TS))]
#[serde(rename_all = "camelCase")]
pub struct Ended {
    /// The call.
    #[serde(flatten)]
    pub call: OfCall,
    /// Seconds from accept to end.
    pub duration: u32,
    /// A user's id, or `server`.
    pub ended_by: String,
    /// Why.
    pub reason: Reason,
}

/// `call:offer`
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(TS))]
pub struct Offer {
    /// The call.
    #[serde(flatten)]
    pub call: OfCall,
    /// An SDP offer.
    #[cfg_attr(test, ts(type = "RTCSessionDescriptionInit"))]
    pub offer: Value,
    /// The user who sent it.
    pub from: String,
}

/// `call:answer`
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(TS))]
pub struct Answer {
    /// The call.
    #[serde(flatten)]
    pub call: OfCall,
    /// An SDP answer.
    #[cfg_attr(test, ts(type = "RTCSessionDescriptionInit"))]
    pub answer: Value,
    /// The user who sent it.
    pub from: String,
}

/// `call:ice-candidate`
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(TS))]
pub struct IceCandidate {
    /// The call.
    #[serde(flatten)]
    pub call: OfCall,
    /// An ICE candidate, or several; null where there are no more.
    #[cfg_attr(
        test,
        ts(type = "RTCIceCandidateInit | null | (RTCIceCandidateInit | null)[]")
    )]
    pub candidate: Value,
    /// The user who sent it.
    pub from: String,
}

/// `joined`
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(TS))]
#[serde(rename_all = "camelCase")]
pub struct Joined {
    /// The token's subject.
    pub user_id: String,
}

/// `error`
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(TS))]
pub struct Refused {
    /// What to act on.
    pub code: ErrorCode,
    /// What went wrong, for the developer.
    pub message: String,
    /// The action of the frame that led to it.
    pub action: String,
}

/// What a frame to a client says, by its name.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(TS))]
#[serde(tag = "event", content = "data")]
pub enum Event {
    /// The connection's user is known.
    #[serde(rename = "joined")]
    Joined(Joined),
    /// The answer to `ping`.
    #[serde(rename = "pong")]
    Pong {},
    /// A frame was not taken; the connection stays.
    #[serde(rename = "error")]
    Error(Refused),
    /// A call rings here.
    #[serde(rename = "call:incoming")]
    Incoming(Rings),
    /// A call rings there.
    #[serde(rename = "call:ringing")]
    Ringing(Rings),
    /// The call runs.
    #[serde(rename = "call:accepted")]
    Accepted(Accepted),
    /// The receiver declined.
    #[serde(rename = "call:rejected")]
    Rejected(Rejected),
    /// The call is over, for this device at least.
    #[serde(rename = "call:ended")]
    Ended(Ended),
    /// From the other device.
    #[serde(rename = "call:offer")]
    Offer(Offer),
    /// From the other device.
    #[serde(rename = "call:answer")]
    Answer(Answer),
    /// From the other device.
    #[serde(rename = "call:ice-candidate")]
    IceCandidate(IceCandidate),
}

/// What devices send each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// `callOffer`, `call:offer`
    Offer,
    /// `callAnswer`, `call:answer`
    Answer,
    /// `callIceCandidate`, `call:ice-candidate`
    IceCandidate,
}

impl Signal {
    /// The field that holds it, in what comes and in what goes.
    pub fn field(self) -> &'static str {
        match self {
            Signal::Offer => "offer",
            Signal::Answer => "answer",
            Signal::IceCandidate => "candidate",
        }
    }
}

/// A frame to a client.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(TS))]
pub struct Sent {
    /// What it says.
    #[serde(flatten)]
    pub event: Event,
    /// The `id` of the frame that it answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional, type = "string | number"))]
    pub id: Option<FrameId>,
}

impl From<Event> for Sent {
    /// A frame that answers none.
    fn from(event: Event) -> Self {
        Sent { event, id: None }
    }
}

impl Sent {
    /// The same as the answer to a frame.
    #[must_use]
    pub fn answering(mut self, id: Option<&FrameId>) -> Self {
        self.id = id.cloned();
        self
    }

    /// `joined`
    pub fn joined(user: &str) -> Self {
        let user_id = user.to_owned();
        Event::Joined(Joined { user_id }).into()
    }

    /// `pong`
    pub fn pong() -> Self {
        Event::Pong {}.into()
    }

    /// `error`
    pub fn error(code: ErrorCode, message: String, action: String) -> Self {
        let refused = Refused {
            code,
            message,
            action,
        };
        Event::Error(refused).into()
    }

    /// A notice about a call, in words, to the user `to`. Each carries the call's version:
    /// frames overtake each other, and a client ignores one that is older than what it has
    /// seen.
    pub fn notice(about: &AppCall, notice: Notice, to: &str, now: Timestamp) -> Self {
        let call = OfCall::new(about);
        let known_as = |user| known_as(about, user, to).to_owned();
        let event = match notice {
            Notice::Incoming => Event::Incoming(rings(about, to)),
            Notice::Ringing => Event::Ringing(rings(about, to)),
            Notice::Accepted => {
                let receiver_id = known_as(&about.receiver.user);
                Event::Accepted(Accepted { call, receiver_id })
            }
            Notice::Rejected => {
                let reason = about.end.as_ref().map(|end| end.reason);
                let reason = reason.unwrap_or(Reason::Rejected);
                Event::Rejected(Rejected { call, reason })
            }
            Notice::AnsweredElsewhere => Event::Ended(Ended {
                call,
                duration: 0,
                ended_by: known_as(&about.receiver.user),
                reason: Reason::AnsweredElsewhere,
            }),
            Notice::Ended => {
                let end = about.end(now);
                let by = end.as_ref().and_then(|end| end.by.as_deref());
                Event::Ended(Ended {
                    call,
                    duration: end.as_ref().map_or(0, |end| about.duration(end)),
                    ended_by: by.map_or_else(|| "server".to_owned(), known_as),
                    reason: end.as_ref().map_or(Reason::Failed, |end| end.reason),
                })
            }
        };
        event.into()
    }

    /// What the user `from`'s device sends the device of the user `to`, as it is.
    pub fn relayed(about: &AppCall, signal: Signal, value: Value, from: &str, to: &str) -> Self {
        let call = OfCall::new(about);
        let from = known_as(about, from, to).to_owned();
        let event = match signal {
            Signal::Offer => Event::Offer(Offer {
                call,
                offer: value,
                from,
            }),
            Signal::Answer => Event::Answer(Answer {
                call,
                answer: value,
                from,
            }),
            Signal::IceCandidate => Event::IceCandidate(IceCandidate {
                call,
                candidate: value,
                from,
            }),
        };
        event.into()
    }
}

fn rings(call: &AppCall, to: &str) -> Rings {
    let media = call.media.as_deref().map(serde_json::from_str);
    Rings {
        call: OfCall::new(call),
        caller_id: known_as(call, &call.caller.user, to).to_owned(),
        caller_name: call.caller.name.clone(),
        receiver_id: known_as(call, &call.receiver.user, to).to_owned(),
        receiver_name: call.receiver.name.clone(),
        service_name: call.service_name.clone(),
        expires_at: time::rfc3339(call.ring_until),
        media: media.and_then(Result::ok),
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
    use serde_json::json;

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
        let relayed = Sent::relayed(call, Signal::Offer, json!("sdp"), other, to);
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
                let ringing = json!(Sent::notice(&call, Notice::Ringing, to, NOW));
                assert_eq!(ringing["data"]["callerId"], call.caller.user);
                assert_eq!(ringing["data"]["receiverId"], call.receiver.user);
            }
        }
    }
}
