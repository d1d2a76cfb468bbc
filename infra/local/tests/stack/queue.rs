//! Messages sent with the real SDK, and the events they make.

use std::time::{Duration, Instant};

use aws_credential_types::Credentials;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::retry::RetryConfig;
use aws_sdk_sqs::config::{BehaviorVersion, Region};
use maskline_local::queue::Queues;
use maskline_local::{Faults, Stack};
use serde_json::{Value, json};

use super::{options_with, until};

const TEMPLATE: &str = "
Resources:
  Due:
    Type: AWS::SQS::Queue
    Properties:
      VisibilityTimeout: 1
      RedrivePolicy: { deadLetterTargetArn: !GetAtt Dead.Arn, maxReceiveCount: 2 }
  Dead:
    Type: AWS::SQS::Queue
    Properties: { MessageRetentionPeriod: 1209600, SqsManagedSseEnabled: true }
  Fake:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: functions/fake-function
      Timeout: 1
      FunctionUrlConfig: { AuthType: NONE }
      Environment:
        Variables: { QUEUE_URL: !Ref Due, QUEUE_ARN: !GetAtt Due.Arn }
      Events:
        Due:
          Type: SQS
          Properties:
            Queue: !GetAtt Due.Arn
            BatchSize: 10
            FunctionResponseTypes: [ReportBatchItemFailures]
            ScalingConfig: { MaximumConcurrency: 2 }
Outputs:
  ConnectUrl: { Value: !Sub '${FakeUrl.FunctionUrl}hook' }
";

struct Sender {
    client: Client,
    url: String,
}

async fn start(test: &str) -> (Stack, Sender) {
    start_with(test, TEMPLATE).await
}

async fn start_with(test: &str, template: &str) -> (Stack, Sender) {
    let stack = Stack::start(options_with(test, template)).await.unwrap();
    let environment = stack.invoke("Fake", &json!({"do": "environment"})).await;
    let environment = environment.unwrap();
    let arn = "arn:aws:sqs:us-east-1:123456789012:Due";
    assert_eq!(environment["QUEUE_ARN"], arn);
    let text = |name: &str| environment[name].as_str().unwrap().to_owned();
    let config = aws_sdk_sqs::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("local", "local", None, None, "test"))
        .retry_config(RetryConfig::disabled())
        .endpoint_url(text("AWS_ENDPOINT_URL_SQS"))
        .http_client(aws_smithy_http_client::Builder::new().build_http());
    let client = Client::from_conf(config.build());
    let url = text("QUEUE_URL");
    (stack, Sender { client, url })
}

impl Sender {
    async fn send(&self, body: &Value, delay: i32) -> String {
        let request = self.client.send_message().queue_url(&self.url);
        let request = request.message_body(body.to_string()).delay_seconds(delay);
        let sent = request.send().await.unwrap();
        let md5 = format!("{:x}", md5::compute(body.to_string()));
        assert_eq!(sent.md5_of_message_body(), Some(md5.as_str()));
        sent.message_id().unwrap().to_owned()
    }
}

fn queues(stack: &Stack) -> &Queues {
    stack.queues().unwrap()
}

/// The records that the function has got.
fn records(stack: &Stack) -> Vec<Value> {
    let lines = stack.log().lines();
    let events = lines.iter().filter_map(|line| line.split_once("| event "));
    events
        .map(|(_, event)| serde_json::from_str::<Value>(event).unwrap())
        .flat_map(|event| event["Records"].as_array().unwrap().clone())
        .collect()
}

