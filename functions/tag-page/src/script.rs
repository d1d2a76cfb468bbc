//! The page's script: built by `make tag-script`, and part of this binary, so that a page and
//! its script are always of one build.

use std::sync::LazyLock;

use maskline::domain::text;
use maskline::lambda::http::{Request, Response};
use ring::digest::{SHA256, digest};

const SCRIPT: &str = include_str!("../../../clients/tag/dist/tag.js");
const GZIPPED: &[u8] = include_bytes!("../../../clients/tag/dist/tag.js.gz");

/// The script's file name, which changes with its bytes.
pub fn name() -> &'static str {
    static NAME: LazyLock<String> = LazyLock::new(|| {
        let hash = digest(&SHA256, SCRIPT.as_bytes());
        format!("tag-{}.js", text::hex(&hash.as_ref()[..8]))
    });
    &NAME
}

/// The script, as the client takes it.
pub fn answer(request: &Request) -> Response {
    let gzipped = request.takes_gzip().then_some(GZIPPED);
    Response::asset("text/javascript; charset=utf-8", SCRIPT, gzipped)
}
