use maskline::access::config::ConfigError;
use maskline::access::error::Error;
use maskline::domain::signaling::Join;
use maskline::domain::time::Timestamp;
use maskline::lambda::Start;
use maskline::lambda::http::Response;
use maskline::lambda::socket::{Message, SocketFunction};
use maskline::lambda::switchboard::Switchboard;
use maskline::ports::deadlines::Deadlines;
use maskline::ports::delivery::ApiGateway;
use maskline::ports::store::Table;

pub struct JoinRoute {
    switchboard: Switchboard<ApiGateway, Deadlines>,
}

impl SocketFunction for JoinRoute {
    const NAME: &'static str = "ws-join";

    fn init(start: &Start) -> Result<Self, ConfigError> {
        let switchboard = start.switchboard()?;
        Ok(JoinRoute { switchboard })
    }

    fn first_table(&self) -> Table<'_> {
        self.switchboard.connections.table()
    }

    fn deliver(&self) -> Option<&ApiGateway> {
        Some(&self.switchboard.deliver)
    }

    async fn handle(&self, message: &Message) -> Result<Response, Error> {
        let frame = message.frame::<Join>()?;
        let device = self.switchboard.device(message.connection()).await?;
        if frame.data.user_id != device.user {
            return Err(Error::Forbidden("data.userId is not your own"));
        }
        let (holds, id) = (frame.data.call_id.as_deref(), frame.id.as_ref());
        self.switchboard
            .join(&device, holds, id, Timestamp::now())
            .await?;
        Ok(Response::no_content())
    }
}
