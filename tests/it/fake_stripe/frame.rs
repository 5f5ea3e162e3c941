//! What surrounds every call: keys, errors, idempotency, lists, faults.

use std::time::Duration;

use packline::clock::Clock;
use packline::fake_stripe::{FakeStripe, Options};
use reqwest::Method;
use serde_json::json;

use super::Local;

#[actix_web::test]
async fn a_call_needs_a_secret_key_of_test_mode() {
    let local = Local::start();
    let url = format!("{}/v1/customers", local.stripe.base());
    let client = packline::http_client::builder().build().unwrap();

    for (request, status) in [
        (client.get(&url), 401),
        (client.get(&url).bearer_auth("sk_live_1234"), 401),
        (client.get(&url).bearer_auth("pk_test_1234"), 403),
        (client.get(&url).bearer_auth("nonsense"), 401),
        (client.get(&url).bearer_auth("sk_test_1234"), 200),
        (client.get(&url).bearer_auth("rk_test_1234"), 200),
        (client.get(&url).basic_auth("sk_test_1234", None::<&str>), 200),
    ] {
        let answered = local.send(request).await;
        assert_eq!(answered.status, status, "{}", answered.body);
        assert!(answered.header("Request-Id").starts_with("req_"));
        assert!(status == 200 || answered.error("message").is_string());
    }
}

#[actix_web::test]
async fn it_listens_on_loopback_only() {
    let mut options = Options::new(Clock::manual());
    options.listen = "0.0.0.0:0".parse().unwrap();

    assert!(FakeStripe::start(options).unwrap_err().to_string().contains("loopback only"));
}

#[actix_web::test]
async fn what_is_not_modelled_says_so() {
    let local = Local::start();

    for path in ["/v1/coupons", "/v1/tax_rates", "/v1/credit_notes", "/v2/core/events", "/nothing"] {
        let answered = local.get(path).await;
        assert_eq!(answered.status, 404);
        let message = answered.error("message").as_str().unwrap();
        assert!(message.contains("The local Stripe does not model"), "{message}");
    }
}

#[actix_web::test]
async fn unknown_parameters_and_ids_are_refused_as_stripe_does() {
    let local = Local::start();

    let unknown = local.post("/v1/customers", "colour=red").await;
    let missing = local.get("/v1/customers/cus_none").await;

    assert_eq!((unknown.status, unknown.error("code")), (400, &json!("parameter_unknown")));
    assert_eq!(unknown.error("param"), "colour");
    assert_eq!((missing.status, missing.error("code")), (404, &json!("resource_missing")));
    assert_eq!(missing.error("message"), "No such customer: 'cus_none'");
    assert_eq!(missing.error("param"), "id");
    assert_eq!(missing.error("type"), "invalid_request_error");
}

#[actix_web::test]
async fn a_key_replays_its_answer_for_a_day() {
    let local = Local::start();
    let key = [("Idempotency-Key", "k1")];

    let first = local.post_with("/v1/customers", "name=Ann", &key).await;
    let again = local.post_with("/v1/customers", "name=Ann", &key).await;
    let other = local.post_with("/v1/customers", "name=Bob", &key).await;
    local.advance(24 * 60 * 60);
    let next_day = local.post_with("/v1/customers", "name=Bob", &key).await;

    assert_eq!(first.body, again.body);
    assert_eq!(first.header("Idempotent-Replayed"), "");
    assert_eq!(again.header("Idempotent-Replayed"), "true");
    assert_eq!(again.header("Original-Request"), first.header("Request-Id"));
    assert_ne!(again.header("Request-Id"), first.header("Request-Id"));
    assert_eq!(again.header("Idempotency-Key"), "k1");
    assert_eq!((other.status, other.error("type")), (400, &json!("idempotency_error")));
    assert_eq!(next_day.body["name"], "Bob");
    assert_eq!(local.told(), ["customer.created", "customer.created"]);
}

#[actix_web::test]
async fn a_key_is_not_used_up_by_a_call_that_was_not_valid() {
    let local = Local::start();
    let key = [("Idempotency-Key", "k1")];

    let refused = local.post_with("/v1/customers", "colour=red", &key).await;
    let done = local.post_with("/v1/customers", "name=Ann", &key).await;

    assert_eq!((refused.status, done.status), (400, 200));
}

#[actix_web::test]
async fn lists_are_newest_first_in_pages() {
    let local = Local::start();
    let mut ids = Vec::new();
    for name in ["a", "b", "c", "d", "e"] {
        let customer = local.make("/v1/customers", &format!("name={name}")).await;
        ids.push(customer["id"].as_str().unwrap().to_owned());
    }
    let names = |list: &serde_json::Value| -> String {
        list["data"].as_array().unwrap().iter().map(|object| object["name"].as_str().unwrap()).collect()
    };

    let first = local.see("/v1/customers?limit=2").await;
    let second = local.see(&format!("/v1/customers?limit=2&starting_after={}", ids[3])).await;
    let last = local.see(&format!("/v1/customers?limit=2&starting_after={}", ids[1])).await;
    let before = local.see(&format!("/v1/customers?limit=2&ending_before={}", ids[0])).await;
    let too_many = local.get("/v1/customers?limit=101").await;
    let lost = local.get("/v1/customers?starting_after=cus_none").await;

    assert_eq!((names(&first), first["has_more"].as_bool()), ("ed".into(), Some(true)));
    assert_eq!((names(&second), second["has_more"].as_bool()), ("cb".into(), Some(true)));
    assert_eq!((names(&last), last["has_more"].as_bool()), ("a".into(), Some(false)));
    assert_eq!((names(&before), before["has_more"].as_bool()), ("cb".into(), Some(true)));
    assert_eq!((too_many.status, too_many.error("param")), (400, &json!("limit")));
    assert_eq!(lost.error("code"), "resource_missing");
}

