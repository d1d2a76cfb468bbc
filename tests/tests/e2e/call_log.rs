//! Calls that clients report, and a booking's history.

use maskline_tests::{ADMIN, Answer, TestBooking, World, unique, world};
use reqwest::Method;
use serde_json::{Value, json};

async fn report(world: &World, user: &str, body: &Value) -> Answer {
    let token = world.token(user, "");
    world
        .api(Method::POST, "/api/calls/log", Some(&token), Some(body))
        .await
}

fn body(booking: &TestBooking, status: &str, duration: u32) -> Value {
    json!({"bookingId": booking.id, "duration": duration, "callerType": "provider", "status": status})
}

#[tokio::test]
async fn what_a_client_reports_is_stored() {
    let world = world();
    let booking = world.new_booking().await;
    for (status, given, shown) in [("completed", 42, 42), ("missed", 0, 0), ("failed", 3, 0)] {
        let answer = report(world, &booking.user, &body(&booking, status, given)).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        let row = &answer.json()["data"];
        assert_eq!(
            (&row["call_status"], &row["duration"], &row["caller_type"]),
            (&json!(status), &json!(shown), &json!("provider"))
        );
        assert_eq!(world.rows(&booking).await[0], *row, "newest first");
    }
    assert_eq!(world.rows(&booking).await.len(), 3);
}

/// There is one row per call, and the server's figures stand.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_we_recorded_is_not_recorded_again() {
    let world = world();
    let booking = world.new_booking().await;
    let mut caller = world.app(&booking.provider).await;
    let mut receiver = world.app(&booking.user).await;
    let about = json!({"bookingId": booking.id});
    let ringing = caller.ask("callInitiate", about.clone()).await;
    receiver.event("call:incoming").await;
    let early = report(world, &booking.user, &body(&booking, "completed", 9999)).await;
    assert_eq!(early.status, 200, "{}", early.text);
    receiver.ask("callReject", about).await;
    let own = world.rows(&booking).await;
    let mut named = body(&booking, "completed", 9999);
    named["callId"] = ringing["data"]["callId"].clone();
    for body in [body(&booking, "completed", 9999), named] {
        let answer = report(world, &booking.user, &body).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(answer.json()["data"], own[0]);
    }
    assert_eq!(own[0]["call_status"], "rejected");
    assert_eq!(world.rows(&booking).await, own);
}

/// The server's call is meant by what is reported within ten minutes of its end, by no later report.
#[tokio::test(flavor = "multi_thread")]
async fn for_ten_minutes_a_report_is_about_the_call_that_ended() {
    let world = world();
    for (ended_ago, status) in [(540, 200), (660, 201)] {
        let booking = world.new_booking().await;
        let mut caller = world.app(&booking.user).await;
        let about = json!({"bookingId": booking.id});
        caller.ask("callInitiate", about).await;
        let ended = jiff::Timestamp::now() - jiff::SignedDuration::from_secs(ended_ago);
        let update = json!({
            "TableName": "CallsTable",
            "Key": {"line": {"S": format!("booking#{}", booking.id)}, "seq": {"N": "1"}},
            "UpdateExpression": "SET #end.#at = :at",
            "ExpressionAttributeNames": {"#end": "end", "#at": "at"},
            "ExpressionAttributeValues": {":at": {"S": ended.to_string()}},
        });
        world.dynamodb("UpdateItem", &update).await;
        let answer = report(world, &booking.user, &body(&booking, "completed", 42)).await;
        assert_eq!(answer.status, status, "{ended_ago}: {}", answer.text);
    }
}

