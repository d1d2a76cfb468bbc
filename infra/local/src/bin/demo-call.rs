//! Plays the apps of an in-app call against the running local stack, over real sockets,
//! and shows what each device sends and gets.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use maskline_local::demo::{Demo, DemoBooking, DemoUser};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

const USAGE: &str = "\
Plays an in-app call of the running local stack's demo booking.

  --ending WHAT       hangup, reject, cancel or timeout (default: hangup)
  --token-in-url      sends tokens in the URL, for a WebSocket server that knows no subprotocols";

/// Where the stack says how it can be reached.
const STATE_FILE: &str = "target/maskline-local.json";
/// How long a frame may take to come.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long the two talk.
const TALK: Duration = Duration::from_secs(2);
/// As with any deadline, the end of ringing is told once the queue has asked about it.
const GRACE: Duration = Duration::from_secs(20);
/// A whole description, with no address in it.
const SDP: &str = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n";
/// A relay's, because no other passes where calls go through relays only.
const CANDIDATE: &str = "candidate:1 1 udp 1 203.0.113.9 9 typ relay raddr 0.0.0.0 rport 9";

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct State {
    http_url: String,
    /// None where the stack has no WebSocket API.
    websocket_url: Option<String>,
    /// None where the stack runs without demo data.
    demo: Option<Demo>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Hangup,
    Reject,
    Cancel,
    Timeout,
}

impl Ending {
    /// What the call's row in the history must say.
    fn status(self) -> &'static str {
        match self {
            Ending::Hangup => "completed",
            Ending::Reject => "rejected",
            Ending::Cancel | Ending::Timeout => "missed",
        }
    }
}

#[derive(Debug)]
struct Arguments {
    ending: Ending,
    token_in_url: bool,
}

fn arguments(mut given: impl Iterator<Item = String>) -> Result<Arguments, String> {
    let mut ending = Ending::Hangup;
    let mut token_in_url = false;
    while let Some(name) = given.next() {
        if name == "--token-in-url" {
            token_in_url = true;
            continue;
        }
        if name != "--ending" {
            return Err(format!("`{name}` is not an option\n\n{USAGE}"));
        }
        let what = given.next();
        ending = match what.as_deref() {
            Some("hangup") => Ending::Hangup,
            Some("reject") => Ending::Reject,
            Some("cancel") => Ending::Cancel,
            Some("timeout") => Ending::Timeout,
            Some(other) => return Err(format!("a call cannot end by `{other}`\n\n{USAGE}")),
            None => return Err(format!("{name} needs a value\n\n{USAGE}")),
        };
    }
    Ok(Arguments {
        ending,
        token_in_url,
    })
}

fn state() -> Result<State, String> {
    let path = std::env::var("STATE_FILE").unwrap_or_else(|_| STATE_FILE.to_owned());
    let text = std::fs::read(&path).map_err(|error| {
        format!("The stack is not running: start it with `make run` ({path}: {error})")
    })?;
    serde_json::from_slice(&text).map_err(|error| format!("{path} cannot be read: {error}"))
}

/// Prints a text; a reader that has gone away is no reason to fail.
fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// A frame's data in a line. The booking and the call are the same in all of them, and
/// the names stand beside the ids.
fn summary(data: &Value) -> String {
    const LEFT_OUT: [&str; 6] = [
        "bookingId",
        "callId",
        "callerName",
        "receiverName",
        "serviceName",
        "version",
    ];
    let mut line = match data["version"].as_u64() {
        Some(version) => format!("v{version}"),
        None => String::new(),
    };
    for (name, value) in data.as_object().into_iter().flatten() {
        if LEFT_OUT.contains(&name.as_str()) {
            continue;
        }
        // Writing into a String cannot fail.
        let _ = match (name.as_str(), value) {
            ("offer" | "answer", _) => {
                let bytes = value["sdp"].as_str().map_or(0, str::len);
                write!(line, " {name}=SDP of {bytes} bytes")
            }
            ("candidate", Value::Array(several)) => write!(line, " candidates={}", several.len()),
            ("candidate", _) => write!(line, " candidates=1"),
            (_, Value::String(text)) => write!(line, " {name}={text}"),
            _ => write!(line, " {name}={value}"),
        };
    }
    line.trim_start().to_owned()
}

