//! What cannot be is refused with what is wrong and what to do, and leaves nothing half made.

use std::time::Duration;

use serde_json::{Value, json};

use super::{draft, goods, path};
use crate::support::billing::{Shop, all_there_is};

#[tokio::test]
async fn what_a_quote_names_must_be_there_and_go_together() {
    let shop = Shop::without_events().await;
    let goods = goods(&shop).await;
    let product = shop.get("/v1/products").await["data"][0]["id"].clone();
    let price = |currency: &str, recurring: Value| json!({ "product": product, "currency": currency, "unit_amount": 1, "recurring": recurring });
    let euros = shop.make("/v1/prices", &price("eur", Value::Null)).await["id"].clone();
    let yearly = shop.make("/v1/prices", &price("usd", json!({ "interval": "year" }))).await["id"].clone();
    let nobody = uuid::Uuid::nil();

    for (body, field, words) in [
        (json!({ "customer": nobody }), "customer", "there is no customer"),
        (json!({ "customer": "ada" }), "customer", "cus_"),
        (json!({ "lines": [{ "price": nobody }] }), "lines[0].price", "there is no price"),
        (json!({ "lines": [{ "price": goods.once }, { "price": "tea" }] }), "lines[1].price", "price_"),
        (json!({ "lines": [{ "price": goods.once }, { "price": euros }] }), "lines[1].price", "one currency"),
        (
            json!({ "lines": [{ "price": goods.monthly }, { "price": yearly }] }),
            "lines[1].price",
            "one rhythm",
        ),
        (json!({ "lines": [{ "price": goods.once, "quantity": 0 }] }), "lines[0].quantity", "from 1"),
        (json!({ "expires_at": "2001-01-01T00:00:00Z" }), "expires_at", "a time to come"),
        (json!({ "collection_method": "send_invoice" }), "days_until_due", "how many days"),
        (json!({ "days_until_due": 7 }), "days_until_due", "send_invoice"),
        (json!({ "lines": [{ "price": goods.once }], "trial_days": 7 }), "trial_days", "no subscription"),
        (json!({ "line_items": [] }), "line_items", "unknown field"),
    ] {
        let (status, code, told) = shop.refused("/v1/quotes", Some(&body)).await;
        assert_eq!((status, code.as_str()), (422, "validation_failed"), "{body}: {told}");
        assert!(told.contains(field) && told.contains(words), "{body}: {told}");
    }
    assert!(shop.get("/v1/quotes").await["data"].as_array().unwrap().is_empty());
    assert!(shop.at_stripe("/v1/quotes").await["data"].as_array().unwrap().is_empty());
}

#[tokio::test]
async fn what_only_stripe_knows_it_refuses_in_its_own_words() {
    let shop = Shop::without_events().await;

    let body = json!({ "lines": [{ "price": "price_none" }] });
    let (status, code, told) = shop.refused("/v1/quotes", Some(&body)).await;

    assert_eq!((status, code.as_str()), (422, "stripe_refused"));
    assert!(told.contains("No such price"), "{told}");
    let refused = shop.get("/v1/quotes").await["data"][0].clone();
    assert_eq!(refused["state"], "refused", "{refused}");
    let (status, code, told) = shop.refused(&path(&refused, "/finalize"), None).await;
    assert_eq!((status, code.as_str()), (409, "quote_refused"), "{told}");
}

#[tokio::test]
async fn a_draft_without_a_customer_or_lines_is_not_finalised() {
    let shop = Shop::without_events().await;
    let goods = goods(&shop).await;
    let quote = shop.make("/v1/quotes", &json!({})).await;

    let (status, _, told) = shop.refused(&path(&quote, "/finalize"), None).await;
    assert_eq!(status, 422);
    assert!(told.contains("no customer") && told.contains("offers nothing"), "{told}");
    let (_, revised) = shop.post(&path(&quote, ""), &json!({ "lines": [{ "price": goods.once }] })).await;
    assert_eq!(revised["amount_total"], 1500, "{revised}");
    let (status, _, told) = shop.refused(&path(&quote, "/finalize"), None).await;
    assert!(status == 422 && told.contains("no customer") && !told.contains("offers nothing"), "{told}");
    assert_eq!(shop.get(&path(&quote, "")).await["state"], "draft");
    let (status, _, told) = shop.refused(&path(&quote, ""), Some(&json!({ "lines": [] }))).await;
    assert!(status == 422 && told.contains("1 to 100"), "{told}");
}

