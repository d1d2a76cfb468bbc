//! A masked phone call: what the carrier reported of it, and what that adds up to.
//!
//! The carrier delivers callbacks in any order, repeats some and loses others, so
//! a call is kept as a set of facts rather than as a status:
//!
//! | fact | comes from | two of them join as |
//! |---|---|---|
//! | ringing | the owner's leg rings | the earlier |
//! | answered | the owner's leg is answered | the earlier |
//! | machine | an answering machine was heard | the earlier |
//! | leg end | the owner's leg ended | the greater |
//! | visitor end | a visitor who asked to be rung was not reached | the greater |
//! | visitor gone | a visitor who asked to be rung had answered, and hung up | the earlier |
//! | dial end | the dial as a whole ended | the greater |
//!
//! Each join is commutative, associative and idempotent, so every order and
//! repetition of the same deliveries leaves the same facts, and [`PhoneCall::outcome`],
//! a function of the facts alone, the same status, duration and times. Each fact is
//! one attribute of the item, so that recording it is one conditional write.

use std::borrow::Cow;
use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::phone::{PhoneNumber, whole};
use super::tag::{Line, TagCode};
use super::time::{self, Timestamp, add_seconds, seconds_between};

/// Where a call stands in its tag's history: the line, and the call's number on
/// it, from 1 without gaps. Its text, `line.seq`, is the call's public id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallId {
    /// The tag's series of calls.
    pub line: Line,
    /// The call's number in that series.
    pub seq: u64,
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.line.as_str(), self.seq)
    }
}

impl FromStr for CallId {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let (line, seq) = text.split_once('.').ok_or("not a call id")?;
        Ok(CallId {
            line: line.parse()?,
            seq: seq.parse().map_err(|_| "not a call id")?,
        })
    }
}

/// The other party of a call, as far as the network told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Visitor {
    /// Called from this number. Proves nothing: numbers can be spoofed.
    Number(PhoneNumber),
    /// Withheld, or not a phone number (`anonymous`, a SIP address).
    Withheld,
}

impl Visitor {
    const WITHHELD: &'static str = "anonymous";

    /// Reads the carrier's `From`.
    pub fn read(from: &str) -> Self {
        PhoneNumber::from_e164(from).map_or(Visitor::Withheld, Visitor::Number)
    }

    /// `anonymous`, or the number masked.
    pub fn masked(&self) -> String {
        match self {
            Visitor::Number(number) => number.masked(),
            Visitor::Withheld => Self::WITHHELD.to_owned(),
        }
    }
}

/// For database items: the number whole.
mod visitor_item {
    use super::{Deserialize, Deserializer, Serializer, Visitor};

    pub fn serialize<S: Serializer>(visitor: &Visitor, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(match visitor {
            Visitor::Number(number) => number.expose(),
            Visitor::Withheld => Visitor::WITHHELD,
        })
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Visitor, D::Error> {
        Ok(Visitor::read(&String::deserialize(from)?))
    }
}

/// How the owner's leg ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndStatus {
    /// Cut off while ringing, by the visitor.
    Canceled,
    /// Could not be put through.
    Failed,
    /// Rang until the ring timeout.
    NoAnswer,
    /// Busy, or declined: the network makes no difference.
    Busy,
    /// Answered, then hung up.
    Completed,
}

impl EndStatus {
    /// Twilio's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            EndStatus::Canceled => "canceled",
            EndStatus::Failed => "failed",
            EndStatus::NoAnswer => "no-answer",
            EndStatus::Busy => "busy",
            EndStatus::Completed => "completed",
        }
    }

    /// Reads Twilio's word; `answered` is how a dial says `completed`.
    pub fn read(word: &str) -> Option<Self> {
        Some(match word {
            "canceled" => EndStatus::Canceled,
            "failed" => EndStatus::Failed,
            "no-answer" => EndStatus::NoAnswer,
            "busy" => EndStatus::Busy,
            "completed" | "answered" => EndStatus::Completed,
            _ => return None,
        })
    }
}

/// An end as the carrier told it. Of two contradictory ones the greater stands, by
/// the order of their texts, because that is how DynamoDB compares them; what
/// matters is only that the order is total and the same everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    /// The carrier said that nobody talked: a machine answered, or the legs were never bridged.
    pub unattended: bool,
    /// How it ended.
    pub status: EndStatus,
    /// Seconds from answer to hang-up, as the carrier billed them; `None` where it did not say.
    pub seconds: Option<u32>,
    /// When, by the carrier's clock, where it said.
    pub at: Option<Timestamp>,
}

