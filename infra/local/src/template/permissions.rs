//! What the template's policies let functions do, and whether that is what they do.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Value, json};

use super::intrinsics::Scope;
use super::{Addresses, FunctionProperties, Template, parameters, queue, typed};
use crate::Error;
use crate::usage::Permission;

/// The managed policy that bounds all functions.
const BOUNDARY: &str = "FunctionBoundary";
/// What functions write to the log by.
const LOGGING: [&str; 2] = ["logs:CreateLogStream", "logs:PutLogEvents"];
/// What Lambda takes messages from a queue by, in the function's name.
const RECEIVING: [&str; 3] = [
    "sqs:DeleteMessage",
    "sqs:GetQueueAttributes",
    "sqs:ReceiveMessage",
];

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Document {
    #[serde(rename = "Version")]
    _version: Option<String>,
    statement: Vec<Statement>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Statement {
    effect: String,
    action: Vec<String>,
    resource: Value,
}

/// An action on a resource.
type Grant = (String, String);

impl Template {
    /// What each function's own policies grant.
    pub fn permissions(&self) -> Result<BTreeSet<Permission>, Error> {
        let mut permissions = BTreeSet::new();
        self.in_scope(|scope| {
            for (id, resource) in &self.resources {
                if resource.kind != "AWS::Serverless::Function" {
                    continue;
                }
                let own: FunctionProperties = typed(id, json!(resource.properties))?;
                let at = |reason: String| format!("{id}.Policies: {reason}");
                let policies = resource.properties.get("Policies").cloned();
                let policies: Vec<Value> = typed(id, policies.unwrap_or(json!([])))?;
                for policy in policies {
                    for (action, resource) in grants(policy, scope).map_err(at)? {
                        permissions.insert(Permission {
                            function: own.binary()?.to_owned(),
                            action,
                            resource,
                        });
                    }
                }
            }
            Ok(())
        })?;
        Ok(permissions)
    }

    /// How the policies differ from what functions were seen to do, and the boundary from
    /// both; nothing where they are the same.
    pub fn compare_permissions(&self, used: &BTreeSet<Permission>) -> Result<Vec<String>, Error> {
        let granted = self.permissions()?;
        let missing = used.difference(&granted);
        let idle = granted.difference(used);
        let mut problems: Vec<String> = missing
            .map(|one| format!("not granted, but done: {one}"))
            .chain(idle.map(|one| format!("granted, but never done: {one}")))
            .collect();
        let (boundary, needed) = (self.boundary()?, self.within_boundary(&granted)?);
        let lacking = needed.difference(&boundary);
        problems.extend(lacking.map(|(a, r)| format!("not within {BOUNDARY}: {a} {r}")));
        // The boundary is one for all, so it is as wide as the product of what it names.
        for (action, resource) in &boundary {
            let any = |of: fn(&Grant) -> &String, is: &String| needed.iter().any(|g| of(g) == is);
            if !any(|grant| &grant.0, action) || !any(|grant| &grant.1, resource) {
                problems.push(format!(
                    "{BOUNDARY} is wider than needed: {action} {resource}"
                ));
            }
        }
        Ok(problems)
    }

    fn boundary(&self) -> Result<BTreeSet<Grant>, Error> {
        self.in_scope(|scope| {
            let boundary = self.resources.get(BOUNDARY);
            let boundary = boundary.ok_or_else(|| format!("there is no {BOUNDARY}"))?;
            let document = boundary.properties.get("PolicyDocument").cloned();
            grants(document.unwrap_or_default(), scope)
        })
    }

    /// What all functions need together, with what Lambda does in their names.
    fn within_boundary(&self, granted: &BTreeSet<Permission>) -> Result<BTreeSet<Grant>, Error> {
        let own = granted.iter();
        let mut needed: BTreeSet<Grant> = own
            .map(|one| (one.action.clone(), one.resource.clone()))
            .collect();
        self.in_scope(|scope| {
            let logs = scope.text(&json!({"Fn::GetAtt": ["LogGroup", "Arn"]}))?;
            needed.extend(LOGGING.map(|action| (action.to_owned(), logs.clone())));
            for (id, resource) in &self.resources {
                if resource.kind != "AWS::Serverless::Function" {
                    continue;
                }
                let own: FunctionProperties = typed(id, json!(resource.properties))?;
                for event in own.events.into_values().filter(|event| event.kind == "SQS") {
                    let source = queue::source(event.properties, scope)?;
                    let arn = super::queue_arn(&source.queue);
                    needed.extend(RECEIVING.map(|action| (action.to_owned(), arn.clone())));
                }
            }
            Ok(())
        })?;
        Ok(needed)
    }

    /// Works with every parameter at its default, or empty, and the local names.
    fn in_scope<T>(&self, work: impl FnOnce(&Scope<'_>) -> Result<T, String>) -> Result<T, Error> {
        let default = |id: &String, parameter: &parameters::Parameter| {
            (id.clone(), parameter.default_text().unwrap_or_default())
        };
        let parameters = self.parameters.iter();
        let scope = Scope {
            parameters: parameters.map(|(id, one)| default(id, one)).collect(),
            conditions: &self.conditions,
            resources: &self.resources,
            addresses: &Addresses::default(),
        };
        work(&scope).map_err(Error::Template)
    }
}

/// Every action on every resource that a policy allows.
fn grants(policy: Value, scope: &Scope<'_>) -> Result<BTreeSet<Grant>, String> {
    let policy = scope.resolved(&policy)?.unwrap_or_default();
    let document: Document = typed("policy", policy)?;
    let mut grants = BTreeSet::new();
    for Statement {
        effect,
        action,
        resource,
    } in document.statement
    {
        let resources: Vec<String> = match resource {
            Value::String(one) => vec![one],
            several => typed("Resource", several)?,
        };
        if effect != "Allow" || action.iter().any(|action| action.contains('*')) {
            return Err("only Allow, with actions in full, is understood".into());
        }
        for resource in resources {
            // Connections have ids of their own; all else is named in full.
            let named = resource
                .strip_suffix("/@connections/*")
                .unwrap_or(&resource);
            let named = named.strip_suffix(":log-group:LogGroup:*").unwrap_or(named);
            if named.contains('*') {
                return Err(format!("{resource} is wider than a resource"));
            }
            grants.extend(
                action
                    .iter()
                    .map(|action| (action.clone(), resource.clone())),
            );
        }
    }
    Ok(grants)
}
