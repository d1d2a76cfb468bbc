//! `!Ref`, `!Sub`, `!GetAtt`, `!If` and what goes with it, in their short and long forms.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use serde_yaml_ng::Value as Yaml;

use super::{Addresses, Resource, queue_arn, websocket};

/// The region that functions are told they run in.
pub const REGION: &str = "us-east-1";
/// The account that functions are told they run in.
pub const ACCOUNT: &str = "123456789012";
/// The id that both APIs have here.
pub(crate) const API_ID: &str = "local";

/// Turns YAML into JSON with the long forms only: `!Ref X` is `{"Ref": "X"}`,
/// `!GetAtt A.B` is `{"Fn::GetAtt": ["A", "B"]}`.
pub(super) fn to_json(yaml: Yaml) -> Result<Value, String> {
    Ok(match yaml {
        Yaml::Tagged(tagged) => {
            let tag = tagged.tag.to_string();
            let value = to_json(tagged.value)?;
            match (tag.trim_start_matches('!'), value) {
                ("Ref", value) => json!({ "Ref": value }),
                ("GetAtt", Value::String(path)) => {
                    let (name, attribute) = path.split_once('.').unwrap_or((&path, ""));
                    json!({ "Fn::GetAtt": [name, attribute] })
                }
                (name, value) => json!({ format!("Fn::{name}"): value }),
            }
        }
        Yaml::Sequence(items) => items.into_iter().map(to_json).collect::<Result<_, _>>()?,
        Yaml::Mapping(entries) => {
            let mut map = Map::new();
            for (key, value) in entries {
                let Yaml::String(key) = key else {
                    return Err(format!("a key is not text: {key:?}"));
                };
                map.insert(key, to_json(value)?);
            }
            Value::Object(map)
        }
        scalar => serde_json::to_value(scalar).map_err(|error| error.to_string())?,
    })
}

/// What names stand for.
pub(super) struct Scope<'a> {
    pub(super) parameters: BTreeMap<String, String>,
    pub(super) conditions: &'a BTreeMap<String, Value>,
    pub(super) resources: &'a BTreeMap<String, Resource>,
    pub(super) addresses: &'a Addresses,
}

