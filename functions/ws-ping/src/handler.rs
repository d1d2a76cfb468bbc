use maskline::access::config::ConfigError;
use maskline::access::error::Error;

use maskline::domain::signaling::Sent;
use maskline::lambda::Start;
use maskline::lambda::http::Response;
use maskline::lambda::socket::{Message, SocketFunction};
use maskline::ports::delivery::{ApiGateway, Deliver};
use maskline::ports::store::Table;

/// No store: it is the most frequent frame of an idle device.
pub struct Ping {
    deliver: ApiGateway,
}

impl SocketFunction for Ping {
    const NAME: &'static str = "ws-ping";

    fn init(start: &Start) -> Result<Self, ConfigError> {
        let deliver = start.deliver()?;
        Ok(Ping { deliver })
    }

    fn first_table(&self) -> Table<'_> {
        Table::None
    }

    fn deliver(&self) -> Option<&ApiGateway> {
        Some(&self.deliver)
    }

    async fn handle(&self, message: &Message) -> Result<Response, Error> {
        let pong = Sent::pong().answering(message.id().as_ref());
        self.deliver.post(message.connection(), &pong).await;
        Ok(Response::no_content())
    }
}
