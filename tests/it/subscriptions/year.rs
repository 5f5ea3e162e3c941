//! A year of a monthly subscription in seconds: a card that fails in month three and recovers, and one in month seven that
//! does not. Each paid period is one order, sent once; and whatever the order of its events, the rows are the same.

use std::time::Duration;

use packline::fake_stripe::delivery::{NEWEST, OLD};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use serde_json::{Value, json};
use sqlx::Row;

use crate::support::TestApp;
use crate::support::merchant::Merchant;

const DAY: u64 = 86_400;

struct Year {
    merchant: Merchant,
    customer: String,
    price: String,
    subscription: String,
}

impl Year {
    async fn begin(version: &str) -> Self {
        let merchant = Merchant::open(version).await;
        let customer = merchant.customer("visa").await;
        let price = merchant.monthly_of_dashboard("TEA").await;
        let asked = json!({ "customer": customer, "items": [{ "price": price, "quantity": 2 }],
          "payment_behavior": "allow_incomplete" });
        let subscription = merchant.subscribe(asked).await;
        Self { merchant, customer, price, subscription }
    }

    async fn read(&self) -> Value {
        self.merchant.subscription(&self.subscription).await
    }

    /// Its orders, oldest first: payment, fulfilment, when they moved last.
    async fn orders(&self) -> Vec<(String, String, time::OffsetDateTime)> {
        sqlx::query_as(
            "select payment_status, fulfilment_status, updated_at from orders order by created_at, number",
        )
        .fetch_all(&self.merchant.app.pool)
        .await
        .unwrap()
    }
}

fn state(orders: &[(String, String, time::OffsetDateTime)]) -> Vec<(&str, &str)> {
    orders.iter().map(|(payment, fulfilment, _)| (payment.as_str(), fulfilment.as_str())).collect()
}

async fn a_year(version: &str) {
    let year = Year::begin(version).await;
    let (paid, waits) = (("paid", "fulfilled"), "none");
    assert_eq!(state(&year.orders().await), [paid], "the first period");
    year.merchant.pass(32).await;
    assert_eq!(state(&year.orders().await), [paid; 2]);

    // Month three: the card fails, and works again before the next try.
    let before = year.orders().await;
    year.merchant.keep_card(&year.customer, "chargeCustomerFail").await;
    year.merchant.pass(31).await;
    let owing = year.read().await;
    assert_eq!((&owing["status"], &owing["access"]), (&json!("past_due"), &json!("granted")), "{owing}");
    let dunning = &owing["dunning"];
    assert!(dunning["attempt_count"].as_i64().unwrap() >= 1, "{owing}");
    assert!(dunning["next_payment_attempt"].is_string() && dunning["pay_here"].is_string(), "{owing}");
    assert!(dunning["problem"].as_str().unwrap().contains("declined"), "{owing}");
    let orders = year.orders().await;
    assert_eq!(orders[..2], before, "a renewal that fails does not touch what was before");
    assert_eq!(orders.len(), 3);
    assert_eq!((orders[2].0.as_str(), orders[2].1.as_str()), ("payment_failed", waits));
    year.merchant.keep_card(&year.customer, "visa").await;
    year.merchant.pass(6).await;
    let recovered = year.read().await;
    assert_eq!(
        (&recovered["status"], &recovered["dunning"]),
        (&json!("active"), &Value::Null),
        "{recovered}"
    );
    assert_eq!(state(&year.orders().await), [paid; 3]);

    // Month seven: it fails and stays so.
    year.merchant.pass(88).await;
    assert_eq!(state(&year.orders().await), [paid; 6]);
    year.merchant.keep_card(&year.customer, "chargeCustomerFail").await;
    year.merchant.pass(60).await;
    let over = year.read().await;
    assert_eq!((&over["status"], &over["access"]), (&json!("canceled"), &json!("revoked")), "{over}");
    year.merchant.pass(150).await;
    let orders = year.orders().await;
    assert_eq!(orders.len(), 7, "nothing more is billed");
    assert_eq!(state(&orders[..6]), [paid; 6]);
    assert_ne!(orders[6].0, "paid");
    assert_eq!(orders[6].1, waits);
    let app = &year.merchant.app;
    assert_eq!(app.value::<i64>("select count(*) from fulfilments where state = 'fulfilled'").await, 6);
    assert_eq!(app.value::<i64>("select count(distinct order_id) from fulfilments").await, 6);
    assert_eq!(app.value::<i64>("select count(*) from invoices where status = 'paid'").await, 6);
    let skus: Vec<String> =
        sqlx::query_scalar("select distinct sku from order_lines").fetch_all(&app.pool).await.unwrap();
    assert_eq!(skus, ["TEA"], "a price of the Dashboard is asked for");
    assert_eq!(year.merchant.parcels(), ["2 × TEA"; 6]);

    shuffled(&year, version).await;
}

