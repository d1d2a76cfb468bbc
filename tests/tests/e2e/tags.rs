//! Tags: created, replaced, and never half.

use maskline_tests::{ADMIN, own_number, unique, world};
use reqwest::Method;
use serde_json::{Value, json};

fn body(change: Value) -> Value {
    let mut body = json!({
        "ownerId": "owner-7", "ownerPhone": "098765 43210", "label": "Blue hatchback", "enabled": true
    });
    for (name, value) in change.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

#[tokio::test]
async fn a_tag_is_created_then_replaced() {
    let world = world();
    let code = format!("Put-Me_{}", unique());
    let own = own_number();
    let created = world
        .put_tag(&code, &body(json!({"virtualNumber": own})))
        .await;
    assert_eq!(created.status, 201, "{}", created.text);
    let created = created.json();
    let extension = created["extension"].as_str().unwrap();
    assert!(extension.len() == 6 && extension.bytes().all(|b| b.is_ascii_digit()));
    assert_eq!(
        created,
        json!({
            "shortCode": code, "ownerId": "owner-7", "ownerPhone": "+91********10",
            "label": "Blue hatchback", "virtualNumber": own, "enabled": true, "extension": extension
        })
    );
    let changed =
        body(json!({"label": "Red van", "enabled": false, "shortCode": code.to_lowercase()}));
    let replaced = world.put_tag(&code.to_uppercase(), &changed).await;
    assert_eq!(replaced.status, 200, "{}", replaced.text);
    assert_eq!(
        replaced.json(),
        json!({
            "shortCode": code, "ownerId": "owner-7", "ownerPhone": "+91********10",
            "label": "Red van", "enabled": false, "extension": extension
        })
    );
}

#[tokio::test]
async fn a_number_belongs_to_one_tag() {
    let world = world();
    let own = own_number();
    let (first, second) = (
        format!("first-{}", unique()),
        format!("second-{}", unique()),
    );
    assert_eq!(
        world
            .put_tag(&first, &body(json!({"virtualNumber": own})))
            .await
            .status,
        201
    );
    let taken = world
        .put_tag(&second, &body(json!({"virtualNumber": own})))
        .await;
    assert!(taken.error(409, "conflict").contains("virtualNumber"));
    assert!(
        world.items("TagsTable", "code", &second).await.is_empty(),
        "nothing half-written"
    );
    // Given up by the first, it is free.
    assert_eq!(world.put_tag(&first, &body(json!({}))).await.status, 200);
    assert_eq!(
        world
            .put_tag(&second, &body(json!({"virtualNumber": own})))
            .await
            .status,
        201
    );
    let dialled = world
        .get(&format!("/api/v1/call/virtual-number?tag={second}"))
        .await;
    assert_eq!(dialled.json()["virtualNumber"], own.as_str());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_tags_that_race_for_a_number_one_gets_it() {
    let world = world();
    let own = own_number();
    let codes: Vec<_> = (0..12).map(|_| format!("racer-{}", unique())).collect();
    let puts = codes.iter().cloned().map(|code| {
        let body = body(json!({"virtualNumber": own}));
        tokio::spawn(async move { world.put_tag(&code, &body).await.status.as_u16() })
    });
    let mut statuses = Vec::new();
    for put in puts.collect::<Vec<_>>() {
        statuses.push(put.await.unwrap());
    }
    statuses.sort_unstable();
    let mut expected = vec![409; 12];
    expected[0] = 201;
    assert_eq!(statuses, expected);
    let mut items = 0;
    for code in &codes {
        items += world.items("TagsTable", "code", code).await.len();
    }
    assert_eq!(items, 3, "the winner's own item and its two lookups");
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_changes_of_one_tag_leave_one_whole_tag() {
    let world = world();
    let code = format!("busy-{}", unique());
    let numbers: Vec<_> = (0..8).map(|_| own_number()).collect();
    let puts = numbers.iter().map(|own| {
        let (code, body) = (
            code.clone(),
            body(json!({"virtualNumber": own, "label": own})),
        );
        tokio::spawn(async move { world.put_tag(&code, &body).await.status.as_u16() })
    });
    for put in puts.collect::<Vec<_>>() {
        let status = put.await.unwrap();
        assert!([200, 201, 503].contains(&status), "{status}");
    }
    let items = world.items("TagsTable", "code", &code).await;
    assert_eq!(items.len(), 3, "tag, number and extension: {items:?}");
    for name in ["label", "virtualNumber", "version", "extension", "line"] {
        assert!(
            items.iter().all(|item| item[name] == items[0][name]),
            "{name}: {items:?}"
        );
    }
}

#[tokio::test]
async fn only_admins_change_tags_and_only_owners_read_histories() {
    let world = world();
    let tag = world.new_tag().await;
    let path = format!("/api/v1/tags/{}", tag.code);
    let history = format!("/api/v1/call/{}/history", tag.code);
    let owner = world.token(&tag.owner, "");
    let stranger = world.token("stranger", "calls:read");
    let new = body(json!({}));
    for token in [&owner, &stranger] {
        let answer = world.api(Method::PUT, &path, Some(token), Some(&new)).await;
        answer.error(403, "forbidden");
    }
    world
        .api(Method::PUT, &path, None, Some(&new))
        .await
        .error(401, "unauthorized");
    world.get(&history).await.error(401, "unauthorized");
    let read = |token: String| {
        let history = history.clone();
        async move { world.api(Method::GET, &history, Some(&token), None).await }
    };
    read(stranger).await.error(403, "forbidden");
    assert_eq!(read(owner).await.status, 200);
    assert_eq!(read(world.token("anybody", ADMIN)).await.status, 200);
    assert_eq!(
        read(world.token("anybody", "a maskline:admin b"))
            .await
            .status,
        200
    );
    read(world.token("anybody", "maskline:administrator"))
        .await
        .error(403, "forbidden");
}

#[tokio::test]
async fn tokens_that_do_not_hold() {
    let world = world();
    let tag = world.new_tag().await;
    let path = format!("/api/v1/call/{}/history", tag.code);
    let good = world.token(&tag.owner, "");
    let (head, signature) = good.rsplit_once('.').unwrap();
    let none = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIiwiZXhwIjo0MTAyNDQ0ODAwfQ.";
    let far = 4_102_444_800_u64;
    for token in [
        String::new(),
        "x".into(),
        "a.b.c".into(),
        none.into(),
        head.into(),
        format!("{head}.{}", signature.chars().rev().collect::<String>()),
        world.token_with(&json!({"sub": tag.owner})),
        world.token_with(&json!({"sub": tag.owner, "exp": 1_000_000_000})),
        world.token_with(&json!({"exp": far})),
        world.token_with(&json!({"sub": "", "exp": far})),
        world.token_with(&json!({"sub": 7, "exp": far})),
        world.token_with(&json!({"sub": tag.owner, "exp": far, "nbf": far - 1})),
    ] {
        let answer = world.api(Method::GET, &path, Some(&token), None).await;
        answer.error(401, "unauthorized");
        assert!(token.is_empty() || !answer.text.contains(&token));
    }
}

#[tokio::test]
async fn what_to_dial() {
    let world = world();
    let shared = world.get("/api/v1/call/virtual-number").await.json();
    assert_eq!(shared["virtualNumber"], world.shared_number());
    assert!(
        shared["message"]
            .as_str()
            .is_some_and(|text| !text.is_empty())
    );
    let tag = world.new_tag().await;
    let path = format!(
        "/api/v1/call/virtual-number?tag={}",
        tag.code.to_uppercase()
    );
    let sharing = world.get(&path).await.json();
    assert_eq!(sharing["virtualNumber"], world.shared_number());
    assert!(
        sharing["message"]
            .as_str()
            .unwrap()
            .contains(&tag.extension)
    );
    let disabled = body(json!({"enabled": false, "ownerId": tag.owner}));
    assert_eq!(world.put_tag(&tag.code, &disabled).await.status, 200);
    let gone = world.get(&path).await;
    let unknown = world
        .get("/api/v1/call/virtual-number?tag=nobodys-tag")
        .await;
    assert_eq!(
        gone.error(404, "not_found"),
        unknown.error(404, "not_found")
    );
}
