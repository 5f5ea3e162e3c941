//! The stories that the demo tells, and how each must end.

use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use tokio::time::Instant;
use uuid::Uuid;

use super::customer::Customer;
use super::dashboard::{Dashboard, id};
use super::forger::Forger;
use super::merchant::{Merchant, Placed, TOTAL};
use super::warehouse::{BOOK, TEAPOT};
use crate::fake_stripe::FakeStripe;
use crate::fake_stripe::delivery::Mode;

/// Longer than any bank debit takes.
const DAYS: Duration = Duration::from_secs(8 * 24 * 60 * 60);

/// How long news may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Who takes part.
pub(super) struct Cast<'c> {
    pub merchant: Merchant,
    pub customer: Customer,
    pub dashboard: Dashboard,
    pub forger: Forger,
    pub stripe: &'c FakeStripe,
}

/// Where an order must end.
pub(super) struct Expected {
    pub story: &'static str,
    /// The order's id, or a Stripe object that it must have been made of.
    pub stands_for: String,
    /// Its one-word status.
    pub status: &'static str,
    /// Where its payment is.
    pub payment_status: &'static str,
}

impl Expected {
    pub(super) fn is_met_by(&self, order: Option<&Value>) -> bool {
        order.is_some_and(|order| {
            order["status"] == self.status && order["payment_status"] == self.payment_status
        })
    }
}

/// How many stories there are.
pub(super) const STORIES: u64 = 20;

