//! HTTP API and Function URL events (payload format 2.0) as typed requests, and
//! responses back.
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>
//!
//! Read with our own small type rather than through `http::Uri`, which refuses
//! some query strings that clients do send; a signature covers them byte for byte.

use std::borrow::Cow;
use std::collections::HashMap;

use base64::{Engine, prelude::BASE64_STANDARD};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};

use crate::access::error::Error;
use crate::ports::carrier::{Reply, Webhook};

/// The most that a body may hold, bytes. What clients and Twilio send is far smaller.
pub const MAX_BODY: usize = 16 * 1024;

/// The event, as far as it is used.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    #[serde(default)]
    raw_path: String,
    #[serde(default)]
    raw_query_string: String,
    #[serde(default)]
    headers: HashMap<String, String>,
    /// Function URLs send null or leave it out.
    path_parameters: Option<HashMap<String, String>>,
    request_context: Context,
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Context {
    #[serde(default)]
    domain_name: String,
    #[serde(default)]
    http: Client,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Client {
    #[serde(default)]
    source_ip: String,
}

/// A request. Not `Debug`: its headers hold tokens and its body phone numbers.
pub struct Request {
    path: String,
    query: String,
    headers: HashMap<String, String>,
    path_parameters: HashMap<String, String>,
    domain_name: String,
    source_ip: String,
    body: Vec<u8>,
}

impl Request {
    /// Reads an event; the body is decoded, and refused if it is too large.
    pub fn read(event: Event) -> Result<Self, Error> {
        let body = event.body.unwrap_or_default();
        let body = if event.is_base64_encoded {
            BASE64_STANDARD
                .decode(body)
                .map_err(|_| Error::BadRequest("the body is not valid base64".to_owned()))?
        } else {
            body.into_bytes()
        };
        if body.len() > MAX_BODY {
            return Err(Error::TooLarge(MAX_BODY));
        }
        Ok(Request {
            path: event.raw_path,
            query: event.raw_query_string,
            headers: event.headers,
            path_parameters: event.path_parameters.unwrap_or_default(),
            domain_name: event.request_context.domain_name,
            source_ip: event.request_context.http.source_ip,
            body,
        })
    }

    /// A header, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// Whether the client takes gzip (RFC 9110, section 12.5.3).
    pub fn takes_gzip(&self) -> bool {
        let header = self.header("accept-encoding").unwrap_or_default();
        header.split(',').any(|coding| {
            let mut parts = coding.split(';').map(str::trim);
            let named = parts
                .next()
                .is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
            let refused = |weight: &str| {
                let weight = weight.strip_prefix("q=").or(weight.strip_prefix("Q="));
                weight.and_then(|weight| weight.parse().ok()) == Some(0.0)
            };
            named && !parts.any(refused)
        })
    }

    /// The client's address, as the gateway saw it.
    pub fn source_ip(&self) -> &str {
        &self.source_ip
    }

    /// A part of the path, as the route names it.
    pub fn path_parameter<T: std::str::FromStr<Err: std::fmt::Display>>(
        &self,
        name: &str,
    ) -> Result<T, Error> {
        let text = self.path_parameters.get(name).map_or("", String::as_str);
        text.parse().map_err(|error| Error::field(name, error))
    }

    /// A part of the path that not every route of the function has.
    pub fn optional_path_parameter(&self, name: &str) -> Option<&str> {
        self.path_parameters.get(name).map(String::as_str)
    }

    /// A query parameter's first value.
    pub fn query(&self, name: &str) -> Option<String> {
        form_urlencoded::parse(self.query.as_bytes())
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    }

    /// A query parameter that must be there, in the form of its type.
    pub fn query_parameter<T: std::str::FromStr<Err: std::fmt::Display>>(
        &self,
        name: &str,
    ) -> Result<T, Error> {
        self.optional_query_parameter(name)?
            .ok_or_else(|| Error::field(name, "is missing"))
    }

    /// The same for one that may be left out.
    pub fn optional_query_parameter<T: std::str::FromStr<Err: std::fmt::Display>>(
        &self,
        name: &str,
    ) -> Result<Option<T>, Error> {
        let read = |text: String| {
            let read = text.parse();
            read.map_err(|error| Error::field(name, format_args!("is {error}")))
        };
        self.query(name).map(read).transpose()
    }

    /// A query parameter that is a whole number within bounds, both included.
    pub fn query_number(
        &self,
        name: &str,
        default: u64,
        bounds: std::ops::RangeInclusive<u64>,
    ) -> Result<u64, Error> {
        let Some(text) = self.query(name) else {
            return Ok(default);
        };
        let number = text.parse().ok().filter(|number| bounds.contains(number));
        number.ok_or_else(|| {
            let (least, most) = (bounds.start(), bounds.end());
            Error::field(
                name,
                format_args!("must be a whole number from {least} to {most}"),
            )
        })
    }

    /// The body as JSON. An error names the field, and shows nothing of its value.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        json(&self.body)
    }

    /// The request as a carrier's webhook, called at `url`.
    pub fn webhook<'a>(&'a self, url: &'a str) -> Webhook<'a> {
        Webhook {
            url,
            signature: self.header("x-twilio-signature"),
            body: &self.body,
        }
    }

    /// The URL without its query, at `base` or else at the host that was called.
    pub fn location(&self, base: Option<&str>) -> String {
        match base {
            Some(base) => format!("{base}{}", self.path),
            None => format!("https://{}{}", self.domain_name, self.path),
        }
    }

    /// The whole URL, byte for byte as it was called.
    pub fn url(&self, base: Option<&str>) -> String {
        let mut url = self.location(base);
        if !self.query.is_empty() {
            url.push('?');
            url.push_str(&self.query);
        }
        url
    }
}

