//! Real answers of Stripe's, in several versions of the API, read by the client.

use packline::stripe::{CallError, Client};
use serde_json::{Value, json};

use super::server::{Scripted, Step};
use crate::fixtures::{files, folder};

/// What the client read, in the words of the answer.
async fn read(client: &Client, object: &Value) -> Option<Result<Value, CallError>> {
    let id = object["id"].as_str().unwrap_or("pi_1");
    let kind = object["object"].as_str().unwrap_or("error");
    Some(match kind {
        "payment_intent" | "error" => client.retrieve_payment_intent(id, None).await.map(|intent| {
            json!({
                "id": intent.id, "amount": intent.amount, "amount_received": intent.amount_received,
                "amount_capturable": intent.amount_capturable, "currency": intent.currency,
                "status": intent.status, "client_secret": intent.client_secret.as_ref().map(|s| s.expose()),
                "capture_method": intent.capture_method, "confirmation_method": intent.confirmation_method,
                "application_fee_amount": intent.application_fee_amount,
                "setup_future_usage": intent.setup_future_usage, "created": intent.created,
            })
        }),
        "charge" => client.retrieve_charge(id, None).await.map(|charge| {
            json!({
                "id": charge.id, "amount": charge.amount, "amount_captured": charge.amount_captured,
                "amount_refunded": charge.amount_refunded, "status": charge.status,
                "application_fee_amount": charge.application_fee_amount,
            })
        }),
        "refund" => client.retrieve_refund(id, None).await.map(|refund| {
            json!({
                "id": refund.id, "amount": refund.amount, "status": refund.status, "reason": refund.reason,
                "created": refund.created,
            })
        }),
        "account" => client.retrieve_account(id).await.map(|account| {
            json!({
                "id": account.id, "charges_enabled": account.charges_enabled,
                "payouts_enabled": account.payouts_enabled, "details_submitted": account.details_submitted,
                "type": account.account_type, "country": account.country,
                "capabilities": account.capabilities,
            })
        }),
        _ => return None,
    })
}

#[tokio::test]
async fn real_answers_are_read_with_what_they_say() {
    let Some(folder) = folder("api_objects") else { return };
    let mut seen = std::collections::BTreeMap::<String, usize>::new();
    for (path, text) in files(&folder) {
        let answer: Value = serde_json::from_str(&text).unwrap();
        let (status, body) = (answer["_status"].as_u64().unwrap(), &answer["body"]);
        let headers: Vec<(&'static str, &'static str)> = answer["_headers"]
            .as_object()
            .unwrap()
            .iter()
            .filter_map(|(name, value)| Some((leak(name), leak(value.as_str()?))))
            .collect();
        let request_id = answer["_headers"]["Request-Id"].as_str();
        let step = Step::Answer(u16::try_from(status).unwrap(), headers, body.to_string());
        let stripe = Scripted::start([step]).await;

        let Some(result) = read(&stripe.client(), body).await else { continue };

        let kind = body["object"].as_str().unwrap_or("error").to_owned();
        *seen.entry(kind).or_default() += 1;
        match result {
            Ok(read) => {
                for (name, value) in read.as_object().unwrap() {
                    assert_eq!(value, &body[name], "{path}: {name}");
                }
            }
            Err(error) => {
                let refusal = error.refusal().unwrap_or_else(|| panic!("{path}: {error:?}"));
                assert_eq!(u64::from(refusal.status), status, "{path}");
                assert_eq!(json!(refusal.kind), body["error"]["type"], "{path}");
                assert_eq!(json!(refusal.code), body["error"]["code"], "{path}");
                assert_eq!(json!(refusal.decline_code), body["error"]["decline_code"], "{path}");
                assert_eq!(json!(refusal.message), body["error"]["message"], "{path}");
                assert_eq!(refusal.request_id.as_deref(), request_id, "{path}");
                assert_eq!(stripe.requests().len(), 1, "{path}: a refusal is not repeated");
            }
        }
    }
    for kind in ["payment_intent", "charge", "refund", "account", "error"] {
        assert!(seen.contains_key(kind), "{kind} is among them: {seen:?}");
    }
}

/// The script's headers are fixed texts.
fn leak(text: &str) -> &'static str {
    text.to_owned().leak()
}
