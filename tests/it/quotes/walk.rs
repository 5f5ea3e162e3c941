//! The way of a quote: draft, revised, finalised, accepted; and what its acceptance begins.

use std::time::Duration;

use serde_json::{Value, json};

use super::{draft, goods, path};
use crate::support::billing::Shop;

#[tokio::test]
async fn a_quote_for_once_is_made_revised_finalised_and_accepted_and_leads_to_a_draft_invoice() {
    let shop = Shop::open().await;
    let goods = goods(&shop).await;

    let empty = shop.make("/v1/quotes", &json!({ "description": "Tea for the office" })).await;
    assert_eq!((&empty["state"], &empty["lines"]), (&json!("draft"), &json!([])));
    assert_eq!(empty["number"], Value::Null);
    let terms = json!({ "customer": goods.customer, "lines": [{ "price": goods.once, "quantity": 2 }, { "price": goods.once }] });
    let (_, revised) = shop.post(&path(&empty, ""), &terms).await;
    assert_eq!(revised["amount_total"], 4500, "{revised}");
    assert_eq!(revised["description"], "Tea for the office", "what is absent stays");
    let line = &revised["lines"][0];
    assert_eq!(
        (&line["sku"], &line["quantity"], &line["unit_amount"]),
        (&json!("TEA"), &json!(2), &json!(1500))
    );

    let (_, open) = shop.post(&path(&empty, "/finalize"), &json!({})).await;
    assert_eq!(open["state"], "open", "{open}");
    assert!(open["number"].as_str().unwrap().starts_with("QT-"));
    let accepted = shop.act(&path(&empty, "/accept")).await;

    assert_eq!(accepted["state"], "accepted");
    assert_eq!((&accepted["subscription"], &accepted["recurring"]), (&Value::Null, &Value::Null));
    let invoice = shop.at_stripe(&format!("/v1/invoices/{}", accepted["invoice"].as_str().unwrap())).await;
    assert_eq!((&invoice["status"], &invoice["amount_due"]), (&json!("draft"), &json!(4500)));
    // The same, told by events, changes nothing any more.
    let before = shop.get(&path(&empty, "")).await;
    shop.hear().await;
    assert_eq!(shop.get(&path(&empty, "")).await, with_update(&before, &shop.get(&path(&empty, "")).await));
    assert_eq!(shop.app.value::<i64>("select count(*) from quotes").await, 1);
}

/// A quote as it was, whenever it was last touched.
fn with_update(quote: &Value, other: &Value) -> Value {
    let mut quote = quote.clone();
    quote["updated_at"] = other["updated_at"].clone();
    quote
}

#[tokio::test]
async fn a_recurring_quote_leads_to_a_subscription_and_its_first_invoice() {
    let shop = Shop::open().await;
    let goods = goods(&shop).await;
    let quote = draft(&shop, &goods, &goods.monthly).await;
    assert_eq!(
        quote["recurring"],
        json!({ "amount_total": 15_000, "interval": "month", "interval_count": 1 })
    );

    shop.act(&path(&quote, "/finalize")).await;
    let accepted = shop.act(&path(&quote, "/accept")).await;

    let subscription = accepted["subscription"].as_str().unwrap();
    let subscription = shop.at_stripe(&format!("/v1/subscriptions/{subscription}")).await;
    assert_eq!(
        subscription["metadata"]["packline_quote"], quote["id"],
        "the chain can be walked from either end"
    );
    assert_eq!(subscription["latest_invoice"], accepted["invoice"]);
}

#[tokio::test]
async fn a_subscription_can_begin_with_a_trial_or_later() {
    let shop = Shop::open().await;
    let goods = goods(&shop).await;
    let lines = json!([{ "price": goods.monthly }]);
    let now = shop.app.clock.now().unix_timestamp();

    let tried = shop
        .make("/v1/quotes", &json!({ "customer": goods.customer, "lines": lines, "trial_days": 14 }))
        .await;
    shop.act(&path(&tried, "/finalize")).await;
    let tried = shop.act(&path(&tried, "/accept")).await;
    let subscription =
        shop.at_stripe(&format!("/v1/subscriptions/{}", tried["subscription"].as_str().unwrap())).await;
    assert_eq!(subscription["trial_end"], now + 14 * 24 * 60 * 60, "{subscription}");

    let starts_at = shop.app.clock.now() + Duration::from_secs(7 * 24 * 60 * 60);
    let starts_at = starts_at.format(&time::format_description::well_known::Rfc3339).unwrap();
    let later = shop
        .make("/v1/quotes", &json!({ "customer": goods.customer, "lines": lines, "starts_at": starts_at }))
        .await;
    shop.act(&path(&later, "/finalize")).await;
    let later = shop.act(&path(&later, "/accept")).await;
    assert!(later["subscription_schedule"].as_str().unwrap().starts_with("sub_sched_"), "{later}");
    assert_eq!(later["subscription"], Value::Null);
}

