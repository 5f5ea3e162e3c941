//! Accounts that left come back, and what goes wrong on the way.

use packline::config::StripeConfig;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::oauth::{Journey, invite};
use super::platform::{Shop, asked};
use crate::support::TestApp;

fn ride(account: &str) -> Value {
    json!({
        "currency": "eur", "lines": [{ "sku": "RIDE", "quantity": 1, "unit_amount": 2000 }],
        "payment": { "mode": "server" }, "destination": { "account": account }
    })
}

/// An account that was ready and whose owner ended the connection.
async fn left(shop: &Shop, reference: &str) -> String {
    let made = shop.create(reference).await;
    let stripe_id = made["account"]["stripe_id"].as_str().unwrap().to_owned();
    shop.control_account(&stripe_id, "complete").await;
    shop.hear().await;
    shop.app.clock.advance(std::time::Duration::from_secs(60));
    shop.control_account(&stripe_id, "deauthorize").await;
    shop.hear().await;
    assert_eq!(shop.account(&stripe_id).await["state"], "disconnected");
    stripe_id
}

#[tokio::test]
async fn an_owner_who_left_lets_the_platform_in_again() {
    let shop = Shop::start().await;
    let account = left(&shop, "driver-7").await;
    assert_eq!(shop.app.post_order(&ride(&account), None).await.status(), StatusCode::UNPROCESSABLE_ENTITY);

    let journey = Journey::begin(&shop, &invite(&shop, "driver-7").await).await;
    let back = journey.decide_for(&shop, "accept", Some(&account)).await;
    let page = shop.visit(&back, Some(&journey.cookie)).await;
    assert_eq!(page.status(), StatusCode::OK);
    shop.hear().await;

    let again = shop.account(&account).await;
    assert_eq!((&again["state"], &again["can_receive"]), (&json!("connected"), &json!(true)), "{again}");
    assert_eq!((&again["reason"], &again["disconnected_at"]), (&Value::Null, &Value::Null), "{again}");
    assert_eq!(again["joined_by"], "oauth");
    assert_eq!(shop.app.value::<i64>("select count(*) from connected_accounts").await, 1);
    assert_eq!(shop.app.post_order(&ride(&account), None).await.status(), StatusCode::CREATED);
}

#[tokio::test]
async fn an_owner_who_left_is_onboarded_again_under_the_same_name() {
    let shop = Shop::start().await;
    let old = left(&shop, "driver-7").await;
    let path = format!("/v1/connect/accounts/{old}/link");
    let refused = shop.post(&path, &json!({}), None).await;
    assert_eq!(refused.status(), StatusCode::CONFLICT);
    let refused: Value = refused.json().await.unwrap();
    let message = refused["error"]["message"].as_str().unwrap();
    assert!(message.contains("POST /v1/connect/accounts") && message.contains("disconnected"), "{message}");

    let made = shop.create("driver-7").await;
    let new = made["account"]["stripe_id"].as_str().unwrap();
    shop.control_account(new, "complete").await;
    shop.hear().await;

    assert_eq!(shop.account(new).await["can_receive"], true);
    assert_eq!(shop.account(&old).await["state"], "disconnected");
    assert_eq!(shop.app.post_order(&ride(new), None).await.status(), StatusCode::CREATED);
}

#[tokio::test]
async fn an_account_of_the_other_mode_is_not_connected_by_oauth() {
    let shop = Shop::start().await;
    let other = crate::stripe_client::Scripted::start([crate::stripe_client::Step::Answer(
        200,
        vec![],
        json!({ "access_token": "sk_live_1", "livemode": true, "refresh_token": "rt_1", "scope": "express",
          "stripe_publishable_key": "pk_live_1", "stripe_user_id": "acct_live", "token_type": "bearer" })
        .to_string(),
    )])
    .await;
    let config = StripeConfig { connect_base: other.config.connect_base.clone(), ..shop.config.clone() };
    let app = TestApp::start_calling(config).await;
    let invited = app.api(app.client.post(format!("{}/v1/connect/oauth", app.base)));
    let invited = invited.json(&json!({ "reference": "driver-7" })).send().await.unwrap();
    let invitation: Value = invited.json().await.unwrap();
    let journey = Journey::begin(&shop, invitation["url"].as_str().unwrap()).await;
    let back = format!("{}/connect/oauth/callback?code=ac_1&state={}", app.base, journey.told("state"));

    let page = shop.visit(&back, Some(&journey.cookie)).await;

    assert_eq!(page.status(), StatusCode::CONFLICT);
    let page = page.text().await.unwrap();
    assert!(page.contains("another mode") && !page.contains("sk_live"), "{page}");
    assert_eq!(app.value::<i64>("select count(*) from connected_accounts").await, 0);
    let (outcome, reason): (String, String) =
        sqlx::query_as("select outcome, reason from connect_grants").fetch_one(&app.pool).await.unwrap();
    assert_eq!(outcome, "refused");
    assert!(reason.contains("acct_live") && reason.contains("other mode"), "{reason}");
}

