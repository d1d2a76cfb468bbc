//! An event for each function: fresh phone calls, tags, bookings and callers, so that
//! every record exists and no rate limit is met.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use maskline_carrier::{Param, sign};
use maskline_local::InvokeError;
use maskline_local::event::{self, Door};
use maskline_local::template::FunctionPlan;
use serde_json::{Value, json};

use super::socket::App;
use super::{Step, World};
use crate::error::Error;

/// How long the simulated carrier and the stack's functions are busy with a call
/// that a function has asked for. Nothing is measured meanwhile.
const SIMULATED_CALL: Duration = Duration::from_millis(60);
const OWNER: &str = "owner-of-the-bench";
const OWNER_PHONE: &str = "+919876543210";
const USER: &str = "user-of-the-bench";
const PROVIDER: &str = "provider-of-the-bench";
/// How many calls there are where a history is read: for a tag, one page.
const CALLS_OF_A_HISTORY: usize = 10;

/// An event for a function.
#[derive(Debug, Clone)]
pub struct Event {
    pub(super) function: String,
    json: Value,
    /// What the body of a right answer holds.
    expected: &'static str,
    /// Sockets that stay open for it, and what comes to them.
    frames: Vec<(Arc<App>, Option<&'static str>)>,
    /// What else the event sets off is over after so long.
    aftermath: Duration,
}

/// A tag to call.
#[derive(Debug)]
struct Tag {
    code: String,
    extension: String,
    own_number: Option<String>,
}

/// A call whose owner is being rung.
#[derive(Debug)]
struct Dialled {
    sid: String,
    leg_sid: String,
    number: String,
    twiml: String,
}

impl Event {
    /// One whose answer is told by frames.
    pub(super) fn with_frames(
        function: &FunctionPlan,
        json: Value,
        frames: Vec<(Arc<App>, Option<&'static str>)>,
    ) -> Self {
        Self {
            function: function.binary.clone(),
            json,
            expected: "",
            frames,
            aftermath: Duration::ZERO,
        }
    }

    /// Waits until what the event has set off is over, and makes sure that it was that:
    /// a function behind the WebSocket API tells its client of a failure, and nobody else.
    pub async fn settle(&self) -> Result<(), Error> {
        for (app, event) in &self.frames {
            if let Some(event) = event {
                app.take(event).await?;
            }
        }
        if !self.aftermath.is_zero() {
            tokio::time::sleep(self.aftermath).await;
        }
        Ok(())
    }

    /// The event itself.
    pub fn json(&self) -> &Value {
        &self.json
    }

    /// The body of an answer that is right.
    pub fn check(&self, answer: Result<Value, InvokeError>) -> Result<String, Error> {
        let answer = answer.map_err(|error| Error::Invoke(self.function.clone(), error))?;
        let good = match answer["statusCode"].as_u64() {
            Some(status) => (200..300).contains(&status),
            None => answer["batchItemFailures"] == json!([]),
        };
        match answer["body"].as_str().unwrap_or_default() {
            body if good && body.contains(self.expected) => Ok(body.to_owned()),
            _ => Err(Error::Unexpected {
                function: self.function.clone(),
                expected: self.expected,
                answer: answer.to_string(),
            }),
        }
    }
}

impl World {
    /// An event that has a function do its main work, for once.
    pub async fn event(&self, function: &FunctionPlan) -> Result<Event, Error> {
        let admin = Some(self.token("admin", "maskline:admin")?);
        match function.binary.as_str() {
            "virtual-number" => {
                let tag = self.new_tag(false).await?;
                let query = format!("tag={}", tag.code);
                self.api(function, "", &query, None, None, "virtualNumber")
            }
            "history" | "call-history" => self.history_event(function).await,
            "tag-put" => {
                let (code, body) = self.tag_to_put(false);
                self.api(function, &code, "", admin, Some(&body), "extension")
            }
            "tag-get" => {
                let tag = self.new_tag(false).await?;
                self.api(function, &tag.code, "", admin, None, "extension")
            }
            "tag-delete" => {
                let tag = self.new_tag(false).await?;
                self.api(function, &tag.code, "", admin, None, "")
            }
            "booking-put" => {
                let (id, body) = self.booking_to_put(USER, PROVIDER);
                self.api(function, &id, "", admin, Some(&body), "bookingId")
            }
            "booking-get" => {
                let id = self.new_booking(USER, PROVIDER).await?;
                let token = Some(self.token(USER, "")?);
                self.api(function, &id, "", token, None, "bookingId")
            }
            "booking-delete" => {
                let id = self.new_booking(USER, PROVIDER).await?;
                self.api(function, &id, "", admin, None, "")
            }
            "call-prepare" => {
                let body = json!({ "bookingId": self.new_booking(USER, PROVIDER).await?, "callerType": "user" });
                let token = Some(self.token(USER, "")?);
                self.api(function, "", "", token, Some(&body), "receiverName")
            }
            "call-log" => {
                let id = self.new_booking(USER, PROVIDER).await?;
                self.log_event(function, &id)
            }
            "ice-servers" => {
                let token = Some(self.token(USER, "")?);
                self.api(function, "", "", token, None, "credential")
            }
            "tag-page" => {
                let tag = self.new_tag(false).await?;
                self.api(function, &tag.code, "", None, None, "tel:")
            }
            "visit" => {
                let tag = self.new_tag(false).await?;
                self.api(function, &tag.code, "", None, None, "token")
            }
            "initiate" => {
                let tag = self.new_tag(false).await?;
                let body = json!({ "visitorPhone": self.visitor() });
                let event = self.api(function, &tag.code, "", None, Some(&body), "callSid")?;
                Ok(Event {
                    aftermath: SIMULATED_CALL,
                    ..event
                })
            }
            "connect" => {
                let tag = self.new_tag(false).await?;
                let (sid, visitor) = (self.call_sid(), self.visitor());
                let asked = self.connect(&sid, &visitor, &tag, None)?;
                let twiml = self.run(&asked).await?;
                self.connect(&sid, &visitor, &tag, Some(&twiml))
            }
            "status" => {
                let dialled = self.dial(&self.new_tag(false).await?, &mut None).await?;
                self.progress(&dialled, "ringing")
            }
            "dial-status" => {
                let dialled = self.dial(&self.new_tag(false).await?, &mut None).await?;
                self.report_the_leg(&dialled, &mut None).await?;
                self.dial_end(&dialled)
            }
            name if name.starts_with("ws-") || name == "deadlines" => {
                self.socket_event(function).await
            }
            other => Err(Error::NoEvent(other.to_owned())),
        }
    }

