//! Phone numbers: read from what people type, kept as E.164, shown masked.

use std::fmt;

use rlibphonenumber::{PhoneNumberFormat, PhoneNumberType, Region};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::numbering;

/// A number in E.164: `+`, country code, subscriber number, 15 digits at most
/// (ITU-T E.164). `Debug` and `Display` are masked, and so is `Serialize`:
/// [`PhoneNumber::expose`] and the [`whole`] module are the only ways to the digits.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PhoneNumber(String);

/// Why a typed number was refused. Never holds the number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPhone {
    /// Letters, an extension, or a sign that no phone number has.
    #[error("may hold digits, spaces, dots, hyphens, brackets and a leading + only")]
    Characters,
    /// Not a number that exists in its country, or a short code.
    #[error("is not a valid phone number; write it with its country code, as in +91")]
    NotANumber,
}

/// Why a valid number is not dialled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotDiallable {
    /// Its country is not one of ALLOWED_COUNTRIES.
    #[error("is in a country that calls are not allowed to")]
    Country,
    /// Neither a mobile nor a fixed line: premium, shared cost, pager, …
    #[error("is neither a mobile nor a fixed line")]
    Kind,
}

impl PhoneNumber {
    /// Reads what a person typed. A number without a country is one of `country`.
    ///
    /// Stricter than libphonenumber, which takes letters for keypad digits and
    /// drops extensions: both would call somebody else than was meant.
    pub fn read(typed: &str, country: Country) -> Result<Self, InvalidPhone> {
        let typed = typed.trim();
        let allowed = |(i, c): (usize, char)| {
            c.is_ascii_digit() || " -.()\u{a0}".contains(c) || (c == '+' && i == 0)
        };
        if typed.len() > 64 || !typed.char_indices().all(allowed) {
            return Err(InvalidPhone::Characters);
        }
        // 00 is how most of the world types +, whatever the default country dials.
        let international = typed.strip_prefix("00").map(|rest| format!("+{rest}"));
        numbering::parse(international.as_deref().unwrap_or(typed), Some(country.0))
            .filter(|(plans, parsed)| plans.is_valid_number(parsed))
            .and_then(|(plans, parsed)| {
                PhoneNumber::from_e164(&plans.format(&parsed, PhoneNumberFormat::E164))
            })
            .ok_or(InvalidPhone::NotANumber)
    }

    /// Takes a number that is already E.164, as carriers and our own records
    /// write it. Checks its form only, and loads no metadata.
    pub fn from_e164(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('+')?;
        let fits = (6..=15).contains(&digits.len());
        let plain = digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0');
        (fits && plain).then(|| PhoneNumber(text.to_owned()))
    }

    /// The whole number. For the database, the carrier's `<Number>` and REST
    /// requests to the carrier; nothing else may call this.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Country code, a `*` for each digit but the last two, the last two digits:
    /// `+91********10`.
    pub fn masked(&self) -> String {
        let digits = &self.0[1..];
        let code = country_code_length(digits);
        let tail = digits.len() - 2;
        let stars = "*".repeat(tail - code);
        format!("+{}{stars}{}", &digits[..code], &digits[tail..])
    }

    /// The whole number in groups, as people read it: `+1 415 555 0100`. For
    /// virtual numbers, which are public; [`PhoneNumber::expose`] says of the others.
    pub fn spaced(&self) -> String {
        let digits = &self.0[1..];
        let (code, mut rest) = digits.split_at(country_code_length(digits));
        let mut text = format!("+{code}");
        while !rest.is_empty() {
            let group = if rest.len() > 4 { 3 } else { rest.len() };
            let (next, later) = rest.split_at(group);
            text.push(' ');
            text.push_str(next);
            rest = later;
        }
        text
    }

    /// Whether a text gives the number away: its last eight digits, with anything
    /// between them. Any digit of another script is taken for the one that would.
    pub fn appears_in(&self, text: &str) -> bool {
        let from = self.0.len().saturating_sub(8).max(1);
        let known = &self.0.as_bytes()[from..];
        let digits = text.chars().filter(|c| c.is_numeric());
        let digits: Vec<_> = digits.map(|c| u8::try_from(c).ok()).collect();
        digits.windows(known.len()).any(|shown| {
            let mut pairs = shown.iter().zip(known);
            pairs.all(|(shown, known)| shown.is_none_or(|shown| shown == *known))
        })
    }