#[actix_web::test]
async fn created_bounds_a_list() {
    let local = Local::start();
    let early = local.make("/v1/customers", "name=early").await["created"].as_i64().unwrap();
    local.advance(100);
    local.make("/v1/customers", "name=late").await;

    let late = local.see(&format!("/v1/customers?created[gt]={early}")).await;
    let both = local.see(&format!("/v1/customers?created%5Bgte%5D={early}")).await;

    assert_eq!(late["data"].as_array().unwrap().len(), 1);
    assert_eq!(both["data"].as_array().unwrap().len(), 2);
    assert_eq!(local.get("/v1/customers?created[near]=5").await.error("param"), "created[near]");
}

#[actix_web::test]
async fn ordered_faults_happen_to_the_next_calls_that_match() {
    let local = Local::start();
    let key = [("Idempotency-Key", "k1")];

    for (fault, status, is_done) in [
        (json!({"kind": "429"}), 429, false),
        (json!({"kind": "lock_timeout"}), 429, false),
        (json!({"kind": "500"}), 500, false),
        (json!({"kind": "409"}), 409, false),
        (json!({"kind": "500_done", "path": "/v1/customers", "method": "post"}), 500, true),
    ] {
        local.control("reset", json!({})).await;
        local.told();
        local.control("faults", fault.clone()).await;

        let failed = local.post_with("/v1/customers", "name=Ann", &key).await;
        let told = local.told().len();
        let done = local.post_with("/v1/customers", "name=Ann", &key).await;

        assert_eq!((failed.status, told == 1), (status, is_done), "{fault}");
        assert_eq!(done.status, 200, "{fault}");
        assert_eq!(local.told().len() + told, 1, "{fault}");
    }
}

#[actix_web::test]
async fn a_saved_failure_is_replayed() {
    let local = Local::start();
    let key = [("Idempotency-Key", "k1")];
    local.control("faults", json!({"kind": "500_saved"})).await;

    let failed = local.post_with("/v1/customers", "name=Ann", &key).await;
    let again = local.post_with("/v1/customers", "name=Ann", &key).await;

    assert_eq!((failed.status, again.status), (500, 500));
    assert_eq!(again.header("Idempotent-Replayed"), "true");
}

#[actix_web::test]
async fn an_answer_can_be_lost_or_garbage_after_the_work_was_done() {
    let local = Local::start();
    for kind in ["lost", "garbage", "dropped"] {
        local.control("reset", json!({})).await;
        local.told();
        local.control("faults", json!({"kind": kind})).await;
        let request =
            || local.request(Method::POST, "/v1/customers").body("name=Ann").header("Idempotency-Key", "k1");

        let answer = request().send().await;
        let told = local.told().len();
        let again = local.send(request()).await;

        match kind {
            "garbage" => assert!(answer.unwrap().text().await.unwrap().contains("<html>")),
            _ => assert!(answer.is_err(), "{answer:?}"),
        }
        assert_eq!(told, usize::from(kind != "dropped"));
        assert_eq!(again.status, 200);
        assert_eq!(again.header("Idempotent-Replayed"), if kind == "dropped" { "" } else { "true" });
    }
}

#[actix_web::test]
async fn a_key_is_in_use_while_its_first_call_runs() {
    let local = Local::start();
    local.control("faults", json!({"kind": "slow", "ms": 300})).await;
    let key = [("Idempotency-Key", "k1")];

    let slow = local.post_with("/v1/customers", "name=Ann", &key);
    let second = async {
        // The first to arrive takes the fault and waits; whichever of the two that is, the other meets it.
        local.post_with("/v1/customers", "name=Ann", &key).await
    };
    let (slow, second) = futures_util::join!(slow, second);

    let mut statuses = [slow.status, second.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409]);
}

#[actix_web::test]
async fn the_same_seed_and_calls_make_the_same_ids() {
    let (one, two) = (Local::start(), Local::start());

    let first = one.make("/v1/customers", "name=Ann").await;
    let second = two.make("/v1/customers", "name=Ann").await;

    assert_eq!(first["id"], second["id"]);
}

#[actix_web::test]
async fn a_call_that_hangs_does_nothing_and_does_not_keep_the_server_from_stopping() {
    let local = Local::start();
    local.control("faults", json!({"kind": "hang", "path": "/v1/customers"})).await;
    let hanging = local.request(Method::POST, "/v1/customers").timeout(Duration::from_millis(200)).send();

    let answer = hanging.await;

    assert!(answer.unwrap_err().is_timeout());
    assert_eq!(local.told(), [""; 0]);
    local.stripe.stop().await;
}

#[actix_web::test]
async fn a_slow_call_is_carried_out_although_its_caller_gave_up() {
    let local = Local::start();
    local.control("faults", json!({"kind": "slow", "ms": 2000})).await;
    let request =
        || local.request(Method::POST, "/v1/customers").body("name=Ann").header("Idempotency-Key", "k1");

    let gave_up = request().timeout(Duration::from_millis(400)).send().await;
    let meanwhile = local.send(request()).await;
    let after = loop {
        let answered = local.send(request()).await;
        if answered.status != 409 {
            break answered;
        }
    };

    assert!(gave_up.unwrap_err().is_timeout());
    assert_eq!((meanwhile.status, meanwhile.error("code")), (409, &json!("idempotency_key_in_use")));
    assert_eq!((after.status, after.header("Idempotent-Replayed")), (200, "true"));
    assert_eq!(local.told(), ["customer.created"]);
}
