//! Accounts that the platform makes and their owners fill in.

use packline::fake_stripe::delivery::Mode;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::platform::{Shop, asked, location};
use crate::flows::gate::Gate;

#[tokio::test]
async fn an_account_is_made_filled_in_and_can_then_receive_payments() {
    let shop = Shop::start().await;

    let made = shop.create("driver-7").await;
    let name = made["account"]["id"].as_str().unwrap();
    assert_eq!(made["account"]["state"], "connected");
    assert_eq!(made["account"]["can_receive"], false);
    let link = made["onboarding"]["url"].as_str().unwrap();
    assert_eq!(shop.visit(link, None).await.status(), StatusCode::OK);
    let back = location(&shop.submit(link, "decision=later").await);
    assert!(back.contains("/connect/return?token="), "{back}");
    let page = shop.visit(&back, None).await.text().await.unwrap();
    assert!(page.contains("Not ready yet") && page.contains("/connect/refresh?token="), "{page}");

    let stripe_id = made["account"]["stripe_id"].as_str().unwrap();
    shop.control_account(stripe_id, "complete").await;
    shop.hear().await;

    let account = shop.account(name).await;
    assert_eq!(account["can_receive"], true, "{account}");
    assert_eq!(account["obstacle"], Value::Null);
    assert_eq!(account["transfers"], "active");
    assert_eq!(shop.account(stripe_id).await["id"], name);
    let page = shop.visit(&back, None).await.text().await.unwrap();
    assert!(page.contains("Your account is ready"), "{page}");
}

#[tokio::test]
async fn an_owner_who_comes_back_while_news_of_the_account_arrive_sees_how_it_stands() {
    let mut gate = None;
    let shop = Shop::start_with(|config| {
        let (started, base) = Gate::start(config.api_base.clone());
        (config.api_base, gate) = (base, Some(started));
    })
    .await;
    let gate = gate.unwrap();
    let made = shop.create("driver-7").await;
    let stripe_id = made["account"]["stripe_id"].as_str().unwrap();
    let link = made["onboarding"]["url"].as_str().unwrap();
    shop.visit(link, None).await;
    let back = location(&shop.submit(link, "decision=later").await);
    shop.hear().await;
    let held = Mode { hold: true, ..Mode::default() };
    shop.stripe.deliveries().set_mode(held).unwrap();
    shop.control_account(stripe_id, "complete").await;
    let account = format!("/v1/accounts/{stripe_id}");
    let slow = json!({ "kind": "slow", "path": account, "method": "GET", "times": 1, "ms": 2000 });
    shop.stripe.order_fault(serde_json::from_value(slow).unwrap());
    let before = gate.looks_at(&account);

    let news = async {
        while gate.looks_at(&account) == before {
            tokio::task::yield_now().await;
        }
        assert_eq!(shop.stripe.deliveries().deliver_now(&[]), 1);
        shop.stripe.deliveries().settled().await;
        shop.app.apply_events().await;
    };
    let (page, ()) = tokio::join!(shop.visit(&back, None), news);

    let page = page.text().await.unwrap();
    assert!(page.contains("Your account is ready"), "{page}");
    assert_eq!(gate.looks_at(&account), before + 2);
}

#[tokio::test]
async fn an_account_that_stripe_restricts_can_receive_no_more() {
    let shop = Shop::start().await;
    let made = shop.create("driver-7").await;
    let stripe_id = made["account"]["stripe_id"].as_str().unwrap();
    for what in ["complete", "restrict"] {
        shop.control_account(stripe_id, what).await;
    }

    shop.hear().await;
    shop.run_accounts().await;

    let account = shop.account(stripe_id).await;
    assert_eq!(account["can_receive"], false, "{account}");
    assert!(account["obstacle"].as_str().unwrap().contains("transfers"), "{account}");
}