#[tokio::test]
async fn a_quote_goes_only_forwards() {
    let shop = Shop::without_events().await;
    let goods = goods(&shop).await;
    let quote = draft(&shop, &goods, &goods.once).await;
    let revision = json!({ "description": "Cheaper" });
    let refused = async |verb: &str, body: Option<&Value>| {
        let (status, code, told) = shop.refused(&path(&quote, verb), body).await;
        assert_eq!(status, 409, "{verb}: {told}");
        code
    };

    assert_eq!(refused("/accept", None).await, "quote_not_open");
    shop.act(&path(&quote, "/finalize")).await;
    assert_eq!(refused("", Some(&revision)).await, "quote_not_draft");
    shop.act(&path(&quote, "/accept")).await;
    assert_eq!(refused("/cancel", None).await, "quote_accepted");
    assert_eq!(refused("", Some(&revision)).await, "quote_accepted");

    let quote = draft(&shop, &goods, &goods.once).await;
    shop.act(&path(&quote, "/cancel")).await;
    for verb in ["/finalize", "/accept"] {
        let (status, code, told) = shop.refused(&path(&quote, verb), None).await;
        assert_eq!((status, code.as_str()), (409, "quote_cancelled"), "{told}");
    }
    let (status, _, _) = shop.refused("/v1/quotes/qt_none/accept", None).await;
    assert_eq!(status, 404);
    assert_eq!(shop.app.value::<i64>("select count(*) from outbox_calls where state <> 'done'").await, 0);
}

#[tokio::test]
async fn a_key_of_another_request_is_refused() {
    let shop = Shop::without_events().await;
    let goods = goods(&shop).await;
    let quote = draft(&shop, &goods, &goods.once).await;

    assert!(shop.send(&path(&quote, "/finalize"), None, Some("k")).await.status().is_success());
    let response = shop.send(&path(&quote, "/accept"), None, Some("k")).await;

    assert_eq!(response.status().as_u16(), 422);
    assert_eq!(shop.get(&path(&quote, "")).await["state"], "open");
}

/// Names that are no quote's: of nothing, of other kinds, of nobody's kind.
const NOT_QUOTES: [&str; 6] =
    ["qt_none", "in_1", "sub_1", "00000000-0000-0000-0000-000000000000", "my%20quote", "qt_%00"];

#[tokio::test]
async fn a_name_that_is_no_quotes_is_refused_on_every_route() {
    let shop = Shop::without_events().await;
    let goods = goods(&shop).await;
    draft(&shop, &goods, &goods.once).await;
    let before = all_there_is(&shop.app, &shop.stripe).await;

    for name in NOT_QUOTES {
        for verb in ["", "/finalize", "/accept", "/cancel"] {
            let body = json!({});
            let (status, code, told) = shop.refused(&format!("/v1/quotes/{name}{verb}"), Some(&body)).await;
            assert_eq!((status, code.as_str()), (404, "not_found"), "{name}{verb}: {told}");
            assert!(told.contains("give qt_…"), "{told}");
        }
        for verb in ["", "/pdf"] {
            let answer = shop.app.get(&format!("/v1/quotes/{name}{verb}")).await;
            assert_eq!(answer.status().as_u16(), 404, "{name}{verb}");
            assert!(answer.text().await.unwrap().contains("give qt_…"), "{name}{verb}");
        }
    }
    for query in ["state=haggling", "limit=0", "limit=x", "cursor=x", "customer=%00", "colour=red"] {
        let answer = shop.app.get(&format!("/v1/quotes?{query}")).await;
        let expected = if query.starts_with("colour") { 400 } else { 422 };
        assert_eq!(answer.status().as_u16(), expected, "{query}");
        assert!(answer.text().await.unwrap().contains(query.split('=').next().unwrap()), "{query}");
    }
    assert_eq!(all_there_is(&shop.app, &shop.stripe).await, before);
}

