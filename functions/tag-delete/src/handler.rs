use maskline::access::auth::Tokens;
use maskline::access::config::ConfigError;
use maskline::access::error::Error;
use maskline::domain::tag::TagCode;
use maskline::lambda::http::{Request, Response};
use maskline::lambda::{Function, Start};
use maskline::ports::store::{Table, tags::Tags};

pub struct TagDelete {
    tokens: Tokens,
    tags: Tags,
}

impl Function for TagDelete {
    const NAME: &'static str = "tag-delete";

    fn init(start: &Start) -> Result<Self, ConfigError> {
        Ok(TagDelete {
            tokens: Tokens::from_env(&start.env)?,
            tags: start.tags()?,
        })
    }

    fn first_table(&self) -> Table<'_> {
        self.tags.table()
    }

    async fn handle(&self, request: &Request) -> Result<Response, Error> {
        let identity = self.tokens.check(request.header("authorization")).await?;
        if !identity.admin {
            return Err(Error::Forbidden("only an admin may delete tags"));
        }
        let code: TagCode = request.path_parameter("shortCode")?;
        if self.tags.delete(&code).await? {
            Ok(Response::no_content())
        } else {
            Err(Error::NotFound("tag"))
        }
    }
}
