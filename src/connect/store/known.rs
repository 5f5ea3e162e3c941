//! What is known of accounts: moved by events and by looks at the accounts themselves.

use std::collections::BTreeMap;

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::super::account::{AccountState, Facts, Requirements};
use super::super::state::{Known, LOOKED};
use super::stored;

/// A row that this transaction has locked.
#[derive(Clone, Debug)]
pub(in crate::connect) struct LockedAccount {
    pub stripe_id: Option<String>,
    pub known: Known,
}

/// Locks the accounts of these names, and those of these rows.
pub(in crate::connect) async fn lock_accounts(
    conn: &mut PgConnection,
    names: &[&str],
    ids: &[Uuid],
    livemode: bool,
) -> sqlx::Result<BTreeMap<Uuid, LockedAccount>> {
    let rows = sqlx::query!(
        "
        select
          id, stripe_id, state, reason, charges_enabled, payouts_enabled, details_submitted, transfers,
          card_payments_status, currently_due, past_due, disabled_reason, current_deadline, told_at, told_by, news, connected_at, disconnected_at
        from connected_accounts
        where (stripe_id = any($1) or id = any($2))
          and livemode = $3
        order by id
        -- Looks and requests that move the same accounts wait; all lock in the order of ids.
        for update
        ",
        names as &[&str],
        ids,
        livemode,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            let known = Known {
                state: stored::<AccountState>(&row.state)?,
                reason: row.reason,
                facts: Facts {
                    charges_enabled: row.charges_enabled,
                    payouts_enabled: row.payouts_enabled,
                    details_submitted: row.details_submitted,
                    transfers: row.transfers,
                    card_payments_status: row.card_payments_status,
                    requirements: Requirements {
                        currently_due: row.currently_due,
                        past_due: row.past_due,
                        disabled_reason: row.disabled_reason,
                        current_deadline: row.current_deadline,
                    },
                },
                told: row.told_at.zip(row.told_by),
                news: row.news,
                connected_at: row.connected_at,
                disconnected_at: row.disconnected_at,
            };
            Ok((row.id, LockedAccount { stripe_id: row.stripe_id, known }))
        })
        .collect()
}

/// Writes what events moved, and asks for a look at each account that is ours.
pub(in crate::connect) async fn save_known(
    conn: &mut PgConnection,
    rows: &BTreeMap<Uuid, LockedAccount>,
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    for (id, row) in rows {
        let LockedAccount { stripe_id, known } = row;
        let facts = &known.facts;
        let requirements = &facts.requirements;
        let (told_at, told_by) = known.told.clone().unzip();
        sqlx::query!(
            "
            update connected_accounts set
              stripe_id = $2,
              state = $3,
              reason = $4,
              charges_enabled = $5,
              payouts_enabled = $6,
              details_submitted = $7,
              transfers = $8,
              currently_due = $9,
              past_due = $10,
              disabled_reason = $11,
              current_deadline = $12,
              told_at = $13,
              told_by = $14,
              news = $15,
              connected_at = $16,
              disconnected_at = $17,
              updated_at = $18,
              card_payments_status = $19,
              looks = 0,
              next_look_at = case when $3 in ('connected', 'disconnecting') then $18::timestamptz end
            where id = $1
            ",
            id,
            stripe_id.as_deref(),
            known.state.as_str(),
            known.reason.as_deref(),
            facts.charges_enabled,
            facts.payouts_enabled,
            facts.details_submitted,
            facts.transfers.as_deref(),
            &requirements.currently_due,
            &requirements.past_due,
            requirements.disabled_reason.as_deref(),
            requirements.current_deadline,
            told_at,
            told_by,
            known.news,
            known.connected_at,
            known.disconnected_at,
            now,
            facts.card_payments_status.as_deref(),
        )
        .execute(&mut *conn)
        .await?;
    }
    Ok(())
}

/// The news that were heard of an account, for a look that begins now.
pub(in crate::connect) async fn news_of(conn: &mut PgConnection, id: Uuid) -> sqlx::Result<i64> {
    sqlx::query_scalar!("select news from connected_accounts where id = $1", id).fetch_one(conn).await
}

/// Writes what a look saw; false where events spoke of the account meanwhile, so that the worker looks again.
pub(in crate::connect) async fn record_look(
    conn: &mut PgConnection,
    id: Uuid,
    news: i64,
    facts: &Facts,
    looked_at: OffsetDateTime,
) -> sqlx::Result<bool> {
    let requirements = &facts.requirements;
    let recorded = sqlx::query!(
        "
        update connected_accounts set
          charges_enabled = $3,
          payouts_enabled = $4,
          details_submitted = $5,
          transfers = $6,
          currently_due = $7,
          past_due = $8,
          disabled_reason = $9,
          current_deadline = $10,
          told_at = $11,
          told_by = $12,
          looked_at_news = $2,
          card_payments_status = $13,
          looks = 0,
          next_look_at = case when state = 'disconnecting' then next_look_at end,
          updated_at = greatest(updated_at, $11)
        where id = $1
          and news = $2
          and state in ('connected', 'disconnecting')
        ",
        id,
        news,
        facts.charges_enabled,
        facts.payouts_enabled,
        facts.details_submitted,
        facts.transfers.as_deref(),
        &requirements.currently_due,
        &requirements.past_due,
        requirements.disabled_reason.as_deref(),
        requirements.current_deadline,
        looked_at,
        LOOKED,
        facts.card_payments_status.as_deref(),
    )
    .execute(conn)
    .await?;
    Ok(recorded.rows_affected() == 1)
}
