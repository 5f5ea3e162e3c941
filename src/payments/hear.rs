//! What events tell of intents, sessions and refunds, kept beside what was asked: the rows that pages and people look at. Orders
//! are moved elsewhere, by the same events, in the same transaction.

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::payment::RefundState;
use super::state::Failure;
use super::store::{self, HeardIntent, RefundOfStripe, SessionNews};
use crate::orders::events::{OrderEvent, Told};
use crate::orders::{Cause, Consequence, HoldKind, LockedOrder, Step};

/// Keeps what a batch of events tells, each with the order that it concerns; returns what follows for fulfilment.
///
/// # Errors
/// The database's; nothing may be committed then.
pub async fn hear(
    conn: &mut PgConnection,
    events: &[(Uuid, &OrderEvent)],
    now: OffsetDateTime,
) -> sqlx::Result<Vec<(Uuid, Consequence, Cause)>> {
    store::hear_intents(conn, &intents(events, now), now).await?;
    let mut consequences = Vec::new();
    for (order, event) in events {
        for told in &event.told {
            let counted = match told {
                Told::Refund { .. } => hear_refund(conn, *order, told, now).await?,
                Told::ChargeRefunded { key } => store::find_refund_by_key(conn, *order, key).await?,
                Told::Session(session) => {
                    store::update_session(conn, *order, &SessionNews::of(session), now).await?;
                    None
                }
                Told::Intent { .. } | Told::Invoice { .. } | Told::Charge { .. } => None,
            };
            if let Some(request) = counted {
                let cause = Cause::Event(event.event_id.clone());
                consequences.extend(let_go(conn, *order, request, &cause, now).await?);
            }
        }
    }
    Ok(consequences)
}

/// What events tell of intents.
fn intents<'e>(events: &[(Uuid, &'e OrderEvent)], now: OffsetDateTime) -> Vec<HeardIntent<'e>> {
    let all =
        events.iter().flat_map(|(order, event)| event.told.iter().map(move |told| (*order, *event, told)));
    all.filter_map(|(order_id, event, told)| {
        let Told::Intent { id, status, failure } = told else { return None };
        let failure = failure.as_deref().map(Failure::of);
        Some(HeardIntent { order_id, id, status, failure, at: event.created_at.unwrap_or(now) })
    })
    .collect()
}

/// Once a refund's money is counted, by whatever event, the refund itself holds nothing up any more.
async fn let_go(
    conn: &mut PgConnection,
    order_id: Uuid,
    request: Uuid,
    cause: &Cause,
    now: OffsetDateTime,
) -> sqlx::Result<Vec<(Uuid, Consequence, Cause)>> {
    let Some(mut order) = LockedOrder::lock(conn, order_id).await? else { return Ok(Vec::new()) };
    let because = "Stripe has it: its charge tells so".to_owned();
    let step = Step::EndHold { kind: HoldKind::Refund, source: request.to_string(), because };
    order.steer(conn, step, cause, now).await
}

/// Keeps how far a refund is; returns the request of ours that it is, if it is one.
async fn hear_refund(
    conn: &mut PgConnection,
    order_id: Uuid,
    told: &Told,
    now: OffsetDateTime,
) -> sqlx::Result<Option<Uuid>> {
    let Told::Refund { id, amount, currency, status, reason, failure: why, reverses_transfer, request } =
        told
    else {
        return Ok(None);
    };
    let state = refund_state(status.as_deref());
    let problem = failure(status.as_deref(), why.as_deref());
    if let Some(known) = store::find_refund(conn, order_id, id, *request).await? {
        let moved = store::mark_refund(conn, known, state, Some(id), problem.as_deref(), now).await?;
        if moved
            && is_off(state)
            && let Some(lines) = store::load_refund(conn, known).await?.lines
        {
            store::add_refunded_pieces(conn, order_id, &lines, -1).await?;
        }
        return Ok(Some(known));
    }
    let reason = reason.as_deref().filter(|reason| REASONS.contains(reason));
    let told = RefundOfStripe {
        order_id,
        stripe_id: id,
        amount: *amount,
        currency: currency.as_str(),
        reason,
        reverse_transfer: *reverses_transfer,
        state,
        problem: problem.as_deref(),
    };
    if *amount > 0 {
        store::insert_refund_of_stripe(conn, &told, now).await?;
    }
    Ok(None)
}

/// The reasons that the table knows; Stripe may add some.
const REASONS: [&str; 4] = ["duplicate", "fraudulent", "requested_by_customer", "expired_uncaptured_charge"];

/// Our word for Stripe's status of a refund. Very old versions tell none: it is made.
pub(super) fn refund_state(status: Option<&str>) -> RefundState {
    match status {
        Some("succeeded") | None => RefundState::Succeeded,
        Some("failed") => RefundState::Failed,
        Some("canceled") => RefundState::Cancelled,
        Some(_) => RefundState::Pending,
    }
}

/// Why a refund failed, for people.
pub(super) fn failure(status: Option<&str>, why: Option<&str>) -> Option<String> {
    (status == Some("failed")).then(|| format!("Stripe: {}", why.unwrap_or("the refund failed")))
}

/// Whether the money stays.
pub(super) fn is_off(state: RefundState) -> bool {
    matches!(state, RefundState::Failed | RefundState::Cancelled | RefundState::Refused)
}
