//! The history of a tag: exact, newest first, as cheap at its end as at its start.

use maskline::access::config::Env;
use maskline::domain::call::{NewCall, Origin, Visitor};
use maskline::domain::phone::PhoneNumber;
use maskline::domain::time::{Timestamp, add_seconds};
use maskline::lambda::Start;
use maskline_tests::store::environment;
use maskline_tests::{TestTag, World, call_sid, world};
use serde_json::{Value, json};

/// Writes `count` calls a minute apart, as the connect function does.
async fn past_calls(world: &World, tag: &TestTag, count: i64) {
    let [url, key, secret, region] = environment(world.stack.store());
    let env = Env::from([url, key, secret, region, ("CALLS_TABLE", "CallsTable")]);
    let calls = Start::from_env(env).unwrap().calls().unwrap();
    let now = Timestamp::now();
    let item = &world.items("TagsTable", "code", &tag.code).await[0];
    let line = item["line"]["S"].as_str().unwrap().parse().unwrap();
    for minutes_ago in (1..=count).rev() {
        let created_at = add_seconds(now, -60 * minutes_ago);
        let call = NewCall {
            tag: tag.code.parse().unwrap(),
            owner_phone: PhoneNumber::from_e164("+919876543210").unwrap(),
            visitor: Visitor::read("+14155550123"),
            virtual_number: PhoneNumber::from_e164("+14155550100").unwrap(),
            origin: Origin::call(&call_sid()),
            twilio_call_sid: Some(call_sid()),
            metadata: serde_json::Map::new(),
            created_at,
            lapses_at: add_seconds(created_at, 3600),
            expires_at: add_seconds(created_at, 86_400 * 90).as_second(),
        };
        calls.create(&line, call).await.unwrap();
    }
}

/// Starts `count` calls through the webhook, eight at a time.
async fn start_calls(world: &'static World, tag: &'static TestTag, count: usize) {
    let mut running = tokio::task::JoinSet::new();
    for _ in 0..count {
        if running.len() == 8 {
            running.join_next().await.unwrap().unwrap();
        }
        running.spawn(async move {
            world.dial(tag, &call_sid()).await;
        });
    }
    while let Some(call) = running.join_next().await {
        call.unwrap();
    }
}

/// Every page of a history, checked against each other.
async fn all_pages(world: &World, tag: &TestTag, limit: usize, total: usize) -> Vec<Value> {
    let pages = total.div_ceil(limit);
    let mut calls = Vec::new();
    for page in 1..=pages {
        let history = world
            .history(tag, &format!("?limit={limit}&page={page}"))
            .await;
        assert_eq!(history["total"], total);
        assert_eq!(
            (&history["page"], &history["pages"]),
            (&json!(page), &json!(pages))
        );
        let found = history["calls"].as_array().unwrap();
        let expected = if page == pages {
            total - (pages - 1) * limit
        } else {
            limit
        };
        assert_eq!(found.len(), expected, "page {page} of {limit}");
        calls.extend(found.iter().cloned());
    }
    let beyond = world
        .history(tag, &format!("?limit={limit}&page={}", pages + 1))
        .await;
    assert_eq!(
        (&beyond["calls"], &beyond["total"]),
        (&json!([]), &json!(total))
    );
    calls
}

fn seq(entry: &Value) -> u64 {
    let id = entry["_id"].as_str().unwrap();
    id.rsplit('.').next().unwrap().parse().unwrap()
}

/// The last hundred side by side: each gets the next number, none is left out.
#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_calls() {
    const CALLS: usize = 1000;
    let (world, tap) = World::tapped(10).await;
    let world: &'static World = Box::leak(Box::new(world));
    let tag: &'static TestTag = Box::leak(Box::new(world.new_tag().await));

    past_calls(world, tag, 900).await;
    start_calls(world, tag, CALLS - 900).await;
    for limit in [10, 37, 100] {
        let calls = all_pages(world, tag, limit, CALLS).await;
        let numbers: Vec<u64> = calls.iter().map(seq).collect();
        let expected: Vec<u64> = (1..=CALLS as u64).rev().collect();
        assert_eq!(numbers, expected);
        let mut sids: Vec<_> = calls
            .iter()
            .map(|call| call["twilioCallSid"].as_str())
            .collect();
        sids.sort_unstable();
        sids.dedup();
        assert_eq!(sids.len(), CALLS, "one record a call");
        let newest_first =
            |pair: &[Value]| pair[0]["createdAt"].as_str() > pair[1]["createdAt"].as_str();
        assert!(
            calls.windows(2).all(newest_first),
            "times and numbers have one order"
        );
    }

    let counts_units = world.counts_units().await;
    for limit in [1, 10, 100] {
        let mut costs = Vec::new();
        for page in [1, CALLS / limit / 2, CALLS / limit] {
            tap.take();
            world
                .history(tag, &format!("?limit={limit}&page={page}"))
                .await;
            let seen = tap.take();
            let expected: &[_] = match page {
                1 => &["GetItem", "Query", "Query"],
                _ => &["GetItem", "Query", "Query", "Query"],
            };
            let operations: Vec<_> = seen.iter().map(|seen| seen.operation.as_str()).collect();
            assert_eq!(operations, expected, "page {page}");
            costs.push(seen.iter().map(|seen| seen.units).sum::<f64>());
        }
        println!(
            "history, {limit} a page: {costs:?} read units on the first, middle and last page"
        );
        // The first page tells which call is the newest by itself.
        let same = costs[0] > 0.0 && costs[0] <= costs[1] && costs[1] == costs[2];
        assert!(same || !counts_units, "{limit} a page: {costs:?}");
    }
}

