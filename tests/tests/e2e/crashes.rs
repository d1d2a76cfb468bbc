//! A function killed between two requests to the store: nothing is half-written that
//! nothing will finish.

use std::process::Command;

use maskline_local::tap::{Break, Seen, Tap};
use maskline_tests::{Answer, Asking, PATIENCE, TestTag, World, call_sid, phone};
use serde_json::json;

/// Kills every process of a function.
async fn kill(world: &World, function: &str) {
    let pids = world.stack.pids(function);
    assert!(!pids.is_empty());
    for pid in pids {
        let killed = Command::new("kill")
            .args(["-9", &pid.to_string()])
            .status()
            .unwrap();
        assert!(killed.success());
    }
}

/// Has a visitor call the tag, or ask to be rung, the same for the same `sid`.
async fn ask(world: &World, function: &str, tag: &TestTag, sid: &str, visitor: &str) -> Answer {
    match function {
        "connect" => {
            let digits = Some(tag.extension.as_str());
            world.connect(sid, world.shared_number(), digits).await
        }
        _ => {
            let asking = Asking {
                key: Some(sid),
                ..Asking::default()
            };
            world.initiate(&tag.code, visitor, asking).await
        }
    }
}

/// How many requests to the store a function makes where nothing breaks.
async fn requests(world: &World, tap: &Tap, function: &str) -> usize {
    let tag = world.new_tag().await;
    tap.take();
    ask(world, function, &tag, &call_sid(), &phone()).await;
    let own = |seen: &Seen| seen.function == function;
    tap.take().into_iter().filter(own).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_every_request() {
    let (world, tap) = World::tapped(1).await;

    for function in ["connect", "initiate"] {
        let requests = requests(&world, &tap, function).await;
        assert!(requests >= 3, "{function} makes {requests} requests");
        for n in 0..requests {
            let tag = world.new_tag().await;
            let visitor = phone();
            let silent =
                json!({"visitor": {"does": "noAnswer"}, "network": {"lose": ["completed"]}});
            world.behave(&visitor, &silent).await;
            let sid = call_sid();
            tap.break_one(function, n, Break::Silence);
            let asking = ask(&world, function, &tag, &sid, &visitor);
            let killing = async {
                let broken = tokio::time::timeout(PATIENCE, tap.broken()).await;
                assert!(broken.is_ok(), "{function} makes no request {n}");
                kill(&world, function).await;
            };
            let (answer, ()) = tokio::join!(asking, killing);
            tap.mend();
            assert!(
                answer.status.as_u16() >= 500,
                "{function} {n}: {}",
                answer.text
            );

            // Whatever is there has an end, if only because it lapses.
            let history = world.history(&tag, "").await;
            let left = history["total"].as_u64().unwrap();
            assert!(left <= 1, "{function} {n}: {history}");
            let items = world.items("CallsTable", "tag", &tag.code).await;
            assert!(items.iter().all(|item| item["lapsesAt"]["S"].is_string()));
            println!(
                "{function:<9} killed at request {n}: {} records left",
                items.len()
            );

            // Twilio, or the visitor, asks again.
            let again = ask(&world, function, &tag, &sid, &visitor).await;
            let rung = world.asked("calls", &visitor).await["accepted"]
                .as_array()
                .unwrap()
                .len();
            assert!(rung <= 1, "{function} {n}: rung {rung} times");
            if function == "connect" {
                assert_eq!(again.status, 200, "{}", again.text);
                assert_eq!(world.history(&tag, "").await["total"], 1, "{n}");
            }
        }
    }
}
