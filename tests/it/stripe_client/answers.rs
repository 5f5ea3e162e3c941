//! How answers are read: refusals with all that they say, values that nobody knows yet, ids and expanded objects.

use std::sync::{Arc, Mutex};

use packline::stripe::params::ConfirmPaymentIntent;
use packline::stripe::{CallError, UnknownCause};
use serde_json::json;
use tracing_subscriber::fmt::MakeWriter;

use super::server::{Scripted, Step, call, error, error_with, ok, payment_intent};

#[tokio::test]
async fn a_decline_carries_its_reasons_and_the_payment_intent() {
    let mut intent = payment_intent("requires_payment_method");
    intent["last_payment_error"] =
        json!({"type": "card_error", "code": "card_declined", "message": "Declined."});
    let stripe = Scripted::start([error_with(
        402,
        vec![("Stripe-Should-Retry", "false")],
        json!({
            "type": "card_error", "code": "card_declined", "decline_code": "insufficient_funds",
            "advice_code": "try_again_later", "message": "Your card has insufficient funds.", "param": "",
            "charge": "ch_1", "payment_intent": intent, "payment_method": {"id": "pm_1"}, "doc_url": "https://x",
        }),
    )])
    .await;

    let error = stripe
        .client()
        .confirm_payment_intent("pi_1", &ConfirmPaymentIntent::default(), call())
        .await
        .unwrap_err();

    assert_eq!(error.request_id(), Some("req_error"));
    let refusal = error.refusal().unwrap();
    assert!(refusal.is_card_error() && refusal.is("card_declined"));
    assert_eq!(refusal.decline_code.as_deref(), Some("insufficient_funds"));
    assert_eq!(refusal.advice_code.as_deref(), Some("try_again_later"));
    assert_eq!(refusal.charge.as_deref(), Some("ch_1"));
    assert_eq!(refusal.param, None, "an empty text is none");
    let intent = refusal.payment_intent.as_deref().unwrap();
    assert_eq!(intent.status, "requires_payment_method");
    assert_eq!(intent.last_payment_error.as_ref().unwrap().message.as_deref(), Some("Declined."));
    assert_eq!(
        error.to_string(),
        "Stripe refused: 402 card_error card_declined insufficient_funds: Your card has insufficient funds., \
         request req_error",
    );
}

#[tokio::test]
async fn a_refusal_is_one_whatever_else_it_holds() {
    let stripe = Scripted::start([error_with(
        402,
        vec![],
        json!({"type": "a_type_of_next_year", "code": "a_new_code", "payment_intent": {"object": "strange"}}),
    )])
    .await;

    let error = stripe.client().retrieve_payment_intent("pi_1", None).await.unwrap_err();

    let refusal = error.refusal().unwrap();
    assert_eq!(refusal.kind, "a_type_of_next_year");
    assert!(refusal.payment_intent.is_none());
}

#[tokio::test]
async fn errors_of_oauth_are_refusals_with_their_code() {
    let body =
        json!({"error": "invalid_grant", "error_description": "Authorization code does not exist: ac_1"});
    let stripe = Scripted::start([Step::Answer(400, vec![], body.to_string())]).await;

    let error = stripe.client().oauth_token("ac_1", call()).await.unwrap_err();

    let refusal = error.refusal().unwrap();
    assert!(refusal.is("invalid_grant"));
    assert_eq!((refusal.status, refusal.kind.as_str()), (400, "oauth_error"));
    assert_eq!(refusal.message.as_deref(), Some("Authorization code does not exist: ac_1"));
}

#[tokio::test]
async fn without_a_client_id_nothing_is_disconnected() {
    let mut stripe = Scripted::start([ok(&json!({}))]).await;
    stripe.config.connect_client_id = None;

    let error = stripe.client().oauth_deauthorize("acct_1", call()).await.unwrap_err();

    assert!(matches!(&error, CallError::NotDone(_)), "{error:?}");
    assert!(error.to_string().contains("STRIPE_CONNECT_CLIENT_ID"));
    assert!(stripe.requests().is_empty());
}

