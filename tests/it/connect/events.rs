//! What Stripe's events do to connected accounts.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::stripe::{event, id, with};

/// A connected account that OAuth or onboarding left behind: what events find.
pub async fn account(app: &TestApp, stripe_id: &str) -> uuid::Uuid {
    sqlx::query_scalar(
        "insert into connected_accounts (id, stripe_id, reference, livemode, joined_by, state, created_at, updated_at,
           connected_at)
         values (gen_random_uuid(), $1, $1, false, 'oauth', 'connected', to_timestamp(1760000000),
           to_timestamp(1760000000), to_timestamp(1760000000))
         returning id",
    )
    .bind(stripe_id)
    .fetch_one(&app.pool)
    .await
    .unwrap()
}

/// An event of a connected account, `second` seconds after it was connected.
fn connect_event(event_type: &str, account: &str, second: i64, object: Value) -> Value {
    with(event(event_type, object), json!({ "account": account, "created": 1_760_000_000 + second }))
}

fn updated(account: &str, second: i64, fields: Value) -> Value {
    let object = json!({
        "id": account, "object": "account", "charges_enabled": false, "payouts_enabled": false,
        "details_submitted": false, "capabilities": { "transfers": "inactive" }, "metadata": {},
        "requirements": { "currently_due": ["external_account"], "past_due": [], "disabled_reason": null,
          "current_deadline": null }
    });
    connect_event("account.updated", account, second, with(object, fields))
}

fn ready(account: &str, second: i64) -> Value {
    updated(
        account,
        second,
        json!({ "charges_enabled": true, "payouts_enabled": true, "details_submitted": true,
          "capabilities": { "transfers": "active" }, "requirements": { "currently_due": [] } }),
    )
}

fn deauthorised(account: &str, second: i64) -> Value {
    let application = json!({ "id": "ca_1", "object": "application", "name": "The platform" });
    connect_event("account.application.deauthorized", account, second, application)
}

async fn deliver<const N: usize>(app: &TestApp, events: [&Value; N]) {
    for event in events {
        assert_eq!(app.post_connect_event(event).await, StatusCode::OK, "{event}");
    }
    app.apply_events().await;
}

async fn read(app: &TestApp, name: &str) -> Value {
    let response = app.get(&format!("/v1/connect/accounts/{name}")).await;
    assert_eq!(response.status(), StatusCode::OK, "{name}");
    response.json().await.unwrap()
}

#[tokio::test]
async fn an_account_is_as_its_latest_snapshot_says_in_whatever_order_they_come() {
    let app = TestApp::start().await;
    account(&app, "acct_1").await;
    let (early, late) = (updated("acct_1", 1, json!({})), ready("acct_1", 2));

    for event in [&late, &early, &late] {
        deliver(&app, [event]).await;
    }

    let account = read(&app, "acct_1").await;
    assert_eq!(account["transfers"], "active");
    assert_eq!(account["charges_enabled"], true);
    assert_eq!(account["can_receive"], true);
    assert_eq!(app.event_state(id(&late)).await, ("applied".into(), None));
    let (state, reason) = app.event_state(id(&early)).await;
    assert_eq!(state, "applied");
    assert!(reason.unwrap().contains("later state"));
}

#[tokio::test]
async fn an_account_that_lacks_something_says_what() {
    let app = TestApp::start().await;
    account(&app, "acct_1").await;
    let due = json!({ "requirements": { "currently_due": ["individual.id_number"], "past_due": ["external_account"],
        "disabled_reason": "requirements.past_due", "current_deadline": 1_760_500_000 } });

    deliver(&app, [&updated("acct_1", 1, due)]).await;

    let account = read(&app, "acct_1").await;
    assert_eq!(account["can_receive"], false);
    assert_eq!(account["requirements"]["current_deadline"], "2025-10-15T03:46:40Z");
    assert_eq!(account["requirements"]["disabled_reason"], "requirements.past_due");
    let obstacle = account["obstacle"].as_str().unwrap();
    assert!(obstacle.contains("external_account, individual.id_number"), "{obstacle}");
}

