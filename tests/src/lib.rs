//! What the end-to-end tests share: one running stack, and the clients that a
//! visitor, an owner, an admin and Twilio would be.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jsonwebtoken::{EncodingKey, Header};
use maskline_carrier::{CallPlan, Param, Transcript, sign};
use maskline_local::usage::Usage;
use maskline_local::{Options, Stack};
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};

pub mod apps;
pub mod keys;
pub mod store;
pub mod watch;

/// How long a test waits for what never comes.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The scope of an admin's token.
pub const ADMIN: &str = "maskline:admin";

/// The web origin that may call the shared stack.
pub const APP_ORIGIN: &str = "https://app.example.com";

/// A running stack and a client for it.
#[derive(Debug)]
pub struct World {
    /// The stack.
    pub stack: Stack,
    /// What permissions its functions have taken.
    pub usage: Usage,
}

/// The stack that tests share: each uses tags of its own, and changes nothing else.
pub fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| World::start_aside(unlimited().with("CORS_ORIGINS", APP_ORIGIN)))
}

/// Where all end-to-end tests note what permissions the functions take; `make test` compares
/// that with the template's policies.
const USAGE_FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/permissions.tsv");

/// Options with rate limits that no test reaches.
pub fn unlimited() -> Options {
    let limits = [
        "LIMIT_INITIATE_PER_IP",
        "LIMIT_INITIATE_PER_VISITOR",
        "LIMIT_INITIATE_PER_TAG",
        "LIMIT_CALLS_PER_CALLER",
        "LIMIT_WRONG_EXTENSIONS",
    ];
    // Nor does a window run out while a test counts requests: starting it anew takes one more.
    let add = |options: Options, name: &&str| options.with(name, "100000/86400");
    limits.iter().fold(Options::ephemeral(), add)
}

/// An answer over HTTP.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The media type.
    pub content_type: String,
    /// The `Retry-After` header, seconds.
    pub retry_after: Option<u64>,
    /// The body.
    pub text: String,
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {}", self.text))
    }

    /// Asserts an error of the contract's form, and gives its message.
    #[track_caller]
    pub fn error(&self, status: u16, code: &str) -> String {
        let body = self.json();
        assert_eq!(
            (self.status.as_u16(), &body["code"]),
            (status, &json!(code)),
            "{}",
            self.text
        );
        assert_eq!(body["status"], "error");
        body["message"].as_str().expect("a message").to_owned()
    }
}

