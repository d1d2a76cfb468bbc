//! One socket, from the upgrade to its end.

use std::net::IpAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::header::{self, HeaderMap};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use futures_util::{SinkExt as _, StreamExt as _};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message, error::ProtocolError};

use super::{Posts, WebSocketApi};
use crate::event::{source, text};
use crate::faults::pass;
use crate::log::lock;
use crate::runtime_api;

/// How long a client may take to answer a close.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(500);
/// Memory that each socket reads into.
const READ_BUFFER: usize = 8 * 1024;

/// A connection, as the API knows it.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) id: String,
    pub(super) opened: Instant,
    pub(super) connected_at: Timestamp,
    pub(super) source_ip: IpAddr,
    pub(super) user_agent: String,
    pub(super) host: String,
    pub(super) fate: Mutex<Posts>,
    last_active: Mutex<Instant>,
    posts: UnboundedSender<Out>,
}

/// What is to happen to a socket.
#[derive(Debug)]
pub(super) enum Out {
    Message(Bytes),
    Close,
    Vanish,
}

/// Why a socket ends.
enum End {
    /// The client closed it, or is gone.
    Theirs(u16, String),
    /// We close it.
    Ours(CloseCode, &'static str),
    /// The stack stops.
    Stopping,
    /// The wire is cut.
    Vanished,
}

type Socket = WebSocketStream<TokioIo<Upgraded>>;

impl Connection {
    pub(super) fn new(headers: &HeaderMap, peer: IpAddr, posts: UnboundedSender<Out>) -> Self {
        let opened = Instant::now();
        Self {
            id: runtime_api::short_id(),
            opened,
            connected_at: Timestamp::now(),
            source_ip: source(headers, peer).0,
            user_agent: text(headers.get(header::USER_AGENT)),
            host: text(headers.get(header::HOST)),
            fate: Mutex::default(),
            last_active: Mutex::new(opened),
            posts,
        }
    }

    /// Has a message sent. A socket that ends just now loses it, as on AWS.
    pub(super) fn post(&self, message: Bytes) {
        let _ = self.posts.send(Out::Message(message));
    }

    /// Has the socket closed.
    pub(super) fn close(&self) {
        let _ = self.posts.send(Out::Close);
    }

    /// Has the wire cut.
    pub(super) fn vanish(&self) {
        let _ = self.posts.send(Out::Vanish);
    }

    /// When a message last passed, in either direction.
    pub(super) fn last_active(&self) -> Instant {
        *lock(&self.last_active)
    }

    fn touch(&self) {
        *lock(&self.last_active) = Instant::now();
    }

    /// Runs the socket; gives what `$disconnect` is to be told, if anything.
    pub(super) async fn live(
        self: &Arc<Self>,
        api: &Arc<WebSocketApi>,
        upgrade: OnUpgrade,
        mut mailbox: UnboundedReceiver<Out>,
    ) -> Option<(u16, String)> {
        let Ok(upgraded) = upgrade.await else {
            return Some(abnormal());
        };
        let limits = *lock(&api.limits);
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .max_frame_size(Some(limits.frame))
            .max_message_size(Some(limits.message));
        let io = TokioIo::new(upgraded);
        let mut socket = WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await;
        let end = {
            let (mut sink, mut stream) = (&mut socket).split();
            let mut writing = std::pin::pin!(async {
                loop {
                    match mailbox.recv().await {
                        Some(Out::Message(message)) => {
                            if sink.send(frame(message)).await.is_err() {
                                let (code, reason) = abnormal();
                                return End::Theirs(code, reason);
                            }
                            self.touch();
                            api.frames_out.fetch_add(1, Ordering::Relaxed);
                        }
                        Some(Out::Vanish) => return End::Vanished,
                        Some(Out::Close) | None => {
                            return End::Ours(CloseCode::Normal, "Connection Closed Normally");
                        }
                    }
                }
            });
            let mut stopping = api.stopping.subscribe();
            let expires = self.opened + limits.lifetime;
            loop {
                let idle_at = self.last_active() + limits.idle;
                tokio::select! {
                    incoming = stream.next() => {
                        if let Some(end) = self.take(api, incoming) {
                            break end;
                        }
                    }
                    end = &mut writing => break end,
                    _ = stopping.wait_for(|stop| *stop) => break End::Stopping,
                    () = sleep_until(expires) => break End::Ours(CloseCode::Away, "Going away"),
                    () = sleep_until(idle_at) => {
                        if self.last_active() + limits.idle <= Instant::now() {
                            break End::Ours(CloseCode::Away, "Going away");
                        }
                    }
                }
            }
        };
        match end {
            End::Theirs(code, reason) => {
                // What is left to write is the answer to the client's close.
                let _ = timeout(CLOSE_TIMEOUT, socket.flush()).await;
                Some((code, reason))
            }
            End::Ours(code, reason) => {
                close(&mut socket, code, reason).await;
                Some((code.into(), reason.to_owned()))
            }
            End::Vanished => None,
            End::Stopping => {
                close(&mut socket, CloseCode::Away, "Going away").await;
                None
            }
        }
    }

