//! Bad input: a clear 4xx that names the field, and nothing written.

use maskline_tests::{ADMIN, TestBooking, call_sid, unique, world};
use reqwest::Method;
use serde_json::{Value, json};

fn tag() -> Value {
    json!({"ownerId": "o", "ownerPhone": "+919876543210", "label": "Van", "enabled": true})
}

#[tokio::test]
async fn tag_put() {
    let world = world();
    let code = format!("bad-{}", unique());
    let with = |name: &str, value: Value| {
        let mut body = tag();
        body[name] = value;
        body
    };
    let without = |name: &str| {
        let mut body = tag();
        body.as_object_mut().unwrap().remove(name);
        body
    };
    let long = "x".repeat(201);
    for (body, status, code_name, field) in [
        (without("ownerId"), 400, "bad_request", "ownerId"),
        (without("ownerPhone"), 400, "bad_request", "ownerPhone"),
        (without("label"), 400, "bad_request", "label"),
        (without("enabled"), 400, "bad_request", "enabled"),
        (with("ownerId", json!(7)), 400, "bad_request", "ownerId"),
        (with("ownerId", json!("")), 400, "bad_request", "ownerId"),
        (with("ownerId", json!(null)), 400, "bad_request", "ownerId"),
        (with("label", json!("  ")), 400, "bad_request", "label"),
        (
            with("label", json!("call 98765-43210")),
            400,
            "bad_request",
            "label",
        ),
        (
            with("label", json!("फ़ोन ९८७६५४३२१०")),
            400,
            "bad_request",
            "label",
        ),
        (
            with("ownerId", json!("+14155550123")),
            400,
            "bad_request",
            "ownerId",
        ),
        (
            with("ownerId", json!("user-9876543210")),
            400,
            "bad_request",
            "ownerId",
        ),
        (with("label", json!("a\u{0}b")), 400, "bad_request", "label"),
        (with("label", json!(long)), 400, "bad_request", "label"),
        (with("label", json!(["Van"])), 400, "bad_request", "label"),
        (
            with("enabled", json!("true")),
            400,
            "bad_request",
            "enabled",
        ),
        (
            with("shortCode", json!("another")),
            400,
            "bad_request",
            "shortCode",
        ),
        (
            with("ownerPhone", json!(919_876_543_210_u64)),
            400,
            "bad_request",
            "ownerPhone",
        ),
        (
            with("ownerPhone", json!("1-800-FLOWERS")),
            400,
            "invalid_phone",
            "ownerPhone",
        ),
        (
            with("ownerPhone", json!("9876543210x5")),
            400,
            "invalid_phone",
            "ownerPhone",
        ),
        (
            with("ownerPhone", json!("100")),
            400,
            "invalid_phone",
            "ownerPhone",
        ),
        (
            with("ownerPhone", json!("112")),
            400,
            "invalid_phone",
            "ownerPhone",
        ),
        (
            with("ownerPhone", json!("")),
            400,
            "invalid_phone",
            "ownerPhone",
        ),
        (
            with("ownerPhone", json!("+44 9012 345 678")),
            403,
            "destination_not_allowed",
            "ownerPhone",
        ),
        (
            with("ownerPhone", json!("+33 6 12 34 56 78")),
            403,
            "destination_not_allowed",
            "ownerPhone",
        ),
        (
            with("ownerPhone", json!(world.shared_number())),
            400,
            "bad_request",
            "ownerPhone",
        ),
        (
            with("virtualNumber", json!("+919876543210")),
            400,
            "bad_request",
            "ownerPhone",
        ),
        (
            with("virtualNumber", json!("x")),
            400,
            "invalid_phone",
            "virtualNumber",
        ),
        (
            with("virtualNumber", json!(world.shared_number())),
            400,
            "bad_request",
            "virtualNumber",
        ),
        (json!([]), 400, "bad_request", "body"),
        (json!("text"), 400, "bad_request", "body"),
    ] {
        let message = world.put_tag(&code, &body).await.error(status, code_name);
        assert!(message.contains(field), "{body}: {message}");
        assert!(!message.contains("9876543210"), "{message}");
    }
    let admin = world.token("a", ADMIN);
    let path = format!("/api/v1/tags/{code}");
    for raw in [
        &b""[..],
        b"{",
        b"\xff\xfe",
        b"{\"ownerId\": \"+919876543210",
    ] {
        let answer = world
            .raw_api(Method::PUT, &path, Some(&admin), Some(raw.to_vec()))
            .await;
        let message = answer.error(400, "bad_request");
        assert!(
            message.contains("JSON") && !message.contains("987"),
            "{message}"
        );
    }
    let huge = vec![b' '; 20_000];
    world
        .raw_api(Method::PUT, &path, Some(&admin), Some(huge))
        .await
        .error(413, "too_large");
    assert!(world.items("TagsTable", "code", &code).await.is_empty());

    let overlong = "x".repeat(65);
    for bad in [
        "ab",
        overlong.as_str(),
        "a%20b",
        "a.b.c",
        "caf%C3%A9",
        "%00%00%00",
    ] {
        let message = world.put_tag(bad, &tag()).await.error(400, "bad_request");
        assert!(message.contains("shortCode"), "{bad}: {message}");
    }
}

