//! Calls on request: the carrier is asked once, and the record always ends.

use std::time::{Duration, Instant};

use maskline_local::tap::Break;
use maskline_tests::{Answer, Asking, TestTag, World, own_number, phone, unique, unlimited, world};
use serde_json::{Value, json};

/// Waits for the carrier to have carried a call out.
async fn finished(world: &World, visitor: &str) -> Value {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let asked = world.asked("calls", visitor).await;
        let call = &asked["accepted"][0];
        if call["transcript"].is_object() {
            return call.clone();
        }
        assert!(Instant::now() < deadline, "never finished: {asked}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn accepted(world: &World, visitor: &str) -> usize {
    world.asked("calls", visitor).await["accepted"]
        .as_array()
        .unwrap()
        .len()
}

async fn ask(world: &World, tag: &TestTag, visitor: &str) -> Answer {
    world.initiate(&tag.code, visitor, Asking::default()).await
}

#[tokio::test]
async fn a_visitor_is_rung_then_the_owner_and_they_talk() {
    let world = world();
    let tag = world.new_tag().await;
    let visitor = phone();
    let metadata = json!({"page": "car park", "spot": 7});
    let asking = Asking {
        metadata: Some(metadata.clone()),
        ..Asking::default()
    };
    let answer = world
        .initiate(&tag.code.to_uppercase(), &visitor[3..], asking)
        .await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    let body = answer.json();
    let mut names: Vec<_> = body.as_object().unwrap().keys().cloned().collect();
    names.sort();
    assert_eq!(
        names,
        [
            "callSid",
            "message",
            "status",
            "virtualCallId",
            "virtualNumber"
        ]
    );
    assert_eq!(body["status"], "initiated");
    assert_eq!(body["virtualNumber"], world.shared_number());
    assert!(!answer.text.contains(&visitor[3..]));

    let call = finished(world, &visitor).await;
    let transcript = &call["transcript"];
    assert_eq!(transcript["errors"], json!([]), "{transcript}");
    assert_eq!(transcript["visitor"]["saw"], world.shared_number());
    assert_eq!(transcript["owner"]["saw"], world.shared_number());
    assert_eq!(transcript["ownerSawVisitorNumber"], false);
    let entry = world.only_call(&tag).await;
    assert_eq!(
        (&entry["status"], &entry["duration"]),
        (&json!("completed"), &json!(42))
    );
    assert_eq!(
        (&entry["_id"], &entry["twilioCallSid"]),
        (&body["virtualCallId"], &body["callSid"])
    );
    assert_eq!(entry["metadata"], metadata);
    assert_eq!(
        entry["visitorPhone"],
        format!("+91********{}", &visitor[11..])
    );
}

#[tokio::test]
async fn callbacks_that_overtake_the_answer_find_their_call() {
    let world = world();
    let tag = world.new_tag().await;
    let visitor = phone();
    world
        .behave(&visitor, &json!({"rest": {"callbacksBeforeAnswer": true}}))
        .await;
    let answer = ask(world, &tag, &visitor).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    let entry = world.only_call(&tag).await;
    assert_eq!(entry["status"], "completed");
    assert_eq!(entry["twilioCallSid"], answer.json()["callSid"]);
}

#[tokio::test]
async fn a_visitor_who_is_not_reached_ends_the_call() {
    let world = world();
    for (does, status) in [
        ("busy", "busy"),
        ("noAnswer", "no-answer"),
        ("fails", "failed"),
    ] {
        let tag = world.new_tag().await;
        let visitor = phone();
        world
            .behave(&visitor, &json!({"visitor": {"does": does}}))
            .await;
        assert_eq!(ask(world, &tag, &visitor).await.status, 201);
        finished(world, &visitor).await;
        let entry = world.only_call(&tag).await;
        assert_eq!(
            (&entry["status"], &entry["duration"]),
            (&json!(status), &json!(0)),
            "{does}"
        );
    }
}

/// What the carrier refuses, and what the client and the history say then.
#[tokio::test]
async fn the_carriers_refusals_become_ours() {
    let world = world();
    for (rest, status, code, retry_after) in [
        (
            json!({"status": 400, "errorCode": 21211}),
            400,
            "invalid_phone",
            None,
        ),
        (
            json!({"status": 400, "errorCode": 21215}),
            403,
            "destination_not_allowed",
            None,
        ),
        (
            json!({"status": 429, "errorCode": 20429, "retryAfter": 7}),
            503,
            "unavailable",
            Some(7),
        ),
        (
            json!({"status": 429, "errorCode": 20429}),
            503,
            "unavailable",
            Some(1),
        ),
        (
            json!({"status": 401, "errorCode": 20003}),
            502,
            "upstream_failed",
            None,
        ),
        (
            json!({"status": 400, "errorCode": 21210}),
            502,
            "upstream_failed",
            None,
        ),
        (json!({"status": 500}), 502, "upstream_failed", None),
        (json!({"status": 503}), 502, "upstream_failed", None),
        (
            json!({"status": 503, "dropConnection": true}),
            502,
            "upstream_failed",
            None,
        ),
    ] {
        let tag = world.new_tag().await;
        let visitor = phone();
        world.behave(&visitor, &json!({"rest": rest})).await;
        let answer = ask(world, &tag, &visitor).await;
        let message = answer.error(status, code);
        assert!(!message.contains(&visitor[3..]), "{message}");
        if retry_after.is_some() {
            assert_eq!(answer.retry_after, retry_after);
        }
        let asked = world.asked("calls", &visitor).await;
        let requests = asked["accepted"].as_array().unwrap().len()
            + asked["refused"].as_array().unwrap().len();
        assert!(requests <= 1, "never a second time: {asked}");
        let entry = world.only_call(&tag).await;
        assert_eq!(
            (&entry["status"], &entry["twilioCallSid"]),
            (&json!("failed"), &Value::Null),
            "{rest}"
        );
        assert!(entry["endedAt"].is_string());
    }
}

/// The carrier took the request, and its answer was lost: the client is told that it
/// failed, nothing is sent again, and a visitor who is rung all the same hears so.
#[tokio::test]
async fn an_ambiguous_create_is_never_sent_again() {
    let world = world();
    let tag = world.new_tag().await;
    let visitor = phone();
    world
        .behave(&visitor, &json!({"rest": {"dropConnection": true}}))
        .await;
    ask(world, &tag, &visitor)
        .await
        .error(502, "upstream_failed");
    let call = finished(world, &visitor).await;
    assert_eq!(call["transcript"]["owner"]["rang"], false, "{call}");
    assert_eq!(accepted(world, &visitor).await, 1);
    let entry = world.only_call(&tag).await;
    assert_eq!(entry["status"], "failed", "as the client was told");
}

/// Slower than we wait.
#[tokio::test]
async fn a_carrier_that_is_too_slow() {
    let world = world();
    let tag = world.new_tag().await;
    let visitor = phone();
    let slow = json!({"visitor": {"does": "noAnswer"}, "rest": {"delayMs": 20_000}});
    world.behave(&visitor, &slow).await;
    ask(world, &tag, &visitor)
        .await
        .error(502, "upstream_failed");
    assert_eq!(accepted(world, &visitor).await, 1);
    let entry = world.only_call(&tag).await;
    let status = entry["status"].as_str().unwrap();
    assert!(["failed", "no-answer"].contains(&status), "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_request_rings_nobody() {
    let world = world();
    let tag: &'static TestTag = Box::leak(Box::new(world.new_tag().await));
    let visitor: &'static str = Box::leak(phone().into_boxed_str());
    let key: &'static str = Box::leak(format!("key-{}", unique()).into_boxed_str());
    let asking = || Asking {
        key: Some(key),
        ..Asking::default()
    };
    let mut running = tokio::task::JoinSet::new();
    for _ in 0..10 {
        running.spawn(async move { world.initiate(&tag.code, visitor, asking()).await });
    }
    while let Some(answer) = running.join_next().await {
        let answer = answer.unwrap();
        if answer.status != 201 {
            answer.error(409, "conflict");
        }
    }
    let again = world.initiate(&tag.code, visitor, asking()).await;
    assert_eq!(again.status, 201, "{}", again.text);
    let entry = world.only_call(tag).await;
    assert_eq!(again.json()["virtualCallId"], entry["_id"]);
    assert_eq!(accepted(world, visitor).await, 1);
    // Another tag's key is another key.
    let other = world.new_tag().await;
    let answer = world.initiate(&other.code, visitor, asking()).await;
    assert_ne!(answer.json()["virtualCallId"], entry["_id"]);
}

#[tokio::test]
async fn bad_requests_are_refused_and_leave_nothing() {
    let world = world();
    let tag = world.new_tag().await;
    let path = format!("/api/v1/call/{}/initiate", tag.code);
    let post = async |body: Value| {
        world
            .api(reqwest::Method::POST, &path, None, Some(&body))
            .await
    };
    for (body, status, code, field) in [
        (json!({}), 400, "bad_request", "visitorPhone"),
        (
            json!({"visitorPhone": 7}),
            400,
            "bad_request",
            "visitorPhone",
        ),
        (
            json!({"visitorPhone": "100"}),
            400,
            "invalid_phone",
            "visitorPhone",
        ),
        (
            json!({"visitorPhone": "98765x"}),
            400,
            "invalid_phone",
            "visitorPhone",
        ),
        (
            json!({"visitorPhone": "+33612345678"}),
            403,
            "destination_not_allowed",
            "visitorPhone",
        ),
        (
            json!({"visitorPhone": "+449012345678"}),
            403,
            "destination_not_allowed",
            "visitorPhone",
        ),
        (
            json!({"visitorPhone": phone(), "metadata": []}),
            400,
            "bad_request",
            "metadata",
        ),
        (
            json!({"visitorPhone": phone(), "metadata": {"a": "x".repeat(600)}}),
            400,
            "bad_request",
            "metadata",
        ),
    ] {
        let message = post(body).await.error(status, code);
        assert!(message.contains(field), "{message}");
    }
    let keyed = Asking {
        key: Some(""),
        ..Asking::default()
    };
    world
        .initiate(&tag.code, &phone(), keyed)
        .await
        .error(400, "bad_request");
    ask(
        world,
        &TestTag {
            code: "nobodys-tag".into(),
            ..tag_like(&tag)
        },
        &phone(),
    )
    .await
    .error(404, "not_found");
    assert_eq!(world.history(&tag, "").await["total"], 0);
}

fn tag_like(tag: &TestTag) -> TestTag {
    TestTag {
        code: tag.code.clone(),
        owner: tag.owner.clone(),
        extension: tag.extension.clone(),
    }
}

#[tokio::test]
async fn a_tag_with_its_own_number_calls_from_it() {
    let world = world();
    let tag = world.new_tag().await;
    let own = own_number();
    let body = json!({
        "ownerId": tag.owner, "ownerPhone": "+919876543210", "label": "Van",
        "virtualNumber": own, "enabled": true
    });
    assert_eq!(world.put_tag(&tag.code, &body).await.status, 200);
    let visitor = phone();
    assert_eq!(
        ask(world, &tag, &visitor).await.json()["virtualNumber"],
        own.as_str()
    );
    assert_eq!(
        finished(world, &visitor).await["transcript"]["owner"]["saw"],
        own.as_str()
    );
}

/// DynamoDB's numbers and nesting are narrower than JSON's; metadata is JSON.
#[tokio::test]
async fn metadata_is_any_json_and_a_key_is_good_for_ten_minutes() {
    let world = world();
    let tag = world.new_tag().await;
    let deep = (0..40).fold(json!(1), |inner, _| json!([inner]));
    let metadata = json!({"big": 1e300, "deep": deep, "e": ""});
    let (visitor, key) = (phone(), format!("key-{}", unique()));
    let asking = || Asking {
        key: Some(&key),
        metadata: Some(metadata.clone()),
        ..Asking::default()
    };
    let first = world.initiate(&tag.code, &visitor, asking()).await;
    assert_eq!(first.status, 201, "{}", first.text);
    assert_eq!(world.only_call(&tag).await["metadata"], metadata);
    let item = &world.items("CallsTable", "tag", &tag.code).await[0];
    let update = json!({
        "TableName": "CallsTable", "Key": {"line": item["line"], "seq": item["seq"]},
        "UpdateExpression": "SET createdAt = :then",
        "ExpressionAttributeValues": {":then": {"S": "2026-01-01T00:00:00.000Z"}}
    });
    world.dynamodb("UpdateItem", &update).await;
    let later = world.initiate(&tag.code, &visitor, asking()).await;
    assert_ne!(later.json()["virtualCallId"], first.json()["virtualCallId"]);
}

/// A call whose callbacks never come is over once it cannot be alive any more.
#[tokio::test]
async fn a_call_that_nobody_reports_lapses() {
    let world = world();
    let tag = world.new_tag().await;
    world.dial(&tag, &maskline_tests::call_sid()).await;
    let item = &world.items("CallsTable", "tag", &tag.code).await[0];
    assert_eq!(world.only_call(&tag).await["status"], "initiated");
    let past = "2026-01-01T00:00:00.000Z";
    let update = json!({
        "TableName": "CallsTable", "Key": {"line": item["line"], "seq": item["seq"]},
        "UpdateExpression": "SET lapsesAt = :then",
        "ExpressionAttributeValues": {":then": {"S": past}}
    });
    world.dynamodb("UpdateItem", &update).await;
    let entry = world.only_call(&tag).await;
    assert_eq!(
        (&entry["status"], &entry["endedAt"]),
        (&json!("failed"), &json!(past))
    );
}

/// Nobody was rung, so the client may ask again under the same key.
#[tokio::test]
async fn a_refusal_frees_its_key() {
    let world = world();
    let tag = world.new_tag().await;
    let (visitor, key) = (phone(), format!("key-{}", unique()));
    let busy = json!({"rest": {"status": 429, "errorCode": 20429, "times": 1}});
    world.behave(&visitor, &busy).await;
    let asking = || Asking {
        key: Some(&key),
        ..Asking::default()
    };
    let first = world.initiate(&tag.code, &visitor, asking()).await;
    first.error(503, "unavailable");
    let again = world.initiate(&tag.code, &visitor, asking()).await;
    assert_eq!(again.status, 201, "{}", again.text);
    assert_eq!(world.history(&tag, "").await["total"], 2);
}

/// A store so slow that the carrier's answer could not be waited for: it is not asked, and
/// the client may ask again under the same key.
#[tokio::test(flavor = "multi_thread")]
async fn no_time_left_to_ask_the_carrier() {
    let (world, tap) = World::tapped(1).await;
    let tag = world.new_tag().await;
    let (visitor, key) = (phone(), format!("key-{}", unique()));
    let asking = || Asking {
        key: Some(&key),
        ..Asking::default()
    };
    // Two reads of tags, the look back and two limits are as fast as ever.
    tap.break_one("initiate", 5, Break::Slow);
    let first = world.initiate(&tag.code, &visitor, asking()).await;
    first.error(503, "unavailable");
    tap.mend();
    assert_eq!(accepted(&world, &visitor).await, 0);
    assert_eq!(world.only_call(&tag).await["status"], "failed");
    let again = world.initiate(&tag.code, &visitor, asking()).await;
    assert_eq!(again.status, 201, "{}", again.text);
    assert_eq!(accepted(&world, &visitor).await, 1);
}

/// A visitor who answers and hangs up before the owner is dialled: nothing else is
/// ever reported of the call.
#[tokio::test]
async fn a_visitor_who_hangs_up_before_the_dial_cancels() {
    let world = world();
    let tag = world.new_tag().await;
    let visitor = phone();
    let unheard = json!({"visitor": {"does": "noAnswer"}, "network": {"lose": ["completed"]}});
    world.behave(&visitor, &unheard).await;
    let answer = ask(world, &tag, &visitor).await.json();
    finished(world, &visitor).await;
    let path = format!(
        "/api/v1/call/status?call={}&leg=visitor",
        answer["virtualCallId"].as_str().unwrap()
    );
    let gone = async |at: jiff::Timestamp| {
        let at = at.strftime("%a, %d %b %Y %H:%M:%S +0000").to_string();
        let fields = [
            ("CallSid", answer["callSid"].as_str().unwrap()),
            ("CallStatus", "completed"),
            ("CallDuration", "3"),
            ("Timestamp", &at),
        ];
        let answer = world.webhook(&path, &fields).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
    };
    let now = jiff::Timestamp::now();
    gone(now).await;
    let entry = world.only_call(&tag).await;
    assert_eq!(
        entry["status"], "initiated",
        "the owner may yet be heard of"
    );
    // The earlier of two stands.
    gone(now - jiff::SignedDuration::from_secs(61)).await;
    let entry = world.only_call(&tag).await;
    assert_eq!(
        (&entry["status"], &entry["duration"]),
        (&json!("canceled"), &json!(0))
    );
    assert!(entry["endedAt"].is_string());
}

/// The owner's number in a visitor's metadata is not refused, which would tell whoever
/// guesses, and not shown.
#[tokio::test]
async fn metadata_never_shows_the_owners_number() {
    let world = world();
    let tag = world.new_tag().await;
    let item = &world.items("TagsTable", "code", &tag.code).await[0];
    let owner = item["ownerPhone"]["S"].as_str().unwrap();
    let local = owner.strip_prefix("+91").unwrap();
    let note = format!("of {} {}", &local[..5], &local[5..]);
    for note in [note.as_str(), "of nobody"] {
        let asking = Asking {
            metadata: Some(json!({"note": note})),
            ..Asking::default()
        };
        let answer = world.initiate(&tag.code, &phone(), asking).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
    }
    let calls = world.history(&tag, "").await["calls"].clone();
    assert_eq!(calls[0]["metadata"], json!({"note": "of nobody"}));
    assert_eq!(calls[1]["metadata"], json!({}));
}

/// A visitor is rung for RING_TIMEOUT_SECONDS, as an owner is.
#[tokio::test(flavor = "multi_thread")]
async fn a_visitor_is_rung_for_as_long_as_configured() {
    let world = World::start_aside(unlimited().with("RING_TIMEOUT_SECONDS", "17"));
    for (rings_for, status) in [(16, "completed"), (18, "no-answer")] {
        let (tag, visitor) = (world.new_tag().await, phone());
        let plan = json!({"visitor": {"ringsFor": rings_for}});
        world.behave(&visitor, &plan).await;
        assert_eq!(ask(&world, &tag, &visitor).await.status, 201);
        finished(&world, &visitor).await;
        assert_eq!(world.only_call(&tag).await["status"], status, "{rings_for}");
    }
}
