//! What is tried again, under which key, and what a call that ends badly is called.

use std::time::Duration;

use packline::stripe::params::{ConfirmPaymentIntent, NewPaymentIntent};
use packline::stripe::{CallError, Client, NotDoneCause, Patience, PaymentIntent, UnknownCause};
use serde_json::json;

use super::server::{KEY, Scripted, Step, call, config, error, error_with, ok, patience, payment_intent};

async fn confirm(client: &Client) -> Result<PaymentIntent, CallError> {
    client.confirm_payment_intent("pi_1", &ConfirmPaymentIntent::default(), call()).await
}

/// The name of a result, for tables.
fn name(result: &Result<PaymentIntent, CallError>) -> String {
    match result {
        Ok(_) => "done".to_owned(),
        Err(CallError::Refused(refusal)) => format!("refused {}", refusal.status),
        Err(CallError::NotDone(not_done)) => format!("not done: {:?}", not_done.cause),
        Err(CallError::Unknown(unknown)) => format!("unknown: {:?}", unknown.cause),
    }
}

#[tokio::test]
async fn each_way_to_fail_has_its_attempts_and_its_outcome() {
    let api = "api_error";
    let invalid = "invalid_request_error";
    let says = |status, should_retry, code: &str| {
        error_with(
            status,
            vec![("Stripe-Should-Retry", should_retry)],
            json!({ "type": "invalid_request_error", "code": code, "message": "m" }),
        )
    };
    for (what, step, attempts, outcome) in [
        ("a refusal", error(400, invalid, None), 1, "refused 400"),
        ("a refusal that Stripe says to repeat", says(400, "true", "x"), 3, "refused 400"),
        ("a bad key", error(401, invalid, None), 1, "not done: Unauthenticated"),
        ("a decline", error(402, "card_error", Some("card_declined")), 1, "refused 402"),
        ("a missing permission", error(403, invalid, None), 1, "refused 403"),
        ("a missing object", error(404, invalid, Some("resource_missing")), 1, "refused 404"),
        ("a conflict", error(409, invalid, None), 3, "unknown: InProgress"),
        ("a key in use", error(409, invalid, Some("idempotency_key_in_use")), 3, "unknown: InProgress"),
        (
            "a key in use, in other words",
            error(409, "idempotency_error", Some("idempotency_key_in_use")),
            3,
            "unknown: InProgress",
        ),
        ("a conflict not to be repeated", says(409, "false", "x"), 1, "unknown: InProgress"),
        ("a key used for something else", error(400, "idempotency_error", None), 1, "unknown: KeyReused"),
        ("too many calls", error(429, "rate_limit_error", Some("rate_limit")), 1, "not done: Busy"),
        ("too many calls, to be repeated", says(429, "true", "rate_limit"), 3, "not done: Busy"),
        ("a lock", error(429, invalid, Some("lock_timeout")), 3, "not done: Busy"),
        ("a lock not to be repeated", says(429, "false", "lock_timeout"), 1, "not done: Busy"),
        ("an error of Stripe's", error(500, api, None), 3, "unknown: ServerError"),
        ("an error not to be repeated", says(500, "false", "x"), 1, "unknown: ServerError"),
        ("a gateway's page", Step::Answer(502, vec![], "<html>".to_owned()), 3, "unknown: Garbage"),
        ("a proxy's refusal", Step::Answer(403, vec![], "<html>".to_owned()), 3, "unknown: Garbage"),
        ("no JSON", Step::Answer(200, vec![], "pi_1".to_owned()), 3, "unknown: Garbage"),
        ("an empty answer", Step::Answer(200, vec![], String::new()), 3, "unknown: Garbage"),
        ("another object", ok(&json!({"id": "ch_1", "object": "charge"})), 3, "unknown: Garbage"),
        ("too little", ok(&json!({"id": "pi_1", "object": "payment_intent"})), 3, "unknown: Garbage"),
        (
            "a redirect",
            Step::Answer(302, vec![("Location", "/v1/elsewhere")], String::new()),
            3,
            "unknown: Garbage",
        ),
        ("no HTTP", Step::Bytes(b"220 mail.example ESMTP\r\n".to_vec()), 3, "unknown: NoAnswer"),
        ("half an answer", Step::Half(payment_intent("succeeded").to_string()), 3, "unknown: NoAnswer"),
        ("a reset", Step::Reset, 3, "unknown: NoAnswer"),
        ("a connection that ends", Step::Bytes(Vec::new()), 3, "unknown: NoAnswer"),
    ] {
        let stripe = Scripted::start([step]).await;

        let result = confirm(&stripe.client()).await;

        assert_eq!(name(&result), outcome, "{what}: {result:?}");
        assert_eq!(stripe.keys(), vec![Some(KEY.to_owned()); attempts], "{what}: always the same key");
        let bodies: Vec<String> = stripe.requests().iter().map(|request| request.body.clone()).collect();
        assert!(bodies.windows(2).all(|two| two[0] == two[1]), "{what}: always the same parameters");
        assert!(
            stripe.requests().iter().all(|r| r.line.starts_with("POST /v1/payment_intents/pi_1/confirm"))
        );
        let told = match result.unwrap_err() {
            CallError::NotDone(not_done) => Some(not_done.attempts),
            CallError::Unknown(unknown) => Some(unknown.attempts),
            CallError::Refused(_) => None,
        };
        assert!(told.is_none_or(|told| usize::try_from(told).unwrap() == attempts), "{what}: {told:?}");
    }
}