#[tokio::test]
async fn a_deauthorised_account_is_disconnected_by_the_account_that_the_envelope_names() {
    let app = TestApp::start().await;
    for name in ["acct_1", "acct_2"] {
        account(&app, name).await;
    }
    let left = deauthorised("acct_1", 5);

    deliver(&app, [&left, &left, &ready("acct_1", 6), &ready("acct_2", 6)]).await;

    let account = read(&app, "acct_1").await;
    assert_eq!(account["state"], "disconnected");
    assert_eq!(account["can_receive"], false);
    assert!(account["disconnected_at"].is_string());
    assert_eq!(read(&app, "acct_2").await["state"], "connected");
}

#[tokio::test]
async fn word_of_leaving_an_earlier_connection_changes_nothing() {
    let app = TestApp::start().await;
    account(&app, "acct_1").await;
    let old = deauthorised("acct_1", -1);

    deliver(&app, [&old]).await;

    assert_eq!(read(&app, "acct_1").await["state"], "connected");
    let (state, reason) = app.event_state(id(&old)).await;
    assert_eq!(state, "applied");
    assert!(reason.unwrap().contains("connected again"));
}

#[tokio::test]
async fn an_account_of_somebody_else_and_our_own_are_set_aside() {
    let app = TestApp::start().await;
    let (strange, mut own) = (ready("acct_strange", 1), ready("acct_own", 1));
    own.as_object_mut().unwrap().remove("account");

    deliver(&app, [&strange, &own]).await;

    let (state, reason) = app.event_state(id(&strange)).await;
    assert_eq!(state, "set_aside");
    assert!(reason.unwrap().contains("not connected through this service"));
    assert_eq!(app.event_state(id(&own)).await.0, "set_aside");
}

#[tokio::test]
async fn an_event_of_the_other_mode_moves_no_account() {
    let app = TestApp::start().await;
    account(&app, "acct_1").await;
    let live = with(deauthorised("acct_1", 5), json!({ "livemode": true }));

    deliver(&app, [&live]).await;

    assert_eq!(read(&app, "acct_1").await["state"], "connected");
    let (state, reason) = app.event_state(id(&live)).await;
    assert_eq!(state, "set_aside");
    assert!(reason.unwrap().contains("live mode"));
}

#[tokio::test]
async fn an_account_whose_making_had_no_answer_is_known_by_its_first_word() {
    let app = TestApp::start().await;
    let row: uuid::Uuid = sqlx::query_scalar(
        "insert into connected_accounts (id, reference, livemode, joined_by, state, create_key, created_at, updated_at)
         values (gen_random_uuid(), 'driver-7', false, 'onboarding', 'creating', 'k', now(), now())
         returning id",
    )
    .fetch_one(&app.pool)
    .await
    .unwrap();
    let left = deauthorised("acct_new", 9);
    let known = with(ready("acct_new", 8), json!({}));
    let first = updated("acct_new", 1, json!({ "metadata": { "packline_account": row.to_string() } }));

    deliver(&app, [&known]).await;
    assert_eq!(app.event_state(id(&known)).await.0, "set_aside", "nobody knows it yet");
    deliver(&app, [&first]).await;

    let account = read(&app, &row.to_string()).await;
    assert_eq!(account["stripe_id"], "acct_new");
    assert_eq!(account["transfers"], "active", "what waited for it was heard then");
    assert_eq!(app.event_state(id(&known)).await.0, "applied");
    deliver(&app, [&left]).await;
    assert_eq!(read(&app, "acct_new").await["state"], "disconnected");
}

#[tokio::test]
async fn an_unreadable_account_event_pays_alone() {
    let app = TestApp::start().await;
    account(&app, "acct_1").await;
    let poison = connect_event("account.updated", "acct_1", 3, json!({ "id": 5 }));

    deliver(&app, [&poison, &ready("acct_1", 2)]).await;

    assert_eq!(read(&app, "acct_1").await["transfers"], "active");
    let (state, reason) = app.event_state(id(&poison)).await;
    assert_eq!(state, "pending", "it is tried again");
    assert!(reason.unwrap().contains("cannot be read"));
}
