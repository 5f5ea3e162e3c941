//! Whether an order may be sent: holds and refunds, before, while and after it is sent.

use super::warehouse::{Does, Warehouse, not_done, unknown};
use super::{Shop, drain};

#[tokio::test]
async fn a_held_order_waits_with_its_reason_and_burns_no_attempt() {
    let shop = Shop::open().await;
    let warehouse = Warehouse::does([]);
    let worker = shop.worker(warehouse.clone());
    let sale = shop.paid().await;
    shop.disputed(&sale, "created", "needs_response").await;

    drain(&worker).await;
    shop.advance(60);
    assert_eq!(worker.run_once().await.unwrap(), 1, "looked at again each minute");

    let row = shop.row(&sale).await;
    assert_eq!(row.at(), ("queued", "queued", 0));
    assert_eq!(row.reason.as_deref(), Some("on hold: dispute"));
    assert_eq!(row.next_attempt_at.unwrap() - shop.clock.now(), time::Duration::seconds(60));
    assert_eq!(shop.moves(&sale).await, ["none>queued event"]);
    assert_eq!(shop.order(&sale.intent).await["status"], "on_hold");
    assert_eq!(warehouse.sends(), 0);
}

#[tokio::test]
async fn a_released_hold_lets_it_go_at_once() {
    let shop = Shop::open().await;
    let worker = shop.worker(Warehouse::does([]));
    let sale = shop.paid().await;
    shop.disputed(&sale, "created", "needs_response").await;
    drain(&worker).await;

    shop.disputed(&sale, "closed", "won").await;
    drain(&worker).await;

    assert_eq!(shop.state(&sale).await, "fulfilled");
}

#[tokio::test]
async fn a_refunded_order_that_was_not_sent_is_cancelled() {
    let shop = Shop::open().await;
    let warehouse = Warehouse::does([]);
    let sale = shop.paid().await;

    shop.refunded(&sale, 2000).await;
    shop.refunded(&sale, 2000).await;
    drain(&shop.worker(warehouse.clone())).await;

    let row = shop.row(&sale).await;
    assert_eq!(row.at(), ("cancelled", "cancelled", 0));
    assert_eq!(row.reason.as_deref(), Some("all of its money went back"));
    assert_eq!(shop.moves(&sale).await, ["none>queued event", "queued>cancelled event"]);
    assert_eq!(warehouse.sends(), 0);
}

#[tokio::test]
async fn an_order_refunded_while_it_is_sent_is_recalled_and_stays_fulfilled_where_that_cannot_be() {
    let shop = Shop::open().await;
    let warehouse = Warehouse::does([Does::ShipAndHang]);
    let sale = shop.paid().await;
    let worker = shop.worker(warehouse.clone());
    let round = tokio::spawn(async move { worker.run_once().await });
    warehouse.has_shipped.notified().await;

    shop.refunded(&sale, 2000).await;
    assert_eq!(shop.state(&sale).await, "in_progress");
    warehouse.go_on.notify_one();
    round.await.unwrap().unwrap();
    assert_eq!(shop.row(&sale).await.at(), ("recalling", "fulfilled", 1));
    drain(&shop.worker(warehouse.clone())).await;

    assert_eq!(shop.row(&sale).await.at(), ("fulfilled", "fulfilled", 2));
    assert_eq!(shop.outcomes(&sale).await, ["fulfilled", "not_offered"]);
    assert_eq!(shop.order(&sale.intent).await["payment_status"], "refunded");
}

#[tokio::test]
async fn an_order_refunded_while_its_sending_fails_is_cancelled_by_the_worker() {
    let shop = Shop::open().await;
    let warehouse = Warehouse::does([Does::ShipAndHang]);
    let sale = shop.paid().await;
    let doomed = shop.worker(warehouse.clone());
    let round = tokio::spawn(async move { doomed.run_once().await });
    warehouse.has_shipped.notified().await;
    round.abort();
    warehouse.forget();

    shop.refunded(&sale, 2000).await;
    shop.advance(60);
    drain(&shop.worker(warehouse.clone())).await;
    shop.advance(60);
    drain(&shop.worker(warehouse.clone())).await;

    let row = shop.row(&sale).await;
    assert_eq!((row.state.as_str(), row.axis.as_str()), ("cancelled", "cancelled"));
    assert_eq!(row.reason.as_deref(), Some("refunded"));
    assert_eq!(shop.moves(&sale).await.last().unwrap(), "queued>cancelled attempt");
    assert_eq!(warehouse.sends(), 1, "asked about, not sent again");
}

#[tokio::test]
async fn a_refunded_order_that_would_be_retried_is_cancelled_instead() {
    let shop = Shop::open().await;
    let warehouse = Warehouse::does([Does::Say(not_done("busy"))]);
    let worker = shop.worker(warehouse.clone());
    let sale = shop.paid().await;
    drain(&worker).await;

    shop.refunded(&sale, 2000).await;
    shop.advance(60);
    drain(&worker).await;

    assert_eq!(shop.state(&sale).await, "cancelled");
    assert_eq!(warehouse.sends(), 1);
}

#[tokio::test]
async fn a_partly_refunded_order_is_still_sent() {
    let shop = Shop::open().await;
    let sale = shop.paid().await;

    shop.refunded(&sale, 500).await;
    drain(&shop.worker(Warehouse::does([]))).await;

    assert_eq!(shop.state(&sale).await, "fulfilled");
}

#[tokio::test]
async fn a_refunded_order_in_doubt_is_asked_about_before_it_is_called_cancelled() {
    let shop = Shop::open().await;
    let warehouse = Warehouse::does([Does::ShipBut(unknown("timed out")), Does::Say(unknown("timed out"))]);
    let worker = shop.worker(warehouse.clone());
    let shipped = shop.paid().await;
    drain(&worker).await;
    let not_shipped = shop.paid().await;
    drain(&worker).await;

    shop.refunded(&shipped, 2000).await;
    shop.refunded(&not_shipped, 2000).await;
    for _ in 0..3 {
        drain(&worker).await;
        shop.advance(60);
    }

    assert_eq!(shop.state(&shipped).await, "fulfilled");
    assert_eq!(shop.row(&not_shipped).await.at(), ("cancelled", "cancelled", 2));
    assert_eq!(shop.outcomes(&not_shipped).await, ["unknown", "not_done"]);
    assert_eq!((warehouse.sends(), warehouse.asked()), (2, 2));
}