/// Where frames are shown as they pass.
struct Screen {
    started: Instant,
}

impl Screen {
    fn show(&self, device: &str, arrow: char, name: &str, data: &Value) {
        let seconds = self.started.elapsed().as_secs_f64();
        let line = format!(
            "{seconds:7.3}  {device:<13} {arrow} {name:<18} {}",
            summary(data)
        );
        say(line.trim_end());
    }
}

/// A device with the app on it.
struct Device {
    name: String,
    user: String,
    screen: Arc<Screen>,
    out: SplitSink<Socket, Message>,
    incoming: mpsc::UnboundedReceiver<Value>,
    /// What has come and not been waited for yet.
    waiting: Vec<Value>,
    sent: u64,
}

impl Device {
    async fn open(
        screen: &Arc<Screen>,
        url: &str,
        user: &DemoUser,
        device: &str,
        token_in_url: bool,
    ) -> Result<Self, String> {
        let name = format!("{}'s {device}", user.id);
        let bad = |error: &dyn std::fmt::Display| format!("{name} cannot connect: {error}");
        let request = if token_in_url {
            format!("{url}?token={}", user.token).into_client_request()
        } else {
            url.into_client_request()
        };
        let mut request = request.map_err(|error| bad(&error))?;
        if !token_in_url {
            let offered = HeaderValue::try_from(format!("maskline, {}", user.token));
            let offered = offered.map_err(|error| bad(&error))?;
            let headers = request.headers_mut();
            headers.insert("sec-websocket-protocol", offered);
        }
        let (socket, _) = connect_async(request).await.map_err(|error| match error {
            tungstenite::Error::Io(error) => {
                format!("The stack does not answer: is `make run` still running? ({error})")
            }
            error => bad(&error),
        })?;
        let (out, frames) = socket.split();
        let (tell, incoming) = mpsc::unbounded_channel();
        tokio::spawn(read(Arc::clone(screen), name.clone(), frames, tell));
        Ok(Device {
            name,
            user: user.id.clone(),
            screen: Arc::clone(screen),
            out,
            incoming,
            waiting: Vec::new(),
            sent: 0,
        })
    }

    /// Sends a frame, and gives the id that its answer will carry.
    async fn send(&mut self, action: &str, data: Value) -> Result<u64, String> {
        self.sent += 1;
        self.screen.show(&self.name, '→', action, &data);
        let frame = json!({"action": action, "id": self.sent, "data": data});
        let sent = self.out.send(Message::text(frame.to_string())).await;
        sent.map_err(|error| format!("{} cannot send: {error}", self.name))?;
        Ok(self.sent)
    }

    /// Waits for a frame that fits; an error frame is one that nobody wants.
    async fn take(
        &mut self,
        what: &str,
        until: Instant,
        fits: impl Fn(&Value) -> bool,
    ) -> Result<Value, String> {
        loop {
            if let Some(found) = self.waiting.iter().position(&fits) {
                return Ok(self.waiting.remove(found));
            }
            let next = tokio::time::timeout_at(until, self.incoming.recv()).await;
            let frame = match next {
                Ok(Some(frame)) => frame,
                Ok(None) => return Err(format!("{}: the connection is closed", self.name)),
                Err(_) => return Err(format!("{}: {what} did not come", self.name)),
            };
            if frame["event"] == "error" {
                let error = &frame["data"];
                let text = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
                let (action, message) = (text("action"), text("message"));
                return Err(format!("{}: {action} was refused: {message}", self.name));
            }
            self.waiting.push(frame);
        }
    }

    /// Sends a frame, and gives the one that answers it.
    async fn ask(&mut self, action: &str, data: Value) -> Result<Value, String> {
        let id = self.send(action, data).await?;
        let (what, until) = (format!("an answer to {action}"), Instant::now() + PATIENCE);
        self.take(&what, until, |frame| frame["id"] == id).await
    }

