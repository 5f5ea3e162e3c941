//! Connected accounts: onboarding, OAuth, destination charges, fees and their reversal.

use reqwest::Method;
use serde_json::{Value, json};

use super::payments::id;
use super::{Answered, Local};

impl Local {
    async fn account(&self) -> Value {
        self.make("/v1/accounts", "type=express&capabilities[transfers][requested]=true").await
    }

    async fn able_account(&self) -> String {
        let account = self.account().await;
        let completed = self.control(&format!("accounts/{}/complete", id(&account)), json!({})).await;
        assert_eq!(completed.status, 200);
        id(&account).to_owned()
    }

    async fn decide(&self, path: &str, form: &str) -> Answered {
        let request = self.request(Method::POST, path).body(form.to_owned());
        self.send(request.header("Content-Type", "application/x-www-form-urlencoded")).await
    }
}

#[actix_web::test]
async fn a_new_account_can_nothing_until_its_owner_completed_it() {
    let local = Local::start();
    let account = local.account().await;
    let links = format!(
        "account={}&type=account_onboarding&refresh_url=http://127.0.0.1/again&return_url=http://127.0.0.1/done",
        id(&account)
    );
    let link = local.make("/v1/account_links", &links).await;
    let page = link["url"].as_str().unwrap().strip_prefix(&local.stripe.base()).unwrap().to_owned();
    assert_eq!(
        (&account["charges_enabled"], &account["capabilities"]["transfers"]),
        (&json!(false), &json!("inactive"))
    );

    let opened = local.get(&page).await;
    let again = local.get(&page).await;
    let done = local.decide(&page, "decision=complete").await;

    assert!(opened.body.as_str().unwrap().contains("Complete onboarding"));
    assert_eq!((again.status, again.header("Location")), (303, "http://127.0.0.1/again"));
    assert_eq!((done.status, done.header("Location")), (303, "http://127.0.0.1/done"));
    let after = local.see(&format!("/v1/accounts/{}", id(&account))).await;
    assert_eq!(
        (&after["charges_enabled"], &after["capabilities"]["transfers"]),
        (&json!(true), &json!("active"))
    );
    assert_eq!(after["requirements"]["currently_due"], json!([]));
    let happenings = local.happenings();
    assert_eq!(happenings[0].event_type, "account.updated");
    assert_eq!(happenings[0].account.as_deref(), Some(id(&account)));
    assert_eq!(happenings[0].previous_attributes.as_ref().unwrap()["charges_enabled"], false);
}

#[actix_web::test]
async fn an_account_keeps_what_its_maker_noted() {
    let local = Local::start();

    let account = local.make("/v1/accounts", "type=express&country=GB&metadata[driver]=7").await;
    let form = "metadata[driver]=&metadata[car]=red";
    let changed = local.make(&format!("/v1/accounts/{}", id(&account)), form).await;

    assert_eq!((&account["metadata"], &account["country"]), (&json!({ "driver": "7" }), &json!("GB")));
    assert_eq!(changed["metadata"], json!({ "car": "red" }));
}

#[actix_web::test]
async fn an_account_link_expires() {
    let local = Local::start();
    let account = local.account().await;
    let form = format!(
        "account={}&type=account_onboarding&refresh_url=http://127.0.0.1/again&return_url=http://127.0.0.1/done",
        id(&account)
    );
    let link = local.make("/v1/account_links", &form).await;
    local.advance(5 * 60);

    let opened = local.get(link["url"].as_str().unwrap().strip_prefix(&local.stripe.base()).unwrap()).await;

    assert_eq!(opened.header("Location"), "http://127.0.0.1/again");
}

#[actix_web::test]
async fn a_destination_charge_transfers_and_takes_its_fee_on_the_platform() {
    let local = Local::start();
    let account = local.able_account().await;
    local.told();

    let intent =
        local.pay("visa", &format!("application_fee_amount=240&transfer_data[destination]={account}")).await;

    let happenings = local.happenings();
    assert!(happenings.iter().all(|told| told.account.is_none()));
    let types: Vec<&str> = happenings.iter().map(|told| told.event_type.as_str()).collect();
    assert_eq!(types[3..], ["charge.updated", "transfer.created", "application_fee.created"]);
    let charge = local
        .see(&format!(
            "/v1/charges/{}?expand[]=transfer&expand[]=application_fee",
            intent["latest_charge"].as_str().unwrap()
        ))
        .await;
    assert_eq!(
        (&charge["transfer"]["amount"], &charge["transfer"]["destination"]),
        (&json!(2000), &json!(account))
    );
    assert_eq!(
        (&charge["application_fee"]["amount"], &charge["application_fee"]["account"]),
        (&json!(240), &json!(account))
    );

    let refund = format!("payment_intent={}&reverse_transfer=true&refund_application_fee=true", id(&intent));
    let part = local.make("/v1/refunds", &format!("{refund}&amount=500&expand[]=transfer_reversal")).await;
    assert_eq!(part["transfer_reversal"]["amount"], 500);
    let fee = local.see(&format!("/v1/application_fees/{}", id(&charge["application_fee"]))).await;
    assert_eq!((&fee["amount_refunded"], &fee["refunded"]), (&json!(60), &json!(false)));
    local.make("/v1/refunds", &refund).await;
    let transfer = local.see(&format!("/v1/transfers/{}", id(&charge["transfer"]))).await;
    let fee = local.see(&format!("/v1/application_fees/{}", id(&charge["application_fee"]))).await;
    assert_eq!((&transfer["amount_reversed"], &transfer["reversed"]), (&json!(2000), &json!(true)));
    assert_eq!((&fee["amount_refunded"], &fee["refunded"]), (&json!(240), &json!(true)));
    assert_eq!(
        local.told()[..4],
        ["transfer.reversed", "application_fee.refunded", "refund.created", "charge.refunded"]
    );
}

