//! One run: a few devices, what they do, and in which order everything happens.

use std::collections::{BTreeMap, BTreeSet};
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use aws_sdk_dynamodb::Client;
use jiff::SignedDuration;
use maskline::domain::app_call::{AppCall, Device as ServersDevice, Times};
use maskline::domain::booking::{Booking, Status};
use maskline::domain::signaling::CallRef;
use maskline::domain::time::Timestamp;
use maskline::lambda::switchboard::Switchboard;
use maskline::ports::deadlines::Question;
use maskline::ports::store::app_calls::AppCalls;
use maskline::ports::store::connections::Connections;
use tokio::task::unconstrained;

use crate::device::{Asked, Device, Phase};
use crate::dice::Dice;
use crate::gate::{Gate, Trouble};
use crate::server::{Request, Server};
use crate::world::{Habits, Link, LinkState, Net, World};

/// The names of the tables.
pub const CALLS: &str = "Calls";
pub const CONNECTIONS: &str = "Connections";

/// What runs side by side at most.
const MOST_AT_ONCE: usize = 4;
/// How long what runs may take, milliseconds. API Gateway is done with `$connect` by then.
pub const LONGEST_OPERATION: i64 = 2000;
/// API Gateway ends a connection at this age, seconds.
const OLDEST_CONNECTION: i64 = 7200;

/// What ran has ended.
enum Done {
    Connected(String, bool),
    Disconnected(String, bool),
    Answered,
    /// A question, to be asked again if that failed.
    Asked(Question, bool),
}

struct Operation {
    begun: Timestamp,
    future: Pin<Box<dyn Future<Output = Done>>>,
}

/// A run under way.
pub struct Run {
    pub dice: Dice,
    pub net: Net,
    pub server: Rc<Server>,
    pub bookings: Vec<Booking>,
    pub devices: Vec<Device>,
    pub plan: Plan,
    /// The records of the calls when they were last looked at.
    pub records: BTreeMap<String, AppCall>,
    gate: Gate,
    prefix: String,
    operations: Vec<Operation>,
    wake: Arc<Woken>,
    to_connect: Vec<String>,
    to_send: Vec<(String, u64, Request)>,
    to_disconnect: Vec<String>,
    last_connection: usize,
}

/// What a run has in store.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// What is done in all.
    pub actions: u64,
    /// No message of the queue is ever lost.
    pub queue_holds: bool,
    /// Nothing that runs ever dies, and the store never fails for good.
    pub server_holds: bool,
    /// Devices vanish without API Gateway noticing.
    pub half_open: bool,
    /// `$disconnect` always comes.
    pub disconnect_comes: bool,
    /// What runs dies half-way, in a thousand turns.
    pub dies: u64,
}

#[derive(Default)]
struct Woken {
    again: AtomicBool,
    outer: Mutex<Option<Waker>>,
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.again.store(true, Ordering::SeqCst);
        let outer = self
            .outer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if let Some(outer) = outer {
            outer.wake();
        }
    }
}

