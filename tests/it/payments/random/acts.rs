//! What people do, one step at a time. Whatever is answered is fine as long as the end is.

use std::time::Duration;

use futures_util::future::join_all;
use packline::fake_stripe::Outcome;
use rand::RngExt;
use serde_json::{Value, json};

use super::story::Story;

const CARDS: [&str; 12] = [
    "visa",
    "visa",
    "visa",
    "amex",
    "mastercard",
    "chargeDeclined",
    "chargeDeclinedStolenCard",
    "authenticationRequired",
    "threeDSecure2Required",
    "createDispute",
    "pendingRefund",
    "refundFail",
];
const FAULTS: [&str; 11] = [
    "429",
    "500",
    "500_saved",
    "500_done",
    "409",
    "lock_timeout",
    "garbage",
    "hang",
    "lost",
    "dropped",
    "slow",
];

impl Story {
    pub async fn step(&mut self) {
        let index = self.random.random_range(0..self.orders.len());
        if self.orders[index].order.is_none() && self.chance(2, 3) {
            return self.place(index).await;
        }
        match self.random.random_range(0..100) {
            0..4 => self.place(index).await,
            4..28 => self.pay(index).await,
            28..36 => self.authenticate(index).await,
            36..44 => self.capture(index).await,
            44..46 => self.cancel(index).await,
            46..60 => self.refund(index).await,
            60..66 => self.dashboard(index).await,
            66..71 => self.break_stripe(),
            71..83 => self.deliver_some().await,
            83..87 => self.fulfil().await,
            87..91 => self.resume().await,
            91..93 => self.die().await,
            93..94 => self.set_shape(),
            _ => {
                let minutes = self.pick(&[1, 1, 4, 4, 4, 30, 30, 120, 25 * 60, 8 * 24 * 60]);
                self.pass(Duration::from_secs(minutes * 60));
            }
        }
    }

    async fn place(&mut self, index: usize) {
        let placed = self.orders[index].clone();
        let answer = self.ask("/v1/orders", &placed.asks, Some(&placed.key)).await;
        if let Some((201, order)) = answer {
            self.orders[index].order = Some(order);
        }
    }

    fn id(&self, index: usize) -> Option<String> {
        Some(self.orders[index].order.as_ref()?["id"].as_str()?.to_owned())
    }

    fn intent(&self, index: usize) -> Option<String> {
        Some(self.orders[index].order.as_ref()?["payment"]["payment_intent"].as_str()?.to_owned())
    }

    /// One click or several at once, by a browser with a fresh token.
    async fn pay(&mut self, index: usize) {
        let (Some(id), Some(intent)) = (self.id(index), self.intent(index)) else {
            return self.place(index).await;
        };
        let clicks = self.pick(&[1, 1, 1, 2, 3]);
        let mut cards: Vec<String> = (0..clicks).map(|_| format!("pm_card_{}", self.pick(&CARDS))).collect();
        if self.chance(1, 2) {
            cards = vec![cards[0].clone(); clicks];
        }
        if self.orders[index].asks["payment"]["mode"] == "client" {
            let debit = self.pick(&["pm_usBankAccount_processing", "pm_usBankAccount_insufficientFunds"]);
            let method = if self.chance(1, 4) { debit } else { cards[0].as_str() };
            let form = format!("payment_method={method}&return_url=https://shop.example/");
            self.stripe_does(&format!("payment_intents/{intent}/confirm"), &form).await;
            return;
        }
        let Some((201, token)) =
            self.ask(&format!("/v1/orders/{id}/checkout_tokens"), &json!({}), None).await
        else {
            return;
        };
        let token = token["checkout_token"].as_str().unwrap().to_owned();
        let asks: Vec<Value> = cards
            .iter()
            .map(|card| json!({ "token": token, "payment_method_id": card, "save_for_later": false }))
            .collect();
        self.at_once("/pay", asks, None).await;
    }

    async fn authenticate(&mut self, index: usize) {
        let (Some(id), Some(intent)) = (self.id(index), self.intent(index)) else { return };
        let outcome = self.pick(&[Outcome::Succeeded, Outcome::Succeeded, Outcome::Failed]);
        let ended = self.shop.stripe.authenticate(&intent, outcome).is_ok();
        self.note(format!("the customer's step of {intent}: {outcome:?}, {ended}"));
        if let Some((201, token)) =
            self.ask(&format!("/v1/orders/{id}/checkout_tokens"), &json!({}), None).await
        {
            let ask = json!({ "token": token["checkout_token"], "payment_intent_id": intent });
            let clicks = self.pick(&[1, 2]);
            self.at_once("/pay", vec![ask; clicks], None).await;
        }
    }

    async fn capture(&mut self, index: usize) {
        let Some(id) = self.id(index) else { return };
        let ask = self.pick(&[json!({}), json!({ "amount": 1500 }), json!({ "amount": 700 })]);
        let clicks = self.pick(&[1, 1, 2]);
        self.at_once(&format!("/v1/orders/{id}/capture"), vec![ask; clicks], None).await;
    }

    async fn cancel(&mut self, index: usize) {
        let Some(id) = self.id(index) else { return };
        self.at_once(&format!("/v1/orders/{id}/cancel"), vec![json!({})], None).await;
    }

