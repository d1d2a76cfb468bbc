use maskline::access::auth::Tokens;
use maskline::access::config::{ConfigError, Env};
use maskline::access::error::Error;
use maskline::domain::phone::{Country, PhoneNumber};
use maskline::domain::tag::{TagCode, TagSpec};
use maskline::domain::text;
use maskline::domain::time::Timestamp;
use maskline::lambda::http::{Request, Response};
use maskline::lambda::{Function, Start};
use maskline::ports::store::Table;
use maskline::ports::store::tags::{PutError, Stored, Tags};
use serde::Deserialize;

/// A call to one would ring Maskline itself, and anybody may read it.
const A_VIRTUAL_NUMBER: &str = "is a virtual number; it must be the owner's own";

pub struct TagPut {
    tokens: Tokens,
    tags: Tags,
    shared_number: PhoneNumber,
    default_country: Country,
    allowed_countries: Vec<Country>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    short_code: Option<String>,
    owner_id: String,
    owner_phone: String,
    label: String,
    virtual_number: Option<String>,
    enabled: bool,
}

impl Function for TagPut {
    const NAME: &'static str = "tag-put";

    fn init(start: &Start) -> Result<Self, ConfigError> {
        Ok(TagPut {
            tokens: Tokens::from_env(&start.env)?,
            tags: start.tags()?,
            shared_number: start.env.shared_number()?,
            default_country: start.env.default_country()?,
            allowed_countries: start.env.allowed_countries()?,
        })
    }

    fn prepare(env: &Env) -> Result<(), ConfigError> {
        env.prepare_phone_numbers()
    }

    fn first_table(&self) -> Table<'_> {
        self.tags.table()
    }

    async fn handle(&self, request: &Request) -> Result<Response, Error> {
        let identity = self.tokens.check(request.header("authorization")).await?;
        if !identity.admin {
            return Err(Error::Forbidden("only an admin may change tags"));
        }
        let spec = self.read(request)?;
        if self.tags.by_number(&spec.owner_phone).await?.is_some() {
            return Err(Error::field("ownerPhone", A_VIRTUAL_NUMBER));
        }
        match self.tags.put(spec, Timestamp::now()).await {
            Ok(Stored::Created(tag)) => Response::json(201, &tag.view()),
            Ok(Stored::Replaced(tag)) => Response::json(200, &tag.view()),
            Err(PutError::NumberTaken) => {
                Err(Error::Conflict("virtualNumber belongs to another tag"))
            }
            Err(PutError::Store(error)) => Err(error.into()),
        }
    }
}

impl TagPut {
    fn read(&self, request: &Request) -> Result<TagSpec, Error> {
        let code: TagCode = request.path_parameter("shortCode")?;
        let body: Body = request.json()?;
        if let Some(given) = &body.short_code
            && !given.eq_ignore_ascii_case(code.as_str())
        {
            return Err(Error::field("shortCode", "is another one in the path"));
        }
        let owner_phone = self.phone("ownerPhone", &body.owner_phone)?;
        let owner_country = owner_phone
            .check_diallable(&self.allowed_countries)
            .map_err(|problem| Error::DestinationNotAllowed {
                field: "ownerPhone",
                problem,
            })?;
        let virtual_number = body
            .virtual_number
            .map(|number| self.phone("virtualNumber", &number))
            .transpose()?;
        if owner_phone == self.shared_number || virtual_number.as_ref() == Some(&owner_phone) {
            return Err(Error::field("ownerPhone", A_VIRTUAL_NUMBER));
        }
        if virtual_number.as_ref() == Some(&self.shared_number) {
            let problem = "is the number that tags share; leave it out to share it";
            return Err(Error::field("virtualNumber", problem));
        }
        let owner_id = text("ownerId", &body.owner_id)?;
        let label = text("label", &body.label)?;
        for (field, seen) in [
            ("shortCode", code.as_str()),
            ("ownerId", &owner_id),
            ("label", &label),
        ] {
            if owner_phone.appears_in(seen) {
                let problem = "shows the owner's number; every visitor sees it";
                return Err(Error::field(field, problem));
            }
        }
        if PhoneNumber::from_e164(&owner_id).is_some() {
            let problem = "is a phone number; visitors' browsers see it";
            return Err(Error::field("ownerId", problem));
        }
        Ok(TagSpec {
            code,
            owner_id,
            owner_phone,
            owner_country,
            label,
            virtual_number,
            enabled: body.enabled,
        })
    }

    fn phone(&self, field: &'static str, typed: &str) -> Result<PhoneNumber, Error> {
        PhoneNumber::read(typed, self.default_country)
            .map_err(|problem| Error::InvalidPhone { field, problem })
    }
}

fn text(field: &str, given: &str) -> Result<String, Error> {
    text::read(given).map_err(|problem| Error::field(field, problem))
}
