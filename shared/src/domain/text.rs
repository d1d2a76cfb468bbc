//! Short texts that people write: names, labels, ids of the host application.

/// The longest, bytes: a handful of them keep an item near 1 KB, one write unit.
pub const MAX_TEXT: usize = 200;

/// The message for a text that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to {MAX_TEXT} bytes of printable text")]
pub struct InvalidText;

/// The text without the white space around it.
pub fn read(given: &str) -> Result<String, InvalidText> {
    let trimmed = given.trim();
    let fits = (1..=MAX_TEXT).contains(&trimmed.len());
    (fits && !trimmed.chars().any(char::is_control))
        .then(|| trimmed.to_owned())
        .ok_or(InvalidText)
}

/// Bytes as hexadecimal digits, in lower case.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits() {
        assert_eq!(hex(&[0, 9, 0xa0, 0xff]), "0009a0ff");
    }

    #[test]
    fn texts() {
        assert_eq!(read(" Blue hatchback\n").as_deref(), Ok("Blue hatchback"));
        assert_eq!(read("आशा"), Ok("आशा".to_owned()));
        assert!(read(&"x".repeat(MAX_TEXT)).is_ok());
        for bad in ["", "  ", "a\u{0}b", "a\nb", &"x".repeat(MAX_TEXT + 1)] {
            assert_eq!(read(bad), Err(InvalidText), "{bad:?}");
        }
    }
}
