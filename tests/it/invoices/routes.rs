//! What a shop can ask of invoices, against the local Stripe.

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::Desk;
use super::desk::nothing;

#[tokio::test]
async fn an_invoice_is_finalised_once_and_its_order_waits_for_payment() {
    let desk = Desk::open().await;
    let customer = desk.customer(None).await;
    let id = desk.draft(&customer, &[]).await;
    let path = format!("/v1/invoices/{id}/finalize");

    let (status, first) = desk.post_with(&path, nothing(), Some("once")).await;
    assert_eq!(status, StatusCode::OK, "{first}");
    assert_eq!(first["status"], "open");
    assert!(first["hosted_invoice_url"].is_string() && first["invoice_pdf"].is_string(), "{first}");
    assert!(first["number"].is_string());
    assert!(first["client_secret"].as_str().unwrap().contains("_secret_"), "{first}");
    assert_eq!(first["payment_intents"].as_array().unwrap().len(), 1, "{first}");
    let (_, replayed) = desk.post_with(&path, nothing(), Some("once")).await;
    assert_eq!(replayed, first);
    let (status, again) = desk.post(&path, nothing()).await;
    assert_eq!((status, &again["status"]), (StatusCode::OK, &json!("open")));
    let calls: i64 = desk.shop.app.value("select count(*) from outbox_calls").await;
    assert_eq!(calls, 1, "Stripe was asked once");

    desk.catch_up().await;
    let order = desk.shop.app.order(&id).await;
    assert_eq!(order["payment_status"], "awaiting_payment", "{order}");
    assert_eq!(order["billing"]["invoice"]["client_secret"], first["client_secret"]);
    let by_order = desk.get(&format!("/v1/invoices/{}", order["number"].as_str().unwrap())).await;
    assert_eq!(by_order["stripe_id"], id.as_str());
}

#[tokio::test]
async fn an_invoice_is_paid_with_a_saved_card_and_becomes_one_paid_order() {
    let desk = Desk::open().await;
    let customer = desk.customer(Some("visa")).await;
    let id = desk.draft(&customer, &[]).await;

    let (status, paid) = desk.post(&format!("/v1/invoices/{id}/pay"), nothing()).await;
    assert_eq!(status, StatusCode::OK, "{paid}");
    assert_eq!((&paid["status"], &paid["amount_remaining"]), (&json!("paid"), &json!(0)));
    desk.catch_up().await;

    let order = desk.shop.app.order(&id).await;
    assert_eq!(order["payment_status"], "paid");
    assert!(order["billing"]["invoice"]["receipt_url"].is_string(), "{order}");
    assert_eq!(desk.shop.app.value::<i64>("select count(*) from orders").await, 1);
    assert_eq!(desk.shop.app.value::<i64>("select count(*) from fulfilments").await, 1);
    let invoice = desk.get(&format!("/v1/invoices/{id}")).await;
    assert_eq!(invoice["client_secret"], Value::Null, "there is nothing to pay");
    desk.refused(
        &format!("/v1/invoices/{id}/pay"),
        nothing(),
        409,
        "invoice_paid",
        "nothing was charged again",
    )
    .await;
    desk.refused(&format!("/v1/invoices/{id}/void"), nothing(), 409, "invoice_paid", "refund its order")
        .await;
}

#[tokio::test]
async fn a_declined_card_is_told_and_the_invoice_can_be_paid_all_the_same() {
    let desk = Desk::open().await;
    let customer = desk.customer(Some("chargeCustomerFail")).await;
    let id = desk.draft(&customer, &[]).await;
    let path = format!("/v1/invoices/{id}/pay");

    let (status, declined) = desk.post(&path, nothing()).await;
    assert_eq!(status, StatusCode::PAYMENT_REQUIRED, "{declined}");
    assert_eq!(declined["error"]["code"], "stripe_refused");
    desk.catch_up().await;
    let invoice = desk.get(&format!("/v1/invoices/{id}")).await;
    assert_eq!((&invoice["status"], &invoice["attempt_count"]), (&json!("open"), &json!(1)), "{invoice}");
    assert!(invoice["problem"].as_str().unwrap().contains("declined"), "{invoice}");

    let (status, paid) = desk.post(&path, json!({ "paid_out_of_band": true })).await;
    assert_eq!(status, StatusCode::OK, "{paid}");
    desk.catch_up().await;
    assert_eq!(desk.shop.app.order(&id).await["payment_status"], "paid");
}

