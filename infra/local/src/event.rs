//! HTTP requests as Lambda events in payload format 2.0, and answers as HTTP
//! responses, the way API Gateway's HTTP APIs and Lambda's Function URLs do it.

use std::net::IpAddr;

use axum::body::Body;
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::{Response, StatusCode};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

use crate::runtime_api::trace_id;
use crate::template::ACCOUNT;

/// Which of AWS's two front doors a request came through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// API Gateway's HTTP API.
    HttpApi,
    /// A function's own URL.
    FunctionUrl,
}

/// A request and what the front door knows about it.
#[derive(Debug)]
pub struct Request<'a> {
    /// Where it came in.
    pub door: Door,
    /// The route that it matched, `GET /api/v1/call/{shortCode}/history`.
    pub route_key: &'a str,
    /// The values of the route's `{names}`, as they stand in the path.
    pub path_parameters: Vec<(&'a str, &'a str)>,
    /// The method.
    pub method: &'a str,
    /// The path, as it was sent.
    pub path: &'a str,
    /// The query, as it was sent.
    pub query: &'a str,
    /// `HTTP/1.1`.
    pub protocol: String,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// The body.
    pub body: &'a [u8],
    /// The other end of the connection.
    pub peer: IpAddr,
    /// The Host header, or the address that was dialled.
    pub host: &'a str,
    /// The port that was dialled.
    pub port: u16,
    /// The request's id.
    pub request_id: &'a str,
    /// When it came.
    pub time: Timestamp,
}

