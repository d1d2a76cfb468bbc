//! Puts the parts together, and takes them down again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::demo::Signer;
use crate::demo_pages::DemoPages;
use crate::http::Gateway;
use crate::lambda::{Function, Host, default_functions_dir};
use crate::queue::Queues;
use crate::settings::Settings;
use crate::store::{Store, StoreAddress, create_tables, own_account};
use crate::tap::Tap;
use crate::template::{Addresses, Plan, Template};
use crate::usage::Usage;
use crate::websocket::WebSocketApi;
use crate::{Error, InvokeError, LogSink};

/// How long a server may take for the requests that run when it is stopped.
/// Carrier, HTTP and store together stay below the five seconds of `make run`.
const STOP_TIMEOUT: Duration = Duration::from_millis(1200);

/// What a stack is started with.
#[derive(Debug, Clone)]
pub struct Options {
    /// The template.
    pub template: PathBuf,
    /// A file with settings; it need not exist.
    pub dotenv: Option<PathBuf>,
    /// Settings that go before the environment's and the file's. A port 0 is any
    /// free one.
    pub environment: BTreeMap<String, String>,
    /// Where the functions' binaries are: if not here, then in FUNCTIONS_DIR, or
    /// beside this executable.
    pub functions_dir: Option<PathBuf>,
    /// Where the stack's and the functions' lines go.
    pub log: LogSink,
    /// Notes the permissions that functions take.
    pub usage: Option<Usage>,
    /// Puts a tap on the functions' line to the store. One is there in any case where
    /// permissions are noted, and before a store that is not the embedded one.
    pub tapped: bool,
}

impl Default for Options {
    /// As `make run` starts it, from the repository's root.
    fn default() -> Self {
        Self {
            template: "template.yaml".into(),
            dotenv: Some(".env".into()),
            environment: BTreeMap::new(),
            functions_dir: None,
            log: LogSink::Stderr,
            usage: None,
            tapped: false,
        }
    }
}

impl Options {
    /// For tests: the repository's template, any free ports, no `.env`, a log in memory,
    /// and an account of its own, so that many stacks can have one store.
    pub fn ephemeral() -> Self {
        let any_port = ["HTTP_PORT", "WS_PORT", "STORE_PORT", "CARRIER_PORT"];
        Self {
            template: concat!(env!("CARGO_MANIFEST_DIR"), "/../../template.yaml").into(),
            dotenv: None,
            environment: any_port.map(|name| (name.into(), "0".into())).into(),
            functions_dir: None,
            log: LogSink::memory(),
            usage: None,
            tapped: false,
        }
        .with("STORE_ACCOUNT", &own_account())
    }

    /// Adds one setting.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.into(), value.into());
        self
    }
}

/// A running stack.
///
/// [`Stack::stop`] takes it down in order. Dropping it ends the functions, too,
/// as soon as the runtime comes to it.
#[derive(Debug)]
pub struct Stack {
    settings: Settings,
    plan: Plan,
    addresses: Addresses,
    store: StoreAddress,
    tap: Option<Tap>,
    carrier_url: Option<String>,
    functions: Functions,
    http: Server,
    websocket: Option<(Arc<WebSocketApi>, Server)>,
    queues: Option<(Arc<Queues>, Server)>,
    carrier: Option<Server>,
    embedded_store: Option<Store>,
    log: LogSink,
}

