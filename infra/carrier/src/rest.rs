//! Twilio's REST API, as far as the application uses it: what a request has to be
//! like, and what it is answered with. Twilio's messages quote numbers; these do not.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use reqwest::Url;
use serde_json::{Value, json};

use crate::behaviour::{Behaviour, RestPlan};
use crate::exchange::{Exchange, List};
use crate::outbound::Order;
use crate::phone;
use crate::plan::Callback;
use crate::random;
use crate::signature::Param;
use crate::twiml::{Method, Number, Target};

/// A request that is not carried out.
#[derive(Debug)]
struct Refusal {
    status: u16,
    code: u32,
    message: String,
    retry_after: Option<u32>,
}

impl Refusal {
    fn new(status: u16, code: u32, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            retry_after: None,
        }
    }

    fn bad(code: u32, message: impl Into<String>) -> Self {
        Self::new(400, code, message)
    }

    fn planned(rest: &RestPlan) -> Self {
        let code = rest.error_code.unwrap_or(20_000 + u32::from(rest.status));
        let message = "The carrier was told to refuse this request";
        Self {
            retry_after: rest.retry_after,
            ..Self::new(rest.status, code, message)
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::BAD_REQUEST);
        let body = Json(json!({
            "code": self.code,
            "message": self.message,
            "more_info": format!("https://www.twilio.com/docs/errors/{}", self.code),
            "status": self.status,
        }));
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if status == StatusCode::UNAUTHORIZED {
            let realm = header::HeaderValue::from_static("Basic realm=\"Twilio API\"");
            headers.insert(header::WWW_AUTHENTICATE, realm);
        }
        response
    }
}

/// The parameters of a request. Empty ones count as none.
struct Form(Vec<Param>);

impl Form {
    fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        let given = self.0.iter().filter(move |(given, _)| given == name);
        given
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    fn to(&self, missing: u32) -> Result<&str, Refusal> {
        let to = self.get("To");
        let to = to.ok_or_else(|| Refusal::bad(missing, "A 'To' phone number is required"))?;
        if phone::is_e164(to) {
            return Ok(to);
        }
        Err(Refusal::bad(21211, "Invalid 'To' Phone Number"))
    }

    fn one_of(&self, name: &str, values: [&str; 2]) -> Result<Option<&str>, Refusal> {
        match self.get(name) {
            Some(given) if !values.contains(&given) => {
                let why = format!("{name} is not one of: {}", values.join(", "));
                Err(Refusal::bad(20001, why))
            }
            given => Ok(given),
        }
    }

    /// A URL with its method, of which the parameter is called like the URL's with `Method`.
    fn target(&self, name: &str, method: &str, code: u32) -> Result<Option<Target>, Refusal> {
        let method = match self.one_of(method, ["POST", "GET"])? {
            Some("GET") => Method::Get,
            _ => Method::Post,
        };
        let Some(given) = self.get(name) else {
            return Ok(None);
        };
        match Url::parse(given) {
            Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(Some(Target { url, method })),
            _ => Err(Refusal::bad(code, format!("{name} is not a valid URL"))),
        }
    }

    fn order(&self) -> Result<Order, Refusal> {
        let to = self.to(21201)?;
        let from = self.get("From");
        let from = from.ok_or_else(|| Refusal::bad(21213, "A 'From' phone number is required"))?;
        if !phone::is_e164(from) {
            return Err(Refusal::bad(21212, "Invalid 'From' Phone Number"));
        }
        let url = self.target("Url", "Method", 21205)?;
        let url = url.ok_or_else(|| Refusal::bad(21205, "Url parameter is required"))?;
        let mut events = Vec::new();
        for name in self.all("StatusCallbackEvent") {
            let event = Callback::progress(name)
                .ok_or_else(|| Refusal::bad(21626, "Invalid StatusCallbackEvent"))?;
            events.push(event);
        }
        if events.is_empty() {
            events.push(Callback::Completed);
        }
        let timeout = match self.get("Timeout").map(str::parse) {
            None => 60,
            Some(Ok(seconds @ 1..=600)) => seconds,
            Some(_) => return Err(Refusal::bad(20001, "Timeout is not from 1 to 600")),
        };
        let detection = self.one_of("MachineDetection", ["Enable", "DetectMessageEnd"])?;
        Ok(Order {
            from: from.to_owned(),
            visitor: Number {
                number: to.to_owned(),
                status: self.target("StatusCallback", "StatusCallbackMethod", 21609)?,
                events,
                machine_detection: detection.is_some(),
                ..Number::default()
            },
            url,
            timeout,
        })
    }

