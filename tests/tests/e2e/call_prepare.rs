//! `POST /api/calls/initiate`: who is who, told to those who may call.

use maskline_tests::{ADMIN, Answer, TestBooking, unique, world};
use reqwest::Method;
use serde_json::json;

async fn prepare(user: &str, booking: &str, caller_type: &str) -> Answer {
    let token = world().token(user, "");
    let body = json!({"bookingId": booking, "callerType": caller_type});
    let path = "/api/calls/initiate";
    world()
        .api(Method::POST, path, Some(&token), Some(&body))
        .await
}

#[tokio::test]
async fn each_party_learns_who_is_who() {
    let booking = world().new_booking().await;
    let (user, provider) = (booking.user.as_str(), booking.provider.as_str());
    for (caller, caller_type, caller_name, receiver, receiver_name) in [
        (user, "user", "Asha", provider, "Ravi"),
        (provider, "provider", "Ravi", user, "Asha"),
    ] {
        let answer = prepare(caller, &booking.id, caller_type).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(
            answer.json(),
            json!({"status": "success", "data": {
                "bookingId": booking.id, "callerId": caller, "callerName": caller_name,
                "receiverId": receiver, "receiverName": receiver_name, "serviceName": "Plumbing"
            }})
        );
    }
}

#[tokio::test]
async fn only_a_party_as_itself() {
    let world = world();
    let booking = world.new_booking().await;
    for (who, caller_type) in [
        (booking.user.as_str(), "provider"),
        (&booking.provider, "user"),
        ("stranger", "user"),
        ("stranger", "provider"),
    ] {
        let answer = prepare(who, &booking.id, caller_type).await;
        answer.error(403, "forbidden");
        for told in [&booking.user, &booking.provider, "Asha", "Ravi", "Plumbing"] {
            assert!(!answer.text.contains(told), "{}", answer.text);
        }
    }
    let path = "/api/calls/initiate";
    let body = json!({"bookingId": booking.id, "callerType": "user"});
    // An admin is no party.
    let admin = world.token("an-admin", ADMIN);
    let answer = world.api(Method::POST, path, Some(&admin), Some(&body));
    answer.await.error(403, "forbidden");
    let nobody = world.api(Method::POST, path, None, Some(&body)).await;
    nobody.error(401, "unauthorized");
    let unknown = prepare(&booking.user, "nobodys-booking", "user").await;
    unknown.error(404, "not_found");
}

#[tokio::test]
async fn only_while_the_booking_allows_calls() {
    let world = world();
    let booking = TestBooking::of(&format!("stages-{}", unique()));
    for (status, expected) in [
        ("pending", 409),
        ("accepted", 200),
        ("in_progress", 200),
        ("completed", 409),
        ("cancelled", 409),
    ] {
        let put = world.put_booking(&booking.id, &booking.body(status)).await;
        assert!(put.status.is_success(), "{}", put.text);
        let answer = prepare(&booking.user, &booking.id, "user").await;
        assert_eq!(answer.status, expected, "{status}: {}", answer.text);
        if expected == 409 {
            let message = answer.error(409, "conflict");
            assert!(message.contains("accepted"), "{message}");
        }
        // A stranger is not told the status.
        let stranger = prepare("stranger", &booking.id, "user").await;
        stranger.error(403, "forbidden");
    }
}
