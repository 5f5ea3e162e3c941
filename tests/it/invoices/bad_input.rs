//! What cannot be is refused with what is wrong and what to do, and leaves everything as it was.

use serde_json::{Value, json};

use super::Desk;
use super::desk::nothing;
use crate::support::billing::all_there_is;

const VERBS: [&str; 5] = ["finalize", "send", "pay", "void", "mark_uncollectible"];

#[tokio::test]
async fn a_name_that_is_no_invoices_is_refused_on_every_route() {
    let desk = Desk::open().await;
    let customer = desk.customer(None).await;
    desk.draft(&customer, &[]).await;
    let before = all_there_is(&desk.shop.app, &desk.shop.stripe).await;

    // Of nothing, of other kinds, of nobody's kind.
    let nobody = uuid::Uuid::nil().to_string();
    for name in ["in_none", "sub_1", "qt_1", "pi_1", &customer, &nobody, "my%20invoice", "in_%00"] {
        // Stripe itself is asked for what may be one of its.
        let words = if name == "in_none" { "Stripe has no invoice" } else { "give in_…" };
        for verb in VERBS {
            let path = format!("/v1/invoices/{name}/{verb}");
            desk.refused(&path, nothing(), 404, "not_found", words).await;
        }
        let answer = desk.shop.app.get(&format!("/v1/invoices/{name}")).await;
        assert_eq!(answer.status().as_u16(), 404, "{name}");
        assert!(answer.text().await.unwrap().contains(words), "{name}");
    }
    for query in ["status=lost", "limit=0", "limit=x", "cursor=x", "customer=%00", "colour=red"] {
        let answer = desk.shop.app.get(&format!("/v1/invoices?{query}")).await;
        let expected = if query.starts_with("colour") { 400 } else { 422 };
        assert_eq!(answer.status().as_u16(), expected, "{query}");
        assert!(answer.text().await.unwrap().contains(query.split('=').next().unwrap()), "{query}");
    }
    assert_eq!(all_there_is(&desk.shop.app, &desk.shop.stripe).await, before);
}

#[tokio::test]
async fn what_is_asked_of_an_invoice_must_be_right() {
    let desk = Desk::open().await;
    let customer = desk.customer(Some("visa")).await;
    let id = desk.draft(&customer, &[]).await;
    let before = all_there_is(&desk.shop.app, &desk.shop.stripe).await;

    for verb in VERBS {
        let path = format!("/v1/invoices/{id}/{verb}");
        let unknown = json!({ "colour": "red" });
        desk.refused(&path, unknown, 422, "validation_failed", "unknown field `colour`").await;
        desk.refused(&path, json!([]), 422, "validation_failed", "body").await;
        let malformed = desk.shop.app.client.post(format!("{}{path}", desk.shop.app.base)).body("{");
        let malformed = desk.shop.app.api(malformed).send().await.unwrap();
        assert_eq!(malformed.status().as_u16(), 400, "{verb}");
    }
    for (verb, body, field, words) in [
        ("finalize", json!({ "auto_advance": "maybe" }), "auto_advance", "boolean"),
        ("pay", json!({ "paid_out_of_band": "yes" }), "paid_out_of_band", "boolean"),
        ("pay", json!({ "payment_method": 7 }), "payment_method", "string"),
        ("pay", json!({ "payment_method": "tok_visa" }), "payment_method", "pm_…"),
        ("pay", json!({ "payment_method": "pm_" }), "payment_method", "pm_…"),
        ("pay", json!({ "payment_method": "pm_\u{0}" }), "payment_method", "pm_…"),
        ("pay", json!({ "payment_method": "pm_1/../in_2" }), "payment_method", "pm_…"),
    ] {
        let path = format!("/v1/invoices/{id}/{verb}");
        desk.refused(&path, body.clone(), 422, "validation_failed", words).await;
        let (_, told) = desk.post(&path, body).await;
        assert_eq!(told["error"]["fields"][0]["field"], field, "{told}");
    }
    assert_eq!(all_there_is(&desk.shop.app, &desk.shop.stripe).await, before);
}

#[tokio::test]
async fn an_invoice_in_no_state_for_it_is_left_as_it_is_and_what_is_so_already_is_answered_alike() {
    let desk = Desk::open().await;
    let customer = desk.customer(Some("visa")).await;
    let act = |id: &str, verb: &str| format!("/v1/invoices/{id}/{verb}");
    let empty = desk.empty_draft(&customer, &[]).await;
    let draft = desk.draft(&customer, &[]).await;
    let mut made = Vec::new();
    for steps in [&["finalize"][..], &["pay"], &["finalize", "void"], &["finalize", "mark_uncollectible"]] {
        let id = desk.draft(&customer, &[]).await;
        for step in steps {
            let (status, told) = desk.post(&act(&id, step), nothing()).await;
            assert!(status.is_success(), "{step}: {told}");
        }
        made.push(id);
    }
    let [open, paid, void, lost] = <[String; 4]>::try_from(made).unwrap();
    desk.catch_up().await;
    let before = all_there_is(&desk.shop.app, &desk.shop.stripe).await;

    for (id, verb, code, words) in [
        (&empty, "finalize", "invoice_empty", "add invoice items first"),
        (&draft, "void", "invoice_draft", "deleted in the Dashboard"),
        (&draft, "mark_uncollectible", "invoice_draft", "finalise it first"),
        (&draft, "send", "invoice_not_sendable", "hosted_invoice_url"),
        (&open, "send", "invoice_not_sendable", "hosted_invoice_url"),
        (&paid, "pay", "invoice_paid", "nothing was charged again"),
        (&paid, "void", "invoice_paid", "refund its order"),
        (&paid, "mark_uncollectible", "invoice_paid", "paid already"),
        (&paid, "send", "invoice_paid", "nothing to send"),
        (&void, "pay", "invoice_void", "make a new invoice"),
        (&void, "finalize", "invoice_void", "make a new one"),
        (&void, "send", "invoice_void", "asks for nothing"),
        (&void, "mark_uncollectible", "invoice_void", "nobody expects"),
        (&lost, "send", "invoice_uncollectible", "hosted_invoice_url"),
    ] {
        desk.refused(&act(id, verb), nothing(), 409, code, words).await;
    }
    let out_of_band = json!({ "paid_out_of_band": true });
    desk.refused(&act(&void, "pay"), out_of_band.clone(), 409, "invoice_void", "make a new invoice").await;
    desk.refused(&act(&paid, "pay"), out_of_band, 409, "invoice_paid", "paid already").await;
    for (id, verb) in [
        (&open, "finalize"),
        (&paid, "finalize"),
        (&lost, "finalize"),
        (&void, "void"),
        (&lost, "mark_uncollectible"),
    ] {
        let known: Value = desk.get(&format!("/v1/invoices/{id}")).await;
        let (status, told) = desk.post(&act(id, verb), nothing()).await;
        assert!(status.is_success() && told == known, "{verb}: {told}");
    }
    assert_eq!(all_there_is(&desk.shop.app, &desk.shop.stripe).await, before);
}
