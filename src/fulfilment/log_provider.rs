//! The provider for development: it writes a log line and calls the order fulfilled.

use super::{Answer, Delivery, LookUp, Outcome, Provider, Receipt};

/// Ships nothing. `config.rs` chooses it unasked only where nothing can be lost.
#[derive(Clone, Copy, Debug)]
pub struct LogProvider;

impl Provider for LogProvider {
    fn name(&self) -> &'static str {
        "log"
    }

    fn send<'a>(&'a self, delivery: &'a Delivery) -> Answer<'a, Outcome> {
        tracing::info!(
            fulfilment.id = %delivery.fulfilment_id,
            order.id = %delivery.order.id,
            order.number = delivery.order.number,
            lines = delivery.order.lines.len(),
            "log provider: this is where the order would be sent"
        );
        Box::pin(async { Outcome::Fulfilled(Receipt::default()) })
    }

    fn look_up<'a>(&'a self, _idempotency_key: &'a str) -> Answer<'a, LookUp> {
        Box::pin(async { LookUp::NotOffered })
    }
}
