//! Applying: a batch of due events in, their effects and their new states out, in one transaction.

use std::any::Any;
use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use sqlx::{PgConnection, PgPool};
use time::OffsetDateTime;
use tokio::sync::Notify;
use tokio::time::timeout;
use uuid::Uuid;

use super::dispatch::{self, Handler};
use super::event::Disposition;
use super::metrics::InboxMetrics;
use super::store::{self, DueEvent, Mark};
use crate::clock::Clock;
use crate::connect::events::{AccountEvent, AccountVerdict, hear};
use crate::db;
use crate::fulfilment;
use crate::invoices;
use crate::orders::events::{OrderEvent, Unreadable};
use crate::orders::{Candidate, Patience, SettleError, Verdict, settle};
use crate::payments;
use crate::quotes::events::{self as quote_events, QuoteEvent, QuoteVerdict};
use crate::stripe::Event;
use crate::subscriptions;
use crate::subscriptions::events::SubscriptionEvent;

/// Large enough for what a statement costs to be nothing beside what its rows cost.
const LARGEST_BATCH: usize = 256;
/// Tries at an event that cannot be applied; the waits between them double from one second.
const MOST_ATTEMPTS: i32 = 5;
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// How long a transaction may take. Postgres ends slow statements sooner; this is for a Postgres that vanished, whose
/// answer would be waited for for ever.
const LONGEST_TRANSACTION: Duration = Duration::from_secs(60);
/// Batches that lose a race one after the other before the worker takes a breath.
const MOST_RACES: usize = 10;

/// The inbox worker's step.
#[derive(Clone)]
pub struct Applier {
    pool: PgPool,
    clock: Clock,
    livemode: bool,
    patience: Patience,
    metrics: InboxMetrics,
    crowded: Arc<Notify>,
}

/// Why a batch was rolled back.
enum Failed {
    /// It met another batch; trying again will do.
    Race,
    /// The database is out of reach.
    Unavailable(sqlx::Error),
    /// Something in the batch cannot be applied; the error.
    Poison(String),
}

impl From<sqlx::Error> for Failed {
    fn from(error: sqlx::Error) -> Self {
        if db::is_retryable(&error) {
            Self::Race
        } else if db::is_unavailable(&error) {
            Self::Unavailable(error)
        } else {
            Self::Poison(error.to_string())
        }
    }
}

impl From<SettleError> for Failed {
    fn from(error: SettleError) -> Self {
        match error {
            SettleError::LostRace => Self::Race,
            SettleError::Database(error) => error.into(),
        }
    }
}

impl Applier {
    /// A worker on a database. `livemode` is the mode that the service is for, `patience` how long unknown successes
    /// wait.
    pub fn new(
        pool: PgPool,
        clock: Clock,
        livemode: bool,
        patience: Patience,
        metrics: InboxMetrics,
    ) -> Self {
        Self { pool, clock, livemode, patience, metrics, crowded: Arc::default() }
    }

    /// Applies one batch; returns how many events it looked at. None means that nothing is due.
    ///
    /// # Errors
    /// The database is out of reach. Nothing is lost: what was not committed is still due.
    pub async fn run_once(&self) -> sqlx::Result<usize> {
        for _ in 0..MOST_RACES {
            match self.apply(None).await {
                Ok(looked_at) => {
                    if looked_at == LARGEST_BATCH {
                        self.crowded.notify_one();
                    }
                    return Ok(looked_at);
                }
                Err(Failed::Race) => {}
                Err(Failed::Unavailable(error)) => return Err(error),
                Err(Failed::Poison(_)) => return self.isolate().await,
            }
        }
        Ok(0)
    }

    /// Is notified when there was more to do than one batch takes.
    pub fn crowded(&self) -> Arc<Notify> {
        Arc::clone(&self.crowded)
    }

    /// Applies due events in one transaction; with `only`, that event and no other.
    async fn apply(&self, only: Option<&str>) -> Result<usize, Failed> {
        let applied = timeout(LONGEST_TRANSACTION, self.apply_due(only)).await;
        applied.unwrap_or(Err(Failed::Unavailable(sqlx::Error::PoolTimedOut)))
    }

    async fn apply_due(&self, only: Option<&str>) -> Result<usize, Failed> {
        let now = self.clock.now();
        let mut tx = self.pool.begin().await?;
        // A fault of ours that panics counts as the event's: it must not end the worker.
        let applied = AssertUnwindSafe(self.apply_claimed(&mut tx, now, only)).catch_unwind().await;
        let applied = applied.unwrap_or_else(|panic| {
            Err(Failed::Poison(format!("a fault in Packline: {}", told(panic.as_ref()))))
        });
        match applied {
            Ok((due, marks)) => {
                tx.commit().await?;
                self.report(&due, &marks, now);
                Ok(due.len())
            }
            Err(Failed::Unavailable(error)) => Err(Failed::Unavailable(error)),
            Err(failed) => {
                // Waited for: who tries these events again at once must not find them claimed still.
                tx.rollback().await?;
                Err(failed)
            }
        }
    }

