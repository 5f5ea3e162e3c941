//! The merchant's back end: what it asks of Packline's API.

use anyhow::{Context, ensure};
use reqwest::{Client, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

/// What every order of the demo comes to, in cents.
pub(super) const TOTAL: i64 = 2000;

pub(super) struct Merchant {
    client: Client,
    base: String,
    api_key: String,
}

/// An order that was just placed.
pub(super) struct Placed {
    pub id: String,
    pub payment_intent: String,
    /// Lets the browser confirm.
    pub client_secret: String,
    /// Lets the browser call `/pay` and see the order.
    pub checkout_token: String,
}

impl Merchant {
    pub(super) fn new(client: Client, base: &str, api_key: &str) -> Self {
        Self { client, base: base.to_owned(), api_key: api_key.to_owned() }
    }

    /// Places an order of 20.00 EUR; `more` says how it is paid.
    pub(super) async fn place(&self, more: Value) -> anyhow::Result<Value> {
        let mut order = json!({
            "currency": "eur",
            "lines": [{ "sku": "TEA-GREEN-100G", "description": "Green tea, 100 g", "quantity": 2, "unit_amount": TOTAL / 2 }],
            "customer": { "name": "Ada Lovelace", "email": "ada@example.com" },
            "shipping": { "name": "Ada Lovelace", "line1": "12 St James's Square", "city": "London", "country": "GB" },
        });
        for (field, value) in more.as_object().into_iter().flatten() {
            order[field] = value.clone();
        }
        self.post("/v1/orders", &order).await
    }

    /// Places an order whose payment Packline takes.
    pub(super) async fn place_to_pay(&self, more: Value) -> anyhow::Result<Placed> {
        let order = self.place(more).await?;
        let text = |value: &Value, field: &str| {
            let text = value[field].as_str().map(str::to_owned);
            text.with_context(|| format!("a placed order has no {field}: {order}"))
        };
        Ok(Placed {
            id: text(&order, "id")?,
            payment_intent: text(&order["payment"], "payment_intent")?,
            client_secret: text(&order["payment"], "client_secret")?,
            checkout_token: text(&order["payment"], "checkout_token")?,
        })
    }

    /// Asks for a change, once.
    pub(super) async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        let request = self.client.post(format!("{}{path}", self.base)).bearer_auth(&self.api_key).json(body);
        answer(path, request.header("idempotency-key", Uuid::new_v4().to_string())).await
    }

    /// Looks at something.
    pub(super) async fn get(&self, path: &str) -> anyhow::Result<Value> {
        answer(path, self.client.get(format!("{}{path}", self.base)).bearer_auth(&self.api_key)).await
    }

    /// The order that an id or a Stripe object stands for, if there is one by now.
    pub(super) async fn order(&self, stands_for: &str) -> anyhow::Result<Option<Value>> {
        let url = format!("{}/v1/orders/{stands_for}", self.base);
        let response = self.client.get(url).bearer_auth(&self.api_key).send().await?;
        if response.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        Ok(Some(response.error_for_status()?.json().await?))
    }
}

/// The JSON that a request is answered with.
pub(super) async fn answer(what: &str, request: RequestBuilder) -> anyhow::Result<Value> {
    let response = request.send().await?;
    let status = response.status();
    let body = response.text().await?;
    ensure!(status.is_success(), "{what} was answered {status}: {body}");
    serde_json::from_str(&body)
        .with_context(|| format!("{what} was answered with something else than JSON: {body}"))
}
