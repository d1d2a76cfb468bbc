//! In-app calls: an event for each of their functions, a whole call on real sockets,
//! and many at once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use maskline_local::template::FunctionPlan;
use serde::Serialize;
use serde_json::{Value, json};

use super::socket::App;
use super::{Event, QUEUE, Step, World};
use crate::ROOT;
use crate::error::Error;
use crate::stats::Spread;

/// Frames that the clients of a call send: `callInitiate`, `callAccept`, an offer, an
/// answer, candidates, `callEnd`.
const FRAMES: u64 = 20;
/// Frames of each call before those that are timed: processes start, connections open.
const WARM_UP: usize = 10;
/// For how long a function's line is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a browser offers for audio, in length and kind.
const SDP: &str = "v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n\
a=group:BUNDLE 0\r\na=extmap-allow-mixed\r\na=msid-semantic: WMS 7f0c2a6e-55a1\r\n\
m=audio 9 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126\r\nc=IN IP4 0.0.0.0\r\n\
a=rtcp:9 IN IP4 0.0.0.0\r\na=ice-ufrag:Yh2q\r\na=ice-pwd:mZ0l3nQJmHnX2yS1c9o0bV4T\r\n\
a=ice-options:trickle\r\na=fingerprint:sha-256 6B:8B:F0:65:5F:78:E2:51:3B:AC:6F:F3:3F:46:\
1B:35:DC:B8:5F:64:1A:24:C2:43:F0:A1:58:D0:A1:2C:19:08\r\na=setup:actpass\r\na=mid:0\r\n\
a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n\
a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\na=sendrecv\r\na=rtcp-mux\r\n\
a=rtpmap:111 opus/48000/2\r\na=rtcp-fb:111 transport-cc\r\na=fmtp:111 minptime=10;useinbandfec=1\r\n\
a=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111\r\na=rtpmap:9 G722/8000\r\na=rtpmap:0 PCMU/8000\r\n\
a=rtpmap:8 PCMA/8000\r\na=rtpmap:13 CN/8000\r\na=rtpmap:110 telephone-event/48000\r\n\
a=rtpmap:126 telephone-event/8000\r\na=ssrc:1948125674 cname:kX4v2Qm1jWq8\r\n";

/// How long relayed frames take, from being sent to having come.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Latency {
    /// Calls at once. Each sends its next frame when its last one has come.
    pub calls: usize,
    /// Processes of the relay function that there were in the end.
    pub processes: usize,
    /// Frames a second, of all calls together.
    pub per_second: f64,
    /// The times.
    pub times: Spread,
}

/// The two of a booking, a device each.
struct Pair {
    booking: String,
    caller: Arc<App>,
    receiver: Arc<App>,
}

/// Two who talk.
struct Talk {
    pair: Pair,
    call: String,
}

impl Talk {
    /// What a frame about the call holds.
    fn about(&self) -> Value {
        json!({ "bookingId": self.pair.booking, "callId": self.call })
    }

    /// The same with a field of its own.
    fn with(&self, field: &str, value: Value) -> Value {
        let mut data = self.about();
        data[field] = value;
        data
    }

    /// The two, the caller first in every other frame.
    fn ends(&self, turn: usize) -> (&App, &App) {
        let (caller, receiver) = (&*self.pair.caller, &*self.pair.receiver);
        match turn.is_multiple_of(2) {
            true => (caller, receiver),
            false => (receiver, caller),
        }
    }
}

