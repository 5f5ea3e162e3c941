//! What events do not say, Stripe is asked for; and nobody waits for the answer longer than the grace.

use std::time::Duration;

use packline::app::FOR_LOOKUPS;
use packline::clock::Clock;
use packline::config::{Secret, StripeConfig};
use packline::fake_stripe::{FakeStripe, Options};
use packline::inbox::Applier;
use packline::lookups::Lookups;
use packline::orders::Patience;
use packline::stripe::Client;
use serde_json::{Value, json};

use crate::support::stripe::{self, Shape, event, id, session, with};
use crate::support::{PATIENCE, TestApp};

mod late;

const KEY: &str = "sk_test_lookups";

/// A service that asks a local Stripe, step by step.
struct Asking {
    stripe: FakeStripe,
    app: TestApp,
    applier: Applier,
    lookups: Lookups,
}

impl Asking {
    async fn start() -> Self {
        let stripe = FakeStripe::start(Options::new(Clock::manual())).unwrap();
        let mut config = StripeConfig::new(Secret::new(KEY), stripe.base().parse().unwrap()).unwrap();
        config.retry_base = Duration::from_millis(1);
        let app = TestApp::start_calling(config.clone()).await;
        let applier = app.patient_applier(Patience { can_ask: true, ..PATIENCE });
        let client = Client::new(&config).unwrap();
        let grace = PATIENCE.grace;
        let lookups = Lookups::new(app.pool.clone(), app.clock.clone(), client, grace, FOR_LOOKUPS);
        Self { stripe, app, applier, lookups }
    }

    /// Makes something at Stripe's.
    async fn make(&self, path: &str, form: &[(&str, &str)]) -> Value {
        let request =
            self.app.client.post(format!("{}{path}", self.stripe.base())).bearer_auth(KEY).form(form);
        let made: Value = request.send().await.unwrap().json().await.unwrap();
        assert!(made["id"].is_string(), "{path}: {made}");
        made
    }

    /// A price of a product that says how the merchant calls it.
    async fn price(&self, sku: &str) -> String {
        let product = self.make("/v1/products", &[("name", "Green tea"), ("metadata[sku]", sku)]).await;
        let product = product["id"].as_str().unwrap().to_owned();
        let form = [("product", product.as_str()), ("currency", "usd"), ("unit_amount", "1000")];
        self.make("/v1/prices", &form).await["id"].as_str().unwrap().to_owned()
    }

    async fn deliver(&self, events: &[Value]) {
        for event in events {
            assert_eq!(self.app.post_event(event).await, 200);
            self.apply().await;
        }
    }

    async fn apply(&self) {
        while self.applier.run_once().await.unwrap() > 0 {}
    }

    /// Asks all that is to be asked, and applies what waited for it.
    async fn ask(&self) {
        while self.lookups.run_once().await.unwrap() > 0 {}
        self.apply().await;
    }

    async fn orders(&self) -> i64 {
        self.app.value("select count(*) from orders").await
    }
}

/// An invoice that was just finalised, whose line is of this price.
fn finalised(invoice: &str, price: &str) -> Value {
    let line = json!({
        "id": "il_1", "object": "line_item", "amount": 2000, "description": "2 × Tea", "quantity": 2, "metadata": {},
        "pricing": { "type": "price_details", "price_details": { "price": price, "product": "prod_1" } }
    });
    let lines = json!({ "lines": { "object": "list", "data": [line], "has_more": false } });
    event("invoice.finalized", with(stripe::invoice(Shape::New, invoice, "pi_1"), lines))
}

#[tokio::test]
async fn a_price_is_asked_for_once_and_its_lines_are_called_as_the_merchant_calls_them() {
    let shop = Asking::start().await;
    let price = shop.price("TEA-100G").await;
    let first = finalised("in_1", &price);

    shop.deliver(std::slice::from_ref(&first)).await;
    let (state, reason) = shop.app.event_state(id(&first)).await;
    assert_eq!((state.as_str(), shop.orders().await), ("parked", 0));
    assert!(reason.unwrap().contains(&price));

    shop.ask().await;
    assert_eq!(shop.app.order("in_1").await["lines"][0]["sku"], "TEA-100G");

    shop.deliver(&[finalised("in_2", &price)]).await;
    assert_eq!(shop.app.order("in_2").await["lines"][0]["sku"], "TEA-100G");
    let asked = "select count(*) from lookups where kind = 'price'";
    assert_eq!(shop.app.value::<i64>(asked).await, 1);
}

