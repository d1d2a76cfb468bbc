use maskline::access::config::ConfigError;
use maskline::access::error::Error;
use maskline::domain::time::Timestamp;
use maskline::lambda::Start;
use maskline::lambda::http::Response;
use maskline::lambda::socket::{Message, SocketFunction};
use maskline::lambda::switchboard::Switchboard;
use maskline::ports::deadlines::Deadlines;
use maskline::ports::delivery::ApiGateway;
use maskline::ports::store::Table;

pub struct Disconnect {
    switchboard: Switchboard<ApiGateway, Deadlines>,
}

impl SocketFunction for Disconnect {
    const NAME: &'static str = "ws-disconnect";

    fn init(start: &Start) -> Result<Self, ConfigError> {
        let switchboard = start.switchboard()?;
        Ok(Disconnect { switchboard })
    }

    fn first_table(&self) -> Table<'_> {
        self.switchboard.connections.table()
    }

    fn deliver(&self) -> Option<&ApiGateway> {
        Some(&self.switchboard.deliver)
    }

    async fn handle(&self, message: &Message) -> Result<Response, Error> {
        let now = Timestamp::now();
        self.switchboard
            .disconnected(message.connection(), now)
            .await?;
        Ok(Response::no_content())
    }
}
