//! Every alarm on a metric of our own goes by lines that are really logged: each fault
//! that one is there for is made to happen.

use std::collections::BTreeSet;
use std::process::Command;

use maskline_carrier::{CallPlan, OwnerDoes};
use maskline_local::tap::Break;
use maskline_local::websocket::Posts;
use maskline_tests::watch::{matches, template};
use maskline_tests::{Asking, World, phone};
use serde_json::json;

/// Waits until a metric has been counted. Lines of answers come after the answers.
async fn counted(world: &World, metric: &str) {
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(20);
    while !world.counted().contains_key(metric) {
        let late = tokio::time::Instant::now() > deadline;
        assert!(!late, "{metric} is not among {:?}", world.counted());
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

/// Has an alarm's fault happen, and waits for the metrics that it goes by.
async fn goes_off(world: &World, alarm: &str, fault: impl Future<Output = ()>) -> String {
    let metrics = template().own_alarms().remove(alarm);
    let metrics = metrics.unwrap_or_else(|| panic!("there is no {alarm}"));
    let before = world.counted();
    for metric in &metrics {
        assert!(
            !before.contains_key(metric),
            "{metric} is counted before its fault"
        );
    }
    fault.await;
    for metric in &metrics {
        counted(world, metric).await;
    }
    alarm.to_owned()
}

async fn store_fails() -> String {
    let (world, tap) = World::tapped(1).await;
    let tag = world.new_tag().await;
    goes_off(&world, "FailuresAlarm", async {
        tap.break_one("virtual-number", 0, Break::Refused);
        let path = format!("/api/v1/call/virtual-number?tag={}", tag.code);
        assert_eq!(world.get(&path).await.status, 503);
        tap.mend();
    })
    .await
}

async fn function_crashes() -> String {
    let (world, tap) = World::tapped(1).await;
    goes_off(&world, "CrashesAlarm", async {
        tap.break_one("virtual-number", 0, Break::Silence);
        let killing = async {
            tokio::time::timeout(maskline_tests::PATIENCE, tap.broken())
                .await
                .unwrap();
            for pid in world.stack.pids("virtual-number") {
                let pid = pid.to_string();
                assert!(
                    Command::new("kill")
                        .args(["-9", &pid])
                        .status()
                        .unwrap()
                        .success()
                );
            }
        };
        let asking = world.get("/api/v1/call/virtual-number?tag=any");
        let (answer, ()) = tokio::join!(asking, killing);
        assert!(answer.status.as_u16() >= 500, "{}", answer.text);
        tap.mend();
    })
    .await
}

/// Slow carriers make slow requests and are errors, so these three come together.
async fn carrier_is_silent() -> Vec<String> {
    let world = World::start_aside(maskline_tests::unlimited());
    let tag = world.new_tag().await;
    let silence = json!({"visitor": {"does": "noAnswer"}, "rest": {"delayMs": 20_000}});
    let visitor = phone();
    world.behave(&visitor, &silence).await;
    goes_off(&world, "CarrierErrorsAlarm", async {
        let answer = world.initiate(&tag.code, &visitor, Asking::default()).await;
        assert_eq!(answer.status, 502);
    })
    .await;
    for metric in ["SlowRequests", "CarrierLatency"] {
        counted(&world, metric).await;
    }
    [
        "CarrierErrorsAlarm",
        "SlowRequestsAlarm",
        "CarrierLatencyAlarm",
    ]
    .map(str::to_owned)
    .to_vec()
}

async fn webhooks_are_forged() -> String {
    let world = World::start_aside(maskline_tests::unlimited());
    goes_off(&world, "ForgedWebhooksAlarm", async {
        let mut webhook = world.unsent("/api/v1/call/status", &[("CallSid", "CA1")]);
        webhook.signature = Some("forged".into());
        assert_eq!(webhook.send().await.status, 403);
    })
    .await
}

async fn limits_are_reached() -> String {
    let options = maskline_tests::unlimited().with("LIMIT_INITIATE_PER_IP", "1/60");
    let world = World::start_aside(options);
    let tag = world.new_tag().await;
    let first = world.initiate(&tag.code, &phone(), Asking::default()).await;
    assert_eq!(first.status, 201);
    goes_off(&world, "RateLimitedAlarm", async {
        let second = world.initiate(&tag.code, &phone(), Asking::default()).await;
        second.error(429, "rate_limited");
    })
    .await
}

async fn calls_are_made() -> String {
    let world = World::start_aside(maskline_tests::unlimited());
    let tag = world.new_tag().await;
    let booking = world.new_booking().await;
    let alarm = goes_off(&world, "CallsPerHourAlarm", async {
        for owner in [OwnerDoes::Answers, OwnerDoes::Busy] {
            let mut plan = CallPlan::new("+14155550123", world.shared_number());
            plan.keys = vec![Some(tag.extension.clone())];
            plan.owner.does = owner;
            assert_eq!(world.place(&plan).await.errors, []);
        }
    })
    .await;
    for metric in [
        "CallsStarted phone",
        "CallsConnected phone",
        "RingTime phone",
        "CallsEnded phone completed",
        "CallsEnded phone busy",
    ] {
        counted(&world, metric).await;
    }
    let mut caller = world.app(&booking.user).await;
    let mut receiver = world.app(&booking.provider).await;
    let about = json!({"bookingId": booking.id});
    caller.ask("callInitiate", about.clone()).await;
    receiver.event("call:incoming").await;
    receiver.ask("callAccept", about.clone()).await;
    caller.ask("callEnd", about.clone()).await;
    caller.ask("callInitiate", about.clone()).await;
    receiver.event("call:incoming").await;
    receiver.ask("callReject", about).await;
    for metric in ["CallsEnded app hangup", "CallsEnded app rejected"] {
        counted(&world, metric).await;
    }
    // Neither more nor less often than it happened, however often it was told.
    let counted = world.counted();
    for (metric, times) in [
        ("CallsStarted phone", 2),
        ("CallsConnected phone", 1),
        ("RingTime phone", 1),
        ("CallsEnded phone completed", 1),
        ("CallsEnded phone busy", 1),
        ("CallsStarted app", 2),
        ("CallsConnected app", 1),
        ("RingTime app", 1),
        ("CallsEnded app hangup", 1),
        ("CallsEnded app rejected", 1),
    ] {
        assert_eq!(counted.get(metric), Some(&times), "{metric}: {counted:?}");
    }
    alarm
}

async fn connections_are_stale() -> String {
    let world = World::start_aside(maskline_tests::unlimited());
    let booking = world.new_booking().await;
    let mut caller = world.app(&booking.user).await;
    let _receiver = world.app(&booking.provider).await;
    let items = world
        .items("ConnectionsTable", "user", &booking.provider)
        .await;
    let id = |item: &serde_json::Value| {
        Some(item["pk"]["S"].as_str()?.strip_prefix("conn#")?.to_owned())
    };
    let connection = items.iter().find_map(id).unwrap();
    let sockets = world.stack.websocket().unwrap();
    assert!(sockets.posts_to(&connection, Posts::AreRefused));
    goes_off(&world, "StaleConnectionsAlarm", async {
        // A connection is not taken for gone in its first three seconds.
        while !world.counted().contains_key("StaleConnections") {
            let about = json!({"bookingId": booking.id});
            let answer = caller.ask("callInitiate", about).await;
            assert_eq!(answer["data"]["reason"], "unavailable", "{answer}");
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_alarm_goes_by_lines_that_are_logged() {
    let mut gone_off = BTreeSet::new();
    gone_off.extend([
        store_fails().await,
        function_crashes().await,
        webhooks_are_forged().await,
        limits_are_reached().await,
        calls_are_made().await,
        connections_are_stale().await,
    ]);
    gone_off.extend(carrier_is_silent().await);
    let alarms: BTreeSet<String> = template().own_alarms().into_keys().collect();
    assert_eq!(gone_off, alarms);
}

/// The reader of patterns that this goes by, on lines as AWS and we write them.
#[test]
fn patterns_match_what_they_should() {
    let filters = template().metric_filters();
    let names: Vec<_> = filters.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        ["Crashes", "Failures", "ForgedWebhooks", "SlowRequests"]
    );
    for (metric, line, matched) in [
        ("Failures", json!({"level": "ERROR"}), true),
        ("Failures", json!({"level": "INFO"}), false),
        ("Failures", json!({}), false),
        (
            "Crashes",
            json!({"type": "platform.report", "record": {"status": "timeout"}}),
            true,
        ),
        (
            "Crashes",
            json!({"type": "platform.report", "record": {"status": "success"}}),
            false,
        ),
        (
            "Crashes",
            json!({"type": "platform.start", "record": {}}),
            false,
        ),
        (
            "SlowRequests",
            json!({"message": "answered", "ms": 5000.0}),
            true,
        ),
        (
            "SlowRequests",
            json!({"message": "answered", "ms": 4999.9}),
            false,
        ),
        ("SlowRequests", json!({"message": "answered"}), false),
        (
            "ForgedWebhooks",
            json!({"message": "refused", "code": "forbidden", "function": "connect"}),
            true,
        ),
        (
            "ForgedWebhooks",
            json!({"message": "refused", "code": "forbidden", "function": "dial-status"}),
            true,
        ),
        (
            "ForgedWebhooks",
            json!({"message": "refused", "code": "forbidden", "function": "history"}),
            false,
        ),
        (
            "ForgedWebhooks",
            json!({"message": "refused", "code": "conflict", "function": "connect"}),
            false,
        ),
    ] {
        assert_eq!(
            matches(&filters[metric], &line),
            matched,
            "{metric}: {line}"
        );
    }
}
