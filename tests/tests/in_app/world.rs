//! What lies around the server: API Gateway with its connections, the deadline queue, and
//! the time of day. All of it as unreliable as the real ones are, as often as the seed says.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use maskline::domain::booking::Booking;
use maskline::domain::signaling::Sent;
use maskline::domain::time::Timestamp;
use maskline::ports::deadlines::{AskLater, Question, QueueError};
use maskline::ports::delivery::{Deliver, Posted};
use serde_json::{Value, json};

use crate::dice::Dice;
use crate::gate::Gate;

/// What the server reaches of the world.
#[derive(Clone)]
pub struct Net {
    pub gate: Gate,
    world: Rc<RefCell<World>>,
}

/// The world of one run.
pub struct World {
    pub dice: Dice,
    pub now: Timestamp,
    pub links: BTreeMap<String, Link>,
    pub in_flight: Vec<(String, Value)>,
    pub questions: Vec<(Timestamp, Question)>,
    pub habits: Habits,
    /// Every booking that there is.
    pub bookings: Vec<Booking>,
    /// How each call ended, as devices were told.
    pub told_ends: BTreeMap<String, ToldEnd>,
    /// The calls that a device was rung for which API Gateway did not know to be gone.
    pub rung: BTreeSet<String>,
    /// What must not have been.
    pub violations: Vec<String>,
    /// What happened, if anybody wants to know.
    pub trace: Option<Vec<String>>,
}

/// How unreliable things are, in a thousand.
#[derive(Debug, Clone, Copy, Default)]
pub struct Habits {
    /// A post fails.
    pub post_fails: u64,
    /// A frame arrives twice.
    pub twice: u64,
    /// A message of the queue is lost.
    pub question_lost: u64,
    /// A message of the queue comes twice.
    pub question_twice: u64,
}

/// A connection, as it really is.
pub struct Link {
    pub device: usize,
    pub user: String,
    pub since: Timestamp,
    pub state: LinkState,
    /// `$disconnect` was handled after the connection had ended.
    pub reported: bool,
    /// A frame that was meant for it did not get there.
    pub deaf: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkState {
    /// `$connect` has not returned.
    Connecting,
    Open,
    /// The device is away, and API Gateway has not noticed.
    HalfOpen,
    Closed,
}

/// What devices are told of an end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ToldEnd {
    pub reason: Option<String>,
    pub duration: Option<u64>,
    pub by: Option<String>,
}

impl Net {
    pub fn new(gate: Gate, world: World) -> Self {
        let world = Rc::new(RefCell::new(world));
        Net { gate, world }
    }

    /// Looks at the world, or changes it.
    pub fn world<T>(&self, look: impl FnOnce(&mut World) -> T) -> T {
        look(&mut self.world.borrow_mut())
    }

    /// The time by a clock that is up to 50 ms wrong.
    pub fn clock(&self) -> Timestamp {
        self.world(|world| {
            let skew = world.dice.up_to(100_000_000) as i64 - 50_000_000;
            world.now + jiff::SignedDuration::from_nanos(skew)
        })
    }

    /// For the trace.
    pub fn note(&self, what: impl FnOnce() -> String) {
        self.world(|world| world.note(what));
    }
}