    /// Every webhook of an answered call, then the owner reads the history.
    pub async fn phone_call(&self, own_number: bool) -> Result<Vec<Step>, Error> {
        let mut steps = Some(Vec::new());
        let tag = self.new_tag(own_number).await?;
        self.whole_call(&tag, &mut steps).await?;
        let mut steps = steps.unwrap_or_default();
        let event = self.history_event(self.function("history")?).await?;
        let what = format!("a page of {CALLS_OF_A_HISTORY}");
        steps.push(self.step(&what, &event).await?.0);
        Ok(steps)
    }

    async fn whole_call(&self, tag: &Tag, steps: &mut Option<Vec<Step>>) -> Result<(), Error> {
        let dialled = self.dial(tag, steps).await?;
        self.report_the_leg(&dialled, steps).await?;
        let event = self.dial_end(&dialled)?;
        self.note("the dial ends", &event, steps).await?;
        Ok(())
    }

    /// A visitor calls and keys in the extension where that is asked for.
    async fn dial(&self, tag: &Tag, steps: &mut Option<Vec<Step>>) -> Result<Dialled, Error> {
        let (sid, visitor) = (self.call_sid(), self.visitor());
        let event = self.connect(&sid, &visitor, tag, None)?;
        let mut twiml = self.note("a call comes in", &event, steps).await?;
        if tag.own_number.is_none() {
            let event = self.connect(&sid, &visitor, tag, Some(&twiml))?;
            twiml = self.note("the extension", &event, steps).await?;
        }
        Ok(Dialled {
            sid,
            leg_sid: self.call_sid(),
            number: self.number_of(tag),
            twiml,
        })
    }

    /// The callbacks of the owner's leg that the TwiML asked for.
    async fn report_the_leg(
        &self,
        dialled: &Dialled,
        steps: &mut Option<Vec<Step>>,
    ) -> Result<(), Error> {
        let wanted = attribute(&dialled.twiml, "statusCallbackEvent");
        let wanted = wanted.unwrap_or_else(|| "completed".to_owned());
        for name in wanted.split_whitespace() {
            let status = if name == "answered" {
                "in-progress"
            } else {
                name
            };
            let event = self.progress(dialled, status)?;
            self.note(status, &event, steps).await?;
            // Machine detection has its answer a few seconds into the call.
            if let ("answered", Some(url)) = (name, attribute(&dialled.twiml, "amdStatusCallback"))
            {
                let fields = [
                    ("AccountSid", self.value("TWILIO_ACCOUNT_SID")?),
                    ("CallSid", &dialled.leg_sid),
                    ("AnsweredBy", "human"),
                    ("MachineDetectionDuration", "3200"),
                ];
                let event = self.webhook(&url, owned(&fields), "<Response")?;
                self.note("a person answered", &event, steps).await?;
            }
        }
        Ok(())
    }

