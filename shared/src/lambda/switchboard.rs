//! In-app calls: what the functions of the WebSocket API and of the deadline queue
//! share. Reads a call, applies an act, writes the next version if the one before it
//! still stands, then tells both sides and has its next deadline asked about.
//!
//! | what fails | what happens |
//! |---|---|
//! | a write loses against another | the act is applied to what the winner left |
//! | the store | the client gets an `error` frame; nothing is told that is not stored |
//! | the store, asked whom a stored call is to ring | as if nobody were online: the push hook, or `unavailable` |
//! | a post | logged; a call that it was to ring for rings on; the device asks again with `join` |
//! | a post, because the connection is gone | it is removed, the frame goes to the user's other devices, and a party who held the call by it counts as gone |
//! | the queue | logged; the deadline counts at the next read |

use futures_util::future::join_all;
use serde_json::json;
use tokio::{join, try_join};

use crate::access::error::Error;
use crate::access::metrics::{self, Kind, Metric};
use crate::domain::app_call::{
    Act, AppCall, AppCallId, Device, Notice, Party, Reason, Side, Stands, Step, Times, To,
};
use crate::domain::booking::{Booking, Role};
use crate::domain::signaling::{CallRef, FrameId, Sent};
use crate::domain::time::{Timestamp, add_seconds};
use crate::ports::deadlines::{AskLater, Question};
use crate::ports::delivery::{Deliver, Posted};
use crate::ports::store::app_calls::{AppCalls, Stored};
use crate::ports::store::connections::{Connected, Connections, Pointer};

/// How often an act is applied anew after a concurrent one came first.
const TRIES: u32 = 12;
/// A connection younger than this is not removed for a 410, seconds: API Gateway
/// answers so until `$connect` has returned.
const YOUNG_SECONDS: i64 = 3;

const ON_ANOTHER_DEVICE: Error = Error::Conflict("the call is on another device of yours");

fn contended() -> Error {
    Error::Unavailable("too many concurrent acts on one call".to_owned())
}

/// The stores, and the ways out.
pub struct Switchboard<D, Q> {
    /// The calls.
    pub calls: AppCalls,
    /// Who is connected.
    pub connections: Connections,
    /// Sends frames.
    pub deliver: D,
    /// Asks about deadlines later.
    pub queue: Q,
}

impl<D: Deliver, Q: AskLater> Switchboard<D, Q> {
    /// Whose connection that is.
    pub async fn device(&self, connection: &str) -> Result<Device, Error> {
        let owner = match self.connections.owner(connection, false).await? {
            None => self.connections.owner(connection, true).await?,
            known => known,
        };
        let owner = owner.ok_or(Error::Unauthorized(
            "this connection is not known any more; connect again",
        ))?;
        Ok(owner.device)
    }

    /// Whose connection that is, and the call that a frame is about, read side by side.
    /// Who is not known is told nothing of calls.
    pub async fn device_and_call(
        &self,
        connection: &str,
        about: &CallRef,
    ) -> Result<(Device, AppCall), Error> {
        let (device, call) = join!(self.device(connection), self.call(about));
        Ok((device?, call?))
    }

    /// The same, also if the connection is gone already: a page that closes sends that it
    /// hangs up and closes its connection, and the two reach us in either order. The call
    /// knows by which connection each party has it.
    pub async fn holder_and_call(
        &self,
        connection: &str,
        about: &CallRef,
    ) -> Result<(Device, AppCall), Error> {
        let (device, call) = join!(self.device(connection), self.call(about));
        let call = call?;
        let device = match (device, call.side_held_by(connection)) {
            (Err(Error::Unauthorized(_)), Some(side)) => Device {
                user: call.party(side).user.clone(),
                connection: connection.to_owned(),
            },
            (device, _) => device?,
        };
        Ok((device, call))
    }

    /// The call that a frame is about.
    async fn call(&self, about: &CallRef) -> Result<AppCall, Error> {
        let found = self.find(about, true).await?;
        found.ok_or(Error::NotFound("call"))
    }

    async fn find(&self, about: &CallRef, latest: bool) -> Result<Option<AppCall>, Error> {
        let Some(id) = &about.call_id else {
            return Ok(self.calls.newest(&about.booking_id, latest).await?);
        };
        let id: AppCallId = id.parse().map_err(|error| Error::field("callId", error))?;
        if id.booking != about.booking_id {
            return Err(Error::field("callId", "is another booking's"));
        }
        Ok(self.calls.get(&id, latest).await?)
    }

