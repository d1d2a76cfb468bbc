//! Whole calls, placed by the simulated carrier.

use maskline_carrier::{CallPlan, CallStatus, OwnerDoes, Transcript};
use maskline_tests::{TestTag, World, attribute, call_sid, own_number, unlimited, world};
use serde_json::{Value, json};

const VISITOR: &str = "+14155550123";

async fn call(
    world: &World,
    tag: &TestTag,
    change: impl FnOnce(&mut CallPlan),
) -> (Transcript, Value) {
    let mut plan = CallPlan::new(VISITOR, world.shared_number());
    plan.keys = vec![Some(tag.extension.clone())];
    change(&mut plan);
    let transcript = world.place(&plan).await;
    assert_eq!(transcript.errors, [], "{transcript:#?}");
    assert!(!transcript.owner_saw_visitor_number && !transcript.visitor_saw_owner_number);
    (transcript, world.only_call(tag).await)
}

#[tokio::test]
async fn an_extension_is_keyed_in_and_the_two_talk() {
    let world = world();
    let tag = world.new_tag().await;
    let (transcript, entry) = call(world, &tag, |_| {}).await;
    let shared = world.shared_number();
    assert_eq!(transcript.visitor.saw, shared);
    assert_eq!(transcript.owner.saw.as_deref(), Some(shared));
    assert_eq!(transcript.call_status, CallStatus::Completed);
    assert_eq!(entry["status"], "completed");
    assert_eq!(entry["duration"], 42);
    assert_eq!(entry["ownerPhone"], "+91********10");
    assert_eq!(entry["visitorPhone"], "+1********23");
    assert_eq!(entry["virtualNumber"], shared);
    assert_eq!(entry["tag"], tag.code.as_str());
    assert_eq!(entry["twilioCallSid"], transcript.call_sid.as_str());
    assert_eq!(entry["metadata"], json!({}));
    let names: Vec<_> = entry
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(
        names,
        [
            "_id",
            "answeredAt",
            "createdAt",
            "duration",
            "endedAt",
            "metadata",
            "ownerPhone",
            "startedAt",
            "status",
            "tag",
            "twilioCallSid",
            "virtualNumber",
            "visitorPhone"
        ]
    );
}

#[tokio::test]
async fn a_tag_with_its_own_number_needs_no_extension() {
    let world = world();
    let own = own_number();
    let tag = world.new_tag().await;
    let body = json!({
        "ownerId": tag.owner, "ownerPhone": "+919876543210", "label": "Van",
        "virtualNumber": own, "enabled": true
    });
    assert_eq!(world.put_tag(&tag.code, &body).await.status, 200);
    let (transcript, entry) = call(world, &tag, |plan| {
        plan.to = own.clone();
        plan.keys.clear();
    })
    .await;
    assert_eq!(transcript.owner.saw.as_deref(), Some(own.as_str()));
    assert_eq!(transcript.visitor.saw, own);
    assert_eq!(
        (&entry["status"], &entry["virtualNumber"]),
        (&json!("completed"), &json!(own))
    );
}

