use maskline::access::config::ConfigError;
use maskline::access::error::Error;
use maskline::domain::app_call::Act;
use maskline::domain::signaling::CallRef;
use maskline::domain::time::Timestamp;
use maskline::lambda::Start;
use maskline::lambda::http::Response;
use maskline::lambda::socket::{Message, SocketFunction};
use maskline::lambda::switchboard::Switchboard;
use maskline::ports::deadlines::Deadlines;
use maskline::ports::delivery::ApiGateway;
use maskline::ports::store::Table;

pub struct EndRoute {
    switchboard: Switchboard<ApiGateway, Deadlines>,
}

impl SocketFunction for EndRoute {
    const NAME: &'static str = "ws-call-end";
    const AT_ONCE: usize = 2;

    fn init(start: &Start) -> Result<Self, ConfigError> {
        let switchboard = start.switchboard()?;
        Ok(EndRoute { switchboard })
    }

    fn first_table(&self) -> Table<'_> {
        self.switchboard.connections.table()
    }

    fn deliver(&self) -> Option<&ApiGateway> {
        Some(&self.switchboard.deliver)
    }

    async fn handle(&self, message: &Message) -> Result<Response, Error> {
        let frame = message.frame::<CallRef>()?;
        let board = &self.switchboard;
        let asked = board.holder_and_call(message.connection(), &frame.data);
        let (device, call) = asked.await?;
        let act = Act::Hangup;
        let (id, now) = (frame.id.as_ref(), Timestamp::now());
        board.act(call, act, &device, id, now).await?;
        Ok(Response::no_content())
    }
}
