use maskline::access::config::ConfigError;
use maskline::access::error::Error;
use maskline::domain::call::NewCall;
use maskline::domain::phone::PhoneNumber;
use maskline::domain::tag::Tag;
use maskline::domain::time::{Timestamp, add_seconds};
use maskline::lambda::http::{Request, Response};
use maskline::lambda::{Function, Start, failure_in_words};
use maskline::ports::carrier::twilio::Twilio;
use maskline::ports::carrier::{Bridge, Carrier, Incoming, Instruction, Keyed};
use maskline::ports::store::{Table, calls::Calls, tags::Tags};

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
const NOT_AVAILABLE: &str = "Sorry, this tag cannot be reached right now. Goodbye.";

pub struct Connect {
    carrier: Twilio,
    tags: Tags,
    calls: Calls,
    shared_number: PhoneNumber,
    public_base_url: Option<String>,
    status_url: String,
    dial_status_url: String,
    ring_timeout: u32,
    time_limit: u32,
    retention_seconds: i64,
}

/// Whom a call is for, as far as is known.
enum Callee {
    Tag(Tag),
    NobodyYet { prompt: &'static str },
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
            ring_timeout: env.number("RING_TIMEOUT_SECONDS", 5, 600)?,
            time_limit: env.number("MAX_CALL_SECONDS", 60, 14_400)?,
            retention_seconds: env.retention_seconds()?,
        })
    }

    fn first_table(&self) -> Table<'_> {
        self.tags.table()
    }

    async fn handle(&self, request: &Request) -> Result<Response, Error> {
        let url = request.url(self.public_base_url.as_deref());
        let form = self.carrier.authenticate(&request.webhook(&url))?;
        let incoming = self.carrier.incoming(&form)?;
        let instruction = match self.callee(&incoming).await? {
            Callee::Tag(tag) if tag.enabled => self.bridge(tag, incoming).await?,
            Callee::Tag(_) => Instruction::Apologise(NOT_AVAILABLE),
            Callee::NobodyYet { prompt } => self.ask(request, prompt)?,
        };
        Ok(Response::carrier(self.carrier.write(&instruction)))
    }

    fn refuse(&self, error: &Error) -> Response {
        failure_in_words(&self.carrier, error)
    }
}

impl Connect {
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
            Keyed::Extension(extension) => match self.tags.by_extension(extension).await? {
                Some(tag) => return Ok(Callee::Tag(tag)),
                None => WRONG_EXTENSION,
            },
        };
        Ok(Callee::NobodyYet { prompt })
    }

    fn ask(&self, request: &Request, prompt: &'static str) -> Result<Instruction, Error> {
        let made = request.query_number(ATTEMPTS_MADE, 0, 0..=ATTEMPTS)?;
        if made == ATTEMPTS {
            return Ok(Instruction::Apologise(GIVE_UP));
        }
        let here = request.location(self.public_base_url.as_deref());
        Ok(Instruction::AskExtension {
            prompt: if made == 0 { WELCOME } else { prompt },
            action: format!("{here}?{ATTEMPTS_MADE}={}", made + 1),
        })
    }

    /// The record first: whatever the carrier reports of the dial finds its call.
    async fn bridge(&self, tag: Tag, incoming: Incoming) -> Result<Instruction, Error> {
        let now = Timestamp::now();
        let call = NewCall {
            tag: tag.code,
            owner_phone: tag.owner_phone.clone(),
            visitor: incoming.visitor,
            virtual_number: incoming.dialled.clone(),
            twilio_call_sid: incoming.call_sid,
            created_at: now,
            expires_at: add_seconds(now, self.retention_seconds).as_second(),
        };
        let id = self.calls.create(&tag.line, call).await?;
        Ok(Instruction::Bridge(Bridge {
            owner: tag.owner_phone,
            caller_id: incoming.dialled,
            ring_timeout: self.ring_timeout,
            time_limit: self.time_limit,
            status_url: format!("{}?call={id}", self.status_url),
            dial_status_url: format!("{}?call={id}", self.dial_status_url),
        }))
    }
}
