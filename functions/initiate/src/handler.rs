use maskline::access::config::{ConfigError, Env};
use maskline::access::error::Error;
use maskline::access::metrics::{self, Kind, Metric};
use maskline::domain::call::{CallId, End, EndStatus, NewCall, Origin, Report, Status, Visitor};
use maskline::domain::limit::{Deed, Limit, Subject};
use maskline::domain::phone::{Country, PhoneNumber};
use maskline::domain::tag::{Tag, TagCode};
use maskline::domain::time::{Timestamp, add_seconds};
use maskline::lambda::http::{Request, Response};
use maskline::lambda::{CallTimes, Function, Start, limits, reports};
use maskline::ports::carrier::twilio::Twilio;
use maskline::ports::carrier::{Carrier, CarrierError, Ring};
use maskline::ports::store::Table;
use maskline::ports::store::calls::{Calls, Created, LookBack, Recorded};
use maskline::ports::store::rate_limits::RateLimits;
use maskline::ports::store::tags::Tags;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::try_join;

/// The most that metadata may hold, bytes as JSON.
const MAX_METADATA: usize = 512;
/// The longest idempotency key, bytes.
const MAX_KEY: usize = 255;

pub struct Initiate {
    carrier: Twilio,
    tags: Tags,
    calls: Calls,
    rate_limits: RateLimits,
    per_ip: Limit,
    per_visitor: Limit,
    per_tag: Limit,
    shared_number: PhoneNumber,
    default_country: Country,
    allowed_countries: Vec<Country>,
    connect_url: String,
    status_url: String,
    times: CallTimes,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    visitor_phone: String,
    metadata: Option<Map<String, Value>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    message: &'static str,
    call_sid: &'a str,
    virtual_number: &'a str,
    status: &'static str,
    virtual_call_id: String,
}

/// How long everything before the carrier is asked may take. The carrier may take six
/// seconds, writing down how it went two and a half, the request eleven in all.
const ASK_WITHIN_SECONDS: i64 = 2;

/// A request that is in order.
struct Asked {
    code: TagCode,
    visitor: PhoneNumber,
    metadata: Map<String, Value>,
    origin: Origin,
    /// Whether the request may be a repetition.
    keyed: bool,
}

impl Function for Initiate {
    const NAME: &'static str = "initiate";
    const AT_ONCE: usize = 2;

    fn init(start: &Start) -> Result<Self, ConfigError> {
        let env = &start.env;
        let carrier = env.twilio()?;
        carrier.prepare();
        Ok(Initiate {
            carrier,
            tags: start.tags()?,
            calls: start.calls()?,
            rate_limits: start.rate_limits()?,
            per_ip: env.limit("LIMIT_INITIATE_PER_IP")?,
            per_visitor: env.limit("LIMIT_INITIATE_PER_VISITOR")?,
            per_tag: env.limit("LIMIT_INITIATE_PER_TAG")?,
            shared_number: env.shared_number()?,
            default_country: env.default_country()?,
            allowed_countries: env.allowed_countries()?,
            connect_url: env.webhook_url("CONNECT_URL")?,
            status_url: env.webhook_url("STATUS_URL")?,
            times: CallTimes::from_env(env)?,
        })
    }

    fn prepare(env: &Env) -> Result<(), ConfigError> {
        env.prepare_phone_numbers()
    }

