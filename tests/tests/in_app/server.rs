//! The functions: what each does with a frame, a lost connection or a message of the
//! queue, over the real switchboard and the real store.

use maskline::access::error::Error;
use maskline::domain::app_call::{Act, AppCall, Device, Reason, Times};
use maskline::domain::signaling::{CallRef, FrameId, Sent, Signal};
use maskline::lambda::switchboard::{Initiate, Switchboard};
use maskline::ports::deadlines::Question;
use maskline::ports::delivery::Deliver;
use serde_json::json;

use crate::world::Net;

/// A frame from a device.
#[derive(Debug, Clone)]
pub enum Request {
    Join { holds: Option<String> },
    Initiate { booking: usize },
    Accept(CallRef),
    Reject(CallRef, Option<&'static str>),
    End(CallRef),
    Relay(CallRef),
}

/// The server of one run.
pub struct Server {
    pub board: Switchboard<Net, Net>,
    pub net: Net,
    pub times: Times,
}

impl Server {
    /// `$connect` of somebody whose token was good.
    pub async fn connect(&self, device: &Device) -> Result<(), Error> {
        Ok(self.board.connections.add(device, self.net.clock()).await?)
    }

    /// `$disconnect`
    pub async fn disconnect(&self, connection: &str) -> Result<(), Error> {
        let now = self.net.clock();
        self.board.disconnected(connection, now).await
    }

    /// A message of the deadline queue.
    pub async fn asked(&self, question: &Question) -> Result<(), Error> {
        self.board.asked(question, self.net.clock()).await
    }

    /// A frame. A failure is answered with an `error` frame.
    pub async fn frame(&self, connection: &str, id: u64, request: &Request) {
        let id: FrameId = json!(id).try_into().expect("a number");
        if let Err(error) = self.handle(connection, &id, request).await {
            self.net
                .note(|| format!("{connection} {request:?}: {error}"));
            let frame = Sent::error(error.status().1, error.message(), "simulated".to_owned());
            self.board
                .deliver
                .post(connection, &frame.answering(Some(&id)))
                .await;
        }
    }

    async fn handle(&self, connection: &str, id: &FrameId, request: &Request) -> Result<(), Error> {
        let (board, id) = (&self.board, Some(id));
        let (about, act) = match request {
            Request::Join { holds } => {
                let device = board.device(connection).await?;
                let now = self.net.clock();
                return board.join(&device, holds.as_deref(), id, now).await;
            }
            Request::Initiate { booking } => {
                let now = self.net.clock();
                let by = board.device(connection).await?;
                let booking = self.net.world(|world| world.bookings[*booking].clone());
                let caller = booking
                    .role_of(&by.user)
                    .ok_or(Error::NotFound("booking"))?;
                let ask = Initiate {
                    booking: &booking,
                    caller,
                    by: &by,
                    media: Some(json!({"audio": true}).to_string()),
                    id,
                    times: &self.times,
                };
                let wake = async |_: &AppCall| self.net.world(|world| world.dice.chance(300));
                return board.initiate(ask, wake, now).await;
            }
            Request::Relay(about) => {
                let now = self.net.clock();
                let end = board.other_end(about, connection, now).await?;
                let offer = json!({"type": "offer"});
                let (from, to) = (&end.from, &end.to.user);
                let frame = Sent::relayed(&end.call, Signal::Offer, offer, from, to);
                board.relay(&end, &frame, now).await;
                return Ok(());
            }
            Request::Accept(about) => (about, Act::Accept),
            Request::Reject(about, word) => (about, Act::Reject(Reason::of_rejection(*word))),
            Request::End(about) => (about, Act::Hangup),
        };
        let (device, call) = match act {
            Act::Hangup => board.holder_and_call(connection, about).await?,
            _ => board.device_and_call(connection, about).await?,
        };
        board.act(call, act, &device, id, self.net.clock()).await
    }
}