#[tokio::test]
async fn a_wrong_client_id_leaves_an_account_leaving_until_it_is_mended() {
    let shop = Shop::start().await;
    let made = shop.create("driver-7").await;
    let account = made["account"]["stripe_id"].as_str().unwrap();
    let wrong = StripeConfig { connect_client_id: Some("wrong".to_owned()), ..shop.config.clone() };
    let Shop { app, stripe, config } = shop;
    let database = app.stop().await;
    let app = TestApp::start_calling_on(database, wrong).await;
    let shop = Shop { app, stripe, config };

    for _ in 0..2 {
        let refused = shop.delete(account).await;
        assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY);
        let refused: Value = refused.json().await.unwrap();
        assert!(refused["error"]["message"].as_str().unwrap().contains("No such application"), "{refused}");
    }
    let leaving = shop.account(account).await;
    assert_eq!((&leaving["state"], &leaving["can_receive"]), (&json!("disconnecting"), &json!(false)));
    let reason = leaving["reason"].as_str().unwrap();
    assert!(reason.contains("No such application") && reason.contains("DELETE"), "{reason}");
    let Shop { app, stripe, config } = shop;
    let database = app.stop().await;
    let app = TestApp::start_calling_on(database, config.clone()).await;
    let shop = Shop { app, stripe, config };

    assert_eq!(shop.delete(account).await.status(), StatusCode::OK);
    assert_eq!(shop.account(account).await["state"], "disconnected");
    assert_eq!(shop.made().await, 0);
}

#[tokio::test]
async fn a_refusal_that_nobody_can_explain_is_asked_about_again() {
    let shop = Shop::start().await;
    let made = shop.create("driver-7").await;
    let account = made["account"]["stripe_id"].as_str().unwrap();
    shop.control_account(account, "deauthorize").await;
    shop.fault(&format!("/v1/accounts/{account}"), "500").await;

    // It is not ours any more, but only a look could tell that from a wrong client id.
    assert_eq!(shop.delete(account).await.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(shop.account(account).await["state"], "disconnecting");
    shop.stripe.clear_faults();
    shop.app.clock.advance(std::time::Duration::from_secs(600));
    shop.run_accounts().await;

    assert_eq!(shop.account(account).await["state"], "disconnected");
}

#[tokio::test]
async fn an_account_that_stripe_does_not_make_says_why_and_can_be_asked_for_differently() {
    let shop = Shop::start().await;
    let mut wrong = asked("driver-7");
    wrong["country"] = "ZZ".into();

    for _ in 0..2 {
        let refused = shop.post("/v1/connect/accounts", &wrong, Some("k1")).await;
        assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY);
        let refused: Value = refused.json().await.unwrap();
        assert_eq!(refused["error"]["code"], "stripe_refused");
        assert!(refused["error"]["message"].as_str().unwrap().contains("ZZ is not currently"), "{refused}");
    }
    let list: Value = shop.app.get("/v1/connect/accounts?reference=driver-7").await.json().await.unwrap();
    let row = &list["data"][0];
    assert_eq!((&row["state"], &row["can_receive"]), (&json!("refused"), &json!(false)), "{row}");
    assert!(row["reason"].as_str().unwrap().contains("ZZ is not currently"), "{row}");

    let made = shop.post("/v1/connect/accounts", &asked("driver-7"), Some("k2")).await;

    assert_eq!(made.status(), StatusCode::CREATED);
    assert_eq!(shop.made().await, 1);
}

#[tokio::test]
async fn addresses_that_are_long_over_are_forgotten() {
    let shop = Shop::start().await;
    shop.create("driver-7").await;
    invite(&shop, "driver-8").await;
    let count = "select count(*) from connect_tokens";
    assert_eq!(shop.app.value::<i64>(count).await, 3);

    shop.app.clock.advance(std::time::Duration::from_secs(36 * 24 * 3600));
    shop.run_accounts().await;
    assert_eq!(shop.app.value::<i64>(count).await, 3, "whoever has one is still told that it has expired");
    shop.app.clock.advance(std::time::Duration::from_secs(2 * 24 * 3600));
    shop.run_accounts().await;

    assert_eq!(shop.app.value::<i64>(count).await, 0);
}
