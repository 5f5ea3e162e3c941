//! What Stripe's fraud prevention says of a payment holds its order, and calls back what is on its way.

use packline::fulfilment::{Outcome, Recall, Receipt};
use serde_json::{Value, json};

use super::warehouse::{Does, Warehouse};
use super::{Sale, Shop, drain};
use crate::support::stripe::{self, early_fraud_warning, intent_succeeded};

fn warning(sale: &Sale) -> Value {
    early_fraud_warning("created", &sale.intent)
}

fn review(sale: &Sale, closed: Option<&str>) -> Value {
    stripe::review(&sale.intent, closed)
}

#[tokio::test]
async fn a_review_holds_what_was_not_sent_until_it_is_approved() {
    let shop = Shop::open().await;
    let warehouse = Warehouse::does([]);
    let worker = shop.worker(warehouse.clone());
    let sale = shop.placed(json!({})).await;
    shop.deliver(&[review(&sale, None), intent_succeeded(&sale.intent)]).await;
    drain(&worker).await;
    assert_eq!(shop.row(&sale).await.reason.as_deref(), Some("on hold: review"));

    shop.deliver(&[review(&sale, Some("approved"))]).await;
    drain(&worker).await;

    assert_eq!((shop.state(&sale).await.as_str(), warehouse.shipped().len()), ("fulfilled", 1));
}

#[tokio::test]
async fn a_review_that_is_closed_before_its_opening_is_told_ends_as_in_the_right_order() {
    for (how, expected) in [("approved", "fulfilled"), ("refunded_as_fraud", "queued")] {
        let shop = Shop::open().await;
        let worker = shop.worker(Warehouse::does([]));
        let sale = shop.placed(json!({})).await;
        let events = [review(&sale, Some(how)), review(&sale, None), intent_succeeded(&sale.intent)];
        shop.deliver(&events).await;

        drain(&worker).await;

        assert_eq!(shop.state(&sale).await, expected, "{how}");
    }
}

#[tokio::test]
async fn a_fraud_warning_calls_back_what_is_on_its_way_and_only_a_person_lets_it_go() {
    let shop = Shop::open().await;
    let warehouse = Warehouse::does([Does::ShipBut(Outcome::Accepted(Receipt::named("W-1")))]);
    warehouse.answer_recalls([Recall::Recalled]);
    let worker = shop.worker(warehouse.clone());
    let sale = shop.paid().await;
    drain(&worker).await;

    shop.deliver(&[warning(&sale), warning(&sale)]).await;
    drain(&worker).await;

    assert_eq!(warehouse.recalls().len(), 1);
    assert_eq!(shop.row(&sale).await.reason.as_deref(), Some("on hold: early_fraud_warning"));
    let said: String = sqlx::query_scalar("select reason from holds").fetch_one(&shop.pool).await.unwrap();
    assert_eq!(said, "the card's issuer warns of fraud: misc");
}