impl World {
    /// Starts a stack on a runtime of its own that lives as long as the process, so
    /// that every test, each on its own runtime, can use it.
    pub fn start_aside(mut options: Options) -> Self {
        let usage = Usage::new(USAGE_FILE);
        options.usage = Some(usage.clone());
        let (send, receive) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let stack = Stack::start(options).await;
                send.send(stack).unwrap();
                std::future::pending::<()>().await;
            });
        });
        let stack = receive.recv().unwrap().unwrap_or_else(|error| {
            panic!("the stack does not start: {error}\n(build the functions first: make test)")
        });
        World { stack, usage }
    }

    /// A setting's value.
    pub fn value(&self, name: &str) -> &str {
        self.stack.value(name).unwrap()
    }

    /// The number that tags share.
    pub fn shared_number(&self) -> &str {
        self.value("TWILIO_PHONE_NUMBER")
    }

    /// A token of that user; `scope` may be empty.
    pub fn token(&self, user: &str, scope: &str) -> String {
        self.token_with(&json!({"sub": user, "scope": scope, "exp": 4_102_444_800_u64}))
    }

    /// A token with those claims.
    pub fn token_with(&self, claims: &Value) -> String {
        let key = EncodingKey::from_secret(self.value("JWT_SECRET").as_bytes());
        jsonwebtoken::encode(&Header::default(), claims, &key).unwrap()
    }

    /// A request to the HTTP API.
    pub async fn api(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        body: Option<&Value>,
    ) -> Answer {
        let body = body.map(|body| body.to_string().into_bytes());
        self.raw_api(method, path, token, body).await
    }

    /// A request to the HTTP API with any bytes for a body.
    pub async fn raw_api(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        body: Option<Vec<u8>>,
    ) -> Answer {
        let mut request = client().request(method, format!("{}{path}", self.stack.http_url()));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request
                .header("content-type", "application/json")
                .body(body);
        }
        send(request).await
    }

    /// A GET without a token.
    pub async fn get(&self, path: &str) -> Answer {
        self.api(Method::GET, path, None, None).await
    }

    /// Creates or replaces a tag, as an admin.
    pub async fn put_tag(&self, code: &str, body: &Value) -> Answer {
        let admin = self.token("an-admin", ADMIN);
        let path = format!("/api/v1/tags/{code}");
        self.api(Method::PUT, &path, Some(&admin), Some(body)).await
    }

    /// Creates a tag that nobody else uses, owned by `owner`, and says its code and extension.
    pub async fn new_tag(&self) -> TestTag {
        let code = format!("tag-{}", unique());
        let owner = format!("owner-of-{code}");
        let body = json!({
            "ownerId": owner, "ownerPhone": "+919876543210", "label": "Blue hatchback", "enabled": true
        });
        let answer = self.put_tag(&code, &body).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        let extension = answer.json()["extension"].as_str().unwrap().to_owned();
        TestTag {
            code,
            owner,
            extension,
        }
    }

    /// Creates or replaces a booking, as an admin.
    pub async fn put_booking(&self, id: &str, body: &Value) -> Answer {
        let admin = self.token("an-admin", ADMIN);
        let path = format!("/api/v1/bookings/{id}");
        self.api(Method::PUT, &path, Some(&admin), Some(body)).await
    }

    /// Creates a booking that nobody else uses, of two people who have no other.
    pub async fn new_booking(&self) -> TestBooking {
        let booking = TestBooking::of(&format!("booking-{}", unique()));
        let answer = self
            .put_booking(&booking.id, &booking.body("accepted"))
            .await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        booking
    }

    /// A page of a tag's history, as its owner.
    pub async fn history(&self, tag: &TestTag, query: &str) -> Value {
        let token = self.token(&tag.owner, "");
        let path = format!("/api/v1/call/{}/history{query}", tag.code);
        let answer = self.api(Method::GET, &path, Some(&token), None).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json()
    }

    /// The one call of a tag.
    pub async fn only_call(&self, tag: &TestTag) -> Value {
        let history = self.history(tag, "").await;
        assert_eq!(history["total"], 1, "{history}");
        history["calls"][0].clone()
    }

    /// A visitor at that address asks a tag's page to be rung.
    pub async fn initiate(&self, code: &str, visitor: &str, asking: Asking<'_>) -> Answer {
        let url = format!("{}/api/v1/call/{code}/initiate", self.stack.http_url());
        let mut body = json!({"visitorPhone": visitor});
        if let Some(metadata) = asking.metadata {
            body["metadata"] = metadata;
        }
        let mut request = client()
            .post(url)
            .header("content-type", "application/json")
            .header("x-forwarded-for", asking.ip)
            .body(body.to_string());
        if let Some(key) = asking.key {
            request = request.header("idempotency-key", key);
        }
        send(request).await
    }

    /// A visitor at that address asks a tag's page to ring the owner from it.
    pub async fn ask_to_visit(&self, code: &str, ip: &str) -> Answer {
        let url = format!("{}/t/{code}/visits", self.stack.http_url());
        send(client().post(url).header("x-forwarded-for", ip)).await
    }

    /// A visit to a tag.
    pub async fn visit(&self, tag: &TestTag) -> Visit {
        let answer = self.ask_to_visit(&tag.code, "203.0.113.7").await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        let body = answer.json();
        let text = |name: &str| body[name].as_str().unwrap().to_owned();
        Visit {
            token: text("token"),
            visitor: text("userId"),
            booking: text("bookingId"),
            label: text("label"),
            socket_url: text("socketUrl"),
            expires_at: text("expiresAt"),
            text: answer.text,
        }
    }

    /// Tells the simulated carrier how calls and messages to that number go.
    pub async fn behave(&self, to: &str, behaviour: &Value) {
        let url = format!("{}/sim/behaviour", self.stack.carrier_url().unwrap());
        let to: String = form_urlencoded::byte_serialize(to.as_bytes()).collect();
        let request = client()
            .put(format!("{url}?to={to}"))
            .body(behaviour.to_string());
        let answer = send(request.header("content-type", "application/json")).await;
        assert_eq!(answer.status, 204, "{}", answer.text);
    }

    /// What the simulated carrier was asked for that number: `calls` or `messages`.
    pub async fn asked(&self, what: &str, to: &str) -> Value {
        let url = format!("{}/sim/{what}", self.stack.carrier_url().unwrap());
        let to: String = form_urlencoded::byte_serialize(to.as_bytes()).collect();
        send(client().get(format!("{url}?to={to}"))).await.json()
    }

    /// Has the simulated carrier place a call.
    pub async fn place(&self, plan: &CallPlan) -> Transcript {
        let url = format!("{}/sim/calls", self.stack.carrier_url().unwrap());
        let request = client().post(url).body(serde_json::to_vec(plan).unwrap());
        let answer = send(request.header("content-type", "application/json")).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        serde_json::from_str(&answer.text).unwrap()
    }

    /// A webhook as Twilio sends it, signed.
    pub async fn webhook(&self, path_and_query: &str, fields: &[(&str, &str)]) -> Answer {
        let mut webhook = self.unsent(path_and_query, fields);
        webhook.sign(self);
        webhook.send().await
    }

    /// A webhook that is not signed yet.
    pub fn unsent(&self, path_and_query: &str, fields: &[(&str, &str)]) -> Webhook {
        let account = ("AccountSid", self.value("TWILIO_ACCOUNT_SID"));
        let fields = fields.iter().chain([&account]);
        Webhook {
            url: format!("{}{path_and_query}", self.stack.http_url()),
            fields: fields
                .map(|(name, value)| ((*name).into(), (*value).into()))
                .collect(),
            signature: None,
        }
    }

    /// A call that asks to be connected; answers with the TwiML.
    pub async fn connect(&self, call_sid: &str, to: &str, digits: Option<&str>) -> Answer {
        let mut fields = vec![("CallSid", call_sid), ("To", to), ("From", "+14155550123")];
        fields.extend(digits.map(|digits| ("Digits", digits)));
        self.webhook("/api/v1/call/connect", &fields).await
    }

    /// A call to a tag over the shared number, as far as the owner's phone being
    /// rung; says where Twilio was told to report.
    pub async fn dial(&self, tag: &TestTag, call_sid: &str) -> Dial {
        let answer = self
            .connect(call_sid, self.shared_number(), Some(&tag.extension))
            .await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let base = self.stack.http_url();
        let path = |name: &str| {
            let url = attribute(&answer.text, name);
            url.strip_prefix(base)
                .unwrap_or_else(|| panic!("{url}"))
                .to_owned()
        };
        Dial {
            status: path("statusCallback"),
            dial_status: path("action"),
        }
    }
}

