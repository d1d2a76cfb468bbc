//! What must hold whenever nothing is under way, and at the end of a run.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use maskline::domain::app_call::{AppCall, End, LogStatus, Reason, Side};
use maskline::domain::signaling::CallRef;
use maskline::domain::time::Timestamp;

use crate::device::{Asked, Phase};
use crate::run::{LONGEST_OPERATION, Run};
use crate::server::Request;

/// How far two clocks are apart.
const SKEW: SignedDuration = SignedDuration::from_millis(100);

impl Run {
    /// Nothing runs, nothing is to be sent, nothing in flight: what must hold. `joined`,
    /// if every device that is there has just joined, so that nothing it missed counts.
    pub async fn check_calm(&mut self, joined: bool) {
        let records = self.look_at_records().await;
        let mut wrong = Vec::new();
        let now = self.now();
        self.check_live(&records, now, &mut wrong);
        for device in 0..self.devices.len() {
            self.check_device(device, &records, joined, now, &mut wrong);
        }
        self.check_absence(&records, &mut wrong);
        self.check_questions(&records, &mut wrong);
        self.violated(wrong);
    }

    fn violated(&self, wrong: Vec<String>) {
        for what in wrong {
            self.net.world(|world| world.violated(what));
        }
    }

    /// The records of all calls, none of which may have changed but as calls do.
    async fn look_at_records(&mut self) -> BTreeMap<String, AppCall> {
        let mut records = BTreeMap::new();
        let mut wrong = Vec::new();
        for booking in self.bookings.clone() {
            let now = self.now();
            let history = self.server.board.calls.history(&booking.id, now);
            let mut history = self.alone(history).await.expect("the history");
            history.reverse();
            for (at, call) in history.iter().enumerate() {
                if call.seq != at as u64 + 1 {
                    wrong.push(format!("call {} has the number {}", at + 1, call.seq));
                }
            }
            records.extend(
                history
                    .into_iter()
                    .map(|call| (call.id().to_string(), call)),
            );
        }
        for (id, before) in &self.records {
            let Some(after) = records.get(id) else {
                wrong.push(format!("{id} is not there any more"));
                continue;
            };
            let same_people = before.caller.user == after.caller.user
                && before.receiver.user == after.receiver.user;
            let forward = after.version > before.version || after == before;
            let ended = before.end.is_some() && after != before;
            let answered = before.answered_at.is_some() && before.answered_at != after.answered_at;
            if !same_people || !forward || ended || answered {
                wrong.push(format!("{before:?} became {after:?}"));
            }
        }
        for call in records.values() {
            check_end(call, &mut wrong);
            let unavailable = |end: &End| end.reason == Reason::Unavailable;
            let rung = self
                .net
                .world(|world| world.rung.contains(&call.id().to_string()));
            if rung && call.end.as_ref().is_some_and(unavailable) {
                wrong.push(format!("{call:?} is over, but a device may be ringing"));
            }
            let told = self
                .net
                .world(|world| world.told_ends.get(&call.id().to_string()).cloned());
            if let Some(told) = told {
                let Some(end) = &call.end else {
                    wrong.push(format!("{call:?} has not ended, but {told:?} was told"));
                    continue;
                };
                let reason = serde_json::json!(end.reason);
                let reason_differs = told.reason.is_some_and(|told| reason != told);
                let duration = u64::from(call.duration(end));
                if reason_differs || told.duration.is_some_and(|told| told != duration) {
                    wrong.push(format!("{call:?} was told to have ended otherwise"));
                }
            }
        }
        self.violated(wrong);
        self.records.clone_from(&records);
        records
    }

    /// One live call a booking, and a user.
    fn check_live(
        &self,
        records: &BTreeMap<String, AppCall>,
        now: Timestamp,
        wrong: &mut Vec<String>,
    ) {
        let mut of_bookings = BTreeMap::new();
        let mut of_users = BTreeMap::new();
        for call in records.values().filter(|call| call.live(now)) {
            *of_bookings.entry(call.booking.as_str()).or_insert(0) += 1;
            *of_users.entry(call.caller.user.as_str()).or_insert(0) += 1;
            *of_users.entry(call.receiver.user.as_str()).or_insert(0) += 1;
        }
        for (whose, live) in of_bookings.into_iter().chain(of_users) {
            if live > 1 {
                wrong.push(format!("{whose} has {live} live calls"));
            }
        }
    }

