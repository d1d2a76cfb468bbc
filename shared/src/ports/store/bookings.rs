//! The Bookings table: an item a booking or visit, under its id.
//!
//! No write is decided by what was read before: a booking is replaced in one update,
//! which keeps the time of its first one, and a visit is written once.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::ReturnValue;

use super::{Item, StoreError, Table, text};
use crate::domain::booking::{Booking, BookingId};
use crate::domain::time::{Timestamp, rfc3339};

const PK: &str = "pk";
const MALFORMED: StoreError = StoreError::Malformed { table: "bookings" };

/// The table, and the client that reaches it.
#[derive(Debug, Clone)]
pub struct Bookings {
    client: Client,
    table: String,
}

/// What storing a booking did.
#[derive(Debug)]
pub enum Stored {
    /// The id was new.
    Created(Booking),
    /// The booking of that id was replaced; it keeps the time it was made.
    Replaced(Booking),
}

impl Bookings {
    /// Wraps a client.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Bookings {
            client,
            table: table.into(),
        }
    }

    /// The table itself.
    pub fn table(&self) -> Table<'_> {
        Table::Bookings(&self.table)
    }

    /// The booking of that id. What has expired is not there, removed yet or not.
    pub async fn get(&self, id: &BookingId, now: Timestamp) -> Result<Option<Booking>, StoreError> {
        // Consistent, because a booking that was just cancelled allows no call.
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .key(PK, text(id.as_str()))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| StoreError::from_sdk(&error))?;
        let booking = answer.item.map(serde_dynamo::from_item::<Item, Booking>);
        let booking = booking.transpose().map_err(|_| MALFORMED)?;
        Ok(booking.filter(|booking| !booking.expired(now)))
    }

    /// Stores a new visit. Its id is random, so it is nobody else's.
    pub async fn add(&self, visit: &Booking) -> Result<(), StoreError> {
        let item = serde_dynamo::to_item(visit).map_err(|_| MALFORMED)?;
        self.client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .send()
            .await
            .map_err(|error| StoreError::from_sdk(&error))?;
        Ok(())
    }

    /// Creates or replaces a booking.
    pub async fn put(&self, booking: &Booking) -> Result<Stored, StoreError> {
        let answer = self
            .client
            .update_item()
            .table_name(&self.table)
            .key(PK, text(booking.id.as_str()))
            .update_expression(
                "SET userId = :userId, userName = :userName, providerId = :providerId, \
                 providerName = :providerName, serviceName = :serviceName, #status = :status, \
                 createdAt = if_not_exists(createdAt, :createdAt), updatedAt = :updatedAt",
            )
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":userId", text(&booking.user_id))
            .expression_attribute_values(":userName", text(&booking.user_name))
            .expression_attribute_values(":providerId", text(&booking.provider_id))
            .expression_attribute_values(":providerName", text(&booking.provider_name))
            .expression_attribute_values(":serviceName", text(&booking.service_name))
            .expression_attribute_values(":status", text(booking.status.as_str()))
            .expression_attribute_values(":createdAt", text(rfc3339(booking.created_at)))
            .expression_attribute_values(":updatedAt", text(rfc3339(booking.updated_at)))
            .return_values(ReturnValue::AllNew)
            .send()
            .await
            .map_err(|error| StoreError::from_sdk(&error))?;
        let item = answer.attributes.unwrap_or_default();
        let stored: Booking = serde_dynamo::from_item(item).map_err(|_| MALFORMED)?;
        // Rather than whether there was an item before: a request that is sent again
        // after its answer was lost finds its own.
        let created = rfc3339(stored.created_at) == rfc3339(booking.created_at);
        Ok(match created {
            true => Stored::Created(stored),
            false => Stored::Replaced(stored),
        })
    }

    /// Deletes a booking; `false` if there is none.
    ///
    /// What it says is read before, for the same reason: of two deletes at once both
    /// may say that they did it.
    pub async fn delete(&self, id: &BookingId, now: Timestamp) -> Result<bool, StoreError> {
        if self.get(id, now).await?.is_none() {
            return Ok(false);
        }
        self.client
            .delete_item()
            .table_name(&self.table)
            .key(PK, text(id.as_str()))
            .send()
            .await
            .map_err(|error| StoreError::from_sdk(&error))?;
        Ok(true)
    }
}
