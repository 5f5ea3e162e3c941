//! Products and prices.

use serde_json::json;

use super::Local;
use super::payments::id;

#[actix_web::test]
async fn a_price_is_found_by_its_key_its_product_and_its_metadata() {
    let local = Local::start();
    let product = local.make("/v1/products", "name=Tea&metadata[packline_id]=p1").await;
    let of = format!("product={}&currency=EUR", id(&product));
    let once =
        local.make("/v1/prices", &format!("{of}&unit_amount=500&lookup_key=tea&metadata[sku]=TEA-1")).await;
    let monthly = format!("{of}&unit_amount=900&recurring[interval]=month&recurring[interval_count]=3");
    let monthly = local.make("/v1/prices", &monthly).await;

    assert_eq!(
        (&once["type"], &once["currency"], &once["recurring"]),
        (&json!("one_time"), &json!("eur"), &json!(null))
    );
    assert_eq!((&monthly["type"], &monthly["recurring"]["interval_count"]), (&json!("recurring"), &json!(3)));
    for (path, found) in [
        ("/v1/prices?lookup_keys[]=tea".to_owned(), &once),
        (format!("/v1/prices?product={}&type=recurring", id(&product)), &monthly),
        ("/v1/prices/search?query=metadata['sku']:'TEA-1'".to_owned(), &once),
        ("/v1/products/search?query=metadata['packline_id']:'p1'".to_owned(), &product),
    ] {
        let list = local.see(&path).await;
        assert_eq!(list["data"].as_array().unwrap().len(), 1, "{path}");
        assert_eq!(list["data"][0]["id"], found["id"], "{path}");
    }
    let whole = local.see(&format!("/v1/prices/{}?expand[]=product", id(&once))).await;
    assert_eq!(whole["product"]["name"], "Tea");
    let renamed = local.make(&format!("/v1/products/{}", id(&product)), "name=Green tea").await;
    assert_eq!(renamed["name"], "Green tea");
    let happened = local.happenings();
    let last = happened.last().unwrap();
    assert_eq!(
        (last.event_type.as_str(), last.previous_attributes.as_ref().unwrap()["name"].as_str()),
        ("product.updated", Some("Tea"))
    );
}

#[actix_web::test]
async fn what_is_no_price_is_refused() {
    let local = Local::start();
    let product = local.make("/v1/products", "name=Tea").await;
    let of = format!("product={}&currency=usd", id(&product));
    local.make("/v1/prices", &format!("{of}&unit_amount=1&lookup_key=tea")).await;

    for (form, status, param) in [
        (of.clone(), 400, "unit_amount"),
        (format!("{of}&unit_amount=-1"), 400, "unit_amount"),
        (format!("{of}&unit_amount=1.5"), 400, "unit_amount"),
        (format!("{of}&unit_amount_decimal=1.5.5"), 400, "unit_amount_decimal"),
        (format!("{of}&unit_amount=5&recurring[interval]=fortnight"), 400, "recurring[interval]"),
        (
            format!("{of}&unit_amount=5&recurring[interval]=year&recurring[interval_count]=9"),
            400,
            "recurring[interval_count]",
        ),
        (format!("{of}&unit_amount=5&lookup_key=tea"), 400, "lookup_key"),
        ("product=prod_none&currency=usd&unit_amount=5".to_owned(), 400, "product"),
        (format!("product={}&currency=xyz&unit_amount=5", id(&product)), 400, "currency"),
        ("currency=usd&unit_amount=5".to_owned(), 400, "product"),
    ] {
        let refused = local.post("/v1/prices", &form).await;
        assert_eq!(
            (refused.status, refused.error("param")),
            (status, &json!(param)),
            "{form}: {}",
            refused.body
        );
    }
    assert_eq!(local.post("/v1/products", "description=nameless").await.error("param"), "name");
    let deleted =
        local.send(local.request(reqwest::Method::DELETE, &format!("/v1/products/{}", id(&product)))).await;
    assert_eq!(deleted.status, 400);
}
