//! Connections end from either side.

use packline::connect::{Obstacle, destination};
use packline::money::{Commission, Currency, Money};
use reqwest::StatusCode;
use serde_json::Value;

use super::platform::Shop;

async fn ready(shop: &Shop, reference: &str) -> String {
    let made = shop.create(reference).await;
    let stripe_id = made["account"]["stripe_id"].as_str().unwrap().to_owned();
    shop.control_account(&stripe_id, "complete").await;
    shop.hear().await;
    stripe_id
}

async fn judge(
    shop: &Shop,
    livemode: bool,
    account: &str,
    commission: Option<Commission>,
    code: &str,
) -> Result<i64, Obstacle> {
    let mut conn = shop.app.pool.acquire().await.unwrap();
    let payment = Money { amount: 2000, currency: Currency::parse(code).unwrap() };
    let judged = destination(&mut conn, livemode, account, commission, false, payment).await.unwrap();
    judged.map(|destination| destination.fee)
}

#[tokio::test]
async fn the_platform_leaves_and_says_so_twice() {
    let shop = Shop::start().await;
    let account = ready(&shop, "driver-7").await;

    for _ in 0..2 {
        let left = shop.delete(&account).await;
        assert_eq!(left.status(), StatusCode::OK);
        assert_eq!(left.json::<Value>().await.unwrap()["state"], "disconnected");
    }
    shop.hear().await;

    assert_eq!(shop.account(&account).await["state"], "disconnected");
    assert_eq!(shop.made().await, 0, "Stripe shows it to us no more");
    assert_eq!(shop.delete("acct_unknown").await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_leaving_without_an_answer_stops_payments_at_once_and_is_finished_by_the_worker() {
    for kind in ["lost", "500"] {
        let shop = Shop::start().await;
        let account = ready(&shop, "driver-7").await;
        shop.fault("/oauth/deauthorize", kind).await;

        assert_eq!(shop.delete(&account).await.status(), StatusCode::SERVICE_UNAVAILABLE, "{kind}");
        assert!(judge(&shop, false, &account, None, "gbp").await.is_err(), "{kind}");
        assert_eq!(shop.account(&account).await["state"], "disconnecting", "{kind}");
        shop.stripe.clear_faults();
        shop.app.clock.advance(std::time::Duration::from_secs(600));
        shop.run_accounts().await;

        assert_eq!(shop.account(&account).await["state"], "disconnected", "{kind}");
    }
}

#[tokio::test]
async fn an_account_that_left_unheard_is_found_out_by_a_look() {
    let shop = Shop::start().await;
    let account = ready(&shop, "driver-7").await;
    shop.control_account(&account, "deauthorize").await;
    // The word of it is lost; something else makes us look.
    sqlx::query("update connected_accounts set next_look_at = created_at")
        .execute(&shop.app.pool)
        .await
        .unwrap();

    shop.run_accounts().await;

    let account = shop.account(&account).await;
    assert_eq!(account["state"], "disconnected");
    assert!(account["reason"].as_str().unwrap().contains("no longer shows it"));
}

#[tokio::test]
async fn a_payment_goes_only_to_an_account_that_can_take_it() {
    let shop = Shop::start().await;
    let account = ready(&shop, "driver-7").await;
    let fixed = Commission { fixed: 100, basis_points: 50 };

    assert_eq!(judge(&shop, false, &account, None, "gbp").await, Ok(240), "the account's own 12 %");
    assert_eq!(judge(&shop, false, &account, Some(fixed), "gbp").await, Ok(110));
    assert!(matches!(judge(&shop, true, &account, None, "gbp").await, Err(Obstacle::OtherMode { .. })));
    assert!(matches!(judge(&shop, false, "acct_unknown", None, "gbp").await, Err(Obstacle::Unknown(_))));
    let new = shop.create("driver-8").await;
    let new = new["account"]["id"].as_str().unwrap();
    let refused = judge(&shop, false, new, None, "gbp").await.unwrap_err();
    assert!(matches!(refused, Obstacle::NoTransfers { .. }), "{refused}");
    assert!(refused.to_string().contains("must finish onboarding"), "{refused}");
    sqlx::query("update connected_accounts set fee_fixed = 5, fee_currency = 'eur'")
        .execute(&shop.app.pool)
        .await
        .unwrap();
    assert_eq!(judge(&shop, false, &account, None, "eur").await, Ok(245));
    assert!(matches!(judge(&shop, false, &account, None, "gbp").await, Err(Obstacle::FeeCurrency { .. })));
    shop.control_account(&account, "deauthorize").await;
    shop.hear().await;
    assert!(matches!(judge(&shop, false, &account, None, "gbp").await, Err(Obstacle::NotConnected { .. })));
}

#[tokio::test]
async fn an_order_names_a_destination_and_carries_its_fee_to_stripe() {
    let shop = Shop::start().await;
    let account = ready(&shop, "driver-7").await;
    let order = |account: &str| {
        serde_json::json!({
            "currency": "gbp", "lines": [{ "sku": "RIDE", "quantity": 1, "unit_amount": 2000 }],
            "payment": { "mode": "client" }, "destination": { "account": account }
        })
    };

    let placed = shop.app.place_order(&order(&account)).await;

    let shown = shop.app.order(placed["id"].as_str().unwrap()).await;
    let intent = shown["payment"]["payment_intent"].as_str().unwrap();
    let url = format!("{}/v1/payment_intents/{intent}", shop.stripe.base());
    let seen = shop.app.client.get(url).bearer_auth("sk_test_connect").send().await.unwrap();
    let seen: Value = seen.json().await.unwrap();
    assert_eq!(seen["transfer_data"]["destination"], account.as_str(), "{shown}");
    assert_eq!(seen["application_fee_amount"], 240);
    shop.control_account(&account, "deauthorize").await;
    shop.hear().await;
    for gone in [account.as_str(), "acct_unknown"] {
        let refused = shop.app.post_order(&order(gone), None).await;
        assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY);
        let refused: Value = refused.json().await.unwrap();
        assert_eq!(refused["error"]["fields"][0]["field"], "destination.account", "{refused}");
    }
}
