//! One phone in a call: what it does and what comes out of it.

use std::collections::VecDeque;

use crate::phone;
use crate::signature::Param;
use crate::transcript::CallStatus;

/// A phone connected (or about to be) to the carrier.
#[derive(Debug, Default)]
pub(crate) struct Leg {
    pub sid: String,
    pub parent_sid: Option<String>,
    pub direction: &'static str,
    pub from: String,
    pub to: String,
    pub answered: bool,
    /// How it ended; on the line until then.
    pub ended: Option<CallStatus>,
    /// What is keyed in at each `<Gather>`.
    pub keys: VecDeque<Option<String>>,
    pub hangs_up_in_gather: bool,
    pub keyed: Vec<String>,
    pub heard: Vec<String>,
    pub rang: bool,
}

impl Leg {
    pub fn hear(&mut self, what: impl Into<String>) {
        self.heard.push(what.into());
    }

    /// Ends the leg, unless it has ended already.
    pub fn end(&mut self, status: CallStatus) {
        if self.ended.is_none() {
            self.ended = Some(status);
            self.hear("hang-up");
        }
    }

    /// Ends the leg as a hang-up does: without an answer it was not completed.
    pub fn hang_up(&mut self) {
        self.end(if self.answered {
            CallStatus::Completed
        } else {
            CallStatus::NoAnswer
        });
    }

    /// The leg's `CallStatus` at this moment.
    pub fn status(&self) -> CallStatus {
        match self.ended {
            Some(status) => status,
            None if self.answered => CallStatus::InProgress,
            None => CallStatus::Ringing,
        }
    }

    /// What every request about this leg says of it. The location of either side
    /// is there because Twilio sends it, mostly empty, and more is always possible.
    pub fn params(&self, account_sid: &str, status: CallStatus) -> Vec<Param> {
        let mut params: Vec<Param> = [
            ("AccountSid", account_sid),
            ("ApiVersion", "2010-04-01"),
            ("CallSid", &self.sid),
            ("CallStatus", status.as_str()),
            ("Direction", self.direction),
            ("From", &self.from),
            ("Caller", &self.from),
            ("To", &self.to),
            ("Called", &self.to),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        for (side, number) in [
            ("From", &self.from),
            ("Caller", &self.from),
            ("To", &self.to),
            ("Called", &self.to),
        ] {
            params.push((format!("{side}Country"), phone::country(number).to_owned()));
            for place in ["City", "State", "Zip"] {
                params.push((format!("{side}{place}"), String::new()));
            }
        }
        if let Some(parent) = &self.parent_sid {
            params.push(("ParentCallSid".to_owned(), parent.clone()));
        }
        params
    }
}
