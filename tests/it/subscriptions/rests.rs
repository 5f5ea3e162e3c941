//! Months in which nothing is charged: pauses, and the end.

use std::time::Duration;

use packline::fake_stripe::delivery::{NEWEST, OLD};
use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;

use crate::support::merchant::{DAY, Merchant};

async fn begin(version: &str) -> (Merchant, String) {
    let merchant = Merchant::open(version).await;
    let customer = merchant.customer("visa").await;
    let tea = merchant.monthly("TEA").await;
    let asked =
        json!({ "customer": customer, "items": [{ "price": tea }], "payment_behavior": "allow_incomplete" });
    let name = merchant.subscribe(asked).await;
    assert_eq!(merchant.parcels(), ["1 × TEA"]);
    (merchant, name)
}

/// The newest invoice of a subscription.
async fn newest(merchant: &Merchant, name: &str) -> Value {
    let subscription = merchant.at_stripe(&format!("/v1/subscriptions/{name}")).await;
    merchant.invoice(subscription["latest_invoice"].as_str().unwrap()).await
}

#[tokio::test]
async fn a_month_of_a_pause_is_not_charged_and_not_sent_and_the_next_one_is() {
    for version in [OLD, NEWEST] {
        let (merchant, name) = begin(version).await;
        merchant.ask(&format!("/v1/subscriptions/{name}/pause"), json!({ "behavior": "void" })).await;
        merchant.pass(32).await;

        assert_eq!(newest(&merchant, &name).await["status"], "void");
        let paused = merchant.subscription(&name).await;
        assert_eq!((&paused["status"], &paused["access"]), (&json!("active"), &json!("granted")), "{paused}");
        assert_eq!(paused["dunning"], Value::Null, "nobody is to pay");
        let states = merchant.states().await;
        assert_eq!(states[1], ("cancelled".to_owned(), "none".to_owned()), "{states:?}");
        assert_eq!(merchant.parcels().len(), 1);

        merchant.ask(&format!("/v1/subscriptions/{name}/resume"), json!({})).await;
        merchant.pass(31).await;
        let states = merchant.states().await;
        assert_eq!(states[2], ("paid".to_owned(), "fulfilled".to_owned()), "{states:?}");
        assert_eq!(merchant.parcels(), ["1 × TEA"; 2]);
    }
}

#[tokio::test]
async fn a_pause_that_has_an_end_ends_by_itself() {
    let (merchant, name) = begin(NEWEST).await;
    let until = (merchant.app.clock.now() + DAY * 40).format(&Rfc3339).unwrap();
    let pause = json!({ "behavior": "void", "resumes_at": until });
    let paused = merchant.ask(&format!("/v1/subscriptions/{name}/pause"), pause).await;
    assert!(paused["pause_resumes_at"].is_string(), "{paused}");

    merchant.pass(32).await;
    assert_eq!(merchant.parcels().len(), 1);
    merchant.pass(32).await;
    let goes_on = merchant.subscription(&name).await;
    assert_eq!((&goes_on["pause_behaviour"], &goes_on["pause_resumes_at"]), (&Value::Null, &Value::Null));
    assert_eq!(merchant.parcels(), ["1 × TEA"; 2]);
}

#[tokio::test]
async fn drafts_of_a_pause_can_be_finalised_afterwards_and_what_was_given_up_be_paid() {
    for (behaviour, kept_as) in [("keep_as_draft", "draft"), ("mark_uncollectible", "uncollectible")] {
        let (merchant, name) = begin(NEWEST).await;
        merchant.ask(&format!("/v1/subscriptions/{name}/pause"), json!({ "behavior": behaviour })).await;
        merchant.pass(32).await;
        let invoice = newest(&merchant, &name).await;
        assert_eq!(invoice["status"], kept_as, "{invoice}");
        assert_eq!(merchant.parcels().len(), 1, "{behaviour}");

        merchant.ask(&format!("/v1/subscriptions/{name}/resume"), json!({})).await;
        let path = format!("/v1/invoices/{}", invoice["stripe_id"].as_str().unwrap());
        let paid = merchant.ask(&format!("{path}/pay"), json!({})).await;
        assert_eq!(paid["status"], "paid", "{paid}");
        assert_eq!(
            merchant.states().await,
            [("paid".to_owned(), "fulfilled".to_owned()), ("paid".to_owned(), "fulfilled".to_owned())]
        );
        assert_eq!(merchant.parcels(), ["1 × TEA"; 2], "{behaviour}");
    }
}

