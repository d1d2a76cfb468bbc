//! Queues as SQS keeps them, and the functions that are invoked with their messages.

mod endpoint;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::faults::{Faults, Way};
use crate::lambda::Function;
use crate::log::lock;
use crate::runtime_api::request_id;
use crate::template::{QueuePlan, REGION, SourcePlan, queue_arn};
use crate::usage::Usage;

/// The queues of a stack.
#[derive(Debug)]
pub struct Queues {
    queues: BTreeMap<String, Queue>,
    url: String,
    usage: Option<Usage>,
    way: Way,
}

#[derive(Debug)]
struct Queue {
    plan: QueuePlan,
    visibility: Mutex<Duration>,
    messages: Mutex<Messages>,
    /// Told when a message comes in.
    arrived: Notify,
}

#[derive(Debug, Default)]
struct Messages {
    /// In the order in which they came in.
    held: BTreeMap<u64, Message>,
    next: u64,
}

#[derive(Debug, Clone)]
struct Message {
    id: String,
    body: String,
    sent: Timestamp,
    /// When it can be received, for the first time or again.
    visible: Instant,
    receives: u32,
    first_received: Timestamp,
}

/// Messages on their way to a function, by their place in the queue.
type Batch = Vec<(u64, Message)>;

impl Queues {
    /// Empty queues, to be served at `url`.
    pub(crate) fn new(plans: &[QueuePlan], url: String, usage: Option<Usage>) -> Arc<Self> {
        let queue = |plan: &QueuePlan| Queue {
            plan: plan.clone(),
            visibility: Mutex::new(plan.visibility),
            messages: Mutex::default(),
            arrived: Notify::new(),
        };
        let queues = plans.iter().map(|plan| (plan.name.clone(), queue(plan)));
        Arc::new(Self {
            queues: queues.collect(),
            url,
            usage,
            way: Way::default(),
        })
    }

    /// Where the queues answer to SQS's protocol.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The bodies of all messages in the queue of that logical id, oldest first:
    /// delayed, visible and on their way to a function.
    pub fn bodies(&self, queue: &str) -> Vec<String> {
        let queue = self.queues.get(queue);
        queue.map_or_else(Vec::new, |queue| {
            let messages = lock(&queue.messages);
            messages.held.values().map(|m| m.body.clone()).collect()
        })
    }

    /// How many messages are in the queue of that logical id.
    pub fn depth(&self, queue: &str) -> usize {
        let queue = self.queues.get(queue);
        queue.map_or(0, |queue| lock(&queue.messages).held.len())
    }

    /// What happens from now on to messages between being sent and being in their
    /// queue: senders notice nothing.
    pub fn trouble(&self, faults: Faults, seed: u64) {
        self.way.trouble(faults, seed);
    }

    /// Has messages that fail from now on come again after that time, in all queues.
    pub fn redeliver_after(&self, time: Duration) {
        for queue in self.queues.values() {
            *lock(&queue.visibility) = time;
        }
    }

