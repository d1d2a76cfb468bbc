use maskline::access::config::ConfigError;
use maskline::access::error::Error;
use maskline::access::metrics::{self, Kind, Metric};
use maskline::domain::call::{CallId, NewCall, Origin, Status, Visitor};
use maskline::domain::limit::{Deed, Limit, Subject};
use maskline::domain::phone::{Country, PhoneNumber};
use maskline::domain::tag::Tag;
use maskline::domain::time::{Timestamp, add_seconds};
use maskline::lambda::http::{Request, Response};
use maskline::lambda::{CallTimes, Function, Start, failure_in_words};
use maskline::ports::carrier::twilio::Twilio;
use maskline::ports::carrier::{Bridge, Carrier, Incoming, Instruction, Keyed};
use maskline::ports::store::calls::{Calls, Created};
use maskline::ports::store::rate_limits::{Checked, RateLimits};
use maskline::ports::store::{Table, tags::Tags};

/// How often a caller may try an extension in one call.
const ATTEMPTS: u64 = 3;
/// Counts the attempts made, in the webhook's own URL, which Twilio signs.
const ATTEMPTS_MADE: &str = "attempts";

const WELCOME: &str = "Welcome. Please key in the six digits on the tag.";
const NOTHING_KEYED: &str = "We did not get any digits. Please key in the six digits on the tag.";
const WRONG_EXTENSION: &str =
    "Sorry, there is no tag with these digits. Please key in the six digits on the tag.";
const GIVE_UP: &str =
    "Sorry, we could not find the tag. Please check the digits and call again. Goodbye.";
const TOO_MANY_CALLS: &str =
    "Sorry, there were too many calls from this number. Please wait a minute. Goodbye.";
const TOO_MANY_GUESSES: &str =
    "Sorry, there were too many wrong digits. Please check the tag and call again later. Goodbye.";
const NOT_AVAILABLE: &str = "Sorry, this tag cannot be reached right now. Goodbye.";

pub struct Connect {
    carrier: Twilio,
    tags: Tags,
    calls: Calls,
    shared_number: PhoneNumber,
    public_base_url: Option<String>,
    status_url: String,
    dial_status_url: String,
    rate_limits: RateLimits,
    calls_per_caller: Limit,
    wrong_extensions: Limit,
    allowed_countries: Vec<Country>,
    machine_detection: bool,
    times: CallTimes,
}

/// Whom a call is for, as far as is known.
enum Callee {
    Tag(Tag),
    NobodyYet { prompt: &'static str },
    WrongExtension,
}

impl Function for Connect {
    const NAME: &'static str = "connect";

    fn init(start: &Start) -> Result<Self, ConfigError> {
        let env = &start.env;
        Ok(Connect {
            carrier: env.twilio()?,
            tags: start.tags()?,
            calls: start.calls()?,
            shared_number: env.shared_number()?,
            public_base_url: env.public_base_url()?,
            status_url: env.webhook_url("STATUS_URL")?,
            dial_status_url: env.webhook_url("DIAL_STATUS_URL")?,
            rate_limits: start.rate_limits()?,
            calls_per_caller: env.limit("LIMIT_CALLS_PER_CALLER")?,
            wrong_extensions: env.limit("LIMIT_WRONG_EXTENSIONS")?,
            allowed_countries: env.allowed_countries()?,
            machine_detection: env.machine_detection()?,
            times: CallTimes::from_env(env)?,
        })
    }

    fn first_table(&self) -> Table<'_> {
        self.tags.table()
    }

    async fn handle(&self, request: &Request) -> Result<Response, Error> {
        let url = request.url(self.public_base_url.as_deref());
        let form = self.carrier.authenticate(&request.webhook(&url))?;
        let incoming = self.carrier.incoming(&form)?;
        let instruction = match request.optional_query_parameter::<CallId>("call")? {
            Some(id) => self.bridge_asked(&id, &incoming).await?,
            None => self.bridge_caller(request, incoming).await?,
        };
        Ok(Response::carrier(self.carrier.write(&instruction)))
    }

    fn refuse(&self, error: &Error) -> Response {
        failure_in_words(&self.carrier, error)
    }
}

impl Connect {
    /// A visitor who asked to be rung has answered: the call is recorded already.
    async fn bridge_asked(&self, id: &CallId, incoming: &Incoming) -> Result<Instruction, Error> {
        let Some(call) = self.calls.get(id, true).await? else {
            return Ok(Instruction::Apologise(NOT_AVAILABLE));
        };
        let tag = self.tags.by_code(&call.call.tag).await?;
        let tag = tag.filter(|tag| tag.reachable(&self.allowed_countries) && tag.line == call.line);
        // A call that was given up on stays given up, even if the carrier placed it.
        let over = matches!(call.outcome(Timestamp::now()).status, Status::Ended(_));
        let Some(tag) = tag.filter(|_| !over) else {
            return Ok(Instruction::Apologise(NOT_AVAILABLE));
        };
        if call.call.twilio_call_sid.is_none() {
            self.calls.note_sid(id, &incoming.call_sid).await?;
        }
        Ok(self.dial(id, tag.owner_phone, call.call.virtual_number))
    }

