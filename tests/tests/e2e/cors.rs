//! Web pages of other origins.

use maskline_tests::{APP_ORIGIN, client, world};
use reqwest::{Method, Response};

async fn ask(method: Method, path: &str, origin: &str, preflight: bool) -> Response {
    let url = format!("{}{path}", world().stack.http_url());
    let mut request = client().request(method, url).header("origin", origin);
    if preflight {
        request = request
            .header("access-control-request-method", "POST")
            .header(
                "access-control-request-headers",
                "content-type,idempotency-key",
            );
    }
    request.send().await.unwrap()
}

fn cors(response: &Response) -> Vec<(String, String)> {
    let headers = response.headers().iter();
    let headers = headers.filter(|(name, _)| name.as_str().starts_with("access-control-"));
    let mut headers: Vec<(String, String)> = headers
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect();
    headers.sort();
    headers
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    expected.iter().map(owned).collect()
}

#[tokio::test]
async fn pages_of_configured_origins_may_call_the_api() {
    let path = "/api/v1/call/some-tag/initiate";
    let preflight = ask(Method::OPTIONS, path, APP_ORIGIN, true).await;
    assert_eq!(preflight.status(), 204);
    let expected = [
        (
            "access-control-allow-headers",
            "authorization,content-type,idempotency-key",
        ),
        ("access-control-allow-methods", "GET,POST,PUT,DELETE"),
        ("access-control-allow-origin", APP_ORIGIN),
        ("access-control-expose-headers", "retry-after"),
        ("access-control-max-age", "600"),
    ];
    assert_eq!(cors(&preflight), pairs(&expected));
    for (path, status) in [
        ("/api/v1/call/virtual-number", 200),
        ("/api/v1/call/x/history", 401),
    ] {
        let answer = ask(Method::GET, path, APP_ORIGIN, false).await;
        assert_eq!(answer.status(), status);
        let expected = [
            ("access-control-allow-origin", APP_ORIGIN),
            ("access-control-expose-headers", "retry-after"),
        ];
        assert_eq!(cors(&answer), pairs(&expected), "{path}");
    }
}

#[tokio::test]
async fn no_other_page_may_read_anything() {
    for origin in [
        "https://other.example",
        "null",
        &format!("{APP_ORIGIN}.evil.example"),
    ] {
        let preflight = ask(Method::OPTIONS, "/api/v1/call/x/initiate", origin, true).await;
        assert_eq!(
            (preflight.status().as_u16(), cors(&preflight)),
            (204, vec![])
        );
        let answer = ask(Method::GET, "/api/v1/call/virtual-number", origin, false).await;
        assert_eq!((answer.status().as_u16(), cors(&answer)), (200, vec![]));
    }
    // The webhooks are no part of the API.
    let webhook = "/api/v1/call/connect";
    let preflight = ask(Method::OPTIONS, webhook, APP_ORIGIN, true).await;
    assert_eq!(
        (preflight.status().as_u16(), cors(&preflight)),
        (403, vec![])
    );
}
