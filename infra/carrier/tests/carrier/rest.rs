//! Calls and messages that the application asks for over Twilio's REST API.

use std::time::Duration;

use crate::backend::{ACCOUNT, Backend, OWNER, TOKEN, VIRTUAL, VISITOR};
use maskline_carrier::{Settings, serve};
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

const DIAL: &str = r#"<Dial callerId="+14155550100" answerOnBridge="true" action="/dial-status">
    <Number statusCallback="/owner" statusCallbackEvent="initiated ringing answered completed"
    >+919876543210</Number></Dial>"#;
const SERVICE: &str = "MG00000000000000000000000000000001";
/// The query that names the visitor.
const TO: &str = "?to=%2B14155550123";

struct Served {
    base: String,
    client: Client,
    stop: oneshot::Sender<()>,
    task: JoinHandle<std::io::Result<()>>,
    backend: Backend,
}

impl Served {
    async fn start() -> Self {
        Self::calling(Backend::with(&[("/connect", DIAL), ("/dial-status", "<Hangup/>")]).await)
            .await
    }

    /// A carrier for an application that is there.
    async fn calling(backend: Backend) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let settings = Settings {
            account_sid: ACCOUNT.to_owned(),
            auth_token: TOKEN.to_owned(),
            voice_url: backend.url("/connect"),
            gateway: None,
        };
        let (stop, stopping) = oneshot::channel::<()>();
        let task = tokio::spawn(serve(listener, settings, async { drop(stopping.await) }));
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder().no_proxy().build().unwrap();
        Self {
            base,
            client,
            stop,
            task,
            backend,
        }
    }

    /// A request without credentials. Plus signs in the form stand for themselves.
    fn request(&self, account: &str, resource: &str, form: &str) -> RequestBuilder {
        let path = format!("/2010-04-01/Accounts/{account}/{resource}.json");
        let request = self.client.post(format!("{}{path}", self.base));
        request.body(form.replace('+', "%2B"))
    }

    async fn post(&self, resource: &str, form: &str) -> reqwest::Result<Response> {
        let request = self.request(ACCOUNT, resource, form);
        request.basic_auth(ACCOUNT, Some(TOKEN)).send().await
    }

    /// Asks for a call to the visitor; `more` goes to the end of the form.
    async fn call(&self, more: &str) -> reqwest::Result<Response> {
        let (connect, status) = (self.backend.url("/connect"), self.backend.url("/visitor"));
        let events = ["initiated", "ringing", "answered", "completed"];
        let events = events.map(|event| format!("&StatusCallbackEvent={event}"));
        let numbers = format!("To={VISITOR}&From={VIRTUAL}&Url={connect}&StatusCallback={status}");
        let form = format!("{numbers}{}{more}", events.concat());
        self.post("Calls", &form).await
    }

    async fn control(&self, method: Method, path: &str, body: &Value) -> (u16, Value) {
        let request = self.client.request(method, format!("{}{path}", self.base));
        let answer = request.body(body.to_string()).send().await.unwrap();
        let status = answer.status().as_u16();
        let body = answer.bytes().await.unwrap();
        (status, serde_json::from_slice(&body).unwrap_or_default())
    }

    async fn behave(&self, query: &str, behaviour: Value) {
        let path = format!("/sim/behaviour{query}");
        let (status, body) = self.control(Method::PUT, &path, &behaviour).await;
        assert_eq!(status, 204, "{body}");
    }

    async fn forget(&self, query: &str) {
        let path = format!("/sim/behaviour{query}");
        let answer = self.control(Method::DELETE, &path, &Value::Null).await;
        assert_eq!(answer.0, 204);
    }

    async fn list(&self, path: &str) -> Value {
        self.control(Method::GET, path, &Value::Null).await.1
    }

    /// The transcript of the only call, when it is over.
    async fn transcript(&self) -> Value {
        for _ in 0..500 {
            let list = self.list("/sim/calls").await;
            assert_eq!(list["accepted"].as_array().unwrap().len(), 1);
            let call = &list["accepted"][0];
            if !call["transcript"].is_null() {
                assert_eq!(call["status"], call["transcript"]["callStatus"]);
                return call["transcript"].clone();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the call does not end")
    }
}

async fn read(answer: Response) -> Value {
    serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
}

#[tokio::test]
async fn an_accepted_call_rings_the_visitor_and_then_the_owner() {
    let served = Served::start().await;
    let answer = served.call("").await.unwrap();
    assert_eq!(answer.status(), 201);
    let call = read(answer).await;
    let named = [&call["to"], &call["from"], &call["status"]];
    assert_eq!(named, [VISITOR, VIRTUAL, "queued"]);
    assert_eq!(served.backend.seen().len(), 0, "the answer comes first");

    let transcript = served.transcript().await;
    assert_eq!(transcript["errors"], json!([]));
    assert_eq!(transcript["callSid"], call["sid"]);
    assert_eq!(transcript["visitor"]["saw"], VIRTUAL);
    assert_eq!(transcript["owner"]["saw"], VIRTUAL);
    assert_eq!(transcript["ownerSawVisitorNumber"], false);
    let story = [
        "/visitor initiated",
        "/visitor ringing",
        "/visitor in-progress",
        "/connect in-progress",
        "/owner initiated",
        "/owner ringing",
        "/owner in-progress",
        "/owner completed",
        "/dial-status completed",
        "/visitor completed",
    ];
    assert_eq!(served.backend.story(), story);
    for (number, index) in [0, 1, 2, 9].into_iter().enumerate() {
        let seen = &served.backend.seen()[index];
        assert_eq!(seen.get("SequenceNumber"), number.to_string());
        assert!(seen.get("Timestamp").ends_with(" +0000"));
        assert!(!seen.params.contains_key("ParentCallSid"));
    }
    let connect = served.backend.one("/connect in-progress");
    assert_eq!(connect.get("CallSid"), call["sid"]);
    assert_eq!(connect.get("Direction"), "outbound-api");
    assert_eq!((connect.get("From"), connect.get("To")), (VIRTUAL, VISITOR));
    let completed = served.backend.one("/visitor completed");
    // One second to set up the owner's leg, six of ringing, 42 of talk.
    assert_eq!(completed.get("CallDuration"), "49");

    let list = served.list(&format!("/sim/calls{TO}")).await;
    assert_eq!(list["accepted"][0]["to"], "+1********23");
    let text = list.to_string();
    assert!(
        !text.contains(&VISITOR[2..]) && !text.contains(&OWNER[3..]),
        "{text}"
    );
    let other = served.list("/sim/calls?to=+14155550124").await;
    assert_eq!(other, json!({"accepted": [], "refused": []}));
}

#[tokio::test]
async fn a_visitor_who_does_not_answer_is_asked_nothing() {
    for (visitor, status, sip_code) in [
        (json!({"does": "busy"}), "busy", "486"),
        (json!({"does": "noAnswer"}), "no-answer", "487"),
        (json!({"does": "declines"}), "busy", "603"),
        (json!({"does": "fails"}), "failed", "404"),
        (json!({"ringsFor": 21}), "no-answer", "487"),
    ] {
        let served = Served::start().await;
        served.behave("", json!({"visitor": visitor})).await;
        served.call("&Timeout=20").await.unwrap();
        assert_eq!(served.transcript().await["callStatus"], status);
        let last = served.backend.one(&format!("/visitor {status}"));
        assert_eq!(last.get("SipResponseCode"), sip_code);
        assert_eq!(last.get("CallDuration"), "0");
        assert!(!served.backend.story().concat().contains("/connect"));
    }
}

#[tokio::test]
async fn the_network_and_machine_detection_are_as_for_other_calls() {
    let served = Served::start().await;
    let network = json!({"reorder": true, "duplicate": 1, "seed": 5});
    let behaviour = json!({"visitor": {"does": "voicemail"}, "network": network});
    served.behave("", behaviour).await;
    served.call("&MachineDetection=Enable").await.unwrap();
    served.transcript().await;
    let mut seen = served.backend.seen().into_iter();
    let connect = seen.find(|seen| seen.path == "/connect").unwrap();
    assert_eq!(connect.get("AnsweredBy"), "machine_start");
    assert_eq!(
        served.backend.seen().len(),
        19,
        "all twice but the question"
    );
}

#[tokio::test]
async fn refuses_what_twilio_refuses() {
    let served = Served::start().await;
    let nobody = served.request(ACCOUNT, "Calls", "").send().await.unwrap();
    assert_eq!(read(nobody).await["code"], 20003);
    let wrong = served.request(ACCOUNT, "Calls", "");
    let answer = wrong.basic_auth(ACCOUNT, Some("x")).send().await.unwrap();
    assert_eq!(answer.status(), 401);
    assert!(answer.headers().contains_key("www-authenticate"));
    let body = json!({"code": 20003, "message": "Authenticate", "status": 401,
        "more_info": "https://www.twilio.com/docs/errors/20003"});
    assert_eq!(read(answer).await, body);
    let foreign = served.request("AC2", "Messages", "");
    let answer = foreign.basic_auth(ACCOUNT, Some(TOKEN)).send().await;
    let answer = answer.unwrap();
    assert_eq!(answer.status(), 404);
    assert_eq!(read(answer).await["code"], 20404);

    let behaviour = json!({"forbiddenPrefixes": ["+53"], "numbers": [VIRTUAL]});
    served.behave("", behaviour).await;
    let call = format!("To={VISITOR}&From={VIRTUAL}&Url=https://example.com/");
    let text = format!("To={OWNER}&MessagingServiceSid={SERVICE}&Body=Hello");
    for (right, change, to, code) in [
        (&call, "To", "", 21201),
        (&call, "To", "9876543210", 21211),
        (&call, "To", "+5351234567", 21215),
        (&call, "From", "", 21213),
        (&call, "From", "me", 21212),
        (&call, "From", "+14155550199", 21210),
        (&call, "Url", "", 21205),
        (&call, "Url", "/connect", 21205),
        (&call, "Method", "PUT", 20001),
        (&call, "Timeout", "601", 20001),
        (&call, "MachineDetection", "true", 20001),
        (&call, "StatusCallback", "status", 21609),
        (&call, "StatusCallbackEvent", "initiated ringing", 21626),
        (&text, "To", "", 21604),
        (&text, "To", "12", 21211),
        (&text, "To", "+5351234567", 21408),
        (&text, "Body", "", 21602),
        (&text, "MessagingServiceSid", "", 21603),
        (&text, "MessagingServiceSid", "MG1", 21701),
        (&text, "From", "+14155550199", 21606),
    ] {
        // The field, with another value or without one, goes to the end.
        let (name, value) = (format!("{change}="), format!("&{change}={to}"));
        let fields = right.split('&').filter(|field| !field.starts_with(&name));
        let form = fields.collect::<Vec<_>>().join("&") + &value;
        let resource = if right == &call { "Calls" } else { "Messages" };
        let answer = served.post(resource, &form).await.unwrap();
        assert_eq!(answer.status(), 400, "{form}");
        assert_eq!(read(answer).await["code"], code, "{form}");
    }
    let calls = served.list("/sim/calls").await;
    assert_eq!(calls["accepted"], json!([]));
    assert_eq!(calls["refused"].as_array().unwrap().len(), 2 + 13);
    assert!(!calls.to_string().contains("987654"), "{calls}");
    let one = served.list("/sim/calls?to=%2B5351234567").await;
    let shown = json!([{"to": "+53******67", "status": 400, "code": 21215}]);
    assert_eq!(one["refused"], shown);
}

#[tokio::test]
async fn takes_messages() {
    let served = Served::start().await;
    let form = format!("To={OWNER}&MessagingServiceSid={SERVICE}&Body=Missed: Car");
    let answer = served.post("Messages", &form).await.unwrap();
    assert_eq!(answer.status(), 201);
    let message = read(answer).await;
    assert_eq!(message["status"], "accepted");
    let list = served.list("/sim/messages?to=%2B919876543210").await;
    let entry = json!([{"sid": message["sid"], "to": "+91********10", "from": null,
        "messagingServiceSid": SERVICE, "body": "Missed: Car"}]);
    assert_eq!(list["accepted"], entry);
}

#[tokio::test]
async fn fails_as_told_and_as_often() {
    let served = Served::start().await;
    let rest = json!({"status": 429, "retryAfter": 7, "times": 1, "delayMs": 1});
    served.behave(TO, json!({"rest": rest})).await;
    let rest = json!({"status": 503, "errorCode": 1});
    served.behave("", json!({"rest": rest})).await;
    let answer = served.call("").await.unwrap();
    assert_eq!(answer.status(), 429);
    assert_eq!(answer.headers()["retry-after"], "7");
    assert_eq!(read(answer).await["code"], 20429);
    assert_eq!(served.call("").await.unwrap().status(), 201);
    served.forget(TO).await;
    let answer = served.call("").await.unwrap();
    assert_eq!(answer.status(), 503);
    assert_eq!(read(answer).await["code"], 1);
    served.forget("").await;
    assert_eq!(served.call("").await.unwrap().status(), 201);

    for (query, body, field) in [
        ("?to=100", json!({}), "to"),
        ("", json!({"rest": {"status": 200}}), "rest.status"),
        ("", json!({"visitor": {"does": "sleeps"}}), "visitor.does"),
        ("", json!({"owner": {"ringsFor": 90000}}), "owner.ringsFor"),
        ("", json!({"ring": 1}), "ring"),
    ] {
        let path = format!("/sim/behaviour{query}");
        let (status, answer) = served.control(Method::PUT, &path, &body).await;
        assert_eq!((status, &answer["field"]), (400, &json!(field)), "{body}");
    }
}

#[tokio::test]
async fn a_dropped_connection_leaves_the_call_running() {
    let served = Served::start().await;
    let rest = json!({"dropConnection": true, "times": 1});
    served.behave("", json!({"rest": rest})).await;
    let error = served.call("").await.unwrap_err();
    assert!(!error.is_timeout() && !error.is_connect(), "{error:?}");
    assert_eq!(served.transcript().await["callStatus"], "completed");
}

#[tokio::test]
async fn callbacks_can_come_before_the_answer() {
    let served = Served::start().await;
    let rest = json!({"callbacksBeforeAnswer": true});
    served.behave("", json!({"rest": rest})).await;
    assert_eq!(served.call("").await.unwrap().status(), 201);
    let story = served.backend.story();
    assert_eq!(story.last().unwrap(), "/visitor completed");
}

#[tokio::test]
async fn calls_end_when_the_carrier_stops() {
    let network = json!({"network": {"delayMs": 200, "seed": 1}});
    let stopped = Served::start().await;
    stopped.behave("", network.clone()).await;
    stopped.call("").await.unwrap();
    stopped.stop.send(()).unwrap();
    stopped.task.await.unwrap().unwrap();

    // A call that takes as long, and began later, tells when the first would be over.
    let served = Served::calling(stopped.backend).await;
    served.behave("", network).await;
    let second = read(served.call("").await.unwrap()).await;
    served.transcript().await;
    let seen = served.backend.seen().into_iter();
    let over =
        seen.filter(|seen| (&*seen.path, seen.get("CallStatus")) == ("/visitor", "completed"));
    let over: Vec<_> = over.map(|seen| seen.get("CallSid").to_owned()).collect();
    assert_eq!(over, [second["sid"].as_str().unwrap()]);
}
