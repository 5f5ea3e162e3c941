//! The wire: what Stripe sends and what we send, as far as we read and send it. Knows nothing of orders.
//!
//! Shapes of ten years of API versions are read side by side, told apart by which keys are present, never by
//! `api_version`. Unknown fields and unknown values of enumerations are no errors: Stripe adds some every month.

mod calls;
mod client;
mod error;
mod event;
pub mod form;
mod id;
mod pages;
pub mod params;
mod resources;

pub use client::{API_VERSION, Call, CannotCall, Chunks, Client, FileStream, Patience};
pub use error::{CallError, NotDone, NotDoneCause, Refusal, Unknown, UnknownCause};
pub use event::{Envelope, Event, Malformed};
pub use id::{Id, is_id, is_payment_method_id};
pub use pages::Listing;
pub use resources::{
    Account, AccountLink, Address, BalanceTransaction, Card, Charge, CheckoutSession, ClientSecret, Customer,
    CustomerDetails, Dispute, EarlyFraudWarning, Invoice, InvoiceLine, InvoicePayment, LinePrice, Metadata,
    NamedProduct, NextAction, OAuthGrant, PauseCollection, PaymentError, PaymentIntent, PaymentMethod,
    Period, Price, Product, Quote, QuoteLine, QuoteRecurring, Recurring, RedirectToUrl, Refund, Requirements,
    Review, SessionLine, ShippingDetails, Subscription, SubscriptionItem, SubscriptionPrice,
    SubscriptionRecurring, SubscriptionSchedule, TransferData,
};