/// A body as JSON. An error names the field, and shows nothing of its value.
pub(super) fn json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Error> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        // serde_json calls it a syntax error, too, where one of a few words is
        // expected and no word is found.
        let is_json = serde_json::from_slice::<IgnoredAny>(body).is_ok();
        Error::BadRequest(problem(&path, error.inner(), is_json))
    })?;
    json.end()
        .map_err(|_| Error::BadRequest("the body is not valid JSON".to_owned()))?;
    Ok(value)
}

/// What is wrong with a body, in words that hold nothing of it: serde's own quote
/// the value, which may be a phone number.
fn problem(path: &str, error: &serde_json::Error, is_json: bool) -> String {
    if !is_json {
        return format!(
            "the body is not valid JSON (line {}, column {})",
            error.line(),
            error.column()
        );
    }
    let text = error.to_string();
    let field = |name: &str| match path {
        "." => name.to_owned(),
        _ => format!("{path}.{name}"),
    };
    if let Some(name) = text
        .strip_prefix("missing field `")
        .and_then(|rest| rest.split('`').next())
    {
        return format!("{} is missing", field(name));
    }
    let expected = text
        .rsplit_once(", expected ")
        .and_then(|(_, rest)| rest.split(" at line ").next());
    let name = if path == "." { "the body" } else { path };
    match expected {
        Some(expected) if expected.starts_with("struct") => format!("{name} must be an object"),
        Some("u8" | "u16" | "u32" | "u64") => format!("{name} must be a whole number from 0"),
        Some(expected) => format!("{name} must be {expected}"),
        None => format!("{name} is malformed"),
    }
}

/// A response, and as serialized what Lambda takes for one. Not `Debug`: one to the carrier
/// may hold the owner's number.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Response {
    /// The HTTP status.
    #[serde(rename = "statusCode")]
    pub status: u16,
    headers: HashMap<&'static str, Cow<'static, str>>,
    body: String,
    /// How bytes that are not text go through Lambda.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    is_base64_encoded: bool,
}

impl Response {
    /// A value as JSON.
    pub fn json<T: Serialize>(status: u16, value: &T) -> Result<Self, Error> {
        let body = serde_json::to_string(value)
            .map_err(|_| Error::Unavailable("a response does not serialize".to_owned()))?;
        Ok(Self::new(status, "application/json", body))
    }

    /// A value in the envelope of the routes under `/api/calls/`.
    pub fn success<T: Serialize>(status: u16, data: &T) -> Result<Self, Error> {
        let envelope = Success {
            status: "success",
            data,
        };
        Self::json(status, &envelope)
    }

