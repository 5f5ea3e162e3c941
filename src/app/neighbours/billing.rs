//! Where quotes, subscriptions and invoices meet each other and the orders that they were billed by.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::invoices::Invoice;
use crate::orders::{
    Billing, BillingInvoice, BillingQuote, BillingSubscription, DescribeBilling, Order, RefKind,
};
use crate::outbox::{Outcome, StoredCall};
use crate::subscriptions::{Dunning, UnpaidInvoices};
use crate::{catalogue, invoices, quotes, subscriptions};

/// What Stripe answers about a subscription can have its newest invoice in it, with what a form needs to take its payment.
pub(super) fn receive_subscription<'c>(
    conn: &'c mut PgConnection,
    call: &'c StoredCall,
    outcome: &'c Outcome,
    now: OffsetDateTime,
) -> BoxFuture<'c, sqlx::Result<()>> {
    Box::pin(async move {
        // The invoice first, as events do it: its links, its row, and only then the subscription's.
        if let Outcome::Done(answer) | Outcome::Seen(answer) = outcome
            && answer["latest_invoice"].is_object()
        {
            invoices::learn(&mut *conn, &answer["latest_invoice"], call.account.as_deref(), now).await?;
        }
        subscriptions::receive(conn, call, outcome, now).await
    })
}

/// What subscriptions need of invoices and of the catalogue.
pub const FOR_SUBSCRIPTIONS: subscriptions::Neighbours = subscriptions::Neighbours {
    unpaid: UNPAID,
    customer: |conn, name| {
        Box::pin(async move {
            let found = catalogue::find_customer(conn, name).await?;
            Ok(found.map(|customer| customer.stripe_id))
        })
    },
    price: |conn, name| {
        Box::pin(async move {
            let found = catalogue::find_price(conn, name).await?;
            Ok(found.and_then(|price| match price.terms {
                Some((_, None)) => {
                    Err("this price is paid once; a subscription needs one that recurs".to_owned())
                }
                _ => Ok(recurring(price)),
            }))
        })
    },
    price_of_sku: |conn, sku| {
        Box::pin(async move { Ok(catalogue::find_recurring_price(conn, sku).await?.map(recurring)) })
    },
};

fn recurring(price: catalogue::KnownPrice) -> subscriptions::RecurringPrice {
    let currency = price.terms.map(|(currency, _)| currency);
    subscriptions::RecurringPrice { stripe_id: price.stripe_id, currency }
}

/// Which invoices of subscriptions are not paid.
pub const UNPAID: UnpaidInvoices = |conn, names| {
    Box::pin(async move {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let unpaid = invoices::load_unpaid(conn, &names).await?;
        Ok(unpaid.into_iter().map(|(name, invoice)| (name, dunning(invoice))).collect())
    })
};

fn dunning(invoice: Invoice) -> Dunning {
    Dunning {
        invoice: invoice.stripe_id,
        number: invoice.facts.number,
        status: invoice.facts.status.to_string(),
        amount_remaining: invoice.facts.amount_remaining,
        attempt_count: invoice.facts.attempt_count,
        next_payment_attempt: invoice.facts.next_payment_attempt,
        problem: invoice.problem,
        action_required: invoice.action_required,
        pay_here: invoice.facts.hosted_invoice_url,
        client_secret: invoice.client_secret,
        order_id: invoice.order_id,
    }
}

/// What orders were billed by.
pub fn billing() -> Arc<dyn DescribeBilling> {
    Arc::new(Billings)
}

/// The quotes, subscriptions and invoices, as orders see them.
struct Billings;

