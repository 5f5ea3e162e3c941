//! References: which Stripe objects stand for which order, and which belong together.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::super::events::Link;
use super::super::order::{Origin, Ref, RefKind};
use super::super::settle::{Candidate, SettleError};
use super::adopted::AdoptedOrder;
use super::stored;
use crate::money::Money;

/// How far apart Stripe's times of an invoice's payment and of its PaymentIntent's success can be.
const NEAR: time::Duration = time::Duration::hours(1);

/// An object that was asked for, or one that it is linked with, and the order it stands for.
pub(crate) struct ResolvedRef {
    pub asked: Ref,
    pub found: Ref,
    pub order_id: Option<Uuid>,
}

/// Finds the orders of objects, also through the links between invoices and PaymentIntents.
pub(crate) async fn resolve_refs(conn: &mut PgConnection, asked: &[&Ref]) -> sqlx::Result<Vec<ResolvedRef>> {
    let (kinds, ids) = columns(asked.iter().copied());
    let rows = sqlx::query!(
        r#"
        with asked as (
          select kind, stripe_id
          from unnest($1::text[], $2::text[]) as asked (kind, stripe_id)
        ),
        widened as (
          select kind as asked_kind, stripe_id as asked_id, kind, stripe_id
          from asked
          union
          select asked.kind, asked.stripe_id, 'payment_intent', links.payment_intent
          from asked
          -- For each by itself: a plan that was made when there were no links would read all of them.
          cross join lateral (select * from invoice_payments where invoice = asked.stripe_id offset 0) as links
          where asked.kind = 'invoice'
          union
          select asked.kind, asked.stripe_id, 'invoice', links.invoice
          from asked
          cross join lateral (select * from invoice_payments where payment_intent = asked.stripe_id offset 0) as links
          where asked.kind = 'payment_intent'
        )
        select
          widened.asked_kind as "asked_kind!",
          widened.asked_id as "asked_id!",
          widened.kind as "kind!",
          widened.stripe_id as "stripe_id!",
          (
            select order_id from order_refs where kind = widened.kind and stripe_id = widened.stripe_id
          ) as order_id
        from widened
        order by widened.asked_kind <> widened.kind, widened.stripe_id
        "#,
        &kinds as &[&str],
        &ids as &[&str],
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(ResolvedRef {
                asked: Ref::new(stored(&row.asked_kind)?, row.asked_id),
                found: Ref::new(stored(&row.kind)?, row.stripe_id),
                order_id: row.order_id,
            })
        })
        .collect()
}

/// Finds orders by id or number; a name counts only together with the account that the order belongs to. One that another
/// took over stands for that one.
pub(crate) async fn resolve_names(
    conn: &mut PgConnection,
    names: &[&str],
) -> sqlx::Result<HashMap<(String, Option<String>), Uuid>> {
    if names.is_empty() {
        return Ok(HashMap::new());
    }
    let ids: Vec<Uuid> = names.iter().filter_map(|name| Uuid::parse_str(name).ok()).collect();
    let rows = sqlx::query!(
        r#"
        select id, number, account, coalesce(merged_into, id) as "stands_for!"
        from orders
        where id = any($1) or number = any($2)
        "#,
        &ids,
        names as &[&str],
    )
    .fetch_all(conn)
    .await?;
    let by_id: HashMap<Uuid, &str> =
        names.iter().filter_map(|name| Some((Uuid::parse_str(name).ok()?, *name))).collect();
    Ok(rows
        .into_iter()
        .flat_map(|row| {
            let asked = by_id.get(&row.id).map(|name| ((*name).to_owned(), row.account.clone()));
            [Some((row.number, row.account)), asked]
                .into_iter()
                .flatten()
                .map(move |name| (name, row.stands_for))
        })
        .collect())
}

/// Keeps the links that events tell; returns the objects of those that are new.
pub(crate) async fn insert_links(
    conn: &mut PgConnection,
    candidates: &[Candidate],
) -> sqlx::Result<Vec<Ref>> {
    // Sorted, so that two batches with the same links wait for each other instead of deadlocking.
    let links: BTreeMap<&Link, &str> = candidates
        .iter()
        .flat_map(|candidate| {
            candidate.event.links.iter().map(|link| (link, candidate.event.event_id.as_str()))
        })
        .collect();
    if links.is_empty() {
        return Ok(Vec::new());
    }
    let invoices: Vec<&str> = links.keys().map(|link| link.invoice.as_str()).collect();
    let intents: Vec<&str> = links.keys().map(|link| link.payment_intent.as_str()).collect();
    let events: Vec<&str> = links.into_values().collect();
    let new = sqlx::query!(
        "
        insert into invoice_payments (invoice, payment_intent, event_id)
        select * from unnest($1::text[], $2::text[], $3::text[])
        on conflict do nothing
        returning invoice, payment_intent
        ",
        &invoices as &[&str],
        &intents as &[&str],
        &events as &[&str],
    )
    .fetch_all(conn)
    .await?;
    Ok(new
        .into_iter()
        .flat_map(|link| {
            [Ref::new(RefKind::Invoice, link.invoice), Ref::new(RefKind::PaymentIntent, link.payment_intent)]
        })
        .collect())
}

