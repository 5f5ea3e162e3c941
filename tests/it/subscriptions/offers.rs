//! Subscriptions that quotes begin in other ways than now and whole: later, with a trial, with something once.

use packline::fake_stripe::delivery::{NEWEST, OLD};
use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;

use crate::cli::{on, printed};
use crate::support::merchant::{DAY, HOUR, Merchant};

/// Makes an offer, and the customer takes it.
async fn accept(merchant: &Merchant, offer: Value) -> Value {
    let quote = merchant.make("/v1/quotes", &offer).await;
    let path = format!("/v1/quotes/{}", quote["id"].as_str().unwrap());
    merchant.ask(&format!("{path}/finalize"), json!({})).await;
    merchant.ask(&format!("{path}/accept"), json!({})).await
}

#[tokio::test]
async fn what_a_quote_begins_in_a_week_is_billed_and_sent_from_then_on_and_still_names_the_quote() {
    for version in [OLD, NEWEST] {
        let merchant = Merchant::open(version).await;
        let customer = merchant.customer("visa").await;
        let tea = merchant.monthly("TEA").await;
        let starts_at = (merchant.app.clock.now() + DAY * 7).format(&Rfc3339).unwrap();
        let offer = json!({ "customer": customer, "lines": [{ "price": tea, "quantity": 2 }], "starts_at": starts_at });
        let accepted = accept(&merchant, offer).await;
        let schedule = accepted["subscription_schedule"].as_str().unwrap();
        assert_eq!(
            (&accepted["subscription"], &accepted["invoice"]),
            (&Value::Null, &Value::Null),
            "{accepted}"
        );

        merchant.pass(6).await;
        assert!(merchant.orders().await.is_empty());
        merchant.pass(2).await;
        merchant.wait(HOUR).await;
        let subscription = merchant.subscription(schedule).await;
        assert_eq!(
            (&subscription["status"], &subscription["schedule"]),
            (&json!("active"), &json!(schedule)),
            "{subscription}"
        );
        assert_eq!(merchant.states().await, [("paid".to_owned(), "fulfilled".to_owned())]);
        merchant.pass(31).await;

        assert_eq!(merchant.parcels(), ["2 × TEA"; 2]);
        let orders = merchant.orders().await;
        for order in &orders {
            assert_eq!(order["billing"]["quote"]["id"], accepted["id"], "{order}");
            assert_eq!(order["billing"]["subscription"]["stripe_id"], subscription["stripe_id"]);
        }
        let shown =
            printed(on(&merchant.app.database, &["orders", "show", orders[1]["id"].as_str().unwrap()]));
        let chain = format!(
            "chain       quote {} accepted → subscription {} active → invoice ",
            accepted["number"].as_str().unwrap(),
            subscription["stripe_id"].as_str().unwrap()
        );
        assert!(shown.contains(&chain), "{chain}{shown}");
    }
}

#[tokio::test]
async fn what_is_offered_once_beside_what_recurs_is_in_the_first_parcel_only() {
    for version in [OLD, NEWEST] {
        let merchant = Merchant::open(version).await;
        let customer = merchant.customer("visa").await;
        let tea = merchant.monthly("TEA").await;
        let cup = merchant.make("/v1/products", &json!({ "name": "Cup", "sku": "CUP" })).await;
        let cup = json!({ "product": cup["id"], "currency": "usd", "unit_amount": 700 });
        let cup = merchant.make("/v1/prices", &cup).await;
        let lines = json!([{ "price": cup["id"] }, { "price": tea, "quantity": 2 }]);
        accept(&merchant, json!({ "customer": customer, "lines": lines })).await;
        merchant.wait(HOUR).await;
        merchant.pass(32).await;

        let totals: Vec<Value> =
            merchant.orders().await.iter().map(|order| order["amount_paid"].clone()).collect();
        assert_eq!(totals, [2700, 2000]);
        assert_eq!(merchant.parcels(), ["1 × CUP, 2 × TEA", "2 × TEA"]);
    }
}

#[tokio::test]
async fn a_trial_that_was_offered_begins_with_an_invoice_of_nothing_and_is_paid_for_afterwards() {
    for version in [OLD, NEWEST] {
        let merchant = Merchant::open(version).await;
        let customer = merchant.customer("visa").await;
        let tea = merchant.monthly("TEA").await;
        let offer = json!({ "customer": customer, "lines": [{ "price": tea }], "trial_days": 14 });
        let accepted = accept(&merchant, offer).await;
        assert!(merchant.orders().await.is_empty(), "its invoice is a draft for an hour");
        merchant.wait(HOUR).await;
        let name = accepted["subscription"].as_str().unwrap();
        assert_eq!(merchant.subscription(name).await["status"], "trialing");
        merchant.pass(15).await;

        let orders = merchant.orders().await;
        let paid: Vec<(&Value, &Value)> =
            orders.iter().map(|order| (&order["amount_paid"], &order["billing"]["quote"]["id"])).collect();
        assert_eq!(paid, [(&json!(0), &accepted["id"]), (&json!(1000), &accepted["id"])]);
        assert_eq!(merchant.parcels(), ["1 × TEA"; 2]);
        assert_eq!(merchant.subscription(name).await["status"], "active");
    }
}