#[tokio::test]
async fn unknown_values_and_expanded_objects_are_read() {
    let mut intent = payment_intent("requires_a_dance");
    intent["next_action"] = json!({"type": "dance", "dance": {"steps": 3}});
    intent["latest_charge"] = json!({"id": "ch_1", "object": "charge", "amount": 4200});
    intent["customer"] = json!({"id": "cus_1", "object": "customer"});
    intent["payment_method"] = json!("pm_1");
    intent["field_of_next_year"] = json!([1, {"deep": null}]);
    let stripe = Scripted::start([ok(&intent)]).await;

    let read = stripe.client().retrieve_payment_intent("pi_1", None).await.unwrap();

    assert_eq!(read.status, "requires_a_dance");
    assert_eq!(read.next_action.unwrap().action_type, "dance");
    assert_eq!(read.latest_charge.unwrap().as_str(), "ch_1");
    assert_eq!(read.customer.unwrap().as_str(), "cus_1");
    assert_eq!(read.payment_method.unwrap().as_str(), "pm_1");
}

#[tokio::test]
async fn an_endless_answer_is_read_only_so_far() {
    let mut answer =
        b"HTTP/1.1 200 OK\r\nRequest-Id: req_huge\r\nContent-Length: 1099511627776\r\n\r\n".to_vec();
    answer.resize(17 * 1024 * 1024, b' ');
    let stripe = Scripted::start([Step::Bytes(answer)]).await;

    let error = stripe.client().retrieve_payment_intent("pi_1", None).await.unwrap_err();

    let CallError::Unknown(unknown) = &error else { panic!("{error:?}") };
    assert_eq!(unknown.cause, UnknownCause::Garbage);
    assert_eq!(error.request_id(), Some("req_huge"));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Scripted::start([ok(&payment_intent("succeeded"))]).await;
    let location: &'static str = format!("{}v1/payment_intents/pi_1", elsewhere.config.api_base).leak();
    for status in [301, 302, 303, 307, 308] {
        let stripe =
            Scripted::start([Step::Answer(status, vec![("Location", location)], String::new())]).await;

        let error = stripe.client().retrieve_payment_intent("pi_1", None).await.unwrap_err();

        assert!(matches!(error, CallError::Unknown(_)), "{status}: {error:?}");
    }
    assert!(elsewhere.requests().is_empty(), "the key stays where it was configured to go");
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn each_attempt_is_a_line_with_its_request_id_and_without_anything_secret() {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt().json().with_writer(lines.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    // With one subscriber alone, a line that another thread comes to first, where nobody listens, is taken for unwanted
    // everywhere. With two, all are asked.
    let _second = tracing::Dispatch::new(tracing_subscriber::registry());
    let stripe =
        Scripted::start([Step::Reset, error(500, "api_error", None), ok(&payment_intent("requires_action"))])
            .await;
    let how =
        ConfirmPaymentIntent { receipt_email: Some("buyer@example.com".to_owned()), ..Default::default() };

    stripe.client().confirm_payment_intent("pi_1", &how, call()).await.unwrap();

    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let ours: Vec<&serde_json::Value> =
        lines.iter().filter(|line| line["target"] == "packline::stripe::client").collect();
    assert_eq!(ours.len(), 3, "{text}");
    for (at, line) in ours.iter().enumerate() {
        assert_eq!(line["fields"]["attempt"], at + 1);
        assert_eq!(line["fields"]["http.path"], "/v1/payment_intents/{}/confirm");
    }
    assert_eq!(ours[1]["fields"]["stripe.request.id"], "req_error");
    assert_eq!(ours[1]["fields"]["http.status"], 500);
    assert_eq!(ours[2]["fields"]["stripe.request.id"], "req_ok");
    assert!(
        !text.contains("sk_test_scripted") && !text.contains("secret_2") && !text.contains("buyer@"),
        "{text}"
    );
}
