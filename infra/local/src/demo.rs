//! What a newcomer finds: two tags, bookings, tokens, and lines to paste.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use jsonwebtoken::{EncodingKey, Header, encode};
use reqwest::Client;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::stack::http_client;
use crate::websocket::WebSocketApi;
use crate::{Error, Stack};

const TOKEN_SECONDS: i64 = 24 * 60 * 60;

/// The demo data of a running stack.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Demo {
    /// A token with the scope `maskline:admin`.
    pub admin_token: String,
    /// The tags.
    pub tags: Vec<DemoTag>,
    /// The booking.
    pub booking: DemoBooking,
}

/// One demo tag.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DemoTag {
    /// Its code.
    pub short_code: String,
    /// Its owner's user id.
    pub owner_id: String,
    /// A token of its owner.
    pub owner_token: String,
    /// The number a visitor dials for it.
    pub number: String,
    /// What a visitor keys in, where that number is shared.
    pub extension: Option<String>,
}

/// The demo booking: its two parties may call each other.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DemoBooking {
    /// Its id.
    pub id: String,
    /// Who booked.
    pub user: DemoUser,
    /// Whom they booked.
    pub provider: DemoUser,
}

/// A party of the demo booking.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DemoUser {
    /// Their id.
    pub id: String,
    /// A token of theirs.
    pub token: String,
}

/// A booking as it is made; the first is the one that [`Demo::booking`] tells of.
struct Booking {
    id: &'static str,
    user: (&'static str, &'static str),
    provider: (&'static str, &'static str),
    service: &'static str,
    status: &'static str,
}

const ASHA: (&str, &str) = ("asha", "Asha");
const RAVI: (&str, &str) = ("ravi", "Ravi");

/// The demo apps are Asha's and Ravi's. The others have none open, so they are out of reach.
const BOOKINGS: [Booking; 4] = [
    Booking {
        id: "demo-booking",
        user: ASHA,
        provider: RAVI,
        service: "Bicycle repair",
        status: "accepted",
    },
    Booking {
        id: "demo-lesson",
        user: ASHA,
        provider: ("meera", "Meera"),
        service: "Piano lesson",
        status: "in_progress",
    },
    Booking {
        id: "demo-wheel",
        user: ("tom", "Tom"),
        provider: RAVI,
        service: "New front wheel",
        status: "accepted",
    },
    Booking {
        id: "demo-tune-up",
        user: ASHA,
        provider: RAVI,
        service: "Spring tune-up",
        status: "completed",
    },
];

/// The demo apps' owner, and their tag: the one that `make call` calls.
const OWNER: (&str, &str) = ("owner-2", "demo-bike");

/// Puts the demo data through the HTTP API, with an admin's token. `None` where the
/// stack cannot sign tokens, because the host application's keys are used.
pub async fn load(stack: &Stack) -> Result<Option<Demo>, Error> {
    load_at(stack.http_url(), |name| stack.value(name)).await
}

/// The same at any HTTP API; `value` gives settings by their names.
pub async fn load_at<'a>(
    base: &str,
    value: impl Fn(&str) -> Option<&'a str>,
) -> Result<Option<Demo>, Error> {
    let Some(signer) = Signer::new(&value) else {
        return Ok(None);
    };
    let admin_token = signer.token("admin", Some("maskline:admin"))?;
    let client = http_client()?;
    let shared = value("TWILIO_PHONE_NUMBER").unwrap_or_default();
    let own = "+14155550111";
    let (owner, bike) = OWNER;
    let wanted = [
        (
            "demo-car",
            json!({
                "ownerId": "owner-1", "ownerPhone": "+919876543210",
                "label": "Blue hatchback", "virtualNumber": own, "enabled": true,
            }),
        ),
        (
            bike,
            json!({
                "ownerId": owner, "ownerPhone": "+919812345678",
                "label": "Red bicycle", "enabled": true,
            }),
        ),
    ];
    let mut tags = Vec::new();
    for (code, tag) in wanted {
        let url = format!("{base}/api/v1/tags/{code}");
        let answer = put(&client, &url, &admin_token, &tag).await?;
        let shares = tag.get("virtualNumber").is_none();
        let extension = answer["extension"].as_str().map(str::to_owned);
        if shares && extension.is_none() {
            return Err(Error::Demo(format!(
                "PUT {url}: the answer has no extension"
            )));
        }
        let owner_id = tag["ownerId"].as_str().unwrap_or_default();
        tags.push(DemoTag {
            short_code: code.into(),
            owner_id: owner_id.into(),
            owner_token: signer.token(owner_id, None)?,
            number: if shares { shared.into() } else { own.into() },
            extension: extension.filter(|_| shares),
        });
    }
    for booking in &BOOKINGS {
        let url = format!("{base}/api/v1/bookings/{}", booking.id);
        let body = json!({
            "userId": booking.user.0, "userName": booking.user.1,
            "providerId": booking.provider.0, "providerName": booking.provider.1,
            "serviceName": booking.service, "status": booking.status,
        });
        put(&client, &url, &admin_token, &body).await?;
    }
    let party = |(id, _): (&str, &str)| {
        let token = signer.token(id, None)?;
        Ok::<_, Error>(DemoUser {
            id: id.into(),
            token,
        })
    };
    let [first, ..] = &BOOKINGS;
    let booking = DemoBooking {
        id: first.id.into(),
        user: party(first.user)?,
        provider: party(first.provider)?,
    };
    Ok(Some(Demo {
        admin_token,
        tags,
        booking,
    }))
}

