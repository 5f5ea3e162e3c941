//! Lost answers, stopped processes, late looks: each step of a quote is done once.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{draft, goods, path};
use crate::support::billing::Shop;

#[tokio::test]
async fn accepting_survives_lost_answers_and_is_done_once() {
    for (kind, times) in [("lost", 3), ("500_done", 3), ("garbage", 3), ("dropped", 9), ("429", 9)] {
        let shop = Shop::without_events().await;
        let goods = goods(&shop).await;
        let quote = draft(&shop, &goods, &goods.once).await;
        shop.act(&path(&quote, "/finalize")).await;
        let accept = path(&quote, "/accept");
        shop.fault("POST", "/v1/quotes/", kind, times).await;

        let first = shop.send(&accept, None, Some("k1")).await;
        assert_eq!(first.status(), StatusCode::SERVICE_UNAVAILABLE, "{kind}");
        let under_way = shop.get(&path(&quote, "")).await;
        assert_eq!(under_way["state"], "open", "{kind}: what is not known is not told");
        assert!(under_way["under_way"].as_str().unwrap().starts_with("quote.accept"), "{kind}: {under_way}");
        let (status, code, _) = shop.refused(&path(&quote, "/cancel"), None).await;
        assert_eq!((status, code.as_str()), (409, "call_in_progress"), "{kind}");
        shop.stripe.clear_faults();

        let second = shop.send(&accept, None, Some("k1")).await;
        assert_eq!(second.status(), StatusCode::OK, "{kind}");
        let second: Value = second.json().await.unwrap();
        assert_eq!((&second["state"], &second["under_way"]), (&json!("accepted"), &Value::Null), "{kind}");
        let third: Value = shop.send(&accept, None, Some("k2")).await.json().await.unwrap();
        assert_eq!(third, second, "{kind}");
        assert_eq!(shop.at_stripe("/v1/invoices").await["data"].as_array().unwrap().len(), 1, "{kind}");
    }
}

#[tokio::test]
async fn the_worker_finds_out_what_became_of_each_step() {
    let shop = Shop::without_events().await;
    let goods = goods(&shop).await;
    let asked = json!({ "customer": goods.customer, "lines": [{ "price": goods.once }] });
    shop.fault("POST", "/v1/quotes", "lost", 3).await;
    assert_eq!(shop.send("/v1/quotes", Some(&asked), None).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    shop.stripe.clear_faults();
    let creating = shop.get("/v1/quotes").await["data"][0].clone();
    assert_eq!((&creating["state"], &creating["stripe_id"]), (&json!("creating"), &Value::Null));
    let (status, code, _) = shop.refused(&path(&creating, "/finalize"), None).await;
    assert_eq!((status, code.as_str()), (409, "quote_creating"));

    for (verb, state) in [("", "draft"), ("/finalize", "open"), ("/accept", "accepted")] {
        if !verb.is_empty() {
            shop.fault("POST", "/v1/quotes/", "lost", 3).await;
            let response = shop.send(&path(&creating, verb), None, None).await;
            assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE, "{verb}");
            shop.stripe.clear_faults();
        }
        shop.app.clock.advance(Duration::from_secs(60));
        shop.work().await;
        assert_eq!(shop.get(&path(&creating, "")).await["state"], state);
    }
    assert_eq!(shop.at_stripe("/v1/quotes").await["data"].as_array().unwrap().len(), 1);
    assert_eq!(shop.at_stripe("/v1/invoices").await["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn an_event_that_is_there_before_the_answer_finds_the_quote_that_was_asked_for() {
    let shop = Shop::open().await;
    let goods = goods(&shop).await;
    let asked = json!({ "customer": goods.customer, "lines": [{ "price": goods.once }] });
    shop.fault("POST", "/v1/quotes", "lost", 3).await;
    let response = shop.send("/v1/quotes", Some(&asked), Some("k1")).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    shop.stripe.clear_faults();

    shop.hear().await;
    let told = shop.get("/v1/quotes").await["data"].clone();
    assert_eq!(told.as_array().unwrap().len(), 1, "{told}");
    assert_eq!((&told[0]["state"], &told[0]["origin"]), (&json!("draft"), &json!("api")));
    let made: Value = shop.send("/v1/quotes", Some(&asked), Some("k1")).await.json().await.unwrap();

    assert_eq!((&made["id"], &made["stripe_id"]), (&told[0]["id"], &told[0]["stripe_id"]));
    assert_eq!(made["lines"].as_array().unwrap().len(), 1, "the answer says what the event did not");
}

#[tokio::test]
async fn a_step_whose_key_is_too_old_is_looked_for_and_never_asked_blindly() {
    let shop = Shop::without_events().await;
    let goods = goods(&shop).await;
    let (done, never) = (draft(&shop, &goods, &goods.once).await, draft(&shop, &goods, &goods.once).await);
    for (quote, kind) in [(&done, "lost"), (&never, "dropped")] {
        shop.act(&path(quote, "/finalize")).await;
        shop.fault("POST", "/v1/quotes/", kind, 9).await;
        let response = shop.send(&path(quote, "/accept"), None, Some(kind)).await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE, "{kind}");
        shop.stripe.clear_faults();
    }

    shop.app.clock.advance(Duration::from_secs(24 * 60 * 60));
    shop.work().await;

    assert_eq!(shop.get(&path(&done, "")).await["state"], "accepted");
    assert_eq!(
        shop.get(&path(&never, "")).await["state"],
        "open",
        "nobody accepted it behind the shop's back"
    );
    assert_eq!(shop.at_stripe("/v1/invoices").await["data"].as_array().unwrap().len(), 1);
    // The shop may ask for it again.
    assert_eq!(shop.act(&path(&never, "/accept")).await["state"], "accepted");
}

#[tokio::test]
async fn many_who_accept_at_once_begin_one_invoice() {
    let shop = Shop::open().await;
    let goods = goods(&shop).await;
    let quote = draft(&shop, &goods, &goods.once).await;
    shop.act(&path(&quote, "/finalize")).await;
    let accept = path(&quote, "/accept");

    let answers = futures_util::future::join_all((0..6).map(|_| shop.send(&accept, None, None))).await;

    for answer in answers {
        assert_eq!(answer.status(), StatusCode::OK);
    }
    assert_eq!(shop.at_stripe("/v1/invoices").await["data"].as_array().unwrap().len(), 1);
}
