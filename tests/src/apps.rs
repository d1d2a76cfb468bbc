//! Apps of the two parties of a booking: real WebSocket clients.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::stream::SplitSink;
use futures_util::{SinkExt as _, StreamExt as _};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::{PATIENCE, TestBooking, Visit, World};

impl World {
    /// A booking's call history, as one of its parties sees it.
    pub async fn rows(&self, booking: &TestBooking) -> Vec<Value> {
        self.rows_of(&booking.id, &booking.user).await
    }

    /// The same of the booking of that id, as that user sees it.
    pub async fn rows_of(&self, booking: &str, user: &str) -> Vec<Value> {
        let token = self.token(user, "");
        let path = format!("/api/calls/history/{booking}");
        let answer = self.api(Method::GET, &path, Some(&token), None).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let body = answer.json();
        assert_eq!(body["status"], "success");
        body["data"]["calls"].as_array().unwrap().clone()
    }

    /// Waits until the booking has so many rows.
    pub async fn rows_when(&self, booking: &TestBooking, count: usize) -> Vec<Value> {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let rows = self.rows(booking).await;
            if rows.len() >= count {
                return rows;
            }
            assert!(tokio::time::Instant::now() < deadline, "{rows:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// A device of that user, connected.
    pub async fn app(&self, user: &str) -> App {
        self.try_app(user).await.unwrap()
    }

    /// The same, where it may be refused.
    ///
    /// # Errors
    /// What the server answered instead.
    pub async fn try_app(&self, user: &str) -> Result<App, Box<tungstenite::Error>> {
        let token = self.token(user, "");
        let url = format!("{}/live?token={token}", self.socket_url());
        App::open(user, url.into_client_request().unwrap()).await
    }

    /// A visitor's page, connected as a browser does it.
    pub async fn page(&self, visit: &Visit) -> App {
        let mut request = visit.socket_url.as_str().into_client_request().unwrap();
        let headers = request.headers_mut();
        let offer = format!("maskline, {}", visit.token);
        headers.insert("sec-websocket-protocol", offer.parse().unwrap());
        headers.insert("origin", self.stack.http_url().parse().unwrap());
        App::open(&visit.visitor, request).await.unwrap()
    }

    /// Where sockets are opened, without a path.
    pub fn socket_url(&self) -> String {
        self.stack.websocket().unwrap().url().to_owned()
    }
}

/// A device: one connection, and every frame that came over it.
#[derive(Debug)]
pub struct App {
    /// Whose it is.
    pub user: String,
    out: SplitSink<WebSocketStream<MaybeTlsStream<TcpStream>>, Message>,
    seen: Arc<Mutex<Vec<Value>>>,
    taken: Vec<bool>,
    news: watch::Receiver<usize>,
    reading: JoinHandle<Option<u16>>,
    sent: u64,
}

impl App {
    /// Opens a connection; an error is the handshake's.
    ///
    /// # Errors
    /// What the server answered instead.
    pub async fn open(
        user: &str,
        request: tungstenite::handshake::client::Request,
    ) -> Result<Self, Box<tungstenite::Error>> {
        let (socket, _) = connect_async(request).await.map_err(Box::new)?;
        let (out, mut incoming) = socket.split();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (tell, news) = watch::channel(0);
        let noted = Arc::clone(&seen);
        let reading = tokio::spawn(async move {
            while let Some(Ok(message)) = incoming.next().await {
                match message {
                    Message::Text(text) => {
                        let frame: Value = serde_json::from_str(text.as_str()).unwrap();
                        noted.lock().unwrap().push(frame);
                        tell.send_modify(|count| *count += 1);
                    }
                    Message::Close(frame) => return frame.map(|frame| frame.code.into()),
                    _ => {}
                }
            }
            None
        });
        Ok(App {
            user: user.to_owned(),
            out,
            seen,
            taken: Vec::new(),
            news,
            reading,
            sent: 0,
        })
    }

    /// Sends a frame, and gives the id that its answer will carry.
    pub async fn send(&mut self, action: &str, data: Value) -> String {
        self.sent += 1;
        let id = format!("{action}-{}", self.sent);
        let frame = json!({"action": action, "id": id, "data": data});
        self.send_text(frame.to_string()).await;
        id
    }

    /// Sends any text.
    pub async fn send_text(&mut self, text: String) {
        self.out.send(Message::text(text)).await.unwrap();
    }

    /// Waits for a frame that nobody has taken yet and that fits, and takes it.
    pub async fn take(&mut self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            self.news.borrow_and_update();
            if let Some(frame) = self.find(&fits) {
                return frame;
            }
            let changed = tokio::time::timeout_at(deadline, self.news.changed()).await;
            assert!(
                matches!(changed, Ok(Ok(()))),
                "{}: no {what}; came: {:#?}",
                self.user,
                self.frames()
            );
        }
    }

    fn find(&mut self, fits: impl Fn(&Value) -> bool) -> Option<Value> {
        let seen = self.seen.lock().unwrap();
        self.taken.resize(seen.len(), false);
        let fresh = |(n, frame): &(usize, &Value)| !self.taken[*n] && fits(frame);
        let (n, frame) = seen.iter().enumerate().find(fresh)?;
        self.taken[n] = true;
        Some(frame.clone())
    }

    /// Waits for an event, and gives its data.
    pub async fn event(&mut self, name: &str) -> Value {
        let frame = self.take(name, |frame| frame["event"] == name).await;
        frame["data"].clone()
    }

    /// Sends a frame, and gives the one that answers it.
    pub async fn ask(&mut self, action: &str, data: Value) -> Value {
        let id = self.send(action, data).await;
        self.take(&format!("answer to {id}"), |frame| frame["id"] == *id)
            .await
    }

    /// Sends a frame that must be refused, and gives the error's message.
    pub async fn refused(&mut self, action: &str, data: Value, code: &str) -> String {
        let answer = self.ask(action, data).await;
        assert_eq!(answer["event"], "error", "{answer}");
        let error = &answer["data"];
        assert_eq!(
            (&error["code"], &error["action"]),
            (&json!(code), &json!(action))
        );
        error["message"].as_str().unwrap().to_owned()
    }

    /// Every frame so far.
    pub fn frames(&self) -> Vec<Value> {
        self.seen.lock().unwrap().clone()
    }

    /// Asserts that no frame of that event has come. Frames of functions that run side by
    /// side overtake each other: to be called once something later is known to be over.
    #[track_caller]
    pub fn has_not_seen(&self, event: &str) {
        let frames = self.frames();
        let seen = frames.iter().find(|frame| frame["event"] == event);
        assert!(seen.is_none(), "{}: {seen:?}", self.user);
    }

    /// Closes the connection as a well-behaved app does.
    pub async fn close(mut self) {
        self.out.close().await.unwrap();
        self.reading.await.unwrap();
    }

    /// Waits for the server to close, and gives the code.
    pub async fn closed(self) -> Option<u16> {
        tokio::time::timeout(PATIENCE, self.reading)
            .await
            .expect("the server closes")
            .unwrap()
    }
}
