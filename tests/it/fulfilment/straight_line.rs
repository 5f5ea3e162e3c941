//! From paid to fulfilled, when nothing goes wrong.

use packline::db::{EVENTS_CHANNEL, FULFILMENTS_CHANNEL};
use serde_json::{Value, json};
use sqlx::postgres::PgListener;

use super::warehouse::{Does, Warehouse, not_done};
use super::{Shop, drain};
use crate::support::stripe::{charge_refunded, intent_succeeded};

#[tokio::test]
async fn a_paid_order_is_fulfilled_once_however_often_its_payment_is_told() {
    let shop = Shop::open().await;
    let warehouse = Warehouse::does([]);
    let worker = shop.worker(warehouse.clone());
    let sale = shop.paid().await;
    shop.deliver(&[intent_succeeded(&sale.intent)]).await;

    assert_eq!(worker.run_once().await.unwrap(), 1);
    assert_eq!(worker.run_once().await.unwrap(), 0);
    shop.deliver(&[intent_succeeded(&sale.intent)]).await;
    assert_eq!(worker.run_once().await.unwrap(), 0);

    let row = shop.row(&sale).await;
    assert_eq!(row.at(), ("fulfilled", "fulfilled", 1));
    assert_eq!((row.provider.as_deref(), row.provider_reference.as_deref()), (Some("default"), Some("W-1")));
    assert_eq!((row.lease_holder, row.last_outcome.as_deref()), (None, Some("fulfilled")));
    assert_eq!(shop.attempts(&sale).await, [("fulfilled".into(), "W-1".into())]);
    assert_eq!(
        shop.moves(&sale).await,
        ["none>queued event", "queued>in_progress attempt", "in_progress>fulfilled attempt"]
    );
    assert_eq!(warehouse.counts(), (1, 0, 1));
}

#[tokio::test]
async fn a_batch_is_queued_with_one_notification() {
    let shop = Shop::open().await;
    let (one, two) = (shop.placed(json!({})).await, shop.placed(json!({})).await);
    let mut listener = PgListener::connect_with(&shop.pool).await.unwrap();
    listener.listen_all([FULFILMENTS_CHANNEL, "the_end"]).await.unwrap();
    assert_ne!(EVENTS_CHANNEL, FULFILMENTS_CHANNEL);

    for intent in [&one.intent, &two.intent, &one.intent] {
        shop.post_event(&intent_succeeded(intent)).await;
    }
    shop.apply_events().await;
    shop.deliver(&[intent_succeeded(&two.intent)]).await;
    sqlx::query("notify the_end").execute(&shop.pool).await.unwrap();

    assert_eq!(listener.recv().await.unwrap().channel(), FULFILMENTS_CHANNEL);
    assert_eq!(listener.recv().await.unwrap().channel(), "the_end");
}

#[tokio::test]
async fn the_provider_is_told_the_same_bytes_in_every_attempt() {
    let shop = Shop::open().await;
    let warehouse = Warehouse::does([Does::Say(not_done("busy"))]);
    let worker = shop.worker(warehouse.clone());
    let sale = shop.placed(json!({ "shipping": { "name": "Ada", "country": "GB" } })).await;
    shop.deliver(&[intent_succeeded(&sale.intent)]).await;

    drain(&worker).await;
    shop.deliver(&[charge_refunded(&sale.intent, 5)]).await;
    shop.advance(10);
    drain(&worker).await;

    assert_eq!(shop.order(&sale.intent).await["payment_status"], "partially_refunded");
    let bodies = warehouse.bodies();
    assert_eq!(bodies.len(), 2);
    assert_eq!(bodies[0], bodies[1]);
    let body: Value = serde_json::from_str(&bodies[0]).unwrap();
    assert_eq!(body["order"]["lines"][0]["sku"], "TEA-2");
    assert_eq!(body["order"]["shipping"]["country"], "GB");
}
