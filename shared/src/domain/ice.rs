//! Relays only: what a client signals, without any address but a relay's.
//!
//! Peers show each other their addresses in ICE candidates (RFC 8839), trickled one by
//! one or inside of session descriptions (SDP, RFC 8866). What passes here is written
//! anew from what was understood; what was not understood does not pass. Whether an
//! address that calls itself a relay's is one, nobody can tell from here.

// The addresses alone: std's module of that name does I/O.
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use sdp_types::{
    Attribute, Bandwidth, Candidate, CandidateAddress, CandidateType, Connection, Media, Origin,
    Session,
};
use serde_json::{Map, Value, json};

/// The port that stands for one that is not told (discard).
const NO_PORT: u16 = 9;
const NO_ADDRESS: Ipv4Addr = Ipv4Addr::UNSPECIFIED;
/// What relay candidates may carry besides what every candidate has.
const EXTENSIONS: [&str; 5] = [
    "generation",
    "network-cost",
    "network-id",
    "tcptype",
    "ufrag",
];
/// What a candidate is called as an attribute.
const CANDIDATE: &str = "candidate";

/// A candidate as clients send it, if it is a relay's: an RTCIceCandidateInit, its
/// line alone, or an array of either, of which those of relays are kept. The end of
/// candidates, null or an empty line, passes. `None` where nothing is left.
pub fn relay_candidate(given: &Value) -> Option<Value> {
    let Value::Array(list) = given else {
        return one_candidate(given);
    };
    let kept: Vec<_> = list.iter().filter_map(one_candidate).collect();
    (!kept.is_empty()).then_some(Value::Array(kept))
}

/// An offer or answer as clients send it, an RTCSessionDescriptionInit or its SDP
/// alone, without any address but those of relays. `None` where it is neither.
pub fn relay_description(given: &Value) -> Option<Value> {
    match given {
        Value::String(sdp) => relay_sdp(sdp).map(Value::String),
        Value::Object(fields) => {
            let kind = fields.get("type")?.as_str()?;
            let sdp = relay_sdp(fields.get("sdp")?.as_str()?)?;
            let known = ["offer", "answer", "pranswer"].contains(&kind);
            known.then(|| json!({ "type": kind, "sdp": sdp }))
        }
        _ => None,
    }
}

fn one_candidate(given: &Value) -> Option<Value> {
    match given {
        Value::Null => Some(Value::Null),
        Value::String(line) => relay_line(line).map(Value::String),
        Value::Object(fields) => candidate_init(fields).map(Value::Object),
        _ => None,
    }
}

/// The four fields of an RTCIceCandidateInit; a full RTCIceCandidate has more, and
/// among them the address in parts.
fn candidate_init(fields: &Map<String, Value>) -> Option<Map<String, Value>> {
    let mut kept = Map::new();
    for name in ["candidate", "sdpMid", "sdpMLineIndex", "usernameFragment"] {
        let value = match (name, fields.get(name)) {
            ("candidate", None) => return None,
            (_, None) => continue,
            (_, Some(Value::Null)) => Value::Null,
            ("candidate", Some(Value::String(line))) => relay_line(line)?.into(),
            ("sdpMid", Some(Value::String(mid))) if is_plain(mid) => mid.as_str().into(),
            ("sdpMLineIndex", Some(Value::Number(index))) => index.as_u64()?.into(),
            ("usernameFragment", Some(Value::String(text))) if is_ice(text) => text.as_str().into(),
            _ => return None,
        };
        kept.insert(name.to_owned(), value);
    }
    Some(kept)
}

/// A candidate's line, or the empty one that ends the candidates.
fn relay_line(line: &str) -> Option<String> {
    if line.is_empty() {
        return Some(String::new());
    }
    let line = line.trim_end_matches(['\r', '\n']);
    let line = line.strip_prefix("a=").unwrap_or(line);
    let value = line.strip_prefix(CANDIDATE)?.strip_prefix(':')?;
    Some(format!("{CANDIDATE}:{}", relay_attribute(value)?))
}

/// A `candidate` attribute's value (RFC 8839, section 5.1), if it is a relay's. The
/// related address is the client's own: it is concealed as that section says.
fn relay_attribute(value: &str) -> Option<String> {
    let mut candidate: Candidate = value.parse().ok()?;
    let address = match candidate.address {
        CandidateAddress::IpAddr(address) => address,
        // Only a host's is looked up, by mDNS.
        CandidateAddress::FQDN(_) => return None,
    };
    let transport = candidate.transport.to_ascii_lowercase();
    let in_order = candidate.typ == CandidateType::Relay
        && is_ice(&candidate.foundation)
        && candidate.foundation.len() <= 32
        && (1..=256).contains(&candidate.component_id)
        && ["udp", "tcp"].contains(&transport.as_str())
        && candidate.priority <= u64::from(u32::MAX);
    if !in_order {
        return None;
    }
    if candidate.rel_addr.is_some() || candidate.rel_port.is_some() {
        candidate.rel_addr = Some(match address {
            IpAddr::V4(_) => NO_ADDRESS.into(),
            IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        });
        candidate.rel_port = Some(NO_PORT);
    }
    candidate
        .extensions
        .retain(|(name, value)| EXTENSIONS.contains(&name.as_str()) && is_ice(value));
    Some(candidate.to_string())
}

