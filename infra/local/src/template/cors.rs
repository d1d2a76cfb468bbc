//! `CorsConfiguration` of an `AWS::Serverless::HttpApi`.

use serde::Deserialize;
use serde_json::Value;

use super::intrinsics::Scope;
use super::typed;

/// What web pages of other origins may do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct CorsPlan {
    /// The origins; `*` is any.
    pub allow_origins: Vec<String>,
    /// The methods that they may use.
    pub allow_methods: Vec<String>,
    /// The headers that they may send.
    pub allow_headers: Vec<String>,
    /// The headers that they may read.
    pub expose_headers: Vec<String>,
    /// How long a browser may remember that, seconds.
    pub max_age: Option<u64>,
}

pub(super) fn cors(configuration: &Value, scope: &Scope<'_>) -> Result<Option<CorsPlan>, String> {
    const NAME: &str = "CorsConfiguration";
    if configuration["AllowOrigins"].is_object() {
        let reason = "where this is an intrinsic, SAM loses the other settings; \
                      let the whole configuration be one";
        return Err(format!("{NAME}.AllowOrigins: {reason}"));
    }
    let value = scope.resolved(configuration);
    let value = value.map_err(|e| format!("{NAME}: {e}"))?;
    value.map(|value| typed(NAME, value)).transpose()
}
