//! In-app calls over real sockets, through the real functions: every row of the
//! contract's event tables.

use maskline_local::tap::Break;
use maskline_tests::apps::App;
use maskline_tests::{PATIENCE, TestBooking, World, unique, unlimited, world};
use serde_json::{Value, json};
use tokio::time::timeout;

/// Both parties, one device each.
async fn pair(world: &World, booking: &TestBooking) -> (App, App) {
    (
        world.app(&booking.user).await,
        world.app(&booking.provider).await,
    )
}

/// The caller rings, the receiver accepts; the call's id.
async fn talking(booking: &TestBooking, caller: &mut App, receiver: &mut App) -> String {
    let about = json!({"bookingId": booking.id});
    let ringing = caller.ask("callInitiate", about.clone()).await;
    assert_eq!(ringing["event"], "call:ringing", "{ringing}");
    receiver.event("call:incoming").await;
    let accepted = receiver.ask("callAccept", about).await;
    assert_eq!(accepted["event"], "call:accepted", "{accepted}");
    caller.event("call:accepted").await;
    ringing["data"]["callId"].as_str().unwrap().to_owned()
}

#[track_caller]
fn row(rows: &[Value], status: &str, caller: &str) -> u64 {
    assert_eq!(rows.len(), 1, "{rows:?}");
    let row = &rows[0];
    let mut names: Vec<_> = row.as_object().unwrap().keys().cloned().collect();
    names.sort();
    assert_eq!(
        names,
        ["call_status", "caller_type", "created_at", "duration", "id"]
    );
    assert_eq!(
        (&row["call_status"], &row["caller_type"]),
        (&json!(status), &json!(caller))
    );
    row["duration"].as_u64().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_call_with_two_devices() {
    let world = world();
    let booking = world.new_booking().await;
    let (mut caller, mut phone) = pair(world, &booking).await;
    let mut tablet = world.app(&booking.provider).await;
    let joined = phone.ask("join", json!({"userId": booking.provider})).await;
    assert_eq!(
        joined,
        json!({"event": "joined", "id": joined["id"], "data": {"userId": booking.provider}})
    );

    // Names and ids in the frame count for nothing.
    let forged = json!({
        "bookingId": booking.id, "callerId": "somebody", "callerName": "Somebody",
        "receiverId": "somebody-else", "receiverName": "X", "media": {"audio": true, "video": false},
    });
    let ringing = caller.ask("callInitiate", forged).await;
    assert_eq!(ringing["event"], "call:ringing");
    let call = ringing["data"]["callId"].as_str().unwrap().to_owned();
    for device in [&mut phone, &mut tablet] {
        let incoming = device.event("call:incoming").await;
        assert_eq!(incoming["callId"], call.as_str());
        assert_eq!(incoming["bookingId"], booking.id.as_str());
        assert_eq!(
            (&incoming["callerId"], &incoming["callerName"]),
            (&json!(booking.user), &json!("Asha"))
        );
        assert_eq!(incoming["media"], json!({"audio": true, "video": false}));
        assert_eq!(incoming["version"], 1);
    }

    let about = json!({"bookingId": booking.id, "callId": call});
    let won = tablet.ask("callAccept", about.clone()).await;
    assert_eq!(won["event"], "call:accepted");
    let accepted = caller.event("call:accepted").await;
    assert_eq!(
        accepted,
        json!({"bookingId": booking.id, "callId": call, "receiverId": booking.provider, "version": 2})
    );
    let elsewhere = phone.event("call:ended").await;
    assert_eq!(
        (&elsewhere["reason"], &elsewhere["callId"]),
        (&json!("answered_elsewhere"), &json!(call))
    );
    let late = phone.ask("callAccept", about.clone()).await;
    assert_eq!(late["data"]["reason"], "answered_elsewhere");

    // Descriptions and candidates, both ways, as they are.
    let offer =
        json!({"type": "offer", "sdp": "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n"});
    let with = |field: &str, value: &Value| {
        let mut data = json!({"bookingId": booking.id, "to": "somebody-else"});
        data[field] = value.clone();
        data
    };
    caller.send("callOffer", with("offer", &offer)).await;
    let relayed = tablet.event("call:offer").await;
    assert_eq!(
        (&relayed["offer"], &relayed["from"], &relayed["callId"]),
        (&offer, &json!(booking.user), &json!(call))
    );
    let answer = json!({"type": "answer", "sdp": offer["sdp"]});
    tablet.send("callAnswer", with("answer", &answer)).await;
    assert_eq!(caller.event("call:answer").await["answer"], answer);
    let candidate = json!({"candidate": "candidate:1 1 udp 1 203.0.113.9 9 typ relay raddr 0.0.0.0 rport 9", "sdpMid": "0", "sdpMLineIndex": 0});
    let several = json!([candidate, candidate]);
    caller
        .send("callIceCandidate", with("candidate", &candidate))
        .await;
    assert_eq!(
        tablet.event("call:ice-candidate").await["candidate"],
        candidate
    );
    tablet
        .send("callIceCandidate", with("candidate", &several))
        .await;
    let relayed = caller.event("call:ice-candidate").await;
    assert_eq!(
        (&relayed["candidate"], &relayed["from"]),
        (&several, &json!(booking.provider))
    );
    // As RTCPeerConnection tells that there are no more.
    let end = with("candidate", &Value::Null);
    tablet.send("callIceCandidate", end).await;
    let relayed = caller.event("call:ice-candidate").await;
    assert_eq!(relayed.get("candidate"), Some(&Value::Null), "{relayed}");

    assert_eq!(world.rows(&booking).await, [] as [Value; 0], "not over yet");
    let ended = caller
        .ask("callEnd", json!({"bookingId": booking.id}))
        .await;
    assert_eq!(ended["event"], "call:ended");
    let told = tablet.event("call:ended").await;
    assert_eq!(
        (&told["reason"], &told["endedBy"], &told["version"]),
        (&json!("hangup"), &json!(booking.user), &json!(3))
    );
    assert_eq!(told["duration"], ended["data"]["duration"]);
    let rows = world.rows(&booking).await;
    let duration = row(&rows, "completed", "user");
    assert_eq!(json!(duration), told["duration"]);
    assert_eq!(rows[0]["id"], call.as_str());
    let again = tablet.ask("callEnd", about).await;
    assert_eq!(again["data"]["reason"], "hangup", "it is over already");
    phone.has_not_seen("call:offer");
    phone.has_not_seen("call:ice-candidate");
}

#[tokio::test(flavor = "multi_thread")]
async fn rejecting_on_one_device_ends_the_ringing_on_all() {
    let world = world();
    for (given, reason) in [
        (json!({}), "rejected"),
        (json!({"reason": "busy"}), "busy"),
        (json!({"reason": "I cannot talk"}), "rejected"),
    ] {
        let booking = world.new_booking().await;
        let mut user = world.app(&booking.user).await;
        let mut other = world.app(&booking.user).await;
        let mut caller = world.app(&booking.provider).await;
        let ringing = caller
            .ask("callInitiate", json!({"bookingId": booking.id}))
            .await;
        user.event("call:incoming").await;
        other.event("call:incoming").await;
        let mut reject = given;
        reject["bookingId"] = json!(booking.id);
        user.ask("callReject", reject).await;
        let told = caller.event("call:rejected").await;
        assert_eq!(
            (&told["reason"], &told["callId"]),
            (&json!(reason), &ringing["data"]["callId"])
        );
        assert_eq!(other.event("call:ended").await["reason"], reason);
        let status = if reason == "busy" {
            "missed"
        } else {
            "rejected"
        };
        assert_eq!(row(&world.rows(&booking).await, status, "provider"), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_who_gives_up() {
    let world = world();
    let booking = world.new_booking().await;
    let (mut caller, mut receiver) = pair(world, &booking).await;
    let about = json!({"bookingId": booking.id});
    caller.ask("callInitiate", about.clone()).await;
    receiver.event("call:incoming").await;
    let answer = caller.ask("callEnd", about.clone()).await;
    assert_eq!(answer["data"]["reason"], "canceled");
    let told = receiver.event("call:ended").await;
    assert_eq!(
        (&told["reason"], &told["duration"]),
        (&json!("canceled"), &json!(0))
    );
    let late = receiver.ask("callAccept", about).await;
    assert_eq!(
        (&late["event"], &late["data"]["reason"]),
        (&json!("call:ended"), &json!("canceled"))
    );
    row(&world.rows(&booking).await, "missed", "user");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_online_is_told_at_once() {
    let world = world();
    let booking = world.new_booking().await;
    let mut caller = world.app(&booking.user).await;
    let answer = caller
        .ask("callInitiate", json!({"bookingId": booking.id}))
        .await;
    assert_eq!(
        (&answer["event"], &answer["data"]["reason"]),
        (&json!("call:ended"), &json!("unavailable"))
    );
    row(&world.rows(&booking).await, "missed", "user");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_live_call_a_user() {
    let world = world();
    let booking = world.new_booking().await;
    let (mut caller, mut receiver) = pair(world, &booking).await;
    let call = talking(&booking, &mut caller, &mut receiver).await;

    // Repeated by its caller: the same call.
    let again = caller
        .ask("callInitiate", json!({"bookingId": booking.id}))
        .await;
    assert_eq!(
        (&again["event"], &again["data"]["callId"]),
        (&json!("call:accepted"), &json!(call))
    );

    // The provider has another booking, with somebody else.
    let other = TestBooking {
        id: format!("booking-{}", unique()),
        user: format!("user-{}", unique()),
        provider: booking.provider.clone(),
    };
    world
        .put_booking(&other.id, &other.body("in_progress"))
        .await;
    let mut third = world.app(&other.user).await;
    let about = json!({"bookingId": other.id});
    let busy = third.ask("callInitiate", about.clone()).await;
    assert_eq!(
        (&busy["event"], &busy["data"]["reason"]),
        (&json!("call:ended"), &json!("busy"))
    );
    assert_eq!(row(&world.rows(&other).await, "missed", "user"), 0);
    let message = receiver
        .refused("callInitiate", about.clone(), "conflict")
        .await;
    assert!(message.contains("another call"), "{message}");

    // Once it is over, nobody is busy.
    caller
        .ask("callEnd", json!({"bookingId": booking.id}))
        .await;
    let ringing = third.ask("callInitiate", about).await;
    assert_eq!(ringing["event"], "call:ringing");
    assert_eq!(
        receiver.event("call:incoming").await["bookingId"],
        other.id.as_str()
    );
    third.ask("callEnd", json!({"bookingId": other.id})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn both_call_at_once() {
    let world = world();
    for _ in 0..10 {
        let booking = world.new_booking().await;
        let (mut user, mut provider) = pair(world, &booking).await;
        let about = json!({"bookingId": booking.id});
        let (one, two) = tokio::join!(
            user.ask("callInitiate", about.clone()),
            provider.ask("callInitiate", about.clone())
        );
        let mut events = [one["event"].as_str(), two["event"].as_str()];
        events.sort_unstable();
        assert_eq!(events, [Some("call:incoming"), Some("call:ringing")]);
        assert_eq!(one["data"]["callId"], two["data"]["callId"], "one call");
        let user_called = one["event"] == "call:ringing";
        let receiver = if user_called {
            &mut provider
        } else {
            &mut user
        };
        let accepted = receiver.ask("callAccept", about.clone()).await;
        assert_eq!(accepted["event"], "call:accepted");
        receiver.ask("callEnd", about).await;
        assert_eq!(world.rows(&booking).await.len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_devices_that_accept_at_once_one_wins() {
    let world = world();
    for _ in 0..10 {
        let booking = world.new_booking().await;
        let (mut caller, mut phone) = pair(world, &booking).await;
        let mut tablet = world.app(&booking.provider).await;
        let about = json!({"bookingId": booking.id});
        caller.ask("callInitiate", about.clone()).await;
        phone.event("call:incoming").await;
        tablet.event("call:incoming").await;
        let (one, two) = tokio::join!(
            phone.ask("callAccept", about.clone()),
            tablet.ask("callAccept", about.clone())
        );
        let mut events = [one["event"].as_str(), two["event"].as_str()];
        events.sort_unstable();
        assert_eq!(events, [Some("call:accepted"), Some("call:ended")]);
        let loser = if one["event"] == "call:ended" {
            one
        } else {
            two
        };
        assert_eq!(loser["data"]["reason"], "answered_elsewhere");
        caller.ask("callEnd", about).await;
    }
}

/// Accept against cancel: whoever is first, both hear the same.
#[tokio::test(flavor = "multi_thread")]
async fn accept_races_cancel() {
    let world = world();
    for _ in 0..10 {
        let booking = world.new_booking().await;
        let (mut caller, mut receiver) = pair(world, &booking).await;
        let about = json!({"bookingId": booking.id});
        caller.ask("callInitiate", about.clone()).await;
        receiver.event("call:incoming").await;
        let (end, accept) = tokio::join!(
            caller.ask("callEnd", about.clone()),
            receiver.ask("callAccept", about.clone())
        );
        assert_eq!(end["event"], "call:ended", "{end}");
        let rows = world.rows(&booking).await;
        match end["data"]["reason"].as_str() {
            Some("canceled") => {
                assert_eq!(accept["data"]["reason"], "canceled", "{accept}");
                row(&rows, "missed", "user");
            }
            Some("hangup") => {
                assert_eq!(accept["event"], "call:accepted", "{accept}");
                assert_eq!(receiver.event("call:ended").await["reason"], "hangup");
                row(&rows, "completed", "user");
            }
            other => panic!("{other:?}"),
        }
    }
}

/// A socket is replaced in mid-call: the call goes on under the new connection.
#[tokio::test(flavor = "multi_thread")]
async fn a_socket_is_replaced_in_mid_call() {
    let world = world();
    let booking = world.new_booking().await;
    let (mut caller, mut receiver) = pair(world, &booking).await;
    let call = talking(&booking, &mut caller, &mut receiver).await;

    // Cut, then back.
    caller.close().await;
    let mut caller = world.app(&booking.user).await;
    let user = json!({"userId": booking.user});
    caller.ask("join", user.clone()).await;
    assert_eq!(caller.event("call:accepted").await["callId"], call.as_str());
    let offer = json!({"bookingId": booking.id, "offer": {"type": "offer", "sdp": "v=0\r\n"}});
    receiver.send("callOffer", offer.clone()).await;
    caller.event("call:offer").await;
    caller.send("callOffer", offer.clone()).await;
    receiver.event("call:offer").await;

    // A second connection of the same device, made before the first is cut.
    let mut second = world.app(&booking.user).await;
    let claim = json!({"userId": booking.user, "callId": call});
    second.ask("join", claim).await;
    second.event("call:accepted").await;
    receiver.send("callOffer", offer.clone()).await;
    second.event("call:offer").await;
    caller.close().await;

    // Another device of the user has no part in it.
    let mut stranger = world.app(&booking.user).await;
    stranger.ask("join", user).await;
    let told = stranger.event("call:ended").await;
    assert_eq!(told["reason"], "answered_elsewhere");
    stranger.refused("callOffer", offer, "conflict").await;
    second
        .ask("callEnd", json!({"bookingId": booking.id}))
        .await;
    receiver.event("call:ended").await;
    row(&world.rows(&booking).await, "completed", "user");
}

/// Who comes online while it rings is rung; who joins later hears of it.
#[tokio::test(flavor = "multi_thread")]
async fn join_tells_of_a_call_that_rings() {
    let world = world();
    let booking = world.new_booking().await;
    let (mut caller, mut phone) = pair(world, &booking).await;
    let ringing = caller
        .ask("callInitiate", json!({"bookingId": booking.id}))
        .await;
    phone.event("call:incoming").await;
    let mut tablet = world.app(&booking.provider).await;
    tablet
        .ask("join", json!({"userId": booking.provider}))
        .await;
    let incoming = tablet.event("call:incoming").await;
    assert_eq!(incoming["callId"], ringing["data"]["callId"]);
    tablet
        .ask("callAccept", json!({"bookingId": booking.id}))
        .await;
    caller.event("call:accepted").await;
    caller
        .ask("callEnd", json!({"bookingId": booking.id}))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_and_reaches_nobody() {
    let world = world();
    let booking = world.new_booking().await;
    let (mut caller, mut receiver) = pair(world, &booking).await;
    let mut outsider = world.app(&format!("outsider-{}", unique())).await;
    let about = json!({"bookingId": booking.id});
    let nobody = json!({"bookingId": format!("booking-{}", unique())});

    for action in ["callInitiate", "callAccept", "callReject", "callEnd"] {
        outsider.refused(action, nobody.clone(), "not_found").await;
        let message = outsider.refused(action, json!({}), "bad_request").await;
        assert!(message.contains("bookingId"), "{message}");
    }
    outsider
        .refused("callInitiate", about.clone(), "forbidden")
        .await;
    caller
        .refused("join", json!({"userId": booking.provider}), "forbidden")
        .await;
    caller.refused("join", json!({}), "bad_request").await;
    caller
        .refused("callAccept", about.clone(), "not_found")
        .await;

    caller.ask("callInitiate", about.clone()).await;
    let incoming = receiver.event("call:incoming").await;
    for action in ["callAccept", "callReject", "callEnd"] {
        outsider.refused(action, about.clone(), "forbidden").await;
    }
    caller
        .refused("callAccept", about.clone(), "forbidden")
        .await;
    caller
        .refused("callReject", about.clone(), "forbidden")
        .await;
    let offer = json!({"bookingId": booking.id, "offer": "x"});
    caller.refused("callOffer", offer.clone(), "conflict").await;
    outsider
        .refused("callOffer", offer.clone(), "forbidden")
        .await;
    let missing = caller
        .refused("callOffer", about.clone(), "bad_request")
        .await;
    assert!(missing.contains("offer"), "{missing}");
    let foreign = json!({"bookingId": booking.id, "callId": "other.1"});
    receiver.refused("callAccept", foreign, "bad_request").await;
    let unknown = json!({"bookingId": booking.id, "callId": format!("{}.99", booking.id)});
    receiver.refused("callAccept", unknown, "not_found").await;

    let accept = json!({"bookingId": booking.id, "callId": incoming["callId"]});
    receiver.ask("callAccept", accept).await;
    outsider
        .refused("callOffer", offer.clone(), "forbidden")
        .await;
    outsider
        .refused("callEnd", about.clone(), "forbidden")
        .await;
    caller.ask("callEnd", about).await;
    receiver.event("call:ended").await;
    receiver.has_not_seen("call:offer");
    assert!(
        outsider
            .frames()
            .iter()
            .all(|frame| frame["event"] == "error"),
        "{:?}",
        outsider.frames()
    );

    for status in ["pending", "completed", "cancelled"] {
        world.put_booking(&booking.id, &booking.body(status)).await;
        let about = json!({"bookingId": booking.id});
        caller.refused("callInitiate", about, "conflict").await;
    }
    assert_eq!(world.rows(&booking).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_that_are_none() {
    let world = world();
    let booking = world.new_booking().await;
    let mut app = world.app(&booking.user).await;
    for text in [
        "",
        "nonsense",
        "[]",
        "7",
        "{}",
        r#"{"action":"dance"}"#,
        r#"{"action":7}"#,
        r#"{"action":"join"}"#,
        r#"{"action":"join","data":7}"#,
        r#"{"action":"join","data":{"userId":7}}"#,
        r#"{"action":"callInitiate","data":{"bookingId":"a b"}}"#,
        r#"{"action":"callInitiate","data":{"bookingId":["x"]}}"#,
        r#"{"action":"callEnd","id":{},"data":{"bookingId":"x"}}"#,
        "\u{0}\u{ffff}",
    ] {
        app.send_text(text.to_owned()).await;
        let error = app.event("error").await;
        assert_eq!(error["code"], "bad_request", "{text}: {error}");
        assert!(error["message"].is_string() && error["action"].is_string());
    }
    // The connection stays.
    let pong = app.ask("ping", json!({})).await;
    assert_eq!(pong, json!({"event": "pong", "id": pong["id"], "data": {}}));
    app.send_text(r#"{"action":"ping"}"#.to_owned()).await;
    app.event("pong").await;
}

/// With relays only, a changed client cannot learn an address.
#[tokio::test(flavor = "multi_thread")]
async fn relays_only() {
    let options = unlimited()
        .with("TURN_URLS", "turn:turn.example.com:3478")
        .with("TURN_SECRET", "turn-secret-of-the-tests");
    let world = World::start_aside(options);
    let booking = world.new_booking().await;
    let (mut caller, mut receiver) = pair(&world, &booking).await;
    talking(&booking, &mut caller, &mut receiver).await;
    let host = "candidate:1 1 udp 2122260223 192.0.2.7 54321 typ host";
    let relay =
        "candidate:2 1 udp 41885439 203.0.113.9 49160 typ relay raddr 192.0.2.7 rport 54321";
    let sdp = [
        "v=0",
        "o=- 46117 2 IN IP4 192.0.2.7",
        "s=-",
        "t=0 0",
        "m=audio 54321 UDP/TLS/RTP/SAVPF 111",
        "c=IN IP4 192.0.2.7",
        "a=rtpmap:111 opus/48000/2",
        &format!("a={host}"),
        &format!("a={relay}"),
        "",
    ]
    .join("\r\n");
    let about = |field: &str, value: Value| {
        let mut data = json!({"bookingId": booking.id});
        data[field] = value;
        data
    };
    let offer = json!({"type": "offer", "sdp": sdp});
    caller.send("callOffer", about("offer", offer)).await;
    let offer = receiver.event("call:offer").await["offer"].clone();
    assert!(offer["sdp"].as_str().unwrap().contains("203.0.113.9"));
    let several = json!([{"candidate": host, "sdpMid": "0"}, {"candidate": relay, "sdpMid": "0"}]);
    caller
        .send("callIceCandidate", about("candidate", several))
        .await;
    let kept = receiver.event("call:ice-candidate").await["candidate"].clone();
    assert_eq!(kept.as_array().unwrap().len(), 1, "{kept}");
    let alone = json!({"candidate": host, "sdpMid": "0"});
    caller
        .send("callIceCandidate", about("candidate", alone))
        .await;
    caller
        .refused("callOffer", about("offer", json!(7)), "bad_request")
        .await;
    caller
        .ask("callEnd", json!({"bookingId": booking.id}))
        .await;
    receiver.event("call:ended").await;
    for frame in receiver.frames() {
        assert!(!frame.to_string().contains("192.0.2.7"), "{frame}");
    }
}

/// What a call's many frames cost is what relaying one costs.
#[tokio::test(flavor = "multi_thread")]
async fn a_relayed_frame_costs_one_read() {
    let (world, tap) = World::tapped(1).await;
    let counts_units = world.counts_units().await;
    let booking = world.new_booking().await;
    let (mut caller, mut receiver) = pair(&world, &booking).await;
    let call = talking(&booking, &mut caller, &mut receiver).await;
    for about in [
        json!({"bookingId": booking.id}),
        json!({"bookingId": booking.id, "callId": call}),
    ] {
        let mut offer = about.clone();
        offer["offer"] = json!("v=0");
        tap.take();
        for _ in 0..5 {
            caller.send("callOffer", offer.clone()).await;
            receiver.event("call:offer").await;
        }
        // What others do to the end of what they began before is not counted.
        let mut seen = tap.take();
        seen.retain(|seen| seen.function == "ws-relay");
        assert_eq!(seen.len(), 5, "{seen:?}");
        let half = |seen: &maskline_local::tap::Seen| (seen.units - 0.5).abs() < 1e-9;
        assert!(seen.iter().all(half) || !counts_units, "{seen:?}");
    }
}

/// Calls are removed by their TTL before what points at them, and gone where their table was
/// restored to an earlier time.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_gone_from_the_store_blocks_nobody() {
    let world = world();
    let booking = world.new_booking().await;
    let (mut caller, mut receiver) = pair(world, &booking).await;
    let about = json!({"bookingId": booking.id});
    for _ in 0..2 {
        talking(&booking, &mut caller, &mut receiver).await;
        caller.ask("callEnd", about.clone()).await;
        receiver.event("call:ended").await;
    }
    for seq in ["1", "2"] {
        let key = json!({"line": {"S": format!("booking#{}", booking.id)}, "seq": {"N": seq}});
        let delete = json!({"TableName": "CallsTable", "Key": key});
        world.dynamodb("DeleteItem", &delete).await;
    }
    assert!(world.rows(&booking).await.is_empty());
    let id = talking(&booking, &mut caller, &mut receiver).await;
    assert_eq!(id, format!("{}.1", booking.id));
}

/// Of a connection that was stored by half, the half is found gone and removed.
#[tokio::test(flavor = "multi_thread")]
async fn half_a_connection_is_removed() {
    let world = world();
    let booking = world.new_booking().await;
    let (mut caller, _receiver) = pair(world, &booking).await;
    let user = format!("user#{}", booking.provider);
    let half = json!({
        "pk": {"S": user}, "sk": {"S": "conn#half="}, "user": {"S": booking.provider},
        "connectedAt": {"S": "2026-01-01T00:00:00.000Z"}, "expiresAt": {"N": "9999999999"}
    });
    let put = json!({"TableName": "ConnectionsTable", "Item": half});
    world.dynamodb("PutItem", &put).await;
    let ringing = caller
        .ask("callInitiate", json!({"bookingId": booking.id}))
        .await;
    assert_eq!(ringing["event"], "call:ringing", "{ringing}");
    let left = world.items("ConnectionsTable", "sk", "conn#half=").await;
    assert!(left.is_empty(), "{left:?}");
}

/// DynamoDB refuses a write while a transaction writes the same item, and the SDK does not
/// send it again.
#[tokio::test(flavor = "multi_thread")]
async fn an_act_beside_a_transaction_is_done_again() {
    let (world, tap) = World::tapped(1).await;
    let booking = world.new_booking().await;
    let (mut caller, mut receiver) = pair(&world, &booking).await;
    talking(&booking, &mut caller, &mut receiver).await;
    let about = json!({"bookingId": booking.id});
    // Two reads are let through, and the write meets a transaction.
    caller.ask("callEnd", about.clone()).await;
    receiver.event("call:ended").await;
    caller.ask("callInitiate", about.clone()).await;
    receiver.event("call:incoming").await;
    tap.break_one("ws-call-accept", 2, Break::Conflict);
    let accepted = receiver.ask("callAccept", about).await;
    timeout(PATIENCE, tap.broken()).await.unwrap();
    assert_eq!(accepted["event"], "call:accepted", "{accepted}");
}
