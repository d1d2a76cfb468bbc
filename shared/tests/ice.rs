//! Relays only: whatever a client signals, no address passes but a relay's, and what
//! passes is what it was.

#![allow(clippy::unwrap_used)]

use maskline::domain::ice::{relay_candidate, relay_description};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Session descriptions of the browsers, each with the addresses that are not relays'.
const BROWSERS: [(&str, &[&str]); 3] = [
    (
        include_str!("fixtures/chromium.sdp"),
        &[
            "127.0.0.1",
            "192.168.10.37",
            "4f1a9c22-3d0e-4b7b-8f55-0c9d8e7a6b5c.local",
            "2001:db8:85a3::8a2e:370:7334",
            "198.51.100.24",
        ],
    ),
    (
        include_str!("fixtures/firefox.sdp"),
        &[
            "6b0f8f6e-2f64-4d3b-9d39-8f1f3b6c6d11.local",
            "2001:db8:1:2:3:4:5:6",
            "10.101.102.103",
            "198.51.100.99",
        ],
    ),
    (
        include_str!("fixtures/safari.sdp"),
        &[
            "192.168.178.44",
            "a5d3c1b7-0e2f-49d8-b6c4-71f82e9d3a05.local",
            "fd00:1234:5678:1::2c",
            "198.51.100.60",
            "198.51.100.61",
            "198.51.100.62",
        ],
    ),
];

fn crlf(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\n', "\r\n")
}

fn sdp(given: &str) -> Option<String> {
    let passed = relay_description(&json!(given))?;
    Some(passed.as_str().unwrap().to_owned())
}

/// Lines that are rewritten or dropped rather than passed.
fn is_about_addresses(line: &str) -> bool {
    [
        "o=",
        "c=",
        "m=",
        "a=candidate:",
        "a=rtcp:",
        "a=remote-candidates:",
    ]
    .iter()
    .any(|start| line.starts_with(start))
}

#[test]
fn of_a_browsers_description_the_relays_remain() {
    for (given, addresses) in BROWSERS {
        let passed = sdp(&crlf(given)).unwrap();
        for address in addresses {
            assert!(!passed.contains(address), "{address} in {passed}");
        }
        assert_eq!(passed.matches('\n').count(), passed.matches("\r\n").count());
        assert!(passed.starts_with("v=0\r\no=") && passed.ends_with("\r\n"));

        let rest = |text: &str| -> Vec<_> {
            let lines = text.lines().filter(|line| !is_about_addresses(line));
            lines.map(str::to_owned).collect()
        };
        assert_eq!(rest(&passed), rest(given), "everything else is as it was");

        let of = |text: &str, start: &str| -> Vec<_> {
            let lines = text.lines().filter(|line| line.starts_with(start));
            lines.map(str::to_owned).collect()
        };
        let relays = of(given, "a=candidate:");
        let relays = relays.iter().filter(|line| line.contains(" typ relay "));
        let expected: Vec<_> = relays
            .map(|line| {
                let (before, after) = line.split_once(" raddr ").unwrap();
                let (raddr, after) = after.split_once(" rport ").unwrap();
                let after = after.split_once(' ').map_or("", |(_, rest)| rest);
                let nowhere = if raddr.contains(':') { "::" } else { "0.0.0.0" };
                let line = format!("{before} raddr {nowhere} rport 9 {after}");
                line.trim_end().to_owned()
            })
            .collect();
        assert!(!expected.is_empty());
        assert_eq!(of(&passed, "a=candidate:"), expected);

        let media = of(&passed, "m=");
        assert_eq!(media.len(), of(given, "m=").len());
        assert!(media.iter().all(|line| line.split(' ').nth(1) == Some("9")));
        assert_eq!(of(&passed, "c="), vec!["c=IN IP4 0.0.0.0"; media.len()]);
        assert!(of(&passed, "o=")[0].ends_with(" IN IP4 0.0.0.0"));
        for rtcp in of(&passed, "a=rtcp:") {
            assert_eq!(rtcp, "a=rtcp:9 IN IP4 0.0.0.0");
        }
        assert_eq!(sdp(&passed).unwrap(), passed);
        assert_eq!(
            sdp(given).unwrap(),
            passed,
            "line ends of one character, too"
        );
    }
}

