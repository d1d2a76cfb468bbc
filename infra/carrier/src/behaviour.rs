//! What REST requests are met with, and how the calls go that they start.

use serde::{Deserialize, Serialize};

use crate::plan::{self, CallPlan, NetworkPlan, OwnerPlan, PlanError, VisitorPlan};

/// How the carrier behaves towards the application's own requests.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Behaviour {
    /// How the visitor's phone behaves in a call that was asked for.
    pub visitor: VisitorPlan,
    /// How the owner's phone behaves in it.
    pub owner: OwnerPlan,
    /// How the network treats its callbacks.
    pub network: NetworkPlan,
    /// What the requests themselves are met with.
    pub rest: RestPlan,
    /// Numbers that begin with one of these may not be called or written to.
    pub forbidden_prefixes: Vec<String>,
    /// The numbers that calls and messages may come from: any where absent.
    pub numbers: Option<Vec<String>>,
}

/// What REST requests are met with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RestPlan {
    /// 201, or the status that a valid request fails with.
    pub status: u16,
    /// Twilio's code of the failure: 20000 and the status where absent.
    pub error_code: Option<u32>,
    /// The `Retry-After` of the failure, in seconds.
    pub retry_after: Option<u32>,
    /// The answer waits so long; the call does not.
    pub delay_ms: u64,
    /// The connection is closed in place of the answer. With status 201 the request
    /// has been carried out all the same.
    pub drop_connection: bool,
    /// The whole call is over, its callbacks included, before its request is answered.
    pub callbacks_before_answer: bool,
    /// All of this is for so many valid requests, and nothing happens to those after them.
    pub times: Option<u32>,
}

impl Default for RestPlan {
    fn default() -> Self {
        Self {
            status: 201,
            error_code: None,
            retry_after: None,
            delay_ms: 0,
            drop_connection: false,
            callbacks_before_answer: false,
            times: None,
        }
    }
}

impl Behaviour {
    /// Reads a behaviour from JSON and checks it.
    ///
    /// # Errors
    /// Names the field that is unknown, of the wrong type or out of range.
    pub fn from_json(json: &[u8]) -> Result<Self, PlanError> {
        let behaviour: Self = plan::read(json)?;
        behaviour.call("anonymous", "+15005550006").check()?;
        if !matches!(behaviour.rest.status, 201 | 400..=599) {
            return Err(PlanError::new("rest.status", "must be 201 or 400 to 599"));
        }
        if behaviour.rest.delay_ms > 60_000 {
            return Err(PlanError::new("rest.delayMs", "must be at most 60000"));
        }
        Ok(behaviour)
    }

    /// The plan of a call that was asked for.
    pub(crate) fn call(&self, from: &str, to: &str) -> CallPlan {
        CallPlan {
            owner: self.owner.clone(),
            visitor: self.visitor.clone(),
            network: self.network.clone(),
            ..CallPlan::new(from, to)
        }
    }

    /// What the next request is met with; counts it.
    pub(crate) fn take(&mut self) -> Self {
        let mut taken = self.clone();
        match &mut self.rest.times {
            Some(0) => taken.rest = RestPlan::default(),
            Some(left) => *left -= 1,
            None => {}
        }
        taken
    }
}
