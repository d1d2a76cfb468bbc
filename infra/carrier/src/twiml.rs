//! Reads TwiML and refuses what Twilio would refuse, saying why.
//!
//! The codes are those of Twilio's error dictionary. Twilio lets a few of these
//! pass with a warning in its debugger and ignores the attribute; here each ends
//! the call, so that none goes unnoticed.

use reqwest::Url;

use crate::phone;
use crate::plan::Callback;
use crate::transcript::Fault;
use crate::xml::{self, Element};

/// The largest document that Twilio reads.
pub(crate) const MAX_DOCUMENT_BYTES: usize = 64 * 1024;
/// The longest text of one `<Say>`.
const MAX_SAY_CHARACTERS: usize = 4096;
/// How many `<Number>`s one `<Dial>` may ring.
const MAX_NUMBERS: usize = 10;

/// Something that TwiML tells the carrier to do.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Verb {
    Say { text: String, times: u32 },
    Play { what: String, times: u32 },
    Pause { seconds: u32 },
    Gather(Gather),
    Dial(Dial),
    Redirect(Target),
    Reject { busy: bool },
    Hangup,
}

/// Where to ask next, and how.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Target {
    pub url: Url,
    pub method: Method,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    Get,
    Post,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Gather {
    pub action: Target,
    pub timeout: u32,
    pub num_digits: Option<usize>,
    pub finish_on_key: Option<char>,
    pub takes_keys: bool,
    pub action_on_empty_result: bool,
    /// What is played meanwhile.
    pub prompts: Vec<Verb>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Dial {
    pub caller_id: Option<String>,
    pub answer_on_bridge: bool,
    pub timeout: u32,
    pub time_limit: u32,
    pub action: Option<Target>,
    pub numbers: Vec<Number>,
}

/// A phone to ring, and what is to be asked and told about it.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Number {
    pub number: String,
    /// What is asked when it was answered.
    pub whisper: Option<Target>,
    pub status: Option<Target>,
    pub events: Vec<Callback>,
    pub machine_detection: bool,
    pub amd_status: Option<Target>,
}

/// Reads a document that came from `base`, against which its URLs are resolved.
pub(crate) fn parse(document: &[u8], base: &Url) -> Result<Vec<Verb>, Fault> {
    if document.len() > MAX_DOCUMENT_BYTES {
        return Err(Fault::new(11750, "the document is larger than 64 KB"));
    }
    let text = std::str::from_utf8(document)
        .map_err(|_| Fault::new(12100, "the document is not UTF-8"))?;
    let root = xml::parse(text)?;
    if root.name != "Response" {
        let why = format!("the root element is <{}>, not <Response>", root.name);
        return Err(Fault::new(12100, why));
    }
    let response = Reader::new(&root, base);
    response.allow(&[])?;
    response.no_text()?;
    root.children
        .iter()
        .map(|child| verb(&Reader::new(child, base)))
        .collect()
}

fn verb(element: &Reader<'_>) -> Result<Verb, Fault> {
    match element.name() {
        "Say" | "Play" | "Pause" => prompt(element),
        "Gather" => gather(element),
        "Dial" => dial(element),
        "Redirect" => {
            element.allow(&["method"])?;
            let method = element.method("method", 13710)?;
            let url = element.url(element.element.text.trim())?;
            element.no_children()?;
            Ok(Verb::Redirect(Target { url, method }))
        }
        "Reject" => {
            element.allow(&["reason"])?;
            element.empty()?;
            let busy = element.one_of("reason", &["rejected", "busy"], 12200)? == "busy";
            Ok(Verb::Reject { busy })
        }
        "Hangup" => {
            element.allow(&[])?;
            element.empty()?;
            Ok(Verb::Hangup)
        }
        other => Err(Fault::new(
            12200,
            format!("<{other}> is not a verb, or not one that is simulated"),
        )),
    }
}

