//! What the functions of in-app calls do only where devices are gone and deadlines have
//! passed unasked. Each takes a permission that nothing else takes, and so shows here if
//! the template does not grant it any more.

use std::collections::BTreeSet;
use std::time::Duration;

use maskline_local::Faults;
use maskline_local::websocket::Posts;
use maskline_tests::apps::App;
use maskline_tests::{TestBooking, World, unlimited};
use serde_json::{Value, json};

/// Longer than a connection is young, and a 410 no reason to remove it.
const OLD: Duration = Duration::from_millis(3200);
/// Longer than calls ring where nobody asks about their deadlines, [`RING_SECONDS`].
const EXPIRED: Duration = Duration::from_millis(6200);
const RING_SECONDS: &str = "6";

struct Parties {
    booking: TestBooking,
    caller: App,
    receiver: App,
}

impl Parties {
    async fn new(world: &World) -> Self {
        let booking = world.new_booking().await;
        Parties {
            caller: world.app(&booking.user).await,
            receiver: world.app(&booking.provider).await,
            booking,
        }
    }

    fn about(&self) -> Value {
        json!({"bookingId": self.booking.id})
    }

    async fn ring(&mut self) -> Value {
        let about = self.about();
        self.caller.ask("callInitiate", about).await;
        self.receiver.event("call:incoming").await
    }

    async fn talk(&mut self) {
        self.ring().await;
        let about = self.about();
        self.receiver.ask("callAccept", about).await;
    }
}

/// From now on a user's devices are gone to whoever posts to them, and nobody tells.
async fn vanish(world: &World, user: &str) {
    let items = world.items("ConnectionsTable", "user", user).await;
    let ids = items
        .iter()
        .filter_map(|item| item["pk"]["S"].as_str()?.strip_prefix("conn#"));
    let sockets = world.stack.websocket().unwrap();
    let gone = ids.filter(|id| sockets.posts_to(id, Posts::AreRefused));
    assert_eq!(gone.count(), 1, "{user}");
}

/// Waits until a function of this world has been seen to do that.
async fn done(world: &World, function: &str, action: &str, resource: &str) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    loop {
        let seen = world.usage.seen().iter().any(|one| {
            one.function == function && one.action == action && one.resource.contains(resource)
        });
        if seen {
            return;
        }
        let late = tokio::time::Instant::now() > deadline;
        assert!(!late, "{function} never did {action} on {resource}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn acts_that_find_the_other_device_gone() {
    let world = World::start_aside(unlimited());
    let mut accepted = Parties::new(&world).await;
    let mut ended = Parties::new(&world).await;
    let mut rejected = Parties::new(&world).await;
    let mut holding = Parties::new(&world).await;
    let mut relayed = Parties::new(&world).await;
    let mut taken_over = Parties::new(&world).await;
    accepted.ring().await;
    ended.talk().await;
    let ringing = rejected.ring().await;
    holding.talk().await;
    relayed.talk().await;
    taken_over.talk().await;
    tokio::time::sleep(OLD).await;

    let removed = async |function: &str| {
        done(
            &world,
            function,
            "dynamodb:BatchWriteItem",
            "ConnectionsTable",
        )
        .await;
    };
    vanish(&world, &accepted.booking.user).await;
    accepted.receiver.ask("callAccept", accepted.about()).await;
    removed("ws-call-accept").await;

    vanish(&world, &ended.booking.provider).await;
    ended.caller.ask("callEnd", ended.about()).await;
    removed("ws-call-end").await;

    vanish(&world, &rejected.booking.user).await;
    let about = json!({"bookingId": rejected.booking.id, "callId": ringing["callId"]});
    rejected.receiver.ask("callReject", about).await;
    removed("ws-call-reject").await;
    done(&world, "ws-call-reject", "dynamodb:GetItem", "CallsTable").await;

    // Too late to reject, and gone before it is told so.
    vanish(&world, &holding.booking.provider).await;
    holding.receiver.send("callReject", holding.about()).await;
    done(
        &world,
        "ws-call-reject",
        "sqs:SendMessage",
        "DeadlinesQueue",
    )
    .await;

    vanish(&world, &relayed.booking.provider).await;
    let offer = json!({"bookingId": relayed.booking.id, "offer": "v=0"});
    relayed.caller.send("callOffer", offer).await;
    removed("ws-relay").await;

    vanish(&world, &taken_over.booking.user).await;
    let mut other = world.app(&taken_over.booking.user).await;
    other.ask("callEnd", taken_over.about()).await;
    done(&world, "ws-call-end", "sqs:SendMessage", "DeadlinesQueue").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deadlines_that_nobody_asks_about() {
    let world = World::start_aside(unlimited().with("APP_RING_SECONDS", RING_SECONDS));
    let lost = Faults {
        lose: 1.0,
        ..Faults::default()
    };
    world.stack.queues().unwrap().trouble(lost, 1);
    let mut joined = Parties::new(&world).await;
    let mut closed = Parties::new(&world).await;
    let mut asked = Parties::new(&world).await;
    joined.ring().await;
    closed.ring().await;
    let ringing = asked.ring().await;

    // A question that comes before its deadline is asked again.
    let ask = async || {
        let question = json!({"callId": ringing["callId"], "version": ringing["version"]});
        let record = json!({"messageId": "one", "body": question.to_string()});
        let answer = world
            .stack
            .invoke("deadlines", &json!({"Records": [record]}))
            .await;
        assert_eq!(answer.unwrap()["batchItemFailures"], json!([]));
    };
    ask().await;
    done(&world, "deadlines", "sqs:SendMessage", "DeadlinesQueue").await;
    tokio::time::sleep(EXPIRED).await;

    let here = BTreeSet::from(["dynamodb:BatchWriteItem", "dynamodb:Query"]);
    vanish(&world, &asked.booking.user).await;
    ask().await;
    for action in &here {
        done(&world, "deadlines", action, "ConnectionsTable").await;
    }

    vanish(&world, &joined.booking.user).await;
    let user = json!({"userId": joined.booking.provider});
    joined.receiver.ask("join", user).await;
    for action in &here {
        done(&world, "ws-join", action, "ConnectionsTable").await;
    }

    closed.caller.close().await;
    assert_eq!(
        closed.receiver.event("call:ended").await["reason"],
        "timeout"
    );
    for action in &here {
        done(&world, "ws-disconnect", action, "ConnectionsTable").await;
    }
    done(
        &world,
        "ws-disconnect",
        "execute-api:ManageConnections",
        "/POST/",
    )
    .await;
}