async fn put(client: &Client, url: &str, token: &str, body: &Value) -> Result<Value, Error> {
    let failed = |what: String| Error::Demo(format!("PUT {url}: {what}"));
    let response = client
        .put(url)
        .bearer_auth(token)
        .header("content-type", "application/json")
        .body(body.to_string())
        .send()
        .await
        .map_err(|error| failed(error.to_string()))?;
    let status = response.status();
    let text = response.text().await.unwrap_or_default();
    if !status.is_success() {
        return Err(failed(format!("{status} {text}")));
    }
    Ok(serde_json::from_str(&text).unwrap_or_default())
}

/// Signs tokens as the host application would.
#[derive(Debug)]
pub(crate) struct Signer {
    secret: String,
    issuer: Option<String>,
    audience: Option<String>,
}

impl Signer {
    /// `None` where tokens are not signed with a secret that the stack knows.
    pub(crate) fn new<'a>(value: impl Fn(&str) -> Option<&'a str>) -> Option<Self> {
        if value("JWT_ALGORITHM").is_some_and(|algorithm| algorithm != "HS256") {
            return None;
        }
        Some(Self {
            secret: value("JWT_SECRET")?.into(),
            issuer: value("JWT_ISSUER").map(str::to_owned),
            audience: value("JWT_AUDIENCE").map(str::to_owned),
        })
    }

    fn token(&self, subject: &str, scope: Option<&str>) -> Result<String, Error> {
        let expires = jiff::Timestamp::now().as_second() + TOKEN_SECONDS;
        let mut claims = json!({ "sub": subject, "exp": expires });
        for (claim, value) in [
            ("scope", scope),
            ("iss", self.issuer.as_deref()),
            ("aud", self.audience.as_deref()),
        ] {
            if let Some(value) = value {
                claims[claim] = value.into();
            }
        }
        let key = EncodingKey::from_secret(self.secret.as_bytes());
        encode(&Header::default(), &claims, &key)
            .map_err(|error| Error::Demo(format!("a token could not be signed: {error}")))
    }

    /// What the demo apps start with, with new tokens.
    pub(crate) fn page_config(&self, http_url: &str, websocket_url: &str) -> Result<Value, Error> {
        let bookings = |of: &dyn Fn(&Booking) -> &str, person: &str| -> Vec<&str> {
            let theirs = BOOKINGS.iter().filter(|booking| of(booking) == person);
            theirs.map(|booking| booking.id).collect()
        };
        let (user, user_name) = ASHA;
        let (provider, provider_name) = RAVI;
        let (owner, tag) = OWNER;
        Ok(json!({
            "apiUrl": http_url,
            "socketUrl": websocket_url,
            "user": {
                "id": user, "name": user_name, "token": self.token(user, None)?,
                "bookings": bookings(&|booking| booking.user.0, user),
            },
            "provider": {
                "id": provider, "name": provider_name, "token": self.token(provider, None)?,
                "bookings": bookings(&|booking| booking.provider.0, provider),
            },
            "owner": { "id": owner, "token": self.token(owner, None)?, "tag": tag },
        }))
    }
}

