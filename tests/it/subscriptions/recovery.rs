//! Renewals that are not paid at once, and how they are paid after all; what was paid before is not touched.

use packline::fake_stripe::AfterRetries;
use packline::fake_stripe::delivery::{NEWEST, OLD};
use serde_json::{Value, json};

use crate::support::merchant::{HOUR, Merchant};

/// A subscription with one paid month, whose renewals are charged to another card.
async fn with_card(version: &str, card: &str) -> (Merchant, String, String) {
    let merchant = Merchant::open(version).await;
    let customer = merchant.customer("visa").await;
    let tea = merchant.monthly("TEA").await;
    let asked =
        json!({ "customer": customer, "items": [{ "price": tea }], "payment_behavior": "allow_incomplete" });
    let name = merchant.subscribe(asked).await;
    merchant.keep_card(&customer, card).await;
    (merchant, name, customer)
}

/// The first order, without what is told of the subscription behind it.
async fn first(merchant: &Merchant) -> Value {
    let mut first = merchant.orders().await[0].clone();
    first["billing"]["subscription"] = Value::Null;
    first
}

#[tokio::test]
async fn a_bank_that_wants_to_see_the_customer_at_a_renewal_is_shown_with_the_link_and_the_parcel_follows() {
    for version in [OLD, NEWEST] {
        let (merchant, name, _) = with_card(version, "authenticationRequired").await;
        let before = first(&merchant).await;
        merchant.pass(32).await;

        let owing = merchant.subscription(&name).await;
        assert_eq!((&owing["status"], &owing["access"]), (&json!("past_due"), &json!("granted")), "{owing}");
        let dunning = &owing["dunning"];
        assert_eq!(dunning["action_required"], true, "{owing}");
        merchant.open_page(&dunning["pay_here"]).await;
        let invoice = merchant.invoice(dunning["invoice"].as_str().unwrap()).await;
        assert_eq!(
            (&invoice["action_required"], &invoice["status"]),
            (&json!(true), &json!("open")),
            "{invoice}"
        );
        let order = &merchant.orders().await[1];
        assert_eq!(order["billing"]["invoice"]["hosted_invoice_url"], dunning["pay_here"], "{order}");
        assert_eq!(merchant.parcels().len(), 1);

        let bank = merchant.pay_on_page(&dunning["pay_here"], "4000002760003184").await;
        merchant.agree_at_bank(bank).await;
        merchant.catch_up().await;
        let paid = merchant.subscription(&name).await;
        assert_eq!((&paid["status"], &paid["dunning"]), (&json!("active"), &Value::Null), "{paid}");
        assert_eq!(merchant.states().await[1], ("paid".to_owned(), "fulfilled".to_owned()));
        assert_eq!(merchant.parcels(), ["1 × TEA"; 2]);
        assert_eq!(first(&merchant).await, before);
    }
}

#[tokio::test]
async fn what_stripe_gave_up_is_unpaid_until_its_invoice_is_paid_and_then_sent() {
    for version in [OLD, NEWEST] {
        let (merchant, name, customer) = with_card(version, "chargeCustomerFail").await;
        merchant.stripe.after_retries(AfterRetries::Unpaid);
        let before = first(&merchant).await;
        merchant.pass(31 + 16).await;

        let unpaid = merchant.subscription(&name).await;
        assert_eq!((&unpaid["status"], &unpaid["access"]), (&json!("unpaid"), &json!("revoked")), "{unpaid}");
        let dunning = unpaid["dunning"].clone();
        assert_eq!(
            (&dunning["attempt_count"], &dunning["next_payment_attempt"]),
            (&json!(4), &Value::Null),
            "{unpaid}"
        );
        assert_eq!(merchant.states().await[1], ("payment_failed".to_owned(), "none".to_owned()));
        merchant.keep_card(&customer, "visa").await;
        let path = format!("/v1/invoices/{}/pay", dunning["invoice"].as_str().unwrap());
        merchant.ask(&path, json!({})).await;

        let active = merchant.subscription(&name).await;
        assert_eq!((&active["status"], &active["access"]), (&json!("active"), &json!("granted")), "{active}");
        assert_eq!(merchant.states().await[1], ("paid".to_owned(), "fulfilled".to_owned()));
        assert_eq!(merchant.parcels(), ["1 × TEA"; 2]);
        assert_eq!(first(&merchant).await, before);
    }
}

