//! Leaving: the platform ends its connection with an account.

use uuid::Uuid;

use super::account::{Account, AccountState};
use super::onboard::load;
use super::platform::{LEASE, Platform, call_failed, next_try};
use super::store;
use crate::api::ApiError;
use crate::stripe::{Call, CallError};

impl Platform {
    /// Disconnects an account; one that is disconnected stays so. From the first moment on no payment goes to it.
    ///
    /// # Errors
    /// 409 while it is being made, 422 where Stripe refuses, 503 where Stripe gave no answer: the worker goes on then.
    pub(super) async fn disconnect(&self, id: Uuid) -> Result<Account, ApiError> {
        self.oauth()?;
        let now = self.clock.now();
        let mut tx = self.pool.begin().await?;
        let account = load(&mut tx, id).await?;
        match account.state {
            AccountState::Disconnected | AccountState::Refused => return Ok(account),
            AccountState::Creating => {
                if !store::call_off(&mut tx, id, now).await? {
                    let message = "Stripe is being asked to make the account; try again when that has ended";
                    return Err(ApiError::conflict("account_being_made", message));
                }
                tx.commit().await?;
                return Ok(load(&mut *self.pool.acquire().await?, id).await?);
            }
            AccountState::Connected | AccountState::Disconnecting => {}
        }
        let failures = store::mark_disconnecting(&mut tx, id, now + LEASE, now).await?;
        tx.commit().await?;
        self.leave(id, failures).await
    }

    /// Tells Stripe of a disconnection that is marked.
    pub(super) async fn leave(&self, id: Uuid, failures: i32) -> Result<Account, ApiError> {
        let client = self.oauth()?.client;
        let account = load(&mut *self.pool.acquire().await?, id).await?;
        let (Some(stripe_id), AccountState::Disconnecting) = (&account.stripe_id, account.state) else {
            return Ok(account);
        };
        // Each try has a key of its own: leaving twice does no harm, but under one key Stripe would replay a refusal
        // whose cause was mended, or the answer to the end of an earlier connection.
        let since = account.connected_at.map(|at| at.unix_timestamp_nanos() / 1_000).unwrap_or_default();
        let key = format!("packline-account-{id}-leave-{since}-{failures}");
        let answer = client.oauth_deauthorize(stripe_id, Call { idempotency_key: &key, account: None }).await;
        // An account that is not connected is refused like a wrong client id; only a look tells them apart.
        let is_gone = match &answer {
            Err(CallError::Refused(refusal)) if refusal.is("invalid_client") => self.is_gone(stripe_id).await,
            Err(CallError::Refused(_)) => Some(false),
            _ => None,
        };

        let now = self.clock.now();
        let mut conn = self.pool.acquire().await?;
        if let (Err(error), None | Some(false)) = (&answer, is_gone) {
            let is_final = is_gone.is_some();
            let next = (!is_final).then(|| next_try(failures, now));
            let advice = if is_final { "; DELETE it again once that is mended" } else { "" };
            store::put_off(&mut conn, id, &format!("{error}{advice}"), next, now).await?;
            tracing::warn!(account.id = %id, error = %error, "no end to a connection yet");
            return Err(call_failed(error));
        }
        store::disconnect(&mut conn, id, "asked for through the API", now).await?;
        tracing::info!(account.id = %id, "connected account disconnected");
        Ok(load(&mut conn, id).await?)
    }
}