impl Run {
    /// A run of its own, by names that no other has.
    pub fn new(seed: u64, prefix: String, client: &Client, traced: bool) -> Self {
        let mut dice = Dice::new(seed);
        let now: Timestamp = "2100-01-01T00:00:00Z".parse().expect("a time");
        let now = now + SignedDuration::from_nanos(dice.up_to(999_999_999) as i64);
        let user = |name: &str| format!("{prefix}-{name}");
        let booking = |number: u32, one: &str, other: &str| Booking {
            id: format!("{prefix}.b{number}")
                .parse()
                .expect("a booking's id"),
            user_id: user(one),
            user_name: format!("Name of {one}"),
            provider_id: user(other),
            provider_name: format!("Name of {other}"),
            service_name: "Plumbing".to_owned(),
            status: Status::Accepted,
            tag: None,
            open_until: None,
            expires_at: None,
            created_at: now,
            updated_at: now,
        };
        let mut bookings = vec![booking(1, "asha", "ravi")];
        // The first four are the two's; a run has two to four of them.
        let devices: &[&str] = dice.pick(&[
            ["asha", "ravi"].as_slice(),
            &["asha", "ravi", "ravi"],
            &["asha", "asha", "ravi"],
            &["asha", "asha", "ravi", "ravi"],
            &["asha", "asha", "ravi", "ravi"],
        ]);
        let mut devices: Vec<_> = devices
            .iter()
            .map(|name| Device::new(&user(name)))
            .collect();
        if dice.chance(350) {
            let shared = dice.pick(&["asha", "ravi"]);
            bookings.push(match dice.chance(500) {
                true => booking(2, shared, "mira"),
                false => booking(2, "mira", shared),
            });
            devices.push(Device::new(&user("mira")));
        }
        if dice.chance(400) {
            devices.push(Device::new(&user("stranger")));
        }
        let queue_holds = dice.chance(500);
        let server_holds = dice.chance(800);
        let trouble = Trouble {
            answer_lost: dice.pick(&[0, 0, 0, 60]),
            down: dice.pick(&[0, 20]) * u64::from(!server_holds),
        };
        let habits = Habits {
            post_fails: dice.pick(&[0, 0, 50]),
            twice: dice.pick(&[0, 100]),
            question_lost: dice.pick(&[200, 1000]) * u64::from(!queue_holds),
            question_twice: dice.pick(&[0, 200]),
        };
        let plan = Plan {
            actions: 4 + dice.up_to(8),
            queue_holds: queue_holds && server_holds,
            server_holds,
            half_open: dice.chance(500),
            disconnect_comes: dice.chance(500),
            dies: dice.pick(&[0, 10]) * u64::from(!server_holds),
        };
        let times = Times {
            ring: 45,
            talk: dice.pick(&[90, 600, 3600]),
            gone: 60,
            retention: 86_400,
        };
        let gate = Gate::new(dice.next());
        gate.trouble(trouble);
        let net = Net::new(
            gate.clone(),
            World {
                dice: Dice::new(dice.next()),
                now,
                links: BTreeMap::new(),
                in_flight: Vec::new(),
                questions: Vec::new(),
                habits,
                bookings: bookings.clone(),
                told_ends: BTreeMap::new(),
                rung: BTreeSet::new(),
                violations: Vec::new(),
                trace: traced.then(Vec::new),
            },
        );
        net.note(|| format!("{plan:?} {trouble:?} {habits:?} {times:?} {bookings:?}"));
        let mut config = client.config().to_builder();
        config.set_http_client(client.config().http_client().map(|way| gate.before(way)));
        let client = Client::from_conf(config.build());
        let board = Switchboard {
            calls: AppCalls::new(client.clone(), CALLS),
            connections: Connections::new(client, CONNECTIONS),
            deliver: net.clone(),
            queue: net.clone(),
        };
        Run {
            dice,
            server: Rc::new(Server {
                board,
                net: net.clone(),
                times,
            }),
            net,
            bookings,
            devices,
            plan,
            records: BTreeMap::new(),
            gate,
            prefix,
            operations: Vec::new(),
            wake: Arc::new(Woken::default()),
            to_connect: Vec::new(),
            to_send: Vec::new(),
            to_disconnect: Vec::new(),
            last_connection: 0,
        }
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        self.net.world(|world| world.now)
    }

    /// Whether something is wrong already. What comes after it says nothing.
    pub fn failed(&self) -> bool {
        self.net.world(|world| !world.violations.is_empty())
    }

    /// Everybody does something, in any order, until the plan is done.
    pub async fn act_up(&mut self) {
        for device in 0..self.devices.len() {
            if self.dice.chance(850) {
                self.connect(device);
            }
        }
        if self.dice.chance(700) {
            self.drain(false).await;
        }
        if self.dice.chance(600) {
            self.get_into_a_call().await;
        }
        let mut left = self.plan.actions;
        while left > 0 && !self.failed() {
            if self.dice.chance(750) && self.go_on().await {
                continue;
            }
            left -= 1;
            self.act().await;
        }
    }

    /// One calls and the other, mostly, answers: most of what can go wrong goes wrong then.
    async fn get_into_a_call(&mut self) {
        self.drain(false).await;
        let caller = self.dice.up_to(1) as usize;
        let users = [&self.bookings[0].user_id, &self.bookings[0].provider_id].map(Clone::clone);
        let device = |run: &Run, user: &String| {
            let mut devices = run.devices.iter();
            devices.position(|device| device.user == *user && device.joined)
        };
        let (from, to) = (
            device(self, &users[caller]),
            device(self, &users[1 - caller]),
        );
        let (Some(from), Some(to)) = (from, to) else {
            return;
        };
        self.send(from, Asked::Initiate, Request::Initiate { booking: 0 });
        if self.dice.chance(800) {
            self.drain(false).await;
            let booking_id = self.bookings[0].id.clone();
            let call_id = None;
            let about = CallRef {
                booking_id,
                call_id,
            };
            self.send(to, Asked::Accept, Request::Accept(about));
        }
    }

