//! Changes in the middle of a period: what they cost or give back is kept and never sent; the next period sends the new
//! quantities.

use packline::fake_stripe::delivery::{NEWEST, OLD};
use serde_json::{Value, json};

use crate::support::merchant::Merchant;

/// The kinds, skus and amounts of an order's lines.
fn lines(order: &Value) -> Vec<(String, String, i64)> {
    let text = |line: &Value, field: &str| line[field].as_str().unwrap().to_owned();
    let line = |line: &Value| (text(line, "kind"), text(line, "sku"), line["amount"].as_i64().unwrap());
    order["lines"].as_array().unwrap().iter().map(line).collect()
}

fn sum(lines: &[(String, String, i64)]) -> i64 {
    lines.iter().map(|(.., amount)| amount).sum()
}

async fn begin(version: &str) -> (Merchant, String) {
    let merchant = Merchant::open(version).await;
    let customer = merchant.customer("visa").await;
    let tea = merchant.monthly("TEA").await;
    let name = merchant
        .subscribe(json!({ "customer": customer, "items": [{ "price": tea, "quantity": 2 }],
          "payment_behavior": "allow_incomplete" }))
        .await;
    merchant.pass(15).await;
    (merchant, name)
}

#[tokio::test]
async fn more_of_one_and_some_of_another_are_sent_from_the_next_period_on() {
    for version in [OLD, NEWEST] {
        let (merchant, name) = begin(version).await;
        let cup = merchant.monthly_of_dashboard("CUP").await;
        let more = json!({ "items": [{ "sku": "TEA", "quantity": 3 }, { "price": cup, "quantity": 1 }] });
        merchant.ask(&format!("/v1/subscriptions/{name}"), more).await;
        assert_eq!(merchant.parcels(), ["2 × TEA"], "nothing more in this period");

        merchant.pass(17).await;
        let order = merchant.orders().await[1].clone();
        let lines = lines(&order);
        let goods: Vec<(&str, i64)> =
            lines.iter().filter(|line| line.0 == "goods").map(|line| (line.1.as_str(), line.2)).collect();
        assert_eq!(goods, [("TEA", 3000), ("CUP", 1000)], "{order}");
        let prorations: Vec<(&str, bool)> = lines
            .iter()
            .filter(|line| line.0 == "proration")
            .map(|line| (line.1.as_str(), line.2 < 0))
            .collect();
        assert_eq!(prorations, [("TEA", true), ("TEA", false), ("CUP", false)], "{order}");
        assert_eq!(lines.len(), 5);
        assert_eq!(order["amount_total"], sum(&lines), "{order}");
        assert_eq!((&order["status"], &order["holds"]), (&json!("fulfilled"), &json!([])));
        assert_eq!(merchant.parcels(), ["2 × TEA", "3 × TEA, 1 × CUP"]);

        merchant.pass(31).await;
        assert_eq!(merchant.parcels()[2..], ["3 × TEA, 1 × CUP"]);
    }
}

#[tokio::test]
async fn a_change_that_is_billed_at_once_is_an_order_of_which_nothing_is_sent() {
    for version in [OLD, NEWEST] {
        let (merchant, name) = begin(version).await;
        let path = format!("/v1/subscriptions/{name}");
        let change = |quantity: i64| json!({ "items": [{ "sku": "TEA", "quantity": quantity }], "proration_behavior": "always_invoice" });

        merchant.ask(&path, change(4)).await;
        let order = merchant.orders().await[1].clone();
        assert!(lines(&order).iter().all(|line| line.0 == "proration"), "{order}");
        assert!(order["amount_paid"].as_i64().unwrap() > 0, "{order}");
        assert_eq!(
            (&order["payment_status"], &order["fulfilment_status"]),
            (&json!("paid"), &json!("fulfilled"))
        );
        assert_eq!(merchant.parcels(), ["2 × TEA"]);

        // Less gives something back, which the next period uses up.
        merchant.ask(&path, change(1)).await;
        let credit = merchant.orders().await[2].clone();
        assert!(sum(&lines(&credit)) < 0, "{credit}");
        assert_eq!(
            (&credit["amount_total"], &credit["payment_status"]),
            (&json!(0), &json!("paid")),
            "{credit}"
        );
        assert_eq!((&credit["fulfilment_status"], &credit["holds"]), (&json!("fulfilled"), &json!([])));
        merchant.pass(17).await;
        let renewal = merchant.orders().await[3].clone();
        assert!(renewal["amount_total"].as_i64().unwrap() < 1000, "{renewal}");
        assert_eq!((&renewal["status"], &renewal["holds"]), (&json!("fulfilled"), &json!([])), "{renewal}");
        assert_eq!(lines(&renewal), [("goods".to_owned(), "TEA".to_owned(), 1000)]);
        assert_eq!(merchant.parcels(), ["2 × TEA", "1 × TEA"]);
    }
}

#[tokio::test]
async fn prices_of_the_catalogue_are_named_by_our_own_ids() {
    let merchant = Merchant::open(NEWEST).await;
    let customer = merchant.customer("visa").await;
    let (tea, cup) = (merchant.monthly("TEA").await, merchant.monthly("CUP").await);
    let name = merchant
        .subscribe(json!({ "customer": customer, "items": [{ "price": tea }], "payment_behavior": "allow_incomplete" }))
        .await;
    let path = format!("/v1/subscriptions/{name}");

    let items = json!({ "items": [{ "price": tea, "quantity": 4 }, { "price": cup, "quantity": 2 }] });
    let changed = merchant.ask(&path, items).await;
    let items = changed["items"].as_array().unwrap().iter();
    let items: Vec<(&Value, &Value)> = items.map(|item| (&item["sku"], &item["quantity"])).collect();
    assert_eq!(items, [(&json!("TEA"), &json!(4)), (&json!("CUP"), &json!(2))], "{changed}");
    let less = merchant.ask(&path, json!({ "items": [{ "price": tea, "quantity": 0 }] })).await;
    assert_eq!(less["items"].as_array().unwrap().len(), 1, "{less}");

    for (price, words) in [(json!(uuid::Uuid::nil()), "there is no price"), (json!("tea"), "price_")] {
        let bad = json!({ "items": [{ "sku": "CUP", "quantity": 1 }, { "price": price, "quantity": 1 }] });
        let (status, code, told) = merchant.refused(&path, Some(&bad)).await;
        assert_eq!((status, code.as_str()), (422, "validation_failed"), "{told}");
        assert!(told.contains("items[1].price") && told.contains(words), "{told}");
    }
}
