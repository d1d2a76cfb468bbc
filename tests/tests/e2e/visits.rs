//! A visitor of a tag's page rings the owner's app: real sockets, through the real functions.

use jsonwebtoken::{EncodingKey, Header};
use maskline_local::Options;
use maskline_tests::apps::App;
use maskline_tests::{
    ADMIN, Asking, TestTag, Visit, World, assert_shows_no_number, client, phone, unlimited, world,
};
use reqwest::Method;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

/// A visit, the visitor's page and the owner's app.
async fn ready(world: &World, tag: &TestTag) -> (Visit, App, App) {
    let visit = world.visit(tag).await;
    let page = world.page(&visit).await;
    (visit, page, world.app(&tag.owner).await)
}

fn about(visit: &Visit) -> Value {
    json!({"bookingId": visit.booking})
}

fn with(visit: &Visit, field: &str, value: Value) -> Value {
    let mut data = about(visit);
    data[field] = value;
    data
}

/// The page rings, the owner accepts.
async fn talking(visit: &Visit, page: &mut App, owner: &mut App) {
    let ringing = page.ask("callInitiate", about(visit)).await;
    assert_eq!(ringing["event"], "call:ringing", "{ringing}");
    owner.event("call:incoming").await;
    let accepted = owner.ask("callAccept", about(visit)).await;
    assert_eq!(accepted["event"], "call:accepted", "{accepted}");
    page.event("call:accepted").await;
}