#[test]
fn titles_contacts_and_refused_media() {
    let given = "v=0\r\no=jdoe 3724394400 3724394405 IN IP4 198.51.100.1\r\ns=Call +919876543210\r\n\
        i=A Seminar at 198.51.100.1\r\nu=http://198.51.100.1/\r\ne=j.doe@example.com\r\n\
        p=+1 617 555-6011\r\nc=IN IP4 198.51.100.1\r\nb=CT:128\r\nt=3724394400 3724398000\r\n\
        k=prompt\r\na=tool:x 198.51.100.1\r\nm=video 0 RTP/AVP 99\r\ni=title\r\n\
        a=source-filter: incl IN IP4 * 198.51.100.1\r\n\
        a=CANDIDATE:1 1 udp 1 laptop.example.com 5 typ host\r\na=inactive\r\n";
    let expected = "v=0\r\no=jdoe 3724394400 3724394405 IN IP4 0.0.0.0\r\ns=-\r\nb=CT:128\r\nt=0 0\r\n\
        m=video 0 RTP/AVP 99\r\nc=IN IP4 0.0.0.0\r\na=inactive\r\n";
    assert_eq!(sdp(given).as_deref(), Some(expected));
}

#[test]
fn descriptions_of_other_forms() {
    let offer = crlf(BROWSERS[0].0);
    let passed = sdp(&offer).unwrap();
    for kind in ["offer", "answer", "pranswer"] {
        let given = json!({"type": kind, "sdp": offer, "candidates": ["198.51.100.24"]});
        let expected = json!({"type": kind, "sdp": passed});
        assert_eq!(relay_description(&given), Some(expected));
    }
    for none in [
        json!(null),
        json!(""),
        json!("hello"),
        json!(7),
        json!([offer]),
        json!({"type": "offer"}),
        json!({"sdp": offer}),
        json!({"type": "198.51.100.24", "sdp": offer}),
        json!({"type": "offer", "sdp": {"sdp": offer}}),
        json!(offer.replace("v=0", "v=1")),
        json!(offer.replace("a=mid:0", " a=mid:0")),
        json!(offer.replace("a=mid:0", "a=mid:0\r198.51.100.24")),
        json!(offer.replace("webrtc-datachannel", "198.51.100.24")),
        json!(offer.replace("UDP/DTLS/SCTP", "fd00::24/SCTP")),
        json!(offer.replace("4611731400430051336", "198.51.100.24")),
    ] {
        assert_eq!(relay_description(&none), None, "{none}");
    }
}

#[test]
fn candidate_lines() {
    let passes = |line: &str| {
        let passed = relay_candidate(&json!(line))?;
        Some(passed.as_str().unwrap().to_owned())
    };
    let start = "candidate:1 1 udp 41885439 203.0.113.7 50411 typ relay";
    for (given, expected) in [
        (start.to_owned(), start.to_owned()),
        (format!("a={start}\r\n"), start.to_owned()),
        (
            format!(
                "{start} raddr 198.51.100.24 rport 54609 generation 0 ufrag Qv5T network-cost 10"
            ),
            format!("{start} raddr 0.0.0.0 rport 9 generation 0 ufrag Qv5T network-cost 10"),
        ),
        (
            format!("{start} raddr fd00::1 rport 1 x-host 198.51.100.24 ufrag 198.51.100.24"),
            format!("{start} raddr 0.0.0.0 rport 9"),
        ),
        (
            "candidate:1 1 UDP 1 2A00:5F00:0:0::7 5 TYP Relay RADDR 198.51.100.24 RPORT 1"
                .to_owned(),
            "candidate:1 1 UDP 1 2a00:5f00::7 5 typ relay raddr :: rport 9".to_owned(),
        ),
    ] {
        assert_eq!(
            passes(&given).as_deref(),
            Some(expected.as_str()),
            "{given}"
        );
    }
    for dropped in [
        "candidate:1 1 udp 1 198.51.100.24 5 typ host",
        "candidate:1 1 udp 1 198.51.100.24 5 typ srflx raddr 0.0.0.0 rport 0",
        "candidate:1 1 udp 1 198.51.100.24 5 typ prflx",
        "candidate:1 1 udp 1 198.51.100.24 5 typ relayed",
        "candidate:1 1 udp 1 198.51.100.24 5 typ",
        "candidate:1 1 udp 1 198.51.100.24 5 relay",
        "candidate:1 1 udp 1 198.51.100.24 5 typ  relay",
        "candidate:1 1 udp 1 198.51.100.24 5\ttyp relay",
        "candidate:1  1 udp 1 198.51.100.24 5 typ relay",
        " candidate:1 1 udp 1 198.51.100.24 5 typ relay",
        "candidate: 1 1 udp 1 198.51.100.24 5 typ relay",
        "candidate:1 1 udp 1 198.51.100.24 5 typ relay ",
        "candidate:1 1 udp 1 198.51.100.24 5 typ relay raddr",
        "candidate:1 1 udp 1 198.51.100.24 5 typ relay raddr x rport 1",
        "candidate:1 1 udp 1 a.local 5 typ relay",
        "candidate:1 1 udp 1 turn.example.com 5 typ relay",
        "candidate:1 1 udp 1 198.51.100.24 65536 typ relay",
        "candidate:1 0 udp 1 198.51.100.24 5 typ relay",
        "candidate:1 257 udp 1 198.51.100.24 5 typ relay",
        "candidate:1 1 udp 4294967296 198.51.100.24 5 typ relay",
        "candidate:1 1 sctp 1 198.51.100.24 5 typ relay",
        "candidate:198.51.100.24 1 udp 1 203.0.113.7 5 typ relay",
        "candidate:1 1 udp 1 203.0.113.7 5 typ relay\r\na=candidate:1 1 udp 1 198.51.100.24 5 typ host",
        "a=a=candidate:1 1 udp 1 203.0.113.7 5 typ relay",
        "Candidate:1 1 udp 1 203.0.113.7 5 typ relay",
        "candidate",
        "198.51.100.24",
        "\n",
    ] {
        assert_eq!(passes(dropped), None, "{dropped}");
    }
}

