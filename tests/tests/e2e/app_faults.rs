//! In-app calls when the store fails, and frames that nobody sane would send.

use maskline_carrier::Dice;
use maskline_local::tap::{Break, Seen, Tap};
use maskline_tests::apps::App;
use maskline_tests::{TestBooking, World, world};
use serde_json::{Value, json};

/// One act of a call, and who does it.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Step {
    Join,
    Initiate,
    Accept,
    Relay,
    End,
}

impl Step {
    fn function(self) -> &'static str {
        match self {
            Step::Join => "ws-join",
            Step::Initiate => "ws-call-initiate",
            Step::Accept => "ws-call-accept",
            Step::Relay => "ws-relay",
            Step::End => "ws-call-end",
        }
    }
}

const STEPS: [Step; 5] = [
    Step::Join,
    Step::Initiate,
    Step::Accept,
    Step::Relay,
    Step::End,
];

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

    /// The steps before that one.
    async fn up_to(&mut self, step: Step) {
        for before in STEPS.iter().take_while(|one| **one != step) {
            let answer = self.act(*before).await;
            assert_ne!(answer["event"], "error", "{before:?}: {answer}");
        }
    }
}

/// Breaks a function's requests to the store, one at a time. The client is told, or not
/// bothered; done again, the step succeeds; and the call ends as one row.
#[tokio::test(flavor = "multi_thread")]
async fn every_request_of_a_call_breaks() {
    let (world, tap): (World, Tap) = World::tapped(1).await;
    // So that every process has warmed its connection up, which the tap sees, too.
    let mut warm = Call::new(&world).await;
    for step in STEPS {
        warm.act(step).await;
    }
    // Sockets stay open: what happens when one closes would be counted, too.
    let mut done = vec![warm];
    for step in STEPS {
        let mut whole = Call::new(&world).await;
        whole.up_to(step).await;
        tap.take();
        whole.act(step).await;
        let function = step.function();
        let own = |seen: &Seen| seen.function == function;
        let requests = tap.take().into_iter().filter(own).count();
        done.push(whole);
        assert!(requests > 0, "{step:?}");
        for kind in [
            Break::Throttled,
            Break::ServerError,
            Break::Refused,
            Break::AnswerLost,
        ] {
            for n in 0..requests {
                let mut call = Call::new(&world).await;
                call.up_to(step).await;
                tap.break_one(function, n, kind);
                let answer = call.act(step).await;
                tap.mend();
                let told = match answer["event"].as_str() {
                    Some("error") => answer["data"]["code"].as_str().unwrap().to_owned(),
                    Some(event) => event.to_owned(),
                    None => panic!("{answer}"),
                };
                println!("{step:<9?} request {n} {kind:<12?} {told}");
                assert!(told == "unavailable" || !told.contains("error"), "{told}");
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
                for after in STEPS.iter().skip_while(|one| **one != step).skip(1) {
                    let answer = call.act(*after).await;
                    assert_ne!(answer["event"], "error", "{after:?}: {answer}");
                }
                let rows = world.rows(&call.booking).await;
                assert_eq!(rows.len(), 1, "{step:?} {n} {kind:?}: {rows:?}");
                done.push(call);
            }
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
