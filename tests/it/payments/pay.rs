//! `POST /pay`.

use packline::fake_stripe::Outcome;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::Shop;
use super::shop::{id, intent, token};

const SUCCESS: fn() -> (StatusCode, Value) = || (StatusCode::OK, json!({ "success": true }));

#[tokio::test]
async fn a_good_card_pays_and_the_event_moves_the_order() {
    let shop = Shop::open().await;
    let placed = shop.place_for_server(json!({})).await;

    let answer = shop.pay_with(&placed, "visa").await;
    let before = shop.order(&placed).await;
    let page = shop.state(&placed).await;
    shop.deliver().await;
    let after = shop.order(&placed).await;

    assert_eq!(answer, SUCCESS());
    assert_eq!(before["payment_status"], "awaiting_payment", "an answer moves no order");
    assert_eq!(before["payment"]["intent_status"], "succeeded");
    assert_eq!((&page["is_awaiting_event"], &page["error"]), (&json!(true), &json!(null)));
    assert_eq!((&after["payment_status"], &after["fulfilment_status"]), (&json!("paid"), &json!("queued")));
    let page = shop.state(&placed).await;
    assert_eq!((&page["is_awaiting_event"], &page["client_secret"]), (&json!(false), &json!(null)));
}

#[tokio::test]
async fn a_declined_card_is_told_why_and_another_one_pays() {
    let shop = Shop::open().await;
    let placed = shop.place_for_server(json!({})).await;

    let (status, declined) = shop.pay_with(&placed, "chargeDeclinedInsufficientFunds").await;
    let page = shop.state(&placed).await;
    let again = shop.pay_with(&placed, "chargeDeclinedInsufficientFunds").await;
    let paid = shop.pay_with(&placed, "visa").await;
    shop.deliver().await;

    assert_eq!(status, StatusCode::PAYMENT_REQUIRED);
    assert_eq!(declined["error"]["decline_code"], "insufficient_funds");
    assert_eq!(page["error"], declined["error"]);
    assert_eq!(again.0, StatusCode::PAYMENT_REQUIRED);
    assert_eq!(paid, SUCCESS());
    assert_eq!(shop.order(&placed).await["payment_status"], "paid");
    assert_eq!(shop.charges(&placed).await.len(), 1);
    let keys: i64 = shop
        .app
        .value("select count(distinct idempotency_key) from stripe_calls where operation = 'confirm'")
        .await;
    assert_eq!(keys, 3, "each try after a decline has a key of its own");
}

#[tokio::test]
async fn a_stolen_card_is_only_declined() {
    let shop = Shop::open().await;
    let placed = shop.place_for_server(json!({})).await;

    for card in ["chargeDeclinedStolenCard", "chargeDeclinedLostCard", "chargeDeclinedFraudulent"] {
        let (_, declined) = shop.pay_with(&placed, card).await;
        assert_eq!(
            declined,
            json!({ "error": {
                "message": "Your card was declined.", "code": "card_declined", "decline_code": "generic_decline"
            } }),
            "{card}"
        );
    }
}

#[tokio::test]
async fn a_bank_that_asks_first_is_asked_and_the_second_confirmation_pays() {
    let shop = Shop::open().await;
    let placed = shop.place_for_server(json!({})).await;

    let (status, asked) = shop.pay_with(&placed, "authenticationRequired").await;
    let clicked_twice = shop.pay_with(&placed, "authenticationRequired").await;
    shop.deliver().await;
    let waiting = shop.order(&placed).await;
    shop.authenticate(&placed, Outcome::Succeeded);
    let paid = shop.pay_again(&placed).await;
    let paid_twice = shop.pay_again(&placed).await;
    shop.deliver().await;

    assert_eq!(status, StatusCode::OK);
    let secret = &placed["payment"]["client_secret"];
    assert_eq!(asked, json!({ "requires_action": true, "payment_intent_client_secret": secret }));
    assert_eq!(clicked_twice.1, asked);
    assert_eq!(waiting["payment_status"], "requires_action");
    assert_eq!((paid, paid_twice), (SUCCESS(), SUCCESS()));
    assert_eq!(shop.order(&placed).await["payment_status"], "paid");
    assert_eq!(shop.charges(&placed).await.len(), 1);
}

