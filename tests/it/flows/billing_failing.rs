//! A Stripe that fails where something is billed: what calls come to at first makes no difference in the end, and what
//! Stripe keeps failing for a day is given up with its reason.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::billing::{VISA, checkout};
use super::desk::Bill;
use super::stage::Stage;
use super::step::Step;
use super::variant::Variant;
use crate::support::stripe::with;

/// How the first tries of a call can fail; losing its answer is a variant of every flow. A Stripe that hangs, and one that
/// is slower than anybody waits, are played with less patience.
const FAULTS: [&str; 7] = ["429", "lock_timeout", "500", "500_done", "409", "garbage", "dropped"];
const WITHOUT_ANSWER: [&str; 2] = ["hang", "slow"];

#[tokio::test]
async fn whatever_calls_come_to_at_first_an_offer_ends_in_one_paid_order() {
    let steps = [
        Step::Bill(Bill::Goods("usd")),
        Step::Bill(Bill::Keep("visa")),
        Step::Bill(Bill::Quote { monthly: false }),
        Step::Bill(Bill::Finalise),
        Step::Bill(Bill::Accept),
        Step::Bill(Bill::FinaliseInvoice),
        Step::Bill(Bill::PayInvoice(json!({}))),
    ];
    assert_fault_free(&steps).await;
}

#[tokio::test]
async fn whatever_calls_come_to_at_first_a_subscription_ends_in_one_paid_order() {
    let steps = [
        Step::Bill(Bill::Goods("usd")),
        Step::Bill(Bill::Keep("visa")),
        Step::Bill(Bill::Subscribe),
        Step::Bill(Bill::PayInvoice(json!({}))),
    ];
    assert_fault_free(&steps).await;
}

#[tokio::test]
async fn whatever_calls_come_to_at_first_a_page_is_paid_once() {
    let steps = [Step::Place(checkout(json!({}))), Step::Bill(Bill::PayOnPage(VISA))];
    assert_fault_free(&steps).await;
}

/// With every fault the same rows are left, but for how often it was asked, and nothing is left open.
async fn assert_fault_free(steps: &[Step]) {
    let (stage, impatient) = (Stage::open_billing().await, Stage::open_impatient().await);
    let rows = |end: &str| -> Vec<String> {
        end.lines()
            .filter(|line| !line.starts_with("asked") && !line.starts_with("call"))
            .map(str::to_owned)
            .collect()
    };
    let right = stage.play(Variant::AsItHappens, steps).await;
    assert!(right.contains("paid 2000 of 2000"), "{right}");
    let hasty = WITHOUT_ANSWER.map(|fault| (fault, &impatient));
    for (fault, stage) in FAULTS.map(|fault| (fault, &stage)).into_iter().chain(hasty) {
        let end = stage.play_failing(Variant::AsItHappens, Some(fault), steps).await;
        assert_eq!(rows(&right), rows(&end), "{fault}: {end}");
        assert!(!end.contains(" open\n"), "{fault}: {end}");
    }
}

/// A failure that Stripe keeps under the call's key is its answer for a day. What was to be made is given up then, with
/// the reason, and can be asked for anew: there is one of it in the end.
#[tokio::test]
async fn what_stripe_keeps_failing_is_given_up_after_a_day_and_can_be_asked_for_anew() {
    let stage = Stage::open_billing().await;
    let (shop, at_stripe) = (&stage.shop, stage.at_stripe.as_ref().unwrap());
    let make = async |path: &str, body: &Value| {
        let made = shop.post(path, body, None).await;
        assert_eq!(made.status(), StatusCode::CREATED, "{path}");
        made.json::<Value>().await.unwrap()
    };
    let customer = make("/v1/customers", &json!({ "name": "Eve" })).await;
    let product = make("/v1/products", &json!({ "name": "Tea", "sku": "TEA" })).await;
    let once = json!({ "product": product["id"], "currency": "usd", "unit_amount": 1000 });
    let monthly = with(once.clone(), json!({ "recurring": { "interval": "month", "interval_count": 1 } }));
    let price = make("/v1/prices", &monthly).await;
    let one = json!([{ "price": price["id"], "quantity": 1 }]);

    for (path, body) in [
        ("/v1/customers", json!({ "name": "Ada" })),
        ("/v1/products", json!({ "name": "Cup", "sku": "CUP" })),
        ("/v1/prices", once),
        ("/v1/quotes", json!({ "customer": customer["id"], "lines": one })),
        ("/v1/subscriptions", json!({ "customer": customer["id"], "items": one })),
    ] {
        let there = async || {
            let all = if path == "/v1/subscriptions" { "&status=all" } else { "" };
            let list = shop.see(&format!("{path}?limit=100{all}")).await;
            list["data"].as_array().unwrap_or_else(|| panic!("{path}: {list}")).len()
        };
        let before = there().await;
        shop.fault("500_saved", path, 1);

        let first = shop.post(path, &body, Some(&format!("{path} 1"))).await.status();
        let waits: Option<String> =
            shop.app.value("select max(reason) from outbox_calls where state = 'open'").await;
        shop.app.clock.advance(Duration::from_secs(3600));
        at_stripe.work(&shop.app).await;
        let within_the_day = shop.post(path, &body, Some(&format!("{path} 1"))).await.status();
        shop.app.clock.advance(Duration::from_secs(25 * 3600));
        at_stripe.work(&shop.app).await;
        let given_up = shop.post(path, &body, Some(&format!("{path} 1"))).await;
        let (status, told) = (given_up.status(), given_up.json::<Value>().await.unwrap());
        let anew = shop.post(path, &body, Some(&format!("{path} 2"))).await;

        assert_eq!((first, within_the_day), [StatusCode::SERVICE_UNAVAILABLE; 2].into(), "{path}");
        assert!(waits.is_some_and(|reason| !reason.is_empty()), "{path} says why it waits");
        assert_eq!(
            (status, &told["error"]["code"]),
            (StatusCode::CONFLICT, &json!("stripe_not_done")),
            "{path}: {told}"
        );
        assert_eq!(anew.status(), StatusCode::CREATED, "{path}");
        assert_eq!(there().await, before + 1, "{path}: there is one of it");
        assert_eq!(shop.app.value::<i64>("select count(*) from outbox_calls where state = 'open'").await, 0);
    }
}
