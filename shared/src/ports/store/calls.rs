//! The Calls table: one item a phone call, at (line, seq).
//!
//! `seq` numbers the calls of a line from 1 without gaps, because a call is created
//! by writing the first free place: the history is its own counter. So a page of the
//! history is one range of `seq`, whatever its depth, and a call costs one write.

use std::collections::HashMap;
use std::ops::RangeInclusive;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{ReturnValue, ReturnValuesOnConditionCheckFailure};
use serde::Deserialize;
use tokio::try_join;

use super::{AttributeValue, StoreError, Table, number, text};
use crate::domain::call::{CallId, NewCall, Origin, PhoneCall, Report};
use crate::domain::tag::Line;
use crate::domain::time::{self, Timestamp, add_seconds};

/// How many calls a look back reads first, for one read unit. That nearly always
/// covers the window.
const LOOK_BACK: i32 = 8;
/// How many it reads at a time on a line where it does not.
const LOOK_BACK_FURTHER: i32 = 100;
/// How many occupied places a creation steps over before it looks for the newest
/// call again: each step costs a write unit.
const STEPS_A_LOOK: u32 = 4;
/// How often it looks before it gives up.
const MAX_LOOKS: u32 = 24;

/// The table, and the client that reaches it.
#[derive(Debug, Clone)]
pub struct Calls {
    client: Client,
    table: String,
}

/// A page of a line's history, newest first.
#[derive(Debug)]
pub struct Page {
    /// The calls of this page.
    pub calls: Vec<PhoneCall>,
    /// How many calls the line has in all.
    pub total: u64,
}

/// What creating a call did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Created {
    /// It is new.
    Now(CallId),
    /// The same request had created it before.
    Before(CallId),
}

/// What looking back on a line found.
#[derive(Debug)]
pub enum LookBack {
    /// The call of the same origin.
    Known(Created),
    /// None; where the call may be written.
    Free(Place),
}

/// The place behind the newest call that was seen.
#[derive(Debug)]
pub struct Place(Option<Mark>);

impl Place {
    fn newest(&self) -> Option<(u64, Timestamp)> {
        let mark = self.0.as_ref()?;
        Some((mark.seq, mark.created_at))
    }
}

/// What recording a report did.
#[derive(Debug)]
pub enum Recorded {
    /// It told something new; the call as it is now.
    News(Box<PhoneCall>),
    /// It changed nothing: known already, or not about the owner's leg.
    Nothing(Box<PhoneCall>),
    /// There is no such call.
    NoSuchCall,
}

