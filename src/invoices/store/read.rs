//! Invoices, as people read them.

use std::collections::HashMap;

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::super::invoice::{Facts, Invoice, Status};
use super::{currency, stored};

/// Which invoices to list; newest first.
#[derive(Clone, Debug, Default)]
pub struct InvoiceFilter {
    /// In this status.
    pub status: Option<String>,
    /// Of this customer, `cus_…`.
    pub customer: Option<String>,
    /// Of this subscription, `sub_…`.
    pub subscription: Option<String>,
    /// After this one.
    pub after: Option<(OffsetDateTime, Uuid)>,
    /// At most.
    pub limit: i64,
}

/// Finds the ids of invoices. Deleted drafts are none.
///
/// # Errors
/// The database's.
pub async fn list_invoices(conn: &mut PgConnection, filter: &InvoiceFilter) -> sqlx::Result<Vec<Uuid>> {
    let (after_time, after_id) = filter.after.unzip();
    sqlx::query_scalar!(
        "
        select id
        from invoices
        where deleted_at is null
          and ($1::text is null or status = $1)
          and ($2::text is null or customer = $2)
          and ($3::text is null or subscription = $3)
          and ($4::timestamptz is null or (created_at, id) < ($4, $5::uuid))
        order by created_at desc, id desc
        limit $6
        ",
        filter.status,
        filter.customer,
        filter.subscription,
        after_time,
        after_id,
        filter.limit,
    )
    .fetch_all(conn)
    .await
}

/// Finds an invoice by our id or Stripe's, or the order that it became; of several of an order the newest.
///
/// # Errors
/// The database's.
pub async fn find_invoice(
    conn: &mut PgConnection,
    name: &str,
    order: Option<Uuid>,
) -> sqlx::Result<Option<Invoice>> {
    if name.contains('\0') {
        return Ok(None);
    }
    let id = sqlx::query_scalar!(
        "
        select id
        from invoices
        where stripe_id = $1 or id = $2 or order_id = $3
        order by created_at desc, id desc
        limit 1
        ",
        name,
        name.parse::<Uuid>().ok(),
        order,
    )
    .fetch_optional(&mut *conn)
    .await?;
    match id {
        Some(id) => Ok(load_invoices(conn, &[id]).await?.pop()),
        None => Ok(None),
    }
}

/// The invoice of each of these orders, as far as they have one; of several the newest that is no void one.
///
/// # Errors
/// The database's.
pub async fn load_of_orders(
    conn: &mut PgConnection,
    orders: &[Uuid],
) -> sqlx::Result<HashMap<Uuid, Invoice>> {
    let ids = sqlx::query_scalar!(
        "
        select distinct on (order_id) id
        from invoices
        where order_id = any($1)
        order by order_id, status = 'void', created_at desc, id desc
        ",
        orders,
    )
    .fetch_all(&mut *conn)
    .await?;
    let invoices = load_invoices(conn, &ids).await?;
    Ok(invoices.into_iter().filter_map(|invoice| Some((invoice.order_id?, invoice))).collect())
}

/// The newest invoice of each of these subscriptions that is to be paid and is not.
///
/// # Errors
/// The database's.
pub async fn load_unpaid(
    conn: &mut PgConnection,
    subscriptions: &[&str],
) -> sqlx::Result<HashMap<String, Invoice>> {
    let ids = sqlx::query_scalar!(
        "
        select distinct on (subscription) id
        from invoices
        where subscription = any($1)
          and status in ('open', 'uncollectible')
        order by subscription, created_at desc, id desc
        ",
        subscriptions as &[&str],
    )
    .fetch_all(&mut *conn)
    .await?;
    let invoices = load_invoices(conn, &ids).await?;
    Ok(invoices
        .into_iter()
        .filter_map(|invoice| Some((invoice.facts.subscription.clone()?, invoice)))
        .collect())
}

/// Loads invoices, in the order of their ids as given.
///
/// # Errors
/// The database's.
pub async fn load_invoices(conn: &mut PgConnection, ids: &[Uuid]) -> sqlx::Result<Vec<Invoice>> {
    // Most orders have none.
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let rows = sqlx::query!(
        r#"
        select
          i.id, i.stripe_id, i.account, order_id, status, number, billing_reason, collection_method, customer,
          customer_email, subscription, quote, currency, amount_due, amount_paid, amount_remaining, lines, auto_advance,
          automatically_finalizes_at, attempt_count, next_payment_attempt, due_date, period_start, period_end,
          hosted_invoice_url, invoice_pdf, told_at, deleted_at, client_secret, action_required_at, created_at, updated_at,
          coalesce(paid.intents, '{}') as "intents!",
          paid.receipt_url,
          paid.failure,
          paid.failed_at
        from unnest($1::uuid[]) with ordinality as asked (id, position)
        join invoices as i on i.id = asked.id
        left join lateral (
          select
            array_agg(told.payment_intent order by told.payment_intent) as intents,
            (array_agg(n.receipt_url order by n.receipt_at desc, n.payment_intent desc) filter (where n.receipt_url is not null))[1] as receipt_url,
            (array_agg(n.failure order by n.failed_at desc, n.payment_intent desc) filter (where n.failure is not null))[1] as failure,
            max(n.failed_at) as failed_at
          from invoice_intents as told
          left join payment_notes as n using (payment_intent)
          where told.invoice = i.stripe_id
        ) as paid on true
        order by asked.position
        "#,
        ids,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            let status: Status = stored(&row.status)?;
            let is_unpaid = matches!(status, Status::Open | Status::Uncollectible);
            Ok(Invoice {
                id: row.id,
                stripe_id: row.stripe_id,
                account: row.account,
                order_id: row.order_id,
                facts: Facts {
                    status,
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
                    created: Some(row.created_at),
                },
                client_secret: row.client_secret.filter(|_| is_unpaid),
                // A failure after it says that whatever was wanted came to nothing.
                action_required: is_unpaid
                    && row
                        .action_required_at
                        .is_some_and(|at| row.failed_at.is_none_or(|failed| at >= failed)),
                problem: row.failure.filter(|_| is_unpaid),
                payment_intents: row.intents,
                receipt_url: row.receipt_url,
                deleted_at: row.deleted_at,
                told_at: row.told_at,
                created_at: row.created_at,
                updated_at: row.updated_at,
            })
        })
        .collect()
}