impl Cast<'_> {
    /// Tells all stories, with `told` after each; returns where each order must end.
    pub(super) async fn tell(&self, mut told: impl FnMut(&'static str)) -> anyhow::Result<Vec<Expected>> {
        let mut expected = Vec::new();
        let mut add = |one: Expected| {
            told(one.story);
            expected.push(one);
        };
        add(self.paid_in_the_browser().await?);
        add(self.paid_on_the_server().await?);
        add(self.three_d_secure("succeeded").await?);
        add(self.three_d_secure("failed").await?);
        add(self.declined().await?);
        add(self.declined_then_paid().await?);
        add(self.two_tabs().await?);
        add(self.captured_later().await?);
        add(self.called_off().await?);
        add(self.bank_debit("pm_sepaDebit").await?);
        add(self.bank_debit("pm_sepaDebit_fails").await?);
        add(self.disputed().await?);
        add(self.refunded(json!({}), "the shop refunds all of it", "refunded", "refunded").await?);
        let part = json!({ "amount": TOTAL / 4 });
        add(self.refunded(part, "the shop refunds a part", "fulfilled", "partially_refunded").await?);
        add(self.with_a_commission().await?);
        add(self.pays_too_little().await?);
        add(self.invoice("old", "an invoice, in the shape of before 2025-03-31").await?);
        add(self.invoice("new", "an invoice, in today's shape").await?);
        add(self.nobody_ordered().await?);
        add(self.forged().await?);
        Ok(expected)
    }

    async fn paid_in_the_browser(&self) -> anyhow::Result<Expected> {
        let book = json!([{ "sku": BOOK, "description": "On tea", "quantity": 1, "unit_amount": TOTAL }]);
        let placed =
            self.merchant.place_to_pay(json!({ "payment": { "mode": "client" }, "lines": book })).await?;
        self.customer.confirm(&placed, "pm_card_visa").await?;
        let part = self.carried_out(&placed).await?;
        let link = part["digital"][0]["link"].as_str().context("a link is issued for a book")?;
        let answer = self.customer.follow(link).await?;
        ensure!(answer == 302, "the link to a book was answered {answer}");
        Ok(paid("paid in the browser, downloaded by its link", placed.id))
    }

    async fn paid_on_the_server(&self) -> anyhow::Result<Expected> {
        let teapots =
            json!([{ "sku": TEAPOT, "description": "Teapot", "quantity": 2, "unit_amount": TOTAL / 2 }]);
        let placed =
            self.merchant.place_to_pay(json!({ "payment": { "mode": "server" }, "lines": teapots })).await?;
        let answer = self.customer.pay(&placed, "pm_card_visa").await?;
        ensure!(answer["success"] == true, "a good card was answered {answer}");
        let part = self.carried_out(&placed).await?;
        let parcels = part["shipments"].as_array().map(Vec::len);
        ensure!(parcels == Some(2), "two teapots were sent in {parcels:?} parcels: {part}");
        Ok(paid("paid on the server, sent in two parcels", placed.id))
    }

    /// The only part of an order, once it is fulfilled.
    async fn carried_out(&self, placed: &Placed) -> anyhow::Result<Value> {
        let order = format!("/v1/orders/{}", placed.id);
        self.until(&order, "fulfilment_status", json!("fulfilled")).await?;
        Ok(self.merchant.get(&format!("{order}/fulfilments")).await?["data"][0].take())
    }

    async fn three_d_secure(&self, outcome: &str) -> anyhow::Result<Expected> {
        let placed = self.merchant.place_to_pay(json!({ "payment": { "mode": "server" } })).await?;
        let answer = self.customer.pay(&placed, "pm_card_threeDSecure2Required").await?;
        ensure!(answer["requires_action"] == true, "a card with 3-D Secure was answered {answer}");
        self.customer.authenticate(&placed, outcome).await?;
        if outcome != "succeeded" {
            return Ok(failed("3-D Secure, not passed", placed.id));
        }
        let answer = self.customer.pay_again(&placed).await?;
        ensure!(answer["success"] == true, "3-D Secure was passed, and answered {answer}");
        Ok(paid("3-D Secure, passed", placed.id))
    }

    async fn declined(&self) -> anyhow::Result<Expected> {
        let placed = self.merchant.place_to_pay(json!({ "payment": { "mode": "server" } })).await?;
        let answer = self.customer.pay(&placed, "pm_card_chargeDeclinedInsufficientFunds").await?;
        ensure!(answer["error"].is_object(), "a card without funds was answered {answer}");
        Ok(failed("the card is declined", placed.id))
    }

    async fn declined_then_paid(&self) -> anyhow::Result<Expected> {
        let placed = self.merchant.place_to_pay(json!({ "payment": { "mode": "client" } })).await?;
        self.customer.confirm(&placed, "pm_card_chargeDeclined").await?;
        self.customer.confirm(&placed, "pm_card_visa").await?;
        Ok(paid("the card is declined, the next one works", placed.id))
    }

    async fn two_tabs(&self) -> anyhow::Result<Expected> {
        let placed = self.merchant.place_to_pay(json!({ "payment": { "mode": "server" } })).await?;
        let (one, other) = futures_util::future::join(
            self.customer.pay(&placed, "pm_card_visa"),
            self.customer.pay(&placed, "pm_card_visa"),
        )
        .await;
        let answers = [one?, other?];
        ensure!(answers.iter().any(|answer| answer["success"] == true), "two tabs were answered {answers:?}");
        let charges =
            self.dashboard.get(&format!("/v1/charges?payment_intent={}", placed.payment_intent)).await?;
        let charges = charges["data"].as_array().map(Vec::len);
        ensure!(charges == Some(1), "two tabs that paid made {charges:?} charges");
        Ok(paid("two tabs pay at the same moment", placed.id))
    }

    async fn captured_later(&self) -> anyhow::Result<Expected> {
        let placed = self.place_and_authorise().await?;
        self.merchant.post(&format!("/v1/orders/{}/capture", placed), &json!({})).await?;
        Ok(paid("authorised, then captured", placed))
    }

    async fn called_off(&self) -> anyhow::Result<Expected> {
        let placed = self.place_and_authorise().await?;
        self.merchant.post(&format!("/v1/orders/{}/cancel", placed), &json!({})).await?;
        Ok(Expected {
            story: "authorised, then called off",
            stands_for: placed,
            status: "cancelled",
            payment_status: "cancelled",
        })
    }

    async fn place_and_authorise(&self) -> anyhow::Result<String> {
        let payment = json!({ "payment": { "mode": "server", "capture": "manual" } });
        let placed = self.merchant.place_to_pay(payment).await?;
        let answer = self.customer.pay(&placed, "pm_card_visa").await?;
        ensure!(answer["success"] == true, "an authorisation was answered {answer}");
        Ok(placed.id)
    }

    async fn bank_debit(&self, payment_method: &str) -> anyhow::Result<Expected> {
        let placed = self.merchant.place_to_pay(json!({ "payment": { "mode": "client" } })).await?;
        self.customer.confirm(&placed, payment_method).await?;
        self.stripe.advance(DAYS);
        Ok(if payment_method == "pm_sepaDebit" {
            paid("a bank debit that arrives days later", placed.id)
        } else {
            failed("a bank debit that bounces days later", placed.id)
        })
    }

    async fn disputed(&self) -> anyhow::Result<Expected> {
        let placed = self.merchant.place_to_pay(json!({ "payment": { "mode": "client" } })).await?;
        self.customer.confirm(&placed, "pm_card_createDispute").await?;
        Ok(Expected {
            story: "the customer's bank disputes it",
            stands_for: placed.id,
            status: "on_hold",
            payment_status: "paid",
        })
    }

    async fn refunded(
        &self,
        refund: Value,
        story: &'static str,
        status: &'static str,
        payment_status: &'static str,
    ) -> anyhow::Result<Expected> {
        let placed = self.merchant.place_to_pay(json!({ "payment": { "mode": "server" } })).await?;
        self.customer.pay(&placed, "pm_card_visa").await?;
        self.until(&format!("/v1/orders/{}", placed.id), "payment_status", json!("paid")).await?;
        self.merchant.post(&format!("/v1/orders/{}/refunds", placed.id), &refund).await?;
        Ok(Expected { story, stands_for: placed.id, status, payment_status })
    }

    async fn with_a_commission(&self) -> anyhow::Result<Expected> {
        let reference = format!("tea-farm-{}", Uuid::new_v4().simple());
        let vendor = json!({ "reference": reference, "country": "DE", "email": "vendor@example.com" });
        let vendor = self.merchant.post("/v1/connect/accounts", &vendor).await?;
        let account = vendor["account"]["stripe_id"].as_str().context("a new account has an id at Stripe")?;
        let done = format!("/_fake/accounts/{account}/complete");
        self.dashboard.post(&done, &[]).await?;
        self.until(&format!("/v1/connect/accounts/{account}"), "can_receive", json!(true)).await?;
        let placed = self
            .merchant
            .place_to_pay(json!({
                "payment": { "mode": "server" },
                "destination": { "account": account, "commission": { "basis_points": 1200 } },
            }))
            .await?;
        self.customer.pay(&placed, "pm_card_visa").await?;
        Ok(paid("a vendor's order, 12 % commission", placed.id))
    }

    async fn pays_too_little(&self) -> anyhow::Result<Expected> {
        let intent = self.dashboard.take_payment("1500").await?;
        let order = self.merchant.place(json!({ "payment_intent": intent })).await?;
        Ok(Expected {
            story: "15.00 arrive, 20.00 were asked",
            stands_for: id(&order)?,
            status: "on_hold",
            payment_status: "awaiting_payment",
        })
    }

    async fn invoice(&self, shape: &str, story: &'static str) -> anyhow::Result<Expected> {
        let before = self.stripe.deliveries().mode();
        self.set_mode(Mode { shape: Some(shape.to_owned()), ..before.clone() })?;
        let invoice = self.dashboard.invoice().await;
        self.set_mode(before)?;
        Ok(paid(story, invoice?))
    }

    async fn nobody_ordered(&self) -> anyhow::Result<Expected> {
        let intent = self.dashboard.take_payment("2000").await?;
        Ok(paid("a payment that no order was placed for", intent))
    }

    async fn forged(&self) -> anyhow::Result<Expected> {
        let placed = self.merchant.place_to_pay(json!({ "payment": { "mode": "client" } })).await?;
        let answer = self.forger.forge_success(&placed).await?;
        ensure!(answer == 400, "a forged webhook was answered {answer}");
        Ok(Expected {
            story: "a forged success is refused",
            stands_for: placed.id,
            status: "pending",
            payment_status: "awaiting_payment",
        })
    }

    /// Waits for news that come by webhook.
    async fn until(&self, path: &str, field: &str, value: Value) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let now = self.merchant.get(path).await?;
            if now[field] == value {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "{path} did not get to {field} {value}: {now}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn set_mode(&self, mode: Mode) -> anyhow::Result<()> {
        self.stripe.deliveries().set_mode(mode).map_err(anyhow::Error::msg)
    }
}

fn paid(story: &'static str, stands_for: String) -> Expected {
    Expected { story, stands_for, status: "fulfilled", payment_status: "paid" }
}

fn failed(story: &'static str, stands_for: String) -> Expected {
    Expected { story, stands_for, status: "payment_failed", payment_status: "payment_failed" }
}
