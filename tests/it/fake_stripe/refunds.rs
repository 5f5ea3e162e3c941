//! Refunds and disputes.

use serde_json::{Value, json};

use super::Local;
use super::payments::id;

async fn charge_of(local: &Local, intent: &Value) -> Value {
    local.see(&format!("/v1/charges/{}", intent["latest_charge"].as_str().unwrap())).await
}

fn of(intent: &Value, more: &str) -> String {
    format!("payment_intent={}&{more}", id(intent))
}

#[actix_web::test]
async fn a_payment_is_refunded_in_parts_and_never_beyond() {
    let local = Local::start();
    let intent = local.pay("visa", "").await;
    local.told();

    let part = local.make("/v1/refunds", &of(&intent, "amount=500&reason=requested_by_customer")).await;
    let too_much = local.post("/v1/refunds", &of(&intent, "amount=1501")).await;
    let rest = local.make("/v1/refunds", &of(&intent, "")).await;
    let again = local.post("/v1/refunds", &of(&intent, "")).await;

    assert_eq!((&part["status"], &part["amount"]), (&json!("succeeded"), &json!(500)));
    assert_eq!((too_much.status, too_much.error("param")), (400, &json!("amount")));
    assert_eq!(rest["amount"], 1500);
    assert_eq!((again.status, again.error("code")), (400, &json!("charge_already_refunded")));
    let charge = charge_of(&local, &intent).await;
    assert_eq!((&charge["amount_refunded"], &charge["refunded"]), (&json!(2000), &json!(true)));
    let happenings = local.happenings();
    let types: Vec<&str> = happenings.iter().map(|told| told.event_type.as_str()).collect();
    assert_eq!(types, ["refund.created", "charge.refunded", "refund.created", "charge.refunded"]);
    assert_eq!(happenings[1].object["refunded"], false);
    assert_eq!(happenings[3].previous_attributes, Some(json!({"amount_refunded": 500, "refunded": false})));
    let listed = local.see(&format!("/v1/refunds?payment_intent={}", id(&intent))).await;
    assert_eq!(listed["data"].as_array().unwrap().len(), 2);
}

#[actix_web::test]
async fn what_was_not_captured_is_not_refunded() {
    let local = Local::start();
    let held = local.pay("visa", "capture_method=manual").await;
    let open = local.make("/v1/payment_intents", "amount=2000&currency=usd").await;

    for intent in [held, open] {
        let refused = local.post("/v1/refunds", &of(&intent, "")).await;
        assert_eq!(refused.status, 400, "{}", refused.body);
    }
}

#[actix_web::test]
async fn a_refund_can_stay_pending_or_fail_later() {
    let local = Local::start();
    let (pends, fails) = (local.pay("pendingRefund", "").await, local.pay("refundFail", "").await);
    let pending = local.make("/v1/refunds", &of(&pends, "")).await;
    let failing = local.make("/v1/refunds", &of(&fails, "")).await;
    assert_eq!((&pending["status"], &failing["status"]), (&json!("pending"), &json!("succeeded")));
    local.told();

    local.advance(60);

    assert_eq!(
        local.told(),
        [
            "refund.updated",
            "charge.refund.updated",
            "refund.updated",
            "charge.refund.updated",
            "refund.failed"
        ]
    );
    let failed = local.see(&format!("/v1/refunds/{}", id(&failing))).await;
    assert_eq!(
        (&failed["status"], &failed["failure_reason"]),
        (&json!("failed"), &json!("lost_or_stolen_card"))
    );
    assert_eq!(charge_of(&local, &fails).await["amount_refunded"], 0);
    assert_eq!(charge_of(&local, &pends).await["amount_refunded"], 2000);
}

#[actix_web::test]
async fn a_pending_refund_can_be_cancelled() {
    let local = Local::start();
    let intent = local.pay("pendingRefund", "").await;
    let refund = local.make("/v1/refunds", &of(&intent, "")).await;

    let cancelled = local.make(&format!("/v1/refunds/{}/cancel", id(&refund)), "").await;
    local.advance(60);

    assert_eq!(cancelled["status"], "canceled");
    assert_eq!(local.see(&format!("/v1/refunds/{}", id(&refund))).await["status"], "canceled");
    assert_eq!(charge_of(&local, &intent).await["amount_refunded"], 0);
}

#[actix_web::test]
async fn a_dispute_is_won_or_lost_by_its_evidence() {
    let local = Local::start();
    for (word, status, last) in [
        ("winning_evidence", "won", "charge.dispute.funds_reinstated"),
        ("losing_evidence", "lost", "charge.dispute.closed"),
    ] {
        let intent = local.pay("createDispute", "").await;
        let told = local.told();
        assert_eq!(told[told.len() - 2..], ["charge.dispute.created", "charge.dispute.funds_withdrawn"]);
        let listed = local.see(&format!("/v1/disputes?payment_intent={}", id(&intent))).await;
        let dispute = listed["data"][0].clone();
        assert_eq!(dispute["status"], "needs_response");
        let refused = local.post("/v1/refunds", &of(&intent, "")).await;
        assert_eq!(refused.error("code"), "charge_disputed");

        let path = format!("/v1/disputes/{}", id(&dispute));
        let ended = local.make(&path, &format!("evidence[uncategorized_text]={word}&submit=true")).await;

        assert_eq!(ended["status"], status);
        let told = local.told();
        assert_eq!(told[..2], ["charge.dispute.updated", "charge.dispute.closed"]);
        assert_eq!(told.last().unwrap(), last);
        assert_eq!(local.post(&format!("{path}/close"), "").await.status, 400);
    }
}

#[actix_web::test]
async fn an_inquiry_moves_no_money_and_a_fraud_warning_warns() {
    let local = Local::start();

    let intent = local.pay("createDisputeInquiry", "").await;
    let inquiry = local.see(&format!("/v1/disputes?payment_intent={}", id(&intent))).await["data"][0].clone();
    let told = local.told();
    local.pay("createIssuerFraudRecord", "").await;

    assert_eq!(inquiry["status"], "warning_needs_response");
    assert_eq!(told.last().unwrap(), "charge.dispute.created");
    assert!(local.told().contains(&"radar.early_fraud_warning.created".to_owned()));
    assert_eq!(local.post("/v1/refunds", &of(&intent, "")).await.status, 200);
}
