//! Reads an XML document into a small tree, as strictly as Twilio's parser.

use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;

use crate::transcript::Fault;

/// An element with what it holds.
#[derive(Debug, Default)]
pub(crate) struct Element {
    pub name: String,
    pub attributes: Vec<(String, String)>,
    pub children: Vec<Self>,
    /// The text directly inside, without that of the children.
    pub text: String,
}

fn not_well_formed(why: impl std::fmt::Display) -> Fault {
    Fault::new(12100, format!("the document is not well-formed XML: {why}"))
}

/// Characters that XML 1.0 lets a document hold at all.
fn is_legal(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r') || (c >= ' ' && !matches!(c, '\u{fffe}' | '\u{ffff}'))
}

fn element(start: &BytesStart<'_>) -> Result<Element, Fault> {
    let mut attributes = Vec::new();
    for attribute in start.attributes() {
        let attribute = attribute.map_err(not_well_formed)?;
        if attribute.value.contains('<') {
            return Err(not_well_formed("`<` inside an attribute"));
        }
        let value = attribute
            .normalized_value(XmlVersion::Implicit1_0)
            .map_err(not_well_formed)?;
        if !value.chars().all(is_legal) {
            return Err(not_well_formed("a control character in an attribute"));
        }
        let name: &str = attribute.key.as_ref();
        attributes.push((name.to_owned(), value.into_owned()));
    }
    let name = start.name();
    let name: &str = name.as_ref();
    Ok(Element {
        name: name.to_owned(),
        attributes,
        ..Element::default()
    })
}

/// What a reference such as `&amp;` or `&#233;` stands for.
fn resolve(reference: &quick_xml::events::BytesRef<'_>) -> Result<char, Fault> {
    if let Some(c) = reference.resolve_char_ref().map_err(not_well_formed)? {
        return Ok(c);
    }
    let name: &str = reference.as_ref();
    match name {
        "lt" => Ok('<'),
        "gt" => Ok('>'),
        "amp" => Ok('&'),
        "quot" => Ok('"'),
        "apos" => Ok('\''),
        _ => Err(not_well_formed(format!("unknown entity &{name};"))),
    }
}

/// Reads a document and returns its root element.
pub(crate) fn parse(document: &str) -> Result<Element, Fault> {
    let mut reader = Reader::from_str(document);
    reader.config_mut().enable_all_checks(true);
    // The first entry is the document itself, which may hold one element and no text.
    let mut open = vec![Element::default()];
    let mut started = false;
    loop {
        let event = reader.read_event().map_err(not_well_formed)?;
        let mut closed = None;
        match &event {
            Event::Start(start) => open.push(element(start)?),
            Event::Empty(start) => closed = Some(element(start)?),
            Event::End(_) => closed = open.pop(),
            Event::Decl(_) if started => {
                return Err(not_well_formed("something precedes the XML declaration"));
            }
            Event::DocType(_) => return Err(not_well_formed("a document type is not accepted")),
            Event::Decl(_) | Event::Comment(_) | Event::PI(_) => {}
            Event::Text(text) => push_text(&mut open, &text.xml10_content()),
            Event::CData(text) => push_text(&mut open, &text.xml10_content()),
            Event::GeneralRef(reference) => {
                push_text(&mut open, resolve(reference)?.encode_utf8(&mut [0; 4]));
            }
            Event::Eof => break,
        }
        if let (Some(element), Some(parent)) = (closed, open.last_mut()) {
            parent.children.push(element);
        }
        started = true;
    }
    let [document] = open.as_mut_slice() else {
        return Err(not_well_formed("an element is not closed"));
    };
    if !document.text.trim().is_empty() {
        return Err(not_well_formed("text outside the root element"));
    }
    match (document.children.pop(), document.children.is_empty()) {
        (Some(root), true) if is_text_legal(&root) => Ok(root),
        (Some(_), true) => Err(not_well_formed("a control character in the text")),
        (Some(_), false) => Err(not_well_formed("more than one root element")),
        (None, _) => Err(not_well_formed("there is no root element")),
    }
}

fn push_text(open: &mut [Element], text: &str) {
    if let Some(element) = open.last_mut() {
        element.text.push_str(text);
    }
}

fn is_text_legal(element: &Element) -> bool {
    element.text.chars().all(is_legal) && element.children.iter().all(is_text_legal)
}
