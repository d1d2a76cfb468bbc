//! The Connections table: who is connected, and each user's newest call.
//!
//! | pk | sk | holds |
//! |---|---|---|
//! | `user#{user}` | `conn#{connection id}` | a device of the user |
//! | `user#{user}` | `call` | which call the user was last part of |
//! | `conn#{connection id}` | `conn` | whose the connection is |
//!
//! Whether a user is busy is what the record of that call says: nothing here has to be
//! undone when a call ends, so no user can be left busy.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{DeleteRequest, Put, PutRequest, TransactWriteItem, WriteRequest};
use serde::{Deserialize, Serialize};

use super::{Item, StoreError, Table, text};
use crate::domain::app_call::{AppCallId, Device};
use crate::domain::time::{self, Timestamp, add_seconds};

/// API Gateway ends a connection after two hours; its items are removed some time after.
const KEPT_SECONDS: i64 = 3 * 3600;
/// How often the rest of a batch is sent again.
const BATCH_TRIES: u32 = 3;
const MALFORMED: StoreError = StoreError::Malformed {
    table: "connections",
};

/// The table, and the client that reaches it.
#[derive(Debug, Clone)]
pub struct Connections {
    client: Client,
    table: String,
}

/// A user's connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connected {
    /// The device.
    pub device: Device,
    /// Since when.
    pub since: Timestamp,
}

/// Which call a user was last part of, as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pointer {
    /// The user.
    pub user: String,
    /// The call.
    pub call: Option<AppCallId>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    pk: String,
    sk: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    #[serde(
        with = "time::text::option",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    connected_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    call_id: Option<String>,
    expires_at: i64,
}