/// Headers about the connection, which ends at the front door.
const HOP_BY_HOP: [HeaderName; 5] = [
    header::CONNECTION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Builds the event.
pub fn build(request: &Request<'_>) -> Value {
    let (source_ip, forwarded_for) = source(request.headers, request.peer);
    // The HTTP API hands paths over decoded, a Function URL as they were sent.
    let path = match request.door {
        Door::HttpApi => decode(request.path),
        Door::FunctionUrl => request.path.to_owned(),
    };
    let mut event = json!({
        "version": "2.0",
        "routeKey": request.route_key,
        "rawPath": path,
        "rawQueryString": request.query,
        "headers": headers(request, forwarded_for),
        "requestContext": {
            "accountId": ACCOUNT,
            "apiId": "local",
            "domainName": request.host,
            "domainPrefix": request.host.split(['.', ':']).next().unwrap_or_default(),
            "http": {
                "method": request.method,
                "path": path,
                "protocol": request.protocol,
                "sourceIp": source_ip.to_string(),
                "userAgent": text(request.headers.get(header::USER_AGENT)),
            },
            "requestId": request.request_id,
            "routeKey": request.route_key,
            "stage": "$default",
            "time": request.time.strftime("%d/%b/%Y:%H:%M:%S +0000").to_string(),
            "timeEpoch": request.time.as_millisecond(),
        },
        "isBase64Encoded": false,
    });
    let cookies = cookies(request.headers);
    if !cookies.is_empty() {
        event["cookies"] = json!(cookies);
    }
    if !request.query.is_empty() {
        event["queryStringParameters"] = joined(
            form_urlencoded::parse(request.query.as_bytes())
                .map(|(name, value)| (name.into_owned(), value.into_owned())),
        );
    }
    if !request.path_parameters.is_empty() {
        let parameters = request.path_parameters.iter();
        event["pathParameters"] =
            joined(parameters.map(|(name, value)| ((*name).to_owned(), decode(value))));
    }
    if !request.body.is_empty() {
        let content_type = text(request.headers.get(header::CONTENT_TYPE));
        match std::str::from_utf8(request.body) {
            Ok(body) if is_text(&content_type) => event["body"] = body.into(),
            _ => {
                event["body"] = BASE64_STANDARD.encode(request.body).into();
                event["isBase64Encoded"] = true.into();
            }
        }
    }
    event
}

/// Who sent the request, and the X-Forwarded-For that says so. On AWS that is
/// always the peer; here a header already present is believed, so that a test can
/// play clients with addresses of their own.
pub(crate) fn source(headers: &HeaderMap, peer: IpAddr) -> (IpAddr, String) {
    let given = joined_values(headers, &HeaderName::from_static("x-forwarded-for"));
    let last = given.rsplit(',').next().unwrap_or_default();
    match last.trim().parse() {
        Ok(address) => (address, given),
        Err(_) => (peer, peer.to_string()),
    }
}

fn headers(request: &Request<'_>, forwarded_for: String) -> Value {
    let mut headers: Map<String, Value> = request
        .headers
        .keys()
        .filter(|name| !HOP_BY_HOP.contains(name))
        // The HTTP API moves cookies to a field of their own, a Function URL copies them.
        .filter(|name| *name != header::COOKIE || request.door == Door::FunctionUrl)
        .map(|name| {
            (
                name.as_str().to_owned(),
                joined_values(request.headers, name).into(),
            )
        })
        .collect();
    headers.insert("host".into(), request.host.into());
    headers.insert("x-forwarded-for".into(), forwarded_for.into());
    headers.insert("x-forwarded-port".into(), request.port.to_string().into());
    headers.insert("x-forwarded-proto".into(), "http".into());
    headers.insert("x-amzn-trace-id".into(), trace_id().into());
    Value::Object(headers)
}

fn cookies(headers: &HeaderMap) -> Vec<String> {
    let all = headers.get_all(header::COOKIE).iter();
    all.flat_map(|value| {
        let value = text(Some(value));
        let one = value.split(';').map(|cookie| cookie.trim().to_owned());
        one.filter(|cookie| !cookie.is_empty()).collect::<Vec<_>>()
    })
    .collect()
}

fn joined_values(headers: &HeaderMap, name: &HeaderName) -> String {
    let values: Vec<String> = headers
        .get_all(name)
        .iter()
        .map(|value| text(Some(value)))
        .collect();
    values.join(",")
}

/// An object in which a name that comes several times has its values joined.
fn joined(pairs: impl Iterator<Item = (String, String)>) -> Value {
    let mut object = Map::new();
    for (name, value) in pairs {
        let value = match object.get(&name).and_then(Value::as_str) {
            Some(before) => format!("{before},{value}"),
            None => value,
        };
        object.insert(name, value.into());
    }
    Value::Object(object)
}

/// A header's text; bytes that are not UTF-8 are replaced, as JSON cannot hold them.
pub(crate) fn text(value: Option<&HeaderValue>) -> String {
    String::from_utf8_lossy(value.map_or(&[], |value| value.as_bytes())).into_owned()
}

fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// The bodies that arrive as text. A form is not among them.
fn is_text(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    let essence = essence.to_ascii_lowercase();
    essence.starts_with("text/")
        || essence.ends_with("+json")
        || essence.ends_with("+xml")
        || matches!(
            essence.as_str(),
            "application/json" | "application/javascript" | "application/xml"
        )
}

/// Turns a function's answer into a response; `None` if AWS would not accept it.
pub fn answer(door: Door, answer: &Value) -> Option<Response<Body>> {
    let Some(status) = answer.get("statusCode") else {
        // An answer without a status is taken for the body itself.
        let mut response = Response::new(Body::from(answer.to_string()));
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        return Some(response);
    };
    let status = u16::try_from(status.as_u64()?).ok()?;
    let status = StatusCode::from_u16(status)
        .ok()
        .filter(|status| (200..600).contains(&status.as_u16()))?;
    let body = match answer.get("body") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::String(body)) if answer["isBase64Encoded"] == true => {
            BASE64_STANDARD.decode(body).ok()?
        }
        Some(Value::String(body)) => body.clone().into_bytes(),
        Some(_) => return None,
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    // Format 2.0 has no multiValueHeaders: AWS ignores them, and so does this.
    for (name, value) in answer["headers"].as_object().into_iter().flatten() {
        let name = HeaderName::try_from(name).ok()?;
        // The length and the connection are the front door's own business.
        if !HOP_BY_HOP.contains(&name) && name != header::CONTENT_LENGTH {
            headers.insert(name, header_value(value)?);
        }
    }
    for cookie in answer["cookies"].as_array().into_iter().flatten() {
        headers.append(header::SET_COOKIE, header_value(cookie)?);
    }
    headers
        .entry(header::CONTENT_TYPE)
        .or_insert(HeaderValue::from_static(match door {
            Door::HttpApi => "text/plain;charset=utf-8",
            Door::FunctionUrl => "application/json",
        }));
    Some(response)
}

