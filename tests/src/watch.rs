//! The log as CloudWatch reads it: metrics in embedded metric format, and metric filters.
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html>

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use maskline_local::template::Template;
use serde_json::Value;

use crate::{PATIENCE, World};

/// The repository's template.
pub fn template() -> Template {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../template.yaml");
    Template::read(&path).unwrap()
}

impl World {
    /// Every JSON line that functions, or Lambda for them, have logged.
    pub fn log_lines(&self) -> Vec<Value> {
        let lines = self.stack.log().lines();
        let json = lines
            .iter()
            .filter_map(|line| serde_json::from_str(&line[line.find('{')?..]).ok());
        json.collect()
    }

    /// How many frames, connects and disconnects a function is done with so far.
    pub fn done_with(&self, function: &str) -> usize {
        let named = format!(" {function} ");
        let lines = self.stack.log().lines();
        let done = |line: &&String| line.contains(&named) && line.ends_with(" ms");
        lines.iter().filter(done).count()
    }

    /// Waits until a function is done with so many, whatever its client has seen already.
    pub async fn until_done_with(&self, function: &str, count: usize) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while self.done_with(function) < count {
            let late = tokio::time::Instant::now() > deadline;
            assert!(!late, "{function} does not come to an end");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// How often each metric was counted so far: those in the lines themselves as `Name`
    /// and as `Name` with its dimensions' values, those of filters by their names.
    pub fn counted(&self) -> BTreeMap<String, usize> {
        let filters = template().metric_filters();
        let mut counted = BTreeMap::new();
        for line in self.log_lines() {
            for name in embedded(&line) {
                *counted.entry(name).or_default() += 1;
            }
            for (name, pattern) in &filters {
                if matches(pattern, &line) {
                    *counted.entry(name.clone()).or_default() += 1;
                }
            }
        }
        counted
    }
}

/// The metrics of a line in embedded metric format.
fn embedded(line: &Value) -> Vec<String> {
    let directives = line["_aws"]["CloudWatchMetrics"].as_array();
    let mut names = Vec::new();
    for directive in directives.into_iter().flatten() {
        assert_eq!(directive["Namespace"], "Maskline/local");
        let dimensions = directive["Dimensions"][0].as_array().unwrap();
        let values = dimensions.iter().map(|name| {
            let value = &line[name.as_str().unwrap()];
            format!(" {}", value.as_str().unwrap())
        });
        let values: String = values.collect();
        for metric in directive["Metrics"].as_array().unwrap() {
            let name = metric["Name"].as_str().unwrap();
            let value = &line[name];
            assert!(value.is_number() || value.is_array(), "{line}");
            names.push(name.to_owned());
            if !values.is_empty() {
                names.push(format!("{name}{values}"));
            }
        }
    }
    names
}

/// Whether a filter pattern for JSON lines matches: comparisons of `$.a.b` with a text or a
/// number, in parentheses where `&&` or `||` joins them.
///
/// # Panics
/// Where the pattern is of another form.
pub fn matches(pattern: &str, line: &Value) -> bool {
    let inner = pattern.trim().strip_prefix('{').unwrap();
    let inner = inner.strip_suffix('}').unwrap();
    let mut rest = inner.trim();
    let matched = expression(&mut rest, line);
    assert_eq!(rest.trim(), "", "{pattern}");
    matched
}

fn expression(rest: &mut &str, line: &Value) -> bool {
    let mut matched = term(rest, line);
    loop {
        *rest = rest.trim_start();
        if let Some(after) = rest.strip_prefix("&&") {
            *rest = after;
            matched &= term(rest, line);
        } else if let Some(after) = rest.strip_prefix("||") {
            *rest = after;
            matched |= term(rest, line);
        } else {
            return matched;
        }
    }
}

fn term(rest: &mut &str, line: &Value) -> bool {
    *rest = rest.trim_start();
    if let Some(after) = rest.strip_prefix('(') {
        *rest = after;
        let matched = expression(rest, line);
        *rest = rest
            .trim_start()
            .strip_prefix(')')
            .expect("a closing parenthesis");
        return matched;
    }
    let comparison = *rest;
    let (selector, after) = comparison.split_once(' ').expect("a selector");
    let (operator, after) = after.split_once(' ').expect("an operator");
    let end = match after.strip_prefix('"') {
        Some(text) => text.find('"').expect("a closing quote") + 2,
        None => after.find([')', ' ']).unwrap_or(after.len()),
    };
    let (wanted, after) = after.split_at(end);
    *rest = after;
    let path = selector.strip_prefix("$.").expect("a selector");
    let pointer = format!("/{}", path.replace('.', "/"));
    let Some(found) = line.pointer(&pointer) else {
        return false;
    };
    let wanted: Value = serde_json::from_str(wanted).unwrap();
    match operator {
        "=" => *found == wanted,
        "!=" => *found != wanted,
        ">=" => found.as_f64() >= wanted.as_f64() && found.is_number(),
        other => panic!("the operator {other} is not understood"),
    }
}
