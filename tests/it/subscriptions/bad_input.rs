//! What cannot be is refused with what is wrong and what to do, and leaves everything as it was.

use serde_json::{Value, json};

use super::change::{Goods, goods};
use crate::invoices::Desk;
use crate::invoices::desk::nothing;
use crate::support::billing::all_there_is;

#[tokio::test]
async fn a_name_that_is_no_subscriptions_is_refused_on_every_route() {
    let desk = Desk::open().await;
    let Goods { subscription, customer, .. } = goods(&desk).await;
    let before = all_there_is(&desk.shop.app, &desk.shop.stripe).await;

    let nobody = uuid::Uuid::nil().to_string();
    let change = json!({ "metadata": { "a": "b" } });
    for name in ["sub_none", "in_1", "qt_1", "si_1", &customer, &nobody, "my%20tea", "sub_%00"] {
        for (verb, body) in [
            ("", &change),
            ("/pause", &nothing()),
            ("/resume", &nothing()),
            ("/cancel", &json!({ "when": "now" })),
        ] {
            let path = format!("/v1/subscriptions/{name}{verb}");
            desk.refused(&path, body.clone(), 404, "not_found", "give sub_…").await;
        }
        let answer = desk.shop.app.get(&format!("/v1/subscriptions/{name}")).await;
        assert_eq!(answer.status().as_u16(), 404, "{name}");
        assert!(answer.text().await.unwrap().contains("give sub_…"), "{name}");
    }
    for query in ["status=lost", "limit=0", "limit=x", "cursor=x", "customer=%00", "colour=red"] {
        let answer = desk.shop.app.get(&format!("/v1/subscriptions?{query}")).await;
        let expected = if query.starts_with("colour") { 400 } else { 422 };
        assert_eq!(answer.status().as_u16(), expected, "{query}");
        assert!(answer.text().await.unwrap().contains(query.split('=').next().unwrap()), "{query}");
    }
    assert_eq!(all_there_is(&desk.shop.app, &desk.shop.stripe).await, before);
    let found = desk.get(&format!("/v1/subscriptions/{subscription}")).await;
    assert_eq!(found["status"], "active", "{found}");
}

#[tokio::test]
async fn what_is_asked_of_a_subscription_must_be_right() {
    let desk = Desk::open().await;
    let Goods { subscription, customer, tea, euros, once, .. } = goods(&desk).await;
    let before = all_there_is(&desk.shop.app, &desk.shop.stripe).await;
    let new = |fields: Value| {
        let mut asked = json!({ "customer": customer, "items": [{ "price": tea }] });
        asked.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        asked
    };
    let long = "x".repeat(501);
    let items = |items: Value| json!({ "items": items });
    let change = format!("/{subscription}");
    let (pause, resume, cancel) =
        (format!("{change}/pause"), format!("{change}/resume"), format!("{change}/cancel"));

    for (path, body, field, words) in [
        ("", new(json!({ "customer": tea })), "customer", "cus_…"),
        ("", new(json!({ "items": [{ "price": "prod_1" }] })), "items[0].price", "price_…"),
        ("", new(json!({ "items": [{ "price": once }] })), "items[0].price", "recurs"),
        (
            "",
            new(json!({ "items": [{ "price": tea }, { "price": euros }] })),
            "items[1].price",
            "one currency",
        ),
        (
            "",
            new(json!({ "items": [{ "price": tea, "quantity": 1_000_000 }] })),
            "items[0].quantity",
            "999999",
        ),
        (
            "",
            new(json!({ "items": [{ "price": tea, "colour": "red" }] })),
            "items[0].colour",
            "unknown field",
        ),
        ("", new(json!({ "trial_days": 731 })), "trial_days", "730"),
        ("", new(json!({ "trial_days": -1 })), "trial_days", "730"),
        ("", new(json!({ "trial_days": 7.5 })), "trial_days", "i32"),
        (
            "",
            new(json!({ "collection_method": "send_invoice", "days_until_due": 366 })),
            "days_until_due",
            "365",
        ),
        ("", new(json!({ "default_payment_method": "pm_\u{0}" })), "default_payment_method", "pm_…"),
        ("", new(json!({ "payment_behavior": "hope" })), "payment_behavior", "default_incomplete"),
        ("", new(json!({ "metadata": { "packline_id": "x" } })), "metadata.packline_id", "itself"),
        ("", new(json!({ "metadata": { "a": "\u{0}" } })), "metadata.a", "a text"),
        (&change, nothing(), "items", "what is to change"),
        (&change, items(json!([{ "price": euros, "quantity": 1 }])), "items[0].price", "one currency"),
        (&change, items(json!([{ "price": once, "quantity": 1 }])), "items[0].price", "recurs"),
        (&change, items(json!([{ "price": "prod_1", "quantity": 1 }])), "items[0].price", "price_…"),
        (&change, items(json!([{ "item": "si_none", "quantity": 1 }])), "items[0].item", "has no item"),
        (&change, items(json!([{ "item": subscription, "quantity": 1 }])), "items[0].item", "has no item"),
        (&change, items(json!([{ "price": tea, "quantity": 0 }])), "items", "/cancel"),
        (
            &change,
            items(json!([{ "price": tea, "quantity": -1 }])),
            "items[0].quantity",
            "take the item away",
        ),
        (&change, items(json!([{ "price": tea, "cost": 1 }])), "items[0].cost", "unknown field"),
        (
            &change,
            json!({ "proration_behavior": "maybe", "metadata": { "a": "b" } }),
            "proration_behavior",
            "none",
        ),
        (&change, json!({ "default_payment_method": "tok_1" }), "default_payment_method", "pm_…"),
        (&change, json!({ "metadata": { "packline_id": "" } }), "metadata.packline_id", "itself"),
        (&change, json!({ "metadata": { "a": long } }), "metadata.a", "500"),
        (&change, json!({ "metadata": { "a\u{0}": "b" } }), "metadata.a\\u0000", "keys of 1 to 40"),
        (&change, json!({ "trial_days": 7 }), "trial_days", "unknown field"),
        (&pause, json!({ "behavior": "sleep" }), "behavior", "keep_as_draft"),
        (&pause, json!({ "resumes_at": "2001-01-01T00:00:00Z" }), "resumes_at", "a time to come"),
        (&pause, json!({ "resumes_at": "soon" }), "resumes_at", "could not be parsed"),
        (&resume, json!({ "when": "now" }), "when", "unknown field"),
        (&cancel, json!({ "when": "later" }), "when", "period_end"),
        (&cancel, json!({ "at": "once" }), "at", "unknown field"),
        (&cancel, json!({ "invoice_now": 1 }), "invoice_now", "boolean"),
    ] {
        let path = format!("/v1/subscriptions{path}");
        desk.refused(&path, body.clone(), 422, "validation_failed", words).await;
        let (_, told) = desk.post(&path, body.clone()).await;
        let named = format!("\"field\":\"{field}\"");
        assert!(told.to_string().contains(&named), "{path} {body}: {told}");
    }
    assert_eq!(all_there_is(&desk.shop.app, &desk.shop.stripe).await, before);
}
