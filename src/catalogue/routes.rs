//! `/v1/customers`, `/v1/products`, `/v1/prices`.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, OpenApi, ToSchema};

use super::customer::{CreateCustomer, Customer};
use super::make::Made;
use super::price::{CreatePrice, Price};
use super::product::{CreateProduct, Product};
use super::thing::{Page, Thing};
use super::{Catalogue, store};
use crate::api::{
    ApiError, ApiKey, BodyFaults, CommonFaults, FieldError, IdempotencyKey, NamedFaults, Paging, QueryFaults,
    cursor, method_not_allowed, read_body, read_json, read_query,
};

/// These routes, as `/openapi.json` describes them.
#[derive(OpenApi)]
#[openapi(paths(
    create_customer,
    list_customers,
    show_customer,
    create_product,
    list_products,
    show_product,
    create_price,
    list_prices,
    show_price
))]
pub struct Described;

/// Adds the routes to a service.
pub fn configure(service: &mut web::ServiceConfig) {
    let only = |allowed: &'static str| web::to(move || async move { method_not_allowed(allowed) });
    let customers = web::resource("/v1/customers").get(list_customers).post(create_customer);
    let products = web::resource("/v1/products").get(list_products).post(create_product);
    let prices = web::resource("/v1/prices").get(list_prices).post(create_price);
    service
        .service(customers.default_service(only("GET, POST")))
        .service(products.default_service(only("GET, POST")))
        .service(prices.default_service(only("GET, POST")))
        .service(web::resource("/v1/customers/{name}").get(show_customer).default_service(only("GET")))
        .service(web::resource("/v1/products/{name}").get(show_product).default_service(only("GET")))
        .service(web::resource("/v1/prices/{name}").get(show_price).default_service(only("GET")));
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
    /// How many on a page; 20 by default.
    #[param(value_type = Option<i64>, minimum = 1, maximum = 100)]
    limit: Option<String>,
}

impl ListQuery {
    fn read(request: &HttpRequest) -> Result<Paging, ApiError> {
        let query: Self = read_query(request)?;
        let mut faults: Vec<FieldError> = Vec::new();
        let page = Paging::read(query.cursor.as_deref(), query.limit.as_deref(), &mut faults);
        if faults.is_empty() { Ok(page) } else { Err(ApiError::invalid(faults)) }
    }
}

fn rows(page: Paging) -> Page {
    Page { after: page.after, limit: page.rows() }
}

fn next_cursor<T: Thing>(data: &[T], has_more: bool) -> Option<String> {
    data.last().filter(|_| has_more).map(|last| {
        let (created_at, id) = last.key();
        cursor(created_at, id)
    })
}

/// What was made, and whether it was before.
fn created<T: Thing>(made: &Made, thing: Option<T>) -> Result<HttpResponse, ApiError> {
    let thing = thing.ok_or(sqlx::Error::RowNotFound)?;
    let mut response = HttpResponse::Created();
    if made.is_replay {
        response.insert_header(("Idempotent-Replayed", "true"));
    }
    Ok(response.json(thing))
}

/// Makes a customer, here and at Stripe.
#[utoipa::path(
    post, path = "/v1/customers", tag = "billing", security(("api_key" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "The same key with the same request makes one customer, and goes on where an earlier try had no answer.")),
    request_body = CreateCustomer,
    responses((status = 201, description = "The customer.", body = Customer), CommonFaults, BodyFaults)
)]
async fn create_customer(
    key: ApiKey,
    request: HttpRequest,
    body: web::Payload,
    catalogue: web::Data<Catalogue>,
) -> Result<HttpResponse, ApiError> {
    let body = read_body(body).await?;
    let idempotency = IdempotencyKey::of(request.headers(), key, "POST /v1/customers", &body)?;
    let asked: CreateCustomer = read_json(&body)?;
    let made = catalogue.create_customer(key, idempotency.as_ref(), &asked).await?;
    let mut conn = catalogue.pool.acquire().await?;
    created(&made, store::load_customers(&mut conn, &[made.id]).await?.pop())
}