#[tokio::test]
async fn the_same_request_makes_one_account_however_its_answers_are_lost() {
    let shop = Shop::start().await;
    for (key, path, kind) in [
        ("k1", "/v1/accounts", "lost"),
        ("k2", "/v1/accounts", "500"),
        ("k3", "/v1/account_links", "lost"),
        ("k4", "/v1/accounts", "429"),
    ] {
        let before = shop.made().await;
        shop.fault(path, kind).await;
        let first = shop.post("/v1/connect/accounts", &asked(key), Some(key)).await;
        assert_eq!(first.status(), StatusCode::SERVICE_UNAVAILABLE, "{key}: {kind}");
        shop.stripe.clear_faults();

        let second = shop.post("/v1/connect/accounts", &asked(key), Some(key)).await;
        assert_eq!(second.status(), StatusCode::CREATED, "{key}");
        let second: Value = second.json().await.unwrap();
        let third = shop.post("/v1/connect/accounts", &asked(key), Some(key)).await;
        assert_eq!(third.headers()["idempotent-replayed"], "true");
        assert_eq!(third.json::<Value>().await.unwrap(), second);
        assert_eq!(shop.made().await, before + 1, "{key}: {kind}");
    }
}

#[tokio::test]
async fn a_worker_goes_on_with_an_account_whose_making_had_no_answer() {
    let shop = Shop::start().await;
    shop.fault("/v1/accounts", "lost").await;
    shop.post("/v1/connect/accounts", &asked("driver-7"), None).await;
    shop.stripe.clear_faults();

    shop.app.clock.advance(std::time::Duration::from_secs(600));
    shop.run_accounts().await;

    let list: Value = shop.app.get("/v1/connect/accounts?reference=driver-7").await.json().await.unwrap();
    assert_eq!(list["data"][0]["state"], "connected", "{list}");
    assert_eq!(shop.made().await, 1);
}

#[tokio::test]
async fn after_a_day_an_account_is_looked_for_before_another_is_made() {
    let shop = Shop::start().await;
    let a_day = std::time::Duration::from_secs(25 * 3600);
    for (key, kind, is_there) in [
        ("k1", "lost", true),
        ("k2", "500_done", true),
        ("k3", "garbage", true),
        ("k4", "dropped", false),
        ("k5", "500_saved", false),
    ] {
        let before = shop.made().await;
        shop.fault("/v1/accounts", kind).await;
        let first = shop.post("/v1/connect/accounts", &asked(key), Some(key)).await;
        assert_eq!(first.status(), StatusCode::SERVICE_UNAVAILABLE, "{key}: {kind}");
        shop.stripe.clear_faults();
        shop.app.clock.advance(a_day);
        shop.stripe.advance(a_day);
        // A look that Stripe does not answer tells nothing.
        shop.fault("/v1/accounts", "500").await;
        let unanswered = shop.post("/v1/connect/accounts", &asked(key), Some(key)).await;
        assert_eq!(unanswered.status(), StatusCode::SERVICE_UNAVAILABLE, "{key}: {kind}");
        shop.stripe.clear_faults();

        let second = shop.post("/v1/connect/accounts", &asked(key), Some(key)).await;
        let status = second.status();
        if is_there {
            assert_eq!(status, StatusCode::CREATED, "{key}: {kind}");
        } else {
            let told: Value = second.json().await.unwrap();
            assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{key}: {told}");
            assert!(told["error"]["message"].as_str().unwrap().contains("ask for it again"), "{told}");
            let anew = shop.post("/v1/connect/accounts", &asked(key), Some(&format!("{key} anew"))).await;
            assert_eq!(anew.status(), StatusCode::CREATED, "{key}: {kind}");
        }
        assert_eq!(shop.made().await, before + 1, "{key}: {kind}");
    }
}

#[tokio::test]
async fn a_worker_that_was_away_for_a_day_looks_for_an_account_and_makes_no_second() {
    let shop = Shop::start().await;
    shop.fault("/v1/accounts", "lost").await;
    shop.post("/v1/connect/accounts", &asked("driver-7"), None).await;
    shop.stripe.clear_faults();

    let a_day = std::time::Duration::from_secs(25 * 3600);
    shop.app.clock.advance(a_day);
    shop.stripe.advance(a_day);
    shop.run_accounts().await;

    let list: Value = shop.app.get("/v1/connect/accounts?reference=driver-7").await.json().await.unwrap();
    assert_eq!(list["data"][0]["state"], "connected", "{list}");
    assert_eq!(shop.made().await, 1);
}

