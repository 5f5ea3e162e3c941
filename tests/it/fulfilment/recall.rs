//! What was sent and must not leave: it is asked back, and what follows is what the provider answers.

use std::time::Duration;

use packline::db::FULFILMENTS_CHANNEL;
use packline::fulfilment::{FulfilmentSettings, Outcome, Recall, Receipt};
use reqwest::StatusCode;
use serde_json::{Value, json};
use sqlx::postgres::PgListener;
use tokio::time::timeout;

use super::warehouse::{Does, Warehouse, unknown};
use super::{Sale, Shop, drain};

async fn recall_outcome(shop: &Shop, sale: &Sale) -> (Option<String>, i32, String) {
    sqlx::query_as("select recall_outcome, round, idempotency_key from fulfilments where order_id = $1")
        .bind(sale.order)
        .fetch_one(&shop.pool)
        .await
        .unwrap()
}

async fn last_reason(shop: &Shop, sale: &Sale) -> String {
    sqlx::query_scalar(
        "select coalesce(reason, '') from order_transitions where order_id = $1 and axis = 'fulfilment' \
         order by id desc limit 1",
    )
    .bind(sale.order)
    .fetch_one(&shop.pool)
    .await
    .unwrap()
}

/// Tells of the shop's one fulfilment by call-back.
async fn tell(shop: &Shop, event: Value) {
    let id: uuid::Uuid = shop.value("select id from fulfilments").await;
    let request = shop.client.post(format!("{}/v1/fulfilments/{id}/events", shop.base));
    let answer = shop.api(request).json(&event).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
}

fn accepted() -> Does {
    Does::ShipBut(Outcome::Accepted(Receipt::named("W-1")))
}

#[tokio::test]
async fn a_held_order_is_recalled_and_goes_out_again_under_a_new_key_when_the_hold_ends_well() {
    let shop = Shop::open().await;
    let warehouse = Warehouse::does([accepted()]);
    warehouse.answer_recalls([Recall::Recalled]);
    let worker = shop.worker(warehouse.clone());
    let sale = shop.paid().await;
    drain(&worker).await;
    assert_eq!(shop.row(&sale).await.at(), ("accepted", "in_progress", 1));

    shop.disputed(&sale, "created", "needs_response").await;
    assert_eq!(shop.state(&sale).await, "recalling");
    drain(&worker).await;

    let row = shop.row(&sale).await;
    assert_eq!(row.at(), ("queued", "queued", 2));
    assert_eq!(row.reason.as_deref(), Some("on hold: dispute"));
    assert_eq!(row.provider_reference, None);
    let (outcome, round, key) = recall_outcome(&shop, &sale).await;
    assert_eq!((outcome.as_deref(), round), (Some("recalled"), 2));
    assert!(key.ends_with("_2"), "{key}");
    assert_eq!((warehouse.recalls().len(), warehouse.shipped().len()), (1, 0));

    shop.disputed(&sale, "closed", "won").await;
    drain(&worker).await;

    assert_eq!(shop.state(&sale).await, "fulfilled");
    assert_eq!(warehouse.shipped(), [key]);
    assert_eq!(shop.outcomes(&sale).await, ["accepted", "recalled", "fulfilled"]);
}

#[tokio::test]
async fn what_is_due_at_once_after_an_attempt_is_announced_to_all_workers() {
    let shop = Shop::open().await;
    let warehouse = Warehouse::does([Does::ShipAndHang]);
    warehouse.answer_recalls([Recall::Recalled]);
    let sale = shop.paid().await;
    let worker = shop.worker(warehouse.clone());
    let sending = tokio::spawn({
        let worker = worker.clone();
        async move { worker.run_once().await }
    });
    warehouse.has_shipped.notified().await;
    shop.disputed(&sale, "created", "needs_response").await;
    let mut listener = PgListener::connect_with(&shop.pool).await.unwrap();
    listener.listen(FULFILMENTS_CHANNEL).await.unwrap();
    let mut announced = async || {
        timeout(Duration::from_secs(10), listener.recv()).await.expect("nothing was announced").unwrap()
    };

    warehouse.go_on.notify_one();
    sending.await.unwrap().unwrap();
    assert_eq!(shop.state(&sale).await, "recalling");
    announced().await;

    worker.run_once().await.unwrap();
    assert_eq!(shop.state(&sale).await, "queued");
    announced().await;
}

#[tokio::test]
async fn a_refunded_order_is_recalled_and_cancelled() {
    for sent in [accepted(), Does::Ship] {
        let shop = Shop::open().await;
        let warehouse = Warehouse::does([sent]);
        warehouse.answer_recalls([Recall::Recalled]);
        let worker = shop.worker(warehouse.clone());
        let sale = shop.paid().await;
        drain(&worker).await;

        shop.refunded(&sale, 2000).await;
        drain(&worker).await;

        let row = shop.row(&sale).await;
        assert_eq!(row.at(), ("cancelled", "cancelled", 2));
        assert_eq!(row.reason.as_deref(), Some("refunded"));
        assert!(warehouse.shipped().is_empty());
    }
}

