//! What `make run` has beside the stack, beside a stack that is deployed elsewhere: the simulated
//! carrier, demo data, and the file that tells `make call` and `make demo-call` of them.
//! Until Ctrl-C.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::ExitCode;

use maskline_local::Error;
use maskline_local::demo::{self, Facts, StateFile};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// What it takes from the environment.
const NAMES: [&str; 10] = [
    "TWILIO_ACCOUNT_SID",
    "TWILIO_AUTH_TOKEN",
    "TWILIO_PHONE_NUMBER",
    "JWT_SECRET",
    "HTTP_URL",
    "WEBSOCKET_URL",
    // Its output ConnectUrl.
    "VOICE_URL",
    // Where requests for its Function URLs are sent instead, for they may have no DNS.
    "WEBHOOK_GATEWAY",
    "CARRIER_PORT",
    "STATE_FILE",
];

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "demo-beside: {error}");
            ExitCode::FAILURE
        }
    }
}

fn settings() -> Result<BTreeMap<&'static str, String>, Error> {
    let read = |name: &'static str| {
        let value = std::env::var(name).map_err(|_| Error::Missing(name.into()))?;
        Ok((name, value))
    };
    NAMES.into_iter().map(read).collect()
}

async fn run() -> Result<(), Error> {
    let signals = |error| Error::Io("signal handlers".into(), error);
    let mut interrupt = signal(SignalKind::interrupt()).map_err(signals)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(signals)?;
    let told_to_stop = async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    let settings = settings()?;
    let listener = TcpListener::bind(format!("127.0.0.1:{}", settings["CARRIER_PORT"])).await;
    let listener = listener.map_err(|error| Error::Io("CARRIER_PORT".into(), error))?;
    let carrier = maskline_carrier::Settings {
        account_sid: settings["TWILIO_ACCOUNT_SID"].clone(),
        auth_token: settings["TWILIO_AUTH_TOKEN"].clone(),
        voice_url: settings["VOICE_URL"].clone(),
        gateway: Some(settings["WEBHOOK_GATEWAY"].clone()),
    };
    let _state = announce(&settings).await?;
    let served = maskline_carrier::serve(listener, carrier, told_to_stop).await;
    served.map_err(|error| Error::Io("the carrier".into(), error))
}

/// Makes the demo data, writes the file, and says `ready`.
async fn announce(settings: &BTreeMap<&'static str, String>) -> Result<StateFile, Error> {
    let value = |name: &str| settings.get(name).map(String::as_str);
    let demo = demo::load_at(&settings["HTTP_URL"], value).await?;
    let carrier_url = format!("http://127.0.0.1:{}", settings["CARRIER_PORT"]);
    let facts = Facts {
        http_url: &settings["HTTP_URL"],
        websocket_url: value("WEBSOCKET_URL"),
        store_url: None,
        store_account: None,
        carrier_url: Some(&carrier_url),
        public_base_url: None,
        voice_url: value("VOICE_URL"),
        shared_number: value("TWILIO_PHONE_NUMBER"),
        demo: demo.as_ref(),
    };
    let state = StateFile::write_at(settings["STATE_FILE"].clone().into(), &facts)?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "ready")
        .and_then(|()| out.flush())
        .map_err(|error| Error::Io("standard output".into(), error))?;
    Ok(state)
}
