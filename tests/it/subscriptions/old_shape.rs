//! The local Stripe tells an endpoint of an old API version, over HTTP: whatever is billed ends in the same rows as in the
//! newest shape. Nothing is looked at, so that all that is known came by events.

use std::time::Duration;

use packline::fake_stripe::delivery::{ApiVersion, Endpoint};
use serde_json::{Value, json};

use crate::support::SECRET;
use crate::support::billing::Shop;

/// A shop that is told in a shape.
async fn told_in(version: &str) -> Shop {
    let shop = Shop::without_events().await;
    let endpoint = Endpoint {
        secret: SECRET.to_owned(),
        api_version: Some(ApiVersion::parse(version).unwrap()),
        ..Endpoint::to(format!("{}/webhooks/stripe", shop.app.base))
    };
    shop.stripe.deliveries().add_endpoint(endpoint).unwrap();
    shop
}

/// Lets time pass at Stripe and here, and its events arrive.
async fn pass(shop: &Shop, days: u64) {
    shop.app.clock.advance(Duration::from_secs(days * 86_400));
    shop.stripe.advance(Duration::ZERO);
    shop.hear().await;
    // What Stripe finalises by itself it does an hour later, and what nobody explains is adopted after a while.
    shop.app.clock.advance(Duration::from_secs(2 * 3600));
    shop.stripe.advance(Duration::ZERO);
    shop.hear().await;
    shop.app.wait(Duration::from_secs(60)).await;
}

/// A quote for once that is paid on its invoice; a subscription that renews, fails, recovers and is cancelled now.
async fn walk(shop: &Shop) {
    let customer = shop.in_dashboard("/v1/customers", &[("name", "Ada"), ("email", "ada@example.com")]).await;
    let customer = customer["id"].as_str().unwrap().to_owned();
    let keep = async |card: &str| {
        let path = format!("/v1/payment_methods/pm_card_{card}/attach");
        let kept = shop.in_dashboard(&path, &[("customer", &customer)]).await;
        let form = [("invoice_settings[default_payment_method]", kept["id"].as_str().unwrap())];
        shop.in_dashboard(&format!("/v1/customers/{customer}"), &form).await;
    };
    keep("visa").await;
    let product = shop.make("/v1/products", &json!({ "name": "Tea", "sku": "TEA" })).await;
    let price = json!({ "product": product["id"], "currency": "usd", "unit_amount": 1500 });
    let once = shop.make("/v1/prices", &price).await;
    let mut price = price;
    price["recurring"] = json!({ "interval": "month" });
    let monthly = shop.make("/v1/prices", &price).await;

    let asked = json!({ "customer": customer, "lines": [{ "price": once["id"], "quantity": 2 }] });
    let quote = shop.make("/v1/quotes", &asked).await;
    let act = |verb: &str| format!("/v1/quotes/{}{verb}", quote["id"].as_str().unwrap());
    shop.act(&act("/finalize")).await;
    let accepted = shop.act(&act("/accept")).await;
    shop.hear().await;
    let invoice = accepted["invoice"].as_str().unwrap();
    shop.act(&format!("/v1/invoices/{invoice}/finalize")).await;
    shop.hear().await;
    assert_eq!(shop.app.order(invoice).await["payment_status"], "awaiting_payment");
    shop.act(&format!("/v1/invoices/{invoice}/pay")).await;
    pass(shop, 0).await;

    let asked = json!({
        "customer": customer, "items": [{ "price": monthly["id"] }], "payment_behavior": "allow_incomplete"
    });
    let subscription = shop.make("/v1/subscriptions", &asked).await;
    pass(shop, 0).await;
    pass(shop, 31).await;
    keep("chargeCustomerFail").await;
    pass(shop, 31).await;
    let failed =
        shop.get(&format!("/v1/subscriptions/{}", subscription["stripe_id"].as_str().unwrap())).await;
    assert_eq!(failed["status"], "past_due", "{failed}");
    keep("visa").await;
    let late = failed["dunning"]["invoice"].as_str().unwrap();
    shop.act(&format!("/v1/invoices/{late}/pay")).await;
    pass(shop, 0).await;
    let path = format!("/v1/subscriptions/{}/cancel", subscription["stripe_id"].as_str().unwrap());
    let (status, over) = shop.post(&path, &json!({ "when": "now" })).await;
    assert!(status.is_success(), "{over}");
    pass(shop, 40).await;
}

/// What is known at the end.
async fn rows(shop: &Shop) -> Value {
    shop.app
        .value::<Value>(
            "
            select jsonb_build_object(
              'orders', (select jsonb_agg(jsonb_build_array(origin, payment_status, fulfilment_status, amount_total, amount_paid)
                                          order by created_at, amount_total) from orders),
              'lines', (select jsonb_agg(jsonb_build_array(sku, quantity, amount, kind) order by sku, amount) from order_lines),
              'invoices', (select jsonb_agg(jsonb_build_array(status, amount_due, amount_paid, amount_remaining,
                                            billing_reason, attempt_count, subscription is not null, quote is not null,
                                            order_id is not null, hosted_invoice_url is not null)
                                            order by created_at, amount_due, billing_reason) from invoices),
              'intents', (select count(*) from invoice_intents join invoices on stripe_id = invoice),
              'receipts', (select count(*) from payment_notes where receipt_url is not null),
              'failures', (select count(*) from payment_notes where failure is not null),
              'subscriptions', (select jsonb_agg(jsonb_build_array(status, current_period_end is not null, customer is not null,
                                                 latest_invoice is not null, ended_at is not null)) from subscriptions),
              'items', (select jsonb_agg(jsonb_build_array(sku, quantity, unit_amount)) from subscription_items),
              'quotes', (select jsonb_agg(jsonb_build_array(state, amount_total, invoice is not null)) from quotes),
              'unsettled', (select jsonb_agg(jsonb_build_array(type, state, reason)) from stripe_events
                            where state <> 'applied' and reason not like 'nothing here acts on%')
            )
            ",
        )
        .await
}

#[tokio::test]
async fn what_an_old_endpoint_is_told_of_billing_ends_in_the_same_rows() {
    let (old, new) = (told_in("old").await, told_in("new").await);

    walk(&old).await;
    walk(&new).await;

    let of = |query: &'static str| old.app.value::<i64>(query);
    assert_eq!(
        of("select count(*) from stripe_event_payloads where body not like '%\"api_version\": \"2020-08-27\"%'").await,
        0,
        "all that was told was in the old shape"
    );
    assert_eq!(of("select count(*) from stripe_events where type like 'invoice_payment.%'").await, 0);
    let (old, new) = (rows(&old).await, rows(&new).await);
    assert_eq!(old, new);
    assert_eq!(old["unsettled"], Value::Null, "{old}");
    let orders = old["orders"].as_array().unwrap();
    assert_eq!(orders.len(), 4, "the quote's, and three periods': {old}");
    assert!(orders.iter().all(|order| order[1] == "paid"), "{old}");
    assert_eq!(old["subscriptions"][0][0], "canceled");
    assert_eq!((&old["quotes"][0][0], &old["failures"]), (&json!("accepted"), &json!(1)), "{old}");
}
