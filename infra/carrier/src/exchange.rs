//! What the carrier knows while it is served: how it is to behave, and what the
//! application has asked for.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::behaviour::Behaviour;
use crate::outbound::Order;
use crate::{CallPlan, Carrier, PlanError, Transcript};

/// A list forgets its oldest entries beyond this.
const MAX_ENTRIES: usize = 1000;
/// Twilio sets a call up in a moment, so the answer to its request is there first.
const SET_UP: Duration = Duration::from_millis(50);

/// What the application asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum List {
    Calls,
    Messages,
}

struct Entry {
    list: List,
    accepted: bool,
    to: String,
    shown: Value,
}

#[derive(Default)]
struct Book {
    /// By the number that is called or written to; the default under none.
    behaviours: HashMap<Option<String>, Behaviour>,
    entries: VecDeque<Entry>,
}

/// The carrier while it is served. Clones share everything.
#[derive(Clone)]
pub(crate) struct Exchange {
    pub carrier: Carrier,
    book: Arc<Mutex<Book>>,
    stopping: watch::Receiver<()>,
}

impl Exchange {
    /// Calls end when the other side of `stopping` goes.
    pub fn new(carrier: Carrier, stopping: watch::Receiver<()>) -> Self {
        let book = Arc::default();
        Self {
            carrier,
            book,
            stopping,
        }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the behaviour towards one number, or the default.
    pub fn behave(&self, to: Option<String>, behaviour: Behaviour) {
        self.book().behaviours.insert(to, behaviour);
    }

    /// Forgets the behaviour towards one number, or every behaviour.
    pub fn forget(&self, to: Option<String>) {
        match to {
            None => self.book().behaviours.clear(),
            to => drop(self.book().behaviours.remove(&to)),
        }
    }

    /// What the next request about this number is met with; counts it.
    pub fn take_behaviour(&self, to: &str) -> Behaviour {
        let behaviours = &mut self.book().behaviours;
        let own = Some(to.to_owned());
        let key = if behaviours.contains_key(&own) {
            own
        } else {
            None
        };
        let behaviour = behaviours.get_mut(&key);
        behaviour.map_or_else(Behaviour::default, Behaviour::take)
    }

    /// Writes down what was asked for.
    pub fn enter(&self, list: List, accepted: bool, to: &str, shown: Value) {
        let entries = &mut self.book().entries;
        entries.push_back(Entry {
            list,
            accepted,
            to: to.to_owned(),
            shown,
        });
        if entries.len() > MAX_ENTRIES {
            entries.pop_front();
        }
    }

    /// What was asked for, in that order: accepted or refused.
    pub fn entries(&self, list: List, accepted: bool, to: Option<&str>) -> Vec<Value> {
        let book = self.book();
        let entries = book.entries.iter().filter(|entry| {
            entry.list == list && entry.accepted == accepted && to.is_none_or(|to| entry.to == to)
        });
        entries.map(|entry| entry.shown.clone()).collect()
    }

    /// Runs a call from outside; none if the carrier stops before its end.
    pub async fn place(&self, plan: CallPlan) -> Option<Result<Transcript, PlanError>> {
        self.unless_stopped(self.carrier.place(plan)).await
    }

    /// Starts a call that was asked for.
    pub fn start(&self, order: Order, behaviour: &Behaviour, sid: String) -> JoinHandle<()> {
        let plan = behaviour.call(&order.from, &order.visitor.number);
        let call = self.carrier.outbound(plan, sid.clone());
        let set_up = if behaviour.rest.callbacks_before_answer {
            Duration::ZERO
        } else {
            SET_UP
        };
        let exchange = self.clone();
        tokio::spawn(async move {
            let run = async {
                tokio::time::sleep(set_up).await;
                call.run_order(order).await
            };
            if let Some(transcript) = exchange.unless_stopped(run).await {
                exchange.finish(&sid, &transcript);
            }
        })
    }

    fn finish(&self, sid: &str, transcript: &Transcript) {
        let mut book = self.book();
        let mut entries = book.entries.iter_mut();
        if let Some(entry) = entries.find(|entry| entry.shown["callSid"] == sid) {
            entry.shown["status"] = json!(transcript.call_status);
            entry.shown["transcript"] = json!(transcript);
        }
    }

    async fn unless_stopped<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let mut stopping = self.stopping.clone();
        tokio::select! {
            done = work => Some(done),
            _ = stopping.changed() => None,
        }
    }
}
