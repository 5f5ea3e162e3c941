//! Orders that are paid on a page of Stripe's.

use std::time::Duration;

use reqwest::{Response, StatusCode};
use serde_json::{Value, json};

use super::Shop;
use super::shop::{id, intent};
use crate::support::stripe::{order, with};

const VISA: &str = "4242424242424242";
const DECLINED: &str = "4000000000009995";
const ASKS: &str = "4000002760003184";

fn checkout(fields: Value) -> Value {
    let back = json!({
        "mode": "checkout", "success_url": "https://shop.test/thanks?session={CHECKOUT_SESSION_ID}",
        "cancel_url": "https://shop.test/basket"
    });
    with(back, fields)
}

impl Shop {
    async fn place_checkout(&self, fields: Value) -> Value {
        self.place(checkout(fields)).await
    }

    /// A browser at Stripe's page: goes nowhere by itself.
    async fn visit(&self, url: &str, form: &[(&str, &str)]) -> Response {
        let client =
            packline::http_client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        client.post(url).form(form).send().await.unwrap()
    }

    /// Pays at the page with a card; where that leads.
    async fn pay_there(&self, placed: &Value, number: &str) -> Option<String> {
        let url = placed["payment"]["url"].as_str().unwrap_or_else(|| panic!("{placed}"));
        let card = [
            ("type", "card"),
            ("email", "ada@example.com"),
            ("card_number", number),
            ("card_expiry", "12/34"),
            ("card_cvc", "123"),
        ];
        leads_to(&self.visit(url, &card).await)
    }

    async fn sessions(&self) -> Vec<Value> {
        self.see("/v1/checkout/sessions?limit=100").await["data"].as_array().unwrap().clone()
    }
}

fn leads_to(response: &Response) -> Option<String> {
    Some(response.headers().get("location")?.to_str().unwrap().to_owned())
}

#[tokio::test]
async fn an_order_is_paid_on_the_page_and_learns_its_intent_then() {
    let shop = Shop::open().await;

    let placed = shop.place_checkout(json!({ "expires_in": 3600 })).await;

    let payment = &placed["payment"];
    let session = payment["session"].as_str().unwrap();
    assert_eq!((&payment["session_status"], &payment["payment_intent"]), (&json!("open"), &json!(null)));
    assert!(payment["expires_at"].is_string());
    let known = shop.see(&format!("/v1/checkout/sessions/{session}?expand[]=line_items")).await;
    assert_eq!((&known["url"], &known["amount_total"]), (&payment["url"], &json!(2000)));
    assert_eq!(
        (&known["client_reference_id"], &known["metadata"]["order_id"]),
        (&placed["id"], &placed["id"])
    );
    let lines = known["line_items"]["data"].as_array().unwrap();
    let bought: Vec<_> = lines.iter().map(|line| (&line["quantity"], &line["amount_total"])).collect();
    let asked: Vec<_> =
        placed["lines"].as_array().unwrap().iter().map(|line| (&line["quantity"], &line["amount"])).collect();
    assert_eq!(bought, asked);
    let state = shop.state(&placed).await;
    assert_eq!((&state["mode"], &state["url"]), (&json!("checkout"), &payment["url"]));

    let back = shop.pay_there(&placed, VISA).await;
    shop.deliver().await;

    assert_eq!(back, Some(format!("https://shop.test/thanks?session={session}")));
    let paid = shop.order(&placed).await;
    assert_eq!((&paid["payment_status"], &paid["amount_paid"]), (&json!("paid"), &json!(2000)));
    assert_eq!(
        (&paid["payment"]["session_status"], &paid["payment"]["url"]),
        (&json!("complete"), &json!(null))
    );
    assert_eq!(shop.charges(&paid).await.len(), 1);
    assert_eq!(shop.app.value::<i64>("select count(*) from fulfilments").await, 1);
    assert_eq!(shop.state(&placed).await["url"], json!(null));
    let by_session: Value = shop.app.order(session).await;
    assert_eq!(by_session["id"], placed["id"]);
}

