use maskline::access::config::{ConfigError, Env};
use maskline::access::error::Error;
use maskline::domain::phone::{Country, PhoneNumber};
use maskline::domain::tag::TagCode;
use maskline::lambda::http::{Request, Response};
use maskline::lambda::{Function, Start};
use maskline::ports::store::{Table, tags::Tags};

use crate::{page, script};

const NOT_FOUND: Error = Error::NotFound("tag");

pub struct TagPage {
    tags: Tags,
    shared_number: PhoneNumber,
    allowed_countries: Vec<Country>,
    policy: String,
}

impl Function for TagPage {
    const NAME: &'static str = "tag-page";

    fn init(start: &Start) -> Result<Self, ConfigError> {
        let sockets = start.env.socket_url()?.origin().ascii_serialization();
        Ok(TagPage {
            policy: page::calling_policy(&sockets),
            tags: start.tags()?,
            shared_number: start.env.shared_number()?,
            allowed_countries: start.env.allowed_countries()?,
        })
    }

    fn prepare(_: &Env) -> Result<(), ConfigError> {
        script::name();
        Ok(())
    }

    fn first_table(&self) -> Table<'_> {
        self.tags.table()
    }

    async fn handle(&self, request: &Request) -> Result<Response, Error> {
        if let Some(file) = request.optional_path_parameter("file") {
            return Ok(match file == script::name() {
                true => script::answer(request),
                false => Response::error(&Error::NotFound("file")),
            });
        }
        // A code that is none, an unknown one and a disabled tag all look the same.
        let code: TagCode = request.path_parameter("shortCode").map_err(|_| NOT_FOUND)?;
        let tag = self.tags.by_code(&code).await?;
        let tag = tag.filter(|tag| tag.reachable(&self.allowed_countries));
        let tag = tag.ok_or(NOT_FOUND)?;
        let body = page::call(&tag, &self.shared_number);
        let page = Response::html(200, self.policy.clone(), body);
        Ok(page.permitting("microphone=(self), camera=(), geolocation=()"))
    }

    fn refuse(&self, error: &Error) -> Response {
        let (status, _) = error.status();
        let body = match error {
            Error::NotFound(_) => page::not_found(),
            error if error.is_internal() => page::unavailable(),
            // A body that no browser sends with a GET.
            error => return Response::error(error),
        };
        Response::html(status, page::policy(), body)
    }
}
