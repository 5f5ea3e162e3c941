//! The wire: what Stripe sends, as far as we read it. Knows nothing of orders.
//!
//! Shapes of ten years of API versions are read side by side, told apart by which keys are present, never by
//! `api_version`. Unknown fields and unknown values of enumerations are no errors: Stripe adds some every month.

mod event;
mod id;
mod resources;

pub use event::{Envelope, Event, Malformed};
pub use id::Id;
pub use resources::{
    Address, Charge, Customer, Dispute, Invoice, InvoiceLine, InvoicePayment, Metadata, PaymentIntent,
    Refund, ShippingDetails,
};