    fn first_table(&self) -> Table<'_> {
        self.rate_limits.table()
    }

    async fn handle(&self, request: &Request) -> Result<Response, Error> {
        let now = Timestamp::now();
        let latest = add_seconds(now, ASK_WITHIN_SECONDS);
        let asked = self.read(request)?;
        let (tag, virtual_number) = try_join!(
            self.tags.by_code(&asked.code),
            self.tags.by_number(&asked.visitor)
        )?;
        let tag = tag
            .filter(|tag| tag.reachable(&self.allowed_countries))
            .ok_or(Error::NotFound("tag"))?;
        // Ringing a virtual number would ring Maskline itself, or another tag's owner.
        if asked.visitor == self.shared_number || virtual_number.is_some() {
            let problem = "is a virtual number; give your own";
            return Err(Error::field("visitorPhone", problem));
        }
        let call = self.new_call(&tag, &asked, now);
        let place = match self.admit(request, &tag, &asked, &call).await? {
            LookBack::Free(place) => place,
            LookBack::Known(Created::Before(id) | Created::Now(id)) => {
                return self.repeated(&id, now).await;
            }
        };

        // The record first: it is finished whatever happens to this process, and
        // callbacks that overtake the carrier's answer find their call.
        match self
            .calls
            .create_after(place, &tag.line, call.clone())
            .await?
        {
            Created::Before(id) => self.repeated(&id, now).await,
            // So late, the carrier's answer could not be waited for, and nobody would
            // know whether a telephone rings.
            Created::Now(id) if Timestamp::now() > latest => {
                self.failed(&id).await;
                if asked.keyed {
                    self.forget_request(&id).await;
                }
                Err(Error::Unavailable(
                    "no time left to ask the carrier".to_owned(),
                ))
            }
            Created::Now(id) => {
                metrics::count(Metric::CallStarted(Kind::Phone));
                self.ring(&id, asked, call.virtual_number).await
            }
        }
    }
}

impl Initiate {
    fn read(&self, request: &Request) -> Result<Asked, Error> {
        let code = request.path_parameter("shortCode")?;
        let body: Body = request.json()?;
        let field = "visitorPhone";
        let visitor = PhoneNumber::read(&body.visitor_phone, self.default_country)
            .map_err(|problem| Error::InvalidPhone { field, problem })?;
        visitor
            .check_diallable(&self.allowed_countries)
            .map_err(|problem| Error::DestinationNotAllowed { field, problem })?;
        let metadata = body.metadata.unwrap_or_default();
        let text = serde_json::to_string(&metadata).unwrap_or_default();
        if text.len() > MAX_METADATA {
            let problem = format_args!("must be at most {MAX_METADATA} bytes of JSON");
            return Err(Error::field("metadata", problem));
        }
        if visitor.appears_in(&text) {
            let problem = "shows the visitor's number; the owner sees it";
            return Err(Error::field("metadata", problem));
        }
        let key = request.header("idempotency-key");
        if key.is_some_and(|key| key.is_empty() || key.len() > MAX_KEY) {
            let problem = format_args!("must be 1 to {MAX_KEY} bytes");
            return Err(Error::field("Idempotency-Key", problem));
        }
        let origin = match key {
            Some(key) => Origin::key(&self.rate_limits.fingerprint(key), random()?),
            None => Origin::once(random()?),
        };
        let keyed = key.is_some();
        Ok(Asked {
            code,
            visitor,
            metadata,
            origin,
            keyed,
        })
    }

    /// Counts the request, unless it repeats one, and finds its call's place.
    async fn admit(
        &self,
        request: &Request,
        tag: &Tag,
        asked: &Asked,
        call: &NewCall,
    ) -> Result<LookBack, Error> {
        let limits = [
            (Subject::Ip(request.source_ip()), self.per_ip),
            (Subject::Number(&asked.visitor), self.per_visitor),
            (Subject::Line(&tag.line), self.per_tag),
        ];
        let counting = limits::count(&self.rate_limits, Deed::Initiate, &limits, call.created_at);
        let looking = self.calls.look_back(&tag.line, call, asked.keyed);
        if !asked.keyed {
            let (looked, ()) = try_join!(async { Ok(looking.await?) }, counting)?;
            return Ok(looked);
        }
        let looked = looking.await?;
        if matches!(looked, LookBack::Free(_)) {
            counting.await?;
        }
        Ok(looked)
    }

    fn new_call(&self, tag: &Tag, asked: &Asked, now: Timestamp) -> NewCall {
        let own_number = tag.virtual_number.clone();
        NewCall {
            tag: tag.code.clone(),
            owner_phone: tag.owner_phone.clone(),
            visitor: Visitor::Number(asked.visitor.clone()),
            virtual_number: own_number.unwrap_or_else(|| self.shared_number.clone()),
            origin: asked.origin.clone(),
            twilio_call_sid: None,
            metadata: asked.metadata.clone(),
            created_at: now,
            lapses_at: self.times.lapse(now),
            expires_at: add_seconds(now, self.times.retention_seconds).as_second(),
        }
    }