/// A session description without any address but those of relay candidates. What is
/// only for people, titles and contacts, is left out.
fn relay_sdp(sdp: &str) -> Option<String> {
    let given = Session::parse(sdp.as_bytes()).ok()?;
    let (id, version) = (given.origin.sess_id, given.origin.sess_version);
    if !id.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let mut session = Session::new(Origin::with_ip_addr(id, version, NO_ADDRESS), "-");
    session.origin.username = given.origin.username.filter(|name| is_plain(name));
    session.bandwidths = bandwidths(given.bandwidths);
    session.attributes = attributes(given.attributes);
    session.medias = given.medias.into_iter().map(media).collect::<Option<_>>()?;
    Some(session.to_string())
}

fn media(mut media: Media) -> Option<Media> {
    let words = [&media.media, &media.proto, &media.fmt];
    let plain = |word: &&String| !shows_address(word) && word.split([' ', '/']).all(is_token);
    if !words.iter().all(plain) {
        return None;
    }
    // Port 0 says that the medium is not used.
    media.port = if media.port == 0 { 0 } else { NO_PORT };
    media.num_ports = None;
    media.media_title = None;
    media.key = None;
    media.connections = vec![Connection::from_ip_addr(NO_ADDRESS)];
    media.bandwidths = bandwidths(media.bandwidths);
    media.attributes = attributes(media.attributes);
    Some(media)
}

fn bandwidths(given: Vec<Bandwidth>) -> Vec<Bandwidth> {
    given.into_iter().filter(|b| is_plain(&b.bwtype)).collect()
}

fn attributes(given: Vec<Attribute>) -> Vec<Attribute> {
    given.into_iter().filter_map(attribute).collect()
}

/// Some read names without regard to case.
fn attribute(given: Attribute) -> Option<Attribute> {
    let name = given.attribute.to_ascii_lowercase();
    let value = given.value.as_deref().unwrap_or_default();
    match name.as_str() {
        CANDIDATE => Some(Attribute::with_value(CANDIDATE, relay_attribute(value)?)),
        // A second default address.
        "rtcp" => {
            let nowhere = format!("{NO_PORT} IN IP4 {NO_ADDRESS}");
            Some(Attribute::with_value("rtcp", nowhere))
        }
        "remote-candidates" => None,
        // Name and value together, because an address may begin in the one.
        _ => {
            let plain = is_token(&name) && !shows_address(&format!("{name}:{value}"));
            plain.then_some(given)
        }
    }
}

/// A token (RFC 8866, section 9).
fn is_token(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`{|}~".contains(&b);
    !text.is_empty() && text.bytes().all(allowed)
}

/// A token, and no address.
fn is_plain(text: &str) -> bool {
    is_token(text) && !shows_address(text)
}

/// One or more ice-chars (RFC 8839, section 5.1), of which no address is made.
fn is_ice(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'+' || b == b'/';
    (1..=256).contains(&text.len()) && text.bytes().all(allowed)
}

/// Whether there is an IP address or an mDNS name somewhere in a text; in doubt, yes.
fn shows_address(text: &str) -> bool {
    let of_address = |c: char| c.is_ascii_hexdigit() || c == ':' || c == '.';
    text.to_ascii_lowercase().contains(".local")
        || text
            .split(|c| !of_address(c))
            .any(|word| has_dotted_quad(word) || has_colon_groups(word))
}

fn has_dotted_quad(word: &str) -> bool {
    let digits = |group: &str| !group.is_empty() && group.bytes().all(|b| b.is_ascii_digit());
    let groups: Vec<_> = word.split('.').collect();
    groups.windows(4).any(|quad| {
        quad[0].ends_with(|c: char| c.is_ascii_digit())
            && digits(quad[1])
            && digits(quad[2])
            && quad[3].starts_with(|c: char| c.is_ascii_digit())
    })
}

/// An IPv6 address, and not a fingerprint: that has two digits in each of its groups.
fn has_colon_groups(word: &str) -> bool {
    let groups: Vec<_> = word.split(':').filter(|group| !group.is_empty()).collect();
    word.contains("::") || (groups.len() >= 8 && groups.iter().any(|group| group.len() != 2))
}
