//! The embedded DynamoDB-compatible store, and the template's tables in it or in another one.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::Duration;

use dynoxide::Database;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::Error;
use crate::settings::Settings;
use crate::template::{ACCOUNT, REGION, TablePlan};

/// DynamoDB removes expired items within days; nobody may rely on less.
const SWEEP_INTERVAL: Duration = Duration::from_secs(60);

/// Where a store is, and whose tables in it are meant.
#[derive(Debug, Clone)]
pub struct StoreAddress {
    /// `http://…`
    pub url: String,
    /// The access key id that requests are signed with: twelve digits, which MiniStack takes
    /// for an account. Amazon's DynamoDB Local keeps each key id's tables apart, too. The
    /// embedded store does not look at it.
    pub account: String,
}

impl StoreAddress {
    /// The store at that address, and the account that STORE_ACCOUNT names, or else the
    /// template's.
    pub(crate) fn new(url: String, settings: &Settings) -> Result<Self, Error> {
        let account = settings.given("STORE_ACCOUNT").unwrap_or(ACCOUNT);
        if account.len() != 12 || !account.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Error::Malformed {
                name: "STORE_ACCOUNT".into(),
                reason: "expected twelve digits".into(),
            });
        }
        Ok(Self {
            url,
            account: account.to_owned(),
        })
    }

    /// Sends one DynamoDB request. The inner error is DynamoDB's code and message.
    ///
    /// # Errors
    /// Where the store cannot be reached.
    pub async fn request(
        &self,
        client: &reqwest::Client,
        operation: &str,
        body: &Value,
    ) -> Result<Result<Value, String>, reqwest::Error> {
        // Local stores want a signature to be there, and do not check it.
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={}/20260101/{REGION}/dynamodb/aws4_request, \
             SignedHeaders=host, Signature=local",
            self.account
        );
        let response = client
            .post(&self.url)
            .header("content-type", "application/x-amz-json-1.0")
            .header("x-amz-target", format!("DynamoDB_20120810.{operation}"))
            .header("x-amz-date", "20260101T000000Z")
            .header("authorization", authorization)
            .body(body.to_string())
            .send()
            .await?;
        let succeeded = response.status().is_success();
        let text = response.text().await?;
        let answer: Value = serde_json::from_str(&text).unwrap_or_default();
        if succeeded {
            return Ok(Ok(answer));
        }
        let code = answer["__type"].as_str().unwrap_or(&text);
        let code = code.rsplit('#').next().unwrap_or(code);
        Ok(Err(match answer["message"].as_str() {
            Some(message) if code != "ResourceInUseException" => format!("{code}: {message}"),
            _ => code.to_owned(),
        }))
    }
}

/// An account that nobody else has, for tables that nobody else is to see.
pub fn own_account() -> String {
    let random = RandomState::new().build_hasher().finish();
    format!("{:012}", random % 1_000_000_000_000)
}

/// The running store. It stops when this is dropped or told to.
#[derive(Debug)]
pub struct Store {
    stop: oneshot::Sender<()>,
    stopped: oneshot::Receiver<()>,
}

impl Store {
    /// Serves on `listener`, from the file at `path` or from memory.
    ///
    /// The store has a thread of its own: its handlers block while SQLite works.
    pub fn start(listener: std::net::TcpListener, path: Option<&str>) -> Result<Self, Error> {
        let database = match path {
            Some(path) => Database::new(path),
            None => Database::memory(),
        };
        let database = database.map_err(|error| match path {
            Some(path) => Error::Store(format!("STORE_PATH {path}: {error}")),
            None => Error::Store(error.to_string()),
        })?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(Error::io("the store's thread"))?;
        listener
            .set_nonblocking(true)
            .map_err(Error::io("the store's listener"))?;
        let (stop, stopping) = oneshot::channel();
        let (done, stopped) = oneshot::channel();
        std::thread::Builder::new()
            .name("store".into())
            .spawn(move || {
                runtime.block_on(serve(listener, database, stopping));
                let _ = done.send(());
            })
            .map_err(Error::io("the store's thread"))?;
        Ok(Self { stop, stopped })
    }

    /// Stops serving and waits until running requests have ended.
    pub async fn stop(self) {
        let _ = self.stop.send(());
        let _ = self.stopped.await;
    }
}

async fn serve(
    listener: std::net::TcpListener,
    database: Database,
    stopping: oneshot::Receiver<()>,
) {
    let sweeper = tokio::spawn({
        let database = database.clone();
        async move {
            let mut ticks = tokio::time::interval(SWEEP_INTERVAL);
            loop {
                ticks.tick().await;
                let database = database.clone();
                // What one sweep leaves behind, the next one finds.
                let _ = tokio::task::spawn_blocking(move || database.sweep_ttl()).await;
            }
        }
    });
    if let Ok(listener) = tokio::net::TcpListener::from_std(listener) {
        let stopping = async move { drop(stopping.await) };
        // Without a store every function says so itself.
        let _ = dynoxide::server::serve_with_shutdown(listener, database, stopping).await;
    }
    sweeper.abort();
}

/// Makes the tables that are not there yet, over the wire, so that any store
/// that speaks DynamoDB's protocol will do.
pub async fn create_tables(
    client: &reqwest::Client,
    store: &StoreAddress,
    tables: &[TablePlan],
) -> Result<(), Error> {
    for table in tables {
        let call = async |operation: &str, body: &Value| {
            store
                .request(client, operation, body)
                .await
                .map_err(|error| Error::Store(format!("{operation} {}: {error}", table.name)))
        };
        if let Err(code) = call("CreateTable", &table.create).await? {
            if code != "ResourceInUseException" {
                return Err(Error::Store(format!("CreateTable {}: {code}", table.name)));
            }
            let name = json!({ "TableName": table.name });
            let there = call("DescribeTable", &name).await?.unwrap_or_default();
            if there["Table"]["KeySchema"] != table.create["KeySchema"] {
                return Err(Error::Store(format!(
                    "the table {} is there with another key; remove the old data first",
                    table.name
                )));
            }
            continue;
        }
        if let Some(attribute) = &table.ttl_attribute {
            let ttl = json!({
                "TableName": table.name,
                "TimeToLiveSpecification": { "AttributeName": attribute, "Enabled": true },
            });
            if let Err(code) = call("UpdateTimeToLive", &ttl).await? {
                return Err(Error::Store(format!(
                    "UpdateTimeToLive {}: {code}",
                    table.name
                )));
            }
        }
    }
    Ok(())
}
