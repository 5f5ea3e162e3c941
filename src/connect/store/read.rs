//! Accounts, as people and payments read them.

use serde_json::{Map, Value};
use sqlx::PgConnection;
use sqlx::types::Json;
use time::OffsetDateTime;
use uuid::Uuid;

use super::super::account::{Account, AccountState, DefaultCommission, Facts, Requirements};
use super::stored;
use crate::money::Currency;

/// Which accounts to list; newest first.
#[derive(Clone, Debug, Default)]
pub struct AccountFilter {
    /// In this state.
    pub state: Option<String>,
    /// Of this name.
    pub reference: Option<String>,
    /// After this one.
    pub after: Option<(OffsetDateTime, Uuid)>,
    /// At most.
    pub limit: i64,
}

/// Finds the ids of accounts of a mode.
///
/// # Errors
/// The database's.
pub async fn list_accounts(
    conn: &mut PgConnection,
    livemode: bool,
    filter: &AccountFilter,
) -> sqlx::Result<Vec<Uuid>> {
    let (after_time, after_id) = filter.after.unzip();
    sqlx::query_scalar!(
        "
        select id
        from connected_accounts
        where livemode = $1
          and ($2::text is null or state = $2)
          and ($3::text is null or reference = $3)
          and ($4::timestamptz is null or (created_at, id) < ($4, $5::uuid))
        order by created_at desc, id desc
        limit $6
        ",
        livemode,
        filter.state,
        filter.reference,
        after_time,
        after_id,
        filter.limit,
    )
    .fetch_all(conn)
    .await
}

/// Finds an account of a mode by our id or Stripe's.
///
/// # Errors
/// The database's.
pub async fn find_account(
    conn: &mut PgConnection,
    livemode: bool,
    name: &str,
) -> sqlx::Result<Option<Account>> {
    let found = find_in_any_mode(conn, name, livemode).await?;
    Ok(found.filter(|account| account.livemode == livemode))
}

/// The same in either mode, first in the one given.
pub(in crate::connect) async fn find_in_any_mode(
    conn: &mut PgConnection,
    name: &str,
    livemode: bool,
) -> sqlx::Result<Option<Account>> {
    if name.contains('\0') {
        return Ok(None);
    }
    let id = sqlx::query_scalar!(
        "
        select id
        from connected_accounts
        where stripe_id = $1 or id = $2
        order by livemode = $3 desc
        limit 1
        ",
        name,
        name.parse::<Uuid>().ok(),
        livemode,
    )
    .fetch_optional(&mut *conn)
    .await?;
    match id {
        Some(id) => Ok(load_accounts(conn, &[id]).await?.pop()),
        None => Ok(None),
    }
}

/// Loads accounts, in the order of their ids as given.
///
/// # Errors
/// The database's.
pub async fn load_accounts(conn: &mut PgConnection, ids: &[Uuid]) -> sqlx::Result<Vec<Account>> {
    let rows = sqlx::query!(
        r#"
        select
          accounts.id, stripe_id, reference, livemode, joined_by, state, reason, country, email, business_type,
          card_payments, metadata as "metadata: Json<Map<String, Value>>", scope, fee_fixed, fee_currency,
          fee_basis_points, charges_enabled, payouts_enabled, details_submitted, transfers, card_payments_status,
          currently_due, past_due, disabled_reason, current_deadline, told_at, created_at, updated_at, connected_at, disconnected_at
        from unnest($1::uuid[]) with ordinality as asked (id, position)
        join connected_accounts accounts on accounts.id = asked.id
        order by asked.position
        "#,
        ids,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            let currency = row.fee_currency.as_deref().map(Currency::parse).transpose();
            let mut account = Account {
                id: row.id,
                stripe_id: row.stripe_id,
                reference: row.reference,
                livemode: row.livemode,
                joined_by: row.joined_by,
                state: stored::<AccountState>(&row.state)?,
                reason: row.reason,
                can_receive: false,
                obstacle: None,
                country: row.country,
                email: row.email,
                business_type: row.business_type,
                card_payments: row.card_payments,
                metadata: row.metadata.0,
                scope: row.scope,
                commission: DefaultCommission {
                    fixed: row.fee_fixed,
                    basis_points: u16::try_from(row.fee_basis_points).unwrap_or_default(),
                    currency: currency.map_err(|error| sqlx::Error::Decode(Box::new(error)))?,
                },
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
                told_at: row.told_at,
                created_at: row.created_at,
                updated_at: row.updated_at,
                connected_at: row.connected_at,
                disconnected_at: row.disconnected_at,
            };
            let obstacle = account.obstacle(account.livemode);
            account.can_receive = obstacle.is_none();
            account.obstacle = obstacle.map(|obstacle| obstacle.to_string());
            Ok(account)
        })
        .collect()
}
