//! Ending a subscription at once. Stripe takes no idempotency key for it and needs none: what is over stays over. The wish
//! is written on the row first, so that the worker asks again whatever becomes of whoever asked.

use actix_web::http::StatusCode;
use sqlx::PgConnection;
use uuid::Uuid;

use super::ask::gone;
use super::look::{LEASE, Looked, unanswered};
use super::state::{self, Asked, May};
use super::{Subscriptions, store};
use crate::api::{Answer, ApiError, Claim, IdempotencyKey};
use crate::db;
use crate::stripe::params::CancelSubscription;
use crate::stripe::{CallError, Subscription};

enum Planned {
    Answered(Answer),
    IsSo,
    End,
}

impl Subscriptions {
    /// Cancels a subscription at once; returns the answer, and whether it was given before.
    ///
    /// # Errors
    /// 422 where Stripe refuses, 503 where nobody knows yet what became of it.
    pub(super) async fn cancel_now(
        &self,
        name: &str,
        idempotency: Option<&IdempotencyKey>,
        with_invoice: bool,
    ) -> Result<(Answer, bool), ApiError> {
        self.outbox.stripe()?;
        let id = self.find(name).await?.id;
        match self.end(id, idempotency, with_invoice).await? {
            Some(answer) => Ok((answer, true)),
            None => self.answer(id, idempotency, StatusCode::OK).await,
        }
    }

    async fn end(
        &self,
        id: Uuid,
        idempotency: Option<&IdempotencyKey>,
        with_invoice: bool,
    ) -> Result<Option<Answer>, ApiError> {
        let mut tx = self.pool.begin().await?;
        let planned = self.plan_end(&mut tx, id, idempotency, with_invoice).await;
        match db::end(tx, planned).await? {
            Planned::Answered(answer) => return Ok(Some(answer)),
            Planned::IsSo => return Ok(None),
            Planned::End => {}
        }
        match self.look(id).await? {
            Looked::Seen | Looked::Overtaken => Ok(None),
            Looked::Gone(why) => Err(ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "stripe_refused", why)),
        }
    }

    async fn plan_end(
        &self,
        conn: &mut PgConnection,
        id: Uuid,
        idempotency: Option<&IdempotencyKey>,
        with_invoice: bool,
    ) -> Result<Planned, ApiError> {
        if let Some(idempotency) = idempotency
            && let Claim::Answered(answer, _) = idempotency.look_up(conn).await?
        {
            return Ok(Planned::Answered(answer));
        }
        let row = store::lock(conn, id).await?.ok_or_else(|| gone(id))?;
        match state::may(Asked::CancelNow, &row.stripe_id, &row.known.facts) {
            May::IsSo => return Ok(Planned::IsSo),
            May::Not(code, why) => return Err(ApiError::conflict(code, why)),
            May::Ask => {}
        }
        let now = self.clock.now();
        store::ask_to_end(conn, id, with_invoice, now + LEASE, now).await?;
        Ok(Planned::End)
    }

    /// Asks Stripe to end it; none where it says that there is nothing to end.
    pub(super) async fn end_at_stripe(
        &self,
        stripe_id: &str,
        with_invoice: bool,
        account: Option<&str>,
    ) -> Result<Option<Subscription>, ApiError> {
        let how = CancelSubscription {
            invoice_now: with_invoice.then_some(true),
            prorate: with_invoice.then_some(true),
        };
        match self.outbox.stripe()?.cancel_subscription(stripe_id, &how, account).await {
            Ok(ended) => Ok(Some(ended)),
            // Of what is over Stripe says that there is no such thing: a look tells.
            Err(CallError::Refused(refusal)) if refusal.status == 404 || refusal.is("resource_missing") => {
                Ok(None)
            }
            Err(CallError::Refused(refusal)) => {
                Err(ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "stripe_refused", refusal.to_string()))
            }
            Err(error) => Err(unanswered(&error)),
        }
    }
}
