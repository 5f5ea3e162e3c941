//! A merchant who bills by the local Stripe and sends parcels: events are really delivered, every worker runs when the
//! test says so, and a warehouse keeps what it sent.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use packline::fulfilment::{FulfilmentSettings, FulfilmentWorker};
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};

use super::at_stripe::AtStripe;
use super::billing::Shop;
use crate::fulfilment::warehouse::Warehouse;

pub const HOUR: Duration = Duration::from_secs(60 * 60);
pub const DAY: Duration = Duration::from_secs(24 * 60 * 60);

pub struct Merchant {
    shop: Shop,
    at_stripe: AtStripe,
    warehouse: Arc<Warehouse>,
    worker: FulfilmentWorker,
}

impl Deref for Merchant {
    type Target = Shop;

    fn deref(&self) -> &Shop {
        &self.shop
    }
}

impl Merchant {
    /// One who is told events in the shape of a version of Stripe's API.
    pub async fn open(version: &str) -> Self {
        let mut shop = Shop::open_for(Some(version)).await;
        let at_stripe = AtStripe::of(&mut shop.app, &shop.config);
        let warehouse = Warehouse::does([]);
        let worker = shop.app.fulfilment_worker(warehouse.clone(), FulfilmentSettings::default());
        Self { shop, at_stripe, warehouse, worker }
    }

    // Time.

    /// Has all events arrive, and every worker do what is due.
    pub async fn catch_up(&self) {
        self.shop.hear().await;
        self.at_stripe.work(&self.shop.app).await;
        while self.worker.run_once().await.unwrap() > 0 {}
    }

    /// Lets time pass at once, and does all that is due then.
    pub async fn wait(&self, time: Duration) {
        self.shop.app.clock.advance(time);
        self.shop.stripe.advance(Duration::ZERO);
        self.catch_up().await;
    }

    /// Lets days pass one by one.
    pub async fn pass(&self, days: u32) {
        for _ in 0..days {
            self.wait(DAY).await;
        }
    }

    // What there is.

    /// The orders, oldest first, as the API has them.
    pub async fn orders(&self) -> Vec<Value> {
        let mut orders = self.shop.get("/v1/orders?limit=100").await["data"].as_array().unwrap().clone();
        orders.reverse();
        orders
    }

    /// The payment and the fulfilment of each order, oldest first.
    pub async fn states(&self) -> Vec<(String, String)> {
        let text = |order: &Value, field: &str| order[field].as_str().unwrap().to_owned();
        let states = |order: &Value| (text(order, "payment_status"), text(order, "fulfilment_status"));
        self.orders().await.iter().map(states).collect()
    }

    /// What each parcel holds, in the order in which they were sent.
    pub fn parcels(&self) -> Vec<String> {
        parcels(&self.warehouse)
    }

    pub async fn subscription(&self, id: &str) -> Value {
        self.shop.get(&format!("/v1/subscriptions/{id}")).await
    }

    pub async fn invoice(&self, id: &str) -> Value {
        self.shop.get(&format!("/v1/invoices/{id}")).await
    }

    // The catalogue.

    /// A monthly price of 10.00 USD for a product with this sku.
    pub async fn monthly(&self, sku: &str) -> String {
        let product = self.shop.make("/v1/products", &json!({ "name": sku, "sku": sku })).await;
        let price = json!({ "product": product["id"], "currency": "usd", "unit_amount": 1000,
          "recurring": { "interval": "month" } });
        id(&self.shop.make("/v1/prices", &price).await)
    }

    /// The same, made in the Dashboard: Packline hears of it when it is billed.
    pub async fn monthly_of_dashboard(&self, sku: &str) -> String {
        let product = self.shop.in_dashboard("/v1/products", &[("name", sku)]).await;
        let form = [
            ("product", product["id"].as_str().unwrap()),
            ("currency", "usd"),
            ("unit_amount", "1000"),
            ("recurring[interval]", "month"),
            ("metadata[sku]", sku),
        ];
        id(&self.shop.in_dashboard("/v1/prices", &form).await)
    }

    /// A customer who keeps this test card for invoices.
    pub async fn customer(&self, card: &str) -> String {
        let made =
            self.shop.make("/v1/customers", &json!({ "name": "Ada", "email": "ada@example.com" })).await;
        let customer = made["stripe_id"].as_str().unwrap().to_owned();
        self.keep_card(&customer, card).await;
        customer
    }