#[tokio::test]
async fn what_is_retried_may_still_come_out_well() {
    for first in [
        Step::Reset,
        Step::Half(payment_intent("succeeded").to_string()),
        error(500, "api_error", None),
        error(409, "invalid_request_error", Some("idempotency_key_in_use")),
        error(429, "invalid_request_error", Some("lock_timeout")),
    ] {
        let stripe = Scripted::start([first.clone(), first.clone(), ok(&payment_intent("succeeded"))]).await;

        let paid = confirm(&stripe.client()).await.unwrap();

        assert_eq!(paid.status, "succeeded", "{first:?}");
        assert_eq!(stripe.keys().len(), 3, "{first:?}");
    }
}

/// The first attempt may have done it. What the second hears of the way there does not change that.
#[tokio::test]
async fn an_unknown_attempt_stays_unknown_until_an_answer_under_its_key_settles_it() {
    let decline = error(402, "card_error", Some("card_declined"));
    let lost = Step::Reset;
    for (then, outcome) in [
        (decline, "refused 402"),
        (error(404, "invalid_request_error", Some("resource_missing")), "refused 404"),
        (error(401, "invalid_request_error", None), "unknown: NoAnswer"),
        (error(403, "invalid_request_error", None), "unknown: NoAnswer"),
        (error(429, "rate_limit_error", Some("rate_limit")), "unknown: NoAnswer"),
        (error(429, "invalid_request_error", Some("lock_timeout")), "unknown: NoAnswer"),
        (error(500, "api_error", None), "unknown: ServerError"),
    ] {
        let stripe = Scripted::start([lost.clone(), then.clone()]).await;

        let result = confirm(&stripe.client()).await;

        assert_eq!(name(&result), outcome, "{then:?}: {result:?}");
    }
}

#[tokio::test]
async fn nobody_there_is_surely_not_done() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", gone.local_addr().unwrap());
    drop(gone);
    let client = Client::with_patience(&config(&base), patience()).unwrap();

    let Err(CallError::NotDone(not_done)) = confirm(&client).await else { panic!("it was done") };

    assert_eq!(not_done.cause, NotDoneCause::NotReached);
    assert_eq!(not_done.attempts, 3);
    assert!(!not_done.why.contains("http://"), "no address: {}", not_done.why);
    let unknown_name = Client::with_patience(&config("http://stripe.invalid"), patience()).unwrap();
    let result = confirm(&unknown_name).await;
    assert_eq!(name(&result), "not done: NotReached", "{result:?}");
}

#[tokio::test]
async fn an_answer_that_takes_too_long_is_unknown() {
    let stripe = Scripted::start([Step::Hang]).await;
    let hurried = Patience { timeout: Duration::from_millis(100), ..patience() };

    let result = confirm(&stripe.client_with(hurried)).await;

    let Err(CallError::Unknown(unknown)) = &result else { panic!("{result:?}") };
    assert_eq!((unknown.cause, unknown.attempts), (UnknownCause::NoAnswer, 3));
    assert!(unknown.why.contains("timed out"), "{}", unknown.why);
}

#[tokio::test]
async fn a_look_is_repeated_too_and_is_simply_not_known_in_the_end() {
    let stripe =
        Scripted::start([Step::Reset, error(500, "api_error", None), ok(&payment_intent("processing"))])
            .await;

    let seen = stripe.client().retrieve_payment_intent("pi_1", None).await.unwrap();

    assert_eq!(seen.status, "processing");
    assert_eq!(stripe.keys(), [None, None, None], "a look has no key");
    let lost = Scripted::start([Step::Reset]).await;
    let result = lost.client().retrieve_payment_intent("pi_1", None).await;
    assert_eq!(name(&result), "unknown: NoAnswer");
}

#[tokio::test]
async fn a_code_of_oauth_is_not_sent_again_once_it_may_have_been_used() {
    for (step, attempts) in [
        (Step::Reset, 1),
        (error(500, "api_error", None), 1),
        (Step::Answer(200, vec![], "<html>".to_owned()), 1),
        (error(429, "invalid_request_error", Some("lock_timeout")), 3),
    ] {
        let stripe = Scripted::start([step.clone()]).await;

        let result = stripe.client().oauth_token("ac_1", call()).await;

        assert!(matches!(result, Err(CallError::Unknown(_) | CallError::NotDone(_))), "{step:?}: {result:?}");
        assert_eq!(stripe.requests().len(), attempts, "{step:?}");
    }
}

#[tokio::test]
async fn what_cannot_be_sent_is_not_sent() {
    let stripe = Scripted::start([ok(&payment_intent("succeeded"))]).await;
    let client = stripe.client();
    let new = NewPaymentIntent::default();
    let long = "k".repeat(256);
    let mut results = Vec::new();
    for key in ["", "a b", "line\r\nbreak", "ключ", &long] {
        let call = packline::stripe::Call { idempotency_key: key, account: None };
        results.push(client.create_payment_intent(&new, call).await);
    }
    for id in ["", "..", "pi_1/confirm", "pi_1?expand", "a b", "%2e"] {
        results.push(client.retrieve_payment_intent(id, None).await);
    }
    results.push(client.retrieve_payment_intent("pi_1", Some("acct\n1")).await);

    for result in &results {
        assert_eq!(name(result), "not done: Unsendable", "{result:?}");
    }
    assert!(stripe.requests().is_empty());
}
