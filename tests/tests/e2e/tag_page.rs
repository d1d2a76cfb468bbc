//! The tag's page: what it says, and what no label can make of it.

use base64::{Engine, prelude::BASE64_STANDARD};
use maskline_local::tap::Break;
use maskline_tests::store::BREAKS;
use maskline_tests::{TestTag, World, client, own_number, world};
use reqwest::header::HeaderMap;
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};

/// A page as a browser gets it, but for the headers that name the request.
#[derive(Debug, PartialEq)]
struct Page {
    status: u16,
    headers: HeaderMap,
    html: String,
}

impl Page {
    async fn get(world: &World, code: &str) -> Self {
        let url = format!("{}/t/{code}", world.stack.http_url());
        let response = client().get(url).send().await.unwrap();
        let mut headers = response.headers().clone();
        for of_the_request in ["date", "apigw-requestid"] {
            headers.remove(of_the_request);
        }
        Page {
            status: response.status().as_u16(),
            headers,
            html: response.text().await.unwrap(),
        }
    }

    fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }

    /// What stands between two pieces that are there once.
    #[track_caller]
    fn between(&self, start: &str, end: &str) -> &str {
        assert_eq!(
            self.html.matches(start).count(),
            1,
            "{start}: {}",
            self.html
        );
        let rest = self.html.split_once(start).unwrap().1;
        rest.split_once(end).unwrap().0
    }

    /// That nothing is loaded or run but our own script, whatever the page is about.
    #[track_caller]
    fn check_calling(&self) {
        let sockets = world().socket_url();
        self.check(&format!(
            "script-src 'self'; connect-src 'self' {sockets}; "
        ));
        assert_eq!(self.html.matches("<script").count(), 1, "{}", self.html);
        let script = self.between("<script ", "</script>");
        let name = script.strip_prefix("src=\"/assets/tag-").unwrap();
        let name = name.strip_suffix(".js\" defer>").unwrap();
        assert_eq!(name.len(), 16, "{script}");
        assert!(name.bytes().all(|b| b.is_ascii_hexdigit()), "{script}");
        assert_eq!(self.html.matches("src=").count(), 1, "{}", self.html);
        assert_eq!(
            self.header("permissions-policy"),
            "microphone=(self), camera=(), geolocation=()"
        );
        // Without the script there is nothing of it to see.
        self.between("<div id=\"web\" data-visits=\"/t/", "/visits\" hidden>");
    }

    /// That nothing at all is loaded or run.
    #[track_caller]
    fn check_harmless(&self) {
        self.check("");
        for never in ["<script", "src="] {
            assert!(!self.html.contains(never), "{never}: {}", self.html);
        }
    }

    /// What every page keeps to. `more` is what its policy says besides.
    #[track_caller]
    fn check(&self, more: &str) {
        let hash = BASE64_STANDARD.encode(digest(
            &SHA256,
            self.between("<style>", "</style>").as_bytes(),
        ));
        assert_eq!(
            self.header("content-security-policy"),
            format!(
                "default-src 'none'; style-src 'sha256-{hash}'; {more}base-uri 'none'; \
                 form-action 'none'; frame-ancestors 'none'"
            )
        );
        assert_eq!(self.header("content-type"), "text/html; charset=utf-8");
        assert_eq!(self.header("x-content-type-options"), "nosniff");
        assert_eq!(self.header("referrer-policy"), "no-referrer");
        assert_eq!(self.header("cache-control"), "no-store");
        for never in ["<link", "<img", "url(", "@import", "http", "style="] {
            assert!(!self.html.contains(never), "{never}: {}", self.html);
        }
        assert!(self.html.starts_with("<!doctype html>\n<html lang=\"en\">"));
        assert!(self.html.contains("<meta name=\"viewport\""));
        assert!(self.html.contains("</style>\n") && !self.html.contains("\\n"));
        assert!(self.html.len() < 6 * 1024, "{} bytes", self.html.len());
    }
}

