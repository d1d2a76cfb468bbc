use maskline::access::config::ConfigError;
use maskline::access::error::Error;
use maskline::access::visitor::VisitorTokens;
use maskline::domain::app_call::Times;
use maskline::domain::booking::Role;
use maskline::domain::limit::{Deed, Limit, Subject};
use maskline::domain::phone::Country;
use maskline::domain::tag::TagCode;
use maskline::domain::time::{self, Timestamp, add_seconds};
use maskline::domain::visit;
use maskline::lambda::http::{Request, Response};
use maskline::lambda::{Function, Start, app_call_times, limits};
use maskline::ports::store::Table;
use maskline::ports::store::bookings::Bookings;
use maskline::ports::store::rate_limits::RateLimits;
use maskline::ports::store::tags::Tags;
use serde::Serialize;

pub struct Visit {
    tags: Tags,
    bookings: Bookings,
    rate_limits: RateLimits,
    per_ip: Limit,
    per_tag: Limit,
    allowed_countries: Vec<Country>,
    tokens: VisitorTokens,
    times: Times,
    socket_url: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    token: &'a str,
    user_id: &'a str,
    booking_id: &'a str,
    label: &'a str,
    socket_url: &'a str,
    /// Until when a call may begin.
    #[serde(with = "time::text")]
    expires_at: Timestamp,
}

impl Function for Visit {
    const NAME: &'static str = "visit";

    fn init(start: &Start) -> Result<Self, ConfigError> {
        let env = &start.env;
        Ok(Visit {
            tags: start.tags()?,
            bookings: start.bookings()?,
            rate_limits: start.rate_limits()?,
            per_ip: env.limit("LIMIT_INITIATE_PER_IP")?,
            per_tag: env.limit("LIMIT_INITIATE_PER_TAG")?,
            allowed_countries: env.allowed_countries()?,
            tokens: VisitorTokens::from_env(env)?,
            times: app_call_times(env)?,
            socket_url: env.socket_url()?.into(),
        })
    }

    fn first_table(&self) -> Table<'_> {
        self.tags.table()
    }

    async fn handle(&self, request: &Request) -> Result<Response, Error> {
        let now = Timestamp::now();
        let code: TagCode = request.path_parameter("shortCode")?;
        let tag = self.tags.by_code(&code).await?;
        let tag = tag
            .filter(|tag| tag.reachable(&self.allowed_countries))
            .ok_or(Error::NotFound("tag"))?;
        let limits = [
            (Subject::Ip(request.source_ip()), self.per_ip),
            (Subject::Line(&tag.line), self.per_tag),
        ];
        limits::count(&self.rate_limits, Deed::Visit, &limits, now).await?;

        let visit = visit::open(&tag, random()?, self.times.retention, now);
        self.bookings.add(&visit).await?;
        let begins_by = add_seconds(now, visit::OPEN_SECONDS);
        // The last call may ring and run for its longest, and its socket be lost at the end.
        let longest_call = i64::from(self.times.ring) + i64::from(self.times.talk);
        let expires = add_seconds(begins_by, longest_call);
        let token = self.tokens.issue(&visit.user_id, expires)?;
        let answer = Answer {
            token: token.expose(),
            user_id: &visit.user_id,
            booking_id: visit.id.as_str(),
            label: visit.name_of(Role::Provider),
            socket_url: &self.socket_url,
            expires_at: begins_by,
        };
        Response::json(201, &answer)
    }
}

fn random() -> Result<u128, Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|_| Error::Unavailable("randomness".to_owned()))?;
    Ok(u128::from_be_bytes(bytes))
}