#[tokio::test]
async fn a_step_that_failed_can_be_taken_again_with_the_same_card() {
    let shop = Shop::open().await;
    let placed = shop.place_for_server(json!({})).await;
    shop.pay_with(&placed, "authenticationRequired").await;
    shop.authenticate(&placed, Outcome::Failed);

    let failed = shop.pay_again(&placed).await;
    let (_, asked) = shop.pay_with(&placed, "authenticationRequired").await;
    shop.authenticate(&placed, Outcome::Succeeded);
    let paid = shop.pay_again(&placed).await;
    shop.deliver().await;

    assert_eq!(failed.1["error"]["code"], "payment_intent_authentication_failure", "{failed:?}");
    assert_eq!(asked["requires_action"], true);
    assert_eq!(paid, SUCCESS());
    assert_eq!(shop.order(&placed).await["payment_status"], "paid");
    assert_eq!(shop.charges(&placed).await.len(), 1);
}

#[tokio::test]
async fn twenty_clicks_at_once_charge_once() {
    let shop = Shop::open().await;
    let placed = shop.place_for_server(json!({})).await;

    let clicks = (0..20).map(|_| shop.pay_with(&placed, "visa"));
    let answers = futures_util::future::join_all(clicks).await;
    shop.deliver().await;

    let succeeded = answers.iter().filter(|answer| **answer == SUCCESS()).count();
    assert!(succeeded > 0);
    for (status, answer) in &answers {
        let is_told_to_wait = *status == StatusCode::CONFLICT && answer["error"]["code"] == "processing";
        assert!(answer["success"] == true || is_told_to_wait, "{status} {answer}");
    }
    assert_eq!(shop.charges(&placed).await.len(), 1);
    assert_eq!(
        shop.app.value::<i64>("select count(*) from stripe_calls where operation = 'confirm'").await,
        1
    );
    let after = shop.order(&placed).await;
    assert_eq!((&after["payment_status"], &after["amount_paid"]), (&json!("paid"), &json!(2000)));
}

#[tokio::test]
async fn two_tabs_with_two_cards_charge_one_of_them() {
    let shop = Shop::open().await;
    let placed = shop.place_for_server(json!({})).await;

    let cards = ["visa", "mastercard", "amex", "visa_debit", "discover", "jcb"];
    let answers = futures_util::future::join_all(cards.map(|card| shop.pay_with(&placed, card))).await;
    shop.deliver().await;

    assert!(answers.contains(&SUCCESS()));
    assert_eq!(shop.charges(&placed).await.len(), 1);
    assert_eq!(shop.order(&placed).await["amount_paid"], 2000);
}

#[tokio::test]
async fn what_is_paid_is_not_paid_again() {
    let shop = Shop::open().await;
    let placed = shop.place_for_server(json!({})).await;
    shop.pay_with(&placed, "visa").await;

    let before_the_event = shop.pay_with(&placed, "mastercard").await;
    shop.deliver().await;
    let after_the_event = shop.pay_with(&placed, "amex").await;

    assert_eq!((before_the_event, after_the_event), (SUCCESS(), SUCCESS()));
    assert_eq!(shop.charges(&placed).await.len(), 1);
}