#[test]
fn candidates_of_every_form() {
    let relay = "candidate:1 1 udp 1 203.0.113.7 5 typ relay raddr 198.51.100.24 rport 7";
    let told = "candidate:1 1 udp 1 203.0.113.7 5 typ relay raddr 0.0.0.0 rport 9";
    let host = "candidate:2 1 udp 2 198.51.100.24 5 typ host";
    let init = |line: &str| json!({"candidate": line, "sdpMid": "0", "sdpMLineIndex": 0, "usernameFragment": "Qv5T"});
    let mut whole = init(relay);
    whole["relatedAddress"] = json!("198.51.100.24");
    whole["nested"] = json!({"candidate": host});
    for (given, expected) in [
        (init(relay), Some(init(told))),
        (whole, Some(init(told))),
        (init(host), None),
        (
            json!({"candidate": relay}),
            Some(json!({"candidate": told})),
        ),
        (
            json!({"candidate": relay, "sdpMid": null, "usernameFragment": null}),
            Some(json!({"candidate": told, "sdpMid": null, "usernameFragment": null})),
        ),
        (
            json!([init(host), init(relay), host, relay, [relay], 7, {"x": relay}]),
            Some(json!([init(told), told])),
        ),
        (json!([init(host), host]), None),
        (json!([]), None),
        (json!({}), None),
        // The end of candidates.
        (json!(null), Some(json!(null))),
        (json!(""), Some(json!(""))),
        (init(""), Some(init(""))),
        (json!({"candidate": null}), Some(json!({"candidate": null}))),
        (json!([host, null]), Some(json!([null]))),
        (json!([host, ""]), Some(json!([""]))),
        // Fields of another type, or with an address in them.
        (json!({"candidate": {"candidate": relay}}), None),
        (json!({"candidate": [relay]}), None),
        (json!({"candidate": relay, "sdpMid": 0}), None),
        (json!({"candidate": relay, "sdpMid": "198.51.100.24"}), None),
        (json!({"candidate": "", "sdpMid": "fd00::1"}), None),
        (json!({"candidate": relay, "sdpMLineIndex": "0"}), None),
        (json!({"candidate": relay, "sdpMLineIndex": -1}), None),
        (
            json!({"candidate": relay, "usernameFragment": "198.51.100.24"}),
            None,
        ),
        (json!(true), None),
    ] {
        assert_eq!(relay_candidate(&given), expected, "{given}");
    }
}

/// An address that is no relay's; each in a range of its own.
fn private() -> impl Strategy<Value = String> {
    prop_oneof![
        (0..=255_u8, 100..=255_u8).prop_map(|(a, b)| format!("10.{b}.{a}.{b}")),
        (1..=0xffff_u16, 0..=0xffff_u16).prop_map(|(a, b)| format!("2001:db8:{a:x}::{b:x}")),
        any::<[u16; 6]>().prop_map(|rest| {
            let rest = rest.map(|group| format!("{group:x}"));
            format!("fd00:dead:{}", rest.join(":"))
        }),
        "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{12}\\.local",
    ]
}

