//! A missed call is told once, by text message, without a number.

use std::time::{Duration, Instant};

use maskline_carrier::{CallPlan, Callback, NetworkPlan, OwnerDoes};
use maskline_local::Options;
use maskline_local::tap::Break;
use maskline_tests::{PATIENCE, TestTag, World, phone, unique, unlimited};
use serde_json::{Value, json};
use tokio::time::timeout;

fn telling() -> &'static World {
    static WORLD: std::sync::OnceLock<World> = std::sync::OnceLock::new();
    WORLD.get_or_init(|| World::start_aside(options()))
}

fn options() -> Options {
    let service = "MG00000000000000000000000000000000";
    unlimited().with("TWILIO_MESSAGING_SERVICE_SID", service)
}

/// A tag whose owner has a telephone of their own.
async fn tag_of(world: &World, owner_phone: &str) -> TestTag {
    labelled(world, owner_phone, "Blue <hatchback> & co").await
}

async fn labelled(world: &World, owner_phone: &str, label: &str) -> TestTag {
    let (code, owner) = (
        format!("missed-{}", unique()),
        format!("owner-{}", unique()),
    );
    let body = json!({
        "ownerId": owner, "ownerPhone": owner_phone, "label": label, "enabled": true
    });
    let answer = world.put_tag(&code, &body).await;
    let extension = answer.json()["extension"].as_str().unwrap().to_owned();
    TestTag {
        code,
        owner,
        extension,
    }
}

async fn call(world: &World, tag: &TestTag, does: OwnerDoes, network: NetworkPlan) {
    let mut plan = CallPlan::new("+14155550123", world.shared_number());
    plan.keys = vec![Some(tag.extension.clone())];
    plan.owner.does = does;
    plan.network = network;
    assert_eq!(world.place(&plan).await.errors, []);
}

async fn messages(world: &World, owner_phone: &str) -> Vec<Value> {
    world.asked("messages", owner_phone).await["accepted"]
        .as_array()
        .unwrap()
        .clone()
}

#[tokio::test]
async fn every_kind_of_missed_call_is_told_and_no_other() {
    let world = telling();
    for (does, told) in [
        (OwnerDoes::Busy, 1),
        (OwnerDoes::Declines, 1),
        (OwnerDoes::NoAnswer, 1),
        (OwnerDoes::Fails, 1),
        (OwnerDoes::Voicemail, 1),
        (OwnerDoes::Answers, 0),
    ] {
        let owner = phone();
        let tag = tag_of(world, &owner).await;
        call(world, &tag, does, NetworkPlan::default()).await;
        let messages = messages(world, &owner).await;
        assert_eq!(messages.len(), told, "{does:?}: {messages:?}");
        for message in messages {
            let body = message["body"].as_str().unwrap();
            assert!(
                body.contains("Blue <hatchback> & co") && body.contains(" UTC"),
                "{body}"
            );
            let longest = body
                .split(|c: char| !c.is_ascii_digit())
                .map(str::len)
                .max();
            assert!(longest.unwrap() < 5, "no number: {body}");
            assert_eq!(
                message["messagingServiceSid"],
                "MG00000000000000000000000000000000"
            );
        }
    }
}

#[tokio::test]
async fn a_label_with_a_number_is_not_told() {
    let world = telling();
    let owner = phone();
    let tag = labelled(world, &owner, "Van, else call 98111 22233").await;
    call(world, &tag, OwnerDoes::Busy, NetworkPlan::default()).await;
    let messages = messages(world, &owner).await;
    let body = messages[0]["body"].as_str().unwrap();
    assert!(
        body.starts_with("Somebody called about your tag at "),
        "{body}"
    );
}

