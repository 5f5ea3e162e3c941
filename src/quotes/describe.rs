//! The quotes behind orders, for whoever shows an order's way from its offer on.

use sqlx::PgConnection;

use super::quote::QuoteState;
use super::store;

/// A quote that led to an invoice or a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Behind {
    /// Ours.
    pub id: uuid::Uuid,
    /// `qt_…`
    pub stripe_id: Option<String>,
    /// What the customer knows it by.
    pub number: Option<String>,
    /// How far it is.
    pub state: QuoteState,
    /// `in_…` of its first invoice.
    pub invoice: Option<String>,
    /// `sub_…` that it began.
    pub subscription: Option<String>,
    /// `sub_sched_…` that began the subscription later.
    pub subscription_schedule: Option<String>,
}

/// The quotes that led to any of these invoices, subscriptions and schedules.
///
/// # Errors
/// The database's.
pub async fn behind(
    conn: &mut PgConnection,
    invoices: &[String],
    subscriptions: &[String],
    schedules: &[String],
) -> sqlx::Result<Vec<Behind>> {
    if invoices.is_empty() && subscriptions.is_empty() && schedules.is_empty() {
        return Ok(Vec::new());
    }
    store::find_behind(conn, invoices, subscriptions, schedules).await
}
