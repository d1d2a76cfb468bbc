use maskline::access::auth::Tokens;
use maskline::access::config::ConfigError;
use maskline::access::error::Error;
use maskline::domain::tag::TagCode;
use maskline::lambda::http::{Request, Response};
use maskline::lambda::{Function, Start};
use maskline::ports::store::{Table, tags::Tags};

pub struct TagGet {
    tokens: Tokens,
    tags: Tags,
}

impl Function for TagGet {
    const NAME: &'static str = "tag-get";

    fn init(start: &Start) -> Result<Self, ConfigError> {
        Ok(TagGet {
            tokens: Tokens::from_env(&start.env)?,
            tags: start.tags()?,
        })
    }

    fn first_table(&self) -> Table<'_> {
        self.tags.table()
    }

    async fn handle(&self, request: &Request) -> Result<Response, Error> {
        let identity = self.tokens.check(request.header("authorization")).await?;
        let code: TagCode = request.path_parameter("shortCode")?;
        let tag = self.tags.by_code(&code).await?;
        let tag = tag.ok_or(Error::NotFound("tag"))?;
        if !identity.admin && identity.user_id != tag.owner_id {
            return Err(Error::Forbidden("only the tag's owner may read it"));
        }
        Response::json(200, &tag.view())
    }
}
