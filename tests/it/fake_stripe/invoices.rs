//! Invoices of single items, and money by bank transfer.

use serde_json::{Value, json};

use super::Local;
use super::payments::id;

impl Local {
    async fn invoice(&self, card: &str) -> (Value, String) {
        let customer = self.make("/v1/customers", "email=ann@example.com").await;
        let attached = self
            .make(
                &format!("/v1/payment_methods/pm_card_{card}/attach"),
                &format!("customer={}", id(&customer)),
            )
            .await;
        let of = format!("customer={}", id(&customer));
        self.make("/v1/invoiceitems", &format!("{of}&amount=2000&currency=usd&description=Mug")).await;
        let invoice = self
            .make(
                "/v1/invoices",
                &format!("{of}&pending_invoice_items_behavior=include&metadata[order_id]=o1"),
            )
            .await;
        (invoice, format!("payment_method={}", id(&attached)))
    }
}

#[actix_web::test]
async fn an_invoice_is_paid_by_its_intent() {
    let local = Local::start();
    let (invoice, method) = local.invoice("visa").await;
    assert_eq!((&invoice["status"], &invoice["amount_due"]), (&json!("draft"), &json!(2000)));
    assert_eq!(invoice["lines"]["data"][0]["description"], "Mug");
    local.told();

    let path = format!("/v1/invoices/{}/pay", id(&invoice));
    let paid = local.make(&path, &format!("{method}&expand[]=payments&expand[]=confirmation_secret")).await;
    let again = local.post(&path, &method).await;

    assert_eq!((&paid["status"], &paid["amount_paid"]), (&json!("paid"), &json!(2000)));
    let payment = &paid["payments"]["data"][0];
    assert_eq!((&payment["status"], &payment["is_default"]), (&json!("paid"), &json!(true)));
    let intent = payment["payment"]["payment_intent"].as_str().unwrap();
    let found = local
        .see(&format!(
            "/v1/invoice_payments?payment[type]=payment_intent&payment[payment_intent]={intent}&status=paid"
        ))
        .await;
    assert_eq!(found["data"][0]["invoice"], invoice["id"]);
    assert_eq!(again.status, 400);
    assert_eq!(
        local.told(),
        [
            "payment_intent.created",
            "invoice.finalized",
            "charge.succeeded",
            "payment_intent.succeeded",
            "invoice_payment.paid",
            "invoice.updated",
            "invoice.paid",
            "invoice.payment_succeeded",
            "charge.updated",
        ]
    );
}

#[actix_web::test]
async fn an_invoice_whose_card_wants_its_owner_is_paid_after_that() {
    let local = Local::start();
    let (invoice, method) = local.invoice("threeDSecure2Required").await;

    let asked = local.post(&format!("/v1/invoices/{}/pay", id(&invoice)), &method).await;
    let intent = id(asked.error("payment_intent")).to_owned();
    let told = local.told();
    local.control(&format!("payment_intents/{intent}/authenticate"), json!({"outcome": "succeeded"})).await;

    assert_eq!((asked.status, asked.error("code")), (402, &json!("invoice_payment_intent_requires_action")));
    assert!(told.contains(&"invoice.payment_action_required".to_owned()));
    assert_eq!(local.see(&format!("/v1/invoices/{}", id(&invoice))).await["status"], "paid");
}

#[actix_web::test]
async fn an_invoice_over_nothing_is_paid_when_it_opens() {
    let local = Local::start();
    let customer = local.make("/v1/customers", "").await;
    let invoice = local.make("/v1/invoices", &format!("customer={}", id(&customer))).await;

    let opened = local.make(&format!("/v1/invoices/{}/finalize", id(&invoice)), "").await;

    assert_eq!(opened["status"], "paid");
    let told = local.told();
    assert!(told.contains(&"invoice.paid".to_owned()));
    assert!(!told.contains(&"payment_intent.created".to_owned()));
}

#[actix_web::test]
async fn an_open_invoice_is_overdue_after_its_day() {
    let local = Local::start();
    let customer = local.make("/v1/customers", "email=bob@example.com").await;
    let of = format!("customer={}", id(&customer));
    local.make("/v1/invoiceitems", &format!("{of}&amount=2000&currency=usd")).await;
    let form = format!(
        "{of}&pending_invoice_items_behavior=include&collection_method=send_invoice&days_until_due=7"
    );
    let invoice = local.make("/v1/invoices", &form).await;
    local.make(&format!("/v1/invoices/{}/send", id(&invoice)), "").await;
    assert_eq!(local.told().last().unwrap(), "invoice.sent");

    local.advance(7 * 24 * 60 * 60);

    assert_eq!(local.told(), ["invoice.overdue"]);
}

#[actix_web::test]
async fn a_void_invoice_can_not_be_paid() {
    let local = Local::start();
    let (invoice, method) = local.invoice("visa").await;
    let path = |verb: &str| format!("/v1/invoices/{}/{verb}", id(&invoice));
    local.make(&path("finalize"), "").await;

    local.make(&path("void"), "").await;

    for verb in ["pay", "void", "finalize", "mark_uncollectible"] {
        let refused = local.post(&path(verb), if verb == "pay" { &method } else { "" }).await;
        assert_eq!(refused.status, 400, "{verb}: {}", refused.body);
    }
    assert!(local.told().contains(&"payment_intent.canceled".to_owned()));
}