    async fn bridge_caller(
        &self,
        request: &Request,
        incoming: Incoming,
    ) -> Result<Instruction, Error> {
        let attempts = request.query_number(ATTEMPTS_MADE, 0, 0..=ATTEMPTS)?;
        // A call is counted once, not again for each thing keyed in.
        if attempts == 0
            && incoming.keyed == Keyed::Nothing
            && let Some(refusal) = self.refuse_caller(&incoming).await?
        {
            return Ok(refusal);
        }
        match self.callee(&incoming).await? {
            Callee::Tag(tag) if tag.reachable(&self.allowed_countries) => {
                self.bridge(tag, incoming).await
            }
            Callee::Tag(_) => Ok(Instruction::Apologise(NOT_AVAILABLE)),
            Callee::NobodyYet { prompt } => Ok(self.ask(request, attempts, prompt)),
            Callee::WrongExtension => self.wrong(request, attempts, &incoming).await,
        }
    }

    /// Callers who call too often, or have guessed too often.
    async fn refuse_caller(&self, incoming: &Incoming) -> Result<Option<Instruction>, Error> {
        let now = Timestamp::now();
        let (who, limit) = (subject(incoming), self.calls_per_caller);
        let checked = self.rate_limits.check(&who, Deed::Call, limit, now).await?;
        Ok(match checked {
            Checked::Over { .. } => {
                metrics::count(Metric::RateLimited);
                Some(Instruction::Apologise(TOO_MANY_CALLS))
            }
            Checked::Within { others, .. } => {
                let guessed = others.used_up(Deed::Guess, self.wrong_extensions, now);
                // A tag's own number needs no extension.
                (guessed && incoming.dialled == self.shared_number).then(too_many_guesses)
            }
        })
    }

    /// Counts a wrong extension, and asks again unless that was the last one allowed.
    async fn wrong(
        &self,
        request: &Request,
        attempts: u64,
        incoming: &Incoming,
    ) -> Result<Instruction, Error> {
        let (who, limit) = (subject(incoming), self.wrong_extensions);
        let checked = self
            .rate_limits
            .check(&who, Deed::Guess, limit, Timestamp::now())
            .await?;
        Ok(match checked {
            Checked::Within { left, .. } if left > 0 => {
                self.ask(request, attempts, WRONG_EXTENSION)
            }
            _ => too_many_guesses(),
        })
    }

    /// The tag that owns the dialled number, else the one whose extension was keyed in.
    async fn callee(&self, incoming: &Incoming) -> Result<Callee, Error> {
        // No tag can own the shared number, so there is nothing to look up.
        if incoming.dialled != self.shared_number
            && let Some(tag) = self.tags.by_number(&incoming.dialled).await?
        {
            return Ok(Callee::Tag(tag));
        }
        let prompt = match &incoming.keyed {
            Keyed::Nothing => NOTHING_KEYED,
            Keyed::Other => WRONG_EXTENSION,
            Keyed::Extension(extension) => {
                let tag = self.tags.by_extension(extension).await?;
                return Ok(tag.map_or(Callee::WrongExtension, Callee::Tag));
            }
        };
        Ok(Callee::NobodyYet { prompt })
    }

    fn ask(&self, request: &Request, made: u64, prompt: &'static str) -> Instruction {
        if made == ATTEMPTS {
            return Instruction::Apologise(GIVE_UP);
        }
        let here = request.location(self.public_base_url.as_deref());
        Instruction::AskExtension {
            prompt: if made == 0 { WELCOME } else { prompt },
            action: format!("{here}?{ATTEMPTS_MADE}={}", made + 1),
        }
    }

    /// The record first: whatever the carrier reports of the dial finds its call.
    async fn bridge(&self, tag: Tag, incoming: Incoming) -> Result<Instruction, Error> {
        let now = Timestamp::now();
        let call = NewCall {
            tag: tag.code,
            owner_phone: tag.owner_phone.clone(),
            visitor: incoming.visitor,
            virtual_number: incoming.dialled.clone(),
            origin: Origin::call(&incoming.call_sid),
            twilio_call_sid: Some(incoming.call_sid),
            metadata: serde_json::Map::new(),
            created_at: now,
            lapses_at: self.times.lapse(now),
            expires_at: add_seconds(now, self.times.retention_seconds).as_second(),
        };
        let id = match self.calls.create(&tag.line, call).await? {
            Created::Now(id) => {
                metrics::count(Metric::CallStarted(Kind::Phone));
                id
            }
            Created::Before(id) => id,
        };
        Ok(self.dial(&id, tag.owner_phone, incoming.dialled))
    }

    fn dial(&self, id: &CallId, owner: PhoneNumber, caller_id: PhoneNumber) -> Instruction {
        Instruction::Bridge(Bridge {
            owner,
            caller_id,
            ring_timeout: self.times.ring_timeout,
            time_limit: self.times.time_limit,
            machine_detection: self.machine_detection,
            status_url: format!("{}?call={id}", self.status_url),
            dial_status_url: format!("{}?call={id}", self.dial_status_url),
        })
    }
}

fn too_many_guesses() -> Instruction {
    metrics::count(Metric::RateLimited);
    Instruction::Apologise(TOO_MANY_GUESSES)
}

/// Who is counted. Callers who withhold their number share their counters, so that
/// withholding is no way around them.
fn subject(incoming: &Incoming) -> Subject<'_> {
    match &incoming.visitor {
        Visitor::Number(number) => Subject::Number(number),
        Visitor::Withheld => Subject::Withheld(&incoming.dialled),
    }
}
