//! What providers tell by call-back, through the front door.

use packline::api;
use packline::fulfilment::{Outcome, Receipt};
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::warehouse::{Does, Warehouse, not_done, unknown};
use super::{Sale, Shop, drain};
use crate::support::stripe::intent_succeeded;

/// An order of two teas and a cup, paid.
async fn bought(shop: &Shop) -> Sale {
    let lines = json!([
        { "sku": "TEA", "quantity": 2, "unit_amount": 500 },
        { "sku": "CUP", "quantity": 1, "unit_amount": 1000 }
    ]);
    let sale = shop.placed(json!({ "lines": lines })).await;
    shop.deliver(&[intent_succeeded(&sale.intent)]).await;
    sale
}

fn accepts() -> std::sync::Arc<Warehouse> {
    Warehouse::does([Does::Say(Outcome::Accepted(Receipt::named("W-1")))])
}

/// An order that its provider has accepted.
async fn accepted(shop: &Shop) -> Sale {
    let sale = bought(shop).await;
    drain(&shop.worker(accepts())).await;
    assert_eq!(shop.row(&sale).await.at(), ("accepted", "in_progress", 1));
    sale
}

async fn part_id(shop: &Shop, sale: &Sale) -> String {
    let answer = shop.get(&format!("/v1/orders/{}/fulfilments", sale.order)).await;
    assert_eq!(answer.status(), StatusCode::OK);
    answer.json::<Value>().await.unwrap()["data"][0]["id"].as_str().unwrap().to_owned()
}

async fn post(shop: &Shop, key: &str, id: &str, event: &Value) -> (StatusCode, Value) {
    let address = format!("{}/v1/fulfilments/{id}/events", shop.base);
    let answer = shop.client.post(address).bearer_auth(key).json(event).send().await.unwrap();
    (answer.status(), answer.json().await.unwrap())
}

/// Tells, which must be taken; returns the fulfilment.
async fn tell(shop: &Shop, sale: &Sale, event: Value) -> Value {
    let id = part_id(shop, sale).await;
    let (status, part) = post(shop, &shop.api_key, &id, &event).await;
    assert_eq!(status, StatusCode::OK, "{part}");
    part
}

/// Shipped, left, cancelled, returned of each line.
fn counts(part: &Value) -> Vec<[i64; 4]> {
    let names = ["shipped", "left", "cancelled", "returned"];
    let of_line = |line: &Value| names.map(|name| line[name].as_i64().unwrap());
    part["lines"].as_array().unwrap().iter().map(of_line).collect()
}

