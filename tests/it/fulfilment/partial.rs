//! What is left of lines: partial shipments, refunds by line, and what an answer covers.

use packline::fulfilment::{Outcome, Receipt, Tracking};
use serde_json::{Value, json};

use super::warehouse::{Does, Warehouse};
use super::{Sale, Shop, drain};
use crate::support::stripe::intent_succeeded;

async fn bought(shop: &Shop) -> Sale {
    let lines = json!([
        { "sku": "TEA", "quantity": 2, "unit_amount": 500 },
        { "sku": "CUP", "quantity": 1, "unit_amount": 1000 }
    ]);
    let sale = shop.placed(json!({ "lines": lines })).await;
    shop.deliver(&[intent_succeeded(&sale.intent)]).await;
    sale
}

async fn part(shop: &Shop, sale: &Sale) -> Value {
    let answer = shop.get(&format!("/v1/orders/{}/fulfilments", sale.order)).await;
    answer.json::<Value>().await.unwrap()["data"][0].take()
}

/// Shipped, left, cancelled of each line.
fn counts(part: &Value) -> Vec<[i64; 3]> {
    let of_line = |line: &Value| ["shipped", "left", "cancelled"].map(|name| line[name].as_i64().unwrap());
    part["lines"].as_array().unwrap().iter().map(of_line).collect()
}

/// Takes pieces of a line back, as a refund by line does.
async fn take_back(shop: &Shop, sale: &Sale, position: i32, pieces: i64) {
    sqlx::query("update order_lines set quantity_refunded = $3 where order_id = $1 and position = $2")
        .bind(sale.order)
        .bind(position)
        .bind(pieces)
        .execute(&shop.pool)
        .await
        .unwrap();
}

fn sent(warehouse: &Warehouse) -> Vec<Vec<(i64, i64)>> {
    let lines = |body: &String| {
        let body: Value = serde_json::from_str(body).unwrap();
        let lines = body["order"]["lines"].as_array().unwrap().clone();
        lines
            .iter()
            .map(|line| (line["position"].as_i64().unwrap(), line["quantity"].as_i64().unwrap()))
            .collect()
    };
    warehouse.bodies().iter().map(lines).collect()
}

#[tokio::test]
async fn a_done_answer_ships_all_that_was_left_and_keeps_its_tracking() {
    let shop = Shop::open().await;
    let tracking = Tracking { carrier: Some("DHL".into()), number: Some("123".into()), url: None };
    let receipt = Receipt { reference: Some("W-1".into()), tracking: Some(tracking) };
    let warehouse = Warehouse::does([Does::Say(Outcome::Fulfilled(receipt))]);
    let sale = bought(&shop).await;
    take_back(&shop, &sale, 1, 1).await;
    assert_eq!(counts(&part(&shop, &sale).await), [[0, 1, 1], [0, 1, 0]]);

    drain(&shop.worker(warehouse.clone())).await;

    assert_eq!(sent(&warehouse), [[(1, 1), (2, 1)]]);
    let part = part(&shop, &sale).await;
    assert_eq!(counts(&part), [[1, 0, 1], [1, 0, 0]]);
    let [shipment] = part["shipments"].as_array().unwrap().as_slice() else { panic!("{part}") };
    assert_eq!((&shipment["name"], &shipment["shipped_at"]), (&json!("123"), &Value::Null));
    assert_eq!(shipment["lines"].as_array().unwrap().len(), 2);
    assert_eq!(part["attempts"][0]["outcome"], "fulfilled");
}

#[tokio::test]
async fn an_announced_parcel_holds_what_no_other_does() {
    let shop = Shop::open().await;
    let tracking = Tracking { number: Some("123".into()), ..Tracking::default() };
    let receipt = Receipt { reference: None, tracking: Some(tracking) };
    let sale = bought(&shop).await;
    drain(&shop.worker(Warehouse::does([Does::Say(Outcome::Fulfilled(receipt))]))).await;
    let id = part(&shop, &sale).await["id"].as_str().unwrap().to_owned();

    let mut seen = Vec::new();
    for (name, sku, quantity) in [("A", "CUP", 1), ("B", "TEA", 1), ("123", "TEA", 1)] {
        let lines = json!([{ "sku": sku, "quantity": quantity }]);
        let event = json!({ "type": "shipped", "shipment": name, "lines": lines });
        let address = format!("{}/v1/fulfilments/{id}/events", shop.base);
        let answer = shop.api(shop.client.post(address)).json(&event).send().await.unwrap();
        let part: Value = answer.json().await.unwrap();
        let announced =
            part["shipments"].as_array().unwrap().iter().find(|one| one["name"] == "123").unwrap();
        let of_line = |line: &Value| (line["position"].as_i64().unwrap(), line["quantity"].as_i64().unwrap());
        let holds: Vec<_> = announced["lines"].as_array().unwrap().iter().map(of_line).collect();
        seen.push((holds, announced["shipped_at"].is_null()));
    }

    assert_eq!(seen, [(vec![(1, 2)], true), (vec![(1, 1)], true), (vec![(1, 1)], false)]);
}

