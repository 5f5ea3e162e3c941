//! Leases and the loop of a process: a slow worker's work stays its own while it beats, and one that stops leaves
//! nothing in doubt.

use std::sync::Arc;
use std::time::Duration;

use packline::fulfilment::FulfilmentSettings;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::warehouse::{Does, Warehouse};
use super::{Shop, drain};

#[tokio::test]
async fn a_slow_worker_keeps_its_work_while_it_beats() {
    let shop = Shop::open().await;
    let warehouse = Warehouse::does([Does::ShipAndHang]);
    let sale = shop.paid().await;
    let slow = shop.worker(warehouse.clone());
    let other = shop.worker(warehouse.clone());
    let round = tokio::spawn({
        let slow = slow.clone();
        async move { slow.run_once().await }
    });
    warehouse.has_shipped.notified().await;
    assert_eq!(slow.beat().await.unwrap(), 0, "the lease is new");

    for _ in 0..20 {
        shop.advance(24);
        assert_eq!(slow.beat().await.unwrap(), 1);
        assert_eq!(other.run_once().await.unwrap(), 0, "the lease runs on");
    }
    warehouse.go_on.notify_one();
    round.await.unwrap().unwrap();

    assert_eq!(shop.row(&sale).await.at(), ("fulfilled", "fulfilled", 1));
    assert_eq!(slow.beat().await.unwrap(), 0, "nothing is under way");
    assert_eq!(warehouse.counts(), (1, 0, 1));
}

#[tokio::test]
async fn a_lease_that_is_lost_is_not_lengthened_for_the_one_who_lost_it() {
    let shop = Shop::open().await;
    let warehouse = Warehouse::does([Does::ShipAndHang]);
    let sale = shop.paid().await;
    let slow = shop.worker(warehouse.clone());
    let round = tokio::spawn({
        let slow = slow.clone();
        async move { slow.run_once().await }
    });
    warehouse.has_shipped.notified().await;
    shop.advance(25);
    drain(&shop.worker(warehouse.clone())).await;
    assert_eq!(shop.row(&sale).await.at(), ("fulfilled", "fulfilled", 2));

    assert_eq!(slow.beat().await.unwrap(), 0);
    warehouse.go_on.notify_one();
    round.await.unwrap().unwrap();

    assert_eq!(shop.outcomes(&sale).await, ["unknown", "fulfilled"]);
}

#[tokio::test]
async fn a_process_that_stops_ends_what_it_began_and_gives_back_what_it_did_not() {
    let shop = Shop::open().await;
    let warehouse = Warehouse::does([Does::ShipAndHang]);
    let settings = FulfilmentSettings { concurrency: 1, ..FulfilmentSettings::default() };
    let first = shop.paid().await;
    let worker = shop.fulfilment_worker(warehouse.clone(), settings);
    let (woken, stop) = (Arc::new(Notify::new()), CancellationToken::new());
    let running = tokio::spawn(worker.run(Arc::clone(&woken), stop.clone()));
    warehouse.has_shipped.notified().await;
    let second = shop.paid().await;
    woken.notify_one();

    stop.cancel();
    warehouse.go_on.notify_one();
    tokio::time::timeout(Duration::from_secs(20), running).await.unwrap().unwrap();

    assert_eq!(shop.row(&first).await.at(), ("fulfilled", "fulfilled", 1));
    assert_eq!(shop.row(&second).await.at(), ("queued", "queued", 0));
    assert!(shop.outcomes(&second).await.is_empty());
    assert_eq!(warehouse.counts(), (1, 0, 1));
}

#[tokio::test]
async fn a_running_process_carries_out_all_that_comes_and_a_slow_provider_does_not_hold_up_others() {
    let shop = Shop::open().await;
    let slow = Warehouse::does([Does::ShipAndHang]);
    let quick = Warehouse::does([]);
    let stuck = shop.paid().await;
    shop.to_provider(&stuck, "slow").await;
    let providers = shop.providers().with("default", quick.clone()).with("slow", slow.clone());
    let settings = FulfilmentSettings { concurrency: 2, ..FulfilmentSettings::default() };
    let worker = shop.fulfilment_worker_of(providers, settings);
    let (woken, stop) = (Arc::new(Notify::new()), CancellationToken::new());
    let running = tokio::spawn(worker.run(Arc::clone(&woken), stop.clone()));
    slow.has_shipped.notified().await;

    let mut sales = Vec::new();
    for _ in 0..12 {
        sales.push(shop.paid().await);
        woken.notify_one();
    }
    let all_shipped = async {
        while quick.shipped().len() < 12 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), all_shipped).await.unwrap();
    stop.cancel();
    slow.go_on.notify_one();
    tokio::time::timeout(Duration::from_secs(20), running).await.unwrap().unwrap();

    for sale in sales.iter().chain([&stuck]) {
        assert_eq!(shop.row(sale).await.at(), ("fulfilled", "fulfilled", 1));
    }
}
