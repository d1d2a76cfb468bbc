//! `AWS::Serverless::WebSocketApi`, as SAM takes it.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::intrinsics::Scope;
use super::{Resource, function_arn, only_known, typed};

/// The stage's name unless the template says otherwise.
const DEFAULT_STAGE: &str = "default";
const SPECIAL_ROUTES: [&str; 3] = ["$connect", "$default", "$disconnect"];

/// The WebSocket API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebSocketPlan {
    /// The stage, which is the path that clients connect to.
    pub stage: String,
    /// The field of a message that names its route.
    pub selector: String,
    /// The functions' logical ids by route key.
    pub routes: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Properties {
    route_selection_expression: String,
    routes: BTreeMap<String, Route>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Route {
    function_arn: Value,
    #[serde(rename = "OperationName")]
    _operation_name: Option<String>,
}

const USED: [&str; 3] = ["RouteSelectionExpression", "Routes", "StageName"];
const NO_PART_HERE: [&str; 8] = [
    "AccessLogSettings",
    "DefaultRouteSettings",
    "Description",
    "DisableSchemaValidation",
    "IpAddressType",
    "Name",
    "RouteSettings",
    "Tags",
];

pub(super) fn websocket(resource: &Resource, scope: &Scope<'_>) -> Result<WebSocketPlan, String> {
    only_known(&resource.properties, &[&USED, &NO_PART_HERE])?;
    let own: Properties = typed("Properties", Value::Object(resource.properties.clone()))?;
    let selector = own.route_selection_expression;
    let selector = ["$request.body.", "${request.body."]
        .iter()
        .find_map(|prefix| selector.strip_prefix(prefix))
        .map(|field| field.trim_end_matches('}'))
        .filter(|field| !field.is_empty() && field.chars().all(|c| c.is_alphanumeric()))
        .ok_or("RouteSelectionExpression: only $request.body.FIELD is understood")?;
    if own.routes.is_empty() {
        return Err("Routes: there must be at least one".into());
    }
    let mut routes = BTreeMap::new();
    for (key, route) in own.routes {
        let at = |reason: String| format!("Routes.{key}: {reason}");
        if !SPECIAL_ROUTES.contains(&key.as_str()) && !key.chars().all(char::is_alphanumeric) {
            return Err(at("SAM allows letters and digits only".into()));
        }
        let arn = scope.text(&route.function_arn).map_err(at)?;
        let function = scope.resources.iter().find(|(id, resource)| {
            resource.kind == "AWS::Serverless::Function" && function_arn(id) == arn
        });
        let (function, _) =
            function.ok_or_else(|| at("FunctionArn is not a function of this template".into()))?;
        routes.insert(key, function.clone());
    }
    Ok(WebSocketPlan {
        stage: stage(resource, scope)?,
        selector: selector.to_owned(),
        routes,
    })
}

/// The stage that SAM makes out of the API.
fn stage(resource: &Resource, scope: &Scope<'_>) -> Result<String, String> {
    let Some(name) = resource.properties.get("StageName") else {
        return Ok(DEFAULT_STAGE.into());
    };
    let name = scope.text(name).map_err(|e| format!("StageName: {e}"))?;
    if name.is_empty()
        || !name
            .chars()
            .all(|c| c.is_alphanumeric() || "-_".contains(c))
    {
        return Err("StageName: expected letters, digits, - and _".into());
    }
    Ok(name)
}

/// The name of the stage whose logical id that is, where SAM gives it one.
pub(super) fn stage_of_id(id: &str, scope: &Scope<'_>) -> Option<Result<String, String>> {
    let (_, resource) = scope
        .resources
        .iter()
        .filter(|(_, resource)| resource.kind == "AWS::Serverless::WebSocketApi")
        .find(|(api, resource)| {
            let middle = match resource.properties.get("StageName") {
                None => "Default",
                Some(Value::String(name)) if name == DEFAULT_STAGE => "Default",
                Some(Value::String(name)) => name,
                Some(_) => "",
            };
            id == format!("{api}{middle}Stage")
        })?;
    Some(stage(resource, scope))
}