impl DescribeBilling for Billings {
    fn describe<'a>(
        &'a self,
        conn: &'a mut PgConnection,
        orders: &'a [Order],
    ) -> BoxFuture<'a, sqlx::Result<HashMap<Uuid, Billing>>> {
        Box::pin(async move {
            let order_ids: Vec<Uuid> = orders.iter().map(|order| order.id).collect();
            let invoices = invoices::load_of_orders(conn, &order_ids).await?;
            let names: Vec<&str> =
                invoices.values().filter_map(|invoice| invoice.facts.subscription.as_deref()).collect();
            let subscriptions = subscriptions::load_named(conn, &names).await?;
            let billings = invoices.into_iter().map(|(order, invoice)| {
                let subscription = invoice.facts.subscription.clone().map(|name| {
                    let known = subscriptions.get(&name);
                    BillingSubscription {
                        stripe_id: name,
                        status: known.and_then(|known| Some(known.facts.as_ref()?.status.clone())),
                        access: known.map(|known| known.access.as_str().to_owned()),
                        period_start: invoice.facts.period_start,
                        period_end: invoice.facts.period_end,
                    }
                });
                // One that was made in the Dashboard may not be known here.
                let quote = invoice
                    .facts
                    .quote
                    .clone()
                    .map(|quote| BillingQuote { stripe_id: Some(quote), ..BillingQuote::default() });
                (order, Billing { quote, subscription, invoice: Some(billing_invoice(invoice)) })
            });
            let mut billings = billings.collect();
            add_quotes(conn, orders, &mut billings).await?;
            Ok(billings)
        })
    }
}

fn billing_invoice(invoice: Invoice) -> BillingInvoice {
    let facts = invoice.facts;
    BillingInvoice {
        stripe_id: invoice.stripe_id,
        number: facts.number,
        status: Some(facts.status.to_string()),
        amount_remaining: Some(facts.amount_remaining),
        hosted_invoice_url: facts.hosted_invoice_url,
        invoice_pdf: facts.invoice_pdf,
        client_secret: invoice.client_secret,
        due_date: facts.due_date,
        attempt_count: facts.attempt_count,
        next_payment_attempt: facts.next_payment_attempt,
        receipt_url: invoice.receipt_url,
        problem: invoice.problem,
    }
}

/// The quotes behind the invoices and subscriptions of orders.
async fn add_quotes(
    conn: &mut PgConnection,
    orders: &[Order],
    billings: &mut HashMap<Uuid, Billing>,
) -> sqlx::Result<()> {
    let mut behind: Vec<(Uuid, Option<String>, Option<String>)> = Vec::new();
    for order in orders {
        let subscription = billings.get(&order.id).and_then(|billing| billing.subscription.as_ref());
        let subscription = subscription.map(|subscription| subscription.stripe_id.clone());
        let invoices = order.refs.iter().filter(|known| known.kind == RefKind::Invoice);
        let mut is_named = false;
        for invoice in invoices {
            behind.push((order.id, Some(invoice.stripe_id.clone()), subscription.clone()));
            is_named = true;
        }
        if !is_named && subscription.is_some() {
            behind.push((order.id, None, subscription));
        }
    }
    let invoices: Vec<String> = behind.iter().filter_map(|(_, invoice, _)| invoice.clone()).collect();
    let subscriptions: Vec<String> =
        behind.iter().filter_map(|(.., subscription)| subscription.clone()).collect();
    let schedules = subscriptions::load_schedules_of(conn, &subscriptions).await?;
    let names: Vec<String> = schedules.values().flatten().cloned().collect();
    let found = quotes::behind(conn, &invoices, &subscriptions, &names).await?;
    for (order_id, invoice, subscription) in behind {
        let began_it = subscription.as_ref().and_then(|name| schedules.get(name));
        let is_it = |quote: &&quotes::Behind| {
            (invoice.is_some() && quote.invoice == invoice)
                || (subscription.is_some() && quote.subscription == subscription)
                || quote
                    .subscription_schedule
                    .as_ref()
                    .is_some_and(|schedule| began_it.is_some_and(|schedules| schedules.contains(schedule)))
        };
        if let Some(quote) = found.iter().find(is_it) {
            billings.entry(order_id).or_default().quote = Some(BillingQuote {
                id: Some(quote.id),
                stripe_id: quote.stripe_id.clone(),
                number: quote.number.clone(),
                status: Some(quote.state.to_string()),
            });
        }
    }
    Ok(())
}