    /// What a device believes, and what the records say.
    fn check_device(
        &self,
        at: usize,
        records: &BTreeMap<String, AppCall>,
        joined: bool,
        now: Timestamp,
        wrong: &mut Vec<String>,
    ) {
        let device = &self.devices[at];
        let Some(connection) = device.connection.as_deref().filter(|_| device.joined) else {
            return;
        };
        let deaf = self.net.world(|world| world.links[connection].deaf);
        // It may have missed something, and will know when it joins again.
        if !joined && (deaf || !self.plan.server_holds) {
            return;
        }
        let mut wrong = |call: &AppCall, what: &str| {
            let view = device.calls.get(&call.id().to_string());
            wrong.push(format!(
                "{connection} (device {at}) {what}: {view:?} of {call:?}"
            ));
        };
        for (id, call) in records {
            // Nobody need know of a deadline that nobody has looked at.
            if call.end.is_none() && !call.live(now + SKEW) {
                continue;
            }
            let phase = device.calls.get(id).map(|view| view.phase);
            let side = call.side_held_by(connection);
            let running = call.live(now) && call.answered_at.is_some();
            let ringing = call.live(now) && call.answered_at.is_none();
            match phase {
                Some(Phase::Active) if !running => wrong(call, "is in a call that does not run"),
                Some(Phase::Ringing) if !ringing => {
                    wrong(call, "waits for an answer, and the call does not ring");
                }
                Some(Phase::Active | Phase::Ringing) if side.is_none() => {
                    wrong(call, "is in a call that another device has");
                }
                Some(Phase::Incoming(until)) if !ringing && now < until => {
                    wrong(call, "rings, and the call does not");
                }
                Some(Phase::Over) if call.end.is_none() => wrong(call, "takes a call for over"),
                _ => {}
            }
            let receives = ringing && call.receiver.user == device.user;
            if receives && !matches!(phase, Some(Phase::Incoming(_))) {
                wrong(call, "does not ring");
            }
            let knows = matches!(phase, Some(Phase::Active | Phase::Ringing));
            if (running || ringing) && side.is_some() && !knows && !device.meddled {
                wrong(call, "has a call and does not know");
            }
        }
    }

    /// Who is known to be gone from a running call is noted to be.
    fn check_absence(&self, records: &BTreeMap<String, AppCall>, wrong: &mut Vec<String>) {
        if !self.plan.server_holds {
            return;
        }
        for call in records.values().filter(|call| call.end.is_none()) {
            for party in [Side::Caller, Side::Receiver].map(|side| call.party(side)) {
                let reported = party.connection.as_ref().is_some_and(|connection| {
                    self.net.world(|world| {
                        let link = world.links.get(connection);
                        link.is_some_and(|link| link.reported)
                    })
                });
                if reported && party.gone_at.is_none() {
                    wrong.push(format!(
                        "{} is gone, and nobody noted it: {call:?}",
                        party.user
                    ));
                }
            }
        }
    }

    /// Every deadline will be asked about.
    fn check_questions(&self, records: &BTreeMap<String, AppCall>, wrong: &mut Vec<String>) {
        if !self.plan.queue_holds {
            return;
        }
        for call in records.values() {
            let Some(deadline) = call.wake_at() else {
                continue;
            };
            // A second for SQS's whole seconds, and as long as the operation may take.
            let late = SignedDuration::from_millis(1000 + LONGEST_OPERATION) + SKEW;
            let latest = deadline.max(self.now()) + late;
            let asked = self.net.world(|world| {
                world.questions.iter().any(|(due, question)| {
                    question.call_id == call.id().to_string()
                        && question.version == call.version
                        && *due <= latest
                })
            });
            if !asked {
                wrong.push(format!("nobody will ask about {call:?}"));
            }
        }
    }

    /// Every device that may have missed something joins, one after the other.
    async fn join_all(&mut self) {
        let users = self.users();
        for device in 0..self.devices.len() {
            let one = &self.devices[device];
            let Some(connection) = one.connection.clone() else {
                continue;
            };
            let deaf = self.net.world(|world| world.links[&connection].deaf);
            let missed = deaf || !self.plan.server_holds;
            // A stranger has nothing to learn, and who missed nothing knows it all.
            if !users.contains(&one.user) || !(missed || self.dice.chance(400)) {
                continue;
            }
            self.join(device);
            self.drain(false).await;
        }
    }

