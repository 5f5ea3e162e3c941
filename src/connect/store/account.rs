//! Accounts on their way in and out: each call to Stripe has its row before it is made, and its end after.

use serde_json::{Map, Value};
use sqlx::PgConnection;
use sqlx::types::Json;
use time::OffsetDateTime;
use uuid::Uuid;

use super::super::account::{DefaultCommission, Facts};
use crate::money::Currency;

/// An account that Stripe is to be asked for.
pub(in crate::connect) struct NewAccountRow<'a> {
    pub id: Uuid,
    pub reference: &'a str,
    pub livemode: bool,
    pub country: &'a str,
    pub email: Option<&'a str>,
    pub business_type: Option<&'a str>,
    pub card_payments: bool,
    pub metadata: &'a Map<String, Value>,
    pub commission: DefaultCommission,
    pub create_key: &'a str,
    pub api_key_id: Uuid,
}

/// Writes it, before Stripe is called. The worker asks again at `next_look_at` if nothing was recorded by then.
pub(in crate::connect) async fn insert_account(
    conn: &mut PgConnection,
    account: &NewAccountRow<'_>,
    next_look_at: OffsetDateTime,
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    sqlx::query!(
        "
        insert into connected_accounts (
          id, reference, livemode, joined_by, state, country, email, business_type, card_payments, metadata, fee_fixed,
          fee_currency, fee_basis_points, create_key, api_key_id, next_look_at, created_at, updated_at
        )
        values ($1, $2, $3, 'onboarding', 'creating', $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $15)
        ",
        account.id,
        account.reference,
        account.livemode,
        account.country,
        account.email,
        account.business_type,
        account.card_payments,
        Json(account.metadata) as _,
        account.commission.fixed,
        account.commission.currency.as_ref().map(Currency::as_str),
        i32::from(account.commission.basis_points),
        account.create_key,
        account.api_key_id,
        next_look_at,
        now,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Records that Stripe made it. An event may have told it before, and more: then only the name is written.
pub(in crate::connect) async fn connect(
    conn: &mut PgConnection,
    id: Uuid,
    stripe_id: &str,
    facts: &Facts,
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    let requirements = &facts.requirements;
    sqlx::query!(
        "
        update connected_accounts set
          stripe_id = $2,
          state = 'connected',
          reason = null,
          charges_enabled = $3,
          payouts_enabled = $4,
          details_submitted = $5,
          transfers = $6,
          currently_due = $7,
          past_due = $8,
          disabled_reason = $9,
          current_deadline = $10,
          looks = 0,
          -- The answer may be a repetition of an old one.
          next_look_at = $11,
          connected_at = $11,
          updated_at = $11,
          card_payments_status = $12
        where id = $1
          and state = 'creating'
        ",
        id,
        stripe_id,
        facts.charges_enabled,
        facts.payouts_enabled,
        facts.details_submitted,
        facts.transfers.as_deref(),
        &requirements.currently_due,
        &requirements.past_due,
        requirements.disabled_reason.as_deref(),
        requirements.current_deadline,
        now,
        facts.card_payments_status.as_deref(),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Records that Stripe did not make it.
pub(in crate::connect) async fn refuse(
    conn: &mut PgConnection,
    id: Uuid,
    reason: &str,
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    sqlx::query!(
        "
        update connected_accounts set state = 'refused', reason = $2, next_look_at = null, updated_at = $3
        where id = $1 and state = 'creating'
        ",
        id,
        reason,
        now,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Gives up one that Stripe was asked for without an answer; false where that is not its state.
pub(in crate::connect) async fn call_off(
    conn: &mut PgConnection,
    id: Uuid,
    now: OffsetDateTime,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "
        update connected_accounts set
          state = 'refused', reason = 'called off before Stripe had answered', next_look_at = null, updated_at = $2
        where id = $1 and state = 'creating' and next_look_at is null
        ",
        id,
        now,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Records how a call ended that is to be made again, at `next_look_at` if at all.
pub(in crate::connect) async fn put_off(
    conn: &mut PgConnection,
    id: Uuid,
    reason: &str,
    next_look_at: Option<OffsetDateTime>,
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    sqlx::query!(
        "
        update connected_accounts set
          reason = case when state = 'connected' then reason else $2 end,
          looks = looks + 1,
          next_look_at = $3,
          updated_at = $4
        where id = $1
          and state in ('creating', 'connected', 'disconnecting')
        ",
        id,
        reason,
        next_look_at,
        now,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Records that we are leaving, before Stripe is told; returns how often it was told in vain.
pub(in crate::connect) async fn mark_disconnecting(
    conn: &mut PgConnection,
    id: Uuid,
    next_look_at: OffsetDateTime,
    now: OffsetDateTime,
) -> sqlx::Result<i32> {
    let failures = sqlx::query_scalar!(
        "
        update connected_accounts set
          state = 'disconnecting',
          reason = 'asked for through the API',
          looks = case when state = 'disconnecting' then looks else 0 end,
          next_look_at = $2,
          updated_at = $3
        where id = $1
          and state in ('connected', 'disconnecting')
        returning looks
        ",
        id,
        next_look_at,
        now,
    )
    .fetch_optional(conn)
    .await?;
    Ok(failures.unwrap_or_default())
}

/// Records that it is no longer ours.
pub(in crate::connect) async fn disconnect(
    conn: &mut PgConnection,
    id: Uuid,
    reason: &str,
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    sqlx::query!(
        "
        update connected_accounts set
          state = 'disconnected', reason = $2, looks = 0, next_look_at = null, disconnected_at = $3, updated_at = $3
        where id = $1 and state in ('connected', 'disconnecting')
        ",
        id,
        reason,
        now,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The number of the next account link.
pub(in crate::connect) async fn next_link(conn: &mut PgConnection, id: Uuid) -> sqlx::Result<i32> {
    sqlx::query_scalar!("update connected_accounts set links = links + 1 where id = $1 returning links", id)
        .fetch_one(conn)
        .await
}

/// What is to be done about an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::connect) enum Phase {
    Create,
    Look,
    Leave,
}

/// An account whose turn it is.
pub(in crate::connect) struct Due {
    pub id: Uuid,
    pub phase: Phase,
    pub looks: i32,
}

/// Takes the account that waits longest, for as long as a call can take; another worker has it after `lease_until`.
pub(in crate::connect) async fn claim_due(
    conn: &mut PgConnection,
    livemode: bool,
    lease_until: OffsetDateTime,
    now: OffsetDateTime,
) -> sqlx::Result<Option<Due>> {
    let row = sqlx::query!(
        "
        with due as (
          select id
          from connected_accounts
          where next_look_at <= $1
            and livemode = $2
          order by next_look_at
          limit 1
          -- Other workers pass over it.
          for update skip locked
        )
        update connected_accounts set next_look_at = $3
        from due
        where connected_accounts.id = due.id
        returning connected_accounts.id, state, looks
        ",
        now,
        livemode,
        lease_until,
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| {
        let phase = match row.state.as_str() {
            "creating" => Phase::Create,
            "disconnecting" => Phase::Leave,
            _ => Phase::Look,
        };
        Due { id: row.id, phase, looks: row.looks }
    }))
}
