//! One call's callbacks in every order, repeated and lost: the record ends the same.

use maskline_carrier::{CallPlan, Callback, NetworkPlan};
use maskline_tests::{Dial, TestTag, World, call_sid, world};
use serde_json::Value;

/// A delivery: to the dial's end or the leg's, and its fields.
type Delivery = (bool, Vec<(&'static str, &'static str)>);

const CHILD: &str = "CAcccccccccccccccccccccccccccccccc";

fn leg(
    status: &'static str,
    second: &'static str,
    more: &[(&'static str, &'static str)],
) -> Delivery {
    let mut fields = vec![
        ("CallSid", CHILD),
        ("ParentCallSid", "CAdddddddddddddddddddddddddddddddd"),
        ("CallStatus", status),
        ("Timestamp", second),
    ];
    fields.extend(more);
    (false, fields)
}

fn dial(status: &'static str, more: &[(&'static str, &'static str)]) -> Delivery {
    let mut fields = vec![
        ("CallSid", "CAdddddddddddddddddddddddddddddddd"),
        ("DialCallStatus", status),
    ];
    fields.extend(more);
    (true, fields)
}

/// A call in which the owner talks for 42 seconds.
fn answered() -> Vec<Delivery> {
    vec![
        leg("initiated", "Sat, 21 Nov 2026 12:00:00 +0000", &[]),
        leg("ringing", "Sat, 21 Nov 2026 12:00:01 +0000", &[]),
        leg("in-progress", "Sat, 21 Nov 2026 12:00:07 +0000", &[]),
        leg(
            "completed",
            "Sat, 21 Nov 2026 12:00:49 +0000",
            &[("CallDuration", "42")],
        ),
        dial(
            "completed",
            &[("DialCallDuration", "42"), ("DialBridged", "true")],
        ),
    ]
}

fn ended(status: &'static str) -> Vec<Delivery> {
    vec![
        leg("initiated", "Sat, 21 Nov 2026 12:00:00 +0000", &[]),
        leg("ringing", "Sat, 21 Nov 2026 12:00:01 +0000", &[]),
        leg(
            status,
            "Sat, 21 Nov 2026 12:00:31 +0000",
            &[("CallDuration", "0")],
        ),
        dial(status, &[]),
    ]
}

async fn deliver(world: &World, to: &Dial, (is_dial, fields): &Delivery) {
    let path = if *is_dial {
        &to.dial_status
    } else {
        &to.status
    };
    let answer = world.webhook(path, fields).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert!(
        answer.content_type.starts_with("text/xml"),
        "{}",
        answer.content_type
    );
}

/// What a history entry says of the call itself.
async fn record(world: &World, tag: &TestTag) -> Vec<Value> {
    let entry = world.only_call(tag).await;
    ["status", "duration", "answeredAt", "endedAt"]
        .map(|name| entry[name].clone())
        .to_vec()
}

async fn record_after(world: &World, deliveries: &[Delivery]) -> Vec<Value> {
    let tag = world.new_tag().await;
    let to = world.dial(&tag, &call_sid()).await;
    for delivery in deliveries {
        deliver(world, &to, delivery).await;
    }
    record(world, &tag).await
}

