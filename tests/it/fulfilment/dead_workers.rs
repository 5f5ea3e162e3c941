//! Workers that die, and workers that are too slow: what they left is found, and what they write late is refused.

use packline::fulfilment::{FulfilmentSettings, FulfilmentWorker, LookUp, Outcome};

use super::warehouse::{Does, Warehouse};
use super::{Shop, drain};

/// A round of a worker that dies while the warehouse is at it.
async fn crash(worker: FulfilmentWorker, warehouse: &Warehouse) {
    let round = tokio::spawn(async move { worker.run_once().await });
    warehouse.has_shipped.notified().await;
    round.abort();
    assert!(round.await.unwrap_err().is_cancelled());
}

#[tokio::test]
async fn a_crash_after_the_provider_shipped_is_found_by_asking_and_not_sent_again() {
    let shop = Shop::open().await;
    let warehouse = Warehouse::does([Does::ShipAndHang]);
    let sale = shop.paid().await;
    crash(shop.worker(warehouse.clone()), &warehouse).await;

    let next = shop.worker(warehouse.clone());
    shop.advance(24);
    assert_eq!(next.run_once().await.unwrap(), 0, "the lease still runs");
    shop.advance(1);
    drain(&next).await;

    let row = shop.row(&sale).await;
    assert_eq!(row.at(), ("fulfilled", "fulfilled", 2));
    assert_eq!(row.provider_reference.as_deref(), Some("W-1"));
    assert_eq!(shop.outcomes(&sale).await, ["unknown", "fulfilled"]);
    assert!(shop.attempts(&sale).await[0].1.starts_with("lease expired"));
    assert_eq!(warehouse.counts(), (1, 1, 1));
}

#[tokio::test]
async fn a_crash_before_the_provider_got_it_is_sent_by_the_next() {
    let shop = Shop::open().await;
    let warehouse = Warehouse::does([Does::ShipAndHang]);
    let sale = shop.paid().await;
    crash(shop.worker(warehouse.clone()), &warehouse).await;
    // As if it had died on the way there.
    warehouse.forget();

    shop.advance(25);
    drain(&shop.worker(warehouse.clone())).await;

    assert_eq!(shop.state(&sale).await, "fulfilled");
    assert_eq!(warehouse.counts(), (2, 1, 1));
}

#[tokio::test]
async fn a_worker_that_outlived_its_lease_writes_nothing() {
    let shop = Shop::open().await;
    let slow_warehouse = Warehouse::does([Does::ShipAndHang]);
    let sale = shop.paid().await;
    let slow = shop.worker(slow_warehouse.clone());
    let slow_round = tokio::spawn(async move { slow.run_once().await });
    slow_warehouse.has_shipped.notified().await;
    shop.advance(25);
    let quick_warehouse = Warehouse::does([Does::Say(Outcome::Rejected { why: "bad address".into() })]);
    drain(&shop.worker(quick_warehouse)).await;
    let before = (shop.row(&sale).await, shop.attempts(&sale).await, shop.moves(&sale).await);

    slow_warehouse.go_on.notify_one();
    slow_round.await.unwrap().unwrap();

    assert_eq!((shop.row(&sale).await, shop.attempts(&sale).await, shop.moves(&sale).await), before);
    assert_eq!(before.0.state, "rejected");
    assert_eq!(shop.outcomes(&sale).await, ["unknown", "rejected"]);
}

#[tokio::test]
async fn a_late_attempt_writes_nothing_over_a_newer_one_of_the_same_worker() {
    let shop = Shop::open().await;
    let warehouse = Warehouse::does([Does::ShipAndHang, Does::ShipAndHang]);
    warehouse.answer_look_ups([LookUp::Absent]);
    let sale = shop.paid().await;
    let worker = shop.worker(warehouse.clone());
    let round = || {
        let worker = worker.clone();
        tokio::spawn(async move { worker.run_once().await })
    };
    let first = round();
    warehouse.has_shipped.notified().await;
    shop.advance(25);
    let second = round();
    warehouse.has_shipped.notified().await;

    warehouse.go_on.notify_one();
    first.await.unwrap().unwrap();
    assert_eq!(shop.outcomes(&sale).await, ["unknown", "open"]);
    assert_eq!(shop.state(&sale).await, "in_progress");

    warehouse.go_on.notify_one();
    second.await.unwrap().unwrap();
    assert_eq!(shop.outcomes(&sale).await, ["unknown", "fulfilled"]);
}

#[tokio::test]
async fn a_fulfilment_that_kills_its_workers_is_given_up() {
    let shop = Shop::open().await;
    let warehouse = Warehouse::does([Does::ShipAndHang]);
    let settings = FulfilmentSettings { max_attempts: 1, ..FulfilmentSettings::default() };
    let sale = shop.paid().await;
    crash(shop.fulfilment_worker(warehouse.clone(), settings.clone()), &warehouse).await;

    shop.advance(25);
    drain(&shop.fulfilment_worker(warehouse.clone(), settings)).await;

    let row = shop.row(&sale).await;
    assert_eq!(row.at(), ("failed", "failed", 1));
    assert!(row.reason.unwrap().contains("the provider may have it"));
    assert_eq!(shop.outcomes(&sale).await, ["unknown"]);
    assert_eq!(shop.order(&sale.intent).await["status"], "fulfilment_failed");
}
