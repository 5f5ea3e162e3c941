//! Moving a quote: revise, finalise, accept, cancel. What cannot be is refused here, with what to do instead; what was
//! done already is answered alike.

use serde_json::{Value, json};
use sqlx::PgConnection;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use super::quote::QuoteState;
use super::request::{FinalizeQuote, QuoteTerms, check_expiry, expand};
use super::state::Known;
use super::{Quotes, store};
use crate::api::{ApiError, Claim, Faults, FieldError, IdempotencyKey};
use crate::db;
use crate::outbox::{self, NewCall, Told, Written};
use crate::stripe::params;

/// What is asked of a quote.
pub(super) enum Act<'a> {
    Revise(&'a QuoteTerms),
    Finalize(&'a FinalizeQuote),
    Accept,
    Cancel,
}

/// What is done about it.
enum Step {
    /// Nothing: it is so already.
    None,
    /// A call that was written, now or before.
    Call(Uuid),
}

impl Act<'_> {
    fn operation(&self) -> &'static str {
        match self {
            Self::Revise(_) => "quote.update",
            Self::Finalize(_) => "quote.finalize",
            Self::Accept => "quote.accept",
            Self::Cancel => "quote.cancel",
        }
    }

    fn path(&self, stripe_id: &str) -> String {
        let verb = match self {
            Self::Revise(_) => "",
            Self::Finalize(_) => "/finalize",
            Self::Accept => "/accept",
            Self::Cancel => "/cancel",
        };
        format!("/v1/quotes/{stripe_id}{verb}")
    }

    /// Whether it is so already.
    fn is_done(&self, state: QuoteState) -> bool {
        match self {
            Self::Revise(_) => false,
            Self::Finalize(_) => matches!(state, QuoteState::Open | QuoteState::Accepted),
            Self::Accept => state == QuoteState::Accepted,
            Self::Cancel => state == QuoteState::Cancelled,
        }
    }

    /// Whether it can be, by what is known.
    fn check(&self, quote: &Known, now: OffsetDateTime) -> Result<(), ApiError> {
        let state = quote.state;
        let no = |code, message: String| Err(ApiError::conflict(code, message));
        match state {
            QuoteState::Creating => {
                let message = "Stripe may not know the quote yet: repeat POST /v1/quotes with its Idempotency-Key, or wait";
                return no("quote_creating", message.to_owned());
            }
            QuoteState::Refused => {
                let why = quote.reason.as_deref().unwrap_or("Stripe refused it");
                return no("quote_refused", format!("the quote was never made ({why}); make another"));
            }
            QuoteState::Cancelled => {
                let why = quote.reason.as_deref().unwrap_or("it was called off");
                let message =
                    format!("the quote is cancelled ({why}): nothing can be done with it; make another");
                return no("quote_cancelled", message);
            }
            QuoteState::Accepted => {
                let message = "the quote is accepted: its invoice or subscription is what can be changed now";
                return no("quote_accepted", message.to_owned());
            }
            QuoteState::Draft | QuoteState::Open => {}
        }
        if quote.is_expired(now) && !matches!(self, Self::Cancel) {
            let when = quote.terms.expires_at.and_then(|at| at.format(&Rfc3339).ok()).unwrap_or_default();
            return no("quote_expired", format!("the time of the quote was over at {when}; make another"));
        }
        match (self, state) {
            (Self::Revise(_), QuoteState::Open) => no(
                "quote_not_draft",
                "the quote is finalised, and what the customer may have in hand does not change: cancel it \
                 (POST /v1/quotes/{id}/cancel) and make another"
                    .to_owned(),
            ),
            (Self::Accept, QuoteState::Draft) => no(
                "quote_not_open",
                "the quote is a draft, and only a finalised one can be accepted: POST /v1/quotes/{id}/finalize first"
                    .to_owned(),
            ),
            (Self::Finalize(_), QuoteState::Draft) => is_complete(quote),
            _ => Ok(()),
        }
    }
}