#[tokio::test]
async fn what_was_done_already_is_answered_alike() {
    let shop = Shop::without_events().await;
    let goods = goods(&shop).await;
    let quote = draft(&shop, &goods, &goods.once).await;

    let finalized = shop.act(&path(&quote, "/finalize")).await;
    assert_eq!(shop.act(&path(&quote, "/finalize")).await, finalized);
    let accepted = shop.act(&path(&quote, "/accept")).await;
    assert_eq!(shop.act(&path(&quote, "/accept")).await, accepted);
    assert_eq!(shop.at_stripe("/v1/invoices").await["data"].as_array().unwrap().len(), 1);

    let other = draft(&shop, &goods, &goods.once).await;
    let cancelled = shop.act(&path(&other, "/cancel")).await;
    assert_eq!(
        (&cancelled["state"], &cancelled["reason"]),
        (&json!("cancelled"), &json!("it was called off"))
    );
    assert_eq!(shop.act(&path(&other, "/cancel")).await, cancelled);
}

#[tokio::test]
async fn a_price_and_a_customer_of_the_dashboard_can_be_offered_by_stripes_names() {
    let shop = Shop::open().await;
    let customer = shop.in_dashboard("/v1/customers", &[("name", "Eve")]).await;
    let price = [
        ("currency", "eur"),
        ("unit_amount", "700"),
        ("product_data[name]", "Cup"),
        ("metadata[sku]", "CUP"),
    ];
    let price = shop.in_dashboard("/v1/prices", &price).await;

    let quote = shop
        .make(
            "/v1/quotes",
            &json!({ "customer": customer["id"], "lines": [{ "price": price["id"], "quantity": 3 }] }),
        )
        .await;

    assert_eq!((&quote["amount_total"], &quote["currency"]), (&json!(2100), &json!("eur")));
    assert_eq!(quote["lines"][0]["sku"], "CUP");
}

#[tokio::test]
async fn what_somebody_does_in_the_dashboard_is_followed_with_and_without_its_event() {
    let shop = Shop::open().await;
    let goods = goods(&shop).await;
    let (heard, unheard) = (draft(&shop, &goods, &goods.once).await, draft(&shop, &goods, &goods.once).await);
    let name = |quote: &Value| quote["stripe_id"].as_str().unwrap().to_owned();
    for quote in [&heard, &unheard] {
        shop.act(&path(quote, "/finalize")).await;
    }
    shop.in_dashboard(&format!("/v1/quotes/{}/accept", name(&heard)), &[]).await;
    shop.hear().await;
    assert_eq!(shop.get(&path(&heard, "")).await["state"], "accepted");

    // Stripe refuses to do it again; that it is done is what was asked for.
    shop.in_dashboard(&format!("/v1/quotes/{}/accept", name(&unheard)), &[]).await;
    let accepted = shop.act(&path(&unheard, "/accept")).await;
    assert_eq!(accepted["state"], "accepted");
    assert!(accepted["invoice"].as_str().unwrap().starts_with("in_"));
}

#[tokio::test]
async fn a_quote_that_stripe_lets_expire_is_cancelled_and_was_refused_already() {
    let shop = Shop::open().await;
    let goods = goods(&shop).await;
    let quote = draft(&shop, &goods, &goods.once).await;
    shop.act(&path(&quote, "/finalize")).await;
    shop.hear().await;

    shop.app.clock.advance(Duration::from_secs(31 * 24 * 60 * 60));
    let (status, code, told) = shop.refused(&path(&quote, "/accept"), None).await;
    assert_eq!((status, code.as_str()), (409, "quote_expired"), "{told}");
    let url = format!("{}/_fake/clock/advance", shop.stripe.base());
    shop.app.client.post(url).json(&json!({ "seconds": 1 })).send().await.unwrap();
    shop.hear().await;

    let quote = shop.get(&path(&quote, "")).await;
    assert_eq!((&quote["state"], &quote["reason"]), (&json!("cancelled"), &json!("its time was over")));
}

#[tokio::test]
async fn the_order_that_a_quote_led_to_says_so() {
    let shop = Shop::open().await;
    let goods = goods(&shop).await;
    let quote = draft(&shop, &goods, &goods.once).await;
    shop.act(&path(&quote, "/finalize")).await;
    let accepted = shop.act(&path(&quote, "/accept")).await;
    let invoice = accepted["invoice"].as_str().unwrap();

    shop.in_dashboard(&format!("/v1/invoices/{invoice}/finalize"), &[]).await;
    shop.in_dashboard(&format!("/v1/invoices/{invoice}/pay"), &[("paid_out_of_band", "true")]).await;
    shop.hear().await;
    shop.app.wait(Duration::from_secs(15)).await;

    let order = shop.app.order(invoice).await;
    assert_eq!(
        (&order["payment_status"], &order["amount_total"]),
        (&json!("paid"), &json!(15_000)),
        "{order}"
    );
    let told = json!({
        "id": quote["id"], "stripe_id": quote["stripe_id"], "number": accepted["number"], "status": "accepted"
    });
    assert_eq!(order["billing"]["quote"], told, "{order}");
}
