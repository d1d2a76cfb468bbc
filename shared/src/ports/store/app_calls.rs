//! The Calls table: in-app calls, one item a call, at (`booking#{bookingId}`, seq).
//!
//! As with phone calls, a call is created by writing the first free place, so that a
//! booking's calls are numbered without gaps and a place is a call's key. A booking's
//! newest call is the last of its line: whether it is live decides whether another
//! may begin.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    CancellationReason, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem,
};

use super::connections::{Connections, Pointer};
use super::{Item, StoreError, Table, number, text};
use crate::domain::app_call::{AppCall, AppCallId};
use crate::domain::booking::BookingId;
use crate::domain::time::Timestamp;

/// The most rows of a history.
pub const MAX_ROWS: i32 = 500;
const MALFORMED: StoreError = StoreError::Malformed { table: "calls" };

/// The table, and the client that reaches it.
#[derive(Debug, Clone)]
pub struct AppCalls {
    client: Client,
    table: String,
}

/// What storing a call, or the next version of one, did.
#[derive(Debug)]
pub enum Stored {
    /// It is stored.
    Now,
    /// Another stands in its place.
    Taken(Box<AppCall>),
    /// Nothing: one of the two was called, or called, meanwhile, or what was to be
    /// replaced is gone.
    Raced,
}

impl AppCalls {
    /// Wraps a client.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        AppCalls {
            client,
            table: table.into(),
        }
    }

    /// The table itself.
    pub fn table(&self) -> Table<'_> {
        Table::Calls(&self.table)
    }

    /// The call of that id. Eventually consistent reads (`latest` false) cost half, and
    /// may miss what was just written.
    pub async fn get(&self, id: &AppCallId, latest: bool) -> Result<Option<AppCall>, StoreError> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("line", text(line(&id.booking)))
            .key("seq", number(id.seq))
            .consistent_read(latest)
            .send()
            .await
            .map_err(|error| StoreError::from_sdk(&error))?;
        answer.item.map(read).transpose()
    }

    /// The booking's newest call; `latest` as for [`AppCalls::get`].
    pub async fn newest(
        &self,
        booking: &BookingId,
        latest: bool,
    ) -> Result<Option<AppCall>, StoreError> {
        Ok(self.last(booking, 1, latest).await?.into_iter().next())
    }

    /// The booking's calls, newest first, the newest [`MAX_ROWS`] at most. Those that
    /// have expired are left out, whether or not DynamoDB has removed them yet.
    pub async fn history(
        &self,
        booking: &BookingId,
        now: Timestamp,
    ) -> Result<Vec<AppCall>, StoreError> {
        let mut calls = self.last(booking, MAX_ROWS, true).await?;
        calls.retain(|call| call.expires_at > now.as_second());
        Ok(calls)
    }

    /// The booking's newest calls, newest first, so many at most; `latest` as for
    /// [`AppCalls::get`].
    pub async fn last(
        &self,
        booking: &BookingId,
        most: i32,
        latest: bool,
    ) -> Result<Vec<AppCall>, StoreError> {
        let answer = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("line = :line")
            .expression_attribute_values(":line", text(line(booking)))
            .scan_index_forward(false)
            .consistent_read(latest)
            .limit(most)
            .send()
            .await
            .map_err(|error| StoreError::from_sdk(&error))?;
        let items = answer.items.unwrap_or_default();
        items.into_iter().map(read).collect()
    }

    /// Stores a call that begins, and points both users at it, or changes nothing: one
    /// transaction, which holds only where its place is free and neither of the two
    /// points at another call than `caller` and `receiver` did.
    pub async fn start(
        &self,
        call: &AppCall,
        connections: &Connections,
        caller: &Pointer,
        receiver: &Pointer,
    ) -> Result<Stored, StoreError> {
        let place = Put::builder()
            .table_name(&self.table)
            .set_item(Some(write(call)?))
            .condition_expression("attribute_not_exists(line)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .map_err(|_| MALFORMED)?;
        let id = call.id();
        let sent = self
            .client
            .transact_write_items()
            .transact_items(TransactWriteItem::builder().put(place).build())
            .transact_items(connections.point(caller, &id, call.expires_at)?)
            .transact_items(connections.point(receiver, &id, call.expires_at)?)
            .send()
            .await;
        let Err(error) = sent else {
            return Ok(Stored::Now);
        };
        let Some(TransactWriteItemsError::TransactionCanceledException(canceled)) =
            error.as_service_error()
        else {
            return Err(StoreError::from_sdk(&error));
        };
        let reasons = canceled.cancellation_reasons();
        let raced = |reason: &&CancellationReason| {
            matches!(
                reason.code(),
                Some("ConditionalCheckFailed" | "TransactionConflict")
            )
        };
        if let Some(occupant) = reasons.first().and_then(CancellationReason::item) {
            return occupied(call, read(occupant.clone())?);
        }
        match reasons.iter().find(raced) {
            Some(_) => Ok(Stored::Raced),
            None => {
                let code = reasons.iter().find_map(CancellationReason::code);
                Err(StoreError::Unavailable(code.unwrap_or("canceled").into()))
            }
        }
    }

    /// Stores a call that nobody is rung for, unless its place is taken.
    pub async fn add(&self, call: &AppCall) -> Result<Stored, StoreError> {
        self.put(call, "attribute_not_exists(line)", None).await
    }

    /// Stores a call's next version, if the one before it still stands: else that which does.
    pub async fn advance(&self, next: &AppCall) -> Result<Stored, StoreError> {
        self.put(next, "version = :before", Some(next.version - 1))
            .await
    }

    async fn put(
        &self,
        call: &AppCall,
        condition: &str,
        before: Option<u64>,
    ) -> Result<Stored, StoreError> {
        let mut request = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(write(call)?))
            .condition_expression(condition)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        if let Some(version) = before {
            request = request.expression_attribute_values(":before", number(version));
        }
        match request.send().await {
            Ok(_) => Ok(Stored::Now),
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(refusal)) => {
                    match refusal.item() {
                        Some(item) => occupied(call, read(item.clone())?),
                        None => Ok(Stored::Raced),
                    }
                }
                // A transaction that wants the same place is under way.
                Some(PutItemError::TransactionConflictException(_)) => {
                    match self.get(&call.id(), true).await? {
                        Some(stands) => occupied(call, stands),
                        None => Ok(Stored::Raced),
                    }
                }
                _ => Err(StoreError::from_sdk(&error)),
            },
        }
    }
}

fn line(booking: &BookingId) -> String {
    format!("booking#{booking}")
}

/// What `call` found in its place: another one, or itself, by our own write that was sent
/// again after its answer was lost. An item's times are less precise than a clock's.
fn occupied(call: &AppCall, stands: AppCall) -> Result<Stored, StoreError> {
    Ok(match stands == read(write(call)?)? {
        true => Stored::Now,
        false => Stored::Taken(Box::new(stands)),
    })
}

fn write(call: &AppCall) -> Result<Item, StoreError> {
    let mut item: Item = serde_dynamo::to_item(call).map_err(|_| MALFORMED)?;
    item.insert("line".to_owned(), text(line(&call.booking)));
    Ok(item)
}

fn read(item: Item) -> Result<AppCall, StoreError> {
    serde_dynamo::from_item(item).map_err(|_| MALFORMED)
}
