//! What is refused before anybody looks at orders, always in the same format.

use reqwest::StatusCode;
use serde_json::json;

use super::{fault, fault_body};
use crate::support::TestApp;
use crate::support::stripe::order;

#[tokio::test]
async fn only_a_key_that_was_made_and_not_revoked_opens_the_api() {
    let app = TestApp::start().await;
    let get = |authorization: Option<String>| {
        let request = app.client.get(format!("{}/v1/orders", app.base));
        match authorization {
            Some(value) => request.header("authorization", value).send(),
            None => request.send(),
        }
    };

    for authorization in [
        None,
        Some(String::new()),
        Some("Bearer".to_owned()),
        Some("Bearer plk_wrong".to_owned()),
        Some(app.api_key.clone()),
        Some(format!("Basic {}", app.api_key)),
        Some(format!("Bearer {}x", app.api_key)),
    ] {
        let response = get(authorization.clone()).await.unwrap();
        assert_eq!(response.headers()["www-authenticate"], "Bearer");
        let (status, code, _) = fault(response).await;
        assert_eq!((status, code.as_str()), (StatusCode::UNAUTHORIZED, "unauthorised"), "{authorization:?}");
    }
    for scheme in ["Bearer", "bearer"] {
        assert_eq!(get(Some(format!("{scheme} {}", app.api_key))).await.unwrap().status(), StatusCode::OK);
    }
    sqlx::query("update api_keys set revoked_at = now()").execute(&app.pool).await.unwrap();
    assert_eq!(app.get("/v1/orders").await.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn every_route_needs_a_key_and_nothing_is_read_without_one() {
    let app = TestApp::start().await;

    for request in [
        app.client.get(format!("{}/v1/orders/P-1", app.base)),
        app.client.post(format!("{}/v1/orders", app.base)).json(&order(json!({}))),
        app.client.post(format!("{}/v1/orders", app.base)).body("{"),
    ] {
        assert_eq!(fault(request.send().await.unwrap()).await.0, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(app.value::<i64>("select count(*) from orders").await, 0);
}

#[tokio::test]
async fn a_key_is_not_kept_as_it_is() {
    let app = TestApp::start().await;

    let row: String = app.value("select row_to_json(api_keys)::text from api_keys").await;

    assert!(row.contains(&app.api_key[..8]), "its first characters tell it from others: {row}");
    assert!(!row.contains(&app.api_key[..12]), "{row}");
}

#[tokio::test]
async fn wrong_methods_and_routes_are_refused_in_the_format_of_all_errors() {
    let app = TestApp::start().await;
    let url = |path: &str| format!("{}{path}", app.base);

    for (request, allowed) in [
        (app.client.delete(url("/v1/orders")), "GET, POST"),
        (app.client.put(url("/v1/orders")).body("{}"), "GET, POST"),
        (app.client.post(url("/v1/orders/P-1")), "GET"),
        (app.client.patch(url("/v1/orders/P-1")), "GET"),
    ] {
        let response = app.api(request).send().await.unwrap();
        assert_eq!(response.headers()["allow"], allowed);
        let (status, code, _) = fault(response).await;
        assert_eq!((status, code.as_str()), (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"));
    }
    for path in ["/v1", "/v1/", "/v1/orders/", "/v1/orders/P-1/lines", "/v1/payments", "/v2/orders"] {
        let (status, code, _) = fault(app.get(path).await).await;
        assert_eq!((status, code.as_str()), (StatusCode::NOT_FOUND, "not_found"), "{path}");
    }
}

#[tokio::test]
async fn names_that_nothing_can_have_are_not_found() {
    let app = TestApp::start().await;
    let long = "x".repeat(3000);

    for name in [
        "P-1",
        "pi_1",
        "019e0000-0000-7000-8000-000000000000",
        "%00",
        "%FF",
        "%2F",
        "%C3%BC",
        "..%2F",
        "'",
        &long,
    ] {
        let (status, code, _) = fault(app.get(&format!("/v1/orders/{name}")).await).await;
        assert_eq!((status, code.as_str()), (StatusCode::NOT_FOUND, "not_found"), "{name}");
    }
}

#[tokio::test]
async fn a_body_is_json_and_not_too_large() {
    let app = TestApp::start().await;
    let post = |body: Vec<u8>| app.api(app.client.post(format!("{}/v1/orders", app.base))).body(body).send();

    let two = format!("{} {{}}", order(json!({})));
    for malformed in ["", "{", "nonsense", "{\"currency\": }", "{\"currency\": \"\x01\"}", &two] {
        let (status, body) = fault_body(post(malformed.as_bytes().to_vec()).await.unwrap()).await;
        assert_eq!(
            (status, &body["code"]),
            (StatusCode::BAD_REQUEST, &json!("malformed_json")),
            "{malformed}: {body}"
        );
    }
    assert_eq!(fault(post(vec![0xff, 0xfe]).await.unwrap()).await.0, StatusCode::BAD_REQUEST);
    assert_eq!(fault(post(b"[".repeat(10_000)).await.unwrap()).await.0, StatusCode::UNPROCESSABLE_ENTITY);

    let (status, code, _) = fault(post(vec![b' '; 512 * 1024 + 1]).await.unwrap()).await;
    assert_eq!((status, code.as_str()), (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large"));
    let (status, code, _) = fault(post(vec![b' '; 512 * 1024]).await.unwrap()).await;
    assert_eq!((status, code.as_str()), (StatusCode::BAD_REQUEST, "malformed_json"), "so much is read");
}