/// A landline, or an owner who answered STOP: no failure of ours or of the carrier's.
#[tokio::test(flavor = "multi_thread")]
async fn an_owner_who_takes_no_messages_is_no_failure() {
    let world = World::start_aside(options());
    for code in [21614, 21610] {
        let owner = phone();
        let tag = tag_of(&world, &owner).await;
        let refuses = json!({"rest": {"status": 400, "errorCode": code}});
        world.behave(&owner, &refuses).await;
        call(&world, &tag, OwnerDoes::Busy, NetworkPlan::default()).await;
        let asked = world.asked("messages", &owner).await;
        assert_eq!(asked["refused"].as_array().unwrap().len(), 1, "{asked}");
    }
    // Lines may come after the answers.
    let told = || {
        let mut lines = world.log_lines();
        lines.retain(|line| line["message"] == "an owner takes no messages");
        lines
    };
    let deadline = Instant::now() + PATIENCE;
    while told().len() < 2 {
        assert!(Instant::now() < deadline, "{:#?}", world.log_lines());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(told().iter().all(|line| line["level"] == "WARN"));
    let lines = world.log_lines();
    assert!(
        lines.iter().all(|line| line["level"] != "ERROR"),
        "{lines:#?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn told_once_however_the_callbacks_arrive() {
    let world = telling();
    for lost in [None, Some(Callback::Completed), Some(Callback::DialStatus)] {
        let owner = phone();
        let tag = tag_of(world, &owner).await;
        let network = NetworkPlan {
            duplicate: 3,
            reorder: true,
            delay_ms: 10,
            lose: lost.into_iter().collect(),
            seed: None,
        };
        call(world, &tag, OwnerDoes::NoAnswer, network).await;
        assert_eq!(messages(world, &owner).await.len(), 1, "lost {lost:?}");
    }
}

#[tokio::test]
async fn at_most_one_message_a_tag_in_ten_minutes() {
    let world = telling();
    let (owner, other) = (phone(), phone());
    let tag = tag_of(world, &owner).await;
    for _ in 0..3 {
        call(world, &tag, OwnerDoes::Busy, NetworkPlan::default()).await;
    }
    assert_eq!(messages(world, &owner).await.len(), 1);
    let another = tag_of(world, &other).await;
    call(world, &another, OwnerDoes::Busy, NetworkPlan::default()).await;
    assert_eq!(messages(world, &other).await.len(), 1);
}

#[tokio::test]
async fn a_carrier_that_takes_no_message_changes_nothing_for_the_caller() {
    let world = telling();
    let owner = phone();
    let tag = tag_of(world, &owner).await;
    world
        .behave(&owner, &json!({"rest": {"status": 503}}))
        .await;
    call(world, &tag, OwnerDoes::Busy, NetworkPlan::default()).await;
    assert_eq!(world.only_call(&tag).await["status"], "busy");
    let asked = world.asked("messages", &owner).await;
    assert_eq!(
        asked["refused"].as_array().unwrap().len(),
        1,
        "not sent again: {asked}"
    );
}

/// Where the limit allows more than one, it is still one a call.
#[tokio::test(flavor = "multi_thread")]
async fn each_call_is_told_once() {
    let world = World::start_aside(options().with("LIMIT_NOTICES_PER_TAG", "100/600"));
    let owner = phone();
    let tag = tag_of(&world, &owner).await;
    for calls in 1..=3 {
        let network = NetworkPlan {
            duplicate: 3,
            reorder: true,
            ..NetworkPlan::default()
        };
        call(&world, &tag, OwnerDoes::NoAnswer, network).await;
        assert_eq!(messages(&world, &owner).await.len(), calls);
    }
}

/// Where the callback that should have told could not, the next one of the call does.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_one_callback_could_not_send_is_sent_by_the_next() {
    let (world, tap) = World::tapped_with(options(), 1).await;
    let owner = phone();
    let tag = tag_of(&world, &owner).await;
    let dial = world.dial(&tag, &maskline_tests::call_sid()).await;
    let busy = [
        ("CallSid", "CA11111111111111111111111111111111"),
        ("ParentCallSid", "CA22222222222222222222222222222222"),
        ("CallStatus", "busy"),
    ];
    let ringing = [busy[0], busy[1], ("CallStatus", "ringing")];
    world.webhook(&dial.status, &ringing).await;
    // The first request records, the second reads the tag, the third takes it on.
    tap.break_one("status", 2, Break::Refused);
    let answer = world.webhook(&dial.status, &busy).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    tap.mend();
    assert_eq!(messages(&world, &owner).await.len(), 0);
    for _ in 0..2 {
        world.webhook(&dial.status, &busy).await;
        assert_eq!(messages(&world, &owner).await.len(), 1);
    }
}

/// Who took the telling on is the only one who tells.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_could_not_be_counted_is_sent() {
    let (world, tap) = World::tapped_with(options(), 1).await;
    let owner = phone();
    let tag = tag_of(&world, &owner).await;
    let dial = world.dial(&tag, &maskline_tests::call_sid()).await;
    let leg = [
        ("CallSid", "CA33333333333333333333333333333333"),
        ("ParentCallSid", "CA44444444444444444444444444444444"),
    ];
    let ringing = [leg[0], leg[1], ("CallStatus", "ringing")];
    world.webhook(&dial.status, &ringing).await;
    // Recorded, the tag read, taken on; then it is counted.
    tap.break_one("status", 3, Break::Refused);
    let busy = [leg[0], leg[1], ("CallStatus", "busy")];
    world.webhook(&dial.status, &busy).await;
    timeout(PATIENCE, tap.broken()).await.unwrap();
    tap.mend();
    assert_eq!(messages(&world, &owner).await.len(), 1);
}

/// Where the owner's leg never reports, the end of the dial tells.
#[tokio::test]
async fn the_end_of_a_dial_alone_tells() {
    let world = World::start_aside(options());
    let owner = phone();
    let tag = tag_of(&world, &owner).await;
    let sid = maskline_tests::call_sid();
    let dial = world.dial(&tag, &sid).await;
    let busy = [
        ("CallSid", sid.as_str()),
        ("DialCallSid", "CA55555555555555555555555555555555"),
        ("DialCallStatus", "busy"),
    ];
    let answer = world.webhook(&dial.dial_status, &busy).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(messages(&world, &owner).await.len(), 1);
}
