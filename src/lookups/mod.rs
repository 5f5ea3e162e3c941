//! Lookups: asking Stripe for what events do not say. Settling events writes each question down; this worker asks it, keeps
//! the answer, and wakes what waits for it.
//!
//! No transaction is open while Stripe is asked. A question whose worker died is asked again when its lease is over; asking
//! changes nothing at Stripe's. Stripe's refusal ends a question too: what waits for it goes on with what is known.

mod ask;

use futures_util::future::BoxFuture;
use sqlx::{PgConnection, PgPool};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::clock::{Clock, backoff};
use crate::orders::lookups::{Outcome, Question, claim_question, put_off_question, record_outcome};
use crate::orders::routes::WakeWaiting;
use crate::orders::{Cause, Consequence, SettleError};
use crate::stripe::{CallError, Client, Invoice};

use ask::Said;

const FIRST_WAIT: Duration = Duration::seconds(5);
/// So often in a row others may be in the way of an answer.
const MOST_RACES: usize = 5;

/// Hears of an invoice as Stripe shows it when asked, with what events never carry: its payments and the secret of its
/// payment form. It runs in the transaction that keeps the answer.
pub type Hear = for<'c> fn(
    &'c mut PgConnection,
    &'c Invoice,
    Option<&'c str>,
    OffsetDateTime,
) -> BoxFuture<'c, sqlx::Result<()>>;

/// Does what a move of an order asks of fulfilment, in the transaction that keeps the answer.
pub type Follow = for<'c> fn(
    &'c mut PgConnection,
    Vec<(Uuid, Consequence, Cause)>,
    OffsetDateTime,
) -> BoxFuture<'c, sqlx::Result<()>>;

/// What lookups need of features that they do not know.
#[derive(Clone, Copy)]
pub struct Neighbours {
    /// Wakes events that wait for answers.
    pub wake: WakeWaiting,
    /// Does what follows for fulfilment where an order learns late what was bought.
    pub follow: Follow,
    /// Is told of invoices.
    pub hear: Option<Hear>,
}

/// Asks Stripe.
#[derive(Clone)]
pub struct Lookups {
    pool: PgPool,
    clock: Clock,
    client: Client,
    grace: std::time::Duration,
    neighbours: Neighbours,
}

impl Lookups {
    /// A worker on a database. `grace` is how long an order that learns something late waits for what it still lacks.
    pub fn new(
        pool: PgPool,
        clock: Clock,
        client: Client,
        grace: std::time::Duration,
        neighbours: Neighbours,
    ) -> Self {
        Self { pool, clock, client, grace, neighbours }
    }

    /// Asks the question that is due longest; returns how many there were, none or one.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn run_once(&self) -> sqlx::Result<usize> {
        let claimed = claim_question(&mut *self.pool.acquire().await?, self.clock.now()).await?;
        let Some((question, tries)) = claimed else { return Ok(0) };

        let said = ask::ask(&self.client, &question).await;

        let now = self.clock.now();
        match said {
            Ok(said) => self.record(&question, &said, now).await?,
            Err(CallError::Refused(refusal)) => {
                tracing::warn!(lookup = %question.kind, object = question.stripe_id, reason = %refusal, "Stripe refused a lookup");
                let refused = Said::of(Outcome::Refused(refusal.to_string()));
                self.record(&question, &refused, now).await?;
            }
            Err(error) => {
                tracing::debug!(lookup = %question.kind, object = question.stripe_id, error = %error, "to be asked again");
                let mut conn = self.pool.acquire().await?;
                put_off_question(&mut conn, &question, &error.to_string(), now + backoff(FIRST_WAIT, tries))
                    .await?;
            }
        }
        Ok(1)
    }

    /// Keeps an answer. Who makes orders meanwhile can be in the way for a moment.
    async fn record(&self, question: &Question, said: &Said, now: OffsetDateTime) -> sqlx::Result<()> {
        for _ in 0..MOST_RACES {
            match self.try_record(question, said, now).await {
                Ok(()) => return Ok(()),
                Err(SettleError::LostRace) => {}
                Err(SettleError::Database(error)) => return Err(error),
            }
        }
        tracing::warn!(lookup = %question.kind, object = question.stripe_id, "to be asked again: its answer could not be kept");
        Ok(())
    }

    async fn try_record(
        &self,
        question: &Question,
        said: &Said,
        now: OffsetDateTime,
    ) -> Result<(), SettleError> {
        let mut tx = self.pool.begin().await?;
        said.keep_skus(&mut tx, question, now).await?;
        let recorded = record_outcome(&mut tx, question, &said.outcome, self.grace, now).await?;
        (self.neighbours.follow)(&mut tx, recorded.consequences, now).await?;
        if let (Some(hear), Some(invoice)) = (self.neighbours.hear, &said.invoice) {
            hear(&mut tx, invoice, question.account.as_deref(), now).await?;
        }
        (self.neighbours.wake)(&mut tx, recorded.appeared, now).await?;
        Ok(tx.commit().await?)
    }
}
