use maskline::access::auth::TokenError;
use maskline::access::config::ConfigError;
use maskline::access::error::Error;
use maskline::access::visitor::{Caller, CallerTokens};
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
    tokens: CallerTokens,
    connections: Connections,
    origins: Vec<String>,
}

impl SocketFunction for Connect {
    const NAME: &'static str = "ws-connect";

    fn init(start: &Start) -> Result<Self, ConfigError> {
        Ok(Connect {
            tokens: CallerTokens::from_env(&start.env)?,
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
        let (token, subprotocol) = token(message).ok_or(TokenError::Missing)?;
        let caller = self.tokens.check_token(token).await?;
        // A visitor's page is ours, and comes from wherever this deployment is reached. No
        // other page can have the token: it is the answer to a request that browsers let
        // only our own page read, and those in CORS_ORIGINS.
        if matches!(caller, Caller::User(_)) {
            self.check_origin(message)?;
        }
        let device = Device {
            user: caller.into_id(),
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
    /// page from it. Apps say nothing, or, as those in React Native do, the socket's own
    /// address, where no page is.
    fn check_origin(&self, message: &Message) -> Result<(), Error> {
        let Some(origin) = message.header("origin") else {
            return Ok(());
        };
        let same = |one: &str| one.eq_ignore_ascii_case(origin);
        let own = message.header("host").is_some_and(|host| {
            same(&format!("https://{host}")) || same(&format!("http://{host}"))
        });
        match own || self.origins.iter().any(|one| same(one)) {
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