/// What both apps report, or one repeats whose answer was lost, is one call by its id.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_of_the_apps_own_is_stored_once() {
    let world = world();
    let booking = world.new_booking().await;
    let of = |id: &str| {
        let mut body = body(&booking, "completed", 42);
        body["callId"] = json!(id);
        body
    };
    let named = of("app-call-1");
    let reports = [&booking.user, &booking.provider, &booking.user];
    let reports = reports.map(|user| report(world, user, &named));
    let answers = futures_util::future::join_all(reports).await;
    let mut statuses: Vec<_> = answers.iter().map(|one| one.status.as_u16()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 201]);
    let rows = world.rows(&booking).await;
    assert_eq!(rows.len(), 1, "{rows:?}");
    for answer in &answers {
        assert_eq!(answer.json()["data"], rows[0]);
    }
    for id in ["app-call-2", "app-call-3"] {
        let answer = report(world, &booking.user, &of(id)).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
    }
    let again = report(world, &booking.provider, &named).await;
    assert_eq!(
        (again.status.as_u16(), &again.json()["data"]),
        (200, &rows[0])
    );
    assert_eq!(world.rows(&booking).await.len(), 3);
    // An app that leaves the id empty names none.
    for _ in 0..2 {
        assert_eq!(report(world, &booking.user, &of("")).await.status, 201);
    }

    // Also beside a call that we carried.
    let mut caller = world.app(&booking.user).await;
    let about = json!({"bookingId": booking.id});
    caller.ask("callInitiate", about).await;
    let again = report(world, &booking.user, &named).await;
    assert_eq!(again.json()["data"], rows[0], "not the one that just ended");
    let unnamed = report(world, &booking.user, &of("app-call-4")).await;
    assert_eq!(unnamed.json()["data"], world.rows(&booking).await[0]);
    assert_eq!(unnamed.json()["data"]["call_status"], "missed");
}

/// A booking may change hands: the new one's report is not about the old one's call.
#[tokio::test(flavor = "multi_thread")]
async fn a_report_is_never_about_somebody_elses_call() {
    let world = world();
    let mut booking = world.new_booking().await;
    let mut caller = world.app(&booking.user).await;
    let about = json!({"bookingId": booking.id});
    assert_eq!(
        caller.ask("callInitiate", about).await["event"],
        "call:ended",
        "nobody is there"
    );
    booking.user = format!("next-{}", unique());
    booking.provider = format!("next-{}", unique());
    world
        .put_booking(&booking.id, &booking.body("accepted"))
        .await;
    let answer = report(world, &booking.user, &body(&booking, "completed", 42)).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    assert_eq!(world.rows(&booking).await, [answer.json()["data"].clone()]);
}

#[tokio::test]
async fn who_may_and_what_is_wrong() {
    let world = world();
    let booking = world.new_booking().await;
    let good = body(&booking, "completed", 1);
    report(world, "a-stranger", &good)
        .await
        .error(403, "forbidden");
    let unknown = TestBooking::of(&format!("none-{}", unique()));
    report(world, &unknown.user, &body(&unknown, "completed", 1))
        .await
        .error(404, "not_found");
    let path = format!("/api/calls/history/{}", booking.id);
    let read = async |user: &str, scope: &str| {
        let token = world.token(user, scope);
        world.api(Method::GET, &path, Some(&token), None).await
    };
    read("a-stranger", "").await.error(403, "forbidden");
    assert_eq!(read("an-admin", ADMIN).await.status, 200);
    for (field, value) in [
        ("bookingId", json!(7)),
        ("bookingId", json!("a b")),
        ("duration", json!(-1)),
        ("duration", json!("1")),
        ("duration", json!(86_401)),
        ("callerType", json!("owner")),
        ("status", json!("rejected")),
        ("callId", json!(7)),
        ("callId", json!("x".repeat(257))),
    ] {
        let mut bad = good.clone();
        bad[field] = value;
        let message = report(world, &booking.user, &bad)
            .await
            .error(400, "bad_request");
        assert!(message.contains(field), "{message}");
    }
    assert_eq!(world.rows(&booking).await, [] as [Value; 0]);
}

/// Who was not in a call does not hear of it, though the booking is theirs now.
#[tokio::test]
async fn a_new_provider_does_not_see_the_old_ones_calls() {
    let world = world();
    let mut booking = world.new_booking().await;
    report(world, &booking.user, &body(&booking, "completed", 5)).await;
    let old = std::mem::replace(&mut booking.provider, format!("provider-{}", unique()));
    world
        .put_booking(&booking.id, &booking.body("accepted"))
        .await;
    let rows = async |user: &str| {
        let token = world.token(user, "");
        let path = format!("/api/calls/history/{}", booking.id);
        world.api(Method::GET, &path, Some(&token), None).await
    };
    assert_eq!(
        rows(&booking.provider).await.json()["data"]["calls"],
        json!([])
    );
    assert_eq!(
        rows(&booking.user).await.json()["data"]["calls"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    rows(&old).await.error(403, "forbidden");
}