/// The verbs that may also stand inside a `<Gather>`.
fn prompt(element: &Reader<'_>) -> Result<Verb, Fault> {
    let text = element.element.text.split_whitespace();
    let text = text.collect::<Vec<_>>().join(" ");
    match element.name() {
        "Say" => {
            element.allow(&["voice", "language", "loop"])?;
            element.no_children()?;
            element.filled("voice", 13511)?;
            element.filled("language", 13512)?;
            let times = element.number("loop", 0..=1000, 1, 13510)?;
            if text.is_empty() {
                return Err(Fault::new(13520, "<Say> has no text"));
            }
            if element.element.text.chars().count() > MAX_SAY_CHARACTERS {
                let why =
                    format!("the text of <Say> is longer than {MAX_SAY_CHARACTERS} characters");
                return Err(Fault::new(13521, why));
            }
            Ok(Verb::Say { text, times })
        }
        "Play" => {
            element.allow(&["loop", "digits"])?;
            element.no_children()?;
            let times = element.number("loop", 0..=1000, 1, 13410)?;
            let what = match element.get("digits") {
                Some(digits) if text.is_empty() => {
                    element.digits("digits", 13430)?;
                    format!("tones {digits}")
                }
                Some(_) => return Err(element.refuse(13430, "has both digits and a URL")),
                None => element.url(&text)?.to_string(),
            };
            Ok(Verb::Play { what, times })
        }
        _ => {
            element.allow(&["length"])?;
            element.empty()?;
            let seconds = element.number("length", 0..=86_400, 1, 13910)?;
            Ok(Verb::Pause { seconds })
        }
    }
}

fn gather(element: &Reader<'_>) -> Result<Verb, Fault> {
    element.allow(&[
        "action",
        "method",
        "timeout",
        "numDigits",
        "finishOnKey",
        "input",
        "actionOnEmptyResult",
        "language",
        "bargeIn",
    ])?;
    element.no_text()?;
    element.flag("bargeIn", true, 13332)?;
    let finish_on_key = match element.get("finishOnKey") {
        None => Some('#'),
        Some("") => None,
        Some(key) if key.len() > 1 => {
            return Err(element.refuse(13311, "finishOnKey must be a single key"));
        }
        Some(key) => {
            element.digits("finishOnKey", 13310)?;
            key.chars().next()
        }
    };
    let inputs = ["dtmf", "speech", "dtmf speech", "speech dtmf"];
    let prompts = element.element.children.iter().map(|child| {
        if !matches!(child.name.as_str(), "Say" | "Play" | "Pause") {
            let why = format!("<{}> may not stand inside <Gather>", child.name);
            return Err(Fault::new(13320, why));
        }
        prompt(&Reader::new(child, element.base))
    });
    let num_digits = match element.get("numDigits") {
        Some(_) => Some(element.number("numDigits", 1..=1000, 1, 13314)? as usize),
        None => None,
    };
    Ok(Verb::Gather(Gather {
        // Without an action, the document's own URL is asked again.
        action: element
            .target("action", "method", 13312)?
            .unwrap_or(Target {
                url: element.base.clone(),
                method: element.method("method", 13312)?,
            }),
        timeout: element.number("timeout", 1..=86_400, 5, 13313)?,
        num_digits,
        finish_on_key,
        takes_keys: element.one_of("input", &inputs, 13326)? != "speech",
        action_on_empty_result: element.flag("actionOnEmptyResult", false, 13338)?,
        prompts: prompts.collect::<Result<_, _>>()?,
    }))
}

fn dial(element: &Reader<'_>) -> Result<Verb, Fault> {
    element.allow(&[
        "action",
        "method",
        "timeout",
        "timeLimit",
        "callerId",
        "answerOnBridge",
        "ringTone",
        "hangupOnStar",
    ])?;
    element.flag("hangupOnStar", false, 13213)?;
    element.filled("ringTone", 13220)?;
    let children = &element.element.children;
    let text = element.element.text.trim();
    let numbers = if children.is_empty() {
        vec![Number {
            number: dialled(text)?,
            ..Number::default()
        }]
    } else {
        if !text.is_empty() {
            return Err(element.refuse(13215, "mixes text with nested elements"));
        }
        let numbers = children
            .iter()
            .map(|child| number(&Reader::new(child, element.base)));
        numbers.collect::<Result<Vec<_>, _>>()?
    };
    if numbers.len() > MAX_NUMBERS {
        let why = format!("rings more than {MAX_NUMBERS} numbers");
        return Err(element.refuse(13215, &why));
    }
    let caller_id = element.get("callerId").map(str::to_owned);
    if caller_id.as_deref().is_some_and(|id| !phone::is_e164(id)) {
        return Err(element.refuse(13214, "callerId is not an E.164 number"));
    }
    Ok(Verb::Dial(Dial {
        caller_id,
        answer_on_bridge: element.flag("answerOnBridge", false, 13219)?,
        timeout: element.number("timeout", 5..=600, 30, 13212)?,
        time_limit: element.number("timeLimit", 1..=14_400, 14_400, 13216)?,
        action: element.target("action", "method", 13210)?,
        numbers,
    }))
}

