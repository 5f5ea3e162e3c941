//! Customers: who is offered something, billed and sent parcels.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use super::thing::{Making, metadata};
use crate::api::{Faults, FieldError, Placed};
use crate::orders::Shipping;
use crate::stripe::params::{NewAddress, NewCustomer, NewCustomerShipping};

/// The body of `POST /v1/customers`. Nothing is needed, but an e-mail address helps.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateCustomer {
    /// Where invoices and receipts go.
    #[serde(default)]
    pub email: Option<String>,
    /// On invoices.
    #[serde(default)]
    #[schema(max_length = 256)]
    pub name: Option<String>,
    /// For carriers.
    #[serde(default)]
    #[schema(max_length = 20)]
    pub phone: Option<String>,
    /// The merchant's note.
    #[serde(default)]
    #[schema(max_length = 350)]
    pub description: Option<String>,
    /// Where to send what this customer's invoices bill; its name is the customer's where it has none.
    #[serde(default)]
    pub shipping: Option<Shipping>,
    /// The merchant's own notes, texts; Stripe keeps them too.
    #[serde(default)]
    #[schema(value_type = std::collections::HashMap<String, String>)]
    pub metadata: Map<String, Value>,
}

/// A customer that was made through Packline.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = BilledCustomer)]
pub struct Customer {
    /// Ours.
    pub id: Uuid,
    /// `cus_…`, once it is made.
    pub stripe_id: Option<String>,
    /// How far its making is.
    pub state: Making,
    /// Why it was refused.
    pub reason: Option<String>,
    /// Where invoices and receipts go.
    pub email: Option<String>,
    /// On invoices.
    pub name: Option<String>,
    /// For carriers.
    pub phone: Option<String>,
    /// The merchant's note.
    pub description: Option<String>,
    /// Where to send.
    pub shipping: Option<Shipping>,
    /// The merchant's own notes.
    #[schema(value_type = std::collections::HashMap<String, String>)]
    pub metadata: Map<String, Value>,
    /// When it was asked for.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When it last changed here.
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
}

impl Placed for Customer {
    fn place(&self) -> (OffsetDateTime, Uuid) {
        (self.created_at, self.id)
    }
}

impl CreateCustomer {
    pub(super) fn check(&self) -> Result<(), Vec<FieldError>> {
        let mut faults = Faults::default();
        faults.email("email", self.email.as_deref());
        faults.text("name", self.name.as_deref(), 256);
        faults.text("phone", self.phone.as_deref(), 20);
        faults.text("description", self.description.as_deref(), 350);
        faults.metadata(&self.metadata);
        if let Some(shipping) = &self.shipping {
            for (field, part) in [
                ("shipping.name", &shipping.name),
                ("shipping.phone", &shipping.phone),
                ("shipping.line1", &shipping.line1),
                ("shipping.line2", &shipping.line2),
                ("shipping.city", &shipping.city),
                ("shipping.state", &shipping.state),
                ("shipping.postal_code", &shipping.postal_code),
            ] {
                faults.text(field, part.as_deref(), 500);
            }
            faults.country("shipping.country", shipping.country.as_deref());
            if shipping.name.is_none() && self.name.is_none() {
                faults.add("shipping.name", "say who receives it: Stripe keeps no address without a name");
            }
        }
        faults.finish(Some(()))
    }

    pub(super) fn params(&self) -> NewCustomer {
        NewCustomer {
            email: self.email.clone(),
            name: self.name.clone(),
            phone: self.phone.clone(),
            description: self.description.clone(),
            shipping: self.shipping.clone().map(|shipping| NewCustomerShipping {
                name: shipping.name.or_else(|| self.name.clone()).unwrap_or_default(),
                phone: shipping.phone.or_else(|| self.phone.clone()),
                address: NewAddress {
                    line1: shipping.line1,
                    line2: shipping.line2,
                    city: shipping.city,
                    state: shipping.state,
                    postal_code: shipping.postal_code,
                    country: shipping.country,
                },
            }),
            metadata: metadata(&self.metadata, None),
        }
    }
}
