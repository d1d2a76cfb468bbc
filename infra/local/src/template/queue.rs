//! `AWS::SQS::Queue`, and functions that take their events from one.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::intrinsics::Scope;
use super::{ACCOUNT, REGION, Resource, only_known, typed};

const USED: [&str; 2] = ["RedrivePolicy", "VisibilityTimeout"];
const NO_PART_HERE: [&str; 6] = [
    "KmsDataKeyReusePeriodSeconds",
    "KmsMasterKeyId",
    "MessageRetentionPeriod",
    "RedriveAllowPolicy",
    "SqsManagedSseEnabled",
    "Tags",
];

/// One queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueuePlan {
    /// Its name: the logical id.
    pub name: String,
    /// How long a message that was received stays hidden.
    pub visibility: Duration,
    /// Where a message goes, and after how many times in vain.
    pub dead_letters: Option<(String, u32)>,
}

/// A queue whose messages a function is invoked with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourcePlan {
    /// The queue's name.
    pub queue: String,
    /// How many messages make one event at most.
    pub batch_size: usize,
    /// How many events may be on their way at the same time.
    pub max_concurrency: usize,
    /// Whether the function's answer names the messages that failed.
    pub reports_failures: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Properties {
    visibility_timeout: Option<u64>,
    redrive_policy: Option<RedrivePolicy>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RedrivePolicy {
    dead_letter_target_arn: Value,
    max_receive_count: u32,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Source {
    queue: Value,
    batch_size: Option<usize>,
    #[serde(default)]
    function_response_types: Vec<String>,
    #[serde(default)]
    maximum_batching_window_in_seconds: u64,
    scaling_config: Option<ScalingConfig>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct ScalingConfig {
    maximum_concurrency: usize,
}

pub(crate) fn queue_arn(name: &str) -> String {
    format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{name}")
}

fn named(arn: &Value, scope: &Scope<'_>) -> Result<String, String> {
    let arn = scope.text(arn)?;
    let queue = scope
        .resources
        .iter()
        .find(|(id, resource)| resource.kind == "AWS::SQS::Queue" && queue_arn(id) == arn);
    let (id, _) = queue.ok_or("it is not the ARN of a queue of this template")?;
    Ok(id.clone())
}

pub(super) fn queue(id: &str, resource: &Resource, scope: &Scope<'_>) -> Result<QueuePlan, String> {
    only_known(&resource.properties, &[&USED, &NO_PART_HERE])?;
    let own: Properties = typed("Properties", Value::Object(resource.properties.clone()))?;
    let dead_letters = own.redrive_policy.map(|policy| {
        let queue = named(&policy.dead_letter_target_arn, scope)
            .map_err(|e| format!("RedrivePolicy.deadLetterTargetArn: {e}"))?;
        Ok::<_, String>((queue, policy.max_receive_count))
    });
    Ok(QueuePlan {
        name: id.to_owned(),
        visibility: Duration::from_secs(own.visibility_timeout.unwrap_or(30)),
        dead_letters: dead_letters.transpose()?,
    })
}

pub(super) fn source(properties: Value, scope: &Scope<'_>) -> Result<SourcePlan, String> {
    let own: Source = typed("Properties", properties)?;
    if own.maximum_batching_window_in_seconds != 0 {
        return Err("the local stack does not wait for batches to fill".into());
    }
    let unknown = |kind: &&String| *kind != "ReportBatchItemFailures";
    if let Some(kind) = own.function_response_types.iter().find(unknown) {
        return Err(format!("FunctionResponseTypes: {kind} is unknown"));
    }
    let batch_size = own.batch_size.unwrap_or(10);
    if !(1..=10).contains(&batch_size) {
        return Err("BatchSize: without a batching window, Lambda takes 1 to 10".into());
    }
    // Lambda begins with five.
    let max_concurrency = own.scaling_config.map_or(5, |own| own.maximum_concurrency);
    if !(2..=1000).contains(&max_concurrency) {
        return Err("MaximumConcurrency: Lambda takes 2 to 1000".into());
    }
    Ok(SourcePlan {
        queue: named(&own.queue, scope).map_err(|e| format!("Queue: {e}"))?,
        batch_size,
        max_concurrency,
        reports_failures: !own.function_response_types.is_empty(),
    })
}