#[tokio::test]
async fn booking_put() {
    let world = world();
    let new = TestBooking::of(&format!("bad-{}", unique()));
    let with = |name: &str, value: Value| {
        let mut body = new.body("accepted");
        body[name] = value;
        body
    };
    let fields = [
        "userId",
        "userName",
        "providerId",
        "providerName",
        "serviceName",
        "status",
    ];
    let mut bad = vec![
        (with("bookingId", json!("another")), "bookingId"),
        (with("bookingId", json!(7)), "bookingId"),
        (with("providerId", json!(new.user)), "providerId"),
        (with("userId", json!("+919876543210")), "userId"),
        (with("userName", json!("Asha 98765 43210")), "userName"),
        (with("providerName", json!("९८७६५४३२१०")), "providerName"),
        (
            with("serviceName", json!("call (987) 654-3210")),
            "serviceName",
        ),
        (with("status", json!("Accepted")), "status"),
        (with("status", json!("in-progress")), "status"),
        (json!([]), "body"),
        (json!(null), "body"),
    ];
    for field in fields {
        let mut without = new.body("accepted");
        without.as_object_mut().unwrap().remove(field);
        bad.push((without, field));
        for value in [json!(null), json!(7), json!(""), json!(["x"])] {
            bad.push((with(field, value), field));
        }
        for text in ["  ", "a\u{0}b", "a\u{7f}b", &"x".repeat(201)] {
            bad.push((with(field, json!(text)), field));
        }
    }
    for (body, field) in bad {
        let answer = world.put_booking(&new.id, &body).await;
        let message = answer.error(400, "bad_request");
        assert!(message.contains(field), "{body}: {message}");
    }
    assert!(world.items("BookingsTable", "pk", &new.id).await.is_empty());

    let overlong = "x".repeat(65);
    for bad in [
        overlong.as_str(),
        "a%20b",
        "a%2Fb",
        "a%23b",
        "caf%C3%A9",
        "%00",
    ] {
        let answer = world.put_booking(bad, &new.body("accepted")).await;
        let message = answer.error(400, "bad_request");
        assert!(message.contains("bookingId"), "{bad}: {message}");
    }
}

#[tokio::test]
async fn call_prepare() {
    let world = world();
    let booking = world.new_booking().await;
    let token = world.token(&booking.user, "");
    let id = booking.id.as_str();
    for (body, field) in [
        (json!({"callerType": "user"}), "bookingId"),
        (json!({"bookingId": id}), "callerType"),
        (json!({"bookingId": 7, "callerType": "user"}), "bookingId"),
        (json!({"bookingId": "", "callerType": "user"}), "bookingId"),
        (
            json!({"bookingId": "a b", "callerType": "user"}),
            "bookingId",
        ),
        (json!({"bookingId": id, "callerType": "User"}), "callerType"),
        (
            json!({"bookingId": id, "callerType": "admin"}),
            "callerType",
        ),
        (json!({"bookingId": id, "callerType": null}), "callerType"),
        (json!([]), "body"),
    ] {
        let path = "/api/calls/initiate";
        let answer = world
            .api(Method::POST, path, Some(&token), Some(&body))
            .await;
        let message = answer.error(400, "bad_request");
        assert!(message.contains(field), "{body}: {message}");
    }
}

#[tokio::test]
async fn history_and_virtual_number() {
    let world = world();
    let tag = world.new_tag().await;
    let token = world.token(&tag.owner, "");
    for (query, field) in [
        ("?limit=0", "limit"),
        ("?limit=101", "limit"),
        ("?limit=-1", "limit"),
        ("?limit=ten", "limit"),
        ("?limit=", "limit"),
        ("?limit=1e1", "limit"),
        ("?page=0", "page"),
        ("?page=1.5", "page"),
        ("?page=18446744073709551616", "page"),
    ] {
        let path = format!("/api/v1/call/{}/history{query}", tag.code);
        let answer = world.api(Method::GET, &path, Some(&token), None).await;
        let message = answer.error(400, "bad_request");
        assert!(message.contains(field), "{query}: {message}");
    }
    let unknown = world
        .api(
            Method::GET,
            "/api/v1/call/nobodys-tag/history",
            Some(&token),
            None,
        )
        .await;
    unknown.error(404, "not_found");
    let malformed = world
        .api(Method::GET, "/api/v1/call/a.b/history", Some(&token), None)
        .await;
    assert!(malformed.error(400, "bad_request").contains("shortCode"));
    for query in ["?tag=", "?tag=ab", "?tag=%3Cscript%3E", "?tag=a%00b"] {
        let answer = world
            .get(&format!("/api/v1/call/virtual-number{query}"))
            .await;
        let message = answer.error(400, "bad_request");
        assert!(
            message.contains("tag") && !message.contains('<'),
            "{message}"
        );
    }
    let far = world
        .history(&tag, "?page=18446744073709551615&limit=100")
        .await;
    assert_eq!((&far["calls"], &far["total"]), (&json!([]), &json!(0)));
}