    /// A carrier's instruction.
    pub fn carrier(reply: Reply) -> Self {
        Self::new(200, reply.content_type, reply.body)
    }

    /// A page. `policy` is its Content-Security-Policy.
    pub fn html(status: u16, policy: impl Into<Cow<'static, str>>, body: String) -> Self {
        let mut response = Self::new(status, "text/html; charset=utf-8", body);
        response.headers.extend([
            ("content-security-policy", policy.into()),
            ("referrer-policy", "no-referrer".into()),
            ("x-content-type-options", "nosniff".into()),
        ]);
        response
    }

    /// The same with what the page may do: its Permissions-Policy.
    #[must_use]
    pub fn permitting(mut self, permissions: &'static str) -> Self {
        self.headers
            .insert("permissions-policy", permissions.into());
        self
    }

    /// A file whose name changes with its bytes, so that everybody on the way may keep it
    /// for good. `gzipped` is the same for a client that takes it so.
    pub fn asset(content_type: &'static str, identity: &str, gzipped: Option<&[u8]>) -> Self {
        let mut response = Self::new(200, content_type, String::new());
        response.headers.extend([
            (
                "cache-control",
                "public, max-age=31536000, immutable".into(),
            ),
            ("vary", "accept-encoding".into()),
            ("x-content-type-options", "nosniff".into()),
        ]);
        match gzipped {
            Some(bytes) => {
                response.headers.insert("content-encoding", "gzip".into());
                response.body = BASE64_STANDARD.encode(bytes);
                response.is_base64_encoded = true;
            }
            None => response.body = identity.to_owned(),
        }
        response
    }

    /// Done, and nothing to say of it.
    pub fn no_content() -> Self {
        Response {
            status: 204,
            headers: HashMap::from([NO_STORE]),
            body: String::new(),
            is_base64_encoded: false,
        }
    }

    /// A connection is taken, with the subprotocol that the client asked for, if any.
    pub fn connected(subprotocol: Option<&'static str>) -> Self {
        // Spelled as on API Gateway's page: whether it cares is not documented.
        let named = |name: &'static str| ("Sec-WebSocket-Protocol", Cow::Borrowed(name));
        Response {
            status: 200,
            headers: subprotocol.map(named).into_iter().collect(),
            body: String::new(),
            is_base64_encoded: false,
        }
    }

    /// An error as JSON.
    pub fn error(error: &Error) -> Self {
        let mut response = Self::new(error.status().0, "application/json", error.body());
        if matches!(error, Error::Unauthorized(_)) {
            // RFC 6750, section 3.
            response.headers.insert("www-authenticate", "Bearer".into());
        }
        if let Some(seconds) = error.retry_after() {
            response
                .headers
                .insert("retry-after", seconds.to_string().into());
        }
        response
    }

    fn new(status: u16, content_type: &'static str, body: String) -> Self {
        Response {
            status,
            headers: HashMap::from([("content-type", content_type.into()), NO_STORE]),
            body,
            is_base64_encoded: false,
        }
    }
}

#[derive(Serialize)]
struct Success<'a, T> {
    status: &'static str,
    data: &'a T,
}

