//! Nothing but the dial itself ever shows a whole number: not a log line, an answer,
//! a URL, a message or a transcript. (Every other test's answers are looked at, too,
//! where they come in.)

use maskline_carrier::{CallPlan, OwnerDoes};
use maskline_tests::{Asking, World, assert_shows_no_number, phone, unlimited};
use serde_json::json;

#[tokio::test]
async fn nothing_shows_a_whole_number() {
    let service = "MG00000000000000000000000000000000";
    let options = unlimited().with("TWILIO_MESSAGING_SERVICE_SID", service);
    let world: &'static World = Box::leak(Box::new(World::start_aside(options)));
    let mut shown = Vec::new();
    for does in [
        OwnerDoes::Answers,
        OwnerDoes::Busy,
        OwnerDoes::NoAnswer,
        OwnerDoes::Fails,
        OwnerDoes::Voicemail,
    ] {
        let tag = world.new_tag().await;
        let mut plan = CallPlan::new("+14155550123", world.shared_number());
        plan.keys = vec![Some("000000".into()), Some(tag.extension.clone())];
        plan.owner.does = does;
        shown.push(serde_json::to_string(&world.place(&plan).await).unwrap());
        shown.push(world.history(&tag, "").await.to_string());
    }
    // What goes wrong is where numbers slip out.
    let tag = world.new_tag().await;
    for rest in [
        json!({"status": 201}),
        json!({"status": 400, "errorCode": 21211}),
        json!({"status": 500}),
        json!({"dropConnection": true}),
    ] {
        let visitor = phone();
        world.behave(&visitor, &json!({"rest": rest})).await;
        let answer = world.initiate(&tag.code, &visitor, Asking::default()).await;
        shown.push(answer.text);
        shown.push(world.asked("calls", &visitor).await.to_string());
    }
    for mistyped in ["+91 98765 43210 ext. 7", "9876543210999", "9876543210x"] {
        let answer = world.initiate(&tag.code, mistyped, Asking::default()).await;
        shown.push(answer.text);
    }
    shown.push(world.asked("messages", "+919876543210").await.to_string());
    let log = world.stack.log().lines();
    assert!(
        log.len() > 50 && log.iter().any(|line| line.contains("/initiate")),
        "{log:?}"
    );
    for text in shown.iter().chain(&log) {
        assert_shows_no_number(text);
    }
}

#[test]
fn the_check_itself_sees() {
    let leaks = |text: &str| {
        let text = text.to_owned();
        std::panic::catch_unwind(move || assert_shows_no_number(&text)).is_err()
    };
    assert!(leaks("call +919876543210 now"));
    assert!(leaks(&format!("call {} now", phone())));
    assert!(leaks(
        "<Dial callerId=\"+14155550123\"><Number>+919876543210</Number></Dial>"
    ));
    assert!(!leaks(
        "<Dial callerId=\"+14155550100\"><Number>+919876543210</Number></Dial>"
    ));
}