impl World {
    /// An event for a function behind the WebSocket API or its queue: what AWS sends,
    /// about sockets that are open.
    pub(super) async fn socket_event(&self, function: &FunctionPlan) -> Result<Event, Error> {
        let name = function.binary.as_str();
        let mut json = example(name)?;
        let mut frames = Vec::new();
        let mut body = None;
        match name {
            "ws-connect" => {
                let user = self.fresh("user");
                json["queryStringParameters"]["token"] = self.token(&user, "")?.into();
                json["requestContext"]["connectionId"] = self.fresh("connection").into();
            }
            "ws-disconnect" | "ws-default" | "ws-join" | "ws-ping" => {
                let app = Arc::new(self.app(self.fresh("user")).await?);
                json["requestContext"]["connectionId"] = app.connection.as_str().into();
                let event = match name {
                    "ws-default" => Some("error"),
                    "ws-join" => Some("joined"),
                    "ws-ping" => Some("pong"),
                    _ => None,
                };
                body = event.map(|_| json!({ "userId": app.user }));
                // One without a frame keeps its socket open, too.
                frames.push((app, event));
            }
            "deadlines" => {
                // The usual question: asked when the ringing would end, while they talk.
                let talk = self.talk().await?;
                let question = json!({ "callId": talk.call, "version": 1 });
                json["Records"][0]["body"] = question.to_string().into();
                frames.push((talk.pair.caller, None));
                frames.push((talk.pair.receiver, None));
            }
            "ws-call-initiate" => {
                let pair = self.pair().await?;
                body = Some(json!({ "bookingId": pair.booking }));
                json["requestContext"]["connectionId"] = pair.caller.connection.as_str().into();
                frames.push((pair.caller, Some("call:ringing")));
                frames.push((pair.receiver, Some("call:incoming")));
            }
            _ => {
                let (by_caller, to_caller, to_receiver) = match name {
                    "ws-call-accept" => (false, Some("call:accepted"), Some("call:accepted")),
                    "ws-call-reject" => (false, Some("call:rejected"), Some("call:ended")),
                    "ws-call-end" => (true, Some("call:ended"), Some("call:ended")),
                    "ws-relay" => (true, None, Some("call:ice-candidate")),
                    _ => return Err(Error::NoEvent(name.to_owned())),
                };
                let talk = match name {
                    "ws-call-accept" | "ws-call-reject" => self.ring().await?,
                    _ => self.talk().await?,
                };
                body = Some(match name {
                    "ws-relay" => talk.with("candidate", candidate()),
                    _ => talk.about(),
                });
                let Pair {
                    caller, receiver, ..
                } = talk.pair;
                let by = if by_caller { &caller } else { &receiver };
                json["requestContext"]["connectionId"] = by.connection.as_str().into();
                frames.push((caller, to_caller));
                frames.push((receiver, to_receiver));
            }
        }
        if let Some(data) = body {
            let action = &json["requestContext"]["routeKey"];
            let frame = json!({ "action": action, "id": "1", "data": data });
            json["body"] = frame.to_string().into();
        }
        Ok(Event::with_frames(function, json, frames))
    }