impl World {
    pub fn note(&mut self, what: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{:.3} {}", self.now, what()));
        }
    }

    pub fn violated(&mut self, what: String) {
        self.note(|| format!("!!! {what}"));
        self.violations.push(what);
    }

    fn post(&mut self, connection: &str, frame: &Sent) -> Posted {
        let frame = json!(frame);
        let fails = self.dice.chance(self.habits.post_fails);
        let Some(link) = self.links.get_mut(connection) else {
            self.violated(format!("a post to {connection}, which never was: {frame}"));
            return Posted::Gone;
        };
        let (state, user) = (link.state, link.user.clone());
        let rings = frame["event"] == "call:incoming" && frame["id"].is_null();
        let call = frame["data"]["callId"].as_str().map(str::to_owned);
        // One that fails may have arrived all the same.
        let arrives = state == LinkState::Open && (!fails || self.dice.chance(500));
        if !arrives {
            link.deaf = true;
        }
        self.note(|| format!("{connection} <- {frame} {state:?} fails={fails} {arrives}"));
        self.check(&user, connection, &frame);
        if arrives {
            self.in_flight.push((connection.to_owned(), frame.clone()));
            if self.dice.chance(self.habits.twice) {
                self.in_flight.push((connection.to_owned(), frame));
            }
        }
        let posted = match state {
            _ if fails => Posted::Failed("simulated".to_owned()),
            LinkState::Open | LinkState::HalfOpen => Posted::Taken,
            LinkState::Connecting | LinkState::Closed => Posted::Gone,
        };
        // Not the answer to a `join`, which may come beside the ringing.
        if rings && posted != Posted::Gone {
            self.rung.extend(call);
        }
        posted
    }

    /// What holds for every frame, wherever it goes.
    fn check(&mut self, user: &str, connection: &str, frame: &Value) {
        let data = &frame["data"];
        let event = frame["event"].as_str().unwrap_or_default();
        let fine = match event {
            "error" => data.as_object().is_some_and(|data| data.len() == 3),
            "joined" => data["userId"] == user,
            "pong" => true,
            _ => self.bookings.iter().any(|booking| {
                let id = booking.id.as_str();
                let call = data["callId"].as_str().unwrap_or_default();
                data["bookingId"] == id
                    && call.rsplit_once('.').is_some_and(|(line, _)| line == id)
                    && data["version"].is_u64()
                    && booking.role_of(user).is_some()
            }),
        };
        if !fine {
            self.violated(format!("{user} at {connection} is sent {frame}"));
        }
        let ended = event == "call:ended" && data["reason"] != "answered_elsewhere";
        if !ended && event != "call:rejected" {
            return;
        }
        let text = |name: &str| data[name].as_str().map(str::to_owned);
        let now = ToldEnd {
            reason: text("reason"),
            duration: data["duration"].as_u64(),
            by: text("endedBy"),
        };
        let call = text("callId").unwrap_or_default();
        let told = self.told_ends.entry(call).or_default();
        let before = told.clone();
        let differ = |a: &Option<String>, b: &Option<String>| a.is_some() && b.is_some() && a != b;
        let durations = told.duration.zip(now.duration);
        let contradiction = differ(&told.reason, &now.reason)
            || differ(&told.by, &now.by)
            || durations.is_some_and(|(a, b)| a != b);
        told.reason = told.reason.take().or(now.reason);
        told.duration = told.duration.or(now.duration);
        told.by = told.by.take().or(now.by);
        if contradiction {
            self.violated(format!("{frame}, when {before:?} had been told"));
        }
    }
}

impl Deliver for Net {
    async fn post(&self, connection: &str, frame: &Sent) -> Posted {
        let _turn = self.gate.turn().await;
        self.world(|world| world.post(connection, frame))
    }

    async fn is_gone(&self, connection: &str) -> bool {
        let _turn = self.gate.turn().await;
        self.world(|world| {
            let state = world.links.get(connection).map(|link| link.state);
            let unanswered = world.dice.chance(world.habits.post_fails);
            !unanswered && !matches!(state, Some(LinkState::Open | LinkState::HalfOpen))
        })
    }
}

impl AskLater for Net {
    async fn ask(&self, question: &Question, after_seconds: i32) -> Result<(), QueueError> {
        let _turn = self.gate.turn().await;
        self.world(|world| {
            world.note(|| format!("asked in {after_seconds} s: {question:?}"));
            if !(0..=900).contains(&after_seconds) {
                world.violated(format!("SQS delays no message by {after_seconds} s"));
            }
            if world.dice.chance(world.habits.question_lost) {
                return;
            }
            let due = world.now + jiff::SignedDuration::from_secs(after_seconds.into());
            world.questions.push((due, question.clone()));
            if world.dice.chance(world.habits.question_twice) {
                world.questions.push((due, question.clone()));
            }
        });
        Ok(())
    }
}
