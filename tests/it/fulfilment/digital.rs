//! Digital goods: links and licence codes, issued once, and taken back.

use std::sync::Arc;

use packline::config::Secret;
use packline::fulfilment::DigitalProvider;
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};

use super::{Sale, Shop, drain};
use crate::support::stripe::intent_succeeded;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A shop that sells an e-book, whose link works for an hour, and licences.
async fn shop() -> Shop {
    let shop = Shop::open().await;
    for statement in [
        "insert into fulfilment_providers (name, kind, secret, created_at, updated_at)
         values ('digital', 'digital', 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', now(), now())",
        "insert into fulfilment_rules (position, provider, created_at) values (1, 'digital', now())",
        "insert into digital_goods (sku, kind, url, valid_seconds, created_at, updated_at)
         values ('EBOOK', 'link', 'https://files.example/book.pdf?v=1', 3600, now(), now()),
                ('KEY', 'licence', null, null, now(), now())",
    ] {
        sqlx::query(statement).execute(&shop.pool).await.unwrap();
    }
    shop
}

fn provider(shop: &Shop) -> Arc<DigitalProvider> {
    Arc::new(DigitalProvider::new(shop.pool.clone(), shop.clock.clone(), &Secret::new(SECRET)).unwrap())
}

async fn bought(shop: &Shop, skus: &[(&str, i64)]) -> Sale {
    let total: i64 = skus.iter().map(|(_, quantity)| quantity).sum();
    let lines: Vec<Value> = skus
        .iter()
        .map(|(sku, quantity)| json!({ "sku": sku, "quantity": quantity, "unit_amount": 2_000 / total }))
        .collect();
    let sale = shop.placed(json!({ "lines": lines })).await;
    shop.deliver(&[intent_succeeded(&sale.intent)]).await;
    sale
}

async fn part(shop: &Shop, sale: &Sale) -> Value {
    let answer = shop.get(&format!("/v1/orders/{}/fulfilments", sale.order)).await;
    answer.json::<Value>().await.unwrap()["data"][0].take()
}

async fn open(shop: &Shop, link: &str) -> Response {
    shop.client.get(link).send().await.unwrap()
}

#[tokio::test]
async fn a_link_and_a_licence_for_each_piece_are_issued_at_once_and_shown_in_the_order() {
    let shop = shop().await;
    let sale = bought(&shop, &[("EBOOK", 2), ("KEY", 3)]).await;

    drain(&shop.worker(provider(&shop))).await;

    assert_eq!(shop.row(&sale).await.at(), ("fulfilled", "fulfilled", 1));
    let part = part(&shop, &sale).await;
    let digital = part["digital"].as_array().unwrap();
    let kinds: Vec<_> =
        digital.iter().map(|one| (one["sku"].as_str().unwrap(), one["kind"].as_str().unwrap())).collect();
    assert_eq!(kinds, [("EBOOK", "link"), ("KEY", "licence"), ("KEY", "licence"), ("KEY", "licence")]);
    assert!(digital[0]["link"].as_str().unwrap().starts_with(&format!("{}/d/", shop.base)), "{part}");
    assert_eq!(digital[0]["code"], Value::Null);
    assert!(digital[1]["code"].as_str().unwrap().len() == 29 && digital[1]["link"].is_null());
    assert_ne!(digital[1]["code"], digital[2]["code"]);
}

#[tokio::test]
async fn a_link_leads_to_the_file_while_it_lasts_and_is_not_kept_by_anybody() {
    let shop = shop().await;
    let sale = bought(&shop, &[("EBOOK", 1)]).await;
    drain(&shop.worker(provider(&shop))).await;
    let link = part(&shop, &sale).await["digital"][0]["link"].as_str().unwrap().to_owned();

    let found = open(&shop, &link).await;
    assert_eq!(found.status(), StatusCode::FOUND);
    assert_eq!(found.headers()["location"], "https://files.example/book.pdf?v=1");
    assert_eq!(
        (&found.headers()["cache-control"], &found.headers()["referrer-policy"]),
        (&"no-store".parse().unwrap(), &"no-referrer".parse().unwrap())
    );
    let changed = link.replace("/d/", "/d/0");
    for wrong in [
        changed.as_str(),
        &link[..link.len() - 1],
        &format!("{}/d/x", shop.base),
        link.split_once('.').map(|_| link.rsplit_once('.').unwrap().0).unwrap(),
    ] {
        let answer = open(&shop, wrong).await;
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{wrong}");
        assert!(answer.text().await.unwrap().contains("This link does not work"));
    }
    shop.advance(3_600);
    let over = open(&shop, &link).await;

    assert_eq!(over.status(), StatusCode::GONE);
    assert_eq!(over.headers()["cache-control"], "no-store");
    assert!(over.text().await.unwrap().contains("This link is over"));
}

#[tokio::test]
async fn a_repetition_issues_nothing_more() {
    let shop = shop().await;
    let sale = bought(&shop, &[("EBOOK", 1), ("KEY", 1)]).await;
    drain(&shop.worker(provider(&shop))).await;
    let before = part(&shop, &sale).await["digital"].clone();
    // As if its worker had died before it could write the outcome.
    sqlx::query(
        "update fulfilments set state = 'queued', next_attempt_at = now() - interval '1 year', finished_at = null, \
         last_outcome = null",
    )
    .execute(&shop.pool)
    .await
    .unwrap();
    sqlx::query("update fulfilment_lines set quantity_shipped = 0, quantity_answered = 0")
        .execute(&shop.pool)
        .await
        .unwrap();

    drain(&shop.worker(provider(&shop))).await;

    assert_eq!(shop.row(&sale).await.at(), ("fulfilled", "fulfilled", 2));
    assert_eq!(part(&shop, &sale).await["digital"], before);
}

#[tokio::test]
async fn a_refund_takes_links_back() {
    let shop = shop().await;
    let sale = bought(&shop, &[("EBOOK", 1)]).await;
    let worker = shop.worker(provider(&shop));
    drain(&worker).await;
    let link = part(&shop, &sale).await["digital"][0]["link"].as_str().unwrap().to_owned();

    shop.refunded(&sale, 2_000).await;
    drain(&worker).await;

    let after = part(&shop, &sale).await;
    assert_eq!(
        (&after["state"], &after["recall_outcome"]),
        (&json!("cancelled"), &json!("recalled")),
        "{after}"
    );
    assert_eq!(after["lines"][0]["shipped"], 0);
    assert!(!after["digital"][0]["revoked_at"].is_null());
    let answer = open(&shop, &link).await;
    assert_eq!(answer.status(), StatusCode::GONE);
    assert!(answer.text().await.unwrap().contains("This link was taken back"));
}

#[tokio::test]
async fn a_refund_of_a_whole_line_takes_its_link_or_codes_back_until_the_refund_fails() {
    let shop = shop().await;
    let sale = bought(&shop, &[("EBOOK", 2), ("KEY", 1), ("EBOOK", 1)]).await;
    drain(&shop.worker(provider(&shop))).await;
    let issued = part(&shop, &sale).await["digital"].clone();
    let links = [0, 2].map(|at| issued[at]["link"].as_str().unwrap().to_owned());
    // Pieces of each line, as a refund by line takes them back, or gives them back where it fails.
    for (refunded, statuses) in [
        ([1, 0, 0], [StatusCode::FOUND, StatusCode::FOUND]),
        ([2, 1, 0], [StatusCode::GONE, StatusCode::FOUND]),
        ([0, 0, 1], [StatusCode::FOUND, StatusCode::GONE]),
        ([0, 0, 0], [StatusCode::FOUND, StatusCode::FOUND]),
    ] {
        sqlx::query("update order_lines set quantity_refunded = ($1::bigint[])[position]")
            .bind(refunded)
            .execute(&shop.pool)
            .await
            .unwrap();

        let shown = part(&shop, &sale).await;

        for (link, status) in links.iter().zip(statuses) {
            assert_eq!(open(&shop, link).await.status(), status, "{refunded:?}");
        }
        let whole = [refunded[0] == 2, refunded[1] == 1, refunded[2] == 1];
        assert_eq!([0, 1, 2].map(|at| shown["digital"][at]["revoked"] == true), whole, "{shown}");
        assert_eq!(shown["state"], "fulfilled");
    }
}

#[tokio::test]
async fn a_sku_without_goods_is_rejected_with_what_to_do() {
    let shop = shop().await;
    let sale = bought(&shop, &[("EBOOK", 1), ("TEA", 1)]).await;

    drain(&shop.worker(provider(&shop))).await;

    let row = shop.row(&sale).await;
    assert_eq!(row.state, "rejected");
    assert!(
        row.reason.unwrap().contains(
            "nothing is known to issue for TEA: say what it is with `packline providers goods add`"
        )
    );
    let issued: i64 = shop.value("select count(*) from digital_deliveries").await;
    assert_eq!(issued, 0);
}