    async fn history_event(&self, function: &FunctionPlan) -> Result<Event, Error> {
        let known = self.lasting.borrow().get(&function.binary).cloned();
        if let Some(event) = known {
            return Ok(event);
        }
        let event = if function.binary == "history" {
            let tag = self.new_tag(false).await?;
            for _ in 0..CALLS_OF_A_HISTORY {
                self.whole_call(&tag, &mut None).await?;
            }
            let token = Some(self.token(OWNER, "")?);
            let query = format!("limit={CALLS_OF_A_HISTORY}&page=1");
            self.api(function, &tag.code, &query, token, None, "completed")?
        } else {
            let id = self.new_booking(USER, PROVIDER).await?;
            let log = self.log_event(self.function("call-log")?, &id)?;
            for _ in 0..CALLS_OF_A_HISTORY {
                self.run(&log).await?;
            }
            let token = Some(self.token(USER, "")?);
            self.api(function, &id, "", token, None, "completed")?
        };
        let mut lasting = self.lasting.borrow_mut();
        lasting.insert(function.binary.clone(), event.clone());
        Ok(event)
    }

    /// A client's report of a call that the server knows nothing of.
    fn log_event(&self, function: &FunctionPlan, booking: &str) -> Result<Event, Error> {
        let body = json!({
            "bookingId": booking, "duration": 42, "callerType": "user", "status": "completed"
        });
        let token = Some(self.token(USER, "")?);
        self.api(function, "", "", token, Some(&body), "completed")
    }

    async fn new_tag(&self, own_number: bool) -> Result<Tag, Error> {
        let function = self.function("tag-put")?;
        let (code, body) = self.tag_to_put(own_number);
        let admin = Some(self.token("admin", "maskline:admin")?);
        let event = self.api(function, &code, "", admin, Some(&body), "extension")?;
        let answer: Value = serde_json::from_str(&self.run(&event).await?).unwrap_or_default();
        Ok(Tag {
            code,
            extension: answer["extension"].as_str().unwrap_or_default().to_owned(),
            own_number: body["virtualNumber"].as_str().map(str::to_owned),
        })
    }

    fn tag_to_put(&self, own_number: bool) -> (String, Value) {
        let serial = self.next();
        let mut body = json!({
            "ownerId": OWNER, "ownerPhone": OWNER_PHONE, "label": "Blue hatchback", "enabled": true
        });
        if own_number {
            body["virtualNumber"] = format!("+1628555{:04}", serial % 10_000).into();
        }
        (format!("bench-{serial}"), body)
    }

    /// A booking's id.
    pub(super) async fn new_booking(&self, user: &str, provider: &str) -> Result<String, Error> {
        let (id, body) = self.booking_to_put(user, provider);
        let admin = Some(self.token("admin", "maskline:admin")?);
        let function = self.function("booking-put")?;
        let event = self.api(function, &id, "", admin, Some(&body), "bookingId")?;
        self.run(&event).await?;
        Ok(id)
    }

    fn booking_to_put(&self, user: &str, provider: &str) -> (String, Value) {
        let body = json!({
            "userId": user, "userName": "Asha", "providerId": provider, "providerName": "Ravi",
            "serviceName": "Plumbing", "status": "accepted"
        });
        (format!("bench-{}", self.next()), body)
    }

    /// The webhook of an incoming call, or of the digits that `asked` wanted.
    fn connect(
        &self,
        sid: &str,
        visitor: &str,
        tag: &Tag,
        asked: Option<&str>,
    ) -> Result<Event, Error> {
        let number = self.number_of(tag);
        let mut fields = self.leg(sid, "inbound", visitor, &number, "ringing")?;
        let Some(twiml) = asked else {
            let url = self.stack.webhook_url("ConnectUrl");
            let url = url.ok_or_else(|| Error::Needs("no output ConnectUrl".into()))?;
            let answered = if tag.own_number.is_some() {
                "<Dial"
            } else {
                "<Gather"
            };
            return self.webhook(&url, fields, answered);
        };
        fields.extend(owned(&[
            ("Digits", &tag.extension),
            ("FinishedOnKey", ""),
            ("msg", "Gather End"),
        ]));
        self.webhook(&required(twiml, "action")?, fields, "<Dial")
    }

