//! Retention: what nobody can need any more is deleted, a few hundred rows at a time, by one process at a time.
//!
//! | what | when |
//! |---|---|
//! | payloads of applied events | [`RetentionSettings::payloads`] after they came in |
//! | payloads of events that were set aside | four times as long: what they wait for may appear, or a later version may act on them |
//! | answers under an `Idempotency-Key` | [`RetentionSettings::answers`] after they were given |
//! | checkout tokens | a day after they expired |
//!
//! Never deleted: payloads of events that are pending, parked or failed; and the ledger, orders and all that explains
//! them. An event whose payload has expired says so wherever it is shown; if it wakes up all the same it becomes `failed`
//! with that reason, so that a person sees it.
//!
//! It is made not to be felt: each kind is gone through in the order of an index, from a mark that is kept
//! (`retention_marks`), so that nothing is looked for and nothing that is gone is read again; each batch is a transaction
//! of its own, after which it rests for several times as long as that took; and the lock of the mark keeps other
//! processes from doing the same.

mod metrics;
mod store;

use std::time::{Duration, Instant};

use sqlx::{PgConnection, PgPool};
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

pub use metrics::RetentionMetrics;

use crate::clock::Clock;
use crate::db::{self, Swept, Window};
use crate::inbox::{self, Expiring};
use crate::{api, payments};

/// From the end of one round to the next, where nothing was left to do.
const BETWEEN_ROUNDS: Duration = Duration::from_secs(60);
/// After each batch it rests for so many times as long as the batch took.
const REST: u32 = 4;
/// How long a batch may take; for a Postgres that vanished, whose answer would be waited for for ever.
const LONGEST_BATCH: Duration = Duration::from_secs(60);
/// How much longer payloads of events that were set aside are kept than those of applied ones.
const SET_ASIDE: u32 = 4;
/// How long a checkout token is kept after it expired.
const TOKENS: Duration = Duration::from_secs(24 * 60 * 60);

/// How long what is kept, and how much is deleted at once.
#[derive(Clone, Copy, Debug)]
pub struct RetentionSettings {
    /// For how long payloads of applied events are kept; `None` is for ever.
    pub payloads: Option<Duration>,
    /// For how long answers under an `Idempotency-Key` are kept; `None` is for ever.
    pub answers: Option<Duration>,
    /// Rows that one transaction looks at.
    pub batch: i64,
    /// Batches of each kind in one round.
    pub batches: usize,
    /// The least rest after a batch.
    pub rest: Duration,
}

impl Default for RetentionSettings {
    fn default() -> Self {
        Self { payloads: None, answers: None, batch: 500, batches: 40, rest: Duration::from_millis(20) }
    }
}

/// What is deleted, each kind with a mark of its own.
#[derive(Clone, Copy, Debug)]
enum Kind {
    AppliedPayloads,
    AllPayloads,
    Answers,
    CheckoutTokens,
}

impl Kind {
    const ALL: [Self; 4] = [Self::AppliedPayloads, Self::AllPayloads, Self::Answers, Self::CheckoutTokens];

    fn mark(self) -> &'static str {
        match self {
            Self::AppliedPayloads => "applied_payloads",
            Self::AllPayloads => "all_payloads",
            Self::Answers => "idempotency_keys",
            Self::CheckoutTokens => "checkout_tokens",
        }
    }
}

/// What a round deleted, in rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Round {
    /// Payloads of events.
    pub payloads: u64,
    /// Answers under an `Idempotency-Key`.
    pub answers: u64,
    /// Checkout tokens.
    pub tokens: u64,
    /// Whether its bound ended it, and there may be more.
    pub has_more: bool,
}

/// The worker that deletes.
#[derive(Clone, Debug)]
pub struct Retention {
    pool: PgPool,
    clock: Clock,
    settings: RetentionSettings,
    metrics: RetentionMetrics,
}

impl Retention {
    /// A worker on a database.
    pub fn new(pool: PgPool, clock: Clock, settings: RetentionSettings, metrics: RetentionMetrics) -> Self {
        Self { pool, clock, settings, metrics }
    }