    /// One step of what is under way, whichever; false if nothing is.
    async fn go_on(&mut self) -> bool {
        let (frames, due) = self.net.world(|world| {
            let now = world.now;
            let due = world.questions.iter().filter(|(at, _)| *at <= now);
            (world.in_flight.len(), due.count())
        });
        let room = self.operations.len() < MOST_AT_ONCE;
        let startable = |count: usize| if room { count } else { 0 };
        // What runs goes on more often than something new begins.
        let kinds = [
            4 * self.operations.len(),
            frames,
            startable(due),
            startable(self.to_connect.len() + self.to_send.len()),
            // `$disconnect` is late.
            startable(self.to_disconnect.len().min(1)),
        ];
        let all: usize = kinds.iter().sum();
        if all == 0 {
            return false;
        }
        let mut at = self.dice.up_to(all as u64 - 1) as usize;
        let mut chosen = 0;
        while at >= kinds[chosen] {
            at -= kinds[chosen];
            chosen += 1;
        }
        match chosen {
            0 if self.dice.chance(self.plan.dies) => self.kill(),
            0 => self.turn().await,
            1 => self.deliver(),
            2 => drop(self.ask_due()),
            3 => self.begin(),
            _ => self.begin_disconnect(),
        }
        self.settle().await;
        true
    }

    /// Ends all that is under way: what runs, is to be sent and in flight. `$disconnect`
    /// and messages of the queue that are due may wait.
    pub async fn drain(&mut self, all: bool) {
        loop {
            self.settle().await;
            if !self.operations.is_empty() {
                self.turn().await;
            } else if !self.to_connect.is_empty() || !self.to_send.is_empty() {
                self.begin();
            } else if self.net.world(|world| !world.in_flight.is_empty()) {
                self.deliver();
            } else if all && !self.to_disconnect.is_empty() {
                self.begin_disconnect();
            } else if !(all && self.ask_due()) {
                return;
            }
        }
    }

    /// Somebody waits no longer.
    async fn turn(&mut self) {
        assert!(self.gate.let_one_go(), "something waits for nothing");
        self.settle().await;
    }

    /// Has all that runs go on until it waits for a turn.
    async fn settle(&mut self) {
        let (operations, wake, gate) = (&mut self.operations, &self.wake, &self.gate);
        let waker = Waker::from(Arc::clone(wake));
        let mut ended = Vec::new();
        let all_wait = poll_fn(|context| {
            *wake.outer.lock().unwrap_or_else(PoisonError::into_inner) =
                Some(context.waker().clone());
            loop {
                wake.again.store(false, Ordering::SeqCst);
                operations.retain_mut(|operation| {
                    match operation
                        .future
                        .as_mut()
                        .poll(&mut Context::from_waker(&waker))
                    {
                        Poll::Pending => true,
                        Poll::Ready(done) => {
                            ended.push(done);
                            false
                        }
                    }
                });
                if wake.again.load(Ordering::SeqCst) {
                    continue;
                }
                return match gate.is_taken() {
                    true => Poll::Pending,
                    false => Poll::Ready(()),
                };
            }
        });
        // Tokio's patience with a task does not end what must be seen to its end.
        unconstrained(all_wait).await;
        for done in ended {
            self.done(done);
        }
    }

    fn done(&mut self, done: Done) {
        match done {
            Done::Connected(connection, well) => {
                let device = self.net.world(|world| {
                    let link = world.links.get_mut(&connection)?;
                    let connecting = link.state == LinkState::Connecting;
                    if connecting {
                        link.state = match well {
                            true => LinkState::Open,
                            false => LinkState::Closed,
                        };
                    }
                    Some((link.device, connecting))
                });
                let Some((device, true)) = device else { return };
                if !well {
                    self.devices[device].drop_connection();
                    return;
                }
                self.devices[device].connected = true;
                self.join(device);
            }
            Done::Disconnected(connection, true) => self.net.world(|world| {
                if let Some(link) = world.links.get_mut(&connection) {
                    link.reported = true;
                }
            }),
            // Lambda tries an asynchronous event again.
            Done::Disconnected(connection, false) => self.to_disconnect.push(connection),
            Done::Answered => {}
            Done::Asked(question, true) => self.net.note(|| format!("settled {question:?}")),
            Done::Asked(question, false) => self.net.world(|world| {
                let again = world.now + SignedDuration::from_secs(30);
                world.questions.push((again, question));
            }),
        }
    }

