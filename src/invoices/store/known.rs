//! What is known of invoices, as snapshots move it.

use std::collections::BTreeMap;

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::super::invoice::Facts;
use super::super::state::{Known, Source};
use super::{currency, stored};

/// A row that this transaction has locked.
#[derive(Clone, Debug)]
pub(in crate::invoices) struct LockedInvoice {
    pub id: Uuid,
    pub account: Option<String>,
    pub known: Known,
    pub has_secret: bool,
    pub news: i64,
}

/// Locks the invoices of these names; those that are not known are missing.
pub(in crate::invoices) async fn lock(
    conn: &mut PgConnection,
    names: &[&str],
) -> sqlx::Result<BTreeMap<String, LockedInvoice>> {
    let rows = sqlx::query!(
        r#"
        select
          id, stripe_id, account, status, number, billing_reason, collection_method, customer, customer_email,
          subscription, quote, currency, amount_due, amount_paid, amount_remaining, lines, auto_advance,
          automatically_finalizes_at, attempt_count, next_payment_attempt, due_date, period_start, period_end,
          hosted_invoice_url, invoice_pdf, told_as, told_at, told_by, deleted_at, action_required_at, news,
          client_secret is not null as "has_secret!"
        from invoices
        where stripe_id = any($1)
        order by stripe_id
        -- Looks, answers and events that move the same invoices wait; all lock in the order of names.
        for update
        "#,
        names as &[&str],
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            let facts = Facts {
                status: stored(&row.status)?,
                number: row.number,
                billing_reason: row.billing_reason,
                collection_method: row.collection_method,
                customer: row.customer,
                customer_email: row.customer_email,
                subscription: row.subscription,
                quote: row.quote,
                currency: currency(&row.currency)?,
                amount_due: row.amount_due,
                amount_paid: row.amount_paid,
                amount_remaining: row.amount_remaining,
                lines: row.lines,
                auto_advance: row.auto_advance,
                automatically_finalizes_at: row.automatically_finalizes_at,
                attempt_count: row.attempt_count,
                next_payment_attempt: row.next_payment_attempt,
                due_date: row.due_date,
                period_start: row.period_start,
                period_end: row.period_end,
                hosted_invoice_url: row.hosted_invoice_url,
                invoice_pdf: row.invoice_pdf,
                created: None,
            };
            let known = Known {
                facts,
                source: Source { told_as: row.told_as, at: row.told_at, by: row.told_by },
                deleted_at: row.deleted_at,
                action_required_at: row.action_required_at,
            };
            let locked = LockedInvoice {
                id: row.id,
                account: row.account,
                known,
                has_secret: row.has_secret,
                news: row.news,
            };
            Ok((row.stripe_id, locked))
        })
        .collect()
}

/// Writes an invoice that was not known; false where somebody else did meanwhile.
pub(in crate::invoices) async fn insert(
    conn: &mut PgConnection,
    stripe_id: &str,
    account: Option<&str>,
    known: &Known,
    now: OffsetDateTime,
) -> sqlx::Result<bool> {
    let Known { facts, source, .. } = known;
    let done = sqlx::query!(
        "
        insert into invoices
          (id, stripe_id, account, status, currency, amount_due, amount_paid, amount_remaining, told_as, told_at,
           told_by, created_at, updated_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
        on conflict (stripe_id) do nothing
        ",
        Uuid::now_v7(),
        stripe_id,
        account,
        facts.status.as_str(),
        facts.currency.as_str(),
        facts.amount_due,
        facts.amount_paid,
        facts.amount_remaining,
        source.told_as,
        source.at,
        source.by,
        facts.created.unwrap_or(source.at),
        now,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// What an answer or a look tells that no event does.
pub(in crate::invoices) struct Seen<'s> {
    pub client_secret: Option<&'s str>,
}

/// Writes what snapshots moved, how many spoke of it, when the worker is to look at it, and what a look saw, if it was
/// looked at. A transaction writes an invoice by this once: a second update of the row would have Postgres check its order
/// again, which waits for whoever holds that and perhaps waits for the invoice.
pub(in crate::invoices) async fn save(
    conn: &mut PgConnection,
    row: &LockedInvoice,
    seen: Option<Seen<'_>>,
    next_look_at: Option<OffsetDateTime>,
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    let Known { facts, source, deleted_at, action_required_at } = &row.known;
    sqlx::query!(
        "
        update invoices set
          status = $2,
          number = $3,
          billing_reason = $4,
          collection_method = $5,
          customer = $6,
          customer_email = $7,
          subscription = $8,
          quote = $9,
          currency = $10,
          amount_due = $11,
          amount_paid = $12,
          amount_remaining = $13,
          lines = $14,
          auto_advance = $15,
          automatically_finalizes_at = $16,
          attempt_count = $17,
          next_payment_attempt = $18,
          due_date = $19,
          period_start = $20,
          period_end = $21,
          hosted_invoice_url = $22,
          invoice_pdf = $23,
          told_as = $24,
          told_at = $25,
          told_by = $26,
          deleted_at = $27,
          action_required_at = $28,
          news = $29,
          next_look_at = $30,
          looks = 0,
          updated_at = $31,
          client_secret = coalesce($32, client_secret),
          client_secret_at = case when $32::text is not null then $31 else client_secret_at end,
          looked_at_news = case when $33 then $29 else looked_at_news end
        where id = $1
        ",
        row.id,
        facts.status.as_str(),
        facts.number.as_deref(),
        facts.billing_reason.as_deref(),
        facts.collection_method.as_deref(),
        facts.customer.as_deref(),
        facts.customer_email.as_deref(),
        facts.subscription.as_deref(),
        facts.quote.as_deref(),
        facts.currency.as_str(),
        facts.amount_due,
        facts.amount_paid,
        facts.amount_remaining,
        facts.lines,
        facts.auto_advance,
        facts.automatically_finalizes_at,
        facts.attempt_count,
        facts.next_payment_attempt,
        facts.due_date,
        facts.period_start,
        facts.period_end,
        facts.hosted_invoice_url.as_deref(),
        facts.invoice_pdf.as_deref(),
        source.told_as,
        source.at,
        source.by,
        *deleted_at,
        *action_required_at,
        row.news,
        next_look_at,
        now,
        seen.as_ref().and_then(|seen| seen.client_secret),
        seen.is_some(),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Writes which orders invoices became.
pub(in crate::invoices) async fn link_orders(
    conn: &mut PgConnection,
    names: &[&str],
    orders: &[Uuid],
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    if names.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "
        update invoices set order_id = told.order_id, updated_at = $3
        from unnest($1::text[], $2::uuid[]) as told (invoice, order_id)
        where invoices.stripe_id = told.invoice
          and invoices.order_id is distinct from told.order_id
        ",
        names as &[&str],
        orders,
        now,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Gives the invoices of an order to another.
pub(in crate::invoices) async fn move_invoices(
    conn: &mut PgConnection,
    order_id: Uuid,
    to: Uuid,
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update invoices set order_id = $2, updated_at = $3 where order_id = $1",
        order_id,
        to,
        now,
    )
    .execute(conn)
    .await?;
    Ok(())
}
