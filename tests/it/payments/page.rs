//! The page that pays: how it is served, and what its order's state tells a customer.

use packline::config::StripeConfig;
use packline::fake_stripe::Outcome;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::Shop;
use super::shop::intent;
use crate::support::TestApp;

const STRIPE: &str = "https://api.stripe.com";

fn header(response: &reqwest::Response, name: &str) -> String {
    response.headers()[name].to_str().unwrap().to_owned()
}

/// The browser confirms, without the service.
async fn confirm(shop: &Shop, placed: &Value, method: &str) -> StatusCode {
    let url = format!("{}/v1/payment_intents/{}/confirm", shop.stripe.base(), intent(placed));
    let secret = placed["payment"]["client_secret"].as_str().unwrap();
    let form = [
        ("client_secret", secret),
        ("payment_method", method),
        ("return_url", "https://shop.example/"),
        ("mandate_data[customer_acceptance][type]", "online"),
        ("mandate_data[customer_acceptance][online][ip_address]", "127.0.0.1"),
        ("mandate_data[customer_acceptance][online][user_agent]", "test"),
    ];
    let ask = shop.app.client.post(url).bearer_auth("sk_test_shop").form(&form[..]);
    ask.send().await.unwrap().status()
}

#[tokio::test]
async fn the_page_may_load_only_itself_and_stripe() {
    let shop = Shop::open().await;

    let page = shop.app.client.get(format!("{}/checkout/A-1?token=x", shop.app.base)).send().await.unwrap();

    let stripe = shop.stripe.base();
    assert_eq!(
        header(&page, "content-security-policy"),
        format!(
            "default-src 'none'; script-src 'self' {stripe}; frame-src {stripe}; connect-src 'self' {stripe}; \
             style-src 'self'; img-src data:; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
        )
    );
    assert_eq!(header(&page, "referrer-policy"), "no-referrer");
    assert_eq!(header(&page, "cache-control"), "no-store");
}

#[tokio::test]
async fn with_the_real_stripe_the_page_may_load_what_its_script_and_frames_need_and_no_more() {
    let shop = Shop::open_with(Vec::new(), |config| {
        *config = StripeConfig::new(config.secret_key.clone(), STRIPE.parse().unwrap()).unwrap();
    })
    .await;

    let page = shop.app.client.get(format!("{}/checkout/A-1?token=x", shop.app.base)).send().await.unwrap();

    // As Stripe's security guide lists them for Stripe.js.
    let js = "https://js.stripe.com https://*.js.stripe.com";
    assert_eq!(
        header(&page, "content-security-policy"),
        format!(
            "default-src 'none'; script-src 'self' {js}; frame-src {js} https://hooks.stripe.com; \
             connect-src 'self' {STRIPE}; style-src 'self'; img-src data:; form-action 'none'; base-uri 'none'; \
             frame-ancestors 'none'"
        )
    );
}

