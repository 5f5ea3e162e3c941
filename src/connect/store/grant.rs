//! Invitations to connect by OAuth.

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::super::account::DefaultCommission;
use crate::money::Currency;

/// An invitation.
#[derive(Clone, Debug)]
pub(in crate::connect) struct GrantRow {
    pub id: Uuid,
    pub reference: String,
    pub livemode: bool,
    pub email: Option<String>,
    pub fee_fixed: i64,
    pub fee_currency: Option<String>,
    pub fee_basis_points: i32,
    pub api_key_id: Uuid,
    pub outcome: Option<String>,
    pub expires_at: OffsetDateTime,
}

impl GrantRow {
    /// The commission in the columns of the table.
    pub fn with_commission(mut self, fee: DefaultCommission) -> Self {
        self.fee_fixed = fee.fixed;
        self.fee_currency = fee.currency.as_ref().map(|currency: &Currency| currency.as_str().to_owned());
        self.fee_basis_points = i32::from(fee.basis_points);
        self
    }
}

pub(in crate::connect) async fn insert_grant(
    conn: &mut PgConnection,
    grant: &GrantRow,
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    sqlx::query!(
        "
        insert into connect_grants (
          id, reference, livemode, email, fee_fixed, fee_currency, fee_basis_points, api_key_id, created_at, expires_at
        )
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
        ",
        grant.id,
        grant.reference,
        grant.livemode,
        grant.email,
        grant.fee_fixed,
        grant.fee_currency,
        grant.fee_basis_points,
        grant.api_key_id,
        now,
        grant.expires_at,
    )
    .execute(conn)
    .await?;
    Ok(())
}

pub(in crate::connect) async fn find_grant(conn: &mut PgConnection, id: Uuid) -> sqlx::Result<GrantRow> {
    sqlx::query_as!(
        GrantRow,
        "
        select
          id, reference, livemode, email, fee_fixed, fee_currency, fee_basis_points, api_key_id, outcome, expires_at
        from connect_grants
        where id = $1
        ",
        id,
    )
    .fetch_one(conn)
    .await
}

/// Records how an invitation ended; one that connected an account stays so.
pub(in crate::connect) async fn end_grant(
    conn: &mut PgConnection,
    id: Uuid,
    outcome: &str,
    reason: Option<&str>,
    account_id: Option<Uuid>,
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    sqlx::query!(
        "
        update connect_grants set outcome = $2, reason = $3, account_id = $4, ended_at = $5
        where id = $1 and outcome is distinct from 'connected'
        ",
        id,
        outcome,
        reason,
        account_id,
        now,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Writes the account that an owner let us into; one that had left comes back under its new name. None where the
/// account is in use under another name.
pub(in crate::connect) async fn upsert_granted(
    conn: &mut PgConnection,
    grant: &GrantRow,
    stripe_id: &str,
    scope: Option<&str>,
    now: OffsetDateTime,
) -> sqlx::Result<Option<Uuid>> {
    sqlx::query_scalar!(
        "
        insert into connected_accounts (
          id, stripe_id, reference, livemode, joined_by, state, email, fee_fixed, fee_currency, fee_basis_points,
          scope, api_key_id, next_look_at, created_at, updated_at, connected_at
        )
        values ($1, $2, $3, $4, 'oauth', 'connected', $5, $6, $7, $8, $9, $10, $11, $11, $11, $11)
        on conflict (stripe_id) do update set
          reference = excluded.reference,
          joined_by = excluded.joined_by,
          state = 'connected',
          reason = null,
          email = coalesce(excluded.email, connected_accounts.email),
          fee_fixed = excluded.fee_fixed,
          fee_currency = excluded.fee_currency,
          fee_basis_points = excluded.fee_basis_points,
          scope = excluded.scope,
          looks = 0,
          next_look_at = excluded.next_look_at,
          updated_at = excluded.updated_at,
          connected_at = excluded.connected_at,
          disconnected_at = null
        where connected_accounts.livemode = excluded.livemode
          and (connected_accounts.state = 'disconnected' or connected_accounts.reference = excluded.reference)
        returning id
        ",
        Uuid::now_v7(),
        stripe_id,
        grant.reference,
        grant.livemode,
        grant.email,
        grant.fee_fixed,
        grant.fee_currency,
        grant.fee_basis_points,
        scope,
        grant.api_key_id,
        now,
    )
    .fetch_optional(conn)
    .await
}