#[actix_web::test]
async fn money_goes_only_to_accounts_that_can_take_it() {
    let local = Local::start();
    let new = local.account().await;
    let able = local.able_account().await;
    let form = "amount=2000&currency=usd&payment_method_types[]=card";

    let unable =
        local.post("/v1/payment_intents", &format!("{form}&transfer_data[destination]={}", id(&new))).await;
    let fee_alone = local.post("/v1/payment_intents", &format!("{form}&application_fee_amount=5")).await;
    let fee_too_high = local
        .post(
            "/v1/payment_intents",
            &format!("{form}&application_fee_amount=2001&transfer_data[destination]={able}"),
        )
        .await;
    let plain = local.pay("visa", "").await;
    let no_transfer =
        local.post("/v1/refunds", &format!("payment_intent={}&reverse_transfer=true", id(&plain))).await;

    assert_eq!(unable.error("code"), "insufficient_capabilities_for_transfer");
    for refused in [unable, fee_alone, fee_too_high, no_transfer] {
        assert_eq!(refused.status, 400, "{}", refused.body);
    }
    local.control(&format!("accounts/{able}/restrict"), json!({})).await;
    let restricted =
        local.post("/v1/payment_intents", &format!("{form}&transfer_data[destination]={able}")).await;
    assert_eq!(restricted.error("code"), "insufficient_capabilities_for_transfer");
}

#[actix_web::test]
async fn a_fee_is_capped_at_what_was_captured() {
    let local = Local::start();
    let account = local.able_account().await;
    let more =
        format!("capture_method=manual&application_fee_amount=800&transfer_data[destination]={account}");
    let intent = local.pay("visa", &more).await;

    let captured =
        local.make(&format!("/v1/payment_intents/{}/capture", id(&intent)), "amount_to_capture=500").await;

    assert_eq!(captured["application_fee_amount"], 500);
    let charge = local
        .see(&format!("/v1/charges/{}?expand[]=application_fee", captured["latest_charge"].as_str().unwrap()))
        .await;
    assert_eq!(charge["application_fee"]["amount"], 500);
}

#[actix_web::test]
async fn objects_belong_to_their_account() {
    let local = Local::start();
    let account = local.able_account().await;
    let there = [("Stripe-Account", account.as_str())];
    local.told();

    let theirs = local.post_with("/v1/customers", "name=Ann", &there).await;
    let here = local.get(&format!("/v1/customers/{}", id(&theirs.body))).await;
    let unknown = local.post_with("/v1/customers", "name=Ann", &[("Stripe-Account", "acct_none")]).await;

    assert_eq!((theirs.status, theirs.header("Stripe-Account")), (200, account.as_str()));
    assert_eq!(here.status, 404);
    assert_eq!((unknown.status, unknown.error("code")), (403, &json!("account_invalid")));
    assert_eq!(local.happenings()[0].account, Some(account));
}

#[actix_web::test]
async fn an_owner_connects_by_oauth_and_disconnects() {
    let local = Local::start();
    let ask = "/express/oauth/authorize?client_id=ca_1&state=s%261&redirect_uri=http://127.0.0.1/back";
    let page = local.get(ask).await;
    assert!(page.body.as_str().unwrap().contains("value=\"s&amp;1\""));
    let decision = |decision: &str| {
        format!("decision={decision}&redirect_uri=http://127.0.0.1/back&state=s%261&scope=express")
    };

    let denied = local.decide("/_fake/pages/oauth", &decision("deny")).await;
    let accepted = local.decide("/_fake/pages/oauth", &decision("accept")).await;

    assert!(denied.header("Location").contains("error=access_denied"));
    let location = accepted.header("Location").to_owned();
    assert!(location.ends_with("state=s%261"), "{location}");
    let code = location.split("code=").nth(1).unwrap().split('&').next().unwrap();
    let grant = format!("grant_type=authorization_code&code={code}");
    let token = local.make("/oauth/token", &grant).await;
    let again = local.post("/oauth/token", &grant).await;
    let wrong = local.post("/oauth/token", "grant_type=authorization_code&code=ac_none").await;
    assert_eq!(token["scope"], "express");
    assert_eq!((again.status, &again.body["error"]), (400, &json!("invalid_grant")));
    assert_eq!(wrong.body["error_description"], "Authorization code does not exist: ac_none");
    let account = token["stripe_user_id"].as_str().unwrap();
    assert_eq!(local.see(&format!("/v1/accounts/{account}")).await["charges_enabled"], true);
    local.told();

    let gone = format!("client_id=ca_1&stripe_user_id={account}");
    local.make("/oauth/deauthorize", &gone).await;
    let gone_again = local.post("/oauth/deauthorize", &gone).await;

    assert_eq!((gone_again.status, &gone_again.body["error"]), (401, &json!("invalid_client")));
    let happenings = local.happenings();
    assert_eq!(happenings[0].event_type, "account.application.deauthorized");
    assert_eq!(happenings[0].account.as_deref(), Some(account));
    assert_eq!(local.get(&format!("/v1/accounts/{account}")).await.status, 403);
}
