//! What happens in Stripe without Packline: somebody works in the Dashboard, another program uses the same account.

use reqwest::Client;
use serde_json::Value;

use super::merchant::answer;

/// What the local Stripe takes for a secret key.
pub(super) const SECRET_KEY: &str = "sk_test_demo";

pub(super) struct Dashboard {
    client: Client,
    stripe: String,
}

impl Dashboard {
    pub(super) fn new(client: Client, stripe: &str) -> Self {
        Self { client, stripe: stripe.to_owned() }
    }

    /// Posts form fields; returns the object.
    pub(super) async fn post(&self, path: &str, form: &[(&str, &str)]) -> anyhow::Result<Value> {
        let request = self.client.post(format!("{}{path}", self.stripe)).bearer_auth(SECRET_KEY).form(form);
        answer(path, request).await
    }

    /// Gets an object.
    pub(super) async fn get(&self, path: &str) -> anyhow::Result<Value> {
        answer(path, self.client.get(format!("{}{path}", self.stripe)).bearer_auth(SECRET_KEY)).await
    }

    /// Takes a payment that no order was placed for; returns the PaymentIntent's id.
    pub(super) async fn take_payment(&self, amount: &str) -> anyhow::Result<String> {
        let form = [
            ("amount", amount),
            ("currency", "eur"),
            ("payment_method", "pm_card_visa"),
            ("payment_method_types[]", "card"),
            ("confirm", "true"),
        ];
        id(&self.post("/v1/payment_intents", &form).await?)
    }

    /// Has an invoice of 20.00 EUR paid; returns its id.
    pub(super) async fn invoice(&self) -> anyhow::Result<String> {
        let customer = id(&self
            .post("/v1/customers", &[("email", "ada@example.com"), ("name", "Ada Lovelace")])
            .await?)?;
        let card = self.post("/v1/payment_methods/pm_card_visa/attach", &[("customer", &customer)]).await?;
        let item = [
            ("customer", customer.as_str()),
            ("amount", "2000"),
            ("currency", "eur"),
            ("description", "Tea for a year"),
        ];
        self.post("/v1/invoiceitems", &item).await?;
        let new = [
            ("customer", customer.as_str()),
            ("pending_invoice_items_behavior", "include"),
            ("auto_advance", "false"),
        ];
        let invoice = id(&self.post("/v1/invoices", &new).await?)?;
        self.post(&format!("/v1/invoices/{invoice}/pay"), &[("payment_method", &id(&card)?)]).await?;
        Ok(invoice)
    }
}

pub(super) fn id(object: &Value) -> anyhow::Result<String> {
    object["id"]
        .as_str()
        .map(str::to_owned)
        .ok_or_else(|| anyhow::anyhow!("an object without an id: {object}"))
}