impl Stack {
    /// Brings everything up; returns once every function asks for work and every
    /// address answers.
    pub async fn start(options: Options) -> Result<Self, Error> {
        let mut settings = Settings::load(options.environment, options.dotenv.as_deref())?;
        let template = Template::read(&options.template)?;

        let http = bind(&settings, "HTTP_PORT", 3000).await?;
        let (http_port, http_url) = address(&http)?;
        let mut addresses = Addresses {
            http: http_url,
            ..Addresses::default()
        };
        let mut websocket = None;
        if template.has("AWS::Serverless::WebSocketApi") {
            let listener = bind(&settings, "WS_PORT", 3001).await?;
            addresses.websocket = address(&listener)?.1.replacen("http", "ws", 1);
            websocket = Some(listener);
        }
        let mut queues = None;
        if template.has("AWS::SQS::Queue") {
            let listener = TcpListener::bind(("127.0.0.1", 0))
                .await
                .map_err(Error::io("the queues' address"))?;
            addresses.queues = address(&listener)?.1;
            queues = Some(listener);
        }
        let given_store = settings.given("AWS_ENDPOINT_URL_DYNAMODB");
        let (store_url, store_listener) = match given_store.map(str::to_owned) {
            Some(url) => (url, None),
            None => {
                let listener = bind(&settings, "STORE_PORT", 8000).await?;
                (address(&listener)?.1, Some(listener))
            }
        };
        let (carrier_url, carrier_listener) = match settings.given("TWILIO_API_BASE_URL") {
            Some(_) => (None, None),
            None => {
                let listener = bind(&settings, "CARRIER_PORT", 3002).await?;
                (Some(address(&listener)?.1), Some(listener))
            }
        };
        let store = StoreAddress::new(store_url, &settings)?;
        settings.set_defaults(&addresses.http, carrier_url.as_deref());
        let given = |name: &str| settings.get(name).map(str::to_owned);
        let plan = template.resolve(given, &addresses)?;

        let embedded_store = match store_listener {
            Some(listener) => {
                let listener = listener.into_std().map_err(Error::io("STORE_PORT"))?;
                Some(Store::start(listener, settings.given("STORE_PATH"))?)
            }
            None => None,
        };
        create_tables(&http_client()?, &store, &plan.tables).await?;

        let functions_dir = match options.functions_dir {
            Some(dir) => dir,
            None => match settings.given("FUNCTIONS_DIR") {
                Some(dir) => dir.into(),
                None => default_functions_dir()?,
            },
        };
        let tapped = options.tapped || options.usage.is_some() || embedded_store.is_none();
        let tap = match tapped {
            true => Some(Tap::start(&store, options.usage.clone()).await?),
            false => None,
        };
        let functions_store = tap.as_ref().map_or(store.url.as_str(), Tap::url);
        let host = Host {
            // Functions run in that directory, so a relative path would not do.
            functions_dir: std::path::absolute(functions_dir)
                .map_err(Error::io("FUNCTIONS_DIR"))?,
            store_url: functions_store.to_owned(),
            max_concurrency: settings.number("MAX_CONCURRENCY", 10)?,
            log: options.log.clone(),
        };
        let functions = Functions::boot(&plan, &host).await?;

        let gateway = Gateway::new(
            &functions.0,
            plan.cors.clone(),
            http_port,
            options.log.clone(),
        );
        let value = |name: &str| value(&plan, &settings, name);
        let signer = Signer::new(value).filter(|_| settings.demo_wanted());
        let pages = signer.map_or_else(Router::new, |signer| {
            let root = options.template.parent().unwrap_or(Path::new(""));
            let pages = DemoPages {
                directory: root.join("clients/demo/dist"),
                signer,
                http_url: addresses.http.clone(),
                websocket_url: addresses.websocket.clone(),
                log: options.log.clone(),
            };
            pages.router()
        });
        let http = Server::start(|stopping| gateway.serve(http, pages, stopping));
        let websocket = plan
            .websocket
            .clone()
            .zip(websocket)
            .map(|(plan, listener)| {
                let url = addresses.websocket.clone();
                let api = WebSocketApi::new(
                    plan,
                    &functions.0,
                    url,
                    options.usage.clone(),
                    options.log.clone(),
                );
                let serve = |stopping| Arc::clone(&api).serve(listener, stopping);
                let server = Server::start(serve);
                (api, server)
            });
        let queues = queues.map(|listener| {
            let queues = Queues::new(
                &plan.queues,
                addresses.queues.clone(),
                options.usage.clone(),
            );
            let functions = functions.0.clone();
            let serve = |stopping| Arc::clone(&queues).serve(listener, functions, stopping);
            let server = Server::start(serve);
            (queues, server)
        });
        let mut stack = Self {
            settings,
            plan,
            addresses,
            store,
            tap,
            carrier_url,
            functions,
            http,
            websocket,
            queues,
            carrier: None,
            embedded_store,
            log: options.log,
        };
        if let Some(listener) = carrier_listener {
            let settings = stack.carrier_settings()?;
            let serve = |stopping| maskline_carrier::serve(listener, settings, stopping);
            stack.carrier = Some(Server::start(serve));
        }
        Ok(stack)
    }

    /// Where the HTTP API and the Function URLs are, without a trailing slash.
    pub fn http_url(&self) -> &str {
        &self.addresses.http
    }

    /// Where every part is.
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// The WebSocket API, if the template has one.
    pub fn websocket(&self) -> Option<&WebSocketApi> {
        self.websocket.as_ref().map(|(api, _)| api.as_ref())
    }

    /// The queues, if the template has any.
    pub fn queues(&self) -> Option<&Queues> {
        self.queues.as_ref().map(|(queues, _)| queues.as_ref())
    }

    /// Where the store is, past the tap.
    pub fn store(&self) -> &StoreAddress {
        &self.store
    }

    /// The tap on the functions' line to the store, if there is one.
    pub fn tap(&self) -> Option<&Tap> {
        self.tap.as_ref()
    }

    /// Where the simulated carrier is, if it runs.
    pub fn carrier_url(&self) -> Option<&str> {
        self.carrier_url.as_deref()
    }

    /// What the stack and the functions have written.
    pub fn log(&self) -> &LogSink {
        &self.log
    }

    /// A template parameter's value by its name in the environment, or else
    /// another setting. Empty ones count as none.
    pub fn value(&self, name: &str) -> Option<&str> {
        value(&self.plan, &self.settings, name)
    }

    /// Whether demo data and demo apps are wanted.
    pub fn demo_wanted(&self) -> bool {
        self.settings.demo_wanted()
    }

    /// The public address of a Function URL, by the name of the template's output.
    pub fn webhook_url(&self, output: &str) -> Option<String> {
        let base = self
            .value("PUBLIC_BASE_URL")
            .unwrap_or(&self.addresses.http);
        let path = self.plan.url_paths.get(output)?;
        Some(format!("{base}{path}"))
    }

