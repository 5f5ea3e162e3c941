//! Checkout Sessions: a page of Stripe's where one purchase is paid. What it brings is the money of its PaymentIntent, or of
//! its invoice: they all stand for one order.

use super::super::order::{LookupKind, Origin, PaymentStatus, Ref, RefKind};
use super::super::state::{Details, MoneyKind, News, Terms};
use super::{Bought, Link, OrderEvent, Read, Seed, Told, fact, order_name, read, reference, shipping};
use crate::money::{Currency, Money};
use crate::stripe::{CheckoutSession, Event, Id};

/// `checkout.session.*`: a completed session may still wait for its money, for days with some methods.
pub fn on_checkout_session(event: &Event<'_>) -> Read {
    let session: CheckoutSession = event.object()?;
    let refs: Vec<Ref> = std::iter::once(Ref::new(RefKind::CheckoutSession, &session.id))
        .chain(reference(RefKind::PaymentIntent, session.payment_intent.as_ref()))
        .chain(reference(RefKind::Invoice, session.invoice.as_ref()))
        .collect();
    let pair = session.invoice.as_ref().zip(session.payment_intent.as_ref());
    let links =
        pair.map(|(invoice, intent)| Link { invoice: invoice.0.clone(), payment_intent: intent.0.clone() });
    let news = news(&session, event.event_type)?;
    let seed = news.terms.as_ref().map(|terms| Seed {
        origin: Origin::CheckoutSession,
        is_paid: true,
        total: terms.total,
        bought: Bought { wants: vec![(LookupKind::SessionLines, session.id.clone())], ..Bought::default() },
        metadata: session.metadata.clone(),
        is_linked: true,
    });
    let note = match session.mode.as_deref() {
        Some("setup") => Some("a session that keeps a payment method: nothing is bought by it"),
        Some("subscription") if session.invoice.is_none() => {
            Some("a session that begins a subscription: its invoices are the orders")
        }
        _ => None,
    };
    let may_name = session.client_reference_id.as_deref().and_then(order_name);
    let metadata = session.metadata.clone();
    let told = vec![Told::Session(Box::new(session))];
    let links = links.into_iter().collect();
    Ok(OrderEvent { seed, links, note, may_name, told, ..read(event, refs, &metadata, news) })
}

/// What a session says of its order; a session of a subscription or without a purchase says nothing.
fn news(session: &CheckoutSession, event_type: &str) -> Result<News, crate::money::NotACurrency> {
    let (None | Some("payment"), Some(amount), Some(currency)) =
        (session.mode.as_deref(), session.amount_total, session.currency.as_deref())
    else {
        return Ok(News::default());
    };
    let currency = Currency::parse(currency)?;
    let name = session.customer_details.as_ref().and_then(|details| details.name.clone());
    let details = Details {
        stripe_customer: session.customer.as_ref().map(|id: &Id| id.0.clone()),
        email: session.email().map(str::to_owned),
        name,
        shipping: session.shipping().and_then(shipping),
    };
    let hint = match event_type {
        "checkout.session.expired" => Some((PaymentStatus::Cancelled, "the checkout session expired")),
        "checkout.session.async_payment_failed" => {
            Some((PaymentStatus::PaymentFailed, "the payment failed after the checkout"))
        }
        _ if session.is_settled() => None,
        "checkout.session.completed" => {
            Some((PaymentStatus::Processing, "the checkout is complete, its money is on its way"))
        }
        _ => Some((PaymentStatus::AwaitingPayment, "the checkout session is open")),
    };
    let is_paid = session.is_settled() && event_type != "checkout.session.expired";
    let total = Money { amount, currency };
    let terms = is_paid.then(|| Terms {
        origin: Origin::CheckoutSession,
        is_paid: true,
        total,
        metadata: session.metadata.clone(),
    });
    let money = is_paid.then(|| fact(MoneyKind::SessionPaid, &session.id, amount, currency));
    let hint = hint.map(|(status, why)| (status, Some(why.to_owned())));
    Ok(News { hint, money: money.into_iter().collect(), terms, details, ..News::default() })
}
