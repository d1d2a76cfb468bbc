//! An in-app call between the two of a booking: its states, who may do what in each,
//! and who is told what.
//!
//! ```text
//!            callAccept               callEnd, a party gone, the longest call
//!  ringing ─────────────▶ running ──────────────────────────────┐
//!     │                                                         ▼
//!     └──────────────────────────────────────────────────────▶ over
//!       callReject, callEnd, ring timeout, nobody to be reached
//! ```
//!
//! [`AppCall::apply`] turns a call and an act into the call's next version and what is
//! to be told, or says what stands. Nothing here sends or stores: the store writes a
//! next version only where the one it came from still stands, so of two acts at once
//! one wins, and the other is applied to what the winner left.
//!
//! Deadlines are part of the state. One that has passed counts in every act, whether
//! or not anybody has written it down yet.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::booking::{Booking, BookingId, Role};
use super::time::{self, Timestamp, add_seconds};

/// Where a call stands in its booking's series: the booking, and the call's number,
/// from 1 without gaps. Its text, `bookingId.seq`, is the public `callId`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppCallId {
    /// The booking.
    pub booking: BookingId,
    /// The call's number in it.
    pub seq: u64,
}

impl fmt::Display for AppCallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.booking, self.seq)
    }
}

impl FromStr for AppCallId {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        const ERROR: &str = "is not a call id";
        let (booking, seq) = text.rsplit_once('.').ok_or(ERROR)?;
        Ok(AppCallId {
            booking: booking.parse().map_err(|_| ERROR)?,
            seq: seq.parse().map_err(|_| ERROR)?,
        })
    }
}

/// Why a call is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(rename = "EndReason"))]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// One of the two hung up.
    Hangup,
    /// The receiver declined.
    Rejected,
    /// The receiver was in another call, or said so.
    Busy,
    /// Nobody answered in time, or the call reached its longest.
    Timeout,
    /// The caller gave up.
    Canceled,
    /// Another device of the receiver has the call: over for this one only.
    AnsweredElsewhere,
    /// The receiver could not be reached.
    Unavailable,
    /// One of the two was gone for too long.
    Failed,
}

impl Reason {
    /// The word that clients are told.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::Hangup => "hangup",
            Reason::Rejected => "rejected",
            Reason::Busy => "busy",
            Reason::Timeout => "timeout",
            Reason::Canceled => "canceled",
            Reason::AnsweredElsewhere => "answered_elsewhere",
            Reason::Unavailable => "unavailable",
            Reason::Failed => "failed",
        }
    }

    /// The reason that a client gives for rejecting: [`Reason::Busy`], or what any other
    /// word comes to.
    pub fn of_rejection(word: Option<&str>) -> Self {
        match word {
            Some("busy") => Reason::Busy,
            _ => Reason::Rejected,
        }
    }
}

/// What a call's row in the history says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogStatus {
    /// They talked.
    Completed,
    /// Nobody answered.
    Missed,
    /// The receiver declined.
    Rejected,
    /// It broke before anybody answered.
    Failed,
}

/// A device of a user, by API Gateway's id of its connection.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Device {
    /// The user.
    pub user: String,
    /// The connection.
    pub connection: String,
}

/// One of the two in a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Party {
    /// The user.
    pub user: String,
    /// Their name, from the booking.
    pub name: String,
    /// The connection of the device that holds the call; the receiver's once one of
    /// their devices has accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<String>,
    /// Since when that connection is known to be gone.
    #[serde(
        with = "time::text::option",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub gone_at: Option<Timestamp>,
}

impl Party {
    fn of(booking: &Booking, role: Role, connection: Option<String>) -> Self {
        Party {
            user: booking.id_of(role).to_owned(),
            name: booking.name_of(role).to_owned(),
            connection,
            gone_at: None,
        }
    }

    /// The device that holds the call, unless that is known to be gone.
    pub fn present(&self) -> Option<Device> {
        self.device().filter(|_| self.gone_at.is_none())
    }