#[tokio::test]
async fn what_cannot_be_recalled_stays_as_it_was_and_says_so_and_is_not_asked_again() {
    for (answer, outcome, words) in [
        (Recall::TooLate { why: "on the van".into() }, "too_late", "too late to recall it: on the van"),
        (Recall::NotOffered, "not_offered", "the provider takes nothing back"),
        (Recall::Absent, "not_offered", "does not know it now"),
    ] {
        let shop = Shop::open().await;
        let warehouse = Warehouse::does([accepted()]);
        warehouse.answer_recalls([answer]);
        let worker = shop.worker(warehouse.clone());
        let sale = shop.paid().await;
        drain(&worker).await;

        shop.disputed(&sale, "created", "needs_response").await;
        drain(&worker).await;

        assert_eq!(shop.row(&sale).await.at(), ("accepted", "in_progress", 2), "{outcome}");
        assert_eq!(recall_outcome(&shop, &sale).await.0.as_deref(), Some(outcome));
        let said = last_reason(&shop, &sale).await;
        assert!(said.contains(words), "{said}");
        shop.refunded(&sale, 2000).await;
        drain(&worker).await;
        assert_eq!(warehouse.recalls().len(), 1, "{outcome}");
        assert_eq!(warehouse.sends(), 1, "{outcome}");
    }
}

#[tokio::test]
async fn an_unanswered_recall_is_asked_for_until_it_is_answered_even_if_the_order_may_go_again() {
    let shop = Shop::open().await;
    let warehouse = Warehouse::does([accepted()]);
    let unclear = Recall::Unclear { why: "timed out".into(), retry_after: None };
    // The first one worked, though nobody heard of it: the key is gone.
    warehouse.answer_recalls([unclear, Recall::Absent]);
    let worker = shop.worker(warehouse.clone());
    let sale = shop.paid().await;
    drain(&worker).await;

    shop.disputed(&sale, "created", "needs_response").await;
    drain(&worker).await;
    assert_eq!(shop.state(&sale).await, "recalling");
    shop.disputed(&sale, "closed", "won").await;
    drain(&worker).await;

    assert_eq!(shop.outcomes(&sale).await, ["accepted", "unknown", "recalled", "fulfilled"]);
    assert_eq!(recall_outcome(&shop, &sale).await.1, 2);
    assert_eq!(shop.state(&sale).await, "fulfilled");
}

#[tokio::test]
async fn a_hold_that_ends_before_its_recall_was_asked_for_recalls_nothing() {
    let shop = Shop::open().await;
    let warehouse = Warehouse::does([accepted()]);
    let worker = shop.worker(warehouse.clone());
    let sale = shop.paid().await;
    drain(&worker).await;

    shop.disputed(&sale, "created", "needs_response").await;
    shop.disputed(&sale, "closed", "won").await;
    drain(&worker).await;

    assert_eq!(shop.row(&sale).await.at(), ("accepted", "in_progress", 1));
    assert!(warehouse.recalls().is_empty());
}

#[tokio::test]
async fn what_is_told_before_a_recall_that_is_not_asked_for_any_more_is_heeded() {
    let shop = Shop::open().await;
    let warehouse = Warehouse::does([accepted()]);
    let worker = shop.worker(warehouse.clone());
    let sale = shop.paid().await;
    drain(&worker).await;

    shop.disputed(&sale, "created", "needs_response").await;
    tell(&shop, json!({ "type": "failed", "reason": "out of stock" })).await;
    assert_eq!(shop.state(&sale).await, "recalling");
    shop.disputed(&sale, "closed", "won").await;
    drain(&worker).await;

    let row = shop.row(&sale).await;
    assert_eq!((row.at(), row.reason.as_deref()), (("rejected", "failed", 1), Some("out of stock")));
    assert!(warehouse.recalls().is_empty());
}

#[tokio::test]
async fn what_is_told_while_a_worker_dies_over_its_last_try_is_heeded() {
    let shop = Shop::open().await;
    let warehouse = Warehouse::does([Does::ShipAndHang]);
    let last_try = FulfilmentSettings { max_attempts: 1, ..FulfilmentSettings::default() };
    let worker = || shop.fulfilment_worker(warehouse.clone(), last_try.clone());
    let sale = shop.paid().await;
    let doomed = worker();
    let round = tokio::spawn(async move { doomed.run_once().await });
    warehouse.has_shipped.notified().await;
    tell(&shop, json!({ "type": "shipped" })).await;
    round.abort();
    drop(round.await);

    shop.advance(25);
    drain(&worker()).await;

    assert_eq!(shop.row(&sale).await.at(), ("fulfilled", "fulfilled", 1));
}