#[tokio::test]
async fn an_uncollectible_invoice_can_be_paid_later_and_a_void_one_never() {
    let desk = Desk::open().await;
    let customer = desk.customer(Some("visa")).await;
    let (late, never) = (desk.draft(&customer, &[]).await, desk.draft(&customer, &[]).await);
    let act = |id: &str, verb: &str| format!("/v1/invoices/{id}/{verb}");
    for id in [&late, &never] {
        assert_eq!(desk.post(&act(id, "finalize"), nothing()).await.0, StatusCode::OK);
    }

    let (_, marked) = desk.post(&act(&late, "mark_uncollectible"), nothing()).await;
    assert_eq!(marked["status"], "uncollectible", "{marked}");
    let (_, voided) = desk.post(&act(&never, "void"), nothing()).await;
    assert_eq!(voided["status"], "void");
    assert_eq!(desk.post(&act(&never, "void"), nothing()).await.0, StatusCode::OK, "it is so already");
    desk.catch_up().await;
    assert_eq!(desk.shop.app.order(&never).await["payment_status"], "cancelled");

    let (_, paid) = desk.post(&act(&late, "pay"), nothing()).await;
    assert_eq!(paid["status"], "paid", "{paid}");
    desk.catch_up().await;
    assert_eq!(desk.shop.app.order(&late).await["payment_status"], "paid");
    desk.refused(&act(&never, "pay"), nothing(), 409, "invoice_void", "make a new invoice").await;
    desk.refused(&act(&never, "finalize"), nothing(), 409, "invoice_void", "make a new one").await;
    desk.refused(&act(&never, "mark_uncollectible"), nothing(), 409, "invoice_void", "nobody expects").await;
}

#[tokio::test]
async fn what_cannot_be_asked_is_refused_in_the_words_of_a_shop() {
    let desk = Desk::open().await;
    let customer = desk.customer(None).await;
    let empty = desk.empty_draft(&customer, &[]).await;
    let id = desk.draft(&customer, &[]).await;
    let act = |id: &str, verb: &str| format!("/v1/invoices/{id}/{verb}");

    desk.refused(&act(&empty, "finalize"), nothing(), 409, "invoice_empty", "add invoice items first").await;
    desk.refused(&act(&id, "void"), nothing(), 409, "invoice_draft", "deleted in the Dashboard").await;
    desk.refused(&act(&id, "mark_uncollectible"), nothing(), 409, "invoice_draft", "finalise it first").await;
    desk.refused(&act(&id, "send"), nothing(), 409, "invoice_not_sendable", "send_invoice").await;
    desk.refused(&act("in_unknown", "finalize"), nothing(), 404, "not_found", "in_unknown").await;
    desk.refused(&act("nobody", "finalize"), nothing(), 404, "not_found", "give in_").await;
    desk.refused(&act(&id, "pay"), json!({ "payment_method": "tok_visa" }), 422, "validation_failed", "pm_")
        .await;
    let both = json!({ "payment_method": "pm_card_visa", "paid_out_of_band": true });
    desk.refused(&act(&id, "pay"), both, 422, "validation_failed", "either").await;
    desk.refused(&act(&id, "pay"), json!({ "card": 1 }), 422, "validation_failed", "card").await;
    // What only Stripe knows, it says.
    desk.refused(&act(&id, "pay"), json!({ "payment_method": "pm_none" }), 422, "stripe_refused", "pm_none")
        .await;
}

#[tokio::test]
async fn an_invoice_that_no_event_has_told_of_is_looked_up() {
    let desk = Desk::open().await;
    let customer = desk.customer(None).await;
    let item = [("customer", customer.as_str()), ("amount", "700"), ("currency", "usd")];
    desk.in_dashboard("/v1/invoiceitems", &item).await;
    let form = [("customer", customer.as_str()), ("pending_invoice_items_behavior", "include")];
    let made = desk.in_dashboard("/v1/invoices", &form).await;

    let path = format!("/v1/invoices/{}/finalize", made["id"].as_str().unwrap());
    let (status, open) = desk.post(&path, nothing()).await;

    assert_eq!((status, &open["status"]), (StatusCode::OK, &json!("open")), "{open}");
    assert_eq!(open["amount_due"], 700);
}

#[tokio::test]
async fn a_lost_answer_finalises_once() {
    let desk = Desk::open().await;
    let customer = desk.customer(None).await;
    let id = desk.draft(&customer, &[]).await;
    let path = format!("/v1/invoices/{id}/finalize");
    desk.shop.fault("lost", &format!("/v1/invoices/{id}"), 3);

    let (status, unknown) = desk.post_with(&path, nothing(), Some("k")).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{unknown}");
    assert_eq!(unknown["error"]["code"], "stripe_outcome_unknown");
    desk.shop.app.clock.advance(std::time::Duration::from_secs(600));
    desk.look().await;

    let (status, open) = desk.post_with(&path, nothing(), Some("k")).await;
    assert_eq!((status, &open["status"]), (StatusCode::OK, &json!("open")), "{open}");
    desk.catch_up().await;
    assert_eq!(desk.shop.app.value::<i64>("select count(*) from orders").await, 1);
}

#[tokio::test]
async fn what_a_form_needs_is_looked_up_when_stripe_finalises_by_itself() {
    let desk = Desk::open().await;
    let customer = desk.customer(None).await;
    let id = desk.draft(&customer, &[]).await;

    desk.in_dashboard(&format!("/v1/invoices/{id}/finalize"), &[]).await;
    desk.shop.deliver().await;
    assert_eq!(desk.get(&format!("/v1/invoices/{id}")).await["client_secret"], Value::Null);
    desk.look().await;

    let secret = desk.get(&format!("/v1/invoices/{id}")).await["client_secret"].clone();
    assert!(secret.as_str().unwrap().contains("_secret_"), "{secret}");
    assert_eq!(desk.shop.app.order(&id).await["billing"]["invoice"]["client_secret"], secret);
}
