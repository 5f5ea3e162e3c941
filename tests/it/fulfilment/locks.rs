//! Workers beside each other and beside the events that move the same orders.

use std::time::Duration;

use packline::fulfilment::{FulfilmentSettings, FulfilmentWorker, ToCancel, cancel_unsent, wake};
use packline::orders::Cause;
use serde_json::json;
use uuid::Uuid;

use super::warehouse::{Does, Warehouse, not_done, unknown};
use super::{Shop, drain};
use crate::support::OrderLock;
use crate::support::stripe::intent_succeeded;

async fn paid(shop: &Shop, count: usize) -> Vec<super::Sale> {
    let mut sales = Vec::new();
    for _ in 0..count {
        let sale = shop.placed(json!({})).await;
        shop.post_event(&intent_succeeded(&sale.intent)).await;
        sales.push(sale);
    }
    shop.apply_events().await;
    sales
}

#[tokio::test]
async fn two_workers_at_once_claim_each_fulfilment_once() {
    let shop = Shop::open().await;
    let warehouse = Warehouse::does([]);
    let sales = paid(&shop, 40).await;
    let (a, b) = (shop.worker(warehouse.clone()), shop.worker(warehouse.clone()));

    tokio::join!(drain(&a), drain(&b));
    drain(&a).await;

    let mut shipped = warehouse.shipped();
    shipped.sort();
    shipped.dedup();
    assert_eq!((warehouse.sends(), shipped.len()), (40, 40));
    for sale in &sales {
        assert_eq!(shop.state(sale).await, "fulfilled");
    }
}

#[tokio::test]
async fn a_claim_passes_over_an_order_that_is_being_changed() {
    let shop = Shop::open().await;
    let worker = shop.worker(Warehouse::does([]));
    let (busy, free) = (shop.paid().await, shop.paid().await);
    let lock = OrderLock::take(&shop.database.url, busy.order).await;

    drain(&worker).await;
    assert_eq!(shop.state(&busy).await, "queued");
    assert_eq!(shop.state(&free).await, "fulfilled");
    lock.release().await;
    drain(&worker).await;

    assert_eq!(shop.state(&busy).await, "fulfilled");
}

#[tokio::test]
async fn workers_and_events_on_the_same_orders_never_wait_for_each_other_in_a_circle() {
    let shop = Shop::open().await;
    let answers =
        (0..4_000).map(|n| Does::Say(if n % 2 == 0 { not_done("busy") } else { unknown("timed out") }));
    let warehouse = Warehouse::does(answers);
    let settings = FulfilmentSettings {
        max_attempts: i32::MAX,
        retry_base: Duration::ZERO,
        ..FulfilmentSettings::default()
    };
    let (a, b) = (
        shop.fulfilment_worker(warehouse.clone(), settings.clone()),
        shop.fulfilment_worker(warehouse.clone(), settings),
    );
    let mut orders: Vec<Uuid> = paid(&shop, 12).await.into_iter().map(|sale| sale.order).collect();
    orders.sort();

    let rounds = async |worker: &FulfilmentWorker| {
        for _ in 0..120 {
            worker.run_once().await.unwrap();
        }
    };
    // What applying a batch of events does, without its second try after a deadlock: here one must not happen at all.
    let events = async {
        for turn in 0..240_usize {
            let some: Vec<Uuid> = orders.iter().copied().skip(turn % 5).step_by(1 + turn % 3).collect();
            let mut tx = shop.pool.begin().await.unwrap();
            sqlx::query("select from orders where id = any($1) order by id for update")
                .bind(&some)
                .execute(&mut *tx)
                .await
                .unwrap();
            let to_cancel = some.iter().map(|id| ToCancel {
                order_id: *id,
                cause: Cause::Event("evt_refund".into()),
                reason: "refunded".into(),
            });
            match turn {
                // Only at the end, since it takes the work away.
                200.. => {
                    let to_cancel: Vec<_> = to_cancel.collect();
                    cancel_unsent(&mut tx, &to_cancel, shop.clock.now()).await.unwrap();
                }
                _ => wake(&mut tx, &some, shop.clock.now()).await.unwrap(),
            }
            tx.commit().await.unwrap();
        }
    };
    tokio::join!(rounds(&a), rounds(&b), events);
}

#[tokio::test]
async fn an_order_that_cannot_be_read_does_not_hold_up_others() {
    let shop = Shop::open().await;
    let worker = shop.worker(Warehouse::does([]));
    let (broken, sound) = (shop.paid().await, shop.paid().await);
    sqlx::query("update orders set shipping = '{\"planet\": \"Mars\"}' where id = $1")
        .bind(broken.order)
        .execute(&shop.pool)
        .await
        .unwrap();

    drain(&worker).await;

    assert_eq!(shop.state(&sound).await, "fulfilled");
    let row = shop.row(&broken).await;
    assert_eq!((row.state.as_str(), row.last_outcome.as_deref()), ("queued", Some("not_done")));
    assert!(row.reason.unwrap().starts_with("the order could not be read"));
}
