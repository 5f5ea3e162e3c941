//! Somebody who knows where the webhook endpoint is, but not its secret.

use reqwest::Client;
use serde_json::json;
use uuid::Uuid;

use super::merchant::{Placed, TOTAL};
use crate::clock::Clock;
use crate::webhooks::EndpointSecret;

pub(super) struct Forger {
    client: Client,
    base: String,
    clock: Clock,
}

impl Forger {
    pub(super) fn new(client: Client, base: &str, clock: Clock) -> Self {
        Self { client, base: base.to_owned(), clock }
    }

    /// Says that an order was paid; returns the status of the answer.
    pub(super) async fn forge_success(&self, placed: &Placed) -> anyhow::Result<u16> {
        let now = self.clock.now().unix_timestamp();
        let event = json!({
            "id": format!("evt_forged{}", Uuid::new_v4().simple()), "object": "event", "api_version": "2026-08-26.dahlia",
            "created": now, "type": "payment_intent.succeeded", "livemode": false, "pending_webhooks": 1,
            "request": { "id": null, "idempotency_key": null },
            "data": { "object": {
                "id": placed.payment_intent, "object": "payment_intent", "status": "succeeded", "currency": "eur",
                "amount": TOTAL, "amount_received": TOTAL, "metadata": { "order_id": placed.id },
            } },
        });
        let body = serde_json::to_vec_pretty(&event)?;
        let signature = EndpointSecret::new("guess", "whsec_guess").sign(now, &body);
        let request = self.client.post(format!("{}/webhooks/stripe", self.base)).body(body);
        Ok(request.header("stripe-signature", signature).send().await?.status().as_u16())
    }
}
