//! Bookings: the two who may call each other, and when.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::tag::TagCode;
use super::time::{self, Timestamp};

/// The host application's id of a booking, 1..64 of `A-Z a-z 0-9 - _ . :`, compared
/// with case.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BookingId(String);

/// What the ids of visits begin with; no booking of the host application's may.
const VISIT: &str = "visit:";

impl BookingId {
    /// The id of the visit of that name.
    pub(super) fn of_visit(name: &str) -> Self {
        BookingId(format!("{VISIT}{name}"))
    }

    /// Whether it is the id of a [visit](super::visit).
    pub fn is_visit(&self) -> bool {
        self.0.starts_with(VISIT)
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The message for a booking's id that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 64 letters, digits, hyphens, underscores, dots or colons")]
pub struct InvalidBookingId;

impl FromStr for BookingId {
    type Err = InvalidBookingId;

    fn from_str(text: &str) -> Result<Self, InvalidBookingId> {
        let fits = (1..=64).contains(&text.len());
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.:".contains(&b);
        // URLs cannot hold the names of this folder and the one above.
        let nameable = text != "." && text != "..";
        (fits && nameable && text.bytes().all(plain))
            .then(|| BookingId(text.to_owned()))
            .ok_or(InvalidBookingId)
    }
}

impl TryFrom<String> for BookingId {
    type Error = InvalidBookingId;

    fn try_from(text: String) -> Result<Self, InvalidBookingId> {
        text.parse()
    }
}

impl From<BookingId> for String {
    fn from(id: BookingId) -> String {
        id.0
    }
}

impl fmt::Display for BookingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How far a booking has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Asked for.
    Pending,
    /// The provider will come.
    Accepted,
    /// The provider is there.
    InProgress,
    /// Done.
    Completed,
    /// It will not be done.
    Cancelled,
}

impl Status {
    /// Whether the two may call each other.
    pub fn calls_allowed(self) -> bool {
        matches!(self, Status::Accepted | Status::InProgress)
    }

    /// The status as the API writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Pending => "pending",
            Status::Accepted => "accepted",
            Status::InProgress => "in_progress",
            Status::Completed => "completed",
            Status::Cancelled => "cancelled",
        }
    }
}

/// One of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Who booked.
    User,
    /// Who was booked.
    Provider,
}

impl Role {
    /// The one they call.
    pub fn other(self) -> Self {
        match self {
            Role::User => Role::Provider,
            Role::Provider => Role::User,
        }
    }
}

/// A booking as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Booking {
    /// Its id.
    #[serde(rename = "pk")]
    pub id: BookingId,
    /// The user's id (the `sub` of their tokens).
    pub user_id: String,
    /// The user's name, as the provider sees it.
    pub user_name: String,
    /// The provider's id, another one.
    pub provider_id: String,
    /// The provider's name, as the user sees it.
    pub provider_name: String,
    /// What was booked.
    pub service_name: String,
    /// How far it has come.
    pub status: Status,
    /// The tag that is visited; only a visit has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<TagCode>,
    /// When the last call may begin; only a visit says.
    #[serde(
        with = "time::text::option",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub open_until: Option<Timestamp>,
    /// When it counts as gone and may be removed, Unix seconds (DynamoDB's TTL attribute);
    /// only a visit goes by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<i64>,
    /// When it was first stored.
    #[serde(with = "time::text")]
    pub created_at: Timestamp,
    /// When it was last stored.
    #[serde(with = "time::text")]
    pub updated_at: Timestamp,
}

/// A booking as the API shows it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BookingView<'a> {
    booking_id: &'a BookingId,
    user_id: &'a str,
    user_name: &'a str,
    provider_id: &'a str,
    provider_name: &'a str,
    service_name: &'a str,
    status: Status,
}

impl Booking {
    /// What somebody is in this booking, if anything.
    pub fn role_of(&self, user_id: &str) -> Option<Role> {
        [Role::User, Role::Provider]
            .into_iter()
            .find(|role| self.id_of(*role) == user_id)
    }

    /// Why no call may begin at `now`, if so.
    pub fn closed(&self, now: Timestamp) -> Option<&'static str> {
        if !self.status.calls_allowed() {
            return Some(
                "the booking's status allows no calls; it must be accepted or in_progress",
            );
        }
        let over = self.open_until.is_some_and(|until| until <= now);
        over.then_some("the time to begin a call is over")
    }

    /// Whether it counts as gone at `now`.
    pub fn expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|at| at <= now.as_second())
    }

    /// Who that is: a user id.
    pub fn id_of(&self, role: Role) -> &str {
        match role {
            Role::User => &self.user_id,
            Role::Provider => &self.provider_id,
        }
    }

    /// What the other one sees of who that is.
    pub fn name_of(&self, role: Role) -> &str {
        match role {
            Role::User => &self.user_name,
            Role::Provider => &self.provider_name,
        }
    }

    /// The booking as the API shows it.
    pub fn view(&self) -> BookingView<'_> {
        BookingView {
            booking_id: &self.id,
            user_id: &self.user_id,
            user_name: &self.user_name,
            provider_id: &self.provider_id,
            provider_name: &self.provider_name,
            service_name: &self.service_name,
            status: self.status,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn ids() {
        for good in ["1", "BK-2026_1.a:b", "...", &"x".repeat(64)] {
            assert_eq!(good.parse::<BookingId>().unwrap().as_str(), good);
        }
        for bad in [
            "",
            ".",
            "..",
            "a b",
            "a/b",
            "käfer",
            "a\n",
            "a#b",
            &"x".repeat(65),
        ] {
            assert_eq!(bad.parse::<BookingId>(), Err(InvalidBookingId), "{bad:?}");
        }
        let (upper, lower): (BookingId, BookingId) = ("A".parse().unwrap(), "a".parse().unwrap());
        assert_ne!(upper, lower);
    }

    #[test]
    fn statuses_are_written_one_way() {
        let all = [
            Status::Pending,
            Status::Accepted,
            Status::InProgress,
            Status::Completed,
            Status::Cancelled,
        ];
        for status in all {
            let json = serde_json::to_value(status).unwrap();
            assert_eq!(json, status.as_str());
        }
        let allowed: Vec<_> = all.into_iter().filter(|s| s.calls_allowed()).collect();
        assert_eq!(allowed, [Status::Accepted, Status::InProgress]);
    }

    #[test]
    fn each_is_somebody_to_the_other() {
        let at: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        let booking = Booking {
            id: "b".parse().unwrap(),
            user_id: "u".into(),
            user_name: "Asha".into(),
            provider_id: "p".into(),
            provider_name: "Ravi".into(),
            service_name: "Plumbing".into(),
            status: Status::Accepted,
            tag: None,
            open_until: None,
            expires_at: None,
            created_at: at,
            updated_at: at,
        };
        assert_eq!(booking.role_of("u"), Some(Role::User));
        assert_eq!(booking.role_of("p"), Some(Role::Provider));
        assert_eq!(booking.role_of("U"), None);
        let receiver = Role::User.other();
        assert_eq!(
            (booking.id_of(receiver), booking.name_of(receiver)),
            ("p", "Ravi")
        );
        assert_eq!(receiver.other(), Role::User);
    }
}
