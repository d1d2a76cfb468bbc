//! What the template watches of its own: metric filters on log lines, and alarms.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Template;

/// What the template's own metrics begin with; the stack's name follows.
const NAMESPACE: &str = "Maskline/";

impl Template {
    /// The patterns that log lines are counted by, by the metric that they count for.
    pub fn metric_filters(&self) -> BTreeMap<String, String> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let filters = self.of_kind("AWS::Logs::MetricFilter");
        filters
            .map(|(_, properties)| {
                let name = text(&properties["MetricTransformations"][0]["MetricName"]);
                (name, text(&properties["FilterPattern"]))
            })
            .collect()
    }

    /// The alarms on metrics of our own, by their logical ids, with those metrics.
    pub fn own_alarms(&self) -> BTreeMap<String, Vec<String>> {
        let alarms = self.of_kind("AWS::CloudWatch::Alarm");
        let alarms = alarms.map(|(id, properties)| {
            let many = properties["Metrics"].as_array().into_iter().flatten();
            let many = many.map(|one| &one["MetricStat"]["Metric"]);
            let names = many.chain([&properties]).filter_map(own_metric);
            (id.clone(), names.collect::<Vec<_>>())
        });
        alarms.filter(|(_, metrics)| !metrics.is_empty()).collect()
    }

    fn of_kind(&self, kind: &'static str) -> impl Iterator<Item = (&String, Value)> {
        let resources = self.resources.iter();
        resources
            .filter(move |(_, resource)| resource.kind == kind)
            .map(|(id, resource)| (id, Value::Object(resource.properties.clone())))
    }
}

fn own_metric(metric: &Value) -> Option<String> {
    let namespace = metric["Namespace"]["Fn::Sub"].as_str()?;
    namespace.starts_with(NAMESPACE).then_some(())?;
    Some(metric["MetricName"].as_str()?.to_owned())
}
