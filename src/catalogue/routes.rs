//! `/v1/customers`, `/v1/products`, `/v1/prices`.

use actix_web::http::StatusCode;
use actix_web::web::{self, Data, Json, Path};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use utoipa::{IntoParams, OpenApi};

use super::Catalogue;
use super::customer::{CreateCustomer, Customer};
use super::price::{CreatePrice, Price};
use super::product::{CreateProduct, Product};
use super::store::Thing;
use crate::api::{
    ApiError, ApiKey, Asked, BodyFaults, CommonFaults, Faults, NamedFaults, Page, Paging, QueryFaults,
    answer, only, read_query,
};
use crate::outbox::Made;

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
        let mut faults = Faults::default();
        let page = Paging::read(query.cursor.as_deref(), query.limit.as_deref(), &mut faults);
        faults.finish(Some(page)).map_err(ApiError::invalid)
    }
}

/// What was made, and whether it was before.
async fn created<T: Thing>(catalogue: &Catalogue, made: &Made) -> Result<HttpResponse, ApiError> {
    let thing = T::load(&mut *catalogue.pool.acquire().await?, &[made.id]).await?.pop();
    Ok(answer(StatusCode::CREATED, &thing.ok_or(sqlx::Error::RowNotFound)?, made.is_replay))
}

async fn show<T: Thing>(catalogue: &Catalogue, name: &str) -> Result<Json<T>, ApiError> {
    let found = T::find(&mut *catalogue.pool.acquire().await?, name).await?;
    let missing = || {
        ApiError::not_found(format!(
            "no {kind} that was made through Packline has the id {name:?}; give {}… or the id that POST /v1/{kind}s answered",
            T::PREFIX,
            kind = T::KIND
        ))
    };
    found.map(Json).ok_or_else(missing)
}

async fn list<T: Thing>(request: &HttpRequest, catalogue: &Catalogue) -> Result<Json<Page<T>>, ApiError> {
    let page = ListQuery::read(request)?;
    let mut conn = catalogue.pool.acquire().await?;
    let found = T::ids(&mut conn, page).await?;
    Ok(Json(page.show(found, async |ids| T::load(&mut conn, ids).await).await?))
}

/// Makes a customer, here and at Stripe.
#[utoipa::path(
    post, path = "/v1/customers", tag = "billing", security(("api_key" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "The same key with the same request makes one customer, and goes on where an earlier try had no answer.")),
    request_body = CreateCustomer,
    responses((status = 201, description = "The customer.", body = Customer), CommonFaults, BodyFaults)
)]
async fn create_customer(asked: Asked, catalogue: Data<Catalogue>) -> Result<HttpResponse, ApiError> {
    let made = catalogue.create_customer(asked.key, asked.idempotency.as_ref(), &asked.json()?).await?;
    created::<Customer>(&catalogue, &made).await
}

/// Shows a customer.
#[utoipa::path(
    get, path = "/v1/customers/{name}", tag = "billing", security(("api_key" = [])),
    params(("name" = String, Path, description = "Our id or Stripe's, `cus_…`.")),
    responses((status = 200, description = "The customer.", body = Customer), CommonFaults, NamedFaults)
)]
async fn show_customer(
    _: ApiKey,
    name: Path<String>,
    catalogue: Data<Catalogue>,
) -> Result<Json<Customer>, ApiError> {
    show(&catalogue, &name).await
}

/// Lists customers that were made through Packline, newest first.
#[utoipa::path(
    get, path = "/v1/customers", tag = "billing", security(("api_key" = [])), params(ListQuery),
    responses((status = 200, description = "A page of customers.", body = Page<Customer>), CommonFaults, QueryFaults)
)]
async fn list_customers(
    _: ApiKey,
    request: HttpRequest,
    catalogue: Data<Catalogue>,
) -> Result<Json<Page<Customer>>, ApiError> {
    list(&request, &catalogue).await
}

/// Makes a product, here and at Stripe.
#[utoipa::path(
    post, path = "/v1/products", tag = "billing", security(("api_key" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "The same key with the same request makes one product, and goes on where an earlier try had no answer.")),
    request_body = CreateProduct,
    responses((status = 201, description = "The product.", body = Product), CommonFaults, BodyFaults)
)]
async fn create_product(asked: Asked, catalogue: Data<Catalogue>) -> Result<HttpResponse, ApiError> {
    let made = catalogue.create_product(asked.key, asked.idempotency.as_ref(), &asked.json()?).await?;
    created::<Product>(&catalogue, &made).await
}

/// Shows a product.
#[utoipa::path(
    get, path = "/v1/products/{name}", tag = "billing", security(("api_key" = [])),
    params(("name" = String, Path, description = "Our id or Stripe's, `prod_…`.")),
    responses((status = 200, description = "The product.", body = Product), CommonFaults, NamedFaults)
)]
async fn show_product(
    _: ApiKey,
    name: Path<String>,
    catalogue: Data<Catalogue>,
) -> Result<Json<Product>, ApiError> {
    show(&catalogue, &name).await
}

/// Lists products that were made through Packline, newest first.
#[utoipa::path(
    get, path = "/v1/products", tag = "billing", security(("api_key" = [])), params(ListQuery),
    responses((status = 200, description = "A page of products.", body = Page<Product>), CommonFaults, QueryFaults)
)]
async fn list_products(
    _: ApiKey,
    request: HttpRequest,
    catalogue: Data<Catalogue>,
) -> Result<Json<Page<Product>>, ApiError> {
    list(&request, &catalogue).await
}

/// Makes a price, here and at Stripe.
#[utoipa::path(
    post, path = "/v1/prices", tag = "billing", security(("api_key" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "The same key with the same request makes one price, and goes on where an earlier try had no answer.")),
    request_body = CreatePrice,
    responses((status = 201, description = "The price.", body = Price), CommonFaults, BodyFaults)
)]
async fn create_price(asked: Asked, catalogue: Data<Catalogue>) -> Result<HttpResponse, ApiError> {
    let made = catalogue.create_price(asked.key, asked.idempotency.as_ref(), &asked.json()?).await?;
    created::<Price>(&catalogue, &made).await
}

/// Shows a price.
#[utoipa::path(
    get, path = "/v1/prices/{name}", tag = "billing", security(("api_key" = [])),
    params(("name" = String, Path, description = "Our id or Stripe's, `price_…`.")),
    responses((status = 200, description = "The price.", body = Price), CommonFaults, NamedFaults)
)]
async fn show_price(
    _: ApiKey,
    name: Path<String>,
    catalogue: Data<Catalogue>,
) -> Result<Json<Price>, ApiError> {
    show(&catalogue, &name).await
}

/// Lists prices that were made through Packline, newest first.
#[utoipa::path(
    get, path = "/v1/prices", tag = "billing", security(("api_key" = [])), params(ListQuery),
    responses((status = 200, description = "A page of prices.", body = Page<Price>), CommonFaults, QueryFaults)
)]
async fn list_prices(
    _: ApiKey,
    request: HttpRequest,
    catalogue: Data<Catalogue>,
) -> Result<Json<Page<Price>>, ApiError> {
    list(&request, &catalogue).await
}
