//! What follows each of a provider's answers.

use std::time::Duration;

use packline::fulfilment::{FulfilmentSettings, LookUp, Outcome};

use super::warehouse::{Does, Warehouse, not_done, unknown};
use super::{Shop, drain};

const DAY: u64 = 86_400;

#[tokio::test]
async fn a_rejected_order_waits_for_a_person_at_once() {
    let shop = Shop::open().await;
    // With the character that no text of Postgres's can hold.
    let warehouse = Warehouse::does([Does::Say(Outcome::Rejected { why: "bad\0 address".into() })]);
    let worker = shop.worker(warehouse.clone());
    let sale = shop.paid().await;

    drain(&worker).await;
    shop.advance(DAY);
    drain(&worker).await;

    let row = shop.row(&sale).await;
    assert_eq!(row.at(), ("rejected", "failed", 1));
    assert_eq!(row.reason.as_deref(), Some("bad address"));
    assert_eq!(warehouse.sends(), 1);
}

#[tokio::test]
async fn what_was_not_done_is_retried_later_and_later_and_ends_as_a_dead_letter() {
    let shop = Shop::open().await;
    let warehouse = Warehouse::does((0..9).map(|_| Does::Say(not_done("connection refused"))));
    let settings = FulfilmentSettings { max_age: Duration::from_secs(30), ..FulfilmentSettings::default() };
    let worker = shop.fulfilment_worker(warehouse.clone(), settings);
    let sale = shop.paid().await;

    for (attempt, longest) in [(1, 10), (2, 20), (3, 40)] {
        assert_eq!(worker.run_once().await.unwrap(), 1);
        assert_eq!(worker.run_once().await.unwrap(), 0);

        let row = shop.row(&sale).await;
        assert_eq!(row.at(), ("queued", "queued", attempt));
        assert_eq!(row.reason.as_deref(), Some("connection refused"));
        let wait = row.next_attempt_at.unwrap() - shop.clock.now();
        let longest = time::Duration::seconds(longest);
        assert!(wait >= longest / 2 && wait <= longest, "attempt {attempt}: {wait}");
        shop.clock.advance(longest.unsigned_abs());
    }
    drain(&worker).await;

    let row = shop.row(&sale).await;
    assert_eq!(row.at(), ("failed", "failed", 4));
    let reason = row.reason.unwrap();
    assert!(reason.starts_with("gave up after 4 attempts in "), "{reason}");
    assert!(reason.ends_with("; the last: connection refused"), "{reason}");
    shop.advance(DAY);
    assert_eq!(worker.run_once().await.unwrap(), 0);
    assert_eq!(shop.outcomes(&sale).await, ["not_done"; 4]);
    assert_eq!(warehouse.asked(), 0, "there was never a doubt");
}

#[tokio::test]
async fn a_busy_providers_retry_after_is_heeded() {
    let shop = Shop::open().await;
    let busy = Outcome::NotDone { why: "429".into(), retry_after: Some(Duration::from_secs(300)) };
    let warehouse = Warehouse::does([Does::Say(busy)]);
    let worker = shop.worker(warehouse.clone());
    let sale = shop.paid().await;

    drain(&worker).await;
    shop.advance(299);
    drain(&worker).await;
    assert_eq!(warehouse.sends(), 1);
    shop.advance(31);
    drain(&worker).await;

    assert_eq!(shop.state(&sale).await, "fulfilled");
    assert_eq!(warehouse.sends(), 2);
}

#[tokio::test]
async fn after_an_unknown_outcome_the_provider_is_asked_until_it_answers() {
    let shop = Shop::open().await;
    let warehouse = Warehouse::does([Does::ShipBut(unknown("timed out"))]);
    let unclear = LookUp::Unclear { why: "look-up: 500".into(), retry_after: None };
    warehouse.answer_look_ups([unclear.clone(), unclear]);
    let worker = shop.worker(warehouse.clone());
    let sale = shop.paid().await;

    for _ in 0..4 {
        drain(&worker).await;
        shop.advance(60);
    }

    assert_eq!(shop.outcomes(&sale).await, ["unknown", "unknown", "unknown", "fulfilled"]);
    assert_eq!(shop.state(&sale).await, "fulfilled");
    assert_eq!(warehouse.counts(), (1, 3, 1));
}

#[tokio::test]
async fn doubt_outlasts_a_refused_repetition_where_the_provider_cannot_be_asked() {
    let shop = Shop::open().await;
    let warehouse = Warehouse::does([Does::ShipBut(unknown("timed out")), Does::Say(not_done("429"))]);
    warehouse.answer_look_ups([LookUp::NotOffered]);
    let worker = shop.worker(warehouse.clone());
    let sale = shop.paid().await;

    for _ in 0..3 {
        drain(&worker).await;
        shop.advance(60);
    }

    assert_eq!(shop.outcomes(&sale).await, ["unknown", "unknown", "fulfilled"]);
    assert_eq!(warehouse.counts(), (2, 2, 1));
}
