//! All SQL of payments. The caller owns the transaction.

mod calls;
mod heard;
mod refunds;
mod sessions;

use std::str::FromStr;

use sqlx::PgConnection;
use sqlx::types::Json;
use time::OffsetDateTime;
use uuid::Uuid;

pub(super) use calls::{
    Closing, begin_try, close_call, count_clear_try, insert_call, list_calls, load_call, lock_call,
    note_call, take_due,
};
pub(super) use heard::{HeardIntent, hear_intents};
pub(super) use refunds::{
    NewRefundRequest, RefundOfStripe, add_refunded_pieces, find_call_of_refund, find_refund,
    find_refund_by_key, insert_refund, insert_refund_of_stripe, list_refunds, load_refund, mark_refund,
};

pub(super) use sessions::{SessionNews, update_session};

use super::payment::{Checkout, OrderPayment, Session, Shown};
use crate::db::{Swept, Window};
use crate::money::Commission;

/// Writes how an order is to be paid.
pub(super) async fn insert_payment(
    conn: &mut PgConnection,
    payment: &OrderPayment,
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    sqlx::query!(
        "
        insert into order_payments (
          order_id, mode, capture, off_session, save_for_later, payment_method, receipt_email, statement_suffix,
          stripe_customer, destination, commission_fixed, commission_basis_points, on_behalf_of, application_fee,
          created_at, updated_at, success_url, cancel_url, expires_in
        )
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $15, $16, $17, $18)
        ",
        payment.order_id,
        payment.mode.as_str(),
        payment.capture.as_str(),
        payment.off_session,
        payment.save_for_later,
        payment.payment_method.as_deref(),
        payment.receipt_email.as_deref(),
        payment.statement_suffix.as_deref(),
        payment.stripe_customer.as_deref(),
        payment.destination.as_deref(),
        payment.commission.fixed,
        i32::from(payment.commission.basis_points),
        payment.on_behalf_of,
        payment.application_fee,
        now,
        payment.checkout.as_ref().map(|checkout| checkout.success_url.as_str()),
        payment.checkout.as_ref().and_then(|checkout| checkout.cancel_url.as_deref()),
        payment.checkout.as_ref().and_then(|checkout| checkout.expires_in),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Loads how orders are paid.
pub(super) async fn load_payments(
    conn: &mut PgConnection,
    order_ids: &[Uuid],
) -> sqlx::Result<Vec<OrderPayment>> {
    let rows = sqlx::query!(
        r#"
        select
          order_id, mode, capture, off_session, save_for_later, payment_method, receipt_email, statement_suffix,
          stripe_customer, destination, commission_fixed, commission_basis_points, on_behalf_of, application_fee,
          payment_intent, client_secret, intent_status, problem, problem_code, declined as "declined: Json<Shown>",
          success_url, cancel_url, expires_in, session, session_url, session_status, session_expires_at
        from order_payments
        where order_id = any($1)
        "#,
        order_ids,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(OrderPayment {
                order_id: row.order_id,
                mode: stored(&row.mode)?,
                capture: stored(&row.capture)?,
                off_session: row.off_session,
                save_for_later: row.save_for_later,
                payment_method: row.payment_method,
                receipt_email: row.receipt_email,
                statement_suffix: row.statement_suffix,
                stripe_customer: row.stripe_customer,
                destination: row.destination,
                commission: Commission {
                    fixed: row.commission_fixed,
                    basis_points: u16::try_from(row.commission_basis_points).unwrap_or_default(),
                },
                on_behalf_of: row.on_behalf_of,
                application_fee: row.application_fee,
                payment_intent: row.payment_intent,
                client_secret: row.client_secret,
                intent_status: row.intent_status,
                problem: row.problem,
                problem_code: row.problem_code,
                declined: row.declined.map(|Json(shown)| shown),
                checkout: row.success_url.map(|success_url| Checkout {
                    success_url,
                    cancel_url: row.cancel_url,
                    expires_in: row.expires_in,
                    session: row.session.map(|id| Session {
                        id,
                        url: row.session_url,
                        status: row.session_status,
                        expires_at: row.session_expires_at,
                    }),
                }),
            })
        })
        .collect()
}

/// Loads how an order is paid; none where Packline does not take its payment.
pub(super) async fn load_payment(
    conn: &mut PgConnection,
    order_id: Uuid,
) -> sqlx::Result<Option<OrderPayment>> {
    Ok(load_payments(conn, &[order_id]).await?.pop())
}