#[tokio::test]
async fn an_order_is_partially_fulfilled_until_all_of_it_left() {
    let shop = Shop::open().await;
    let sale = accepted(&shop).await;

    let first = json!({
        "type": "shipped", "shipment": "A", "lines": [{ "sku": "TEA", "quantity": 1 }],
        "tracking": { "carrier": "DHL", "number": "123", "url": "https://track.example/123" }
    });
    let part = tell(&shop, &sale, first.clone()).await;
    assert_eq!(part["state"], "accepted");
    assert_eq!(counts(&part), [[1, 1, 0, 0], [0, 1, 0, 0]]);
    assert_eq!(shop.row(&sale).await.axis, "partially_fulfilled");
    tell(&shop, &sale, first).await;
    let rest = json!({ "id": "e2", "type": "shipped", "lines": [
        { "position": 1, "quantity": 1 }, { "position": 2, "quantity": 1 }
    ]});
    let part = tell(&shop, &sale, rest).await;

    assert_eq!((&part["state"], shop.row(&sale).await.axis), (&json!("fulfilled"), "fulfilled".to_owned()));
    assert_eq!(counts(&part), [[2, 0, 0, 0], [1, 0, 0, 0]]);
    let names: Vec<_> = part["shipments"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
    assert_eq!(names, ["A", "e2"]);
    assert_eq!(part["shipments"][0]["tracking"]["number"], "123");
    assert_eq!(part["shipments"][0]["lines"], json!([{ "position": 1, "quantity": 1, "returned": 0 }]));
    assert_eq!(
        shop.moves(&sale).await[2..],
        [
            "in_progress>in_progress attempt",
            "in_progress>partially_fulfilled provider",
            "partially_fulfilled>fulfilled provider"
        ]
        .iter()
        .filter(|moved| !moved.starts_with("in_progress>in_progress"))
        .map(|moved| (*moved).to_owned())
        .collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn events_end_in_the_same_whatever_their_order_and_however_often_they_come() {
    let shop = Shop::open().await;
    let events = [
        json!({ "id": "a", "type": "accepted", "occurred_at": "2026-11-21T08:00:00Z" }),
        json!({ "id": "s", "type": "shipped", "shipment": "A", "occurred_at": "2026-11-21T09:00:00Z",
                "lines": [{ "sku": "TEA", "quantity": 2 }] }),
        json!({ "id": "r", "type": "shipped", "shipment": "B", "occurred_at": "2026-11-21T10:00:00Z" }),
        json!({ "id": "d", "type": "delivered", "shipment": "A", "occurred_at": "2026-11-22T09:00:00Z" }),
        json!({ "id": "b", "type": "returned", "shipment": "A", "occurred_at": "2026-11-23T09:00:00Z",
                "lines": [{ "sku": "TEA", "quantity": 1 }] }),
    ];
    let mut ends = Vec::new();
    for order in [[0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [2, 4, 0, 3, 1], [3, 1, 4, 0, 2]] {
        let sale = accepted(&shop).await;
        for at in order.iter().chain(&order) {
            tell(&shop, &sale, events[*at].clone()).await;
        }
        let part = tell(&shop, &sale, events[0].clone()).await;
        ends.push((
            part["state"].clone(),
            counts(&part),
            part["shipments"].clone(),
            shop.row(&sale).await.axis,
        ));
    }

    assert_eq!((&ends[0].0, ends[0].3.as_str()), (&json!("fulfilled"), "fulfilled"));
    assert_eq!(ends[0].1, [[2, 0, 0, 1], [1, 0, 0, 0]]);
    assert_eq!(ends[0].2[0]["delivered_at"], "2026-11-22T09:00:00Z");
    assert!(ends.iter().all(|end| *end == ends[0]), "{ends:#?}");
}

#[tokio::test]
async fn a_call_back_clears_the_doubt_of_a_sending_that_was_never_answered() {
    let shop = Shop::open().await;
    let warehouse = Warehouse::does([Does::ShipBut(unknown("timeout"))]);
    let worker = shop.worker(warehouse.clone());
    let sale = bought(&shop).await;
    drain(&worker).await;
    assert_eq!(shop.row(&sale).await.at(), ("queued", "queued", 1));

    let part = tell(&shop, &sale, json!({ "type": "accepted", "reference": "W-9" })).await;
    shop.advance(86_400);
    drain(&worker).await;

    assert_eq!((&part["state"], &part["reference"]), (&json!("accepted"), &json!("W-9")));
    assert_eq!(shop.row(&sale).await.at(), ("accepted", "in_progress", 1));
    assert_eq!(warehouse.counts(), (1, 0, 1));
}

#[tokio::test]
async fn what_is_told_while_an_attempt_is_under_way_counts_when_it_is_recorded() {
    let shop = Shop::open().await;
    let warehouse = Warehouse::does([Does::ShipAndHang]);
    let worker = shop.worker(warehouse.clone());
    let sale = bought(&shop).await;
    let run = tokio::spawn({
        let worker = worker.clone();
        async move { worker.run_once().await.unwrap() }
    });
    warehouse.has_shipped.notified().await;

    let half = json!({ "type": "shipped", "shipment": "A", "lines": [{ "sku": "TEA", "quantity": 1 }] });
    let part = tell(&shop, &sale, half).await;
    let failed = tell(&shop, &sale, json!({ "type": "failed", "reason": "the cup broke" })).await;
    assert_eq!((&part["state"], &failed["state"]), (&json!("in_progress"), &json!("in_progress")));
    warehouse.go_on.notify_one();
    run.await.unwrap();

    let row = shop.row(&sale).await;
    assert_eq!((row.state.as_str(), row.reason.as_deref()), ("rejected", Some("the cup broke")));
    let part = tell(&shop, &sale, json!({ "type": "accepted" })).await;
    assert_eq!(counts(&part), [[1, 1, 0, 0], [0, 1, 0, 0]]);
}

#[tokio::test]
async fn a_failure_needs_a_person_until_something_leaves_after_it() {
    let shop = Shop::open().await;
    let sale = accepted(&shop).await;

    let at = |time: &str, event: Value| crate::support::stripe::with(event, json!({ "occurred_at": time }));
    let failed = json!({ "type": "failed", "reason": "no such street" });
    let part = tell(&shop, &sale, at("2026-11-21T10:00:00Z", failed)).await;
    assert_eq!((&part["state"], &part["reason"]), (&json!("rejected"), &json!("no such street")));
    assert_eq!(shop.row(&sale).await.axis, "failed");
    let part = tell(&shop, &sale, at("2026-11-21T11:00:00Z", json!({ "type": "shipped" }))).await;

    assert_eq!((&part["state"], shop.row(&sale).await.axis), (&json!("fulfilled"), "fulfilled".to_owned()));
}

#[tokio::test]
async fn a_parcel_of_an_order_in_the_dead_letter_fulfils_it_and_says_so() {
    let shop = Shop::open().await;
    let worker = shop.worker(Warehouse::does((0..60).map(|_| Does::Say(not_done("busy")))));
    let sale = bought(&shop).await;
    for _ in 0..60 {
        drain(&worker).await;
        shop.advance(6 * 60 * 60);
    }
    assert_eq!(shop.row(&sale).await.state, "failed");

    let part = tell(&shop, &sale, json!({ "type": "shipped" })).await;

    assert_eq!((&part["state"], &part["reason"]), (&json!("fulfilled"), &Value::Null));
    let reason: String = shop
        .value("select reason from order_transitions where cause_kind = 'provider' order by id desc limit 1")
        .await;
    assert_eq!(reason, "tries were used up, but the provider shipped it all the same");
}

#[tokio::test]
async fn a_parcel_that_is_known_to_be_on_its_way_is_not_recalled_and_one_that_is_not_is() {
    let shop = Shop::open().await;
    let gone = accepted(&shop).await;
    let waiting = accepted(&shop).await;
    tell(&shop, &gone, json!({ "type": "shipped" })).await;

    shop.refunded(&gone, 2_000).await;
    shop.refunded(&waiting, 2_000).await;

    assert_eq!(shop.state(&gone).await, "fulfilled");
    assert_eq!(shop.state(&waiting).await, "recalling");
    // It left before the recall reached it.
    let part = tell(&shop, &waiting, json!({ "type": "shipped" })).await;
    assert_eq!(part["state"], "fulfilled");
}

#[tokio::test]
async fn more_pieces_than_were_bought_are_taken_and_said() {
    let shop = Shop::open().await;
    let sale = accepted(&shop).await;

    let event = json!({ "type": "shipped", "lines": [
        { "position": 1, "quantity": 3 }, { "position": 2, "quantity": 1 }
    ]});
    let part = tell(&shop, &sale, event).await;

    assert_eq!((&part["state"], counts(&part)), (&json!("fulfilled"), vec![[3, 0, 0, 0], [1, 0, 0, 0]]));
    let reason: String = shop
        .value("select reason from order_transitions where cause_kind = 'provider' order by id desc limit 1")
        .await;
    assert_eq!(reason, "more was shipped than was to be: 3 of TEA, where 2 were to be sent");
}

#[tokio::test]
async fn what_cannot_be_right_is_refused_with_what_to_mend() {
    let shop = Shop::open().await;
    let sale = accepted(&shop).await;
    let id = part_id(&shop, &sale).await;
    let taken = json!({ "id": "e1", "type": "accepted" });
    post(&shop, &shop.api_key, &id, &taken).await;

    for (event, status, field, hint) in [
        (json!({}), 422, "type", "missing field"),
        (json!({ "type": "sent" }), 422, "type", "unknown variant"),
        (json!({ "type": "shipped", "parcel": "A" }), 422, "parcel", "unknown field"),
        (json!({ "type": "shipped", "occurred_at": "today" }), 422, "occurred_at", ""),
        (
            json!({ "type": "shipped", "occurred_at": "0001-01-01T00:00:00Z" }),
            422,
            "occurred_at",
            "2026-01-31",
        ),
        (json!({ "type": "shipped", "id": "" }), 422, "id", "1 to 200"),
        (json!({ "type": "shipped", "id": "a\u{0}" }), 422, "id", "control characters"),
        (json!({ "type": "shipped", "id": "sha256:1" }), 422, "id", "your own id"),
        (
            json!({ "type": "failed", "lines": [{ "position": 1, "quantity": 1 }] }),
            422,
            "lines",
            "leave it out",
        ),
        (json!({ "type": "shipped", "lines": [] }), 422, "lines", "1 to 1000"),
        (json!({ "type": "shipped", "lines": [{ "quantity": 1 }] }), 422, "lines[0]", "1 (TEA), 2 (CUP)"),
        (
            json!({ "type": "shipped", "lines": [{ "position": 3, "quantity": 1 }] }),
            422,
            "lines[0].position",
            "2 (CUP)",
        ),
        (
            json!({ "type": "shipped", "lines": [{ "sku": "MUG", "quantity": 1 }] }),
            422,
            "lines[0].sku",
            "2 (CUP)",
        ),
        (
            json!({ "type": "shipped", "lines": [{ "sku": "TEA", "quantity": 0 }] }),
            422,
            "lines[0].quantity",
            "pieces",
        ),
        (json!({ "type": "shipped", "idempotency_key": "ful_1" }), 422, "idempotency_key", "leave it out"),
        (
            json!({ "type": "shipped", "tracking": { "url": "javascript:x" } }),
            422,
            "tracking.url",
            "https://",
        ),
        (json!({ "id": "e1", "type": "shipped" }), 409, "", "give each its own"),
    ] {
        let (got, answer) = post(&shop, &shop.api_key, &id, &event).await;
        assert_eq!(got.as_u16(), status, "{event}: {answer}");
        let error = &answer["error"];
        if status == 422 {
            assert_eq!(error["fields"][0]["field"], field, "{event}: {answer}");
            assert!(error["fields"][0]["message"].as_str().unwrap().contains(hint), "{event}: {answer}");
        } else {
            assert!(error["message"].as_str().unwrap().contains(hint), "{event}: {answer}");
        }
    }
    let unknown = "0190d7a4-0000-7000-8000-000000000000";
    for id in [unknown, "nothing"] {
        let (status, answer) = post(&shop, &shop.api_key, id, &taken).await;
        assert_eq!((status, &answer["error"]["code"]), (StatusCode::NOT_FOUND, &json!("not_found")));
    }
    assert_eq!(shop.row(&sale).await.at(), ("accepted", "in_progress", 1));
}

#[tokio::test]
async fn a_sku_in_several_lines_is_named_by_its_position() {
    let shop = Shop::open().await;
    let line = json!({ "sku": "TEA", "quantity": 1, "unit_amount": 1000 });
    let sale = shop.placed(json!({ "lines": [line, line] })).await;
    shop.deliver(&[intent_succeeded(&sale.intent)]).await;
    drain(&shop.worker(accepts())).await;
    let id = part_id(&shop, &sale).await;

    let event = json!({ "type": "shipped", "lines": [{ "sku": "TEA", "quantity": 1 }] });
    let (status, answer) = post(&shop, &shop.api_key, &id, &event).await;

    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    let message = answer["error"]["fields"][0]["message"].as_str().unwrap();
    assert_eq!(message, "several lines have it; give the position: 1 (TEA), 2 (TEA)");
}

#[tokio::test]
async fn a_providers_key_is_good_for_its_own_call_backs_only() {
    let shop = Shop::open().await;
    let sale = accepted(&shop).await;
    let id = part_id(&shop, &sale).await;
    sqlx::query("insert into fulfilment_providers (name, kind, created_at, updated_at) values ('leeds', 'log', now(), now())")
        .execute(&shop.pool)
        .await
        .unwrap();
    let mut conn = shop.pool.acquire().await.unwrap();
    let now = shop.clock.now();
    let own = api::create_provider_key(&mut conn, "own", "default", now).await.unwrap().unwrap().text;
    let other = api::create_provider_key(&mut conn, "other", "leeds", now).await.unwrap().unwrap().text;
    let nobodys = api::create_provider_key(&mut conn, "x", "nobody", now).await.unwrap();
    assert!(nobodys.is_none());

    let (status, part) = post(&shop, &own, &id, &json!({ "type": "shipped" })).await;
    assert_eq!((status, &part["state"]), (StatusCode::OK, &json!("fulfilled")), "{part}");
    let (status, answer) = post(&shop, &other, &id, &json!({ "type": "shipped" })).await;
    assert_eq!((status, &answer["error"]["code"]), (StatusCode::FORBIDDEN, &json!("another_providers")));
    for path in ["/v1/orders".to_owned(), format!("/v1/fulfilments/{id}"), "/v1/connect/accounts".to_owned()]
    {
        let answer = shop.client.get(format!("{}{path}", shop.base)).bearer_auth(&own).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{path}");
        let answer: Value = answer.json().await.unwrap();
        assert_eq!(answer["error"]["code"], "key_of_a_provider");
        assert!(answer["error"]["message"].as_str().unwrap().contains("/v1/fulfilments/{id}/events only"));
    }
    let (status, _) = post(&shop, "plk_wrong", &id, &json!({ "type": "shipped" })).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
}
