//! Accounts whose owners let the platform in.

use reqwest::{StatusCode, Url};
use serde_json::{Value, json};

use super::platform::{Shop, location};

pub struct Journey {
    /// Stripe's page, with all that it is told.
    authorise: Url,
    pub cookie: String,
}

impl Journey {
    pub async fn begin(shop: &Shop, invitation: &str) -> Self {
        let response = shop.visit(invitation, None).await;
        let cookie = response.headers()["set-cookie"].to_str().unwrap();
        assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"), "{cookie}");
        let cookie = cookie.split(';').next().unwrap().to_owned();
        Self { authorise: location(&response).parse().unwrap(), cookie }
    }

    pub fn told(&self, name: &str) -> String {
        let mut pairs = self.authorise.query_pairs();
        pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned()).unwrap()
    }

    /// What the owner says on Stripe's page, and where that sends the browser.
    async fn decide(&self, shop: &Shop, decision: &str) -> String {
        self.decide_for(shop, decision, None).await
    }

    /// The same of an owner who has an account already.
    pub async fn decide_for(&self, shop: &Shop, decision: &str, account: Option<&str>) -> String {
        let mut form: Url = "http://form/".parse().unwrap();
        form.query_pairs_mut()
            .append_pair("decision", decision)
            .append_pair("redirect_uri", &self.told("redirect_uri"))
            .append_pair("state", &self.told("state"))
            .append_pair("scope", "express")
            .append_pair("account", account.unwrap_or_default());
        assert_eq!(shop.visit(self.authorise.as_str(), None).await.status(), StatusCode::OK);
        let url = format!("{}/_fake/pages/oauth", shop.stripe.base());
        location(&shop.submit(&url, form.query().unwrap()).await)
    }
}