    fn device(&self) -> Option<Device> {
        Some(Device {
            user: self.user.clone(),
            connection: self.connection.clone()?,
        })
    }
}

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Who called.
    Caller,
    /// Who is called.
    Receiver,
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// When, by our clock.
    #[serde(with = "time::text")]
    pub at: Timestamp,
    /// Why.
    pub reason: Reason,
    /// The user whose doing it was; nobody where a deadline passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// How long the parts of an in-app call last, seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// Ringing.
    pub ring: u32,
    /// The longest call.
    pub talk: u32,
    /// How long a party may be gone from a running call.
    pub gone: u32,
    /// How long the record is kept.
    pub retention: i64,
}

/// A call, and as serialized its database item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AppCall {
    /// The booking.
    pub booking: BookingId,
    /// The call's number in the booking.
    pub seq: u64,
    /// Counts the changes, from 1.
    pub version: u64,
    /// What the caller is in the booking.
    pub caller_role: Role,
    /// What was booked.
    pub service_name: String,
    /// Who called.
    pub caller: Party,
    /// Who is called.
    pub receiver: Party,
    /// What the caller said of media, JSON as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media: Option<String>,
    /// When it was made.
    #[serde(with = "time::text")]
    pub created_at: Timestamp,
    /// Until when it rings.
    #[serde(with = "time::text")]
    pub ring_until: Timestamp,
    /// When it was accepted.
    #[serde(
        with = "time::text::option",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub answered_at: Option<Timestamp>,
    /// The longest call, seconds.
    pub talk_seconds: u32,
    /// How long a party may be gone, seconds.
    pub gone_seconds: u32,
    /// How it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<End>,
    /// Whether a client reported it, rather than we carried it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reported: bool,
    /// The client's own id of a call that it reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reported_id: Option<String>,
    /// When the record may be removed, Unix seconds (DynamoDB's TTL attribute).
    pub expires_at: i64,
}

/// What somebody, or time, does to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// A device of the receiver accepts.
    Accept,
    /// A device of the receiver rejects.
    Reject(Reason),
    /// A device of either hangs up, or the caller's gives up.
    Hangup,
    /// A device takes over for one of the same user that is gone, or that it was itself
    /// under another connection.
    Rejoin,
    /// The connection is gone.
    Gone,
    /// We could reach nobody to ring: the act of the caller's device that called.
    Unreachable,
}

/// A frame about a call, without the words of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice {
    /// `call:incoming`
    Incoming,
    /// `call:ringing`
    Ringing,
    /// `call:accepted`
    Accepted,
    /// `call:rejected`
    Rejected,
    /// `call:ended`, as the call did.
    Ended,
    /// `call:ended` for a device whose user has the call on another one.
    AnsweredElsewhere,
}

/// To whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum To {
    /// One device.
    Device(Device),
    /// All of a user's devices but that one.
    Devices {
        /// The user.
        user: String,
        /// The connection that is left out.
        except: Option<String>,
    },
}

/// What an act led to: the call's next version, and who is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// To be stored, if the version before it still stands.
    pub call: AppCall,
    /// To be sent once it is stored.
    pub tell: Vec<(To, Notice)>,
    /// What the device that acted is told.
    pub reply: Notice,
}

/// Why an act led to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stands {
    /// It is so already, or somebody else was first: this is how it is.
    So(Notice),
    /// Not theirs to do.
    Forbidden(&'static str),
    /// Another device of the same user has the call.
    OnAnotherDevice,
    /// It concerns nobody.
    Nothing,
}

impl AppCall {
    /// A call that rings from now on, made by that device of the booking's `caller`.
    pub fn start(
        booking: &Booking,
        seq: u64,
        caller: Role,
        connection: &str,
        media: Option<String>,
        times: &Times,
        now: Timestamp,
    ) -> Self {
        AppCall {
            booking: booking.id.clone(),
            seq,
            version: 1,
            caller_role: caller,
            service_name: booking.service_name.clone(),
            caller: Party::of(booking, caller, Some(connection.to_owned())),
            receiver: Party::of(booking, caller.other(), None),
            media,
            created_at: now,
            ring_until: add_seconds(now, times.ring.into()),
            answered_at: None,
            talk_seconds: times.talk,
            gone_seconds: times.gone,
            end: None,
            reported: false,
            reported_id: None,
            expires_at: add_seconds(now, times.retention).as_second(),
        }
    }

