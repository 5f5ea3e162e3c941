//! Making a call that was written: one try, and what it came to.

use std::time::Duration as StdDuration;

use time::{Duration, OffsetDateTime};
use tokio::time::timeout;
use uuid::Uuid;

use super::call::{CallState, StoredCall};
use super::state::{self, GIVEN_UP_AFTER, KEY_REUSED, Way};
use super::store::{self, Closing};
use super::told::Told;
use super::{Outbox, Outcome, Receive, look};
use crate::api::ApiError;
use crate::db;
use crate::stripe::{Call, CallError, UnknownCause};

/// How long whoever asked waits for a try. It goes on after that, and its outcome is recorded.
const PATIENCE: StdDuration = StdDuration::from_secs(20);
/// Calls of one step of the worker.
const AT_ONCE: i64 = 10;
/// For so long the calls of a step are this worker's.
const TAKEN_FOR: Duration = Duration::minutes(5);
/// How often an answer is written that meets other transactions.
const MOST_RACES: u32 = 5;
/// Why a call waits that is neither asked again nor looked for.
const KEY_TOO_OLD: &str = "its key is too old to ask again; it is looked for once no try can be under way";

/// What a try came to.
enum Tried {
    /// It is known.
    Known(Outcome),
    /// It is not.
    Open { why: String, code: Option<&'static str> },
}

impl Outbox {
    /// Makes a try of a call if it is open, apart from whoever asked: a caller that goes away must not leave a try
    /// unrecorded. Says how it stands then; of a call that is closed, how it ended.
    ///
    /// # Errors
    /// The database's.
    pub async fn run(&self, id: Uuid) -> Result<Told, ApiError> {
        let outbox = self.clone();
        let trying = tokio::spawn(async move { outbox.attempt(id).await });
        match timeout(PATIENCE, trying).await {
            Ok(Ok(tried)) => tried?,
            Ok(Err(broken_off)) => {
                tracing::error!(call.id = %id, error = %broken_off, "a call to Stripe broke off");
            }
            Err(_) => tracing::warn!(call.id = %id, "a call to Stripe takes long; it goes on"),
        }
        let call = store::load(&mut *self.pool().acquire().await?, id).await?;
        Ok(Told::of(&call))
    }

    /// Takes up calls that are due; returns how many. None means that nothing is due.
    ///
    /// # Errors
    /// The database is out of reach. Nothing is lost: what was not recorded is due again.
    pub async fn run_once(&self) -> sqlx::Result<usize> {
        if self.0.stripe.is_none() {
            return Ok(0);
        }
        let now = self.now();
        let due = {
            let mut conn = self.pool().acquire().await?;
            store::take_due(&mut conn, now + TAKEN_FOR, AT_ONCE, now).await?
        };
        let mut tried = Ok(());
        for id in &due {
            // One that cannot be recorded must not hold up the others; it is due again.
            if let Err(error) = self.attempt(*id).await {
                tracing::error!(call.id = %id, %error, "a call to Stripe could not be taken up");
                tried = Err(error);
            }
        }
        tried.map(|()| due.len())
    }

    /// Makes a try of a call, if it is open, and records what it came to.
    async fn attempt(&self, id: Uuid) -> sqlx::Result<()> {
        let Some(client) = &self.0.stripe else { return Ok(()) };
        let call = {
            let mut conn = self.pool().acquire().await?;
            let now = self.now();
            if !store::begin_try(&mut conn, id, now + GIVEN_UP_AFTER, now).await? {
                return Ok(());
            }
            store::load(&mut conn, id).await?
        };
        let tried = match state::way(&call, self.now()) {
            Way::Ask => {
                let asked = Call { idempotency_key: &call.idempotency_key, account: call.account.as_deref() };
                let answer = client.post_written(&call.path, &call.params, asked).await;
                answer.map_or_else(|error| asked_in_vain(&call, error), Tried::done)
            }
            Way::Wait => Tried::Open { why: KEY_TOO_OLD.to_owned(), code: None },
            Way::Look => look::look(client, &call).await.map_or_else(looked_in_vain, Tried::Known),
        };
        self.record(&call, tried).await
    }

