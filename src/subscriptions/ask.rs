//! What a shop asks of a subscription that is there: refused here in its own words where that is plain already, else asked
//! of Stripe.

use actix_web::http::StatusCode;
use serde_json::Value;
use uuid::Uuid;

use super::change::Change;
use super::state::{self, Asked, May};
use super::subscription::{Facts, Subscription};
use super::{Subscriptions, add_dunning, store};
use crate::api::{Answer, ApiError, IdempotencyKey};
use crate::outbox::{self, NewCall, Plan};
use crate::stripe::params::{
    ChangeSubscription, PauseBehavior, PauseInvoices, PauseWish, ResumeSubscription,
};

/// What is asked of a subscription, with its parameters.
#[derive(Clone, Debug)]
pub(super) enum Wish {
    Change(Change),
    Pause { behavior: PauseBehavior, resumes_at: Option<i64> },
    Resume,
    CancelAtPeriodEnd,
}

/// What an answer is asked to have in it: what a form needs to take the payment of the newest invoice.
pub(super) fn expand() -> Vec<String> {
    ["latest_invoice.confirmation_secret", "latest_invoice.payments"].map(str::to_owned).to_vec()
}

impl Wish {
    fn asked(&self) -> Asked {
        match self {
            Self::Change(_) => Asked::Change,
            Self::Pause { .. } => Asked::Pause,
            Self::Resume => Asked::Resume,
            Self::CancelAtPeriodEnd => Asked::CancelAtPeriodEnd,
        }
    }

    fn operation(&self) -> &'static str {
        match self {
            Self::Change(_) => "subscription.change",
            Self::Pause { .. } => "subscription.pause",
            Self::Resume => "subscription.resume",
            Self::CancelAtPeriodEnd => "subscription.cancel",
        }
    }

    /// The rest of the path, and the parameters. A subscription that only pauses its invoices is changed; one that
    /// Stripe paused is resumed.
    fn call(&self, stripe_id: &str, facts: &Facts) -> Result<(&'static str, Value), ApiError> {
        let change =
            |change: ChangeSubscription| outbox::params(&ChangeSubscription { expand: expand(), ..change });
        let value = match self {
            Self::Change(wanted) => change(wanted.params(stripe_id, facts)?)?,
            Self::Pause { behavior, resumes_at } => change(ChangeSubscription {
                pause_collection: Some(PauseWish::Pause(PauseInvoices {
                    behavior: *behavior,
                    resumes_at: *resumes_at,
                })),
                ..ChangeSubscription::default()
            })?,
            Self::Resume if facts.status == "paused" => {
                let resume = ResumeSubscription { expand: expand() };
                return Ok(("/resume", outbox::params(&resume)?));
            }
            Self::Resume => change(ChangeSubscription {
                pause_collection: facts.pause_behaviour.is_some().then(|| PauseWish::Unset(String::new())),
                cancel_at_period_end: facts.cancel_at_period_end.then_some(false),
                ..ChangeSubscription::default()
            })?,
            Self::CancelAtPeriodEnd => change(ChangeSubscription {
                cancel_at_period_end: Some(true),
                ..ChangeSubscription::default()
            })?,
        };
        Ok(("", value))
    }
}

impl Subscriptions {
    /// Finds a subscription by our id or Stripe's, or by the schedule that became it.
    pub(super) async fn find(&self, name: &str) -> Result<Subscription, ApiError> {
        let mut conn = self.pool.acquire().await?;
        let found = store::find_subscription(&mut conn, name).await?;
        let found = found.ok_or_else(|| {
            ApiError::not_found(format!(
                "no subscription has the id {name:?}; give sub_… or the id that POST /v1/subscriptions answered. One \
                 that was made elsewhere is known from its first event on"
            ))
        })?;
        let mut one = [found];
        add_dunning(&mut conn, self.neighbours.unpaid, &mut one).await?;
        let [found] = one;
        Ok(found)
    }

    /// Asks something of a subscription; returns the answer, and whether it was given before.
    ///
    /// # Errors
    /// 409 where it is not in a state for it, 402 or 422 where Stripe refuses, 503 where nobody knows yet what became of
    /// it.
    pub(super) async fn ask(
        &self,
        name: &str,
        idempotency: Option<&IdempotencyKey>,
        wish: &Wish,
    ) -> Result<(Answer, bool), ApiError> {
        self.outbox.stripe()?;
        let id = self.find(name).await?.id;
        let asked = self
            .outbox
            .request(idempotency, None, async |conn| {
                let row = store::lock(conn, id).await?.ok_or_else(|| not_made(name))?;
                let facts = &row.known.facts;
                match state::may(wish.asked(), &row.stripe_id, facts) {
                    May::IsSo => return Ok(Plan::IsSo),
                    May::Not(code, why) => return Err(ApiError::conflict(code, why)),
                    May::Ask => {}
                }
                let resolved = match wish {
                    Wish::Change(change) => Some(Wish::Change(
                        change.resolve(conn, self.neighbours, &row.stripe_id, facts).await?,
                    )),
                    _ => None,
                };
                let wish = resolved.as_ref().unwrap_or(wish);
                let (verb, params) = wish.call(&row.stripe_id, facts)?;
                let call = NewCall {
                    operation: wish.operation(),
                    subject: id,
                    path: format!("/v1/subscriptions/{}{verb}", row.stripe_id),
                    params,
                    account: row.account.as_deref(),
                };
                Ok(Plan::Call(outbox::write(conn, call, self.clock.now()).await?))
            })
            .await?;
        if let outbox::Asked::Answered(answer) = asked {
            return Ok((answer, true));
        }
        self.answer(id, idempotency, StatusCode::OK).await
    }

    /// Answers with a subscription as it is known now.
    pub(super) async fn answer(
        &self,
        id: Uuid,
        idempotency: Option<&IdempotencyKey>,
        status: StatusCode,
    ) -> Result<(Answer, bool), ApiError> {
        let subscription = self.find(&id.to_string()).await?;
        self.outbox.keep(idempotency, status, &subscription).await
    }
}

fn not_made(name: &str) -> ApiError {
    ApiError::conflict(
        "subscription_not_made",
        format!("Stripe has not said yet that it made {name}; wait for it"),
    )
}

pub(super) fn gone(id: Uuid) -> ApiError {
    ApiError::conflict("subscription_not_made", format!("Stripe has not made the subscription {id}"))
}