    /// Has the carrier ring, once. Whatever it answers, the record says how it went.
    async fn ring(
        &self,
        id: &CallId,
        asked: Asked,
        virtual_number: PhoneNumber,
    ) -> Result<Response, Error> {
        let ring = Ring {
            visitor: asked.visitor,
            caller_id: virtual_number.clone(),
            connect_url: format!("{}?call={id}", self.connect_url),
            status_url: format!("{}?call={id}&leg=visitor", self.status_url),
            ring_timeout: self.times.ring_timeout,
        };
        let sid = match reports::asked(self.carrier.ring(&ring)).await {
            Ok(sid) => sid,
            Err(error) => {
                self.failed(id).await;
                // Nobody was rung: the client may ask again under the same key.
                if asked.keyed && !matches!(error, CarrierError::Ambiguous(_)) {
                    self.forget_request(id).await;
                }
                return Err(refused(&error));
            }
        };
        // The telephone rings already: connect notes the id where this fails.
        if let Err(error) = self.calls.note_sid(id, &sid).await {
            tracing::error!(%error, "the carrier's id of a call was not noted");
        }
        answer(id, &sid, &virtual_number)
    }

    /// Ends the record. Where this fails, too, it lapses.
    async fn failed(&self, id: &CallId) {
        let now = Timestamp::now();
        let failed = Report::VisitorEnd(End::ours(EndStatus::Failed, now));
        match self.calls.record(id, failed, None, now).await {
            Ok(Recorded::News(call)) => reports::count_news(&call, failed, now),
            Ok(Recorded::Nothing(_) | Recorded::NoSuchCall) => {}
            Err(error) => {
                tracing::error!(%error, "a call that was not placed was not recorded as failed");
            }
        }
    }

    async fn forget_request(&self, id: &CallId) {
        let forgotten = match random() {
            Ok(random) => {
                let origin = Origin::once(random);
                let forgotten = self.calls.forget_request(id, &origin).await;
                forgotten.map_err(Error::from)
            }
            Err(error) => Err(error),
        };
        if let Err(error) = forgotten {
            tracing::error!(%error, "an Idempotency-Key stays with a call that was refused");
        }
    }

    /// Answers with the call that the same request made before.
    async fn repeated(&self, id: &CallId, now: Timestamp) -> Result<Response, Error> {
        let call = self
            .calls
            .get(id, true)
            .await?
            .ok_or(Error::NotFound("call"))?;
        match &call.call.twilio_call_sid {
            Some(sid) => answer(id, sid, &call.call.virtual_number),
            None if matches!(call.outcome(now).status, Status::Ended(_)) => {
                let cause = "the first request with this Idempotency-Key failed";
                Err(Error::UpstreamFailed(cause.to_owned()))
            }
            None => Err(Error::Conflict(
                "the first request with this Idempotency-Key is still running",
            )),
        }
    }
}

fn random() -> Result<u64, Error> {
    getrandom::u64().map_err(|_| Error::Unavailable("randomness".to_owned()))
}

fn answer(id: &CallId, sid: &str, virtual_number: &PhoneNumber) -> Result<Response, Error> {
    let answer = Answer {
        message: "We are calling you; the owner is connected when you answer.",
        call_sid: sid,
        virtual_number: virtual_number.expose(),
        status: "initiated",
        virtual_call_id: id.to_string(),
    };
    Response::json(201, &answer)
}

/// The carrier's refusal as ours.
fn refused(error: &CarrierError) -> Error {
    use maskline::domain::phone::{InvalidPhone, NotDiallable};
    let field = "visitorPhone";
    match error {
        CarrierError::InvalidNumber(_) => {
            let problem = InvalidPhone::NotANumber;
            Error::InvalidPhone { field, problem }
        }
        CarrierError::NotAllowed(_) => {
            let problem = NotDiallable::Country;
            Error::DestinationNotAllowed { field, problem }
        }
        CarrierError::Busy { retry_after } => Error::Busy {
            retry_after: *retry_after,
        },
        CarrierError::Refused { .. } | CarrierError::Ambiguous(_) => {
            Error::UpstreamFailed(error.to_string())
        }
    }
}
