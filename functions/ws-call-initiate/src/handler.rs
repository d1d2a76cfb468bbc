use maskline::access::config::ConfigError;
use maskline::access::error::Error;
use maskline::domain::app_call::{AppCall, Times};
use maskline::domain::booking::Role;
use maskline::domain::signaling::Initiate as Frame;
use maskline::domain::time::Timestamp;
use maskline::domain::visit;
use maskline::lambda::http::Response;
use maskline::lambda::socket::{Message, SocketFunction};
use maskline::lambda::switchboard::{Initiate, Switchboard};
use maskline::lambda::{Start, app_call_times};
use maskline::ports::deadlines::Deadlines;
use maskline::ports::delivery::ApiGateway;
use maskline::ports::push::{IncomingCall, Push};
use maskline::ports::store::Table;
use maskline::ports::store::bookings::Bookings;
use maskline::ports::store::tags::Tags;
use tokio::join;

/// The most that `media` may hold, bytes of JSON.
const MAX_MEDIA: usize = 200;

pub struct InitiateRoute {
    switchboard: Switchboard<ApiGateway, Deadlines>,
    bookings: Bookings,
    tags: Tags,
    push: Option<Push>,
    times: Times,
}

impl SocketFunction for InitiateRoute {
    const NAME: &'static str = "ws-call-initiate";
    const AT_ONCE: usize = 3;

    fn init(start: &Start) -> Result<Self, ConfigError> {
        Ok(InitiateRoute {
            switchboard: start.switchboard()?,
            bookings: start.bookings()?,
            tags: start.tags()?,
            push: start.env.push()?,
            times: app_call_times(&start.env)?,
        })
    }

    fn first_table(&self) -> Table<'_> {
        self.switchboard.connections.table()
    }

    fn deliver(&self) -> Option<&ApiGateway> {
        Some(&self.switchboard.deliver)
    }

    fn queue(&self) -> Option<&Deadlines> {
        Some(&self.switchboard.queue)
    }

    async fn handle(&self, message: &Message) -> Result<Response, Error> {
        let now = Timestamp::now();
        let frame = message.frame::<Frame>()?;
        let media = frame.data.media.map(|media| media.to_string());
        if media.as_ref().is_some_and(|media| media.len() > MAX_MEDIA) {
            let problem = format_args!("must be at most {MAX_MEDIA} bytes of JSON");
            return Err(Error::field("data.media", problem));
        }
        let (by, booking) = join!(
            self.switchboard.device(message.connection()),
            self.bookings.get(&frame.data.booking_id, now)
        );
        // Who is not known is told nothing of bookings.
        let by = by?;
        let booking = booking?.ok_or(Error::NotFound("booking"))?;
        let caller = booking.role_of(&by.user);
        let caller = caller.ok_or(Error::Forbidden("you are not a party of this booking"))?;
        if let Some(why) = booking.closed(now) {
            return Err(Error::Conflict(why));
        }
        if let (Some(code), Role::User) = (&booking.tag, caller) {
            let tag = self.tags.by_code(code).await?;
            let stands = tag.is_some_and(|tag| visit::stands(&booking, &tag));
            stands.then_some(()).ok_or(Error::NotFound("tag"))?;
        }
        let ask = Initiate {
            booking: &booking,
            caller,
            by: &by,
            media,
            id: frame.id.as_ref(),
            times: &self.times,
        };
        let wake = async |call: &AppCall| self.wake(call, now).await;
        self.switchboard.initiate(ask, wake, now).await?;
        Ok(Response::no_content())
    }
}

impl InitiateRoute {
    /// Has the host application wake the receiver, where it takes that on.
    async fn wake(&self, call: &AppCall, now: Timestamp) -> bool {
        let Some(push) = &self.push else {
            return false;
        };
        let (call_id, booking_id) = (call.id().to_string(), call.booking.to_string());
        let incoming = IncomingCall {
            call_id: &call_id,
            booking_id: &booking_id,
            user_id: &call.receiver.user,
            caller_name: &call.caller.name,
            expires_at: call.ring_until,
        };
        let woken = push.wake(&incoming, now).await;
        if let Err(error) = &woken {
            tracing::warn!(%error, "the push hook failed; the receiver was not woken");
        }
        woken.is_ok()
    }
}