/// Signed, as nobody but Twilio can, and still not what Twilio sends.
#[tokio::test]
async fn webhooks() {
    let world = world();
    let tag = world.new_tag().await;
    let sid = call_sid();
    let shared = world.shared_number();
    let connect = "/api/v1/call/connect";
    let digits = ("Digits", tag.extension.as_str());
    for (path, fields, field) in [
        (connect, vec![("To", shared), digits], "CallSid"),
        (
            connect,
            vec![("CallSid", ""), ("To", shared), digits],
            "CallSid",
        ),
        (
            connect,
            vec![("CallSid", "<x>"), ("To", shared), digits],
            "CallSid",
        ),
        (connect, vec![("CallSid", sid.as_str()), digits], "To"),
        (
            connect,
            vec![("CallSid", sid.as_str()), ("To", "client:x"), digits],
            "To",
        ),
    ] {
        let message = world.webhook(path, &fields).await.error(400, "bad_request");
        assert!(message.contains(field), "{message}");
    }
    let asking = format!("{connect}?attempts=many");
    let answer = world
        .webhook(&asking, &[("CallSid", sid.as_str()), ("To", shared)])
        .await;
    assert!(answer.error(400, "bad_request").contains("attempts"));
    assert_eq!(world.history(&tag, "").await["total"], 0);

    let to = world.dial(&tag, &sid).await;
    let before = world.only_call(&tag).await;
    let child = ("CallSid", "CA1");
    let parent = ("ParentCallSid", sid.as_str());
    let dial_status = "/api/v1/call/dial-status";
    for (path, fields, field) in [
        (
            to.status.as_str(),
            vec![parent, ("CallStatus", "completed")],
            "CallSid",
        ),
        (to.status.as_str(), vec![child, parent], "CallStatus"),
        (
            to.status.as_str(),
            vec![child, parent, ("CallStatus", "exploded")],
            "CallStatus",
        ),
        (
            to.status.as_str(),
            vec![
                child,
                parent,
                ("CallStatus", "completed"),
                ("CallDuration", "-4"),
            ],
            "CallDuration",
        ),
        (
            "/api/v1/call/status?call=x",
            vec![child, parent, ("CallStatus", "completed")],
            "call",
        ),
        (to.dial_status.as_str(), vec![child], "DialCallStatus"),
        (
            to.dial_status.as_str(),
            vec![child, ("DialCallStatus", "maybe")],
            "DialCallStatus",
        ),
        (dial_status, vec![child, ("DialCallStatus", "busy")], "call"),
    ] {
        let message = world.webhook(path, &fields).await.error(400, "bad_request");
        assert!(message.contains(field), "{path} {fields:?}: {message}");
    }
    assert_eq!(world.only_call(&tag).await, before);
}

#[tokio::test]
async fn routes_that_are_none() {
    let world = world();
    for (method, path) in [
        (Method::GET, "/"),
        (Method::GET, "/api/v1/call"),
        (Method::POST, "/api/v1/call/virtual-number"),
        (Method::PATCH, "/api/v1/tags/some-tag"),
        (Method::POST, "/api/v1/bookings/some-booking"),
        (Method::PUT, "/api/v1/bookings"),
        (Method::GET, "/api/calls/initiate"),
        (Method::POST, "/api/calls/ice-servers"),
        (Method::GET, "/api/v1/call/a/b/history"),
        (Method::GET, "/t/some-tag/visits"),
        (Method::POST, "/t/some-tag"),
        (Method::GET, "/assets"),
        (Method::GET, "/%ff%fe"),
    ] {
        let answer = world.api(method.clone(), path, None, None).await;
        assert_eq!(answer.status, 404, "{method} {path}: {}", answer.text);
    }
}

/// Query strings that a strict URL parser refuses reach the function and do no harm.
#[tokio::test]
async fn hostile_queries() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let world = world();
    let host = world.stack.http_url().strip_prefix("http://").unwrap();
    for query in [
        "tag=%ff",
        "tag=\"abc\"",
        "tag={x}|^`",
        "&&&=&tag",
        "%",
        "tag=abc%",
    ] {
        let mut socket = tokio::net::TcpStream::connect(host).await.unwrap();
        let head = format!(
            "GET /api/v1/call/virtual-number?{query} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        );
        socket.write_all(head.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).await.unwrap();
        let answer = String::from_utf8(answer).unwrap();
        assert!(!answer.starts_with("HTTP/1.1 5"), "{query}: {answer}");
    }
}