    /// The customer's renewals are charged to this test card from now on.
    pub async fn keep_card(&self, customer: &str, card: &str) {
        let path = format!("/v1/payment_methods/pm_card_{card}/attach");
        let kept = self.shop.in_dashboard(&path, &[("customer", customer)]).await;
        let default = [("invoice_settings[default_payment_method]", kept["id"].as_str().unwrap())];
        self.shop.in_dashboard(&format!("/v1/customers/{customer}"), &default).await;
    }

    /// A subscription of a customer; Stripe's id of it. All that follows at once is done.
    pub async fn subscribe(&self, asked: Value) -> String {
        let made = self.shop.make("/v1/subscriptions", &asked).await;
        self.catch_up().await;
        made["stripe_id"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned()
    }

    /// Posts what must come to pass, and has its news arrive.
    pub async fn ask(&self, path: &str, body: Value) -> Value {
        let (status, answer) = self.shop.post(path, &body).await;
        assert_eq!(status, StatusCode::OK, "{path}: {answer}");
        self.catch_up().await;
        answer
    }

    // The customer's browser.

    /// Opens a page, which must be there.
    pub async fn open_page(&self, url: &Value) -> Response {
        let url = url.as_str().unwrap_or_else(|| panic!("no link: {url}"));
        let page = self.shop.app.client.get(url).send().await.unwrap();
        assert_eq!(page.status(), StatusCode::OK, "{url}");
        page
    }

    /// Types a card into the form of a page; what the page answers.
    pub async fn pay_on_page(&self, url: &Value, card: &str) -> Response {
        let form = [("type", "card"), ("card_number", card), ("card_expiry", "12/34"), ("card_cvc", "123")];
        self.shop.app.client.post(url.as_str().unwrap()).form(&form).send().await.unwrap()
    }

    /// The bank's page asks the customer, who says yes.
    pub async fn agree_at_bank(&self, page: Response) {
        let bank = page.headers()["location"].to_str().unwrap().to_owned();
        let answer = self.shop.app.client.post(bank).form(&[("decision", "succeeded")]).send().await.unwrap();
        assert!(answer.status().is_redirection(), "{}", answer.status());
    }

    /// What Stripe.js does with a card and a client secret in a page of the shop's own: it knows the publishable key only.
    pub async fn pay_in_form(&self, client_secret: &Value, card: &str) -> (StatusCode, Value) {
        let secret = client_secret.as_str().unwrap_or_else(|| panic!("no secret: {client_secret}"));
        let intent = secret.split_once("_secret_").unwrap().0;
        let card = [
            ("type", "card"),
            ("card[number]", card),
            ("card[exp_month]", "12"),
            ("card[exp_year]", "2034"),
            ("card[cvc]", "123"),
        ];
        let (status, method) = self.post_from_page("/v1/payment_methods", &card).await;
        assert_eq!(status, StatusCode::OK, "{method}");
        let confirm = [
            ("client_secret", secret),
            ("payment_method", method["id"].as_str().unwrap()),
            ("return_url", "https://shop.example/thanks"),
            ("use_stripe_sdk", "true"),
        ];
        self.post_from_page(&format!("/v1/payment_intents/{intent}/confirm"), &confirm).await
    }

    async fn post_from_page(&self, path: &str, form: &[(&str, &str)]) -> (StatusCode, Value) {
        let request = self.shop.app.client.post(format!("{}{path}", self.shop.stripe.base()));
        let answer = request.bearer_auth("pk_test_shop").form(form).send().await.unwrap();
        (answer.status(), answer.json().await.unwrap())
    }
}

/// What each parcel of a warehouse holds; none was sent twice.
pub fn parcels(warehouse: &Warehouse) -> Vec<String> {
    let (bodies, mut keys) = (warehouse.bodies(), warehouse.shipped());
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), bodies.len());
    let parcel = |body: &String| {
        let body: Value = serde_json::from_str(body).unwrap();
        let lines = body["order"]["lines"].as_array().unwrap().iter();
        let line = |line: &Value| format!("{} × {}", line["quantity"], line["sku"].as_str().unwrap());
        lines.map(line).collect::<Vec<_>>().join(", ")
    };
    bodies.iter().map(parcel).collect()
}

/// The id of what was made.
pub fn id(thing: &Value) -> String {
    thing["id"].as_str().unwrap_or_else(|| panic!("{thing}")).to_owned()
}