    fn progress(&self, dialled: &Dialled, status: &str) -> Result<Event, Error> {
        let (leg_sid, number) = (&dialled.leg_sid, &dialled.number);
        let mut fields = self.leg(leg_sid, "outbound-dial", number, OWNER_PHONE, status)?;
        let now = jiff::Timestamp::now();
        let timestamp = now.strftime("%a, %d %b %Y %H:%M:%S +0000").to_string();
        fields.extend(owned(&[
            ("ParentCallSid", &dialled.sid),
            ("Timestamp", &timestamp),
            ("CallbackSource", "call-progress-events"),
            ("SequenceNumber", "1"),
        ]));
        if status == "completed" {
            fields.extend(owned(&[("CallDuration", "42"), ("Duration", "1")]));
        }
        let url = required(&dialled.twiml, "statusCallback")?;
        self.webhook(&url, fields, "<Response")
    }

    fn dial_end(&self, dialled: &Dialled) -> Result<Event, Error> {
        let visitor = self.visitor();
        let mut fields = self.leg(
            &dialled.sid,
            "inbound",
            &visitor,
            &dialled.number,
            "in-progress",
        )?;
        fields.extend(owned(&[
            ("DialCallSid", &dialled.leg_sid),
            ("DialCallStatus", "completed"),
            ("DialCallDuration", "42"),
            ("DialBridged", "true"),
        ]));
        self.webhook(&required(&dialled.twiml, "action")?, fields, "<Response")
    }

    /// The fields that every request about a leg has.
    fn leg(
        &self,
        sid: &str,
        direction: &str,
        from: &str,
        to: &str,
        status: &str,
    ) -> Result<Vec<Param>, Error> {
        let mut fields = owned(&[
            ("AccountSid", self.value("TWILIO_ACCOUNT_SID")?),
            ("ApiVersion", "2010-04-01"),
            ("CallSid", sid),
            ("CallStatus", status),
            ("Direction", direction),
            ("From", from),
            ("Caller", from),
            ("To", to),
            ("Called", to),
        ]);
        for side in ["From", "Caller", "To", "Called"] {
            for place in ["Country", "City", "State", "Zip"] {
                fields.push((format!("{side}{place}"), String::new()));
            }
        }
        Ok(fields)
    }

    /// A form, signed, at a Function URL.
    fn webhook(
        &self,
        url: &str,
        fields: Vec<Param>,
        expected: &'static str,
    ) -> Result<Event, Error> {
        let signature = sign(self.value("TWILIO_AUTH_TOKEN")?, url, &fields);
        let form = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(&fields)
            .finish();
        let rest = url.strip_prefix(self.stack.http_url()).unwrap_or(url);
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let mut functions = self.plan.functions.iter();
        let function = functions
            .find(|function| function.url_paths.iter().any(|own| own == path))
            .ok_or_else(|| Error::Needs(format!("no function at {path}")))?;
        let headers = [
            (
                "content-type",
                "application/x-www-form-urlencoded; charset=UTF-8".to_owned(),
            ),
            ("user-agent", "TwilioProxy/1.1".to_owned()),
            ("accept", "*/*".to_owned()),
            ("x-twilio-signature", signature),
        ];
        self.request(
            function,
            expected,
            &headers,
            event::Request {
                door: Door::FunctionUrl,
                route_key: "$default",
                path_parameters: Vec::new(),
                method: "POST",
                path,
                query,
                body: form.as_bytes(),
                ..self.any_request(&HeaderMap::new())
            },
        )
    }

    /// A request to the function's route on the HTTP API; `id` takes the place of what
    /// the route's path leaves open.
    fn api(
        &self,
        function: &FunctionPlan,
        id: &str,
        query: &str,
        token: Option<String>,
        body: Option<&Value>,
        expected: &'static str,
    ) -> Result<Event, Error> {
        let route = function.routes.first();
        let route = route.ok_or_else(|| Error::NoEvent(function.binary.clone()))?;
        let key = format!("{} {}", route.method, route.path);
        let open = ["shortCode", "bookingId"]
            .into_iter()
            .find(|name| route.path.contains(&format!("{{{name}}}")));
        let path = match open {
            Some(name) => route.path.replace(&format!("{{{name}}}"), id),
            None => route.path.clone(),
        };
        let body = body.map(Value::to_string).unwrap_or_default();
        let mut headers = vec![
            ("user-agent", "maskline-bench".to_owned()),
            ("accept", "*/*".to_owned()),
        ];
        headers.extend(token.map(|token| ("authorization", format!("Bearer {token}"))));
        if !body.is_empty() {
            headers.push(("content-type", "application/json".to_owned()));
        }
        self.request(
            function,
            expected,
            &headers,
            event::Request {
                door: Door::HttpApi,
                route_key: &key,
                path_parameters: Vec::from_iter(open.map(|name| (name, id))),
                method: &route.method,
                path: &path,
                query,
                body: body.as_bytes(),
                ..self.any_request(&HeaderMap::new())
            },
        )
    }

