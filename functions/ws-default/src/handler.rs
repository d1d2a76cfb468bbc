use maskline::access::config::ConfigError;
use maskline::access::error::Error;

use maskline::lambda::Start;
use maskline::lambda::http::Response;
use maskline::lambda::socket::{Message, SocketFunction};
use maskline::ports::delivery::ApiGateway;
use maskline::ports::store::Table;

pub struct Default {
    deliver: ApiGateway,
}

impl SocketFunction for Default {
    const NAME: &'static str = "ws-default";

    fn init(start: &Start) -> Result<Self, ConfigError> {
        let deliver = start.deliver()?;
        Ok(Default { deliver })
    }

    fn first_table(&self) -> Table<'_> {
        Table::None
    }

    fn deliver(&self) -> Option<&ApiGateway> {
        Some(&self.deliver)
    }

    async fn handle(&self, message: &Message) -> Result<Response, Error> {
        Err(Error::BadRequest(if message.is_json_object() {
            "action is missing, or there is no such action".to_owned()
        } else {
            "a frame is a JSON object with an action".to_owned()
        }))
    }
}
