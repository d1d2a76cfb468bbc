//! A simulated Twilio, for development and tests.
//!
//! It places calls as Twilio does: asks the application for TwiML with signed
//! form requests, carries the TwiML out on simulated phones, and reports what
//! happens in callbacks. Served, it also takes the application's own REST requests
//! for calls and messages. TwiML that Twilio would refuse is refused with the reason.
//!
//! It shares no code with the application: its signature and its TwiML reader are
//! a second opinion, so that a mistake is not made twice in the same way.
//!
//! Not simulated: media, speech input, recordings, conferences, SIP and client
//! endpoints, HTTP redirects and fallback URLs.

mod behaviour;
mod call;
mod dial;
mod exchange;
mod leg;
mod network;
mod outbound;
mod phone;
mod plan;
mod progress;
mod random;
mod rest;
mod server;
mod signature;
mod transcript;
mod twiml;
mod webhook;
mod xml;

use std::fmt;
use std::sync::Arc;

use reqwest::Url;

pub use behaviour::{Behaviour, RestPlan};
pub use plan::{CallPlan, Callback, NetworkPlan, OwnerDoes, OwnerPlan, PlanError, VisitorPlan};
pub use random::Dice;
pub use server::serve;
pub use signature::{Param, sign};
pub use transcript::{
    CallStatus, Fault, OwnerSide, RequestKind, RequestLog, Transcript, VisitorSide,
};

use call::Call;
use webhook::Sender;

/// The account in whose name calls are placed, and where its calls go.
#[derive(Clone)]
pub struct Settings {
    /// The account that requests name.
    pub account_sid: String,
    /// The key of the signatures, and the password of REST requests.
    pub auth_token: String,
    /// Where an incoming call's first TwiML comes from.
    pub voice_url: String,
    /// Scheme, host and port that webhooks are sent to, whatever host their URLs name, which
    /// they are signed for all the same: what stands in for AWS has AWS's names, and no DNS.
    pub gateway: Option<String>,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("account_sid", &self.account_sid)
            .field("auth_token", &"***")
            .field("voice_url", &self.voice_url)
            .field("gateway", &self.gateway)
            .finish()
    }
}

/// Settings that no call can be placed with.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The voice URL is not an absolute http or https URL.
    #[error("voice_url must be an absolute http or https URL")]
    VoiceUrl,
    /// The gateway is not an absolute http or https URL.
    #[error("gateway must be an absolute http or https URL")]
    Gateway,
    /// The HTTP client could not be set up.
    #[error("the HTTP client could not be set up: {0}")]
    Http(#[from] reqwest::Error),
}

/// A carrier that calls can be placed with. Clones share one HTTP client.
#[derive(Clone)]
pub struct Carrier {
    account_sid: String,
    voice_url: Url,
    sender: Arc<Sender>,
}

fn web_url(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    matches!(url.scheme(), "http" | "https").then_some(url)
}

impl Carrier {
    /// A carrier for one account.
    ///
    /// # Errors
    /// When a URL is not usable or the HTTP client cannot be set up.
    pub fn new(settings: Settings) -> Result<Self, SettingsError> {
        let voice_url = web_url(&settings.voice_url).ok_or(SettingsError::VoiceUrl)?;
        let gateway = settings.gateway.as_deref();
        let gateway = gateway.map(|url| web_url(url).ok_or(SettingsError::Gateway));
        Ok(Self {
            account_sid: settings.account_sid,
            voice_url,
            sender: Arc::new(Sender::new(settings.auth_token, gateway.transpose()?)?),
        })
    }

    /// Places one call from outside to a virtual number and runs it to its end,
    /// including every callback.
    ///
    /// # Errors
    /// Names the field of the plan that is out of range.
    pub async fn place(&self, plan: CallPlan) -> Result<Transcript, PlanError> {
        plan.check()?;
        let call = Call::inbound(plan, self.account_sid.clone(), Arc::clone(&self.sender));
        Ok(call.run(self.voice_url.clone()).await)
    }

    /// A call that the application asks for.
    pub(crate) fn outbound(&self, plan: CallPlan, sid: String) -> Call {
        let (account, sender) = (self.account_sid.clone(), Arc::clone(&self.sender));
        Call::new(plan, sid, "outbound-api", account, sender)
    }

    /// What REST requests have to name.
    pub(crate) fn credentials(&self) -> (&str, &str) {
        (&self.account_sid, &self.sender.auth_token)
    }
}
