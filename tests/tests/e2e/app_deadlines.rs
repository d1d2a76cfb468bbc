//! In-app calls always end: ring timeouts, clients that vanish, messages that are lost.

use std::sync::OnceLock;
use std::time::Duration;

use maskline_local::Faults;
use maskline_local::websocket::{Passing, Posts};
use maskline_tests::apps::App;
use maskline_tests::{TestBooking, World, unlimited};
use serde_json::json;

/// A stack whose calls ring for two seconds and whose parties may be gone for two.
fn hasty() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| World::start_aside(options()))
}

fn options() -> maskline_local::Options {
    unlimited()
        .with("APP_RING_SECONDS", "2")
        .with("APP_GONE_SECONDS", "2")
}

async fn ringing(world: &World, booking: &TestBooking) -> (App, App) {
    let mut caller = world.app(&booking.user).await;
    let mut receiver = world.app(&booking.provider).await;
    let about = json!({"bookingId": booking.id});
    caller.ask("callInitiate", about).await;
    receiver.event("call:incoming").await;
    (caller, receiver)
}

async fn talking(world: &World, booking: &TestBooking) -> (App, App) {
    let (mut caller, mut receiver) = ringing(world, booking).await;
    let about = json!({"bookingId": booking.id});
    receiver.ask("callAccept", about).await;
    caller.event("call:accepted").await;
    (caller, receiver)
}

/// A page that closes hangs up and closes its connection; here, the first arrives last.
#[tokio::test(flavor = "multi_thread")]
async fn a_hang_up_counts_after_its_connection_is_gone() {
    let world = World::start_aside(unlimited());
    let booking = world.new_booking().await;
    let (mut caller, mut receiver) = talking(&world, &booking).await;
    let gateway = world.stack.websocket().unwrap();
    let delay = Duration::from_secs(4);
    let late = Faults {
        delay,
        ..Faults::default()
    };
    gateway.trouble(Passing::Frames, late, 3);
    caller
        .send("callEnd", json!({"bookingId": booking.id}))
        .await;
    caller.close().await;
    let ended = receiver.event("call:ended").await;
    assert_eq!(ended["reason"], "hangup", "{ended}");
    assert_eq!(ended["endedBy"], booking.user, "{ended}");
    // After it was accepted (2), and the caller was known to be gone (3).
    assert_eq!(ended["version"], 4, "{ended}");
}

