//! What the local Stripe knows of an order, against what Packline's rows say.

use serde_json::{Value, json};

use super::story::Story;

fn all(list: &Value) -> Vec<Value> {
    list["data"].as_array().unwrap_or_else(|| panic!("{list}")).clone()
}

fn amount(object: &Value, name: &str) -> i64 {
    object[name].as_i64().unwrap_or_default()
}

impl Story {
    pub async fn compare(&self, id: &str, times_sent: usize) {
        let shop = &self.shop;
        let order = shop.app.order(id).await;
        let mut intents = shop.intents().await;
        intents.retain(|intent| intent["metadata"]["order_id"] == id);
        assert!(intents.len() <= 1, "one intent each: {intents:?}");
        let intent = intents.pop().unwrap_or_default();
        let of_intent = format!("payment_intent={}&limit=100", intent["id"].as_str().unwrap_or("pi_none"));
        let charges = all(&shop.see(&format!("/v1/charges?{of_intent}")).await);
        let refunds = all(&shop.see(&format!("/v1/refunds?{of_intent}")).await);
        let taken: Vec<&Value> =
            charges.iter().filter(|charge| amount(charge, "amount_captured") > 0).collect();
        let taken = taken.iter().filter(|charge| charge["status"] == "succeeded").count();
        assert!(taken <= 1, "paid twice: {charges:?}");

        let received = amount(&intent, "amount_received");
        let is_on = |refund: &&Value| !["failed", "canceled"].contains(&refund["status"].as_str().unwrap());
        let returned: i64 = refunds.iter().filter(is_on).map(|refund| amount(refund, "amount")).sum();
        assert!(returned <= received, "more went back than came: {refunds:?}");
        assert_eq!(
            (amount(&order, "amount_paid"), amount(&order, "amount_refunded")),
            (received, returned),
            "what arrived and what went back of {order}, {refunds:?}"
        );
        self.compare_status(&order, &intent, received, returned);
        self.compare_rows(id, &order, &intent, &refunds, returned).await;
        self.compare_sent(&order, times_sent);
    }

    fn compare_status(&self, order: &Value, intent: &Value, received: i64, returned: i64) {
        let holds = order["holds"].as_array().unwrap();
        let is_mismatch = holds.contains(&json!("amount_mismatch"));
        let status = order["payment_status"].as_str().unwrap();
        let expected: &[&str] = match intent["status"].as_str() {
            _ if received > 0 && returned == received => &["refunded"],
            _ if is_mismatch => &["awaiting_payment"],
            _ if returned > 0 => &["partially_refunded"],
            _ if received > 0 => &["paid"],
            Some("canceled") => &["cancelled"],
            Some("requires_capture") => &["authorised"],
            Some(_) => &["awaiting_payment", "requires_action", "processing", "payment_failed"],
            None => &["awaiting_payment", "cancelled"],
        };
        assert!(expected.contains(&status), "{status} is not of {expected:?}: {order} {intent}");
        assert!(!holds.contains(&json!("refund")), "a hold for a refund that is settled: {order}");
    }

    async fn compare_rows(&self, id: &str, order: &Value, intent: &Value, refunds: &[Value], returned: i64) {
        assert_eq!(order["payment"]["open_call"], json!(null), "{order}");
        assert_eq!(order["payment"]["payment_intent"], intent["id"], "{order}");
        let open: Vec<(String, Option<String>)> = sqlx::query_as(
            "select idempotency_key, reason from stripe_calls where state = 'open' and order_id = $1::uuid",
        )
        .bind(id)
        .fetch_all(&self.shop.app.pool)
        .await
        .unwrap();
        assert!(open.is_empty(), "calls that are open still: {open:?}");
        let listed: Value =
            self.shop.app.get(&format!("/v1/orders/{id}/refunds")).await.json().await.unwrap();
        let listed = all(&listed);
        let (mut rows, mut pieces) = (0, 0);
        for refund in &listed {
            let state = refund["state"].as_str().unwrap();
            assert_ne!(state, "requested", "{refund}");
            if ["pending", "succeeded"].contains(&state) {
                rows += amount(refund, "amount");
                pieces += refund["lines"][0]["quantity"].as_i64().unwrap_or_default();
            }
            if refund["origin"] == "api" && refund["stripe_id"].is_string() {
                assert!(refunds.iter().any(|known| known["id"] == refund["stripe_id"]), "{refund}");
            }
        }
        if !self.is_old_account {
            assert_eq!(rows, returned, "rows of refunds: {listed:?}, Stripe: {refunds:?}");
        }
        let taken_back: i64 = sqlx::query_scalar(
            "select sum(quantity_refunded)::bigint from order_lines where order_id = $1::uuid",
        )
        .bind(id)
        .fetch_one(&self.shop.app.pool)
        .await
        .unwrap();
        assert_eq!(taken_back, pieces, "pieces taken back: {listed:?}");
    }

    fn compare_sent(&self, order: &Value, times_sent: usize) {
        assert!(times_sent <= 1, "sent {times_sent} times: {order}");
        let (payment, fulfilment) =
            (order["payment_status"].as_str().unwrap(), order["fulfilment_status"].as_str().unwrap());
        let is_held = !order["holds"].as_array().unwrap().is_empty();
        let expected = match (times_sent, payment) {
            (1, _) => "fulfilled",
            (_, "paid" | "partially_refunded") if is_held => "queued",
            (_, "paid" | "partially_refunded") => "to have been fulfilled",
            (_, "refunded") if fulfilment == "none" => "none",
            (_, "refunded") => "cancelled",
            _ => "none",
        };
        assert_eq!(fulfilment, expected, "{order}");
    }
}
