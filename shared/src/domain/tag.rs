//! Tags: the stickers that visitors scan, and the rules of their fields.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::phone::{self, Country, PhoneNumber, whole};
use super::time::{self, Timestamp};

/// A tag's code, 3..64 of `A-Z a-z 0-9 - _`. Kept as it was written, compared
/// without case: [`TagCode::key`] is what two equal codes share.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TagCode(String);

impl TagCode {
    /// The code in lower case.
    pub fn key(&self) -> String {
        self.0.to_ascii_lowercase()
    }

    /// The code as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The message for a code that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 3 to 64 letters, digits, hyphens or underscores")]
pub struct InvalidTagCode;

impl FromStr for TagCode {
    type Err = InvalidTagCode;

    fn from_str(text: &str) -> Result<Self, InvalidTagCode> {
        let fits = (3..=64).contains(&text.len());
        let plain = text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        (fits && plain)
            .then(|| TagCode(text.to_owned()))
            .ok_or(InvalidTagCode)
    }
}

impl TryFrom<String> for TagCode {
    type Error = InvalidTagCode;

    fn try_from(text: String) -> Result<Self, InvalidTagCode> {
        text.parse()
    }
}

impl From<TagCode> for String {
    fn from(code: TagCode) -> String {
        code.0
    }
}

impl fmt::Display for TagCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl PartialEq for TagCode {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for TagCode {}

/// The six digits that a caller keys in to reach a tag on a shared number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Extension(String);

impl Extension {
    /// How many digits.
    pub const DIGITS: u8 = 6;

    /// The digits that were keyed in, if they have the form of an extension.
    pub fn read(keyed: &str) -> Option<Self> {
        let fits = keyed.len() == usize::from(Self::DIGITS);
        (fits && keyed.bytes().all(|b| b.is_ascii_digit())).then(|| Extension(keyed.to_owned()))
    }

    /// The extension that a random number stands for.
    pub fn from_random(random: u32) -> Self {
        Extension(format!("{:06}", random % 1_000_000))
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Extension {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        Extension::read(&text).ok_or("not six digits")
    }
}

impl From<Extension> for String {
    fn from(extension: Extension) -> String {
        extension.0
    }
}

/// A tag's own series of calls: random, given once, kept while the tag lives.
/// A code that is deleted and made again starts a new line, so that its next
/// owner never sees the calls of the one before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Line(String);

impl Line {
    const LENGTH: usize = 16;

    /// The line that a random number stands for, as 16 hexadecimal digits.
    pub fn from_random(random: u64) -> Self {
        Line(format!("{random:016x}"))
    }

    /// The line as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Line {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let plain = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        (text.len() == Self::LENGTH && plain)
            .then(|| Line(text.to_owned()))
            .ok_or("not a line")
    }
}

impl TryFrom<String> for Line {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        text.parse()
    }
}

impl From<Line> for String {
    fn from(line: Line) -> String {
        line.0
    }
}

/// What an admin says a tag is; the rest of [`Tag`] the system adds.
#[derive(Debug, Clone)]
pub struct TagSpec {
    /// The code on the sticker.
    pub code: TagCode,
    /// The owner's user id (the `sub` of their tokens).
    pub owner_id: String,
    /// Whom a visitor's call reaches.
    pub owner_phone: PhoneNumber,
    /// The country of that number.
    pub owner_country: Country,
    /// What the owner calls it: "Blue hatchback".
    pub label: String,
    /// A virtual number that is this tag's alone.
    pub virtual_number: Option<PhoneNumber>,
    /// Whether visitors can reach the owner.
    pub enabled: bool,
}

/// A tag as it is stored. `Serialize` here writes database items, with the
/// number whole; what an API client sees is [`TagView`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tag {
    /// The code on the sticker.
    pub code: TagCode,
    /// The owner's user id.
    pub owner_id: String,
    /// Whom a visitor's call reaches.
    #[serde(with = "whole")]
    pub owner_phone: PhoneNumber,
    /// The country of that number: kept, so that whether it may be dialled can be
    /// asked at each call without the metadata that reading numbers takes.
    pub owner_country: Country,
    /// What the owner calls it.
    pub label: String,
    /// A virtual number that is this tag's alone.
    #[serde(
        with = "whole::option",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub virtual_number: Option<PhoneNumber>,
    /// Whether visitors can reach the owner.
    pub enabled: bool,
    /// What a caller keys in on a shared number.
    pub extension: Extension,
    /// The series of this tag's calls.
    pub line: Line,
    /// Counts the changes, from 1.
    pub version: u64,
    /// When it was made.
    #[serde(with = "time::text")]
    pub created_at: Timestamp,
    /// When it was last changed.
    #[serde(with = "time::text")]
    pub updated_at: Timestamp,
}