    async fn refund(&mut self, index: usize) {
        let Some(id) = self.id(index) else { return };
        let mut asks = Vec::new();
        for _ in 0..self.pick(&[1, 1, 1, 2, 3]) {
            let line = json!({ "lines": [{ "position": 1, "quantity": self.random.random_range(1..=2) }] });
            let part = json!({ "amount": self.pick(&[1, 300, 500, 1000]) });
            asks.push(self.pick(&[json!({}), part.clone(), part, line]));
        }
        if !self.orders[index].asks["destination"].is_null() && self.chance(1, 2) {
            for ask in &mut asks {
                ask["reverse_transfer"] = true.into();
                ask["refund_application_fee"] = true.into();
            }
        }
        // Two keys for each order: now and then the same is asked again.
        let key = format!("refund-{id}-{}", self.random.random_range(0..2));
        let key = (asks.len() == 1).then_some(key);
        self.at_once(&format!("/v1/orders/{id}/refunds"), asks, key.as_deref()).await;
    }

    /// Somebody does it in the Dashboard.
    async fn dashboard(&mut self, index: usize) {
        let Some(intent) = self.intent(index) else { return };
        match self.random.random_range(0..6) {
            0 => _ = self.stripe_does(&format!("payment_intents/{intent}/capture"), "").await,
            1 => _ = self.stripe_does(&format!("payment_intents/{intent}/cancel"), "").await,
            2 => _ = self.stripe_does("refunds", &format!("payment_intent={intent}")).await,
            3 => _ = self.stripe_does("refunds", &format!("payment_intent={intent}&amount=400")).await,
            _ => {
                if let Some(dispute) = self.dispute_of(&intent).await {
                    let word = self.pick(&["winning_evidence", "losing_evidence"]);
                    let form = format!("evidence[uncategorized_text]={word}");
                    self.stripe_does(&format!("disputes/{dispute}"), &form).await;
                }
            }
        }
    }

    /// Looked for through a Stripe that may be broken.
    async fn dispute_of(&self, intent: &str) -> Option<String> {
        let url = format!("{}/v1/disputes?payment_intent={intent}", self.shop.stripe.base());
        let request = self.shop.app.client.get(url).bearer_auth("sk_test_dashboard");
        let list: Value = request.timeout(Duration::from_millis(500)).send().await.ok()?.json().await.ok()?;
        list["data"][0]["id"].as_str().map(str::to_owned)
    }

    fn break_stripe(&mut self) {
        let kind = self.pick(&FAULTS);
        let path = self.pick(&["/v1/", "/v1/payment_intents", "/v1/refunds", "/v1/customers"]);
        let method = self.pick(&["POST", "POST", "POST", "GET"]);
        let times = if kind == "hang" { 1 } else { self.random.random_range(1..=3) };
        self.note(format!("Stripe will answer {times} {method} of {path} by {kind}"));
        let fault = json!({ "kind": kind, "path": path, "method": method, "times": times, "ms": 60 });
        self.shop.stripe.order_fault(serde_json::from_value(fault).unwrap());
    }

    // How they do it.

    /// Asks Packline; none where it does not answer.
    async fn ask(&mut self, path: &str, body: &Value, key: Option<&str>) -> Option<(u16, Value)> {
        let answer = self.shop.try_post(path, body, key).await;
        self.note(format!("{path} {body} {key:?} -> {}", shown(&answer)));
        answer
    }

    /// Asks Packline several times at once; now and then the process dies while it is at it.
    async fn at_once(&mut self, path: &str, asks: Vec<Value>, key: Option<&str>) {
        let dies_after = self.chance(1, 8).then(|| Duration::from_millis(self.random.random_range(0..40)));
        let asked = asks.clone();
        let (shop, path_) = (self.shop.voice(), path.to_owned());
        let key_ = key.map(str::to_owned);
        let asking = tokio::spawn(async move {
            join_all(asked.iter().map(|ask| shop.try_post(&path_, ask, key_.as_deref()))).await
        });
        if let Some(after) = dies_after {
            tokio::time::sleep(after).await;
            self.shop.app.crash().await;
            self.note(format!(
                "while it is asked {path} {asks:?} {key:?}, the process dies and another begins"
            ));
        }
        for (ask, answer) in asks.iter().zip(asking.await.unwrap()) {
            self.note(format!("{path} {ask} {key:?} -> {}", shown(&answer)));
            assert!(answer.as_ref().is_none_or(|(status, _)| *status != 500), "{path} {ask}: {answer:?}");
        }
    }

    /// Does something at Stripe itself; none where it refuses.
    pub async fn stripe_does(&mut self, path: &str, form: &str) -> Option<Value> {
        let url = format!("{}/v1/{path}", self.shop.stripe.base());
        let request = self.shop.app.client.post(url).bearer_auth("sk_test_dashboard").body(form.to_owned());
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let request = request.timeout(Duration::from_millis(500));
        let answer = match request.send().await {
            Ok(response) => {
                let is_done = response.status().is_success();
                response.json::<Value>().await.ok().map(|body| (is_done, body))
            }
            Err(_) => None,
        };
        let told = answer.as_ref().map(|(is_done, body)| (*is_done, body["error"]["message"].clone()));
        self.note(format!("at Stripe: {path} {form} -> {told:?}"));
        answer.filter(|(is_done, _)| *is_done).map(|(_, body)| body)
    }
}

fn shown(answer: &Option<(u16, Value)>) -> String {
    let Some((status, body)) = answer else { return "no answer".to_owned() };
    let short = ["error", "state", "problem", "status", "success", "requires_action"];
    let told: Vec<String> = short
        .iter()
        .filter(|name| !body[**name].is_null())
        .map(|name| format!("{name}: {}", body[*name]))
        .collect();
    format!("{status} {}", told.join(", "))
}
