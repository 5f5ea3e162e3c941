//! A Stripe that fails, call by call and in every way: whatever it answered meanwhile, the order says why it waits, and
//! comes to its right end when the fault is over; nothing is ever paid twice.
//!
//! Every fault meets all the tries that a call makes. Those that pass within one call are in `payments::faults`.

use std::time::Duration;

use packline::fake_stripe::Outcome;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::desk::pay_on_page;
use crate::payments::Shop;
use crate::payments::shop::{id, intent, token};
use crate::support::stripe::{order, with};

/// How a call can fail. `500_saved` stays so until Stripe has forgotten the key.
const FAULTS: [&str; 11] = [
    "429",
    "lock_timeout",
    "500",
    "500_saved",
    "500_done",
    "409",
    "garbage",
    "hang",
    "slow",
    "lost",
    "dropped",
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Called {
    Create,
    Customer,
    /// A kept card is charged while its owner is away: the intent is made and confirmed at once.
    OffSession,
    OpenSession,
    ExpireSession,
    Confirm,
    /// The customer wants the card to be kept: a customer is made, and the intent is given to them, before it is confirmed.
    CustomerOfTick,
    UpdateOfTick,
    ConfirmAgain,
    Capture,
    Cancel,
    Refund,
}

impl Called {
    fn payment(self) -> Value {
        match self {
            Self::Customer => json!({ "mode": "server", "save_for_later": true }),
            Self::Capture | Self::Cancel => json!({ "mode": "server", "capture": "manual" }),
            Self::OpenSession | Self::ExpireSession => {
                json!({ "mode": "checkout", "success_url": "https://shop.test/thanks" })
            }
            _ => json!({ "mode": "server" }),
        }
    }

    /// What Stripe is asked at.
    fn path(self, placed: &Value) -> String {
        let of_intent = |what: &str| format!("/v1/payment_intents/{}/{what}", intent(placed));
        match self {
            Self::Create | Self::OffSession => "/v1/payment_intents".to_owned(),
            Self::OpenSession => "/v1/checkout/sessions".to_owned(),
            Self::ExpireSession => {
                format!("/v1/checkout/sessions/{}/expire", placed["payment"]["session"].as_str().unwrap())
            }
            Self::Customer | Self::CustomerOfTick => "/v1/customers".to_owned(),
            // What is first asked about the intent is that.
            Self::UpdateOfTick => format!("/v1/payment_intents/{}", intent(placed)),
            Self::Confirm | Self::ConfirmAgain => of_intent("confirm"),
            Self::Capture => of_intent("capture"),
            Self::Cancel => of_intent("cancel"),
            Self::Refund => "/v1/refunds".to_owned(),
        }
    }

    /// The order's end: its payment, and what arrived and went back.
    fn end(self) -> Value {
        match self {
            Self::Cancel | Self::ExpireSession => json!(["cancelled", 0, 0]),
            Self::Refund => json!(["partially_refunded", 2000, 500]),
            _ => json!(["paid", 2000, 0]),
        }
    }

    /// Whether it is made where an order is placed.
    fn is_of_placing(self) -> bool {
        matches!(self, Self::Create | Self::Customer | Self::OffSession | Self::OpenSession)
    }
}

/// A shop of one order, whose caller asks once more with the same key where it must.
struct Attempt<'s> {
    shop: &'s Shop,
    called: Called,
    /// Which one of its shop, from 1.
    number: usize,
    key: String,
    placed: Option<Value>,
    /// The customer and the card that were kept before, of an order of their own.
    kept: Option<(String, String)>,
}

