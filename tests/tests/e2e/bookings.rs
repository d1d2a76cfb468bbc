//! Bookings: put, read and deleted by those who may.

use maskline_local::tap::Break;
use maskline_tests::store::BREAKS;
use maskline_tests::{ADMIN, TestBooking, World, unique, world};
use reqwest::Method;
use serde_json::{Value, json};

fn path(booking: &TestBooking) -> String {
    format!("/api/v1/bookings/{}", booking.id)
}

/// What the API shows of a booking.
fn shown(booking: &TestBooking, status: &str) -> Value {
    let mut shown = booking.body(status);
    shown["bookingId"] = json!(booking.id);
    shown
}

#[tokio::test]
async fn a_booking_is_created_then_replaced() {
    let world = world();
    let booking = TestBooking::of(&format!("BK:2026.a_{}", unique()));
    let created = world
        .put_booking(&booking.id, &booking.body("pending"))
        .await;
    assert_eq!(created.status, 201, "{}", created.text);
    assert_eq!(created.json(), shown(&booking, "pending"));
    let first = world.items("BookingsTable", "pk", &booking.id).await;
    assert_eq!(first[0]["createdAt"], first[0]["updatedAt"]);

    let mut changed = shown(&booking, "in_progress");
    changed["userName"] = json!("  आशा ");
    let replaced = world.put_booking(&booking.id, &changed).await;
    assert_eq!(replaced.status, 200, "{}", replaced.text);
    changed["userName"] = json!("आशा");
    assert_eq!(replaced.json(), changed);
    let second = world.items("BookingsTable", "pk", &booking.id).await;
    assert_eq!(second.len(), 1);
    assert_eq!(second[0]["createdAt"], first[0]["createdAt"]);
    assert_ne!(second[0]["updatedAt"], first[0]["updatedAt"]);

    // Ids are compared with case.
    let other = TestBooking::of(&booking.id.to_lowercase());
    let answer = world.put_booking(&other.id, &other.body("accepted")).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
}

#[tokio::test]
async fn a_booking_is_read_by_its_parties_and_by_admins() {
    let world = world();
    let booking = world.new_booking().await;
    let read = |token: Option<String>| {
        let path = path(&booking);
        async move { world.api(Method::GET, &path, token.as_deref(), None).await }
    };
    for (user, scope) in [
        (booking.user.as_str(), ""),
        (&booking.provider, "calls:read"),
        ("anybody", ADMIN),
    ] {
        let answer = read(Some(world.token(user, scope))).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(answer.json(), shown(&booking, "accepted"));
    }
    let stranger = read(Some(world.token("stranger", ""))).await;
    stranger.error(403, "forbidden");
    assert!(!stranger.text.contains(&booking.user), "{}", stranger.text);
    read(None).await.error(401, "unauthorized");

    let user = world.token(&booking.user, "");
    let get = |path| world.api(Method::GET, path, Some(&user), None);
    let unknown = get("/api/v1/bookings/nobodys-booking").await;
    unknown.error(404, "not_found");
    let malformed = get("/api/v1/bookings/a%20b").await;
    let message = malformed.error(400, "bad_request");
    assert!(message.contains("bookingId"), "{message}");
}

#[tokio::test]
async fn only_admins_change_bookings() {
    let world = world();
    let booking = world.new_booking().await;
    let (path, new) = (path(&booking), booking.body("completed"));
    for method in [Method::PUT, Method::DELETE] {
        let body = Some(&new).filter(|_| method == Method::PUT);
        for user in [booking.user.as_str(), &booking.provider, "stranger"] {
            let token = world.token(user, "");
            let answer = world.api(method.clone(), &path, Some(&token), body).await;
            answer.error(403, "forbidden");
        }
        let answer = world.api(method, &path, None, body).await;
        answer.error(401, "unauthorized");
    }
    let items = world.items("BookingsTable", "pk", &booking.id).await;
    assert_eq!(items[0]["status"]["S"], "accepted");
}

#[tokio::test(flavor = "multi_thread")]
async fn puts_that_race_leave_one_whole_booking() {
    let world = world();
    let booking = TestBooking::of(&format!("raced-{}", unique()));
    let statuses = ["pending", "accepted", "in_progress", "completed"];
    let puts = statuses.map(|status| {
        let booking = booking.clone();
        tokio::spawn(async move {
            let answer = world.put_booking(&booking.id, &booking.body(status)).await;
            (answer.status.as_u16(), answer.json())
        })
    });
    let mut codes = Vec::new();
    for (put, status) in puts.into_iter().zip(statuses) {
        let (code, told) = put.await.unwrap();
        assert_eq!(told, shown(&booking, status), "each is told of its own");
        codes.push(code);
    }
    // Those within one millisecond are all told that they came first.
    assert!(codes.contains(&201), "{codes:?}");
    assert!(
        codes.iter().all(|code| [200, 201].contains(code)),
        "{codes:?}"
    );
    let items = world.items("BookingsTable", "pk", &booking.id).await;
    assert_eq!(items.len(), 1, "{items:?}");
}

#[tokio::test]
async fn a_deleted_booking_is_gone() {
    let world = world();
    let booking = world.new_booking().await;
    let admin = world.token("an-admin", ADMIN);
    let ask = |method| {
        let (path, admin) = (path(&booking), admin.clone());
        async move { world.api(method, &path, Some(&admin), None).await }
    };
    let answer = ask(Method::DELETE).await;
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (204, ""));
    ask(Method::DELETE).await.error(404, "not_found");
    ask(Method::GET).await.error(404, "not_found");
    assert!(
        world
            .items("BookingsTable", "pk", &booking.id)
            .await
            .is_empty()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delete_that_breaks_is_done_or_not() {
    let (world, tap) = World::tapped(1).await;
    let admin = world.token("an-admin", ADMIN);
    for request in 0..2 {
        for how in BREAKS {
            let booking = world.new_booking().await;
            let path = path(&booking);
            let delete = || world.api(Method::DELETE, &path, Some(&admin), None);
            tap.break_one("booking-delete", request, how);
            let answer = delete().await;
            tap.mend();
            let items = world.items("BookingsTable", "pk", &booking.id).await.len();
            if how == Break::AnswerLost {
                assert_eq!((answer.status.as_u16(), items), (204, 0), "{request}");
                continue;
            }
            answer.error(503, "unavailable");
            assert_eq!(items, 1, "{request} {how:?}");
            assert_eq!(delete().await.status, 204, "{request} {how:?}");
        }
    }
}
