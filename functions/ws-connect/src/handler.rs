use maskline::access::config::ConfigError;
use maskline::access::error::Error;

use maskline::access::auth::{TokenError, Tokens};
use maskline::domain::app_call::Device;
use maskline::domain::time::Timestamp;
use maskline::lambda::Start;
use maskline::lambda::http::Response;
use maskline::lambda::socket::{Message, SocketFunction};
use maskline::ports::delivery::ApiGateway;
use maskline::ports::store::Table;
use maskline::ports::store::connections::Connections;

/// The subprotocol that comes with a token: `maskline, JWT`.
const SUBPROTOCOL: &str = "maskline";

pub struct Connect {
    tokens: Tokens,
    connections: Connections,
    origins: Vec<String>,
}

impl SocketFunction for Connect {
    const NAME: &'static str = "ws-connect";

    fn init(start: &Start) -> Result<Self, ConfigError> {
        Ok(Connect {
            tokens: Tokens::from_env(&start.env)?,
            connections: start.connections()?,
            origins: start.env.cors_origins(),
        })
    }

    fn first_table(&self) -> Table<'_> {
        self.connections.table()
    }

    fn deliver(&self) -> Option<&ApiGateway> {
        None
    }

    async fn handle(&self, message: &Message) -> Result<Response, Error> {
        self.check_origin(message)?;
        let (token, subprotocol) = token(message).ok_or(TokenError::Missing)?;
        let identity = self.tokens.check_token(token).await?;
        let device = Device {
            user: identity.user_id,
            connection: message.connection().to_owned(),
        };
        self.connections.add(&device, Timestamp::now()).await?;
        Ok(Response::connected(subprotocol))
    }

    /// The handshake's own answer: there is no connection to post to.
    async fn refuse(&self, _: &Message, error: &Error) -> Response {
        Response::error(error)
    }
}

impl Connect {
    /// Browsers say whose page opens a socket, and no rule of theirs keeps a foreign
    /// page from it. Apps say nothing.
    fn check_origin(&self, message: &Message) -> Result<(), Error> {
        let Some(origin) = message.header("origin") else {
            return Ok(());
        };
        let allowed = |one: &String| one == "*" || one.eq_ignore_ascii_case(origin);
        match self.origins.iter().any(allowed) {
            true => Ok(()),
            false => Err(Error::Forbidden("this web origin may not open sockets")),
        }
    }
}

/// The token, and the subprotocol that it came with: a URL may end up in logs, a
/// subprotocol does not.
fn token(message: &Message) -> Option<(&str, Option<&'static str>)> {
    if let Some(token) = message.query("token") {
        return Some((token, None));
    }
    let mut offered = message.header("sec-websocket-protocol")?.split(',');
    let named = offered.next()?.trim() == SUBPROTOCOL;
    let token = offered.next()?.trim();
    named.then_some((token, Some(SUBPROTOCOL)))
}