impl Scope<'_> {
    /// A value that must come down to one text.
    pub(super) fn text(&self, value: &Value) -> Result<String, String> {
        match value {
            Value::String(text) => Ok(text.clone()),
            Value::Number(number) => Ok(number.to_string()),
            Value::Bool(flag) => Ok(flag.to_string()),
            Value::Object(map) => match map.iter().next() {
                Some((key, Value::String(name))) if key == "Ref" => self.reference(name),
                Some((key, Value::String(text))) if key == "Fn::Sub" => self.substitute(text),
                Some((key, Value::Array(parts))) if key == "Fn::GetAtt" => match parts.as_slice() {
                    [Value::String(name), Value::String(attribute)] => {
                        self.attribute(name, attribute)
                    }
                    _ => Err("Fn::GetAtt: expected a name and an attribute".into()),
                },
                Some((key, parts)) if key == "Fn::If" => self.text(self.branch(parts)?),
                Some((key, _)) => Err(format!("cannot evaluate {key} here")),
                None => Err("expected a value".into()),
            },
            Value::Array(_) | Value::Null => Err("expected one value".into()),
        }
    }

    /// A value of any form; `None` where it comes down to `AWS::NoValue`.
    pub(super) fn resolved(&self, value: &Value) -> Result<Option<Value>, String> {
        Ok(Some(match value {
            Value::Array(items) => {
                let items = items.iter().map(|item| self.resolved(item));
                let items = items.collect::<Result<Vec<_>, _>>()?;
                items.into_iter().flatten().collect()
            }
            Value::Object(map) => match map.iter().next() {
                Some((key, Value::String(name))) if key == "Ref" && name == "AWS::NoValue" => {
                    return Ok(None);
                }
                Some((key, parts)) if key == "Fn::If" => {
                    return self.resolved(self.branch(parts)?);
                }
                Some((key, parts)) if key == "Fn::Split" => {
                    match parts.as_array().map(Vec::as_slice) {
                        Some([Value::String(delimiter), text]) => {
                            let text = self.text(text)?;
                            text.split(delimiter.as_str()).map(Value::from).collect()
                        }
                        _ => return Err("Fn::Split: expected a delimiter and a text".into()),
                    }
                }
                Some((key, _)) if key == "Ref" || key.starts_with("Fn::") => {
                    self.text(value)?.into()
                }
                _ => {
                    let mut resolved = Map::new();
                    for (name, value) in map {
                        if let Some(value) = self.resolved(value)? {
                            resolved.insert(name.clone(), value);
                        }
                    }
                    Value::Object(resolved)
                }
            },
            scalar => scalar.clone(),
        }))
    }

    /// The branch of an `Fn::If` that its condition chooses.
    fn branch<'v>(&self, parts: &'v Value) -> Result<&'v Value, String> {
        let Some([Value::String(name), then, otherwise]) = parts.as_array().map(Vec::as_slice)
        else {
            return Err("Fn::If: expected a condition and two values".into());
        };
        let condition = self.conditions.get(name);
        let condition = condition.ok_or_else(|| format!("there is no condition {name}"))?;
        let holds = self
            .holds(condition)
            .map_err(|e| format!("Conditions.{name}: {e}"))?;
        Ok(if holds { then } else { otherwise })
    }

    fn holds(&self, condition: &Value) -> Result<bool, String> {
        let (key, parts) = match condition.as_object().and_then(|map| map.iter().next()) {
            Some((key, Value::Array(parts))) => (key.as_str(), parts.as_slice()),
            _ => return Err("expected Fn::Equals or Fn::Not".into()),
        };
        match (key, parts) {
            ("Fn::Equals", [one, other]) => Ok(self.text(one)? == self.text(other)?),
            ("Fn::Not", [condition]) => Ok(!self.holds(condition)?),
            (key, _) => Err(format!("cannot evaluate {key} here")),
        }
    }

    fn reference(&self, name: &str) -> Result<String, String> {
        if let Some(value) = self.parameters.get(name) {
            return Ok(value.clone());
        }
        match name {
            "AWS::Region" => return Ok(REGION.into()),
            "AWS::AccountId" => return Ok(ACCOUNT.into()),
            "AWS::Partition" => return Ok("aws".into()),
            "AWS::URLSuffix" => return Ok("amazonaws.com".into()),
            "AWS::StackName" => return Ok("local".into()),
            _ => {}
        }
        match self.resources.get(name).map(|r| r.kind.as_str()) {
            // For these a reference is the name, which here is the logical id.
            Some("AWS::DynamoDB::Table" | "AWS::Serverless::Function" | "AWS::Logs::LogGroup") => {
                Ok(name.into())
            }
            Some("AWS::SQS::Queue") => Ok(format!("{}/{ACCOUNT}/{name}", self.addresses.queues)),
            Some("AWS::Serverless::HttpApi" | "AWS::Serverless::WebSocketApi") => Ok(API_ID.into()),
            Some(kind) => Err(format!("cannot evaluate !Ref {name} ({kind})")),
            None => websocket::stage_of_id(name, self)
                .unwrap_or_else(|| Err(format!("!Ref {name}: there is nothing of that name"))),
        }
    }

    fn attribute(&self, name: &str, attribute: &str) -> Result<String, String> {
        let kind = |name: &str| self.resources.get(name).map(|r| r.kind.as_str());
        match (kind(name), attribute) {
            (Some("AWS::DynamoDB::Table"), "Arn") => {
                Ok(format!("arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{name}"))
            }
            (Some("AWS::Logs::LogGroup"), "Arn") => Ok(format!(
                "arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{name}:*"
            )),
            (Some("AWS::SQS::Queue"), "Arn") => Ok(queue_arn(name)),
            (Some("AWS::SQS::Queue"), "QueueName") => Ok(name.into()),
            (Some("AWS::Serverless::Function"), "Arn") => Ok(function_arn(name)),
            (Some("AWS::Serverless::HttpApi"), "ApiEndpoint") => Ok(self.addresses.http.clone()),
            (Some("AWS::Serverless::WebSocketApi"), "ApiEndpoint") => {
                Ok(self.addresses.websocket.clone())
            }
            (Some("AWS::Serverless::HttpApi" | "AWS::Serverless::WebSocketApi"), "ApiId") => {
                Ok(API_ID.into())
            }
            // SAM makes the resource `<function>Url` out of FunctionUrlConfig.
            (None, "FunctionUrl")
                if name
                    .strip_suffix("Url")
                    .and_then(|function| self.resources.get(function))
                    .is_some_and(Resource::has_function_url) =>
            {
                Ok(format!("{}/", self.addresses.http))
            }
            _ => Err(format!("cannot evaluate !GetAtt {name}.{attribute}")),
        }
    }

    fn substitute(&self, text: &str) -> Result<String, String> {
        let mut out = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            out.push_str(before);
            let (name, after) = after
                .split_once('}')
                .ok_or_else(|| format!("!Sub {text}: a ${{ is not closed"))?;
            match (name.strip_prefix('!'), name.split_once('.')) {
                (Some(literal), _) => out.push_str(&format!("${{{literal}}}")),
                (None, Some((name, attribute))) => out.push_str(&self.attribute(name, attribute)?),
                (None, None) => out.push_str(&self.reference(name)?),
            }
            rest = after;
        }
        out.push_str(rest);
        Ok(out)
    }
}

/// The ARN that a function of that name would have.
pub(crate) fn function_arn(name: &str) -> String {
    format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}")
}