/// The end as one word list, `1 attended completed 42 2026-11-21T12:00:00.000Z`:
/// one attribute, readable in the console. The leading 1 puts ends that tell
/// everything above those that do not.
impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let attended = if self.unattended {
            "unattended"
        } else {
            "attended"
        };
        let class = u8::from(self.says_all());
        write!(f, "{class} {attended} {} ", self.status.as_str())?;
        match self.seconds {
            Some(seconds) => write!(f, "{seconds} ")?,
            None => f.write_str("- ")?,
        }
        match self.at {
            Some(at) => f.write_str(&time::rfc3339(at)),
            None => f.write_str("-"),
        }
    }
}

impl FromStr for End {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        const ERROR: &str = "not an end";
        let mut words = text.split(' ');
        let mut word = || words.next().ok_or(ERROR);
        let _class = word()?;
        let unattended = match word()? {
            "unattended" => true,
            "attended" => false,
            _ => return Err(ERROR),
        };
        let status = EndStatus::read(word()?).ok_or(ERROR)?;
        let seconds = match word()? {
            "-" => None,
            seconds => Some(seconds.parse().map_err(|_| ERROR)?),
        };
        let at = match word()? {
            "-" => None,
            at => Some(at.parse().map_err(|_| ERROR)?),
        };
        Ok(End {
            unattended,
            status,
            seconds,
            at,
        })
    }
}

impl Serialize for End {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for End {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

impl PartialOrd for End {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for End {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.to_string().cmp(&other.to_string())
    }
}

/// One delivery of the carrier, as the fact that it tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Report {
    /// The owner's phone rings, since then.
    Ringing(Timestamp),
    /// The owner's leg was answered, at that time.
    Answered(Timestamp),
    /// What answered is a machine; heard at that time.
    Machine(Timestamp),
    /// The owner's leg ended.
    LegEnd(End),
    /// The dial ended, and with it the visitor's wait.
    DialEnd(End),
    /// A visitor who asked to be rung was not reached, so that the owner never was.
    VisitorEnd(End),
    /// A visitor who asked to be rung had answered, and hung up at that time: before
    /// the owner was dialled, unless something is heard of the owner's leg.
    VisitorGone(Timestamp),
}

/// What is known of a call's course; see the module's table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Facts {
    #[serde(with = "time::text::option", skip_serializing_if = "Option::is_none")]
    ringing_at: Option<Timestamp>,
    #[serde(with = "time::text::option", skip_serializing_if = "Option::is_none")]
    answered_at: Option<Timestamp>,
    #[serde(with = "time::text::option", skip_serializing_if = "Option::is_none")]
    machine_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    leg_end: Option<End>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dial_end: Option<End>,
    #[serde(skip_serializing_if = "Option::is_none")]
    visitor_end: Option<End>,
    #[serde(with = "time::text::option", skip_serializing_if = "Option::is_none")]
    visitor_gone_at: Option<Timestamp>,
    /// When the first end was received, by our clock: the end's time where the
    /// carrier told none.
    #[serde(with = "time::text::option", skip_serializing_if = "Option::is_none")]
    end_received_at: Option<Timestamp>,
}

impl Facts {
    /// The facts with one more. `received` is when it came, by our clock. This is
    /// what the store's conditional write does to the item.
    #[must_use]
    pub fn with(mut self, report: Report, received: Timestamp) -> Self {
        let earlier = |known: Option<Timestamp>, at| Some(known.map_or(at, |known| known.min(at)));
        match report {
            Report::Ringing(at) => self.ringing_at = earlier(self.ringing_at, at),
            Report::Answered(at) => self.answered_at = earlier(self.answered_at, at),
            Report::Machine(at) => self.machine_at = earlier(self.machine_at, at),
            Report::LegEnd(end) => self.leg_end = self.leg_end.max(Some(end)),
            Report::DialEnd(end) => self.dial_end = self.dial_end.max(Some(end)),
            Report::VisitorEnd(end) => self.visitor_end = self.visitor_end.max(Some(end)),
            Report::VisitorGone(at) => self.visitor_gone_at = earlier(self.visitor_gone_at, at),
        }
        if matches!(
            report,
            Report::LegEnd(_) | Report::DialEnd(_) | Report::VisitorEnd(_)
        ) {
            self.end_received_at = self.end_received_at.or(Some(received));
        }
        self
    }