    /// Asks, and checks that the answer is that event with those values.
    async fn must(
        &mut self,
        action: &str,
        data: &Value,
        event: &str,
        values: &[(&str, &str)],
    ) -> Result<(), String> {
        let answer = self.ask(action, data.clone()).await?;
        self.check(&answer, event, values)
    }

    /// Waits for an event about that call, and checks its values.
    async fn told(
        &mut self,
        call: &str,
        event: &str,
        values: &[(&str, &str)],
    ) -> Result<(), String> {
        self.told_until(Instant::now() + PATIENCE, call, event, values)
            .await
    }

    async fn told_until(
        &mut self,
        until: Instant,
        call: &str,
        event: &str,
        values: &[(&str, &str)],
    ) -> Result<(), String> {
        let fits = |frame: &Value| frame["event"] == event && frame["data"]["callId"] == call;
        let frame = self.take(event, until, fits).await?;
        self.check(&frame, event, values)
    }

    fn check(&self, frame: &Value, event: &str, values: &[(&str, &str)]) -> Result<(), String> {
        let name = &self.name;
        if frame["event"] != event {
            let got = &frame["event"];
            return Err(format!("{name}: {event} was to come, and {got} came"));
        }
        for (field, value) in values {
            let got = &frame["data"][field];
            if got != value {
                return Err(format!(
                    "{name}: {field} of {event} is {got} instead of \"{value}\""
                ));
            }
        }
        Ok(())
    }

    /// What is only for the device that has the call must not have come to this one.
    fn has_not_the_call(&mut self) -> Result<(), String> {
        while let Ok(frame) = self.incoming.try_recv() {
            self.waiting.push(frame);
        }
        let private = ["call:offer", "call:answer", "call:ice-candidate"];
        let came = |frame: &&Value| private.iter().any(|event| frame["event"] == *event);
        match self.waiting.iter().find(came) {
            Some(frame) => Err(format!(
                "{} got {}, and does not have the call",
                self.name, frame["event"]
            )),
            None => Ok(()),
        }
    }

    /// A device that is gone needs no closing.
    async fn close(mut self) {
        let _ = self.out.close().await;
    }
}

async fn read(
    screen: Arc<Screen>,
    name: String,
    mut frames: SplitStream<Socket>,
    tell: mpsc::UnboundedSender<Value>,
) {
    while let Some(Ok(message)) = frames.next().await {
        let Message::Text(text) = message else {
            continue;
        };
        let Ok(frame) = serde_json::from_str::<Value>(text.as_str()) else {
            say(&format!("{name} got a frame that is no JSON"));
            continue;
        };
        let event = frame["event"].as_str().unwrap_or("(no event)");
        screen.show(&name, '←', event, &frame["data"]);
        if tell.send(frame).is_err() {
            return;
        }
    }
}

/// The devices in the call.
struct Cast {
    booking: String,
    caller: Device,
    phone: Device,
    tablet: Device,
}

impl Cast {
    async fn open(url: &str, booking: &DemoBooking, token_in_url: bool) -> Result<Self, String> {
        let screen = &Arc::new(Screen {
            started: Instant::now(),
        });
        let open = async |user, device| Device::open(screen, url, user, device, token_in_url).await;
        Ok(Cast {
            booking: booking.id.clone(),
            caller: open(&booking.user, "phone").await?,
            phone: open(&booking.provider, "phone").await?,
            tablet: open(&booking.provider, "tablet").await?,
        })
    }

    fn about(&self) -> Value {
        json!({"bookingId": self.booking})
    }

    fn with(&self, field: &str, value: Value) -> Value {
        let mut data = self.about();
        data[field] = value;
        data
    }

