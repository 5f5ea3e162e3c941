use serde_json::{Value, json};

use super::Invoice;

fn invoice(fields: Value) -> Invoice {
    let mut object = json!({ "id": "in_1", "amount_due": 2000, "currency": "usd", "status": "open" });
    object.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    serde_json::from_value(object).unwrap()
}

fn line(fields: Value) -> super::InvoiceLine {
    let mut object = json!({ "id": "il_1", "amount": 2000, "quantity": 2 });
    object.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    serde_json::from_value(object).unwrap()
}

#[test]
fn subscription_and_quote_are_read_in_both_shapes() {
    let old = invoice(json!({ "subscription": "sub_1", "quote": { "id": "qt_1", "object": "quote" } }));
    let new = invoice(json!({ "parent": {
        "type": "subscription_details",
        "subscription_details": { "subscription": "sub_1", "metadata": null },
        "quote_details": { "quote": "qt_1" }
    } }));
    let none = invoice(json!({ "parent": null, "subscription": null }));

    for invoice in [&old, &new] {
        assert_eq!(invoice.subscription().unwrap().as_str(), "sub_1");
        assert_eq!(invoice.quote().unwrap().as_str(), "qt_1");
    }
    assert_eq!((none.subscription(), none.quote()), (None, None));
}

#[test]
fn what_people_need_of_an_invoice_is_read() {
    let invoice = invoice(json!({
        "number": "A-1", "billing_reason": "subscription_cycle", "collection_method": "send_invoice",
        "amount_remaining": 1500, "total": 2000, "auto_advance": true, "automatically_finalizes_at": 1_760_003_600,
        "attempt_count": 2, "next_payment_attempt": 1_760_000_000, "due_date": 1_770_000_000,
        "hosted_invoice_url": "https://invoice.stripe.com/i/1", "invoice_pdf": "https://pay.stripe.com/1/pdf",
        "confirmation_secret": { "client_secret": "pi_1_secret_1", "type": "payment_intent" },
        "lines": { "data": [], "has_more": true, "total_count": 12 }
    }));

    assert_eq!((invoice.number.as_deref(), invoice.attempt_count), (Some("A-1"), 2));
    assert_eq!((invoice.amount_remaining, invoice.total), (Some(1500), Some(2000)));
    assert_eq!(invoice.automatically_finalizes_at.unwrap().unix_timestamp(), 1_760_003_600);
    assert_eq!(invoice.due_date.unwrap().unix_timestamp(), 1_770_000_000);
    assert_eq!(invoice.client_secret(), Some("pi_1_secret_1"));
    assert!(invoice.has_more_lines() && invoice.auto_advance == Some(true));
}

#[test]
fn a_line_tells_its_price_in_both_shapes_and_by_id_or_whole() {
    let whole =
        json!({ "id": "price_1", "object": "price", "metadata": { "sku": "TEA" }, "lookup_key": "tea" });
    let old = line(json!({ "price": whole }));
    let new = line(json!({ "pricing": { "price_details": { "price": "price_1", "product": "prod_1" } } }));

    assert_eq!((old.price().unwrap().id.as_str(), new.price().unwrap().id.as_str()), ("price_1", "price_1"));
    assert_eq!(old.price().unwrap().metadata["sku"], "TEA");
    assert_eq!(old.price().unwrap().lookup_key.as_deref(), Some("tea"));
    assert!(new.price().unwrap().metadata.is_empty());
    assert_eq!(line(json!({ "price": null, "pricing": null })).price(), None);
}

#[test]
fn prorations_are_told_in_both_shapes() {
    let details = |kind: &str, proration: bool| json!({ "parent": { kind: { "proration": proration } } });

    assert!(line(json!({ "proration": true })).is_proration());
    assert!(line(details("invoice_item_details", true)).is_proration());
    assert!(line(details("subscription_item_details", true)).is_proration());
    assert!(!line(details("subscription_item_details", false)).is_proration());
    assert!(!line(json!({ "proration": false, "parent": null })).is_proration());
}