#[tokio::test]
async fn a_message_is_delivered_when_it_is_due() {
    let (stack, sender) = start("queue-delivery").await;
    let asked = Instant::now();
    sender.send(&json!({"n": 2}), 2).await;
    let id = sender.send(&json!({"n": 1}), 0).await;
    until("the first", || !records(&stack).is_empty()).await;
    let mut first = records(&stack).remove(0);
    for varies in [
        "SentTimestamp",
        "ApproximateFirstReceiveTimestamp",
        "SenderId",
    ] {
        assert!(first["attributes"][varies].take().is_string(), "{varies}");
    }
    assert!(first["receiptHandle"].take().is_string());
    assert_eq!(
        first,
        json!({
            "messageId": id, "receiptHandle": null, "body": r#"{"n":1}"#,
            "attributes": {
                "ApproximateReceiveCount": "1", "SentTimestamp": null, "SenderId": null,
                "ApproximateFirstReceiveTimestamp": null,
            },
            "messageAttributes": {}, "md5OfBody": "082c26c8a6bc75226a31da5495cc9292",
            "eventSource": "aws:sqs", "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:Due",
            "awsRegion": "us-east-1",
        })
    );
    until("it is done with", || queues(&stack).depth("Due") == 1).await;
    assert_eq!(queues(&stack).bodies("Due"), [r#"{"n":2}"#]);
    until("the second", || records(&stack).len() == 2).await;
    assert!(asked.elapsed() >= Duration::from_secs(2));
    until("it is done with", || queues(&stack).depth("Due") == 0).await;
    stack.stop().await;
}

#[tokio::test]
async fn what_fails_comes_again_and_ends_among_the_dead_letters() {
    let (stack, sender) = start("queue-failures").await;
    let asked = Instant::now();
    sender.send(&json!({"do": "fail"}), 0).await;
    until("one record", || records(&stack).len() == 1).await;
    for body in ["fail item", "well"] {
        sender.send(&json!({ "do": body }), 1).await;
    }
    let dead = || queues(&stack).bodies("Dead");
    until("all has ended", || dead().len() == 2).await;
    assert!(asked.elapsed() >= Duration::from_secs(3));
    assert_eq!(dead(), [r#"{"do":"fail"}"#, r#"{"do":"fail item"}"#]);
    assert_eq!(queues(&stack).depth("Due"), 0);
    let tries = |body: &str| {
        let counts = records(&stack).into_iter().filter(|r| r["body"] == body);
        let count = |r: Value| r["attributes"]["ApproximateReceiveCount"].clone();
        counts.map(count).collect::<Vec<_>>()
    };
    assert_eq!(tries(r#"{"do":"fail"}"#), ["1", "2"]);
    assert_eq!(tries(r#"{"do":"fail item"}"#), ["1", "2"]);
    stack.stop().await;
}

#[tokio::test]
async fn messages_get_lost_and_come_twice_and_late() {
    // What fails comes again in this test's time only if it is told to.
    let template = TEMPLATE.replace("VisibilityTimeout: 1", "VisibilityTimeout: 3600");
    let (stack, sender) = start_with("queue-faults", &template).await;
    let faults = |lose, repeat, delay| Faults {
        lose,
        repeat,
        delay: Duration::from_millis(delay),
    };
    queues(&stack).trouble(faults(1.0, 0.0, 0), 7);
    sender.send(&json!("lost"), 0).await;
    assert_eq!(queues(&stack).depth("Due"), 0);
    queues(&stack).trouble(faults(0.0, 1.0, 200), 7);
    let id = sender.send(&json!("twice"), 0).await;
    until("both are there", || records(&stack).len() == 2).await;
    for record in records(&stack) {
        assert_eq!(record["messageId"], id.as_str());
    }
    queues(&stack).trouble(faults(0.0, 0.0, 200), 7);
    for n in 0..10 {
        sender.send(&json!(n), 0).await;
    }
    until("all are there", || records(&stack).len() == 12).await;
    let bodies = records(&stack).split_off(2).into_iter();
    let order: Vec<String> = bodies.map(|record| record["body"].to_string()).collect();
    assert!(!order.is_sorted(), "{order:?}");

    queues(&stack).trouble(Faults::default(), 7);
    queues(&stack).redeliver_after(Duration::from_millis(50));
    sender.send(&json!({"do": "fail"}), 0).await;
    until("it is dead", || queues(&stack).depth("Dead") == 1).await;
    stack.stop().await;
}

#[tokio::test]
async fn what_sqs_refuses_is_refused() {
    let (stack, sender) = start("queue-refusals").await;
    let request = || sender.client.send_message().message_body("x");
    for (request, expected) in [
        (
            request().queue_url("http://127.0.0.1:1/x"),
            "QueueDoesNotExist",
        ),
        (
            request().queue_url(&sender.url).delay_seconds(901),
            "InvalidParameterValue",
        ),
        (
            request().queue_url(&sender.url).delay_seconds(-1),
            "InvalidParameterValue",
        ),
        (
            request().queue_url(&sender.url).message_body(""),
            "InvalidParameterValue",
        ),
        (
            request().queue_url(&sender.url).message_group_id("x"),
            "InvalidParameterValue",
        ),
    ] {
        let refused = request.send().await.unwrap_err().into_service_error();
        assert!(format!("{refused:?}").contains(expected), "{refused:?}");
    }
    let other = sender.client.purge_queue().queue_url(&sender.url).send();
    assert!(other.await.is_err());
    assert_eq!(queues(&stack).depth("Due"), 0);
    stack.stop().await;
}