    async fn apply_claimed(
        &self,
        conn: &mut PgConnection,
        now: OffsetDateTime,
        only: Option<&str>,
    ) -> Result<(Vec<DueEvent>, Vec<Mark>), Failed> {
        let due = match only {
            Some(id) => store::claim_one(conn, now, id).await?,
            None => store::claim_due(conn, now, LARGEST_BATCH as i64).await?,
        };
        let mut marks = Vec::with_capacity(due.len());
        if due.is_empty() {
            return Ok((due, marks));
        }

        let (mut order_events, mut candidates) =
            (Vec::with_capacity(due.len()), Vec::with_capacity(due.len()));
        let (mut account_events, mut account_news) = (Vec::new(), Vec::new());
        let (mut subscription_events, mut subscription_news) = (Vec::new(), Vec::new());
        let (mut of_quotes, mut quote_news) = (Vec::new(), Vec::new());
        for event in &due {
            match self.read(event) {
                Ok(Read::Order(read)) => {
                    order_events.push(event);
                    candidates.push(Candidate { event: *read, parked_at: event.parked_at });
                }
                Ok(Read::Account(read)) => {
                    account_events.push(event);
                    account_news.push(*read);
                }
                Ok(Read::Subscription(read)) => {
                    subscription_events.push(event);
                    subscription_news.push(*read);
                }
                Ok(Read::Quote(read)) => {
                    of_quotes.push(event);
                    quote_news.push(*read);
                }
                Err(fault) => marks.push(fault.mark(event, now)),
            }
        }

        let settled = settle(conn, &candidates, self.patience, fulfilment::queue_new, now).await?;
        fulfilment::follow(conn, &settled.consequences, now).await?;
        // Also what concerns no order yet: an invoice is known long before it is one.
        let told: Vec<(Option<Uuid>, &OrderEvent)> = candidates
            .iter()
            .map(|candidate| &candidate.event)
            .zip(&settled.verdicts)
            .map(concerns)
            .collect();
        let concerned: Vec<_> = told.iter().filter_map(|(order, event)| Some(((*order)?, *event))).collect();
        let consequences = payments::hear(conn, &concerned, now).await?;
        invoices::hear(conn, &told, now).await?;
        invoices::follow(conn, &settled.consequences, now).await?;
        fulfilment::follow(conn, &consequences, now).await?;
        let heard = hear(conn, &account_news, self.livemode, now).await?;
        let reasons = subscriptions::events::hear(conn, &subscription_news, now).await?;
        let appeared = settled.appeared.into_iter().chain(heard.appeared).collect();
        store::wake_waiting(conn, appeared, now).await?;
        let verdicts = order_events.iter().zip(settled.verdicts);
        marks.extend(verdicts.filter_map(|(event, verdict)| Some(verdict_mark(event, verdict?))));
        let verdicts = account_events.iter().zip(heard.verdicts);
        marks.extend(verdicts.map(|(event, verdict)| account_mark(event, verdict)));
        let verdicts = subscription_events.iter().zip(reasons);
        marks.extend(verdicts.map(|(event, reason)| Mark { reason, ..Mark::of(event) }));
        let verdicts = quote_events::hear(conn, &quote_news, now).await?;
        let verdicts = of_quotes.iter().zip(verdicts);
        marks.extend(verdicts.map(|(event, verdict)| quote_mark(event, verdict)));
        store::mark(conn, &marks, now).await?;
        Ok((due, marks))
    }

    /// Reads an event for what it says.
    fn read(&self, event: &DueEvent) -> Result<Read, Fault> {
        if let Disposition::SetAside(reason) =
            Disposition::by(&event.event_type, event.livemode, self.livemode)
        {
            return Err(Fault::NotOurs(reason));
        }
        let body =
            event.body.as_deref().ok_or_else(|| Fault::Lasting("its payload has expired".to_owned()))?;
        let handler = dispatch::handler(&event.event_type)
            .ok_or_else(|| Fault::NotOurs(format!("nothing here acts on {}", event.event_type)))?;
        let opened = Event {
            id: &event.id,
            event_type: &event.event_type,
            account: event.account.as_deref(),
            created_at: event.created_at,
            body,
        };
        Ok(match handler {
            Handler::Order(read) => Read::Order(Box::new(read(&opened)?)),
            Handler::Subscription(read) => {
                Read::Subscription(Box::new(read(&opened).map_err(Unreadable::from)?))
            }
            Handler::Account(read) => Read::Account(Box::new(read(&opened).map_err(Unreadable::from)?)),
            Handler::Quote(read) => Read::Quote(Box::new(read(&opened).map_err(Unreadable::from)?)),
        })
    }

    /// Something in the batch cannot be applied: each event is tried alone, and only the one that fails pays for it.
    async fn isolate(&self) -> sqlx::Result<usize> {
        let due = {
            let mut conn = self.pool.acquire().await?;
            store::list_due(&mut conn, self.clock.now(), LARGEST_BATCH as i64).await?
        };
        for id in &due {
            match self.apply(Some(id)).await {
                Ok(_) | Err(Failed::Race) => {}
                Err(Failed::Unavailable(error)) => return Err(error),
                Err(Failed::Poison(error)) => self.put_off(id, error).await?,
            }
        }
        Ok(due.len())
    }

