//! In-app calls as the booking routes under `/api/calls` show them.

use serde::Serialize;

use crate::domain::app_call::{AppCall, LogStatus};
use crate::domain::booking::Role;
use crate::domain::time::{self, Timestamp};

/// A row of a booking's history.
#[derive(Debug, Serialize)]
pub struct Row {
    id: String,
    caller_type: Role,
    duration: u32,
    call_status: LogStatus,
    #[serde(with = "time::text")]
    created_at: Timestamp,
}

impl Row {
    /// A call's row at `now`; none while it rings or runs.
    pub fn of(call: &AppCall, now: Timestamp) -> Option<Self> {
        let (status, duration) = call.log(now)?;
        Some(Self::new(call, status, duration))
    }

    /// The same for a call that may still ring or run: as if it ended at `now`.
    pub fn so_far(call: &AppCall, now: Timestamp) -> Self {
        let (status, duration) = call.log_so_far(now);
        Self::new(call, status, duration)
    }

    fn new(call: &AppCall, call_status: LogStatus, duration: u32) -> Self {
        Row {
            id: call.id().to_string(),
            caller_type: call.caller_role,
            duration,
            call_status,
            created_at: call.created_at,
        }
    }
}
