//! Refunds, wherever they were asked for.

use sqlx::PgConnection;
use sqlx::types::Json;
use time::OffsetDateTime;
use uuid::Uuid;

use super::super::payment::{RefundRequest, RefundState, RefundedLine};
use super::stored;

/// A refund that is asked for here.
pub(crate) struct NewRefundRequest<'r> {
    pub id: Uuid,
    pub order_id: Uuid,
    pub call_id: Uuid,
    pub amount: i64,
    pub currency: &'r str,
    pub reason: Option<&'r str>,
    pub lines: Option<&'r [RefundedLine]>,
    pub reverse_transfer: bool,
    pub refund_application_fee: bool,
}

/// Writes a refund that is asked for here.
pub(crate) async fn insert_refund(
    conn: &mut PgConnection,
    new: &NewRefundRequest<'_>,
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    sqlx::query!(
        "
        insert into refund_requests (
          id, order_id, call_id, origin, amount, currency, reason, lines, reverse_transfer, refund_application_fee,
          state, created_at, updated_at
        )
        values ($1, $2, $3, 'api', $4, $5, $6, $7, $8, $9, 'requested', $10, $10)
        ",
        new.id,
        new.order_id,
        new.call_id,
        new.amount,
        new.currency,
        new.reason,
        new.lines.map(Json) as Option<Json<&[RefundedLine]>>,
        new.reverse_transfer,
        new.refund_application_fee,
        now,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// A refund that Stripe told of and that was asked for elsewhere.
pub(crate) struct RefundOfStripe<'r> {
    pub order_id: Uuid,
    pub stripe_id: &'r str,
    pub amount: i64,
    pub currency: &'r str,
    pub reason: Option<&'r str>,
    pub reverse_transfer: bool,
    pub state: RefundState,
    pub problem: Option<&'r str>,
}

/// Writes a refund that was asked for elsewhere.
pub(crate) async fn insert_refund_of_stripe(
    conn: &mut PgConnection,
    told: &RefundOfStripe<'_>,
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    sqlx::query!(
        "
        insert into refund_requests (
          id, order_id, origin, amount, currency, reason, reverse_transfer, state, problem, stripe_id, created_at,
          updated_at
        )
        values ($1, $2, 'stripe', $3, $4, $5, $6, $7, $8, $9, $10, $10)
        on conflict on constraint refund_requests_are_one_refund_each do nothing
        ",
        Uuid::now_v7(),
        told.order_id,
        told.amount,
        told.currency,
        told.reason,
        told.reverse_transfer,
        told.state.as_str(),
        told.problem,
        told.stripe_id,
        now,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Moves a refund on. One that failed, was refused or called off stays so, one that succeeded can only fail: other news
/// is late. Returns whether it moved.
pub(crate) async fn mark_refund(
    conn: &mut PgConnection,
    id: Uuid,
    state: RefundState,
    stripe_id: Option<&str>,
    problem: Option<&str>,
    now: OffsetDateTime,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "
        update refund_requests set
          state = $2,
          stripe_id = coalesce(stripe_id, $3),
          problem = $4,
          updated_at = $5
        where id = $1
          and (
            state = 'requested'
            or state = 'pending' and $2 <> 'requested'
            or state = 'succeeded' and $2 in ('failed', 'cancelled')
          )
        ",
        id,
        state.as_str(),
        stripe_id,
        problem,
        now,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Finds the refund that one of Stripe's is, by its id or by the request that it names.
pub(crate) async fn find_refund(
    conn: &mut PgConnection,
    order_id: Uuid,
    stripe_id: &str,
    request: Option<Uuid>,
) -> sqlx::Result<Option<Uuid>> {
    sqlx::query_scalar!(
        "
        select id
        from refund_requests
        where order_id = $1 and (stripe_id = $2 or id = $3 and stripe_id is null)
        order by stripe_id is null
        limit 1
        ",
        order_id,
        stripe_id,
        request,
    )
    .fetch_optional(conn)
    .await
}

/// Finds the refund that the call with a key asked for.
pub(crate) async fn find_refund_by_key(
    conn: &mut PgConnection,
    order_id: Uuid,
    key: &str,
) -> sqlx::Result<Option<Uuid>> {
    sqlx::query_scalar!(
        "
        select requests.id
        from stripe_calls as calls
        join refund_requests as requests on requests.call_id = calls.id
        where calls.idempotency_key = $1 and calls.order_id = $2
        ",
        key,
        order_id,
    )
    .fetch_optional(conn)
    .await
}

/// The call by which a refund is asked for.
pub(crate) async fn find_call_of_refund(conn: &mut PgConnection, id: Uuid) -> sqlx::Result<Uuid> {
    sqlx::query_scalar!(r#"select call_id as "call_id!" from refund_requests where id = $1"#, id)
        .fetch_one(conn)
        .await
}

struct Row {
    id: Uuid,
    order_id: Uuid,
    origin: String,
    amount: i64,
    currency: String,
    reason: Option<String>,
    lines: Option<Json<Vec<RefundedLine>>>,
    reverse_transfer: bool,
    refund_application_fee: bool,
    state: String,
    problem: Option<String>,
    stripe_id: Option<String>,
    created_at: OffsetDateTime,
    updated_at: OffsetDateTime,
}

impl Row {
    fn read(self) -> sqlx::Result<RefundRequest> {
        Ok(RefundRequest {
            id: self.id,
            order_id: self.order_id,
            origin: self.origin,
            amount: self.amount,
            currency: self.currency,
            reason: self.reason,
            lines: self.lines.map(|Json(lines)| lines),
            reverse_transfer: self.reverse_transfer,
            refund_application_fee: self.refund_application_fee,
            state: stored(&self.state)?,
            problem: self.problem,
            stripe_id: self.stripe_id,
            created_at: self.created_at,
            updated_at: self.updated_at,
        })
    }
}

/// The refunds of an order, oldest first.
pub(crate) async fn list_refunds(
    conn: &mut PgConnection,
    order_id: Uuid,
) -> sqlx::Result<Vec<RefundRequest>> {
    let rows = sqlx::query_as!(
        Row,
        r#"
        select
          id, order_id, origin, amount, currency, reason, lines as "lines: Json<Vec<RefundedLine>>", reverse_transfer,
          refund_application_fee, state, problem, stripe_id, created_at, updated_at
        from refund_requests
        where order_id = $1
        order by created_at, id
        "#,
        order_id,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(Row::read).collect()
}

/// Loads a refund.
pub(crate) async fn load_refund(conn: &mut PgConnection, id: Uuid) -> sqlx::Result<RefundRequest> {
    sqlx::query_as!(
        Row,
        r#"
        select
          id, order_id, origin, amount, currency, reason, lines as "lines: Json<Vec<RefundedLine>>", reverse_transfer,
          refund_application_fee, state, problem, stripe_id, created_at, updated_at
        from refund_requests
        where id = $1
        "#,
        id,
    )
    .fetch_one(conn)
    .await?
    .read()
}

/// Takes pieces of lines back, or gives them back where the refund came to nothing (`sign` -1).
pub(crate) async fn add_refunded_pieces(
    conn: &mut PgConnection,
    order_id: Uuid,
    lines: &[RefundedLine],
    sign: i64,
) -> sqlx::Result<()> {
    let positions: Vec<i32> = lines.iter().map(|line| line.position).collect();
    let quantities: Vec<i64> = lines.iter().map(|line| line.quantity * sign).collect();
    sqlx::query!(
        "
        update order_lines as lines set quantity_refunded = lines.quantity_refunded + back.quantity
        from unnest($2::int[], $3::bigint[]) as back (position, quantity)
        where lines.order_id = $1 and lines.position = back.position
        ",
        order_id,
        &positions,
        &quantities,
    )
    .execute(conn)
    .await?;
    Ok(())
}