impl Calls {
    /// Wraps a client.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Calls {
            client,
            table: table.into(),
        }
    }

    /// The table itself.
    pub fn table(&self) -> Table<'_> {
        Table::Calls(&self.table)
    }

    /// Creates the call, unless one of its origin exists on the line: then that
    /// one's id is the answer and nothing is written. The record's `created_at` is
    /// moved behind its predecessor's, so that numbers and times have one order.
    pub async fn create(&self, line: &Line, call: NewCall) -> Result<Created, StoreError> {
        match self.look_back(line, &call, false).await? {
            LookBack::Known(created) => Ok(created),
            LookBack::Free(place) => self.create_after(place, line, call).await,
        }
    }

    /// The same for who has looked back already.
    ///
    /// Two calls that want one place are settled by `attribute_not_exists`: the
    /// loser reads in the refusal who has it, and steps on to the next place. A
    /// repeated request meets its own call either in the look back, or as the
    /// occupant of the place it wants.
    pub async fn create_after(
        &self,
        mut place: Place,
        line: &Line,
        call: NewCall,
    ) -> Result<Created, StoreError> {
        for _ in 0..MAX_LOOKS {
            for _ in 0..STEPS_A_LOOK {
                let record = PhoneCall::after(place.newest(), line, &call);
                match self.put_new(&record).await? {
                    None => return Ok(Created::Now(record.id())),
                    Some(occupant) if occupant.origin.same_request(&call.origin) => {
                        return Ok(occupant.created_for(line, &call));
                    }
                    Some(occupant) => place = Place(Some(occupant)),
                }
            }
            match self.look_back(line, &call, false).await? {
                LookBack::Known(created) => return Ok(created),
                LookBack::Free(free) => place = free,
            }
        }
        Err(StoreError::Contended)
    }

    /// The call of that id.
    ///
    /// Eventually consistent reads (`latest` false) cost half, and may miss a call
    /// that was just made.
    pub async fn get(&self, id: &CallId, latest: bool) -> Result<Option<PhoneCall>, StoreError> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("line", text(id.line.as_str()))
            .key("seq", number(id.seq))
            .consistent_read(latest)
            .send()
            .await
            .map_err(|error| StoreError::from_sdk(&error))?;
        answer.item.map(call).transpose()
    }

    /// Records a report: one conditional write, which joins it with what is known
    /// as [`Facts::with`](crate::domain::call::Facts::with) does, whichever other
    /// report arrives at the same time. `not_leg` is a CallSid whose calls' reports
    /// are none of the owner's leg: if the call's own visitor leg has it, nothing is
    /// recorded.
    pub async fn record(
        &self,
        id: &CallId,
        report: Report,
        not_leg: Option<&str>,
        received: Timestamp,
    ) -> Result<Recorded, StoreError> {
        let (attribute, value, join) = match report {
            Report::Ringing(at) => ("ringingAt", time::rfc3339(at), EARLIER),
            Report::Answered(at) => ("answeredAt", time::rfc3339(at), EARLIER),
            Report::Machine(at) => ("machineAt", time::rfc3339(at), EARLIER),
            Report::LegEnd(end) => ("legEnd", end.to_string(), GREATER),
            Report::DialEnd(end) => ("dialEnd", end.to_string(), GREATER),
            Report::VisitorEnd(end) => ("visitorEnd", end.to_string(), GREATER),
            Report::VisitorGone(at) => ("visitorGoneAt", time::rfc3339(at), EARLIER),
        };
        let mut update = self
            .update(id)
            .expression_attribute_names("#fact", attribute)
            .expression_attribute_values(":value", text(value))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let mut condition = join.condition.to_owned();
        if let Some(sid) = not_leg {
            condition.push_str(NOT_THE_VISITORS);
            update = update.expression_attribute_values(":sid", text(sid));
        }
        if join.ends {
            update = update.expression_attribute_values(":now", text(time::rfc3339(received)));
        }
        let sent = update
            .update_expression(join.update)
            .condition_expression(condition)
            .send()
            .await;
        match sent {
            Ok(answer) => {
                let item = answer.attributes.ok_or(MALFORMED)?;
                Ok(Recorded::News(Box::new(call(item)?)))
            }
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(refusal)) => {
                    Ok(match refusal.item() {
                        Some(item) => Recorded::Nothing(Box::new(call(item.clone())?)),
                        None => Recorded::NoSuchCall,
                    })
                }
                _ => Err(StoreError::from_sdk(&error)),
            },
        }
    }

    /// Notes the carrier's id of the visitor's leg, if none is known yet.
    pub async fn note_sid(&self, id: &CallId, call_sid: &str) -> Result<(), StoreError> {
        let sent = self
            .update(id)
            .update_expression("SET twilioCallSid = if_not_exists(twilioCallSid, :sid)")
            .condition_expression("attribute_exists(line)")
            .expression_attribute_values(":sid", text(call_sid))
            .send()
            .await;
        sent.map(drop).map_err(|error| StoreError::from_sdk(&error))
    }

    /// Takes it on to tell the owner of a missed call: `true` for exactly one of all
    /// who ask. (A retry after a lost answer finds it taken: nobody tells then.)
    pub async fn claim_telling(&self, id: &CallId, now: Timestamp) -> Result<bool, StoreError> {
        let sent = self
            .update(id)
            .update_expression("SET toldAt = :now")
            .condition_expression("attribute_exists(line) AND attribute_not_exists(toldAt)")
            .expression_attribute_values(":now", text(time::rfc3339(now)))
            .send()
            .await;
        match sent {
            Ok(_) => Ok(true),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(false),
                _ => Err(StoreError::from_sdk(&error)),
            },
        }
    }

    /// Changes what asked for a call, so that a repetition is a request of its own:
    /// the carrier refused the first.
    pub async fn forget_request(&self, id: &CallId, origin: &Origin) -> Result<(), StoreError> {
        let origin = serde_dynamo::to_attribute_value(origin).map_err(|_| MALFORMED)?;
        let sent = self
            .update(id)
            .update_expression("SET origin = :origin")
            .condition_expression("attribute_exists(line)")
            .expression_attribute_values(":origin", origin)
            .send()
            .await;
        sent.map(drop).map_err(|error| StoreError::from_sdk(&error))
    }

    fn update(&self, id: &CallId) -> UpdateItemFluentBuilder {
        self.client
            .update_item()
            .table_name(&self.table)
            .key("line", text(id.line.as_str()))
            .key("seq", number(id.seq))
    }

    /// Page `page`, from 1, of `limit` calls each. Every page costs the same range
    /// reads: the newest call, the oldest that has not expired, the page; the first one,
    /// which begins with the newest call, one less.
    pub async fn page(
        &self,
        line: &Line,
        page: u64,
        limit: u64,
        retention_seconds: i64,
        now: Timestamp,
    ) -> Result<Page, StoreError> {
        let cutoff = Cutoff {
            expires: now.as_second(),
            created: add_seconds(now, -retention_seconds),
        };
        let nothing = |total| Page {
            calls: Vec::new(),
            total,
        };
        let wanted = if page == 1 { limit } else { 1 };
        let (mut top, first) = try_join!(
            self.newest(line, 0..=u64::MAX, wanted),
            self.oldest(line, 0)
        )?;
        let (Some(newest), Some(first)) = (top.first().map(|call| call.seq), first) else {
            return Ok(nothing(0));
        };
        let Some(oldest) = self.oldest_live(line, first, newest, cutoff).await? else {
            return Ok(nothing(0));
        };
        let total = (newest + 1).saturating_sub(oldest);
        let skipped = (page - 1).saturating_mul(limit);
        if skipped >= total {
            return Ok(nothing(total));
        }
        let calls = if page == 1 {
            top.retain(|call| call.seq >= oldest);
            top
        } else {
            let last = newest - skipped;
            let first = oldest.max((last + 1).saturating_sub(limit));
            self.newest(line, first..=last, limit).await?
        };
        Ok(Page { calls, total })
    }

    /// Of the calls with these numbers, the newest `limit`, newest first.
    async fn newest(
        &self,
        line: &Line,
        seqs: RangeInclusive<u64>,
        limit: u64,
    ) -> Result<Vec<PhoneCall>, StoreError> {
        let answer = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("line = :line AND seq BETWEEN :first AND :last")
            .expression_attribute_values(":line", text(line.as_str()))
            .expression_attribute_values(":first", number(*seqs.start()))
            .expression_attribute_values(":last", number(*seqs.end()))
            .scan_index_forward(false)
            .consistent_read(true)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .send()
            .await
            .map_err(|error| StoreError::from_sdk(&error))?;
        let calls = serde_dynamo::from_items(answer.items.unwrap_or_default());
        calls.map_err(|_| MALFORMED)
    }

    /// The first call that has not expired. Calls expire in the order of their
    /// numbers, and DynamoDB removes them days late and in no order: the boundary is
    /// between an expired call and a live one. It is near the first, so it is
    /// searched from there in doubling steps, then by halves.
    ///
    /// (Where retention was shortened and lengthened again, calls expire out of
    /// order for as long as the longer of the two: pages then have gaps.)
    async fn oldest_live(
        &self,
        line: &Line,
        first: Mark,
        newest: u64,
        cutoff: Cutoff,
    ) -> Result<Option<u64>, StoreError> {
        if !first.expired(cutoff) {
            return Ok(Some(first.seq));
        }
        let (mut low, mut high) = (first.seq + 1, newest + 1);
        let mut found = None;
        let mut step = 1;
        while low < high {
            let halfway = low + (high - low) / 2;
            let probe = if found.is_none() {
                halfway.min(low + step)
            } else {
                halfway
            };
            match self.oldest(line, probe).await? {
                Some(mark) if mark.expired(cutoff) => low = mark.seq + 1,
                Some(mark) => {
                    found = Some(mark.seq);
                    high = probe;
                }
                None => high = probe,
            }
            step *= 2;
        }
        Ok(found)
    }

    /// Of the calls from number `from` on, the oldest.
    async fn oldest(&self, line: &Line, from: u64) -> Result<Option<Mark>, StoreError> {
        let answer = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("line = :line AND seq >= :from")
            .expression_attribute_values(":line", text(line.as_str()))
            .expression_attribute_values(":from", number(from))
            .projection_expression(Mark::ATTRIBUTES)
            .consistent_read(true)
            .limit(1)
            .send()
            .await
            .map_err(|error| StoreError::from_sdk(&error))?;
        let item = answer.items.unwrap_or_default().into_iter().next();
        item.map(|item| serde_dynamo::from_item(item).map_err(|_| MALFORMED))
            .transpose()
    }

    /// Looks for the call of the same origin, and for the newest one on the line.
    ///
    /// `latest` false costs half and may miss the newest calls, which does no harm
    /// where the place after the newest is written next: who has it, is told then.
    pub async fn look_back(
        &self,
        line: &Line,
        call: &NewCall,
        latest: bool,
    ) -> Result<LookBack, StoreError> {
        let oldest_repeat = add_seconds(call.created_at, -call.origin.repeat_window());
        let mut newest = None;
        let mut start = None;
        let mut limit = LOOK_BACK;
        loop {
            let answer = self
                .client
                .query()
                .table_name(&self.table)
                .key_condition_expression("line = :line")
                .expression_attribute_values(":line", text(line.as_str()))
                .projection_expression(Mark::ATTRIBUTES)
                .scan_index_forward(false)
                .consistent_read(latest)
                .limit(limit)
                .set_exclusive_start_key(start)
                .send()
                .await
                .map_err(|error| StoreError::from_sdk(&error))?;
            let marks: Vec<Mark> = serde_dynamo::from_items(answer.items.unwrap_or_default())
                .map_err(|_| MALFORMED)?;
            let repeated = |mark: &&Mark| {
                mark.created_at >= oldest_repeat && mark.origin.same_request(&call.origin)
            };
            if let Some(mark) = marks.iter().find(repeated) {
                return Ok(LookBack::Known(mark.created_for(line, call)));
            }
            let covered = marks
                .last()
                .is_none_or(|mark| mark.created_at < oldest_repeat);
            newest = newest.or(marks.into_iter().next());
            start = answer.last_evaluated_key;
            if covered || start.is_none() {
                return Ok(LookBack::Free(Place(newest)));
            }
            limit = LOOK_BACK_FURTHER;
        }
    }

    /// Writes the record if its place is free; otherwise tells whose it is.
    async fn put_new(&self, record: &PhoneCall) -> Result<Option<Mark>, StoreError> {
        let sent = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(serde_dynamo::to_item(record).map_err(|_| MALFORMED)?))
            .condition_expression("attribute_not_exists(line)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        match sent {
            Ok(_) => Ok(None),
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(refusal)) => {
                    let occupant = refusal.item().ok_or(MALFORMED)?.clone();
                    let mark = serde_dynamo::from_item(occupant).map_err(|_| MALFORMED)?;
                    Ok(Some(mark))
                }
                _ => Err(StoreError::from_sdk(&error)),
            },
        }
    }
}