    /// A whole call, frame by frame, with the sockets opened and closed for it.
    pub async fn app_call(&self) -> Result<Vec<Step>, Error> {
        let mut steps = Vec::new();
        let (user, provider) = (self.fresh("user"), self.fresh("provider"));
        let booking = self.new_booking(&user, &provider).await?;
        let mut apps = Vec::new();
        for user in [user, provider] {
            let opening = self.answered("$connect", async { self.app(user).await });
            let (step, app) = self.counted("ws-connect", "a socket", opening).await?;
            steps.push(step);
            let data = json!({ "userId": app.user });
            let expected = [(&app, "joined")];
            self.frame(&mut steps, &app, "join", data, &expected)
                .await?;
            apps.push(Arc::new(app));
        }
        let [caller, receiver] = [&apps[0], &apps[1]].map(Arc::clone);
        let (from, to) = (&*caller, &*receiver);
        let data = json!({ "bookingId": booking, "media": { "audio": true, "video": false } });
        let expected = [(from, "call:ringing"), (to, "call:incoming")];
        let ringing = self
            .frame(&mut steps, from, "callInitiate", data, &expected)
            .await?;
        let talk = Talk {
            call: ringing["callId"].as_str().unwrap_or_default().to_owned(),
            pair: Pair {
                booking,
                caller: Arc::clone(&caller),
                receiver: Arc::clone(&receiver),
            },
        };
        let about = talk.about();
        let expected = [(to, "call:accepted"), (from, "call:accepted")];
        self.frame(&mut steps, to, "callAccept", about.clone(), &expected)
            .await?;
        let described = |kind: &str| json!({ "type": kind, "sdp": SDP });
        let data = talk.with("offer", described("offer"));
        let expected = [(to, "call:offer")];
        self.frame(&mut steps, from, "callOffer", data, &expected)
            .await?;
        let data = talk.with("answer", described("answer"));
        let expected = [(from, "call:answer")];
        self.frame(&mut steps, to, "callAnswer", data, &expected)
            .await?;
        for turn in 0..FRAMES as usize - 5 {
            let (from, to) = talk.ends(turn);
            let data = talk.with("candidate", candidate());
            let expected = [(to, "call:ice-candidate")];
            self.frame(&mut steps, from, "callIceCandidate", data, &expected)
                .await?;
        }
        // What the queue would ask later, each when it would: the first when the ringing
        // would have ended, the others after the call.
        let queues = self.stack.queues();
        let mut questions = queues.map_or_else(Vec::new, |queues| queues.bodies(QUEUE));
        questions.retain(|body| body.contains(&talk.call));
        let mut questions = questions.into_iter();
        if let Some(question) = questions.next() {
            self.ask(&mut steps, question).await?;
        }
        let expected = [(from, "call:ended"), (to, "call:ended")];
        self.frame(&mut steps, from, "callEnd", about, &expected)
            .await?;
        for question in questions {
            self.ask(&mut steps, question).await?;
        }
        for app in apps {
            let closing = self.answered("$disconnect", async { app.close().await });
            let (step, ()) = self.counted("ws-disconnect", "a socket", closing).await?;
            steps.push(step);
        }
        Ok(steps)
    }

    /// Relays `frames` candidates in each of so many calls at once.
    pub async fn latency(&self, calls: usize, frames: usize) -> Result<Latency, Error> {
        let mut talks = Vec::new();
        for _ in 0..calls {
            talks.push(self.talk().await?);
        }
        relay(&talks, WARM_UP).await?;
        let began = Instant::now();
        let times = relay(&talks, frames).await?;
        let per_second = times.len() as f64 / began.elapsed().as_secs_f64();
        Ok(Latency {
            calls,
            processes: self.stack.pids("ws-relay").len(),
            per_second,
            times: Spread::of(times),
        })
    }