/// The booking has one row of that status, and a new call can start.
async fn over_and_free(world: &World, booking: &TestBooking, status: &str) {
    let rows = world.rows_when(booking, 1).await;
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert_eq!(rows[0]["call_status"], status, "{rows:?}");
    let (mut caller, _) = ringing(world, booking).await;
    caller
        .ask("callEnd", json!({"bookingId": booking.id}))
        .await;
    assert_eq!(world.rows(booking).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn ringing_ends_and_both_are_told() {
    let world = hasty();
    let booking = world.new_booking().await;
    let (mut caller, mut receiver) = ringing(world, &booking).await;
    for app in [&mut caller, &mut receiver] {
        let ended = app.event("call:ended").await;
        assert_eq!(
            (&ended["reason"], &ended["endedBy"], &ended["duration"]),
            (&json!("timeout"), &json!("server"), &json!(0))
        );
    }
    over_and_free(world, &booking, "missed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn both_clients_vanish_while_ringing() {
    let world = hasty();
    let booking = world.new_booking().await;
    let (caller, receiver) = ringing(world, &booking).await;
    caller.close().await;
    receiver.close().await;
    over_and_free(world, &booking, "missed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn both_clients_vanish_during_a_call() {
    let world = hasty();
    let booking = world.new_booking().await;
    let (caller, receiver) = talking(world, &booking).await;
    caller.close().await;
    receiver.close().await;
    over_and_free(world, &booking, "completed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_party_who_stays_away_ends_the_call() {
    let world = hasty();
    let booking = world.new_booking().await;
    let (mut caller, receiver) = talking(world, &booking).await;
    receiver.close().await;
    let ended = caller.event("call:ended").await;
    assert_eq!(
        (&ended["reason"], &ended["endedBy"]),
        (&json!("failed"), &json!(booking.provider))
    );
    over_and_free(world, &booking, "completed").await;
}

/// API Gateway need not call `$disconnect`: the next frame finds out.
#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_is_gone_and_nobody_said_so() {
    let world = hasty();
    let booking = world.new_booking().await;
    let mut caller = world.app(&booking.user).await;
    let sockets = world.stack.websocket().unwrap();
    let before = sockets.connections();
    let mut receiver = world.app(&booking.provider).await;
    let after = sockets.connections();
    let about = json!({"bookingId": booking.id});
    caller.ask("callInitiate", about.clone()).await;
    receiver.event("call:incoming").await;
    receiver.ask("callAccept", about.clone()).await;
    caller.event("call:accepted").await;
    // Other tests open sockets, too; the receiver's is among the new ones, and refuses.
    let item = &world
        .items("CallsTable", "line", &format!("booking#{}", booking.id))
        .await[0];
    let connection = item["receiver"]["M"]["connection"]["S"].as_str().unwrap();
    assert!(after.iter().any(|id| id == connection) && !before.iter().any(|id| id == connection));
    assert!(sockets.vanish(connection));
    let offer = json!({"bookingId": booking.id, "offer": "v=0"});
    caller.send("callOffer", offer).await;
    let ended = caller.event("call:ended").await;
    assert_eq!(ended["reason"], "failed");
    over_and_free(world, &booking, "completed").await;
}

/// Whatever is lost on the way to and from the queue: a passed deadline counts at every
/// read.
#[tokio::test(flavor = "multi_thread")]
async fn lost_questions_do_no_harm() {
    let world = World::start_aside(options());
    let lost = Faults {
        lose: 1.0,
        ..Faults::default()
    };
    world.stack.queues().unwrap().trouble(lost, 7);
    let booking = world.new_booking().await;
    let (mut caller, mut receiver) = ringing(&world, &booking).await;
    over_and_free(&world, &booking, "missed").await;
    // The next act found the deadline passed, and both were told then.
    for app in [&mut caller, &mut receiver] {
        assert_eq!(app.event("call:ended").await["reason"], "timeout");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn repeated_and_late_questions_do_no_harm() {
    let world = World::start_aside(options());
    let late = Faults {
        delay: Duration::from_millis(1500),
        repeat: 0.5,
        lose: 0.0,
    };
    world.stack.queues().unwrap().trouble(late, 8);
    let booking = world.new_booking().await;
    let (mut caller, receiver) = talking(&world, &booking).await;
    receiver.close().await;
    assert_eq!(caller.event("call:ended").await["reason"], "failed");
    over_and_free(&world, &booking, "completed").await;
}

/// A connection that API Gateway does not know yet is no reason to forget it.
#[tokio::test(flavor = "multi_thread")]
async fn a_young_connection_is_not_removed_for_a_410() {
    let world = hasty();
    let booking = world.new_booking().await;
    let mut caller = world.app(&booking.user).await;
    let mut receiver = world.app(&booking.provider).await;
    let items = world
        .items("ConnectionsTable", "user", &booking.provider)
        .await;
    let stored = items
        .iter()
        .find_map(|item| item["pk"]["S"].as_str()?.strip_prefix("conn#"));
    let connection = stored.unwrap().to_owned();
    let sockets = world.stack.websocket().unwrap();
    assert!(sockets.posts_to(&connection, Posts::AreRefused));
    let about = json!({"bookingId": booking.id});
    let answer = caller.ask("callInitiate", about.clone()).await;
    assert_eq!(answer["data"]["reason"], "unavailable", "{answer}");
    sockets.posts_to(&connection, Posts::Arrive);
    caller.ask("callInitiate", about.clone()).await;
    receiver.event("call:incoming").await;
    caller.ask("callEnd", about).await;
}

/// What fails to reach a device that is there may reach it yet: it asks when it joins.
#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_a_post_fails_to_reach_is_rung_when_it_joins() {
    let world = World::start_aside(unlimited());
    let booking = world.new_booking().await;
    let sockets = world.stack.websocket().unwrap();
    let mut receiver = world.app(&booking.provider).await;
    let [connection] = sockets.connections().try_into().unwrap();
    let mut caller = world.app(&booking.user).await;
    assert!(sockets.posts_to(&connection, Posts::Fail));
    let about = json!({"bookingId": booking.id});
    let answer = caller.ask("callInitiate", about.clone()).await;
    assert_eq!(answer["event"], "call:ringing", "{answer}");
    sockets.posts_to(&connection, Posts::Arrive);
    receiver.has_not_seen("call:incoming");
    let joined = receiver.ask("join", json!({"userId": booking.provider}));
    assert_eq!(joined.await["event"], "joined");
    receiver.event("call:incoming").await;
    receiver.ask("callAccept", about.clone()).await;
    caller.event("call:accepted").await;
    caller.ask("callEnd", about).await;
}

/// Where `$disconnect` never comes and nobody sends, the next question about the call finds
/// out who is gone from it.
#[tokio::test(flavor = "multi_thread")]
async fn both_are_gone_and_nobody_said_so() {
    let world = World::start_aside(options());
    let booking = world.new_booking().await;
    let (_caller, _receiver) = talking(&world, &booking).await;
    let sockets = world.stack.websocket().unwrap();
    let call = json!({"callId": format!("{}.1", booking.id), "version": 2});
    let record = json!({"messageId": "one", "body": call.to_string()});
    let event = json!({"Records": [record]});
    let ask = async || world.stack.invoke("deadlines", &event).await.unwrap();

    // They are there: nothing changes.
    assert_eq!(ask().await["batchItemFailures"], json!([]));
    assert_eq!(world.rows(&booking).await.len(), 0);
    let line = format!("booking#{}", booking.id);
    let version =
        async || world.items("CallsTable", "line", &line).await[0]["version"]["N"].clone();
    assert_eq!(version().await, "2");

    for connection in sockets.connections() {
        assert!(sockets.vanish(&connection));
    }
    assert_eq!(ask().await["batchItemFailures"], json!([]));
    over_and_free(&world, &booking, "completed").await;
}
