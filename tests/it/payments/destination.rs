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
    let fees = shop.see("/v1/application_fees").await;
    assert_eq!((fees["data"][0]["amount"].clone(), fees["data"].as_array().unwrap().len()), (json!(120), 1));
    let charge = shop.charges(&placed).await.remove(0);
    let transfer = shop.see(&format!("/v1/transfers/{}", charge["transfer"].as_str().unwrap())).await;
    assert_eq!(
        (&transfer["amount"], &transfer["destination"]),
        (&json!(1000), &json!(account)),
        "{transfer}"
    );
    let shown = shop.order(&placed).await;
    assert_eq!((&shown["payment_status"], &shown["amount_paid"]), (&json!("paid"), &json!(1000)), "{shown}");
    assert_eq!(shown["payment"]["application_fee"], 120);
}

#[tokio::test]
async fn a_refused_capture_of_a_part_leaves_the_commission_on_the_whole_as_it_was() {
    let shop = Shop::open().await;
    let account = shop.connect_account().await;
    shop.complete_account(&account).await;
    let tenth = json!({ "account": account, "commission": { "basis_points": 1000 } });
    let (_, placed) = place(&shop, tenth, json!({ "capture": "manual" })).await;
    shop.pay_with(&placed, "visa").await;
    shop.deliver().await;
    sqlx::query("update order_payments set application_fee = 0").execute(&shop.app.pool).await.unwrap();

    let (status, _) = shop.act(&placed, "capture", json!({})).await;
    shop.deliver().await;

    assert_eq!(status, StatusCode::OK);
    assert_eq!(shop.order(&placed).await["payment"]["application_fee"], 200);
    assert_eq!(shop.see("/v1/application_fees").await["data"][0]["amount"], 200);
}

/// What of the fee and of the transfer went back at Stripe.
async fn gone_back(shop: &Shop, placed: &Value) -> (i64, i64) {
    let charge = shop.charges(placed).await.remove(0);
    let amount = |object: Value, name: &str| object[name].as_i64().unwrap_or_default();
    let transfer = shop.see(&format!("/v1/transfers/{}", charge["transfer"].as_str().unwrap())).await;
    let fee = match charge["application_fee"].as_str() {
        Some(fee) => shop.see(&format!("/v1/application_fees/{fee}")).await,
        None => Value::Null,
    };
    (amount(fee, "amount_refunded"), amount(transfer, "amount_reversed"))
}

#[tokio::test]
async fn each_refund_is_borne_as_its_preview_said() {
    let shop = Shop::open().await;
    let account = shop.connect_account().await;
    shop.complete_account(&account).await;
    // 7.77 % of 20.00 is 1.554: the shares of thirds cannot all be whole cents.
    for basis_points in [777, 0] {
        let deal = json!({ "account": account, "commission": { "basis_points": basis_points } });
        let (_, placed) = place(&shop, deal, json!({})).await;
        shop.pay_with(&placed, "visa").await;
        shop.deliver().await;
        let fee = shop.order(&placed).await["payment"]["application_fee"].as_i64().unwrap();
        let mut sums = (0, 0);

        for (amount, reverse, refund_fee) in [
            (Some(333), true, true),
            (Some(1), true, true),
            (Some(333), true, true),
            (Some(500), true, false),
            (Some(100), false, false),
            (None, true, true),
        ] {
            let mut body = json!({ "reverse_transfer": reverse, "refund_application_fee": refund_fee });
            if let Some(amount) = amount {
                body["amount"] = amount.into();
            }
            let before = gone_back(&shop, &placed).await;
            let (status, preview) =
                shop.act(&placed, "refunds", with(body.clone(), json!({ "preview": true }))).await;
            assert_eq!(status, StatusCode::OK, "{preview}");
            let (status, refund) = shop.act(&placed, "refunds", body).await;
            assert_eq!(status, StatusCode::CREATED, "{refund}");
            shop.deliver().await;

            let after = gone_back(&shop, &placed).await;
            let did = (after.0 - before.0, after.1 - before.1);
            let said = |name: &str| preview[name].as_i64().unwrap();
            assert_eq!(
                did,
                (said("application_fee_refunded"), said("transfer_reversed")),
                "{amount:?}: {preview}"
            );
            assert_eq!(refund["amount"], preview["amount"]);
            assert_eq!(said("platform_bears") + said("account_bears"), said("amount"));
            sums = (sums.0 + did.0, sums.1 + did.1);
        }

        assert_eq!(shop.order(&placed).await["payment_status"], "refunded");
        assert_eq!(sums.1, 1900, "all but what the platform bore");
        assert!(sums.0 <= fee && (fee == 0 || sums.0 >= fee * 7 / 10 - 3), "{sums:?} of {fee}");
    }
}

#[tokio::test]
async fn a_whole_refund_gives_back_the_whole_fee_or_none_of_it() {
    let shop = Shop::open().await;
    let account = shop.connect_account().await;
    shop.complete_account(&account).await;
    for (reverse, refund_fee, expected) in
        [(true, true, (155, 2000)), (true, false, (0, 2000)), (false, true, (155, 0)), (false, false, (0, 0))]
    {
        let deal = json!({ "account": account, "commission": { "basis_points": 777 } });
        let (_, placed) = place(&shop, deal, json!({})).await;
        shop.pay_with(&placed, "visa").await;
        shop.deliver().await;
        let body = json!({ "reverse_transfer": reverse, "refund_application_fee": refund_fee });

        let (_, preview) = shop.act(&placed, "refunds", with(body.clone(), json!({ "preview": true }))).await;
        shop.act(&placed, "refunds", body).await;
        shop.deliver().await;

        assert_eq!(gone_back(&shop, &placed).await, expected, "{preview}");
        let borne = (preview["platform_bears"].as_i64().unwrap(), preview["account_bears"].as_i64().unwrap());
        assert_eq!(borne, (2000 - expected.1 + expected.0, expected.1 - expected.0), "{preview}");
    }
}

