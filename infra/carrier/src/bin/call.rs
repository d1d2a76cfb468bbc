//! Places one call against the running local stack and tells how it went.

use std::io::Write as _;
use std::process::ExitCode;

use maskline_carrier::{CallPlan, OwnerDoes, RequestKind, RequestLog, Transcript};
use reqwest::Client;
use serde::Deserialize;
use serde_json::Value;

const USAGE: &str = "\
Places a visitor's call to a tag of the running local stack.

  --tag CODE          the tag to call (default: the first that shares the number)
  --owner WHAT        answers, busy, noAnswer, declines, fails or voicemail (default: answers)
  --talks-for N       seconds of talk (default: 42)
  --hang-up-after N   the visitor gives up after N seconds of ringing
  --from NUMBER       who calls (default: +14155550123)";

/// Where the stack says how it can be reached.
const STATE_FILE: &str = "target/maskline-local.json";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct State {
    http_url: String,
    /// None where a real carrier is configured.
    carrier_url: Option<String>,
    /// None where the stack runs without demo data.
    demo: Option<Demo>,
}

#[derive(Deserialize)]
struct Demo {
    tags: Vec<Tag>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Tag {
    short_code: String,
    /// What to dial.
    number: String,
    /// What to key in then, where the number is shared.
    extension: Option<String>,
    owner_token: String,
}

#[derive(Debug, PartialEq)]
struct Arguments {
    tag: Option<String>,
    /// The plan, but for whom to dial and what to key in.
    plan: CallPlan,
}

fn arguments(mut given: impl Iterator<Item = String>) -> Result<Arguments, String> {
    let mut tag = None;
    let mut plan = CallPlan::new("+14155550123", "");
    while let Some(name) = given.next() {
        let mut value = || {
            given
                .next()
                .ok_or(format!("{name} needs a value\n\n{USAGE}"))
        };
        let seconds = |text: String| {
            let parsed = text.parse::<u32>();
            parsed.map_err(|_| format!("`{text}` is not a number of seconds"))
        };
        match name.as_str() {
            "--tag" => tag = Some(value()?),
            "--from" => plan.from = value()?,
            "--talks-for" => plan.owner.talks_for = seconds(value()?)?,
            "--hang-up-after" => plan.visitor.hangs_up_after = Some(seconds(value()?)?),
            "--owner" => {
                let what = value()?;
                plan.owner.does = serde_json::from_value::<OwnerDoes>(what.clone().into())
                    .map_err(|_| format!("an owner cannot do `{what}`\n\n{USAGE}"))?;
            }
            _ => return Err(format!("`{name}` is not an option\n\n{USAGE}")),
        }
    }
    Ok(Arguments { tag, plan })
}

fn state() -> Result<State, String> {
    let path = std::env::var("STATE_FILE").unwrap_or_else(|_| STATE_FILE.to_owned());
    let text = std::fs::read(&path).map_err(|error| {
        format!("The stack is not running: start it with `make run` ({path}: {error})")
    })?;
    serde_json::from_slice(&text).map_err(|error| format!("{path} cannot be read: {error}"))
}

fn choose<'a>(tags: &'a [Tag], wanted: Option<&str>) -> Result<&'a Tag, String> {
    let found = match wanted {
        Some(code) => tags
            .iter()
            .find(|tag| tag.short_code.eq_ignore_ascii_case(code)),
        None => {
            let shares = tags.iter().find(|tag| tag.extension.is_some());
            shares.or(tags.first())
        }
    };
    found.ok_or_else(|| {
        let codes: Vec<&str> = tags.iter().map(|tag| tag.short_code.as_str()).collect();
        format!("There is no such tag; the stack has: {}", codes.join(", "))
    })
}

