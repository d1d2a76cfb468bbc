//! The TwiML that Maskline speaks, as types, written by an XML writer: no value
//! can become markup.

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};

/// The verbs in use. <https://www.twilio.com/docs/voice/twiml>
pub enum Twiml {
    Say(&'static str),
    Gather(Gather),
    Dial(Dial),
    /// Goes on with the document that a POST there answers with.
    Redirect(String),
    Hangup,
}

/// Asks for digits, speaking meanwhile. Where none come, the next verb is done.
pub struct Gather {
    pub num_digits: u8,
    pub action: String,
    pub prompt: &'static str,
}

impl Gather {
    /// Seconds between two keys.
    const TIMEOUT: u8 = 8;
}

/// Rings one number and bridges it to the caller.
pub struct Dial {
    pub caller_id: String,
    pub timeout: u32,
    pub time_limit: u32,
    pub action: String,
    pub number: Number,
}

pub struct Number {
    pub e164: String,
    pub status_callback: String,
    pub machine_detection: bool,
}

const VOICE: (&str, &str) = ("language", "en-US");

/// A whole document.
pub fn write(verbs: &[Twiml]) -> String {
    let mut writer = Writer::new(Vec::new());
    let written = document(&mut writer, verbs);
    // Writing to memory fails only when memory does, and UTF-8 in is UTF-8 out.
    debug_assert!(written.is_ok());
    String::from_utf8(writer.into_inner()).unwrap_or_default()
}

fn document(writer: &mut Writer<Vec<u8>>, verbs: &[Twiml]) -> std::io::Result<()> {
    writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    writer
        .create_element("Response")
        .write_inner_content(|writer| verbs.iter().try_for_each(|verb| write_verb(writer, verb)))?;
    Ok(())
}

fn write_verb(writer: &mut Writer<Vec<u8>>, verb: &Twiml) -> std::io::Result<()> {
    match verb {
        Twiml::Say(words) => say(writer, words),
        Twiml::Hangup => writer.create_element("Hangup").write_empty().map(drop),
        Twiml::Redirect(url) => writer
            .create_element("Redirect")
            .with_attribute(("method", "POST"))
            .write_text_content(BytesText::new(url))
            .map(drop),
        Twiml::Gather(gather) => writer
            .create_element("Gather")
            .with_attribute(("input", "dtmf"))
            .with_attribute(("numDigits", gather.num_digits.to_string().as_str()))
            .with_attribute(("timeout", Gather::TIMEOUT.to_string().as_str()))
            .with_attribute(("action", gather.action.as_str()))
            .with_attribute(("method", "POST"))
            .write_inner_content(|writer| say(writer, gather.prompt))
            .map(drop),
        Twiml::Dial(dial) => writer
            .create_element("Dial")
            .with_attribute(("callerId", dial.caller_id.as_str()))
            .with_attribute(("answerOnBridge", "true"))
            .with_attribute(("timeout", dial.timeout.to_string().as_str()))
            .with_attribute(("timeLimit", dial.time_limit.to_string().as_str()))
            .with_attribute(("action", dial.action.as_str()))
            .with_attribute(("method", "POST"))
            .write_inner_content(|writer| number(writer, &dial.number))
            .map(drop),
    }
}

fn say(writer: &mut Writer<Vec<u8>>, words: &str) -> std::io::Result<()> {
    let say = writer.create_element("Say").with_attribute(VOICE);
    say.write_text_content(BytesText::new(words)).map(drop)
}

/// The result of machine detection goes where the leg's progress goes.
fn number(writer: &mut Writer<Vec<u8>>, number: &Number) -> std::io::Result<()> {
    let events = "initiated ringing answered completed";
    let mut element = writer
        .create_element("Number")
        .with_attribute(("statusCallback", number.status_callback.as_str()))
        .with_attribute(("statusCallbackEvent", events))
        .with_attribute(("statusCallbackMethod", "POST"));
    if number.machine_detection {
        element = element
            .with_attribute(("machineDetection", "Enable"))
            .with_attribute(("amdStatusCallback", number.status_callback.as_str()))
            .with_attribute(("amdStatusCallbackMethod", "POST"));
    }
    element
        .write_text_content(BytesText::new(&number.e164))
        .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bridge(machine_detection: bool) -> String {
        write(&[Twiml::Dial(Dial {
            caller_id: "+14155550100".into(),
            timeout: 30,
            time_limit: 3600,
            action: "https://x/dial?call=a.1&b=2".into(),
            number: Number {
                e164: "+919876543210".into(),
                status_callback: "https://x/status?call=a.1".into(),
                machine_detection,
            },
        })])
    }

    #[test]
    fn a_bridge() {
        let text = bridge(true);
        assert_eq!(
            text,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response>\
             <Dial callerId=\"+14155550100\" answerOnBridge=\"true\" timeout=\"30\" \
             timeLimit=\"3600\" action=\"https://x/dial?call=a.1&amp;b=2\" method=\"POST\">\
             <Number statusCallback=\"https://x/status?call=a.1\" \
             statusCallbackEvent=\"initiated ringing answered completed\" \
             statusCallbackMethod=\"POST\" machineDetection=\"Enable\" \
             amdStatusCallback=\"https://x/status?call=a.1\" amdStatusCallbackMethod=\"POST\">\
             +919876543210</Number></Dial></Response>"
        );
        let detection = " machineDetection=\"Enable\" \
            amdStatusCallback=\"https://x/status?call=a.1\" amdStatusCallbackMethod=\"POST\"";
        assert_eq!(bridge(false), text.replace(detection, ""));
        assert_ne!(bridge(false), text);
    }

    #[test]
    fn nothing_becomes_markup() {
        let hostile = "\"/><Dial>+19005550199</Dial><x y='&";
        let text = write(&[Twiml::Gather(Gather {
            num_digits: 6,
            action: hostile.into(),
            prompt: "<Hangup/> & \"quotes\"",
        })]);
        assert!(
            !text.contains("<Dial>") && !text.contains("<Hangup/>"),
            "{text}"
        );
        assert!(text.contains("&lt;Hangup/&gt; &amp; "), "{text}");
    }
}