/// The same events in other orders, some of them twice, at a service that knows nothing else.
async fn shuffled(year: &Year, version: &str) {
    let bodies: Vec<String> = sqlx::query_scalar(
        "select body from stripe_event_payloads join stripe_events on id = event_id order by created_at, id",
    )
    .fetch_all(&year.merchant.app.pool)
    .await
    .unwrap();
    let events: Vec<Value> = bodies.iter().map(|body| serde_json::from_str(body).unwrap()).collect();
    assert!(events.len() > 40, "{}", events.len());
    let mut expected: Option<String> = None;
    for seed in 1..=4_u64 {
        let app = TestApp::start().await;
        app.clock.advance(Duration::from_secs(400 * DAY));
        let mut order: Vec<&Value> = events.iter().collect();
        if seed > 1 {
            order.extend(events.iter().step_by(3));
            order.shuffle(&mut StdRng::seed_from_u64(seed));
        }
        for part in order.chunks(9) {
            for event in part {
                assert_eq!(app.post_event(event).await, 200);
            }
            app.apply_events().await;
        }
        app.wait(Duration::from_secs(60)).await;
        app.run_fulfilments().await;
        let end = rows(&app).await;
        // Without a key nobody is asked: only the old shape says in its lines how the merchant calls a price.
        let skus: Vec<String> =
            sqlx::query_scalar("select distinct sku from order_lines").fetch_all(&app.pool).await.unwrap();
        assert_eq!(skus, [if version == OLD { "TEA" } else { &year.price }]);
        let expected = expected.get_or_insert_with(|| end.clone());
        assert_eq!(*expected, end, "seed {seed}");
        app.stop().await;
    }
}

/// All that remains of it, but for ids and times of ours.
async fn rows(app: &TestApp) -> String {
    let mut all = String::new();
    for query in [
        "select stripe_id, status, number, amount_due::text, amount_paid::text, attempt_count::text,
           next_payment_attempt::text, told_by, told_at::text, (order_id is not null)::text, hosted_invoice_url
         from invoices order by stripe_id",
        "select stripe_id, status, current_period_end::text, latest_invoice, told_by, ended_at::text
         from subscriptions order by stripe_id",
        "select price, sku, quantity::text from subscription_items order by stripe_id",
        "select i.stripe_id, o.payment_status, o.fulfilment_status, o.amount_total::text, o.amount_paid::text, o.open_holds::text
         from orders as o left join invoices as i on i.order_id = o.id order by i.stripe_id",
        "select sku, quantity::text, count(*)::text from order_lines group by 1, 2 order by 1, 2",
        "select payment_intent, failure, failed_by from payment_notes order by payment_intent",
        "select state, count(*)::text from fulfilments group by 1 order by 1",
    ] {
        for row in sqlx::query(query).fetch_all(&app.pool).await.unwrap() {
            let columns = (0..row.len()).map(|at| row.get::<Option<String>, _>(at).unwrap_or_default());
            all += &columns.collect::<Vec<_>>().join(" | ");
            all.push('\n');
        }
    }
    all
}

#[tokio::test]
async fn a_year_in_the_old_shape() {
    a_year(OLD).await;
}

#[tokio::test]
async fn a_year_in_the_new_shape() {
    a_year(NEWEST).await;
}
