//! What the rules need of orders, and what they changed.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sqlx::PgConnection;
use sqlx::types::Json;
use time::OffsetDateTime;
use uuid::Uuid;

use super::super::order::{Cause, FulfilmentStatus, PaymentStatus, Shipping};
use super::super::state::{Details, HoldState, MoneyFact, MoneyKind, Move, OrderFacts};
use super::stored;
use crate::money::{Currency, Money};
use crate::stripe::Metadata;

/// Who opened or ended a hold, as the table has it, where it was an event.
pub(crate) const BY_EVENT: &str = "event";
/// And where it was a merchant's call.
pub(crate) const BY_API: &str = "api";
/// And where it was Stripe's answer to a question.
pub(crate) const BY_LOOKUP: &str = "lookup";

/// Loads orders and locks them until the transaction ends.
pub(crate) async fn load_facts_for_update(
    conn: &mut PgConnection,
    ids: &[Uuid],
) -> sqlx::Result<BTreeMap<Uuid, OrderFacts>> {
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    // Locked in the order of their ids, so that two batches wait for each other instead of deadlocking.
    let rows = sqlx::query!(
        r#"
        select
          id, origin, currency, amount_total, amount_to_capture, payment_status, fulfilment_status, stripe_customer, customer_email,
          customer_name, shipping as "shipping: Json<Shipping>", merged_into,
          -- No `exists`: Postgres may answer that for all orders at once, by reading every reference.
          (select true from order_refs where order_id = orders.id and kind = 'invoice' limit 1) as has_invoice
        from orders
        where id = any($1)
        order by id
        for update
        "#,
        ids,
    )
    .fetch_all(&mut *conn)
    .await?;
    let mut orders = BTreeMap::new();
    for row in rows {
        let total = Money { amount: row.amount_total, currency: currency(&row.currency)? };
        let facts = OrderFacts {
            id: row.id,
            origin: stored(&row.origin)?,
            total,
            to_capture: row.amount_to_capture,
            payment: stored(&row.payment_status)?,
            fulfilment: stored(&row.fulfilment_status)?,
            money: BTreeSet::new(),
            holds: BTreeMap::new(),
            has_invoice: row.has_invoice.is_some(),
            details: Details {
                stripe_customer: row.stripe_customer,
                email: row.customer_email,
                name: row.customer_name,
                shipping: row.shipping.map(|Json(shipping)| shipping),
            },
            learnt: None,
            merged_into: row.merged_into,
        };
        orders.insert(row.id, facts);
    }

    // After the locks: what another batch wrote while this one waited for them is seen.
    let known = sqlx::query!(
        r#"
        select
          order_id as "order_id!", kind as "kind!", stripe_id as "source!", amount, currency,
          null as reason, null as released_by, null as release_reason
        from payments
        where order_id = any($1)
        union all
        select order_id, kind, source_id, null, null, reason, released_by, release_reason
        from holds
        where order_id = any($1)
        "#,
        ids
    )
    .fetch_all(conn)
    .await?;
    for row in known {
        let Some(order) = orders.get_mut(&row.order_id) else { continue };
        match (row.amount.zip(row.currency), row.reason) {
            (Some((amount, code)), _) => {
                let kind = MoneyKind::ALL.iter().find(|kind| kind.as_str() == row.kind).copied();
                let kind = kind.ok_or_else(|| {
                    sqlx::Error::Decode(format!("{:?} is no kind of payment", row.kind).into())
                })?;
                order.money.insert(MoneyFact {
                    kind,
                    stripe_id: row.source,
                    amount,
                    currency: currency(&code)?,
                });
            }
            (None, reason) => {
                let reason = reason.unwrap_or_default();
                let state = match (row.released_by, row.release_reason) {
                    (Some(by), because) => HoldState::Released {
                        reason,
                        because: because.unwrap_or_default(),
                        by: Some(by).filter(|by| ![BY_EVENT, BY_API, BY_LOOKUP].contains(&by.as_str())),
                    },
                    (None, _) => HoldState::Open { reason },
                };
                order.holds.insert((stored(&row.kind)?, row.source), state);
            }
        }
    }
    Ok(orders)
}

fn currency(code: &str) -> sqlx::Result<Currency> {
    Currency::parse(code).map_err(|error| sqlx::Error::Decode(Box::new(error)))
}

/// An order before and after a batch.
pub(crate) struct Saved<'s> {
    pub before: &'s OrderFacts,
    pub after: &'s OrderFacts,
    /// Stripe's time of the first success in the batch.
    pub success_at: Option<OffsetDateTime>,
    /// Whether fulfilment has queued it ahead of this.
    pub is_queued: bool,
}

impl Saved<'_> {
    /// Whether there is anything to save.
    pub(crate) fn is_change(&self) -> bool {
        self.before != self.after || self.success_at.is_some() || self.is_queued
    }
}

