//! `<Dial>`: rings the owner, connects the two, reports how it went.

use crate::call::{Call, Next, Who};
use crate::leg::Leg;
use crate::progress::{Detection, End, Fate, Progress, ending};
use crate::random;
use crate::signature::Param;
use crate::transcript::{CallStatus, Fault, RequestKind};
use crate::twiml::{Dial, Target};

/// One dialled number's leg, and what is reported about it.
struct Child {
    leg: Leg,
    progress: Progress,
}

impl Call {
    fn fate(&self, dial: &Dial) -> Fate {
        let owner = &self.plan.owner;
        let fate = Fate::of(owner.does, owner.rings_for, dial.timeout);
        match (self.plan.visitor.hangs_up_after, fate.rings) {
            (Some(patience), Some(rings)) if patience < rings => Fate {
                rings: Some(patience),
                end: End::Unanswered(CallStatus::Canceled, 487),
            },
            _ => fate,
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
        self.tell(&mut children, CallStatus::Initiated, &[]).await;
        self.pass(1);
        if let Some(seconds) = fate.rings {
            self.owner.rang = true;
            self.owner.hear("ringing");
            self.visitor.hear("ringing");
            self.tell(&mut children, CallStatus::Ringing, &[]).await;
            self.pass(seconds);
        }
        let mut talk = None;
        let status = match fate.end {
            End::Answered { by_machine } => {
                // The phone of the first answers; the others stop ringing.
                if let Some((first, others)) = children.split_first_mut() {
                    let canceled = ending(0, 487);
                    self.tell(others, CallStatus::Canceled, &canceled).await;
                    talk = Some(self.answered(first, by_machine, dial.time_limit).await);
                }
                CallStatus::Completed
            }
            End::Unanswered(status, sip_code) => {
                match status {
                    CallStatus::Busy => self.visitor.hear("busy tone"),
                    // It is the visitor who gave up.
                    CallStatus::Canceled => self.visitor.hang_up(),
                    _ => {}
                }
                if fate.rings.is_some() {
                    self.owner.hear("the ringing stops");
                }
                self.tell(&mut children, status, &ending(0, sip_code)).await;
                status
            }
        };
        self.dial_call_status = Some(status);
        let extra = dial_params(status, self.owner.sid.clone(), talk);
        self.after(dial.action, extra).await
    }

    /// Sets up a leg for each number. The owner's phone is the first one.
    fn children(&mut self, dial: &Dial) -> Result<Vec<Child>, Fault> {
        let own = [self.visitor.to.as_str(), &self.visitor.from];
        // Left out, the owner sees the visitor's own number: that is how Twilio is.
        // For a visitor who was called this is the worst that can be.
        let shown = dial.caller_id.as_deref().unwrap_or(self.visitor_number());
        if dial.caller_id.is_some() && !own.contains(&shown) {
            let why = "callerId of <Dial> is neither the number that was dialled nor the caller's";
            return Err(Fault::new(13214, why));
        }
        let leg = |sid: String, to: &str| Leg {
            sid,
            parent_sid: Some(self.visitor.sid.clone()),
            direction: "outbound-dial",
            from: shown.to_owned(),
            to: to.to_owned(),
            ..Leg::default()
        };
        let children = dial.numbers.iter().map(|number| Child {
            leg: leg(random::sid("CA"), &number.number),
            progress: Progress::of(number),
        });
        let children: Vec<Child> = children.collect();
        let owner = children
            .first()
            .map(|first| leg(first.leg.sid.clone(), &first.leg.to));
        let before = std::mem::replace(&mut self.owner, owner.unwrap_or_default());
        self.owner.heard = before.heard;
        self.owner.rang = before.rang;
        let numbers = dial.numbers.iter().map(|number| number.number.clone());
        self.rung.extend(numbers);
        Ok(children)
    }

    /// From the answer to the end of the owner's leg. Returns how many seconds the
    /// leg was connected and whether the two really talked.
    async fn answered(&mut self, child: &mut Child, by_machine: bool, limit: u32) -> (u32, bool) {
        let answered_at = self.elapsed();
        self.owner.answered = true;
        if !by_machine {
            self.owner.keys = self.plan.owner.keys.iter().cloned().collect();
        }
        let one = std::slice::from_mut(child);
        self.tell(one, CallStatus::InProgress, &[]).await;

        if let Some(whisper) = child.progress.number.whisper.clone() {
            let next = Next::Ask(RequestKind::Whisper, whisper, Vec::new());
            self.follow(Who::Owner, next).await;
        }
        let bridged = self.owner.ended.is_none();
        let mut ends_at = self.elapsed();
        if bridged {
            ends_at = ends_at.saturating_add(self.plan.owner.talks_for.min(limit));
            self.visitor.answered = true;
            self.converse(by_machine, limit);
        }
        if child.progress.number.machine_detection {
            let heard = (ends_at - answered_at).saturating_mul(1000);
            let detection = Detection::new(by_machine, heard);
            let at = answered_at.saturating_add(detection.millis / 1000);
            self.pass(at.saturating_sub(self.elapsed()));
            self.detected(&mut child.progress, &child.leg.sid, detection)
                .await;
        }
        self.pass(ends_at.saturating_sub(self.elapsed()));
        self.owner.hang_up();
        if bridged && self.plan.visitor.hangs_up_first {
            self.visitor.hang_up();
        }
        let seconds = ends_at - answered_at;
        let one = std::slice::from_mut(child);
        self.tell(one, CallStatus::Completed, &ending(seconds, 200))
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

    /// Tells the application about the legs, where it asked for it.
    async fn tell(&mut self, children: &mut [Child], status: CallStatus, extra: &[Param]) {
        for child in children {
            let params = child.leg.params(&self.account_sid, status);
            self.report(&mut child.progress, params, status, extra)
                .await;
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
