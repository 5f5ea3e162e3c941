//! Customers, products and prices, through the front door and against the local Stripe.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::billing::{Shop, all_there_is};

#[tokio::test]
async fn a_customer_a_product_and_its_prices_are_made_here_and_at_stripe() {
    let shop = Shop::open().await;

    let customer = shop
        .make(
            "/v1/customers",
            &json!({
                "name": "Ada", "email": "ada@example.com", "metadata": { "tier": "gold" },
                "shipping": { "line1": "Street 1", "city": "Berlin", "postal_code": "10115", "country": "DE" }
            }),
        )
        .await;
    let product = shop
        .make("/v1/products", &json!({ "name": "Tea", "description": "Green\nand fresh", "sku": "TEA" }))
        .await;
    let price = shop
        .make("/v1/prices", &json!({ "product": product["id"], "currency": "USD", "unit_amount": 1500 }))
        .await;
    let monthly = shop
        .make(
            "/v1/prices",
            &json!({
                "product": product["stripe_id"], "currency": "usd", "unit_amount": 900, "sku": "TEA-BOX", "nickname": "box",
                "recurring": { "interval": "month" }
            }),
        )
        .await;

    for thing in [&customer, &product, &price, &monthly] {
        assert_eq!(thing["state"], "created", "{thing}");
        assert_eq!(thing["reason"], Value::Null);
    }
    let name = |thing: &Value| thing["stripe_id"].as_str().unwrap().to_owned();
    let seen = shop.at_stripe(&format!("/v1/customers/{}", name(&customer))).await;
    assert_eq!(seen["metadata"], json!({ "tier": "gold", "packline_id": customer["id"] }));
    assert_eq!(seen["shipping"]["name"], "Ada", "{seen}");
    assert_eq!(seen["shipping"]["address"]["city"], "Berlin");
    let seen = shop.at_stripe(&format!("/v1/products/{}", name(&product))).await;
    assert_eq!(seen["metadata"]["sku"], "TEA");
    let seen = shop.at_stripe(&format!("/v1/prices/{}", name(&price))).await;
    assert_eq!(
        (&seen["unit_amount"], &seen["currency"], &seen["product"]),
        (&json!(1500), &json!("usd"), &product["stripe_id"])
    );
    assert_eq!(seen["metadata"]["sku"], "TEA", "a price sends what its product does");
    let seen = shop.at_stripe(&format!("/v1/prices/{}", name(&monthly))).await;
    assert_eq!(
        (&seen["metadata"]["sku"], &seen["recurring"]["interval"]),
        (&json!("TEA-BOX"), &json!("month"))
    );
    assert_eq!(seen["recurring"]["interval_count"], 1);
    assert_eq!(monthly["product_id"], product["id"], "a product of ours by Stripe's name");

    for (path, thing) in [("customers", &customer), ("products", &product), ("prices", &monthly)] {
        assert_eq!(&shop.get(&format!("/v1/{path}/{}", thing["id"].as_str().unwrap())).await, thing);
        assert_eq!(&shop.get(&format!("/v1/{path}/{}", name(thing))).await, thing);
    }
}

#[tokio::test]
async fn lists_go_from_the_newest_page_by_page() {
    let shop = Shop::without_events().await;
    for number in 0..3 {
        shop.make("/v1/customers", &json!({ "name": format!("C{number}") })).await;
        shop.make("/v1/products", &json!({ "name": format!("C{number}") })).await;
        shop.app.clock.advance(Duration::from_secs(1));
    }
    let product = shop.get("/v1/products?limit=1").await["data"][0]["id"].clone();
    for number in 0..3 {
        let asked = json!({ "product": product, "currency": "usd", "unit_amount": number, "nickname": format!("C{number}") });
        shop.make("/v1/prices", &asked).await;
        shop.app.clock.advance(Duration::from_secs(1));
    }

    for (path, field) in [("customers", "name"), ("products", "name"), ("prices", "nickname")] {
        let first = shop.get(&format!("/v1/{path}?limit=2")).await;
        let cursor = first["next_cursor"].as_str().unwrap();
        let second = shop.get(&format!("/v1/{path}?limit=2&cursor={cursor}")).await;
        let names: Vec<&Value> = [&first, &second]
            .into_iter()
            .flat_map(|page| page["data"].as_array().unwrap())
            .map(|thing| &thing[field])
            .collect();
        assert_eq!(names, ["C2", "C1", "C0"], "{path}");
        assert_eq!(second["next_cursor"], Value::Null);
    }
}

