//! Signed requests to the application, as Twilio sends them.

use std::time::Duration;

use reqwest::header::{ACCEPT, CONTENT_TYPE, HOST, HeaderMap, USER_AGENT};
use reqwest::{Client, RequestBuilder, StatusCode, Url};

use crate::signature::{self, Param};
use crate::transcript::Fault;
use crate::twiml::{MAX_DOCUMENT_BYTES, Method, Target, Verb, parse};

/// How long Twilio waits for an answer.
const TIMEOUT: Duration = Duration::from_secs(15);

/// A request ready to be sent, also more than once.
#[derive(Debug, Clone)]
pub(crate) struct Webhook {
    pub target: Target,
    pub params: Vec<Param>,
    /// The same for every repetition, so that the application can tell.
    pub idempotency_token: String,
}

/// What the application answered.
#[derive(Debug)]
pub(crate) struct Reply {
    pub status: StatusCode,
    content_type: String,
    body: Vec<u8>,
}

impl Reply {
    /// The TwiML of the answer.
    pub fn document(&self, base: &Url) -> Result<Vec<Verb>, Fault> {
        if !self.status.is_success() {
            let why = format!(
                "the application answered with HTTP {}",
                self.status.as_u16()
            );
            return Err(Fault::new(11200, why));
        }
        if self.status == StatusCode::NO_CONTENT {
            return Ok(Vec::new());
        }
        let essence = self
            .content_type
            .split(';')
            .next()
            .unwrap_or_default()
            .trim();
        if !["text/xml", "application/xml"].contains(&essence.to_ascii_lowercase().as_str()) {
            let why = format!("the answer's Content-Type is \"{essence}\", not text/xml");
            return Err(Fault::new(12300, why));
        }
        parse(&self.body, base)
    }
}

/// Sends webhooks in the name of one account.
pub(crate) struct Sender {
    http: Client,
    pub auth_token: String,
    /// Where requests are sent instead of to their URLs' hosts.
    gateway: Option<Url>,
}

impl Sender {
    pub fn new(auth_token: String, gateway: Option<Url>) -> Result<Self, reqwest::Error> {
        // Another part of the process may have installed a provider already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = Client::builder()
            .timeout(TIMEOUT)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Self {
            http,
            auth_token,
            gateway,
        })
    }

    /// A request for that URL, to where it can be reached.
    fn request(&self, method: Method, url: &Url) -> RequestBuilder {
        let method = match method {
            Method::Post => reqwest::Method::POST,
            Method::Get => reqwest::Method::GET,
        };
        let Some(gateway) = &self.gateway else {
            return self.http.request(method, url.clone());
        };
        let mut reached = gateway.clone();
        reached.set_path(url.path());
        reached.set_query(url.query());
        let request = self.http.request(method, reached);
        request.header(HOST, url.host_str().unwrap_or_default())
    }

    pub async fn send(&self, webhook: &Webhook) -> Result<Reply, Fault> {
        let form = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(&webhook.params)
            .finish();
        let mut url = webhook.target.url.clone();
        let request = match webhook.target.method {
            Method::Post => {
                let signature = signature::sign(&self.auth_token, url.as_str(), &webhook.params);
                self.request(Method::Post, &url)
                    .header("X-Twilio-Signature", signature)
                    .header(
                        CONTENT_TYPE,
                        "application/x-www-form-urlencoded; charset=UTF-8",
                    )
                    .body(form)
            }
            Method::Get => {
                // Parameters in the URL are signed as a part of it.
                let query = match url.query() {
                    Some(query) if !query.is_empty() => format!("{query}&{form}"),
                    _ => form,
                };
                url.set_query(Some(&query));
                let signature = signature::sign(&self.auth_token, url.as_str(), &[]);
                self.request(Method::Get, &url)
                    .header("X-Twilio-Signature", signature)
            }
        };
        let request = request
            .header(USER_AGENT, "TwilioProxy/1.1")
            .header(ACCEPT, "*/*")
            .header("I-Twilio-Idempotency-Token", &webhook.idempotency_token);
        let failed = |error: reqwest::Error| {
            let why = if error.is_timeout() {
                format!("no answer within {} seconds", TIMEOUT.as_secs())
            } else if error.is_connect() {
                "could not connect to the application".to_owned()
            } else {
                format!("the request failed: {}", error.without_url())
            };
            Fault::new(11200, why)
        };
        let mut response = request.send().await.map_err(failed)?;
        let status = response.status();
        let content_type = content_type(response.headers());
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            body.extend_from_slice(&chunk);
            // One byte too many is enough for the reader to refuse it.
            if body.len() > MAX_DOCUMENT_BYTES {
                break;
            }
        }
        Ok(Reply {
            status,
            content_type,
            body,
        })
    }
}

fn content_type(headers: &HeaderMap) -> String {
    let value = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    value.unwrap_or_default().to_owned()
}