    /// Takes what a client sent; the end, if it was that.
    fn take(
        self: &Arc<Self>,
        api: &Arc<WebSocketApi>,
        incoming: Option<Result<Message, Error>>,
    ) -> Option<End> {
        let (body, binary) = match incoming {
            Some(Ok(Message::Text(text))) => (text.as_str().to_owned(), false),
            Some(Ok(Message::Binary(bytes))) => (BASE64_STANDARD.encode(bytes), true),
            Some(Ok(Message::Close(frame))) => {
                let (code, reason) = match frame {
                    Some(frame) => (frame.code.into(), frame.reason.as_str().to_owned()),
                    None => (1005, "Client-side close frame status not set".to_owned()),
                };
                return Some(End::Theirs(code, reason));
            }
            Some(Ok(_)) => return None,
            Some(Err(Error::Capacity(_))) => {
                return Some(End::Ours(CloseCode::Size, "Message too big"));
            }
            Some(Err(Error::Utf8(_))) => {
                return Some(End::Ours(CloseCode::Invalid, "Not UTF-8"));
            }
            Some(Err(Error::Protocol(error)))
                if error != ProtocolError::ResetWithoutClosingHandshake =>
            {
                return Some(End::Ours(CloseCode::Protocol, "Protocol error"));
            }
            Some(Err(_)) | None => {
                let (code, reason) = abnormal();
                return Some(End::Theirs(code, reason));
            }
        };
        self.touch();
        api.frames_in.fetch_add(1, Ordering::Relaxed);
        // Side by side, as on AWS: a message may overtake the one before it.
        for late in api.frames.arrivals() {
            let (api, connection, body) = (Arc::clone(api), Arc::clone(self), body.clone());
            tokio::spawn(async move {
                pass(late).await;
                api.handle(&connection, &body, binary).await;
            });
        }
        None
    }
}

fn abnormal() -> (u16, String) {
    (1006, "Connection closed abnormally".into())
}

fn frame(message: Bytes) -> Message {
    match String::from_utf8(message.into()) {
        Ok(text) => Message::text(text),
        Err(error) => Message::binary(error.into_bytes()),
    }
}

/// Sends a close, and waits for the client's end of it.
async fn close(socket: &mut Socket, code: CloseCode, reason: &'static str) {
    let frame = CloseFrame {
        code,
        reason: reason.into(),
    };
    let closing = async {
        socket.close(Some(frame)).await?;
        let io = socket.get_mut();
        io.shutdown().await?;
        // Ending with bytes unread would reset the connection, and the client
        // might never see the close.
        let mut unread = [0; 4096];
        while io.read(&mut unread).await? > 0 {}
        Ok::<_, Error>(())
    };
    let _ = timeout(CLOSE_TIMEOUT, closing).await;
}
