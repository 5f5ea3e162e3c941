//! Trials, and what costs nothing: each invoice of nothing is paid at once, and is an order with a parcel like any other.

use packline::fake_stripe::delivery::{NEWEST, OLD};
use serde_json::{Value, json};

use crate::support::merchant::{HOUR, Merchant};

#[tokio::test]
async fn a_trial_is_an_order_of_nothing_that_is_sent_and_the_first_paid_period_is_another() {
    for version in [OLD, NEWEST] {
        let merchant = Merchant::open(version).await;
        let customer = merchant.customer("visa").await;
        let tea = merchant.monthly("TEA").await;
        let asked =
            json!({ "customer": customer, "items": [{ "price": tea, "quantity": 2 }], "trial_days": 14 });
        let name = merchant.subscribe(asked).await;

        let trial = merchant.subscription(&name).await;
        assert_eq!((&trial["status"], &trial["access"]), (&json!("trialing"), &json!("granted")), "{trial}");
        assert!(trial["access_reason"].as_str().unwrap().contains("trial"), "{trial}");
        let orders = merchant.orders().await;
        assert_eq!(orders.len(), 1);
        let first = &orders[0];
        assert_eq!((&first["amount_total"], &first["amount_paid"]), (&json!(0), &json!(0)), "{first}");
        assert_eq!((&first["status"], &first["holds"]), (&json!("fulfilled"), &json!([])));
        assert_eq!(first["billing"]["invoice"]["status"], "paid");
        assert_eq!(first["billing"]["subscription"]["period_end"], trial["trial_end"]);
        assert_eq!(merchant.parcels(), ["2 × TEA"]);

        merchant.pass(15).await;
        let active = merchant.subscription(&name).await;
        assert_eq!((&active["status"], &active["dunning"]), (&json!("active"), &Value::Null), "{active}");
        let orders = merchant.orders().await;
        assert_eq!(orders.len(), 2);
        assert_eq!((&orders[1]["amount_paid"], &orders[1]["status"]), (&json!(2000), &json!("fulfilled")));
        assert_eq!(orders[0]["updated_at"], first["updated_at"]);
        assert_eq!(merchant.parcels(), ["2 × TEA"; 2]);
    }
}

#[tokio::test]
async fn a_trial_that_ends_without_a_card_asks_the_customer_and_sends_once_they_paid() {
    let merchant = Merchant::open(NEWEST).await;
    let customer = merchant.make("/v1/customers", &json!({ "email": "ada@example.com" })).await;
    let tea = merchant.monthly("TEA").await;
    let asked = json!({ "customer": customer["id"], "items": [{ "price": tea }], "trial_days": 7 });
    let name = merchant.subscribe(asked).await;

    merchant.pass(7).await;
    merchant.wait(HOUR).await;
    let owing = merchant.subscription(&name).await;
    assert_eq!(owing["status"], "past_due", "{owing}");
    assert_eq!(merchant.states().await[1], ("payment_failed".to_owned(), "none".to_owned()));
    assert_eq!(merchant.parcels().len(), 1, "that of the trial");

    let page = merchant.pay_on_page(&owing["dunning"]["pay_here"], "4242424242424242").await;
    assert_eq!(page.status(), 200);
    merchant.catch_up().await;
    assert_eq!(merchant.subscription(&name).await["status"], "active");
    assert_eq!(merchant.states().await[1], ("paid".to_owned(), "fulfilled".to_owned()));
    assert_eq!(merchant.parcels(), ["1 × TEA"; 2]);
}

#[tokio::test]
async fn what_costs_nothing_or_less_than_a_credit_is_paid_without_a_payment_and_sent() {
    let merchant = Merchant::open(NEWEST).await;
    let customer = merchant.customer("chargeCustomerFail").await;
    let product = merchant.make("/v1/products", &json!({ "name": "Sample", "sku": "SAMPLE" })).await;
    let price = json!({ "product": product["id"], "currency": "usd", "unit_amount": 0, "recurring": { "interval": "month" } });
    let free = merchant.make("/v1/prices", &price).await["id"].clone();
    merchant.subscribe(json!({ "customer": customer, "items": [{ "price": free, "quantity": 3 }] })).await;
    assert_eq!(merchant.parcels(), ["3 × SAMPLE"]);

    // Stripe's side of a credit: a balance below zero.
    merchant.in_dashboard(&format!("/v1/customers/{customer}"), &[("balance", "-1500")]).await;
    let tea = merchant.monthly("TEA").await;
    merchant.subscribe(json!({ "customer": customer, "items": [{ "price": tea }] })).await;

    let orders = merchant.orders().await;
    assert_eq!(
        merchant.states().await,
        [("paid".to_owned(), "fulfilled".to_owned()), ("paid".to_owned(), "fulfilled".to_owned())]
    );
    assert_eq!((&orders[1]["amount_total"], &orders[1]["holds"]), (&json!(0), &json!([])), "{}", orders[1]);
    assert_eq!(merchant.parcels(), ["3 × SAMPLE", "1 × TEA"]);
    assert_eq!(merchant.at_stripe("/v1/payment_intents").await["data"], json!([]), "nothing was charged");
}