#[tokio::test]
async fn events_of_a_page_end_in_the_same_order_backwards_and_twice() {
    let shop = Shop::open().await;
    let mut ends = Vec::new();
    for backwards in [false, true] {
        let placed = shop.place_checkout(json!({})).await;
        shop.pay_there(&placed, DECLINED).await;
        shop.pay_there(&placed, VISA).await;
        let mut events = shop.events();
        if backwards {
            events.reverse();
        }
        for event in events.iter().flat_map(|event| [event, event]) {
            shop.app.post_event(event).await;
            shop.app.apply_events().await;
        }
        let end = shop.order(&placed).await;
        let payment = &end["payment"];
        ends.push(json!([
            end["payment_status"],
            end["amount_paid"],
            payment["session_status"],
            payment["url"],
            payment["intent_status"],
            payment["problem"],
            payment["payment_intent"].is_string(),
        ]));
    }

    assert_eq!(ends[0], json!(["paid", 2000, "complete", null, "succeeded", null, true]));
    assert_eq!(ends[0], ends[1]);
    assert_eq!(shop.app.value::<i64>("select count(*) from orders").await, 2);
    assert_eq!(shop.app.value::<i64>("select count(*) from fulfilments").await, 2);
}

#[tokio::test]
async fn a_declined_card_and_a_bank_that_asks_end_in_one_payment() {
    let shop = Shop::open().await;
    let placed = shop.place_checkout(json!({})).await;

    let declined = shop.pay_there(&placed, DECLINED).await;
    shop.deliver().await;
    let after = shop.order(&placed).await;
    let to_bank = shop.pay_there(&placed, ASKS).await.unwrap();
    shop.deliver().await;
    let asked = shop.order(&placed).await;
    let back = leads_to(&shop.visit(&to_bank, &[("decision", "succeeded")]).await).unwrap();
    shop.deliver().await;

    assert_eq!((declined, &after["payment_status"]), (None, &json!("payment_failed")));
    assert_eq!(after["payment"]["problem"], "Your card has insufficient funds.");
    assert_eq!(shop.state(&placed).await["error"], json!(null));
    assert_eq!(asked["payment_status"], "payment_failed");
    assert!(back.contains("/back"), "{back}");
    let paid = shop.order(&placed).await;
    assert_eq!(paid["payment_status"], "paid");
    assert_eq!((shop.charges(&paid).await.len(), shop.intents().await.len()), (1, 1));
}

#[tokio::test]
async fn a_debit_is_waited_for_and_pays_or_fails() {
    for (iban, status) in [("AT321904300235473204", "paid"), ("AT051904300235473205", "payment_failed")] {
        let shop = Shop::open().await;
        let body = order(json!({ "currency": "eur", "payment": checkout(json!({})) }));
        let placed: Value = shop.post("/v1/orders", &body, None).await.json().await.unwrap();
        let url = placed["payment"]["url"].as_str().unwrap();

        shop.visit(
            url,
            &[("type", "sepa_debit"), ("iban", iban), ("email", "ada@example.com"), ("name", "Ada")],
        )
        .await;
        shop.deliver().await;
        let waits = shop.order(&placed).await;
        let too_late = shop.act(&placed, "cancel", json!({})).await;
        shop.app.clock.advance(Duration::from_secs(600));
        shop.see("/v1/payment_intents").await;
        shop.deliver().await;

        assert_eq!((&waits["payment_status"], &waits["status"]), (&json!("processing"), &json!("pending")));
        assert_eq!(too_late.0, StatusCode::PAYMENT_REQUIRED, "{}", too_late.1);
        let now = shop.order(&placed).await;
        assert_eq!(now["payment_status"], status);
        assert_eq!(
            shop.app.value::<i64>("select count(*) from fulfilments").await,
            i64::from(status == "paid")
        );
    }
}