#[tokio::test]
async fn a_token_pays_for_its_own_order_only() {
    let shop = Shop::open().await;
    let (one, other) = (shop.place_for_server(json!({})).await, shop.place_for_server(json!({})).await);

    let nobody = shop.pay("plc_nonsense", json!({ "payment_method_id": "pm_card_visa" })).await;
    let foreign = shop.pay(token(&one), json!({ "payment_intent_id": intent(&other) })).await;
    let url = format!("{}/checkout/{}/state?token={}", shop.app.base, id(&other), token(&one));
    let peeked = shop.app.client.get(url).send().await.unwrap();
    let listed = shop.app.client.get(format!("{}/v1/orders", shop.app.base)).bearer_auth(token(&one));

    assert_eq!(nobody.0, StatusCode::UNAUTHORIZED);
    assert_eq!(
        (foreign.0, &foreign.1["error"]["code"]),
        (StatusCode::CONFLICT, &json!("wrong_payment_intent"))
    );
    assert_eq!(peeked.status(), StatusCode::NOT_FOUND);
    assert_eq!(listed.send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    assert!(shop.charges(&other).await.is_empty());
}

#[tokio::test]
async fn a_token_expires_and_a_new_one_is_made() {
    let shop = Shop::open().await;
    let placed = shop.place_for_server(json!({})).await;
    shop.app.clock.advance(std::time::Duration::from_secs(25 * 3600));

    let expired = shop.pay_with(&placed, "visa").await;
    let (status, made) = shop.act(&placed, "checkout_tokens", json!({})).await;
    let body = json!({ "payment_method_id": "pm_card_visa", "token": made["checkout_token"] });
    let request = shop.app.client.post(format!("{}/pay", shop.app.base)).json(&body);
    let paid: Value = request.send().await.unwrap().json().await.unwrap();

    assert_eq!(expired.0, StatusCode::UNAUTHORIZED);
    assert_eq!(status, StatusCode::CREATED);
    assert_eq!(paid, json!({ "success": true }));
}

#[tokio::test]
async fn a_card_is_kept_for_later_where_the_customer_ticks_it() {
    let shop = Shop::open().await;
    let placed = shop.place_for_server(json!({})).await;

    let body = json!({ "payment_method_id": "pm_card_visa", "save_for_later": true });
    let paid = shop.pay(token(&placed), body).await;

    assert_eq!(paid, SUCCESS());
    let made = shop.see(&format!("/v1/payment_intents/{}", intent(&placed))).await;
    assert_eq!(made["setup_future_usage"], "off_session");
    let customer = made["customer"].as_str().unwrap();
    assert_eq!(shop.order(&placed).await["payment"]["customer"], customer);
    let kept = shop.see(&format!("/v1/payment_methods?customer={customer}")).await;
    assert_eq!(kept["data"].as_array().unwrap().len(), 1);
}

/// What Stripe.js makes of a security code that was asked for again.
async fn security_code(shop: &Shop) -> String {
    let ask = shop.app.client.post(format!("{}/v1/tokens", shop.stripe.base())).bearer_auth("pk_test_shop");
    let made: Value = ask.form(&[("cvc_update[cvc]", "123")]).send().await.unwrap().json().await.unwrap();
    made["id"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned()
}

#[tokio::test]
async fn a_kept_card_is_paid_with_its_security_code_asked_for_again() {
    let shop = Shop::open().await;
    let first = shop.place_for_server(json!({ "save_for_later": true })).await;
    shop.pay_with(&first, "visa").await;
    let made = shop.see(&format!("/v1/payment_intents/{}", intent(&first))).await;
    let place = async || shop.place_for_server(json!({ "customer": made["customer"] })).await;
    let with = |code: &str| json!({ "payment_method_id": made["payment_method"], "cvc_token": code });
    let code = security_code(&shop).await;

    let (plain, lost, other) = (place().await, place().await, place().await);
    let paid = shop.pay(token(&plain), with(&code)).await;
    // Stripe takes a code once: that it was taken is the proof that it was sent.
    let (status, used_up) = shop.pay(token(&other), with(&code)).await;
    let paid_then = shop.pay(token(&other), with(&security_code(&shop).await)).await;
    // A try without an answer took its code with it, and is still the same try.
    let code = security_code(&shop).await;
    shop.fault("lost", "/v1/payment_intents", 3);
    let unknown = shop.pay(token(&lost), with(&code)).await;
    let joined = shop.pay(token(&lost), with(&security_code(&shop).await)).await;
    shop.deliver().await;

    assert_eq!((paid, paid_then, joined), (SUCCESS(), SUCCESS(), SUCCESS()));
    assert_eq!((status, &used_up["error"]["code"]), (StatusCode::PAYMENT_REQUIRED, &json!("payment_failed")));
    assert_eq!(unknown.1["error"]["code"], "processing");
    for order in [&plain, &lost, &other] {
        assert_eq!(shop.order(order).await["payment_status"], "paid");
        assert_eq!(shop.charges(order).await.len(), 1);
    }
    let refused: String = shop.app.value("select code from stripe_calls where state = 'refused'").await;
    assert_eq!(refused, "token_already_used");
}
