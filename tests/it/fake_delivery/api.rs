//! The API's calls about events and webhook endpoints.

use serde_json::json;

use super::{Local, Receiver};

#[actix_web::test]
async fn a_secret_is_told_once() {
    let local = Local::start();

    let (id, secret) = local.endpoint("https://example.com/hook", "description=Mine&metadata[a]=b").await;

    assert!(secret.starts_with("whsec_") && id.starts_with("we_"));
    let seen = local.see(&format!("/v1/webhook_endpoints/{id}")).await;
    assert_eq!(seen.get("secret"), None);
    assert_eq!(seen["enabled_events"], json!(["*"]));
    assert_eq!((&seen["description"], &seen["metadata"]), (&json!("Mine"), &json!({ "a": "b" })));
    assert_eq!((&seen["status"], &seen["application"]), (&json!("enabled"), &json!(null)));
    assert_eq!(local.see("/v1/webhook_endpoints").await["data"], json!([seen]));
}

#[actix_web::test]
async fn there_are_sixteen_endpoints_at_most() {
    let local = Local::start();
    for _ in 0..16 {
        local.endpoint("https://example.com/hook", "").await;
    }

    let refused = local
        .post("/v1/webhook_endpoints", "url=https://example.com/&enabled_events[]=charge.refunded")
        .await;

    assert_eq!(refused.status, 400);
    assert!(refused.error("message").as_str().unwrap().contains("16"));
}

#[actix_web::test]
async fn endpoints_that_cannot_be_are_refused() {
    let local = Local::start();

    for (form, param) in [
        ("enabled_events[]=*", "url"),
        ("url=https://example.com/", "enabled_events"),
        ("url=example.com&enabled_events[]=*", "url"),
        ("url=https://example.com/&enabled_events[]=*&api_version=newest", "api_version"),
    ] {
        let refused = local.post("/v1/webhook_endpoints", form).await;
        assert_eq!((refused.status, refused.error("param")), (400, &json!(param)), "{form}");
    }
}

#[actix_web::test]
async fn an_endpoint_gets_what_it_wants_until_it_is_disabled_or_deleted() {
    let (local, shop) = (Local::start(), Receiver::start());
    let form = format!("url={}&enabled_events[]=customer.deleted", shop.base);
    let id = local.make("/v1/webhook_endpoints", &form).await["id"].as_str().unwrap().to_owned();
    let endpoint = format!("/v1/webhook_endpoints/{id}");
    local.customer("Ada").await;
    local.make(&endpoint, "enabled_events[]=customer.created").await;
    local.customer("Grace").await;
    local.settled().await;
    local.make(&endpoint, "disabled=true").await;
    local.customer("Edsger").await;
    local.make(&endpoint, "disabled=false").await;
    local.customer("Barbara").await;
    local.settled().await;

    let deleted = local.send(local.request(reqwest::Method::DELETE, &endpoint)).await;
    local.customer("Tony").await;
    local.settled().await;

    assert_eq!(deleted.body, json!({ "id": id, "object": "webhook_endpoint", "deleted": true }));
    assert_eq!(shop.names(), ["Grace", "Barbara"]);
    assert_eq!(local.get(&endpoint).await.status, 404);
}

#[actix_web::test]
async fn events_are_listed_by_type_time_and_success() {
    let (local, shop) = (Local::start(), Receiver::start());
    for name in ["Ada", "Grace", "Edsger"] {
        local.customer(name).await;
    }
    local.advance(100);
    local.endpoint(&shop.base, "").await;
    shop.answer(&[500]);
    local.customer("Tony").await;
    local.settled().await;

    let names = async |query: &str| {
        let listed = local.see(&format!("/v1/events{query}")).await;
        let data = listed["data"].as_array().unwrap().clone();
        let name = |event: &serde_json::Value| event["data"]["object"]["name"].as_str().unwrap().to_owned();
        data.iter().map(name).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(names("").await, "Tony Edsger Grace Ada");
    assert_eq!(names("?type=customer.*").await, "Tony Edsger Grace Ada");
    assert_eq!(names("?types[]=customer.created&types[]=charge.refunded").await, "Tony Edsger Grace Ada");
    assert_eq!(names("?type=customer.updated").await, "");
    assert_eq!(names("?delivery_success=false").await, "Tony");
    assert_eq!(names("?delivery_success=true").await, "Edsger Grace Ada");
    let newest = local.see("/v1/events?limit=1").await;
    let (id, created) =
        (newest["data"][0]["id"].as_str().unwrap(), newest["data"][0]["created"].as_i64().unwrap());
    assert_eq!(newest["has_more"], true);
    assert_eq!(names(&format!("?starting_after={id}&limit=2")).await, "Edsger Grace");
    assert_eq!(names(&format!("?created[gte]={created}")).await, "Tony");
    assert_eq!(local.get("/v1/events?type=a&types[]=b").await.status, 400);
    assert_eq!(local.get("/v1/events/evt_none").await.error("code"), "resource_missing");
}

#[actix_web::test]
async fn events_are_forgotten_after_thirty_days() {
    let local = Local::start();
    local.customer("Ada").await;
    local.advance(30 * 24 * 3600 + 1);
    local.customer("Grace").await;

    let listed = local.see("/v1/events").await;

    assert_eq!(listed["data"].as_array().unwrap().len(), 1);
}

#[actix_web::test]
async fn the_stand_in_for_stripe_js_is_served() {
    let local = Local::start();

    let script = local.get("/v3/").await;

    assert_eq!((script.status, script.header("content-type")), (200, "text/javascript; charset=utf-8"));
    assert!(script.body.as_str().unwrap().contains("window.Stripe"));
}
