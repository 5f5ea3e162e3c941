//! What a person does to fulfilments: retry, cancel, mark as done, snooze, prioritise. Each is kept with who and why, in
//! the order's history and in `audit_log`.
//!
//! Orders are locked before fulfilments, as everybody does. What a worker is at is refused: its outcome is not known
//! yet, and it holds for seconds only.

use serde_json::json;
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::by_hand::{ByHandError, Decision};
use super::outcome::{Receipt, Tracking};
use super::state::{self, Next, RecallsFrom, State};
use super::store::{self, Change, Locked};
use super::{Moved, ToQueue, move_orders, queue};
use crate::orders::{self, Cause, PaymentStatus};

/// What a person wants of a fulfilment.
#[derive(Clone, Debug)]
pub enum Act {
    /// Try it now, and for as long as a new one. Where the provider may have it, it is asked first; where it said no, it is
    /// sent under a new key.
    Retry,
    /// Do not send it. What the provider has is recalled; where it may have it, it is asked first.
    Cancel {
        /// Close a dead letter although the provider may have it.
        even_if_sent: bool,
    },
    /// All that is left of it was sent, however.
    MarkDone {
        /// Where the parcel is to be followed.
        tracking: Option<Tracking>,
    },
    /// Do not try it before.
    Snooze {
        /// When it may be tried again.
        until: OffsetDateTime,
    },
    /// Let it go before or behind others of its provider.
    Prioritise {
        /// 0 before 1 before 2.
        priority: i16,
    },
}

impl Act {
    fn name(&self) -> &'static str {
        match self {
            Self::Retry => "fulfilments.retry",
            Self::Cancel { .. } => "fulfilments.cancel",
            Self::MarkDone { .. } => "fulfilments.mark_done",
            Self::Snooze { .. } => "fulfilments.snooze",
            Self::Prioritise { .. } => "fulfilments.prioritise",
        }
    }
}

