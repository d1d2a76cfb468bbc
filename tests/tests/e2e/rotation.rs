//! A secret is changed without downtime: what was made with the one before holds for a while.

use std::collections::BTreeMap;

use jsonwebtoken::{EncodingKey, Header};
use maskline_carrier::sign;
use maskline_local::template::FunctionPlan;
use maskline_tests::apps::App;
use maskline_tests::watch::template;
use maskline_tests::{Webhook, World, call_sid, unlimited};
use reqwest::Method;
use serde_json::json;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

const JWT: &str = "JWT_SECRET";
const TWILIO: &str = "TWILIO_AUTH_TOKEN";
const HASHES: &str = "IP_HASH_SECRET";
/// Nobody's.
const OTHER: &str = "neither-the-new-secret-nor-the-old-one";

fn token(secret: &str) -> String {
    let claims = json!({"sub": "somebody", "exp": 4_102_444_800_u64});
    let key = EncodingKey::from_secret(secret.as_bytes());
    jsonwebtoken::encode(&Header::default(), &claims, &key).unwrap()
}

/// The functions that are given that secret.
fn holders(world: &World, secret: &str) -> Vec<FunctionPlan> {
    let value = |name: &str| world.stack.value(name).map(str::to_owned);
    let plan = template().resolve(value, world.stack.addresses()).unwrap();
    let holders = plan.functions.into_iter();
    let holders: Vec<_> = holders
        .filter(|function| function.environment.contains_key(secret))
        .collect();
    assert!(!holders.is_empty(), "{secret}");
    holders
}

/// The status that the secret's token gets at each route of functions that check tokens.
async fn at_each_route(world: &World, secret: &str) -> BTreeMap<String, u16> {
    let token = token(secret);
    let mut statuses = BTreeMap::new();
    for function in holders(world, JWT) {
        for route in function.routes {
            let path = route.path.replace(['{', '}'], "");
            let method: Method = route.method.parse().unwrap();
            let answer = world
                .api(method.clone(), &path, Some(&token), Some(&json!({})))
                .await;
            statuses.insert(format!("{method} {path}"), answer.status.as_u16());
        }
    }
    statuses
}

async fn opens(world: &World, secret: &str) -> bool {
    let url = format!("{}/live?token={}", world.socket_url(), token(secret));
    let request = url.into_client_request().unwrap();
    App::open("somebody", request).await.is_ok()
}

/// The status that each webhook answers with, signed with that auth token.
async fn at_each_webhook(world: &World, auth_token: &str) -> BTreeMap<String, u16> {
    let sid = call_sid();
    let fields = [
        ("CallSid", sid.as_str()),
        ("From", "+14155550123"),
        ("To", world.shared_number()),
        ("CallStatus", "in-progress"),
        ("DialCallStatus", "completed"),
    ];
    let mut statuses = BTreeMap::new();
    for path in holders(world, TWILIO)
        .iter()
        .flat_map(|function| &function.url_paths)
    {
        let webhook = world.unsent(&format!("{path}?call=nobody.1"), &fields);
        let signature = sign(auth_token, &webhook.url, &webhook.fields);
        let webhook = Webhook {
            signature: Some(signature),
            ..webhook
        };
        statuses.insert(path.clone(), webhook.send().await.status.as_u16());
    }
    statuses
}

async fn ice_servers(world: &World, token: &str) -> u16 {
    let path = "/api/calls/ice-servers";
    let answer = world.api(Method::GET, path, Some(token), None).await;
    answer.status.as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn while_secrets_are_rotated_what_the_old_ones_made_holds() {
    let before = World::start_aside(unlimited());
    let visit = before.visit(&before.new_tag().await).await;
    let old = |name| before.value(name).to_owned();

    let mut options = unlimited();
    for name in [JWT, TWILIO, HASHES] {
        options = options
            .with(name, &format!("the-new-one-of-{name}-and-long-enough"))
            .with(&format!("{name}_PREVIOUS"), &old(name));
    }
    let during = World::start_aside(options);

    let refused = at_each_route(&during, OTHER).await;
    assert!(refused.len() > 5, "{refused:?}");
    assert!(refused.values().all(|status| *status == 401), "{refused:?}");
    let taken = at_each_route(&during, &old(JWT)).await;
    assert!(taken.values().all(|status| *status != 401), "{taken:?}");
    assert_eq!(taken, at_each_route(&during, during.value(JWT)).await);

    assert!(!opens(&during, OTHER).await);
    assert!(opens(&during, &old(JWT)).await);
    assert!(opens(&during, during.value(JWT)).await);

    let refused = at_each_webhook(&during, OTHER).await;
    assert!(refused.len() > 2, "{refused:?}");
    assert!(refused.values().all(|status| *status == 403), "{refused:?}");
    let taken = at_each_webhook(&during, &old(TWILIO)).await;
    assert!(taken.values().all(|status| *status != 403), "{taken:?}");
    assert_eq!(taken, at_each_webhook(&during, during.value(TWILIO)).await);

    assert_eq!(ice_servers(&during, &visit.token).await, 200);
    let own = during.visit(&during.new_tag().await).await;
    assert_eq!(ice_servers(&during, &own.token).await, 200);
    assert_eq!(ice_servers(&before, &own.token).await, 401);
}