#[tokio::test]
async fn an_empty_history() {
    let world = world();
    let tag = world.new_tag().await;
    assert_eq!(
        world.history(&tag, "").await,
        json!({"calls": [], "total": 0, "page": 1, "pages": 0})
    );
}

/// Twilio repeats a webhook that it got no answer to, and the two may run side by side.
#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_connect_creates_one_call() {
    let world = world();
    let tag: &'static TestTag = Box::leak(Box::new(world.new_tag().await));
    let sid: &'static str = Box::leak(call_sid().into_boxed_str());
    let mut running = tokio::task::JoinSet::new();
    for i in 0..24 {
        running.spawn(async move {
            let own = if i % 3 == 0 {
                sid.to_owned()
            } else {
                call_sid()
            };
            (i % 3 == 0, world.dial(tag, &own).await.status)
        });
    }
    let mut repeated = Vec::new();
    while let Some(call) = running.join_next().await {
        let (is_repeat, status_url) = call.unwrap();
        if is_repeat {
            repeated.push(status_url);
        }
    }
    repeated.push(world.dial(tag, sid).await.status);
    repeated.dedup();
    assert_eq!(
        repeated.len(),
        1,
        "every repetition names the same call: {repeated:?}"
    );
    let history = world.history(tag, "?limit=100").await;
    assert_eq!(history["total"], 17, "16 calls and the repeated one");
}

/// A record past its time counts as gone, whether or not the store has removed it.
#[tokio::test]
async fn expired_calls_are_gone() {
    let world = world();
    let tag = world.new_tag().await;
    for _ in 0..5 {
        world.dial(&tag, &call_sid()).await;
    }
    let items = world.items("TagsTable", "code", &tag.code).await;
    let line = items[0]["line"]["S"].as_str().unwrap().to_owned();
    let expire = |seq: u64| {
        json!({
            "TableName": "CallsTable", "Key": {"line": {"S": line}, "seq": {"N": seq.to_string()}},
            "UpdateExpression": "SET expiresAt = :then",
            "ExpressionAttributeValues": {":then": {"N": "1000000000"}}
        })
    };
    for seq in 1..=3 {
        world.dynamodb("UpdateItem", &expire(seq)).await;
    }
    let numbers = |history: &Value| -> Vec<u64> {
        history["calls"]
            .as_array()
            .unwrap()
            .iter()
            .map(seq)
            .collect()
    };
    let history = world.history(&tag, "?limit=1&page=2").await;
    assert_eq!((numbers(&history), &history["total"]), (vec![4], &json!(2)));
    // TTL removes items in no particular order.
    let key = &expire(2)["Key"];
    world
        .dynamodb(
            "DeleteItem",
            &json!({"TableName": "CallsTable", "Key": key}),
        )
        .await;
    let history = world.history(&tag, "").await;
    assert_eq!(
        (numbers(&history), &history["pages"]),
        (vec![5, 4], &json!(1))
    );
    for seq in 4..=5 {
        world.dynamodb("UpdateItem", &expire(seq)).await;
    }
    assert_eq!(world.history(&tag, "").await["total"], 0);
    // The next call goes on counting.
    world.dial(&tag, &call_sid()).await;
    assert_eq!(numbers(&world.history(&tag, "").await), [6]);
}

/// CALL_RETENTION_DAYS decides when a record goes, in DynamoDB's own attribute.
#[tokio::test]
async fn records_carry_their_expiry() {
    let world = world();
    let tag = world.new_tag().await;
    world.dial(&tag, &call_sid()).await;
    let item = &world.items("CallsTable", "tag", &tag.code).await[0];
    let expires: i64 = item["expiresAt"]["N"].as_str().unwrap().parse().unwrap();
    let created: Timestamp = item["createdAt"]["S"].as_str().unwrap().parse().unwrap();
    let days: i64 = world.value("CALL_RETENTION_DAYS").parse().unwrap();
    assert_eq!(expires, created.as_second() + days * 86_400);
    let ttl = world
        .dynamodb("DescribeTimeToLive", &json!({"TableName": "CallsTable"}))
        .await;
    let expected = json!({"AttributeName": "expiresAt", "TimeToLiveStatus": "ENABLED"});
    assert_eq!(ttl["TimeToLiveDescription"], expected);
}