impl Attempt<'_> {
    /// All that comes before the call.
    async fn prepare(&mut self) {
        if self.called.is_of_placing() {
            return;
        }
        let placed = self.shop.place(self.called.payment()).await;
        match self.called {
            Called::Confirm | Called::CustomerOfTick | Called::UpdateOfTick | Called::ExpireSession => {}
            Called::ConfirmAgain => {
                self.shop.pay_with(&placed, "authenticationRequired").await;
                self.shop.authenticate(&placed, Outcome::Succeeded);
            }
            _ => _ = self.shop.pay_with(&placed, "visa").await,
        }
        self.shop.deliver().await;
        self.placed = Some(placed);
    }

    fn placed(&self) -> &Value {
        self.placed.as_ref().unwrap()
    }

    /// Makes the call; says whether it is known to be done.
    async fn call(&mut self) -> (StatusCode, Value) {
        let (shop, key) = (self.shop, Some(self.key.as_str()));
        match self.called {
            called if called.is_of_placing() => {
                let body = order(json!({ "payment": self.payment() }));
                let answer = shop.post("/v1/orders", &body, key).await;
                (answer.status(), answer.json().await.unwrap())
            }
            Called::Confirm => shop.pay_with(self.placed(), "visa").await,
            Called::CustomerOfTick | Called::UpdateOfTick => {
                let body = json!({ "payment_method_id": "pm_card_visa", "save_for_later": true });
                shop.pay(token(self.placed()), body).await
            }
            Called::ConfirmAgain => shop.pay_again(self.placed()).await,
            Called::Capture => shop.act(self.placed(), "capture", json!({})).await,
            Called::Cancel | Called::ExpireSession => shop.act(self.placed(), "cancel", json!({})).await,
            _ => {
                let path = format!("/v1/orders/{}/refunds", id(self.placed()));
                let answer = shop.post(&path, &json!({ "amount": 500 }), key).await;
                (answer.status(), answer.json().await.unwrap())
            }
        }
    }

    fn payment(&self) -> Value {
        let payment = self.called.payment();
        let Some((customer, method)) = &self.kept else { return payment };
        with(payment, json!({ "off_session": true, "customer": customer, "payment_method": method }))
    }

    /// The customer pays for what was placed at last.
    async fn pay(&mut self) {
        match self.called {
            Called::OffSession => {}
            Called::OpenSession => {
                let url = self.placed()["payment"]["url"].as_str().unwrap().to_owned();
                pay_on_page(&url, "4242424242424242").await;
                self.shop.deliver().await;
                // Stripe made its PaymentIntent only now.
                let now = self.shop.order(self.placed()).await;
                self.placed = Some(now);
            }
            _ => _ = self.shop.pay_with(self.placed(), "visa").await,
        }
    }

    /// Why the call waits, as the rows say it: none where it does not.
    async fn waits_for(&self) -> Option<(String, Option<String>)> {
        let query = "select state, reason from stripe_calls where state in ('open', 'not_done')
                     and order_id = (select id from orders order by id desc limit 1) order by id desc limit 1";
        sqlx::query_as(query).fetch_optional(&self.shop.app.pool).await.unwrap()
    }

    async fn play(mut self, fault: &str) {
        let name = format!("{:?} meets {fault}", self.called);
        self.prepare().await;
        let path = self.called.path(self.placed.as_ref().unwrap_or(&Value::Null));
        let ordered = json!({ "kind": fault, "path": path, "method": "POST", "times": 3, "ms": 50 });
        self.shop.stripe.order_fault(serde_json::from_value(ordered).unwrap());

        let (status, answer) = self.call().await;
        let is_done = matches!(status, StatusCode::OK | StatusCode::CREATED);
        let waits = self.waits_for().await;
        self.shop.stripe.clear_faults();
        if is_done {
            assert_eq!(waits, None, "{name}");
        } else {
            let reason = waits.and_then(|(_, reason)| reason).unwrap_or_default();
            assert!(!reason.is_empty(), "{name} says why it waits; it answered {status} {answer}");
        }

        // Whoever asked gives up for now. What is open is found out, at the latest when Stripe has forgotten the key.
        let wait = if fault == "500_saved" { 25 * 3600 } else { 300 };
        self.shop.app.clock.advance(Duration::from_secs(wait));
        self.shop.resume().await;
        self.shop.deliver().await;
        if let Some((state, _)) = self.waits_for().await {
            assert_eq!(state, "not_done", "{name}: nothing is open for ever");
        }

        if fault == "500_saved"
            && let Some(placed) = &mut self.placed
        {
            let path = format!("/v1/orders/{}/checkout_tokens", id(placed));
            let fresh: Value = self.shop.post(&path, &json!({}), None).await.json().await.unwrap();
            placed["payment"]["checkout_token"] = fresh["checkout_token"].clone();
        }

        // And then asks again: a second time where nothing came of it, and only to be told the same otherwise.
        let (again, answer) = self.call().await;
        let is_refused_for_good = fault == "500_saved" && again == StatusCode::PAYMENT_REQUIRED;
        if is_refused_for_good && self.called == Called::ConfirmAgain {
            // What the bank confirmed a day ago counts no more.
            self.shop.pay_with(self.placed(), "mastercard").await;
        } else if is_refused_for_good {
            self.key += "-anew";
            self.call().await;
        } else {
            assert!(again.is_success(), "{name}: {again} {answer}");
        }
        if self.placed.is_none() {
            self.placed = Some(answer);
            self.pay().await;
        }
        self.shop.deliver().await;
        self.is_right(&name).await;
    }

    async fn is_right(&self, name: &str) {
        let (shop, placed) = (self.shop, self.placed());
        let now = shop.order(placed).await;
        let end = json!([now["payment_status"], now["amount_paid"], now["amount_refunded"]]);
        assert_eq!(end, self.called.end(), "{name}: {now}");
        assert_eq!(now["payment"]["open_call"], Value::Null, "{name}");
        let count = async |path: &str| shop.see(path).await["data"].as_array().unwrap().len();
        if self.called == Called::ExpireSession {
            assert_eq!(shop.intents().await.len(), 0, "{name}: nobody has paid");
            assert_eq!(count("/v1/checkout/sessions?status=expired&limit=100").await, self.number, "{name}");
            return;
        }
        assert_eq!(shop.charges(placed).await.len(), 1, "{name}: one charge");
        let refunds = count(&format!("/v1/refunds?payment_intent={}", intent(placed))).await;
        assert_eq!(refunds, usize::from(self.called == Called::Refund), "{name}");
        let before = usize::from(self.kept.is_some());
        assert_eq!(
            shop.intents().await.len(),
            self.number + before,
            "{name}: one PaymentIntent for each order"
        );
        let makes_one =
            matches!(self.called, Called::Customer | Called::CustomerOfTick | Called::UpdateOfTick);
        let customers = if makes_one { self.number } else { before };
        let made = count("/v1/customers?limit=100").await;
        assert!(made == customers || self.called == Called::OpenSession, "{name}: {made} customers");
        let sessions = if self.called == Called::OpenSession { self.number } else { 0 };
        assert_eq!(count("/v1/checkout/sessions?limit=100").await, sessions, "{name}");
    }
}