    /// The same call, over before it rang.
    #[must_use]
    pub fn refused(mut self, reason: Reason) -> Self {
        let (at, by) = (self.created_at, None);
        self.end = Some(End { at, reason, by });
        self
    }

    /// A call that a client reports: it lasted `duration` seconds up to now.
    #[must_use]
    pub fn reported(mut self, status: LogStatus, duration: u32, now: Timestamp) -> Self {
        let reason = match status {
            LogStatus::Completed => Reason::Hangup,
            LogStatus::Missed => Reason::Timeout,
            LogStatus::Rejected => Reason::Rejected,
            LogStatus::Failed => Reason::Failed,
        };
        if status == LogStatus::Completed {
            self.answered_at = Some(add_seconds(now, -i64::from(duration)));
        }
        let (at, by) = (now, None);
        self.end = Some(End { at, reason, by });
        self.caller.connection = None;
        self.reported = true;
        self
    }

    /// Its public id.
    pub fn id(&self) -> AppCallId {
        AppCallId {
            booking: self.booking.clone(),
            seq: self.seq,
        }
    }

    /// Which of the two a user is.
    pub fn side_of(&self, user: &str) -> Option<Side> {
        match user {
            _ if user == self.caller.user => Some(Side::Caller),
            _ if user == self.receiver.user => Some(Side::Receiver),
            _ => None,
        }
    }

    /// That one.
    pub fn party(&self, side: Side) -> &Party {
        match side {
            Side::Caller => &self.caller,
            Side::Receiver => &self.receiver,
        }
    }

    /// The one who is that in the booking.
    pub fn party_as(&self, role: Role) -> &Party {
        match self.caller_role == role {
            true => &self.caller,
            false => &self.receiver,
        }
    }

    fn party_mut(&mut self, side: Side) -> &mut Party {
        match side {
            Side::Caller => &mut self.caller,
            Side::Receiver => &mut self.receiver,
        }
    }

    /// Which side's device that connection is.
    pub fn side_held_by(&self, connection: &str) -> Option<Side> {
        [Side::Caller, Side::Receiver]
            .into_iter()
            .find(|side| self.party(*side).connection.as_deref() == Some(connection))
    }

    /// The next deadline, and how the call ends when it passes. `None` once it is over.
    fn deadline(&self) -> Option<End> {
        if self.end.is_some() {
            return None;
        }
        let end = |at, reason, by| End { at, reason, by };
        let Some(answered) = self.answered_at else {
            return Some(end(self.ring_until, Reason::Timeout, None));
        };
        let longest = end(
            add_seconds(answered, self.talk_seconds.into()),
            Reason::Timeout,
            None,
        );
        let gone = |party: &Party| {
            let at = add_seconds(party.gone_at?, self.gone_seconds.into());
            Some(end(at, Reason::Failed, Some(party.user.clone())))
        };
        let ends = [Some(longest), gone(&self.caller), gone(&self.receiver)];
        ends.into_iter().flatten().min_by_key(|end| end.at)
    }

    /// When to ask whether a deadline has passed.
    pub fn wake_at(&self) -> Option<Timestamp> {
        self.deadline().map(|end| end.at)
    }

    /// Whether it is ringing or running at `now`.
    pub fn live(&self, now: Timestamp) -> bool {
        self.deadline().is_some_and(|end| now < end.at)
    }

    /// Whether it is running at `now`.
    pub fn running(&self, now: Timestamp) -> bool {
        self.live(now) && self.answered_at.is_some()
    }

    /// Its end, as it is at `now`.
    pub fn end(&self, now: Timestamp) -> Option<End> {
        let passed = || self.deadline().filter(|end| end.at <= now);
        self.end.clone().or_else(passed)
    }

    /// Seconds from accept to end.
    pub fn duration(&self, end: &End) -> u32 {
        let talked = self.answered_at.map(|from| end.at.duration_since(from));
        talked.map_or(0, |talked| u32::try_from(talked.as_secs()).unwrap_or(0))
    }

    /// What its row in the history says; none while it lives.
    pub fn log(&self, now: Timestamp) -> Option<(LogStatus, u32)> {
        Some(self.log_of(&self.end(now)?))
    }

