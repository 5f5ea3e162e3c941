//! What Stripe's events say of connected accounts, and what they do to those that are ours.

use std::collections::{BTreeMap, HashMap};

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::account::{AccountState, Facts};
use super::state::Known;
use super::store;
use crate::stripe::{Account, Event};

/// The key of an account's metadata by which it names our row: an account that Stripe made while its answer was lost is
/// known again by it.
pub const ACCOUNT_ID: &str = "packline_account";

/// An event, read for what it says of a connected account.
#[derive(Clone, Debug)]
pub struct AccountEvent {
    /// `evt_…`
    pub event_id: String,
    /// The account that it is about; none is the platform's own.
    pub account: Option<String>,
    /// Stripe's time, whole seconds.
    pub created_at: Option<OffsetDateTime>,
    /// What it says.
    pub news: AccountNews,
}

/// What an event says of an account.
#[derive(Clone, Debug)]
pub enum AccountNews {
    /// What it may do, as of the event.
    Snapshot {
        /// The state of the account.
        facts: Facts,
        /// Our row, as its metadata names it.
        ours: Option<Uuid>,
    },
    /// Its connection to the platform ended.
    Deauthorised,
}

/// What became of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountVerdict {
    /// It was heard; why it changed nothing, if it did not.
    Applied {
        /// Why it changed nothing.
        reason: Option<String>,
    },
    /// It is about no account of ours.
    SetAside {
        /// What wakes it up.
        waits_for: Vec<String>,
        /// Why.
        reason: String,
    },
}

/// What became of a batch.
#[derive(Debug, Default)]
pub struct Heard {
    /// One for each event, in their order.
    pub verdicts: Vec<AccountVerdict>,
    /// Keys for which events may be waiting.
    pub appeared: Vec<String>,
}

/// `account.updated`: a snapshot of the account.
///
/// # Errors
/// The object is no account.
pub fn on_account_updated(event: &Event<'_>) -> Result<AccountEvent, serde_json::Error> {
    let account: Account = event.object()?;
    let ours = account.metadata.get(ACCOUNT_ID).and_then(|id| id.parse().ok());
    Ok(read(event, AccountNews::Snapshot { facts: Facts::of(&account), ours }))
}

/// `account.application.deauthorized`: the object is the application; only the envelope names the account.
///
/// # Errors
/// None; events are read by functions of one kind.
pub fn on_deauthorized(event: &Event<'_>) -> Result<AccountEvent, serde_json::Error> {
    Ok(read(event, AccountNews::Deauthorised))
}

fn read(event: &Event<'_>, news: AccountNews) -> AccountEvent {
    AccountEvent {
        event_id: event.id.to_owned(),
        account: event.account.map(str::to_owned),
        created_at: event.created_at,
        news,
    }
}

/// What an event about an account that is not ours yet waits for.
pub(super) fn account_key(stripe_id: &str) -> String {
    format!("account:{stripe_id}")
}

/// Applies a batch of events, in the caller's transaction. Each makes the worker look at the account itself.
///
/// # Errors
/// The database's.
pub async fn hear(
    conn: &mut PgConnection,
    events: &[AccountEvent],
    livemode: bool,
    now: OffsetDateTime,
) -> sqlx::Result<Heard> {
    let mut heard = Heard::default();
    if events.is_empty() {
        return Ok(heard);
    }
    let names: Vec<&str> = events.iter().filter_map(|event| event.account.as_deref()).collect();
    let ours: Vec<Uuid> = events.iter().filter_map(named_row).collect();
    let mut rows = store::lock_accounts(conn, &names, &ours, livemode).await?;
    heard.appeared = adopt(&mut rows, events, now);

    let by_name: HashMap<String, Uuid> =
        rows.iter().filter_map(|(id, row)| Some((row.stripe_id.clone()?, *id))).collect();
    for event in events {
        heard.verdicts.push(match &event.account {
            None => AccountVerdict::SetAside {
                waits_for: Vec::new(),
                reason: "it is about the platform's own account".to_owned(),
            },
            Some(name) => match by_name.get(name).and_then(|id| rows.get_mut(id)) {
                Some(row) => AccountVerdict::Applied { reason: row.known.hear(event, now) },
                None => AccountVerdict::SetAside {
                    waits_for: vec![account_key(name)],
                    reason: format!("{name} is not connected through this service"),
                },
            },
        });
    }
    store::save_known(conn, &rows, now).await?;
    Ok(heard)
}

fn named_row(event: &AccountEvent) -> Option<Uuid> {
    match &event.news {
        AccountNews::Snapshot { ours, .. } => *ours,
        AccountNews::Deauthorised => None,
    }
}

/// Accounts that Stripe made while its answer was lost: the first word of them says which of our rows they are.
fn adopt(
    rows: &mut BTreeMap<Uuid, store::LockedAccount>,
    events: &[AccountEvent],
    now: OffsetDateTime,
) -> Vec<String> {
    let mut appeared = Vec::new();
    for event in events {
        let (Some(name), Some(id)) = (&event.account, named_row(event)) else { continue };
        if rows.values().any(|row| row.stripe_id.as_deref() == Some(name)) {
            continue;
        }
        let Some(row) = rows.get_mut(&id).filter(|row| row.known.state == AccountState::Creating) else {
            continue;
        };
        row.stripe_id = Some(name.clone());
        row.known = Known {
            state: AccountState::Connected,
            reason: Some(format!("{} told that Stripe made it", event.event_id)),
            connected_at: Some(event.created_at.unwrap_or(now)),
            ..row.known.clone()
        };
        appeared.push(account_key(name));
    }
    appeared
}
