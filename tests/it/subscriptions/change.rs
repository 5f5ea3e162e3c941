//! Changing what is subscribed to, by the names that the catalogue gave.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::invoices::Desk;

/// A catalogue, and a subscription of one TEA that is paid.
pub struct Goods {
    /// `sub_…`
    pub subscription: String,
    /// `cus_…`
    pub customer: String,
    /// Our ids of prices: each month, in euros, once.
    pub tea: String,
    pub euros: String,
    pub once: String,
    /// Our id of a product without a sku.
    product: String,
}

async fn made(desk: &Desk, path: &str, body: Value) -> String {
    let (status, made) = desk.post(path, body).await;
    assert_eq!(status, StatusCode::CREATED, "{path}: {made}");
    made["id"].as_str().unwrap().to_owned()
}

/// A price each month, called so.
async fn monthly(desk: &Desk, product: &str, sku: &str, amount: i64) -> String {
    let recurring = json!({ "interval": "month" });
    let price = json!({ "product": product, "currency": "usd", "unit_amount": amount, "sku": sku, "recurring": recurring });
    made(desk, "/v1/prices", price).await
}

pub async fn goods(desk: &Desk) -> Goods {
    let customer = desk.customer(Some("visa")).await;
    let product = made(desk, "/v1/products", json!({ "name": "Things" })).await;
    let tea = monthly(desk, &product, "TEA", 1000).await;
    let recurring = json!({ "interval": "month" });
    let euros = json!({ "product": product, "currency": "eur", "unit_amount": 900, "sku": "EUROS", "recurring": recurring });
    let euros = made(desk, "/v1/prices", euros).await;
    let once = json!({ "product": product, "currency": "usd", "unit_amount": 900, "sku": "ONCE" });
    let once = made(desk, "/v1/prices", once).await;
    let asked = json!({
        "customer": customer, "items": [{ "price": tea }], "payment_behavior": "allow_incomplete"
    });
    let (status, subscribed) = desk.post("/v1/subscriptions", asked).await;
    assert_eq!(status, StatusCode::CREATED, "{subscribed}");
    desk.catch_up().await;
    let subscription = subscribed["stripe_id"].as_str().unwrap().to_owned();
    Goods { subscription, customer, tea, euros, once, product }
}

/// The skus and quantities of what is subscribed to.
async fn items(desk: &Desk, subscription: &str) -> Vec<(String, i64, i64)> {
    let found = desk.get(&format!("/v1/subscriptions/{subscription}")).await;
    let items = found["items"].as_array().unwrap().iter().map(|item| {
        let number = |field: &str| item[field].as_i64().unwrap();
        (item["sku"].as_str().unwrap().to_owned(), number("quantity"), number("unit_amount"))
    });
    items.collect()
}

#[tokio::test]
async fn prices_of_the_catalogue_are_added_and_changed_by_our_ids_and_by_sku() {
    let desk = Desk::open().await;
    let goods = goods(&desk).await;
    let cup = monthly(&desk, &goods.product, "CUP", 300).await;
    monthly(&desk, &goods.product, "PLATE", 400).await;
    monthly(&desk, &goods.product, "TEA-BIG", 1900).await;
    let path = format!("/v1/subscriptions/{}", goods.subscription);
    let item = |found: (&str, i64, i64)| (found.0.to_owned(), found.1, found.2);
    let first = desk.get(&path).await["items"][0]["id"].clone();

    for (asked, expected) in [
        // Another price, by our id; the same one again is the same item.
        (json!([{ "price": cup, "quantity": 2 }]), vec![("TEA", 1, 1000), ("CUP", 2, 300)]),
        (json!([{ "price": cup, "quantity": 3 }]), vec![("TEA", 1, 1000), ("CUP", 3, 300)]),
        (json!([{ "sku": "CUP", "quantity": 1 }]), vec![("TEA", 1, 1000), ("CUP", 1, 300)]),
        // A sku that no item has is one of the catalogue.
        (
            json!([{ "sku": "PLATE", "quantity": 5 }]),
            vec![("TEA", 1, 1000), ("CUP", 1, 300), ("PLATE", 5, 400)],
        ),
        // An item gets another price, by sku and by our id.
        (
            json!([{ "item": first, "sku": "TEA-BIG" }, { "sku": "CUP", "quantity": 0 }]),
            vec![("TEA-BIG", 1, 1900), ("PLATE", 5, 400)],
        ),
        (json!([{ "sku": "TEA-BIG", "price": goods.tea }]), vec![("TEA", 1, 1000), ("PLATE", 5, 400)]),
    ] {
        let (status, told) = desk.post(&path, json!({ "items": asked })).await;
        assert_eq!(status, StatusCode::OK, "{asked}: {told}");
        desk.catch_up().await;
        let expected: Vec<_> = expected.into_iter().map(item).collect();
        assert_eq!(items(&desk, &goods.subscription).await, expected, "{asked}");
    }
}

#[tokio::test]
async fn a_sku_that_names_no_price_or_several_is_refused_with_what_to_do() {
    let desk = Desk::open().await;
    let goods = goods(&desk).await;
    monthly(&desk, &goods.product, "MUG", 300).await;
    monthly(&desk, &goods.product, "MUG", 500).await;
    let first =
        desk.get(&format!("/v1/subscriptions/{}", goods.subscription)).await["items"][0]["id"].clone();
    let path = format!("/v1/subscriptions/{}", goods.subscription);

    for (item, words) in [
        (json!({ "sku": "MUG", "quantity": 1 }), "say which by price"),
        (json!({ "item": first, "sku": "MUG" }), "say which by price"),
        (json!({ "sku": "NONE", "quantity": 1 }), "make one with POST /v1/prices"),
        (json!({ "sku": "ONCE", "quantity": 1 }), "no price that recurs"),
        (json!({ "sku": "EUROS", "quantity": 1 }), "one currency"),
        (json!({ "sku": "\u{0}", "quantity": 1 }), "no price that recurs"),
        (json!({ "sku": "MUG", "quantity": 0 }), "has no item with the sku MUG"),
        (json!({ "item": first, "sku": "MUG", "price": goods.tea }), "either sku or price"),
    ] {
        let asked = json!({ "items": [item] });
        desk.refused(&path, asked.clone(), 422, "validation_failed", words).await;
        let (_, told) = desk.post(&path, asked).await;
        assert_eq!(told["error"]["fields"][0]["field"], "items[0].sku", "{told}");
    }
    assert_eq!(items(&desk, &goods.subscription).await, [("TEA".to_owned(), 1, 1000)]);
    let calls = "select count(*) from outbox_calls where operation = 'subscription.change'";
    assert_eq!(desk.shop.app.value::<i64>(calls).await, 0);
}
