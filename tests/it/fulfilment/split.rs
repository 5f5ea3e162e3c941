//! Orders split over providers by rules, on a real Postgres.

use std::time::Duration;

use packline::fulfilment::Recall;
use serde_json::{Value, json};

use super::warehouse::Warehouse;
use super::{Sale, Shop, drain};
use crate::support::stripe::{intent_succeeded, refund};

/// Sku, country, account, priority.
type Rule = (Option<&'static str>, Option<&'static str>, Option<&'static str>, i16);

/// Adds a provider, and rules that send what they match to it.
async fn rules(shop: &Shop, provider: &str, rules: &[Rule]) {
    sqlx::query(
        "insert into fulfilment_providers (name, kind, created_at, updated_at) values ($1, 'log', now(), now())",
    )
    .bind(provider)
    .execute(&shop.pool)
    .await
    .unwrap();
    for (sku, country, account, priority) in rules {
        sqlx::query(
            "insert into fulfilment_rules (position, sku, country, account, provider, priority, created_at) \
             select coalesce(max(position), 0) + 1, $1, $2, $3, $4, $5, now() from fulfilment_rules",
        )
        .bind(sku)
        .bind(country)
        .bind(account)
        .bind(provider)
        .bind(priority)
        .execute(&shop.pool)
        .await
        .unwrap();
    }
}

/// Part, provider, priority, account, state, and the lines with their quantities.
async fn parts(shop: &Shop, sale: &Sale) -> Vec<(i32, String, i16, String, String, Value)> {
    sqlx::query_as(
        "select f.part, f.provider, f.priority, f.account, f.state, coalesce((
           select jsonb_agg(jsonb_build_array(l.position, l.quantity) order by l.position)
           from fulfilment_lines as l where l.fulfilment_id = f.id), '[]')
         from fulfilments as f where f.order_id = $1 order by f.part",
    )
    .bind(sale.order)
    .fetch_all(&shop.pool)
    .await
    .unwrap()
}

fn part(
    number: i32,
    provider: &str,
    priority: i16,
    account: &str,
    lines: Value,
) -> (i32, String, i16, String, String, Value) {
    (number, provider.into(), priority, account.into(), "queued".into(), lines)
}

async fn states(shop: &Shop, sale: &Sale) -> Vec<String> {
    parts(shop, sale).await.into_iter().map(|part| part.4).collect()
}

async fn bought(shop: &Shop, country: &str) -> Sale {
    let sale = shop
        .placed(json!({
            "shipping": { "name": "Ada", "country": country },
            "lines": [
                { "sku": "EBOOK-1", "quantity": 1, "unit_amount": 500 },
                { "sku": "TEA-2", "quantity": 2, "unit_amount": 500 },
                { "sku": "EBOOK-2", "quantity": 1, "unit_amount": 500 }
            ]
        }))
        .await;
    shop.deliver(&[intent_succeeded(&sale.intent)]).await;
    sale
}

#[tokio::test]
async fn a_paid_order_becomes_one_fulfilment_for_each_provider_that_the_rules_choose() {
    let shop = Shop::open().await;
    rules(&shop, "digital", &[(Some("EBOOK-*"), None, None, 0)]).await;
    rules(&shop, "leeds", &[(None, Some("GB"), None, 2)]).await;

    let british = bought(&shop, "GB").await;
    let french = bought(&shop, "FR").await;

    let digital = part(1, "digital", 0, "", json!([[1, 1], [3, 1]]));
    assert_eq!(parts(&shop, &british).await, [digital.clone(), part(2, "leeds", 2, "", json!([[2, 2]]))]);
    assert_eq!(parts(&shop, &french).await, [digital, part(2, "default", 1, "", json!([[2, 2]]))]);
    assert_eq!(shop.moves(&british).await, ["none>queued event"]);
}

#[tokio::test]
async fn the_account_that_gets_the_money_chooses_the_provider_and_whose_turn_it_is() {
    let shop = Shop::open().await;
    rules(&shop, "florist", &[(None, None, Some("acct_1"), 1)]).await;
    let sale = shop.placed(json!({})).await;
    sqlx::query(
        "insert into order_payments (order_id, mode, capture, off_session, save_for_later, destination, created_at, \
         updated_at) values ($1, 'client', 'automatic', false, false, 'acct_1', now(), now())",
    )
    .bind(sale.order)
    .execute(&shop.pool)
    .await
    .unwrap();

    shop.deliver(&[intent_succeeded(&sale.intent)]).await;

    assert_eq!(parts(&shop, &sale).await, [part(1, "florist", 1, "acct_1", json!([[1, 2]]))]);
}