/// Has a call meet every fault, in orders of one shop.
async fn meets_every_fault(called: Called) {
    let shop = Shop::open_with(Vec::new(), |config| {
        config.timeout = Duration::from_millis(1500);
        config.retry_base = Duration::from_millis(5);
    })
    .await;
    let kept = if called == Called::OffSession { Some(keep_card(&shop).await) } else { None };
    for (number, fault) in (1..).zip(FAULTS) {
        let key = format!("{called:?}-{fault}");
        Attempt { shop: &shop, called, number, key, placed: None, kept: kept.clone() }.play(fault).await;
    }
}

/// The customer and the card of an order that keeps both.
async fn keep_card(shop: &Shop) -> (String, String) {
    let first = shop.place_for_server(json!({ "save_for_later": true })).await;
    shop.pay_with(&first, "visa").await;
    shop.deliver().await;
    let made = shop.see(&format!("/v1/payment_intents/{}", intent(&first))).await;
    let text = |name: &str| made[name].as_str().unwrap_or_else(|| panic!("{made}")).to_owned();
    (text("customer"), text("payment_method"))
}

#[tokio::test]
async fn the_making_of_a_payment_intent() {
    meets_every_fault(Called::Create).await;
}

#[tokio::test]
async fn the_making_of_a_customer() {
    meets_every_fault(Called::Customer).await;
}