fn permutations<T: Clone>(items: &[T]) -> Vec<Vec<T>> {
    if items.is_empty() {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for i in 0..items.len() {
        let mut rest = items.to_vec();
        let first = rest.remove(i);
        for mut tail in permutations(&rest) {
            tail.insert(0, first.clone());
            all.push(tail);
        }
    }
    all
}

#[tokio::test]
async fn every_order_of_an_answered_call() {
    let world = world();
    let orders = permutations(&answered());
    assert_eq!(orders.len(), 120);
    for order in orders {
        let record = record_after(world, &order).await;
        let expected = serde_json::json!([
            "completed",
            42,
            "2026-11-21T12:00:07.000Z",
            "2026-11-21T12:00:49.000Z"
        ]);
        assert_eq!(Value::from(record), expected, "{order:?}");
    }
}

#[tokio::test]
async fn every_order_of_every_other_end() {
    let world = world();
    for status in ["busy", "no-answer", "failed", "canceled"] {
        for order in permutations(&ended(status)) {
            let record = record_after(world, &order).await;
            let expected = serde_json::json!([status, 0, null, "2026-11-21T12:00:31.000Z"]);
            assert_eq!(Value::from(record), expected, "{order:?}");
        }
    }
}

#[tokio::test]
async fn a_record_only_moves_forward() {
    let world = world();
    let tag = world.new_tag().await;
    let to = world.dial(&tag, &call_sid()).await;
    let deliveries = answered();
    let mut seen = vec![record(world, &tag).await[0].clone()];
    for i in [1, 0, 2, 1, 3, 2, 1, 0, 4, 3] {
        deliver(world, &to, &deliveries[i]).await;
        seen.push(record(world, &tag).await[0].clone());
    }
    seen.dedup();
    assert_eq!(
        Value::from(seen),
        serde_json::json!(["initiated", "ringing", "in-progress", "completed"])
    );
}

/// Twilio also reports the visitor's own leg, which reads `completed` even when the
/// owner was busy.
#[tokio::test]
async fn the_visitors_own_leg_overwrites_nothing() {
    let world = world();
    for owner_first in [true, false] {
        let tag = world.new_tag().await;
        let sid = call_sid();
        let to = world.dial(&tag, &sid).await;
        let busy = leg("busy", "Sat, 21 Nov 2026 12:00:03 +0000", &[]);
        let own = [
            ("CallSid", sid.as_str()),
            ("CallStatus", "completed"),
            ("CallDuration", "9"),
            ("Timestamp", "Sat, 21 Nov 2026 12:00:09 +0000"),
        ];
        if owner_first {
            deliver(world, &to, &busy).await;
        }
        assert_eq!(world.webhook(&to.status, &own).await.status, 200);
        if !owner_first {
            assert_eq!(record(world, &tag).await[0], "initiated");
            deliver(world, &to, &busy).await;
        }
        let expected = serde_json::json!(["busy", 0, null, "2026-11-21T12:00:03.000Z"]);
        assert_eq!(Value::from(record(world, &tag).await), expected);
    }
}

#[tokio::test]
async fn a_machine_that_answers_is_no_answer_whenever_that_is_known() {
    let world = world();
    let machine: Delivery = (
        false,
        vec![("CallSid", CHILD), ("AnsweredBy", "machine_start")],
    );
    for at in 0..=answered().len() {
        let mut deliveries = answered();
        deliveries.insert(at, machine.clone());
        let record = record_after(world, &deliveries).await;
        let expected = serde_json::json!(["no-answer", 0, null, "2026-11-21T12:00:49.000Z"]);
        assert_eq!(Value::from(record), expected, "machine at {at}");
    }
}

/// A callback that was set on the number itself names no call.
#[tokio::test]
async fn a_callback_without_a_call_is_taken_and_tells_nothing() {
    let world = world();
    let fields = [("CallSid", CHILD), ("CallStatus", "completed")];
    let answer = world.webhook("/api/v1/call/status", &fields).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
}

#[tokio::test]
async fn callbacks_for_a_call_that_does_not_exist_write_nothing() {
    let world = world();
    let to = Dial {
        status: "/api/v1/call/status?call=ffffffffffffffff.1".into(),
        dial_status: "/api/v1/call/dial-status?call=ffffffffffffffff.1".into(),
    };
    for (is_dial, fields) in answered().into_iter().skip(1) {
        if is_dial {
            // Whoever is on the line is sent off all the same.
            let answer = world.webhook(&to.dial_status, &fields).await;
            assert!(answer.text.contains("<Hangup/>"), "{}", answer.text);
        } else {
            world
                .webhook(&to.status, &fields)
                .await
                .error(404, "not_found");
        }
    }
    assert!(
        world
            .items("CallsTable", "line", "ffffffffffffffff")
            .await
            .is_empty()
    );
}

/// The carrier's network at its worst: everything repeated, shuffled, delayed and
/// delivered side by side, and any one callback lost.
#[tokio::test(flavor = "multi_thread")]
async fn any_network_ends_in_the_same_record() {
    let world = world();
    let start = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    let base = u64::try_from(start.as_millis()).unwrap();
    println!("seeds from {base}");
    let losses = [
        None,
        Some(Callback::Initiated),
        Some(Callback::Ringing),
        Some(Callback::Answered),
        Some(Callback::Completed),
        Some(Callback::DialStatus),
        Some(Callback::Amd),
    ];
    for round in 0..42_u64 {
        let lost = losses[usize::try_from(round).unwrap() % losses.len()];
        let tag = world.new_tag().await;
        let mut plan = CallPlan::new("+14155550123", world.shared_number());
        plan.keys = vec![Some(tag.extension.clone())];
        plan.network = NetworkPlan {
            duplicate: 2,
            reorder: true,
            delay_ms: 15,
            lose: lost.into_iter().collect(),
            seed: Some(base + round),
        };
        let transcript = world.place(&plan).await;
        assert_eq!(transcript.errors, [], "seed {}", transcript.seed);
        let record = record(world, &tag).await;
        assert_eq!(
            (&record[0], &record[1]),
            (&"completed".into(), &42.into()),
            "seed {}, lost {lost:?}",
            transcript.seed
        );
        assert!(record[2].is_string() && record[3].is_string());
    }
}
