//! Making a thing: its row and its call in one transaction, then the call.

use serde::Serialize;
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use super::customer::CreateCustomer;
use super::price::CreatePrice;
use super::product::CreateProduct;
use super::thing::Making;
use super::{Catalogue, store};
use crate::api::{ApiError, ApiKey, Claim, FieldError, IdempotencyKey};
use crate::db;
use crate::outbox::{self, NewCall, Written};

pub(super) const CREATE_CUSTOMER: &str = "customer.create";
pub(super) const CREATE_PRODUCT: &str = "product.create";
pub(super) const CREATE_PRICE: &str = "price.create";

/// A thing that a request made, now or before under the same key.
pub(super) struct Made {
    pub id: Uuid,
    pub is_replay: bool,
}

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
        self.make(idempotency, CREATE_CUSTOMER, "/v1/customers", async |conn, id| {
            store::insert_customer(conn, id, asked, key.id, self.now()).await?;
            params(&asked.params())
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
        self.make(idempotency, CREATE_PRODUCT, "/v1/products", async |conn, id| {
            store::insert_product(conn, id, asked, key.id, self.now()).await?;
            params(&asked.params())
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
        self.make(idempotency, CREATE_PRICE, "/v1/prices", async |conn, id| {
            let product = product_of(conn, &asked.product).await?;
            let sku = asked.sku.as_deref().or(product.sku.as_deref());
            let row = store::NewPriceRow { id, asked, product: &product, sku, currency, api_key_id: key.id };
            store::insert_price(conn, &row, self.now()).await?;
            params(&asked.params(&product.stripe_id, currency, sku))
        })
        .await
    }

    async fn make(
        &self,
        idempotency: Option<&IdempotencyKey>,
        operation: &'static str,
        path: &str,
        insert: impl AsyncFnOnce(&mut PgConnection, Uuid) -> Result<Value, ApiError>,
    ) -> Result<Made, ApiError> {
        self.outbox.stripe()?;
        let mut tx = self.pool.begin().await?;
        let begun = self.begin(&mut tx, idempotency, operation, path, insert).await;
        let made = db::end(tx, begun).await?;
        let call = outbox::find_call(&mut *self.pool.acquire().await?, made.id, operation).await?;
        let call = call.ok_or(sqlx::Error::RowNotFound)?;
        self.outbox.run(call).await?.done()?;
        Ok(made)
    }

    async fn begin(
        &self,
        conn: &mut PgConnection,
        idempotency: Option<&IdempotencyKey>,
        operation: &'static str,
        path: &str,
        insert: impl AsyncFnOnce(&mut PgConnection, Uuid) -> Result<Value, ApiError>,
    ) -> Result<Made, ApiError> {
        if let Some(idempotency) = idempotency
            && let Claim::Begun(id) | Claim::Answered(_, Some(id)) = idempotency.look_up(conn).await?
        {
            return Ok(Made { id, is_replay: true });
        }
        let (id, now) = (Uuid::now_v7(), self.now());
        let params = insert(conn, id).await?;
        let call = NewCall { operation, subject: id, path: path.to_owned(), params, account: None };
        if let Written::Busy { operation, .. } = outbox::write(conn, call, now).await? {
            return Err(outbox::in_progress(&operation));
        }
        if let Some(idempotency) = idempotency {
            idempotency.begin(conn, id, now).await?;
        }
        Ok(Made { id, is_replay: false })
    }
}

fn params(typed: &impl Serialize) -> Result<Value, ApiError> {
    serde_json::to_value(typed).map_err(|error| sqlx::Error::Encode(Box::new(error)).into())
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
    let known = store::find_product(conn, name).await?;
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
        None if is_id(name, "prod_") => {
            Ok(ProductOfPrice { id: None, stripe_id: name.to_owned(), sku: None })
        }
        None => Err(fault(format!(
            "there is no product {name:?}: give the id that POST /v1/products answered, or Stripe's, prod_…"
        ))),
    }
}

/// Whether a text may be an id of Stripe's.
pub(super) fn is_id(text: &str, prefix: &str) -> bool {
    text.len() > prefix.len()
        && text.len() <= 255
        && text.starts_with(prefix)
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