    /// Hands an event to a function as it is; `function` is its logical id or its
    /// binary's name.
    pub async fn invoke(&self, function: &str, event: &Value) -> Result<Value, InvokeError> {
        let function = self.functions.find(function);
        function.ok_or(InvokeError::Unknown)?.invoke(event).await
    }

    /// The ids of a function's processes.
    pub fn pids(&self, function: &str) -> Vec<u32> {
        let function = self.functions.find(function);
        function.map_or_else(Vec::new, |function| function.pids())
    }

    /// Stops everything: no new requests, then no functions, then no store.
    pub async fn stop(self) {
        if let Some(carrier) = self.carrier {
            carrier.stop().await;
        }
        let stop = async |server: Option<Server>| {
            if let Some(server) = server {
                server.stop().await;
            }
        };
        tokio::join!(
            stop(Some(self.http)),
            stop(self.websocket.map(|(_, server)| server)),
            stop(self.queues.map(|(_, server)| server)),
        );
        for function in &self.functions.0 {
            function.begin_stop();
        }
        for function in &self.functions.0 {
            function.stop().await;
        }
        if let Some(store) = self.embedded_store {
            let _ = timeout(STOP_TIMEOUT, store.stop()).await;
        }
    }

    fn carrier_settings(&self) -> Result<maskline_carrier::Settings, Error> {
        let value = |name: &str| {
            let value = self.value(name).map(str::to_owned);
            value.ok_or_else(|| Error::Missing(name.into()))
        };
        Ok(maskline_carrier::Settings {
            account_sid: value("TWILIO_ACCOUNT_SID")?,
            auth_token: value("TWILIO_AUTH_TOKEN")?,
            voice_url: self.webhook_url("ConnectUrl").ok_or_else(|| {
                Error::Template("the output ConnectUrl, which the carrier calls, is missing".into())
            })?,
            gateway: None,
        })
    }
}

fn value<'a>(plan: &'a Plan, settings: &'a Settings, name: &str) -> Option<&'a str> {
    let parameter = plan.parameters.get(name).map(String::as_str);
    parameter
        .or_else(|| settings.get(name))
        .filter(|value| !value.is_empty())
}

/// All functions. They end when this goes.
#[derive(Debug)]
struct Functions(Vec<Arc<Function>>);

impl Functions {
    /// Starts one process of each and waits for all of them.
    async fn boot(plan: &Plan, host: &Host) -> Result<Self, Error> {
        let functions = plan.functions.iter().cloned();
        let functions = functions
            .map(|plan| Function::new(plan, host.clone()))
            .collect::<Result<Vec<_>, _>>()?;
        let functions = Self(functions);
        let mut starting = Vec::new();
        for function in &functions.0 {
            let function = Arc::clone(function);
            starting.push(tokio::spawn(async move { function.boot().await }));
        }
        for boot in starting {
            boot.await
                .map_err(|error| Error::Io("a function".into(), error.into()))??;
        }
        Ok(functions)
    }

    fn find(&self, name: &str) -> Option<&Arc<Function>> {
        let named = |f: &&Arc<Function>| f.plan.id == name || f.plan.binary == name;
        self.0.iter().find(named)
    }
}

impl Drop for Functions {
    fn drop(&mut self) {
        for function in &self.0 {
            function.begin_stop();
        }
    }
}

/// A server in a task. It stops, in its own time, when this goes.
#[derive(Debug)]
struct Server {
    stop: oneshot::Sender<()>,
    task: JoinHandle<std::io::Result<()>>,
}

impl Server {
    fn start<F>(serve: impl FnOnce(Stopping) -> F) -> Self
    where
        F: Future<Output = std::io::Result<()>> + Send + 'static,
    {
        let (stop, stopping) = oneshot::channel();
        let task = tokio::spawn(serve(Box::pin(async move { drop(stopping.await) })));
        Self { stop, task }
    }

    async fn stop(mut self) {
        let _ = self.stop.send(());
        if timeout(STOP_TIMEOUT, &mut self.task).await.is_err() {
            self.task.abort();
        }
    }
}

type Stopping = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

async fn bind(settings: &Settings, name: &str, default: u16) -> Result<TcpListener, Error> {
    let port = settings.number(name, default)?;
    TcpListener::bind(("127.0.0.1", port))
        .await
        .map_err(|error| match error.kind() {
            std::io::ErrorKind::AddrInUse => Error::PortTaken {
                name: name.into(),
                port,
            },
            _ => Error::Io(format!("{name}: port {port}"), error),
        })
}

fn address(listener: &TcpListener) -> Result<(u16, String), Error> {
    let port = listener
        .local_addr()
        .map_err(Error::io("the address of a listener"))?
        .port();
    Ok((port, format!("http://127.0.0.1:{port}")))
}

/// A client for addresses on this machine.
pub(crate) fn http_client() -> Result<reqwest::Client, Error> {
    // An earlier caller may have installed it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .no_proxy()
        .build()
        .map_err(|error| Error::Io("the HTTP client".into(), std::io::Error::other(error)))
}