/// No response may be kept by anybody on the way.
const NO_STORE: (&str, Cow<'static, str>) = ("cache-control", Cow::Borrowed("no-store"));

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "camelCase")]
    #[allow(dead_code)]
    struct Body {
        owner_id: String,
        enabled: bool,
    }

    #[derive(Debug, Deserialize)]
    #[allow(dead_code)]
    struct Kind {
        kind: Letter,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Letter {
        A,
        B,
    }

    fn request(body: &str) -> Request {
        let event = json!({
            "rawPath": "/a", "rawQueryString": "x=1&y=%2B9&y=2&z=<\">",
            "requestContext": {"domainName": "id.lambda-url.eu-west-1.on.aws"},
            "body": body,
        });
        Request::read(serde_json::from_value(event).unwrap()).unwrap()
    }

    fn message(body: &str) -> String {
        request(body).json::<Body>().unwrap_err().to_string()
    }

    #[test]
    fn errors_name_the_field_and_hide_the_value() {
        assert_eq!(message("{}"), "ownerId is missing");
        assert_eq!(message(r#"{"ownerId":"a"}"#), "enabled is missing");
        assert_eq!(
            message(r#"{"ownerId":"a","enabled":"+919876543210"}"#),
            "enabled must be a boolean"
        );
        assert_eq!(
            message(r#"{"ownerId":919876543210,"enabled":true}"#),
            "ownerId must be a string"
        );
        assert_eq!(
            message(r#"{"ownerId":", expected x","enabled":", expected +919876543210 at line 1"}"#),
            "enabled must be a boolean"
        );
        assert_eq!(message("[]"), "the body must be an object");
        assert_eq!(message("\"+919876543210\""), "the body must be an object");
        #[derive(Debug, Deserialize)]
        struct Count {
            #[allow(dead_code)]
            count: u32,
        }
        for body in [
            r#"{"count":"9876543210"}"#,
            r#"{"count":1.5}"#,
            r#"{"count":-1}"#,
        ] {
            let told = request(body).json::<Count>().unwrap_err().to_string();
            assert_eq!(told, "count must be a whole number from 0");
        }
        let kind = |body: &str| request(body).json::<Kind>().unwrap_err().to_string();
        for (body, told) in [
            (r#"{"kind":7}"#, "kind is malformed"),
            (r#"{"kind":null}"#, "kind is malformed"),
            (r#"{"kind":"9876543210"}"#, "kind must be `a` or `b`"),
            (
                r#"{"kind":nul}"#,
                "the body is not valid JSON (line 1, column 9)",
            ),
        ] {
            assert_eq!(kind(body), told);
        }
        for broken in ["", "{", "{\"ownerId\":\"+919876543210", "nul", "{}{}"] {
            let text = message(broken);
            assert!(!text.contains("987"), "{text}");
        }
    }

    #[test]
    fn urls_are_kept_byte_for_byte() {
        let request = request("");
        assert_eq!(
            request.url(None),
            "https://id.lambda-url.eu-west-1.on.aws/a?x=1&y=%2B9&y=2&z=<\">"
        );
        assert_eq!(
            request.location(Some("http://localhost:3000")),
            "http://localhost:3000/a"
        );
        assert_eq!(request.query("y").as_deref(), Some("+9"));
    }

    #[test]
    fn gzip_is_sent_to_who_takes_it() {
        let takes = |accepted: Option<&str>| {
            let mut event = json!({"requestContext": {}, "headers": {}});
            if let Some(accepted) = accepted {
                event["headers"]["accept-encoding"] = json!(accepted);
            }
            let event = serde_json::from_value(event).unwrap();
            Request::read(event).unwrap().takes_gzip()
        };
        for good in [
            "gzip",
            "gzip, deflate, br, zstd",
            "br;q=1, GZIP ; q=0.5",
            "deflate,gzip;q=1.0",
        ] {
            assert!(takes(Some(good)), "{good}");
        }
        for bad in [
            None,
            Some(""),
            Some("br"),
            Some("gzip;q=0"),
            Some("gzip; q=0.000"),
            Some("x-gzip"),
            Some("identity;q=1, *;q=0"),
        ] {
            assert!(!takes(bad), "{bad:?}");
        }
    }

    #[test]
    fn numbers_in_the_query_have_bounds() {
        let request = request("");
        assert_eq!(request.query_number("x", 7, 1..=9).unwrap(), 1);
        assert_eq!(request.query_number("w", 7, 1..=9).unwrap(), 7);
        let error = request.query_number("y", 7, 1..=8).unwrap_err();
        assert_eq!(error.to_string(), "y must be a whole number from 1 to 8");
    }

    #[test]
    fn large_and_broken_bodies_are_refused() {
        let read = |body: String, encoded| {
            let event = json!({"requestContext": {}, "body": body, "isBase64Encoded": encoded});
            Request::read(serde_json::from_value(event).unwrap()).err()
        };
        assert!(read("x".repeat(MAX_BODY), false).is_none());
        assert!(matches!(
            read("x".repeat(MAX_BODY + 1), false),
            Some(Error::TooLarge(_))
        ));
        assert!(matches!(
            read("not base64!".into(), true),
            Some(Error::BadRequest(_))
        ));
    }
}