#[tokio::test]
async fn nobody_pays_and_the_order_is_cancelled_by_the_end_of_the_page() {
    let shop = Shop::open().await;
    let placed = shop.place_checkout(json!({ "expires_in": 3600 })).await;
    shop.pay_there(&placed, DECLINED).await;
    shop.deliver().await;

    shop.app.clock.advance(Duration::from_secs(3601));
    shop.sessions().await;
    shop.deliver().await;

    let now = shop.order(&placed).await;
    assert_eq!((&now["payment_status"], &now["status"]), (&json!("cancelled"), &json!("cancelled")));
    assert_eq!(
        (&now["payment"]["session_status"], &now["payment"]["url"]),
        (&json!("expired"), &json!(null))
    );
    let again = shop.act(&placed, "cancel", json!({})).await;
    assert_eq!(again.0, StatusCode::OK, "{}", again.1);
}

#[tokio::test]
async fn lost_answers_and_repeated_requests_make_one_session() {
    let shop = Shop::open().await;
    for kind in ["lost", "500", "500_done", "dropped", "garbage", "409"] {
        let before = shop.sessions().await.len();
        let body = order(json!({ "payment": checkout(json!({ "expires_in": 7200 })) }));
        let key = format!("key-{kind}");
        shop.fault(kind, "/v1/checkout/sessions", 3);

        let unknown = shop.post("/v1/orders", &body, Some(&key)).await;
        let status = unknown.status();
        let fault: Value = unknown.json().await.unwrap();
        shop.app.clock.advance(Duration::from_secs(20));
        let again = shop.post("/v1/orders", &body, Some(&key)).await;
        let (again_status, placed) = (again.status(), again.json::<Value>().await.unwrap());
        let third: Value = shop.post("/v1/orders", &body, Some(&key)).await.json().await.unwrap();

        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{kind}: {fault}");
        assert_eq!(fault["error"]["code"], "payment_not_ready", "{kind}");
        assert_eq!(again_status, StatusCode::CREATED, "{kind}: {placed}");
        assert_eq!(placed["payment"]["session"], third["payment"]["session"], "{kind}");
        assert_eq!(shop.sessions().await.len(), before + 1, "{kind}");
    }
}

#[tokio::test]
async fn orders_that_are_asked_for_at_once_under_one_key_share_a_session() {
    let shop = Shop::open().await;
    let body = order(json!({ "payment": checkout(json!({})) }));

    let all =
        futures_util::future::join_all((0..4).map(|_| shop.post("/v1/orders", &body, Some("one")))).await;

    let made = all.iter().filter(|response| response.status() == StatusCode::CREATED).count();
    assert!(made >= 1 && all.iter().all(|response| matches!(response.status().as_u16(), 201 | 409)));
    assert_eq!(shop.sessions().await.len(), 1);
}

#[tokio::test]
async fn a_session_whose_answer_was_lost_is_found_by_the_worker_even_after_a_day() {
    let shop = Shop::open().await;
    for wait in [300, 25 * 3600] {
        let before = shop.sessions().await.len();
        let number = format!("waits-{wait}");
        shop.fault("lost", "/v1/checkout/sessions", 3);
        let body = order(json!({ "number": number, "payment": checkout(json!({})) }));
        shop.post("/v1/orders", &body, None).await;

        shop.app.clock.advance(Duration::from_secs(wait));
        shop.resume().await;

        let found = shop.app.order(&number).await;
        assert!(found["payment"]["session"].is_string(), "{wait}: {found}");
        assert_eq!(shop.sessions().await.len(), before + 1);
    }
}

#[tokio::test]
async fn money_goes_back_and_what_is_reserved_is_captured_or_let_go() {
    let shop = Shop::open().await;
    let placed = shop.place_checkout(json!({})).await;
    shop.pay_there(&placed, VISA).await;
    shop.deliver().await;

    let (refunded, answer) = shop.act(&placed, "refunds", json!({ "amount": 500 })).await;
    shop.deliver().await;

    assert_eq!(refunded, StatusCode::CREATED, "{answer}");
    assert_eq!(shop.order(&placed).await["payment_status"], "partially_refunded");
    for act in ["capture", "cancel"] {
        let placed = shop.place_checkout(json!({ "capture": "manual" })).await;
        shop.pay_there(&placed, VISA).await;
        shop.deliver().await;
        assert_eq!(shop.order(&placed).await["payment_status"], "authorised");

        let (done, answer) = shop.act(&placed, act, json!({})).await;
        shop.deliver().await;

        assert_eq!(done, StatusCode::OK, "{act}: {answer}");
        let expected = if act == "capture" { "paid" } else { "cancelled" };
        assert_eq!(shop.order(&placed).await["payment_status"], expected);
    }
}