/// Shows a customer.
#[utoipa::path(
    get, path = "/v1/customers/{name}", tag = "billing", security(("api_key" = [])),
    params(("name" = String, Path, description = "Our id or Stripe's, `cus_…`.")),
    responses((status = 200, description = "The customer.", body = Customer), CommonFaults, NamedFaults)
)]
async fn show_customer(
    _: ApiKey,
    name: web::Path<String>,
    catalogue: web::Data<Catalogue>,
) -> Result<web::Json<Customer>, ApiError> {
    let mut conn = catalogue.pool.acquire().await?;
    let found = store::find_customer(&mut conn, &name).await?;
    let missing = || {
        ApiError::not_found(format!(
            "no customer that was made through Packline has the id {name:?}; give cus_… or the id that POST /v1/customers answered"
        ))
    };
    found.map(web::Json).ok_or_else(missing)
}

/// A page of customers, newest first.
#[derive(Serialize, ToSchema)]
struct CustomerPage {
    data: Vec<Customer>,
    /// Give it as `cursor` for the next page; absent on the last one.
    next_cursor: Option<String>,
}

/// Lists customers that were made through Packline, newest first.
#[utoipa::path(
    get, path = "/v1/customers", tag = "billing", security(("api_key" = [])), params(ListQuery),
    responses((status = 200, description = "A page of customers.", body = CustomerPage), CommonFaults, QueryFaults)
)]
async fn list_customers(
    _: ApiKey,
    request: HttpRequest,
    catalogue: web::Data<Catalogue>,
) -> Result<web::Json<CustomerPage>, ApiError> {
    let page = ListQuery::read(&request)?;
    let mut conn = catalogue.pool.acquire().await?;
    let mut ids = store::list_customers(&mut conn, rows(page)).await?;
    let has_more = page.cut(&mut ids);
    let data = store::load_customers(&mut conn, &ids).await?;
    let next_cursor = next_cursor(&data, has_more);
    Ok(web::Json(CustomerPage { data, next_cursor }))
}

/// Makes a product, here and at Stripe.
#[utoipa::path(
    post, path = "/v1/products", tag = "billing", security(("api_key" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "The same key with the same request makes one product, and goes on where an earlier try had no answer.")),
    request_body = CreateProduct,
    responses((status = 201, description = "The product.", body = Product), CommonFaults, BodyFaults)
)]
async fn create_product(
    key: ApiKey,
    request: HttpRequest,
    body: web::Payload,
    catalogue: web::Data<Catalogue>,
) -> Result<HttpResponse, ApiError> {
    let body = read_body(body).await?;
    let idempotency = IdempotencyKey::of(request.headers(), key, "POST /v1/products", &body)?;
    let asked: CreateProduct = read_json(&body)?;
    let made = catalogue.create_product(key, idempotency.as_ref(), &asked).await?;
    let mut conn = catalogue.pool.acquire().await?;
    created(&made, store::load_products(&mut conn, &[made.id]).await?.pop())
}

/// Shows a product.
#[utoipa::path(
    get, path = "/v1/products/{name}", tag = "billing", security(("api_key" = [])),
    params(("name" = String, Path, description = "Our id or Stripe's, `prod_…`.")),
    responses((status = 200, description = "The product.", body = Product), CommonFaults, NamedFaults)
)]
async fn show_product(
    _: ApiKey,
    name: web::Path<String>,
    catalogue: web::Data<Catalogue>,
) -> Result<web::Json<Product>, ApiError> {
    let mut conn = catalogue.pool.acquire().await?;
    let found = store::find_product(&mut conn, &name).await?;
    let missing = || {
        ApiError::not_found(format!(
            "no product that was made through Packline has the id {name:?}; give prod_… or the id that POST /v1/products answered"
        ))
    };
    found.map(web::Json).ok_or_else(missing)
}