    fn message(&self) -> Result<(), Refusal> {
        self.to(21604)?;
        match (self.get("From"), self.get("MessagingServiceSid")) {
            (_, Some(sid)) if !(sid.len() == 34 && sid.starts_with("MG")) => {
                Err(Refusal::bad(21701, "The Messaging Service does not exist"))
            }
            (Some(from), _) if !phone::is_e164(from) => {
                Err(Refusal::bad(21212, "Invalid 'From' Phone Number"))
            }
            (None, None) => Err(Refusal::bad(21603, "A 'From' phone number is required")),
            _ if self.get("Body").is_none() => Err(Refusal::bad(21602, "Message body is required")),
            _ => Ok(()),
        }
    }
}

/// A request to one of the two resources, which are refused by different codes.
struct Request {
    account: String,
    headers: HeaderMap,
    form: Form,
    list: List,
    foreign_from: u32,
    forbidden_to: u32,
}

impl Request {
    /// Checks the request with `read` and decides what it is met with.
    fn admit<T>(
        &self,
        exchange: &Exchange,
        read: impl FnOnce(&Form) -> Result<T, Refusal>,
    ) -> Result<(T, Behaviour), (RestPlan, Refusal)> {
        let mut rest = RestPlan::default();
        let outcome = self.authenticate(exchange).and_then(|()| {
            let wanted = read(&self.form)?;
            let to = self.form.get("To").unwrap_or_default();
            let behaviour = exchange.take_behaviour(to);
            rest = behaviour.rest.clone();
            self.permit(&behaviour, to)?;
            Ok((wanted, behaviour))
        });
        outcome.map_err(|refusal| {
            let to = self.form.get("To").unwrap_or_default();
            let shown = json!({
                "to": shown(to), "status": refusal.status, "code": refusal.code,
            });
            exchange.enter(self.list, false, to, shown);
            (rest, refusal)
        })
    }

    fn authenticate(&self, exchange: &Exchange) -> Result<(), Refusal> {
        let given = self.headers.get(header::AUTHORIZATION);
        let Some((scheme, token)) = given
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split_once(' '))
        else {
            let why = "Authentication Error - No credentials provided";
            return Err(Refusal::new(401, 20003, why));
        };
        let (sid, secret) = exchange.carrier.credentials();
        let right = STANDARD.encode(format!("{sid}:{secret}"));
        if !scheme.eq_ignore_ascii_case("basic") || token != right {
            return Err(Refusal::new(401, 20003, "Authenticate"));
        }
        if self.account != sid {
            let why = "The requested resource was not found: it is another account's";
            return Err(Refusal::new(404, 20404, why));
        }
        Ok(())
    }

    fn permit(&self, behaviour: &Behaviour, to: &str) -> Result<(), Refusal> {
        if let (Some(own), Some(from)) = (&behaviour.numbers, self.form.get("From"))
            && !own.iter().any(|number| number == from)
        {
            let why = "The 'From' phone number is not one of the account's";
            return Err(Refusal::bad(self.foreign_from, why));
        }
        let mut forbidden = behaviour.forbidden_prefixes.iter();
        if forbidden.any(|prefix| to.starts_with(prefix.as_str())) {
            let why = "The account has no permission for the country of the 'To' number";
            return Err(Refusal::bad(self.forbidden_to, why));
        }
        match behaviour.rest.status {
            201 => Ok(()),
            _ => Err(Refusal::planned(&behaviour.rest)),
        }
    }
}

