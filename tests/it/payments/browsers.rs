//! Pages of shops that call from their own origin.

use reqwest::{Method, StatusCode};
use serde_json::json;

use super::Shop;
use super::shop::token;

const SHOP: &str = "https://shop.example";

#[tokio::test]
async fn a_page_of_a_known_origin_may_pay_and_others_learn_nothing() {
    let shop = Shop::open_for(vec![SHOP.to_owned()]).await;
    let placed = shop.place_for_server(json!({})).await;
    let url = format!("{}/pay", shop.app.base);
    let ask = |origin: &str| {
        let request = shop.app.client.request(Method::OPTIONS, &url).header("origin", origin.to_owned());
        request
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization,content-type")
            .send()
    };
    let allows = |response: &reqwest::Response| {
        response.headers().get("access-control-allow-origin").map(|value| value.to_str().unwrap().to_owned())
    };

    let known = ask(SHOP).await.unwrap();
    let unknown = ask("https://evil.example").await.unwrap();
    let pay = shop.app.client.post(&url).header("origin", SHOP).bearer_auth(token(&placed));
    let paid = pay.json(&json!({ "payment_method_id": "pm_card_visa" })).send().await.unwrap();

    assert_eq!((known.status(), allows(&known)), (StatusCode::OK, Some(SHOP.to_owned())));
    assert_eq!(allows(&unknown), None);
    assert_eq!((paid.status(), allows(&paid)), (StatusCode::OK, Some(SHOP.to_owned())));
}

#[tokio::test]
async fn a_page_of_this_service_may_always_pay() {
    let shop = Shop::open().await;
    let placed = shop.place_for_server(json!({})).await;

    let pay = shop.app.client.post(format!("{}/pay", shop.app.base)).header("origin", shop.app.base.clone());
    let pay = pay.bearer_auth(token(&placed)).json(&json!({ "payment_method_id": "pm_card_visa" }));

    assert_eq!(pay.send().await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn what_a_browser_sends_wrongly_is_said() {
    let shop = Shop::open().await;
    let placed = shop.place_for_server(json!({})).await;

    for body in [
        json!({}),
        json!({ "payment_method_id": "4242424242424242" }),
        json!({ "payment_method_id": "pm_1", "payment_intent_id": "pi_1" }),
        json!({ "payment_method_id": "pm_1", "cvc_token": "123" }),
        json!({ "payment_method_id": "pm_1", "amount": 1 }),
    ] {
        let (status, fault) = shop.pay(token(&placed), body.clone()).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{body}: {fault}");
    }
    let get = shop.app.client.get(format!("{}/pay", shop.app.base)).send().await.unwrap();
    assert_eq!(get.status(), StatusCode::METHOD_NOT_ALLOWED);
}