    /// The call from the first frame to the last; its id.
    async fn play(&mut self, ending: Ending) -> Result<String, String> {
        for device in [&mut self.caller, &mut self.phone, &mut self.tablet] {
            let data = json!({"userId": device.user});
            device.must("join", &data, "joined", &[]).await?;
        }
        let (call, ring_until) = self.ring().await?;
        match ending {
            Ending::Hangup => self.talk(&call).await?,
            Ending::Reject => {
                let about = self.about();
                let rejected = [
                    ("reason", "rejected"),
                    ("endedBy", &self.phone.user.clone()),
                ];
                self.phone
                    .must("callReject", &about, "call:ended", &rejected)
                    .await?;
                self.caller
                    .told(&call, "call:rejected", &rejected[..1])
                    .await?;
                self.tablet.told(&call, "call:ended", &rejected).await?;
            }
            Ending::Cancel => {
                let about = self.about();
                let canceled = [
                    ("reason", "canceled"),
                    ("endedBy", &self.caller.user.clone()),
                ];
                self.caller
                    .must("callEnd", &about, "call:ended", &canceled)
                    .await?;
                self.phone.told(&call, "call:ended", &canceled).await?;
                self.tablet.told(&call, "call:ended", &canceled).await?;
            }
            Ending::Timeout => {
                let until = ring_until + GRACE;
                let values = [("reason", "timeout"), ("endedBy", "server")];
                for device in [&mut self.caller, &mut self.phone, &mut self.tablet] {
                    device
                        .told_until(until, &call, "call:ended", &values)
                        .await?;
                }
            }
        }
        Ok(call)
    }

    /// Rings both devices: the call's id, and until when it rings.
    async fn ring(&mut self) -> Result<(String, Instant), String> {
        let media = json!({"audio": true, "video": false});
        let ask = self.with("media", media);
        let answer = self.caller.ask("callInitiate", ask).await?;
        let data = &answer["data"];
        if answer["event"] == "call:ended" {
            let reason = data["reason"].as_str().unwrap_or_default();
            return Err(format!("{} was not rung: {reason}", self.phone.user));
        }
        // A version above the first is a call from before, which the caller has joined.
        if answer["event"] != "call:ringing" || data["version"] != 1 {
            return Err(format!(
                "The booking {} had a call already: try again, or end it where it was made",
                self.booking
            ));
        }
        let call = data["callId"].as_str().unwrap_or_default().to_owned();
        let ends = data["expiresAt"].as_str().unwrap_or_default();
        let ends = ends.parse::<jiff::Timestamp>();
        let ends = ends.map_err(|error| format!("expiresAt of call:ringing: {error}"))?;
        let left = ends.duration_since(jiff::Timestamp::now());
        let left = Duration::try_from(left).unwrap_or_default();
        let values = [("callerId", self.caller.user.as_str())];
        self.phone.told(&call, "call:incoming", &values).await?;
        self.tablet.told(&call, "call:incoming", &values).await?;
        Ok((call, Instant::now() + left))
    }

    /// From the accepting to the end.
    async fn talk(&mut self, call: &str) -> Result<(), String> {
        let about = self.about();
        let (caller, receiver) = (self.caller.user.clone(), self.phone.user.clone());
        let accepted = [("receiverId", receiver.as_str())];
        self.phone
            .must("callAccept", &about, "call:accepted", &accepted)
            .await?;
        self.caller.told(call, "call:accepted", &accepted).await?;
        let elsewhere = [("reason", "answered_elsewhere")];
        self.tablet.told(call, "call:ended", &elsewhere).await?;

        let description = |kind: &str| json!({"type": kind, "sdp": SDP});
        let candidate = json!({"candidate": CANDIDATE, "sdpMid": "0", "sdpMLineIndex": 0});
        let several = json!([candidate, candidate]);
        let (from_caller, from_receiver) =
            ([("from", caller.as_str())], [("from", receiver.as_str())]);
        let offer = self.with("offer", description("offer"));
        self.caller.send("callOffer", offer).await?;
        self.phone.told(call, "call:offer", &from_caller).await?;
        let answer = self.with("answer", description("answer"));
        self.phone.send("callAnswer", answer).await?;
        self.caller
            .told(call, "call:answer", &from_receiver)
            .await?;
        let candidates = self.with("candidate", several);
        self.caller.send("callIceCandidate", candidates).await?;
        self.phone
            .told(call, "call:ice-candidate", &from_caller)
            .await?;
        let candidates = self.with("candidate", candidate);
        self.phone.send("callIceCandidate", candidates).await?;
        self.caller
            .told(call, "call:ice-candidate", &from_receiver)
            .await?;

        tokio::time::sleep(TALK).await;
        let hangup = [("reason", "hangup"), ("endedBy", caller.as_str())];
        self.caller
            .must("callEnd", &about, "call:ended", &hangup)
            .await?;
        self.phone.told(call, "call:ended", &hangup).await
    }

