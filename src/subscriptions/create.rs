//! Making a subscription: the row first, then Stripe.

use actix_web::http::StatusCode;
use sqlx::PgConnection;
use uuid::Uuid;

use super::Subscriptions;
use super::ask::expand;
use super::check::CreateSubscription;
use super::store::{self, NewRow};
use crate::api::{Answer, ApiError, ApiKey, FieldError, IdempotencyKey};
use crate::outbox::{self, NewCall, Plan};
use crate::stripe::params::{NewMetadata, NewSubscription, NewSubscriptionItem, PaymentBehavior};

impl Subscriptions {
    /// Makes a subscription; returns the answer, and whether it was given before.
    ///
    /// # Errors
    /// 402 where the first payment was declined and nothing was made, 422 where Stripe refuses, 503 where nobody knows
    /// yet what became of it.
    pub(super) async fn create(
        &self,
        key: ApiKey,
        idempotency: Option<&IdempotencyKey>,
        asked: &CreateSubscription,
    ) -> Result<(Answer, bool), ApiError> {
        asked.check().map_err(ApiError::invalid)?;
        let made = self
            .outbox
            .request(idempotency, None, async |conn| {
                let now = self.clock.now();
                let id = Uuid::now_v7();
                let (customer, prices) = self.resolve(conn, asked).await?;
                let collection_method = asked.collection_method.as_deref().unwrap_or("charge_automatically");
                let row = NewRow {
                    id,
                    customer: &customer,
                    collection_method,
                    metadata: &asked.metadata,
                    api_key_id: key.id,
                };
                store::insert_creating(conn, &row, now).await?;
                let call = NewCall {
                    operation: "subscription.create",
                    subject: id,
                    path: "/v1/subscriptions".to_owned(),
                    params: outbox::params(&asked.params(&customer, prices))?,
                    account: None,
                };
                Ok(Plan::Call(outbox::write(conn, call, now).await?))
            })
            .await?;
        match made {
            outbox::Asked::Answered(answer) => Ok((answer, true)),
            outbox::Asked::Done(id) => {
                self.answer(id.unwrap_or_default(), idempotency, StatusCode::CREATED).await
            }
        }
    }

    /// Stripe's ids of the customer and of the prices.
    async fn resolve(
        &self,
        conn: &mut PgConnection,
        asked: &CreateSubscription,
    ) -> Result<(String, Vec<String>), ApiError> {
        let mut faults = Vec::new();
        let customer = (self.neighbours.customer)(conn, &asked.customer).await?;
        let customer = customer.unwrap_or_else(|why| {
            faults.push(FieldError::new("customer", why));
            String::new()
        });
        let mut prices = Vec::with_capacity(asked.items.len());
        let mut currency: Option<(usize, String)> = None;
        for (position, item) in asked.items.iter().enumerate() {
            match (self.neighbours.price)(conn, &item.price).await? {
                Ok(price) => {
                    if let Some(own) = price.currency {
                        let (first, known) = currency.get_or_insert_with(|| (position, own.clone()));
                        if *known != own {
                            let why = format!(
                                "this price is in {own}, that of items[{first}] in {known}: a subscription has one \
                                 currency, make a subscription for each"
                            );
                            faults.push(FieldError::new(format!("items[{position}].price"), why));
                        }
                    }
                    prices.push(price.stripe_id);
                }
                Err(why) => faults.push(FieldError::new(format!("items[{position}].price"), why)),
            }
        }
        if faults.is_empty() { Ok((customer, prices)) } else { Err(ApiError::invalid(faults)) }
    }
}

impl CreateSubscription {
    fn params(&self, customer: &str, prices: Vec<String>) -> NewSubscription {
        let items = self.items.iter().zip(prices).map(|(item, price)| NewSubscriptionItem {
            price,
            quantity: item.quantity,
            metadata: NewMetadata::new(),
        });
        let charged = self.payment_behavior.unwrap_or(PaymentBehavior::DefaultIncomplete);
        NewSubscription {
            customer: customer.to_owned(),
            items: items.collect(),
            payment_behavior: (!self.is_sent()).then_some(charged),
            collection_method: self.collection_method.clone(),
            days_until_due: self.days_until_due,
            default_payment_method: self.default_payment_method.clone(),
            trial_period_days: self.trial_days,
            metadata: self.metadata.clone(),
            expand: expand(),
        }
    }
}
