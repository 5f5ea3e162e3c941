//! What events tell of intents.

use sqlx::PgConnection;
use sqlx::types::Json;
use time::OffsetDateTime;
use uuid::Uuid;

use super::Shown;
use crate::payments::state::Failure;

/// What an event tells of an order's intent.
pub(in crate::payments) struct HeardIntent<'n> {
    pub order_id: Uuid,
    pub id: &'n str,
    pub status: &'n str,
    pub failure: Option<Failure>,
    /// Stripe's time of the event.
    pub at: OffsetDateTime,
}

/// How far an intent is, for events, which can be late. A try that failed brings Stripe's status back to where it began,
/// but counts for more than the steps that led there; as it does for the order.
const FAR: [&str; 8] = [
    "requires_payment_method",
    "requires_confirmation",
    "requires_action",
    "processing",
    FAILED,
    "requires_capture",
    "canceled",
    "succeeded",
];

const FAILED: &str = "failed";

/// Keeps what a batch of events tells of intents: of each what is furthest. An event can be late: it never takes a status
/// back that is further on its way, and a failure that is older than our last try tells nothing of that.
pub(in crate::payments) async fn hear_intents(
    conn: &mut PgConnection,
    heard: &[HeardIntent<'_>],
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    if heard.is_empty() {
        return Ok(());
    }
    let orders: Vec<Uuid> = heard.iter().map(|told| told.order_id).collect();
    let intents: Vec<&str> = heard.iter().map(|told| told.id).collect();
    let statuses: Vec<&str> = heard.iter().map(|told| told.status).collect();
    let steps: Vec<&str> =
        heard.iter().map(|told| told.failure.as_ref().map_or(told.status, |_| FAILED)).collect();
    let failures = || heard.iter().map(|told| told.failure.as_ref());
    let problems: Vec<Option<&str>> = failures().map(|failure| Some(failure?.problem.as_str())).collect();
    let codes: Vec<Option<&str>> = failures().map(|failure| failure?.code.as_deref()).collect();
    let shown: Vec<Option<Json<&Shown>>> = failures().map(|failure| Some(Json(&failure?.shown))).collect();
    let times: Vec<OffsetDateTime> = heard.iter().map(|told| told.at).collect();
    sqlx::query!(
        "
        with tries as (
          select distinct on (order_id)
            order_id,
            opened_at,
            shown is not null as has_failed
          from stripe_calls
          where order_id = any($1)
            and operation in ('create', 'confirm', 'open_session')
          order by order_id, id desc
        ),
        -- Of each intent what is furthest, and of several failures the last. Stripe tells whole seconds.
        heard as (
          select distinct on (order_id, intent)
            told.*,
            coalesce(array_position($9, step), 1) as far
          from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::jsonb[], $8::timestamptz[])
            as told (order_id, intent, status, step, problem, code, shown, at)
          left join tries using (order_id)
          where step <> $10
            or coalesce(told.at >= date_trunc('second', tries.opened_at), true)
          order by order_id, intent, far desc, told.at desc
        ),
        known as (
          select
            order_id,
            mode,
            declined_at,
            coalesce(
              array_position(
                $9,
                case
                  when intent_status = 'requires_payment_method' and (declined is not null or has_failed) then $10
                  else intent_status
                end
              ),
              0
            ) as far
          from order_payments
          left join tries using (order_id)
          where order_id = any($1)
        )
        update order_payments as payments set
          payment_intent = heard.intent,
          intent_status = heard.status,
          problem = heard.problem,
          problem_code = heard.code,
          declined = heard.shown,
          declined_at = case when heard.shown is not null then heard.at end,
          awaits_event_since = case when heard.status <> 'succeeded' then payments.awaits_event_since end,
          updated_at = $11
        from heard
        join known using (order_id)
        where payments.order_id = heard.order_id
          and (payments.payment_intent is null or payments.payment_intent = heard.intent)
          and (
            heard.far > known.far
            or heard.status = 'succeeded' and payments.awaits_event_since is not null
            -- Where the server confirms, the answers tell of each failure.
            or heard.step = $10
              and heard.far = known.far
              and known.mode <> 'server'
              and coalesce(heard.at >= known.declined_at, true)
          )
        ",
        &orders,
        &intents as &[&str],
        &statuses as &[&str],
        &steps as &[&str],
        &problems as &[Option<&str>],
        &codes as &[Option<&str>],
        &shown as &[Option<Json<&Shown>>],
        &times,
        &FAR.map(str::to_owned),
        FAILED,
        now,
    )
    .execute(conn)
    .await?;
    Ok(())
}
