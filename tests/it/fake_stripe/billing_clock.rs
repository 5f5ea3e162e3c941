//! What invoices do by themselves, and how they are paid by several payments.

use serde_json::{Value, json};

use super::Local;
use super::payments::id;

const HOUR: u64 = 60 * 60;

impl Local {
    async fn billed(&self, customer: &Value, more: &str) -> Value {
        let of = format!("customer={}", id(customer));
        self.make("/v1/invoiceitems", &format!("{of}&amount=2000&currency=usd")).await;
        self.make("/v1/invoices", &format!("{of}&pending_invoice_items_behavior=include&{more}")).await
    }

    async fn invoice_now(&self, invoice: &Value) -> Value {
        self.see(&format!("/v1/invoices/{}", id(invoice))).await
    }
}

#[actix_web::test]
async fn a_draft_that_advances_is_charged_an_hour_later_others_stay() {
    let local = Local::start();
    let customer = local.customer_with("visa").await;
    let advances = local.billed(&customer, "auto_advance=true").await;
    let stays = local.billed(&customer, "").await;

    local.advance(HOUR - 1);
    let early = local.invoice_now(&advances).await;
    local.advance(1);

    assert_eq!(early["status"], "draft");
    assert_eq!(local.invoice_now(&advances).await["status"], "paid");
    assert_eq!(local.invoice_now(&stays).await["status"], "draft");
}

#[actix_web::test]
async fn an_endpoint_that_takes_no_event_holds_the_draft_up_for_three_days() {
    let local = Local::start();
    let nobody = json!({ "url": "http://127.0.0.1:9/", "secret": "whsec_x" });
    local.control("webhook_endpoints", nobody).await;
    let customer = local.customer_with("visa").await;
    let invoice = local.billed(&customer, "auto_advance=true").await;
    local.stripe.deliveries().settled().await;

    local.advance(71 * HOUR);
    let waits = local.invoice_now(&invoice).await;
    local.advance(HOUR);

    assert_eq!(waits["status"], "draft");
    assert_eq!(local.invoice_now(&invoice).await["status"], "paid");
}

#[actix_web::test]
async fn finalised_by_hand_it_is_charged_an_hour_later_and_again_after_days() {
    let local = Local::start();
    let customer = local.customer_with("chargeCustomerFail").await;
    let invoice = local.billed(&customer, "auto_advance=true").await;

    let open = local.make(&format!("/v1/invoices/{}/finalize", id(&invoice)), "").await;
    local.advance(2 * HOUR);
    let failed = local.invoice_now(&invoice).await;
    local.make(&format!("/v1/customers/{}", id(&customer)), "payment_method=pm_card_visa").await;
    local.advance(3 * 24 * HOUR);

    let in_an_hour = invoice["created"].as_i64().unwrap() + 3600;
    assert_eq!((&open["status"], &open["next_payment_attempt"]), (&json!("open"), &json!(in_an_hour)));
    assert_eq!((&failed["status"], &failed["attempt_count"]), (&json!("open"), &json!(1)));
    assert_eq!(failed["next_payment_attempt"], in_an_hour + 3 * 24 * 3600);
    assert_eq!(local.invoice_now(&invoice).await["status"], "paid");
}

#[actix_web::test]
async fn an_invoice_is_paid_in_parts_by_several_payments() {
    let local = Local::start();
    let customer = local.customer_with("visa").await;
    let invoice = local.billed(&customer, "").await;
    let path = |verb: &str| format!("/v1/invoices/{}/{verb}", id(&invoice));
    local.make(&path("finalize"), "").await;
    let of = format!("amount=500&currency=usd&customer={}&payment_method_types[]=card", id(&customer));
    let method = local.see(&format!("/v1/customers/{}", id(&customer))).await;
    let method = id(&method["invoice_settings"]["default_payment_method"]).to_owned();
    let paid = local.make("/v1/payment_intents", &format!("{of}&payment_method={method}&confirm=true")).await;
    let open = local.make("/v1/payment_intents", &of).await;

    let first = local.make(&path("attach_payment"), &format!("payment_intent={}", id(&paid))).await;
    local.make(&path("attach_payment"), &format!("payment_intent={}", id(&open))).await;
    local
        .make(&format!("/v1/payment_intents/{}/confirm", id(&open)), &format!("payment_method={method}"))
        .await;
    let second = local.invoice_now(&invoice).await;
    let whole = local.make(&path("pay"), "expand[]=payments").await;

    assert_eq!((&first["amount_paid"], &first["amount_remaining"]), (&json!(500), &json!(1500)));
    assert_eq!((&second["status"], &second["amount_remaining"]), (&json!("open"), &json!(1000)));
    assert_eq!((&whole["status"], &whole["amount_paid"]), (&json!("paid"), &json!(2000)));
    let payments = whole["payments"]["data"].as_array().unwrap();
    assert_eq!(payments.iter().filter(|payment| payment["status"] == "paid").count(), 3);
    let told = local.told();
    assert_eq!(told.iter().filter(|event| *event == "invoice_payment.paid").count(), 3);
    assert_eq!(told.iter().filter(|event| *event == "invoice.paid").count(), 1);
}

#[actix_web::test]
async fn more_than_ten_lines_are_listed_apart_and_a_credit_is_kept() {
    let local = Local::start();
    let customer = local.customer_with("visa").await;
    let of = format!("customer={}", id(&customer));
    let price = local.price(100, "").await;
    for number in 0..12 {
        let form = format!("{of}&pricing[price]={}&quantity=2&metadata[n]={number}", id(&price));
        local.make("/v1/invoiceitems", &form).await;
    }

    let invoice = local.make("/v1/invoices", &format!("{of}&pending_invoice_items_behavior=include")).await;
    let lines = local.see(&format!("/v1/invoices/{}/lines?limit=100", id(&invoice))).await;
    local.make("/v1/invoiceitems", &format!("{of}&amount=-5000&currency=usd")).await;
    let credit = local.make("/v1/invoices", &format!("{of}&pending_invoice_items_behavior=include")).await;
    let credit = local.make(&format!("/v1/invoices/{}/finalize", id(&credit)), "").await;
    let used = local.make(&format!("/v1/invoices/{}/finalize", id(&invoice)), "").await;

    assert_eq!((&invoice["amount_due"], &invoice["lines"]["has_more"]), (&json!(2400), &json!(true)));
    assert_eq!(invoice["lines"]["data"].as_array().unwrap().len(), 10);
    assert_eq!(lines["data"].as_array().unwrap().len(), 12);
    assert_eq!(
        (&credit["status"], &credit["amount_due"], &credit["ending_balance"]),
        (&json!("paid"), &json!(0), &json!(-5000))
    );
    assert_eq!(
        (&used["status"], &used["amount_due"], &used["ending_balance"]),
        (&json!("paid"), &json!(0), &json!(-2600))
    );
}