    /// A device's act on a call, and the answer to the frame that asked for it.
    pub async fn act(
        &self,
        mut call: AppCall,
        act: Act,
        by: &Device,
        id: Option<&FrameId>,
        now: Timestamp,
    ) -> Result<(), Error> {
        for _ in 0..TRIES {
            let step = match call.apply(act, by, now) {
                Ok(step) => step,
                // The device may be the one that holds the call, under a new connection.
                // One that rejects does not.
                Err(Stands::OnAnotherDevice | Stands::So(Notice::AnsweredElsewhere))
                    if !matches!(act, Act::Reject(_)) && self.may_take_over(&call, by).await =>
                {
                    match call.apply(Act::Rejoin, by, now) {
                        Ok(step) => match self.advance(&step.call).await? {
                            None => {
                                // The act itself may change nothing.
                                self.ask_later(&step.call, now).await;
                                call = step.call;
                            }
                            Some(stands) => call = stands,
                        },
                        Err(stands) => return self.refuse(&call, stands, by, id, now).await,
                    }
                    continue;
                }
                Err(stands) => return self.refuse(&call, stands, by, id, now).await,
            };
            match self.advance(&step.call).await? {
                None => {
                    // It may have come too late.
                    if step.reply == Notice::Accepted {
                        let rang = now.duration_since(step.call.created_at).try_into().ok();
                        metrics::count(Metric::CallConnected(Kind::App, rang));
                    }
                    self.carry_out(&step, Some((by, id)), now).await;
                    return Ok(());
                }
                Some(stands) => call = stands,
            }
        }
        Err(contended())
    }

    async fn refuse(
        &self,
        call: &AppCall,
        stands: Stands,
        by: &Device,
        id: Option<&FrameId>,
        now: Timestamp,
    ) -> Result<(), Error> {
        match stands {
            Stands::So(notice) => {
                self.tell(by, notice, id, call, now).await;
                Ok(())
            }
            Stands::Forbidden(why) => Err(Error::Forbidden(why)),
            Stands::OnAnotherDevice => Err(ON_ANOTHER_DEVICE),
            Stands::Nothing => Ok(()),
        }
    }

    /// Stores a call's next version; the one that stands, if another came first.
    async fn advance(&self, next: &AppCall) -> Result<Option<AppCall>, Error> {
        match self.calls.advance(next).await? {
            Stored::Now => {
                count_end(next);
                Ok(None)
            }
            Stored::Taken(stands) => Ok(Some(*stands)),
            Stored::Raced => Err(Error::NotFound("call")),
        }
    }

    /// Whether the user's device that holds the call is gone, so that this one may have it.
    async fn may_take_over(&self, call: &AppCall, by: &Device) -> bool {
        let Some(side) = call.side_of(&by.user) else {
            return false;
        };
        let party = call.party(side);
        match &party.connection {
            Some(_) if party.gone_at.is_some() => true,
            Some(held) => self.deliver.is_gone(held).await,
            None => false,
        }
    }

    /// Tells whom a step concerns, and has the next deadline asked about. Nothing is
    /// undone where that fails: what is stored stands.
    async fn carry_out(
        &self,
        step: &Step,
        reply: Option<(&Device, Option<&FrameId>)>,
        now: Timestamp,
    ) {
        let replying = async {
            if let Some((by, id)) = reply {
                self.tell(by, step.reply, id, &step.call, now).await;
            }
        };
        let telling = join_all(step.tell.iter().map(async |(to, notice)| match to {
            To::Device(device) => self.tell(device, *notice, None, &step.call, now).await,
            To::Devices { user, except } => {
                let frame = Sent::notice(&step.call, *notice, user, now);
                self.send_all(user, except.as_deref(), &frame, now).await;
            }
        }));
        join!(replying, telling, self.ask_later(&step.call, now));
    }

    async fn ask_later(&self, call: &AppCall, now: Timestamp) {
        let Some((question, seconds)) = Question::about(call, now) else {
            return;
        };
        if let Err(error) = self.queue.ask(&question, seconds).await {
            tracing::error!(%error, "a deadline is not asked about; it counts at the next read");
        }
    }