    async fn put_off(&self, id: &str, error: String) -> sqlx::Result<()> {
        let now = self.clock.now();
        let mut tx = self.pool.begin().await?;
        let due = store::claim_one(&mut tx, now, id).await?;
        let marks: Vec<Mark> =
            due.iter().map(|event| Fault::Passing(error.clone()).mark(event, now)).collect();
        store::mark(&mut tx, &marks, now).await?;
        tx.commit().await?;
        self.report(&due, &marks, now);
        Ok(())
    }

    /// One line an event, with its ids.
    fn report(&self, due: &[DueEvent], marks: &[Mark], now: OffsetDateTime) {
        let due: HashMap<&str, &DueEvent> = due.iter().map(|event| (event.id.as_str(), event)).collect();
        for mark in marks {
            self.metrics.looked_at(mark.state);
            let event = due.get(mark.id.as_str());
            if let Some(event) = event.filter(|_| mark.state == "applied") {
                self.metrics.applied_after((now - event.received_at).unsigned_abs());
            }
            let event_type = event.map(|event| event.event_type.as_str());
            let order = mark.order_id.map(tracing::field::display);
            match mark.state {
                "failed" => tracing::error!(
                    stripe.event.id = mark.id, stripe.event.type = event_type, attempt = mark.attempts,
                    reason = mark.reason, "event failed"
                ),
                state => tracing::info!(
                    stripe.event.id = mark.id, stripe.event.type = event_type, order.id = order, state,
                    reason = mark.reason, "event looked at"
                ),
            }
        }
    }
}

/// What an event says, and to which feature.
enum Read {
    Order(Box<OrderEvent>),
    Account(Box<AccountEvent>),
    Subscription(Box<SubscriptionEvent>),
    Quote(Box<QuoteEvent>),
}

/// The order that an event was found to concern.
fn concerns<'e>((event, verdict): (&'e OrderEvent, &Option<Verdict>)) -> (Option<Uuid>, &'e OrderEvent) {
    match verdict {
        Some(Verdict::Applied { order_id, .. }) => (Some(*order_id), event),
        _ => (None, event),
    }
}

/// What a panic said.
fn told(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it panicked")
}

/// Why an event is not applied.
enum Fault {
    /// The next try may fare better, or the next version.
    Passing(String),
    /// No try ever will.
    Lasting(String),
    /// It is not for us.
    NotOurs(String),
}

impl From<Unreadable> for Fault {
    fn from(error: Unreadable) -> Self {
        Self::Passing(error.to_string())
    }
}

impl Fault {
    fn mark(self, event: &DueEvent, now: OffsetDateTime) -> Mark {
        let attempts = event.attempts + 1;
        let wait = FIRST_WAIT * 2_u32.pow(u32::try_from(event.attempts).unwrap_or_default().min(16));
        let mark = Mark { attempts, ..Mark::of(event) };
        match self {
            Self::Passing(reason) if attempts < MOST_ATTEMPTS => {
                Mark { state: "pending", reason: Some(reason), next_attempt_at: Some(now + wait), ..mark }
            }
            Self::Passing(reason) | Self::Lasting(reason) => {
                Mark { state: "failed", reason: Some(reason), ..mark }
            }
            Self::NotOurs(reason) => {
                Mark { state: "set_aside", reason: Some(reason), attempts: event.attempts, ..mark }
            }
        }
    }
}

impl Mark {
    fn of(event: &DueEvent) -> Self {
        Self {
            id: event.id.clone(),
            state: "applied",
            reason: None,
            order_id: None,
            waits_for: Vec::new(),
            next_attempt_at: None,
            attempts: event.attempts,
        }
    }
}

fn verdict_mark(event: &DueEvent, verdict: Verdict) -> Mark {
    let mark = Mark::of(event);
    match verdict {
        Verdict::Applied { order_id, reason } => Mark { order_id: Some(order_id), reason, ..mark },
        Verdict::Noted { reason } => Mark { reason: Some(reason), ..mark },
        Verdict::Parked { waits_for, until, reason } => {
            Mark { state: "parked", waits_for, next_attempt_at: Some(until), reason: Some(reason), ..mark }
        }
        Verdict::SetAside { waits_for, reason } => {
            Mark { state: "set_aside", waits_for, reason: Some(reason), ..mark }
        }
    }
}

fn account_mark(event: &DueEvent, verdict: AccountVerdict) -> Mark {
    let mark = Mark::of(event);
    match verdict {
        AccountVerdict::Applied { reason } => Mark { reason, ..mark },
        AccountVerdict::SetAside { waits_for, reason } => {
            Mark { state: "set_aside", waits_for, reason: Some(reason), ..mark }
        }
    }
}

fn quote_mark(event: &DueEvent, verdict: QuoteVerdict) -> Mark {
    let mark = Mark::of(event);
    match verdict {
        QuoteVerdict::Applied { reason } => Mark { reason, ..mark },
        QuoteVerdict::SetAside { reason } => Mark { state: "set_aside", reason: Some(reason), ..mark },
    }
}
