//! Orders: what was bought, what was paid for it, and whether it may be sent.
//!
//! An order moves on three axes. Its payment is moved by Stripe events only: [`events`] reads them, [`settle()`] finds
//! the order that they concern, `state` holds the rules. Its fulfilment is moved through [`move_fulfilment`] by the
//! feature of that name. It is held while one of its holds is open. Every move leaves a row with its cause.
//!
//! One purchase shows itself in many Stripe objects; they meet in one order through `order_refs`. A success that
//! belongs to no order waits a grace for what may still explain it and is then adopted: an order is made of it.

mod billing;
pub mod events;
mod hold;
mod late;
pub mod lookups;
mod number;
mod order;
mod place;
pub mod routes;
mod settle;
mod state;
mod steer;
mod store;
mod take_payment;

pub use billing::{Billing, BillingInvoice, BillingQuote, BillingSubscription, DescribeBilling};
pub use hold::{hold, release_holds};
pub use order::{
    Axis, Cause, Customer, FulfilmentStatus, HoldKind, Line, LineKind, LookupKind, Order, OrderHead, Origin,
    PaymentStatus, Ref, RefKind, Shipping, UnknownValue,
};
pub use settle::{Candidate, Patience, QueueNew, SettleError, Settled, ToSend, Verdict, settle};
pub use state::{Consequence, Details, HoldState, MoneyFact, MoneyKind, News, OrderFacts};
pub use steer::{LockedOrder, Step};
pub use store::{
    FulfilmentMove, ListFilter, Payment, Timeline, TimelineEntry, find, list, load, load_heads,
    load_timeline, move_fulfilment,
};
pub use take_payment::{NewOrder, TakePayment};