#[tokio::test]
async fn an_answer_says_nothing_about_a_later_hand_over() {
    let shop = Shop::open().await;
    let sale = bought(&shop).await;
    drain(&shop.worker(Warehouse::does([]))).await;
    let id = part(&shop, &sale).await["id"].as_str().unwrap().to_owned();
    let tell = async |event: Value| -> Value {
        let address = format!("{}/v1/fulfilments/{id}/events", shop.base);
        let answer = shop.api(shop.client.post(address)).json(&event).send().await.unwrap();
        answer.json().await.unwrap()
    };
    let failed = tell(json!({ "type": "failed", "reason": "the shelf fell" })).await;
    assert_eq!((&failed["state"], counts(&failed)), (&json!("rejected"), vec![[0, 2, 0], [0, 1, 0]]));

    // As a person does who lets it go out again.
    sqlx::query(
        "update fulfilments set state = 'accepted', round = 2, reason = null, finished_at = null, \
         idempotency_key = idempotency_key || '_2', accepted_at = now()",
    )
    .execute(&shop.pool)
    .await
    .unwrap();
    let half = json!({ "type": "shipped", "shipment": "A", "lines": [{ "sku": "TEA", "quantity": 1 }] });
    let after = tell(half).await;

    assert_eq!((&after["state"], counts(&after)), (&json!("accepted"), vec![[1, 1, 0], [0, 1, 0]]));
}

#[tokio::test]
async fn parcels_that_are_told_of_after_a_done_answer_are_not_counted_twice() {
    let shop = Shop::open().await;
    let sale = bought(&shop).await;
    drain(&shop.worker(Warehouse::does([]))).await;
    let id = part(&shop, &sale).await["id"].as_str().unwrap().to_owned();

    let events = [
        json!({ "type": "shipped", "shipment": "A", "lines": [{ "sku": "CUP", "quantity": 1 }] }),
        json!({ "type": "shipped", "shipment": "B", "lines": [{ "sku": "TEA", "quantity": 2 }] }),
    ];
    for event in events {
        let address = format!("{}/v1/fulfilments/{id}/events", shop.base);
        let answer = shop.api(shop.client.post(address)).json(&event).send().await.unwrap();
        assert_eq!(counts(&answer.json().await.unwrap()), [[2, 0, 0], [1, 0, 0]]);
    }

    assert_eq!(shop.row(&sale).await.at(), ("fulfilled", "fulfilled", 1));
}

#[tokio::test]
async fn what_left_already_is_not_sent_again() {
    let shop = Shop::open().await;
    let warehouse =
        Warehouse::does([Does::Say(Outcome::NotDone { why: "busy".into(), retry_after: None }), Does::Ship]);
    let worker = shop.worker(warehouse.clone());
    let sale = bought(&shop).await;
    drain(&worker).await;
    sqlx::query("update fulfilment_lines set quantity_shipped = 1 where position = 1")
        .execute(&shop.pool)
        .await
        .unwrap();

    shop.advance(60);
    drain(&worker).await;

    assert_eq!(sent(&warehouse), [vec![(1, 2), (2, 1)], vec![(1, 1), (2, 1)]]);
    assert_eq!(counts(&part(&shop, &sale).await), [[2, 0, 0], [1, 0, 0]]);
}

#[tokio::test]
async fn an_order_of_which_all_lines_were_taken_back_is_cancelled_unsent() {
    let shop = Shop::open().await;
    let warehouse = Warehouse::does([]);
    let sale = bought(&shop).await;
    take_back(&shop, &sale, 1, 2).await;
    take_back(&shop, &sale, 2, 1).await;

    drain(&shop.worker(warehouse.clone())).await;

    let row = shop.row(&sale).await;
    assert_eq!((row.state.as_str(), row.reason.as_deref()), ("cancelled", Some("all of it was refunded")));
    assert_eq!(warehouse.counts(), (0, 0, 0));
    assert_eq!(counts(&part(&shop, &sale).await), [[0, 0, 2], [0, 0, 1]]);
}

#[tokio::test]
async fn lines_that_stripe_told_late_are_sent_with_the_first_part() {
    let shop = Shop::open().await;
    let warehouse = Warehouse::does([]);
    let sale = shop.paid().await;
    sqlx::query("delete from fulfilment_lines").execute(&shop.pool).await.unwrap();

    drain(&shop.worker(warehouse.clone())).await;

    assert_eq!(sent(&warehouse), [[(1, 2)]]);
    assert_eq!(counts(&part(&shop, &sale).await), [[2, 0, 0]]);
}
