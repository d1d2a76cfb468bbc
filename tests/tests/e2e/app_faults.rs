//! In-app calls when the store fails, and frames that nobody sane would send.

use std::time::Duration;

use maskline_carrier::Dice;
use maskline_local::Faults;
use maskline_local::tap::{Break, Seen, Tap};
use maskline_tests::apps::App;
use maskline_tests::store::BREAKS;
use maskline_tests::{TestBooking, World, unique, unlimited, world};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite;

/// One act of a call, and who does it.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Step {
    Join,
    Initiate,
    Reject,
    Accept,
    Relay,
    End,
}

impl Step {
    fn function(self) -> &'static str {
        match self {
            Step::Join => "ws-join",
            Step::Initiate => "ws-call-initiate",
            Step::Reject => "ws-call-reject",
            Step::Accept => "ws-call-accept",
            Step::Relay => "ws-relay",
            Step::End => "ws-call-end",
        }
    }
}

/// The courses that a call takes here.
const REJECTED: &[Step] = &[Step::Join, Step::Initiate, Step::Reject];
const ACCEPTED: &[Step] = &[
    Step::Join,
    Step::Initiate,
    Step::Accept,
    Step::Relay,
    Step::End,
];

const CONNECT: &str = "ws-connect";
const DISCONNECT: &str = "ws-disconnect";
const DEADLINES: &str = "deadlines";

/// The functions that are broken here.
pub fn functions() -> impl Iterator<Item = &'static str> {
    let steps = ACCEPTED.iter().chain(REJECTED);
    let routes = steps.map(|step| step.function());
    routes.chain([CONNECT, DISCONNECT, DEADLINES])
}

struct Call {
    booking: TestBooking,
    caller: App,
    receiver: App,
}

impl Call {
    async fn new(world: &World) -> Self {
        let booking = world.new_booking().await;
        let caller = world.app(&booking.user).await;
        let receiver = world.app(&booking.provider).await;
        Call {
            booking,
            caller,
            receiver,
        }
    }

    /// Does a step, and gives its answer: for a relayed frame, what arrived or was refused.
    async fn act(&mut self, step: Step) -> Value {
        let about = json!({"bookingId": self.booking.id});
        match step {
            Step::Join => {
                let user = json!({"userId": self.booking.provider});
                self.receiver.ask("join", user).await
            }
            Step::Initiate => self.caller.ask("callInitiate", about).await,
            Step::Reject => self.receiver.ask("callReject", about).await,
            Step::Accept => self.receiver.ask("callAccept", about).await,
            Step::Relay => {
                let offer = json!({"bookingId": self.booking.id, "offer": "v=0"});
                let id = self.receiver.send("callOffer", offer).await;
                tokio::select! {
                    error = self.receiver.take("error", |frame| frame["id"] == *id) => error,
                    offer = self.caller.take("call:offer", |frame| frame["event"] == "call:offer") => offer,
                }
            }
            Step::End => self.caller.ask("callEnd", about).await,
        }
    }

    /// Does these steps, which all go well.
    async fn go(&mut self, steps: &[Step]) {
        for step in steps {
            let answer = self.act(*step).await;
            assert_ne!(answer["event"], "error", "{step:?}: {answer}");
        }
    }
}

/// What a function has asked of the store since this was last looked at.
fn requests_of(tap: &Tap, function: &str) -> Vec<String> {
    let own = |seen: &Seen| seen.function == function;
    let requests = tap.take().into_iter().filter(own);
    let requests: Vec<_> = requests.map(|seen| seen.operation).collect();
    assert!(!requests.is_empty(), "{function} asks nothing of the store");
    requests
}