async fn place(client: &Client, url: &str, plan: &CallPlan) -> Result<Transcript, String> {
    let body = serde_json::to_vec(plan).map_err(|error| error.to_string())?;
    let request = client
        .post(format!("{url}/sim/calls"))
        .header("Content-Type", "application/json")
        .body(body);
    serde_json::from_value(json(request).await?)
        .map_err(|error| format!("The carrier's answer cannot be read: {error}"))
}

async fn last_entry(client: &Client, state: &State, tag: &Tag) -> Result<Value, String> {
    let (base, code) = (&state.http_url, &tag.short_code);
    let request = client
        .get(format!("{base}/api/v1/call/{code}/history?limit=1"))
        .header("Authorization", format!("Bearer {}", tag.owner_token));
    let mut page = json(request).await?;
    Ok(page["calls"][0].take())
}

async fn json(request: reqwest::RequestBuilder) -> Result<Value, String> {
    let unreachable = |error: reqwest::Error| {
        format!("The stack does not answer: is `make run` still running? ({error})")
    };
    let response = request.send().await.map_err(unreachable)?;
    let status = response.status();
    let body = response.bytes().await.map_err(unreachable)?;
    let parsed = serde_json::from_slice::<Value>(&body);
    match parsed {
        Ok(value) if status.is_success() => Ok(value),
        Ok(value) => {
            let message = value["message"].as_str().unwrap_or("no message");
            Err(format!("HTTP {}: {message}", status.as_u16()))
        }
        Err(error) => Err(format!("HTTP {}, and no JSON: {error}", status.as_u16())),
    }
}

fn request_line(request: &RequestLog, dial: &str) -> String {
    let time = request.at.get(11..19).unwrap_or(&request.at);
    let status = match request.kind {
        RequestKind::DialStatus => dial,
        _ => request.call_status.map_or("", |status| status.as_str()),
    };
    let outcome = match request.http_status {
        Some(code) => format!("HTTP {code} in {} ms", request.millis),
        None if request.lost => "lost".to_owned(),
        None => "no answer".to_owned(),
    };
    let copy = match request.copy {
        0 => String::new(),
        n => format!("  (repetition {n})"),
    };
    let kind = request.kind.as_str();
    format!("  {time}  {kind:<12} {status:<12} {outcome}{copy}")
}

fn report(transcript: &Transcript) -> String {
    let (visitor, owner) = (&transcript.visitor, &transcript.owner);
    let dial = transcript
        .dial_call_status
        .map_or("was not dialled", |status| status.as_str());
    let line = |what: &str, text: &str| format!("  {what:<12} {text}");
    let hearing = |heard: &[String]| -> Vec<String> {
        heard.iter().map(|text| line("heard", text)).collect()
    };
    let mut lines = vec!["The visitor".to_owned(), line("dialled", &visitor.dialled)];
    lines.extend(visitor.keyed.iter().map(|keyed| line("keyed in", keyed)));
    lines.push(line("saw", &visitor.saw));
    lines.extend(hearing(&visitor.heard));
    lines.push("\nThe owner".to_owned());
    lines.push(line(
        "saw",
        owner.saw.as_deref().unwrap_or("nothing: was not called"),
    ));
    lines.extend(hearing(&owner.heard));
    lines.push("\nWhat the carrier asked and reported, in the call's own time".to_owned());
    lines.extend(
        transcript
            .requests
            .iter()
            .map(|request| request_line(request, dial)),
    );
    lines.push("\nHow it ended".to_owned());
    lines.push(line("visitor", transcript.call_status.as_str()));
    lines.push(line("owner", dial));
    lines.join("\n")
}

/// Prints a text; a reader that has gone away is no reason to fail.
fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// What speaks against the call, one line each.
fn complaints(transcript: &Transcript) -> Vec<String> {
    let mut complaints: Vec<String> = transcript.errors.iter().map(ToString::to_string).collect();
    if transcript.owner_saw_visitor_number {
        complaints.push("the owner learned the visitor's number".to_owned());
    }
    if transcript.visitor_saw_owner_number {
        complaints.push("the visitor learned the owner's number".to_owned());
    }
    complaints
}

