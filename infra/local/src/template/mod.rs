//! Reads `template.yaml`, the one list of functions, routes and tables.
//!
//! [`Template::parse`] reads the text, [`Template::resolve`] fills in parameters
//! and addresses and gives a [`Plan`]: plain data, without CloudFormation in it.
//! What the reader does not understand is an error that names the resource,
//! wherever it would change how the stack behaves.

mod cors;
mod intrinsics;
mod parameters;
mod permissions;
mod queue;
mod watching;
mod websocket;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::Error;
pub use cors::CorsPlan;
pub use intrinsics::{ACCOUNT, REGION};
pub(crate) use intrinsics::{API_ID, function_arn};
use intrinsics::{Scope, to_json};
use parameters::Parameter;
pub(crate) use queue::queue_arn;
pub use queue::{QueuePlan, SourcePlan};
pub use websocket::WebSocketPlan;

/// A template as it was written.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Template {
    #[serde(default)]
    parameters: BTreeMap<String, Parameter>,
    #[serde(default)]
    conditions: BTreeMap<String, Value>,
    #[serde(default)]
    globals: BTreeMap<String, Value>,
    resources: BTreeMap<String, Resource>,
    #[serde(default)]
    outputs: BTreeMap<String, Output>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Resource {
    #[serde(rename = "Type")]
    pub(crate) kind: String,
    #[serde(default)]
    pub(crate) properties: Map<String, Value>,
    condition: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Output {
    value: Value,
}

/// Where the parts of a stack are, without trailing slashes; empty for a part that
/// the template does not have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Addresses {
    /// The HTTP API and the Function URLs, `http://…`.
    pub http: String,
    /// The WebSocket API, `ws://…`.
    pub websocket: String,
    /// The queues, `http://…`.
    pub queues: String,
}

/// What to run: the template with every value in its place.
#[derive(Debug)]
pub struct Plan {
    /// The parameters' values by their names in the environment.
    pub parameters: BTreeMap<String, String>,
    /// Every function.
    pub functions: Vec<FunctionPlan>,
    /// Every table.
    pub tables: Vec<TablePlan>,
    /// What web pages of other origins may do with the HTTP API.
    pub cors: Option<CorsPlan>,
    /// Every queue.
    pub queues: Vec<QueuePlan>,
    /// The WebSocket API.
    pub websocket: Option<WebSocketPlan>,
    /// The outputs that are Function URLs, with the path each is served at.
    pub url_paths: BTreeMap<String, String>,
}

/// One function.
#[derive(Debug, Clone)]
pub struct FunctionPlan {
    /// The logical id, `ConnectFunction`.
    pub id: String,
    /// The binary's name, `connect`.
    pub binary: String,
    /// The variables that the template gives it, and where the queues are.
    pub environment: BTreeMap<String, String>,
    /// How long one invocation may take.
    pub timeout: Duration,
    /// Its memory. The stack only reports it to the function.
    pub memory_mb: u64,
    /// Its routes on the HTTP API.
    pub routes: Vec<RouteKey>,
    /// The queues that it takes messages from.
    pub sources: Vec<SourcePlan>,
    /// The paths at which its Function URL is called.
    pub url_paths: Vec<String>,
}

/// A route of the HTTP API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteKey {
    /// The method, or `ANY`.
    pub method: String,
    /// The path with `{names}`.
    pub path: String,
}

/// One table.
#[derive(Debug)]
pub struct TablePlan {
    /// Its name: the logical id.
    pub name: String,
    /// The body of the CreateTable request.
    pub create: Value,
    /// The attribute that holds an item's time to live.
    pub ttl_attribute: Option<String>,
}