    fn run(&mut self, future: impl Future<Output = Done> + 'static) {
        self.operations.push(Operation {
            begun: self.now(),
            future: Box::pin(future),
        });
    }

    /// One of what runs dies half-way, as a process does.
    fn kill(&mut self) {
        let last = self.operations.len() as u64 - 1;
        let killed = self.dice.up_to(last) as usize;
        self.net.note(|| "one of what runs dies".to_owned());
        drop(self.operations.remove(killed));
        // A connection that is neither made nor refused stays so; its device tries anew.
        for device in 0..self.devices.len() {
            let waits =
                self.devices[device].connection.is_some() && !self.devices[device].connected;
            if waits {
                self.drop_device(device, false);
            }
        }
    }

    /// The device opens a connection.
    pub fn connect(&mut self, device: usize) {
        self.last_connection += 1;
        let connection = format!("{}-c{:03}", self.prefix, self.last_connection);
        let user = self.devices[device].user.clone();
        self.net
            .note(|| format!("{user} (device {device}) connects: {connection}"));
        self.devices[device].connect(connection.clone());
        self.net.world(|world| {
            let link = Link {
                device,
                user,
                since: world.now,
                state: LinkState::Connecting,
                reported: false,
                deaf: false,
            };
            world.links.insert(connection.clone(), link);
        });
        self.to_connect.push(connection);
    }

    /// The device joins, with the call that it is in.
    pub fn join(&mut self, device: usize) {
        if self.devices[device].connected {
            let holds = self.devices[device].about_to_join();
            self.send(device, Asked::Join, Request::Join { holds });
        }
    }

    /// The device sends a frame, if it is connected.
    pub fn send(&mut self, device: usize, asked: Asked, request: Request) {
        let sender = &mut self.devices[device];
        let Some(connection) = sender.connection.clone().filter(|_| sender.connected) else {
            return;
        };
        let id = sender.ask(asked);
        self.net
            .note(|| format!("{connection} (device {device}) sends {id}: {request:?}"));
        self.to_send.push((connection, id, request));
    }

    /// A connection or a frame reaches the server, in any order.
    fn begin(&mut self) {
        let count = self.to_connect.len() + self.to_send.len();
        let chosen = self.dice.up_to(count as u64 - 1) as usize;
        let server = Rc::clone(&self.server);
        if chosen < self.to_connect.len() {
            let connection = self.to_connect.remove(chosen);
            let user = self
                .net
                .world(|world| world.links[&connection].user.clone());
            let device = ServersDevice {
                user,
                connection: connection.clone(),
            };
            return self.run(async move {
                let well = server.connect(&device).await.is_ok();
                Done::Connected(connection, well)
            });
        }
        let (connection, id, request) = self.to_send.remove(chosen - self.to_connect.len());
        if matches!(request, Request::Join { .. }) {
            self.net.world(|world| {
                if let Some(link) = world.links.get_mut(&connection) {
                    link.deaf = false;
                }
            });
        }
        self.net.note(|| format!("begins {connection} {id}"));
        self.run(async move {
            server.frame(&connection, id, &request).await;
            Done::Answered
        });
    }

    fn begin_disconnect(&mut self) {
        let last = self.to_disconnect.len() as u64 - 1;
        let chosen = self.dice.up_to(last) as usize;
        let connection = self.to_disconnect.remove(chosen);
        let server = Rc::clone(&self.server);
        self.net.note(|| format!("$disconnect of {connection}"));
        self.run(async move {
            let well = server.disconnect(&connection).await.is_ok();
            Done::Disconnected(connection, well)
        });
    }

    /// A message of the queue that is due comes; false if none is.
    fn ask_due(&mut self) -> bool {
        let now = self.now();
        let due = self.net.world(|world| {
            let due = world.questions.iter().position(|(at, _)| *at <= now)?;
            Some(world.questions.remove(due).1)
        });
        let Some(question) = due else {
            return false;
        };
        self.net.note(|| format!("comes {question:?}"));
        let server = Rc::clone(&self.server);
        self.run(async move {
            let well = server.asked(&question).await.is_ok();
            Done::Asked(question, well)
        });
        true
    }