    /// Whether the outcome can never depend on this report, whatever else may
    /// still arrive: the owner's leg has said how it ended, and the dial adds nothing;
    /// or the call has an end, and that the visitor hung up is no news.
    pub fn make_redundant(&self, report: Report) -> bool {
        match report {
            Report::DialEnd(end) => {
                self.dial_end.is_some_and(|known| known >= end)
                    || (self.leg_end.is_some_and(|leg| leg.says_all()) && !end.unattended)
            }
            Report::VisitorGone(_) => {
                let ends = [self.leg_end, self.dial_end, self.visitor_end];
                ends.iter().any(Option::is_some)
            }
            _ => false,
        }
    }

    /// What the facts add up to. The owner's leg speaks for itself; the dial's end
    /// stands in while the leg has not been heard. So a late report may still put an
    /// end right (`completed` becomes `no-answer` once a machine was heard), but the
    /// same reports always come to the same end.
    pub fn outcome(&self) -> Outcome {
        // Any sign of the owner's leg says that the visitor was reached after all.
        let reached = self
            .ringing_at
            .or(self.answered_at)
            .or(self.machine_at)
            .is_some();
        let visitor_end = self.visitor_end.filter(|_| !reached);
        let Some(end) = self.leg_end.or(self.dial_end).or(visitor_end) else {
            let status = match (self.answered_at.or(self.machine_at), self.ringing_at) {
                (Some(_), _) => Status::InProgress,
                (None, Some(_)) => Status::Ringing,
                (None, None) => Status::Initiated,
            };
            return Outcome {
                status,
                duration: 0,
                answered_at: self.answered_at,
                ended_at: None,
            };
        };
        let dial = self.dial_end;
        let unattended =
            end.unattended || dial.is_some_and(|dial| dial.unattended) || self.machine_at.is_some();
        let status = End { unattended, ..end }.attended_status();
        let seconds = end.seconds.or(dial.and_then(|dial| dial.seconds));
        let ended_at = end
            .at
            .or_else(|| Some(add_seconds(self.answered_at?, i64::from(seconds?))))
            .or(self.end_received_at);
        if status != EndStatus::Completed {
            return Outcome {
                status: Status::Ended(status),
                duration: 0,
                answered_at: None,
                ended_at,
            };
        }
        let duration = seconds
            .or_else(|| Some(seconds_between(self.answered_at?, ended_at?)))
            .unwrap_or(0);
        let answered_at = self
            .answered_at
            .or_else(|| Some(add_seconds(ended_at?, -i64::from(duration))));
        Outcome {
            status: Status::Ended(status),
            duration,
            answered_at,
            ended_at,
        }
    }
}

impl Facts {
    /// Whether the owner was rung, or should have been, and nobody talked: what an
    /// owner is told of.
    pub fn missed(&self) -> bool {
        let missed = matches!(
            self.outcome().status,
            Status::Ended(EndStatus::Busy | EndStatus::NoAnswer | EndStatus::Failed)
        );
        missed && (self.leg_end.is_some() || self.dial_end.is_some())
    }

    /// How many seconds the owner's phone rang before it was answered, as far as both are
    /// known.
    pub fn rang(&self) -> Option<u32> {
        Some(seconds_between(self.ringing_at?, self.answered_at?))
    }

    /// Whether the end that was received then is the first one.
    pub fn first_end_came(&self, received: Timestamp) -> bool {
        // Stored to the millisecond.
        let first = self.end_received_at.map(|first| first.as_millisecond());
        first == Some(received.as_millisecond())
    }
}

impl End {
    /// An end that the carrier did not report, at `at` by our clock.
    pub fn ours(status: EndStatus, at: Timestamp) -> Self {
        End {
            unattended: false,
            status,
            seconds: Some(0),
            at: Some(at),
        }
    }

    /// The status, where a machine that answers is nobody who answers.
    pub fn attended_status(self) -> EndStatus {
        match self.status {
            EndStatus::Completed if self.unattended => EndStatus::NoAnswer,
            status => status,
        }
    }

