//! Quotes, through the front door and against the local Stripe.

mod bad_input;
mod events;
mod lines;
mod lost;
mod pdf;
mod people;
mod recorded;
mod walk;

use serde_json::{Value, json};

use crate::support::billing::Shop;

/// A customer, and prices of a product: once, and each month.
pub struct Goods {
    pub customer: String,
    pub once: String,
    pub monthly: String,
}

fn id(thing: &Value) -> String {
    thing["id"].as_str().unwrap().to_owned()
}

pub async fn goods(shop: &Shop) -> Goods {
    let customer = shop.make("/v1/customers", &json!({ "name": "Ada", "email": "ada@example.com" })).await;
    let product = shop.make("/v1/products", &json!({ "name": "Tea", "sku": "TEA" })).await;
    let price = json!({ "product": product["id"], "currency": "usd", "unit_amount": 1500 });
    let once = shop.make("/v1/prices", &price).await;
    let mut price = price;
    price["recurring"] = json!({ "interval": "month", "interval_count": 1 });
    let monthly = shop.make("/v1/prices", &price).await;
    Goods { customer: id(&customer), once: id(&once), monthly: id(&monthly) }
}

/// A draft of ten of a price.
pub async fn draft(shop: &Shop, goods: &Goods, price: &str) -> Value {
    let asked = json!({ "customer": goods.customer, "lines": [{ "price": price, "quantity": 10 }] });
    shop.make("/v1/quotes", &asked).await
}

/// The path of a quote.
pub fn path(quote: &Value, verb: &str) -> String {
    format!("/v1/quotes/{}{verb}", quote["id"].as_str().unwrap())
}