/// The number to dial. It is not repeated in the message: it is somebody's real one.
fn dialled(text: &str) -> Result<String, Fault> {
    if phone::is_e164(text) {
        Ok(text.to_owned())
    } else {
        Err(Fault::new(
            13223,
            "<Dial> has no valid E.164 number to ring",
        ))
    }
}

fn number(element: &Reader<'_>) -> Result<Number, Fault> {
    if element.name() != "Number" {
        let why = format!(
            "<{}> may not stand inside <Dial>, or is not simulated",
            element.name()
        );
        return Err(Fault::new(13215, why));
    }
    element.allow(&[
        "url",
        "method",
        "statusCallback",
        "statusCallbackEvent",
        "statusCallbackMethod",
        "machineDetection",
        "machineDetectionTimeout",
        "machineDetectionSpeechThreshold",
        "machineDetectionSpeechEndThreshold",
        "machineDetectionSilenceTimeout",
        "amdStatusCallback",
        "amdStatusCallbackMethod",
        "sendDigits",
    ])?;
    element.no_children()?;
    element.digits("sendDigits", 13222)?;
    for (attribute, range, default) in [
        ("machineDetectionTimeout", 3..=60, 30),
        ("machineDetectionSpeechThreshold", 1000..=6000, 2400),
        ("machineDetectionSpeechEndThreshold", 500..=5000, 1200),
        ("machineDetectionSilenceTimeout", 2000..=10_000, 5000),
    ] {
        element.number(attribute, range, default, 12200)?;
    }
    let mut events = Vec::new();
    for name in element
        .get("statusCallbackEvent")
        .unwrap_or("completed")
        .split_whitespace()
    {
        events.push(Callback::progress(name).ok_or_else(|| {
            let why = format!("statusCallbackEvent names `{name}`, which is no event");
            element.refuse(12200, &why)
        })?);
    }
    let detection = ["", "Enable", "DetectMessageEnd"];
    Ok(Number {
        number: dialled(element.element.text.trim())?,
        whisper: element.target("url", "method", 13221)?,
        status: element.target("statusCallback", "statusCallbackMethod", 12200)?,
        events,
        machine_detection: !element
            .one_of("machineDetection", &detection, 12200)?
            .is_empty(),
        amd_status: element.target("amdStatusCallback", "amdStatusCallbackMethod", 12200)?,
    })
}

/// An element together with the URL its own are relative to.
struct Reader<'a> {
    element: &'a Element,
    base: &'a Url,
}

impl<'a> Reader<'a> {
    fn new(element: &'a Element, base: &'a Url) -> Self {
        Self { element, base }
    }

