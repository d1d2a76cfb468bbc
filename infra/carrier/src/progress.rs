//! What is the same for every phone that the carrier rings: what becomes of it,
//! and what is reported about it.

use crate::call::Call;
use crate::plan::{Callback, OwnerDoes};
use crate::signature::Param;
use crate::transcript::{CallStatus, RequestKind};
use crate::twiml::Number;

/// What becomes of a phone that is rung.
pub(crate) struct Fate {
    /// Seconds of ringing; none if it never rang.
    pub rings: Option<u32>,
    pub end: End,
}

pub(crate) enum End {
    Answered {
        by_machine: bool,
    },
    /// How the leg ended, and the SIP code of it.
    Unanswered(CallStatus, u16),
}

impl Fate {
    pub fn of(does: OwnerDoes, rings_for: u32, timeout: u32) -> Self {
        let wants = match does {
            OwnerDoes::NoAnswer => u32::MAX,
            _ => rings_for,
        };
        let end = match does {
            OwnerDoes::Busy => End::Unanswered(CallStatus::Busy, 486),
            OwnerDoes::Fails => End::Unanswered(CallStatus::Failed, 404),
            _ if wants > timeout => End::Unanswered(CallStatus::NoAnswer, 487),
            OwnerDoes::Declines => End::Unanswered(CallStatus::Busy, 603),
            _ => End::Answered {
                by_machine: does == OwnerDoes::Voicemail,
            },
        };
        let silent = matches!(does, OwnerDoes::Busy | OwnerDoes::Fails);
        let rings = (!silent).then_some(wants.min(timeout));
        Self { rings, end }
    }
}

/// What the last callback of a leg says beside the status.
pub(crate) fn ending(seconds: u32, sip_code: u16) -> [Param; 3] {
    [
        ("CallDuration", seconds),
        // Twilio counts this one in minutes begun, as it bills them.
        ("Duration", seconds.div_ceil(60)),
        ("SipResponseCode", sip_code.into()),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_string()))
}

/// What machine detection finds.
pub(crate) struct Detection {
    answered_by: &'static str,
    pub millis: u32,
}

impl Detection {
    /// Listens to at most so many milliseconds of voice.
    pub fn new(by_machine: bool, heard: u32) -> Self {
        let needed = if by_machine { 3900 } else { 3200 };
        Self {
            answered_by: match by_machine {
                _ if heard < needed => "unknown",
                true => "machine_start",
                false => "human",
            },
            millis: needed.min(heard),
        }
    }

    pub fn params(&self) -> [Param; 2] {
        let millis = self.millis.to_string();
        [
            ("AnsweredBy".to_owned(), self.answered_by.to_owned()),
            ("MachineDetectionDuration".to_owned(), millis),
        ]
    }
}

/// What the application wants to hear of one leg, and what it has heard.
pub(crate) struct Progress {
    pub number: Number,
    sequence: u32,
    answered_by: Option<&'static str>,
}

impl Progress {
    pub fn of(number: &Number) -> Self {
        Self {
            number: number.clone(),
            sequence: 0,
            answered_by: None,
        }
    }
}

impl Call {
    /// Tells the application that a leg has come to this status, where it asked for it.
    pub async fn report(
        &mut self,
        progress: &mut Progress,
        mut params: Vec<Param>,
        status: CallStatus,
        extra: &[Param],
    ) {
        let event = match status {
            CallStatus::Initiated => Callback::Initiated,
            CallStatus::Ringing => Callback::Ringing,
            CallStatus::InProgress => Callback::Answered,
            _ => Callback::Completed,
        };
        let Some(target) = progress.number.status.clone() else {
            return;
        };
        if !progress.number.events.contains(&event) {
            return;
        }
        let timestamp = self
            .moment(self.elapsed())
            .strftime("%a, %d %b %Y %H:%M:%S +0000");
        let own = [
            ("Timestamp", timestamp.to_string()),
            ("CallbackSource", "call-progress-events".to_owned()),
            ("SequenceNumber", progress.sequence.to_string()),
        ];
        params.extend(own.map(|(name, value)| (name.to_owned(), value)));
        params.extend_from_slice(extra);
        if let (Some(by), Callback::Completed) = (progress.answered_by, event) {
            params.push(("AnsweredBy".to_owned(), by.to_owned()));
        }
        progress.sequence += 1;
        let request = self.request(RequestKind::Status, Some(status), target, params);
        self.network.notify(event, request).await;
    }

    /// Machine detection has a result, which the application may want to hear at once.
    pub async fn detected(&mut self, progress: &mut Progress, sid: &str, detection: Detection) {
        progress.answered_by = Some(detection.answered_by);
        let Some(target) = progress.number.amd_status.clone() else {
            return;
        };
        let mut params = vec![
            ("CallSid".to_owned(), sid.to_owned()),
            ("AccountSid".to_owned(), self.account_sid.clone()),
        ];
        params.extend(detection.params());
        let request = self.request(RequestKind::Amd, None, target, params);
        self.network.notify(Callback::Amd, request).await;
    }
}
