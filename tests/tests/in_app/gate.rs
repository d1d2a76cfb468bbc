//! Who goes next: every request to the store, every post and every message to the queue
//! waits here for its turn, and the seed says whose it is. One goes at a time, so that
//! what runs side by side interleaves in any way, and the same way for the same seed.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use tokio::sync::oneshot;

use crate::dice::Dice;

/// The gate of one run.
#[derive(Clone)]
pub struct Gate(Arc<Mutex<State>>);

struct State {
    waiting: Vec<oneshot::Sender<()>>,
    taken: bool,
    dice: Dice,
    trouble: Trouble,
}

/// How often requests to the store go wrong, in a thousand.
#[derive(Debug, Clone, Copy, Default)]
pub struct Trouble {
    /// The answer is lost, and the request sent again.
    pub answer_lost: u64,
    /// The store does not answer at all, tried again or not.
    pub down: u64,
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gate")
    }
}

/// A turn. The next one begins when it is dropped.
pub struct Turn(Gate);

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.state().taken = false;
    }
}

impl Gate {
    pub fn new(seed: u64) -> Self {
        Gate(Arc::new(Mutex::new(State {
            waiting: Vec::new(),
            taken: false,
            dice: Dice::new(seed),
            trouble: Trouble::default(),
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on requests go wrong that often. How often they did before.
    pub fn trouble(&self, trouble: Trouble) -> Trouble {
        std::mem::replace(&mut self.state().trouble, trouble)
    }

    /// Waits for a turn.
    pub async fn turn(&self) -> Turn {
        let (go, wait) = oneshot::channel();
        self.state().waiting.push(go);
        // Only a run that is given up drops the other end.
        let _ = wait.await;
        Turn(self.clone())
    }

    /// Whether somebody has the turn.
    pub fn is_taken(&self) -> bool {
        self.state().taken
    }

    /// Lets one of those who wait go ahead; false if nobody does.
    pub fn let_one_go(&self) -> bool {
        let mut state = self.state();
        // Those who gave up waiting have no turn to end.
        state.waiting.retain(|one| !one.is_closed());
        let Some(last) = state.waiting.len().checked_sub(1) else {
            return false;
        };
        let chosen = state.dice.up_to(last as u64) as usize;
        let go = state.waiting.remove(chosen);
        state.taken = go.send(()).is_ok();
        true
    }

    fn chance(&self, of: impl Fn(&Trouble) -> u64) -> bool {
        let mut state = self.state();
        let per_thousand = of(&state.trouble);
        state.dice.chance(per_thousand)
    }

    /// A way to the store through this gate.
    pub fn before(&self, client: SharedHttpClient) -> SharedHttpClient {
        SharedHttpClient::new(Gated {
            gate: self.clone(),
            client,
        })
    }
}

#[derive(Debug)]
struct Gated<T> {
    gate: Gate,
    client: T,
}

impl HttpClient for Gated<SharedHttpClient> {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(Gated {
            gate: self.gate.clone(),
            client: self.client.http_connector(settings, components),
        })
    }
}

impl HttpConnector for Gated<SharedHttpConnector> {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (gate, client) = (self.gate.clone(), self.client.clone());
        HttpConnectorFuture::new(async move {
            let again = request.try_clone();
            let turn = gate.turn().await;
            if gate.chance(|trouble| trouble.down) {
                return Err(ConnectorError::io("the store is down".into()));
            }
            let answer = whole(client.call(request).await?).await?;
            drop(turn);
            match again {
                Some(again) if gate.chance(|trouble| trouble.answer_lost) => {
                    let _turn = gate.turn().await;
                    whole(client.call(again).await?).await
                }
                _ => Ok(answer),
            }
        })
    }
}

/// The answer with all of its body, so that nothing of it is waited for later.
async fn whole(mut answer: HttpResponse) -> Result<HttpResponse, ConnectorError> {
    let body = std::mem::replace(answer.body_mut(), SdkBody::taken());
    let body = ByteStream::new(body).collect().await;
    let body = body.map_err(|error| ConnectorError::io(error.into()))?;
    *answer.body_mut() = SdkBody::from(body.into_bytes());
    Ok(answer)
}