impl Connections {
    /// Wraps a client.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Connections {
            client,
            table: table.into(),
        }
    }

    /// The table itself.
    pub fn table(&self) -> Table<'_> {
        Table::Connections(&self.table)
    }

    /// Stores a connection, both ways round, in one request. Where it fails half-way, API
    /// Gateway refuses the connection, and the half is removed when a frame for it finds it
    /// gone, or with its TTL.
    pub async fn add(&self, device: &Device, now: Timestamp) -> Result<(), StoreError> {
        let expires_at = add_seconds(now, KEPT_SECONDS).as_second();
        let entry = |(pk, sk): (String, String)| Entry {
            pk,
            sk,
            user: Some(device.user.clone()),
            connected_at: Some(now),
            call_id: None,
            expires_at,
        };
        let mut writes = Vec::new();
        for key in keys(device) {
            let item = serde_dynamo::to_item(entry(key)).map_err(|_| MALFORMED)?;
            let put = PutRequest::builder().set_item(Some(item)).build();
            let put = put.map_err(|_| MALFORMED)?;
            writes.push(WriteRequest::builder().put_request(put).build());
        }
        self.write(writes).await
    }

    /// Removes a connection, if it is there.
    pub async fn remove(&self, device: &Device) -> Result<(), StoreError> {
        let mut writes = Vec::new();
        for (pk, sk) in keys(device) {
            let delete = DeleteRequest::builder()
                .key("pk", text(pk))
                .key("sk", text(sk))
                .build();
            let delete = delete.map_err(|_| MALFORMED)?;
            writes.push(WriteRequest::builder().delete_request(delete).build());
        }
        self.write(writes).await
    }

    async fn write(&self, mut writes: Vec<WriteRequest>) -> Result<(), StoreError> {
        for _ in 0..BATCH_TRIES {
            let answer = self
                .client
                .batch_write_item()
                .request_items(&self.table, writes)
                .send()
                .await
                .map_err(|error| StoreError::from_sdk(&error))?;
            let left = answer.unprocessed_items.unwrap_or_default();
            match left.into_iter().next() {
                Some((_, rest)) if !rest.is_empty() => writes = rest,
                _ => return Ok(()),
            }
        }
        Err(StoreError::Unavailable("unprocessed items".to_owned()))
    }

    /// Whose a connection is. That never changes; whether it is still there is told by a
    /// consistent read alone (`latest`), at twice the price.
    pub async fn owner(
        &self,
        connection: &str,
        latest: bool,
    ) -> Result<Option<Connected>, StoreError> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("pk", text(format!("conn#{connection}")))
            .key("sk", text("conn"))
            .consistent_read(latest)
            .send()
            .await
            .map_err(|error| StoreError::from_sdk(&error))?;
        let Some(item) = answer.item else {
            return Ok(None);
        };
        let entry: Entry = serde_dynamo::from_item(item).map_err(|_| MALFORMED)?;
        Ok(Some(Connected {
            device: Device {
                user: entry.user.ok_or(MALFORMED)?,
                connection: connection.to_owned(),
            },
            since: entry.connected_at.ok_or(MALFORMED)?,
        }))
    }

    /// A user's connections.
    pub async fn devices(&self, user: &str, now: Timestamp) -> Result<Vec<Connected>, StoreError> {
        let mut devices = Vec::new();
        let mut start = None;
        loop {
            let answer = self
                .client
                .query()
                .table_name(&self.table)
                .key_condition_expression("pk = :pk AND begins_with(sk, :conn)")
                .expression_attribute_values(":pk", text(format!("user#{user}")))
                .expression_attribute_values(":conn", text("conn#"))
                .consistent_read(true)
                .set_exclusive_start_key(start)
                .send()
                .await
                .map_err(|error| StoreError::from_sdk(&error))?;
            for item in answer.items.unwrap_or_default() {
                let entry: Entry = serde_dynamo::from_item(item).map_err(|_| MALFORMED)?;
                if entry.expires_at <= now.as_second() {
                    continue;
                }
                let connection = entry.sk.strip_prefix("conn#").ok_or(MALFORMED)?;
                devices.push(Connected {
                    device: Device {
                        user: user.to_owned(),
                        connection: connection.to_owned(),
                    },
                    since: entry.connected_at.ok_or(MALFORMED)?,
                });
            }
            start = answer.last_evaluated_key;
            if start.is_none() {
                return Ok(devices);
            }
        }
    }

    /// A user's newest call.
    pub async fn pointer(&self, user: &str) -> Result<Pointer, StoreError> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("pk", text(format!("user#{user}")))
            .key("sk", text("call"))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| StoreError::from_sdk(&error))?;
        let entry = answer.item.map(serde_dynamo::from_item::<Item, Entry>);
        let entry = entry.transpose().map_err(|_| MALFORMED)?;
        Ok(Pointer {
            user: user.to_owned(),
            call: read_call(entry.and_then(|entry| entry.call_id))?,
        })
    }

    /// Points a user at a call, as part of a transaction that holds only if the user
    /// still points where `before` says.
    pub(super) fn point(
        &self,
        before: &Pointer,
        call: &AppCallId,
        expires_at: i64,
    ) -> Result<TransactWriteItem, StoreError> {
        let entry = Entry {
            pk: format!("user#{}", before.user),
            sk: "call".to_owned(),
            user: None,
            connected_at: None,
            call_id: Some(call.to_string()),
            expires_at,
        };
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(serde_dynamo::to_item(entry).map_err(|_| MALFORMED)?));
        let put = match &before.call {
            Some(call) => put
                .condition_expression("callId = :before")
                .expression_attribute_values(":before", text(call.to_string())),
            None => put.condition_expression("attribute_not_exists(pk)"),
        };
        let put = put.build().map_err(|_| MALFORMED)?;
        Ok(TransactWriteItem::builder().put(put).build())
    }
}

/// Where a connection is stored.
fn keys(device: &Device) -> [(String, String); 2] {
    let connection = &device.connection;
    [
        (
            format!("user#{}", device.user),
            format!("conn#{connection}"),
        ),
        (format!("conn#{connection}"), "conn".to_owned()),
    ]
}

fn read_call(id: Option<String>) -> Result<Option<AppCallId>, StoreError> {
    id.map(|id| id.parse().map_err(|_| MALFORMED)).transpose()
}
