//! An application that plays a script: it checks every signature, answers each
//! path with what the test says, and remembers what it was asked.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use maskline_carrier::{CallPlan, Carrier, Param, Settings, Transcript, sign};

pub const ACCOUNT: &str = "AC00000000000000000000000000000001";
pub const TOKEN: &str = "a token of the tests";
pub const VIRTUAL: &str = "+14155550100";
pub const VISITOR: &str = "+14155550123";
pub const OWNER: &str = "+919876543210";

/// A request as the application saw it.
#[derive(Debug, Clone)]
pub struct Seen {
    pub path: String,
    pub params: BTreeMap<String, String>,
    pub idempotency_token: String,
}

impl Seen {
    /// The parameter, or nothing.
    pub fn get(&self, name: &str) -> &str {
        self.params.get(name).map_or("", String::as_str)
    }
}

/// What a path answers: status, content type and body.
type Answer = (u16, &'static str, String);

#[derive(Default)]
struct Shared {
    answers: HashMap<&'static str, Answer>,
    seen: Mutex<Vec<Seen>>,
    origin: String,
}

/// The running application.
pub struct Backend {
    shared: Arc<Shared>,
    carrier: Carrier,
}

impl Backend {
    /// Starts an application with these documents at these paths; `/connect` is
    /// where a call begins. Other paths answer 204.
    pub async fn with(documents: &[(&'static str, &str)]) -> Self {
        let answers = documents.iter().map(|(path, inside)| {
            let body = format!("<?xml version=\"1.0\"?><Response>{inside}</Response>");
            (*path, (200, "text/xml; charset=utf-8", body))
        });
        Self::answering(answers.collect()).await
    }

    /// Starts an application with these answers.
    pub async fn answering(answers: HashMap<&'static str, Answer>) -> Self {
        Self::start(answers, None).await
    }

    /// Starts an application that believes to be at `origin`, which nothing resolves.
    pub async fn named(origin: &str, answers: HashMap<&'static str, Answer>) -> Self {
        Self::start(answers, Some(origin)).await
    }

    async fn start(answers: HashMap<&'static str, Answer>, named: Option<&str>) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let reached = format!("http://{}", listener.local_addr().unwrap());
        let origin = named.unwrap_or(&reached).to_owned();
        let shared = Arc::new(Shared {
            answers,
            seen: Mutex::default(),
            origin: origin.clone(),
        });
        let router = Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&shared));
        tokio::spawn(async { axum::serve(listener, router).await });
        let carrier = Carrier::new(Settings {
            account_sid: ACCOUNT.to_owned(),
            auth_token: TOKEN.to_owned(),
            voice_url: format!("{origin}/connect?v=1"),
            gateway: named.is_some().then_some(reached),
        });
        Self {
            shared,
            carrier: carrier.unwrap(),
        }
    }

    /// Where a call from outside begins.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.shared.origin)
    }

    /// Runs a call to its end.
    pub async fn call(&self, plan: CallPlan) -> Transcript {
        self.carrier.place(plan).await.unwrap()
    }

    /// The requests so far, in the order of their arrival.
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }

    /// Path, and what the request reports, for each request so far.
    pub fn story(&self) -> Vec<String> {
        let tell = |seen: Seen| {
            let names = ["DialCallStatus", "AnsweredBy", "Digits", "CallStatus"];
            let told = names
                .into_iter()
                .find(|name| seen.params.contains_key(*name));
            format!("{} {}", seen.path, seen.get(told.unwrap_or_default()))
        };
        self.seen().into_iter().map(tell).collect()
    }

    /// The one request whose story this is.
    pub fn one(&self, story: &str) -> Seen {
        let at = self.story().iter().position(|told| told == story);
        self.seen()
            .swap_remove(at.unwrap_or_else(|| panic!("no {story} in {:?}", self.story())))
    }
}

async fn answer(
    State(shared): State<Arc<Shared>>,
    uri: Uri,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let header = |name: &str| {
        headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    };
    let form: Vec<Param> = form_urlencoded::parse(&body).into_owned().collect();
    let url = format!("{}{uri}", shared.origin);
    assert!(
        shared.origin.ends_with(header("host")),
        "{}",
        header("host")
    );
    assert_eq!(header("user-agent"), "TwilioProxy/1.1");
    if header("x-twilio-signature") != sign(TOKEN, &url, &form) {
        return (StatusCode::FORBIDDEN, "bad signature").into_response();
    }
    let query = uri.query().unwrap_or_default().as_bytes();
    let given = match method {
        Method::GET => form_urlencoded::parse(query).into_owned().collect(),
        _ => form,
    };
    shared.seen.lock().unwrap().push(Seen {
        path: uri.path().to_owned(),
        params: given.into_iter().collect(),
        idempotency_token: header("i-twilio-idempotency-token").to_owned(),
    });
    match shared.answers.get(uri.path()) {
        Some((status, content_type, body)) => {
            let status = StatusCode::from_u16(*status).unwrap();
            (status, [("content-type", *content_type)], body.clone()).into_response()
        }
        None => StatusCode::NO_CONTENT.into_response(),
    }
}
