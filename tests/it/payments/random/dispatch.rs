//! A provider that refuses to be asked for what must not be sent.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use packline::fulfilment::{Answer, Delivery, LookUp, Outcome, Provider, Receipt};
use serde_json::Value;
use sqlx::PgPool;

/// What the provider does with a request.
#[derive(Clone, Copy, Debug)]
pub enum Does {
    Ship,
    ShipUnanswered,
    Nothing,
}

pub struct Dispatch {
    pub pool: PgPool,
    /// Where the local Stripe is.
    pub stripe: String,
    pub client: reqwest::Client,
    pub next: Mutex<VecDeque<Does>>,
    /// The orders that were sent, and their keys.
    pub sent: Mutex<Vec<(String, String)>>,
    /// What was sent although it should not have been.
    pub wrong: Mutex<Vec<String>>,
}

impl Dispatch {
    /// Why an order must not be sent now, by what Packline knows and by what Stripe knows.
    async fn why_not(&self, order: &str) -> Option<String> {
        let (status, holds, asked_back, paid): (String, i64, i64, i64) = sqlx::query_as(
            "select payment_status,
               (select count(*) from holds where order_id = orders.id and released_at is null),
               (select coalesce(sum(amount), 0)::bigint from refund_requests
                where order_id = orders.id and origin = 'api' and state in ('requested', 'pending', 'succeeded')),
               amount_paid
             from orders where id = $1::uuid",
        )
        .bind(order)
        .fetch_one(&self.pool)
        .await
        .unwrap();
        if !["paid", "partially_refunded"].contains(&status.as_str()) || holds > 0 || asked_back >= paid {
            return Some(format!("it is {status} with {holds} holds, {asked_back} of {paid} asked back"));
        }
        let url = format!("{}/v1/payment_intents?limit=100", self.stripe);
        let asked = self.client.get(url).bearer_auth("sk_test_looks").timeout(Duration::from_millis(500));
        // A Stripe that is broken just now says nothing.
        let list: Value = asked.send().await.ok()?.json().await.ok()?;
        let intents = list["data"].as_array()?;
        let is_paid =
            |intent: &&Value| intent["metadata"]["order_id"] == order && intent["status"] == "succeeded";
        let paid = intents.iter().find(is_paid);
        paid.is_none().then(|| "Stripe says it is not paid".to_owned())
    }
}

impl Provider for Dispatch {
    fn name(&self) -> &'static str {
        "dispatch"
    }

    fn send<'a>(&'a self, delivery: &'a Delivery) -> Answer<'a, Outcome> {
        Box::pin(async move {
            let delivered = serde_json::to_value(delivery).unwrap();
            let order = delivered["order"]["id"].as_str().unwrap().to_owned();
            if let Some(why) = self.why_not(&order).await {
                self.wrong.lock().unwrap().push(format!("order {order} was sent: {why}"));
            }
            let does = self.next.lock().unwrap().pop_front().unwrap_or(Does::Ship);
            let why = "the script says so".to_owned();
            if let Does::Nothing = does {
                return Outcome::NotDone { why, retry_after: None };
            }
            self.sent.lock().unwrap().push((order, delivery.idempotency_key.clone()));
            match does {
                Does::Ship => Outcome::Fulfilled(Receipt::default()),
                _ => Outcome::Unknown { why, retry_after: None },
            }
        })
    }

    fn look_up<'a>(&'a self, key: &'a str) -> Answer<'a, LookUp> {
        Box::pin(async move {
            let is_sent = self.sent.lock().unwrap().iter().any(|(_, sent)| sent == key);
            if is_sent { LookUp::Done(Receipt::default()) } else { LookUp::Absent }
        })
    }
}