    /// Deletes what is due, round after round, until told to stop.
    pub async fn run(self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let rest = match self.run_once(&stop).await {
                Ok(Round { has_more: true, .. }) => self.settings.rest,
                Ok(_) => BETWEEN_ROUNDS,
                Err(error) => {
                    tracing::warn!(
                        worker = "retention",
                        error = &error as &dyn std::error::Error,
                        "a worker cannot go on now"
                    );
                    BETWEEN_ROUNDS
                }
            };
            pause(rest, &stop).await;
        }
    }

    /// Deletes what is due of every kind, as far as one round goes.
    ///
    /// # Errors
    /// The database's. What was deleted before is gone, and the next round goes on from there.
    pub async fn run_once(&self, stop: &CancellationToken) -> sqlx::Result<Round> {
        let mut round = Round::default();
        let ended = self.go_through(&mut round, stop).await;
        self.metrics.count("payloads", round.payloads);
        self.metrics.count("idempotency_keys", round.answers);
        self.metrics.count("checkout_tokens", round.tokens);
        let Round { payloads, answers, tokens, .. } = round;
        if payloads + answers + tokens > 0 {
            tracing::info!(
                payloads,
                idempotency_keys = answers,
                checkout_tokens = tokens,
                "deleted what is not needed any more"
            );
        }
        ended.map(|()| round)
    }

    async fn go_through(&self, round: &mut Round, stop: &CancellationToken) -> sqlx::Result<()> {
        for kind in Kind::ALL {
            for at in 1..=self.settings.batches {
                let Some(before) = self.over_before(kind) else { break };
                if stop.is_cancelled() {
                    return Ok(());
                }
                let began = Instant::now();
                let swept = self.batch(kind, before).await?;
                match kind {
                    Kind::AppliedPayloads | Kind::AllPayloads => round.payloads += swept.deleted,
                    Kind::Answers => round.answers += swept.deleted,
                    Kind::CheckoutTokens => round.tokens += swept.deleted,
                }
                if swept.looked_at < self.settings.batch {
                    break;
                }
                round.has_more |= at == self.settings.batches;
                pause(self.settings.rest.max(began.elapsed() * REST), stop).await;
            }
        }
        Ok(())
    }

    /// The time before which rows of a kind are over; none where there can be no such rows.
    fn over_before(&self, kind: Kind) -> Option<OffsetDateTime> {
        let kept = match kind {
            Kind::AppliedPayloads => self.settings.payloads?,
            Kind::AllPayloads => self.settings.payloads?.checked_mul(SET_ASIDE)?,
            Kind::Answers => self.settings.answers?,
            Kind::CheckoutTokens => TOKENS,
        };
        let before = self.clock.now().checked_sub(kept.try_into().ok()?)?;
        (before > OffsetDateTime::UNIX_EPOCH).then_some(before)
    }

    async fn batch(&self, kind: Kind, before: OffsetDateTime) -> sqlx::Result<Swept> {
        let batch = async {
            let mut tx = self.pool.begin().await?;
            let swept = self.sweep(&mut tx, kind, before).await;
            db::end(tx, swept).await
        };
        tokio::time::timeout(LONGEST_BATCH, batch).await.unwrap_or(Err(sqlx::Error::PoolTimedOut))
    }

    async fn sweep(
        &self,
        conn: &mut PgConnection,
        kind: Kind,
        before: OffsetDateTime,
    ) -> sqlx::Result<Swept> {
        let Some(from) = store::lock_mark(conn, kind.mark()).await? else {
            return Ok(Swept::default());
        };
        let window = Window { from: &from, before, limit: self.settings.batch };
        let swept = match kind {
            Kind::AppliedPayloads => inbox::expire_payloads(conn, Expiring::Applied, window).await?,
            Kind::AllPayloads => inbox::expire_payloads(conn, Expiring::SetAsideToo, window).await?,
            Kind::Answers => api::delete_old_answers(conn, window).await?,
            Kind::CheckoutTokens => payments::delete_old_tokens(conn, window).await?,
        };
        if let Some(reached) = &swept.reached {
            store::move_mark(conn, kind.mark(), reached).await?;
        }
        Ok(swept)
    }
}

async fn pause(rest: Duration, stop: &CancellationToken) {
    tokio::select! {
        () = tokio::time::sleep(rest) => {}
        () = stop.cancelled() => {}
    }
}
