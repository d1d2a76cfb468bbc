//! What functions do with AWS: which needs which permission, noted as it happens.

use std::collections::BTreeSet;
use std::fmt;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::Error;
use crate::log::lock;
use crate::template::{ACCOUNT, API_ID, REGION, queue_arn};

/// Something that a function does, as policies name it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Permission {
    /// The function, by its binary's name.
    pub function: String,
    /// `dynamodb:GetItem`
    pub action: String,
    /// The ARN.
    pub resource: String,
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\t{}\t{}", self.function, self.action, self.resource)
    }
}

/// Notes what functions do in a file, one line for each permission that it takes. Several
/// of these, in one process or many, may add to one file.
#[derive(Debug, Clone)]
pub struct Usage {
    file: PathBuf,
    seen: Arc<Mutex<BTreeSet<Permission>>>,
}

impl Usage {
    /// Adds to that file, which need not exist.
    pub fn new(file: impl Into<PathBuf>) -> Self {
        Usage {
            file: file.into(),
            seen: Arc::default(),
        }
    }

    /// What was noted here so far, whoever else adds to the file.
    pub fn seen(&self) -> BTreeSet<Permission> {
        lock(&self.seen).clone()
    }

    /// Everything that is in a file.
    pub fn read(file: &Path) -> Result<BTreeSet<Permission>, Error> {
        let text = std::fs::read_to_string(file)
            .map_err(|error| Error::Io(file.display().to_string(), error))?;
        let permission = |line: &str| match line.split('\t').collect::<Vec<_>>().as_slice() {
            [function, action, resource] => Ok(Permission {
                function: (*function).to_owned(),
                action: (*action).to_owned(),
                resource: (*resource).to_owned(),
            }),
            _ => Err(Error::Template(format!("{}: {line}", file.display()))),
        };
        text.lines().map(permission).collect()
    }

    /// A request to DynamoDB.
    pub(crate) fn dynamodb(&self, function: &str, operation: &str, body: &[u8]) {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        for (action, resource) in dynamodb_actions(operation, &body) {
            self.note(function, format!("dynamodb:{action}"), resource);
        }
    }

    /// A message to a queue.
    pub(crate) fn sent(&self, function: &str, queue: &str) {
        self.note(function, "sqs:SendMessage".to_owned(), queue_arn(queue));
    }

    /// A request about a connection.
    pub(crate) fn connection(&self, function: &str, stage: &str, method: &str) {
        let api = format!("arn:aws:execute-api:{REGION}:{ACCOUNT}:{API_ID}");
        let resource = format!("{api}/{stage}/{method}/@connections/*");
        let action = "execute-api:ManageConnections".to_owned();
        self.note(function, action, resource);
    }

    fn note(&self, function: &str, action: String, resource: String) {
        let permission = Permission {
            function: function.to_owned(),
            action,
            resource,
        };
        let line = format!("{permission}\n");
        if !lock(&self.seen).insert(permission) {
            return;
        }
        let add = || {
            if let Some(folder) = self.file.parent() {
                std::fs::create_dir_all(folder)?;
            }
            let options = &mut std::fs::OpenOptions::new();
            let mut file = options.append(true).create(true).open(&self.file)?;
            // In one write, so that lines of several processes do not mix.
            file.write_all(line.as_bytes())
        };
        if let Err(error) = add() {
            panic!("{}: {error}", self.file.display());
        }
    }
}

/// Whose signature it is: `… Credential=KEY/date/region/service/aws4_request, …`. Each
/// function's key is its binary's name.
pub(crate) fn signed_by(headers: &axum::http::HeaderMap) -> Option<&str> {
    let authorization = headers.get("authorization")?.to_str().ok()?;
    let (_, credential) = authorization.split_once("Credential=")?;
    credential.split('/').next()
}

/// The actions that IAM asks for, and the tables and indexes, by
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis-iam.html>.
fn dynamodb_actions(operation: &str, body: &Value) -> Vec<(String, String)> {
    let arn = |request: &Value| {
        let table = request["TableName"].as_str().unwrap_or_default();
        let table = format!("arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{table}");
        match request["IndexName"].as_str() {
            Some(index) => format!("{table}/index/{index}"),
            None => table,
        }
    };
    match operation {
        "TransactWriteItems" | "TransactGetItems" => {
            let items = body["TransactItems"].as_array().into_iter().flatten();
            let parts = items.filter_map(Value::as_object).flatten();
            parts
                .map(|(name, request)| match name.as_str() {
                    "ConditionCheck" => ("ConditionCheckItem".to_owned(), arn(request)),
                    name => (format!("{name}Item"), arn(request)),
                })
                .collect()
        }
        "BatchWriteItem" | "BatchGetItem" => {
            let tables = body["RequestItems"].as_object().into_iter().flatten();
            let of = |table: &String| arn(&serde_json::json!({ "TableName": table }));
            tables
                .map(|(table, _)| (operation.to_owned(), of(table)))
                .collect()
        }
        _ => vec![(operation.to_owned(), arn(body))],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_operation_takes_the_permissions_that_iam_asks_for() {
        let table = |name: &str| format!("arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{name}");
        for (operation, body, actions) in [
            (
                "GetItem",
                json!({"TableName": "A"}),
                vec![("GetItem", table("A"))],
            ),
            (
                "Query",
                json!({"TableName": "A", "IndexName": "I"}),
                vec![("Query", table("A/index/I"))],
            ),
            (
                "TransactWriteItems",
                json!({"TransactItems": [
                    {"Put": {"TableName": "A"}}, {"ConditionCheck": {"TableName": "B"}},
                    {"Update": {"TableName": "B"}}, {"Delete": {"TableName": "A"}},
                ]}),
                vec![
                    ("PutItem", table("A")),
                    ("ConditionCheckItem", table("B")),
                    ("UpdateItem", table("B")),
                    ("DeleteItem", table("A")),
                ],
            ),
            (
                "BatchWriteItem",
                json!({"RequestItems": {"A": [], "B": []}}),
                vec![
                    ("BatchWriteItem", table("A")),
                    ("BatchWriteItem", table("B")),
                ],
            ),
        ] {
            let actions: Vec<_> = actions
                .into_iter()
                .map(|(action, table)| (action.to_owned(), table))
                .collect();
            assert_eq!(dynamodb_actions(operation, &body), actions);
        }
    }
}
