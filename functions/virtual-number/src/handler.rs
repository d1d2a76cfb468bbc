use maskline::access::config::ConfigError;
use maskline::access::error::Error;
use maskline::domain::phone::PhoneNumber;
use maskline::domain::tag::{InvalidTagCode, TagCode};
use maskline::lambda::http::{Request, Response};
use maskline::lambda::{Function, Start};
use maskline::ports::store::{Table, tags::Tags};
use serde::Serialize;

pub struct VirtualNumber {
    tags: Tags,
    shared_number: PhoneNumber,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    virtual_number: &'a str,
    message: String,
}

impl Function for VirtualNumber {
    const NAME: &'static str = "virtual-number";

    fn init(start: &Start) -> Result<Self, ConfigError> {
        Ok(VirtualNumber {
            tags: start.tags()?,
            shared_number: start.env.shared_number()?,
        })
    }

    fn first_table(&self) -> Table<'_> {
        self.tags.table()
    }

    async fn handle(&self, request: &Request) -> Result<Response, Error> {
        let Some(code) = request.query("tag") else {
            let message = "Call this number and key in the six-digit extension of the tag.";
            return self.answer(&self.shared_number, message.to_owned());
        };
        let code: TagCode = code
            .parse()
            .map_err(|error: InvalidTagCode| Error::field("tag", error))?;
        // A disabled tag looks like one that does not exist.
        let tag = self.tags.by_code(&code).await?.filter(|tag| tag.enabled);
        let tag = tag.ok_or(Error::NotFound("tag"))?;
        match &tag.virtual_number {
            Some(own) => self.answer(own, "Call this number to reach the owner.".to_owned()),
            None => {
                let extension = tag.extension.as_str();
                let message = format!("Call this number and key in {extension} when asked.");
                self.answer(&self.shared_number, message)
            }
        }
    }
}

impl VirtualNumber {
    fn answer(&self, number: &PhoneNumber, message: String) -> Result<Response, Error> {
        // A virtual number is public: it is printed on stickers.
        Response::json(
            200,
            &Answer {
                virtual_number: number.expose(),
                message,
            },
        )
    }
}
