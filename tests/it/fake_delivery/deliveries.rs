//! How events reach endpoints: signed, tried again, and on demand wrong.

use std::time::Duration;

use serde_json::json;

use super::{Local, Receiver};

#[actix_web::test]
async fn what_happens_is_posted_signed_and_in_order() {
    let (local, shop) = (Local::start(), Receiver::start());
    let (_, secret) = local.endpoint(&format!("{}/hook", shop.base), "").await;

    for name in ["Ada", "Grace", "Edsger"] {
        local.customer(name).await;
    }
    local.settled().await;

    let received = shop.take();
    let names: Vec<_> =
        received.iter().map(|received| received.event()["data"]["object"]["name"].clone()).collect();
    assert_eq!(names, ["Ada", "Grace", "Edsger"]);
    let first = &received[0];
    first.signed_at(&secret);
    assert_eq!(first.path, "/hook");
    for (name, value) in [
        ("content-type", "application/json; charset=utf-8"),
        ("user-agent", "Stripe/1.0 (+https://stripe.com/docs/webhooks)"),
        ("accept", "*/*; q=0.5, application/xml"),
        ("cache-control", "no-cache"),
    ] {
        assert_eq!(first.header(name), value, "{name}");
    }
    assert!(first.body.starts_with("{\n  \"id\": \"evt_"), "{}", first.body);
    assert!(first.body.contains("\"metadata\": {\n      }"), "{}", first.body);
    let event = first.event();
    assert_eq!(event["object"], "event");
    assert_eq!(event["type"], "customer.created");
    assert_eq!(event["api_version"], "2026-08-26.dahlia");
    assert_eq!(event["pending_webhooks"], 1);
    assert!(event["request"]["id"].as_str().unwrap().starts_with("req_"));
}