/// What Stripe's answer tells of an order's intent.
pub(super) struct IntentNews<'n> {
    pub id: &'n str,
    pub status: &'n str,
    pub client_secret: Option<&'n str>,
    pub customer: Option<&'n str>,
    /// Whether this is the answer of its making.
    pub is_made: bool,
}

/// Keeps what an answer tells of an intent; false where another stands for the order, by which it is paid, or by which it
/// is to be paid and this is not the answer of the making. Where a terminal status is known already, an older answer that
/// comes late does not undo it.
pub(super) async fn update_intent(
    conn: &mut PgConnection,
    order_id: Uuid,
    news: &IntentNews<'_>,
    now: OffsetDateTime,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "
        update order_payments set
          payment_intent = $2,
          client_secret = coalesce($4, client_secret),
          stripe_customer = coalesce(stripe_customer, $5),
          intent_status = case
            when payment_intent = $2 and intent_status in ('succeeded', 'canceled') then intent_status
            else $3
          end,
          awaits_event_since = case
            when $3 = 'succeeded' and intent_status is distinct from 'succeeded' then $6
            else awaits_event_since
          end,
          updated_at = $6
        where order_id = $1
          and (payment_intent is null or payment_intent = $2 or $7 and intent_status is distinct from 'succeeded')
        ",
        order_id,
        news.id,
        news.status,
        news.client_secret,
        news.customer,
        now,
        news.is_made,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Keeps why the last try failed, or nothing after a success. What an event told of an earlier try is over then.
pub(super) async fn note_problem(
    conn: &mut PgConnection,
    order_id: Uuid,
    problem: Option<(&str, Option<&str>)>,
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    sqlx::query!(
        "
        update order_payments set
          problem = $2,
          problem_code = $3,
          declined = null,
          declined_at = null,
          updated_at = $4
        where order_id = $1
        ",
        order_id,
        problem.map(|(text, _)| text),
        problem.and_then(|(_, code)| code),
        now,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Keeps the customer that was made for an order; returns the one that stands.
pub(super) async fn keep_customer(
    conn: &mut PgConnection,
    order_id: Uuid,
    customer: &str,
    now: OffsetDateTime,
) -> sqlx::Result<Option<String>> {
    sqlx::query_scalar!(
        "
        update order_payments set stripe_customer = coalesce(stripe_customer, $2), updated_at = $3
        where order_id = $1
        returning stripe_customer
        ",
        order_id,
        customer,
        now,
    )
    .fetch_one(conn)
    .await
}

/// Keeps the fee on what was asked to be captured.
pub(super) async fn set_application_fee(
    conn: &mut PgConnection,
    order_id: Uuid,
    fee: i64,
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update order_payments set application_fee = $2, updated_at = $3 where order_id = $1",
        order_id,
        fee,
        now,
    )
    .execute(conn)
    .await?;
    Ok(())
}

pub(super) async fn insert_token(
    conn: &mut PgConnection,
    hash: &[u8],
    order_id: Uuid,
    now: OffsetDateTime,
    expires_at: OffsetDateTime,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into checkout_tokens (hash, order_id, created_at, expires_at) values ($1, $2, $3, $4)",
        hash,
        order_id,
        now,
        expires_at,
    )
    .execute(conn)
    .await?;
    Ok(())
}

pub(super) async fn find_token(
    conn: &mut PgConnection,
    hash: &[u8],
    now: OffsetDateTime,
) -> sqlx::Result<Option<Uuid>> {
    sqlx::query_scalar!("select order_id from checkout_tokens where hash = $1 and expires_at > $2", hash, now)
        .fetch_optional(conn)
        .await
}

/// Deletes a batch of the checkout tokens that have been over for longest.
///
/// # Errors
/// The database's.
pub async fn delete_old_tokens(conn: &mut PgConnection, window: Window<'_>) -> sqlx::Result<Swept> {
    let row = sqlx::query!(
        r#"
        with old as materialized (
          select ctid, expires_at
          from checkout_tokens
          where expires_at >= $1
            and expires_at < $2
          order by expires_at
          limit $3
        ),
        deleted as (
          delete from checkout_tokens
          -- By their places in the table: nothing has to be looked up again.
          where ctid = any(array(select ctid from old))
        )
        select count(*) as "count!", max(expires_at) as reached
        from old
        "#,
        window.from.at,
        window.before,
        window.limit,
    )
    .fetch_one(conn)
    .await?;
    Ok(Swept::all(row.count, row.reached))
}

/// Reads a value that the tables keep as text. One that is unknown was written by a newer version.
fn stored<T>(text: &str) -> sqlx::Result<T>
where
    T: FromStr,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    text.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))
}
