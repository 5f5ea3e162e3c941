//! The events of a walk at a service that hears them late, twice and in any order, and can ask a Stripe that is long done.

use packline::fulfilment::FulfilmentSettings;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use serde_json::Value;

use crate::fulfilment::warehouse::Warehouse;
use crate::support::TestApp;
use crate::support::at_stripe::AtStripe;
use crate::support::merchant::{Merchant, parcels};

/// What remains of a walk, whatever ids and times of ours it has.
#[derive(Debug, PartialEq)]
struct End {
    orders: Vec<String>,
    parcels: Vec<String>,
}

impl End {
    fn of(orders: &[Value], mut parcels: Vec<String>) -> Self {
        let order = |order: &Value| {
            let invoice = &order["billing"]["invoice"];
            let fields = [
                "payment_status",
                "fulfilment_status",
                "amount_total",
                "amount_paid",
                "holds",
                "refs",
                "shipping",
            ];
            let own = fields.map(|field| order[field].to_string());
            let billed = ["stripe_id", "number", "status", "receipt_url", "attempt_count"]
                .map(|field| invoice[field].to_string());
            let quote = order["billing"]["quote"]["stripe_id"].to_string();
            let lines = order["lines"].as_array().unwrap().iter();
            let lines = lines.map(|line| {
                format!("{} {} {} {}", line["kind"], line["quantity"], line["sku"], line["amount"])
            });
            [own.join(" "), billed.join(" "), quote, lines.collect::<Vec<_>>().join(", ")].join("\n")
        };
        let mut orders: Vec<String> = orders.iter().map(order).collect();
        orders.sort_unstable();
        parcels.sort_unstable();
        Self { orders, parcels }
    }
}

/// Replays all events of a merchant in several orders: each must come to the same end.
pub async fn replayed_in_any_order_it_ends_alike(merchant: &Merchant) {
    let expected = End::of(&merchant.orders().await, merchant.parcels());
    let bodies: Vec<String> = sqlx::query_scalar(
        "select body from stripe_event_payloads join stripe_events on id = event_id order by created_at, id",
    )
    .fetch_all(&merchant.app.pool)
    .await
    .unwrap();
    let events: Vec<Value> = bodies.iter().map(|body| serde_json::from_str(body).unwrap()).collect();
    assert!(events.len() > 10, "{}", events.len());

    for seed in 1..=4 {
        let mut order: Vec<&Value> = events.iter().chain(events.iter().step_by(2)).collect();
        order.shuffle(&mut StdRng::seed_from_u64(seed));
        let mut app = TestApp::start().await;
        app.clock.advance((merchant.app.clock.now() - app.clock.now()).unsigned_abs());
        let at_stripe = AtStripe::of(&mut app, &merchant.config);
        let warehouse = Warehouse::does([]);
        let worker = app.fulfilment_worker(warehouse.clone(), FulfilmentSettings::default());
        for part in order.chunks(3) {
            for event in part {
                assert_eq!(app.post_event(event).await, 200);
            }
            app.apply_events().await;
            if seed % 2 == 0 {
                at_stripe.work(&app).await;
                while worker.run_once().await.unwrap() > 0 {}
            }
        }
        at_stripe.work(&app).await;
        app.wait(app.patience.grace).await;
        at_stripe.work(&app).await;
        while worker.run_once().await.unwrap() > 0 {}

        let listed: Value = app.get("/v1/orders?limit=100").await.json().await.unwrap();
        let end = End::of(listed["data"].as_array().unwrap(), parcels(&warehouse));
        assert_eq!(end, expected, "seed {seed}");
        app.stop().await;
    }
}
