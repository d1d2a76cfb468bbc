//! Webhooks are Twilio's, for our account, or they touch nothing.

use maskline_carrier::sign;
use maskline_tests::{TestTag, Webhook, World, call_sid, world};

/// A connect that would create a call.
fn connect(world: &World, tag: &TestTag, query: &str) -> Webhook {
    let sid = call_sid();
    let fields = [
        ("CallSid", sid.as_str()),
        ("From", "+14155550123"),
        ("To", world.shared_number()),
        ("Digits", tag.extension.as_str()),
        ("CallStatus", "in-progress"),
    ];
    let mut webhook = world.unsent(&format!("/api/v1/call/connect{query}"), &fields);
    webhook.sign(world);
    webhook
}

async fn refused(webhook: &Webhook) {
    webhook.send().await.error(403, "forbidden");
}

#[tokio::test]
async fn what_twilio_signs_is_taken() {
    let world = world();
    for query in [
        "",
        "?attempts=1",
        "?attempts=1&note=a%2Bb+c&empty=&note=%C3%A9",
    ] {
        let tag = world.new_tag().await;
        let answer = connect(world, &tag, query).send().await;
        assert_eq!(answer.status, 200, "{query}: {}", answer.text);
        assert!(answer.text.contains("<Dial "), "{query}: {}", answer.text);
        world.only_call(&tag).await;
    }
}

#[tokio::test]
async fn repeated_parameters_are_taken() {
    let world = world();
    let tag = world.new_tag().await;
    let mut webhook = connect(world, &tag, "");
    for value in ["b", "a", "b"] {
        webhook.fields.push(("Extra".into(), value.into()));
    }
    webhook.sign(world);
    assert_eq!(webhook.send().await.status, 200);
}

/// The same URL, signed with its usual port added or taken away.
#[tokio::test]
async fn the_port_may_be_signed_or_not() {
    let world = world();
    let tag = world.new_tag().await;
    let mut webhook = connect(world, &tag, "");
    let port = world.stack.http_url().rsplit(':').next().unwrap();
    let without = webhook.url.replacen(&format!(":{port}"), "", 1);
    webhook.signature = Some(sign(
        world.value("TWILIO_AUTH_TOKEN"),
        &without,
        &webhook.fields,
    ));
    assert_eq!(webhook.send().await.status, 200);
}

#[tokio::test]
async fn one_changed_byte_is_refused_and_changes_nothing() {
    let world = world();
    let tag = world.new_tag().await;
    let good = connect(world, &tag, "?attempts=1");
    for i in 0..good.fields.len() {
        let mut changed = good.clone();
        changed.fields[i].1.push('0');
        refused(&changed).await;
        let mut renamed = good.clone();
        renamed.fields[i].0.push('0');
        refused(&renamed).await;
        let mut fewer = good.clone();
        fewer.fields.remove(i);
        refused(&fewer).await;
    }
    let signature = good.signature.clone().unwrap();
    for i in 0..signature.len() {
        let mut bytes = signature.clone().into_bytes();
        bytes[i] = if bytes[i] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(bytes).unwrap();
        // The last letter before the padding carries two bits that mean nothing.
        if i < signature.len() - 2 && changed != signature {
            refused(&Webhook {
                signature: Some(changed),
                ..good.clone()
            })
            .await;
        }
    }
    for url in [
        good.url.replace("attempts=1", "attempts=0"),
        good.url.replace("attempts=1", "attempts=1&x=1"),
        good.url.replace("?attempts=1", ""),
    ] {
        refused(&Webhook {
            url,
            ..good.clone()
        })
        .await;
    }
    for signature in [
        None,
        Some(String::new()),
        Some("=".into()),
        Some("x".repeat(2000)),
    ] {
        refused(&Webhook {
            signature,
            ..good.clone()
        })
        .await;
    }
    assert_eq!(world.history(&tag, "").await["total"], 0);
    assert_eq!(good.send().await.status, 200, "the untouched one is good");
}

#[tokio::test]
async fn another_account_or_none_is_refused() {
    let world = world();
    let tag = world.new_tag().await;
    let mut foreign = connect(world, &tag, "");
    foreign.fields.retain(|(name, _)| name != "AccountSid");
    foreign.sign(world);
    refused(&foreign).await;
    foreign.fields.push((
        "AccountSid".into(),
        "AC11111111111111111111111111111111".into(),
    ));
    foreign.sign(world);
    refused(&foreign).await;
    let mut other_token = connect(world, &tag, "");
    other_token.signature = Some(sign("another token", &other_token.url, &other_token.fields));
    refused(&other_token).await;
    assert_eq!(world.history(&tag, "").await["total"], 0);
}

#[tokio::test]
async fn every_webhook_checks() {
    let world = world();
    let tag = world.new_tag().await;
    let to = world.dial(&tag, &call_sid()).await;
    let before = world.only_call(&tag).await;
    let fields = [
        ("CallSid", "CA1"),
        ("ParentCallSid", "CA2"),
        ("CallStatus", "completed"),
        ("CallDuration", "1"),
        ("DialCallStatus", "completed"),
    ];
    for path in [&to.status, &to.dial_status] {
        refused(&world.unsent(path, &fields)).await;
        let mut changed = world.unsent(path, &fields);
        changed.sign(world);
        // A signature for one call is none for another.
        changed.url.push('1');
        refused(&changed).await;
    }
    assert_eq!(world.only_call(&tag).await, before);
}
