//! The way from the carrier to the application: every request passes through
//! here, is written down, and callbacks meet the faults that the plan asks for.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::plan::{Callback, NetworkPlan};
use crate::random::Dice;
use crate::transcript::{CallStatus, Fault, RequestKind, RequestLog};
use crate::webhook::{Reply, Sender, Webhook};

/// A request with what the transcript says about it.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub kind: RequestKind,
    pub at: String,
    pub call_status: Option<CallStatus>,
    pub webhook: Webhook,
}

#[derive(Default)]
struct Records {
    requests: Vec<RequestLog>,
    errors: Vec<Fault>,
}

/// Sends requests and keeps the books. Clones share them.
#[derive(Clone)]
struct Wire {
    sender: Arc<Sender>,
    records: Arc<Mutex<Records>>,
}

impl Wire {
    fn records(&self) -> MutexGuard<'_, Records> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes the request down when it leaves, and completes the entry when it is answered.
    async fn carry(&self, request: &Request, copy: u32) -> Result<Reply, Fault> {
        let index = self.write_down(request, copy, false);
        let started = Instant::now();
        let outcome = self.sender.send(&request.webhook).await;
        let millis = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        if let Some(entry) = self.records().requests.get_mut(index) {
            entry.http_status = outcome.as_ref().ok().map(|reply| reply.status.as_u16());
            entry.millis = millis;
        }
        outcome
    }

    fn write_down(&self, request: &Request, copy: u32, lost: bool) -> usize {
        let requests = &mut self.records().requests;
        requests.push(RequestLog {
            at: request.at.clone(),
            kind: request.kind,
            call_status: request.call_status,
            http_status: None,
            millis: 0,
            copy,
            lost,
        });
        requests.len() - 1
    }

    /// Carries a delivery whose answer nobody waits for; only its failure is noted.
    async fn notify(&self, request: &Request, copy: u32) {
        let fault = match self.carry(request, copy).await {
            Ok(reply) if reply.status.is_success() => return,
            Ok(reply) => {
                let code = match request.kind {
                    RequestKind::DialStatus => 11200,
                    _ => 15003,
                };
                let (kind, status) = (request.kind.as_str(), reply.status.as_u16());
                Fault::new(code, format!("{kind} was answered with HTTP {status}"))
            }
            Err(fault) => fault,
        };
        self.records().errors.push(fault);
    }
}

/// One copy of a callback on its way.
struct Delivery {
    request: Request,
    copy: u32,
    delay: Duration,
}

impl Delivery {
    async fn wait(&self) {
        if !self.delay.is_zero() {
            tokio::time::sleep(self.delay).await;
        }
    }
}

/// The network of one call.
pub(crate) struct Network {
    plan: NetworkPlan,
    dice: Dice,
    wire: Wire,
    /// With reordering: what waits to be shuffled when the `<Dial>` has ended.
    held: Vec<Delivery>,
    /// Deliveries under way; the one whose answer counts returns it.
    under_way: JoinSet<Option<Result<Reply, Fault>>>,
}

impl Network {
    pub fn new(plan: NetworkPlan, seed: u64, sender: Arc<Sender>) -> Self {
        let records = Arc::default();
        Self {
            plan,
            dice: Dice::new(seed),
            wire: Wire { sender, records },
            held: Vec::new(),
            under_way: JoinSet::new(),
        }
    }

    /// Adds an entry to Twilio's debugger.
    pub fn report(&self, fault: Fault) {
        self.wire.records().errors.push(fault);
    }

    /// Asks for TwiML. The network does nothing to these requests: a carrier that
    /// gets no answer to one has nothing more to say to the caller.
    pub async fn ask(&self, request: &Request) -> Result<Reply, Fault> {
        self.wire.carry(request, 0).await
    }

    /// Reports an event, now or (with reordering) together with the others.
    pub async fn notify(&mut self, callback: Callback, request: Request) {
        for delivery in self.copies(callback, request) {
            if self.plan.reorder {
                self.held.push(delivery);
            } else {
                delivery.wait().await;
                self.wire.notify(&delivery.request, delivery.copy).await;
            }
        }
    }

    /// Ends a `<Dial>`: releases what was held back, together with the request to
    /// its `action`, if it has one. Returns that request's answer; none if the
    /// network lost it.
    pub async fn end_dial(&mut self, action: Option<Request>) -> Option<Result<Reply, Fault>> {
        let mut deliveries = std::mem::take(&mut self.held);
        if let Some(request) = action {
            deliveries.extend(self.copies(Callback::DialStatus, request));
        }
        if !self.plan.reorder {
            let mut answer = None;
            for delivery in deliveries {
                delivery.wait().await;
                if delivery.copy == 0 {
                    answer = Some(self.wire.carry(&delivery.request, 0).await);
                } else {
                    self.wire.notify(&delivery.request, delivery.copy).await;
                }
            }
            return answer;
        }
        self.dice.shuffle(&mut deliveries);
        for delivery in deliveries {
            let wire = self.wire.clone();
            self.under_way.spawn(async move {
                delivery.wait().await;
                if delivery.request.kind == RequestKind::DialStatus && delivery.copy == 0 {
                    return Some(wire.carry(&delivery.request, 0).await);
                }
                wire.notify(&delivery.request, delivery.copy).await;
                None
            });
        }
        // The caller waits for this one only; the rest may come in later.
        while let Some(finished) = self.under_way.join_next().await {
            if let Ok(Some(answer)) = finished {
                return Some(answer);
            }
        }
        None
    }

    fn copies(&mut self, callback: Callback, request: Request) -> Vec<Delivery> {
        if self.plan.lose.contains(&callback) {
            self.wire.write_down(&request, 0, true);
            return Vec::new();
        }
        let copies = (0..=self.plan.duplicate).map(|copy| Delivery {
            request: request.clone(),
            copy,
            delay: Duration::from_millis(self.dice.up_to(self.plan.delay_ms)),
        });
        copies.collect()
    }

    /// Waits for everything held back or under way and closes the books.
    pub async fn settle(mut self) -> (Vec<RequestLog>, Vec<Fault>) {
        self.end_dial(None).await;
        let records = std::mem::take(&mut *self.wire.records());
        (records.requests, records.errors)
    }
}
