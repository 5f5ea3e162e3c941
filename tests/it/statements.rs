//! What a batch of events costs in statements: as many for many events as for one, and none for features that no event
//! speaks to.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::json;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::support::TestApp;
use crate::support::stripe::{charge, event, intent, order, succeeded, with};

/// Counts the statements that sqlx tells of on this thread, by their first words.
#[derive(Clone, Debug, Default)]
struct Statements(Arc<Mutex<BTreeMap<String, usize>>>);

impl Statements {
    fn total(&self) -> usize {
        self.0.lock().unwrap().values().sum()
    }
}

impl Subscriber for Statements {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("sqlx::query")
    }

    fn event(&self, event: &Event<'_>) {
        struct Summary(String);
        impl Visit for Summary {
            fn record_str(&mut self, field: &Field, value: &str) {
                if field.name() == "summary" {
                    self.0 = value.to_owned();
                }
            }
            fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
        }
        let mut summary = Summary(String::new());
        event.record(&mut summary);
        *self.0.lock().unwrap().entry(summary.0).or_default() += 1;
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// The statements of one batch of everything that is due.
async fn statements_of_a_batch(app: &TestApp) -> (usize, Statements) {
    let counted = Statements::default();
    let told = tracing::subscriber::set_default(counted.clone());
    let looked_at = app.applier().run_once().await.unwrap();
    drop(told);
    (looked_at, counted)
}

/// Places orders and lets Stripe tell three times of the payment of each.
async fn pay(app: &TestApp, orders: std::ops::Range<usize>) {
    for number in orders {
        let placed = app.place_order(&order(json!({}))).await;
        let name = format!("pi_{number}");
        let named = json!({ "metadata": { "order_id": placed["id"] } });
        for event in [
            event("payment_intent.created", with(intent(&name), named.clone())),
            event("payment_intent.succeeded", with(succeeded(&name), named)),
            charge("succeeded", &name, 0),
        ] {
            assert_eq!(app.post_event(&event).await, 200, "{event}");
        }
    }
}

#[tokio::test]
async fn many_payments_take_as_many_statements_as_one() {
    let app = TestApp::start().await;
    // What only the first batch does is done: connections are made, types are read.
    pay(&app, 0..1).await;
    app.apply_events().await;

    pay(&app, 1..2).await;
    let (few, of_few) = statements_of_a_batch(&app).await;
    pay(&app, 2..22).await;
    let (many, of_many) = statements_of_a_batch(&app).await;

    assert_eq!((few, many), (3, 60));
    assert_eq!(app.value::<i64>("select count(*) from fulfilments").await, 22);
    assert_eq!(of_few.total(), of_many.total(), "{of_few:?} {of_many:?}");
    assert!((1..=MOST).contains(&of_many.total()), "{of_many:?}");
}

/// Those of a batch of payments, from its begin to its commit; whoever adds one says here what for.
const MOST: usize = 17;

#[tokio::test]
async fn an_event_that_concerns_nobody_is_only_claimed_and_marked() {
    let app = TestApp::start().await;
    app.apply_events().await;
    // As an earlier version left it, which acted on more.
    assert_eq!(app.post_event(&event("customer.created", json!({ "id": "cus_1" }))).await, 200);
    sqlx::query("update stripe_events set state = 'pending', reason = null, next_attempt_at = received_at")
        .execute(&app.pool)
        .await
        .unwrap();

    let (looked_at, counted) = statements_of_a_batch(&app).await;

    assert_eq!(looked_at, 1);
    // It begins, claims, marks and commits.
    assert!(counted.total() <= 4, "{counted:?}");
}