#[tokio::test]
async fn a_cancelled_order_closes_its_page() {
    let shop = Shop::open().await;
    let placed = shop.place_checkout(json!({})).await;
    shop.pay_there(&placed, DECLINED).await;
    shop.deliver().await;
    shop.fault("lost", "/v1/checkout/sessions", 3);

    let unknown = shop.act(&placed, "cancel", json!({})).await;
    let cancelled = shop.act(&placed, "cancel", json!({})).await;
    shop.deliver().await;

    assert_eq!(
        (unknown.0, cancelled.0),
        (StatusCode::ACCEPTED, StatusCode::OK),
        "{} {}",
        unknown.1,
        cancelled.1
    );
    assert_eq!(shop.sessions().await[0]["status"], "expired");
    assert_eq!(shop.order(&placed).await["payment_status"], "cancelled");
    let lost = shop.place_checkout(json!({})).await;
    shop.pay_there(&lost, VISA).await;
    let (refused, why) = shop.act(&lost, "cancel", json!({})).await;
    assert_eq!((refused, &why["error"]["code"]), (StatusCode::PAYMENT_REQUIRED, &json!("refused_by_stripe")));
    assert!(why["error"]["message"].as_str().unwrap().contains("completed the page"), "{why}");
    shop.deliver().await;
    assert_eq!(shop.order(&lost).await["payment_status"], "paid");
}

#[tokio::test]
async fn a_commission_is_kept_of_what_is_paid_on_the_page() {
    let shop = Shop::open().await;
    let account = shop.connect_account().await;
    shop.complete_account(&account).await;
    let body = order(json!({ "payment": checkout(json!({})), "destination": { "account": account } }));
    let placed: Value = shop.post("/v1/orders", &body, None).await.json().await.unwrap();

    shop.pay_there(&placed, VISA).await;
    shop.deliver().await;

    let paid = shop.order(&placed).await;
    let known = shop.see(&format!("/v1/payment_intents/{}", intent(&paid))).await;
    assert_eq!(known["application_fee_amount"], 240);
    assert_eq!(known["transfer_data"]["destination"], account.as_str());
}

#[tokio::test]
async fn what_the_page_cannot_do_is_refused_by_field() {
    let shop = Shop::open().await;
    for (payment, field) in [
        (json!({ "mode": "checkout" }), "payment.success_url"),
        (checkout(json!({ "success_url": "shop.test/thanks" })), "payment.success_url"),
        (checkout(json!({ "cancel_url": "javascript:alert(1)" })), "payment.cancel_url"),
        (checkout(json!({ "expires_in": 60 })), "payment.expires_in"),
        (checkout(json!({ "expires_in": 86400 })), "payment.expires_in"),
        (json!({ "mode": "client", "success_url": "https://shop.test" }), "payment.success_url"),
        (json!({ "mode": "server", "expires_in": 3600 }), "payment.expires_in"),
        (
            checkout(json!({ "off_session": true, "customer": "cus_1", "payment_method": "pm_1" })),
            "payment.off_session",
        ),
    ] {
        let refused = shop.post("/v1/orders", &order(json!({ "payment": payment })), None).await;
        let status = refused.status();
        let fault: Value = refused.json().await.unwrap();
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{payment}: {fault}");
        assert_eq!(fault["error"]["fields"][0]["field"], field, "{payment}: {fault}");
    }
    let placed = shop.place_checkout(json!({})).await;
    let (status, told) = shop.pay_with(&placed, "visa").await;
    assert_eq!((status, &told["error"]["code"]), (StatusCode::CONFLICT, &json!("wrong_mode")));
    assert!(shop.sessions().await.len() == 1 && !id(&placed).is_empty());
}
