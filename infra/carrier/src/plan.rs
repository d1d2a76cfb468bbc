//! What a simulated call is told to do: how each phone and the network behave.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::phone;

/// One call, from the first digit dialled to the last callback.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CallPlan {
    /// Who calls: an E.164 number, a SIP address, or a word such as `anonymous`.
    pub from: String,
    /// The virtual number that is dialled.
    pub to: String,
    /// What the visitor keys in at each `<Gather>`, in order; `None`, and
    /// whatever comes after the last one, is a visitor who keys in nothing.
    #[serde(default)]
    pub keys: Vec<Option<String>>,
    /// How the owner's phone behaves.
    #[serde(default)]
    pub owner: OwnerPlan,
    /// What the visitor does beside keying in digits.
    #[serde(default)]
    pub visitor: VisitorPlan,
    /// How the network treats callbacks.
    #[serde(default)]
    pub network: NetworkPlan,
}

/// How the owner's phone behaves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct OwnerPlan {
    /// What happens when the phone is called.
    pub does: OwnerDoes,
    /// Seconds of ringing until the owner (or the voicemail) answers or declines.
    pub rings_for: u32,
    /// Seconds of talk (or of the message left) after the answer.
    pub talks_for: u32,
    /// What the owner keys in when TwiML asks before the two are connected.
    pub keys: Vec<Option<String>>,
}

impl Default for OwnerPlan {
    fn default() -> Self {
        Self {
            does: OwnerDoes::Answers,
            rings_for: 6,
            talks_for: 42,
            keys: Vec::new(),
        }
    }
}

/// What happens when a phone is called, in the words for an owner's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum OwnerDoes {
    /// Rings, then a person answers.
    Answers,
    /// The line is taken: busy without ringing.
    Busy,
    /// Rings until the carrier gives up.
    NoAnswer,
    /// Rings, then the call is refused.
    Declines,
    /// The number cannot be reached.
    Fails,
    /// Rings, then a machine answers and records.
    Voicemail,
}

/// What the visitor does beside keying in digits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct VisitorPlan {
    /// What happens when the application has the visitor called. A visitor who calls
    /// is on the line already.
    pub does: OwnerDoes,
    /// Seconds of ringing until the visitor then answers or declines.
    pub rings_for: u32,
    /// Gives up after so many seconds of the owner's phone ringing.
    pub hangs_up_after: Option<u32>,
    /// Hangs up at the first `<Gather>` instead of keying in anything.
    pub hangs_up_in_gather: bool,
    /// Ends the talk; otherwise the owner does, and the visitor hears what follows.
    pub hangs_up_first: bool,
}

impl Default for VisitorPlan {
    fn default() -> Self {
        Self {
            does: OwnerDoes::Answers,
            rings_for: 4,
            hangs_up_after: None,
            hangs_up_in_gather: false,
            hangs_up_first: false,
        }
    }
}

/// How the network treats callbacks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct NetworkPlan {
    /// Each callback is delivered once and so many times more.
    pub duplicate: u32,
    /// Callbacks are shuffled and sent side by side, so that they overtake each other.
    pub reorder: bool,
    /// Each delivery waits up to so many milliseconds first.
    pub delay_ms: u64,
    /// Callbacks that never arrive.
    pub lose: Vec<Callback>,
    /// Decides order and delays; random when absent.
    pub seed: Option<u64>,
}

/// The callbacks that the network may lose. Of each kind, those of every leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Callback {
    /// The leg was set up.
    Initiated,
    /// The phone rings.
    Ringing,
    /// The phone was answered.
    Answered,
    /// The leg ended.
    Completed,
    /// The `<Dial>` ended: its `action` is asked what comes next.
    DialStatus,
    /// Machine detection has a result.
    Amd,
}

impl Callback {
    /// The progress of a leg that Twilio calls by this name.
    pub(crate) fn progress(name: &str) -> Option<Self> {
        match name {
            "initiated" => Some(Self::Initiated),
            "ringing" => Some(Self::Ringing),
            "answered" => Some(Self::Answered),
            "completed" => Some(Self::Completed),
            _ => None,
        }
    }
}

/// A plan that cannot be carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct PlanError {
    /// The field at fault, as in `owner.ringsFor`.
    pub field: String,
    /// What is wrong with it.
    pub problem: String,
}

impl PlanError {
    pub(crate) fn new(field: &str, problem: &str) -> Self {
        Self {
            field: field.to_owned(),
            problem: problem.to_owned(),
        }
    }
}

/// Reads JSON; what is wrong with it is said by field.
pub(crate) fn read<T: DeserializeOwned>(json: &[u8]) -> Result<T, PlanError> {
    let mut reader = serde_json::Deserializer::from_slice(json);
    let plan = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        let field = if path == "." { "plan" } else { &path };
        PlanError::new(field, &error.inner().to_string())
    })?;
    let ended = reader.end();
    ended.map_err(|error| PlanError::new("plan", &error.to_string()))?;
    Ok(plan)
}

