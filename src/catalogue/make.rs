//! Creation a thing: its row and its call in one transaction, then the call.

use sqlx::PgConnection;
use uuid::Uuid;

use super::customer::CreateCustomer;
use super::price::CreatePrice;
use super::product::{CreateProduct, Product};
use super::store::Thing;
use super::thing::Making;
use super::{Catalogue, store};
use crate::api::{ApiError, ApiKey, FieldError, IdempotencyKey};
use crate::outbox::{self, Creation, Made};
use crate::stripe;

pub(super) const CREATE_CUSTOMER: Creation = Creation { operation: "customer.create", path: "/v1/customers" };
pub(super) const CREATE_PRODUCT: Creation = Creation { operation: "product.create", path: "/v1/products" };
pub(super) const CREATE_PRICE: Creation = Creation { operation: "price.create", path: "/v1/prices" };

impl Catalogue {
    /// Makes a customer.
    ///
    /// # Errors
    /// 422 where Stripe refuses, 503 where it gave no answer: then a repetition with the same key goes on.
    pub(super) async fn create_customer(
        &self,
        key: ApiKey,
        idempotency: Option<&IdempotencyKey>,
        asked: &CreateCustomer,
    ) -> Result<Made, ApiError> {
        asked.check().map_err(ApiError::invalid)?;
        self.outbox
            .make(idempotency, CREATE_CUSTOMER, async |conn, id| {
                store::insert_customer(conn, id, asked, key.id, self.now()).await?;
                Ok(outbox::params(&asked.params())?)
            })
            .await
    }

    /// Makes a product.
    ///
    /// # Errors
    /// As [`Self::create_customer`].
    pub(super) async fn create_product(
        &self,
        key: ApiKey,
        idempotency: Option<&IdempotencyKey>,
        asked: &CreateProduct,
    ) -> Result<Made, ApiError> {
        asked.check().map_err(ApiError::invalid)?;
        self.outbox
            .make(idempotency, CREATE_PRODUCT, async |conn, id| {
                store::insert_product(conn, id, asked, key.id, self.now()).await?;
                Ok(outbox::params(&asked.params())?)
            })
            .await
    }

    /// Makes a price.
    ///
    /// # Errors
    /// As [`Self::create_customer`]; also 422 for a product that is not there.
    pub(super) async fn create_price(
        &self,
        key: ApiKey,
        idempotency: Option<&IdempotencyKey>,
        asked: &CreatePrice,
    ) -> Result<Made, ApiError> {
        let currency = asked.check().map_err(ApiError::invalid)?;
        self.outbox
            .make(idempotency, CREATE_PRICE, async |conn, id| {
                let product = product_of(conn, &asked.product).await?;
                let sku = asked.sku.as_deref().or(product.sku.as_deref());
                let row =
                    store::NewPriceRow { id, asked, product: &product, sku, currency, api_key_id: key.id };
                store::insert_price(conn, &row, self.now()).await?;
                Ok(outbox::params(&asked.params(&product.stripe_id, currency, sku))?)
            })
            .await
    }
}

/// The product of a new price.
pub(super) struct ProductOfPrice {
    pub id: Option<Uuid>,
    pub stripe_id: String,
    pub sku: Option<String>,
}

/// One of ours that is made, or one of Stripe's that we need not know.
async fn product_of(conn: &mut PgConnection, name: &str) -> Result<ProductOfPrice, ApiError> {
    let fault = |message: String| ApiError::invalid(vec![FieldError::new("product", message)]);
    let known = Product::find(conn, name).await?;
    match known {
        Some(product) => match (product.state, product.stripe_id) {
            (Making::Created, Some(stripe_id)) => {
                Ok(ProductOfPrice { id: Some(product.id), stripe_id, sku: product.sku })
            }
            (state, _) => Err(fault(format!(
                "the product is {state}; only one that is created has prices: look at GET /v1/products/{}",
                product.id
            ))),
        },
        None if stripe::is_id(name, "prod_") => {
            Ok(ProductOfPrice { id: None, stripe_id: name.to_owned(), sku: None })
        }
        None => Err(fault(format!(
            "there is no product {name:?}: give the id that POST /v1/products answered, or Stripe's, prod_…"
        ))),
    }
}