#[tokio::test]
async fn without_an_answer_the_order_is_made_of_what_is_known_when_the_grace_is_over() {
    let shop = Asking::start().await;
    shop.deliver(&[finalised("in_1", "price_unknown")]).await;
    assert_eq!(shop.orders().await, 0);

    shop.app.clock.advance(PATIENCE.grace);
    shop.apply().await;
    assert_eq!(shop.app.order("in_1").await["lines"][0]["sku"], "price_unknown");

    // Stripe knows no such price: nobody waits for it any more.
    shop.ask().await;
    assert_eq!(shop.app.value::<String>("select state from lookups where kind = 'price'").await, "refused");
    shop.deliver(&[finalised("in_2", "price_unknown")]).await;
    assert_eq!(shop.app.order("in_2").await["lines"][0]["sku"], "price_unknown");
}

#[tokio::test]
async fn an_invoice_with_more_lines_than_are_known_is_held() {
    let app = TestApp::start().await;
    let cut = |mut event: Value| {
        event["data"]["object"]["lines"]["has_more"] = json!(true);
        event
    };

    app.deliver(&[cut(finalised("in_1", "price_1")), cut(stripe::invoice_paid(Shape::New, "in_1", "pi_1"))])
        .await;
    app.run_fulfilments().await;

    let order = app.order("in_1").await;
    assert_eq!((&order["status"], &order["holds"]), (&json!("on_hold"), &json!(["incomplete_lines"])));
}

#[tokio::test]
async fn a_session_of_a_payment_link_becomes_one_order_with_its_lines_in_any_order() {
    for is_intent_first in [true, false] {
        let shop = Asking::start().await;
        let price = shop.price("TEA-100G").await;
        let form = [
            ("mode", "payment"),
            ("success_url", "https://shop.test/thanks"),
            ("line_items[0][price]", price.as_str()),
            ("line_items[0][quantity]", "2"),
        ];
        let made = shop.make("/v1/checkout/sessions", &form).await;
        let completed = session("completed", made["id"].as_str().unwrap(), "pi_1", "paid");
        let mut events = vec![
            stripe::intent_succeeded("pi_1"),
            completed.clone(),
            with(completed, json!({ "id": "evt_again" })),
        ];
        if !is_intent_first {
            events.reverse();
        }

        shop.deliver(&events).await;
        assert_eq!(shop.orders().await, 0);
        shop.ask().await;
        let order = shop.app.order("pi_1").await;
        assert_eq!((&order["status"], &order["origin"]), (&json!("paid"), &json!("checkout_session")));
        assert_eq!((&order["amount_paid"], shop.orders().await), (&json!(2000), 1));
        assert_eq!(
            (&order["lines"][0]["sku"], &order["lines"][0]["quantity"]),
            (&json!("TEA-100G"), &json!(2))
        );
        assert_eq!(
            (&order["customer"]["name"], &order["shipping"]["city"]),
            (&json!("Ada"), &json!("London"))
        );
        assert_eq!(shop.app.value::<i64>("select count(*) from fulfilments").await, 1);
    }
}

#[tokio::test]
async fn the_invoice_of_a_payment_that_no_event_links_is_asked_for() {
    for knows_invoice in [true, false] {
        let shop = Asking::start().await;
        let customer = shop.make("/v1/customers", &[("email", "ada@example.com")]).await;
        let customer = customer["id"].as_str().unwrap();
        let card = shop.make("/v1/payment_methods/pm_card_visa/attach", &[("customer", customer)]).await;
        let item = [("customer", customer), ("amount", "2000"), ("currency", "usd")];
        shop.make("/v1/invoiceitems", &item).await;
        let draft = [("customer", customer), ("pending_invoice_items_behavior", "include")];
        let invoice = shop.make("/v1/invoices", &draft).await;
        let invoice = invoice["id"].as_str().unwrap();
        let card = [("payment_method", card["id"].as_str().unwrap()), ("expand[]", "payments")];
        let paid = shop.make(&format!("/v1/invoices/{invoice}/pay"), &card).await;
        let intent = paid["payments"]["data"][0]["payment"]["payment_intent"].as_str().unwrap();
        let success = with(stripe::succeeded(intent), json!({ "customer": customer }));
        let success = event("payment_intent.succeeded", success);
        let open = with(paid.clone(), json!({ "status": "open", "amount_paid": 0 }));
        let mut open = event("invoice.finalized", open);
        open["data"]["object"].as_object_mut().unwrap().remove("payments");

        match knows_invoice {
            true => shop.deliver(&[open, success]).await,
            false => shop.deliver(&[success, open]).await,
        }
        shop.ask().await;
        let unanswered = "select count(*) from lookups where state <> 'answered'";
        assert_eq!(shop.app.value::<i64>(unanswered).await, 0);

        assert_eq!(shop.orders().await, 1);
        let order = shop.app.order(intent).await;
        assert_eq!(order["id"], shop.app.order(invoice).await["id"]);
        assert_eq!((&order["status"], &order["holds"]), (&json!("paid"), &json!([])));
    }
}
