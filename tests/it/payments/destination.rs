//! Orders whose money goes to a connected account, less a commission.

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::Shop;
use super::shop::intent;
use crate::support::stripe::{order, with};

async fn place(shop: &Shop, destination: Value, payment: Value) -> (StatusCode, Value) {
    let payment = with(json!({ "mode": "server" }), payment);
    let body = order(json!({ "payment": payment, "destination": destination }));
    let response = shop.post("/v1/orders", &body, None).await;
    (response.status(), response.json().await.unwrap())
}

async fn made(shop: &Shop, order: &Value) -> Value {
    shop.see(&format!("/v1/payment_intents/{}", intent(order))).await
}

#[tokio::test]
async fn an_account_that_cannot_take_payments_is_refused_with_the_reason() {
    let shop = Shop::open().await;
    let account = shop.connect_account().await;

    let early = place(&shop, json!({ "account": account }), json!({})).await;
    let unknown = place(&shop, json!({ "account": "acct_nobody" }), json!({})).await;

    for (status, fault) in [early, unknown] {
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{fault}");
        assert_eq!(fault["error"]["fields"][0]["field"], "destination.account", "{fault}");
    }
    assert_eq!(shop.app.value::<i64>("select count(*) from orders").await, 0);
}

#[tokio::test]
async fn the_account_gets_the_money_less_the_commission() {
    let shop = Shop::open().await;
    let account = shop.connect_account().await;
    shop.complete_account(&account).await;

    let (status, agreed) = place(&shop, json!({ "account": account }), json!({})).await;
    let own = json!({ "account": account, "commission": { "fixed": 30, "basis_points": 250 }, "on_behalf_of": true });
    let (_, asked) = place(&shop, own, json!({})).await;
    let (_, free) = place(&shop, json!({ "account": account, "commission": {} }), json!({})).await;

    assert_eq!(status, StatusCode::CREATED, "{agreed}");
    let (agreed, asked, free) =
        (made(&shop, &agreed).await, made(&shop, &asked).await, made(&shop, &free).await);
    assert_eq!(
        (&agreed["application_fee_amount"], &agreed["transfer_data"]["destination"]),
        (&json!(240), &json!(account))
    );
    assert_eq!((&asked["application_fee_amount"], &asked["on_behalf_of"]), (&json!(80), &json!(account)));
    assert_eq!(free["application_fee_amount"], json!(null));
}

#[tokio::test]
async fn the_commission_on_a_part_is_that_of_the_part() {
    let shop = Shop::open().await;
    let account = shop.connect_account().await;
    shop.complete_account(&account).await;
    let (_, placed) = place(&shop, json!({ "account": account }), json!({ "capture": "manual" })).await;
    shop.pay_with(&placed, "visa").await;
    shop.deliver().await;

    let (status, _) = shop.act(&placed, "capture", json!({ "amount": 1000 })).await;
    shop.deliver().await;

    assert_eq!(status, StatusCode::OK);
    assert_eq!(made(&shop, &placed).await["application_fee_amount"], 120);
    assert_eq!(shop.order(&placed).await["payment_status"], "paid");
}

#[tokio::test]
async fn a_preview_says_who_bears_a_refund_and_the_refund_does_so() {
    let shop = Shop::open().await;
    let account = shop.connect_account().await;
    shop.complete_account(&account).await;
    let (_, placed) = place(&shop, json!({ "account": account }), json!({})).await;
    shop.pay_with(&placed, "visa").await;
    shop.deliver().await;

    let whole = json!({ "amount": 500, "reverse_transfer": true, "refund_application_fee": true });
    let (_, preview) = shop.act(&placed, "refunds", with(whole.clone(), json!({ "preview": true }))).await;
    let (_, alone) = shop.act(&placed, "refunds", json!({ "amount": 500, "preview": true })).await;
    let (status, refund) = shop.act(&placed, "refunds", whole).await;
    shop.deliver().await;

    assert_eq!((&preview["platform_bears"], &preview["account_bears"]), (&json!(60), &json!(440)));
    assert_eq!((&alone["platform_bears"], &alone["account_bears"]), (&json!(500), &json!(0)));
    assert_eq!(status, StatusCode::CREATED, "{refund}");
    let seen = shop.see(&format!("/v1/refunds/{}", refund["stripe_id"].as_str().unwrap())).await;
    assert!(seen["transfer_reversal"].is_string(), "{seen}");
    let fees = shop.see("/v1/application_fees").await;
    assert_eq!(fees["data"][0]["amount_refunded"], 60, "{fees}");
    assert_eq!(shop.order(&placed).await["payment_status"], "partially_refunded");
}

#[tokio::test]
async fn without_a_fee_none_is_given_back() {
    let shop = Shop::open().await;
    let account = shop.connect_account().await;
    shop.complete_account(&account).await;
    let (_, placed) = place(&shop, json!({ "account": account, "commission": {} }), json!({})).await;
    shop.pay_with(&placed, "visa").await;
    shop.deliver().await;

    let body = json!({ "reverse_transfer": true, "refund_application_fee": true });
    let (_, preview) = shop.act(&placed, "refunds", with(body.clone(), json!({ "preview": true }))).await;
    let (status, refund) = shop.act(&placed, "refunds", body).await;

    assert_eq!((&preview["account_bears"], &preview["application_fee_refunded"]), (&json!(2000), &json!(0)));
    assert_eq!(status, StatusCode::CREATED, "{refund}");
    assert_eq!(refund["refund_application_fee"], false);
}