/// What came of it, for a fulfilment each.
#[derive(Debug, Default)]
pub struct Acted {
    /// Done: which, and what follows.
    pub done: Vec<(Uuid, &'static str)>,
    /// Not done: which, and why.
    pub refused: Vec<(Uuid, String)>,
}

/// Dead letters, or refused ones, to retry together.
#[derive(Clone, Debug)]
pub struct RedriveFilter {
    /// `failed` or `rejected`.
    pub state: String,
    /// Only those of this provider.
    pub provider: Option<String>,
    /// Only those that ended before.
    pub ended_before: Option<OffsetDateTime>,
    /// Only those that ended then or later.
    pub ended_from: Option<OffsetDateTime>,
}

/// What is to become of a fulfilment.
struct Plan {
    /// None where it stays where it is.
    change: Option<Change>,
    /// What follows, for people.
    told: &'static str,
}

/// Does the same to each of these fulfilments, where it can be done, and where it is still in the `expected` state if one is
/// given. Call it in a transaction, and commit if what was refused may be left out.
///
/// # Errors
/// The database's; nothing may be committed.
pub async fn act(
    conn: &mut PgConnection,
    ids: &[Uuid],
    act: &Act,
    expected: Option<&str>,
    decision: &Decision,
    now: OffsetDateTime,
) -> sqlx::Result<Acted> {
    let mut acted = Acted::default();
    let (mut changes, mut moves) = (Vec::new(), Vec::new());
    for part in store::lock_parts(conn, ids, now).await? {
        let is_expected = expected.is_none_or(|state| state == part.facts.state.as_str());
        let planned = if is_expected {
            plan(&part, act, decision, now)
        } else {
            Err(format!("it is {} by now", part.facts.state))
        };
        match planned {
            Err(why) => acted.refused.push((part.id, why)),
            Ok(Plan { change, told }) => {
                let what = act.name().trim_start_matches("fulfilments.").replace('_', " ");
                moves.push(Moved {
                    order_id: part.order_id,
                    cause: Cause::Operator(decision.by.clone()),
                    reason: Some(format!("part {}, {what}: {}", part.part, decision.why)),
                    known: None,
                });
                changes.extend(change);
                acted.done.push((part.id, told));
            }
        }
    }

    let done: Vec<Uuid> = acted.done.iter().map(|(id, _)| *id).collect();
    store::save(conn, &changes, now).await?;
    match act {
        Act::MarkDone { tracking } => {
            let parcels: Vec<_> =
                done.iter().map(|id| store::Done { id: *id, tracking: tracking.as_ref() }).collect();
            store::mark_done(conn, &parcels, now).await?;
            store::mark_shipped(conn, &done, now).await?;
        }
        Act::Prioritise { priority } => store::set_priority(conn, &done, *priority, now).await?,
        Act::Retry | Act::Cancel { .. } | Act::Snooze { .. } => {}
    }
    move_orders(conn, moves, now).await?;
    let subjects: Vec<String> = done.iter().map(Uuid::to_string).collect();
    store::insert_audit(conn, decision, act.name(), &subjects, &details(act), now).await?;
    store::notify(conn).await?;
    Ok(acted)
}

/// Queues a paid order that has no fulfilment.
///
/// # Errors
/// It is not paid, or has one already; the database's.
pub async fn queue_by_hand(
    conn: &mut PgConnection,
    order_id: Uuid,
    decision: &Decision,
    now: OffsetDateTime,
) -> Result<(), ByHandError> {
    let order = orders::load(conn, &[order_id]).await?.pop();
    if !order.is_some_and(|order| order.payment_status.is_covered()) {
        return ByHandError::refused("the order is not paid: it is queued when it is");
    }
    let cause = Cause::Operator(decision.by.clone());
    queue(conn, &[ToQueue { order_id, cause }], now).await?;
    let subject = order_id.to_string();
    store::insert_audit(conn, decision, "orders.queue", &[subject], &json!({}), now).await?;
    Ok(())
}

fn details(act: &Act) -> serde_json::Value {
    match act {
        Act::Retry => json!({}),
        Act::Cancel { even_if_sent } => json!({ "even_if_sent": even_if_sent }),
        Act::MarkDone { tracking } => json!({ "tracking": tracking }),
        Act::Snooze { until } => json!({ "until": until.unix_timestamp() }),
        Act::Prioritise { priority } => json!({ "priority": priority }),
    }
}

fn plan(part: &Locked, act: &Act, decision: &Decision, now: OffsetDateTime) -> Result<Plan, String> {
    if part.facts.state == State::InProgress {
        return Err("a worker is at it; try again in a moment, once its outcome is known".to_owned());
    }
    match act {
        Act::Retry => retry(part, decision, now),
        Act::Cancel { even_if_sent } => cancel(part, *even_if_sent, decision, now),
        Act::MarkDone { tracking } => mark_done(part, tracking.as_ref()),
        Act::Snooze { until } => snooze(part, *until, decision, now),
        Act::Prioritise { .. } => match part.facts.state {
            State::Fulfilled | State::Cancelled | State::Accepted => Err(nothing_to_do(part)),
            _ => Ok(Plan { change: None, told: "it goes by its new priority" }),
        },
    }
}

fn retry(part: &Locked, decision: &Decision, now: OffsetDateTime) -> Result<Plan, String> {
    let facts = &part.facts;
    if facts.state == State::Recalling {
        let from = facts.recalls_from.unwrap_or(RecallsFrom::Accepted);
        let next = Next::Recalling { at: now, from, reason: by_hand(decision) };
        return Ok(Plan { change: Some(Change::of(part, next)), told: "the provider is asked again now" });
    }
    if matches!(facts.state, State::Accepted | State::Fulfilled) {
        return Err(nothing_to_do(part));
    }
    if facts.order.payment_status == PaymentStatus::Refunded && !facts.in_doubt {
        return Err("its money went back, so it is not sent; `cancel` closes it".to_owned());
    }
    if facts.order.payment_status == PaymentStatus::Cancelled && !facts.in_doubt {
        return Err("its order was called off, so it is not sent; `orders show` says why".to_owned());
    }
    let mut change = Change::of(part, Next::Queued { at: now, reason: by_hand(decision) });
    change.called_off = None;
    change.snoozed_until = None;
    change.begin_series();
    let told = if facts.in_doubt {
        "the provider is asked for it now, and sent what it does not have"
    } else if facts.state == State::Rejected || (facts.state == State::Cancelled && part.attempts > 0) {
        // It is certain that nothing is carried out under the old key, and the provider may answer it as before.
        change.begin_round();
        change.recall_outcome = None;
        "it is sent now, under a new key"
    } else {
        "it is sent now"
    };
    Ok(Plan { change: Some(change), told })
}

fn cancel(
    part: &Locked,
    even_if_sent: bool,
    decision: &Decision,
    now: OffsetDateTime,
) -> Result<Plan, String> {
    let facts = &part.facts;
    let why = by_hand(decision);
    let (next, told) = match facts.state {
        State::Queued if facts.in_doubt => (
            Next::Queued { at: now, reason: why },
            "the provider may have it and is asked first; then it is cancelled or recalled",
        ),
        State::Failed if facts.in_doubt && !even_if_sent => {
            return Err(
                "the provider may have it: `retry` asks it by key; `cancel --even-if-sent` closes it all the same"
                    .to_owned(),
            );
        }
        State::Queued | State::Failed | State::Rejected => {
            (Next::Cancelled { reason: why }, "it is cancelled; `retry` takes it up again")
        }
        State::Recalling => {
            let from = facts.recalls_from.unwrap_or(RecallsFrom::Accepted);
            (
                Next::Recalling { at: now, from, reason: why },
                "it is being recalled, and is cancelled if that succeeds",
            )
        }
        State::Accepted | State::Fulfilled => match state::recallable(facts) {
            Some(from) => (
                Next::Recalling { at: now, from, reason: why },
                "the provider has it and is asked not to send it; then it is cancelled",
            ),
            None if facts.is_on_its_way => {
                return Err("a parcel of it is on its way: it cannot be called off any more".to_owned());
            }
            None => {
                return Err(
                    "the provider was asked already and does not stop it; `mark-done` accepts that it left"
                        .to_owned(),
                );
            }
        },
        State::Cancelled | State::InProgress => return Err(nothing_to_do(part)),
    };
    let mut change = Change::of(part, next);
    // It stands until a person says otherwise, even if the order is queued again.
    change.called_off = Some(decision.why.clone());
    Ok(Plan { change: Some(change), told })
}

fn mark_done(part: &Locked, tracking: Option<&Tracking>) -> Result<Plan, String> {
    let facts = &part.facts;
    let is_accepted_loss = facts.recall_outcome.is_some() || facts.called_off.is_some();
    if facts.state == State::Fulfilled && !is_accepted_loss {
        return Err(nothing_to_do(part));
    }
    let receipt = Receipt { reference: None, tracking: tracking.cloned() };
    let mut change = Change::of(part, Next::Fulfilled { receipt });
    change.called_off = None;
    change.snoozed_until = None;
    change.recall_outcome = None;
    change.last_outcome = Some("fulfilled".to_owned());
    Ok(Plan { change: Some(change), told: "it counts as sent" })
}

fn snooze(
    part: &Locked,
    until: OffsetDateTime,
    decision: &Decision,
    now: OffsetDateTime,
) -> Result<Plan, String> {
    if until <= now {
        return Err("the time is over already: give one that is to come".to_owned());
    }
    if part.facts.state != State::Queued {
        return Err(format!(
            "it is {} and does not wait to be sent; only what is queued can be snoozed",
            part.facts.state
        ));
    }
    let mut change = Change::of(part, Next::Queued { at: until, reason: by_hand(decision) });
    change.snoozed_until = Some(until);
    Ok(Plan { change: Some(change), told: "it is not tried before; `retry` wakes it" })
}

fn by_hand(decision: &Decision) -> String {
    format!("{}: {}", decision.by, decision.why)
}

fn nothing_to_do(part: &Locked) -> String {
    match part.facts.state {
        State::Accepted => {
            "the provider has it; `cancel` recalls it, `mark-done` says that it left".to_owned()
        }
        State::Fulfilled => "it was sent already".to_owned(),
        State::Cancelled => "it is cancelled; `retry` takes it up again".to_owned(),
        state => format!("it is {state}"),
    }
}