    /// Whether it tells status, duration and time all by itself.
    fn says_all(self) -> bool {
        self.at.is_some() && (self.status != EndStatus::Completed || self.seconds.is_some())
    }
}

/// Where a call is. Only moves forward, ends once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// The carrier was told to ring the owner.
    Initiated,
    /// The owner's phone rings.
    Ringing,
    /// Somebody, or something, answered.
    InProgress,
    /// Over.
    Ended(EndStatus),
}

impl Status {
    /// Twilio's word for it, which is also ours.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Initiated => "initiated",
            Status::Ringing => "ringing",
            Status::InProgress => "in-progress",
            Status::Ended(end) => end.as_str(),
        }
    }
}

impl Serialize for Status {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.as_str())
    }
}

/// What a call came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// Where the call is.
    pub status: Status,
    /// Connected seconds, 0 if nobody answered.
    pub duration: u32,
    /// When a person answered; while the call runs, when it was answered.
    pub answered_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

/// A call as it begins.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NewCall {
    /// The tag's code, as it was when the call was made.
    pub tag: TagCode,
    /// Who is called.
    #[serde(with = "whole")]
    pub owner_phone: PhoneNumber,
    /// Who calls.
    #[serde(with = "visitor_item")]
    pub visitor: Visitor,
    /// What both see instead of each other's number.
    #[serde(with = "whole")]
    pub virtual_number: PhoneNumber,
    /// What asked for the call: one request, one record, however often it is repeated.
    pub origin: Origin,
    /// The carrier's id of the visitor's leg, once there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub twilio_call_sid: Option<String>,
    /// What the client wants to find again in the history.
    #[serde(
        with = "json_text",
        default,
        skip_serializing_if = "serde_json::Map::is_empty"
    )]
    pub metadata: serde_json::Map<String, serde_json::Value>,
    /// When the record was made.
    #[serde(with = "time::text")]
    pub created_at: Timestamp,
    /// When the call cannot be alive any more, whatever was reported of it.
    #[serde(with = "time::text")]
    pub lapses_at: Timestamp,
    /// When the record may be removed, Unix seconds (DynamoDB's TTL attribute).
    pub expires_at: i64,
}

/// For database items: JSON as one text, because DynamoDB's own numbers and nesting
/// are narrower than JSON's.
mod json_text {
    use super::{Deserialize, Deserializer, Serializer};
    use serde::{de, ser};
    use serde_json::{Map, Value};

    pub fn serialize<S: Serializer>(map: &Map<String, Value>, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&serde_json::to_string(map).map_err(ser::Error::custom)?)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Map<String, Value>, D::Error> {
        serde_json::from_str(&String::deserialize(from)?).map_err(de::Error::custom)
    }
}

/// What asked for a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Origin(String);

impl Origin {
    /// A visitor's call, by the carrier's id of it.
    pub fn call(call_sid: &str) -> Self {
        Origin(call_sid.to_owned())
    }

    /// A request that said how it is to be recognised, by a hash of its idempotency
    /// key. `random` tells it from its repetitions.
    pub fn key(hash: &str, random: u64) -> Self {
        Origin(format!("key:{hash}:{random:016x}"))
    }

    /// A request that is never repeated.
    pub fn once(random: u64) -> Self {
        Origin(format!("once:{random:016x}"))
    }

    /// Whether one is a repetition of the other, or the other itself.
    pub fn same_request(&self, other: &Self) -> bool {
        let stem = |origin: &Self| match origin.0.rsplit_once(':') {
            Some((stem, _)) if stem.starts_with("key:") => stem.to_owned(),
            _ => origin.0.clone(),
        };
        stem(self) == stem(other)
    }

    /// How long a repetition is recognised, seconds. Twilio gives up on a webhook,
    /// its retries included, after 15 s, and on a fallback URL after as long again.
    pub fn repeat_window(&self) -> i64 {
        match self.0.split_once(':') {
            Some(("key", _)) => 600,
            Some(_) => 0,
            None => 40,
        }
    }
}

impl NewCall {
    /// The same call, made no earlier than `at`; it is kept as much longer.
    fn not_before(mut self, at: Timestamp) -> Self {
        if self.created_at < at {
            let later = i64::from(seconds_between(self.created_at, at));
            self.expires_at += later;
            self.lapses_at = add_seconds(self.lapses_at, later);
            self.created_at = at;
        }
        self
    }
}