impl CallPlan {
    /// A call between two numbers in which everything goes well and nothing is keyed in.
    pub fn new(from: &str, to: &str) -> Self {
        Self {
            from: from.to_owned(),
            to: to.to_owned(),
            keys: Vec::new(),
            owner: OwnerPlan::default(),
            visitor: VisitorPlan::default(),
            network: NetworkPlan::default(),
        }
    }

    /// Reads a plan from JSON and checks it.
    ///
    /// # Errors
    /// Names the field that is missing, unknown, of the wrong type or out of range.
    pub fn from_json(json: &[u8]) -> Result<Self, PlanError> {
        let plan: Self = read(json)?;
        plan.check()?;
        Ok(plan)
    }

    /// Checks what the types cannot say.
    ///
    /// # Errors
    /// Names the field that is out of range.
    pub fn check(&self) -> Result<(), PlanError> {
        let is_word = |text: &str| {
            (1..=40).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphabetic())
        };
        if !phone::is_e164(&self.from) && !self.from.starts_with("sip:") && !is_word(&self.from) {
            let problem = "must be an E.164 number, a sip: address or a word such as anonymous";
            return Err(PlanError::new("from", problem));
        }
        if !phone::is_e164(&self.to) {
            return Err(PlanError::new("to", "must be an E.164 number"));
        }
        for (field, keys) in [("keys", &self.keys), ("owner.keys", &self.owner.keys)] {
            let is_key = |c: char| c.is_ascii_digit() || c == '*' || c == '#';
            for (index, keyed) in keys.iter().enumerate() {
                if !keyed.as_deref().unwrap_or_default().chars().all(is_key) {
                    let field = format!("{field}[{index}]");
                    return Err(PlanError::new(
                        &field,
                        "a phone has the keys 0 to 9, * and #",
                    ));
                }
            }
        }
        let limits = [
            ("owner.ringsFor", u64::from(self.owner.rings_for), 86_400),
            ("owner.talksFor", u64::from(self.owner.talks_for), 86_400),
            (
                "visitor.ringsFor",
                u64::from(self.visitor.rings_for),
                86_400,
            ),
            ("network.duplicate", u64::from(self.network.duplicate), 20),
            ("network.delayMs", self.network.delay_ms, 60_000),
        ];
        for (field, value, most) in limits {
            if value > most {
                return Err(PlanError::new(field, &format!("must be at most {most}")));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::{CallPlan, Callback, OwnerDoes};

    #[test]
    fn fills_in_what_is_left_out() {
        let plan = CallPlan::from_json(br#"{"from":"anonymous","to":"+14155550100"}"#).unwrap();
        assert_eq!(plan, CallPlan::new("anonymous", "+14155550100"));
        assert_eq!(plan.owner.does, OwnerDoes::Answers);
        assert_eq!((plan.owner.rings_for, plan.owner.talks_for), (6, 42));
    }

    #[test]
    fn reads_every_field() {
        let plan = CallPlan::from_json(
            br#"{"from":"sip:a@example.com","to":"+14155550100","keys":["12#",null],
                "owner":{"does":"noAnswer","ringsFor":3,"talksFor":9,"keys":["1"]},
                "visitor":{"hangsUpAfter":4,"hangsUpInGather":true,"hangsUpFirst":true},
                "network":{"duplicate":2,"reorder":true,"delayMs":5,
                           "lose":["dial-status","amd"],"seed":7}}"#,
        )
        .unwrap();
        assert_eq!(plan.keys, [Some("12#".to_owned()), None]);
        assert_eq!(plan.owner.does, OwnerDoes::NoAnswer);
        assert_eq!(plan.visitor.hangs_up_after, Some(4));
        assert_eq!(plan.network.lose, [Callback::DialStatus, Callback::Amd]);
        let again = serde_json::to_vec(&plan).unwrap();
        assert_eq!(CallPlan::from_json(&again).unwrap(), plan);
    }

    #[test]
    fn names_the_field_at_fault() {
        for (json, field) in [
            (r#"{"to":"+14155550100"}"#, "plan"),
            (r#"{"from":"+14155550123","to":"100"}"#, "to"),
            (r#"{"from":"+1 415","to":"+14155550100"}"#, "from"),
            (
                r#"{"from":"anonymous","to":"+14155550100","keys":["1a"]}"#,
                "keys[0]",
            ),
            (
                r#"{"from":"anonymous","to":"+14155550100","owner":{"does":"sleeps"}}"#,
                "owner.does",
            ),
            (
                r#"{"from":"anonymous","to":"+14155550100","owner":{"ringsFor":-1}}"#,
                "owner.ringsFor",
            ),
            (
                r#"{"from":"anonymous","to":"+14155550100","network":{"lose":["all"]}}"#,
                "network.lose[0]",
            ),
            (
                r#"{"from":"anonymous","to":"+14155550100","network":{"duplicate":99}}"#,
                "network.duplicate",
            ),
            (r#"{"from":"anonymous","to":"+14155550100"} x"#, "plan"),
        ] {
            assert_eq!(
                CallPlan::from_json(json.as_bytes()).unwrap_err().field,
                field,
                "{json}"
            );
        }
        let unknown = CallPlan::from_json(br#"{"from":"a","to":"+14155550100","ring":1}"#);
        assert!(unknown.unwrap_err().to_string().contains("`ring`"));
    }
}