    fn request(
        &self,
        function: &FunctionPlan,
        expected: &'static str,
        headers: &[(&'static str, String)],
        request: event::Request<'_>,
    ) -> Result<Event, Error> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let value = HeaderValue::from_str(value)
                .map_err(|_| Error::Needs(format!("the header {name} cannot be sent")))?;
            map.insert(HeaderName::from_static(name), value);
        }
        Ok(Event {
            function: function.binary.clone(),
            json: event::build(&event::Request {
                headers: &map,
                ..request
            }),
            expected,
            frames: Vec::new(),
            aftermath: Duration::ZERO,
        })
    }

    /// A request of somebody who has not asked for anything before.
    fn any_request<'a>(&'a self, headers: &'a HeaderMap) -> event::Request<'a> {
        let host = self.stack.http_url();
        event::Request {
            door: Door::HttpApi,
            route_key: "",
            path_parameters: Vec::new(),
            method: "",
            path: "",
            query: "",
            protocol: "HTTP/1.1".into(),
            headers,
            body: &[],
            peer: IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + self.next() as u32)),
            host: host.strip_prefix("http://").unwrap_or(host),
            port: 443,
            request_id: "bench",
            time: jiff::Timestamp::now(),
        }
    }

    pub(super) fn token(&self, user: &str, scope: &str) -> Result<String, Error> {
        let key = self.value("JWT_SECRET")?.as_bytes();
        let expires = jiff::Timestamp::now().as_second() + 24 * 60 * 60;
        let mut claims = json!({ "sub": user, "scope": scope, "exp": expires });
        for (claim, name) in [("iss", "JWT_ISSUER"), ("aud", "JWT_AUDIENCE")] {
            if let Some(value) = self.stack.value(name) {
                claims[claim] = value.into();
            }
        }
        let key = jsonwebtoken::EncodingKey::from_secret(key);
        jsonwebtoken::encode(&Default::default(), &claims, &key)
            .map_err(|error| Error::Needs(format!("a token could not be signed: {error}")))
    }

    fn value(&self, name: &str) -> Result<&str, Error> {
        let value = self.stack.value(name);
        value.ok_or_else(|| Error::Needs(format!("{name} has no value")))
    }

    fn number_of(&self, tag: &Tag) -> String {
        let shared = || self.stack.value("TWILIO_PHONE_NUMBER").unwrap_or_default();
        tag.own_number.as_deref().unwrap_or_else(shared).to_owned()
    }

    fn visitor(&self) -> String {
        format!("+9198{:08}", 10_000_000 + self.next())
    }

    fn call_sid(&self) -> String {
        format!("CA{:032x}", self.next())
    }

    pub(super) fn next(&self) -> u64 {
        self.serial.set(self.serial.get() + 1);
        self.serial.get()
    }
}

fn owned(fields: &[(&str, &str)]) -> Vec<Param> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    fields.iter().map(owned).collect()
}

/// The first attribute of that name in a piece of XML.
fn attribute(xml: &str, name: &str) -> Option<String> {
    let (_, rest) = xml.split_once(&format!(" {name}=\""))?;
    Some(rest.split('"').next()?.replace("&amp;", "&"))
}

fn required(twiml: &str, name: &str) -> Result<String, Error> {
    attribute(twiml, name).ok_or_else(|| Error::Needs(format!("no {name} in {twiml}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_read() {
        let xml = r#"<Dial action="http://a/?x=1&amp;y=2"><Number statusCallback="b">1</Number>"#;
        let url = attribute(xml, "action");
        assert_eq!(url.as_deref(), Some("http://a/?x=1&y=2"));
        assert_eq!(attribute(xml, "statusCallback").as_deref(), Some("b"));
        assert_eq!(attribute(xml, "timeout"), None);
    }
}
