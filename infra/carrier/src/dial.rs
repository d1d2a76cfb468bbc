//! `<Dial>`: rings the owner, connects the two, reports how it went.

use crate::call::{Call, Next, Who};
use crate::leg::Leg;
use crate::plan::{Callback, OwnerDoes};
use crate::random;
use crate::signature::Param;
use crate::transcript::{CallStatus, Fault, RequestKind};
use crate::twiml::{Dial, Number, StatusEvent, Target};

/// Milliseconds that machine detection needs for a person and for a machine.
const DETECTION_MILLIS: (u32, u32) = (3200, 3900);

/// What becomes of the owner's phone.
struct Fate {
    /// Seconds of ringing; none if it never rang.
    rings: Option<u32>,
    end: End,
}

enum End {
    Answered { by_machine: bool },
    Unanswered { status: CallStatus, sip_code: u16 },
    VisitorGone,
}

/// One dialled number's leg with what its callbacks have to carry on.
struct Child {
    leg: Leg,
    number: Number,
    sequence: u32,
    answered_by: Option<&'static str>,
}

impl Call {
    fn fate(&self, dial: &Dial) -> Fate {
        let owner = &self.plan.owner;
        let wants = match owner.does {
            OwnerDoes::Busy | OwnerDoes::Fails => None,
            OwnerDoes::NoAnswer => Some(u32::MAX),
            OwnerDoes::Answers | OwnerDoes::Declines | OwnerDoes::Voicemail => {
                Some(owner.rings_for)
            }
        };
        let unanswered = |status, sip_code| End::Unanswered { status, sip_code };
        let Some(wants) = wants else {
            let end = match owner.does {
                OwnerDoes::Busy => unanswered(CallStatus::Busy, 486),
                _ => unanswered(CallStatus::Failed, 404),
            };
            return Fate { rings: None, end };
        };
        let rings = wants.min(dial.timeout);
        match self.plan.visitor.hangs_up_after {
            Some(patience) if patience < rings => Fate {
                rings: Some(patience),
                end: End::VisitorGone,
            },
            _ => Fate {
                rings: Some(rings),
                end: match owner.does {
                    _ if wants > dial.timeout => unanswered(CallStatus::NoAnswer, 487),
                    OwnerDoes::Declines => unanswered(CallStatus::Busy, 603),
                    does => End::Answered {
                        by_machine: does == OwnerDoes::Voicemail,
                    },
                },
            },
        }
    }

    /// Carries out a `<Dial>`. Without an `action`, the document goes on after it.
    pub async fn dial(&mut self, dial: Dial) -> Result<Option<Next>, Fault> {
        let mut children = self.children(&dial)?;
        // Only a call that was never answered can be kept ringing until the bridge.
        if !dial.answer_on_bridge {
            self.visitor.answered = true;
        }
        let fate = self.fate(&dial);
        self.event(
            &mut children,
            StatusEvent::Initiated,
            CallStatus::Initiated,
            &[],
        )
        .await;
        self.pass(1);
        if let Some(seconds) = fate.rings {
            self.owner.rang = true;
            self.owner.hear("ringing");
            self.visitor.hear("ringing");
            self.event(
                &mut children,
                StatusEvent::Ringing,
                CallStatus::Ringing,
                &[],
            )
            .await;
            self.pass(seconds);
        }
        let mut talk = None;
        let status = match fate.end {
            End::Answered { by_machine } => {
                let (answered, others) = children.split_at_mut(1);
                self.unanswered(others, CallStatus::Canceled, 487).await;
                if let [child] = answered {
                    talk = Some(self.answered(child, by_machine, dial.time_limit).await);
                }
                CallStatus::Completed
            }
            End::Unanswered { status, sip_code } => {
                if status == CallStatus::Busy {
                    self.visitor.hear("busy tone");
                }
                self.unanswered(&mut children, status, sip_code).await;
                status
            }
            End::VisitorGone => {
                self.visitor.hang_up();
                self.unanswered(&mut children, CallStatus::Canceled, 487)
                    .await;
                CallStatus::Canceled
            }
        };
        if talk.is_none() && fate.rings.is_some() {
            self.owner.hear("the ringing stops");
        }
        self.dial_call_status = Some(status);

        let sid = children.first().map(|child| child.leg.sid.clone());
        let extra = dial_params(status, sid.unwrap_or_default(), talk);
        self.after(dial.action, extra).await
    }

