//! Time as the API shows it: RFC 3339, UTC, milliseconds.

pub use jiff::Timestamp;

/// `2026-11-21T12:00:00.000Z`. Of fixed width, so that text sorts as time does.
pub fn rfc3339(at: Timestamp) -> String {
    format!("{at:.3}")
}

/// Whole seconds from `start` to `end`, 0 if `end` comes first.
pub fn seconds_between(start: Timestamp, end: Timestamp) -> u32 {
    u32::try_from(end.as_second() - start.as_second()).unwrap_or(0)
}

/// `at` moved by whole seconds; the end of time where that would overflow.
pub fn add_seconds(at: Timestamp, seconds: i64) -> Timestamp {
    at.checked_add(jiff::SignedDuration::from_secs(seconds))
        .unwrap_or(Timestamp::MAX)
}

/// For `#[serde(with = "…")]`: a [`Timestamp`] as [`rfc3339`] text.
pub mod text {
    use super::{Timestamp, rfc3339};
    use serde::{Deserialize, Deserializer, Serializer};

    /// Writes the text.
    pub fn serialize<S: Serializer>(at: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&rfc3339(*at))
    }

    /// Reads RFC 3339 text.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
        String::deserialize(from)?
            .parse()
            .map_err(serde::de::Error::custom)
    }

    /// The same for an optional time; absent or null is `None`.
    pub mod option {
        use super::{Deserialize, Deserializer, Serializer, Timestamp, rfc3339};

        /// Writes the text, or null.
        pub fn serialize<S: Serializer>(at: &Option<Timestamp>, to: S) -> Result<S::Ok, S::Error> {
            match at {
                Some(at) => to.serialize_str(&rfc3339(*at)),
                None => to.serialize_none(),
            }
        }

        /// Reads RFC 3339 text, or null.
        pub fn deserialize<'de, D: Deserializer<'de>>(
            from: D,
        ) -> Result<Option<Timestamp>, D::Error> {
            Option::<String>::deserialize(from)?
                .map(|text| text.parse().map_err(serde::de::Error::custom))
                .transpose()
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn text_has_milliseconds_and_a_fixed_width() {
        for (given, shown) in [
            ("2026-11-21T12:00:00Z", "2026-11-21T12:00:00.000Z"),
            ("2026-11-21T13:00:00.5+01:00", "2026-11-21T12:00:00.500Z"),
            ("2026-11-21T12:00:00.123999Z", "2026-11-21T12:00:00.123Z"),
        ] {
            assert_eq!(rfc3339(given.parse().unwrap()), shown);
        }
    }

    #[test]
    fn seconds_never_go_below_zero() {
        let at: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        assert_eq!(seconds_between(at, add_seconds(at, 42)), 42);
        assert_eq!(seconds_between(add_seconds(at, 42), at), 0);
    }
}
