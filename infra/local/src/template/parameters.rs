//! Template parameters: their names in the environment, their values, their rules.

use serde::Deserialize;
use serde_json::Value;

use crate::Error;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct Parameter {
    #[serde(rename = "Type")]
    kind: Kind,
    default: Option<Value>,
    allowed_pattern: Option<String>,
    allowed_values: Option<Vec<Value>>,
    min_length: Option<usize>,
    max_length: Option<usize>,
    min_value: Option<f64>,
    max_value: Option<f64>,
    #[serde(rename = "Description")]
    _description: Option<String>,
    #[serde(rename = "ConstraintDescription")]
    _constraint: Option<String>,
    #[serde(rename = "NoEcho")]
    _no_echo: Option<Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
enum Kind {
    String,
    Number,
}

/// `TwilioAccountSid` is `TWILIO_ACCOUNT_SID` in the environment.
pub(super) fn environment_name(id: &str) -> String {
    let mut name = String::new();
    for (index, letter) in id.chars().enumerate() {
        if index > 0 && letter.is_ascii_uppercase() {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}

impl Parameter {
    /// The default, if there is one.
    pub(super) fn default_text(&self) -> Option<String> {
        self.default.as_ref().map(plain)
    }

    /// The value given, or else the default, by the parameter's own rules. An
    /// error tells the rule, never the value: it may be a secret.
    pub(super) fn value(&self, name: &str, given: Option<String>) -> Result<String, Error> {
        let value = given
            .or_else(|| self.default_text())
            .ok_or_else(|| Error::Missing(name.into()))?;
        match self.broken_rule(&value) {
            None => Ok(value),
            Some(reason) => Err(Error::Malformed {
                name: name.into(),
                reason,
            }),
        }
    }

    fn broken_rule(&self, value: &str) -> Option<String> {
        let length = value.chars().count();
        if let Some(pattern) = &self.allowed_pattern {
            // CloudFormation matches the whole value.
            match regex_lite::Regex::new(&format!("^(?:{pattern})$")) {
                Err(error) => return Some(format!("AllowedPattern cannot be read: {error}")),
                Ok(regex) if !regex.is_match(value) => return Some(format!("expected {pattern}")),
                Ok(_) => {}
            }
        }
        if let Some(allowed) = &self.allowed_values {
            let allowed: Vec<String> = allowed.iter().map(plain).collect();
            if !allowed.iter().any(|one| one == value) {
                return Some(format!("expected one of {}", allowed.join(", ")));
            }
        }
        if self.min_length.is_some_and(|min| length < min)
            || self.max_length.is_some_and(|max| length > max)
        {
            let (min, max) = (self.min_length.unwrap_or(0), self.max_length);
            return Some(match max {
                Some(max) => format!("expected {min} to {max} characters"),
                None => format!("expected {min} or more characters"),
            });
        }
        if self.kind == Kind::Number {
            let Ok(number) = value.parse::<f64>() else {
                return Some("expected a number".into());
            };
            let min = self.min_value.unwrap_or(f64::NEG_INFINITY);
            let max = self.max_value.unwrap_or(f64::INFINITY);
            if !(min..=max).contains(&number) {
                return Some(format!("expected a number from {min} to {max}"));
            }
        }
        None
    }
}

/// A scalar as CloudFormation passes it on: as text.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
