//! What an order must be, field by field; all faults at once.

use super::super::order::LineKind;
use super::{Checked, Line, NewLine, PlaceOrder};
use crate::api::FieldError;
use crate::money::Money;

const MOST_LINES: usize = 500;
const MOST_PIECES: i64 = 1_000_000;
/// Stripe takes at most twelve digits in any currency.
const MOST_MONEY: i64 = 999_999_999_999;
const MOST_METADATA: usize = 50;

pub(super) fn check(order: &PlaceOrder) -> Result<Checked, Vec<FieldError>> {
    let mut faults = Faults::default();
    let currency = order.currency().map_err(|fault| faults.0.push(fault)).ok();
    if order.lines.is_empty() || order.lines.len() > MOST_LINES {
        faults.add("lines", format!("give 1 to {MOST_LINES} lines"));
    }
    let lines: Vec<Line> = order
        .lines
        .iter()
        .enumerate()
        .filter_map(|(position, line)| faults.line(&format!("lines[{position}]"), line))
        .collect();
    let total: i64 = lines.iter().map(|line| line.amount).fold(0, i64::saturating_add);
    if lines.len() == order.lines.len() && !lines.is_empty() && !(1..=MOST_MONEY).contains(&total) {
        faults.add(
            "lines",
            format!("the lines must sum to 1 to {MOST_MONEY} minor units, these sum to {total}"),
        );
    }

    faults.text("number", order.number.as_deref(), 64);
    if order.number.as_deref().is_some_and(is_another_kind_of_name) {
        faults.add(
            "number",
            "give a number that is neither a UUID nor begins like an id of Stripe's (pi_, in_, ch_ …)"
                .to_owned(),
        );
    }
    faults.text("customer.name", order.customer.name.as_deref(), 500);
    faults.text("customer.email", order.customer.email.as_deref(), 320);
    if order.customer.email.as_deref().is_some_and(|email| !email.contains('@')) {
        faults.add("customer.email", "give an e-mail address".to_owned());
    }
    faults.stripe_id("customer.stripe_customer", order.customer.stripe_customer.as_deref(), "cus_");
    faults.stripe_id("payment_intent", order.payment_intent.as_deref(), "pi_");
    if order.payment.is_some() && order.payment_intent.is_some() {
        faults.add(
            "payment_intent",
            "give either a PaymentIntent of your own, or payment to have one made".to_owned(),
        );
    }
    if order.payment.is_none() && order.destination.is_some() {
        faults.add("destination", "give payment too: the destination is set on its PaymentIntent".to_owned());
    }
    faults.shipping(order);
    faults.metadata(order);

    match (currency, faults.0.is_empty()) {
        (Some(currency), true) => Ok(Checked { total: Money { amount: total, currency }, lines }),
        _ => Err(faults.0),
    }
}

/// Orders are found by id, number and Stripe object alike: a number must not pass for one of the others.
fn is_another_kind_of_name(number: &str) -> bool {
    let is_stripes =
        ["pi_", "ch_", "py_", "in_", "cs_", "qt_", "sub_"].iter().any(|prefix| number.starts_with(prefix));
    is_stripes || uuid::Uuid::parse_str(number).is_ok()
}

#[derive(Default)]
struct Faults(Vec<FieldError>);

impl Faults {
    fn add(&mut self, field: &str, message: String) {
        self.0.push(FieldError::new(field, message));
    }

    fn text(&mut self, field: &str, value: Option<&str>, longest: usize) {
        let is_good = |text: &str| {
            !text.trim().is_empty() && text.chars().count() <= longest && !text.chars().any(char::is_control)
        };
        if value.is_some_and(|text| !is_good(text)) {
            self.add(field, format!("give 1 to {longest} characters, without control characters"));
        }
    }

    fn stripe_id(&mut self, field: &str, value: Option<&str>, prefix: &str) {
        let is_good = |id: &str| {
            id.len() > prefix.len()
                && id.len() <= 255
                && id.starts_with(prefix)
                && id.bytes().all(|byte| byte.is_ascii_graphic())
        };
        if value.is_some_and(|id| !is_good(id)) {
            self.add(field, format!("give an id of Stripe's that begins with {prefix}"));
        }
    }

    fn line(&mut self, field: &str, line: &NewLine) -> Option<Line> {
        let before = self.0.len();
        self.text(&format!("{field}.sku"), Some(&line.sku), 200);
        self.text(&format!("{field}.description"), line.description.as_deref(), 1000);
        if !(1..=MOST_PIECES).contains(&line.quantity) {
            self.add(&format!("{field}.quantity"), format!("give a whole number from 1 to {MOST_PIECES}"));
        }
        if !(0..=MOST_MONEY).contains(&line.unit_amount) {
            self.add(&format!("{field}.unit_amount"), format!("give minor units from 0 to {MOST_MONEY}"));
        }
        let amount = line.quantity.checked_mul(line.unit_amount).filter(|_| self.0.len() == before)?;
        Some(Line {
            kind: LineKind::Goods,
            sku: line.sku.clone(),
            description: line.description.clone(),
            quantity: line.quantity,
            unit_amount: line.unit_amount,
            amount,
            refunded: 0,
        })
    }

    fn shipping(&mut self, order: &PlaceOrder) {
        let Some(shipping) = &order.shipping else { return };
        let parts = [
            ("shipping.name", &shipping.name),
            ("shipping.phone", &shipping.phone),
            ("shipping.line1", &shipping.line1),
            ("shipping.line2", &shipping.line2),
            ("shipping.city", &shipping.city),
            ("shipping.state", &shipping.state),
            ("shipping.postal_code", &shipping.postal_code),
        ];
        for (field, part) in parts {
            self.text(field, part.as_deref(), 500);
        }
        let is_code = |code: &str| code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_uppercase());
        if shipping.country.as_deref().is_some_and(|code| !is_code(code)) {
            self.add(
                "shipping.country",
                "give a two-letter ISO 3166-1 code in capitals, such as DE".to_owned(),
            );
        }
    }

    fn metadata(&mut self, order: &PlaceOrder) {
        if order.metadata.len() > MOST_METADATA {
            self.add("metadata", format!("give at most {MOST_METADATA} entries"));
        }
        for (key, value) in &order.metadata {
            let is_good = |text: &str| text.chars().count() <= 500 && !text.contains('\0');
            if key.is_empty()
                || key.chars().count() > 40
                || key.contains('\0')
                || !value.as_str().is_some_and(is_good)
            {
                self.add(
                    &format!("metadata.{key}"),
                    "give texts of at most 500 characters under keys of 1 to 40".to_owned(),
                );
            }
        }
    }
}