/// How a visitor asks to be rung.
#[derive(Debug)]
pub struct Asking<'a> {
    /// From where.
    pub ip: &'a str,
    /// The `Idempotency-Key`.
    pub key: Option<&'a str>,
    /// The request's metadata.
    pub metadata: Option<Value>,
}

impl Default for Asking<'_> {
    fn default() -> Self {
        Asking {
            ip: "203.0.113.7",
            key: None,
            metadata: None,
        }
    }
}

/// A tag of a test.
#[derive(Debug)]
pub struct TestTag {
    /// Its code.
    pub code: String,
    /// Its owner's user id.
    pub owner: String,
    /// Its extension.
    pub extension: String,
}

/// A visit of a test, as its visitor was told of it.
#[derive(Debug)]
pub struct Visit {
    /// The visitor's token.
    pub token: String,
    /// The visitor's user id.
    pub visitor: String,
    /// The visit's booking id.
    pub booking: String,
    /// The tag's label.
    pub label: String,
    /// Where the visitor's page opens its socket.
    pub socket_url: String,
    /// Until when a call may begin.
    pub expires_at: String,
    /// The answer as it came.
    pub text: String,
}

/// A booking of a test.
#[derive(Debug, Clone)]
pub struct TestBooking {
    /// Its id.
    pub id: String,
    /// The user's id; their name is Asha.
    pub user: String,
    /// The provider's id; their name is Ravi.
    pub provider: String,
}

impl TestBooking {
    /// The booking of that id, which may not be stored yet.
    pub fn of(id: &str) -> Self {
        TestBooking {
            id: id.to_owned(),
            user: format!("user-of-{id}"),
            provider: format!("provider-of-{id}"),
        }
    }

