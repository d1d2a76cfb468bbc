//! The pages, with one style sheet that is part of them and that the policy names by its
//! hash. Without the script a tag's page still tells how to call by phone.

use std::fmt::Write as _;

use base64::{Engine, prelude::BASE64_STANDARD};
use maskline::domain::phone::PhoneNumber;
use maskline::domain::tag::Tag;
use quick_xml::escape::escape;
use ring::digest::{SHA256, digest};

use crate::script;

/// Labels of more characters than this are set smaller.
const LONG: usize = 60;

const STYLE: &str = include_str!("style.css");

/// A telephone receiver.
const ICON: &str = r#"<svg viewBox="3 3 18 18" aria-hidden="true"><path d="M6 7C6.5 12.5 11.5 17.5 17 18"/><path d="M5.5 8 8 5.5M16 18.5 18.5 16"/></svg>"#;

/// A microphone.
const MICROPHONE: &str = r#"<svg viewBox="3 3 18 18" aria-hidden="true"><path d="M12 5v6.5M7 11.5a5 5 0 0 0 10 0M12 16.5V19"/></svg>"#;

/// The Content-Security-Policy of pages that only tell: this style sheet, and nothing else.
pub fn policy() -> String {
    policy_with("")
}

/// The same for a page that may also run our script and open sockets there.
pub fn calling_policy(sockets: &str) -> String {
    policy_with(&format!(
        "script-src 'self'; connect-src 'self' {sockets}; "
    ))
}

fn policy_with(more: &str) -> String {
    let hash = BASE64_STANDARD.encode(digest(&SHA256, STYLE.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{hash}'; {more}base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'"
    )
}

/// How to call the owner of a tag. Of the tag it shows the label alone.
pub fn call(tag: &Tag, shared_number: &PhoneNumber) -> String {
    let (number, extension) = match &tag.virtual_number {
        Some(own) => (own, None),
        None => (shared_number, Some(tag.extension.as_str())),
    };
    let label = tag.shown_label();
    let label = escape(&label);
    // So that the button stays in sight.
    let size = if tag.label.chars().count() > LONG {
        r#" class="long""#
    } else {
        ""
    };
    // A virtual number is public: it is printed on stickers.
    let mut link = format!("tel:{}", number.expose());
    let mut by_hand = format!("<dt>Number</dt><dd>{}</dd>", number.spaced());
    let mut hint = "";
    if let Some(extension) = extension {
        // A phone waits two seconds at each comma, then keys the rest in.
        let _ = write!(link, ",,{extension}");
        let _ = write!(by_hand, "<dt>Extension</dt><dd>{extension}</dd>");
        hint = "\n<p>Your phone keys in the extension by itself.</p>";
    }
    let code = &tag.code;
    let script = format!(
        "<script src=\"/assets/{}\" defer></script>\n",
        script::name()
    );
    document(
        &format!("{label} · Call the owner"),
        &script,
        &format!(
            r#"<h1{size}><bdi>{label}</bdi></h1>
<p>Need to reach the owner?</p>
<div><a class="call" id="phone" href="{link}">{ICON}Call (masked)</a>{hint}</div>
<div id="web" data-visits="/t/{code}/visits" hidden>
<button class="call web" type="button">{MICROPHONE}Call in the browser</button>
<p role="status">Free of charge, over the internet.</p>
</div>
<section>
<h2>Or dial by hand</h2>
<dl>{by_hand}</dl>
</section>
<p>The call is private: the owner does not see your number, and you do not see theirs.</p>"#
        ),
    )
}

/// For every code that leads nowhere: it must not tell which of them exist.
pub fn not_found() -> String {
    sorry(
        "This tag cannot be reached",
        "Its code may be mistyped or out of use, or its owner may not be taking calls right now. \
         Please check the tag and try again.",
    )
}

/// For a failure of ours.
pub fn unavailable() -> String {
    sorry(
        "Something went wrong on our side",
        "We are sorry. Please load this page again in a moment.",
    )
}

fn sorry(heading: &str, words: &str) -> String {
    document(heading, "", &format!("<h1>{heading}</h1>\n<p>{words}</p>"))
}

/// A whole page around what is already HTML.
fn document(title: &str, script: &str, main: &str) -> String {
    // Phones would make a link of the number by hand, without its extension.
    format!(
        r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<meta name="format-detection" content="telephone=no">
<meta name="robots" content="noindex">
<title>{title}</title>
<style>{STYLE}</style>
{script}</head>
<body>
<main>
{main}
</main>
</body>
</html>
"#
    )
}