#[tokio::test]
async fn a_reference_has_one_account_in_use() {
    let shop = Shop::start().await;
    shop.create("driver-7").await;

    let again = shop.post("/v1/connect/accounts", &asked("driver-7"), None).await;

    assert_eq!(again.status(), StatusCode::CONFLICT);
    let error: Value = again.json().await.unwrap();
    assert_eq!(error["error"]["code"], "reference_taken");
    assert!(error["error"]["message"].as_str().unwrap().contains("/link"));
}

#[tokio::test]
async fn bad_requests_name_every_field_and_leave_nothing() {
    let shop = Shop::start().await;
    let body = json!({
        "reference": " ", "country": "de", "email": "nobody", "business_type": "pirate",
        "commission": { "fixed": 5, "basis_points": 10_001 }, "metadata": { "packline_account": "x", "n": 1 }
    });

    let response = shop.post("/v1/connect/accounts", &body, None).await;

    assert_eq!(response.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let error: Value = response.json().await.unwrap();
    let fields: Vec<&str> = error["error"]["fields"]
        .as_array()
        .unwrap()
        .iter()
        .map(|fault| fault["field"].as_str().unwrap())
        .collect();
    for field in [
        "reference",
        "country",
        "email",
        "business_type",
        "commission.currency",
        "commission.basis_points",
        "metadata.packline_account",
        "metadata.n",
    ] {
        assert!(fields.contains(&field), "{field}: {fields:?}");
    }
    assert_eq!(shop.app.value::<i64>("select count(*) from connected_accounts").await, 0);
}

#[tokio::test]
async fn the_refresh_address_makes_one_fresh_link_and_knows_nobody_else() {
    let shop = Shop::start().await;
    let made = shop.create("driver-7").await;
    let link = made["onboarding"]["url"].as_str().unwrap();
    assert_eq!(shop.visit(link, None).await.status(), StatusCode::OK, "it opens once");
    let refresh = location(&shop.visit(link, None).await);
    assert!(refresh.contains("/connect/refresh?token="), "{refresh}");

    let fresh = location(&shop.visit(&refresh, None).await);

    assert_ne!(fresh, link);
    assert_eq!(shop.visit(&fresh, None).await.status(), StatusCode::OK);
    assert_eq!(shop.visit(&refresh, None).await.status(), StatusCode::GONE, "it was used already");
    let id = made["account"]["id"].as_str().unwrap();
    for token in ["", id, "x"] {
        let url = format!("{}/connect/refresh?token={token}", shop.app.base);
        assert_eq!(shop.visit(&url, None).await.status(), StatusCode::GONE, "{token:?}");
    }
    let asked = shop.post(&format!("/v1/connect/accounts/{id}/link"), &json!({}), None).await;
    assert_eq!(asked.status(), StatusCode::CREATED);
}

#[tokio::test]
async fn a_refresh_that_stripe_does_not_answer_can_be_made_again() {
    let shop = Shop::start().await;
    let made = shop.create("driver-7").await;
    let link = made["onboarding"]["url"].as_str().unwrap();
    shop.visit(link, None).await;
    let refresh = location(&shop.visit(link, None).await);
    shop.fault("/v1/account_links", "500").await;

    assert_eq!(shop.visit(&refresh, None).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    shop.stripe.clear_faults();

    location(&shop.visit(&refresh, None).await);
}

#[tokio::test]
async fn without_a_key_for_stripe_accounts_can_be_read_but_not_made() {
    let app = crate::support::TestApp::start().await;

    let listed = app.get("/v1/connect/accounts").await;
    assert_eq!(listed.json::<Value>().await.unwrap(), json!({ "data": [], "next_cursor": null }));
    let url = format!("{}/v1/connect/accounts", app.base);
    let made = app.api(app.client.post(url)).json(&asked("driver-7")).send().await.unwrap();

    assert_eq!(made.status(), StatusCode::SERVICE_UNAVAILABLE);
    let error: Value = made.json().await.unwrap();
    assert_eq!(error["error"]["code"], "stripe_not_configured");
    assert!(error["error"]["message"].as_str().unwrap().contains("STRIPE_SECRET_KEY"));
}
