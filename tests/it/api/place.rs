//! `POST /v1/orders` and reading one order back.

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{fault, fault_body};
use crate::support::TestApp;
use crate::support::stripe::{intent_succeeded, order};

#[tokio::test]
async fn an_order_is_placed_as_it_was_given_and_found_under_all_its_names() {
    let app = TestApp::start().await;
    let body = json!({
        "number": "A-1001", "currency": "EUR", "payment_intent": "pi_1",
        "lines": [
            { "sku": "TEA-2", "description": "Tea", "quantity": 2, "unit_amount": 950 },
            { "sku": "MUG", "quantity": 1, "unit_amount": 0 }
        ],
        "customer": { "email": "ada@example.com", "name": "Ada", "stripe_customer": "cus_1" },
        "shipping": { "name": "Ada", "line1": "1 Main St", "city": "Leeds", "postal_code": "LS1", "country": "GB" },
        "metadata": { "gift": "yes" }
    });

    let placed = app.place_order(&body).await;

    let now = &placed["created_at"];
    assert_eq!(
        placed,
        json!({
            "id": placed["id"], "number": "A-1001", "status": "pending", "payment_status": "awaiting_payment",
            "fulfilment_status": "none", "holds": [], "currency": "eur", "amount_total": 1900, "amount_paid": 0,
            "amount_refunded": 0, "origin": "api", "merged_into": null, "account": null, "customer": body["customer"],
            "shipping": body["shipping"], "metadata": { "gift": "yes" },
            "lines": [
                { "sku": "TEA-2", "description": "Tea", "quantity": 2, "unit_amount": 950, "amount": 1900, "kind": "goods" },
                { "sku": "MUG", "quantity": 1, "unit_amount": 0, "amount": 0, "kind": "goods" }
            ],
            "refs": [{ "kind": "payment_intent", "stripe_id": "pi_1" }],
            "created_at": now, "updated_at": now, "paid_at": null, "fulfilled_at": null
        })
    );
    for name in [placed["id"].as_str().unwrap(), "A-1001", "pi_1"] {
        assert_eq!(app.order(name).await, placed, "{name}");
    }
    let cause: String = app.value("select cause_kind || ' ' || cause_id from order_transitions").await;
    let key: String = app.value("select id::text from api_keys").await;
    assert_eq!(cause, format!("api {key}"));
}

#[tokio::test]
async fn an_order_needs_no_more_than_a_currency_and_a_line() {
    let app = TestApp::start().await;

    let placed = app.place_order(&order(json!({}))).await;
    let other = app.place_order(&order(json!({}))).await;

    let number = placed["number"].as_str().unwrap();
    assert_eq!((number.len(), &number[..2]), (13, "P-"));
    assert_ne!(placed["number"], other["number"]);
    assert_eq!(app.order(number).await, placed);
    assert_eq!(placed["shipping"], Value::Null);
}

#[tokio::test]
async fn a_paid_order_is_found_under_its_charge_too() {
    let app = TestApp::start().await;
    let placed = app.place_order(&order(json!({ "payment_intent": "pi_1" }))).await;

    app.deliver(&[intent_succeeded("pi_1")]).await;

    assert_eq!(app.order("ch_1").await["id"], placed["id"]);
}

#[tokio::test]
async fn all_faults_are_named_at_once() {
    let app = TestApp::start().await;
    let body = json!({
        "number": " ", "currency": "dollars", "payment_intent": "ch_1",
        "lines": [
            { "sku": "", "quantity": 0, "unit_amount": -1 },
            { "sku": "MUG", "description": "a\u{0}b", "quantity": 1_000_001, "unit_amount": 1_000_000_000_000_i64 }
        ],
        "customer": { "email": "ada", "name": "", "stripe_customer": "ada" },
        "shipping": { "name": "A\nda", "city": "", "country": "Germany" },
        "metadata": { "count": 3, "": "x" }
    });

    let (status, code, fields) = fault(app.post_order(&body, None).await).await;

    assert_eq!((status, code.as_str()), (StatusCode::UNPROCESSABLE_ENTITY, "validation_failed"));
    assert_eq!(
        fields,
        [
            "currency",
            "lines[0].sku",
            "lines[0].quantity",
            "lines[0].unit_amount",
            "lines[1].description",
            "lines[1].quantity",
            "lines[1].unit_amount",
            "number",
            "customer.name",
            "customer.email",
            "customer.stripe_customer",
            "payment_intent",
            "shipping.name",
            "shipping.city",
            "shipping.country",
            "metadata.",
            "metadata.count",
        ]
    );
    assert_eq!(app.value::<i64>("select count(*) from orders").await, 0);
}