    /// The same for a call that may still live: as if it ended at `now`.
    pub fn log_so_far(&self, now: Timestamp) -> (LogStatus, u32) {
        let ended_now = || End {
            at: now,
            reason: Reason::Hangup,
            by: None,
        };
        self.log_of(&self.end(now).unwrap_or_else(ended_now))
    }

    fn log_of(&self, end: &End) -> (LogStatus, u32) {
        let status = match (self.answered_at, end.reason) {
            (Some(_), _) => LogStatus::Completed,
            (None, Reason::Rejected) => LogStatus::Rejected,
            (None, Reason::Failed) => LogStatus::Failed,
            (None, _) => LogStatus::Missed,
        };
        (status, self.duration(end))
    }

    /// Ends the call by a deadline that has passed.
    pub fn expire(&self, now: Timestamp) -> Option<Step> {
        let end = self.deadline().filter(|end| end.at <= now)?;
        Some(self.over(end, None, Notice::Ended))
    }

    /// What `act` of that device does at `now`.
    pub fn apply(&self, act: Act, by: &Device, now: Timestamp) -> Result<Step, Stands> {
        let side = self.side_of(&by.user);
        let side = side.ok_or(Stands::Forbidden("you are not a party of this call"))?;
        if matches!(act, Act::Accept | Act::Reject(_)) && side == Side::Caller {
            return Err(Stands::Forbidden("only the one who is called may do this"));
        }
        if self.end.is_some() {
            return Err(match act {
                Act::Gone => Stands::Nothing,
                _ => Stands::So(Notice::Ended),
            });
        }
        if let Some(step) = self.expire(now) {
            return Ok(step);
        }
        match self.answered_at {
            None => self.while_ringing(act, side, by, now),
            Some(_) => self.while_running(act, side, by, now),
        }
    }

    fn while_ringing(
        &self,
        act: Act,
        side: Side,
        by: &Device,
        now: Timestamp,
    ) -> Result<Step, Stands> {
        let end = |reason| End {
            at: now,
            reason,
            by: Some(by.user.clone()),
        };
        match (act, side) {
            (Act::Accept, _) => Ok(self.accepted(by, now)),
            (Act::Reject(reason), _) => Ok(self.over(end(reason), Some(by), Notice::Rejected)),
            (Act::Hangup, Side::Receiver) => {
                Ok(self.over(end(Reason::Rejected), Some(by), Notice::Rejected))
            }
            (Act::Hangup, Side::Caller) => {
                self.held_by(side, by)?;
                Ok(self.over(end(Reason::Canceled), Some(by), Notice::Ended))
            }
            (Act::Unreachable, _) => {
                let end = End {
                    by: None,
                    ..end(Reason::Unavailable)
                };
                Ok(self.over(end, Some(by), Notice::Ended))
            }
            (Act::Rejoin, Side::Receiver) => Err(Stands::So(Notice::Incoming)),
            (Act::Rejoin, Side::Caller) => self.rejoined(side, by, Notice::Ringing),
            (Act::Gone, _) => self.gone(side, by, now),
        }
    }

    fn while_running(
        &self,
        act: Act,
        side: Side,
        by: &Device,
        now: Timestamp,
    ) -> Result<Step, Stands> {
        match act {
            Act::Accept | Act::Reject(_) => {
                self.held_by(side, by)?;
                Err(Stands::So(Notice::Accepted))
            }
            Act::Hangup => {
                self.held_by(side, by)?;
                let end = End {
                    at: now,
                    reason: Reason::Hangup,
                    by: Some(by.user.clone()),
                };
                Ok(self.over(end, Some(by), Notice::Ended))
            }
            Act::Rejoin => self.rejoined(side, by, Notice::Accepted),
            Act::Gone => self.gone(side, by, now),
            Act::Unreachable => Err(Stands::So(Notice::Accepted)),
        }
    }

    /// Whether that device has the call for its side.
    fn held_by(&self, side: Side, by: &Device) -> Result<(), Stands> {
        match self.party(side).connection.as_deref() == Some(by.connection.as_str()) {
            true => Ok(()),
            false if side == Side::Receiver => Err(Stands::So(Notice::AnsweredElsewhere)),
            false => Err(Stands::OnAnotherDevice),
        }
    }