#[actix_web::test]
async fn anything_but_2xx_is_tried_again_signed_afresh() {
    let (local, shop) = (Local::start(), Receiver::start());
    let (_, secret) = local.endpoint(&shop.base, "").await;
    shop.answer(&[500, 302, 404, 204]);

    local.customer("Ada").await;
    for _ in 0..6 {
        local.settled().await;
        local.clock.advance(Duration::from_secs(15));
    }
    local.settled().await;

    let received = shop.take();
    assert_eq!(received.len(), 4, "a redirect is not followed, and a 204 is the end of it");
    let times: Vec<_> = received.iter().map(|received| received.signed_at(&secret)).collect();
    assert!(times.windows(2).all(|pair| pair[0] < pair[1]), "{times:?}");
    assert!(received.iter().all(|again| again.body == received[0].body));
    let told = local.get("/_fake/deliveries").await.body;
    let statuses: Vec<_> = told["deliveries"][0]["attempts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|attempt| attempt["status"].clone())
        .collect();
    assert_eq!(statuses, [500, 302, 404, 204]);
}

#[actix_web::test]
async fn an_endpoint_that_is_away_for_an_hour_gets_it_later() {
    let (local, shop) = (Local::start(), Receiver::start());
    let (id, secret) = local.endpoint("http://127.0.0.1:9", "").await;
    local.customer("Ada").await;
    local.settled().await;
    let event = local.see("/v1/events").await["data"][0].clone();
    assert_eq!(event["pending_webhooks"], 1);

    local.make(&format!("/v1/webhook_endpoints/{id}"), &format!("url={}", shop.base)).await;
    local.advance(3600);
    local.settled().await;

    let received = shop.take();
    assert_eq!(received.len(), 1);
    let now = local.clock.now().unix_timestamp();
    assert_eq!(received[0].signed_at(&secret), now, "the shop's clock was not moved");
    let event = local.see(&format!("/v1/events/{}", event["id"].as_str().unwrap())).await;
    assert_eq!(event["pending_webhooks"], 0);
}

#[actix_web::test]
async fn tries_end_after_some_days() {
    let (local, shop) = (Local::start(), Receiver::start());
    local.endpoint(&shop.base, "").await;
    shop.answer(&[500; 50]);

    local.customer("Ada").await;
    for _ in 0..20 {
        local.settled().await;
        local.advance(2 * 24 * 3600);
    }
    local.settled().await;

    assert_eq!(shop.take().len(), 11);
    assert_eq!(local.get("/_fake/deliveries").await.body["deliveries"][0]["stage"], "failed");
}

#[actix_web::test]
async fn on_demand_events_are_held_and_duplicated() {
    let (local, shop) = (Local::start(), Receiver::start());
    local.endpoint(&shop.base, "").await;
    local.mode(json!({ "hold": true, "duplicate": 2 })).await;

    for name in ["Ada", "Grace"] {
        local.customer(name).await;
    }
    local.settled().await;
    assert_eq!(shop.names(), [""; 0]);
    local.deliver().await;

    assert_eq!(shop.names(), ["Ada", "Ada", "Grace", "Grace"]);
}

#[actix_web::test]
async fn on_demand_events_come_late() {
    let (local, shop) = (Local::start(), Receiver::start());
    local.endpoint(&shop.base, "").await;
    local.mode(json!({ "delay_ms": 5000 })).await;

    local.customer("Ada").await;
    local.settled().await;
    assert_eq!(shop.names(), [""; 0]);
    local.advance(5);
    local.settled().await;

    assert_eq!(shop.names(), ["Ada"]);
}

#[actix_web::test]
async fn the_seed_decides_how_events_are_shuffled() {
    let names: Vec<String> = (0..12).map(|number| format!("N{number}")).collect();
    let mut orders = Vec::new();
    for _ in 0..2 {
        let (local, shop) = (Local::start(), Receiver::start());
        local.endpoint(&shop.base, "").await;
        local.mode(json!({ "hold": true, "shuffle": true })).await;
        for name in &names {
            local.customer(name).await;
        }
        local.deliver().await;
        orders.push(shop.names());
    }

    assert_eq!(orders[0], orders[1]);
    assert_ne!(orders[0], names);
    let mut sorted = orders[0].clone();
    sorted.sort_by_key(|name| name[1..].parse::<u32>().unwrap());
    assert_eq!(sorted, names);
}

#[actix_web::test]
async fn on_demand_events_are_lost_until_they_are_sent_again() {
    let (local, shop) = (Local::start(), Receiver::start());
    let (id, _) = local.endpoint(&shop.base, "").await;
    local.mode(json!({ "lose": true, "only": ["customer.*"] })).await;
    local.customer("Ada").await;
    local.advance(30);
    local.settled().await;
    assert_eq!(shop.names(), [""; 0]);

    let event = local.see("/v1/events").await["data"][0]["id"].as_str().unwrap().to_owned();
    local.make(&format!("/v1/events/{event}/retry"), &format!("webhook_endpoint={id}")).await;
    local.settled().await;

    assert_eq!(shop.names(), ["Ada"]);
}

#[actix_web::test]
async fn events_of_connected_accounts_go_to_connect_endpoints_only() {
    let (local, platform, connect) = (Local::start(), Receiver::start(), Receiver::start());
    let account = local.make("/v1/accounts", "type=express").await["id"].as_str().unwrap().to_owned();
    local.endpoint(&platform.base, "").await;
    local.endpoint(&connect.base, "connect=true").await;

    local.customer("Ada").await;
    local.post_with("/v1/customers", "name=Grace", &[("Stripe-Account", &account)]).await;
    local.settled().await;

    let received = connect.take();
    assert_eq!(platform.names(), ["Ada"]);
    assert_eq!(received.len(), 1);
    assert_eq!(received[0].event()["account"], account.as_str());
    assert_eq!(local.see("/v1/events").await["data"].as_array().unwrap().len(), 1);
}

#[actix_web::test]
async fn each_endpoint_gets_events_in_its_own_version() {
    let (local, old, new) = (Local::start(), Receiver::start(), Receiver::start());
    local.endpoint(&old.base, "api_version=2020-08-27").await;
    local.endpoint(&new.base, "").await;

    local.customer("Ada").await;
    local.settled().await;

    assert_eq!(old.take()[0].event()["api_version"], "2020-08-27");
    assert_eq!(new.take()[0].event()["api_version"], "2026-08-26.dahlia");
}
