//! A shop: orders placed and paid through the front door, and what the tables say of their fulfilment.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use packline::fulfilment::{FulfilmentSettings, FulfilmentWorker, Provider};
use serde_json::{Value, json};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::support::TestApp;
use crate::support::stripe::{self, dispute, intent_succeeded, refund};

/// An order, and the PaymentIntent that pays it.
#[derive(Clone, Debug)]
pub struct Sale {
    pub order: Uuid,
    pub intent: String,
}

/// A fulfilment and its order's axis, as their rows have them.
#[derive(Debug, PartialEq, sqlx::FromRow)]
pub struct Row {
    pub state: String,
    pub reason: Option<String>,
    pub attempts: i32,
    pub next_attempt_at: Option<OffsetDateTime>,
    pub lease_holder: Option<String>,
    pub last_outcome: Option<String>,
    pub provider: Option<String>,
    pub provider_reference: Option<String>,
    pub axis: String,
}

impl Row {
    /// State, axis and attempts: what most tests look at.
    pub fn at(&self) -> (&str, &str, i32) {
        (&self.state, &self.axis, self.attempts)
    }
}

pub struct Shop(TestApp);

impl Deref for Shop {
    type Target = TestApp;

    fn deref(&self) -> &TestApp {
        &self.0
    }
}

impl Shop {
    pub async fn open() -> Self {
        Self(TestApp::start().await)
    }

    pub fn worker(&self, provider: Arc<dyn Provider>) -> FulfilmentWorker {
        self.fulfilment_worker(provider, FulfilmentSettings::default())
    }

    /// An order that waits for its payment.
    pub async fn placed(&self, fields: Value) -> Sale {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let intent = format!("pi_shop{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let order = stripe::with(stripe::order(fields), json!({ "payment_intent": intent }));
        let placed = self.place_order(&order).await;
        Sale { order: placed["id"].as_str().unwrap().parse().unwrap(), intent }
    }

    /// A paid order, whose fulfilment is queued.
    pub async fn paid(&self) -> Sale {
        let sale = self.placed(json!({})).await;
        self.deliver(&[intent_succeeded(&sale.intent)]).await;
        sale
    }

    /// Has another provider carry an order out, as a rule would have.
    pub async fn to_provider(&self, sale: &Sale, provider: &str) {
        sqlx::query(
            "insert into fulfilment_providers (name, kind, created_at, updated_at) values ($1, 'log', now(), now()) \
             on conflict (name) do nothing",
        )
        .bind(provider)
        .execute(&self.pool)
        .await
        .unwrap();
        sqlx::query("update fulfilments set provider = $2 where order_id = $1")
            .bind(sale.order)
            .bind(provider)
            .execute(&self.pool)
            .await
            .unwrap();
    }

    pub async fn disputed(&self, sale: &Sale, event: &str, status: &str) {
        let id = sale.intent.replace("pi_", "du_");
        self.deliver(&[dispute(event, &id, &sale.intent, status)]).await;
    }

    /// Sends money back: 2000 is all of it.
    pub async fn refunded(&self, sale: &Sale, amount: i64) {
        let id = sale.intent.replace("pi_", "re_");
        self.deliver(&[refund("refund.created", &id, &sale.intent, amount, "succeeded")]).await;
    }

    pub fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    pub async fn row(&self, sale: &Sale) -> Row {
        sqlx::query_as(
            "select f.state, f.reason, f.attempts, f.next_attempt_at, f.lease_holder, f.last_outcome, f.provider, \
             f.provider_reference, o.fulfilment_status as axis \
             from fulfilments as f join orders as o on o.id = f.order_id where o.id = $1",
        )
        .bind(sale.order)
        .fetch_one(&self.pool)
        .await
        .unwrap()
    }

    pub async fn state(&self, sale: &Sale) -> String {
        self.row(sale).await.state
    }

    /// Outcome and detail of each attempt; "open" without an outcome.
    pub async fn attempts(&self, sale: &Sale) -> Vec<(String, String)> {
        sqlx::query_as(
            "select coalesce(a.outcome, 'open'), coalesce(a.detail, '') \
             from fulfilment_attempts as a join fulfilments as f on f.id = a.fulfilment_id \
             where f.order_id = $1 order by a.attempt",
        )
        .bind(sale.order)
        .fetch_all(&self.pool)
        .await
        .unwrap()
    }

    pub async fn outcomes(&self, sale: &Sale) -> Vec<String> {
        self.attempts(sale).await.into_iter().map(|(outcome, _)| outcome).collect()
    }

    /// The moves of the fulfilment axis: from, to, kind of cause.
    pub async fn moves(&self, sale: &Sale) -> Vec<String> {
        sqlx::query_scalar(
            "select from_value || '>' || to_value || ' ' || cause_kind from order_transitions \
             where order_id = $1 and axis = 'fulfilment' order by id",
        )
        .bind(sale.order)
        .fetch_all(&self.pool)
        .await
        .unwrap()
    }
}

/// Runs rounds until there is nothing to do now.
pub async fn drain(worker: &FulfilmentWorker) {
    while worker.run_once().await.unwrap() > 0 {}
}