    fn name(&self) -> &'a str {
        &self.element.name
    }

    fn refuse(&self, code: u32, why: &str) -> Fault {
        Fault::new(code, format!("<{}> {why}", self.name()))
    }

    fn get(&self, attribute: &str) -> Option<&'a str> {
        let mut attributes = self.element.attributes.iter();
        attributes
            .find(|(name, _)| name == attribute)
            .map(|(_, value)| value.as_str())
    }

    fn allow(&self, known: &[&str]) -> Result<(), Fault> {
        let mut names = self
            .element
            .attributes
            .iter()
            .map(|(name, _)| name.as_str());
        match names.find(|name| !known.contains(name)) {
            Some(name) => {
                let why = format!("has the attribute `{name}`, which is unknown or not simulated");
                Err(self.refuse(12200, &why))
            }
            None => Ok(()),
        }
    }

    fn no_text(&self) -> Result<(), Fault> {
        if self.element.text.trim().is_empty() {
            Ok(())
        } else {
            Err(self.refuse(12200, "holds text, where only verbs may stand"))
        }
    }

    fn no_children(&self) -> Result<(), Fault> {
        match self.element.children.first() {
            Some(child) => {
                let why = format!("may not hold <{}>, or that is not simulated", child.name);
                Err(self.refuse(12200, &why))
            }
            None => Ok(()),
        }
    }

    fn empty(&self) -> Result<(), Fault> {
        self.no_text().and_then(|()| self.no_children())
    }

    fn filled(&self, attribute: &str, code: u32) -> Result<(), Fault> {
        match self.get(attribute) {
            Some("") => Err(self.refuse(code, &format!("has an empty {attribute}"))),
            _ => Ok(()),
        }
    }

    fn number(
        &self,
        attribute: &str,
        range: std::ops::RangeInclusive<u32>,
        default: u32,
        code: u32,
    ) -> Result<u32, Fault> {
        let Some(value) = self.get(attribute) else {
            return Ok(default);
        };
        value
            .parse()
            .ok()
            .filter(|n| range.contains(n))
            .ok_or_else(|| {
                let (low, high) = range.into_inner();
                let why =
                    format!("has {attribute}=\"{value}\", not a whole number from {low} to {high}");
                self.refuse(code, &why)
            })
    }

    /// One of the given values; the first is the default.
    fn one_of(
        &self,
        attribute: &str,
        values: &[&'static str],
        code: u32,
    ) -> Result<&'static str, Fault> {
        let Some(given) = self.get(attribute) else {
            return Ok(values.first().copied().unwrap_or_default());
        };
        values
            .iter()
            .copied()
            .find(|value| *value == given && !given.is_empty())
            .ok_or_else(|| {
                let why = format!(
                    "has {attribute}=\"{given}\", not one of: {}",
                    values.join(", ")
                );
                self.refuse(code, &why)
            })
    }

    fn flag(&self, attribute: &str, default: bool, code: u32) -> Result<bool, Fault> {
        let values = if default {
            ["true", "false"]
        } else {
            ["false", "true"]
        };
        Ok(self.one_of(attribute, &values, code)? == "true")
    }

    /// Keys of a phone, and `w` for a wait.
    fn digits(&self, attribute: &str, code: u32) -> Result<(), Fault> {
        let value = self.get(attribute).unwrap_or_default();
        if value
            .chars()
            .all(|c| c.is_ascii_digit() || "*#wW".contains(c))
        {
            Ok(())
        } else {
            Err(self.refuse(
                code,
                &format!("has {attribute}=\"{value}\", which are not keys"),
            ))
        }
    }

    fn method(&self, attribute: &str, code: u32) -> Result<Method, Fault> {
        Ok(match self.one_of(attribute, &["POST", "GET"], code)? {
            "GET" => Method::Get,
            _ => Method::Post,
        })
    }

    fn url(&self, text: &str) -> Result<Url, Fault> {
        if text.is_empty() {
            return Err(self.refuse(11100, "needs a URL"));
        }
        match self.base.join(text) {
            Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(url),
            _ => Err(self.refuse(11100, "has a URL that is not http or https")),
        }
    }

    fn target(&self, attribute: &str, method: &str, code: u32) -> Result<Option<Target>, Fault> {
        let method = self.method(method, code)?;
        match self.get(attribute) {
            None | Some("") => Ok(None),
            Some(text) => Ok(Some(Target {
                url: self.url(text)?,
                method,
            })),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use reqwest::Url;

    use super::{Callback, Method, Verb, parse};

    fn base() -> Url {
        Url::parse("https://example.com/calls/connect?a=1").unwrap()
    }

    fn verbs(inside: &str) -> Vec<Verb> {
        let document = format!("<?xml version=\"1.0\"?>\n<Response>{inside}</Response>");
        parse(document.as_bytes(), &base()).unwrap()
    }

    fn refusal(document: &str) -> (u32, String) {
        let fault = parse(document.as_bytes(), &base()).unwrap_err();
        (fault.code, fault.message)
    }

    #[test]
    fn reads_a_dial_with_everything() {
        let read = verbs(
            r#"<Dial callerId="+14155550100" answerOnBridge="true" timeout="30" timeLimit="3600"
                     action="dial-status?x=1&amp;y=2" method="GET">
                 <Number statusCallback="/status" statusCallbackEvent="initiated  ringing answered completed"
                         machineDetection="Enable" amdStatusCallback="/amd" url="whisper">+919876543210</Number>
               </Dial>"#,
        );
        let [Verb::Dial(dial)] = read.as_slice() else {
            panic!("{read:?}")
        };
        let action = dial.action.clone().unwrap();
        assert_eq!(
            action.url.as_str(),
            "https://example.com/calls/dial-status?x=1&y=2"
        );
        assert_eq!(action.method, Method::Get);
        assert_eq!((dial.timeout, dial.time_limit), (30, 3600));
        assert!(dial.answer_on_bridge);
        let number = &dial.numbers[0];
        assert_eq!(number.number, "+919876543210");
        assert_eq!(number.events.len(), 4);
        assert!(number.machine_detection);
        assert_eq!(
            number.status.clone().unwrap().url.as_str(),
            "https://example.com/status"
        );
        assert_eq!(
            number.whisper.clone().unwrap().url.as_str(),
            "https://example.com/calls/whisper"
        );
    }

    #[test]
    fn fills_in_twilios_defaults() {
        let read =
            verbs("<Gather><Say>Hi &amp; &#104;ello</Say></Gather><Dial>+14155550123</Dial>");
        let [Verb::Gather(gather), Verb::Dial(dial)] = read.as_slice() else {
            panic!("{read:?}")
        };
        assert_eq!(gather.action.url, base());
        assert_eq!(gather.action.method, Method::Post);
        assert_eq!((gather.timeout, gather.num_digits), (5, None));
        assert_eq!(gather.finish_on_key, Some('#'));
        let said = Verb::Say {
            text: "Hi & hello".to_owned(),
            times: 1,
        };
        assert_eq!(gather.prompts, [said]);
        assert_eq!((dial.timeout, dial.time_limit), (30, 14_400));
        assert_eq!(dial.numbers[0].events, []);
        let read = verbs(r#"<Dial><Number statusCallback="/s">+14155550123</Number></Dial>"#);
        let [Verb::Dial(dial)] = read.as_slice() else {
            panic!("{read:?}")
        };
        assert_eq!(dial.numbers[0].events, [Callback::Completed]);
    }

    #[test]
    fn accepts_what_twilio_accepts() {
        for inside in [
            "",
            "<!-- nothing to do --><Hangup/>",
            r#"<Say voice="alice" language="en-IN" loop="2"><![CDATA[a < b]]></Say>"#,
            r#"<Play digits="ww12#"/><Play loop="0">https://example.com/a.mp3</Play>"#,
            r#"<Pause/><Pause length="3"/><Reject reason="busy"/><Hangup></Hangup>"#,
            r#"<Gather input="dtmf speech" finishOnKey="" timeout="9" numDigits="6"
                       actionOnEmptyResult="true"><Pause/><Play>a.mp3</Play></Gather>"#,
            r#"<Gather language="en-IN" bargeIn="false" finishOnKey="*"><Play digits="1"/></Gather>"#,
            r#"<Redirect method="GET">../next</Redirect>"#,
            r#"<Dial ringTone="in" hangupOnStar="true"><Number sendDigits="wwww12#"
                 machineDetection="DetectMessageEnd" machineDetectionTimeout="20"
                 machineDetectionSpeechThreshold="1000" machineDetectionSilenceTimeout="2000"
                 machineDetectionSpeechEndThreshold="500">+14155550123</Number></Dial>"#,
            "<Dial><Number>+14155550123</Number><Number>+14155550124</Number></Dial>",
        ] {
            verbs(inside);
        }
    }

    #[test]
    fn refuses_what_twilio_refuses_and_says_why() {
        let long = format!("<Say>{}</Say>", "a".repeat(4097));
        let crowd = format!(
            "<Dial>{}</Dial>",
            "<Number>+14155550123</Number>".repeat(11)
        );
        for (inside, code, why) in [
            ("<Record/>", 12200, "<Record> is not a verb"),
            ("<say>hello</say>", 12200, "<say> is not a verb"),
            ("hello", 12200, "holds text"),
            (r#"<Say speed="2">a</Say>"#, 12200, "`speed`"),
            ("<Say></Say>", 13520, "no text"),
            (r#"<Say loop="x">a</Say>"#, 13510, "loop=\"x\""),
            ("<Say>a<Hangup/></Say>", 12200, "<Hangup>"),
            (&long, 13521, "4096"),
            ("<Play/>", 11100, "needs a URL"),
            (r#"<Play digits="1x"/>"#, 13430, "not keys"),
            (r#"<Pause length="-1"/>"#, 13910, "length"),
            ("<Redirect/>", 11100, "needs a URL"),
            ("<Redirect>ftp://example.com/</Redirect>", 11100, "not http"),
            (r#"<Reject reason="later"/>"#, 12200, "later"),
            ("<Hangup>now</Hangup>", 12200, "holds text"),
            (
                "<Gather><Dial>+14155550123</Dial></Gather>",
                13320,
                "<Dial> may not stand",
            ),
            ("<Gather>key it in</Gather>", 12200, "holds text"),
            (r#"<Gather finishOnKey="a"/>"#, 13310, "finishOnKey"),
            (r#"<Gather finishOnKey="12"/>"#, 13311, "single key"),
            (r#"<Gather numDigits="0"/>"#, 13314, "numDigits"),
            (r#"<Gather timeout="soon"/>"#, 13313, "timeout"),
            (r#"<Gather method="PUT"/>"#, 13312, "PUT"),
            (r#"<Gather input="touch"/>"#, 13326, "touch"),
            (r#"<Gather actionOnEmptyResult="yes"/>"#, 13338, "yes"),
            ("<Dial/>", 13223, "E.164"),
            ("<Dial>100</Dial>", 13223, "E.164"),
            ("<Dial><Number>sip:a@b</Number></Dial>", 13223, "E.164"),
            ("<Dial><Client>ann</Client></Dial>", 13215, "<Client>"),
            (
                "<Dial>+14155550123<Number>+14155550123</Number></Dial>",
                13215,
                "mixes",
            ),
            (&crowd, 13215, "more than 10"),
            (
                r#"<Dial timeout="4">+14155550123</Dial>"#,
                13212,
                "5 to 600",
            ),
            (
                r#"<Dial timeout="601">+14155550123</Dial>"#,
                13212,
                "5 to 600",
            ),
            (
                r#"<Dial timeLimit="14401">+14155550123</Dial>"#,
                13216,
                "14400",
            ),
            (
                r#"<Dial callerId="me">+14155550123</Dial>"#,
                13214,
                "callerId",
            ),
            (
                r#"<Dial answerOnBridge="1">+14155550123</Dial>"#,
                13219,
                "answerOnBridge",
            ),
            (
                r#"<Dial statusCallback="/s">+14155550123</Dial>"#,
                12200,
                "statusCallback",
            ),
            (
                r#"<Dial><Number statusCallbackEvent="ringing no-answer">+14155550123</Number></Dial>"#,
                12200,
                "`no-answer`, which is no event",
            ),
            (
                r#"<Dial hangupOnStar="1">+14155550123</Dial>"#,
                13213,
                "hangupOnStar",
            ),
            (
                r#"<Dial><Number sendDigits="1x">+14155550123</Number></Dial>"#,
                13222,
                "not keys",
            ),
            (
                r#"<Dial><Number machineDetectionTimeout="2">+14155550123</Number></Dial>"#,
                12200,
                "3 to 60",
            ),
            (r#"<Gather bargeIn="1"/>"#, 13332, "bargeIn"),
            (
                r#"<Dial><Number machineDetection="true">+14155550123</Number></Dial>"#,
                12200,
                "machineDetection",
            ),
        ] {
            let (got, message) = refusal(&format!("<Response>{inside}</Response>"));
            assert_eq!(got, code, "{inside}: {message}");
            assert!(message.contains(why), "{inside}: {message}");
        }
    }

    #[test]
    fn refuses_what_is_not_one_well_formed_document() {
        let large = format!("<Response><!--{}--></Response>", "a".repeat(64 * 1024));
        for (document, code) in [
            ("", 12100),
            ("Hello", 12100),
            ("{}", 12100),
            ("<Response>", 12100),
            ("<Response></Say>", 12100),
            ("<Response/><Response/>", 12100),
            ("<Response/>bye", 12100),
            ("\n<?xml version=\"1.0\"?><Response/>", 12100),
            ("<!DOCTYPE Response><Response/>", 12100),
            ("<Response><Say>a & b</Say></Response>", 12100),
            ("<Response><Say>&nbsp;</Say></Response>", 12100),
            ("<Response><Say>&#1;</Say></Response>", 12100),
            ("<Response><Say>\u{8}</Say></Response>", 12100),
            ("<Response><Say voice=alice>a</Say></Response>", 12100),
            (
                r#"<Response><Say voice="a" voice="b">a</Say></Response>"#,
                12100,
            ),
            (r#"<Response><Say voice="<">a</Say></Response>"#, 12100),
            ("<response/>", 12100),
            (r#"<Response version="1"/>"#, 12200),
            (&large, 11750),
        ] {
            let (got, message) = refusal(document);
            assert_eq!(got, code, "{document:.60}: {message}");
        }
        assert_eq!(
            parse(b"<Response>\xff</Response>", &base())
                .unwrap_err()
                .code,
            12100
        );
    }

    #[test]
    fn never_repeats_a_number_in_a_refusal() {
        for inside in [
            "<Dial>+9198765432101234</Dial>",
            "<Dial><Number>9876543210</Number></Dial>",
            r#"<Dial callerId="9876543210">+14155550123</Dial>"#,
        ] {
            let (_, message) = refusal(&format!("<Response>{inside}</Response>"));
            assert!(!message.contains("98765"), "{message}");
        }
    }
}
