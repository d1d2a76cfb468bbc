//! Numbering plans: which numbers exist where, as libphonenumber knows.
//!
//! All the world's take five megabytes and as many milliseconds to load, and nearly every
//! number is one of the few countries that calls are allowed to. So a start loads those
//! countries' alone ([`load`]), and the world's wait for the first number that is none of
//! theirs. What a number reads as does not depend on what is loaded.

use std::sync::{LazyLock, OnceLock};

use prost::Message;
use prost::bytes::Bytes;
use rlibphonenumber::{
    PhoneMetadata, PhoneMetadataCollection, PhoneNumber, PhoneNumberUtil, Region,
};

/// The metadata of the locked rlibphonenumber (`make phone-metadata`), which does not let
/// others read the copy of its own.
static METADATA: &[u8] = include_bytes!("numbering/metadata.bin");

static NEAR: OnceLock<Plans> = OnceLock::new();
static WORLD: LazyLock<Plans> = LazyLock::new(|| Plans::of(|_| true));

/// Loads the plans of these countries, once. `false` if one of them has none.
pub fn load(countries: &[Region]) -> bool {
    let near = NEAR.get_or_init(|| Plans::near(countries));
    let known = |region| near.util.get_country_code_for_region(region).is_some();
    countries.iter().copied().all(known)
}

/// Reads what is written as a number, whether one exists or not; without a country code it
/// is one of `home`. Answers with the plans that know it, too.
pub fn parse(text: &str, home: Option<Region>) -> Option<(&'static PhoneNumberUtil, PhoneNumber)> {
    let known = NEAR
        .get()
        .and_then(|near| Some((near, near.parse(text, home)?)));
    let (plans, number) = match known {
        Some(known) => known,
        None => (&*WORLD, WORLD.parse(text, home)?),
    };
    Some((&plans.util, number))
}

/// The world's, where a test asks for everybody's.
#[cfg(test)]
pub fn world() -> &'static PhoneNumberUtil {
    &WORLD.util
}

struct Plans {
    util: PhoneNumberUtil,
}

/// What of each territory's metadata says whether the rest is needed. The numbers are the
/// fields' in libphonenumber's `phonemetadata.proto`.
#[derive(Message)]
struct Territory {
    #[prost(string, tag = "9")]
    id: String,
    #[prost(int32, tag = "10")]
    calling_code: i32,
}

/// The collection, its territories unread.
#[derive(Message)]
struct Territories {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    all: Vec<Bytes>,
}

impl Plans {
    /// The plans of these countries, and of all who share a calling code with one: only
    /// together they tell whose a number is.
    fn near(countries: &[Region]) -> Self {
        let mut codes = Vec::new();
        each(|territory, _| {
            let region = territory.id.parse();
            if region.is_ok_and(|region: Region| countries.contains(&region)) {
                codes.push(territory.calling_code);
            }
        });
        Plans::of(|territory| codes.contains(&territory.calling_code))
    }

    fn of(wanted: impl Fn(&Territory) -> bool) -> Self {
        let mut metadata = Vec::new();
        each(|territory, bytes| {
            if wanted(&territory) {
                metadata.push(read::<PhoneMetadata>(bytes));
            }
        });
        let collection = PhoneMetadataCollection { metadata };
        Plans {
            util: PhoneNumberUtil::new_for_metadata(collection).unwrap_or_else(|_| broken()),
        }
    }

    /// `None` where these plans do not know; others may.
    fn parse(&self, text: &str, home: Option<Region>) -> Option<PhoneNumber> {
        let number = self.util.parse(text, home).ok()?;
        // Where the country code after a plus is none of theirs, the library takes what
        // follows for a number as dialled at home, prefix for calls abroad and all.
        let Some(international) = text.strip_prefix('+') else {
            return Some(number);
        };
        let digits: String = international.chars().filter(char::is_ascii_digit).collect();
        let as_written = digits.starts_with(&number.country_code.to_string());
        as_written.then_some(number)
    }
}

fn each(mut visit: impl FnMut(Territory, Bytes)) {
    let territories: Territories = read(Bytes::from_static(METADATA));
    for bytes in territories.all {
        visit(read(bytes.clone()), bytes);
    }
}