/// A page of products, newest first.
#[derive(Serialize, ToSchema)]
struct ProductPage {
    data: Vec<Product>,
    /// Give it as `cursor` for the next page; absent on the last one.
    next_cursor: Option<String>,
}

/// Lists products that were made through Packline, newest first.
#[utoipa::path(
    get, path = "/v1/products", tag = "billing", security(("api_key" = [])), params(ListQuery),
    responses((status = 200, description = "A page of products.", body = ProductPage), CommonFaults, QueryFaults)
)]
async fn list_products(
    _: ApiKey,
    request: HttpRequest,
    catalogue: web::Data<Catalogue>,
) -> Result<web::Json<ProductPage>, ApiError> {
    let page = ListQuery::read(&request)?;
    let mut conn = catalogue.pool.acquire().await?;
    let mut ids = store::list_products(&mut conn, rows(page)).await?;
    let has_more = page.cut(&mut ids);
    let data = store::load_products(&mut conn, &ids).await?;
    let next_cursor = next_cursor(&data, has_more);
    Ok(web::Json(ProductPage { data, next_cursor }))
}

/// Makes a price, here and at Stripe.
#[utoipa::path(
    post, path = "/v1/prices", tag = "billing", security(("api_key" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "The same key with the same request makes one price, and goes on where an earlier try had no answer.")),
    request_body = CreatePrice,
    responses((status = 201, description = "The price.", body = Price), CommonFaults, BodyFaults)
)]
async fn create_price(
    key: ApiKey,
    request: HttpRequest,
    body: web::Payload,
    catalogue: web::Data<Catalogue>,
) -> Result<HttpResponse, ApiError> {
    let body = read_body(body).await?;
    let idempotency = IdempotencyKey::of(request.headers(), key, "POST /v1/prices", &body)?;
    let asked: CreatePrice = read_json(&body)?;
    let made = catalogue.create_price(key, idempotency.as_ref(), &asked).await?;
    let mut conn = catalogue.pool.acquire().await?;
    created(&made, store::load_prices(&mut conn, &[made.id]).await?.pop())
}

/// Shows a price.
#[utoipa::path(
    get, path = "/v1/prices/{name}", tag = "billing", security(("api_key" = [])),
    params(("name" = String, Path, description = "Our id or Stripe's, `price_…`.")),
    responses((status = 200, description = "The price.", body = Price), CommonFaults, NamedFaults)
)]
async fn show_price(
    _: ApiKey,
    name: web::Path<String>,
    catalogue: web::Data<Catalogue>,
) -> Result<web::Json<Price>, ApiError> {
    let mut conn = catalogue.pool.acquire().await?;
    let found = store::find_price(&mut conn, &name).await?;
    let missing = || {
        ApiError::not_found(format!(
            "no price that was made through Packline has the id {name:?}; give price_… or the id that POST /v1/prices answered"
        ))
    };
    found.map(web::Json).ok_or_else(missing)
}

/// A page of prices, newest first.
#[derive(Serialize, ToSchema)]
struct PricePage {
    data: Vec<Price>,
    /// Give it as `cursor` for the next page; absent on the last one.
    next_cursor: Option<String>,
}

/// Lists prices that were made through Packline, newest first.
#[utoipa::path(
    get, path = "/v1/prices", tag = "billing", security(("api_key" = [])), params(ListQuery),
    responses((status = 200, description = "A page of prices.", body = PricePage), CommonFaults, QueryFaults)
)]
async fn list_prices(
    _: ApiKey,
    request: HttpRequest,
    catalogue: web::Data<Catalogue>,
) -> Result<web::Json<PricePage>, ApiError> {
    let page = ListQuery::read(&request)?;
    let mut conn = catalogue.pool.acquire().await?;
    let mut ids = store::list_prices(&mut conn, rows(page)).await?;
    let has_more = page.cut(&mut ids);
    let data = store::load_prices(&mut conn, &ids).await?;
    let next_cursor = next_cursor(&data, has_more);
    Ok(web::Json(PricePage { data, next_cursor }))
}