#[tokio::test]
async fn a_charge_of_a_kept_card() {
    meets_every_fault(Called::OffSession).await;
}

#[tokio::test]
async fn the_opening_of_a_page_of_stripes() {
    meets_every_fault(Called::OpenSession).await;
}

#[tokio::test]
async fn the_closing_of_a_page_of_stripes() {
    meets_every_fault(Called::ExpireSession).await;
}

#[tokio::test]
async fn a_confirmation() {
    meets_every_fault(Called::Confirm).await;
}

#[tokio::test]
async fn the_making_of_a_customer_who_wants_the_card_kept() {
    meets_every_fault(Called::CustomerOfTick).await;
}

#[tokio::test]
async fn the_giving_of_a_payment_to_a_customer_who_wants_the_card_kept() {
    meets_every_fault(Called::UpdateOfTick).await;
}

#[tokio::test]
async fn a_confirmation_after_the_banks_step() {
    meets_every_fault(Called::ConfirmAgain).await;
}

#[tokio::test]
async fn a_capture() {
    meets_every_fault(Called::Capture).await;
}

#[tokio::test]
async fn a_cancellation() {
    meets_every_fault(Called::Cancel).await;
}

#[tokio::test]
async fn a_refund() {
    meets_every_fault(Called::Refund).await;
}

#[tokio::test]
async fn the_making_of_an_account() {
    let shop = Shop::open_with(Vec::new(), |config| {
        config.timeout = Duration::from_millis(1500);
        config.retry_base = Duration::from_millis(5);
    })
    .await;
    for (others, fault) in FAULTS.into_iter().enumerate() {
        let asked = json!({ "reference": fault, "country": "GB", "business_type": "individual" });
        let ordered =
            json!({ "kind": fault, "path": "/v1/accounts", "method": "POST", "times": 3, "ms": 50 });
        shop.stripe.order_fault(serde_json::from_value(ordered).unwrap());

        let first = shop.post("/v1/connect/accounts", &asked, Some(fault)).await.status();
        let found: Value =
            shop.app.get(&format!("/v1/connect/accounts?reference={fault}")).await.json().await.unwrap();
        let meanwhile = found["data"][0].clone();
        shop.stripe.clear_faults();
        let is_kept = fault == "500_saved";
        shop.app.clock.advance(Duration::from_secs(if is_kept { 25 * 3600 } else { 600 }));
        shop.look_at_accounts().await;
        let mut again = shop.post("/v1/connect/accounts", &asked, Some(fault)).await;
        if is_kept {
            // Stripe has forgotten the key and made nothing: that is said, and another request begins anew.
            assert_eq!(again.status(), StatusCode::UNPROCESSABLE_ENTITY, "{fault}");
            again = shop.post("/v1/connect/accounts", &asked, Some("anew")).await;
        }

        if first != StatusCode::CREATED {
            assert_eq!(meanwhile["state"], "creating", "{fault}");
            assert!(meanwhile["reason"].is_string(), "{fault} says why it waits: {meanwhile}");
        }
        assert_eq!(again.status(), StatusCode::CREATED, "{fault}");
        assert_eq!(again.json::<Value>().await.unwrap()["account"]["state"], "connected", "{fault}");
        let made = shop.see("/v1/accounts?limit=100").await["data"].as_array().unwrap().len();
        assert_eq!(made, others + 1, "{fault}: one account each");
    }
}