/// Saves what a batch changed: orders, money, holds. The fulfilment axis is not saved here, but for what is queued
/// already: the consequences move it. `by` is who opens and ends the holds, as the table has it, where a person does not.
pub(crate) async fn save(
    conn: &mut PgConnection,
    orders: &[Saved<'_>],
    money_events: &HashMap<(&'static str, String, i64), String>,
    by: &str,
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    if orders.is_empty() {
        return Ok(());
    }
    update_orders(conn, orders, now).await?;
    insert_money(conn, orders, money_events, now).await?;
    upsert_holds(conn, orders, by, now).await
}

async fn update_orders(
    conn: &mut PgConnection,
    orders: &[Saved<'_>],
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    let after = || orders.iter().map(|order| order.after);
    let ids: Vec<Uuid> = after().map(|order| order.id).collect();
    let origins: Vec<&str> = after().map(|order| order.origin.as_str()).collect();
    let totals: Vec<i64> = after().map(|order| order.total.amount).collect();
    let currencies: Vec<&str> = after().map(|order| order.total.currency.as_str()).collect();
    let payments: Vec<&str> = after().map(|order| order.payment.as_str()).collect();
    let paid: Vec<i64> = after().map(OrderFacts::amount_paid).collect();
    let refunded: Vec<i64> = after().map(OrderFacts::amount_refunded).collect();
    let holds: Vec<i32> =
        after().map(|order| i32::try_from(order.open_holds()).unwrap_or(i32::MAX)).collect();
    let is_paid: Vec<bool> = after().map(is_paid_for).collect();
    let successes: Vec<Option<OffsetDateTime>> = orders.iter().map(|order| order.success_at).collect();
    let customers: Vec<Option<&str>> =
        after().map(|order| order.details.stripe_customer.as_deref()).collect();
    let emails: Vec<Option<&str>> = after().map(|order| order.details.email.as_deref()).collect();
    let names: Vec<Option<&str>> = after().map(|order| order.details.name.as_deref()).collect();
    let shippings: Vec<Option<Json<&Shipping>>> =
        after().map(|order| order.details.shipping.as_ref().map(Json)).collect();
    let is_queued: Vec<bool> = orders.iter().map(|order| order.is_queued).collect();
    let to_capture: Vec<Option<i64>> = after().map(|order| order.to_capture).collect();
    let metadata: Vec<Option<Json<&Metadata>>> =
        after().map(|order| order.learnt.as_ref().map(|terms| Json(&terms.metadata))).collect();
    sqlx::query!(
        "
        update orders set
          origin = new.origin,
          amount_total = new.amount_total,
          currency = new.currency,
          payment_status = new.payment_status,
          amount_paid = new.amount_paid,
          amount_refunded = new.amount_refunded,
          open_holds = new.open_holds,
          paid_at = case when new.is_paid then coalesce(orders.paid_at, $15) else orders.paid_at end,
          stripe_paid_at = least(orders.stripe_paid_at, new.stripe_paid_at),
          stripe_customer = new.stripe_customer,
          customer_email = new.customer_email,
          customer_name = new.customer_name,
          shipping = new.shipping,
          metadata = coalesce(new.metadata, orders.metadata),
          amount_to_capture = new.amount_to_capture,
          fulfilment_status = case when new.is_queued then 'queued' else orders.fulfilment_status end,
          updated_at = $15
        from unnest(
          $1::uuid[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::bigint[], $7::bigint[], $8::int[],
          $9::bool[], $10::timestamptz[], $11::text[], $12::text[], $13::text[], $14::jsonb[], $16::jsonb[],
          $17::bigint[], $18::bool[]
        ) as new (
          id, origin, amount_total, currency, payment_status, amount_paid, amount_refunded, open_holds, is_paid,
          stripe_paid_at, stripe_customer, customer_email, customer_name, shipping, metadata, amount_to_capture,
          is_queued
        )
        where orders.id = new.id
        ",
        &ids,
        &origins as &[&str],
        &totals,
        &currencies as &[&str],
        &payments as &[&str],
        &paid,
        &refunded,
        &holds,
        &is_paid,
        &successes as &[Option<OffsetDateTime>],
        &customers as &[Option<&str>],
        &emails as &[Option<&str>],
        &names as &[Option<&str>],
        &shippings as &[Option<Json<&Shipping>>],
        now,
        &metadata as &[Option<Json<&Metadata>>],
        &to_capture as &[Option<i64>],
        &is_queued,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// A whole refund before anything was sent still leaves an order that had been paid.
fn is_paid_for(order: &OrderFacts) -> bool {
    order.payment.is_covered()
        || order.payment == PaymentStatus::Refunded && order.fulfilment != FulfilmentStatus::None
}

async fn insert_money(
    conn: &mut PgConnection,
    orders: &[Saved<'_>],
    events: &HashMap<(&'static str, String, i64), String>,
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    let new: Vec<(Uuid, &MoneyFact)> = orders
        .iter()
        .flat_map(|order| {
            order.after.money.difference(&order.before.money).map(|fact| (order.after.id, fact))
        })
        .collect();
    if new.is_empty() {
        return Ok(());
    }
    let order_ids: Vec<Uuid> = new.iter().map(|(order, _)| *order).collect();
    let kinds: Vec<&str> = new.iter().map(|(_, fact)| fact.kind.as_str()).collect();
    let stripe_ids: Vec<&str> = new.iter().map(|(_, fact)| fact.stripe_id.as_str()).collect();
    let amounts: Vec<i64> = new.iter().map(|(_, fact)| fact.amount).collect();
    let currencies: Vec<&str> = new.iter().map(|(_, fact)| fact.currency.as_str()).collect();
    let event_ids: Vec<&str> = new
        .iter()
        .map(|(_, fact)| {
            let key = (fact.kind.as_str(), fact.stripe_id.clone(), fact.amount);
            events.get(&key).map_or("", String::as_str)
        })
        .collect();
    sqlx::query!(
        "
        insert into payments (order_id, kind, stripe_id, amount, currency, event_id, created_at)
        select *, $7
        from unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::text[])
        on conflict on constraint payments_are_counted_once do nothing
        ",
        &order_ids,
        &kinds as &[&str],
        &stripe_ids as &[&str],
        &amounts,
        &currencies as &[&str],
        &event_ids as &[&str],
        now,
    )
    .execute(conn)
    .await?;
    Ok(())
}

async fn upsert_holds(
    conn: &mut PgConnection,
    orders: &[Saved<'_>],
    opened_by: &str,
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    let changed: Vec<_> = orders
        .iter()
        .flat_map(|order| {
            let is_new = |key, state| order.before.holds.get(key) != Some(state);
            order
                .after
                .holds
                .iter()
                .filter(move |(key, state)| is_new(key, state))
                .map(|(key, state)| (order.after.id, key, state))
        })
        .collect();
    if changed.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = changed.iter().map(|_| Uuid::now_v7()).collect();
    let order_ids: Vec<Uuid> = changed.iter().map(|(order, ..)| *order).collect();
    let kinds: Vec<&str> = changed.iter().map(|(_, (kind, _), _)| kind.as_str()).collect();
    let sources: Vec<&str> = changed.iter().map(|(_, (_, source), _)| source.as_str()).collect();
    let states = || {
        changed.iter().map(|(_, _, state)| match state {
            HoldState::Open { reason } => (reason.as_str(), None, None),
            HoldState::Released { reason, because, by } => {
                (reason.as_str(), Some(because.as_str()), Some(by.as_deref().unwrap_or(opened_by)))
            }
        })
    };
    let reasons: Vec<&str> = states().map(|(reason, ..)| reason).collect();
    let endings: Vec<Option<&str>> = states().map(|(_, because, _)| because).collect();
    let enders: Vec<Option<&str>> = states().map(|(_, _, by)| by).collect();
    sqlx::query!(
        "
        insert into holds (
          id, order_id, kind, source_id, reason, opened_at, opened_by, released_at, released_by, release_reason
        )
        select
          id, order_id, kind, source_id, reason, $7::timestamptz, $8::text,
          case when ended is not null then $7::timestamptz end, ended_by, ended
        from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $9::text[])
          as new (id, order_id, kind, source_id, reason, ended, ended_by)
        on conflict on constraint holds_are_opened_once do update set
          reason = excluded.reason,
          released_at = excluded.released_at,
          released_by = excluded.released_by,
          release_reason = excluded.release_reason
        ",
        &ids,
        &order_ids,
        &kinds as &[&str],
        &sources as &[&str],
        &reasons as &[&str],
        &endings as &[Option<&str>],
        now,
        opened_by,
        &enders as &[Option<&str>],
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// A row of an order's history.
pub(crate) struct NewTransition {
    pub order_id: Uuid,
    pub moved: Move,
    pub cause: Cause,
}

/// Writes history.
pub(crate) async fn insert_transitions(
    conn: &mut PgConnection,
    transitions: &[NewTransition],
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    if transitions.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = transitions.iter().map(|_| Uuid::now_v7()).collect();
    let order_ids: Vec<Uuid> = transitions.iter().map(|new| new.order_id).collect();
    let axes: Vec<&str> = transitions.iter().map(|new| new.moved.axis.as_str()).collect();
    let from: Vec<Option<&str>> = transitions.iter().map(|new| new.moved.from).collect();
    let to: Vec<Option<&str>> = transitions.iter().map(|new| new.moved.to).collect();
    let cause_kinds: Vec<&str> = transitions.iter().map(|new| new.cause.kind()).collect();
    let cause_ids: Vec<String> = transitions.iter().map(|new| new.cause.id()).collect();
    let reasons: Vec<Option<&str>> = transitions.iter().map(|new| new.moved.reason.as_deref()).collect();
    sqlx::query!(
        "
        insert into order_transitions (
          id, order_id, axis, from_value, to_value, cause_kind, cause_id, reason, at
        )
        select *, $9
        from unnest(
          $1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[]
        )
        ",
        &ids,
        &order_ids,
        &axes as &[&str],
        &from as &[Option<&str>],
        &to as &[Option<&str>],
        &cause_kinds as &[&str],
        &cause_ids,
        &reasons as &[Option<&str>],
        now,
    )
    .execute(conn)
    .await?;
    Ok(())
}
