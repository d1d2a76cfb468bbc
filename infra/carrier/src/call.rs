//! A call from beginning to end: asks the application what to do, and does it.
//!
//! Time inside a call is its own: ringing and talking move the clock, and nobody
//! waits for them.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use reqwest::Url;

use crate::leg::Leg;
use crate::network::{Network, Request};
use crate::phone;
use crate::plan::CallPlan;
use crate::random;
use crate::signature::Param;
use crate::transcript::{CallStatus, Fault, OwnerSide, RequestKind, Transcript, VisitorSide};
use crate::twiml::{Gather, Method, Target, Verb};
use crate::webhook::{Sender, Webhook};

/// More documents than this in one call are taken for a loop.
const MAX_DOCUMENTS: u32 = 50;
/// What Twilio says when it cannot go on.
const APPLICATION_ERROR: &str = "say: We are sorry, an application error has occurred. Goodbye.";

/// Whose phone a document is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    Visitor,
    Owner,
}

/// What follows when a document has been carried out, or left.
pub(crate) enum Next {
    /// The next document has to be asked for.
    Ask(RequestKind, Target, Vec<Param>),
    /// The next document is here.
    Document(Vec<Verb>),
    /// There is no more to do.
    Nothing,
}

/// A call under way.
pub(crate) struct Call {
    pub plan: CallPlan,
    pub account_sid: String,
    pub network: Network,
    pub visitor: Leg,
    pub owner: Leg,
    /// Every real number that was rung for this call.
    pub rung: Vec<String>,
    pub dial_call_status: Option<CallStatus>,
    seed: u64,
    started: Timestamp,
    elapsed: u32,
    documents: u32,
}

impl Call {
    /// A visitor dials a virtual number.
    pub fn inbound(plan: CallPlan, account_sid: String, sender: Arc<Sender>) -> Self {
        Self::new(plan, random::sid("CA"), "inbound", account_sid, sender)
    }

    /// A call between the two numbers of the plan, of which the visitor has one.
    pub fn new(
        plan: CallPlan,
        sid: String,
        direction: &'static str,
        account_sid: String,
        sender: Arc<Sender>,
    ) -> Self {
        let visitor = Leg {
            sid,
            direction,
            from: plan.from.clone(),
            to: plan.to.clone(),
            keys: plan.keys.iter().cloned().collect(),
            hangs_up_in_gather: plan.visitor.hangs_up_in_gather,
            ..Leg::default()
        };
        let seed = plan.network.seed.unwrap_or_else(random::seed);
        Self {
            network: Network::new(plan.network.clone(), seed, sender),
            plan,
            account_sid,
            visitor,
            owner: Leg::default(),
            rung: Vec::new(),
            dial_call_status: None,
            seed,
            started: Timestamp::now(),
            elapsed: 0,
            documents: 0,
        }
    }

    /// Runs the call to its end, beginning with the TwiML at `voice_url`.
    pub async fn run(mut self, voice_url: Url) -> Transcript {
        let target = Target {
            url: voice_url,
            method: Method::Post,
        };
        let first = Next::Ask(RequestKind::Voice, target, Vec::new());
        self.follow(Who::Visitor, first).await;
        self.visitor.hang_up();
        self.transcript().await
    }

    fn visitor_was_called(&self) -> bool {
        self.visitor.direction != "inbound"
    }

    /// The visitor's real number.
    pub fn visitor_number(&self) -> &str {
        if self.visitor_was_called() {
            &self.visitor.to
        } else {
            &self.visitor.from
        }
    }

    pub fn leg(&mut self, who: Who) -> &mut Leg {
        match who {
            Who::Visitor => &mut self.visitor,
            Who::Owner => &mut self.owner,
        }
    }

    /// Lets time pass inside the call.
    pub fn pass(&mut self, seconds: u32) {
        self.elapsed = self.elapsed.saturating_add(seconds);
    }

    /// Seconds since the call began.
    pub fn elapsed(&self) -> u32 {
        self.elapsed
    }