    /// The number's country, if it may be dialled: in one of `allowed`, and a mobile or
    /// fixed line.
    pub fn check_diallable(&self, allowed: &[Country]) -> Result<Country, NotDiallable> {
        let (plans, parsed) = numbering::parse(&self.0, None).ok_or(NotDiallable::Kind)?;
        let region = plans.get_region_for_number(&parsed);
        let country = allowed
            .iter()
            .find(|country| Some(country.0) == region)
            .ok_or(NotDiallable::Country)?;
        match plans.get_number_type(&parsed) {
            PhoneNumberType::Mobile
            | PhoneNumberType::FixedLine
            | PhoneNumberType::FixedLineOrMobile => Ok(*country),
            _ => Err(NotDiallable::Kind),
        }
    }
}

/// Whether a text may give somebody's number away: eight digits with nothing between
/// them but what people write within numbers.
pub fn may_be_in(text: &str) -> bool {
    let mut run = 0;
    text.chars().any(|c| {
        run = match c {
            // In any script: not only software reads it.
            _ if c.is_numeric() => run + 1,
            ' ' | '-' | '.' | '(' | ')' | '+' | '/' | '\u{a0}' => run,
            _ => 0,
        };
        run >= 8
    })
}

/// Loads what reading these countries' numbers needs, which takes a millisecond, once.
/// `false` if one of them does not exist.
pub fn prepare(countries: &[Country]) -> bool {
    let regions: Vec<Region> = countries.iter().map(|country| country.0).collect();
    numbering::load(&regions)
}

/// How many of the first digits are the country code (ITU-T E.164, list of
/// assigned codes): one for zones 1 and 7, two for those below, else three.
fn country_code_length(digits: &str) -> usize {
    const TWO_DIGITS: &[&str] = &[
        "20", "27", "30", "31", "32", "33", "34", "36", "39", "40", "41", "43", "44", "45", "46",
        "47", "48", "49", "51", "52", "53", "54", "55", "56", "57", "58", "60", "61", "62", "63",
        "64", "65", "66", "81", "82", "84", "86", "90", "91", "92", "93", "94", "95", "98",
    ];
    match digits.as_bytes()[0] {
        b'1' | b'7' => 1,
        _ if TWO_DIGITS.contains(&&digits[..2]) => 2,
        _ => 3,
    }
}

impl fmt::Display for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

impl fmt::Debug for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

impl Serialize for PhoneNumber {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.masked())
    }
}

/// For `#[serde(with = "phone::whole")]` in database items, the one place where
/// a number is written whole.
pub mod whole {
    use super::{Deserialize, Deserializer, PhoneNumber, Serializer};

    /// Writes E.164.
    pub fn serialize<S: Serializer>(number: &PhoneNumber, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(number.expose())
    }

    /// Reads E.164.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<PhoneNumber, D::Error> {
        let text = String::deserialize(from)?;
        PhoneNumber::from_e164(&text).ok_or_else(|| serde::de::Error::custom("not E.164"))
    }

    /// The same for an optional number.
    pub mod option {
        use super::{Deserialize, Deserializer, PhoneNumber, Serializer};

        /// Writes E.164, or null.
        pub fn serialize<S: Serializer>(
            number: &Option<PhoneNumber>,
            to: S,
        ) -> Result<S::Ok, S::Error> {
            match number {
                Some(number) => to.serialize_str(number.expose()),
                None => to.serialize_none(),
            }
        }

        /// Reads E.164, or null.
        pub fn deserialize<'de, D: Deserializer<'de>>(
            from: D,
        ) -> Result<Option<PhoneNumber>, D::Error> {
            Option::<String>::deserialize(from)?
                .map(|text| {
                    PhoneNumber::from_e164(&text)
                        .ok_or_else(|| serde::de::Error::custom("not E.164"))
                })
                .transpose()
        }
    }
}

