//! What surrounds every call of Stripe's API, whatever it is about: keys, bodies, errors, idempotency, lists, `expand`
//! and the faults that a test may order.

pub(super) mod auth;
pub(super) mod call;
pub(super) mod expand;
pub(super) mod failure;
pub(super) mod faults;
pub(super) mod form;
pub(super) mod idempotency;
pub(super) mod pages;
pub(super) mod reply;
pub(super) mod shape;
