//! The Tags table: a tag under its code, and a copy of it under each thing that a
//! call may be routed by, its own number and its extension.
//!
//! | pk | holds |
//! |---|---|
//! | `tag#{code in lower case}` | the tag |
//! | `number#{E.164}` | a copy, for tags with a number of their own |
//! | `ext#{six digits}` | a copy |
//!
//! A webhook so finds its tag in one read. The copies are written in one
//! transaction with the tag, so that they always agree.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{Delete, Put, TransactWriteItem};

use super::{AttributeValue, StoreError, Table, number, text};
use crate::domain::phone::PhoneNumber;
use crate::domain::tag::{Extension, Identity, Line, Tag, TagCode, TagSpec};
use crate::domain::time::Timestamp;

const PK: &str = "pk";
/// How often a change is tried again after a concurrent one came first.
const TRIES: u32 = 8;

/// The table, and the client that reaches it.
#[derive(Debug, Clone)]
pub struct Tags {
    client: Client,
    table: String,
}

/// Why a tag could not be stored.
#[derive(Debug, thiserror::Error)]
pub enum PutError {
    /// Another tag has that virtual number.
    #[error("another tag has this virtual number")]
    NumberTaken,
    /// The store's own failure.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What storing a tag did.
#[derive(Debug)]
pub enum Stored {
    /// The code was new.
    Created(Tag),
    /// A tag of that code was replaced; it keeps its extension and its calls.
    Replaced(Tag),
}

impl Tags {
    /// Wraps a client.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Tags {
            client,
            table: table.into(),
        }
    }

    /// The table itself.
    pub fn table(&self) -> Table<'_> {
        Table::Tags(&self.table)
    }

    /// The tag of that code.
    pub async fn by_code(&self, code: &TagCode) -> Result<Option<Tag>, StoreError> {
        self.read(code_key(code)).await
    }

    /// The tag that owns that virtual number.
    pub async fn by_number(&self, number: &PhoneNumber) -> Result<Option<Tag>, StoreError> {
        self.read(number_key(number)).await
    }

    /// The tag of that extension.
    pub async fn by_extension(&self, extension: &Extension) -> Result<Option<Tag>, StoreError> {
        self.read(extension_key(extension)).await
    }

    /// Creates or replaces a tag with all its copies, or changes nothing.
    ///
    /// Each race is settled by a condition of the one transaction: two changes of
    /// one tag by its version and line, two tags for one number by the number's item, two
    /// new tags that drew the same extension by the extension's item.
    pub async fn put(&self, spec: TagSpec, now: Timestamp) -> Result<Stored, PutError> {
        for _ in 0..TRIES {
            let old = self.by_code(&spec.code).await?;
            let identity = match &old {
                Some(old) => old.successor(),
                None => fresh(spec.code.clone(), now)?,
            };
            let new = Tag::new(spec.clone(), identity, now);
            match self.write(old.as_ref(), &new).await? {
                Written::Yes if old.is_some() => return Ok(Stored::Replaced(new)),
                Written::Yes => return Ok(Stored::Created(new)),
                Written::NumberTaken => return Err(PutError::NumberTaken),
                Written::Raced => {}
            }
        }
        Err(StoreError::Contended.into())
    }

    /// Deletes a tag with all its copies, or changes nothing; `false` if there is none.
    ///
    /// That the tag is unchanged is the only condition: its copies change with it.
    pub async fn delete(&self, code: &TagCode) -> Result<bool, StoreError> {
        for _ in 0..TRIES {
            let Some(old) = self.by_code(code).await? else {
                return Ok(false);
            };
            let mut items = vec![
                self.delete_if(code_key(&old.code), Some(unchanged(&old)))?,
                self.delete_if(extension_key(&old.extension), None)?,
            ];
            if let Some(own) = &old.virtual_number {
                items.push(self.delete_if(number_key(own), None)?);
            }
            if let Written::Yes = self.transact(items).await? {
                return Ok(true);
            }
        }
        Err(StoreError::Contended)
    }

    async fn read(&self, key: String) -> Result<Option<Tag>, StoreError> {
        // Consistent, because a tag that was just disabled must not ring.
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .key(PK, text(key))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| StoreError::from_sdk(&error))?;
        answer
            .item
            .map(|item| serde_dynamo::from_item(item).map_err(|_| MALFORMED))
            .transpose()
    }

    async fn write(&self, old: Option<&Tag>, new: &Tag) -> Result<Written, StoreError> {
        let code = text(new.code.as_str());
        let still = match old {
            Some(old) => unchanged(old),
            None => Condition::new("attribute_not_exists(pk)"),
        };
        let mine = Condition::new("attribute_not_exists(pk) OR code = :code").with(":code", code);
        let extension_free = match old {
            Some(_) => mine.clone(),
            None => Condition::new("attribute_not_exists(pk)"),
        };

        let mut items = vec![
            self.put_if(new, code_key(&new.code), still)?,
            self.put_if(new, extension_key(&new.extension), extension_free)?,
        ];
        if let Some(own) = &new.virtual_number {
            items.push(self.put_if(new, number_key(own), mine)?);
        }
        let given_up = old
            .and_then(|old| old.virtual_number.as_ref())
            .filter(|own| new.virtual_number.as_ref() != Some(own));
        if let Some(own) = given_up {
            items.push(self.delete_if(number_key(own), None)?);
        }
        self.transact(items).await
    }

    /// Writes all the items or none. The SDK names the request, so that one which is
    /// sent again after its answer was lost is not taken for another.
    async fn transact(&self, items: Vec<TransactWriteItem>) -> Result<Written, StoreError> {
        let sent = self
            .client
            .transact_write_items()
            .set_transact_items(Some(items))
            .send()
            .await;
        match sent {
            Ok(_) => Ok(Written::Yes),
            Err(error) => why_canceled(&error).ok_or_else(|| StoreError::from_sdk(&error)),
        }
    }

    fn put_if(
        &self,
        tag: &Tag,
        key: String,
        condition: Condition,
    ) -> Result<TransactWriteItem, StoreError> {
        let mut item: HashMap<String, AttributeValue> =
            serde_dynamo::to_item(tag).map_err(|_| MALFORMED)?;
        item.insert(PK.to_owned(), text(key));
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression(condition.expression)
            .set_expression_attribute_values(condition.values)
            .build()
            .map_err(|_| StoreError::Refused("construction".into()))?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    fn delete_if(
        &self,
        key: String,
        condition: Option<Condition>,
    ) -> Result<TransactWriteItem, StoreError> {
        let (expression, values) = match condition {
            Some(condition) => (Some(condition.expression.to_owned()), condition.values),
            None => (None, None),
        };
        let delete = Delete::builder()
            .table_name(&self.table)
            .key(PK, text(key))
            .set_condition_expression(expression)
            .set_expression_attribute_values(values)
            .build()
            .map_err(|_| StoreError::Refused("construction".into()))?;
        Ok(TransactWriteItem::builder().delete(delete).build())
    }
}