/// A country, ISO 3166-1 alpha-2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Country(Region);

impl TryFrom<String> for Country {
    type Error = &'static str;

    fn try_from(code: String) -> Result<Self, &'static str> {
        Country::read(&code).ok_or("not a country code")
    }
}

impl From<Country> for String {
    fn from(country: Country) -> String {
        country.0.to_string()
    }
}

impl Country {
    /// Reads a code such as `IN`.
    pub fn read(code: &str) -> Option<Self> {
        code.parse().ok().map(Country)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn india() -> Country {
        Country::read("IN").unwrap()
    }

    #[test]
    fn reads_what_people_type() {
        for typed in [
            "9876543210",
            "09876543210",
            "+91 98765 43210",
            "00919876543210",
            "0091 98765-43210",
            " +91 (98765) 43210 ",
            "+91.98765.43210",
            "98765\u{a0}43210",
        ] {
            let number = PhoneNumber::read(typed, india());
            assert_eq!(number.unwrap().expose(), "+919876543210", "{typed:?}");
        }
        let abroad = PhoneNumber::read("+1 415-555-0123", india());
        assert_eq!(abroad.unwrap().expose(), "+14155550123");
    }

    #[test]
    fn groups_are_read_off_easily() {
        for (number, spaced) in [
            ("+14155550100", "+1 415 555 0100"),
            ("+919876543210", "+91 987 654 3210"),
            ("+4420794609", "+44 207 946 09"),
            ("+35312345", "+353 123 45"),
            ("+123456", "+1 234 56"),
        ] {
            assert_eq!(PhoneNumber::from_e164(number).unwrap().spaced(), spaced);
        }
    }

    #[test]
    fn refuses_letters_extensions_and_signs() {
        for typed in [
            "1-800-FLOWERS",
            "+91 98765 43210 ext. 5",
            "9876543210x12",
            "9876543210,,5",
            "9876543210#5",
            "tel:+919876543210;ext=5",
            "98765+43210",
            "++919876543210",
            "9876543210\n",
            "9876543210\u{0}",
            "<Number>",
            "٩٨٧٦٥٤٣٢١٠",
        ] {
            let read = PhoneNumber::read(typed, india());
            if typed.ends_with('\n') {
                assert!(read.is_ok(), "surrounding white space is no mistake");
            } else {
                assert_eq!(read, Err(InvalidPhone::Characters), "{typed:?}");
            }
        }
        assert!(PhoneNumber::read(&"9".repeat(1_000_000), india()).is_err());
    }

    #[test]
    fn refuses_emergency_short_and_impossible_numbers() {
        for typed in [
            "",
            "+",
            "-",
            "()",
            "100",
            "112",
            "911",
            "108",
            "1098",
            "12345",
            "+1 911",
            "+91 112",
            "+91 0000000000",
            "+999 123456789",
            "+1234567890123456",
            "98765432101234",
            "00",
            "000",
        ] {
            let read = PhoneNumber::read(typed, india());
            assert_eq!(read, Err(InvalidPhone::NotANumber), "{typed:?}");
        }
    }

    #[test]
    fn premium_and_foreign_numbers_are_not_diallable() {
        let allowed = ["IN", "GB", "DE"].map(|code| Country::read(code).unwrap());
        let check = |text: &str| {
            PhoneNumber::read(text, india())
                .unwrap()
                .check_diallable(&allowed)
        };
        assert_eq!(check("9876543210"), Ok(india()));
        assert!(check("+44 20 7946 0958").is_ok());
        assert_eq!(check("+1 415 555 0123"), Err(NotDiallable::Country));
        assert_eq!(
            check("+44 9012 345 678"),
            Err(NotDiallable::Kind),
            "premium"
        );
        assert_eq!(
            check("+49 1801 2345"),
            Err(NotDiallable::Kind),
            "shared cost"
        );
        assert_eq!(check("1800 425 3800"), Err(NotDiallable::Kind), "toll free");
    }

    /// Every country's example of every kind: read back in each of the forms that
    /// people use, masked right, and dialled only if mobile or fixed.
    #[test]
    fn examples_of_every_country() {
        let util = numbering::world();
        let mut checked = 0;
        for region in util.get_supported_regions() {
            for kind in util
                .get_supported_types_for_region(region)
                .into_iter()
                .flatten()
            {
                let Ok(example) = util.get_example_number_for_type_and_region(region, kind) else {
                    continue;
                };
                let e164 = util.format(&example, PhoneNumberFormat::E164);
                let number = PhoneNumber::read(&e164, india())
                    .unwrap_or_else(|_| panic!("{e164} {kind:?} {region:?}"));
                assert_eq!(number.expose(), e164);
                for format in [
                    PhoneNumberFormat::International,
                    PhoneNumberFormat::National,
                ] {
                    let typed = util.format(&example, format);
                    let home = Country(region);
                    match PhoneNumber::read(&typed, home) {
                        Ok(read) => assert_eq!(read, number, "{typed} in {region:?}"),
                        // Mexico's, Argentina's and others' national forms carry signs
                        // that only a person can read; refusing them is right.
                        Err(error) => assert_eq!(error, InvalidPhone::Characters, "{typed}"),
                    }
                }
                let code = example.country_code.to_string();
                let stars = e164.len() - 1 - code.len() - 2;
                let masked = format!("+{code}{}{}", "*".repeat(stars), &e164[e164.len() - 2..]);
                assert_eq!(number.masked(), masked);

                let owner = util.get_region_for_number(&example).unwrap();
                let diallable = number.check_diallable(&[Country(owner)]);
                let person = matches!(
                    util.get_number_type(&example),
                    PhoneNumberType::Mobile
                        | PhoneNumberType::FixedLine
                        | PhoneNumberType::FixedLineOrMobile
                );
                assert_eq!(diallable.is_ok(), person, "{e164} {kind:?}");
                assert_eq!(number.check_diallable(&[]), Err(NotDiallable::Country));
                checked += 1;
            }
        }
        assert!(checked > 1000, "only {checked} examples");
        assert!(util.get_supported_regions().len() > 240);
    }

    #[test]
    fn only_whole_e164_is_taken_as_e164() {
        for text in [
            "",
            "+",
            "919876543210",
            "+0123456789",
            "+91x",
            "+91 98",
            "+1234567890123456",
        ] {
            assert!(PhoneNumber::from_e164(text).is_none(), "{text}");
        }
    }

    #[test]
    fn numbers_are_seen_in_text() {
        let number = PhoneNumber::from_e164("+919876543210").unwrap();
        for text in [
            "9876543210",
            "call 98765-43210!",
            "+91 (98765) 43210",
            "{\"a\":76543210}",
            "फ़ोन ९८७६५४३२१०",
            "98७६5-43२10",
        ] {
            assert!(number.appears_in(text), "{text}");
        }
        for text in [
            "",
            "Blue hatchback 4x4",
            "9876543211",
            "98765",
            "१९४७ का ४२०",
            "98७६5-43२11",
        ] {
            assert!(!number.appears_in(text), "{text}");
        }
    }

    #[test]
    fn what_may_be_a_number_is_seen_in_text() {
        for text in [
            "Ravi 9876543210",
            "call +91 98765-43210!",
            "(98) 76.54/32 10",
            "९८७६५४३२१०",
            "76543210",
        ] {
            assert!(may_be_in(text), "{text}");
        }
        for text in [
            "",
            "Asha",
            "Flat 12, 3 rooms",
            "9876543",
            "2026, 10:00",
            "a1b2c3d4e5f6a7b8",
        ] {
            assert!(!may_be_in(text), "{text}");
        }
    }

    #[test]
    fn nothing_shows_the_digits() {
        let number = PhoneNumber::from_e164("+919876543210").unwrap();
        assert_eq!(number.to_string(), "+91********10");
        assert_eq!(format!("{number:?}"), "+91********10");
        assert_eq!(serde_json::to_string(&number).unwrap(), "\"+91********10\"");
    }
}
