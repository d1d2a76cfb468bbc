//! Cross-origin requests, as HTTP APIs answer them.

use axum::body::Body;
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::{Method, Response, StatusCode};
use axum::response::IntoResponse;

use crate::template::CorsPlan;

const CORS_HEADERS: [HeaderName; 6] = [
    header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
    header::ACCESS_CONTROL_ALLOW_HEADERS,
    header::ACCESS_CONTROL_ALLOW_METHODS,
    header::ACCESS_CONTROL_ALLOW_ORIGIN,
    header::ACCESS_CONTROL_EXPOSE_HEADERS,
    header::ACCESS_CONTROL_MAX_AGE,
];

/// The answer to a preflight request, which no function sees; `None` for any other.
pub(crate) fn preflight(
    plan: &CorsPlan,
    method: &Method,
    headers: &HeaderMap,
) -> Option<Response<Body>> {
    let asked = headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    if method != Method::OPTIONS || !asked || !headers.contains_key(header::ORIGIN) {
        return None;
    }
    let mut response = StatusCode::NO_CONTENT.into_response();
    if let Some(origin) = allowed(plan, headers) {
        let max_age = plan.max_age.map(|seconds| seconds.to_string());
        let own = [
            (
                header::ACCESS_CONTROL_ALLOW_METHODS,
                plan.allow_methods.join(","),
            ),
            (
                header::ACCESS_CONTROL_ALLOW_HEADERS,
                plan.allow_headers.join(","),
            ),
            (header::ACCESS_CONTROL_MAX_AGE, max_age.unwrap_or_default()),
        ];
        set(response.headers_mut(), own);
        mark(plan, origin, response.headers_mut());
    }
    Some(response)
}

/// The request's origin, if it is one of those allowed.
pub(crate) fn allowed(plan: &CorsPlan, headers: &HeaderMap) -> Option<HeaderValue> {
    let origin = headers.get(header::ORIGIN)?;
    let matches = |allowed: &String| allowed.as_bytes() == origin.as_bytes();
    plan.allow_origins
        .iter()
        .any(matches)
        .then(|| origin.clone())
}

/// Puts the headers of the configuration onto an answer, and takes off a function's own.
pub(crate) fn apply(plan: &CorsPlan, origin: Option<HeaderValue>, headers: &mut HeaderMap) {
    for name in CORS_HEADERS {
        headers.remove(name);
    }
    if let Some(origin) = origin {
        mark(plan, origin, headers);
    }
}

fn mark(plan: &CorsPlan, origin: HeaderValue, headers: &mut HeaderMap) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    let exposed = plan.expose_headers.join(",");
    set(headers, [(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed)]);
}

fn set(headers: &mut HeaderMap, values: impl IntoIterator<Item = (HeaderName, String)>) {
    for (name, value) in values {
        if let (false, Ok(value)) = (value.is_empty(), HeaderValue::try_from(value)) {
            headers.insert(name, value);
        }
    }
}