#[tokio::test]
async fn an_order_whose_refund_failed_keeps_the_parts_that_it_had() {
    let shop = Shop::open().await;
    rules(&shop, "digital", &[(Some("EBOOK-*"), None, None, 0)]).await;
    let sale = bought(&shop, "FR").await;
    let before = parts(&shop, &sale).await;
    shop.refunded(&sale, 2_000).await;
    let cancelled: Vec<_> = parts(&shop, &sale).await.into_iter().map(|part| part.4).collect();
    rules(&shop, "elsewhere", &[(None, None, None, 0)]).await;

    let id = sale.intent.replace("pi_", "re_");
    shop.deliver(&[refund("refund.failed", &id, &sale.intent, 2_000, "failed")]).await;

    assert_eq!(cancelled, ["cancelled", "cancelled"]);
    assert_eq!(parts(&shop, &sale).await, before);
}

#[tokio::test]
async fn a_refund_that_failed_queues_again_the_parts_that_it_called_off_though_another_had_left() {
    let shop = Shop::open().await;
    rules(&shop, "books", &[(Some("EBOOK-1"), None, None, 0)]).await;
    rules(&shop, "prints", &[(Some("EBOOK-2"), None, None, 0)]).await;
    let warehouse = Warehouse::does([]);
    warehouse.answer_recalls([Recall::TooLate { why: "on the van".into() }]);
    let worker = shop.worker(warehouse.clone());
    let sale = bought(&shop, "FR").await;
    sqlx::query("update fulfilments set snoozed_until = $1 where provider <> 'default'")
        .bind(shop.clock.now() + Duration::from_secs(600))
        .execute(&shop.pool)
        .await
        .unwrap();
    sqlx::query("update fulfilments set called_off = 'out of print' where provider = 'prints'")
        .execute(&shop.pool)
        .await
        .unwrap();
    drain(&worker).await;
    shop.refunded(&sale, 2_000).await;
    drain(&worker).await;
    assert_eq!(states(&shop, &sale).await, ["cancelled", "fulfilled", "cancelled"]);

    let id = sale.intent.replace("pi_", "re_");
    shop.deliver(&[refund("refund.failed", &id, &sale.intent, 2_000, "failed")]).await;
    assert_eq!(states(&shop, &sale).await, ["queued", "fulfilled", "cancelled"]);
    shop.advance(600);
    drain(&worker).await;

    assert_eq!(states(&shop, &sale).await, ["queued", "fulfilled", "cancelled"]);
    let axis: String = shop.value("select fulfilment_status from orders").await;
    let reason: String = shop.value("select reason from fulfilments where state = 'queued'").await;
    assert_eq!((axis.as_str(), reason.as_str()), ("partially_fulfilled", "on hold: refund_failed"));
    assert_eq!(warehouse.counts(), (1, 0, 1));
}

#[tokio::test]
async fn a_refund_that_failed_does_not_queue_what_a_person_had_called_off_altogether() {
    let shop = Shop::open().await;
    let sale = shop.paid().await;
    sqlx::query("update fulfilments set called_off = 'out of print'").execute(&shop.pool).await.unwrap();
    shop.refunded(&sale, 2_000).await;

    let id = sale.intent.replace("pi_", "re_");
    shop.deliver(&[refund("refund.failed", &id, &sale.intent, 2_000, "failed")]).await;

    assert_eq!(shop.row(&sale).await.at(), ("cancelled", "cancelled", 0));
    assert_eq!(shop.moves(&sale).await, ["none>queued event", "queued>cancelled event"]);
}

#[tokio::test]
async fn an_order_that_stripe_told_without_lines_is_one_part_without_lines() {
    let shop = Shop::open().await;
    rules(&shop, "digital", &[(Some("*"), None, None, 0)]).await;
    rules(&shop, "leeds", &[(None, None, None, 1)]).await;

    shop.deliver(&[intent_succeeded("pi_bare")]).await;
    shop.wait(Duration::from_secs(60)).await;

    let provider: String = shop.value("select provider from fulfilments").await;
    let lines: i64 = shop.value("select count(*) from fulfilment_lines").await;
    assert_eq!((provider.as_str(), lines), ("leeds", 0));
}