    /// Sends a notice to a device; where that is gone, to the user's others. Not what is
    /// true of that device alone, nor that a call rings: the others were rung, and one that
    /// came since would ring for a call that may have ended.
    async fn tell(
        &self,
        to: &Device,
        notice: Notice,
        id: Option<&FrameId>,
        call: &AppCall,
        now: Timestamp,
    ) {
        let frame = Sent::notice(call, notice, &to.user, now).answering(id);
        match notice {
            Notice::Incoming | Notice::AnsweredElsewhere => {
                if self.post(to, &frame).await == Posted::Gone {
                    self.lost(to, None, now).await;
                }
            }
            _ => self.send(to, &frame, now).await,
        }
    }

    /// Sends a frame to the device that holds a call; where that is gone, to the
    /// user's others.
    async fn send(&self, to: &Device, frame: &Sent, now: Timestamp) {
        if self.post(to, frame).await != Posted::Gone {
            return;
        }
        // The others did not ask, and may use the same ids.
        let unasked = frame.clone().answering(None);
        let others = self.send_all(&to.user, Some(&to.connection), &unasked, now);
        join!(others, self.lost(to, None, now));
    }

    /// Sends a frame to all of a user's devices but one, side by side, and says what became
    /// of each.
    async fn send_all(
        &self,
        user: &str,
        except: Option<&str>,
        frame: &Sent,
        now: Timestamp,
    ) -> Vec<Posted> {
        match self.connections.devices(user, now).await {
            Ok(devices) => {
                let others = devices.iter();
                let others = others.filter(|one| Some(one.device.connection.as_str()) != except);
                self.send_each(others, frame, now).await
            }
            Err(error) => {
                tracing::error!(%error, "a user's devices could not be read; none was told");
                Vec::new()
            }
        }
    }