/// Breaks a function's requests to the store, one at a time. The client is told, or not
/// bothered; done again, the step succeeds; and the call ends as one row.
#[tokio::test(flavor = "multi_thread")]
async fn every_request_of_a_call_breaks() {
    let (world, tap): (World, Tap) = World::tapped(1).await;
    // Sockets stay open: what happens when one closes would be counted, too.
    let mut done = Vec::new();
    let steps = ACCEPTED.iter().map(|step| (ACCEPTED, *step));
    for (course, step) in steps.chain([(REJECTED, Step::Reject)]) {
        let at = course.iter().position(|one| *one == step).unwrap();
        let (before, after) = (&course[..at], &course[at + 1..]);
        let function = step.function();
        let mut whole = Call::new(&world).await;
        whole.go(before).await;
        let so_far = world.done_with(function);
        tap.take();
        whole.act(step).await;
        world.until_done_with(function, so_far + 1).await;
        let requests = requests_of(&tap, function);
        done.push(whole);
        for kind in BREAKS {
            for (n, request) in requests.iter().enumerate() {
                let mut call = Call::new(&world).await;
                call.go(before).await;
                let so_far = world.done_with(function);
                tap.break_one(function, n, kind);
                let answer = call.act(step).await;
                // The answer may come before the requests that break.
                world.until_done_with(function, so_far + 1).await;
                tap.mend();
                let told = match answer["event"].as_str() {
                    Some("error") => answer["data"]["code"].as_str().unwrap().to_owned(),
                    Some(event) => event.to_owned(),
                    None => panic!("{answer}"),
                };
                println!("{step:<9?} {n} {request:<18} {kind:<12?} {told}");
                assert!(told == "unavailable" || !told.contains("error"), "{told}");
                if kind == Break::AnswerLost {
                    assert_ne!(told, "unavailable", "{step:?} {n}: sent again");
                }
                if told == "unavailable" {
                    let again = call.act(step).await;
                    assert_ne!(again["event"], "error", "{step:?} {n} {kind:?}: {again}");
                }
                // Whose devices could not be read is not reached: the call is over, and a
                // new one begins.
                if step == Step::Initiate && told == "call:ended" {
                    assert_eq!(answer["data"]["reason"], "unavailable");
                    assert_eq!(world.rows(&call.booking).await.len(), 1);
                    let again = call.act(step).await;
                    assert_eq!(again["event"], "call:ringing", "{again}");
                    call.act(Step::End).await;
                    done.push(call);
                    continue;
                }
                call.go(after).await;
                let rows = world.rows(&call.booking).await;
                assert_eq!(rows.len(), 1, "{step:?} {n} {kind:?}: {rows:?}");
                done.push(call);
            }
        }
    }
}

/// How many items there are of a user's connections: two of each.
async fn connection_items(world: &World, user: &str) -> usize {
    world.items("ConnectionsTable", "user", user).await.len()
}

/// Who cannot be stored is not connected, and may try again.
#[tokio::test(flavor = "multi_thread")]
async fn every_request_of_a_connect_breaks() {
    let (world, tap) = World::tapped(1).await;
    tap.take();
    let whole = world.app("whole").await;
    assert_eq!(requests_of(&tap, CONNECT), ["BatchWriteItem"]);
    // Sockets stay open, as above.
    let mut done = vec![whole];
    for kind in BREAKS {
        let user = format!("connects-{}", unique());
        tap.break_one(CONNECT, 0, kind);
        let opened = world.try_app(&user).await;
        tap.mend();
        let status = match &opened {
            Ok(_) => 101,
            Err(error) => match error.as_ref() {
                tungstenite::Error::Http(response) => response.status().as_u16(),
                other => panic!("{other}"),
            },
        };
        println!("{CONNECT} {kind:<12?} {status}");
        let stored = connection_items(&world, &user).await;
        let expected = match kind {
            Break::AnswerLost => (101, 2),
            _ => (503, 0),
        };
        assert_eq!((status, stored), expected, "{kind:?}");
        let mut again = world.app(&user).await;
        let joined = again.ask("join", json!({"userId": user})).await;
        assert_eq!(joined["event"], "joined", "{kind:?}: {joined}");
        assert_eq!(connection_items(&world, &user).await, stored + 2);
        done.extend(opened);
        done.push(again);
    }
}