fn read<M: Message + Default>(bytes: Bytes) -> M {
    M::decode(bytes).unwrap_or_else(|_| broken())
}

/// A build with such metadata passes no test.
fn broken() -> ! {
    unreachable!("the phone metadata that was built in cannot be read")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;
    use rlibphonenumber::PhoneNumberFormat;

    use super::*;

    fn regions(codes: &[&str]) -> Vec<Region> {
        codes.iter().map(|code| code.parse().unwrap()).collect()
    }

    /// What some plans make of a text; `None` where they leave it to the world's.
    fn read_by(plans: &Plans, text: &str, home: Region) -> Option<String> {
        let number = plans.parse(text, Some(home))?;
        let util = &plans.util;
        Some(format!(
            "{number:?} {} {:?} {:?} {}",
            util.is_valid_number(&number),
            util.get_region_for_number(&number),
            util.get_number_type(&number),
            util.format(&number, PhoneNumberFormat::E164),
        ))
    }

    #[track_caller]
    fn agree(near: &Plans, text: &str, home: Region) -> bool {
        let read = read_by(near, text, home);
        if read.is_some() {
            assert_eq!(read, read_by(&WORLD, text, home), "{text:?} at {home:?}");
        }
        read.is_some()
    }

    /// One code of many countries, prefixes for calls abroad that begin like a country
    /// code (8~10 in zone 7), national numbers that begin like their own.
    const SETS: [&[&str]; 4] = [
        &["IN", "US", "CA", "GB"],
        &["RU", "AU", "JP", "FR"],
        &["IT", "BR", "MX", "SG"],
        &["DE"],
    ];

    #[test]
    fn a_few_countries_read_every_countrys_examples_as_the_world_does() {
        let (mut checked, mut known) = (0, 0);
        for set in SETS {
            let set = regions(set);
            let near = Plans::near(&set);
            assert!(near.util.get_supported_regions().len() < 40, "{set:?}");
            let world = world();
            for region in world.get_supported_regions() {
                for kind in world.get_supported_types_for_region(region).unwrap() {
                    let example = world.get_example_number_for_type_and_region(region, kind);
                    let Ok(example) = example else { continue };
                    for format in [
                        PhoneNumberFormat::E164,
                        PhoneNumberFormat::International,
                        PhoneNumberFormat::National,
                    ] {
                        let text = world.format(&example, format);
                        for home in &set {
                            checked += 1;
                            known += usize::from(agree(&near, &text, *home));
                        }
                    }
                    let abroad = world.format_out_of_country_calling_number(&example, set[0]);
                    agree(&near, &abroad, set[0]);
                }
            }
        }
        assert!(known > checked / 4, "{known} of {checked}");
    }

    #[test]
    fn their_own_numbers_need_no_others() {
        for set in SETS {
            let set = regions(set);
            let near = Plans::near(&set);
            for region in set {
                let example = near.util.get_example_number(region).unwrap();
                let text = near.util.format(&example, PhoneNumberFormat::E164);
                assert!(read_by(&near, &text, region).is_some(), "{text}");
            }
        }
    }

    /// 810 is how one dials abroad from Russia, and 81 Japan.
    #[test]
    fn a_plus_is_never_followed_by_a_prefix_for_calls_abroad() {
        let russia = regions(&["RU"]);
        let near = Plans::near(&russia);
        let text = "+81074951234567";
        let misread = near.util.parse(text, Some(russia[0]));
        assert_eq!(misread.map(|number| number.country_code).ok(), Some(7));
        assert!(!agree(&near, text, russia[0]));
    }

    proptest! {
        #[test]
        fn a_few_countries_read_anything_as_the_world_does(
            text in r"\+?[0-9][0-9 ().-]{0,18}",
            set in 0..SETS.len(),
            home in 0..4_usize,
        ) {
            static NEAR: LazyLock<[Plans; SETS.len()]> =
                LazyLock::new(|| SETS.map(|set| Plans::near(&regions(set))));
            let homes = regions(SETS[set]);
            agree(&NEAR[set], &text, homes[home % homes.len()]);
        }
    }
}
