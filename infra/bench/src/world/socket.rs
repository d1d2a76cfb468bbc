//! An app's end of a WebSocket, as far as the bench needs one.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::stream::SplitSink;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::sync::{Mutex, mpsc};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::error::Error;

/// How long a frame may take to come.
const PATIENCE: Duration = Duration::from_secs(10);

/// A device with a connection.
#[derive(Debug)]
pub(super) struct App {
    /// Whose.
    pub(super) user: String,
    /// API Gateway's id of the connection.
    pub(super) connection: String,
    out: Mutex<SplitSink<WebSocketStream<MaybeTlsStream<TcpStream>>, Message>>,
    frames: Mutex<mpsc::UnboundedReceiver<(Instant, Value)>>,
}

impl App {
    /// Connects. The bytes of frames are added to `received` as they come.
    pub(super) async fn open(
        user: String,
        url: &str,
        received: Arc<AtomicUsize>,
        connection: impl FnOnce() -> Option<String>,
    ) -> Result<Self, Error> {
        let failed = |error| Error::Needs(format!("a socket does not open: {error}"));
        let (socket, _) = connect_async(url).await.map_err(failed)?;
        let connection = connection();
        let connection = connection.ok_or_else(|| Error::Needs("a socket has no id".into()))?;
        let (out, mut incoming) = socket.split();
        let (tell, frames) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Some(Ok(message)) = incoming.next().await {
                let at = Instant::now();
                if let Message::Text(text) = message {
                    received.fetch_add(text.len(), Ordering::Relaxed);
                    let frame = serde_json::from_str(text.as_str()).unwrap_or_default();
                    if tell.send((at, frame)).is_err() {
                        return;
                    }
                }
            }
        });
        Ok(Self {
            user,
            connection,
            out: Mutex::new(out),
            frames: Mutex::new(frames),
        })
    }

    /// Sends a frame.
    pub(super) async fn send(&self, text: &str) -> Result<(), Error> {
        let sent = self.out.lock().await.send(Message::text(text)).await;
        sent.map_err(|error| Error::Needs(format!("a frame is not sent: {error}")))
    }

    /// Waits for the next frame, which must be that event; gives its time and its data.
    pub(super) async fn take(&self, event: &'static str) -> Result<(Instant, Value), Error> {
        let mut frames = self.frames.lock().await;
        let next = tokio::time::timeout(PATIENCE, frames.recv()).await;
        let came = match next {
            Ok(Some((at, mut frame))) if frame["event"] == event => {
                return Ok((at, frame["data"].take()));
            }
            Ok(Some((_, frame))) => frame.to_string(),
            Ok(None) => "the end of the socket".to_owned(),
            Err(_) => "nothing".to_owned(),
        };
        Err(Error::Frame {
            user: self.user.clone(),
            expected: event,
            came,
        })
    }

    /// Closes the connection as a well-behaved app does.
    pub(super) async fn close(&self) -> Result<(), Error> {
        let closed = self.out.lock().await.close().await;
        closed.map_err(|error| Error::Needs(format!("a socket does not close: {error}")))
    }
}
