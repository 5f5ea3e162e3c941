//! What operators can read of calls to Stripe: each with the id that Stripe gave it, and nothing that is secret.

use packline::clock::Clock;
use packline::fake_stripe::{FakeStripe, Options};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::cli::{on, texts};
use crate::support::stripe::order;
use crate::support::{Process, TestDatabase};

const SECRET_KEY: &str = "sk_test_not_for_logs";

/// Stripe's ids of the calls that caused its events of a type, newest first.
async fn causes(client: &reqwest::Client, stripe: &FakeStripe, event_type: &str) -> Vec<String> {
    let url = format!("{}/v1/events?type={event_type}", stripe.base());
    let list: Value = client.get(url).bearer_auth(SECRET_KEY).send().await.unwrap().json().await.unwrap();
    let events = list["data"].as_array().unwrap_or_else(|| panic!("{list}")).iter();
    events.map(|event| event["request"]["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_to_stripe_is_logged_by_the_id_that_stripe_gave_it_and_without_secrets() {
    let database = TestDatabase::create().await;
    let stripe = FakeStripe::start(Options::new(Clock::system())).unwrap();
    let stripe_base = stripe.base();
    let mut serve = Process::spawn(
        &["serve"],
        &[
            ("DATABASE_URL", &database.url),
            ("STRIPE_SECRET_KEY", SECRET_KEY),
            ("STRIPE_API_BASE", &stripe_base),
        ],
    );
    let base = serve.base().await;
    let (_, key, _) = texts(&on(&database, &["keys", "create", "--name", "shop"]).output().unwrap());
    let client = packline::http_client::builder().build().unwrap();

    let body = order(json!({ "payment": { "mode": "server" } }));
    let placed = client.post(format!("{base}/v1/orders")).bearer_auth(key.trim()).json(&body);
    let placed: Value = placed.send().await.unwrap().json().await.unwrap();
    let token = placed["payment"]["checkout_token"].as_str().unwrap_or_else(|| panic!("{placed}"));
    let mut answers = Vec::new();
    for card in ["pm_card_chargeDeclined", "pm_card_visa"] {
        let pay = client.post(format!("{base}/pay")).bearer_auth(token);
        answers.push(pay.json(&json!({ "payment_method_id": card })).send().await.unwrap().status());
    }

    assert_eq!(answers, [StatusCode::PAYMENT_REQUIRED, StatusCode::OK]);
    let log = serve.log();
    for event in ["payment_intent.created", "payment_intent.payment_failed", "payment_intent.succeeded"] {
        let ids = causes(&client, &stripe, event).await;
        assert_eq!(ids.len(), 1, "{event}");
        let line =
            log.lines().find(|line| line.contains(&ids[0])).unwrap_or_else(|| panic!("{event}: {log}"));
        assert!(line.contains("stripe.request.id") && line.contains("/v1/payment_intents"), "{line}");
    }
    let client_secret = placed["payment"]["client_secret"].as_str().unwrap();
    for secret in [SECRET_KEY, token, client_secret, key.trim()] {
        assert!(!log.contains(secret), "{log}");
    }
    serve.terminate().await;
}