#[tokio::test]
async fn the_same_request_makes_one_however_its_answers_are_lost() {
    let shop = Shop::without_events().await;
    for (key, path, body) in [
        ("k1", "/v1/customers", json!({ "name": "Ada" })),
        ("k2", "/v1/products", json!({ "name": "Tea", "sku": "TEA" })),
    ] {
        for (kind, times) in [("lost", 3), ("500_done", 3), ("429", 9)] {
            let key = format!("{key}-{kind}");
            shop.fault("POST", path, kind, times).await;
            let first = shop.send(path, Some(&body), Some(&key)).await;
            assert_eq!(first.status(), StatusCode::SERVICE_UNAVAILABLE, "{path} {kind}");
            let told: Value = first.json().await.unwrap();
            assert_eq!(told["error"]["code"], "stripe_outcome_unknown");
            shop.stripe.clear_faults();

            let second = shop.send(path, Some(&body), Some(&key)).await;
            assert_eq!(second.status(), StatusCode::CREATED, "{path} {kind}");
            assert_eq!(second.headers()["idempotent-replayed"], "true");
            let second: Value = second.json().await.unwrap();
            let third: Value = shop.send(path, Some(&body), Some(&key)).await.json().await.unwrap();
            assert_eq!(third, second);
        }
        let made = shop.at_stripe(path).await["data"].as_array().unwrap().len();
        assert_eq!(made, 3, "{path}: one for each key");
    }
}

#[tokio::test]
async fn the_worker_makes_what_had_no_answer() {
    let shop = Shop::without_events().await;
    shop.fault("POST", "/v1/products", "dropped", 9).await;
    let response = shop.send("/v1/products", Some(&json!({ "name": "Tea" })), None).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    shop.stripe.clear_faults();
    assert_eq!(shop.get("/v1/products").await["data"][0]["state"], "creating");

    shop.app.clock.advance(Duration::from_secs(60));
    shop.work().await;

    assert_eq!(shop.get("/v1/products").await["data"][0]["state"], "created");
}

#[tokio::test]
async fn what_is_not_right_is_refused_with_the_field_and_what_to_do() {
    let shop = Shop::without_events().await;
    let product = shop.make("/v1/products", &json!({ "name": "Tea" })).await["id"].clone();
    let price = json!({ "product": product, "currency": "usd", "unit_amount": 1500 });
    let with = |field: &str, value: Value| {
        let mut price = price.clone();
        price[field] = value;
        price
    };
    for (path, body, field) in [
        ("/v1/customers", json!({ "email": "nobody" }), "email"),
        ("/v1/customers", json!({ "shipping": { "line1": "Street 1" } }), "shipping.name"),
        ("/v1/customers", json!({ "metadata": { "packline_id": "x" } }), "metadata.packline_id"),
        ("/v1/customers", json!({ "nmae": "Ada" }), "nmae"),
        ("/v1/products", json!({}), "name"),
        ("/v1/products", json!({ "name": " " }), "name"),
        ("/v1/products", json!({ "name": "Tea", "metadata": { "sku": "TEA" } }), "metadata.sku"),
        ("/v1/prices", with("product", json!("prod")), "product"),
        ("/v1/prices", with("product", json!(uuid::Uuid::nil())), "product"),
        ("/v1/prices", with("currency", json!("dollars")), "currency"),
        ("/v1/prices", with("unit_amount", json!(-1)), "unit_amount"),
        ("/v1/prices", with("unit_amount", json!(15.5)), "unit_amount"),
        ("/v1/prices", with("recurring", json!({ "interval": "decade" })), "recurring.interval"),
        (
            "/v1/prices",
            with("recurring", json!({ "interval": "month", "interval_count": 37 })),
            "recurring.interval_count",
        ),
    ] {
        let (status, code, told) = shop.refused(path, Some(&body)).await;
        assert_eq!((status, code.as_str()), (422, "validation_failed"), "{body}: {told}");
        assert!(told.contains(&format!("\"field\":\"{field}\"")), "{body}: {told}");
    }
    // What only Stripe can know, it says; and nothing half made is sold.
    let (status, code, told) = shop.refused("/v1/prices", Some(&with("product", json!("prod_none")))).await;
    assert_eq!((status, code.as_str()), (422, "stripe_refused"));
    assert!(told.contains("No such product"), "{told}");
    let refused = shop.get("/v1/prices").await["data"][0].clone();
    assert_eq!(refused["state"], "refused", "{refused}");
    assert!(refused["reason"].as_str().unwrap().contains("No such product"));
}