#[tokio::test]
async fn a_recall_that_is_never_answered_ends_with_its_age_and_says_so() {
    let shop = Shop::open().await;
    let warehouse = Warehouse::does([accepted()]);
    let unclear = || Recall::Unclear { why: "timed out".into(), retry_after: None };
    warehouse.answer_recalls((0..99).map(|_| unclear()));
    let worker = shop.worker(warehouse.clone());
    let sale = shop.paid().await;
    drain(&worker).await;
    shop.disputed(&sale, "created", "needs_response").await;

    for _ in 0..60 {
        drain(&worker).await;
        let Some(next) = shop.row(&sale).await.next_attempt_at else { break };
        let wait = next - shop.clock.now();
        shop.clock.advance(wait.unsigned_abs());
    }

    assert_eq!(shop.state(&sale).await, "accepted");
    assert_eq!(recall_outcome(&shop, &sale).await.0.as_deref(), Some("unanswered"));
    let said = last_reason(&shop, &sale).await;
    assert!(said.starts_with("the provider never said whether it stops"), "{said}");
}

#[tokio::test]
async fn an_order_held_while_it_is_sent_is_recalled_as_soon_as_that_is_known() {
    let shop = Shop::open().await;
    let warehouse = Warehouse::does([Does::ShipAndHang]);
    warehouse.answer_recalls([Recall::Recalled]);
    let sale = shop.paid().await;
    let worker = shop.worker(warehouse.clone());
    let round = tokio::spawn(async move { worker.run_once().await });
    warehouse.has_shipped.notified().await;

    shop.disputed(&sale, "created", "needs_response").await;
    warehouse.go_on.notify_one();
    round.await.unwrap().unwrap();
    assert_eq!(shop.state(&sale).await, "recalling");
    drain(&shop.worker(warehouse.clone())).await;

    assert_eq!(shop.state(&sale).await, "queued");
    assert!(warehouse.shipped().is_empty());
}

#[tokio::test]
async fn a_held_order_in_doubt_is_asked_about_and_recalled_if_the_provider_has_it() {
    let shop = Shop::open().await;
    let warehouse = Warehouse::does([Does::ShipBut(unknown("timed out"))]);
    warehouse.answer_recalls([Recall::Recalled]);
    let worker = shop.worker(warehouse.clone());
    let sale = shop.paid().await;
    drain(&worker).await;

    shop.disputed(&sale, "created", "needs_response").await;
    shop.advance(60);
    drain(&worker).await;

    assert_eq!(shop.outcomes(&sale).await, ["unknown", "fulfilled", "recalled"]);
    assert_eq!(shop.state(&sale).await, "queued");
    assert_eq!((warehouse.sends(), warehouse.asked()), (1, 1));
}

#[tokio::test]
async fn a_worker_that_dies_over_a_recall_leaves_it_to_the_next() {
    let shop = Shop::open().await;
    let warehouse = Warehouse::does([accepted()]);
    warehouse.answer_recalls([Recall::Recalled]);
    warehouse.hang_in_recall();
    let sale = shop.paid().await;
    let doomed = shop.worker(warehouse.clone());
    drain(&doomed).await;
    shop.disputed(&sale, "created", "needs_response").await;
    let round = tokio::spawn(async move { doomed.run_once().await });
    warehouse.has_shipped.notified().await;
    round.abort();
    drop(round.await);
    assert_eq!(shop.row(&sale).await.at(), ("in_progress", "in_progress", 2));

    shop.advance(25);
    // What the dead one had asked for has worked.
    warehouse.answer_recalls([Recall::Absent]);
    drain(&shop.worker(warehouse.clone())).await;

    assert_eq!(shop.outcomes(&sale).await, ["accepted", "unknown", "recalled"]);
    assert_eq!(shop.state(&sale).await, "queued");
}

#[tokio::test]
async fn a_snoozed_order_waits_without_a_try_and_one_with_a_paused_article_too() {
    let shop = Shop::open().await;
    let warehouse = Warehouse::does([]);
    let worker = shop.worker(warehouse.clone());
    let sale = shop.paid().await;
    let until = shop.clock.now() + std::time::Duration::from_secs(600);
    sqlx::query("update fulfilments set snoozed_until = $1").bind(until).execute(&shop.pool).await.unwrap();

    drain(&worker).await;
    let row = shop.row(&sale).await;
    assert_eq!((row.at(), row.next_attempt_at), (("queued", "queued", 0), Some(until)));
    sqlx::query(
        "insert into fulfilment_pauses (id, sku, reason, paused_by, paused_at, expires_at) \
         values (gen_random_uuid(), 'TEA-2', 'mould', 'ops', $1, $2)",
    )
    .bind(shop.clock.now())
    .bind(until + std::time::Duration::from_secs(90))
    .execute(&shop.pool)
    .await
    .unwrap();
    shop.advance(600);
    drain(&worker).await;
    let row = shop.row(&sale).await;
    assert_eq!((row.at(), row.reason.as_deref()), (("queued", "queued", 0), Some("paused: TEA-2, mould")));
    shop.advance(120);
    drain(&worker).await;

    assert_eq!(shop.row(&sale).await.at(), ("fulfilled", "fulfilled", 1));
}