/// Lets objects stand for orders.
///
/// # Errors
/// [`SettleError::LostRace`] if one of them stands for another order meanwhile.
pub(crate) async fn insert_refs(
    conn: &mut PgConnection,
    refs: &BTreeMap<Ref, Uuid>,
    now: OffsetDateTime,
) -> Result<(), SettleError> {
    if refs.is_empty() {
        return Ok(());
    }
    let (kinds, ids) = columns(refs.keys());
    let orders: Vec<Uuid> = refs.values().copied().collect();
    let done = sqlx::query!(
        "
        insert into order_refs (kind, stripe_id, order_id, created_at)
        select kind, stripe_id, order_id, $4
        from unnest($1::text[], $2::text[], $3::uuid[]) as new (kind, stripe_id, order_id)
        -- Another batch may have met the same purchase, and have found the same order.
        on conflict on constraint order_refs_stand_for_one_order do update set
          order_id = excluded.order_id
        where order_refs.order_id = excluded.order_id
        ",
        &kinds as &[&str],
        &ids as &[&str],
        &orders,
        now,
    )
    .execute(conn)
    .await?;
    // They were free when the batch began; whoever took one for another order since then is not this batch.
    if done.rows_affected() == refs.len() as u64 { Ok(()) } else { Err(SettleError::LostRace) }
}

/// A success that may have become an order already under another name.
pub(crate) struct Purchase<'p> {
    pub account: Option<&'p str>,
    pub customer: &'p str,
    pub total: Money,
    pub origin: Origin,
    /// Whether it is a payment that says nothing of what it is for: it may be a part of what an invoice asks.
    pub is_bare: bool,
    /// Stripe's time of the success.
    pub at: OffsetDateTime,
}

impl Purchase<'_> {
    /// The kind that the twin has and this lacks, and the one that this has and the twin lacks.
    fn kinds(&self) -> (RefKind, RefKind) {
        match self.origin {
            Origin::Invoice => (RefKind::PaymentIntent, RefKind::Invoice),
            Origin::PaymentIntent | Origin::CheckoutSession | Origin::Api => {
                (RefKind::Invoice, RefKind::PaymentIntent)
            }
        }
    }

    /// Whether an order that is being adopted may be the same purchase.
    pub(crate) fn is_twin_of(&self, other: &AdoptedOrder) -> bool {
        let (has, lacks) = self.kinds();
        let kinds: BTreeSet<RefKind> = other.refs.iter().map(|reference| reference.kind).collect();
        let (asked, others) = (self.total.amount, other.total.amount);
        let is_part = match self.origin {
            Origin::Invoice => other.origin == Origin::PaymentIntent && others < asked,
            _ => self.is_bare && other.at.is_none() && others > asked,
        };
        other.account.as_deref() == self.account
            && other.details.stripe_customer.as_deref() == Some(self.customer)
            && other.total.currency == self.total.currency
            && (others == asked || is_part)
            && kinds.contains(&has)
            && !kinds.contains(&lacks)
            && !other.is_in_doubt
            && other.at.is_none_or(|at| (at - self.at).abs() <= NEAR)
    }
}

/// An order that may be the same purchase as another.
pub(crate) struct Twin {
    pub number: String,
    pub total: Money,
}

/// Finds an order that may be the same purchase. One that is held as somebody's duplicate already stands for
/// nothing that is sent. An invoice that is not heard to be paid may be what was paid, however long ago it was made, and
/// what was paid may be a part of what it asks.
pub(crate) async fn find_twin(
    conn: &mut PgConnection,
    purchase: &Purchase<'_>,
) -> sqlx::Result<Option<Twin>> {
    let (has, lacks) = purchase.kinds();
    let customer = format!("{}/{}", purchase.customer, purchase.total.currency);
    // Two batches that adopt two halves of one purchase at once must not miss each other.
    sqlx::query!("select pg_advisory_xact_lock(hashtextextended($1, 0))", customer)
        .execute(&mut *conn)
        .await?;
    let found = sqlx::query!(
        "
        select number, amount_total
        from orders
        where stripe_customer = $1
          and currency = $2
          and account is not distinct from $4
          and case
            when stripe_paid_at between $5 and $6
            then amount_total = $3 or $7 = 'payment_intent' and origin = 'payment_intent' and amount_total < $3
            when stripe_paid_at is null and payment_status not in ('paid', 'partially_refunded', 'refunded', 'cancelled')
            then amount_total = $3 or $9 and amount_total > $3
          end
          and not exists (
            select from holds
            where order_id = orders.id and kind = 'possible_duplicate' and released_at is null
          )
          and exists (select from order_refs where order_id = orders.id and kind = $7)
          and not exists (select from order_refs where order_id = orders.id and kind = $8)
        order by amount_total <> $3, created_at
        limit 1
        ",
        purchase.customer,
        purchase.total.currency.as_str(),
        purchase.total.amount,
        purchase.account,
        purchase.at - NEAR,
        purchase.at + NEAR,
        has.as_str(),
        lacks.as_str(),
        purchase.is_bare,
    )
    .fetch_optional(conn)
    .await?;
    Ok(found.map(|row| Twin {
        number: row.number,
        total: Money { amount: row.amount_total, currency: purchase.total.currency },
    }))
}

fn columns<'r>(refs: impl Iterator<Item = &'r Ref>) -> (Vec<&'r str>, Vec<&'r str>) {
    refs.map(|reference| (reference.kind.as_str(), reference.stripe_id.as_str())).unzip()
}