const MALFORMED: StoreError = StoreError::Malformed { table: "calls" };

fn call(item: HashMap<String, AttributeValue>) -> Result<PhoneCall, StoreError> {
    serde_dynamo::from_item(item).map_err(|_| MALFORMED)
}

const NOT_THE_VISITORS: &str =
    " AND (attribute_not_exists(twilioCallSid) OR twilioCallSid <> :sid)";

/// How a fact joins what is known, as expressions.
struct Join {
    update: &'static str,
    condition: &'static str,
    ends: bool,
}

const EARLIER: Join = Join {
    update: "SET #fact = :value",
    condition: "attribute_exists(line) AND (attribute_not_exists(#fact) OR #fact > :value)",
    ends: false,
};

const GREATER: Join = Join {
    update: "SET #fact = :value, endReceivedAt = if_not_exists(endReceivedAt, :now)",
    condition: "attribute_exists(line) AND (attribute_not_exists(#fact) OR #fact < :value)",
    ends: true,
};

/// What of a call finding its place needs.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Mark {
    seq: u64,
    origin: Origin,
    #[serde(with = "time::text")]
    created_at: Timestamp,
    expires_at: i64,
}

#[derive(Clone, Copy)]
struct Cutoff {
    expires: i64,
    created: Timestamp,
}