/// `POST /2010-04-01/Accounts/{AccountSid}/Calls.json`
pub(crate) async fn create_call(
    State(exchange): State<Exchange>,
    Path(account): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let request = Request {
        account,
        headers,
        form: Form(form_urlencoded::parse(&body).into_owned().collect()),
        list: List::Calls,
        foreign_from: 21210,
        forbidden_to: 21215,
    };
    let (order, behaviour) = match request.admit(&exchange, Form::order) {
        Ok(admitted) => admitted,
        Err((rest, refusal)) => return answer(&rest, refusal.into_response()).await,
    };
    let sid = random::sid("CA");
    let resource = json!({
        "sid": sid,
        "account_sid": request.account,
        "api_version": "2010-04-01",
        "to": order.visitor.number,
        "from": order.from,
        "status": "queued",
        "direction": "outbound-api",
        "uri": format!("/2010-04-01/Accounts/{}/Calls/{sid}.json", request.account),
        "date_created": null,
        "parent_call_sid": null,
        "price": null,
        "queue_time": "0",
    });
    let entry = json!({
        "callSid": sid,
        "to": shown(&order.visitor.number),
        "from": order.from,
        "status": "queued",
        "transcript": null,
    });
    exchange.enter(List::Calls, true, &order.visitor.number, entry);
    let call = exchange.start(order, &behaviour, sid);
    if behaviour.rest.callbacks_before_answer {
        // A client that stops waiting does not stop the call.
        let _ = call.await;
    }
    created(&behaviour.rest, resource).await
}

/// `POST /2010-04-01/Accounts/{AccountSid}/Messages.json`
pub(crate) async fn create_message(
    State(exchange): State<Exchange>,
    Path(account): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let request = Request {
        account,
        headers,
        form: Form(form_urlencoded::parse(&body).into_owned().collect()),
        list: List::Messages,
        foreign_from: 21606,
        forbidden_to: 21408,
    };
    let behaviour = match request.admit(&exchange, Form::message) {
        Ok(((), behaviour)) => behaviour,
        Err((rest, refusal)) => return answer(&rest, refusal.into_response()).await,
    };
    let form = &request.form;
    let (sid, to) = (random::sid("SM"), form.get("To").unwrap_or_default());
    let (text, service) = (form.get("Body"), form.get("MessagingServiceSid"));
    let now = Timestamp::now().strftime("%a, %d %b %Y %H:%M:%S +0000");
    let resource = json!({
        "sid": sid,
        "account_sid": request.account,
        "api_version": "2010-04-01",
        "to": to,
        "from": form.get("From"),
        "messaging_service_sid": service,
        "body": text,
        "status": if service.is_some() { "accepted" } else { "queued" },
        "direction": "outbound-api",
        "uri": format!("/2010-04-01/Accounts/{}/Messages/{sid}.json", request.account),
        "date_created": now.to_string(),
        "error_code": null,
        "price": null,
    });
    let entry = json!({
        "sid": sid,
        "to": shown(to),
        "from": form.get("From"),
        "messagingServiceSid": service,
        "body": text,
    });
    exchange.enter(List::Messages, true, to, entry);
    created(&behaviour.rest, resource).await
}

async fn created(rest: &RestPlan, resource: Value) -> Response {
    answer(rest, (StatusCode::CREATED, Json(resource)).into_response()).await
}

/// Answers when, and if, the plan says so.
async fn answer(rest: &RestPlan, response: Response) -> Response {
    tokio::time::sleep(std::time::Duration::from_millis(rest.delay_ms)).await;
    if rest.drop_connection {
        // Unwinding ends the connection's task, and so closes the connection, without
        // the noise of a panic: a handler has no other way to answer with nothing.
        std::panic::resume_unwind(Box::new("the connection is dropped as planned"));
    }
    response
}

/// How listings show a number that somebody gave.
fn shown(to: &str) -> String {
    if phone::is_e164(to) {
        phone::mask(to)
    } else {
        "(no E.164 number)".to_owned()
    }
}