    /// A frame arrives at its device, if that is still there.
    fn deliver(&mut self) {
        let (connection, frame) = self.net.world(|world| {
            let last = world.in_flight.len() as u64 - 1;
            let chosen = world.dice.up_to(last) as usize;
            world.in_flight.swap_remove(chosen)
        });
        let device = self.net.world(|world| world.links[&connection].device);
        if self.devices[device].connection.as_deref() != Some(connection.as_str()) {
            return;
        }
        let received = self.devices[device].receive(&frame);
        let holds = self.devices[device].holds();
        self.net.note(|| {
            let version = &frame["data"]["version"];
            let event = &frame["event"];
            format!("{connection} gets {event} {version}, holds {holds:?}")
        });
        if let Err(what) = received {
            let what = format!("{connection} (device {device}): {what}");
            self.net.world(|world| world.violated(what));
        }
    }

    /// The device's connection ends; `unnoticed`, if API Gateway does not know yet.
    pub fn drop_device(&mut self, device: usize, unnoticed: bool) {
        let Some(connection) = self.devices[device].drop_connection() else {
            return;
        };
        self.net
            .note(|| format!("{connection} drops, unnoticed: {unnoticed}"));
        // What it had sent is on its way, or is not.
        let lost = self.dice.chance(300);
        self.to_send.retain(|(of, ..)| !lost || *of != connection);
        self.to_connect.retain(|of| *of != connection);
        let was_open = self.net.world(|world| {
            let link = world.links.get_mut(&connection)?;
            let was_open = link.state == LinkState::Open;
            link.state = match unnoticed && was_open {
                true => LinkState::HalfOpen,
                false => LinkState::Closed,
            };
            Some(was_open)
        });
        if !unnoticed && was_open == Some(true) {
            self.report(connection);
        }
    }

    /// API Gateway invokes `$disconnect`: once, twice or never.
    fn report(&mut self, connection: String) {
        let times = match self.plan.disconnect_comes {
            true => self.dice.pick(&[1, 1, 2]),
            false => self.dice.pick(&[0, 1, 2]),
        };
        for _ in 0..times {
            self.to_disconnect.push(connection.clone());
        }
    }

    /// API Gateway notices that devices are away: those of half-open connections that the
    /// seed says, or all.
    pub fn notice_half_open(&mut self, all: bool) {
        let half_open = self.net.world(|world| {
            let links = world.links.iter();
            let half_open = links.filter(|(_, link)| link.state == LinkState::HalfOpen);
            half_open.map(|(id, _)| id.clone()).collect::<Vec<_>>()
        });
        for connection in half_open {
            if all || self.dice.chance(500) {
                self.net
                    .note(|| format!("{connection} is noticed to be gone"));
                self.net.world(|world| {
                    if let Some(link) = world.links.get_mut(&connection) {
                        link.state = LinkState::Closed;
                    }
                });
                self.report(connection);
            }
        }
    }

    /// Time passes.
    pub fn pass(&mut self, time: SignedDuration) {
        self.net.world(|world| {
            world.now += time;
            world.note(|| format!("{time:?} pass"));
        });
        let now = self.now();
        let too_old = self.net.world(|world| {
            let age = |link: &Link| now.duration_since(link.since).as_secs();
            let links = world.links.values();
            let old = links.filter(|link| age(link) >= OLDEST_CONNECTION);
            let open = old.filter(|link| link.state == LinkState::Open);
            open.map(|link| link.device).collect::<Vec<_>>()
        });
        for device in too_old {
            self.drop_device(device, false);
        }
    }

    /// So much that what runs is not stretched beyond what it may take.
    fn pass_a_little(&mut self) {
        let now = self.now();
        let begun = self.operations.iter().map(|one| one.begun).min();
        let age = begun.map_or(0, |begun| now.duration_since(begun).as_millis() as i64);
        let most = (LONGEST_OPERATION - age).clamp(0, 600);
        let nanos = self.dice.up_to(most as u64 * 1_000_000) as i64;
        self.pass(SignedDuration::from_nanos(nanos));
    }