async fn run() -> Result<(), String> {
    let given: Vec<String> = std::env::args().skip(1).collect();
    if given
        .iter()
        .any(|argument| matches!(argument.as_str(), "-h" | "--help"))
    {
        say(USAGE);
        return Ok(());
    }
    let Arguments { tag, mut plan } = arguments(given.into_iter())?;
    let state = state()?;
    let demo = state.demo.as_ref();
    let demo = demo.ok_or("The stack runs without demo data, so there is no tag to call")?;
    let carrier_url = state.carrier_url.as_deref();
    let carrier_url = carrier_url.ok_or("A real carrier is configured: use a telephone")?;
    let tag = choose(&demo.tags, tag.as_deref())?;
    plan.to.clone_from(&tag.number);
    plan.keys = tag.extension.iter().cloned().map(Some).collect();

    // Another part of the process may have installed a provider already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder()
        .no_proxy()
        .build()
        .map_err(|error| error.to_string())?;
    let transcript = place(&client, carrier_url, &plan).await?;
    say(&format!(
        "A call to the tag {}\n\n{}",
        tag.short_code,
        report(&transcript)
    ));

    let entry = last_entry(&client, &state, tag).await?;
    let sid = entry["twilioCallSid"].as_str();
    let text = serde_json::to_string_pretty(&entry).map_err(|error| error.to_string())?;
    say(&format!("\nThe history entry\n{text}"));

    let mut complaints = complaints(&transcript);
    if sid != Some(transcript.call_sid.as_str()) {
        complaints.push("the newest history entry is not this call's".to_owned());
    }
    if complaints.is_empty() {
        return Ok(());
    }
    Err(format!(
        "\nThe call had errors:\n  {}",
        complaints.join("\n  ")
    ))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use maskline_carrier::OwnerDoes;

    use super::{State, arguments, choose};

    fn given(line: &str) -> impl Iterator<Item = String> {
        line.split_whitespace().map(str::to_owned)
    }

    #[test]
    fn reads_its_arguments() {
        let line =
            "--tag demo-bike --owner noAnswer --talks-for 7 --hang-up-after 3 --from anonymous";
        let read = arguments(given(line)).unwrap();
        assert_eq!(read.tag.as_deref(), Some("demo-bike"));
        assert_eq!(read.plan.owner.does, OwnerDoes::NoAnswer);
        assert_eq!(read.plan.owner.talks_for, 7);
        assert_eq!(read.plan.visitor.hangs_up_after, Some(3));
        assert_eq!(read.plan.from, "anonymous");
        for (line, why) in [
            ("--owner sleeps", "`sleeps`"),
            ("--talks-for long", "`long`"),
            ("--tag", "needs a value"),
            ("demo-bike", "not an option"),
        ] {
            assert!(arguments(given(line)).unwrap_err().contains(why), "{line}");
        }
    }

    #[test]
    fn prefers_a_tag_that_shares_the_number() {
        let state: State = serde_json::from_value(serde_json::json!({
            "httpUrl": "", "carrierUrl": null,
            "demo": {"adminToken": "", "tags": [
                {"shortCode": "own", "number": "+14155550101", "extension": null,
                 "ownerId": "u1", "ownerToken": "t1"},
                {"shortCode": "shares", "number": "+14155550100", "extension": "222222",
                 "ownerId": "u2", "ownerToken": "t2"},
            ]},
        }))
        .unwrap();
        let tags = state.demo.unwrap().tags;
        assert_eq!(choose(&tags, None).unwrap().short_code, "shares");
        assert_eq!(choose(&tags, Some("OWN")).unwrap().short_code, "own");
        let refusal = choose(&tags, Some("none"))
            .map(|tag| &tag.short_code)
            .unwrap_err();
        assert!(refusal.contains("own, shares"));
    }
}