/// Properties of a function that change how it runs here; CodeUri's last part names its
/// binary. The others are about building, permissions and watching.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct FunctionProperties {
    code_uri: Option<String>,
    environment: Option<Environment>,
    timeout: Option<Value>,
    memory_size: Option<Value>,
    function_url_config: Option<FunctionUrlConfig>,
    #[serde(default)]
    events: BTreeMap<String, Event>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Environment {
    #[serde(default)]
    variables: BTreeMap<String, Value>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct FunctionUrlConfig {
    auth_type: String,
    #[serde(default)]
    invoke_mode: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Event {
    #[serde(rename = "Type")]
    kind: String,
    #[serde(default)]
    properties: Value,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct HttpApiEvent {
    #[serde(rename = "ApiId")]
    _api_id: Option<Value>,
    method: String,
    path: String,
}

/// Resource types without a part in answering a request.
const NO_PART_HERE: [&str; 8] = [
    "AWS::ApiGatewayV2::ApiMapping",
    "AWS::ApiGatewayV2::DomainName",
    "AWS::Budgets::",
    "AWS::CloudWatch::",
    "AWS::IAM::",
    "AWS::Logs::",
    "AWS::Route53::",
    "AWS::SNS::",
];

/// Table properties that CreateTable takes as they are, and those that make no
/// difference on one machine.
const TABLE_PASSED_ON: [&str; 6] = [
    "AttributeDefinitions",
    "BillingMode",
    "GlobalSecondaryIndexes",
    "KeySchema",
    "LocalSecondaryIndexes",
    "ProvisionedThroughput",
];
const TABLE_NO_PART_HERE: [&str; 6] = [
    "DeletionProtectionEnabled",
    "OnDemandThroughput",
    "PointInTimeRecoverySpecification",
    "SSESpecification",
    "TableClass",
    "Tags",
];
const API_NO_PART_HERE: [&str; 3] = ["AccessLogSettings", "DefaultRouteSettings", "Tags"];

impl Template {
    /// Reads the file.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| Error::Template(format!("{}: {error}", path.display())))?;
        Self::parse(&text)
    }

    /// Reads the text.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let yaml = serde_yaml_ng::from_str(text).map_err(|e| Error::Template(e.to_string()))?;
        let json = to_json(yaml).map_err(Error::Template)?;
        typed("", json).map_err(Error::Template)
    }

    /// Whether there is a resource of that type.
    pub fn has(&self, kind: &str) -> bool {
        self.resources
            .values()
            .any(|resource| resource.kind == kind)
    }

    /// Fills in the values: parameters from `given`, by their names in the
    /// environment, and every address.
    pub fn resolve(
        &self,
        given: impl Fn(&str) -> Option<String>,
        addresses: &Addresses,
    ) -> Result<Plan, Error> {
        if let Some(section) = self.globals.keys().find(|name| *name != "Function") {
            let reason = format!("Globals: the local stack does not know {section}");
            return Err(Error::Template(reason));
        }
        let mut by_id = BTreeMap::new();
        let mut by_name = BTreeMap::new();
        for (id, parameter) in &self.parameters {
            let name = parameters::environment_name(id);
            let value = parameter.value(&name, given(&name))?;
            by_id.insert(id.clone(), value.clone());
            by_name.insert(name, value);
        }
        let scope = Scope {
            parameters: by_id,
            conditions: &self.conditions,
            resources: &self.resources,
            addresses,
        };
        let mut plan = Plan {
            parameters: by_name,
            functions: Vec::new(),
            tables: Vec::new(),
            cors: None,
            queues: Vec::new(),
            websocket: None,
            url_paths: BTreeMap::new(),
        };
        for (id, resource) in &self.resources {
            let at = |reason: String| Error::Template(format!("{id}: {reason}"));
            match resource.kind.as_str() {
                "AWS::Serverless::Function" => plan
                    .functions
                    .push(self.function(id, resource, &scope).map_err(at)?),
                "AWS::DynamoDB::Table" => plan.tables.push(table(id, resource).map_err(at)?),
                "AWS::Serverless::HttpApi" => {
                    let properties = &resource.properties;
                    let cors = "CorsConfiguration";
                    only_known(properties, &[&API_NO_PART_HERE, &[cors]]).map_err(at)?;
                    let cors = properties.get(cors).map(|cors| cors::cors(cors, &scope));
                    let cors = cors.transpose().map_err(at)?;
                    plan.cors = plan.cors.or(cors.flatten());
                }
                "AWS::SQS::Queue" => plan
                    .queues
                    .push(queue::queue(id, resource, &scope).map_err(at)?),
                "AWS::Serverless::WebSocketApi" if plan.websocket.is_some() => {
                    return Err(at("the local stack runs one WebSocket API only".into()));
                }
                "AWS::Serverless::WebSocketApi" => {
                    plan.websocket = Some(websocket::websocket(resource, &scope).map_err(at)?);
                }
                kind if NO_PART_HERE.iter().any(|prefix| kind.starts_with(prefix)) => continue,
                kind => return Err(at(format!("the local stack does not know {kind}"))),
            }
            if let Some(condition) = &resource.condition {
                return Err(at(format!("cannot evaluate the condition {condition}")));
            }
        }
        self.place_function_urls(&mut plan)?;
        for function in &plan.functions {
            for source in &function.sources {
                let queue = plan.queues.iter().find(|queue| queue.name == source.queue);
                if queue.is_some_and(|queue| queue.visibility < function.timeout) {
                    return Err(Error::Template(format!(
                        "{}: the VisibilityTimeout of {} is shorter than its Timeout, \
                         which Lambda refuses",
                        function.id, source.queue
                    )));
                }
            }
        }
        Ok(plan)
    }

    fn function(
        &self,
        id: &str,
        resource: &Resource,
        scope: &Scope<'_>,
    ) -> Result<FunctionPlan, String> {
        let global = self.globals.get("Function").cloned().unwrap_or(json!({}));
        let global: FunctionProperties = typed("Globals.Function", global)?;
        let own: FunctionProperties =
            typed("Properties", Value::Object(resource.properties.clone()))?;

        let binary = own.binary()?.to_owned();
        let number = |name: &str, own: Option<Value>, global: Option<Value>, default: u64| {
            let Some(value) = own.or(global) else {
                return Ok(default);
            };
            let value = scope.text(&value).map_err(|e| format!("{name}: {e}"))?;
            value
                .parse()
                .map_err(|_| format!("{name}: expected a whole number"))
        };
        let mut environment = BTreeMap::new();
        for (name, value) in [global.environment, own.environment]
            .into_iter()
            .flatten()
            .flat_map(|environment| environment.variables)
        {
            let value = scope
                .text(&value)
                .map_err(|e| format!("Environment.{name}: {e}"))?;
            environment.insert(name, value);
        }
        if let Some(url) = own.function_url_config {
            let streams = url.invoke_mode.is_some_and(|mode| mode != "BUFFERED");
            if url.auth_type != "NONE" || streams {
                return Err(
                    "FunctionUrlConfig: only AuthType NONE, buffered, is understood".into(),
                );
            }
        }
        if !scope.addresses.queues.is_empty() {
            let queues = scope.addresses.queues.clone();
            environment.insert("AWS_ENDPOINT_URL_SQS".into(), queues);
        }
        let (mut routes, mut sources) = (Vec::new(), Vec::new());
        for (name, event) in own.events {
            let at = |reason: String| format!("Events.{name}: {reason}");
            match event.kind.as_str() {
                "HttpApi" => routes.push(route(event.properties).map_err(at)?),
                "SQS" => sources.push(queue::source(event.properties, scope).map_err(at)?),
                kind => return Err(at(format!("the local stack does not know {kind}"))),
            }
        }
        Ok(FunctionPlan {
            id: id.to_owned(),
            binary,
            environment,
            timeout: Duration::from_secs(number("Timeout", own.timeout, global.timeout, 3)?),
            memory_mb: number("MemorySize", own.memory_size, global.memory_size, 128)?,
            routes,
            sources,
            url_paths: Vec::new(),
        })
    }

    /// Function URLs have no path of their own; the outputs say where each is
    /// called: `!Sub ${ConnectFunctionUrl.FunctionUrl}api/v1/call/connect`.
    fn place_function_urls(&self, plan: &mut Plan) -> Result<(), Error> {
        for (name, output) in &self.outputs {
            let Some((id, path)) = output.value["Fn::Sub"]
                .as_str()
                .and_then(|text| text.strip_prefix("${")?.split_once("Url.FunctionUrl}"))
            else {
                continue;
            };
            let function = plan.functions.iter_mut().find(|function| function.id == id);
            let function = function.ok_or_else(|| {
                Error::Template(format!("Outputs.{name}: there is no function {id}"))
            })?;
            let path = format!("/{path}");
            function.url_paths.push(path.clone());
            plan.url_paths.insert(name.clone(), path);
        }
        for function in &plan.functions {
            let has_url = self.resources[&function.id].has_function_url();
            if has_url == function.url_paths.is_empty() {
                return Err(Error::Template(format!(
                    "{}: a FunctionUrlConfig and an output \
                     \"!Sub ${{{0}Url.FunctionUrl}}path\" go together",
                    function.id
                )));
            }
        }
        Ok(())
    }
}

impl FunctionProperties {
    /// The name of the binary, which is that of the folder that it is built from.
    fn binary(&self) -> Result<&str, String> {
        let code = self.code_uri.as_deref().ok_or("CodeUri is missing")?;
        Ok(code.rsplit('/').next().unwrap_or(code))
    }
}

impl Resource {
    pub(crate) fn has_function_url(&self) -> bool {
        self.properties.contains_key("FunctionUrlConfig")
    }
}

fn route(properties: Value) -> Result<RouteKey, String> {
    let event: HttpApiEvent = typed("Properties", properties)?;
    if !event.path.starts_with('/') {
        return Err(format!("the path {} does not start with /", event.path));
    }
    Ok(RouteKey {
        method: match event.method.to_ascii_uppercase().as_str() {
            "*" => "ANY".to_owned(),
            method => method.to_owned(),
        },
        path: event.path,
    })
}

fn table(id: &str, resource: &Resource) -> Result<TablePlan, String> {
    const TTL: &str = "TimeToLiveSpecification";
    let properties = &resource.properties;
    only_known(properties, &[&TABLE_PASSED_ON, &TABLE_NO_PART_HERE, &[TTL]])?;
    let mut create: Map<String, Value> = TABLE_PASSED_ON
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), properties.get(*name)?.clone())))
        .collect();
    create.insert("TableName".into(), id.into());
    let ttl = properties.get(TTL).unwrap_or(&Value::Null);
    let ttl_attribute = match (&ttl["Enabled"], &ttl["AttributeName"]) {
        (Value::Bool(true), Value::String(name)) => Some(name.clone()),
        (Value::Bool(false) | Value::Null, _) => None,
        _ => {
            return Err(format!(
                "{TTL}: expected AttributeName and Enabled: true or false"
            ));
        }
    };
    Ok(TablePlan {
        name: id.to_owned(),
        create: Value::Object(create),
        ttl_attribute,
    })
}

fn only_known(properties: &Map<String, Value>, known: &[&[&str]]) -> Result<(), String> {
    match properties
        .keys()
        .find(|name| !known.iter().any(|list| list.contains(&name.as_str())))
    {
        Some(name) => Err(format!("the local stack does not know the property {name}")),
        None => Ok(()),
    }
}

fn typed<T: DeserializeOwned>(what: &str, value: Value) -> Result<T, String> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        let at: Vec<&str> = [what, &path]
            .into_iter()
            .filter(|part| !part.is_empty() && *part != ".")
            .collect();
        format!("{}: {}", at.join("."), error.into_inner())
    })
}

#[cfg(test)]
mod tests;