/// The text that `make run` prints before `ready`.
pub fn welcome(stack: &Stack, demo: Option<&Demo>) -> String {
    let mut text = String::new();
    // Writing into a String cannot fail.
    let _ = write_welcome(&mut text, stack, demo);
    text
}

fn write_welcome(text: &mut String, stack: &Stack, demo: Option<&Demo>) -> std::fmt::Result {
    let url = stack.http_url();
    writeln!(text, "\nMaskline runs on this machine; Ctrl-C stops it.\n")?;
    writeln!(text, "  HTTP API and webhooks  {url}")?;
    if let Some(api) = stack.websocket() {
        writeln!(text, "  WebSocket API          {}", api.url())?;
    }
    match stack.carrier_url() {
        Some(carrier) => writeln!(text, "  Simulated carrier      {carrier}")?,
        None => writeln!(text, "  Carrier                as TWILIO_API_BASE_URL says")?,
    }
    let store = stack.store();
    writeln!(
        text,
        "  Store (DynamoDB)       {}, access key id {}\n",
        store.url, store.account
    )?;
    if let Some(demo) = demo {
        if stack.websocket().is_some() {
            writeln!(text, "Demo apps, each in a tab of its own: {url}/demo")?;
            let origins = stack.value("CORS_ORIGINS").unwrap_or_default();
            if !origins.split(',').any(|origin| origin.trim() == url) {
                writeln!(
                    text,
                    "  They cannot connect: CORS_ORIGINS does not hold {url}"
                )?;
            }
            writeln!(text)?;
        }
        writeln!(text, "Demo tags")?;
        for tag in &demo.tags {
            let (code, owner, number) = (&tag.short_code, &tag.owner_id, &tag.number);
            match &tag.extension {
                Some(digits) => writeln!(
                    text,
                    "  {code:<10} of {owner}: dial {number}, then key in {digits}"
                )?,
                None => writeln!(text, "  {code:<10} of {owner}: dial {number}")?,
            }
        }
        let DemoBooking { id, user, provider } = &demo.booking;
        writeln!(text, "\nDemo booking")?;
        writeln!(text, "  {id} of {} with {}", user.id, provider.id)?;
        writeln!(text, "\nTokens, good for 24 hours")?;
        writeln!(text, "  {:<8} {}", "admin", demo.admin_token)?;
        for tag in &demo.tags {
            writeln!(text, "  {:<8} {}", tag.owner_id, tag.owner_token)?;
        }
        for party in [user, provider] {
            writeln!(text, "  {:<8} {}", party.id, party.token)?;
        }
        if let Some(api) = stack.websocket() {
            writeln!(
                text,
                "\nA socket for an app of each, and frames to send over it"
            )?;
            for party in [user, provider] {
                let (id, token) = (&party.id, &party.token);
                writeln!(text, "  {id:<8} {}/?token={token}", api.url())?;
            }
            let about = json!({"bookingId": id});
            for action in ["callInitiate", "callAccept", "callEnd"] {
                writeln!(text, "  {}", json!({"action": action, "data": about}))?;
            }
        }
        writeln!(text)?;
    }
    writeln!(text, "To paste into another shell")?;
    if let (Some(_), Some(_)) = (demo, stack.carrier_url()) {
        writeln!(text, "  # A visitor calls an owner; then the transcript")?;
        writeln!(text, "  make call")?;
    }
    writeln!(text, "  # The number that visitors dial")?;
    writeln!(text, "  curl -sw '\\n' {url}/api/v1/call/virtual-number")?;
    if let Some(demo) = demo {
        if let Some(code) = demo.tags.last().map(|tag| &tag.short_code) {
            writeln!(
                text,
                "  # What a visitor sees after scanning {code}; better in a browser"
            )?;
            writeln!(text, "  curl -sw '\\n' {url}/t/{code}")?;
            writeln!(text, "  # A visitor asks to be rung")?;
            writeln!(
                text,
                "  curl -sw '\\n' {url}/api/v1/call/{code}/initiate \
                 -H 'content-type: application/json' -d '{{\"visitorPhone\":\"98765 00001\"}}'"
            )?;
        }
        for tag in &demo.tags {
            let (code, token) = (&tag.short_code, &tag.owner_token);
            writeln!(text, "  # The calls of {code}, as its owner sees them")?;
            writeln!(
                text,
                "  curl -sw '\\n' {url}/api/v1/call/{code}/history -H 'authorization: Bearer {token}'"
            )?;
        }
        let DemoBooking { id, user, provider } = &demo.booking;
        if stack.websocket().is_some() {
            let (caller, receiver) = (&user.id, &provider.id);
            writeln!(
                text,
                "  # An in-app call from {caller} to {receiver}; what each device sends and gets"
            )?;
            writeln!(text, "  make demo-call")?;
        }
        writeln!(
            text,
            "  # The in-app calls of {id}, as {} sees them",
            user.id
        )?;
        writeln!(
            text,
            "  curl -sw '\\n' {url}/api/calls/history/{id} -H 'authorization: Bearer {}'",
            user.token
        )?;
        let tag = json!({
            "ownerId": "owner-3", "ownerPhone": "+919811122233",
            "label": "Green parcel", "enabled": true,
        });
        writeln!(text, "  # A new tag, as an admin makes it")?;
        writeln!(
            text,
            "  curl -sw '\\n' -X PUT {url}/api/v1/tags/demo-parcel \
             -H 'content-type: application/json' -H 'authorization: Bearer {}' -d '{tag}'",
            demo.admin_token
        )?;
    }
    Ok(())
}

