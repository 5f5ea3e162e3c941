//! A shop that bills: the service, a local Stripe, and the workers that look at invoices and subscriptions.

use std::time::Duration;

use packline::config::StripeConfig;
use packline::subscriptions::Subscriptions;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::payments::Shop;
use crate::support::at_stripe::AtStripe;

pub struct Desk {
    pub shop: Shop,
    pub at_stripe: AtStripe,
}

impl Desk {
    pub async fn open() -> Self {
        let mut shop = Shop::open().await;
        let at_stripe = AtStripe::of(&mut shop.app, &shop.config);
        Self { shop, at_stripe }
    }

    /// The worker that looks at subscriptions, and waits long for an answer.
    pub fn patient_subscriptions(&self) -> Subscriptions {
        let config = StripeConfig { timeout: Duration::from_secs(20), ..self.shop.config.clone() };
        AtStripe::beside(&self.shop.app, &config).subscriptions
    }

    /// Has all events arrive, and the workers look at what they spoke of.
    pub async fn catch_up(&self) {
        self.shop.deliver().await;
        self.look().await;
    }

    pub async fn look(&self) {
        self.at_stripe.work(&self.shop.app).await;
    }

    /// What the shop asks of us.
    pub async fn post(&self, path: &str, body: Value) -> (StatusCode, Value) {
        self.post_with(path, body, None).await
    }

    pub async fn post_with(&self, path: &str, body: Value, key: Option<&str>) -> (StatusCode, Value) {
        let response = self.shop.post(path, &body, key).await;
        let status = response.status();
        (status, response.json().await.unwrap())
    }

    /// The same where it must be refused with this status, code and advice.
    pub async fn refused(&self, path: &str, body: Value, status: u16, code: &str, advice: &str) {
        let (found, answer) = self.post(path, body).await;
        assert_eq!(found.as_u16(), status, "{path}: {answer}");
        assert_eq!(answer["error"]["code"], code, "{path}: {answer}");
        assert!(answer.to_string().contains(advice), "{path}: {advice:?} in {answer}");
    }

    pub async fn get(&self, path: &str) -> Value {
        let response = self.shop.app.get(path).await;
        let status = response.status();
        let answer: Value = response.json().await.unwrap();
        assert_eq!(status, StatusCode::OK, "{path}: {answer}");
        answer
    }

    /// What somebody does in Stripe's Dashboard.
    pub async fn in_dashboard(&self, path: &str, form: &[(&str, &str)]) -> Value {
        let body = form.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&");
        let request = self.shop.app.client.post(format!("{}{path}", self.shop.stripe.base()));
        let request = request.bearer_auth("sk_test_shop").body(body);
        let response =
            request.header("content-type", "application/x-www-form-urlencoded").send().await.unwrap();
        let status = response.status();
        let answer: Value = response.json().await.unwrap();
        assert!(status.is_success(), "{path}: {answer}");
        answer
    }

    /// A customer of Stripe's who keeps this test card for invoices, if one is named.
    pub async fn customer(&self, card: Option<&str>) -> String {
        let customer =
            self.in_dashboard("/v1/customers", &[("email", "ada@example.com"), ("name", "Ada")]).await;
        let id = customer["id"].as_str().unwrap().to_owned();
        if let Some(card) = card {
            self.keep_card(&id, card).await;
        }
        id
    }

    /// The customer's renewals are charged to this test card from now on.
    pub async fn keep_card(&self, customer: &str, card: &str) {
        let path = format!("/v1/payment_methods/pm_card_{card}/attach");
        let kept = self.in_dashboard(&path, &[("customer", customer)]).await;
        let path = format!("/v1/customers/{customer}");
        let kept = kept["id"].as_str().unwrap();
        self.in_dashboard(&path, &[("invoice_settings[default_payment_method]", kept)]).await;
    }

    /// A draft invoice of 20.00 USD, made in the Dashboard, of which we heard.
    pub async fn draft(&self, customer: &str, fields: &[(&str, &str)]) -> String {
        let item = [("customer", customer), ("amount", "2000"), ("currency", "usd"), ("description", "Tea")];
        self.in_dashboard("/v1/invoiceitems", &item).await;
        self.empty_draft(customer, fields).await
    }

    /// The same without a line, unless one waits for it.
    pub async fn empty_draft(&self, customer: &str, fields: &[(&str, &str)]) -> String {
        let mut form = vec![
            ("customer", customer),
            ("auto_advance", "false"),
            ("pending_invoice_items_behavior", "include"),
        ];
        form.extend(fields);
        let invoice = self.in_dashboard("/v1/invoices", &form).await;
        self.catch_up().await;
        invoice["id"].as_str().unwrap().to_owned()
    }
}

/// An empty body.
pub fn nothing() -> Value {
    json!({})
}
