//! The store as tests look into it: over DynamoDB's own protocol, past the functions.

use maskline_local::Options;
use maskline_local::store::Store;
use maskline_local::tap::{Break, Tap};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use serde_json::{Value, json};

use crate::{World, client, unlimited, usage};

/// Every way in which a request to the store can break.
pub const BREAKS: [Break; 5] = [
    Break::Throttled,
    Break::ServerError,
    Break::Refused,
    Break::Silence,
    Break::AnswerLost,
];

impl World {
    /// A stack of its own, with a tap on its line to the store, and so many processes
    /// a function. (A process that starts warms its connection up, which the tap sees,
    /// too: to count requests, have one.) The store runs as long as this process does.
    pub async fn tapped(processes: u32) -> (Self, Tap) {
        Self::tapped_with(unlimited(), processes).await
    }

    /// The same with options of its own.
    pub async fn tapped_with(options: Options, processes: u32) -> (Self, Tap) {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let store_url = format!("http://{}", listener.local_addr().unwrap());
        std::mem::forget(Store::start(listener, None).unwrap());
        let tap = Tap::start(&store_url, Some(usage())).await.unwrap();
        let options = options
            .with("AWS_ENDPOINT_URL_DYNAMODB", tap.url())
            .with("MAX_CONCURRENCY", &processes.to_string());
        (World::start_aside(options), tap)
    }

    /// Sends one DynamoDB request.
    pub async fn dynamodb(&self, operation: &str, body: &Value) -> Value {
        let answer = client()
            .post(self.stack.store_url())
            .header(CONTENT_TYPE, "application/x-amz-json-1.0")
            .header("X-Amz-Target", format!("DynamoDB_20120810.{operation}"))
            .header(AUTHORIZATION, "AWS4-HMAC-SHA256 Credential=local/20261121/local/dynamodb/aws4_request, SignedHeaders=host, Signature=0")
            .header("X-Amz-Date", "20261121T000000Z")
            .body(body.to_string())
            .send()
            .await
            .unwrap();
        let status = answer.status();
        let body: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        assert!(status.is_success(), "{operation}: {body}");
        body
    }

    /// Every item of a table whose string attribute has that value.
    pub async fn items(&self, table: &str, attribute: &str, value: &str) -> Vec<Value> {
        let scan = json!({
            "TableName": table, "ConsistentRead": true,
            "FilterExpression": "#a = :v",
            "ExpressionAttributeNames": {"#a": attribute},
            "ExpressionAttributeValues": {":v": {"S": value}},
        });
        let answer = self.dynamodb("Scan", &scan).await;
        let items = answer["Items"].as_array().unwrap();
        items.clone()
    }
}
