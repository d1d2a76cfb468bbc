use maskline::access::config::ConfigError;
use maskline::access::error::Error;
use maskline::access::visitor::CallerTokens;
use maskline::domain::ice_servers::IceServers;
use maskline::domain::time::Timestamp;
use maskline::lambda::http::{Request, Response};
use maskline::lambda::{Function, Start};
use maskline::ports::store::Table;

pub struct IceServersGet {
    tokens: CallerTokens,
    servers: IceServers,
}

impl Function for IceServersGet {
    const NAME: &'static str = "ice-servers";

    fn init(start: &Start) -> Result<Self, ConfigError> {
        Ok(IceServersGet {
            tokens: CallerTokens::from_env(&start.env)?,
            servers: start.env.ice_servers()?,
        })
    }

    fn first_table(&self) -> Table<'_> {
        Table::None
    }

    async fn handle(&self, request: &Request) -> Result<Response, Error> {
        let caller = self.tokens.check(request.header("authorization")).await?;
        let configuration = self.servers.for_user(&caller.into_id(), Timestamp::now());
        Response::success(200, &configuration)
    }
}