    /// The end of a run: everything comes to rest, and everything must be well.
    pub async fn end(&mut self) {
        self.calm_down();
        let all = self.dice.chance(500);
        self.drain(all).await;
        self.check_calm(false).await;
        if self.failed() {
            return;
        }
        self.join_all().await;
        self.check_calm(true).await;
        if self.dice.chance(300) {
            self.check_connections().await;
        }
        if self.failed() {
            return;
        }
        self.hang_up().await;
        self.outlive_deadlines().await;
        if self.failed() {
            return;
        }
        self.come_back().await;
        self.check_ends();
        if self.failed() {
            return;
        }
        self.call_again().await;
    }

    /// No device that is connected has been forgotten.
    async fn check_connections(&mut self) {
        let mut wrong = Vec::new();
        let device = self.dice.up_to(self.devices.len() as u64 - 1) as usize;
        let (user, now) = (self.devices[device].user.clone(), self.now());
        let devices = self.server.board.connections.devices(&user, now);
        let known = self.alone(devices).await.expect("who is there");
        for device in self
            .devices
            .iter()
            .filter(|device| device.user == user && device.joined)
        {
            let connection = device.connection.as_deref();
            if !known
                .iter()
                .any(|one| Some(one.device.connection.as_str()) == connection)
            {
                wrong.push(format!("{connection:?} is connected, and was forgotten"));
            }
        }
        self.violated(wrong);
    }

    /// Devices that are in calls hang up, vanish, or stay.
    async fn hang_up(&mut self) {
        for device in 0..self.devices.len() {
            let Some((call, _)) = self.devices[device].holds() else {
                continue;
            };
            let call = call.to_owned();
            match self.dice.up_to(3) {
                0 | 1 if self.devices[device].joined => {
                    let booking = call.rsplit_once('.').expect("a call's id").0;
                    let about = CallRef {
                        booking_id: booking.parse().expect("a booking's id"),
                        call_id: Some(call.clone()),
                    };
                    self.send(device, Asked::Other, Request::End(about));
                    self.drain(false).await;
                    let ended = self.devices[device].holds().is_none();
                    if !ended {
                        self.violated(vec![format!("device {device} cannot end {call}")]);
                    }
                }
                2 => self.drop_device(device, self.plan.half_open),
                _ => {}
            }
        }
        if self.dice.chance(500) {
            self.notice_half_open(false);
        }
        let all = self.dice.chance(500);
        self.drain(all).await;
    }

    /// Time passes from one deadline to the next until there is none.
    async fn outlive_deadlines(&mut self) {
        // Some runs come to their end only by what is read.
        if self.plan.queue_holds || self.dice.chance(500) {
            while let Some(next) = self.net.world(|world| {
                let due = world.questions.iter().map(|(due, _)| *due).min()?;
                Some(due.duration_since(world.now).max(SignedDuration::ZERO))
            }) {
                self.pass(next + SKEW);
                self.drain(true).await;
            }
        }
        if self.plan.queue_holds {
            let records = self.look_at_records().await;
            let lives = records.values().filter(|call| call.end.is_none());
            let lives = lives.map(|call| format!("the queue did not end {call:?}"));
            self.violated(lives.collect());
        }
        let longest = i64::from(self.server.times.talk + self.server.times.gone);
        self.pass(SignedDuration::from_secs(longest));
        self.net.world(|world| world.questions.clear());
    }

    /// Some devices come back, one of each user at least, and one of each joins.
    async fn come_back(&mut self) {
        for device in 0..self.devices.len() {
            if self.devices[device].connection.is_none() && self.dice.chance(300) {
                self.connect(device);
            }
        }
        self.drain(false).await;
        for user in self.users() {
            let mut devices = self.devices.iter();
            let there = devices.position(|device| device.user == user && device.joined);
            match there {
                Some(device) => self.join(device),
                None => {
                    let mut devices = self.devices.iter();
                    let away = devices.position(|device| device.user == user);
                    self.connect(away.expect("a device"));
                }
            }
            self.drain(false).await;
        }
        self.check_calm(false).await;
    }

    /// The users of all bookings.
    fn users(&self) -> BTreeSet<String> {
        let bookings = self.bookings.iter();
        let users = bookings.flat_map(|one| [one.user_id.clone(), one.provider_id.clone()]);
        users.collect()
    }