async fn happens_to(shop: &Shop, account: &str, what: &str) {
    let url = format!("{}/_fake/accounts/{account}/{what}", shop.stripe.base());
    assert_eq!(shop.app.client.post(url).send().await.unwrap().status(), StatusCode::OK);
    shop.deliver().await;
}

#[tokio::test]
async fn an_account_that_left_or_was_restricted_before_the_payment_stops_it_with_a_reason() {
    for what in ["deauthorize", "restrict"] {
        let shop = Shop::open().await;
        let account = shop.connect_account().await;
        shop.complete_account(&account).await;
        let (_, placed) = place(&shop, json!({ "account": account }), json!({})).await;
        happens_to(&shop, &account, what).await;

        let (status, answer) = shop.pay_with(&placed, "visa").await;

        assert_eq!(status, StatusCode::PAYMENT_REQUIRED, "{what}: {answer}");
        let shown = answer["error"]["message"].as_str().unwrap();
        assert!(!shown.contains("acct_") && shown.contains("contact the shop"), "{what}: {shown}");
        let order = shop.order(&placed).await;
        let problem = order["payment"]["problem"].as_str().unwrap_or_default();
        assert!(problem.contains("destination"), "{what}: {order}");
        assert_eq!((&order["payment"]["open_call"], shop.charges(&placed).await.len()), (&Value::Null, 0));
        let (status, cancelled) = shop.act(&placed, "cancel", json!({})).await;
        shop.deliver().await;
        assert_eq!(status, StatusCode::OK, "{cancelled}");
        assert_eq!(shop.order(&placed).await["payment_status"], "cancelled");
    }
}

#[tokio::test]
async fn an_account_that_mended_what_stopped_it_can_be_paid_after_all() {
    let shop = Shop::open().await;
    let account = shop.connect_account().await;
    shop.complete_account(&account).await;
    let (_, placed) = place(&shop, json!({ "account": account }), json!({})).await;
    happens_to(&shop, &account, "restrict").await;
    assert_eq!(shop.pay_with(&placed, "visa").await.0, StatusCode::PAYMENT_REQUIRED);

    shop.complete_account(&account).await;
    let paid = shop.pay_with(&placed, "visa").await;
    shop.deliver().await;

    assert_eq!(paid, (StatusCode::OK, json!({ "success": true })));
    let order = shop.order(&placed).await;
    assert_eq!(
        (&order["payment_status"], &order["payment"]["problem"]),
        (&json!("paid"), &Value::Null),
        "{order}"
    );
}

#[tokio::test]
async fn an_account_without_card_payments_cannot_be_the_business_that_the_customer_sees() {
    let shop = Shop::open().await;
    let asked = json!({ "reference": "driver-8", "country": "GB", "commission": { "basis_points": 1200 } });
    let made: Value = shop.post("/v1/connect/accounts", &asked, None).await.json().await.unwrap();
    let account = made["account"]["stripe_id"].as_str().unwrap();
    shop.complete_account(account).await;

    let (status, fault) = place(&shop, json!({ "account": account, "on_behalf_of": true }), json!({})).await;

    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{fault}");
    let field = &fault["error"]["fields"][0];
    assert_eq!(field["field"], "destination.on_behalf_of", "{fault}");
    assert!(field["message"].as_str().unwrap().contains("card_payments: not asked for"), "{fault}");
    assert_eq!(shop.app.value::<i64>("select count(*) from orders").await, 0);
    let (status, _) = place(&shop, json!({ "account": account }), json!({})).await;
    assert_eq!(status, StatusCode::CREATED);
}

#[tokio::test]
async fn an_order_shows_who_gets_its_money_and_what_the_platform_keeps() {
    let shop = Shop::open().await;
    let account = shop.connect_account().await;
    shop.complete_account(&account).await;
    let deal = json!({ "account": account, "commission": { "fixed": 30, "basis_points": 250 }, "on_behalf_of": true });
    let (_, placed) = place(&shop, deal, json!({})).await;

    let payment = shop.order(&placed).await["payment"].clone();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_packline"));
    command.args(["orders", "show", placed["number"].as_str().unwrap()]).env_clear();
    let shown = command.env("DATABASE_URL", &shop.app.database.url).output().unwrap();

    assert_eq!((&payment["destination"], &payment["application_fee"]), (&json!(account), &json!(80)));
    assert_eq!(payment["commission"], json!({ "fixed": 30, "basis_points": 250 }));
    assert_eq!(payment["on_behalf_of"], true);
    let shown = String::from_utf8(shown.stdout).unwrap();
    for line in [format!("pays out to {account}"), "0.30 USD and 2.50 %".to_owned(), "0.80 USD".to_owned()] {
        assert!(shown.contains(&line), "{line}: {shown}");
    }
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