#[tokio::test]
async fn an_order_has_lines_and_they_sum_to_something() {
    let app = TestApp::start().await;
    let free = json!([{ "sku": "A", "quantity": 1, "unit_amount": 0 }]);
    let dear = json!([{ "sku": "A", "quantity": 2, "unit_amount": 999_999_999_999_i64 }]);
    let dearest: Vec<Value> = (0..500)
        .map(|_| json!({ "sku": "A", "quantity": 1_000_000, "unit_amount": 999_999_999_999_i64 }))
        .collect();
    let many: Vec<Value> = (0..501).map(|_| json!({ "sku": "A", "quantity": 1, "unit_amount": 1 })).collect();

    for lines in [json!([]), free, dear, json!(dearest), json!(many)] {
        let (status, _, fields) = fault(app.post_order(&order(json!({ "lines": lines })), None).await).await;
        assert_eq!((status, fields), (StatusCode::UNPROCESSABLE_ENTITY, vec!["lines".to_owned()]));
    }
}

#[tokio::test]
async fn fields_that_are_unknown_missing_or_of_another_type_are_named() {
    let app = TestApp::start().await;
    let line = |fields: Value| json!({ "currency": "usd", "lines": [fields] });

    for (body, field) in [
        (order(json!({ "total": 2000 })), "total"),
        (order(json!({ "customer": { "phone": "1" } })), "customer.phone"),
        (order(json!({ "shipping": { "zip": "1" } })), "shipping.zip"),
        (line(json!({ "sku": "A", "quantity": 1, "unit_amount": 1, "amount": 1 })), "lines[0].amount"),
        (line(json!({ "sku": "A", "quantity": 1.5, "unit_amount": 1 })), "lines[0].quantity"),
        (line(json!({ "sku": 7, "quantity": 1, "unit_amount": 1 })), "lines[0].sku"),
        (line(json!({ "sku": "A", "quantity": 1, "unit_amount": 1e30 })), "lines[0].unit_amount"),
        (line(json!({ "sku": "A", "quantity": 1 })), "lines[0].unit_amount"),
        (json!({ "lines": [] }), "currency"),
        (order(json!({ "lines": "TEA" })), "lines"),
        (json!([]), "body"),
        (json!(null), "body"),
    ] {
        let (status, fault) = fault_body(app.post_order(&body, None).await).await;
        assert_eq!(
            (status, &fault["fields"][0]["field"]),
            (StatusCode::UNPROCESSABLE_ENTITY, &json!(field)),
            "{body}: {fault}"
        );
    }
}

#[tokio::test]
async fn a_number_and_a_payment_intent_belong_to_one_order() {
    let app = TestApp::start().await;
    app.place_order(&order(json!({ "number": "A-1", "payment_intent": "pi_1" }))).await;

    for (fields, code) in [
        (json!({ "number": "A-1" }), "number_taken"),
        (json!({ "payment_intent": "pi_1" }), "payment_intent_in_use"),
        (json!({ "number": "A-2", "payment_intent": "pi_1" }), "payment_intent_in_use"),
    ] {
        let (status, got, _) = fault(app.post_order(&order(fields), None).await).await;
        assert_eq!((status, got.as_str()), (StatusCode::CONFLICT, code));
    }

    let left: (i64, i64) =
        sqlx::query_as("select (select count(*) from orders), (select count(*) from order_lines)")
            .fetch_one(&app.pool)
            .await
            .unwrap();
    assert_eq!(left, (1, 1));
}

#[tokio::test]
async fn many_who_want_one_number_at_once_make_one_order() {
    let app = TestApp::start().await;
    let body = order(json!({ "number": "A-1", "payment_intent": "pi_1" }));

    let answers = futures_util::future::join_all((0..10).map(|_| app.post_order(&body, None))).await;

    let made = answers.iter().filter(|answer| answer.status() == StatusCode::CREATED).count();
    let refused = answers.iter().filter(|answer| answer.status() == StatusCode::CONFLICT).count();
    assert_eq!((made, refused), (1, 9));
}

#[tokio::test]
async fn a_number_cannot_pass_for_another_kind_of_name() {
    let app = TestApp::start().await;
    let placed = app.place_order(&order(json!({}))).await;

    for number in ["pi_1", "in_1", "sub_1", placed["id"].as_str().unwrap()] {
        let response = app.post_order(&order(json!({ "number": number })), None).await;
        let (status, code, fields) = fault(response).await;
        assert_eq!(
            (status, code.as_str()),
            (StatusCode::UNPROCESSABLE_ENTITY, "validation_failed"),
            "{number}"
        );
        assert_eq!(fields, ["number"]);
    }
}