#[tokio::test]
async fn without_a_key_of_stripes_a_customer_gets_a_page_too() {
    let app = TestApp::start().await;

    let page = app.client.get(format!("{}/checkout/A-1?token=x", app.base)).send().await.unwrap();

    assert_eq!(page.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(header(&page, "content-type").starts_with("text/html"));
    assert!(header(&page, "content-security-policy").contains("default-src 'none'; script-src 'self';"));
}

#[tokio::test]
async fn why_a_browser_was_declined_is_still_told_after_a_reload() {
    let shop = Shop::open().await;
    let placed = shop.place(json!({ "mode": "client" })).await;

    confirm(&shop, &placed, "pm_card_chargeDeclinedInsufficientFunds").await;
    let before = shop.state(&placed).await;
    shop.deliver().await;
    let declined = shop.state(&placed).await;
    confirm(&shop, &placed, "pm_card_chargeDeclinedStolenCard").await;
    shop.deliver().await;
    let stolen = shop.state(&placed).await;
    confirm(&shop, &placed, "pm_card_visa").await;
    shop.deliver().await;
    let paid = shop.state(&placed).await;

    assert_eq!(before["error"], Value::Null, "only the event tells");
    assert_eq!(
        declined["error"],
        json!({
            "message": "Your card has insufficient funds.", "code": "card_declined",
            "decline_code": "insufficient_funds"
        })
    );
    assert_eq!(stolen["error"]["decline_code"], "generic_decline", "a thief learns nothing");
    assert_eq!((&paid["payment_status"], &paid["error"]), (&json!("paid"), &Value::Null));
}

#[tokio::test]
async fn an_older_failure_that_comes_later_is_not_told() {
    let shop = Shop::open().await;
    let placed = shop.place(json!({ "mode": "client" })).await;
    confirm(&shop, &placed, "pm_card_chargeDeclinedInsufficientFunds").await;
    shop.stripe.advance(std::time::Duration::from_secs(10));
    confirm(&shop, &placed, "pm_card_chargeDeclinedExpiredCard").await;
    let mut events = shop.events();
    events.reverse();

    shop.app.deliver(&events).await;

    assert_eq!(shop.state(&placed).await["error"]["code"], "expired_card");
}

#[tokio::test]
async fn a_debit_that_failed_after_all_can_be_paid_another_way() {
    let shop = Shop::open().await;
    let asked = crate::support::stripe::order(json!({ "currency": "eur", "payment": { "mode": "client" } }));
    let placed: Value = shop.post("/v1/orders", &asked, None).await.json().await.unwrap();
    assert_eq!(confirm(&shop, &placed, "pm_failedDelayed_at").await, StatusCode::OK);
    shop.deliver().await;
    let processing = shop.state(&placed).await;

    shop.stripe.advance(std::time::Duration::from_secs(600));
    shop.deliver().await;
    let failed = shop.state(&placed).await;

    assert_eq!(processing["payment_status"], "processing");
    assert_eq!(
        (&failed["payment_status"], &failed["is_awaiting_event"]),
        (&json!("payment_failed"), &json!(false))
    );
    assert!(failed["error"]["message"].as_str().is_some(), "{failed}");
    assert!(failed["client_secret"].is_string(), "there is something to pay");
    let payment = &shop.order(&placed).await["payment"];
    assert_eq!(payment["intent_status"], "requires_payment_method", "the merchant is told too");
    assert_eq!(payment["problem"], failed["error"]["message"]);
}

#[tokio::test]
async fn a_step_that_failed_is_told_though_the_customer_never_comes_back() {
    let shop = Shop::open().await;
    let placed = shop.place_for_server(json!({})).await;
    shop.pay_with(&placed, "authenticationRequired").await;
    shop.authenticate(&placed, Outcome::Failed);
    let mut events = shop.events();
    events.reverse();

    shop.app.deliver(&events[..1]).await;
    shop.app.deliver(&events[1..]).await;

    let payment = &shop.order(&placed).await["payment"];
    assert_eq!(
        (&payment["intent_status"], &payment["problem_code"]),
        (&json!("requires_payment_method"), &json!("payment_intent_authentication_failure"))
    );
    let page = shop.state(&placed).await;
    assert_eq!(page["error"]["code"], "payment_intent_authentication_failure", "{page}");
}

#[tokio::test]
async fn late_news_of_an_earlier_try_is_not_news_of_the_next() {
    let shop = Shop::open().await;
    let placed = shop.place_for_server(json!({})).await;
    shop.pay_with(&placed, "chargeDeclined").await;
    shop.app.clock.advance(std::time::Duration::from_secs(10));
    let (_, asked) = shop.pay_with(&placed, "authenticationRequired").await;

    shop.deliver().await;

    assert_eq!(asked["requires_action"], true, "{asked}");
    let payment = &shop.order(&placed).await["payment"];
    assert_eq!((&payment["intent_status"], &payment["problem"]), (&json!("requires_action"), &Value::Null));
}
