//! The HTTP client for everything that is not AWS: the carrier's REST API, and the
//! host application's keys and push hook.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustls::{ClientConfig, RootCertStore};

/// A client that is made by the first request that needs it, and kept: it trusts the
/// roots that are linked in, because reading the system's takes longer than a request.
/// It follows no redirects, sends nothing twice, and keeps no connection: Lambda
/// freezes processes between requests, and a connection that died meanwhile would
/// look like a carrier that does not answer.
#[derive(Debug, Clone)]
pub struct Web {
    timeout: Duration,
    client: OnceLock<reqwest::Client>,
}

impl Web {
    /// A client whose requests may take that long.
    pub const fn new(timeout: Duration) -> Self {
        Web {
            timeout,
            client: OnceLock::new(),
        }
    }

    /// The client itself; an error says in two words what is missing.
    pub fn client(&self) -> Result<&reqwest::Client, &'static str> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let client = build(self.timeout)?;
        Ok(self.client.get_or_init(|| client))
    }
}

/// What went wrong, without the URL, which may hold what nobody is to read in a log.
pub fn kind(error: &reqwest::Error) -> &'static str {
    if error.is_timeout() {
        "a timeout"
    } else if error.is_connect() {
        "no connection"
    } else {
        "a broken connection"
    }
}

fn build(timeout: Duration) -> Result<reqwest::Client, &'static str> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let roots = webpki_roots::TLS_SERVER_ROOTS
        .iter()
        .cloned()
        .collect::<RootCertStore>();
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| "no TLS")?
        .with_root_certificates(roots)
        .with_no_client_auth();
    reqwest::Client::builder()
        .timeout(timeout)
        .pool_max_idle_per_host(0)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .tls_backend_preconfigured(tls)
        .build()
        .map_err(|_| "no HTTP client")
}
