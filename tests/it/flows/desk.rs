//! What a shop bills: checkout pages, quotes, invoices and subscriptions, by our API; and what its customer does then.

use serde_json::{Value, json};

use super::step::{Play, told};
use crate::support::stripe::with;

#[derive(Clone, Debug)]
pub enum Bill {
    /// The customer, and prices of a product in a currency: once, and each month.
    Goods(&'static str),
    /// The customer keeps a test card, for invoices to come.
    Keep(&'static str),
    /// The customer pays on the page of the order's session: with the number of a card, or an IBAN.
    PayOnPage(&'static str),
    /// A session that begins a subscription by debit is made in the Dashboard, and its page paid with an IBAN.
    SubscribeOnPage(&'static str),
    /// The order's session is ended in the Dashboard.
    Expire,
    /// A quote of two pieces: once, or each month.
    Quote {
        monthly: bool,
    },
    Finalise,
    Accept,
    /// The invoice that was billed last is finalised.
    FinaliseInvoice,
    /// It is finalised in the Dashboard.
    FinaliseInDashboard,
    /// It is paid, so.
    PayInvoice(Value),
    /// It is paid by several PaymentIntents, of these amounts.
    PayInParts(&'static [u32]),
    /// It is no longer wanted.
    VoidInvoice,
    /// Two pieces each month from now on.
    Subscribe,
}

/// What there is to bill, and what was billed last.
#[derive(Default)]
pub struct Billed {
    customer: Value,
    once: Value,
    monthly: Value,
    quote: Value,
    pub(super) invoice: Option<String>,
}

impl Play<'_> {
    pub(super) async fn bill(&mut self, step: &Bill) {
        match step {
            Bill::Goods(currency) => self.goods(currency).await,
            Bill::Keep(card) => {
                let customer = text(&self.billed.customer["stripe_id"]);
                let path = format!("/v1/payment_methods/pm_card_{card}/attach");
                self.at_stripe("sk_test_shop", &path, &format!("customer={customer}")).await;
                let methods = self.stage.shop.see(&format!("/v1/payment_methods?customer={customer}")).await;
                let form =
                    format!("invoice_settings[default_payment_method]={}", text(&methods["data"][0]["id"]));
                self.at_stripe("sk_test_shop", &format!("/v1/customers/{customer}"), &form).await;
            }
            Bill::PayOnPage(number) => {
                let url = text(&self.order()["payment"]["url"]);
                pay_on_page(&url, number).await;
            }
            Bill::SubscribeOnPage(iban) => self.subscribe_on_page(iban).await,
            Bill::Expire => {
                let session = text(&self.order()["payment"]["session"]);
                let path = format!("/v1/checkout/sessions/{session}/expire");
                self.at_stripe("sk_test_shop", &path, "").await;
            }
            Bill::Quote { monthly } => {
                let price = if *monthly { &self.billed.monthly } else { &self.billed.once };
                let lines = json!([{ "price": price["id"], "quantity": 2 }]);
                let asked = json!({ "customer": self.billed.customer["id"], "lines": lines });
                self.billed.quote = self.say("quote", "/v1/quotes", &asked).await;
            }
            Bill::Finalise => {
                let path = format!("/v1/quotes/{}/finalize", text(&self.billed.quote["id"]));
                self.billed.quote = self.say("finalise", &path, &json!({})).await;
            }
            Bill::Accept => {
                let path = format!("/v1/quotes/{}/accept", text(&self.billed.quote["id"]));
                let accepted = self.say("accept", &path, &json!({})).await;
                self.billed.invoice = accepted["invoice"].as_str().map(str::to_owned);
            }
            Bill::FinaliseInDashboard => {
                let path = format!("/v1/invoices/{}/finalize", self.billed.invoice.clone().unwrap());
                self.at_stripe("sk_test_shop", &path, "").await;
            }
            Bill::FinaliseInvoice => self.of_invoice("finalize", &json!({})).await,
            Bill::PayInvoice(body) => self.of_invoice("pay", body).await,
            Bill::PayInParts(amounts) => {
                for amount in *amounts {
                    self.pay_a_part(*amount).await;
                }
            }
            Bill::VoidInvoice => self.of_invoice("void", &json!({})).await,
            Bill::Subscribe => {
                let items = json!([{ "price": self.billed.monthly["id"], "quantity": 2 }]);
                let asked = json!({ "customer": self.billed.customer["id"], "items": items });
                let made = self.say("subscribe", "/v1/subscriptions", &asked).await;
                self.billed.invoice = made["dunning"]["invoice"].as_str().map(str::to_owned);
            }
        }
    }

    async fn goods(&mut self, currency: &str) {
        let ada = json!({ "name": "Ada", "email": "ada@example.com" });
        self.billed.customer = self.make("/v1/customers", &ada).await;
        let product = self.make("/v1/products", &json!({ "name": "Tea", "sku": "TEA" })).await;
        let price = json!({ "product": product["id"], "currency": currency, "unit_amount": 1000 });
        self.billed.once = self.make("/v1/prices", &price).await;
        let recurring = json!({ "recurring": { "interval": "month", "interval_count": 1 } });
        self.billed.monthly = self.make("/v1/prices", &with(price, recurring)).await;
    }

    async fn make(&mut self, path: &str, asked: &Value) -> Value {
        let (status, made) = self.ask(path, asked, None, "/v1/").await;
        assert_eq!(status, 201, "{path}: {made}");
        made
    }

    async fn say(&mut self, what: &str, path: &str, asked: &Value) -> Value {
        let (status, answer) = self.ask(path, asked, None, "/v1/").await;
        self.said.push(told(what, status, &answer));
        answer
    }

    async fn of_invoice(&mut self, what: &str, body: &Value) {
        let invoice = self.billed.invoice.clone().expect("something was billed");
        self.say(what, &format!("/v1/invoices/{invoice}/{what}"), body).await;
    }

    /// A PaymentIntent of its own, made and attached in the Dashboard.
    async fn pay_a_part(&mut self, amount: u32) {
        let customer = text(&self.billed.customer["stripe_id"]);
        let form = format!("amount={amount}&currency=usd&customer={customer}");
        self.at_stripe("sk_test_shop", "/v1/payment_intents", &form).await;
        let intents = self.stage.shop.see(&format!("/v1/payment_intents?customer={customer}")).await;
        let intent = text(&intents["data"][0]["id"]);
        let invoice = self.billed.invoice.clone().unwrap();
        let path = format!("/v1/invoices/{invoice}/attach_payment");
        self.at_stripe("sk_test_shop", &path, &format!("payment_intent={intent}")).await;
        let confirm = "payment_method=pm_card_visa&return_url=https://shop.test/";
        self.at_stripe("sk_test_shop", &format!("/v1/payment_intents/{intent}/confirm"), confirm).await;
    }

    async fn subscribe_on_page(&mut self, iban: &str) {
        let shop = &self.stage.shop;
        let form = [
            ("mode", "subscription"),
            ("success_url", "https://shop.test/thanks"),
            ("payment_method_types[]", "sepa_debit"),
            ("line_items[0][price]", &text(&self.billed.monthly["stripe_id"])),
            ("line_items[0][quantity]", "2"),
        ];
        let call = shop.app.client.post(format!("{}/v1/checkout/sessions", shop.stripe.base()));
        let made = call.bearer_auth("sk_test_shop").form(&form).send().await.unwrap();
        let session: Value = made.json().await.unwrap();
        pay_on_page(session["url"].as_str().unwrap_or_else(|| panic!("{session}")), iban).await;
    }
}

/// Pays with the number of a card, or an IBAN.
pub(super) async fn pay_on_page(url: &str, number: &str) {
    let card = [("card_number", number), ("card_expiry", "12/34"), ("card_cvc", "123"), ("type", "card")];
    let debit = [("iban", number), ("type", "sepa_debit")];
    let of_method = if number.starts_with(char::is_alphabetic) { &debit[..] } else { &card[..] };
    let mut form = vec![("email", "ada@example.com"), ("name", "Ada")];
    form.extend(of_method);
    let client =
        packline::http_client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let answer = client.post(url).form(&form).send().await.unwrap();
    assert!(answer.status().as_u16() < 500, "{}", answer.text().await.unwrap());
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}
