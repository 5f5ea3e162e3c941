//! Looking at accounts: what Stripe says now replaces what events told; and taking up calls that had no answer.
//!
//! A look counts only if no event spoke of the account while it was under way, so that a slow answer never undoes a
//! later one. Whoever asked looks again then, a few times; after those the worker does.

use time::Duration;
use uuid::Uuid;

use super::account::{Account, AccountState, Facts};
use super::onboard::load;
use super::platform::{LEASE, Platform, call_failed, next_try};
use super::store::{self, Phase};
use crate::api::ApiError;
use crate::stripe::{CallError, Refusal};

/// How often an account is looked at for one asker, if events keep coming while it is.
const MOST_LOOKS: usize = 3;

/// How long somebody with an expired address is told that it has expired, and not that it is unknown.
const TOLD_TO_BE_OVER: Duration = Duration::days(30);

impl Platform {
    /// Looks at an account and records what it saw; returns it as it is known then.
    ///
    /// # Errors
    /// Stripe or the database does not answer.
    pub(super) async fn look(&self, id: Uuid) -> Result<Account, ApiError> {
        for _ in 0..MOST_LOOKS {
            if self.look_once(id).await? {
                break;
            }
            tracing::debug!(account.id = %id, "an event came while the account was looked at");
        }
        Ok(load(&mut *self.pool.acquire().await?, id).await?)
    }

    /// Whether what it saw is the last word.
    async fn look_once(&self, id: Uuid) -> Result<bool, ApiError> {
        let (account, news) = {
            let mut conn = self.pool.acquire().await?;
            (load(&mut conn, id).await?, store::news_of(&mut conn, id).await?)
        };
        let (Some(stripe_id), AccountState::Connected | AccountState::Disconnecting) =
            (&account.stripe_id, account.state)
        else {
            return Ok(true);
        };
        let looked_at = self.clock.now();
        let seen = self.stripe()?.retrieve_account(stripe_id).await;

        let mut conn = self.pool.acquire().await?;
        match seen {
            Ok(seen) => Ok(store::record_look(&mut conn, id, news, &Facts::of(&seen), looked_at).await?),
            Err(CallError::Refused(refusal)) if is_gone(&refusal) => {
                let reason = format!("Stripe no longer shows it to us: {refusal}");
                store::disconnect(&mut conn, id, &reason, self.clock.now()).await?;
                tracing::warn!(account.id = %id, reason, "connected account disconnected");
                Ok(true)
            }
            Err(error) => Err(call_failed(&error)),
        }
    }

    /// Whether Stripe says that an account is not ours; none where it says nothing.
    pub(super) async fn is_gone(&self, stripe_id: &str) -> Option<bool> {
        match self.stripe().ok()?.retrieve_account(stripe_id).await {
            Ok(_) => Some(false),
            Err(CallError::Refused(refusal)) => Some(is_gone(&refusal)),
            Err(_) => None,
        }
    }

    /// Takes up the account that waits longest for a look or for the end of a call; returns how many there were, none or
    /// one. Where there is none, browsers' tokens that are long over are deleted. Without a key for Stripe there is
    /// nothing to do.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn run_once(&self) -> sqlx::Result<usize> {
        if self.stripe().is_err() {
            return Ok(0);
        }
        let now = self.clock.now();
        let due = {
            let mut conn = self.pool.acquire().await?;
            let due = store::claim_due(&mut conn, self.livemode, now + LEASE, now).await?;
            if due.is_none() {
                store::delete_old_tokens(&mut conn, now - TOLD_TO_BE_OVER).await?;
            }
            due
        };
        let Some(due) = due else {
            return Ok(0);
        };
        let done = match due.phase {
            Phase::Create => self.ask_for(due.id, due.looks).await.map(|_| ()),
            Phase::Leave => self.leave(due.id, due.looks).await.map(|_| ()),
            Phase::Look => self.look(due.id).await.map(|_| ()),
        };
        if let Err(error) = done {
            tracing::debug!(account.id = %due.id, phase = ?due.phase, error = %error, "to be tried again");
            if due.phase == Phase::Look {
                let now = self.clock.now();
                let mut conn = self.pool.acquire().await?;
                store::put_off(&mut conn, due.id, "", Some(next_try(due.looks, now)), now).await?;
            }
        }
        Ok(1)
    }
}

/// Whether the account is not ours any more, or is no more at all.
fn is_gone(refusal: &Refusal) -> bool {
    refusal.is("account_invalid") || matches!(refusal.status, 403 | 404)
}