    fn next(&self) -> Self {
        AppCall {
            version: self.version + 1,
            ..self.clone()
        }
    }

    fn accepted(&self, by: &Device, now: Timestamp) -> Step {
        let mut call = self.next();
        // Clocks differ, and a call does not run backwards.
        call.answered_at = Some(now.max(self.created_at));
        call.receiver.connection = Some(by.connection.clone());
        // A caller who is gone has as long to come back as from any running call.
        call.caller.gone_at = self.caller.gone_at.map(|_| now);
        let others = To::Devices {
            user: by.user.clone(),
            except: Some(by.connection.clone()),
        };
        let mut tell = vec![(others, Notice::AnsweredElsewhere)];
        tell.extend(told(&self.caller, None, Notice::Accepted));
        Step {
            call,
            tell,
            reply: Notice::Accepted,
        }
    }

    /// `to_caller` is how the caller is told.
    fn over(&self, end: End, by: Option<&Device>, to_caller: Notice) -> Step {
        let mut call = self.next();
        let at = end.at.max(self.answered_at.unwrap_or(self.created_at));
        call.end = Some(End { at, ..end });
        let mut tell: Vec<_> = told(&self.caller, by, to_caller).into_iter().collect();
        match self.receiver.connection {
            Some(_) => tell.extend(told(&self.receiver, by, Notice::Ended)),
            None => {
                let user = self.receiver.user.clone();
                let except = by.filter(|by| by.user == user);
                let except = except.map(|by| by.connection.clone());
                tell.push((To::Devices { user, except }, Notice::Ended));
            }
        }
        Step {
            call,
            tell,
            reply: Notice::Ended,
        }
    }

    fn rejoined(&self, side: Side, by: &Device, reply: Notice) -> Result<Step, Stands> {
        let party = self.party(side);
        if party.gone_at.is_none() && party.connection.as_deref() == Some(by.connection.as_str()) {
            return Err(Stands::So(reply));
        }
        // What had the call may be another device, which is there.
        let before = party.present();
        let before = before.map(|device| (To::Device(device), Notice::AnsweredElsewhere));
        let mut call = self.next();
        let party = call.party_mut(side);
        party.connection = Some(by.connection.clone());
        party.gone_at = None;
        Ok(Step {
            call,
            tell: before.into_iter().collect(),
            reply,
        })
    }

    fn gone(&self, side: Side, by: &Device, now: Timestamp) -> Result<Step, Stands> {
        let party = self.party(side);
        let holds = party.connection.as_deref() == Some(by.connection.as_str());
        if !holds || party.gone_at.is_some() {
            return Err(Stands::Nothing);
        }
        let mut call = self.next();
        call.party_mut(side).gone_at = Some(now);
        Ok(Step {
            call,
            tell: Vec::new(),
            reply: Notice::Ended,
        })
    }
}