#[tokio::test]
async fn every_end_has_its_own_status() {
    let world = world();
    for (does, status, visitor_hears) in [
        (OwnerDoes::Busy, "busy", "another call"),
        (OwnerDoes::Declines, "busy", "another call"),
        (OwnerDoes::NoAnswer, "no-answer", "did not answer"),
        (OwnerDoes::Fails, "failed", "could not reach"),
        (OwnerDoes::Voicemail, "no-answer", ""),
    ] {
        let tag = world.new_tag().await;
        let (transcript, entry) = call(world, &tag, |plan| plan.owner.does = does).await;
        assert_eq!(entry["status"], status, "{does:?}: {transcript:#?}");
        assert_eq!(entry["duration"], 0, "{does:?}");
        assert_eq!(entry["answeredAt"], Value::Null, "{does:?}");
        assert!(entry["endedAt"].is_string(), "{does:?}");
        let heard = transcript.visitor.heard.join(" | ");
        assert!(heard.contains(visitor_hears), "{does:?}: {heard}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_machine_detection_a_voicemail_is_an_answer() {
    let world = World::start_aside(unlimited().with("MACHINE_DETECTION", "off"));
    let tag = world.new_tag().await;
    let voicemail = |plan: &mut CallPlan| plan.owner.does = OwnerDoes::Voicemail;
    let (transcript, entry) = call(&world, &tag, voicemail).await;
    assert_eq!(entry["status"], "completed", "{transcript:#?}");
    assert!(entry["answeredAt"].is_string());
    assert!(entry["duration"].as_u64() > Some(0));
}

#[tokio::test]
async fn a_visitor_who_hangs_up_early_leaves_a_canceled_call() {
    let world = world();
    let tag = world.new_tag().await;
    let (transcript, entry) = call(world, &tag, |plan| plan.visitor.hangs_up_after = Some(3)).await;
    assert!(transcript.owner.rang);
    assert_eq!(
        (&entry["status"], &entry["duration"]),
        (&json!("canceled"), &json!(0))
    );
}

#[tokio::test]
async fn a_visitor_who_hangs_up_before_keying_anything_leaves_nothing() {
    let world = world();
    let tag = world.new_tag().await;
    let mut plan = CallPlan::new(VISITOR, world.shared_number());
    plan.visitor.hangs_up_in_gather = true;
    assert_eq!(world.place(&plan).await.errors, []);
    assert_eq!(world.history(&tag, "").await["total"], 0);
}

#[tokio::test]
async fn three_attempts_then_a_polite_hang_up() {
    let world = world();
    for keys in [
        vec![],
        vec![Some("12".to_owned()), None, Some("#".to_owned())],
        vec![Some("000000".to_owned()); 3],
    ] {
        let mut plan = CallPlan::new(VISITOR, world.shared_number());
        plan.keys = keys.clone();
        let transcript = world.place(&plan).await;
        assert_eq!(transcript.errors, [], "{keys:?}");
        let asked = transcript
            .visitor
            .heard
            .iter()
            .filter(|heard| heard.contains("key in"))
            .count();
        assert_eq!(asked, 3, "{keys:?}: {:?}", transcript.visitor.heard);
        let heard = transcript.visitor.heard.join(" | ");
        assert!(heard.contains("Goodbye"), "{heard}");
        assert!(!transcript.owner.rang);
    }
}

#[tokio::test]
async fn the_third_attempt_still_counts() {
    let world = world();
    let tag = world.new_tag().await;
    let (_, entry) = call(world, &tag, |plan| {
        plan.keys = vec![None, Some("999".into()), Some(tag.extension.clone())];
    })
    .await;
    assert_eq!(entry["status"], "completed");
}

#[tokio::test]
async fn a_disabled_tag_apologises_and_rings_nobody() {
    let world = world();
    let tag = world.new_tag().await;
    let body = json!({
        "ownerId": tag.owner, "ownerPhone": "+919876543210", "label": "Van", "enabled": false
    });
    assert_eq!(world.put_tag(&tag.code, &body).await.status, 200);
    let mut plan = CallPlan::new(VISITOR, world.shared_number());
    plan.keys = vec![Some(tag.extension.clone())];
    let transcript = world.place(&plan).await;
    assert_eq!(transcript.errors, []);
    assert!(!transcript.owner.rang);
    assert!(
        transcript
            .visitor
            .heard
            .join(" ")
            .contains("cannot be reached")
    );
    assert_eq!(world.history(&tag, "").await["total"], 0);
}

#[tokio::test]
async fn a_caller_who_withholds_the_number_gets_through() {
    let world = world();
    for from in ["anonymous", "unknown", "sip:bob@example.com"] {
        let tag = world.new_tag().await;
        let (_, entry) = call(world, &tag, |plan| plan.from = from.to_owned()).await;
        assert_eq!(entry["visitorPhone"], "anonymous");
        assert_eq!(entry["status"], "completed");
    }
}

/// RING_TIMEOUT_SECONDS and MAX_CALL_SECONDS bound every call of either kind.
#[tokio::test(flavor = "multi_thread")]
async fn calls_last_as_long_as_configured() {
    let options = unlimited()
        .with("RING_TIMEOUT_SECONDS", "17")
        .with("MAX_CALL_SECONDS", "1234");
    let world = World::start_aside(options);
    let tag = world.new_tag().await;
    let digits = Some(tag.extension.as_str());
    let sid = call_sid();
    let answer = world.connect(&sid, world.shared_number(), digits).await;
    let twiml = answer.text;
    let dialled = ["timeout", "timeLimit"].map(|name| attribute(&twiml, name));
    assert_eq!(dialled, ["17", "1234"], "{twiml}");

    let booking = world.new_booking().await;
    let mut caller = world.app(&booking.user).await;
    caller
        .ask("callInitiate", json!({"bookingId": booking.id}))
        .await;
    let line = format!("booking#{}", booking.id);
    let call = &world.items("CallsTable", "line", &line).await[0];
    assert_eq!(call["talkSeconds"]["N"], "1234");
}
