use maskline::access::auth::Tokens;
use maskline::access::config::ConfigError;
use maskline::access::error::Error;
use maskline::domain::call::HistoryEntry;
use maskline::domain::tag::TagCode;
use maskline::domain::time::Timestamp;
use maskline::lambda::http::{Request, Response};
use maskline::lambda::{Function, Start};
use maskline::ports::store::{Table, calls::Calls, tags::Tags};
use serde::Serialize;

const DEFAULT_LIMIT: u64 = 10;
const MAX_LIMIT: u64 = 100;

pub struct History {
    tokens: Tokens,
    tags: Tags,
    calls: Calls,
    retention_seconds: i64,
}

#[derive(Serialize)]
struct Answer<'a> {
    calls: Vec<HistoryEntry<'a>>,
    total: u64,
    page: u64,
    pages: u64,
}

impl Function for History {
    const NAME: &'static str = "history";
    const AT_ONCE: usize = 2;

    fn init(start: &Start) -> Result<Self, ConfigError> {
        Ok(History {
            tokens: Tokens::from_env(&start.env)?,
            tags: start.tags()?,
            calls: start.calls()?,
            retention_seconds: start.env.retention_seconds()?,
        })
    }

    fn first_table(&self) -> Table<'_> {
        self.tags.table()
    }

    async fn handle(&self, request: &Request) -> Result<Response, Error> {
        let identity = self.tokens.check(request.header("authorization")).await?;
        let code: TagCode = request.path_parameter("shortCode")?;
        let limit = request.query_number("limit", DEFAULT_LIMIT, 1..=MAX_LIMIT)?;
        let page = request.query_number("page", 1, 1..=u64::MAX)?;

        let tag = self.tags.by_code(&code).await?;
        let tag = tag.ok_or(Error::NotFound("tag"))?;
        if !identity.admin && identity.user_id != tag.owner_id {
            return Err(Error::Forbidden(
                "only the tag's owner may read its history",
            ));
        }

        let now = Timestamp::now();
        let found = self
            .calls
            .page(&tag.line, page, limit, self.retention_seconds, now)
            .await?;
        Response::json(
            200,
            &Answer {
                calls: found.calls.iter().map(|call| call.entry(now)).collect(),
                total: found.total,
                page,
                pages: found.total.div_ceil(limit),
            },
        )
    }
}
