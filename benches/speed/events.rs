//! Signed events as Stripe sends them: 3.2 to 4.1 KB, the mix of a shop.

use std::ops::Range;

use actix_web::web::Bytes;
use packline::webhooks::EndpointSecret;
use serde_json::{Value, json};

use super::machine;

/// The secret of the endpoint under load.
pub const SECRET: &str = "whsec_bench";

/// A request as bytes, with the id of its event.
#[derive(Clone)]
pub struct Request {
    pub bytes: Bytes,
}

/// Requests for events of these orders' payments: `per_order` of them, of which the second is the success.
pub fn requests(first: usize, count: usize, per_order: usize) -> Vec<Request> {
    signed_by(&EndpointSecret::new("bench", SECRET), first..first + count, per_order)
}

/// The same with a signature that is nobody's.
pub fn forged(count: usize) -> Vec<Request> {
    signed_by(&EndpointSecret::new("forger", "whsec_forged"), 0..count, 1)
}

/// On all cores: there are hundreds of thousands.
fn signed_by(secret: &EndpointSecret, numbers: Range<usize>, per_order: usize) -> Vec<Request> {
    let now = packline::clock::Clock::system().now().unix_timestamp();
    let sign = |number: usize| {
        let body = event(number, number / per_order, number % per_order).into_bytes();
        Request { bytes: post(&body, &secret.sign(now, &body)) }
    };
    let share = numbers.len().div_ceil(machine::cores()).max(1);
    std::thread::scope(|scope| {
        let shares: Vec<_> = numbers
            .clone()
            .step_by(share)
            .map(|first| {
                scope.spawn(move || (first..numbers.end.min(first + share)).map(sign).collect::<Vec<_>>())
            })
            .collect();
        shares.into_iter().flat_map(|share| share.join().unwrap_or_default()).collect()
    })
}

fn post(body: &[u8], signature: &str) -> Bytes {
    let head = format!(
        "POST /webhooks/stripe HTTP/1.1\r\nhost: 127.0.0.1\r\nuser-agent: Stripe/1.0\r\naccept: */*\r\n\
         content-type: application/json; charset=utf-8\r\nstripe-signature: {signature}\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat().into()
}

/// The name of an order's PaymentIntent.
pub fn intent_of(order: usize) -> String {
    format!("pi_3RbenchLoadGenerator{order:08}")
}

fn event(number: usize, order: usize, step: usize) -> String {
    let (event_type, object) = match step {
        0 => ("payment_intent.created", intent(order, "requires_payment_method")),
        1 => ("payment_intent.succeeded", intent(order, "succeeded")),
        _ => ("charge.succeeded", charge(order)),
    };
    let event = json!({
        "id": format!("evt_3RbenchLoadGenerator{number:010}"), "object": "event", "api_version": "2025-10-29.clover",
        "created": 1_760_000_000, "data": { "object": object }, "livemode": false, "pending_webhooks": 1,
        "request": { "id": format!("req_{number:014}"), "idempotency_key": format!("9f0c2c1e-bench-{number:012}") },
        "type": event_type
    });
    serde_json::to_string_pretty(&event).unwrap_or_default()
}

fn intent(order: usize, status: &str) -> Value {
    let received = if status == "succeeded" { 2000 } else { 0 };
    json!({
        "id": intent_of(order), "object": "payment_intent", "amount": 2000, "amount_capturable": 0,
        "amount_details": { "tip": {} }, "amount_received": received, "application": null, "application_fee_amount": null,
        "automatic_payment_methods": { "allow_redirects": "always", "enabled": true }, "canceled_at": null,
        "cancellation_reason": null, "capture_method": "automatic_async",
        "client_secret": format!("{}_secret_benchbenchbenchbenchbench", intent_of(order)), "confirmation_method": "automatic",
        "created": 1_760_000_000, "currency": "usd", "customer": format!("cus_bench{order:08}"),
        "description": "Two packs of loose tea, and a pot to brew it in", "excluded_payment_method_types": null,
        "last_payment_error": null, "latest_charge": format!("ch_3RbenchLoadGenerator{order:08}"), "livemode": false,
        "metadata": { "cart": format!("cart-{order:010}"), "channel": "web", "campaign": "autumn", "locale": "en-GB" },
        "next_action": null, "on_behalf_of": null,
        "payment_method": format!("pm_1RbenchLoadGenerator{order:08}"),
        "payment_method_configuration_details": { "id": "pmc_1Rbenchbenchbenchbenchbench", "parent": null },
        "payment_method_options": {
            "affirm": {}, "card": {
                "installments": null, "mandate_options": null, "network": null, "request_three_d_secure": "automatic"
            },
            "cashapp": {}, "klarna": { "preferred_locale": null }, "link": { "persistent_token": null },
            "paypal": { "preferred_locale": null, "reference": null }
        },
        "payment_method_types": ["card", "link", "klarna", "paypal", "cashapp", "affirm"], "processing": null,
        "receipt_email": format!("customer{order}@example.com"), "review": null, "setup_future_usage": null,
        "shipping": {
            "address": {
                "city": "Leeds", "country": "GB", "line1": "12 Headingley Lane", "line2": "Flat 4",
                "postal_code": "LS6 1AA", "state": "West Yorkshire"
            },
            "carrier": null, "name": "Ada Lovelace", "phone": "+44 113 496 0000", "tracking_number": null
        },
        "source": null, "statement_descriptor": null, "statement_descriptor_suffix": null, "status": status,
        "transfer_data": null, "transfer_group": null
    })
}

fn charge(order: usize) -> Value {
    json!({
        "id": format!("ch_3RbenchLoadGenerator{order:08}"), "object": "charge", "amount": 2000, "amount_captured": 2000,
        "amount_refunded": 0, "application": null, "application_fee": null, "application_fee_amount": null,
        "balance_transaction": format!("txn_3Rbench{order:012}"),
        "billing_details": {
            "address": {
                "city": "Leeds", "country": "GB", "line1": "12 Headingley Lane", "line2": "Flat 4",
                "postal_code": "LS6 1AA", "state": "West Yorkshire"
            },
            "email": format!("customer{order}@example.com"), "name": "Ada Lovelace", "phone": "+44 113 496 0000",
            "tax_id": null
        },
        "calculated_statement_descriptor": "TEA SHOP", "captured": true, "created": 1_760_000_001, "currency": "usd",
        "customer": format!("cus_bench{order:08}"), "description": null, "disputed": false, "failure_code": null,
        "failure_message": null, "fraud_details": {}, "invoice": null, "livemode": false,
        "metadata": { "cart": format!("cart-{order:010}"), "channel": "web" },
        "outcome": {
            "advice_code": null, "network_advice_code": null, "network_decline_code": null,
            "network_status": "approved_by_network", "reason": null, "risk_level": "normal", "risk_score": 23,
            "seller_message": "Payment complete.", "type": "authorized"
        },
        "paid": true, "payment_intent": intent_of(order), "payment_method": format!("pm_1Rbench{order:012}"),
        "payment_method_details": {
            "card": {
                "amount_authorized": 2000, "authorization_code": "123456", "brand": "visa",
                "checks": { "address_line1_check": "pass", "address_postal_code_check": "pass", "cvc_check": "pass" },
                "country": "GB", "exp_month": 12, "exp_year": 2034, "fingerprint": "Xt5EWLLDS7FJjR1c",
                "funding": "credit", "last4": "4242", "network": "visa", "three_d_secure": null, "wallet": null
            },
            "type": "card"
        },
        "receipt_email": format!("customer{order}@example.com"), "refunded": false, "review": null, "status": "succeeded"
    })
}