    fn children(&mut self, dial: &Dial) -> Result<Vec<Child>, Fault> {
        let own = [&self.visitor.to, &self.visitor.from];
        // Left out, the owner sees the visitor's own number: that is how Twilio is.
        let shown = dial.caller_id.as_ref().unwrap_or(&self.visitor.from);
        if dial.caller_id.is_some() && !own.contains(&shown) {
            let why = "callerId of <Dial> is neither the number that was dialled nor the caller's";
            return Err(Fault::new(13214, why));
        }
        let shown = shown.clone();
        let children: Vec<Child> = dial
            .numbers
            .iter()
            .map(|number| Child {
                leg: Leg {
                    sid: random::call_sid(),
                    parent_sid: Some(self.visitor.sid.clone()),
                    direction: "outbound-dial",
                    from: shown.clone(),
                    to: number.number.clone(),
                    ..Leg::default()
                },
                number: number.clone(),
                sequence: 0,
                answered_by: None,
            })
            .collect();
        self.rung
            .extend(dial.numbers.iter().map(|number| number.number.clone()));
        if let Some(first) = children.first() {
            self.owner.sid.clone_from(&first.leg.sid);
            self.owner.parent_sid.clone_from(&first.leg.parent_sid);
            self.owner.direction = first.leg.direction;
            self.owner.from = shown;
            self.owner.to.clone_from(&first.leg.to);
            self.owner.answered = false;
            self.owner.ended = None;
        }
        Ok(children)
    }

    async fn unanswered(&mut self, children: &mut [Child], status: CallStatus, sip_code: u16) {
        let extra = [
            ("CallDuration", "0".to_owned()),
            ("Duration", "0".to_owned()),
            ("SipResponseCode", sip_code.to_string()),
        ];
        self.event(children, StatusEvent::Completed, status, &extra)
            .await;
    }

    /// From the answer to the end of the owner's leg. Returns how many seconds the
    /// leg was connected and whether the two really talked.
    async fn answered(&mut self, child: &mut Child, by_machine: bool, limit: u32) -> (u32, bool) {
        let answered_at = self.elapsed();
        self.owner.answered = true;
        self.owner.keys = match by_machine {
            true => Default::default(),
            false => self.plan.owner.keys.iter().cloned().collect(),
        };
        let one = std::slice::from_mut(child);
        self.event(one, StatusEvent::Answered, CallStatus::InProgress, &[])
            .await;

        if let Some(whisper) = child.number.whisper.clone() {
            let next = Next::Ask(RequestKind::Whisper, whisper, Vec::new());
            self.follow(Who::Owner, next).await;
        }
        let bridged = self.owner.ended.is_none();
        let bridged_at = self.elapsed();
        let ends_at = if bridged {
            bridged_at.saturating_add(self.plan.owner.talks_for.min(limit))
        } else {
            bridged_at
        };
        if bridged {
            self.visitor.answered = true;
            self.converse(by_machine, limit);
        }
        self.detect(child, by_machine, answered_at, ends_at).await;
        self.pass(ends_at.saturating_sub(self.elapsed()));
        self.owner.hang_up();
        if bridged && self.plan.visitor.hangs_up_first {
            self.visitor.hang_up();
        }

        let seconds = ends_at - answered_at;
        let extra = [
            ("CallDuration", seconds.to_string()),
            // Twilio counts this one in minutes begun, as it bills them.
            ("Duration", seconds.div_ceil(60).to_string()),
            ("SipResponseCode", "200".to_owned()),
        ];
        let one = std::slice::from_mut(child);
        self.event(one, StatusEvent::Completed, CallStatus::Completed, &extra)
            .await;
        (seconds, bridged)
    }

    fn converse(&mut self, by_machine: bool, limit: u32) {
        let seconds = self.plan.owner.talks_for.min(limit);
        if by_machine {
            self.visitor.hear("the owner's voicemail greeting");
            self.visitor
                .hear(format!("leaves a message of {seconds} s"));
            self.owner.hear(format!("(voicemail records {seconds} s)"));
        } else {
            self.visitor
                .hear(format!("talks to the owner for {seconds} s"));
            self.owner
                .hear(format!("talks to the visitor for {seconds} s"));
        }
        if self.plan.owner.talks_for > limit {
            self.visitor.hear("cut off at the time limit");
        }
    }