/// Nobody is told of what fails there. The connection may stay in the store, and the call
/// its own; the user's next device has the call all the same, and ends it.
#[tokio::test(flavor = "multi_thread")]
async fn every_request_of_a_disconnect_breaks() {
    let talking = &ACCEPTED[..4];
    let (world, tap) = World::tapped(1).await;
    let mut whole = Call::new(&world).await;
    whole.go(talking).await;
    tap.take();
    whole.caller.close().await;
    world.until_done_with(DISCONNECT, 1).await;
    let requests = requests_of(&tap, DISCONNECT);
    let removal = requests.iter().position(|one| one == "BatchWriteItem");
    let removal = removal.expect("the connection is removed");
    // Sockets stay open, as above.
    let mut done = Vec::new();
    for kind in BREAKS {
        for (n, request) in requests.iter().enumerate() {
            let mut call = Call::new(&world).await;
            call.go(talking).await;
            let so_far = world.done_with(DISCONNECT);
            tap.break_one(DISCONNECT, n, kind);
            call.caller.close().await;
            world.until_done_with(DISCONNECT, so_far + 1).await;
            tap.mend();
            let left = connection_items(&world, &call.booking.user).await;
            println!("{DISCONNECT} {n} {request:<18} {kind:<12?} {left} items left");
            let removed = n > removal || kind == Break::AnswerLost;
            assert_eq!(left, if removed { 0 } else { 2 }, "{n} {kind:?}");

            call.caller = world.app(&call.booking.user).await;
            let user = json!({"userId": call.booking.user});
            let joined = call.caller.ask("join", user).await;
            assert_eq!(joined["event"], "joined", "{n} {kind:?}: {joined}");
            call.go(&[Step::End]).await;
            let rows = world.rows(&call.booking).await;
            assert_eq!(rows.len(), 1, "{n} {kind:?}: {rows:?}");
            assert_eq!(rows[0]["call_status"], "completed", "{n} {kind:?}");
            done.push((call.caller, call.receiver));
        }
    }
}

/// Longer than calls ring here, [`RING_SECONDS`].
const RUNG_OUT: Duration = Duration::from_millis(2200);
const RING_SECONDS: &str = "2";

/// A call that nobody takes.
struct Ringing {
    call: Call,
    incoming: Value,
}

impl Ringing {
    async fn new(world: &World) -> Self {
        let mut call = Call::new(world).await;
        call.go(&[Step::Initiate]).await;
        let incoming = call.receiver.event("call:incoming").await;
        Ringing { call, incoming }
    }

    /// Asks about its deadline as the queue does; whether that is done with.
    async fn deadline(&self, world: &World) -> bool {
        let question =
            json!({"callId": self.incoming["callId"], "version": self.incoming["version"]});
        let record = json!({"messageId": "one", "body": question.to_string()});
        let event = json!({"Records": [record]});
        let answer = world.stack.invoke(DEADLINES, &event).await.unwrap();
        let failed = answer["batchItemFailures"].as_array().unwrap();
        assert!(failed.is_empty() || *failed == [json!({"itemIdentifier": "one"})]);
        failed.is_empty()
    }

    /// The version that stands in the store.
    async fn version(&self, world: &World) -> Value {
        let line = format!("booking#{}", self.call.booking.id);
        let items = world.items("CallsTable", "line", &line).await;
        assert_eq!(items.len(), 1, "{items:?}");
        items[0]["version"]["N"].clone()
    }
}

