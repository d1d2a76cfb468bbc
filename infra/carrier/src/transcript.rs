//! What a call looked and sounded like to each side, and what was sent for it.

use serde::{Deserialize, Serialize};

/// The story of one call.
///
/// It is made to be shown around, so it never holds a real number whole: those
/// are masked, and only virtual numbers are readable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Transcript {
    /// The visitor's leg.
    pub call_sid: String,
    /// What decided the network's behaviour; the same seed repeats it.
    pub seed: u64,
    /// The visitor's side.
    pub visitor: VisitorSide,
    /// The owner's side.
    pub owner: OwnerSide,
    /// Whether the owner saw or heard the visitor's number: masking has failed.
    pub owner_saw_visitor_number: bool,
    /// Whether the visitor heard the owner's number: masking has failed.
    pub visitor_saw_owner_number: bool,
    /// Every request in the order it was sent.
    pub requests: Vec<RequestLog>,
    /// How the visitor's leg ended.
    pub call_status: CallStatus,
    /// How the last `<Dial>` ended, if there was one.
    pub dial_call_status: Option<CallStatus>,
    /// What Twilio would have put into its debugger.
    pub errors: Vec<Fault>,
}

/// What the visitor did and noticed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VisitorSide {
    /// The number dialled; empty where the application had the visitor called.
    pub dialled: String,
    /// What came out of the phone, in order.
    pub heard: Vec<String>,
    /// The number that the phone showed.
    pub saw: String,
    /// What was keyed in, one entry for each time.
    pub keyed: Vec<String>,
}

/// What the owner noticed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnerSide {
    /// Whether the phone rang.
    pub rang: bool,
    /// What came out of the phone, in order.
    pub heard: Vec<String>,
    /// The caller id that the phone showed, if it was called at all.
    pub saw: Option<String>,
}

/// One request to the application.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestLog {
    /// When what it reports happened, in the call's own time (RFC 3339).
    pub at: String,
    /// What it was for.
    pub kind: RequestKind,
    /// The `CallStatus` it carried, if any.
    pub call_status: Option<CallStatus>,
    /// The answer's status; none when there was no answer.
    pub http_status: Option<u16>,
    /// How long the answer took.
    pub millis: u64,
    /// 0 for the delivery itself, from 1 for repetitions.
    pub copy: u32,
    /// Whether the network lost it, as planned.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lost: bool,
}

/// What a request was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RequestKind {
    /// A call came in, or one that was asked for was answered: what now?
    Voice,
    /// Digits were keyed in: what now?
    Gather,
    /// TwiML said to go on elsewhere.
    Redirect,
    /// The owner answered: what is said to them before they are connected?
    Whisper,
    /// A `<Dial>` ended: what now?
    DialStatus,
    /// The owner's leg changed, or that of a visitor who was called.
    Status,
    /// Machine detection has a result.
    Amd,
}

impl RequestKind {
    /// As it is written in a transcript.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Voice => "voice",
            Self::Gather => "gather",
            Self::Redirect => "redirect",
            Self::Whisper => "whisper",
            Self::DialStatus => "dial-status",
            Self::Status => "status",
            Self::Amd => "amd",
        }
    }
}

/// Where a leg is in its life, in Twilio's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CallStatus {
    /// Set up, not ringing yet.
    Initiated,
    /// Ringing, or not answered yet.
    Ringing,
    /// Answered.
    InProgress,
    /// Ended after an answer.
    Completed,
    /// The line was taken, or the call was declined.
    Busy,
    /// Nobody answered.
    NoAnswer,
    /// Could not be connected.
    Failed,
    /// Given up before an answer.
    Canceled,
}

impl CallStatus {
    /// As Twilio writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Initiated => "initiated",
            Self::Ringing => "ringing",
            Self::InProgress => "in-progress",
            Self::Completed => "completed",
            Self::Busy => "busy",
            Self::NoAnswer => "no-answer",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
        }
    }
}

/// Something the application did that Twilio would complain about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{code} {message}")]
pub struct Fault {
    /// Twilio's error code.
    pub code: u32,
    /// What is wrong.
    pub message: String,
}

impl Fault {
    pub(crate) fn new(code: u32, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }
}