#[tokio::test]
async fn what_ended_for_want_of_payment_can_still_be_paid_and_is_sent_then() {
    for version in [OLD, NEWEST] {
        let (merchant, name, _) = with_card(version, "chargeCustomerFail").await;
        merchant.pass(31 + 16).await;
        let over = merchant.subscription(&name).await;
        assert_eq!((&over["status"], &over["access"]), (&json!("canceled"), &json!("revoked")), "{over}");
        let owing = merchant.orders().await[1].clone();
        assert_eq!(owing["payment_status"], "payment_failed");

        let page = merchant
            .pay_on_page(&owing["billing"]["invoice"]["hosted_invoice_url"], "4242424242424242")
            .await;
        assert_eq!(page.status(), 200);
        merchant.catch_up().await;
        assert_eq!(merchant.states().await[1], ("paid".to_owned(), "fulfilled".to_owned()));
        assert_eq!(merchant.parcels(), ["1 × TEA"; 2]);
        let over = merchant.subscription(&name).await;
        assert_eq!(
            (&over["status"], &over["dunning"]),
            (&json!("canceled"), &Value::Null),
            "what is over stays over"
        );
        merchant.pass(31).await;
        assert_eq!(merchant.orders().await.len(), 2, "and nothing more is billed");
    }
}

#[tokio::test]
async fn a_renewal_that_was_written_off_is_sent_when_the_customer_pays_it_after_all() {
    for version in [OLD, NEWEST] {
        let (merchant, name, _) = with_card(version, "chargeCustomerFail").await;
        let before = first(&merchant).await;
        merchant.pass(32).await;
        let dunning = merchant.subscription(&name).await["dunning"].clone();
        let path = format!("/v1/invoices/{}/mark_uncollectible", dunning["invoice"].as_str().unwrap());
        merchant.ask(&path, json!({})).await;
        merchant.pass(20).await;
        assert_eq!(merchant.states().await[1], ("payment_failed".to_owned(), "none".to_owned()));

        let page = merchant.pay_on_page(&dunning["pay_here"], "4242424242424242").await;
        assert!(page.text().await.unwrap().contains("This invoice is paid."));
        merchant.catch_up().await;
        assert_eq!(merchant.states().await[1], ("paid".to_owned(), "fulfilled".to_owned()));
        assert_eq!(merchant.parcels(), ["1 × TEA"; 2]);
        assert_eq!(first(&merchant).await, before);
    }
}

#[tokio::test]
async fn an_invoice_is_sent_to_the_customer_who_pays_by_transfer_after_its_day() {
    for version in [OLD, NEWEST] {
        let merchant = Merchant::open(version).await;
        let customer = merchant.make("/v1/customers", &json!({ "email": "ada@example.com" })).await;
        let tea = merchant.monthly("TEA").await;
        let asked = json!({ "customer": customer["id"], "items": [{ "price": tea }],"collection_method": "send_invoice", "days_until_due": 7 });
        let name = merchant.subscribe(asked).await;
        let draft = merchant.get("/v1/invoices").await["data"][0].clone();
        assert_eq!(
            (&draft["status"], &draft["collection_method"]),
            (&json!("draft"), &json!("send_invoice")),
            "{draft}"
        );

        let path = format!("/v1/invoices/{}", draft["stripe_id"].as_str().unwrap());
        let sent = merchant.ask(&format!("{path}/send"), json!({})).await;
        assert_eq!(
            (&sent["status"], &sent["next_payment_attempt"]),
            (&json!("open"), &Value::Null),
            "{sent}"
        );
        assert!(sent["due_date"].is_string(), "{sent}");
        let again = merchant.ask(&format!("{path}/send"), json!({})).await;
        assert_eq!(again["status"], "open", "{again}");
        let order = merchant.orders().await[0].clone();
        assert_eq!(order["payment_status"], "awaiting_payment", "{order}");
        assert_eq!(order["billing"]["invoice"]["due_date"], sent["due_date"]);
        merchant.open_page(&order["billing"]["invoice"]["hosted_invoice_url"]).await;

        merchant.pass(7).await;
        merchant.wait(HOUR).await;
        let owing = merchant.subscription(&name).await;
        assert_eq!(
            (&owing["status"], &owing["dunning"]["number"]),
            (&json!("past_due"), &sent["number"]),
            "{owing}"
        );
        assert!(merchant.parcels().is_empty());
        merchant.ask(&format!("{path}/pay"), json!({ "paid_out_of_band": true })).await;
        assert_eq!(merchant.subscription(&name).await["status"], "active");
        assert_eq!(merchant.states().await, [("paid".to_owned(), "fulfilled".to_owned())]);
        assert_eq!(merchant.parcels(), ["1 × TEA"]);
    }
}