/// A question that fails comes again. Once the end of the call is stored, nothing undoes
/// it: whose devices cannot be read then is told when it joins.
#[tokio::test(flavor = "multi_thread")]
async fn every_request_about_a_deadline_breaks() {
    let options = unlimited().with("APP_RING_SECONDS", RING_SECONDS);
    let (world, tap) = World::tapped_with(options, 1).await;
    // Nobody asks but this test.
    let lost = Faults {
        lose: 1.0,
        ..Faults::default()
    };
    world.stack.queues().unwrap().trouble(lost, 1);
    let whole = Ringing::new(&world).await;
    tokio::time::sleep(RUNG_OUT).await;
    tap.take();
    assert!(whole.deadline(&world).await);
    let requests = requests_of(&tap, DEADLINES);
    assert_eq!(requests, ["GetItem", "PutItem", "Query"]);

    let mut calls = vec![whole];
    for _ in 0..requests.len() * BREAKS.len() {
        calls.push(Ringing::new(&world).await);
    }
    tokio::time::sleep(RUNG_OUT).await;
    let mut untried = calls.iter_mut().skip(1);
    for kind in BREAKS {
        for (n, request) in requests.iter().enumerate() {
            let one = untried.next().unwrap();
            tap.break_one(DEADLINES, n, kind);
            let done = one.deadline(&world).await;
            tap.mend();
            let version = one.version(&world).await;
            println!("{DEADLINES} {n} {request:<8} {kind:<12?} done: {done}, version {version}");
            let telling = request == "Query";
            let expected = telling || kind == Break::AnswerLost;
            let stored = if expected { "2" } else { "1" };
            assert_eq!((done, version), (expected, json!(stored)), "{n} {kind:?}");
            if !done {
                one.call.caller.ask("ping", json!({})).await;
                one.call.caller.has_not_seen("call:ended");
                assert!(one.deadline(&world).await, "{n} {kind:?}: again");
            }
            if telling && kind != Break::AnswerLost {
                let receiver = &mut one.call.receiver;
                receiver.ask("ping", json!({})).await;
                receiver.has_not_seen("call:ended");
                let call = &one.incoming["callId"];
                let user = json!({"userId": receiver.user, "callId": call});
                receiver.ask("join", user).await;
            }
            for app in [&mut one.call.caller, &mut one.call.receiver] {
                let ended = app.event("call:ended").await;
                assert_eq!(ended["reason"], "timeout", "{n} {kind:?}: {ended}");
            }
            let rows = world.rows(&one.call.booking).await;
            assert_eq!(rows.len(), 1, "{n} {kind:?}: {rows:?}");
            assert_eq!(rows[0]["call_status"], "missed", "{n} {kind:?}");
        }
    }
}

/// A value that a frame's field might hold.
fn anything(dice: &mut Dice, depth: u64) -> Value {
    match dice.up_to(if depth > 3 { 7 } else { 9 }) {
        0 => Value::Null,
        1 => json!(true),
        2 => json!(-1),
        3 => json!(1e300),
        4 => json!(""),
        5 => json!("\u{0}\u{202e}<Say>\"'&\r\nX: y"),
        6 => json!("+919876543210"),
        7 => json!("x".repeat(2000)),
        8 => json!([anything(dice, depth + 1), anything(dice, depth + 1)]),
        _ => json!({"bookingId": anything(dice, depth + 1), "": anything(dice, depth + 1)}),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_frames_get_an_error_and_nothing_else() {
    let world = world();
    let seed = 20_261_121;
    println!("seed {seed}");
    let mut dice = Dice::new(seed);
    let booking = world.new_booking().await;
    let mut attacker = world.app(&booking.user).await;
    let mut other = world.app(&booking.provider).await;
    let actions = [
        "join",
        "callInitiate",
        "callAccept",
        "callReject",
        "callEnd",
        "callOffer",
        "callAnswer",
        "callIceCandidate",
        "nonsense",
    ];
    for n in 0..300 {
        let action = actions[usize::try_from(dice.up_to(8)).unwrap()];
        let mut data = json!({});
        for field in [
            "bookingId",
            "callId",
            "userId",
            "offer",
            "answer",
            "candidate",
            "reason",
            "media",
        ] {
            if dice.chance(0.6) {
                data[field] = anything(&mut dice, 0);
            }
        }
        let id = format!("hostile-{n}");
        let frame = json!({"action": action, "id": id, "data": data});
        attacker.send_text(frame.to_string()).await;
        let answer = attacker.take(&id, |frame| frame["id"] == *id).await;
        assert_eq!(answer["event"], "error", "{frame}: {answer}");
        let code = answer["data"]["code"].as_str().unwrap();
        assert!(
            ["bad_request", "forbidden", "not_found", "conflict"].contains(&code),
            "{frame}: {answer}"
        );
        assert!(!answer.to_string().contains("9876543210"), "{answer}");
    }
    other.ask("ping", json!({})).await;
    assert_eq!(other.frames().len(), 1, "{:?}", other.frames());
    assert_eq!(world.rows(&booking).await, [] as [Value; 0]);
}