#[tokio::test]
async fn after_its_last_period_nothing_is_billed_or_sent_and_what_was_sent_stays_as_it_is() {
    for version in [OLD, NEWEST] {
        let (merchant, name) = begin(version).await;
        merchant.ask(&format!("/v1/subscriptions/{name}/cancel"), json!({})).await;
        let before = merchant.orders().await;
        merchant.pass(20).await;
        assert_eq!(merchant.subscription(&name).await["access"], "granted", "until its period ends");
        merchant.pass(45).await;

        let over = merchant.subscription(&name).await;
        assert_eq!((&over["status"], &over["access"]), (&json!("canceled"), &json!("revoked")), "{over}");
        assert_eq!(merchant.orders().await, with_billing_of(&before, &merchant.orders().await));
        assert_eq!(merchant.parcels().len(), 1);
    }
}

/// Orders as they were, but for what is told of the subscription behind them.
fn with_billing_of(before: &[Value], after: &[Value]) -> Vec<Value> {
    let mut before = before.to_vec();
    for (before, after) in before.iter_mut().zip(after) {
        before["billing"] = after["billing"].clone();
    }
    before
}

#[tokio::test]
async fn what_is_cancelled_while_its_renewal_is_a_draft_is_not_charged_for_it() {
    for version in [OLD, NEWEST] {
        let (merchant, name) = begin(version).await;
        let subscription = merchant.at_stripe(&format!("/v1/subscriptions/{name}")).await;
        let end = subscription["items"]["data"][0]["current_period_end"].as_i64().unwrap();
        let rest = u64::try_from(end - merchant.app.clock.now().unix_timestamp()).unwrap();
        merchant.wait(Duration::from_secs(rest)).await;
        let invoice = newest(&merchant, &name).await;
        assert_eq!(
            (&invoice["status"], &invoice["billing_reason"]),
            (&json!("draft"), &json!("subscription_cycle")),
            "{invoice}"
        );
        let now = json!({ "when": "now" });
        merchant.ask(&format!("/v1/subscriptions/{name}/cancel"), now).await;
        merchant.pass(5).await;

        assert_eq!(merchant.subscription(&name).await["access"], "revoked");
        assert_eq!(newest(&merchant, &name).await["status"], "draft");
        assert_eq!(merchant.orders().await.len(), 1);
        assert_eq!(merchant.parcels().len(), 1);
    }
}

#[tokio::test]
async fn what_was_never_paid_expires_and_its_order_is_cancelled() {
    for version in [OLD, NEWEST] {
        let merchant = Merchant::open(version).await;
        let customer = merchant.make("/v1/customers", &json!({ "email": "ada@example.com" })).await;
        let tea = merchant.monthly("TEA").await;
        let name =
            merchant.subscribe(json!({ "customer": customer["id"], "items": [{ "price": tea }] })).await;
        let waiting = merchant.subscription(&name).await;
        assert_eq!(
            (&waiting["status"], &waiting["access"]),
            (&json!("incomplete"), &json!("revoked")),
            "{waiting}"
        );
        assert_eq!(merchant.states().await, [("awaiting_payment".to_owned(), "none".to_owned())]);

        merchant.pass(1).await;
        let over = merchant.subscription(&name).await;
        assert_eq!(
            (&over["status"], &over["dunning"]),
            (&json!("incomplete_expired"), &Value::Null),
            "{over}"
        );
        assert_eq!(merchant.states().await, [("cancelled".to_owned(), "none".to_owned())]);
        let order = merchant.orders().await[0].clone();
        let page = merchant
            .open_page(&order["billing"]["invoice"]["hosted_invoice_url"])
            .await
            .text()
            .await
            .unwrap();
        assert!(page.contains("This invoice is void"), "{page}");
        merchant.pass(31).await;
        assert_eq!((merchant.orders().await.len(), merchant.parcels().len()), (1, 0));
    }
}