    /// After a failure: what may still ring or run, so that the next call can be made.
    async fn give_up(&mut self) {
        let about = self.about();
        let _ = self.caller.ask("callEnd", about).await;
    }

    async fn close(self) {
        self.caller.close().await;
        self.phone.close().await;
        self.tablet.close().await;
    }
}

/// The call's row in the booking's history, as that user sees it.
async fn row(base: &str, booking: &str, call: &str, user: &DemoUser) -> Result<Value, String> {
    // Another part of the process may have installed a provider already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().build();
    let failed = |error: reqwest::Error| format!("The history cannot be read: {error}");
    let response = client
        .map_err(failed)?
        .get(format!("{base}/api/calls/history/{booking}"))
        .bearer_auth(&user.token)
        .send()
        .await
        .map_err(failed)?;
    let status = response.status();
    let body = response.bytes().await.map_err(failed)?;
    if !status.is_success() {
        return Err(format!("The history cannot be read: {status}"));
    }
    let page: Value = serde_json::from_slice(&body)
        .map_err(|error| format!("The history cannot be read: {error}"))?;
    let rows = page["data"]["calls"].as_array().into_iter().flatten();
    let found = rows.into_iter().find(|row| row["id"] == call);
    found
        .cloned()
        .ok_or_else(|| format!("The history has no call {call}"))
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
    let Arguments {
        ending,
        token_in_url,
    } = arguments(given.into_iter())?;
    let state = state()?;
    let demo = state.demo.as_ref();
    let demo = demo.ok_or("The stack runs without demo data, so there is no booking to call in")?;
    let url = state.websocket_url.as_deref();
    let url = url.ok_or("The stack has no WebSocket API")?;
    let booking = &demo.booking;
    let (caller, receiver) = (&booking.user.id, &booking.provider.id);
    say(&format!(
        "A call of {}: {caller} calls {receiver}, who has two devices (seconds, frames)\n",
        booking.id
    ));

    let mut cast = Cast::open(url, booking, token_in_url).await?;
    let played = cast.play(ending).await;
    if played.is_err() {
        cast.give_up().await;
    }
    let call = played.map_err(|problem| format!("\nThe call went wrong:\n  {problem}"))?;

    let row = row(&state.http_url, &booking.id, &call, &booking.user).await?;
    say(&format!("\nThe history row\n{row:#}"));
    let kept_apart = cast.tablet.has_not_the_call();
    cast.close().await;
    kept_apart?;
    if row["call_status"] != ending.status() {
        let (got, wanted) = (&row["call_status"], ending.status());
        return Err(format!("call_status is {got} instead of \"{wanted}\""));
    }
    Ok(())
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
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::{Ending, arguments, summary};

    #[test]
    fn reads_its_arguments() {
        let read = |line: &str| arguments(line.split_whitespace().map(str::to_owned));
        let hangup = read("").unwrap();
        assert_eq!(
            (hangup.ending, hangup.token_in_url),
            (Ending::Hangup, false)
        );
        let timeout = read("--token-in-url --ending timeout").unwrap();
        assert_eq!(
            (timeout.ending, timeout.token_in_url),
            (Ending::Timeout, true)
        );
        for (line, why) in [
            ("--ending", "needs a value"),
            ("--ending sleep", "`sleep`"),
            ("reject", "not an option"),
        ] {
            assert!(read(line).unwrap_err().contains(why), "{line}");
        }
    }

    #[test]
    fn sums_frames_up() {
        for (data, line) in [
            (json!({}), ""),
            (
                json!({"bookingId": "b", "callId": "b.1", "version": 3, "duration": 2, "reason": "hangup"}),
                "v3 duration=2 reason=hangup",
            ),
            (
                json!({"bookingId": "b", "offer": {"type": "offer", "sdp": "v=0"}}),
                "offer=SDP of 3 bytes",
            ),
            (json!({"candidate": [{}, {}]}), "candidates=2"),
        ] {
            assert_eq!(summary(&data), line);
        }
    }
}