/// A notice to the device that has the call for a party, unless it is the one that acted.
fn told(party: &Party, by: Option<&Device>, notice: Notice) -> Option<(To, Notice)> {
    let device = party.device().filter(|device| by != Some(device))?;
    Some((To::Device(device), notice))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::domain::booking::Status;

    const TIMES: Times = Times {
        ring: 45,
        talk: 3600,
        gone: 60,
        retention: 86_400,
    };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_795_262_400 + second).unwrap()
    }

    fn device(user: &str, connection: &str) -> Device {
        Device {
            user: user.to_owned(),
            connection: connection.to_owned(),
        }
    }

    /// Rings since second 0, from Asha's phone.
    fn ringing() -> AppCall {
        let booking = Booking {
            id: "b".parse().unwrap(),
            user_id: "asha".into(),
            user_name: "Asha".into(),
            provider_id: "ravi".into(),
            provider_name: "Ravi".into(),
            service_name: "Plumbing".into(),
            status: Status::Accepted,
            tag: None,
            open_until: None,
            expires_at: None,
            created_at: at(0),
            updated_at: at(0),
        };
        AppCall::start(&booking, 1, Role::User, "phone", None, &TIMES, at(0))
    }

    fn after(call: &AppCall, act: Act, user: &str, connection: &str, second: i64) -> AppCall {
        let step = call.apply(act, &device(user, connection), at(second));
        step.unwrap().call
    }

    /// Runs since second 10, on Ravi's tablet.
    fn running() -> AppCall {
        after(&ringing(), Act::Accept, "ravi", "tablet", 10)
    }

    /// What an act came to, in a word or two.
    fn outcome(before: &AppCall, result: Result<Step, Stands>) -> String {
        let step = match result {
            Ok(step) => step,
            Err(Stands::So(notice)) => return format!("is {notice:?}"),
            Err(Stands::Forbidden(_)) => return "forbidden".into(),
            Err(Stands::OnAnotherDevice) => return "elsewhere".into(),
            Err(Stands::Nothing) => return "-".into(),
        };
        assert_eq!(step.call.version, before.version + 1);
        let gone = |call: &AppCall| (call.caller.gone_at, call.receiver.gone_at);
        match &step.call.end {
            Some(end) => format!("ends {:?}", end.reason),
            None if before.answered_at != step.call.answered_at => "runs".into(),
            None if gone(&step.call) > gone(before) => "away".into(),
            None => "moves".into(),
        }
    }

    /// Every state, every kind of device, every act.
    #[test]
    fn who_may_do_what() {
        let caller_gone = after(&ringing(), Act::Gone, "asha", "phone", 5);
        let receiver_gone = after(&running(), Act::Gone, "ravi", "tablet", 20);
        let over = after(&running(), Act::Hangup, "asha", "phone", 30);
        let states = [
            ("ringing", ringing(), 8),
            ("ringing, caller gone", caller_gone, 8),
            ("ringing, too long", ringing(), 45),
            ("running", running(), 25),
            ("running, receiver gone", receiver_gone.clone(), 25),
            ("running, gone too long", receiver_gone, 80),
            ("running, too long", running(), 3610),
            ("over", over, 40),
        ];
        let devices = [
            ("caller", device("asha", "phone")),
            ("caller's other", device("asha", "laptop")),
            ("receiver", device("ravi", "tablet")),
            ("receiver's other", device("ravi", "watch")),
            ("outsider", device("mallory", "phone")),
        ];
        let acts = [
            Act::Accept,
            Act::Reject(Reason::Rejected),
            Act::Hangup,
            Act::Rejoin,
            Act::Gone,
        ];
        let mut table = String::new();
        for (state, call, second) in &states {
            table += &format!("{state}\n");
            for (name, device) in &devices {
                let outcomes = acts.map(|act| outcome(call, call.apply(act, device, at(*second))));
                table += &format!("  {name}: {}\n", outcomes.join(", "));
            }
        }
        assert_eq!(table, TABLE, "\n{table}");
    }

    /// accept, reject, hang up, rejoin, gone. (Whether a device may rejoin that was not the
    /// call's own, the switchboard decides: it asks whether that one is gone.)
    const TABLE: &str = "\
ringing
  caller: forbidden, forbidden, ends Canceled, is Ringing, away
  caller's other: forbidden, forbidden, elsewhere, moves, -
  receiver: runs, ends Rejected, ends Rejected, is Incoming, -
  receiver's other: runs, ends Rejected, ends Rejected, is Incoming, -
  outsider: forbidden, forbidden, forbidden, forbidden, forbidden
ringing, caller gone
  caller: forbidden, forbidden, ends Canceled, moves, -
  caller's other: forbidden, forbidden, elsewhere, moves, -
  receiver: runs, ends Rejected, ends Rejected, is Incoming, -
  receiver's other: runs, ends Rejected, ends Rejected, is Incoming, -
  outsider: forbidden, forbidden, forbidden, forbidden, forbidden
ringing, too long
  caller: forbidden, forbidden, ends Timeout, ends Timeout, ends Timeout
  caller's other: forbidden, forbidden, ends Timeout, ends Timeout, ends Timeout
  receiver: ends Timeout, ends Timeout, ends Timeout, ends Timeout, ends Timeout
  receiver's other: ends Timeout, ends Timeout, ends Timeout, ends Timeout, ends Timeout
  outsider: forbidden, forbidden, forbidden, forbidden, forbidden
