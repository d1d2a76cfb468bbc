//! Every request of every function to the store broken in every way, one at a time: here
//! of those that are asked over HTTP, in `app_faults` of those of in-app calls. Each prints
//! the table of what came of it.

use std::collections::BTreeSet;

use std::future::Future;
use std::pin::Pin;

use maskline_local::tap::{Break, Seen};
use maskline_tests::store::BREAKS;
use maskline_tests::watch::template;
use maskline_tests::{ADMIN, Answer, Asking, TestBooking, TestTag, World, call_sid, phone, unique};
use reqwest::Method;
use serde_json::{Value, json};

use super::app_faults;

/// One function, asked for one thing. What it is asked for is prepared first and may
/// be asked for twice.
struct Case {
    function: &'static str,
    ask: fn(&'static World, Prepared) -> Answering,
    /// What the client is told when the store fails.
    failure: Told,
    /// What shows that it was done.
    success: &'static str,
}

impl Case {
    /// The function itself, which may have several cases.
    fn binary(&self) -> &'static str {
        self.function.split(',').next().unwrap()
    }
}

type Answering = Pin<Box<dyn Future<Output = Answer>>>;

enum Told {
    /// 503, in JSON.
    Unavailable,
    /// 200, in words.
    Words(&'static str),
}

#[derive(Clone)]
struct Prepared {
    tag: &'static TestTag,
    booking: TestBooking,
    sid: String,
    visitor: String,
    status: String,
    dial_status: String,
}

const CASES: [Case; 15] = [
    Case {
        function: "connect",
        ask: |world, p| {
            Box::pin(async move {
                let digits = Some(p.tag.extension.as_str());
                world.connect(&p.sid, world.shared_number(), digits).await
            })
        },
        failure: Told::Words("something went wrong"),
        success: "<Dial ",
    },
    Case {
        function: "connect, first",
        ask: |world, p| {
            Box::pin(async move { world.connect(&p.sid, world.shared_number(), None).await })
        },
        failure: Told::Words("something went wrong"),
        success: "<Gather ",
    },
    Case {
        function: "initiate",
        ask: |world, p| {
            Box::pin(async move {
                let asking = Asking {
                    key: Some(&p.sid),
                    ..Asking::default()
                };
                world.initiate(&p.tag.code, &p.visitor, asking).await
            })
        },
        failure: Told::Unavailable,
        success: "\"callSid\":",
    },
    Case {
        function: "visit",
        ask: |world, p| {
            Box::pin(async move { world.ask_to_visit(&p.tag.code, "203.0.113.7").await })
        },
        failure: Told::Unavailable,
        success: "\"token\":",
    },
    Case {
        function: "status",
        ask: |world, p| {
            Box::pin(async move {
                let fields = [
                    ("CallSid", "CA2"),
                    ("ParentCallSid", "CA1"),
                    ("CallStatus", "ringing"),
                ];
                world.webhook(&p.status, &fields).await
            })
        },
        failure: Told::Unavailable,
        success: "<Response>",
    },
    Case {
        function: "dial-status",
        ask: |world, p| {
            Box::pin(async move {
                let fields = [("CallSid", "CA1"), ("DialCallStatus", "busy")];
                world.webhook(&p.dial_status, &fields).await
            })
        },
        failure: Told::Words("on another call"),
        success: "on another call",
    },
    Case {
        function: "history",
        ask: |world, p| {
            Box::pin(async move {
                let token = world.token(&p.tag.owner, "");
                let path = format!("/api/v1/call/{}/history", p.tag.code);
                world.api(Method::GET, &path, Some(&token), None).await
            })
        },
        failure: Told::Unavailable,
        success: "\"total\":",
    },
    Case {
        function: "virtual-number",
        ask: |world, p| {
            Box::pin(async move {
                let path = format!("/api/v1/call/virtual-number?tag={}", p.tag.code);
                world.get(&path).await
            })
        },
        failure: Told::Unavailable,
        success: "\"virtualNumber\":",
    },
    Case {
        function: "tag-get",
        ask: |world, p| {
            Box::pin(async move {
                let token = world.token(&p.tag.owner, "");
                let path = format!("/api/v1/tags/{}", p.tag.code);
                world.api(Method::GET, &path, Some(&token), None).await
            })
        },
        failure: Told::Unavailable,
        success: "\"extension\":",
    },
    Case {
        function: "tag-put",
        ask: |world, p| {
            Box::pin(async move {
                let admin = world.token("an-admin", ADMIN);
                let path = format!("/api/v1/tags/new-{}", p.sid);
                let body = json!({
                    "ownerId": "o", "ownerPhone": "+919876543210", "label": "Van", "enabled": true
                });
                world
                    .api(Method::PUT, &path, Some(&admin), Some(&body))
                    .await
            })
        },
        failure: Told::Unavailable,
        success: "\"extension\":",
    },
    Case {
        function: "booking-put",
        ask: |world, p| {
            Box::pin(async move {
                let new = TestBooking::of(&format!("new-{}", p.sid));
                world.put_booking(&new.id, &new.body("accepted")).await
            })
        },
        failure: Told::Unavailable,
        success: "\"bookingId\":",
    },
    Case {
        function: "booking-get",
        ask: |world, p| {
            Box::pin(async move {
                let token = world.token(&p.booking.user, "");
                let path = format!("/api/v1/bookings/{}", p.booking.id);
                world.api(Method::GET, &path, Some(&token), None).await
            })
        },
        failure: Told::Unavailable,
        success: "\"bookingId\":",
    },
    Case {
        function: "call-prepare",
        ask: |world, p| {
            Box::pin(async move {
                let token = world.token(&p.booking.user, "");
                let body = json!({"bookingId": p.booking.id, "callerType": "user"});
                let path = "/api/calls/initiate";
                world
                    .api(Method::POST, path, Some(&token), Some(&body))
                    .await
            })
        },
        failure: Told::Unavailable,
        success: "\"receiverId\":",
    },
    Case {
        function: "call-log",
        ask: |world, p| {
            Box::pin(async move {
                let token = world.token(&p.booking.user, "");
                let body = json!({
                    "bookingId": p.booking.id, "duration": 42, "callerType": "user",
                    "status": "completed"
                });
                let path = "/api/calls/log";
                world
                    .api(Method::POST, path, Some(&token), Some(&body))
                    .await
            })
        },
        failure: Told::Unavailable,
        success: "\"call_status\":\"completed\"",
    },
    Case {
        function: "call-history",
        ask: |world, p| {
            Box::pin(async move {
                let token = world.token(&p.booking.user, "");
                let path = format!("/api/calls/history/{}", p.booking.id);
                world.api(Method::GET, &path, Some(&token), None).await
            })
        },
        failure: Told::Unavailable,
        success: "\"calls\":",
    },
];

/// What cannot be asked for twice, or answers with a page, is broken beside its other tests.
const ELSEWHERE: [&str; 3] = ["booking-delete", "tag-delete", "tag-page"];

#[test]
fn every_function_that_uses_the_store_is_broken() {
    let granted = template().permissions().unwrap().into_iter();
    let stores = granted.filter(|one| one.action.starts_with("dynamodb:"));
    let stores: BTreeSet<String> = stores.map(|one| one.function).collect();
    let here = CASES.iter().map(Case::binary);
    let broken = here.chain(ELSEWHERE).chain(app_faults::functions());
    assert_eq!(stores, broken.map(str::to_owned).collect());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_store_request_broken_one_at_a_time() {
    let (world, tap) = World::tapped(1).await;
    let world: &'static World = Box::leak(Box::new(world));

    println!("function        request          broken by     answer");
    for case in &CASES {
        let p = prepare(world).await;
        tap.take();
        let whole = (case.ask)(world, p).await;
        assert!(
            whole.text.contains(case.success),
            "{}: {}",
            case.function,
            whole.text
        );
        // What the simulated carrier has other functions do meanwhile is not counted.
        let binary = case.binary();
        let own = |seen: &Seen| seen.function == binary;
        let requests = tap.take().into_iter().filter(own);
        let requests: Vec<_> = requests.map(|seen| seen.operation).collect();
        assert!(
            !requests.is_empty(),
            "{} asks nothing of the store",
            case.function
        );
        for (n, request) in requests.iter().enumerate() {
            for how in BREAKS {
                let p = prepare(world).await;
                tap.break_one(binary, n, how);
                let answer = (case.ask)(world, p.clone()).await;
                tap.mend();
                let row = format!(
                    "{:<15} {n} {request:<14} {:<13}",
                    case.function,
                    format!("{how:?}")
                );
                println!("{row} {} {}", answer.status.as_u16(), summary(&answer));
                // The telephone rings already when its id is noted.
                let noting = case.function == "initiate" && n + 1 == requests.len();
                if how == Break::AnswerLost || noting {
                    // Sent again, and seen to be its own.
                    assert!(answer.text.contains(case.success), "{row}: {}", answer.text);
                } else {
                    check_failure(case, &row, &answer);
                }
                if !noting {
                    check_aftermath(world, case, &row, p, how).await;
                }
            }
        }
    }
}

async fn prepare(world: &World) -> Prepared {
    let tag = Box::leak(Box::new(world.new_tag().await));
    let booking = world.new_booking().await;
    let dial = world.dial(tag, &call_sid()).await;
    // Rung, and never heard of again: nothing else is to pass the tap meanwhile.
    let visitor = phone();
    let silent = json!({"visitor": {"does": "noAnswer"}, "network": {"lose": ["completed"]}});
    world.behave(&visitor, &silent).await;
    Prepared {
        tag,
        booking,
        sid: format!("CAfault{}", unique()),
        visitor,
        status: dial.status,
        dial_status: dial.dial_status,
    }
}

fn check_failure(case: &Case, row: &str, answer: &Answer) {
    match case.failure {
        Told::Unavailable => {
            let message = answer.error(503, "unavailable");
            assert!(!message.contains("Exception"), "{row}: {message}");
        }
        Told::Words(words) => {
            assert_eq!(answer.status, 200, "{row}");
            assert!(answer.text.contains(words), "{row}: {}", answer.text);
            assert!(
                answer.text.ends_with("<Hangup/></Response>"),
                "{row}: {}",
                answer.text
            );
        }
    }
}

/// Nothing is left half-done: asked again, it is done, and done once.
async fn check_aftermath(world: &'static World, case: &Case, row: &str, p: Prepared, how: Break) {
    let again = (case.ask)(world, p.clone()).await;
    assert!(
        again.text.contains(case.success),
        "{row}, again: {}",
        again.text
    );
    let history = world.history(p.tag, "").await;
    let expected = if ["connect", "initiate"].contains(&case.function) {
        2
    } else {
        1
    };
    assert_eq!(history["total"], expected, "{row}");
    match case.function {
        "initiate" => {
            let asked = world.asked("calls", &p.visitor).await;
            assert_eq!(
                asked["accepted"].as_array().unwrap().len(),
                1,
                "{row}: rung once"
            );
        }
        "status" => assert_eq!(history["calls"][0]["status"], "ringing", "{row}"),
        "dial-status" => assert_eq!(history["calls"][0]["status"], "busy", "{row}"),
        "tag-put" => {
            let items = world
                .items("TagsTable", "code", &format!("new-{}", p.sid))
                .await;
            assert_eq!(items.len(), 2, "{row}: the tag and its lookup by extension");
        }
        "booking-put" => {
            let items = world
                .items("BookingsTable", "pk", &format!("new-{}", p.sid))
                .await;
            assert_eq!(items.len(), 1, "{row}");
        }
        "call-log" => {
            // Each report that was taken is of a call of its own.
            let reports = if how == Break::AnswerLost { 2 } else { 1 };
            let rows = world.rows(&p.booking).await;
            assert_eq!(rows.len(), reports, "{row}");
        }
        _ => {}
    }
}

fn summary(answer: &Answer) -> String {
    match serde_json::from_str::<Value>(&answer.text) {
        Ok(body) if body["status"] == "error" => body["code"].to_string(),
        Ok(_) => "done".to_owned(),
        Err(_) => match answer.text.split_once("</Say>") {
            Some((said, _)) => said.rsplit('>').next().unwrap_or_default().to_owned(),
            None => "done".to_owned(),
        },
    }
}