    /// Somebody does something, or time passes.
    async fn act(&mut self) {
        let mut device = self.dice.up_to(self.devices.len() as u64 - 1) as usize;
        let mut devices = self.devices.iter();
        // What happens to a device that is in a call matters most.
        if let Some(in_call) = devices.position(|one| one.joined && one.holds().is_some())
            && self.dice.chance(300)
        {
            device = in_call;
        }
        if self.devices[device].connection.is_none() {
            self.connect(device);
            return;
        }
        match self.dice.up_to(99) {
            0..10 => {
                let unnoticed = self.plan.half_open && self.dice.chance(500);
                self.drop_device(device, unnoticed);
                if self.dice.chance(600) {
                    self.connect(device);
                }
            }
            10..13 => self.notice_half_open(false),
            13..22 => self.pass_a_little(),
            22..30 => {
                self.drain(false).await;
                let (seconds, nanos) = match self.dice.up_to(5) {
                    0 | 1 => (self.dice.up_to(5), self.dice.up_to(999_999_999)),
                    2 | 3 => (40 + self.dice.up_to(25), self.dice.up_to(999_999_999)),
                    // To the millisecond a deadline.
                    4 => (self.dice.pick(&[45, 60, 90]), 0),
                    _ => (self.dice.up_to(1200), 0),
                };
                self.pass(SignedDuration::new(seconds as i64, nanos as i32));
            }
            30..36 => {
                let all = self.dice.chance(500);
                self.drain(all).await;
                self.check_calm(false).await;
            }
            _ => self.say_something(device),
        }
    }

    /// The device sends a frame: what fits, mostly.
    fn say_something(&mut self, device: usize) {
        let booking = self.dice.up_to(self.bookings.len() as u64 - 1) as usize;
        let one = &self.devices[device];
        let ringing = one
            .calls
            .iter()
            .find(|(_, view)| matches!(view.phase, Phase::Incoming(_)));
        let ringing = ringing.map(|(call, _)| call.clone());
        let held = one.holds().map(|(call, phase)| (call.to_owned(), phase));
        let fitting = match (&held, &ringing) {
            (Some((call, Phase::Active)), _) => Some((call.clone(), self.dice.pick(&[2, 3, 3]))),
            (Some((call, _)), _) => Some((call.clone(), self.dice.pick(&[2, 5, 5]))),
            (None, Some(call)) => Some((call.clone(), self.dice.pick(&[0, 0, 0, 1]))),
            (None, None) => None,
        };
        let strange = self.dice.chance(250);
        let (about, kind) = match fitting {
            Some((call, kind)) if !strange => {
                let (booking, _) = call.rsplit_once('.').expect("a call's id");
                let booking_id = booking.parse().expect("a booking's id");
                // An app that knows only the booking means its newest call.
                let call_id = self.dice.chance(600).then_some(call);
                (
                    CallRef {
                        booking_id,
                        call_id,
                    },
                    kind,
                )
            }
            _ => {
                let booking_id = self.bookings[booking].id.clone();
                let call_id = match self.dice.up_to(3) {
                    0 => Some(format!("{booking_id}.{}", 1 + self.dice.up_to(2))),
                    _ => None,
                };
                let kind = match strange {
                    true => self.dice.up_to(5),
                    false => 5,
                };
                (
                    CallRef {
                        booking_id,
                        call_id,
                    },
                    kind,
                )
            }
        };
        let is_holder = |about: &CallRef| match (&held, &about.call_id) {
            (Some((held, _)), Some(call)) => held == call,
            // The newest call may be another one by now.
            _ => false,
        };
        let (asked, request) = match kind {
            0 => (Asked::Accept, Request::Accept(about)),
            1 => (
                Asked::Other,
                Request::Reject(about, self.dice.pick(&[None, Some("busy")])),
            ),
            2 => (Asked::Other, Request::End(about)),
            3 => {
                self.devices[device].meddled |= !is_holder(&about);
                (Asked::Other, Request::Relay(about))
            }
            4 => return self.join(device),
            _ => (Asked::Initiate, Request::Initiate { booking }),
        };
        self.send(device, asked, request);
    }

    /// A request to the store while nothing else runs.
    pub async fn alone<T>(&self, request: impl Future<Output = T>) -> T {
        let mut request = std::pin::pin!(request);
        let trouble = self.gate.trouble(Trouble::default());
        let answer = unconstrained(poll_fn(|context| {
            loop {
                if let Poll::Ready(answer) = request.as_mut().poll(context) {
                    return Poll::Ready(answer);
                }
                if self.gate.is_taken() || !self.gate.let_one_go() {
                    return Poll::Pending;
                }
            }
        }))
        .await;
        self.gate.trouble(trouble);
        answer
    }

    /// No more trouble from here on, but for what has happened.
    pub fn calm_down(&mut self) {
        self.gate.trouble(Trouble::default());
        self.plan.dies = 0;
        self.net.world(|world| {
            let question_lost = world.habits.question_lost;
            world.habits = Habits {
                question_lost,
                ..Habits::default()
            };
        });
    }
}