running
  caller: forbidden, forbidden, ends Hangup, is Accepted, away
  caller's other: forbidden, forbidden, elsewhere, moves, -
  receiver: is Accepted, is Accepted, ends Hangup, is Accepted, away
  receiver's other: is AnsweredElsewhere, is AnsweredElsewhere, is AnsweredElsewhere, moves, -
  outsider: forbidden, forbidden, forbidden, forbidden, forbidden
running, receiver gone
  caller: forbidden, forbidden, ends Hangup, is Accepted, away
  caller's other: forbidden, forbidden, elsewhere, moves, -
  receiver: is Accepted, is Accepted, ends Hangup, moves, -
  receiver's other: is AnsweredElsewhere, is AnsweredElsewhere, is AnsweredElsewhere, moves, -
  outsider: forbidden, forbidden, forbidden, forbidden, forbidden
running, gone too long
  caller: forbidden, forbidden, ends Failed, ends Failed, ends Failed
  caller's other: forbidden, forbidden, ends Failed, ends Failed, ends Failed
  receiver: ends Failed, ends Failed, ends Failed, ends Failed, ends Failed
  receiver's other: ends Failed, ends Failed, ends Failed, ends Failed, ends Failed
  outsider: forbidden, forbidden, forbidden, forbidden, forbidden
running, too long
  caller: forbidden, forbidden, ends Timeout, ends Timeout, ends Timeout
  caller's other: forbidden, forbidden, ends Timeout, ends Timeout, ends Timeout
  receiver: ends Timeout, ends Timeout, ends Timeout, ends Timeout, ends Timeout
  receiver's other: ends Timeout, ends Timeout, ends Timeout, ends Timeout, ends Timeout
  outsider: forbidden, forbidden, forbidden, forbidden, forbidden
over
  caller: forbidden, forbidden, is Ended, is Ended, -
  caller's other: forbidden, forbidden, is Ended, is Ended, -
  receiver: is Ended, is Ended, is Ended, is Ended, -
  receiver's other: is Ended, is Ended, is Ended, is Ended, -
  outsider: forbidden, forbidden, forbidden, forbidden, forbidden
";

    #[test]
    fn what_the_history_says() {
        let log = |call: &AppCall, second| call.log(at(second));
        assert_eq!(log(&ringing(), 44), None);
        assert_eq!(log(&ringing(), 45), Some((LogStatus::Missed, 0)));
        assert_eq!(log(&running(), 100), None);
        assert_eq!(log(&running(), 9999), Some((LogStatus::Completed, 3600)));
        let hung_up = after(&running(), Act::Hangup, "ravi", "tablet", 52);
        assert_eq!(log(&hung_up, 9999), Some((LogStatus::Completed, 42)));
        for (reason, status) in [
            (Reason::Rejected, LogStatus::Rejected),
            (Reason::Busy, LogStatus::Missed),
        ] {
            let call = after(&ringing(), Act::Reject(reason), "ravi", "watch", 5);
            assert_eq!(log(&call, 5), Some((status, 0)));
        }
        for reason in [Reason::Busy, Reason::Unavailable] {
            let refused = ringing().refused(reason);
            assert_eq!(log(&refused, 0), Some((LogStatus::Missed, 0)));
        }
        let reported = ringing().reported(LogStatus::Completed, 7, at(100));
        assert_eq!(log(&reported, 100), Some((LogStatus::Completed, 7)));
    }

    /// A clock that is behind ends no call before it began.
    #[test]
    fn time_does_not_run_backwards() {
        let ended = after(&running(), Act::Hangup, "asha", "phone", 3);
        assert_eq!(ended.log(at(20)), Some((LogStatus::Completed, 0)));
    }

    #[test]
    fn ids_survive_their_text() {
        let id: AppCallId = "a.b-1.17".parse().unwrap();
        assert_eq!((id.booking.as_str(), id.seq), ("a.b-1", 17));
        assert_eq!(id.to_string(), "a.b-1.17");
        for bad in ["", "a", "a.", ".1", "a.x", "a b.1", "a.-1"] {
            assert!(bad.parse::<AppCallId>().is_err(), "{bad}");
        }
    }
}