#[tokio::test]
async fn without_a_stripe_to_call_nothing_is_written_down() {
    let app = crate::support::TestApp::start().await;
    for path in ["/v1/customers", "/v1/products", "/v1/quotes"] {
        let request = app.api(app.client.post(format!("{}{path}", app.base))).json(&json!({ "name": "Ada" }));
        let response = request.send().await.unwrap();
        let is_quote = path.ends_with("quotes");
        let status =
            if is_quote { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::SERVICE_UNAVAILABLE };
        assert_eq!(response.status(), status, "{path}");
    }
    assert_eq!(app.value::<i64>("select count(*) from customers").await, 0);
    assert_eq!(app.value::<i64>("select count(*) from outbox_calls").await, 0);
}

#[tokio::test]
async fn a_name_of_nothing_or_of_another_kind_is_refused_and_nothing_is_half_made() {
    let shop = Shop::without_events().await;
    let product = shop.make("/v1/products", &json!({ "name": "Tea" })).await;
    let customer = shop.make("/v1/customers", &json!({ "name": "Ada" })).await;
    let before = all_there_is(&shop.app, &shop.stripe).await;

    let nobody = uuid::Uuid::nil().to_string();
    for (room, give) in [("customers", "give cus_…"), ("products", "give prod_…"), ("prices", "give price_…")]
    {
        for name in ["cus_none", "prod_none", "price_none", "in_1", &nobody, "my%20tea", "cus_%00"] {
            let answer = shop.app.get(&format!("/v1/{room}/{name}")).await;
            assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{room} {name}");
            assert!(answer.text().await.unwrap().contains(give), "{room} {name}");
        }
        for query in ["limit=0", "limit=x", "cursor=x", "colour=red"] {
            let answer = shop.app.get(&format!("/v1/{room}?{query}")).await;
            let expected = if query.starts_with("colour") { 400 } else { 422 };
            assert_eq!(answer.status().as_u16(), expected, "{room} {query}");
        }
    }
    let price = |fields: Value| {
        let mut price = json!({ "product": product["id"], "currency": "usd", "unit_amount": 1500 });
        price.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        price
    };
    for (path, body, field, words) in [
        ("prices", price(json!({ "product": customer["stripe_id"] })), "product", "prod_…"),
        ("prices", price(json!({ "product": customer["id"] })), "product", "prod_…"),
        (
            "prices",
            price(json!({ "recurring": { "interval": "day", "interval_count": 0 } })),
            "recurring.interval_count",
            "1 to 1095",
        ),
        (
            "prices",
            price(json!({ "recurring": { "interval": "year", "interval_count": 4 } })),
            "recurring.interval_count",
            "three years",
        ),
        ("prices", price(json!({ "recurring": { "interval_count": 1 } })), "recurring.interval", "missing"),
        ("prices", price(json!({ "recurring": "month" })), "recurring", "struct"),
        (
            "prices",
            price(json!({ "recurring": { "interval": "month", "days": 3 } })),
            "recurring.days",
            "unknown field",
        ),
        ("prices", price(json!({ "unit_amount": 1_000_000_000_000_i64 })), "unit_amount", "minor units"),
        ("prices", price(json!({ "unit_amount": "15.00" })), "unit_amount", "i64"),
        ("prices", price(json!({ "currency": "" })), "currency", ""),
        ("prices", price(json!({ "sku": "x".repeat(201) })), "sku", "1 to 200"),
        ("products", json!({ "name": "Tea", "sku": "a\u{0}" }), "sku", "control characters"),
        ("products", json!({ "name": "Tea", "price": 7 }), "price", "unknown field"),
        ("customers", json!({ "name": "a\u{0}" }), "name", "control characters"),
        (
            "customers",
            json!({ "shipping": { "name": "Ada", "line1": "1", "country": "Germany" } }),
            "shipping.country",
            "DE",
        ),
        ("customers", json!({ "metadata": { "a": "\u{0}" } }), "metadata.a", "a text"),
    ] {
        let (status, code, told) = shop.refused(&format!("/v1/{path}"), Some(&body)).await;
        assert_eq!((status, code.as_str()), (422, "validation_failed"), "{body}: {told}");
        assert!(told.contains(&format!("\"field\":\"{field}\"")) && told.contains(words), "{body}: {told}");
    }
    assert_eq!(all_there_is(&shop.app, &shop.stripe).await, before);
}