/// What the file says of a stack: where its parts are, None where there is no such part.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Facts<'a> {
    /// The HTTP API, without a trailing slash.
    pub http_url: &'a str,
    /// The WebSocket API.
    pub websocket_url: Option<&'a str>,
    /// The store, where it may be asked.
    pub store_url: Option<&'a str>,
    /// The access key id to ask it with.
    pub store_account: Option<&'a str>,
    /// The simulated carrier.
    pub carrier_url: Option<&'a str>,
    /// PUBLIC_BASE_URL.
    pub public_base_url: Option<&'a str>,
    /// Where an incoming call's first webhook goes.
    pub voice_url: Option<&'a str>,
    /// The number that tags share, E.164.
    pub shared_number: Option<&'a str>,
    /// The demo data.
    pub demo: Option<&'a Demo>,
}

/// What other programs, such as `make call` and `make demo-call`, need to know of a running stack: a
/// file that is there as long as this is.
#[derive(Debug)]
pub struct StateFile(PathBuf);

impl StateFile {
    /// Writes the file: at STATE_FILE, or else in the directory above the
    /// executable's, which is `target`.
    pub fn write(stack: &Stack, demo: Option<&Demo>) -> Result<Self, Error> {
        let path = match stack.value("STATE_FILE") {
            Some(path) => path.into(),
            None => {
                let executable = std::env::current_exe().map_err(Error::io("STATE_FILE"))?;
                let target = executable.parent().and_then(Path::parent);
                let target = target.unwrap_or(Path::new("."));
                target.join("maskline-local.json")
            }
        };
        let voice_url = stack.webhook_url("ConnectUrl");
        let facts = Facts {
            http_url: stack.http_url(),
            websocket_url: stack.websocket().map(WebSocketApi::url),
            store_url: Some(&stack.store().url),
            store_account: Some(&stack.store().account),
            carrier_url: stack.carrier_url(),
            public_base_url: stack.value("PUBLIC_BASE_URL"),
            voice_url: voice_url.as_deref(),
            shared_number: stack.value("TWILIO_PHONE_NUMBER"),
            demo,
        };
        Self::write_at(path, &facts)
    }

    /// Writes the file there.
    pub fn write_at(path: PathBuf, facts: &Facts<'_>) -> Result<Self, Error> {
        let failed = |error| Error::io(format!("STATE_FILE {}", path.display()))(error);
        let text = serde_json::to_string_pretty(facts);
        let text = text.map_err(|error| failed(error.into()))?;
        write_private(&path, &format!("{text}\n")).map_err(failed)?;
        Ok(Self(path))
    }
}

impl Drop for StateFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Tokens are in it, so only this user may read it.
fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    // A file from before keeps its permissions, whoever gave them.
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text.as_bytes())
}
