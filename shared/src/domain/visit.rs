//! Visits: somebody on a tag's page who may ring the tag's owner from it, and be rung back.
//!
//! A visit is a booking that the system makes and that is open for a short time, with the
//! visitor as its user and the owner as its provider, so a call in it is like any other.
//! Visit and visitor share one random name: a visitor is a party of their own visit, thus of
//! one tag, and of nothing else.

use super::booking::{Booking, BookingId, Status};
use super::tag::Tag;
use super::time::{Timestamp, add_seconds};

/// How long a call may begin after the visit was made, seconds.
pub const OPEN_SECONDS: i64 = 600;
/// What a visitor's user id begins with; no user of the host application's may.
const VISITOR: &str = "visitor:";

/// Whether a user id is a visitor's.
pub fn is_visitor(user_id: &str) -> bool {
    user_id.starts_with(VISITOR)
}

/// Whether a tag can still be visited by what was a visit to it once: it may have been
/// disabled since, or be somebody else's.
pub fn stands(visit: &Booking, tag: &Tag) -> bool {
    tag.enabled && tag.owner_id == visit.provider_id
}

/// A visit to a tag from `now` on. `random` names it; `kept_seconds` is how long it is kept,
/// because its calls' history is read through it.
pub fn open(tag: &Tag, random: u128, kept_seconds: i64, now: Timestamp) -> Booking {
    let name = format!("{random:032x}");
    let (visitor_name, label) = match tag.label_without_number() {
        Some(label) => (format!("Visitor at {label}"), label),
        None => ("Visitor at your tag".to_owned(), "Tag".to_owned()),
    };
    Booking {
        id: BookingId::of_visit(&name),
        user_id: format!("{VISITOR}{name}"),
        user_name: visitor_name,
        provider_id: tag.owner_id.clone(),
        provider_name: label.clone(),
        service_name: label,
        status: Status::Accepted,
        tag: Some(tag.code.clone()),
        open_until: Some(add_seconds(now, OPEN_SECONDS)),
        expires_at: Some(add_seconds(now, kept_seconds).as_second()),
        created_at: now,
        updated_at: now,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::domain::booking::Role;
    use crate::domain::phone::{Country, PhoneNumber};
    use crate::domain::tag::{Extension, Identity, Line, TagSpec};

    fn tag(label: &str, now: Timestamp) -> Tag {
        let spec = TagSpec {
            code: "demo-car".parse().unwrap(),
            owner_id: "owner-1".into(),
            owner_phone: PhoneNumber::from_e164("+919876543210").unwrap(),
            owner_country: Country::read("IN").unwrap(),
            label: label.into(),
            virtual_number: None,
            enabled: true,
        };
        let identity = Identity {
            code: spec.code.clone(),
            extension: Extension::from_random(1),
            line: Line::from_random(1),
            version: 1,
            created_at: now,
        };
        Tag::new(spec, identity, now)
    }

    #[test]
    fn a_visit_is_a_booking_of_the_tags_owner_for_ten_minutes() {
        let now: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        let visit = open(&tag("Blue hatchback", now), 0xabc, 86_400, now);
        let name = "00000000000000000000000000000abc";
        assert_eq!(visit.id.as_str(), format!("visit:{name}"));
        assert!(visit.id.is_visit() && is_visitor(&visit.user_id));
        assert_eq!(visit.user_id, format!("visitor:{name}"));
        assert_eq!(visit.role_of("owner-1"), Some(Role::Provider));
        assert_eq!(visit.name_of(Role::User), "Visitor at Blue hatchback");
        assert_eq!(visit.name_of(Role::Provider), "Blue hatchback");
        // The id is one that routes and frames take.
        assert_eq!(visit.id.as_str().parse(), Ok(visit.id.clone()));
        assert_eq!(visit.closed(now), None);
        assert_eq!(visit.closed(add_seconds(now, 599)), None);
        assert!(visit.closed(add_seconds(now, 600)).is_some());
        assert!(!visit.expired(add_seconds(now, 86_399)));
        assert!(visit.expired(add_seconds(now, 86_400)));
        assert_ne!(open(&tag("Van", now), 1, 1, now).id, visit.id);
    }

    #[test]
    fn a_visit_stands_as_long_as_the_tag_does() {
        let now: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        let mut tag = tag("Van", now);
        let visit = open(&tag, 1, 1, now);
        assert!(stands(&visit, &tag));
        tag.enabled = false;
        assert!(!stands(&visit, &tag));
        tag.enabled = true;
        tag.owner_id = "owner-2".to_owned();
        assert!(!stands(&visit, &tag));
    }

    #[test]
    fn a_label_with_what_may_be_a_number_is_not_told() {
        let now: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        let visit = open(&tag("Call 98765 43210", now), 1, 1, now);
        assert_eq!(visit.name_of(Role::User), "Visitor at your tag");
        let told = serde_json::to_string(&visit.view()).unwrap();
        assert!(!told.contains("98765") && !told.contains("43210"), "{told}");
    }
}