    /// The moment so many seconds into the call.
    pub fn moment(&self, elapsed: u32) -> Timestamp {
        let passed = SignedDuration::from_secs(i64::from(elapsed));
        self.started.saturating_add(passed).unwrap_or(self.started)
    }

    /// A request that happens now.
    pub fn request(
        &self,
        kind: RequestKind,
        call_status: Option<CallStatus>,
        target: Target,
        params: Vec<Param>,
    ) -> Request {
        Request {
            kind,
            at: self
                .moment(self.elapsed)
                .strftime("%Y-%m-%dT%H:%M:%SZ")
                .to_string(),
            call_status,
            webhook: Webhook {
                target,
                params,
                idempotency_token: random::token(),
            },
        }
    }

    /// Carries out documents on one leg until there are no more or the leg has ended.
    pub async fn follow(&mut self, who: Who, first: Next) {
        let mut next = first;
        loop {
            let outcome = match next {
                Next::Nothing => return,
                Next::Document(verbs) => self.perform(who, verbs).await,
                Next::Ask(kind, target, extra) => self.ask(who, kind, target, extra).await,
            };
            next = match outcome {
                Ok(next) => next,
                Err(fault) => {
                    self.application_error(who, fault);
                    return;
                }
            };
        }
    }

    pub fn application_error(&mut self, who: Who, fault: Fault) {
        self.network.report(fault);
        let leg = self.leg(who);
        leg.answered = true;
        leg.hear(APPLICATION_ERROR);
        leg.hang_up();
    }

    async fn ask(
        &mut self,
        who: Who,
        kind: RequestKind,
        target: Target,
        extra: Vec<Param>,
    ) -> Result<Next, Fault> {
        self.documents += 1;
        if self.documents > MAX_DOCUMENTS {
            let why = format!("more than {MAX_DOCUMENTS} documents in one call: TwiML in a loop");
            return Err(Fault::new(11215, why));
        }
        let account_sid = self.account_sid.clone();
        let leg = self.leg(who);
        let status = leg.status();
        let mut params = leg.params(&account_sid, status);
        params.extend(extra);
        let base = target.url.clone();
        let request = self.request(kind, Some(status), target, params);
        let reply = self.network.ask(&request).await?;
        reply.document(&base).map(Next::Document)
    }

    async fn perform(&mut self, who: Who, verbs: Vec<Verb>) -> Result<Next, Fault> {
        for verb in verbs {
            match verb {
                Verb::Say { .. } | Verb::Play { .. } | Verb::Pause { .. } => {
                    self.prompt(who, verb);
                }
                Verb::Gather(gather) => {
                    if let Some(next) = self.gather(who, gather) {
                        return Ok(next);
                    }
                }
                Verb::Dial(_) if who == Who::Owner => {
                    let why = "<Dial> may not stand in the TwiML for the dialled side";
                    return Err(Fault::new(13201, why));
                }
                Verb::Dial(dial) => {
                    // Boxed: what is said to the owner before the connection is a document, too.
                    if let Some(next) = Box::pin(self.dial(dial)).await? {
                        return Ok(next);
                    }
                }
                Verb::Redirect(target) => {
                    return Ok(Next::Ask(RequestKind::Redirect, target, Vec::new()));
                }
                Verb::Reject { busy } => {
                    let leg = self.leg(who);
                    match (leg.answered, busy) {
                        (true, _) => leg.hang_up(),
                        (false, true) => {
                            leg.hear("busy tone");
                            leg.end(CallStatus::Busy);
                        }
                        (false, false) => {
                            leg.hear("the number is not in service");
                            leg.end(CallStatus::NoAnswer);
                        }
                    }
                }
                Verb::Hangup => self.leg(who).hang_up(),
            }
            if self.leg(who).ended.is_some() {
                break;
            }
        }
        Ok(Next::Nothing)
    }

