//! The provider behind `FULFILMENT_URL`, end to end: what the warehouse sees, and what follows its answers.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::json;
use sha2::Sha256;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::http_warehouse::{Does, Seen};
use super::{HttpWarehouse, Sale, Shop, drain};
use crate::support::stripe::intent_succeeded;
use crate::support::{kill, until_somebody_waits};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// Verifies a request as the Standard Webhooks specification tells receivers to, written out apart from the code that
/// signs: the base64 of HMAC-SHA-256, keyed with the bytes behind the secret's base64, over `id.timestamp.body`.
fn assert_signed(seen: &Seen, at: OffsetDateTime) {
    let id = seen.header("webhook-id");
    let timestamp = seen.header("webhook-timestamp");
    assert_eq!(timestamp, at.unix_timestamp().to_string());
    let key = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    mac.update(id.as_bytes());
    mac.update(b".");
    mac.update(timestamp.as_bytes());
    mac.update(b".");
    mac.update(&seen.body);
    let (version, signature) = seen.header("webhook-signature").split_once(',').unwrap();
    assert_eq!(version, "v1");
    mac.verify_slice(&STANDARD.decode(signature).unwrap()).expect("the signature covers id, time and body");
}

async fn sold(shop: &Shop) -> Sale {
    let sale = shop
        .placed(json!({
            "number": "A-1001",
            "customer": { "name": "Ada", "email": "ada@example.com", "stripe_customer": "cus_1" },
            "shipping": { "name": "Ada", "line1": "1 Main St", "city": "Leeds", "country": "GB" },
            "lines": [{ "sku": "TEA-2", "description": "Tea, loose", "quantity": 2, "unit_amount": 1000 }],
            "metadata": { "gift": "yes" }
        }))
        .await;
    shop.deliver(&[intent_succeeded(&sale.intent)]).await;
    sale
}

#[tokio::test]
async fn an_order_is_posted_with_all_that_a_warehouse_needs_and_signed() {
    let shop = Shop::open().await;
    let warehouse = HttpWarehouse::does([]);
    let worker = shop.worker(warehouse.provider(Some(SECRET), &shop.clock));
    let sale = sold(&shop).await;

    drain(&worker).await;

    let order = shop.order("A-1001").await;
    assert_eq!((&order["status"], &order["fulfilment_status"]), (&json!("fulfilled"), &json!("fulfilled")));
    assert_eq!(shop.row(&sale).await.provider_reference.as_deref(), Some("W-1"));
    let [seen] = <[Seen; 1]>::try_from(warehouse.seen("POST")).unwrap();
    let (id, key): (uuid::Uuid, String) =
        sqlx::query_as("select id, idempotency_key from fulfilments").fetch_one(&shop.pool).await.unwrap();
    assert_eq!(seen.path, "/orders");
    assert_eq!(seen.header("content-type"), "application/json");
    assert_eq!(seen.header("idempotency-key"), key);
    assert_eq!(seen.header("webhook-id"), key);
    assert!(seen.header("user-agent").starts_with("packline/"));
    assert_signed(&seen, shop.clock.now());
    let created_at = seen.json()["order"]["created_at"].as_str().unwrap().to_owned();
    assert_eq!(OffsetDateTime::parse(&created_at, &Rfc3339).unwrap(), shop.clock.now());
    assert_eq!(
        seen.json(),
        json!({
            "type": "fulfilment.requested",
            "fulfilment_id": id,
            "idempotency_key": key,
            "part": 1,
            "order": {
                "id": sale.order, "number": "A-1001", "account": null, "currency": "usd", "amount_total": 2000,
                "customer": { "name": "Ada", "email": "ada@example.com" },
                "shipping": { "name": "Ada", "line1": "1 Main St", "city": "Leeds", "country": "GB" },
                "lines": [{
                    "position": 1, "sku": "TEA-2", "description": "Tea, loose", "quantity": 2, "unit_amount": 1000, "amount": 2000
                }],
                "metadata": { "gift": "yes" },
                "created_at": created_at
            }
        })
    );
}

#[tokio::test]
async fn without_a_secret_nothing_is_signed() {
    let shop = Shop::open().await;
    let warehouse = HttpWarehouse::does([]);
    let worker = shop.worker(warehouse.provider(None, &shop.clock));
    sold(&shop).await;

    drain(&worker).await;

    let seen = warehouse.seen("POST");
    assert!(
        seen[0].has("idempotency-key") && !seen[0].has("webhook-signature") && !seen[0].has("webhook-id")
    );
}

#[tokio::test]
async fn a_rejection_fails_the_order_with_the_warehouses_words() {
    let shop = Shop::open().await;
    let warehouse = HttpWarehouse::does([Does::Say(422, None, "we do not deliver to Leeds")]);
    let worker = shop.worker(warehouse.provider(Some(SECRET), &shop.clock));
    let sale = sold(&shop).await;

    drain(&worker).await;
    shop.advance(86_400);
    drain(&worker).await;

    let order = shop.order("A-1001").await;
    assert_eq!(
        (&order["status"], &order["fulfilment_status"]),
        (&json!("fulfilment_failed"), &json!("failed"))
    );
    let row = shop.row(&sale).await;
    assert_eq!(row.state, "rejected");
    let reason = "the provider answered 422 Unprocessable Entity: we do not deliver to Leeds";
    assert_eq!(row.reason.as_deref(), Some(reason));
    let told: Option<String> = shop
        .value("select reason from order_transitions where axis = 'fulfilment' order by id desc limit 1")
        .await;
    assert_eq!(told.as_deref(), Some(reason), "the order's history says why");
    assert_eq!(warehouse.seen("POST").len(), 1, "it waits for a person");
}