    /// Every call has come to an end, each in one row, as such a call can.
    fn check_ends(&self) {
        let mut wrong = Vec::new();
        let now = self.now();
        for call in self.records.values() {
            let (Some(end), Some((status, seconds))) = (call.end(now), call.log(now)) else {
                wrong.push(format!("{call:?} has not ended"));
                continue;
            };
            let expected = match (call.answered_at, end.reason) {
                (Some(_), _) => LogStatus::Completed,
                (None, Reason::Rejected) => LogStatus::Rejected,
                (None, _) => LogStatus::Missed,
            };
            if status != expected || (call.answered_at.is_none() && seconds != 0) {
                wrong.push(format!("{call:?} is logged as {status:?}, {seconds} s"));
            }
        }
        for (at, device) in self.devices.iter().enumerate() {
            if let Some((call, phase)) = device.holds().filter(|_| device.joined) {
                wrong.push(format!("device {at} is still {phase:?} in {call}"));
            }
            for call in device.calls.keys() {
                if !self.records.contains_key(call) {
                    wrong.push(format!("device {at} was told of {call}, which never was"));
                }
            }
        }
        self.violated(wrong);
    }

    /// How the calls ended, in words.
    pub fn ends(&self) -> Vec<String> {
        let ended = self
            .records
            .values()
            .filter_map(|call| Some((call, call.end.as_ref()?)));
        let words = ended.map(|(call, end)| match call.answered_at {
            Some(_) => format!("answered, {:?}", end.reason),
            None => format!("{:?}", end.reason),
        });
        words.collect()
    }

    /// Nobody is busy: a new call between the two of a booking rings, and ends.
    async fn call_again(&mut self) {
        let booking = self.dice.up_to(self.bookings.len() as u64 - 1) as usize;
        let now = self.now();
        let users = {
            let booking = &self.bookings[booking];
            [&booking.user_id, &booking.provider_id].map(Clone::clone)
        };
        let from = self.dice.up_to(1) as usize;
        let (caller, receiver) = (&users[from], &users[1 - from]);
        let device = |user: &String| {
            let mut devices = self.devices.iter();
            devices.position(|device| device.user == *user && device.joined)
        };
        let (Some(calling), Some(called)) = (device(caller), device(receiver)) else {
            self.violated(vec!["nobody is there at the end".to_owned()]);
            return;
        };
        let before = self.records.len();
        self.send(calling, Asked::Initiate, Request::Initiate { booking });
        self.drain(false).await;
        self.check_calm(false).await;
        let held = self.devices[calling]
            .holds()
            .map(|(call, _)| call.to_owned());
        let rings = self.devices[called].calls.values();
        let rings = rings
            .filter(|view| matches!(view.phase, Phase::Incoming(_)))
            .count();
        let live = self
            .records
            .values()
            .filter(|call| call.live(now + SKEW))
            .count();
        let (Some(call), 1, 1) = (held, rings, live) else {
            self.violated(vec![format!(
                "a new call in booking {booking} does not ring"
            )]);
            return;
        };
        if self.records.len() != before + 1 {
            self.violated(vec!["more than one call was made at the end".to_owned()]);
        }
        let about = CallRef {
            booking_id: self.bookings[booking].id.clone(),
            call_id: Some(call),
        };
        self.send(called, Asked::Other, Request::Reject(about, None));
        self.drain(false).await;
        let still = |device: &usize| {
            let views = self.devices[*device].calls.values();
            views
                .filter(|view| !matches!(view.phase, Phase::Over | Phase::Elsewhere))
                .count()
                > 0
        };
        if [calling, called].iter().any(still) {
            self.violated(vec!["the last call does not end".to_owned()]);
        }
    }
}

/// An end that such a call can have.
fn check_end(call: &AppCall, wrong: &mut Vec<String>) {
    let Some(end) = &call.end else { return };
    let by = end.by.as_deref();
    let (caller, receiver) = (call.caller.user.as_str(), call.receiver.user.as_str());
    let either = by == Some(caller) || by == Some(receiver);
    let can_be = match (call.answered_at, end.reason) {
        (None, Reason::Rejected) => by == Some(receiver),
        (None, Reason::Busy) => by.is_none() || by == Some(receiver),
        (None, Reason::Canceled) => by == Some(caller),
        (None, Reason::Timeout) => by.is_none() && end.at == call.ring_until,
        (None, Reason::Unavailable) => by.is_none(),
        (Some(_), Reason::Hangup) => either,
        (Some(_), Reason::Timeout) => by.is_none(),
        (Some(_), Reason::Failed) => either,
        (_, _) => false,
    };
    let begun = call.answered_at.unwrap_or(call.created_at);
    let latest = match call.answered_at {
        None => call.ring_until,
        Some(at) => at + SignedDuration::from_secs(call.talk_seconds.into()),
    };
    if !can_be || begun < call.created_at || end.at < begun || end.at > latest {
        wrong.push(format!("no call ends so: {call:?}"));
    }
}
