//! What cannot be is refused with what is wrong and what to do, and leaves nothing half made.

use serde_json::{Value, json};

use super::{draft, goods, path};
use crate::support::billing::Shop;

#[tokio::test]
async fn what_a_quote_names_must_be_there_and_go_together() {
    let shop = Shop::without_events().await;
    let goods = goods(&shop).await;
    let product = shop.get("/v1/products").await["data"][0]["id"].clone();
    let price = |currency: &str, recurring: Value| json!({ "product": product, "currency": currency, "unit_amount": 1, "recurring": recurring });
    let euros = shop.make("/v1/prices", &price("eur", Value::Null)).await["id"].clone();
    let yearly = shop.make("/v1/prices", &price("usd", json!({ "interval": "year" }))).await["id"].clone();
    let nobody = uuid::Uuid::nil();

    for (body, field, words) in [
        (json!({ "customer": nobody }), "customer", "there is no customer"),
        (json!({ "customer": "ada" }), "customer", "cus_"),
        (json!({ "lines": [{ "price": nobody }] }), "lines[0].price", "there is no price"),
        (json!({ "lines": [{ "price": goods.once }, { "price": "tea" }] }), "lines[1].price", "price_"),
        (json!({ "lines": [{ "price": goods.once }, { "price": euros }] }), "lines[1].price", "one currency"),
        (
            json!({ "lines": [{ "price": goods.monthly }, { "price": yearly }] }),
            "lines[1].price",
            "one rhythm",
        ),
        (json!({ "lines": [{ "price": goods.once, "quantity": 0 }] }), "lines[0].quantity", "from 1"),
        (json!({ "expires_at": "2001-01-01T00:00:00Z" }), "expires_at", "a time to come"),
        (json!({ "collection_method": "send_invoice" }), "days_until_due", "how many days"),
        (json!({ "days_until_due": 7 }), "days_until_due", "send_invoice"),
        (json!({ "lines": [{ "price": goods.once }], "trial_days": 7 }), "trial_days", "no subscription"),
        (json!({ "line_items": [] }), "line_items", "unknown field"),
    ] {
        let (status, code, told) = shop.refused("/v1/quotes", Some(&body)).await;
        assert_eq!((status, code.as_str()), (422, "validation_failed"), "{body}: {told}");
        assert!(told.contains(field) && told.contains(words), "{body}: {told}");
    }
    assert!(shop.get("/v1/quotes").await["data"].as_array().unwrap().is_empty());
    assert!(shop.at_stripe("/v1/quotes").await["data"].as_array().unwrap().is_empty());
}

#[tokio::test]
async fn what_only_stripe_knows_it_refuses_in_its_own_words() {
    let shop = Shop::without_events().await;

    let body = json!({ "lines": [{ "price": "price_none" }] });
    let (status, code, told) = shop.refused("/v1/quotes", Some(&body)).await;

    assert_eq!((status, code.as_str()), (422, "stripe_refused"));
    assert!(told.contains("No such price"), "{told}");
    let refused = shop.get("/v1/quotes").await["data"][0].clone();
    assert_eq!(refused["state"], "refused", "{refused}");
    let (status, code, told) = shop.refused(&path(&refused, "/finalize"), None).await;
    assert_eq!((status, code.as_str()), (409, "quote_refused"), "{told}");
}

#[tokio::test]
async fn a_draft_without_a_customer_or_lines_is_not_finalised() {
    let shop = Shop::without_events().await;
    let goods = goods(&shop).await;
    let quote = shop.make("/v1/quotes", &json!({})).await;

    let (status, _, told) = shop.refused(&path(&quote, "/finalize"), None).await;
    assert_eq!(status, 422);
    assert!(told.contains("no customer") && told.contains("offers nothing"), "{told}");
    let (_, revised) = shop.post(&path(&quote, ""), &json!({ "lines": [{ "price": goods.once }] })).await;
    assert_eq!(revised["amount_total"], 1500, "{revised}");
    let (status, _, told) = shop.refused(&path(&quote, "/finalize"), None).await;
    assert!(status == 422 && told.contains("no customer") && !told.contains("offers nothing"), "{told}");
    assert_eq!(shop.get(&path(&quote, "")).await["state"], "draft");
    let (status, _, told) = shop.refused(&path(&quote, ""), Some(&json!({ "lines": [] }))).await;
    assert!(status == 422 && told.contains("1 to 100"), "{told}");
}

#[tokio::test]
async fn a_quote_goes_only_forwards() {
    let shop = Shop::without_events().await;
    let goods = goods(&shop).await;
    let quote = draft(&shop, &goods, &goods.once).await;
    let revision = json!({ "description": "Cheaper" });
    let refused = async |verb: &str, body: Option<&Value>| {
        let (status, code, told) = shop.refused(&path(&quote, verb), body).await;
        assert_eq!(status, 409, "{verb}: {told}");
        code
    };

    assert_eq!(refused("/accept", None).await, "quote_not_open");
    shop.act(&path(&quote, "/finalize")).await;
    assert_eq!(refused("", Some(&revision)).await, "quote_not_draft");
    shop.act(&path(&quote, "/accept")).await;
    assert_eq!(refused("/cancel", None).await, "quote_accepted");
    assert_eq!(refused("", Some(&revision)).await, "quote_accepted");

    let quote = draft(&shop, &goods, &goods.once).await;
    shop.act(&path(&quote, "/cancel")).await;
    for verb in ["/finalize", "/accept"] {
        let (status, code, told) = shop.refused(&path(&quote, verb), None).await;
        assert_eq!((status, code.as_str()), (409, "quote_cancelled"), "{told}");
    }
    let (status, _, _) = shop.refused("/v1/quotes/qt_none/accept", None).await;
    assert_eq!(status, 404);
    assert_eq!(shop.app.value::<i64>("select count(*) from outbox_calls where state <> 'done'").await, 0);
}

#[tokio::test]
async fn a_key_of_another_request_is_refused() {
    let shop = Shop::without_events().await;
    let goods = goods(&shop).await;
    let quote = draft(&shop, &goods, &goods.once).await;

    assert!(shop.send(&path(&quote, "/finalize"), None, Some("k")).await.status().is_success());
    let response = shop.send(&path(&quote, "/accept"), None, Some("k")).await;

    assert_eq!(response.status().as_u16(), 422);
    assert_eq!(shop.get(&path(&quote, "")).await["state"], "open");
}