fn relay() -> impl Strategy<Value = String> {
    (1..=254_u8, 1024..=65_535_u16, private(), any::<bool>()).prop_map(|(n, port, hidden, told)| {
        let line = format!("candidate:1 1 udp 41885439 203.0.113.{n} {port} typ relay");
        match hidden.parse::<std::net::IpAddr>() {
            Ok(address) if told => format!("{line} raddr {address} rport 7 generation 0"),
            _ => line,
        }
    })
}

fn any_case(text: &str, bits: u64) -> String {
    let change = |(i, c): (usize, char)| match bits >> (i % 64) & 1 {
        1 => c.to_ascii_uppercase(),
        _ => c,
    };
    text.chars().enumerate().map(change).collect()
}

/// A candidate that must not pass, in any spelling.
fn other_candidate() -> impl Strategy<Value = (String, String)> {
    let kind = prop_oneof![
        Just("host"),
        Just("srflx"),
        Just("prflx"),
        Just("relax"),
        Just("")
    ];
    let space = prop_oneof![8 => Just(" "), 1 => Just("  "), 1 => Just("\t"), 1 => Just("\u{a0}")];
    let name =
        prop_oneof![8 => Just("candidate:"), 1 => Just("candidate: "), 1 => Just("candidate :")];
    (name, private(), kind, space, any::<u64>(), any::<bool>()).prop_map(
        |(name, address, kind, space, bits, same_case)| {
            let line = format!(
                "{name}1 1 udp 2122260223 {address} 54609 typ {kind} raddr {address} rport 9"
            );
            let line = line.replace(' ', space);
            let line = if same_case {
                line
            } else {
                any_case(&line, bits)
            };
            (line, address)
        },
    )
}

/// A line of a session description with an address in it, which must not pass.
fn leak() -> impl Strategy<Value = (String, String)> {
    let forms = prop::sample::select(vec![
        "a={}",
        "a=x:{}",
        "a=x-{}:y",
        "a=x:y{}",
        "a={}:{}",
        "a=x y {}",
        "A=x:{}",
        "a=rtcp:9 IN IP4 {}",
        "a=RTCP:9 IN IP6 {}",
        "a=remote-candidates:1 {} 9",
        "a=Remote-Candidates:1 {} 9",
        "a=ssrc:1 cname:me@{}",
        "a=source-filter: incl IN IP4 * {}",
        "a=fingerprint:sha-256 {}",
        "a=fingerprint:sha-256 AA:BB:{}",
        "c=IN IP4 {}",
        "c=IN IP6 {}/127",
        "i=at {}",
        "k=uri:{}",
        "b={}:5",
        "b=X-{}:5",
        "x={}",
        "{}",
        " a=x:{}",
        "\ta=candidate:{}",
        "m=audio 9 RTP/AVP {}",
        "m={} 9 RTP/AVP 0",
        "m=audio 9 {} 0",
        "u=http://{}/",
        "e=me@{}",
        "p={}",
        "s={}",
        "o=- 1 1 IN IP4 {}",
        "o={} 1 1 IN IP4 0.0.0.0",
        "a=mid:{}",
        "a=\u{feff}x:{}",
        "a=x:\u{1f600}{}\u{1f600}",
    ]);
    (forms, private()).prop_map(|(form, address)| (form.replace("{}", &address), address))
}

/// Lines that pass as they are.
fn harmless() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "a=mid:0",
        "a=ice-options:trickle",
        "a=end-of-candidates",
        "a=fingerprint:sha-256 5E:3B:1C:8F:0A:4D:77:92:E6:11:B8:C3:5F:29:6A:D0:84:FE:97:2B:3C:45:60:1D:AA:EF:08:72:91:BC:DE:34",
        "a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
        "m=audio 54609 UDP/TLS/RTP/SAVPF 111 0",
        "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
        "b=AS:64",
    ])
    .prop_map(str::to_owned)
}

#[derive(Debug, Clone)]
enum Line {
    Relay(String),
    Hidden(String, String),
    Harmless(String),
}

