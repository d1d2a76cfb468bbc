use maskline::access::config::ConfigError;
use maskline::access::error::Error;
use maskline::domain::ice;
use maskline::domain::ice_servers::IcePolicy;
use maskline::domain::signaling::{Relayed, Sent, Signal};
use maskline::domain::time::Timestamp;
use maskline::lambda::Start;
use maskline::lambda::http::Response;
use maskline::lambda::socket::{Message, SocketFunction};
use maskline::lambda::switchboard::Switchboard;
use maskline::ports::deadlines::Deadlines;
use maskline::ports::delivery::ApiGateway;
use maskline::ports::store::Table;

pub struct Relay {
    switchboard: Switchboard<ApiGateway, Deadlines>,
    policy: IcePolicy,
}

impl SocketFunction for Relay {
    const NAME: &'static str = "ws-relay";

    fn init(start: &Start) -> Result<Self, ConfigError> {
        Ok(Relay {
            switchboard: start.switchboard()?,
            policy: start.env.ice_policy()?,
        })
    }

    fn first_table(&self) -> Table<'_> {
        self.switchboard.calls.table()
    }

    fn deliver(&self) -> Option<&ApiGateway> {
        Some(&self.switchboard.deliver)
    }

    async fn handle(&self, message: &Message) -> Result<Response, Error> {
        let now = Timestamp::now();
        let Relayed {
            call,
            offer,
            answer,
            candidate,
        } = message.frame()?.data;
        let (signal, value) = match message.route() {
            "callOffer" => (Signal::Offer, offer),
            "callAnswer" => (Signal::Answer, answer),
            _ => (Signal::IceCandidate, candidate),
        };
        let wrong = |problem| Error::field(&format!("data.{}", signal.field()), problem);
        let value = value.ok_or_else(|| wrong("is missing"))?;
        let board = &self.switchboard;
        let end = board.other_end(&call, message.connection(), now).await?;
        // What is not a relay's address reaches nobody, whatever a client was told.
        let passed = match (self.policy, signal) {
            (IcePolicy::All, _) => Some(value),
            (IcePolicy::Relay, Signal::IceCandidate) => ice::relay_candidate(&value),
            (IcePolicy::Relay, Signal::Offer | Signal::Answer) => {
                let description = ice::relay_description(&value);
                Some(description.ok_or_else(|| wrong("is no session description"))?)
            }
        };
        if let Some(value) = passed {
            let frame = Sent::relayed(&end.call, signal, value, &end.from, &end.to.user);
            board.relay(&end, &frame, now).await;
        }
        Ok(Response::no_content())
    }
}
