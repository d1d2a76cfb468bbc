//! Rate limits: so many times in so many seconds, from the first time on.

use std::str::FromStr;

/// How often something may be done. The window starts with the first time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// How often.
    pub most: u32,
    /// In how many seconds.
    pub seconds: u32,
}

/// Written as `5/60`: five times in sixty seconds.
impl FromStr for Limit {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        const ERROR: &str = "not of the form TIMES/SECONDS";
        let (most, seconds) = text.split_once('/').ok_or(ERROR)?;
        let limit = Limit {
            most: most.parse().map_err(|_| ERROR)?,
            seconds: seconds.parse().map_err(|_| ERROR)?,
        };
        match limit.most > 0 && (1..=86_400).contains(&limit.seconds) {
            true => Ok(limit),
            false => Err("at least once, in a day at most"),
        }
    }
}

/// Whom a limit counts. Its text is hashed before it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject<'a> {
    /// A client's IP address.
    Ip(&'a str),
    /// A telephone.
    Number(&'a super::phone::PhoneNumber),
    /// Everybody who withholds their number towards that virtual number.
    Withheld(&'a super::phone::PhoneNumber),
    /// A tag.
    Line(&'a super::tag::Line),
}

/// What is counted of a subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// Asking to be rung.
    Initiate,
    /// Asking to ring from a tag's page.
    Visit,
    /// Calling a virtual number.
    Call,
    /// Keying in an extension that is none.
    Guess,
    /// Being told of a missed call.
    Notice,
}

impl Deed {
    /// The name of its counter.
    pub fn as_str(self) -> &'static str {
        match self {
            Deed::Initiate => "initiate",
            Deed::Visit => "visit",
            Deed::Call => "call",
            Deed::Guess => "guess",
            Deed::Notice => "notice",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        assert_eq!(
            "5/60".parse(),
            Ok(Limit {
                most: 5,
                seconds: 60
            })
        );
        for bad in [
            "", "5", "5/", "/60", "0/60", "5/0", "-5/60", "5/60s", "5/86401", "5/60/1",
        ] {
            assert!(bad.parse::<Limit>().is_err(), "{bad}");
        }
    }
}
