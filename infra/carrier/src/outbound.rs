//! A call that the application asks for: rings the visitor, and then does what the
//! application's TwiML says.

use crate::call::{Call, Next, Who};
use crate::progress::{Detection, End, Fate, Progress, ending};
use crate::transcript::{CallStatus, RequestKind, Transcript};
use crate::twiml::{Number, Target};

/// What the application asks for.
pub(crate) struct Order {
    pub from: String,
    pub visitor: Number,
    /// What is asked when the visitor answers.
    pub url: Target,
    /// Seconds of ringing.
    pub timeout: u32,
}

impl Call {
    /// Runs the call to its end.
    pub async fn run_order(mut self, order: Order) -> Transcript {
        let plan = &self.plan.visitor;
        let fate = Fate::of(plan.does, plan.rings_for, order.timeout);
        let mut progress = Progress::of(&order.visitor);
        self.tell_of_visitor(&mut progress, CallStatus::Initiated, 0, 0)
            .await;
        self.pass(1);
        if let Some(seconds) = fate.rings {
            self.visitor.hear("ringing");
            self.tell_of_visitor(&mut progress, CallStatus::Ringing, 0, 0)
                .await;
            self.pass(seconds);
        }
        match fate.end {
            End::Unanswered(status, sip_code) => {
                self.visitor.ended = Some(status);
                self.tell_of_visitor(&mut progress, status, 0, sip_code)
                    .await;
            }
            End::Answered { by_machine } => {
                let answered_at = self.elapsed();
                self.visitor.answered = true;
                self.tell_of_visitor(&mut progress, CallStatus::InProgress, 0, 0)
                    .await;
                self.obey(order, by_machine, &mut progress).await;
                self.visitor.hang_up();
                let status = self.visitor.status();
                let seconds = self.elapsed() - answered_at;
                self.tell_of_visitor(&mut progress, status, seconds, 200)
                    .await;
            }
        }
        self.transcript().await
    }

    /// Carries out the TwiML for a visitor who has answered.
    async fn obey(&mut self, order: Order, by_machine: bool, progress: &mut Progress) {
        let mut extra = Vec::new();
        if order.visitor.machine_detection {
            // The application is asked only when the result is there.
            let detection = Detection::new(by_machine, u32::MAX);
            self.pass(detection.millis / 1000);
            extra.extend(detection.params());
            let sid = self.visitor.sid.clone();
            self.detected(progress, &sid, detection).await;
        }
        let next = Next::Ask(RequestKind::Voice, order.url, extra);
        self.follow(Who::Visitor, next).await;
    }

    async fn tell_of_visitor(
        &mut self,
        progress: &mut Progress,
        status: CallStatus,
        seconds: u32,
        sip_code: u16,
    ) {
        let params = self.visitor.params(&self.account_sid, status);
        let ending = ending(seconds, sip_code);
        let extra: &[_] = if self.visitor.ended.is_some() {
            &ending
        } else {
            &[]
        };
        self.report(progress, params, status, extra).await;
    }
}