    /// Machine detection, where it was asked for. It needs some seconds of voice.
    async fn detect(&mut self, child: &mut Child, by_machine: bool, from: u32, until: u32) {
        if !child.number.machine_detection {
            return;
        }
        let (person, machine) = DETECTION_MILLIS;
        let needed = if by_machine { machine } else { person };
        let heard = until.saturating_sub(from).saturating_mul(1000);
        let answered_by = match by_machine {
            _ if heard < needed => "unknown",
            true => "machine_start",
            false => "human",
        };
        child.answered_by = Some(answered_by);
        let Some(target) = child.number.amd_status.clone() else {
            return;
        };
        let millis = needed.min(heard);
        let at = from.saturating_add(millis / 1000);
        self.pass(at.saturating_sub(self.elapsed()));
        let params: Vec<Param> = [
            ("CallSid", child.leg.sid.as_str()),
            ("AccountSid", &self.account_sid),
            ("AnsweredBy", answered_by),
            ("MachineDetectionDuration", &millis.to_string()),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        let request = self.request(RequestKind::Amd, None, target, params);
        self.network.notify(Callback::Amd, request).await;
    }

    /// Tells the application about the legs, where it asked for this event.
    async fn event(
        &mut self,
        children: &mut [Child],
        event: StatusEvent,
        status: CallStatus,
        extra: &[(&str, String)],
    ) {
        let callback = match event {
            StatusEvent::Initiated => Callback::Initiated,
            StatusEvent::Ringing => Callback::Ringing,
            StatusEvent::Answered => Callback::Answered,
            StatusEvent::Completed => Callback::Completed,
        };
        for child in children {
            let Some(target) = child.number.status.clone() else {
                continue;
            };
            if !child.number.events.contains(&event) {
                continue;
            }
            let timestamp = self
                .moment(self.elapsed())
                .strftime("%a, %d %b %Y %H:%M:%S +0000");
            let mut params = child.leg.params(&self.account_sid, status);
            let own = [
                ("Timestamp", timestamp.to_string()),
                ("CallbackSource", "call-progress-events".to_owned()),
                ("SequenceNumber", child.sequence.to_string()),
            ];
            for (name, value) in own.iter().chain(extra) {
                params.push(((*name).to_owned(), value.clone()));
            }
            if let (Some(by), StatusEvent::Completed) = (child.answered_by, event) {
                params.push(("AnsweredBy".to_owned(), by.to_owned()));
            }
            child.sequence += 1;
            let request = self.request(RequestKind::Status, Some(status), target, params);
            self.network.notify(callback, request).await;
        }
    }

    /// Asks the `action` what comes next; its answer counts if the visitor is still there.
    async fn after(
        &mut self,
        action: Option<Target>,
        extra: Vec<Param>,
    ) -> Result<Option<Next>, Fault> {
        let Some(target) = action else {
            self.network.end_dial(None).await;
            return Ok(None);
        };
        let base = target.url.clone();
        let status = self.visitor.status();
        let mut params = self.visitor.params(&self.account_sid, status);
        params.extend(extra);
        let request = self.request(RequestKind::DialStatus, Some(status), target, params);
        let document = match self.network.end_dial(Some(request)).await {
            Some(reply) => reply.and_then(|reply| reply.document(&base)),
            None => {
                // Lost as planned: no fault of the application's, but the end of the call.
                self.visitor
                    .hear("(nothing more: the carrier could not reach the application)");
                self.visitor.hang_up();
                return Ok(Some(Next::Nothing));
            }
        };
        match document {
            Ok(verbs) if self.visitor.ended.is_none() => Ok(Some(Next::Document(verbs))),
            Ok(_) => Ok(Some(Next::Nothing)),
            Err(fault) if self.visitor.ended.is_none() => Err(fault),
            Err(fault) => {
                self.network.report(fault);
                Ok(Some(Next::Nothing))
            }
        }
    }
}

fn dial_params(status: CallStatus, sid: String, talk: Option<(u32, bool)>) -> Vec<Param> {
    let bridged = talk.is_some_and(|(_, bridged)| bridged);
    let mut params = vec![
        ("DialCallStatus".to_owned(), status.as_str().to_owned()),
        ("DialCallSid".to_owned(), sid),
        ("DialBridged".to_owned(), bridged.to_string()),
    ];
    if let Some((seconds, _)) = talk {
        params.push(("DialCallDuration".to_owned(), seconds.to_string()));
    }
    params
}