fn header_value(value: &Value) -> Option<HeaderValue> {
    match value {
        Value::String(text) => HeaderValue::try_from(text).ok(),
        Value::Number(number) => HeaderValue::try_from(number.to_string()).ok(),
        Value::Bool(flag) => HeaderValue::try_from(flag.to_string()).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn with<T>(door: Door, headers: &[(&str, &str)], body: &[u8], f: impl Fn(Value) -> T) -> T {
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| {
                let name = HeaderName::try_from(*name).unwrap();
                (name, HeaderValue::from_bytes(value.as_bytes()).unwrap())
            })
            .collect();
        f(build(&Request {
            door,
            route_key: "GET /x/{code}",
            path_parameters: vec![("code", "a%20b")],
            method: "GET",
            path: "/x/a%20b",
            query: "a=1&b=%2B2+3&a=4",
            protocol: "HTTP/1.1".into(),
            headers: &headers,
            body,
            peer: IpAddr::from([127, 0, 0, 1]),
            host: "localhost:3000",
            port: 3000,
            request_id: "the-id",
            time: "2026-11-21T12:00:00.250Z".parse().unwrap(),
        }))
    }

    #[test]
    fn an_http_api_event_is_what_aws_sends() {
        let headers = [
            ("X-Two", "one"),
            ("x-two", "two"),
            ("user-agent", "test"),
            ("connection", "close"),
            ("cookie", "a=1; b=2"),
            ("content-type", "application/json"),
        ];
        let mut event = with(Door::HttpApi, &headers, b"{}", |event| event);
        let trace = event["headers"]["x-amzn-trace-id"].take();
        assert!(trace.as_str().unwrap().starts_with("Root=1-"));
        assert_eq!(
            event,
            json!({
                "version": "2.0",
                "routeKey": "GET /x/{code}",
                "rawPath": "/x/a b",
                "rawQueryString": "a=1&b=%2B2+3&a=4",
                "cookies": ["a=1", "b=2"],
                "headers": {
                    "x-two": "one,two",
                    "user-agent": "test",
                    "content-type": "application/json",
                    "host": "localhost:3000",
                    "x-forwarded-for": "127.0.0.1",
                    "x-forwarded-port": "3000",
                    "x-forwarded-proto": "http",
                    "x-amzn-trace-id": null,
                },
                "queryStringParameters": {"a": "1,4", "b": "+2 3"},
                "pathParameters": {"code": "a b"},
                "requestContext": {
                    "accountId": "123456789012",
                    "apiId": "local",
                    "domainName": "localhost:3000",
                    "domainPrefix": "localhost",
                    "http": {
                        "method": "GET",
                        "path": "/x/a b",
                        "protocol": "HTTP/1.1",
                        "sourceIp": "127.0.0.1",
                        "userAgent": "test",
                    },
                    "requestId": "the-id",
                    "routeKey": "GET /x/{code}",
                    "stage": "$default",
                    "time": "21/Nov/2026:12:00:00 +0000",
                    "timeEpoch": 1795262400250i64,
                },
                "body": "{}",
                "isBase64Encoded": false,
            })
        );
    }

    #[test]
    fn forms_and_unknown_bodies_are_base64() {
        for (content_type, body, as_text) in [
            ("application/x-www-form-urlencoded", "a=b", false),
            ("", "a=b", false),
            ("application/json; charset=utf-8", "{}", true),
            ("application/problem+json", "{}", true),
            ("text/xml", "<a/>", true),
        ] {
            let headers = [("content-type", content_type)];
            let event = with(Door::FunctionUrl, &headers, body.as_bytes(), |event| event);
            assert_eq!(event["isBase64Encoded"], !as_text, "{content_type}");
            let expected = match as_text {
                true => body.to_owned(),
                false => BASE64_STANDARD.encode(body),
            };
            assert_eq!(event["body"], expected);
            assert_eq!(event["rawPath"], "/x/a%20b");
        }
        let not_utf8 = with(
            Door::HttpApi,
            &[("content-type", "application/json")],
            b"\xff",
            |event| event,
        );
        assert_eq!(not_utf8["isBase64Encoded"], true);
        let empty = with(Door::HttpApi, &[], b"", |event| event);
        assert_eq!(empty.get("body"), None);
    }

    #[test]
    fn a_client_may_claim_an_address() {
        let source = |value| {
            let headers = [("x-forwarded-for", value)];
            with(Door::HttpApi, &headers, b"", |event| {
                let ip = event["requestContext"]["http"]["sourceIp"].clone();
                (ip, event["headers"]["x-forwarded-for"].clone())
            })
        };
        let claimed = source("203.0.113.9, 198.51.100.7");
        assert_eq!(claimed.0, "198.51.100.7");
        assert_eq!(claimed.1, "203.0.113.9, 198.51.100.7");
        assert_eq!(source("nonsense").0, "127.0.0.1");
        assert_eq!(source("nonsense").1, "127.0.0.1");
    }

    #[test]
    fn answers_become_responses() {
        let made = answer(
            Door::FunctionUrl,
            &json!({
                "statusCode": 201,
                "headers": {"content-type": "text/xml", "X-N": 5, "content-length": "99"},
                "multiValueHeaders": {"x-lost": ["1"]},
                "cookies": ["a=1", "b=2"],
                "body": "aGk=",
                "isBase64Encoded": true,
            }),
        )
        .unwrap();
        assert_eq!(made.status(), 201);
        assert_eq!(made.headers()["content-type"], "text/xml");
        assert_eq!(made.headers()["x-n"], "5");
        assert_eq!(made.headers().get("x-lost"), None);
        assert_eq!(made.headers().get("content-length"), None);
        assert_eq!(made.headers().get_all("set-cookie").iter().count(), 2);

        let inferred = answer(Door::HttpApi, &json!({"plain": true})).unwrap();
        assert_eq!(inferred.status(), 200);
        assert_eq!(inferred.headers()["content-type"], "application/json");

        for bad in [
            json!({"statusCode": 99}),
            json!({"statusCode": 700}),
            json!({"statusCode": "ok"}),
            json!({"statusCode": 200, "body": "%", "isBase64Encoded": true}),
            json!({"statusCode": 200, "body": {}}),
            json!({"statusCode": 200, "headers": {"a b": "c"}}),
        ] {
            assert!(answer(Door::HttpApi, &bad).is_none(), "{bad}");
        }
    }
}
