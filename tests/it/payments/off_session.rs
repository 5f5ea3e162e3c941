//! Charges while the customer is away.

use packline::fake_stripe::Outcome;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::Shop;
use super::shop::{intent, token};

/// A customer who kept a card: `cus_…` and `pm_…`.
async fn who_kept(shop: &Shop, card: &str) -> (String, String) {
    let first = shop.place_for_server(json!({ "save_for_later": true })).await;
    let (_, answer) = shop.pay_with(&first, card).await;
    if answer["requires_action"] == true {
        shop.authenticate(&first, Outcome::Succeeded);
        shop.pay_again(&first).await;
    }
    shop.deliver().await;
    let made = shop.see(&format!("/v1/payment_intents/{}", intent(&first))).await;
    assert_eq!(made["status"], "succeeded", "{made}");
    (made["customer"].as_str().unwrap().to_owned(), made["payment_method"].as_str().unwrap().to_owned())
}

async fn charge(shop: &Shop, customer: &str, method: &str) -> Value {
    shop.place_for_server(json!({ "off_session": true, "customer": customer, "payment_method": method }))
        .await
}

#[tokio::test]
async fn a_kept_card_is_charged_without_the_customer() {
    let shop = Shop::open().await;
    let (customer, method) = who_kept(&shop, "visa").await;

    let placed = charge(&shop, &customer, &method).await;
    shop.deliver().await;

    assert_eq!(
        (&placed["payment"]["intent_status"], &placed["payment"]["problem"]),
        (&json!("succeeded"), &json!(null))
    );
    assert_eq!(shop.order(&placed).await["payment_status"], "paid");
    assert_eq!(shop.charges(&placed).await.len(), 1);
}

#[tokio::test]
async fn a_card_whose_bank_asks_brings_the_customer_back() {
    let shop = Shop::open().await;
    let (customer, method) = who_kept(&shop, "authenticationRequired").await;

    let placed = charge(&shop, &customer, &method).await;
    shop.deliver().await;
    let failed = shop.order(&placed).await;
    let (_, asked) = shop.pay(token(&placed), json!({ "payment_method_id": method })).await;
    shop.authenticate(&placed, Outcome::Succeeded);
    let paid = shop.pay_again(&placed).await;
    shop.deliver().await;

    assert_eq!(placed["payment"]["problem_code"], "authentication_required", "{placed}");
    assert!(placed["payment"]["checkout_url"].as_str().unwrap().contains("/checkout/"));
    assert_eq!(failed["payment_status"], "payment_failed");
    assert_eq!(asked["requires_action"], true, "{asked}");
    assert_eq!(paid, (StatusCode::OK, json!({ "success": true })));
    assert_eq!(shop.order(&placed).await["payment_status"], "paid");
    assert_eq!(shop.charges(&placed).await.len(), 1);
}

#[tokio::test]
async fn an_off_session_charge_whose_answer_was_lost_is_made_once() {
    let shop = Shop::open().await;
    let (customer, method) = who_kept(&shop, "visa").await;
    let payment =
        json!({ "mode": "server", "off_session": true, "customer": customer, "payment_method": method });
    let body = crate::support::stripe::order(json!({ "payment": payment }));
    shop.fault("lost", "/v1/payment_intents", 3);

    let lost = shop.post("/v1/orders", &body, Some("renewal-1")).await;
    let again: Value = shop.post("/v1/orders", &body, Some("renewal-1")).await.json().await.unwrap();
    shop.deliver().await;

    assert_eq!(lost.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(shop.charges(&again).await.len(), 1);
    assert_eq!(shop.order(&again).await["payment_status"], "paid");
    assert_eq!(shop.intents().await.len(), 2, "the first purchase and this one");
}
