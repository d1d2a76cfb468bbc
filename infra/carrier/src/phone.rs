//! Phone numbers as far as a carrier needs them: form, country, masking.

/// Calling codes of two digits; 1 and 7 have one digit, all others three.
const TWO_DIGIT_CODES: [&str; 44] = [
    "20", "27", "30", "31", "32", "33", "34", "36", "39", "40", "41", "43", "44", "45", "46", "47",
    "48", "49", "51", "52", "53", "54", "55", "56", "57", "58", "60", "61", "62", "63", "64", "65",
    "66", "81", "82", "84", "86", "90", "91", "92", "93", "94", "95", "98",
];

/// Whether this is `+`, then 7 to 15 digits of which the first is not 0.
pub(crate) fn is_e164(number: &str) -> bool {
    number.strip_prefix('+').is_some_and(|digits| {
        (7..=15).contains(&digits.len())
            && !digits.starts_with('0')
            && digits.bytes().all(|b| b.is_ascii_digit())
    })
}

/// Splits an E.164 number after its calling code.
fn split(number: &str) -> Option<(&str, &str)> {
    if !is_e164(number) {
        return None;
    }
    let digits = &number[1..];
    let length = match digits.get(..2) {
        _ if digits.starts_with(['1', '7']) => 1,
        Some(code) if TWO_DIGIT_CODES.contains(&code) => 2,
        _ => 3,
    };
    Some(number.split_at(1 + length))
}

/// The number with only its calling code and last two digits left readable.
pub(crate) fn mask(number: &str) -> String {
    match split(number) {
        Some((code, rest)) => {
            let hidden = rest.len().saturating_sub(2);
            format!("{code}{}{}", "*".repeat(hidden), &rest[hidden..])
        }
        None => match number.split_once(':') {
            Some((scheme, address)) => format!("{scheme}:{}", "*".repeat(address.len())),
            None => number.to_owned(),
        },
    }
}

/// Whether somebody who reads or hears the text learns the number, however it is spaced.
pub(crate) fn reveals(text: &str, number: &str) -> bool {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    split(number).is_some_and(|(_, national)| digits.contains(national))
}

/// The country that Twilio would name for the number, as far as this simulation knows.
pub(crate) fn country(number: &str) -> &'static str {
    match split(number) {
        Some(("+1", _)) => "US",
        Some(("+44", _)) => "GB",
        Some(("+91", _)) => "IN",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::{is_e164, mask, reveals};

    #[test]
    fn masks_all_but_calling_code_and_last_two_digits() {
        for (number, masked) in [
            ("+919876543210", "+91********10"),
            ("+14155550123", "+1********23"),
            ("+35312345678", "+353******78"),
            ("sip:ann@example.com", "sip:***************"),
            ("anonymous", "anonymous"),
        ] {
            assert_eq!(mask(number), masked);
        }
    }

    #[test]
    fn knows_a_number_however_it_is_spaced() {
        assert!(reveals("call 98765 432 10 now", "+919876543210"));
        assert!(reveals(
            "say: 9, 8, 7, 6, 5, 4, 3, 2, 1, 0",
            "+919876543210"
        ));
        assert!(!reveals("say: press 9 or 8", "+919876543210"));
        assert!(!reveals("say: anything", "anonymous"));
    }

    #[test]
    fn knows_the_form_of_a_number() {
        assert!(is_e164("+14155550123"));
        for wrong in [
            "14155550123",
            "+0155550123",
            "+1415",
            "+1415555012a",
            "+1234567890123456",
        ] {
            assert!(!is_e164(wrong), "{wrong}");
        }
    }
}