    /// What an admin puts.
    pub fn body(&self, status: &str) -> Value {
        json!({
            "userId": self.user, "userName": "Asha",
            "providerId": self.provider, "providerName": "Ravi",
            "serviceName": "Plumbing", "status": status
        })
    }
}

/// Where Twilio reports a dial, as path and query.
#[derive(Debug)]
pub struct Dial {
    /// The owner's leg.
    pub status: String,
    /// The end of the dial.
    pub dial_status: String,
}

/// A webhook in the making.
#[derive(Debug, Clone)]
pub struct Webhook {
    /// Where it goes.
    pub url: String,
    /// Its fields.
    pub fields: Vec<Param>,
    /// Its signature.
    pub signature: Option<String>,
}

impl Webhook {
    /// Signs it as it is now.
    pub fn sign(&mut self, world: &World) {
        self.signature = Some(sign(
            world.value("TWILIO_AUTH_TOKEN"),
            &self.url,
            &self.fields,
        ));
    }

    /// Sends it.
    pub async fn send(&self) -> Answer {
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(&self.fields)
            .finish();
        let mut request = client()
            .post(&self.url)
            .header(
                "content-type",
                "application/x-www-form-urlencoded; charset=utf-8",
            )
            .body(body);
        if let Some(signature) = &self.signature {
            request = request.header("X-Twilio-Signature", signature);
        }
        send(request).await
    }
}

/// The value of an attribute in a piece of XML.
pub fn attribute(xml: &str, name: &str) -> String {
    let start = xml
        .find(&format!(" {name}=\""))
        .unwrap_or_else(|| panic!("no {name} in {xml}"));
    let rest = &xml[start + name.len() + 3..];
    rest.split('"').next().unwrap().replace("&amp;", "&")
}

/// A number that no other test of this process has.
pub fn unique() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// A CallSid that no other call has.
pub fn call_sid() -> String {
    format!("CA{:032x}", unique())
}

/// A virtual number that no other tag has.
pub fn own_number() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("+1628555{:04}", next_below(&NEXT, 10_000))
}

/// How the numbers of [`phone`] begin, as they are dialled in their country.
const PHONES: &str = "9810000";

/// A mobile number that no other test of this process uses, and that
/// [`assert_shows_no_number`] knows for a party's.
pub fn phone() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("+91{PHONES}{:03}", next_below(&NEXT, 1000))
}

/// Counts on. Past its end, numbers would come again or have another beginning.
fn next_below(next: &AtomicU64, end: u64) -> u64 {
    let n = next.fetch_add(1, Ordering::Relaxed);
    assert!(n < end, "the tests have used up all {end} numbers");
    n
}

/// An HTTP client for this machine. It keeps no connections, because each test has
/// a runtime of its own and a connection belongs to the one that opened it.
pub fn client() -> &'static Client {
    static CLIENT: OnceLock<Client> = OnceLock::new();
    CLIENT.get_or_init(|| {
        // Another part of the process may have installed it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = Client::builder().no_proxy().pool_max_idle_per_host(0);
        builder.build().unwrap()
    })
}

async fn send(request: reqwest::RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let header = |name: &str| {
        let value = response.headers().get(name)?;
        Some(value.to_str().unwrap().to_owned())
    };
    let content_type = header("content-type").unwrap_or_default();
    let retry_after = header("retry-after").map(|seconds| seconds.parse().unwrap());
    let answer = Answer {
        status: response.status(),
        content_type,
        retry_after,
        text: response.text().await.unwrap(),
    };
    assert_shows_no_number(&answer.text);
    answer
}

/// The digits that parties of test calls have, and virtual numbers do not.
const PARTIES: [&str; 3] = ["9876543210", "4155550123", PHONES];

/// Every answer of every test passes here: it may hold a whole number of a party
/// only where Twilio is told whom to dial.
#[track_caller]
pub fn assert_shows_no_number(text: &str) {
    let dialled = text
        .split("</Number>")
        .map(|part| match part.rsplit_once('>') {
            Some((before, _)) if text.contains("</Number>") => before,
            _ => part,
        });
    for part in dialled {
        for digits in PARTIES {
            assert!(!part.contains(digits), "{digits} is shown: {text}");
        }
    }
}