    /// Writes what a try came to. Of two tries under one key the first that settles it counts: both say the same.
    async fn record(&self, call: &StoredCall, tried: Tried) -> sqlx::Result<()> {
        let now = self.now();
        let outcome = match tried {
            Tried::Known(outcome) => outcome,
            Tried::Open { why, code } => {
                let again = now + state::wait(call.tries);
                let mut conn = self.pool().acquire().await?;
                store::note(&mut conn, call.id, &why, code, again).await?;
                tracing::warn!(
                    call.id = %call.id, call.operation = call.operation, reason = why, "a call to Stripe has no outcome yet"
                );
                return Ok(());
            }
        };
        let receiver = self.0.receivers.iter().find(|(prefix, _)| call.operation.starts_with(prefix));
        let Some((_, receive)) = receiver else {
            tracing::error!(call.operation = call.operation, "nobody records what this call comes to");
            return Err(sqlx::Error::RowNotFound);
        };
        let closing = Closing::of(&outcome);
        let mut tries = 1;
        let is_first = loop {
            match self.close(call, &outcome, &closing, *receive, now).await {
                // The answer stands; it is only written again.
                Err(error) if db::is_retryable(&error) && tries < MOST_RACES => tries += 1,
                closed => break closed?,
            }
        };
        if !is_first {
            return Ok(());
        }
        tracing::info!(
            call.id = %call.id, call.operation = call.operation, call.subject = %call.subject, state = %closing.state,
            code = closing.code, stripe.object = closing.object, "call to Stripe recorded"
        );
        Ok(())
    }

    /// Writes what a call came to, with all that follows; false where another try of it was sooner.
    async fn close(
        &self,
        call: &StoredCall,
        outcome: &Outcome,
        closing: &Closing<'_>,
        receive: Receive,
        now: OffsetDateTime,
    ) -> sqlx::Result<bool> {
        let mut tx = self.pool().begin().await?;
        // The feature's row first and the call after it, as where calls are written: no two wait for each other.
        let received = receive(&mut tx, call, outcome, now).await;
        let closed = match received {
            Ok(()) => store::close(&mut tx, call.id, closing, now).await,
            Err(error) => Err(error),
        };
        match closed {
            Ok(false) => tx.rollback().await.map(|()| false),
            closed => db::end(tx, closed).await,
        }
    }
}

impl Tried {
    fn done(answer: serde_json::Value) -> Self {
        Self::Known(Outcome::Done(answer))
    }
}

fn asked_in_vain(call: &StoredCall, error: CallError) -> Tried {
    match error {
        // Who may call at all says nothing of what an earlier try did.
        CallError::Refused(refusal) if refusal.status == 403 && call.tries > 1 => {
            Tried::Open { why: refusal.to_string(), code: None }
        }
        CallError::Refused(refusal) => Tried::Known(Outcome::Refused(refusal)),
        CallError::NotDone(not_done) => Tried::Open { why: not_done.to_string(), code: None },
        CallError::Unknown(unknown) => Tried::Open {
            code: (unknown.cause == UnknownCause::KeyReused).then_some(KEY_REUSED),
            why: unknown.to_string(),
        },
    }
}

fn looked_in_vain(error: CallError) -> Tried {
    match &error {
        // What was to be moved is not there (any more): nothing was done, nor ever will be.
        CallError::Refused(refusal) if refusal.status == 404 => {
            Tried::Known(Outcome::NotDone { why: format!("what it was to change is not there: {refusal}") })
        }
        _ => Tried::Open {
            why: format!("its key is too old to ask again, and looking for it failed: {error}"),
            code: Some(KEY_REUSED),
        },
    }
}

impl<'o> Closing<'o> {
    fn of(outcome: &'o Outcome) -> Self {
        match outcome {
            Outcome::Done(object) => Self { object: look::id(object), ..Self::to(CallState::Done) },
            Outcome::Seen(object) => Self { object: look::id(object), ..Self::to(CallState::Seen) },
            Outcome::NotDone { why } => Self { reason: Some(why.clone()), ..Self::to(CallState::NotDone) },
            Outcome::Refused(refusal) => Self {
                reason: Some(refusal.to_string()),
                code: refusal.code.as_deref().or(refusal.decline_code.as_deref()),
                http_status: i16::try_from(refusal.status).ok(),
                request_id: refusal.request_id.as_deref(),
                ..Self::to(CallState::Refused)
            },
        }
    }
}
