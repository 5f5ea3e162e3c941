//! Making a call that was written down: one try, and what it came to.

use std::time::Duration;

use tokio::time::timeout;
use uuid::Uuid;

use super::payment::{CallState, StoredCall};
use super::record::Outcome;
use super::state::Way;
use super::{Payments, issue, resume, state, store};
use crate::api::ApiError;
use crate::orders;

/// How long whoever asked waits for a try. It goes on after that, and its outcome is recorded.
const PATIENCE: Duration = Duration::from_secs(20);
/// When the worker takes up a call whose try never recorded an end: longer than any try takes.
pub(super) const GIVEN_UP_AFTER: time::Duration = time::Duration::minutes(3);

/// Why a call waits that is neither asked again nor looked for.
const KEY_TOO_OLD: &str = "its key is too old to ask again; it is looked for once no try can be under way";

impl Payments {
    /// Makes a try of a call, apart from whoever asked: a browser that goes away must not leave a try unrecorded.
    /// Returns the call as it is then.
    pub(super) async fn run(&self, call_id: Uuid) -> Result<StoredCall, ApiError> {
        let payments = self.clone();
        let trying = tokio::spawn(async move { payments.attempt(call_id).await });
        match timeout(PATIENCE, trying).await {
            Ok(Ok(tried)) => tried?,
            Ok(Err(broken_off)) => {
                tracing::error!(call.id = %call_id, error = %broken_off, "a call to Stripe broke off");
            }
            Err(_) => tracing::warn!(call.id = %call_id, "a call to Stripe takes long; it goes on"),
        }
        Ok(store::load_call(&mut *self.pool().acquire().await?, call_id).await?)
    }

    /// Makes a try of a call, if it is open, and records what it came to. Whoever has it tried: once its key is too old,
    /// it is looked for instead, since under a key that Stripe has forgotten it would be done again.
    pub(super) async fn attempt(&self, call_id: Uuid) -> sqlx::Result<()> {
        let Some(stripe) = &self.0.stripe else { return Ok(()) };
        let (call, payment, order) = {
            let mut conn = self.pool().acquire().await?;
            let now = self.now();
            if !store::begin_try(&mut conn, call_id, now + GIVEN_UP_AFTER, now).await? {
                return Ok(());
            }
            let call = store::load_call(&mut conn, call_id).await?;
            let payment = store::load_payment(&mut conn, call.order_id).await?;
            let order = orders::load(&mut conn, &[call.order_id]).await?.pop();
            (call, payment, order)
        };
        let (Some(payment), Some(order)) = (payment, order) else { return Err(sqlx::Error::RowNotFound) };
        let about = issue::About { payment: &payment, order: &order };
        let asked = match state::way(&call, self.now()) {
            Way::Ask => self.issue(&stripe.client, &call, about).await,
            Way::Wait => Ok(Outcome::Unknown { why: KEY_TOO_OLD.to_owned(), code: None }),
            Way::Look => Ok(resume::look(&stripe.client, &call, &payment).await),
        };
        let outcome = match asked {
            Ok(done) => done,
            Err(issue::Failed::Call(error)) => Outcome::of(error),
            Err(issue::Failed::Database(error)) => return Err(error),
        };
        self.record(&call, outcome).await
    }
}

impl StoredCall {
    /// Whether it is not known what Stripe did.
    pub(super) fn is_open(&self) -> bool {
        self.state == CallState::Open
    }
}
