//! The steps of a flow: what a merchant, a customer, a bank and the owner of an account do.

use std::time::Duration;

use packline::fake_stripe::Outcome;
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};

use super::desk::{Bill, Billed};
use super::stage::Stage;
use super::variant::Variant;
use crate::payments::shop::{id, intent, token};
use crate::support::stripe::{order, with};

#[derive(Clone, Debug)]
pub enum Step {
    /// The merchant places an order of 20.00 USD, paid so.
    Place(Value),
    /// One of other lines, or in another currency.
    PlaceWith(Value),
    /// Or one of which a connected account gets the money, less its commission.
    PlaceForAccount(Value),
    /// The same customer is charged again with the card that was kept, while away.
    ChargeKept,
    /// The customer pays with a test card through `POST /pay`.
    Pay(&'static str),
    /// With the card that was kept.
    PayKept,
    /// Confirms again, after the bank's step.
    PayAgain,
    /// Pays with a test payment method in the browser alone.
    PayInBrowser(&'static str),
    /// The bank's step ends so.
    Bank(Outcome),
    Capture(Value),
    Cancel,
    Refund(Value),
    /// Somebody does this to the PaymentIntent in Stripe's Dashboard: the path, with `{}` for the id, and a form.
    InDashboard(&'static str, &'static str),
    /// The merchant sends evidence in a dispute, or with none accepts it.
    AnswerDispute(Option<&'static str>),
    /// A driver joins for a commission, and tells Stripe all that it wants to know.
    JoinFor(Value),
    /// And leaves.
    Leave,
    /// The warehouse sends what it may.
    Send,
    /// Seconds pass at Stripe.
    Wait(u64),
    /// Days pass for everybody, and what has no answer is found out meanwhile.
    DaysPass(u64),
    /// The shop has heard of all that happened.
    Hear,
    /// Something is billed, or paid on a page of Stripe's.
    Bill(Bill),
}

/// A flow under way.
pub struct Play<'s> {
    pub(super) stage: &'s Stage,
    pub(super) variant: Variant,
    pub orders: Vec<Value>,
    /// What the shop's callers were told at last.
    pub said: Vec<String>,
    account: Option<String>,
    asked: u32,
    pub(super) billed: Billed,
    /// What the first tries of each call come to.
    pub fault: Option<&'static str>,
}

impl<'s> Play<'s> {
    pub fn new(stage: &'s Stage, variant: Variant) -> Self {
        Self {
            stage,
            variant,
            orders: Vec::new(),
            said: Vec::new(),
            account: None,
            asked: 0,
            billed: Billed::default(),
            fault: None,
        }
    }

    pub async fn step(&mut self, step: &Step) {
        let shop = &self.stage.shop;
        match step {
            Step::Place(payment) => self.place(json!({ "payment": payment })).await,
            Step::PlaceWith(fields) => self.place(fields.clone()).await,
            Step::PlaceForAccount(payment) => {
                let destination = json!({ "account": self.account.clone().unwrap() });
                self.place(json!({ "payment": payment, "destination": destination })).await;
            }
            Step::ChargeKept => {
                let (customer, method) = self.kept().await;
                let payment = json!({
                    "mode": "server", "off_session": true, "customer": customer, "payment_method": method
                });
                self.place(json!({ "payment": payment })).await;
            }
            Step::Pay(card) => self.pay(json!({ "payment_method_id": format!("pm_card_{card}") })).await,
            Step::PayKept => {
                let (_, method) = self.kept().await;
                self.pay(json!({ "payment_method_id": method })).await;
            }
            Step::PayAgain => self.pay(json!({ "payment_intent_id": intent(self.order()) })).await,
            Step::PayInBrowser(method) => self.pay_in_browser(method).await,
            Step::Bank(outcome) => shop.authenticate(self.order(), *outcome),
            Step::Capture(body) => self.act("capture", body).await,
            Step::Cancel => self.act("cancel", &json!({})).await,
            Step::Refund(body) => self.act("refunds", body).await,
            Step::InDashboard(path, form) => {
                let intent = intent(self.order());
                self.at_stripe("sk_test_shop", &path.replace("{}", intent), &form.replace("{}", intent))
                    .await;
            }
            Step::AnswerDispute(evidence) => self.answer_dispute(*evidence).await,
            Step::JoinFor(commission) => self.join(commission).await,
            Step::Leave => {
                let url = format!("/_fake/accounts/{}/deauthorize", self.account.as_deref().unwrap());
                self.at_stripe("", &url, "").await;
            }
            Step::Send => shop.app.run_fulfilments().await,
            Step::Wait(seconds) => shop.stripe.advance(Duration::from_secs(*seconds)),
            Step::DaysPass(days) => {
                shop.app.clock.advance(Duration::from_secs(300));
                shop.resume().await;
                shop.app.clock.advance(Duration::from_secs(days * 24 * 3600));
                shop.stripe.advance(Duration::ZERO);
            }
            Step::Hear => self.stage.catch_up(self.variant).await,
            Step::Bill(step) => self.bill(step).await,
        }
    }

    /// The order that was placed last.
    pub(super) fn order(&self) -> &Value {
        self.orders.last().unwrap()
    }

    async fn place(&mut self, fields: Value) {
        let (status, placed) = self.ask("/v1/orders", &order(fields), None, "/v1/").await;
        self.said.push(told("place", status, &placed));
        if status == StatusCode::CREATED {
            self.orders.push(placed);
        }
    }

    async fn pay(&mut self, body: Value) {
        let token = token(self.order()).to_owned();
        let (status, answer) = self.ask("/pay", &body, Some(&token), "/v1/").await;
        self.said.push(told("pay", status, &answer));
    }

    async fn act(&mut self, what: &str, body: &Value) {
        let path = format!("/v1/orders/{}/{what}", id(self.order()));
        // An earlier call that is asked about first is answered.
        let called = match what {
            "refunds" => "/v1/refunds".to_owned(),
            _ => format!("/v1/payment_intents/{}/{what}", intent(self.order())),
        };
        let (status, answer) = self.ask(&path, body, None, &called).await;
        self.said.push(told(what, status, &answer));
    }

    /// Asks the service, and again until it knows what became of it. Where answers are lost, those of `called` are.
    pub(super) async fn ask(
        &mut self,
        path: &str,
        body: &Value,
        token: Option<&str>,
        called: &str,
    ) -> (StatusCode, Value) {
        let shop = &self.stage.shop;
        self.asked += 1;
        let key = format!("{:?}-{:?}-{}", self.variant, self.fault, self.asked);
        let lost = (self.variant == Variant::AnswersLost).then_some("lost");
        if let Some(kind) = self.fault.or(lost) {
            shop.fault(kind, called, 3);
        }
        for _ in 0..4 {
            let (status, answer) = match token {
                Some(token) => shop.pay(token, body.clone()).await,
                None => read(shop.post(path, body, Some(&key)).await).await,
            };
            shop.stripe.clear_faults();
            self.stage.listen(self.variant).await;
            let is_open = [StatusCode::ACCEPTED, StatusCode::SERVICE_UNAVAILABLE].contains(&status)
                || answer["error"]["code"] == "processing";
            if !is_open {
                return (status, answer);
            }
        }
        panic!("{path} never ends");
    }

    async fn pay_in_browser(&mut self, method: &str) {
        let secret = self.order()["payment"]["client_secret"].as_str().unwrap().to_owned();
        let form =
            format!("client_secret={secret}&payment_method=pm_{method}&return_url=https://shop.example/");
        let path = format!("/v1/payment_intents/{}/confirm", intent(self.order()));
        self.at_stripe("pk_test_shop", &path, &form).await;
    }

    /// The customer and the card of the first order.
    async fn kept(&self) -> (String, String) {
        let path = format!("/v1/payment_intents/{}", intent(&self.orders[0]));
        let made = self.stage.shop.see(&path).await;
        let text = |name: &str| made[name].as_str().unwrap_or_else(|| panic!("{made}")).to_owned();
        (text("customer"), text("payment_method"))
    }

    async fn answer_dispute(&mut self, evidence: Option<&str>) {
        let shop = &self.stage.shop;
        let disputes = shop.see(&format!("/v1/disputes?payment_intent={}", intent(self.order()))).await;
        let path = format!("/v1/disputes/{}", disputes["data"][0]["id"].as_str().unwrap());
        match evidence {
            Some(text) => {
                let form = format!("evidence[uncategorized_text]={text}&submit=true");
                self.at_stripe("sk_test_shop", &path, &form).await;
            }
            None => self.at_stripe("sk_test_shop", &format!("{path}/close"), "").await,
        }
    }

    async fn join(&mut self, commission: &Value) {
        let asked = json!({
            "reference": format!("driver of {:?}", self.variant), "country": "GB", "business_type": "individual",
            "commission": commission
        });
        let (status, made) = self.ask("/v1/connect/accounts", &asked, None, "/v1/").await;
        assert_eq!(status, StatusCode::CREATED, "{made}");
        let account = made["account"]["stripe_id"].as_str().unwrap().to_owned();
        self.stage.shop.stripe.complete_account(&account).unwrap();
        self.account = Some(account);
    }

    /// What others than the shop do at Stripe.
    pub(super) async fn at_stripe(&mut self, key: &str, path: &str, form: &str) {
        let shop = &self.stage.shop;
        let request = shop.app.client.post(format!("{}{path}", shop.stripe.base())).bearer_auth(key);
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let answer = request.body(form.to_owned()).send().await.unwrap();
        let status = answer.status();
        let declined = status == StatusCode::PAYMENT_REQUIRED;
        assert!(status.is_success() || declined, "{path}: {}", answer.text().await.unwrap());
    }
}

async fn read(response: Response) -> (StatusCode, Value) {
    (response.status(), response.json().await.unwrap())
}

/// An answer, in short.
pub(super) fn told(what: &str, status: StatusCode, answer: &Value) -> String {
    let more = if answer["success"] == true {
        "success".to_owned()
    } else if answer["requires_action"] == true {
        "requires action".to_owned()
    } else if let Some(field) = answer["error"]["fields"][0]["field"].as_str() {
        field.to_owned()
    } else {
        answer["error"]["code"].as_str().unwrap_or_default().to_owned()
    };
    format!("{what} {} {more}", status.as_u16()).trim_end().to_owned()
}

/// A payment through `POST /pay`, with more fields.
pub fn server(fields: Value) -> Value {
    with(json!({ "mode": "server" }), fields)
}

/// A payment that the browser confirms.
pub fn client() -> Value {
    json!({ "mode": "client" })
}