    /// Counts a frame; gives the data of the first frame that came for it.
    async fn frame(
        &self,
        steps: &mut Vec<Step>,
        from: &App,
        action: &str,
        data: Value,
        expected: &[(&App, &'static str)],
    ) -> Result<Value, Error> {
        let websocket = self.plan.websocket.as_ref();
        let id = websocket.and_then(|plan| plan.routes.get(action));
        let function = self.plan.functions.iter().find(|f| Some(&f.id) == id);
        let function = function.ok_or_else(|| Error::Needs(format!("no route {action}")))?;
        let doing = self.answered(action, exchange(from, action, data, expected));
        let (step, first) = self.counted(&function.binary, action, doing).await?;
        steps.push(step);
        Ok(first)
    }

    /// Counts a question of the queue, alone in its event as on a quiet day.
    async fn ask(&self, steps: &mut Vec<Step>, question: String) -> Result<(), Error> {
        let mut json = example("deadlines")?;
        json["Records"][0]["body"] = question.into();
        let event = Event::with_frames(self.function("deadlines")?, json, Vec::new());
        steps.push(self.step("a deadline", &event).await?.0);
        Ok(())
    }

    /// Does something that has a route's function invoked, and waits for its answer:
    /// its frames come before.
    async fn answered<T>(
        &self,
        route: &str,
        doing: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let before = self.stack.log().lines().len();
        let done = doing.await?;
        let mark = format!(" {route} 20");
        let there = async {
            while !self.stack.log().lines()[before..]
                .iter()
                .any(|line| line.contains(&mark))
            {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, there).await;
        waited.map_err(|_| Error::Needs(format!("no answer of the function behind {route}")))?;
        Ok(done)
    }

    async fn app(&self, user: String) -> Result<App, Error> {
        let gateway = self.gateway()?;
        let stage = self.plan.websocket.as_ref().map(|plan| plan.stage.as_str());
        let (url, stage) = (gateway.url(), stage.unwrap_or_default());
        let url = format!("{url}/{stage}?token={}", self.token(&user, "")?);
        // Sockets are opened one after the other: the newest is this one.
        let newest = || gateway.connections().pop();
        App::open(user, &url, Arc::clone(&self.received), newest).await
    }

    /// Users of their own, so that nobody is busy.
    async fn pair(&self) -> Result<Pair, Error> {
        let (user, provider) = (self.fresh("user"), self.fresh("provider"));
        Ok(Pair {
            booking: self.new_booking(&user, &provider).await?,
            caller: Arc::new(self.app(user).await?),
            receiver: Arc::new(self.app(provider).await?),
        })
    }

    /// A call that rings.
    async fn ring(&self) -> Result<Talk, Error> {
        let pair = self.pair().await?;
        let (caller, receiver) = (&*pair.caller, &*pair.receiver);
        let data = json!({ "bookingId": pair.booking });
        let expected = [(caller, "call:ringing"), (receiver, "call:incoming")];
        let ringing = exchange(caller, "callInitiate", data, &expected).await?;
        Ok(Talk {
            call: ringing["callId"].as_str().unwrap_or_default().to_owned(),
            pair,
        })
    }

    /// A call that was accepted.
    async fn talk(&self) -> Result<Talk, Error> {
        let talk = self.ring().await?;
        let (caller, receiver) = talk.ends(0);
        let expected = [(receiver, "call:accepted"), (caller, "call:accepted")];
        let about = talk.about();
        exchange(receiver, "callAccept", about, &expected).await?;
        Ok(talk)
    }

    fn fresh(&self, what: &str) -> String {
        format!("{what}-{}", self.next())
    }
}

/// Sends a frame and waits for those that it causes; gives the first one's data.
async fn exchange(
    from: &App,
    action: &str,
    data: Value,
    expected: &[(&App, &'static str)],
) -> Result<Value, Error> {
    from.send(&frame(action, data)).await?;
    let mut first = None;
    for (to, event) in expected {
        let (_, data) = to.take(event).await?;
        first.get_or_insert(data);
    }
    Ok(first.unwrap_or_default())
}

/// Milliseconds of each frame. Calls wait for nobody but themselves.
async fn relay(talks: &[Talk], frames: usize) -> Result<Vec<f64>, Error> {
    let all = talks.iter().map(async |talk| {
        let text = frame("callIceCandidate", talk.with("candidate", candidate()));
        let mut times = Vec::new();
        for turn in 0..frames {
            let (from, to) = talk.ends(turn);
            let sent = Instant::now();
            from.send(&text).await?;
            let (came, _) = to.take("call:ice-candidate").await?;
            times.push(came.duration_since(sent).as_secs_f64() * 1000.0);
        }
        Ok::<_, Error>(times)
    });
    Ok(try_join_all(all).await?.concat())
}

/// The event that is kept for a function.
fn example(function: &str) -> Result<Value, Error> {
    let path = format!("{ROOT}/events/{function}.json");
    let file = std::fs::read(&path).map_err(Error::io(path.clone()))?;
    serde_json::from_slice(&file).map_err(|error| Error::io(path)(error.into()))
}

fn frame(action: &str, data: Value) -> String {
    json!({ "action": action, "id": "1", "data": data }).to_string()
}

fn candidate() -> Value {
    let line = "candidate:842163049 1 udp 41885439 203.0.113.9 49160 typ relay raddr 0.0.0.0 \
                rport 9 generation 0 ufrag Yh2q network-cost 999";
    json!({ "candidate": line, "sdpMid": "0", "sdpMLineIndex": 0 })
}
