//! A function for this crate's own tests: it does what the event's `do` says.

use std::time::Duration;

use serde_json::{Value, json};

type Failure = Box<dyn std::error::Error>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    if let Ok(flag) = std::env::var("REFUSE_IF_EXISTS")
        && std::path::Path::new(&flag).exists()
    {
        eprintln!("SOME_SETTING is missing");
        std::process::exit(1);
    }
    let api = std::env::var("AWS_LAMBDA_RUNTIME_API")?;
    let base = format!("http://{api}/2018-06-01/runtime/invocation");
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().build()?;
    loop {
        let next = client.get(format!("{base}/next")).send().await?;
        let header = |name| Some(next.headers().get(name)?.to_str().ok()?.to_owned());
        let id = header("lambda-runtime-aws-request-id").ok_or("no request id")?;
        let context = json!({
            "id": id,
            "deadline": header("lambda-runtime-deadline-ms"),
            "arn": header("lambda-runtime-invoked-function-arn"),
            "trace": header("lambda-runtime-trace-id"),
        });
        let event: Value = serde_json::from_str(&next.text().await?)?;
        let (kind, body) = act(&event, context).await;
        client
            .post(format!("{base}/{id}/{kind}"))
            .body(body)
            .send()
            .await?;
        if event["do"] == "answer and exit" {
            std::process::exit(0);
        }
    }
}

async fn act(event: &Value, context: Value) -> (&'static str, String) {
    if let Some(records) = event["Records"].as_array() {
        println!("event {event}");
        let says = |record: &&Value, what| {
            let body = record["body"].as_str().unwrap_or_default();
            serde_json::from_str::<Value>(body).is_ok_and(|body| body["do"] == what)
        };
        if records.iter().any(|record| says(&record, "fail")) {
            return ("error", "{}".into());
        }
        let failed = records.iter().filter(|record| says(record, "fail item"));
        let failed = failed.map(|record| json!({"itemIdentifier": record["messageId"]}));
        let answer = json!({"batchItemFailures": failed.collect::<Vec<_>>()});
        return ("response", answer.to_string());
    }
    let body: Value =
        serde_json::from_str(event["body"].as_str().unwrap_or("")).unwrap_or_default();
    let what = [
        &event["do"],
        &event["queryStringParameters"]["do"],
        &body["do"],
    ];
    let what = what.iter().find_map(|v| v.as_str()).unwrap_or("echo");
    // Nobody sees the answer to these, so tests look for them in the log.
    let silent = !event["requestContext"]["eventType"].is_null();
    if silent {
        println!("event {event}");
    }
    let answer = match what {
        "context" => context,
        "environment" => Value::Object(std::env::vars().map(|(k, v)| (k, v.into())).collect()),
        "wait" => {
            tokio::time::sleep(Duration::from_millis(300)).await;
            std::process::id().into()
        }
        "hang" => std::future::pending().await,
        "exit" => std::process::exit(3),
        "fail" => {
            let error = json!({"errorType": "Oops", "errorMessage": "on purpose"});
            return ("error", error.to_string());
        }
        "not json" => return ("response", "{".into()),
        "respond" => json!({
            "statusCode": 201,
            "headers": {"content-type": "text/plain"},
            "body": "made",
        }),
        "refuse" => json!({"statusCode": 401}),
        "protocol" => json!({"statusCode": 200, "headers": {"Sec-WebSocket-Protocol": "second"}}),
        "slow" => {
            tokio::time::sleep(Duration::from_millis(300)).await;
            println!("done {}", event["requestContext"]["messageId"]);
            json!({"statusCode": 200})
        }
        "bad response" => json!({"statusCode": 1}),
        // As far as the demo data is concerned, a tag.
        _ if event["routeKey"] == "PUT /api/v1/tags/{shortCode}" => json!({"extension": "123456"}),
        _ if silent => json!({"statusCode": 200}),
        _ => event.clone(),
    };
    ("response", answer.to_string())
}
