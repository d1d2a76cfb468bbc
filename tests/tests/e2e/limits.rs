//! Rate limits: exactly so many, whoever comes at the same time.

use maskline_carrier::CallPlan;
use maskline_local::Options;
use maskline_tests::{Asking, TestTag, World, phone, unlimited};
use serde_json::json;

fn leak<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

/// Fifty visitors behind one address ask at once; says how many the carrier was asked for.
async fn burst(world: &'static World, tag: &'static TestTag, ip: &'static str) -> usize {
    let mut running = tokio::task::JoinSet::new();
    for _ in 0..50 {
        running.spawn(async move {
            let visitor = phone();
            let answer = world
                .initiate(
                    &tag.code,
                    &visitor,
                    Asking {
                        ip,
                        ..Asking::default()
                    },
                )
                .await;
            (visitor, answer)
        });
    }
    let (mut succeeded, mut limited, mut rung) = (0, 0, 0);
    while let Some(asked) = running.join_next().await {
        let (visitor, answer) = asked.unwrap();
        match answer.status.as_u16() {
            201 => succeeded += 1,
            _ => {
                answer.error(429, "rate_limited");
                assert!(
                    (1..=60).contains(&answer.retry_after.unwrap()),
                    "{:?}",
                    answer.retry_after
                );
                limited += 1;
            }
        }
        rung += world.asked("calls", &visitor).await["accepted"]
            .as_array()
            .unwrap()
            .len();
    }
    assert_eq!((succeeded, limited), (5, 45));
    rung
}

/// Moves every counter's end into the past, as if its time had gone by, and leaves
/// the item where it is: DynamoDB removes such items days later.
async fn let_counters_run_out(world: &World) {
    let scan = json!({"TableName": "RateLimitsTable", "ConsistentRead": true});
    let items = world.dynamodb("Scan", &scan).await["Items"].clone();
    for item in items.as_array().unwrap() {
        let ends = item
            .as_object()
            .unwrap()
            .keys()
            .filter(|name| name.ends_with("EndsAt"));
        for name in ends {
            let update = json!({
                "TableName": "RateLimitsTable", "Key": {"pk": item["pk"]},
                "UpdateExpression": "SET #e = :past",
                "ExpressionAttributeNames": {"#e": name},
                "ExpressionAttributeValues": {":past": {"N": "1000000000000"}},
            });
            world.dynamodb("UpdateItem", &update).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_at_once_from_one_address() {
    let world = leak(World::start_aside(Options::ephemeral()));
    let tag = leak(world.new_tag().await);
    assert_eq!(burst(world, tag, "203.0.113.50").await, 5);
    let_counters_run_out(world).await;
    assert_eq!(
        burst(world, tag, "203.0.113.50").await,
        5,
        "again after the window"
    );
    // Another address is another's business; the tag's own limit is not reached yet.
    let other = Asking {
        ip: "203.0.113.51",
        ..Asking::default()
    };
    assert_eq!(world.initiate(&tag.code, &phone(), other).await.status, 201);
    assert_eq!(world.history(tag, "?limit=100").await["total"], 11);
    // Addresses and numbers are stored as hashes only.
    let scan = world
        .dynamodb("Scan", &json!({"TableName": "RateLimitsTable"}))
        .await
        .to_string();
    assert!(
        !scan.contains("203.0.113") && !scan.contains("+91"),
        "{scan}"
    );
}

#[tokio::test]
async fn a_number_and_a_tag_have_limits_of_their_own() {
    let options = unlimited()
        .with("LIMIT_INITIATE_PER_VISITOR", "3/600")
        .with("LIMIT_INITIATE_PER_TAG", "4/60");
    let world = leak(World::start_aside(options));
    let (first, second) = (world.new_tag().await, world.new_tag().await);
    let visitor = phone();
    for _ in 0..3 {
        let answer = world
            .initiate(&first.code, &visitor, Asking::default())
            .await;
        assert_eq!(answer.status, 201, "{}", answer.text);
    }
    for tag in [&first, &second] {
        let over = world.initiate(&tag.code, &visitor, Asking::default()).await;
        over.error(429, "rate_limited");
        assert!(
            over.retry_after.is_some_and(|seconds| seconds > 500),
            "{:?}",
            over.retry_after
        );
    }
    assert_eq!(
        world
            .initiate(&first.code, &phone(), Asking::default())
            .await
            .status,
        201
    );
    let over = world
        .initiate(&first.code, &phone(), Asking::default())
        .await;
    over.error(429, "rate_limited");
    assert_eq!(
        world.history(&first, "").await["total"],
        4,
        "what was refused is not recorded"
    );
}

#[tokio::test]
async fn a_caller_who_calls_too_often_hears_so() {
    let world = leak(World::start_aside(Options::ephemeral()));
    let tag = world.new_tag().await;
    let caller = phone();
    let mut heard = Vec::new();
    for i in 0..12 {
        let mut plan = CallPlan::new(&caller, world.shared_number());
        plan.keys = vec![Some(tag.extension.clone())];
        let transcript = world.place(&plan).await;
        assert_eq!(transcript.errors, [], "call {i}");
        heard.push(
            transcript
                .visitor
                .heard
                .join(" ")
                .contains("too many calls"),
        );
    }
    let expected: Vec<bool> = (0..12).map(|i| i >= 10).collect();
    assert_eq!(heard, expected);
    let mut other = CallPlan::new(&phone(), world.shared_number());
    other.keys = vec![Some(tag.extension.clone())];
    assert!(
        world.place(&other).await.owner.rang,
        "others are not concerned"
    );
}

#[tokio::test]
async fn a_caller_who_guesses_is_sent_away() {
    let options = unlimited().with("LIMIT_WRONG_EXTENSIONS", "10/3600");
    let world = leak(World::start_aside(options));
    let tag = world.new_tag().await;
    let call = async |keys: &[&str]| {
        let mut plan = CallPlan::new("anonymous", world.shared_number());
        plan.keys = keys.iter().map(|key| Some((*key).to_owned())).collect();
        let transcript = world.place(&plan).await;
        assert_eq!(transcript.errors, []);
        transcript
    };
    // Nine wrong ones, three a call; the tenth is the last.
    for _ in 0..3 {
        let transcript = call(&["000001", "000002", "000003"]).await;
        assert!(!transcript.visitor.heard.join(" ").contains("too many"));
    }
    let tenth = call(&["000001", &tag.extension]).await;
    assert!(
        tenth
            .visitor
            .heard
            .join(" ")
            .contains("too many wrong digits")
    );
    assert!(!tenth.owner.rang, "no other try");
    let after = call(&[&tag.extension]).await;
    assert!(
        after
            .visitor
            .heard
            .join(" ")
            .contains("too many wrong digits")
    );
    assert!(!after.owner.rang, "nor with the right one");
    let_counters_run_out(world).await;
    assert!(call(&[&tag.extension]).await.owner.rang);
}

#[tokio::test]
async fn limits_must_be_well_formed() {
    for bad in ["5", "0/60", "5/0", "many/60", "5/9999999"] {
        let options = Options::ephemeral().with("LIMIT_INITIATE_PER_IP", bad);
        let error = maskline_local::Stack::start(options)
            .await
            .unwrap_err()
            .to_string();
        let named = error.contains("LIMIT_INITIATE_PER_IP") || error.contains("LimitInitiatePerIp");
        assert!(named, "{bad}: {error}");
    }
}
