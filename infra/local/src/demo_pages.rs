//! The demo apps under `/demo`: files that `make demo-apps` has built, and the
//! configuration with which their pages start.

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HOST, HeaderMap, X_CONTENT_TYPE_OPTIONS};
use axum::http::{Response, StatusCode};
use axum::response::IntoResponse;
use axum::routing::get;

use crate::LogSink;
use crate::demo::Signer;

const NOT_BUILT: &str = "The demo apps are not built yet: `make demo-apps` does it.\n";

/// What the pages are made of.
#[derive(Debug)]
pub(crate) struct DemoPages {
    /// Where the built files are.
    pub(crate) directory: PathBuf,
    pub(crate) signer: Signer,
    pub(crate) http_url: String,
    pub(crate) websocket_url: String,
    pub(crate) log: LogSink,
}

impl DemoPages {
    /// Serves `/demo` and everything under it.
    pub(crate) fn router(self) -> Router {
        Router::new()
            .route("/demo", get(index))
            .route("/demo/", get(index))
            .route("/demo/config.json", get(config))
            .route("/demo/{*path}", get(file))
            .with_state(Arc::new(self))
    }

    fn read(&self, name: &str) -> Response<Body> {
        let Some(content_type) = content_type(name) else {
            return not_found();
        };
        match std::fs::read(self.directory.join(name)) {
            Ok(bytes) => answer(StatusCode::OK, content_type, bytes),
            Err(_) if self.directory.join("index.html").is_file() => not_found(),
            Err(_) => answer(StatusCode::SERVICE_UNAVAILABLE, "text/plain", NOT_BUILT),
        }
    }
}

async fn index(State(pages): State<Arc<DemoPages>>) -> Response<Body> {
    pages.read("index.html")
}

/// `/demo/user` is the file `user.html`; only names that need no decoding are files.
async fn file(State(pages): State<Arc<DemoPages>>, Path(path): Path<String>) -> Response<Body> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let is_name =
        |part: &str| !part.starts_with('.') && !part.is_empty() && part.chars().all(plain);
    if !path.split('/').all(is_name) {
        return not_found();
    }
    match path.contains('.') {
        true => pages.read(&path),
        false => pages.read(&format!("{path}.html")),
    }
}

/// The addresses, and new tokens each time. They are for whoever sits at this
/// machine: a page that has made its own name point here gets none.
async fn config(State(pages): State<Arc<DemoPages>>, headers: HeaderMap) -> Response<Body> {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    if !host.is_some_and(is_this_machine) {
        return answer(
            StatusCode::FORBIDDEN,
            "text/plain",
            "Open 127.0.0.1 or localhost.\n",
        );
    }
    match pages
        .signer
        .page_config(&pages.http_url, &pages.websocket_url)
    {
        Ok(config) => answer(StatusCode::OK, "application/json", config.to_string()),
        Err(error) => {
            pages.log.line(format!("/demo/config.json: {error}"));
            let failed = StatusCode::INTERNAL_SERVER_ERROR;
            answer(
                failed,
                "text/plain",
                "No token could be signed; the log says why.\n",
            )
        }
    }
}

fn is_this_machine(host: &str) -> bool {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    name == "127.0.0.1" || name.eq_ignore_ascii_case("localhost")
}

fn content_type(name: &str) -> Option<&'static str> {
    Some(match name.rsplit_once('.')?.1 {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "map" => "application/json",
        _ => return None,
    })
}

fn not_found() -> Response<Body> {
    answer(
        StatusCode::NOT_FOUND,
        "text/plain",
        "There is no such page.\n",
    )
}

fn answer(status: StatusCode, content_type: &str, body: impl Into<Body>) -> Response<Body> {
    let headers = [
        (CONTENT_TYPE, content_type),
        (CACHE_CONTROL, "no-store"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (status, headers, body.into()).into_response()
}
