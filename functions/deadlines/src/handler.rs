use maskline::access::config::ConfigError;
use maskline::access::error::Error;
use maskline::domain::time::Timestamp;
use maskline::lambda::Start;
use maskline::lambda::queue::QueueFunction;
use maskline::lambda::switchboard::Switchboard;
use maskline::ports::deadlines::{Deadlines as Queue, Question};
use maskline::ports::delivery::ApiGateway;
use maskline::ports::store::Table;

pub struct Deadlines {
    switchboard: Switchboard<ApiGateway, Queue>,
}

impl QueueFunction for Deadlines {
    const NAME: &'static str = "deadlines";

    fn init(start: &Start) -> Result<Self, ConfigError> {
        let switchboard = start.switchboard()?;
        Ok(Deadlines { switchboard })
    }

    fn first_table(&self) -> Table<'_> {
        self.switchboard.calls.table()
    }

    async fn handle(&self, body: &str) -> Result<(), Error> {
        let question: Question = serde_json::from_str(body)
            .map_err(|_| Error::BadRequest("not a question about a deadline".to_owned()))?;
        self.switchboard.asked(&question, Timestamp::now()).await
    }
}