pub async fn invite(shop: &Shop, reference: &str) -> String {
    let body = json!({ "reference": reference, "commission": { "fixed": 30, "currency": "eur", "basis_points": 250 } });
    let response = shop.post("/v1/connect/oauth", &body, None).await;
    assert_eq!(response.status(), StatusCode::CREATED);
    response.json::<Value>().await.unwrap()["url"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_owner_lets_the_platform_in_and_the_account_can_receive_payments() {
    let shop = Shop::start().await;
    let invitation = invite(&shop, "driver-7").await;
    let journey = Journey::begin(&shop, &invitation).await;
    assert_eq!(journey.told("client_id"), "ca_test");

    let back = journey.decide(&shop, "accept").await;
    let page = shop.visit(&back, Some(&journey.cookie)).await;

    assert_eq!(page.status(), StatusCode::OK);
    assert!(page.text().await.unwrap().contains("Connected"));
    let list: Value = shop.app.get("/v1/connect/accounts").await.json().await.unwrap();
    let account = &list["data"][0];
    assert_eq!((&account["reference"], &account["joined_by"]), (&json!("driver-7"), &json!("oauth")));
    assert_eq!((&account["scope"], &account["can_receive"]), (&json!("express"), &json!(true)), "{account}");
    assert_eq!(account["commission"], json!({ "fixed": 30, "basis_points": 250, "currency": "eur" }));
    let again = shop.visit(&invitation, None).await.text().await.unwrap();
    assert!(again.contains("Connected already"));
    let tokens: i64 = shop
        .app
        .value("select count(*) from connected_accounts a where a::text like '%sk_test%' or a::text like '%rt_%'")
        .await;
    assert_eq!(tokens, 0, "Stripe's tokens are not kept");
}

#[tokio::test]
async fn what_stripe_still_wants_is_said_in_words_once_connected() {
    let shop = Shop::start().await;
    let url = format!("{}/v1/accounts", shop.stripe.base());
    let form = [("type", "express"), ("country", "GB"), ("capabilities[transfers][requested]", "true")];
    let made = shop.app.client.post(url).bearer_auth("sk_test_connect").form(&form[..]).send().await.unwrap();
    let made: Value = made.json().await.unwrap();
    let journey = Journey::begin(&shop, &invite(&shop, "driver-7").await).await;

    let back = journey.decide_for(&shop, "accept", made["id"].as_str()).await;
    let page = shop.visit(&back, Some(&journey.cookie)).await.text().await.unwrap();

    assert!(page.contains("Stripe still wants to know:"), "{page}");
    assert!(page.contains("<li>the bank account for your money</li>"), "{page}");
    assert!(!page.contains("external_account"), "Stripe's own names say little to people: {page}");
}

#[tokio::test]
async fn a_state_is_good_once_for_the_browser_that_began_and_not_for_ever() {
    let shop = Shop::start().await;
    let journey = Journey::begin(&shop, &invite(&shop, "driver-7").await).await;
    let back = journey.decide(&shop, "accept").await;

    for (cookie, said) in [(None, "Another browser"), (Some("packline_connect=x"), "Another browser")] {
        let page = shop.visit(&back, cookie).await;
        assert_eq!(page.status(), StatusCode::BAD_REQUEST);
        assert!(page.text().await.unwrap().contains(said));
    }
    assert_eq!(shop.visit(&back, Some(&journey.cookie)).await.status(), StatusCode::OK);
    let replayed = shop.visit(&back, Some(&journey.cookie)).await;
    assert_eq!(replayed.status(), StatusCode::BAD_REQUEST);
    assert!(replayed.text().await.unwrap().contains("Used already"));
    for query in ["", "?state=x&code=ac_1", "?code=ac_1", "?state=%00", "?state=a&state=b"] {
        let url = format!("{}/connect/oauth/callback{query}", shop.app.base);
        assert_eq!(
            shop.visit(&url, Some(&journey.cookie)).await.status(),
            StatusCode::BAD_REQUEST,
            "{query}"
        );
    }

    let late = Journey::begin(&shop, &invite(&shop, "driver-8").await).await;
    let back = late.decide(&shop, "accept").await;
    shop.app.clock.advance(std::time::Duration::from_secs(3 * 3600));
    assert_eq!(shop.visit(&back, Some(&late.cookie)).await.status(), StatusCode::GONE);
    let count: i64 = shop.app.value("select count(*) from connected_accounts").await;
    assert_eq!(count, 1);
}

#[tokio::test]
async fn an_owner_who_says_no_can_say_yes_later() {
    let shop = Shop::start().await;
    let invitation = invite(&shop, "driver-7").await;
    let journey = Journey::begin(&shop, &invitation).await;
    let back = journey.decide(&shop, "deny").await;
    assert!(back.contains("access_denied"));

    let page = shop.visit(&back, Some(&journey.cookie)).await.text().await.unwrap();
    assert!(page.contains("You did not connect"), "{page}");
    let (outcome, reason): (String, String) =
        sqlx::query_as("select outcome, reason from connect_grants").fetch_one(&shop.app.pool).await.unwrap();
    assert_eq!((outcome.as_str(), reason.as_str()), ("denied", "The user denied your request"));

    let journey = Journey::begin(&shop, &invitation).await;
    let back = journey.decide(&shop, "accept").await;
    assert_eq!(shop.visit(&back, Some(&journey.cookie)).await.status(), StatusCode::OK);
    assert_eq!(shop.app.value::<String>("select outcome from connect_grants").await, "connected");
}

#[tokio::test]
async fn a_code_that_stripe_does_not_take_connects_nothing() {
    let shop = Shop::start().await;
    let journey = Journey::begin(&shop, &invite(&shop, "driver-7").await).await;
    let url =
        format!("{}/connect/oauth/callback?code=ac_made_up&state={}", shop.app.base, journey.told("state"));

    let page = shop.visit(&url, Some(&journey.cookie)).await;

    assert_eq!(page.status(), StatusCode::BAD_REQUEST);
    assert!(!page.text().await.unwrap().contains("ac_made_up"));
    assert_eq!(shop.app.value::<i64>("select count(*) from connected_accounts").await, 0);
    assert_eq!(shop.app.value::<String>("select outcome from connect_grants").await, "refused");
}

#[tokio::test]
async fn a_name_that_is_in_use_connects_no_second_account() {
    let shop = Shop::start().await;
    let made = shop.create("old-name").await;
    let stripe_id = made["account"]["stripe_id"].as_str().unwrap();
    shop.control_account(stripe_id, "deauthorize").await;
    shop.hear().await;
    assert_eq!(shop.account(stripe_id).await["state"], "disconnected");

    let second = shop.create("old-name").await;

    assert_ne!(second["account"]["stripe_id"], made["account"]["stripe_id"]);
    let journey = Journey::begin(&shop, &invite(&shop, "old-name").await).await;
    let back = journey.decide(&shop, "accept").await;
    let page = shop.visit(&back, Some(&journey.cookie)).await;
    assert_eq!(page.status(), StatusCode::CONFLICT, "another account is in use under that name");
    assert!(page.text().await.unwrap().contains("Not connected"));
}

#[tokio::test]
async fn a_code_that_was_not_exchanged_leaves_its_reason_and_the_invitation_open() {
    let shop = Shop::start_impatient().await;
    let faults =
        ["429", "500", "500_done", "409", "lock_timeout", "garbage", "hang", "slow", "lost", "dropped"];
    for fault in faults {
        let invitation = invite(&shop, fault).await;
        let journey = Journey::begin(&shop, &invitation).await;
        let back = journey.decide(&shop, "accept").await;
        shop.fault("/oauth/token", fault).await;

        let page = shop.visit(&back, Some(&journey.cookie)).await.status();
        let query = "select outcome, reason from connect_grants where reference = $1";
        let (outcome, reason): (String, Option<String>) =
            sqlx::query_as(query).bind(fault).fetch_one(&shop.app.pool).await.unwrap();
        shop.stripe.clear_faults();
        if page != StatusCode::OK {
            assert_eq!((page, outcome.as_str()), (StatusCode::SERVICE_UNAVAILABLE, "unknown"), "{fault}");
            assert!(reason.is_some_and(|reason| !reason.is_empty()), "{fault} says why");
            let journey = Journey::begin(&shop, &invitation).await;
            let back = journey.decide(&shop, "accept").await;
            assert_eq!(shop.visit(&back, Some(&journey.cookie)).await.status(), StatusCode::OK, "{fault}");
        }

        let list: Value =
            shop.app.get(&format!("/v1/connect/accounts?reference={fault}")).await.json().await.unwrap();
        assert_eq!(list["data"].as_array().unwrap().len(), 1, "{fault}: {list}");
        assert_eq!(list["data"][0]["state"], "connected", "{fault}");
    }
}