#[tokio::test]
async fn a_busy_warehouse_gets_the_same_key_and_bytes_again_when_it_said() {
    let shop = Shop::open().await;
    let busy = || Does::Say(503, Some("120"), "stocktaking");
    let warehouse = HttpWarehouse::does([busy(), busy()]);
    let worker = shop.worker(warehouse.provider(Some(SECRET), &shop.clock));
    let sale = sold(&shop).await;

    let mut sent_at = Vec::new();
    for _ in 0..3 {
        sent_at.push(shop.clock.now());
        drain(&worker).await;
        shop.advance(119);
        drain(&worker).await;
        // With the tenth that keeps many from coming back at the same moment.
        shop.advance(14);
    }

    assert_eq!(shop.order("A-1001").await["status"], "fulfilled");
    assert_eq!(shop.outcomes(&sale).await, ["not_done", "not_done", "fulfilled"]);
    let seen = warehouse.seen("POST");
    assert_eq!(seen.len(), 3);
    for (seen_again, at) in seen.iter().zip(sent_at) {
        assert_eq!(seen_again.header("idempotency-key"), seen[0].header("idempotency-key"));
        assert_eq!(seen_again.body, seen[0].body);
        assert_signed(seen_again, at);
    }
    assert!(warehouse.seen("GET").is_empty(), "503 leaves no doubt");
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_by_key_and_nothing_is_sent_again() {
    let shop = Shop::open().await;
    let warehouse = HttpWarehouse::does([Does::ShipAndHangUp]);
    let worker = shop.worker(warehouse.provider(Some(SECRET), &shop.clock));
    let sale = sold(&shop).await;

    drain(&worker).await;
    let row = shop.row(&sale).await;
    assert_eq!((row.state.as_str(), row.last_outcome.as_deref()), ("queued", Some("unknown")));
    assert!(row.reason.unwrap().starts_with("sent, no answer"));
    shop.advance(10);
    drain(&worker).await;

    let row = shop.row(&sale).await;
    assert_eq!(row.at(), ("fulfilled", "fulfilled", 2));
    assert_eq!(row.provider_reference.as_deref(), Some("W-1"));
    let (posted, asked) = (warehouse.seen("POST"), warehouse.seen("GET"));
    assert_eq!((posted.len(), asked.len(), warehouse.shipped().len()), (1, 1, 1));
    let key = posted[0].header("idempotency-key");
    assert_eq!(asked[0].path, format!("/orders/{key}"));
    assert_eq!(asked[0].header("idempotency-key"), key);
    assert_signed(&asked[0], shop.clock.now());
}

#[tokio::test]
async fn what_got_lost_on_the_way_there_is_asked_for_and_sent_again_under_the_same_key() {
    let shop = Shop::open().await;
    let warehouse = HttpWarehouse::does([Does::HangUp]);
    let worker = shop.worker(warehouse.provider(Some(SECRET), &shop.clock));
    let sale = sold(&shop).await;

    drain(&worker).await;
    shop.advance(10);
    drain(&worker).await;

    assert_eq!(shop.state(&sale).await, "fulfilled");
    let posted = warehouse.seen("POST");
    assert_eq!((posted.len(), warehouse.seen("GET").len(), warehouse.shipped().len()), (2, 1, 1));
    assert_eq!(posted[0].header("idempotency-key"), posted[1].header("idempotency-key"));
    assert_eq!(posted[0].body, posted[1].body);
}

#[tokio::test]
async fn a_crash_after_the_warehouse_answered_and_before_that_was_recorded_ships_once() {
    let shop = Shop::open().await;
    let warehouse = HttpWarehouse::does([Does::ShipAndLock(shop.database.url.clone())]);
    let doomed = shop.worker(warehouse.provider(Some(SECRET), &shop.clock));
    let sale = sold(&shop).await;
    let round = tokio::spawn(async move { doomed.run_once().await });
    let stuck = until_somebody_waits(&shop.pool).await;
    round.abort();
    kill(&shop.pool, stuck).await;
    warehouse.unlock().await;
    assert_eq!(shop.row(&sale).await.at(), ("in_progress", "in_progress", 1));
    assert_eq!(shop.outcomes(&sale).await, ["open"]);

    shop.advance(60);
    drain(&shop.worker(warehouse.provider(Some(SECRET), &shop.clock))).await;

    let row = shop.row(&sale).await;
    assert_eq!(row.at(), ("fulfilled", "fulfilled", 2));
    assert_eq!(row.provider_reference.as_deref(), Some("W-1"));
    assert_eq!(shop.outcomes(&sale).await, ["unknown", "fulfilled"]);
    assert_eq!((warehouse.seen("POST").len(), warehouse.seen("GET").len()), (1, 1));
    assert_eq!(warehouse.shipped().len(), 1);
}
