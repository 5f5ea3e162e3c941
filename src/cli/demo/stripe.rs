//! Stripe's part in the demo: a few objects in their two shapes, and signed deliveries.

use reqwest::Client;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::clock::Clock;
use crate::webhooks::EndpointSecret;

/// Which years' shape an invoice has: before or since 2025-03-31.basil.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Old,
    New,
}

/// One request to the webhook endpoint, and the answer that it must get.
#[derive(Clone)]
pub(super) struct Delivery {
    pub event: Value,
    pub is_forged: bool,
    pub answer: u16,
}

impl Delivery {
    pub(super) fn of(event: Value) -> Self {
        Self { event, is_forged: false, answer: 200 }
    }

    pub(super) fn forged(event: Value) -> Self {
        Self { event, is_forged: true, answer: 400 }
    }

    pub(super) fn event_type(&self) -> &str {
        self.event["type"].as_str().unwrap_or_default()
    }
}

/// Signs and posts.
pub(super) struct Sender {
    client: Client,
    url: String,
    secret: EndpointSecret,
    clock: Clock,
}

impl Sender {
    pub(super) fn new(client: Client, base: &str, secret: EndpointSecret, clock: Clock) -> Self {
        Self { client, url: format!("{base}/webhooks/stripe"), secret, clock }
    }

    /// Delivers as Stripe does; a forger does not know the secret. Returns the status of the answer.
    pub(super) async fn post(&self, delivery: &Delivery) -> anyhow::Result<u16> {
        let body = serde_json::to_vec_pretty(&delivery.event)?;
        let guess = EndpointSecret::new("guess", "whsec_guess");
        let secret = if delivery.is_forged { &guess } else { &self.secret };
        let signature = secret.sign(self.clock.now().unix_timestamp(), &body);
        let request = self
            .client
            .post(&self.url)
            .header("content-type", "application/json; charset=utf-8")
            .header("stripe-signature", signature)
            .body(body);
        Ok(request.send().await?.status().as_u16())
    }
}

fn event(event_type: &str, object: Value) -> Value {
    let created = Clock::system().now().unix_timestamp();
    json!({
        "id": format!("evt_{}", Uuid::new_v4().simple()), "object": "event", "api_version": "2025-10-29.clover",
        "created": created, "data": { "object": object }, "livemode": false, "pending_webhooks": 1,
        "request": { "id": null, "idempotency_key": null }, "type": event_type
    })
}

/// A `payment_intent.…` event of a PaymentIntent of 20.00 USD. `received` is what arrived, in cents.
pub(super) fn intent(
    event_type: &str,
    id: &str,
    status: &str,
    received: i64,
    invoice: Option<&str>,
) -> Value {
    let mut object = json!({
        "id": id, "object": "payment_intent", "amount": 2000, "amount_received": received, "currency": "usd",
        "customer": if invoice.is_some() { json!("cus_demo") } else { Value::Null },
        "latest_charge": id.replace("pi_", "ch_"), "livemode": false, "metadata": {}, "status": status
    });
    if event_type == "payment_failed" {
        object["last_payment_error"] =
            json!({ "code": "card_declined", "decline_code": "insufficient_funds" });
    }
    if let Some(invoice) = invoice.filter(|invoice| !invoice.is_empty()) {
        object["invoice"] = json!(invoice);
    }
    event(&format!("payment_intent.{event_type}"), object)
}

/// `payment_intent.succeeded`
pub(super) fn succeeded(id: &str) -> Value {
    intent("succeeded", id, "succeeded", 2000, None)
}

/// `invoice.paid`, with one line.
pub(super) fn invoice_paid(shape: Shape, id: &str, payment_intent: &str) -> Value {
    let mut line = json!({
        "id": "il_demo", "object": "line_item", "amount": 2000, "description": "Tea of the month", "quantity": 1,
        "metadata": { "sku": "TEA-OF-THE-MONTH" }
    });
    let mut object = json!({
        "id": id, "object": "invoice", "amount_due": 2000, "amount_paid": 2000, "amount_remaining": 0,
        "currency": "usd", "customer": "cus_demo", "customer_email": "grace@example.com",
        "customer_name": "Grace Hopper", "metadata": {}, "status": "paid", "total": 2000
    });
    match shape {
        Shape::Old => {
            object["payment_intent"] = json!(payment_intent);
            object["paid"] = json!(true);
            line["price"] = json!({ "id": "price_tea", "object": "price" });
        }
        Shape::New => {
            object["parent"] = Value::Null;
            line["pricing"] = json!({ "price_details": { "price": "price_tea", "product": "prod_tea" } });
        }
    }
    object["lines"] = json!({ "object": "list", "data": [line] });
    event("invoice.paid", object)
}

/// `invoice_payment.paid`: in the new shape the only link between an invoice and its PaymentIntent.
pub(super) fn invoice_payment_paid(invoice: &str, payment_intent: &str) -> Value {
    event(
        "invoice_payment.paid",
        json!({
            "id": "inpay_demo", "object": "invoice_payment", "invoice": invoice, "status": "paid", "amount_paid": 2000,
            "currency": "usd", "payment": { "type": "payment_intent", "payment_intent": payment_intent }
        }),
    )
}

/// `refund.created`, of everything.
pub(super) fn refunded(payment_intent: &str) -> Value {
    event(
        "refund.created",
        json!({
            "id": payment_intent.replace("pi_", "re_"), "object": "refund", "amount": 2000, "currency": "usd",
            "payment_intent": payment_intent, "status": "succeeded", "metadata": {}
        }),
    )
}

/// `charge.dispute.created`
pub(super) fn disputed(payment_intent: &str) -> Value {
    event(
        "charge.dispute.created",
        json!({
            "id": payment_intent.replace("pi_", "du_"), "object": "dispute", "amount": 2000, "currency": "usd",
            "payment_intent": payment_intent, "reason": "fraudulent", "status": "needs_response", "metadata": {}
        }),
    )
}
