//! Tags: created, replaced, and never half.

use maskline_local::tap::Break;
use maskline_tests::store::BREAKS;
use maskline_tests::{ADMIN, Answer, Asking, World, call_sid, own_number, phone, unique, world};
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

/// Two tags whose owners were each other's virtual numbers would call each other for ever.
#[tokio::test]
async fn no_owner_is_a_virtual_number() {
    let world = world();
    let own = own_number();
    let (first, second) = (
        format!("first-{}", unique()),
        format!("second-{}", unique()),
    );
    let answer = world
        .put_tag(&first, &body(json!({"virtualNumber": own})))
        .await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    let answer = world
        .put_tag(&second, &body(json!({"ownerPhone": own})))
        .await;
    assert!(answer.error(400, "bad_request").contains("ownerPhone"));
    assert!(world.items("TagsTable", "code", &second).await.is_empty());
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

#[tokio::test]
async fn a_tag_is_read_by_its_owner_and_by_admins() {
    let world = world();
    let tag = world.new_tag().await;
    let path = format!("/api/v1/tags/{}", tag.code.to_uppercase());
    let read = |token: Option<String>| {
        let path = path.clone();
        async move { world.api(Method::GET, &path, token.as_deref(), None).await }
    };
    let expected = json!({
        "shortCode": tag.code, "ownerId": tag.owner, "ownerPhone": "+91********10",
        "label": "Blue hatchback", "enabled": true, "extension": tag.extension
    });
    for token in [world.token(&tag.owner, ""), world.token("anybody", ADMIN)] {
        let answer = read(Some(token)).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(answer.json(), expected);
    }
    let stranger = read(Some(world.token("stranger", "calls:read"))).await;
    stranger.error(403, "forbidden");
    assert!(!stranger.text.contains(&tag.owner), "{}", stranger.text);
    read(None).await.error(401, "unauthorized");

    let owner = world.token(&tag.owner, "");
    let get = |path| world.api(Method::GET, path, Some(&owner), None);
    let unknown = get("/api/v1/tags/nobodys-tag").await;
    unknown.error(404, "not_found");
    let malformed = get("/api/v1/tags/a.b").await.error(400, "bad_request");
    assert!(malformed.contains("shortCode"), "{malformed}");

    // A disabled tag is still its owner's to read.
    let disabled = body(json!({"enabled": false, "ownerId": tag.owner}));
    assert_eq!(world.put_tag(&tag.code, &disabled).await.status, 200);
    assert_eq!(read(Some(owner.clone())).await.json()["enabled"], false);
}

async fn delete(code: &str) -> Answer {
    let admin = world().token("an-admin", ADMIN);
    let path = format!("/api/v1/tags/{code}");
    world().api(Method::DELETE, &path, Some(&admin), None).await
}

#[tokio::test]
async fn only_admins_delete_tags() {
    let world = world();
    let tag = world.new_tag().await;
    let path = format!("/api/v1/tags/{}", tag.code);
    let remove = |token: Option<String>| {
        let path = path.clone();
        async move {
            world
                .api(Method::DELETE, &path, token.as_deref(), None)
                .await
        }
    };
    for user in [tag.owner.as_str(), "stranger"] {
        let answer = remove(Some(world.token(user, ""))).await;
        answer.error(403, "forbidden");
    }
    remove(None).await.error(401, "unauthorized");
    assert_eq!(world.items("TagsTable", "code", &tag.code).await.len(), 2);

    delete("nobodys-tag").await.error(404, "not_found");
    let malformed = delete("a.b").await.error(400, "bad_request");
    assert!(malformed.contains("shortCode"), "{malformed}");
}

#[tokio::test]
async fn a_deleted_tag_leaves_nothing_behind() {
    let world = world();
    let code = format!("gone-{}", unique());
    let own = own_number();
    let numbered = body(json!({"virtualNumber": own, "ownerId": "first-owner"}));
    let created = world.put_tag(&code, &numbered).await.json();
    let extension = created["extension"].as_str().unwrap();
    let call = world.connect(&call_sid(), &own, None).await;
    assert!(call.text.contains("<Dial "), "{}", call.text);

    let answer = delete(&code.to_uppercase()).await;
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (204, ""));
    assert!(world.items("TagsTable", "code", &code).await.is_empty());
    delete(&code).await.error(404, "not_found");

    let admin = world.token("an-admin", ADMIN);
    let history = format!("/api/v1/call/{code}/history");
    let read = world.api(Method::GET, &history, Some(&admin), None).await;
    read.error(404, "not_found");
    let by_number = world.connect(&call_sid(), &own, None).await;
    assert!(by_number.text.contains("<Gather "), "{}", by_number.text);
    let shared = world.shared_number();
    let by_extension = world.connect(&call_sid(), shared, Some(extension)).await;
    assert!(
        by_extension.text.contains("<Gather "),
        "{}",
        by_extension.text
    );

    // The number is free, and the code is a new tag's.
    let other = format!("heir-{}", unique());
    assert_eq!(world.put_tag(&other, &numbered).await.status, 201);
    let again = body(json!({"ownerId": "second-owner"}));
    let again = world.put_tag(&code, &again).await;
    assert_eq!(again.status, 201, "{}", again.text);
    assert_ne!(again.json()["extension"], extension);
    let owner = world.token("second-owner", "");
    let history = world.api(Method::GET, &history, Some(&owner), None).await;
    assert_eq!(
        history.json()["total"],
        0,
        "the first owner's call is not theirs"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn deletes_that_race_with_changes_leave_a_whole_tag_or_none() {
    let world = world();
    for round in 0..6 {
        let code = format!("fading-{}", unique());
        let put = |own: String| {
            let (code, body) = (code.clone(), body(json!({"virtualNumber": own})));
            async move { world.put_tag(&code, &body).await.status.as_u16() }
        };
        assert_eq!(put(own_number()).await, 201);
        let mut racing = Vec::new();
        for n in 0..6 {
            let code = code.clone();
            racing.push(if n % 2 == 0 {
                tokio::spawn(put(own_number()))
            } else {
                tokio::spawn(async move { delete(&code).await.status.as_u16() })
            });
        }
        let (mut deleted, mut created) = (0, 1);
        for racer in racing {
            match racer.await.unwrap() {
                204 => deleted += 1,
                201 => created += 1,
                status => assert!([200, 404, 503].contains(&status), "{status}"),
            }
        }
        let items = world.items("TagsTable", "code", &code).await;
        let left = 3 * (created - deleted);
        assert_eq!(items.len(), left, "round {round}: {items:?}");
        assert!(
            items
                .iter()
                .all(|item| item["version"] == items[0]["version"]
                    && item["line"] == items[0]["line"]),
            "{items:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delete_that_breaks_is_done_whole_or_not_at_all() {
    let (world, tap) = World::tapped(1).await;
    let admin = world.token("an-admin", ADMIN);
    let delete = |code: &str| {
        let path = format!("/api/v1/tags/{code}");
        let (world, admin) = (&world, &admin);
        async move { world.api(Method::DELETE, &path, Some(admin), None).await }
    };
    for request in 0..2 {
        for how in BREAKS {
            let tag = world.new_tag().await;
            tap.break_one("tag-delete", request, how);
            let answer = delete(&tag.code).await;
            tap.mend();
            let items = world.items("TagsTable", "code", &tag.code).await.len();
            if how == Break::AnswerLost {
                // Sent again, and seen to be its own.
                assert_eq!((answer.status.as_u16(), items), (204, 0), "{request}");
                continue;
            }
            answer.error(503, "unavailable");
            assert_eq!(items, 2, "{request} {how:?}");
            assert_eq!(delete(&tag.code).await.status, 204, "{request} {how:?}");
        }
    }
}

/// ALLOWED_COUNTRIES may shrink after a tag was stored.
#[tokio::test]
async fn an_owner_whose_country_is_no_longer_allowed_is_not_dialled() {
    let world = world();
    let tag = world.new_tag().await;
    for item in world.items("TagsTable", "code", &tag.code).await {
        let update = json!({
            "TableName": "TagsTable", "Key": {"pk": item["pk"]},
            "UpdateExpression": "SET ownerCountry = :country",
            "ExpressionAttributeValues": {":country": {"S": "FR"}}
        });
        world.dynamodb("UpdateItem", &update).await;
    }
    let digits = Some(tag.extension.as_str());
    let answer = world
        .connect(&call_sid(), world.shared_number(), digits)
        .await;
    assert!(answer.text.contains("cannot be reached"), "{}", answer.text);
    assert_eq!(world.get(&format!("/t/{}", tag.code)).await.status, 404);
    let asked = world.initiate(&tag.code, &phone(), Asking::default()).await;
    asked.error(404, "not_found");
    assert_eq!(world.history(&tag, "").await["total"], 0);
}
