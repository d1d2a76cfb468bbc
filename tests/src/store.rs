//! The store as tests look into it: over DynamoDB's own protocol, past the functions.

use maskline_local::Options;
use maskline_local::store::{Store, StoreAddress, own_account};
use maskline_local::tap::{Break, Tap};
use maskline_local::template::REGION;
use serde_json::{Value, json};

use crate::{World, client, unique, unlimited};

/// Every way in which a request to the store can break.
pub const BREAKS: [Break; 5] = [
    Break::Throttled,
    Break::ServerError,
    Break::Refused,
    Break::Silence,
    Break::AnswerLost,
];

/// The environment variable that names a store for the tests; without it, each has an
/// embedded one.
const ENDPOINT: &str = "AWS_ENDPOINT_URL_DYNAMODB";

/// How a line begins that says what a test leaves out on the store that it runs on;
/// `make second-store` shows these lines.
const NOT_ASSERTED: &str = "not asserted:";

fn given() -> Option<String> {
    std::env::var(ENDPOINT).ok().filter(|url| !url.is_empty())
}

/// A store without any tables in it, which runs as long as this process does.
pub fn empty_store() -> StoreAddress {
    let url = given().unwrap_or_else(|| {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        std::mem::forget(Store::start(listener, None).unwrap());
        url
    });
    StoreAddress {
        url,
        account: own_account(),
    }
}

/// What the SDK has to find in the environment to reach that store.
pub fn environment(store: &StoreAddress) -> [(&str, &str); 4] {
    [
        (ENDPOINT, &store.url),
        ("AWS_ACCESS_KEY_ID", &store.account),
        ("AWS_SECRET_ACCESS_KEY", "local"),
        ("AWS_REGION", REGION),
    ]
}

impl World {
    /// A stack of its own, with a tap on its line to the store, and so many processes
    /// a function.
    pub async fn tapped(processes: u32) -> (Self, Tap) {
        Self::tapped_with(unlimited(), processes).await
    }

    /// The same with options of its own.
    pub async fn tapped_with(options: Options, processes: u32) -> (Self, Tap) {
        let options = options.with("MAX_CONCURRENCY", &processes.to_string());
        let world = World::start_aside(options);
        let tap = world.stack.tap().unwrap().clone();
        (world, tap)
    }

    /// Whether this store tells what requests consume as DynamoDB does. The embedded one must;
    /// MiniStack 1.5 takes every query for one of a single small item. Where it is not so, the
    /// caller leaves out what it would have asserted of units, and this says that.
    pub async fn counts_units(&self) -> bool {
        let line = format!("wide-{}", unique());
        let item = json!({"line": {"S": line}, "seq": {"N": "1"}, "wide": {"S": "w".repeat(8192)}});
        let put = json!({"TableName": "CallsTable", "Item": item});
        self.dynamodb("PutItem", &put).await;
        let query = json!({
            "TableName": "CallsTable", "ReturnConsumedCapacity": "TOTAL",
            "KeyConditionExpression": "#l = :l",
            "ExpressionAttributeNames": {"#l": "line"},
            "ExpressionAttributeValues": {":l": {"S": line}},
        });
        let answer = self.dynamodb("Query", &query).await;
        // A little over 8 KB in units of 4 KB, each half a read unit where it need not be consistent.
        let units = &answer["ConsumedCapacity"]["CapacityUnits"];
        let right = units == &json!(1.5);
        assert!(right || given().is_some(), "the embedded store: {units}");
        if !right {
            println!("{NOT_ASSERTED} units consumed: this store says {units} for 1.5");
        }
        right
    }

    /// Sends one DynamoDB request.
    pub async fn dynamodb(&self, operation: &str, body: &Value) -> Value {
        let answer = self.stack.store().request(client(), operation, body).await;
        let answer = answer.unwrap();
        answer.unwrap_or_else(|error| panic!("{operation}: {error}"))
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