    /// Serves, and invokes functions with what comes in, until `shutdown`.
    pub(crate) async fn serve(
        self: Arc<Self>,
        listener: TcpListener,
        functions: Vec<Arc<Function>>,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> std::io::Result<()> {
        // The deliveries end when this set goes.
        let mut deliveries = JoinSet::new();
        for function in functions {
            for source in function.plan.sources.clone() {
                deliveries.spawn(Arc::clone(&self).deliver(source, Arc::clone(&function)));
            }
        }
        endpoint::serve(self, listener, shutdown).await
    }

    /// Takes a message in; gives its id.
    fn send(&self, queue: &Queue, body: String, delay: Duration) -> String {
        let now = Timestamp::now();
        let due = Instant::now() + delay;
        let message = Message {
            id: request_id(),
            body,
            sent: now,
            visible: due,
            receives: 0,
            first_received: now,
        };
        for late in self.way.arrivals() {
            queue.put(Message {
                visible: due + late,
                ..message.clone()
            });
        }
        message.id
    }

    async fn deliver(self: Arc<Self>, source: SourcePlan, function: Arc<Function>) {
        let permits = Arc::new(Semaphore::new(source.max_concurrency));
        let mut running = JoinSet::new();
        while let Ok(permit) = Arc::clone(&permits).acquire_owned().await {
            let batch = self.receive(&source).await;
            let (queues, source) = (Arc::clone(&self), source.clone());
            let function = Arc::clone(&function);
            running.spawn(async move {
                queues.hand_over(&source, &function, batch).await;
                drop(permit);
            });
            while running.try_join_next().is_some() {}
        }
    }

    /// Waits until messages are due, and takes them for the time of the queue's
    /// visibility timeout.
    async fn receive(&self, source: &SourcePlan) -> Batch {
        let Some(queue) = self.queues.get(&source.queue) else {
            return std::future::pending().await;
        };
        loop {
            // Listening before looking: what comes in between is not missed.
            let mut arrived = std::pin::pin!(queue.arrived.notified());
            arrived.as_mut().enable();
            let (batch, dead) = queue.take(source.batch_size);
            if let Some((name, _)) = &queue.plan.dead_letters
                && let Some(dead_letters) = self.queues.get(name)
            {
                dead.into_iter()
                    .for_each(|message| dead_letters.put(message));
            }
            if !batch.is_empty() {
                return batch;
            }
            match queue.next_due() {
                None => arrived.await,
                Some(due) => tokio::select! {
                    () = sleep_until(due) => {}
                    () = arrived => {}
                },
            }
        }
    }

    /// Invokes the function; what it is done with leaves the queue.
    async fn hand_over(&self, source: &SourcePlan, function: &Arc<Function>, batch: Batch) {
        let arn = queue_arn(&source.queue);
        let records: Vec<Value> = batch.iter().map(|(_, m)| record(&arn, m)).collect();
        let answer = function.invoke(&json!({ "Records": records })).await;
        let failed = match answer {
            Ok(answer) if source.reports_failures => failures(&answer, &batch),
            Ok(_) => Some(Vec::new()),
            Err(_) => None,
        };
        let Some(failed) = failed else {
            return function.log(&format!("{} messages failed", batch.len()));
        };
        if let Some(queue) = self.queues.get(&source.queue) {
            let mut messages = lock(&queue.messages);
            for (place, message) in &batch {
                if !failed.contains(&message.id) {
                    messages.held.remove(place);
                }
            }
        }
    }
}

impl Queue {
    fn put(&self, message: Message) {
        let mut messages = lock(&self.messages);
        let place = messages.next;
        messages.next += 1;
        messages.held.insert(place, message);
        drop(messages);
        self.arrived.notify_waiters();
    }

    fn next_due(&self) -> Option<Instant> {
        let messages = lock(&self.messages);
        messages.held.values().map(|m| m.visible).min()
    }

    /// The messages that are due, and those that were received in vain too often.
    fn take(&self, most: usize) -> (Batch, Vec<Message>) {
        let now = Instant::now();
        let most_receives = self.plan.dead_letters.as_ref().map(|(_, most)| *most);
        let visibility = *lock(&self.visibility);
        let mut messages = lock(&self.messages);
        let due = |message: &Message| message.visible <= now;
        let spent = |m: &Message| due(m) && most_receives.is_some_and(|most| m.receives >= most);
        let dead = messages.held.extract_if(.., |_, message| spent(message));
        let dead = dead.map(|(_, message)| message).collect();
        let mut batch = Batch::new();
        for (place, message) in &mut messages.held {
            if batch.len() < most && due(message) {
                if message.receives == 0 {
                    message.first_received = Timestamp::now();
                }
                message.receives += 1;
                message.visible = now + visibility;
                batch.push((*place, message.clone()));
            }
        }
        (batch, dead)
    }
}

/// A message as Lambda hands it over.
fn record(arn: &str, message: &Message) -> Value {
    json!({
        "messageId": message.id,
        "receiptHandle": format!("{}#{}", message.id, message.receives),
        "body": message.body,
        "attributes": {
            "ApproximateReceiveCount": message.receives.to_string(),
            "SentTimestamp": message.sent.as_millisecond().to_string(),
            "SenderId": "AIDALOCAL",
            "ApproximateFirstReceiveTimestamp": message.first_received.as_millisecond().to_string(),
        },
        "messageAttributes": {},
        "md5OfBody": md5_of(&message.body),
        "eventSource": "aws:sqs",
        "eventSourceARN": arn,
        "awsRegion": REGION,
    })
}

/// The ids of the messages that failed; `None` if all did, as for an answer that
/// Lambda cannot read.
fn failures(answer: &Value, batch: &Batch) -> Option<Vec<String>> {
    let failed = match &answer["batchItemFailures"] {
        Value::Null => return (answer.is_null() || answer.is_object()).then(Vec::new),
        Value::Array(failed) => failed,
        _ => return None,
    };
    let known = |id: &&str| batch.iter().any(|(_, message)| message.id == *id);
    let id = |failure: &Value| {
        failure["itemIdentifier"]
            .as_str()
            .filter(known)
            .map(str::to_owned)
    };
    failed.iter().map(id).collect()
}

fn md5_of(text: &str) -> String {
    format!("{:x}", md5::compute(text))
}
