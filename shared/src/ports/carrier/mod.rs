//! The telephone carrier, behind one small interface: what Maskline asks of it in
//! the words of the domain. [`twilio`] is the one there is.

use crate::domain::call::{End, EndStatus, Report, Visitor};
use crate::domain::phone::PhoneNumber;
use crate::domain::tag::Extension;
use crate::domain::time::Timestamp;

pub mod twilio;

/// A carrier: knows its own webhooks, and speaks its own language back to them.
pub trait Carrier {
    /// Proves that a webhook is the carrier's and for our account, and reads its
    /// form. Nothing of a request may be believed before.
    fn authenticate(&self, webhook: &Webhook<'_>) -> Result<Form, Forged>;

    /// Reads a request to connect a call.
    fn incoming(&self, form: &Form) -> Result<Incoming, BadForm>;

    /// Reads what a leg reports. `received` stands in where the carrier told no time.
    fn leg_report(&self, form: &Form, received: Timestamp) -> Result<LegReport, BadForm>;

    /// Reads how a dial ended.
    fn dial_end(&self, form: &Form) -> Result<End, BadForm>;

    /// What the carrier is to do next, in its language.
    fn write(&self, instruction: &Instruction) -> Reply;

    /// Has the carrier ring a visitor; answers with its id of that leg. Sent once:
    /// after an ambiguous answer nobody knows whether a telephone rings.
    fn ring(&self, call: &Ring) -> impl Future<Output = Result<String, CarrierError>>;

    /// Has the carrier send a text message. Sent once, too.
    fn send(&self, message: &Message) -> impl Future<Output = Result<(), CarrierError>>;
}

/// A call that the carrier is asked to place.
#[derive(Debug)]
pub struct Ring {
    /// Whom to ring.
    pub visitor: PhoneNumber,
    /// What they see.
    pub caller_id: PhoneNumber,
    /// What is asked for instructions once they answer.
    pub connect_url: String,
    /// Where the end of their leg is reported.
    pub status_url: String,
    /// How long it rings, seconds.
    pub ring_timeout: u32,
}

/// A text message.
#[derive(Debug)]
pub struct Message {
    /// Who gets it.
    pub to: PhoneNumber,
    /// The messaging service that sends it.
    pub service_sid: String,
    /// Its text.
    pub body: String,
}

/// Why the carrier did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CarrierError {
    /// It cannot be that number: there is none such, or it takes no messages.
    #[error("the carrier does not take the number (code {0})")]
    InvalidNumber(u32),
    /// The account may not call there.
    #[error("the carrier may not call there (code {0})")]
    NotAllowed(u32),
    /// Too much at once.
    #[error("the carrier is busy")]
    Busy {
        /// Seconds after which to try again.
        retry_after: u32,
    },
    /// Refused for a reason that lies with us: credentials, account, sender.
    #[error("the carrier refused (status {status}, code {code})")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The carrier's code.
        code: u32,
    },
    /// No answer, or none that says what happened: it may have been done.
    #[error("the carrier did not answer ({0})")]
    Ambiguous(&'static str),
}

/// A request as it came in. Not `Debug`: its body holds phone numbers.
pub struct Webhook<'a> {
    /// The URL that the carrier called, query included, byte for byte.
    pub url: &'a str,
    /// The signature header's value, if there was one.
    pub signature: Option<&'a str>,
    /// The body.
    pub body: &'a [u8],
}

/// The fields of an authenticated webhook, in the order they came. Not `Debug`:
/// they hold phone numbers.
pub struct Form(Vec<(String, String)>);

impl Form {
    /// The first non-empty value of a field.
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut fields = self.0.iter();
        let (_, value) = fields.find(|(key, value)| key == name && !value.is_empty())?;
        Some(value)
    }

    /// The same for a field that must be there.
    pub fn require(&self, name: &'static str) -> Result<&str, BadForm> {
        self.get(name).ok_or(BadForm {
            field: name,
            problem: "is missing",
        })
    }
}

/// Not from the carrier, or not for our account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the request is not signed by the carrier for this account")]
pub struct Forged;

/// A field of a genuine webhook that cannot be used. Never holds the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{field} {problem}")]
pub struct BadForm {
    /// The field.
    pub field: &'static str,
    /// What is wrong with it.
    pub problem: &'static str,
}

/// A call that waits for an answer.
#[derive(Debug)]
pub struct Incoming {
    /// The carrier's id of the visitor's leg.
    pub call_sid: String,
    /// The virtual number that was dialled.
    pub dialled: PhoneNumber,
    /// Who calls.
    pub visitor: Visitor,
    /// What was keyed in.
    pub keyed: Keyed,
}

/// What a caller keyed in.
#[derive(Debug, PartialEq, Eq)]
pub enum Keyed {
    /// Nothing: not asked yet, or no key was pressed.
    Nothing,
    /// Six digits.
    Extension(Extension),
    /// Something else.
    Other,
}

/// What a leg reports.
#[derive(Debug, PartialEq, Eq)]
pub struct LegReport {
    /// The fact, or `None` for a report that tells nothing new (`initiated`, `queued`).
    pub report: Option<Report>,
    /// The reporting leg's CallSid, unless the carrier said that the leg belongs to
    /// a dial: then it may be the visitor's own.
    pub maybe_visitors_leg: Option<String>,
}

/// What the carrier is to do.
#[derive(Debug)]
pub enum Instruction {
    /// Ask for an extension, and post what is keyed in to `action`.
    AskExtension {
        /// Spoken first.
        prompt: &'static str,
        /// Where the digits, or their absence, are posted.
        action: String,
    },
    /// Ring the owner and put the two through.
    Bridge(Bridge),
    /// Say a sentence and hang up.
    Apologise(&'static str),
    /// Hang up.
    HangUp,
    /// Nothing: a report was taken.
    Nothing,
}

/// A dial.
#[derive(Debug)]
pub struct Bridge {
    /// Whom to ring: the one number that leaves the system whole.
    pub owner: PhoneNumber,
    /// What the owner sees.
    pub caller_id: PhoneNumber,
    /// How long the owner's phone rings, seconds.
    pub ring_timeout: u32,
    /// How long the call may last, seconds.
    pub time_limit: u32,
    /// Whether the carrier tells a machine that answers from a person.
    pub machine_detection: bool,
    /// Where the owner's leg reports.
    pub status_url: String,
    /// Where the end of the dial is reported.
    pub dial_status_url: String,
}

/// An answer to the carrier. Not `Debug`: it may hold the owner's number.
pub struct Reply {
    /// Its media type.
    pub content_type: &'static str,
    /// Its text.
    pub body: String,
}

/// Why nobody talked, or nothing where somebody did: what the visitor is told after
/// a dial.
pub fn farewell(end: EndStatus) -> Instruction {
    match end {
        EndStatus::Completed | EndStatus::Canceled => Instruction::HangUp,
        EndStatus::Busy => Instruction::Apologise(
            "The owner is on another call or cannot talk right now. Please try again later. Goodbye.",
        ),
        EndStatus::NoAnswer => {
            Instruction::Apologise("The owner did not answer. Please try again later. Goodbye.")
        }
        EndStatus::Failed => {
            Instruction::Apologise("We could not reach the owner. Please try again later. Goodbye.")
        }
    }
}