/// Sets an attribute of a visit's item.
async fn set(world: &World, visit: &Visit, attribute: &str, value: Value) {
    let update = json!({
        "TableName": "BookingsTable", "Key": {"pk": {"S": visit.booking}},
        "UpdateExpression": "SET #a = :v",
        "ExpressionAttributeNames": {"#a": attribute},
        "ExpressionAttributeValues": {":v": value},
    });
    world.dynamodb("UpdateItem", &update).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visitor_rings_the_owner() {
    let world = world();
    let tag = world.new_tag().await;
    let (visit, mut page, mut owner) = ready(world, &tag).await;
    assert_eq!(visit.label, "Blue hatchback");
    assert_eq!(visit.socket_url, format!("{}/live", world.socket_url()));
    let joined = page.ask("join", json!({"userId": visit.visitor})).await;
    assert_eq!(joined["data"], json!({"userId": visit.visitor}));

    let ringing = page.ask("callInitiate", about(&visit)).await;
    assert_eq!(ringing["event"], "call:ringing", "{ringing}");
    let shown = &ringing["data"];
    assert_eq!(
        (
            &shown["callerId"],
            &shown["receiverId"],
            &shown["receiverName"],
            &shown["serviceName"]
        ),
        (
            &json!(visit.visitor),
            &json!("owner"),
            &json!("Blue hatchback"),
            &json!("Blue hatchback")
        )
    );
    let incoming = owner.event("call:incoming").await;
    assert_eq!(
        (
            &incoming["callerId"],
            &incoming["callerName"],
            &incoming["receiverId"]
        ),
        (
            &json!(visit.visitor),
            &json!("Visitor at Blue hatchback"),
            &json!(tag.owner)
        )
    );
    let again = page.ask("callInitiate", about(&visit)).await;
    assert_eq!(again["data"]["callId"], shown["callId"]);

    owner.ask("callAccept", about(&visit)).await;
    let accepted = page.event("call:accepted").await;
    assert_eq!(accepted["receiverId"], "owner");
    let sdp = json!({"type": "offer", "sdp": "v=0"});
    page.send("callOffer", with(&visit, "offer", sdp.clone()))
        .await;
    let offer = owner.event("call:offer").await;
    assert_eq!(
        (&offer["offer"], &offer["from"]),
        (&sdp, &json!(visit.visitor))
    );
    owner
        .send("callAnswer", with(&visit, "answer", sdp.clone()))
        .await;
    let answer = page.event("call:answer").await;
    assert_eq!(
        (&answer["answer"], &answer["from"]),
        (&sdp, &json!("owner"))
    );

    owner.ask("callEnd", about(&visit)).await;
    let ended = page.event("call:ended").await;
    assert_eq!(
        (&ended["reason"], &ended["endedBy"]),
        (&json!("hangup"), &json!("owner"))
    );
    let rows = world.rows_of(&visit.booking, &tag.owner).await;
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert_eq!(
        (&rows[0]["call_status"], &rows[0]["caller_type"]),
        (&json!("completed"), &json!("user"))
    );
}

/// A socket that comes back, an owner who calls back, and a second visitor meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn a_visit_is_a_booking_like_any_other() {
    let world = world();
    let tag = world.new_tag().await;
    let (visit, mut page, mut owner) = ready(world, &tag).await;
    talking(&visit, &mut page, &mut owner).await;

    let (second, mut other, _) = ready(world, &tag).await;
    let busy = other.ask("callInitiate", about(&second)).await;
    assert_eq!(busy["data"]["reason"], "busy", "{busy}");

    page.close().await;
    let mut page = world.page(&visit).await;
    page.ask("join", json!({"userId": visit.visitor})).await;
    assert_eq!(page.event("call:accepted").await["receiverId"], "owner");
    page.ask("callEnd", about(&visit)).await;
    assert_eq!(
        owner.event("call:ended").await["endedBy"],
        visit.visitor.as_str()
    );

    let ringing = owner.ask("callInitiate", about(&visit)).await;
    assert_eq!(ringing["event"], "call:ringing", "{ringing}");
    let incoming = page.event("call:incoming").await;
    assert_eq!(
        (&incoming["callerId"], &incoming["callerName"]),
        (&json!("owner"), &json!("Blue hatchback"))
    );
    page.ask("callReject", about(&visit)).await;
    owner.event("call:rejected").await;
    let rows = world.rows_of(&visit.booking, &tag.owner).await;
    let seen: Vec<_> = rows
        .iter()
        .map(|row| {
            (
                row["caller_type"].as_str().unwrap(),
                row["call_status"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(seen, [("provider", "rejected"), ("user", "completed")]);
}

/// However a call went, ringing once more takes another visit, and those are limited.
#[tokio::test(flavor = "multi_thread")]
async fn a_visitor_rings_once() {
    let world = world();
    let tag = world.new_tag().await;
    let (visit, mut page, mut owner) = ready(world, &tag).await;
    let ringing = page.ask("callInitiate", about(&visit)).await;
    owner.event("call:incoming").await;
    owner.ask("callReject", about(&visit)).await;
    page.event("call:rejected").await;
    let again = page.ask("callInitiate", about(&visit)).await;
    assert_eq!(
        (
            &again["event"],
            &again["data"]["callId"],
            &again["data"]["reason"]
        ),
        (
            &json!("call:ended"),
            &ringing["data"]["callId"],
            &json!("rejected")
        )
    );
    assert_eq!(world.rows_of(&visit.booking, &tag.owner).await.len(), 1);
    let incoming = owner.frames().into_iter();
    assert_eq!(
        incoming
            .filter(|frame| frame["event"] == "call:incoming")
            .count(),
        1
    );

    let (another, mut page, _) = ready(world, &tag).await;
    let ringing = page.ask("callInitiate", about(&another)).await;
    assert_eq!(ringing["event"], "call:ringing", "{ringing}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_who_is_out_of_reach() {
    let world = world();
    let tag = world.new_tag().await;
    let visit = world.visit(&tag).await;
    let mut page = world.page(&visit).await;
    let ended = page.ask("callInitiate", about(&visit)).await;
    assert_eq!(
        (&ended["event"], &ended["data"]["reason"]),
        (&json!("call:ended"), &json!("unavailable"))
    );
    let rows = world.rows_of(&visit.booking, &tag.owner).await;
    assert_eq!(rows[0]["call_status"], "missed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_begins_in_time_or_not_at_all() {
    let world = world();
    let tag = world.new_tag().await;
    let (visit, mut page, mut owner) = ready(world, &tag).await;
    let until: maskline::domain::time::Timestamp = visit.expires_at.parse().unwrap();
    let left = until.as_second() - maskline::domain::time::Timestamp::now().as_second();
    assert!((590..=600).contains(&left), "{left}");
    let items = world.items("BookingsTable", "pk", &visit.booking).await;
    assert_eq!(items[0]["openUntil"]["S"], visit.expires_at.as_str());
    let kept: i64 = items[0]["expiresAt"]["N"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    assert_eq!(kept, until.as_second() - 600 + 90 * 86_400);

    // One that began in time goes on.
    talking(&visit, &mut page, &mut owner).await;
    let past = json!({"S": "2026-01-01T00:00:00.000Z"});
    set(world, &visit, "openUntil", past.clone()).await;
    page.ask("callEnd", about(&visit)).await;
    let ended = owner.event("call:ended").await;
    assert_eq!(ended["reason"], "hangup");
    for app in [&mut page, &mut owner] {
        let message = app.refused("callInitiate", about(&visit), "conflict").await;
        assert!(
            message.contains("the time to begin a call is over"),
            "{message}"
        );
    }
    assert_eq!(world.rows_of(&visit.booking, &tag.owner).await.len(), 1);

    let late = world.visit(&tag).await;
    set(world, &late, "openUntil", past).await;
    let mut page = world.page(&late).await;
    page.refused("callInitiate", about(&late), "conflict").await;
    // What DynamoDB has yet to remove is gone all the same.
    set(world, &late, "expiresAt", json!({"N": "1700000000"})).await;
    page.refused("callInitiate", about(&late), "not_found")
        .await;
    let token = world.token(&tag.owner, "");
    let path = format!("/api/calls/history/{}", late.booking);
    let gone = world.api(Method::GET, &path, Some(&token), None).await;
    gone.error(404, "not_found");
}

/// Everything that a visitor is told, whatever happens, names no owner and no number.
#[tokio::test(flavor = "multi_thread")]
async fn a_visitor_learns_nothing_of_the_owner() {
    let world = world();
    let tag = world.new_tag().await;
    let (visit, mut page, mut owner) = ready(world, &tag).await;
    let mut told = vec![visit.text.clone()];
    talking(&visit, &mut page, &mut owner).await;
    for (action, field, event) in [
        ("callOffer", "offer", "call:offer"),
        ("callAnswer", "answer", "call:answer"),
        ("callIceCandidate", "candidate", "call:ice-candidate"),
    ] {
        owner
            .send(action, with(&visit, field, json!({"sdp": "v=0"})))
            .await;
        page.event(event).await;
    }
    let mut elsewhere = world.page(&visit).await;
    elsewhere
        .ask("join", json!({"userId": visit.visitor}))
        .await;
    elsewhere.event("call:ended").await;
    owner.ask("callEnd", about(&visit)).await;
    page.event("call:ended").await;
    // Called back, by an owner who gives up; then once more, and accepted.
    for accept in [false, true] {
        owner.ask("callInitiate", about(&visit)).await;
        page.event("call:incoming").await;
        elsewhere.event("call:incoming").await;
        if accept {
            page.ask("callAccept", about(&visit)).await;
            elsewhere.event("call:ended").await;
        }
        owner.ask("callEnd", about(&visit)).await;
        page.event("call:ended").await;
        if !accept {
            elsewhere.event("call:ended").await;
        }
    }
    // Foreign bookings and what is malformed.
    let others = world.new_booking().await;
    page.refused("callInitiate", json!({"bookingId": others.id}), "forbidden")
        .await;
    page.refused("callInitiate", json!({"bookingId": "visit:x"}), "not_found")
        .await;
    page.refused("join", json!({"userId": tag.owner}), "forbidden")
        .await;
    page.refused("callEnd", json!({"bookingId": 7}), "bad_request")
        .await;
    for (method, path) in [
        (Method::GET, format!("/t/{}", tag.code)),
        (Method::GET, "/api/calls/ice-servers".to_owned()),
        (Method::GET, format!("/api/v1/bookings/{}", visit.booking)),
        (Method::GET, format!("/api/calls/history/{}", visit.booking)),
    ] {
        let answer = world.api(method, &path, Some(&visit.token), None).await;
        told.push(answer.text);
    }
    let (second, mut rejected, mut owner) = ready(world, &tag).await;
    rejected.ask("callInitiate", about(&second)).await;
    owner.event("call:incoming").await;
    owner.ask("callReject", about(&second)).await;
    rejected.event("call:rejected").await;
    for app in [&page, &elsewhere, &rejected] {
        told.extend(app.frames().iter().map(Value::to_string));
    }
    assert!(told.len() > 25, "{told:#?}");
    for text in &told {
        assert!(!text.contains(&tag.owner), "{text}");
        assert_shows_no_number(text);
    }
    // The check itself sees what there is to see.
    let of_owner: String = owner.frames().iter().map(Value::to_string).collect();
    assert!(of_owner.contains(&tag.owner));
}

/// Every route of the template but those that take anybody.
fn routes(visit: &Visit, tag: &TestTag) -> Vec<(Method, String)> {
    let template = include_str!("../../../template.yaml");
    let value = |line: &str, name: &str| {
        let value = line.trim().strip_prefix(name)?;
        Some(value.trim().to_owned())
    };
    let methods = template.lines().filter_map(|line| value(line, "Method:"));
    let paths = template.lines().filter_map(|line| value(line, "Path:"));
    let open = [
        "/api/v1/call/virtual-number",
        "/api/v1/call/{shortCode}/initiate",
        "/t/{shortCode}",
        "/t/{shortCode}/visits",
        "/assets/{file}",
        "/api/calls/ice-servers",
    ];
    let routes = methods.zip(paths);
    let closed = routes.filter(|(_, path)| !open.contains(&path.as_str()));
    let filled = closed.map(|(method, path)| {
        let path = path.replace("{shortCode}", &tag.code);
        let path = path.replace("{bookingId}", &visit.booking);
        (method.parse().unwrap(), path)
    });
    filled.collect()
}

#[tokio::test]
async fn a_visitors_token_opens_nothing_else() {
    let world = world();
    let tag = world.new_tag().await;
    let visit = world.visit(&tag).await;
    let routes = routes(&visit, &tag);
    assert!(routes.len() >= 10, "{routes:?}");
    for (method, path) in routes {
        assert!(!path.contains('{'), "{path}");
        let body = json!({});
        let body = Some(&body).filter(|_| method != Method::GET && method != Method::DELETE);
        let answer = world
            .api(method.clone(), &path, Some(&visit.token), body)
            .await;
        assert_eq!(answer.status, 401, "{method} {path}: {}", answer.text);
        answer.error(401, "unauthorized");
    }
    let path = "/api/calls/ice-servers";
    let answer = world.api(Method::GET, path, Some(&visit.token), None).await;
    assert_eq!(answer.status, 200, "{}", answer.text);

    // Nor does it open another tag: neither its owner nor another visit to it.
    let other = world.new_tag().await;
    let (theirs, _, mut owner) = ready(world, &other).await;
    let mut page = world.page(&visit).await;
    page.refused("callInitiate", about(&theirs), "forbidden")
        .await;
    owner.ask("join", json!({"userId": other.owner})).await;
    owner.has_not_seen("call:incoming");
}

/// The status that a socket with that token is refused with.
async fn refusal(world: &World, token: &str) -> u16 {
    use tokio_tungstenite::tungstenite::Error;
    let url = format!("{}/live?token={token}", world.socket_url());
    match *App::open("nobody", url.into_client_request().unwrap())
        .await
        .unwrap_err()
    {
        Error::Http(answer) => answer.status().as_u16(),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn tokens_are_not_mistaken_for_each_other() {
    let world = world();
    let tag = world.new_tag().await;
    let visit = world.visit(&tag).await;
    let later = 4_102_444_800_u64;
    let claims = json!({"iss": "maskline", "aud": "maskline", "sub": visit.visitor, "exp": later});
    let kid = |kid: &str| Header {
        kid: Some(kid.to_owned()),
        ..Header::default()
    };
    let sign = |header: &Header, claims: &Value, secret: &str| {
        let key = EncodingKey::from_secret(secret.as_bytes());
        jsonwebtoken::encode(header, claims, &key).unwrap()
    };
    let (host, hashes) = (world.value("JWT_SECRET"), world.value("IP_HASH_SECRET"));
    let as_user = json!({"sub": "somebody", "exp": later});
    let (head, rest) = visit.token.split_once('.').unwrap();
    let (body, signature) = rest.split_once('.').unwrap();
    assert!(!head.is_empty() && !signature.is_empty());
    for (what, token) in [
        (
            "the host's key, our kid",
            sign(&kid("maskline-visitor"), &claims, host),
        ),
        (
            "a host's user, our kid",
            sign(&kid("maskline-visitor"), &as_user, host),
        ),
        (
            "a visitor by the host's word",
            sign(&Header::default(), &claims, host),
        ),
        (
            "the secret itself",
            sign(&kid("maskline-visitor"), &claims, hashes),
        ),
        // {"alg":"none","kid":"maskline-visitor"}
        (
            "unsigned",
            format!("eyJhbGciOiJub25lIiwia2lkIjoibWFza2xpbmUtdmlzaXRvciJ9.{body}."),
        ),
        ("cut", visit.token[..visit.token.len() - 2].to_owned()),
    ] {
        assert_eq!(refusal(world, &token).await, 401, "{what}");
        let path = "/api/calls/ice-servers";
        let answer = world.api(Method::GET, path, Some(&token), None).await;
        assert_eq!(answer.status, 401, "{what}: {}", answer.text);
    }
    // The host's own tokens may say which of its keys signed them.
    let token = sign(&kid("of-the-host"), &as_user, host);
    let path = "/api/calls/ice-servers";
    assert_eq!(
        world
            .api(Method::GET, path, Some(&token), None)
            .await
            .status,
        200
    );
}

/// Twenty visitors behind one address ask at once: says how many may.
async fn burst(world: &'static World, code: &'static str, ip: &'static str) -> usize {
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..20 {
        asking.spawn(world.ask_to_visit(code, ip));
    }
    let mut succeeded = 0;
    while let Some(answer) = asking.join_next().await {
        let answer = answer.unwrap();
        if answer.status == 201 {
            succeeded += 1;
            continue;
        }
        answer.error(429, "rate_limited");
        let retry_after = answer.retry_after.unwrap();
        assert!((1..=60).contains(&retry_after), "{retry_after}");
    }
    succeeded
}

#[tokio::test(flavor = "multi_thread")]
async fn visits_are_limited_like_requests_to_be_rung() {
    let world: &World = Box::leak(Box::new(World::start_aside(Options::ephemeral())));
    let tag: &TestTag = Box::leak(Box::new(world.new_tag().await));
    assert_eq!(burst(world, &tag.code, "203.0.113.60").await, 5);
    // Those are counted apart.
    let asking = || Asking {
        ip: "203.0.113.60",
        ..Asking::default()
    };
    for _ in 0..5 {
        let answer = world.initiate(&tag.code, &phone(), asking()).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
    }
    world
        .initiate(&tag.code, &phone(), asking())
        .await
        .error(429, "rate_limited");
    // The tag's own limit: 20, of which 5 are gone.
    let mut succeeded = 0;
    for ip in [
        "203.0.113.61",
        "203.0.113.62",
        "203.0.113.63",
        "203.0.113.64",
    ] {
        succeeded += burst(world, &tag.code, ip).await;
    }
    assert_eq!(succeeded, 15);
    let scan = json!({"TableName": "BookingsTable", "ConsistentRead": true});
    let stored = world.dynamodb("Scan", &scan).await;
    assert_eq!(stored["Count"], 20, "what was refused is not stored");
}

#[tokio::test]
async fn tags_that_cannot_be_reached_cannot_be_visited() {
    let world = world();
    let tag = world.new_tag().await;
    let disabled = json!({
        "ownerId": tag.owner, "ownerPhone": "+919876543210", "label": "Van", "enabled": false
    });
    assert_eq!(world.put_tag(&tag.code, &disabled).await.status, 200);
    let ask = |code| world.ask_to_visit(code, "203.0.113.7");
    let unknown = ask("nobodys-tag").await;
    unknown.error(404, "not_found");
    let disabled = ask(&tag.code).await;
    assert_eq!(
        (disabled.status, disabled.text),
        (unknown.status, unknown.text)
    );
    let message = ask("a.b").await.error(400, "bad_request");
    assert!(message.contains("shortCode"), "{message}");
}

/// Nor by a visit from before.
#[tokio::test(flavor = "multi_thread")]
async fn a_visit_ends_with_its_tag() {
    let world = world();
    let tag = world.new_tag().await;
    let mut owner = world.app(&tag.owner).await;
    let body = |owner: &str, enabled: bool| {
        json!({
            "ownerId": owner, "ownerPhone": "+919876543210", "label": "Van", "enabled": enabled
        })
    };
    for other in [body(&tag.owner, false), body("somebody-else", true)] {
        let visit = world.visit(&tag).await;
        let mut page = world.page(&visit).await;
        assert_eq!(world.put_tag(&tag.code, &other).await.status, 200);
        page.refused("callInitiate", about(&visit), "not_found")
            .await;
        let again = body(&tag.owner, true);
        assert_eq!(world.put_tag(&tag.code, &again).await.status, 200);
        let ringing = page.ask("callInitiate", about(&visit)).await;
        assert_eq!(ringing["event"], "call:ringing", "{ringing}");
        owner.event("call:incoming").await;
        page.ask("callEnd", about(&visit)).await;
        owner.event("call:ended").await;
    }
}

/// A visit needs no body, and none does it any harm.
#[tokio::test]
async fn any_body_is_none() {
    let world = world();
    let tag = world.new_tag().await;
    let path = format!("/t/{}/visits", tag.code);
    for body in [
        "",
        "{",
        "null",
        "{\"bookingId\":\"b\",\"userId\":\"admin\",\"provider_id\":\"x\"}",
        "\u{0}\u{7f}",
    ] {
        let answer = world
            .raw_api(Method::POST, &path, None, Some(body.into()))
            .await;
        assert_eq!(answer.status, 201, "{body:?}: {}", answer.text);
        let told = answer.json();
        assert!(
            told["userId"].as_str().unwrap().starts_with("visitor:"),
            "{told}"
        );
        assert!(
            told["bookingId"].as_str().unwrap().starts_with("visit:"),
            "{told}"
        );
    }
    let huge = world
        .raw_api(Method::POST, &path, None, Some(vec![b'['; 2_000_000]))
        .await;
    huge.error(413, "too_large");
    // An admin's token makes no difference.
    let admin = world.token("an-admin", ADMIN);
    let answer = world.api(Method::POST, &path, Some(&admin), None).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
}

#[tokio::test]
async fn the_ids_of_visits_are_not_for_bookings() {
    let world = world();
    let tag = world.new_tag().await;
    let visit = world.visit(&tag).await;
    let body = json!({
        "userId": "mallory", "userName": "Mallory", "providerId": tag.owner, "providerName": "O",
        "serviceName": "S", "status": "accepted"
    });
    for id in [visit.booking.as_str(), "visit:of-my-own", "visit:"] {
        let message = world.put_booking(id, &body).await.error(400, "bad_request");
        assert!(message.starts_with("bookingId "), "{message}");
    }
    let items = world.items("BookingsTable", "pk", &visit.booking).await;
    assert_eq!(items[0]["userId"]["S"], visit.visitor.as_str());
    // The owner reads the visit, and an admin may end it.
    let path = format!("/api/v1/bookings/{}", visit.booking);
    let owner = world.token(&tag.owner, "");
    let read = world.api(Method::GET, &path, Some(&owner), None).await;
    assert_eq!(read.json()["userName"], "Visitor at Blue hatchback");
    let admin = world.token("an-admin", ADMIN);
    assert_eq!(
        world
            .api(Method::DELETE, &path, Some(&admin), None)
            .await
            .status,
        204
    );
    let mut page = world.page(&visit).await;
    page.refused("callInitiate", about(&visit), "not_found")
        .await;
}

#[tokio::test]
async fn a_label_with_a_number_is_kept_from_the_other_side() {
    let world = world();
    let tag = world.new_tag().await;
    let body = json!({
        "ownerId": tag.owner, "ownerPhone": "+919876543210", "label": "Call 98 76 50 00 01",
        "enabled": true
    });
    assert_eq!(world.put_tag(&tag.code, &body).await.status, 200);
    let (visit, mut page, mut owner) = ready(world, &tag).await;
    assert_eq!(visit.label, "Tag");
    page.ask("callInitiate", about(&visit)).await;
    let incoming = owner.event("call:incoming").await;
    assert_eq!(incoming["callerName"], "Visitor at your tag");
    assert!(!incoming.to_string().contains("98 76"), "{incoming}");
}

/// With relays only, neither learns the other's address.
#[tokio::test(flavor = "multi_thread")]
async fn addresses_are_private_too() {
    let options = unlimited()
        .with("TURN_URLS", "turn:turn.example.com:3478")
        .with("TURN_SECRET", "turn-secret-of-the-tests");
    let world = World::start_aside(options);
    let tag = world.new_tag().await;
    let (visit, mut page, mut owner) = ready(&world, &tag).await;
    let path = "/api/calls/ice-servers";
    let servers = world.api(Method::GET, path, Some(&visit.token), None).await;
    let data = servers.json()["data"].clone();
    assert_eq!(data["iceTransportPolicy"], "relay");
    assert!(
        data["iceServers"]
            .to_string()
            .contains("turn:turn.example.com"),
        "{data}"
    );
    assert!(!data.to_string().contains(&visit.visitor), "{data}");

    talking(&visit, &mut page, &mut owner).await;
    let host = json!({"candidate": "candidate:1 1 udp 2122260223 192.0.2.7 54321 typ host"});
    let relay = json!({"candidate": "candidate:2 1 udp 41885439 203.0.113.9 49160 typ relay raddr 0.0.0.0 rport 9"});
    let both = with(&visit, "candidate", json!([host, relay]));
    page.send("callIceCandidate", with(&visit, "candidate", host.clone()))
        .await;
    page.send("callIceCandidate", both.clone()).await;
    assert_eq!(
        owner.event("call:ice-candidate").await["candidate"],
        json!([relay])
    );
    owner
        .send("callIceCandidate", with(&visit, "candidate", host.clone()))
        .await;
    owner.send("callIceCandidate", both).await;
    assert_eq!(
        page.event("call:ice-candidate").await["candidate"],
        json!([relay])
    );
    page.ask("callEnd", about(&visit)).await;
    owner.event("call:ended").await;
    for frame in page.frames().iter().chain(&owner.frames()) {
        assert!(!frame.to_string().contains("192.0.2.7"), "{frame}");
    }
}

/// A visitor's page may be anybody's origin, as far as sockets go: a deployment is reached
/// by names that no configuration lists. What another page lacks is the token.
#[tokio::test]
async fn no_other_page_reads_a_visitors_token() {
    let world = world();
    let tag = world.new_tag().await;
    let url = format!("{}/t/{}/visits", world.stack.http_url(), tag.code);
    let request = client()
        .post(url)
        .header("origin", "https://elsewhere.example");
    let answer = request.send().await.unwrap();
    let allowed = answer.headers().get("access-control-allow-origin");
    assert_eq!(allowed, None);
}