impl Mark {
    fn id(&self, line: &Line) -> CallId {
        let (line, seq) = (line.clone(), self.seq);
        CallId { line, seq }
    }

    /// What this record is to a call of the same request: its own where the answer to
    /// the write was lost and the write sent again, else a repetition's.
    fn created_for(&self, line: &Line, call: &NewCall) -> Created {
        match self.origin == call.origin {
            true => Created::Now(self.id(line)),
            false => Created::Before(self.id(line)),
        }
    }

    const ATTRIBUTES: &str = "seq, origin, createdAt, expiresAt";

    /// By its own date, or by today's retention where that was shortened since.
    fn expired(&self, cutoff: Cutoff) -> bool {
        self.expires_at <= cutoff.expires || self.created_at <= cutoff.created
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marks_expiry_counts_before_dynamodb_removes_it() {
        let created: Timestamp = Timestamp::UNIX_EPOCH;
        let mark = Mark {
            seq: 1,
            origin: Origin::once(1),
            created_at: created,
            expires_at: 100,
        };
        let cutoff = |expires, age| Cutoff {
            expires,
            created: add_seconds(created, age),
        };
        assert!(!mark.expired(cutoff(99, -1)));
        assert!(mark.expired(cutoff(100, -1)));
        assert!(mark.expired(cutoff(99, 0)));
    }
}
