//! A year of a monthly subscription in seconds: a card that fails in month three and recovers, and one in month seven that
//! does not. Each paid period is one order, sent once; and whatever the order of its events, the rows are the same.

use std::time::Duration;

use packline::fake_stripe::delivery::{ApiVersion, Endpoint, NEWEST, OLD};
use serde_json::{Value, json};
use sqlx::Row;

use super::routes::price;
use crate::invoices::Desk;
use crate::support::{SECRET, TestApp};

const DAY: u64 = 86_400;

struct Year {
    desk: Desk,
    customer: String,
    subscription: String,
}

impl Year {
    async fn begin(version: &str) -> Self {
        let desk = Desk::open().await;
        let url = format!("{}/webhooks/stripe", desk.shop.app.base);
        let version = Some(ApiVersion::parse(version).unwrap());
        let endpoint = Endpoint { secret: SECRET.to_owned(), api_version: version, ..Endpoint::to(url) };
        desk.shop.stripe.deliveries().add_endpoint(endpoint).unwrap();
        let customer = desk.customer(Some("visa")).await;
        let price = price(&desk, "TEA").await;
        let asked = json!({ "customer": customer, "items": [{ "price": price, "quantity": 2 }],
          "payment_behavior": "allow_incomplete" });
        let (_, made) = desk.post("/v1/subscriptions", asked).await;
        let subscription = made["stripe_id"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned();
        let year = Self { desk, customer, subscription };
        year.catch_up().await;
        year
    }

    /// Lets days pass, a few at a time, and does all that is due.
    async fn pass(&self, days: u64) {
        for _ in 0..days {
            self.desk.shop.app.clock.advance(Duration::from_secs(DAY));
            self.desk.shop.stripe.advance(Duration::ZERO);
            self.catch_up().await;
        }
    }

    async fn catch_up(&self) {
        self.desk.shop.stripe.deliveries().settled().await;
        self.desk.shop.app.apply_events().await;
        self.desk.look().await;
        self.desk.shop.app.run_fulfilments().await;
    }

    async fn read(&self) -> Value {
        self.desk.get(&format!("/v1/subscriptions/{}", self.subscription)).await
    }

    /// Its orders, oldest first: payment, fulfilment, when they moved last.
    async fn orders(&self) -> Vec<(String, String, time::OffsetDateTime)> {
        sqlx::query_as(
            "select payment_status, fulfilment_status, updated_at from orders order by created_at, number",
        )
        .fetch_all(&self.desk.shop.app.pool)
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
    year.pass(32).await;
    assert_eq!(state(&year.orders().await), [paid; 2]);

    // Month three: the card fails, and works again before the next try.
    let before = year.orders().await;
    year.desk.keep_card(&year.customer, "chargeCustomerFail").await;
    year.pass(31).await;
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
    year.desk.keep_card(&year.customer, "visa").await;
    year.pass(6).await;
    let recovered = year.read().await;
    assert_eq!(
        (&recovered["status"], &recovered["dunning"]),
        (&json!("active"), &Value::Null),
        "{recovered}"
    );
    assert_eq!(state(&year.orders().await), [paid; 3]);

    // Month seven: it fails and stays so.
    year.pass(88).await;
    assert_eq!(state(&year.orders().await), [paid; 6]);
    year.desk.keep_card(&year.customer, "chargeCustomerFail").await;
    year.pass(60).await;
    let over = year.read().await;
    assert_eq!((&over["status"], &over["access"]), (&json!("canceled"), &json!("revoked")), "{over}");
    year.pass(150).await;
    let orders = year.orders().await;
    assert_eq!(orders.len(), 7, "nothing more is billed");
    assert_eq!(state(&orders[..6]), [paid; 6]);
    assert_ne!(orders[6].0, "paid");
    assert_eq!(orders[6].1, waits);
    let app = &year.desk.shop.app;
    assert_eq!(app.value::<i64>("select count(*) from fulfilments where state = 'fulfilled'").await, 6);
    assert_eq!(app.value::<i64>("select count(distinct order_id) from fulfilments").await, 6);
    assert_eq!(app.value::<i64>("select count(*) from invoices where status = 'paid'").await, 6);
    let skus: Vec<String> =
        sqlx::query_scalar("select distinct sku from order_lines").fetch_all(&app.pool).await.unwrap();
    assert_eq!(skus.len(), 1, "{skus:?}");

    shuffled(&year).await;
}

/// The same events in other orders, some of them twice, at a service that knows nothing else.
async fn shuffled(year: &Year) {
    let bodies: Vec<String> = sqlx::query_scalar(
        "select body from stripe_event_payloads join stripe_events on id = event_id order by created_at, id",
    )
    .fetch_all(&year.desk.shop.app.pool)
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
            shuffle(&mut order, seed);
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
        let expected = expected.get_or_insert_with(|| end.clone());
        assert_eq!(*expected, end, "seed {seed}");
        app.stop().await;
    }
}

fn shuffle(events: &mut [&Value], seed: u64) {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    for at in (1..events.len()).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        events.swap(at, usize::try_from(state >> 33).unwrap() % (at + 1));
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