    async fn send_each<'a>(
        &self,
        devices: impl Iterator<Item = &'a Connected>,
        frame: &Sent,
        now: Timestamp,
    ) -> Vec<Posted> {
        let posts = devices.map(async |connected| {
            let posted = self.post(&connected.device, frame).await;
            if posted == Posted::Gone {
                self.lost(&connected.device, Some(connected.since), now)
                    .await;
            }
            posted
        });
        join_all(posts).await
    }

    async fn post(&self, to: &Device, frame: &Sent) -> Posted {
        let posted = self.deliver.post(&to.connection, frame).await;
        if let Posted::Failed(cause) = &posted {
            let frame = json!(frame);
            tracing::warn!(
                cause,
                event = frame["event"].as_str(),
                "a frame was not sent"
            );
        }
        posted
    }

    /// API Gateway does not know a connection (any more): it is removed, and gone from the
    /// call that it holds. `$disconnect` may find nothing of it to do so. Where only one half
    /// of it is stored, `since` is what that half says.
    async fn lost(&self, device: &Device, since: Option<Timestamp>, now: Timestamp) {
        let noted = async {
            let owner = self.connections.owner(&device.connection, true).await?;
            let since = owner.map(|one| one.since).or(since);
            if since.is_some_and(|since| now >= add_seconds(since, YOUNG_SECONDS)) {
                metrics::count(Metric::StaleConnection);
                self.connections.remove(device).await?;
            }
            self.absent(device, now).await
        };
        // What telling others of an end finds gone is lost in turn.
        if let Err(error) = Box::pin(noted).await {
            tracing::error!(%error, "a device that is gone was not noted to be");
        }
    }

    /// Notes that a device is gone from the call that it holds, if any.
    async fn absent(&self, device: &Device, now: Timestamp) -> Result<(), Error> {
        let pointer = self.connections.pointer(&device.user).await?;
        match self.pointed(&pointer).await? {
            Some(call) => self.mark_gone(call, device, now).await,
            None => Ok(()),
        }
    }

    /// Notes in a call that a device which may hold it is gone.
    async fn mark_gone(
        &self,
        mut call: AppCall,
        device: &Device,
        now: Timestamp,
    ) -> Result<(), Error> {
        for _ in 0..TRIES {
            let Ok(step) = call.apply(Act::Gone, device, now) else {
                return Ok(());
            };
            match self.advance(&step.call).await? {
                None => {
                    self.carry_out(&step, None, now).await;
                    return Ok(());
                }
                Some(stands) => call = stands,
            }
        }
        Err(contended())
    }

    /// `$disconnect`: removes the connection, and no other.
    pub async fn disconnected(&self, connection: &str, now: Timestamp) -> Result<(), Error> {
        let Some(Connected { device, .. }) = self.connections.owner(connection, true).await? else {
            return Ok(());
        };
        // In this order: what makes it hold a call from now on finds it removed.
        self.connections.remove(&device).await?;
        self.absent(&device, now).await
    }

    async fn pointed(&self, pointer: &Pointer) -> Result<Option<AppCall>, Error> {
        match &pointer.call {
            Some(id) => Ok(self.calls.get(id, true).await?),
            None => Ok(None),
        }
    }

    /// A call with what deadlines have passed written down, so that nobody whose clock
    /// is behind can still change it.
    pub async fn settled(&self, mut call: AppCall, now: Timestamp) -> Result<AppCall, Error> {
        for _ in 0..TRIES {
            let Some(step) = call.expire(now) else {
                return Ok(call);
            };
            match self.advance(&step.call).await? {
                None => {
                    self.carry_out(&step, None, now).await;
                    return Ok(step.call);
                }
                Some(stands) => call = stands,
            }
        }
        Err(contended())
    }

    /// `join`: the device is told of a call that rings or runs for its user, and takes
    /// over what its user held by a device that is gone, or by its own old connection
    /// where it says so (`holds`). It is told, too, if what it holds is over.
    pub async fn join(
        &self,
        device: &Device,
        holds: Option<&str>,
        id: Option<&FrameId>,
        now: Timestamp,
    ) -> Result<(), Error> {
        let joined = Sent::joined(&device.user).answering(id);
        let (posted, pointer) = join!(
            self.post(device, &joined),
            self.connections.pointer(&device.user)
        );
        let pointer = pointer?;
        let held = holds.and_then(|holds| holds.parse::<AppCallId>().ok());
        let claims = held.is_some() && held == pointer.call;
        if let Some(held) = held.filter(|_| !claims) {
            self.tell_end(&held, device, id, now).await?;
        }
        let Some(call) = self.pointed(&pointer).await? else {
            return Ok(());
        };
        let call = self.settled(call, now).await?;
        if posted == Posted::Gone {
            return Ok(());
        }
        if !claims {
            if !call.live(now) {
                return Ok(());
            }
            if self.is_elsewhere(&call, device).await {
                let stands = Stands::So(Notice::AnsweredElsewhere);
                return self.refuse(&call, stands, device, id, now).await;
            }
        }
        self.act(call, Act::Rejoin, device, id, now).await
    }

    /// Tells a device that the call which it takes itself to be in is over.
    async fn tell_end(
        &self,
        held: &AppCallId,
        device: &Device,
        id: Option<&FrameId>,
        now: Timestamp,
    ) -> Result<(), Error> {
        let call = self.calls.get(held, true).await?;
        let Some(call) = call.filter(|call| call.side_of(&device.user).is_some()) else {
            return Ok(());
        };
        let call = self.settled(call, now).await?;
        if !call.live(now) {
            self.tell(device, Notice::Ended, id, &call, now).await;
        }
        Ok(())
    }

    /// Whether another device of the same user has the call, and is there.
    async fn is_elsewhere(&self, call: &AppCall, device: &Device) -> bool {
        let party = call.side_of(&device.user).map(|side| call.party(side));
        let held = party.and_then(|party| party.connection.as_deref());
        held.is_some_and(|held| held != device.connection)
            && !self.may_take_over(call, device).await
    }

    /// `callInitiate`: rings the other one of a booking, or joins the call there is.
    /// `wake` is asked to have a receiver with no device online woken, and says whether
    /// that was done.
    pub async fn initiate(
        &self,
        ask: Initiate<'_>,
        wake: impl AsyncFn(&AppCall) -> bool,
        now: Timestamp,
    ) -> Result<(), Error> {
        let Initiate {
            booking,
            caller,
            by,
            id,
            times,
            ..
        } = ask;
        let receiver = booking.id_of(caller.other());
        for _ in 0..TRIES {
            let (newest, mine, theirs) = try_join!(
                self.calls.newest(&booking.id, true),
                self.connections.pointer(&by.user),
                self.connections.pointer(receiver)
            )?;
            let newest = match newest {
                Some(call) => Some(self.settled(call, now).await?),
                None => None,
            };
            if let Some(call) = newest.as_ref().filter(|call| call.live(now)) {
                if self.is_elsewhere(call, by).await {
                    return Err(ON_ANOTHER_DEVICE);
                }
                return self.act(call.clone(), Act::Rejoin, by, id, now).await;
            }
            // What was read side by side may be from before and after a call began.
            let known = newest.as_ref().map_or(0, |call| call.seq);
            if self.has_newer(&mine, booking, known).await?
                || self.has_newer(&theirs, booking, known).await?
            {
                continue;
            }
            // A visitor rings once, as often as they were let in: were it more, the limits on
            // visits would limit nothing.
            if let Some(call) = newest
                .as_ref()
                .filter(|_| booking.id.is_visit() && caller == Role::User)
            {
                let stands = Stands::So(Notice::Ended);
                return self.refuse(call, stands, by, id, now).await;
            }
            let (caller_busy, receiver_busy) = try_join!(
                self.busy(&mine, newest.as_ref(), now),
                self.busy(&theirs, newest.as_ref(), now)
            )?;
            if caller_busy {
                return Err(Error::Conflict("you are in another call"));
            }
            let seq = newest.map_or(1, |call| call.seq + 1);
            let media = ask.media.clone();
            let call = AppCall::start(booking, seq, caller, &by.connection, media, times, now);
            if receiver_busy {
                let call = call.refused(Reason::Busy);
                match self.calls.add(&call).await? {
                    Stored::Now => {
                        metrics::count(Metric::CallStarted(Kind::App));
                        count_end(&call);
                        let stands = Stands::So(Notice::Ended);
                        return self.refuse(&call, stands, by, id, now).await;
                    }
                    Stored::Taken(_) | Stored::Raced => continue,
                }
            }
            let started = self.calls.start(&call, &self.connections, &mine, &theirs);
            match started.await? {
                Stored::Taken(_) | Stored::Raced => continue,
                Stored::Now => metrics::count(Metric::CallStarted(Kind::App)),
            }
            return self.ring(call, by, id, wake, now).await;
        }
        Err(Error::Unavailable(
            "too many calls at once between the same users".to_owned(),
        ))
    }

    /// Whether a user's newest call is one of the booking's after `known`. One that is gone
    /// is none: removed by its TTL before what points at it, or lost where the table was
    /// restored to an earlier time.
    async fn has_newer(
        &self,
        pointer: &Pointer,
        booking: &Booking,
        known: u64,
    ) -> Result<bool, Error> {
        let call = pointer.call.as_ref();
        let newer = call.is_some_and(|call| call.booking == booking.id && call.seq > known);
        Ok(newer && self.pointed(pointer).await?.is_some())
    }

    /// Whether a user's newest call still lives. `known` is one that does not.
    async fn busy(
        &self,
        pointer: &Pointer,
        known: Option<&AppCall>,
        now: Timestamp,
    ) -> Result<bool, Error> {
        if pointer.call.is_none() || pointer.call == known.map(AppCall::id) {
            return Ok(false);
        }
        match self.pointed(pointer).await? {
            Some(call) => Ok(self.settled(call, now).await?.live(now)),
            None => Ok(false),
        }
    }

    /// Rings all of the receiver's devices; where there is none, has the host
    /// application wake one, or tells the caller so at once.
    async fn ring(
        &self,
        call: AppCall,
        by: &Device,
        id: Option<&FrameId>,
        wake: impl AsyncFn(&AppCall) -> bool,
        now: Timestamp,
    ) -> Result<(), Error> {
        let receiver = &call.receiver.user;
        let incoming = Sent::notice(&call, Notice::Incoming, receiver, now);
        // Who is there is read once the call is stored: a device that comes too late for
        // this finds the call when it joins.
        let (posts, ()) = join!(
            self.send_all(receiver, None, &incoming, now),
            self.ask_later(&call, now)
        );
        // A device that a post failed to reach is there all the same: the call rings on for it.
        let reached = posts.contains(&Posted::Taken);
        let there = posts.iter().any(|posted| *posted != Posted::Gone);
        match reached || wake(&call).await || there {
            true => {
                self.tell(by, Notice::Ringing, id, &call, now).await;
                Ok(())
            }
            false => self.act(call, Act::Unreachable, by, id, now).await,
        }
    }

    /// The other party's device for a frame from that connection, and who sent it. One
    /// read, which may be a stale one where it shows the connection in a running call:
    /// the worst it misses is that the other device has moved, or the call just ended,
    /// and the post finds the first out.
    pub async fn other_end(
        &self,
        about: &CallRef,
        connection: &str,
        now: Timestamp,
    ) -> Result<OtherEnd, Error> {
        let usable = |call: &AppCall| call.running(now) && call.side_held_by(connection).is_some();
        let call = match self.find(about, false).await?.filter(usable) {
            Some(call) => call,
            None => self.call(about).await?,
        };
        let mut call = self.settled(call, now).await?;
        let (from, device) = match call.side_held_by(connection) {
            Some(side) => (side, None),
            None => {
                let device = self.device(connection).await?;
                let side = call.side_of(&device.user);
                let side = side.ok_or(Error::Forbidden("you are not a party of this call"))?;
                (side, Some(device))
            }
        };
        if !call.live(now) {
            return Err(Error::Conflict("the call is over"));
        }
        if !call.running(now) {
            return Err(Error::Conflict("the call has not been accepted yet"));
        }
        if let Some(device) = device {
            call = self.taken_over(call, &device, now).await?;
        }
        let (from, to) = match from {
            Side::Caller => (&call.caller, &call.receiver),
            Side::Receiver => (&call.receiver, &call.caller),
        };
        let connection = to.connection.clone();
        let to = Device {
            user: to.user.clone(),
            connection: connection.ok_or(Error::Conflict("the call has not been accepted yet"))?,
        };
        let from = from.user.clone();
        Ok(OtherEnd { call, from, to })
    }

    /// The call under a device that sends for it though another connection holds it:
    /// that must be gone.
    async fn taken_over(
        &self,
        mut call: AppCall,
        device: &Device,
        now: Timestamp,
    ) -> Result<AppCall, Error> {
        for _ in 0..TRIES {
            if !self.may_take_over(&call, device).await {
                return Err(ON_ANOTHER_DEVICE);
            }
            let Ok(step) = call.apply(Act::Rejoin, device, now) else {
                return Ok(call);
            };
            match self.advance(&step.call).await? {
                None => {
                    self.ask_later(&step.call, now).await;
                    // Nothing is sent to it that would find it gone meanwhile.
                    if self
                        .connections
                        .owner(&device.connection, true)
                        .await?
                        .is_none()
                    {
                        self.absent(device, now).await?;
                    }
                    return Ok(step.call);
                }
                Some(stands) => call = stands,
            }
        }
        Err(ON_ANOTHER_DEVICE)
    }

    /// Relays a frame to the other end.
    pub async fn relay(&self, end: &OtherEnd, frame: &Sent, now: Timestamp) {
        self.send(&end.to, frame, now).await;
    }

    /// A question of the deadline queue: settles what has passed, and otherwise asks
    /// again if nobody else will.
    pub async fn asked(&self, question: &Question, now: Timestamp) -> Result<(), Error> {
        let id = question.call_id.parse();
        let id: AppCallId = id.map_err(|error| Error::field("callId", error))?;
        let Some(call) = self.calls.get(&id, true).await? else {
            return Ok(());
        };
        let call = self.settled(call, now).await?;
        if call.version != question.version {
            return Ok(());
        }
        let absent = self.absent_from(&call, now).await;
        if absent.is_empty() {
            self.ask_later(&call, now).await;
        }
        // Whoever notes it asks about what follows from it.
        for device in absent {
            self.mark_gone(call.clone(), &device, now).await?;
        }
        Ok(())
    }

    /// Who is gone from a running call without `$disconnect` having told.
    async fn absent_from(&self, call: &AppCall, now: Timestamp) -> Vec<Device> {
        if !call.running(now) {
            return Vec::new();
        }
        let gone = async |party: &Party| {
            let device = party.present()?;
            let gone = self.deliver.is_gone(&device.connection).await;
            gone.then_some(device)
        };
        let (caller, receiver) = join!(gone(&call.caller), gone(&call.receiver));
        caller.into_iter().chain(receiver).collect()
    }
}

/// Counts a call whose version that was stored is its last. None comes after it.
fn count_end(stored: &AppCall) {
    if let Some(end) = &stored.end {
        metrics::count(Metric::CallEnded(Kind::App, end.reason.as_str()));
    }
}

/// Who asks for what with `callInitiate`.
pub struct Initiate<'a> {
    /// The booking.
    pub booking: &'a Booking,
    /// What the caller is in it.
    pub caller: Role,
    /// The caller's device.
    pub by: &'a Device,
    /// JSON that the receiver is told of media.
    pub media: Option<String>,
    /// The frame's id.
    pub id: Option<&'a FrameId>,
    /// How long things last.
    pub times: &'a Times,
}

/// Where a frame goes.
pub struct OtherEnd {
    /// In which call.
    pub call: AppCall,
    /// From which user.
    pub from: String,
    /// To which device.
    pub to: Device,
}