/// A call as it is stored. `Serialize` here writes database items, with numbers
/// whole; what an API client sees is [`HistoryEntry`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PhoneCall {
    /// The series of calls it belongs to.
    pub line: Line,
    /// Its number there.
    pub seq: u64,
    /// As it began.
    #[serde(flatten)]
    pub call: NewCall,
    /// What happened since.
    #[serde(flatten)]
    pub facts: Facts,
    /// When somebody took it on to tell the owner that they missed the call.
    #[serde(
        with = "time::text::option",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub told_at: Option<Timestamp>,
}

/// How long after a visitor hung up something may still be heard of the owner's leg,
/// seconds: callbacks overtake each other.
const VISITOR_GONE_SECONDS: i64 = 60;

/// A call as its tag's history shows it: numbers masked.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HistoryEntry<'a> {
    #[serde(rename = "_id")]
    id: String,
    tag: &'a TagCode,
    owner_phone: &'a PhoneNumber,
    visitor_phone: String,
    virtual_number: &'a str,
    twilio_call_sid: Option<&'a str>,
    status: Status,
    duration: u32,
    #[serde(with = "time::text")]
    started_at: Timestamp,
    #[serde(with = "time::text::option")]
    answered_at: Option<Timestamp>,
    #[serde(with = "time::text::option")]
    ended_at: Option<Timestamp>,
    #[serde(with = "time::text")]
    created_at: Timestamp,
    metadata: Cow<'a, serde_json::Map<String, serde_json::Value>>,
}

impl PhoneCall {
    /// A call at the place after its predecessor's, and a millisecond later at least.
    pub fn after(predecessor: Option<(u64, Timestamp)>, line: &Line, call: &NewCall) -> Self {
        const MILLISECOND: jiff::SignedDuration = jiff::SignedDuration::from_millis(1);
        let (seq, earliest) = match predecessor {
            Some((seq, at)) => (seq + 1, at.checked_add(MILLISECOND).unwrap_or(at)),
            None => (1, call.created_at),
        };
        PhoneCall {
            line: line.clone(),
            seq,
            call: call.clone().not_before(earliest),
            facts: Facts::default(),
            told_at: None,
        }
    }

    /// Its place in the history, which is also its public id.
    pub fn id(&self) -> CallId {
        CallId {
            line: self.line.clone(),
            seq: self.seq,
        }
    }

    /// What the call came to. One whose end was never reported has failed as soon as
    /// it cannot be alive any more; one whose visitor hung up was canceled, unless
    /// something is heard of the owner's leg within [`VISITOR_GONE_SECONDS`].
    pub fn outcome(&self, now: Timestamp) -> Outcome {
        let outcome = self.facts.outcome();
        let ended = |status, at| Outcome {
            status: Status::Ended(status),
            duration: 0,
            answered_at: None,
            ended_at: Some(at),
        };
        match (outcome.status, self.facts.visitor_gone_at) {
            (Status::Ended(_), _) => outcome,
            (Status::Initiated, Some(gone)) if now >= add_seconds(gone, VISITOR_GONE_SECONDS) => {
                ended(EndStatus::Canceled, gone)
            }
            _ if now < self.call.lapses_at => outcome,
            _ => ended(EndStatus::Failed, self.call.lapses_at),
        }
    }

