//! The merchant's back end: places orders and looks at them.

use anyhow::{Context, ensure};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};

pub(super) struct Merchant {
    client: Client,
    orders: String,
    api_key: String,
}

impl Merchant {
    pub(super) fn new(client: Client, base: &str, api_key: &str) -> Self {
        Self { client, orders: format!("{base}/v1/orders"), api_key: api_key.to_owned() }
    }

    /// Places an order of 20.00 USD for a PaymentIntent; returns its id.
    pub(super) async fn place(&self, payment_intent: &str) -> anyhow::Result<String> {
        let order = json!({
            "currency": "usd",
            "lines": [{ "sku": "TEA-GREEN-100G", "description": "Green tea, 100 g", "quantity": 2, "unit_amount": 1000 }],
            "customer": { "name": "Ada Lovelace", "email": "ada@example.com" },
            "shipping": { "name": "Ada Lovelace", "line1": "12 St James's Square", "city": "London", "country": "GB" },
            "payment_intent": payment_intent,
        });
        let request = self.client.post(&self.orders).bearer_auth(&self.api_key).json(&order);
        let response = request.header("idempotency-key", payment_intent).send().await?;
        ensure!(
            response.status() == StatusCode::CREATED,
            "an order was not placed: {}",
            response.text().await?
        );
        let placed: Value = response.json().await?;
        placed["id"].as_str().map(str::to_owned).context("a placed order has an id")
    }

    /// The order that a Stripe object stands for, if there is one by now.
    pub(super) async fn order(&self, stands_for: &str) -> anyhow::Result<Option<Value>> {
        let request = self.client.get(format!("{}/{stands_for}", self.orders)).bearer_auth(&self.api_key);
        let response = request.send().await?;
        if response.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        Ok(Some(response.error_for_status()?.json().await?))
    }
}