/// A tag as the API shows it: the owner's number masked.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TagView<'a> {
    short_code: &'a TagCode,
    owner_id: &'a str,
    owner_phone: &'a PhoneNumber,
    label: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    virtual_number: Option<&'a str>,
    enabled: bool,
    extension: &'a Extension,
}

/// What the system adds to a [`TagSpec`], and what a replaced tag keeps.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The code as it was first written.
    pub code: TagCode,
    /// What a caller keys in on a shared number.
    pub extension: Extension,
    /// The series of this tag's calls.
    pub line: Line,
    /// Counts the changes, from 1.
    pub version: u64,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Tag {
    /// A tag as it is after a change at `now`.
    pub fn new(spec: TagSpec, identity: Identity, now: Timestamp) -> Self {
        Tag {
            code: identity.code,
            owner_id: spec.owner_id,
            owner_phone: spec.owner_phone,
            owner_country: spec.owner_country,
            label: spec.label,
            virtual_number: spec.virtual_number,
            enabled: spec.enabled,
            extension: identity.extension,
            line: identity.line,
            version: identity.version,
            created_at: identity.created_at,
            updated_at: now,
        }
    }

    /// Whether visitors can reach the owner: enabled, and in a country that may
    /// (still) be dialled.
    pub fn reachable(&self, allowed: &[Country]) -> bool {
        self.enabled && allowed.contains(&self.owner_country)
    }

    /// The label as strangers see it. Directional overrides go, because they would turn the
    /// words around it, and so does what shows as a box; marks and joiners, which some
    /// scripts need, stay. Where nothing is left to see, the code stands in.
    pub fn shown_label(&self) -> String {
        let turns = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        let visible = self.label.chars().filter(|c| !c.is_control() && !turns(*c));
        let visible: String = visible.collect();
        match visible.trim() {
            "" => self.code.to_string(),
            visible => visible.to_owned(),
        }
    }

    /// The same, unless it may hold a phone number: what one side is told of the other may not.
    pub fn label_without_number(&self) -> Option<String> {
        Some(self.shown_label()).filter(|label| !phone::may_be_in(label))
    }

    /// What the tag keeps when it is replaced; the version counts on.
    pub fn successor(&self) -> Identity {
        Identity {
            code: self.code.clone(),
            extension: self.extension.clone(),
            line: self.line.clone(),
            version: self.version + 1,
            created_at: self.created_at,
        }
    }

    /// The tag as the API shows it.
    pub fn view(&self) -> TagView<'_> {
        TagView {
            short_code: &self.code,
            owner_id: &self.owner_id,
            owner_phone: &self.owner_phone,
            label: &self.label,
            // A virtual number is public: it is printed on the sticker.
            virtual_number: self.virtual_number.as_ref().map(PhoneNumber::expose),
            enabled: self.enabled,
            extension: &self.extension,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn codes() {
        for good in ["abc", "A-b_9", &"x".repeat(64)] {
            assert_eq!(good.parse::<TagCode>().unwrap().as_str(), good);
        }
        for bad in [
            "",
            "ab",
            &"x".repeat(65),
            "a b",
            "a/b",
            "käfer",
            "abc\n",
            "a.b.c",
        ] {
            assert_eq!(bad.parse::<TagCode>(), Err(InvalidTagCode), "{bad:?}");
        }
        let (upper, lower): (TagCode, TagCode) = ("ABC".parse().unwrap(), "abc".parse().unwrap());
        assert_eq!(upper, lower);
        assert_eq!(upper.key(), lower.key());
    }

    #[test]
    fn extensions() {
        assert_eq!(Extension::read("012345").unwrap().as_str(), "012345");
        for bad in ["", "12345", "1234567", "12345#", "１２３４５６", "-12345"] {
            assert!(Extension::read(bad).is_none(), "{bad:?}");
        }
        assert_eq!(Extension::from_random(7).as_str(), "000007");
        assert_eq!(Extension::from_random(u32::MAX).as_str(), "967295");
    }
}