    /// Plays something that the phone only has to listen to.
    fn prompt(&mut self, who: Who, verb: Verb) {
        let (heard, seconds, times) = match verb {
            Verb::Say { text, times } => {
                // Speech runs at about 15 characters a second.
                let seconds = u32::try_from(text.len() / 15).unwrap_or(u32::MAX).max(1);
                (format!("say: {text}"), seconds, times)
            }
            Verb::Play { what, times } => (format!("play: {what}"), 5, times),
            Verb::Pause { seconds } => {
                // A pause alone does not answer the call.
                self.pass(seconds);
                return;
            }
            _ => return,
        };
        let leg = self.leg(who);
        leg.answered = true;
        if times == 0 {
            leg.hear(format!("{heard} (again and again)"));
            leg.hang_up();
        }
        for _ in 0..times {
            self.leg(who).hear(heard.clone());
            self.pass(seconds);
        }
    }

    /// Waits for keys. Without any, the document goes on after the `<Gather>`.
    fn gather(&mut self, who: Who, gather: Gather) -> Option<Next> {
        self.leg(who).answered = true;
        for prompt in gather.prompts {
            self.prompt(who, prompt);
            if self.leg(who).ended.is_some() {
                return None;
            }
        }
        let leg = self.leg(who);
        if leg.hangs_up_in_gather {
            leg.hang_up();
        }
        if leg.ended.is_some() {
            return None;
        }
        let keyed = if gather.takes_keys {
            leg.keys.pop_front().flatten()
        } else {
            None
        };
        let keyed = keyed.unwrap_or_default();
        if !keyed.is_empty() {
            leg.keyed.push(keyed.clone());
        }
        let finish = gather.finish_on_key.and_then(|key| keyed.find(key));
        let most = gather.num_digits.unwrap_or(usize::MAX);
        let finished = finish.is_some_and(|at| at <= most);
        let digits: String = keyed
            .chars()
            .take(finish.unwrap_or(usize::MAX).min(most))
            .collect();
        if !finished && digits.len() < most {
            self.pass(gather.timeout);
        }
        if digits.is_empty() && !gather.action_on_empty_result {
            return None;
        }
        let finished_on = match gather.finish_on_key {
            Some(key) if finished => key.to_string(),
            _ => String::new(),
        };
        let extra = vec![
            ("Digits".to_owned(), digits),
            ("FinishedOnKey".to_owned(), finished_on),
        ];
        Some(Next::Ask(RequestKind::Gather, gather.action, extra))
    }

    pub async fn transcript(self) -> Transcript {
        let caller = self.visitor_number().to_owned();
        let (dialled, saw) = if self.visitor_was_called() {
            (String::new(), self.visitor.from)
        } else {
            (self.visitor.to.clone(), self.visitor.to)
        };
        let (requests, mut errors) = self.network.settle().await;
        let mut real = self.rung.clone();
        real.push(caller.clone());
        for fault in &mut errors {
            redact(std::slice::from_mut(&mut fault.message), &real);
        }
        let mut visitor_heard = self.visitor.heard;
        let visitor_saw_owner_number = redact(&mut visitor_heard, &self.rung);
        let mut owner_heard = self.owner.heard;
        let owner_heard_number = redact(&mut owner_heard, std::slice::from_ref(&caller));
        let called = !self.owner.sid.is_empty();
        let saw_number = called && self.owner.from == caller;
        let shown = if saw_number {
            phone::mask(&self.owner.from)
        } else {
            self.owner.from
        };
        Transcript {
            call_sid: self.visitor.sid,
            seed: self.seed,
            visitor: VisitorSide {
                dialled,
                heard: visitor_heard,
                saw,
                keyed: self.visitor.keyed,
            },
            owner: OwnerSide {
                rang: self.owner.rang,
                heard: owner_heard,
                saw: called.then_some(shown),
            },
            owner_saw_visitor_number: saw_number || owner_heard_number,
            visitor_saw_owner_number,
            requests,
            call_status: self.visitor.ended.unwrap_or(CallStatus::Completed),
            dial_call_status: self.dial_call_status,
            errors,
        }
    }
}

/// Takes out what gives one of the numbers away; tells whether anything did.
fn redact(heard: &mut [String], numbers: &[String]) -> bool {
    let mut found = false;
    for text in heard {
        if numbers.iter().any(|number| phone::reveals(text, number)) {
            *text = "(withheld here: it gives away a real number)".to_owned();
            found = true;
        }
    }
    found
}
