//! `events/`: each event fed to its function's real binary.

use maskline_local::Options;
use maskline_tests::World;
use serde_json::{Value, json};

/// The line that the events' call ids name.
const LINE: &str = "00000000000000e5";

fn event(name: &str) -> Value {
    let path = format!("{}/../events/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    serde_json::from_str(&text).unwrap()
}

async fn answer(world: &World, name: &str) -> (i64, String) {
    let answer = world.stack.invoke(name, &event(name)).await.unwrap();
    let body = answer["body"].as_str().unwrap().to_owned();
    (answer["statusCode"].as_i64().unwrap(), body)
}

#[tokio::test]
async fn every_function_answers_its_event() {
    let options = Options::ephemeral().with("PUBLIC_BASE_URL", "https://calls.example.com");
    let world = World::start_aside(options);

    let (status, body) = answer(&world, "virtual-number").await;
    assert_eq!(status, 200);
    assert!(body.contains(world.shared_number()), "{body}");

    let (status, body) = answer(&world, "tag-put").await;
    assert_eq!(status, 201, "{body}");

    let (status, body) = answer(&world, "tag-get").await;
    assert_eq!(status, 200, "{body}");
    assert!(body.contains("\"ownerPhone\":\"+91********10\""), "{body}");

    let (status, body) = answer(&world, "tag-page").await;
    assert_eq!(status, 200, "{body}");
    assert!(body.contains("href=\"tel:+14155550177\""), "{body}");

    let (status, body) = answer(&world, "visit").await;
    assert_eq!(status, 201, "{body}");
    assert!(body.contains("\"userId\":\"visitor:"), "{body}");

    let (status, body) = answer(&world, "connect").await;
    assert_eq!(status, 200, "{body}");
    assert!(body.contains("<Dial callerId=\"+14155550177\""), "{body}");
    assert!(
        body.contains("https://calls.example.com/api/v1/call/status?call="),
        "{body}"
    );

    let (status, body) = answer(&world, "history").await;
    let history: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &history["total"]), (200, &json!(1)), "{body}");
    assert_eq!(history["calls"][0]["status"], "initiated");

    // The address in the events is nobody's: nothing may be reported to it.
    let silent = json!({"visitor": {"does": "noAnswer"}, "network": {"lose": ["completed"]}});
    world.behave("+919812345678", &silent).await;
    let (status, body) = answer(&world, "initiate").await;
    assert_eq!(status, 201, "{body}");
    assert!(body.contains("\"callSid\":\"CA"), "{body}");

    // The call that the two callbacks report of.
    let item = json!({
        "line": {"S": LINE}, "seq": {"N": "1"}, "tag": {"S": "events-car"},
        "ownerPhone": {"S": "+919876543210"}, "visitor": {"S": "+14155550123"},
        "virtualNumber": {"S": "+14155550177"},
        "origin": {"S": "CA11111111111111111111111111111111"},
        "twilioCallSid": {"S": "CA11111111111111111111111111111111"},
        "createdAt": {"S": "2026-11-21T12:00:00.000Z"},
        "lapsesAt": {"S": "2026-11-21T13:04:00.000Z"}, "expiresAt": {"N": "4102444800"}
    });
    world
        .dynamodb("PutItem", &json!({"TableName": "CallsTable", "Item": item}))
        .await;
    assert_eq!(answer(&world, "status").await.0, 200);
    let (status, body) = answer(&world, "dial-status").await;
    assert_eq!(status, 200);
    assert!(body.contains("<Hangup/>"), "{body}");
    let items = world.items("CallsTable", "line", LINE).await;
    assert_eq!(items[0]["ringingAt"]["S"], "2026-11-21T12:00:03.000Z");
    assert!(
        items[0]["dialEnd"]["S"]
            .as_str()
            .unwrap()
            .contains("completed 42")
    );

    let (status, body) = answer(&world, "booking-put").await;
    assert_eq!(status, 201, "{body}");

    let (status, body) = answer(&world, "booking-get").await;
    assert_eq!(status, 200, "{body}");
    assert!(body.contains("\"status\":\"accepted\""), "{body}");

    let (status, body) = answer(&world, "call-prepare").await;
    assert_eq!(status, 200, "{body}");
    assert!(body.contains("\"receiverName\":\"Ravi\""), "{body}");

    let (status, body) = answer(&world, "call-log").await;
    assert_eq!(status, 201, "{body}");
    assert!(body.contains("\"duration\":42"), "{body}");

    // The connection in the events is open nowhere: its frames reach nobody.
    assert_eq!(answer(&world, "ws-connect").await, (200, String::new()));
    for (name, expected) in [
        ("ws-default", 204),
        ("ws-ping", 204),
        ("ws-join", 204),
        ("ws-call-initiate", 204),
        ("ws-call-accept", 204),
        ("ws-call-reject", 204),
        ("ws-call-end", 204),
        ("ws-relay", 204),
        ("ws-disconnect", 204),
    ] {
        assert_eq!(
            answer(&world, name).await,
            (expected, String::new()),
            "{name}"
        );
    }
    let asked = world.stack.invoke("deadlines", &event("deadlines")).await;
    assert_eq!(asked.unwrap(), json!({"batchItemFailures": []}));

    let (status, body) = answer(&world, "call-history").await;
    assert_eq!(status, 200, "{body}");
    assert!(body.contains("\"call_status\":\"completed\""), "{body}");
    let (status, body) = answer(&world, "ice-servers").await;
    assert_eq!(status, 200, "{body}");
    assert!(body.contains("\"urls\":[\"stun:"), "{body}");

    let deleted = answer(&world, "booking-delete").await;
    assert_eq!(deleted, (204, String::new()));
    assert_eq!(answer(&world, "booking-get").await.0, 404);

    assert_eq!(answer(&world, "tag-delete").await, (204, String::new()));
    assert_eq!(answer(&world, "tag-get").await.0, 404);
}

#[test]
fn there_is_an_event_for_every_function() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    for function in std::fs::read_dir(format!("{root}/functions")).unwrap() {
        let name = function.unwrap().file_name().into_string().unwrap();
        event(&name);
    }
}
