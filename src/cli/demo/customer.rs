//! The customer's browser: what the payment page does, without the page.

use reqwest::Client;
use serde_json::{Value, json};

use super::merchant::{Placed, answer};

/// What the local Stripe takes for the key of a page.
pub(super) const PUBLISHABLE_KEY: &str = "pk_test_demo";

pub(super) struct Customer {
    client: Client,
    /// Packline.
    base: String,
    /// The local Stripe.
    stripe: String,
}

impl Customer {
    pub(super) fn new(client: Client, base: &str, stripe: &str) -> Self {
        Self { client, base: base.to_owned(), stripe: stripe.to_owned() }
    }

    /// Follows a link; with which status it is answered.
    pub(super) async fn follow(&self, link: &str) -> anyhow::Result<u16> {
        Ok(self.client.get(link).send().await?.status().as_u16())
    }

    /// Confirms in the browser, as Stripe.js does. A decline is an answer too.
    pub(super) async fn confirm(&self, placed: &Placed, payment_method: &str) -> anyhow::Result<()> {
        let url = format!("{}/v1/payment_intents/{}/confirm", self.stripe, placed.payment_intent);
        let form = [
            ("payment_method", payment_method),
            ("client_secret", &placed.client_secret),
            ("use_stripe_sdk", "true"),
        ];
        self.client.post(url).bearer_auth(PUBLISHABLE_KEY).form(&form).send().await?;
        Ok(())
    }

    /// Has the shop's server confirm.
    pub(super) async fn pay(&self, placed: &Placed, payment_method: &str) -> anyhow::Result<Value> {
        self.post_pay(placed, json!({ "payment_method_id": payment_method })).await
    }

    /// Has it confirm again, after the bank was satisfied.
    pub(super) async fn pay_again(&self, placed: &Placed) -> anyhow::Result<Value> {
        self.post_pay(placed, json!({ "payment_intent_id": placed.payment_intent })).await
    }

    async fn post_pay(&self, placed: &Placed, body: Value) -> anyhow::Result<Value> {
        let request = self.client.post(format!("{}/pay", self.base)).bearer_auth(&placed.checkout_token);
        Ok(request.json(&body).send().await?.json().await?)
    }

    /// Answers the bank's question: `succeeded` or `failed`.
    pub(super) async fn authenticate(&self, placed: &Placed, outcome: &str) -> anyhow::Result<()> {
        let path = format!("/_fake/payment_intents/{}/authenticate", placed.payment_intent);
        let request = self.client.post(format!("{}{path}", self.stripe)).json(&json!({ "outcome": outcome }));
        answer(&path, request).await?;
        Ok(())
    }
}