const MALFORMED: StoreError = StoreError::Malformed { table: "tags" };

enum Written {
    Yes,
    NumberTaken,
    Raced,
}

/// What a canceled transaction means; `None` if the error is another one. The
/// reasons come in the order of the items: tag, extension, own number.
fn why_canceled(error: &SdkError<TransactWriteItemsError>) -> Option<Written> {
    let canceled = match error.as_service_error()? {
        TransactWriteItemsError::TransactionCanceledException(canceled) => canceled,
        _ => return None,
    };
    let failed = |index: usize| {
        let code = canceled.cancellation_reasons().get(index)?.code()?;
        Some(code == "ConditionalCheckFailed")
    };
    let raced = |reason: &aws_sdk_dynamodb::types::CancellationReason| {
        matches!(
            reason.code(),
            Some("ConditionalCheckFailed" | "TransactionConflict")
        )
    };
    if failed(2) == Some(true) && failed(0) != Some(true) {
        return Some(Written::NumberTaken);
    }
    canceled
        .cancellation_reasons()
        .iter()
        .any(raced)
        .then_some(Written::Raced)
}

#[derive(Clone)]
struct Condition {
    expression: &'static str,
    values: Option<HashMap<String, AttributeValue>>,
}

impl Condition {
    fn new(expression: &'static str) -> Self {
        Condition {
            expression,
            values: None,
        }
    }

    fn with(mut self, name: &str, value: AttributeValue) -> Self {
        self.values
            .get_or_insert_default()
            .insert(name.to_owned(), value);
        self
    }
}

/// The tag is still as it was read. The line, because one that was deleted and made
/// again counts its versions from 1 again.
fn unchanged(old: &Tag) -> Condition {
    Condition::new("version = :version AND line = :line")
        .with(":version", number(old.version))
        .with(":line", text(old.line.as_str()))
}

fn code_key(code: &TagCode) -> String {
    format!("tag#{}", code.key())
}

fn number_key(number: &PhoneNumber) -> String {
    format!("number#{}", number.expose())
}

fn extension_key(extension: &Extension) -> String {
    format!("ext#{}", extension.as_str())
}

/// What the system gives a tag that is new.
fn fresh(code: TagCode, now: Timestamp) -> Result<Identity, StoreError> {
    let no_random = |_| StoreError::Unavailable("randomness".into());
    Ok(Identity {
        code,
        extension: Extension::from_random(getrandom::u32().map_err(no_random)?),
        line: Line::from_random(getrandom::u64().map_err(no_random)?),
        version: 1,
        created_at: now,
    })
}