/// Whether a draft has what Stripe demands of a quote that can be accepted.
fn is_complete(quote: &Known) -> Result<(), ApiError> {
    let mut missing = Vec::new();
    if quote.terms.customer.is_none() {
        let message = "the quote has no customer: give one with POST /v1/quotes/{id}, then finalise it";
        missing.push(FieldError::new("customer", message));
    }
    // Of a quote that was made elsewhere Stripe knows.
    if quote.lines.as_ref().is_some_and(Vec::is_empty) {
        let message = "the quote offers nothing: give lines with POST /v1/quotes/{id}, then finalise it";
        missing.push(FieldError::new("lines", message));
    }
    if missing.is_empty() { Ok(()) } else { Err(ApiError::invalid(missing)) }
}

impl Quotes {
    /// Moves a quote; returns whether the same request did it before.
    ///
    /// # Errors
    /// 409 and 422 for what cannot be, 422 where Stripe refuses, 503 where it gave no answer: then a repetition with
    /// the same key goes on.
    pub(super) async fn act(
        &self,
        id: Uuid,
        idempotency: Option<&IdempotencyKey>,
        act: Act<'_>,
    ) -> Result<bool, ApiError> {
        self.outbox.stripe()?;
        let now = self.now();
        match &act {
            Act::Revise(terms) => terms.check(false, now)?,
            Act::Finalize(asked) => {
                let mut faults = Faults::default();
                check_expiry(&mut faults, asked.expires_at, now);
                faults.finish(Some(())).map_err(ApiError::invalid)?;
            }
            Act::Accept | Act::Cancel => {}
        }
        let mut tx = self.pool.begin().await?;
        let planned = self.plan(&mut tx, id, idempotency, &act).await;
        let (step, is_replay) = db::end(tx, planned).await?;
        let Step::Call(call) = step else { return Ok(is_replay) };
        match self.outbox.run(call).await? {
            Told::Done => {
                self.complete(id).await?;
                Ok(is_replay)
            }
            // It may be so already, by somebody else's doing that we have not heard of.
            Told::Refused(error) => match self.look(id).await {
                Ok(state) if act.is_done(state) => Ok(is_replay),
                _ => Err(error),
            },
            Told::Open(error) => Err(error),
        }
    }

    async fn plan(
        &self,
        conn: &mut PgConnection,
        id: Uuid,
        idempotency: Option<&IdempotencyKey>,
        act: &Act<'_>,
    ) -> Result<(Step, bool), ApiError> {
        if let Some(idempotency) = idempotency
            && let Claim::Begun(call) | Claim::Answered(_, Some(call)) = idempotency.look_up(conn).await?
        {
            return Ok((Step::Call(call), true));
        }
        let now = self.now();
        let quote = store::lock(conn, id).await?.ok_or(sqlx::Error::RowNotFound)?;
        if act.is_done(quote.state) {
            return Ok((Step::None, false));
        }
        act.check(&quote, now)?;
        let stripe_id = quote.stripe_id.ok_or(sqlx::Error::RowNotFound)?;
        let call = NewCall {
            operation: act.operation(),
            subject: id,
            path: act.path(&stripe_id),
            params: self.params(conn, id, act).await?,
            account: None,
        };
        let call = match outbox::write(conn, call, now).await? {
            Written::New(call) => call,
            // The same is under way: it is joined. Another revision may be another.
            Written::Busy { operation, id }
                if operation == act.operation() && !matches!(act, Act::Revise(_)) =>
            {
                id
            }
            Written::Busy { operation, .. } => return Err(outbox::in_progress(&operation)),
        };
        if let Some(idempotency) = idempotency {
            idempotency.begin(conn, call, now).await?;
        }
        Ok((Step::Call(call), false))
    }

    async fn params(&self, conn: &mut PgConnection, id: Uuid, act: &Act<'_>) -> Result<Value, ApiError> {
        match act {
            Act::Revise(terms) => Ok(outbox::params(&terms.resolve(conn, id, self.neighbours).await?)?),
            Act::Finalize(asked) => Ok(outbox::params(&params::FinalizeQuote {
                expires_at: asked.expires_at.map(OffsetDateTime::unix_timestamp),
                expand: expand(),
            })?),
            Act::Accept | Act::Cancel => Ok(json!({})),
        }
    }
}