#[tokio::test]
async fn what_a_revision_gives_must_be_right_and_a_wrong_one_changes_nothing() {
    let shop = Shop::without_events().await;
    let goods = goods(&shop).await;
    let product = shop.get("/v1/products").await["data"][0]["id"].clone();
    let euros = json!({ "product": product, "currency": "eur", "unit_amount": 1 });
    let euros = shop.make("/v1/prices", &euros).await["id"].clone();
    let quote = draft(&shop, &goods, &goods.once).await;
    let before = all_there_is(&shop.app, &shop.stripe).await;

    for (body, field, words) in [
        (json!({ "customer": "prod_1" }), "customer", "cus_…"),
        (json!({ "lines": [{ "price": "prod_1" }] }), "lines[0].price", "price_…"),
        (json!({ "lines": [{ "price": goods.once }, { "price": euros }] }), "lines[1].price", "one currency"),
        (json!({ "lines": [{ "price": goods.once, "quantity": 1.5 }] }), "lines[0].quantity", "expected i64"),
        (
            json!({ "lines": [{ "price": goods.once, "quantity": 1_000_001 }] }),
            "lines[0].quantity",
            "1000000",
        ),
        (json!({ "lines": [{ "price": goods.once, "sku": "TEA" }] }), "lines[0].sku", "unknown field"),
        (json!({ "lines": [{ "quantity": 1 }] }), "lines[0].price", "missing"),
        (json!({ "lines": goods.once }), "lines", "sequence"),
        (json!({ "trial_days": 0 }), "trial_days", "give 1 to 730"),
        (json!({ "trial_days": 731 }), "trial_days", "give 1 to 730"),
        (json!({ "trial_days": "7" }), "trial_days", "invalid type"),
        (json!({ "starts_at": "2001-01-01T00:00:00Z" }), "starts_at", "a time to come"),
        (json!({ "starts_at": "tomorrow" }), "starts_at", "could not be parsed"),
        (json!({ "expires_at": "2999-01-01T00:00:00Z" }), "expires_at", "within five years"),
        (json!({ "collection_method": "by_pigeon" }), "collection_method", "send_invoice"),
        (json!({ "days_until_due": 0 }), "days_until_due", "give 1 to 365"),
        (json!({ "days_until_due": 366 }), "days_until_due", "give 1 to 365"),
        (json!({ "header": "x".repeat(51) }), "header", "1 to 50"),
        (json!({ "description": "a\u{0}b" }), "description", "control characters"),
        (json!({ "metadata": { "desk": 7 } }), "metadata.desk", "a text"),
        (json!({ "metadata": { "packline_id": "x" } }), "metadata.packline_id", "itself"),
    ] {
        let (status, code, told) = shop.refused(&path(&quote, ""), Some(&body)).await;
        assert_eq!((status, code.as_str()), (422, "validation_failed"), "{body}: {told}");
        assert!(told.contains(&format!("\"field\":\"{field}\"")) && told.contains(words), "{body}: {told}");
    }
    let body = json!({ "now": true });
    let (status, _, told) = shop.refused(&path(&quote, "/finalize"), Some(&body)).await;
    assert!(status == 422 && told.contains("unknown field `now`"), "{told}");
    let malformed = shop.app.api(shop.app.client.post(format!("{}{}", shop.app.base, path(&quote, ""))));
    assert_eq!(malformed.body("{").send().await.unwrap().status().as_u16(), 400);
    assert_eq!(all_there_is(&shop.app, &shop.stripe).await, before);
    assert_eq!(shop.get(&path(&quote, "")).await, quote);
}

#[tokio::test]
async fn a_quote_whose_time_is_over_can_only_be_cancelled_and_one_that_was_accepted_stays_so() {
    let shop = Shop::without_events().await;
    let goods = goods(&shop).await;
    let soon = shop.app.clock.now() + Duration::from_secs(60);
    let soon = soon.format(&time::format_description::well_known::Rfc3339).unwrap();
    let asked = json!({
        "customer": goods.customer, "lines": [{ "price": goods.once }], "expires_at": soon
    });
    let (late_draft, late) = (shop.make("/v1/quotes", &asked).await, shop.make("/v1/quotes", &asked).await);
    shop.act(&path(&late, "/finalize")).await;
    let taken = draft(&shop, &goods, &goods.once).await;
    shop.act(&path(&taken, "/finalize")).await;
    let accepted = shop.act(&path(&taken, "/accept")).await;
    let revision = json!({ "description": "Cheaper" });

    // Stripe's clock stands still: it has not cancelled them yet.
    shop.app
        .value::<i64>(
            "with soon as (update quotes set expires_at = expires_at - interval '2 minutes' \
                           where state in ('draft', 'open') returning 1) select count(*) from soon",
        )
        .await;
    let before = all_there_is(&shop.app, &shop.stripe).await;
    for (quote, verb, body, code, words) in [
        (&late, "/accept", None, "quote_expired", "make another"),
        (&late, "", Some(&revision), "quote_expired", "make another"),
        (&late_draft, "/finalize", None, "quote_expired", "make another"),
        (&late_draft, "/accept", None, "quote_expired", "make another"),
        (&late_draft, "", Some(&revision), "quote_expired", "make another"),
        (&taken, "/cancel", None, "quote_accepted", "its invoice or subscription"),
        (&taken, "", Some(&revision), "quote_accepted", "its invoice or subscription"),
    ] {
        let (status, found, told) = shop.refused(&path(quote, verb), body).await;
        assert_eq!((status, found.as_str()), (409, code), "{verb}: {told}");
        assert!(told.contains(words), "{verb}: {told}");
    }
    // Accepted and finalised twice is so already, and says so alike.
    assert_eq!(shop.act(&path(&taken, "/accept")).await, accepted);
    assert_eq!(shop.act(&path(&taken, "/finalize")).await, accepted);
    assert_eq!(all_there_is(&shop.app, &shop.stripe).await, before);
    assert_eq!(shop.act(&path(&late, "/cancel")).await["state"], "cancelled");
}
