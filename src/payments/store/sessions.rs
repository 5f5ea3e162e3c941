//! What is told of Checkout Sessions.

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::stripe::{CheckoutSession, Id};

/// What an answer or an event tells of an order's session.
pub(in crate::payments) struct SessionNews<'n> {
    pub id: &'n str,
    pub url: Option<&'n str>,
    /// `open`, `complete` or `expired`.
    pub status: &'n str,
    pub expires_at: Option<OffsetDateTime>,
    /// The PaymentIntent, once the customer has tried to pay.
    pub payment_intent: Option<&'n str>,
}

impl<'n> SessionNews<'n> {
    /// Of a session as Stripe shows it. Very old versions do not tell whether it is open: what is paid is complete.
    pub(in crate::payments) fn of(session: &'n CheckoutSession) -> Self {
        Self {
            id: &session.id,
            url: session.url.as_deref(),
            status: session.status.as_deref().unwrap_or(if session.is_settled() {
                "complete"
            } else {
                "open"
            }),
            expires_at: session.expires_at.and_then(|at| OffsetDateTime::from_unix_timestamp(at).ok()),
            payment_intent: session.payment_intent.as_ref().map(Id::as_str),
        }
    }
}

/// Keeps how a session is; false where the order is paid in another way or by another session. One that is complete or
/// expired stays so, whatever comes late.
pub(in crate::payments) async fn update_session(
    conn: &mut PgConnection,
    order_id: Uuid,
    news: &SessionNews<'_>,
    now: OffsetDateTime,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "
        update order_payments set
          session = $2,
          session_url = case when session_status in ('complete', 'expired') or $4 <> 'open' then null else $3 end,
          session_status = case when session_status in ('complete', 'expired') then session_status else $4 end,
          session_expires_at = coalesce($5, session_expires_at),
          payment_intent = coalesce(payment_intent, $6),
          updated_at = $7
        where order_id = $1
          and mode = 'checkout'
          and (session is null or session = $2)
        ",
        order_id,
        news.id,
        news.url,
        news.status,
        news.expires_at,
        news.payment_intent,
        now,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}
