//! The Checkout Session of an order: what it is opened with, and how it is closed.

use super::{About, metadata};
use crate::orders::{Line, Order};
use crate::payments::payment::Capture;
use crate::payments::record::Outcome;
use crate::stripe::params::{
    CaptureMethod, CheckoutMode, CustomerCreation, NewCheckoutSession, NewMetadata, NewSessionLine,
    NewTransferData, PaymentIntentData, PriceData, ProductData, SetupFutureUsage,
};
use crate::stripe::{Call, CallError, Client};

/// Stripe's page takes so many lines; what is more stands on the last one together.
const MOST_LINES: usize = 100;
/// And so many pieces on a line.
const MOST_PIECES: i64 = 999_999;

/// What a session is opened with; none where the order is paid in another way.
pub(super) fn new(
    About { payment, order }: About<'_>,
    expires_at: Option<i64>,
) -> Option<NewCheckoutSession> {
    let checkout = payment.checkout.as_ref()?;
    let customer = payment.stripe_customer.clone();
    let keeps = payment.save_for_later && customer.is_none();
    let destination = payment.destination.clone();
    Some(NewCheckoutSession {
        mode: CheckoutMode::Payment,
        line_items: lines(order),
        success_url: checkout.success_url.clone(),
        cancel_url: checkout.cancel_url.clone(),
        expires_at,
        client_reference_id: Some(order.id.to_string()),
        customer_email: order.customer.email.clone().filter(|_| customer.is_none()),
        customer,
        customer_creation: keeps.then_some(CustomerCreation::Always),
        payment_intent_data: Some(PaymentIntentData {
            description: Some(format!("Order {}", order.number)),
            capture_method: (payment.capture == Capture::Manual).then_some(CaptureMethod::Manual),
            setup_future_usage: payment.save_for_later.then_some(SetupFutureUsage::OffSession),
            receipt_email: payment.receipt_email.clone(),
            statement_descriptor_suffix: payment.statement_suffix.clone(),
            application_fee_amount: (payment.application_fee > 0).then_some(payment.application_fee),
            transfer_data: destination
                .clone()
                .map(|destination| NewTransferData { destination, amount: None }),
            on_behalf_of: destination.filter(|_| payment.on_behalf_of),
            metadata: metadata(order),
        }),
        metadata: metadata(order),
        expand: Vec::new(),
    })
}

/// The order's lines, which sum to its total.
fn lines(order: &Order) -> Vec<NewSessionLine> {
    let fits = order.lines.len() <= MOST_LINES;
    let (shown, rest) = order.lines.split_at(if fits { order.lines.len() } else { MOST_LINES - 1 });
    let mut lines: Vec<NewSessionLine> = shown.iter().map(|bought| line(order, bought)).collect();
    if !rest.is_empty() {
        let amount = rest.iter().map(|line| line.amount).sum();
        lines.push(priced(order, 1, amount, format!("{} further lines", rest.len()), NewMetadata::new()));
    }
    lines
}

fn line(order: &Order, bought: &Line) -> NewSessionLine {
    let name = bought.description.clone().unwrap_or_else(|| bought.sku.clone());
    let sku = [("sku".to_owned(), bought.sku.clone())].into();
    if bought.quantity > MOST_PIECES {
        return priced(order, 1, bought.amount, format!("{} × {name}", bought.quantity), sku);
    }
    priced(order, bought.quantity, bought.unit_amount, name, sku)
}

fn priced(
    order: &Order,
    quantity: i64,
    unit_amount: i64,
    name: String,
    metadata: NewMetadata,
) -> NewSessionLine {
    let product_data = ProductData { name, metadata };
    let price_data = PriceData { currency: order.currency.to_string(), unit_amount, product_data };
    NewSessionLine { quantity, price_data }
}

/// Closes a session. Stripe refuses that of one that is complete or expired already: which of the two, it is asked.
pub(super) async fn expire(client: &Client, id: &str, call: Call<'_>) -> Result<Outcome, CallError> {
    match client.expire_checkout_session(id, call).await {
        Err(CallError::Refused(refusal)) => {
            let session = client.retrieve_checkout_session(id, None).await?;
            if session.status.as_deref() == Some("open") {
                return Ok(Outcome::Refused(refusal));
            }
            Ok(Outcome::Session(Box::new(session)))
        }
        answered => Ok(Outcome::Session(Box::new(answered?))),
    }
}