fn line() -> impl Strategy<Value = Line> {
    prop_oneof![
        2 => relay().prop_map(Line::Relay),
        2 => other_candidate().prop_map(|(line, address)| Line::Hidden(format!("a={line}"), address)),
        1 => leak().prop_map(|(line, address)| Line::Hidden(line, address)),
        2 => harmless().prop_map(Line::Harmless),
    ]
}

fn shows(passed: &Value, address: &str) -> bool {
    passed
        .to_string()
        .to_lowercase()
        .contains(&address.to_lowercase())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_description_shows_an_address(
        lines in prop::collection::vec(line(), 0..12),
        end in prop_oneof![Just("\r\n"), Just("\n")],
        (user, home) in (prop_oneof![Just("-".to_owned()), private()], private()),
    ) {
        let mut text = format!("v=0{end}o={user} 1 2 IN IP4 {home}{end}s=-{end}t=0 0{end}");
        for line in &lines {
            match line {
                Line::Relay(line) => text.push_str(&format!("a={line}")),
                Line::Hidden(line, _) | Line::Harmless(line) => text.push_str(line),
            }
            text.push_str(end);
        }
        let Some(passed) = relay_description(&json!(text)) else {
            return Ok(());
        };
        prop_assert!(!shows(&passed, &home) && (user == "-" || !shows(&passed, &user)));
        for line in &lines {
            match line {
                Line::Hidden(_, address) => {
                    prop_assert!(!shows(&passed, address), "{address} in {passed}");
                }
                Line::Relay(line) => {
                    let kept = line.split(" raddr ").next().unwrap();
                    prop_assert!(passed.as_str().unwrap().contains(kept), "{kept} not in {passed}");
                }
                Line::Harmless(line) if !line.starts_with("m=") => {
                    prop_assert!(passed.as_str().unwrap().contains(line.as_str()), "{line}");
                }
                Line::Harmless(_) => {}
            }
        }
        prop_assert_eq!(relay_description(&passed), Some(passed.clone()));
    }

    #[test]
    fn no_candidate_shows_an_address(
        relays in prop::collection::vec(relay(), 0..4),
        others in prop::collection::vec(other_candidate(), 0..4),
        shape in 0..4,
    ) {
        let wrap = |line: &String| match shape {
            0 => json!(line),
            1 => json!({"candidate": line, "sdpMid": "0", "address": line}),
            2 => json!({"candidate": line, "sdpMLineIndex": 0, "nested": {"candidate": line}}),
            _ => json!({"candidate": format!("a={line}"), "usernameFragment": "Qv5T"}),
        };
        let list: Vec<_> = others.iter().map(|(line, _)| wrap(line)).chain(relays.iter().map(wrap)).collect();
        let passed = relay_candidate(&json!(list));
        prop_assert_eq!(passed.as_ref().map_or(0, |list| list.as_array().unwrap().len()), relays.len());
        for (single, (_, address)) in list.iter().zip(&others) {
            prop_assert_eq!(relay_candidate(single), None);
            let shown = passed.as_ref().is_some_and(|passed| shows(passed, address));
            prop_assert!(!shown, "{address} in {passed:?}");
        }
        if let Some(passed) = passed {
            prop_assert_eq!(relay_candidate(&passed), Some(passed.clone()));
        }
    }

    /// A browser's description with something changed anywhere.
    #[test]
    fn no_changed_description_shows_an_address(
        which in 0..BROWSERS.len(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0..5, any::<char>()), 1..6),
    ) {
        let (given, addresses) = BROWSERS[which];
        let mut text: Vec<char> = crlf(given).chars().collect();
        for (at, how, new) in changes {
            let at = at.index(text.len());
            match how {
                0 => text[at] = new,
                1 => text.insert(at, new),
                2 => drop(text.remove(at)),
                3 => text[at] = text[at].to_ascii_uppercase(),
                _ => text.insert(at, [' ', '\n', '\r', '\t', ':', '='][at % 6]),
            }
        }
        let text: String = text.into_iter().collect();
        if let Some(passed) = relay_description(&json!(text)) {
            for address in addresses {
                prop_assert!(!shows(&passed, address), "{address} in {passed}");
            }
            prop_assert_eq!(relay_description(&passed), Some(passed.clone()));
        }
    }

    #[test]
    fn anything_else_does_no_harm(text in "\\PC{0,200}", bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for text in [text, String::from_utf8_lossy(&bytes).into_owned()] {
            let _ = relay_description(&json!(text));
            let candidate = relay_candidate(&json!(text));
            prop_assert!(candidate.is_none() || text.is_empty());
        }
    }
}