    /// The call as its tag's history shows it at `now`.
    pub fn entry(&self, now: Timestamp) -> HistoryEntry<'_> {
        let outcome = self.outcome(now);
        HistoryEntry {
            id: self.id().to_string(),
            tag: &self.call.tag,
            owner_phone: &self.call.owner_phone,
            visitor_phone: self.call.visitor.masked(),
            // Public: it is what visitors dial.
            virtual_number: self.call.virtual_number.expose(),
            twilio_call_sid: self.call.twilio_call_sid.as_deref(),
            status: outcome.status,
            duration: outcome.duration,
            started_at: self.call.created_at,
            answered_at: outcome.answered_at,
            ended_at: outcome.ended_at,
            created_at: self.call.created_at,
            metadata: self.shown_metadata(),
        }
    }

    /// Nothing where the owner's number can be read in it. Refused when it came, that would
    /// have told whoever guesses.
    fn shown_metadata(&self) -> Cow<'_, serde_json::Map<String, serde_json::Value>> {
        let metadata = &self.call.metadata;
        let shows = |text: String| self.call.owner_phone.appears_in(&text);
        match serde_json::to_string(metadata).is_ok_and(shows) {
            true => Cow::Owned(serde_json::Map::new()),
            false => Cow::Borrowed(metadata),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + second).unwrap()
    }

    fn end(status: EndStatus, seconds: Option<u32>, when: Option<i64>) -> End {
        End {
            unattended: false,
            status,
            seconds,
            at: when.map(at),
        }
    }

    fn facts(reports: &[Report]) -> Facts {
        reports
            .iter()
            .enumerate()
            .fold(Facts::default(), |facts, (i, report)| {
                facts.with(*report, at(1000 + i64::try_from(i).unwrap()))
            })
    }

    fn answered_call() -> Vec<Report> {
        vec![
            Report::Ringing(at(1)),
            Report::Answered(at(7)),
            Report::LegEnd(end(EndStatus::Completed, Some(42), Some(49))),
            Report::DialEnd(end(EndStatus::Completed, Some(42), None)),
        ]
    }

    #[test]
    fn moves_through_its_statuses() {
        let reports = answered_call();
        let words: Vec<_> = (0..=reports.len())
            .map(|n| facts(&reports[..n]).outcome().status.as_str())
            .collect();
        assert_eq!(
            words,
            [
                "initiated",
                "ringing",
                "in-progress",
                "completed",
                "completed"
            ]
        );
        let outcome = facts(&reports).outcome();
        assert_eq!((outcome.duration, outcome.answered_at), (42, Some(at(7))));
        assert_eq!(outcome.ended_at, Some(at(49)));
    }

    #[test]
    fn losing_any_but_the_last_end_changes_nothing() {
        let whole = answered_call();
        let expected = facts(&whole).outcome();
        for lost in 0..whole.len() {
            let mut rest = whole.clone();
            rest.remove(lost);
            assert_eq!(
                facts(&rest).outcome(),
                expected,
                "without {:?}",
                whole[lost]
            );
        }
    }

    #[test]
    fn every_end_has_its_status_and_nobody_talked() {
        for status in [
            EndStatus::Busy,
            EndStatus::NoAnswer,
            EndStatus::Failed,
            EndStatus::Canceled,
        ] {
            let outcome = facts(&[
                Report::Ringing(at(1)),
                Report::LegEnd(end(status, Some(0), Some(31))),
                Report::DialEnd(end(status, None, None)),
            ])
            .outcome();
            assert_eq!(outcome.status, Status::Ended(status));
            assert_eq!((outcome.duration, outcome.answered_at), (0, None));
            assert_eq!(outcome.ended_at, Some(at(31)));
        }
    }

    #[test]
    fn a_machine_is_no_answer() {
        let machine = Report::Machine(at(10));
        let unattended = End {
            unattended: true,
            ..end(EndStatus::Completed, Some(42), None)
        };
        for evidence in [machine, Report::DialEnd(unattended)] {
            let mut reports = answered_call();
            reports.push(evidence);
            let outcome = facts(&reports).outcome();
            assert_eq!(outcome.status, Status::Ended(EndStatus::NoAnswer));
            assert_eq!((outcome.duration, outcome.answered_at), (0, None));
        }
    }

    #[test]
    fn a_visitor_who_is_not_reached_ends_the_call_unless_the_owner_rings() {
        let refused = Report::VisitorEnd(End::ours(EndStatus::Failed, at(2)));
        let outcome = facts(&[refused]).outcome();
        assert_eq!(outcome.status, Status::Ended(EndStatus::Failed));
        assert!(!facts(&[refused]).missed(), "the owner has missed nothing");
        // The refusal was ambiguous, and the carrier placed the call.
        let mut reports = answered_call();
        reports.insert(0, refused);
        assert_eq!(facts(&reports[..2]).outcome().status, Status::Ringing);
        assert_eq!(facts(&reports).outcome(), facts(&answered_call()).outcome());
    }

    #[test]
    fn ends_survive_their_text() {
        for text in [
            "1 attended completed 42 2026-11-21T12:00:00.000Z",
            "0 attended completed - 2026-11-21T12:00:00.000Z",
            "0 unattended no-answer - -",
            "1 attended busy 0 2026-11-21T12:00:00.123Z",
        ] {
            assert_eq!(text.parse::<End>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "1 attended",
            "1 attended completed",
            "0 attended ringing 1 -",
            "0 x busy - -",
        ] {
            assert!(text.parse::<End>().is_err(), "{text}");
        }
    }

    #[test]
    fn repetitions_are_told_from_others() {
        let (first, again) = (Origin::key("abc", 1), Origin::key("abc", 2));
        assert!(first.same_request(&again) && first != again);
        assert!(!first.same_request(&Origin::key("abd", 1)));
        assert!(!Origin::once(1).same_request(&Origin::once(2)));
        assert!(Origin::call("CA1").same_request(&Origin::call("CA1")));
        assert!(!Origin::call("CA1").same_request(&Origin::call("CA2")));
    }

    #[test]
    fn ids_survive_their_text() {
        let id: CallId = "00ff00ff00ff00ff.17".parse().unwrap();
        assert_eq!(
            (id.seq, id.to_string().as_str()),
            (17, "00ff00ff00ff00ff.17")
        );
        for text in [
            "",
            "17",
            "00ff00ff00ff00ff",
            "00ff00ff00ff00ff.x",
            "zz.1",
            "00FF00ff00ff00ff.1",
        ] {
            assert!(text.parse::<CallId>().is_err(), "{text}");
        }
    }

    fn any_end() -> impl Strategy<Value = End> {
        let status = prop::sample::select(vec![
            EndStatus::Canceled,
            EndStatus::Failed,
            EndStatus::NoAnswer,
            EndStatus::Busy,
            EndStatus::Completed,
        ]);
        (
            any::<bool>(),
            status,
            prop::option::of(0_u32..5000),
            prop::option::of(0_i64..5000),
        )
            .prop_map(|(unattended, status, seconds, when)| End {
                unattended,
                status,
                seconds,
                at: when.map(at),
            })
    }

    fn any_report() -> impl Strategy<Value = Report> {
        prop_oneof![
            (0_i64..100).prop_map(|s| Report::Ringing(at(s))),
            (0_i64..100).prop_map(|s| Report::Answered(at(s))),
            (0_i64..100).prop_map(|s| Report::Machine(at(s))),
            any_end().prop_map(Report::LegEnd),
            any_end().prop_map(Report::DialEnd),
            any_end().prop_map(Report::VisitorEnd),
            (0_i64..100).prop_map(|s| Report::VisitorGone(at(s))),
        ]
    }

    /// Facts but for the time of reception, which no order can make equal.
    fn reported(reports: &[Report]) -> Facts {
        Facts {
            end_received_at: None,
            ..facts(reports)
        }
    }

    proptest! {
        /// Even of deliveries that contradict each other.
        #[test]
        fn any_order_and_repetition_leaves_the_same_facts(
            (given, shuffled) in prop::collection::vec(any_report(), 0..12).prop_flat_map(|given| {
                let twice = [given.clone(), given.clone()].concat();
                (Just(given), Just(twice).prop_shuffle())
            })
        ) {
            prop_assert_eq!(reported(&given), reported(&shuffled));
        }

        #[test]
        fn status_only_moves_forward(
            reports in prop::collection::vec(
                any_report().prop_filter(
                    "where the visitor was not reached, the carrier reports no ringing",
                    |report| !matches!(report, Report::VisitorEnd(_)),
                ),
                0..12,
            )
        ) {
            let rank = |facts: &Facts| match facts.outcome().status {
                Status::Initiated => 0,
                Status::Ringing => 1,
                Status::InProgress => 2,
                Status::Ended(_) => 3,
            };
            let mut known = Facts::default();
            for report in reports {
                let next = known.clone().with(report, at(0));
                prop_assert!(rank(&next) >= rank(&known));
                known = next;
            }
        }

        /// A report that is skipped as redundant would never have mattered.
        #[test]
        fn redundant_reports_change_no_outcome(
            before in prop::collection::vec(any_report(), 0..8),
            report in any_report(),
            after in prop::collection::vec(any_report(), 0..8),
        ) {
            let known = facts(&before);
            if known.make_redundant(report) {
                let mut with = known.clone().with(report, at(2000));
                let mut without = known;
                for later in after {
                    with = with.with(later, at(3000));
                    without = without.with(later, at(3000));
                }
                prop_assert_eq!(with.outcome(), without.outcome());
            }
        }
    }
}