/// A tag with that much about it that is not as [`World::new_tag`] makes it.
async fn tag(change: Value) -> TestTag {
    let tag = world().new_tag().await;
    let mut body = json!({
        "ownerId": tag.owner, "ownerPhone": "+919876543210", "label": "Van", "enabled": true
    });
    for (name, value) in change.as_object().unwrap() {
        body[name] = value.clone();
    }
    let answer = world().put_tag(&tag.code, &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    tag
}

#[tokio::test]
async fn a_shared_number_with_its_extension() {
    let world = world();
    let tag = world.new_tag().await;
    let page = Page::get(world, &tag.code.to_uppercase()).await;
    assert_eq!(page.status, 200, "{}", page.html);
    page.check_calling();
    assert_eq!(page.between("<h1><bdi>", "</bdi></h1>"), "Blue hatchback");
    assert_eq!(
        page.between("id=\"phone\" href=\"", "\""),
        format!("tel:{},,{}", world.shared_number(), tag.extension)
    );
    assert!(page.html.contains("<dd>+1 415 555 0100</dd>"));
    let extension = format!("<dt>Extension</dt><dd>{}</dd>", tag.extension);
    assert!(page.html.contains(&extension), "{}", page.html);
    assert!(page.html.contains("the owner does not see your number"));
    for private in ["9876543210", "98765", "+91", tag.owner.as_str()] {
        assert!(!page.html.contains(private), "{private}: {}", page.html);
    }
}

#[tokio::test]
async fn a_number_of_its_own() {
    let own = own_number();
    let tag = tag(json!({"virtualNumber": own})).await;
    let page = Page::get(world(), &tag.code).await;
    page.check_calling();
    assert_eq!(
        page.between("id=\"phone\" href=\"", "\""),
        format!("tel:{own}")
    );
    let by_hand = format!("<dd>+1 {} {} {}</dd>", &own[2..5], &own[5..8], &own[8..]);
    assert!(page.html.contains(&by_hand), "{by_hand}: {}", page.html);
    assert!(
        !page.html.to_lowercase().contains("extension"),
        "{}",
        page.html
    );
    assert!(!page.html.contains(&tag.extension), "{}", page.html);
}

#[tokio::test]
async fn a_label_is_text_whatever_it_holds() {
    let world = world();
    let plain = Page::get(world, &tag(json!({})).await.code).await;
    let plain = plain.html.matches('<').count();
    let quotes = "\"".repeat(200);
    let hearts = "\u{2665}".repeat(66);
    for (label, shown) in [
        (
            "</title></style><script>alert(1)</script>",
            "&lt;/title&gt;&lt;/style&gt;&lt;script&gt;alert(1)&lt;/script&gt;",
        ),
        (
            "\" onclick='x' href=\"javascript:x\"",
            "&quot; onclick=&apos;x&apos; href=&quot;javascript:x&quot;",
        ),
        ("<!-- &amp; ]]> {label}", "&lt;!-- &amp;amp; ]]&gt; {label}"),
        (
            "Van\u{202e}renwo eht llaC\u{2067} \u{2068}x\u{2069}",
            "Vanrenwo eht llaC x",
        ),
        // Nothing to see of it: the code stands in.
        ("\u{202e}\u{2066}", ""),
        // Marks that Arabic, Hebrew and emoji need.
        (
            "\u{200f}\u{62f}\u{631}\u{627}\u{62c}\u{629} 1\u{200f} \u{1f469}\u{200d}\u{1f527}",
            "\u{200f}\u{62f}\u{631}\u{627}\u{62c}\u{629} 1\u{200f} \u{1f469}\u{200d}\u{1f527}",
        ),
        (&quotes, &"&quot;".repeat(200)),
        (&hearts, &hearts),
    ] {
        let tag = tag(json!({"label": label})).await;
        let page = Page::get(world, &tag.code).await;
        assert_eq!(page.status, 200);
        page.check_calling();
        let shown = if shown.is_empty() { &tag.code } else { shown };
        assert_eq!(page.between("<bdi>", "</bdi></h1>"), shown);
        assert_eq!(
            page.between("<title>", "</title>"),
            format!("{shown} · Call the owner")
        );
        assert_eq!(page.html.matches('<').count(), plain, "{}", page.html);
    }
}

#[tokio::test]
async fn what_cannot_be_reached_all_looks_the_same() {
    let world = world();
    let disabled = tag(json!({"enabled": false})).await;
    let unknown = Page::get(world, "nobodys-tag").await;
    assert_eq!(unknown.status, 404);
    unknown.check_harmless();
    assert!(unknown.html.contains("<h1>This tag cannot be reached</h1>"));
    let overlong = "x".repeat(65);
    for code in [
        disabled.code.as_str(),
        "ab",
        overlong.as_str(),
        "a.b.c",
        "a%20b",
        "caf%C3%A9",
        "%00%00%00",
        "%3Cscript%3Ealert(1)%3C%2Fscript%3E",
        "nobodys-tag?x=<script>",
    ] {
        assert_eq!(Page::get(world, code).await, unknown, "{code}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_of_ours_is_a_page_too() {
    let (world, tap) = World::tapped(1).await;
    let tag = world.new_tag().await;
    for how in BREAKS {
        tap.break_one("tag-page", 0, how);
        let page = Page::get(&world, &tag.code).await;
        tap.mend();
        if how == Break::AnswerLost {
            assert_eq!(page.status, 200, "{how:?}: {}", page.html);
        } else {
            page.check_harmless();
            assert_eq!(page.status, 503, "{how:?}: {}", page.html);
            assert!(page.html.contains("load this page again"), "{}", page.html);
        }
    }
    assert_eq!(Page::get(&world, &tag.code).await.status, 200);
}

/// The script as a browser gets it, and as somebody does who takes no gzip.
#[tokio::test]
async fn the_script_is_kept_for_good() {
    let world = world();
    let page = Page::get(world, &world.new_tag().await.code).await;
    let path = page.between("<script src=\"", "\"").to_owned();
    let get = |path: String, accepted: &'static str| async move {
        let url = format!("{}{path}", world.stack.http_url());
        let request = client().get(url).header("accept-encoding", accepted);
        request.send().await.unwrap()
    };
    let mut bodies = Vec::new();
    for (accepted, encoding) in [
        ("gzip, deflate, br, zstd", Some("gzip")),
        ("identity", None),
    ] {
        let answer = get(path.clone(), accepted).await;
        assert_eq!(answer.status(), 200);
        let header = |name: &str| Some(answer.headers().get(name)?.to_str().unwrap());
        assert_eq!(header("content-encoding"), encoding);
        assert_eq!(
            header("content-type"),
            Some("text/javascript; charset=utf-8")
        );
        assert_eq!(
            header("cache-control"),
            Some("public, max-age=31536000, immutable")
        );
        assert_eq!(header("vary"), Some("accept-encoding"));
        assert_eq!(header("x-content-type-options"), Some("nosniff"));
        bodies.push(answer.bytes().await.unwrap());
    }
    let [gzipped, script] = bodies.try_into().unwrap();
    assert_eq!(unzipped(&gzipped), script);
    let hash = digest(&SHA256, &script);
    let hash: String = hash.as_ref()[..8]
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    assert_eq!(path, format!("/assets/tag-{hash}.js"));
    for other in [
        "/assets/tag.js",
        "/assets/tag-0000000000000000.js",
        "/assets/x%2Fy",
    ] {
        let answer = get(other.to_owned(), "gzip").await;
        assert_eq!(answer.status(), 404, "{other}");
        assert_eq!(answer.headers()["cache-control"], "no-store");
    }
}

fn unzipped(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    use std::process::{Command, Stdio};
    let mut gzip = Command::new("gzip");
    let gzip = gzip.arg("-dc").stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut gzip = gzip.spawn().unwrap();
    let mut stdin = gzip.stdin.take().unwrap();
    let bytes = bytes.to_vec();
    // Beside reading, lest both sides wait for the other.
    let writing = std::thread::spawn(move || stdin.write_all(&bytes));
    let output = gzip.wait_with_output().unwrap();
    writing.join().unwrap().unwrap();
    assert!(output.status.success());
    output.stdout
}
