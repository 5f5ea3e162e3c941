//! What merchants ask for, and what is right: all faults at once.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sqlx::PgConnection;
use time::{Duration, OffsetDateTime};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Neighbours, PriceTerms};
use crate::api::{ApiError, Faults};
use crate::stripe::params::{
    NewInvoiceSettings, NewMetadata, NewQuote, NewQuoteLine, NewSubscriptionData, QuoteCollectionMethod,
};

/// Stripe's most.
const MOST_LINES: usize = 100;
const MOST_PIECES: i64 = 1_000_000;
/// Stripe's most: two years.
const LONGEST_TRIAL: u16 = 730;
const LONGEST_DUE: u16 = 365;
/// Stripe takes quotes of at most so long a time.
const LONGEST_OFFER: Duration = Duration::days(365 * 5);
/// The key under which a subscription says which quote began it.
const QUOTE: &str = "packline_quote";

/// The body of `POST /v1/quotes`, and of `POST /v1/quotes/{name}`, which revises a draft: there what is absent stays,
/// and lines are replaced as a whole. Nothing is needed for a draft; to be finalised it must have a customer and lines.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct QuoteTerms {
    /// Our id of the customer, or Stripe's, `cus_…`.
    #[serde(default)]
    pub customer: Option<String>,
    /// What is offered. One-off and recurring prices can be mixed; all in one currency, and all that recur in one rhythm.
    #[serde(default)]
    #[schema(max_items = 100)]
    pub lines: Option<Vec<NewLine>>,
    /// On the PDF.
    #[serde(default)]
    #[schema(max_length = 500)]
    pub description: Option<String>,
    /// On the PDF, at the top.
    #[serde(default)]
    #[schema(max_length = 50)]
    pub header: Option<String>,
    /// On the PDF, at the bottom.
    #[serde(default)]
    #[schema(max_length = 500)]
    pub footer: Option<String>,
    /// Until when it can be accepted; Stripe's thirty days where it is absent.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub expires_at: Option<OffsetDateTime>,
    /// How its invoices are paid; `charge_automatically` where it is absent.
    #[serde(default)]
    pub collection_method: Option<CollectionMethod>,
    /// With `send_invoice`: how many days the customer has to pay.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 365)]
    pub days_until_due: Option<u16>,
    /// Of a subscription: days at its beginning for which nothing is paid.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 730)]
    pub trial_days: Option<u16>,
    /// Of a subscription: when it begins, where that is not at once; until then Stripe has a schedule for it.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub starts_at: Option<OffsetDateTime>,
    /// The merchant's own notes, texts; Stripe keeps them too.
    #[serde(default)]
    #[schema(value_type = std::collections::HashMap<String, String>)]
    pub metadata: Map<String, Value>,
}

/// A line of a quote.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewQuoteLine)]
pub struct NewLine {
    /// Our id of the price, or Stripe's, `price_…`.
    pub price: String,
    /// How many.
    #[serde(default = "one")]
    #[schema(minimum = 1, maximum = 1_000_000, default = 1)]
    pub quantity: i64,
}

fn one() -> i64 {
    1
}

/// How a quote's invoices are paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = QuoteCollectionMethod)]
pub enum CollectionMethod {
    /// Stripe charges what the customer has saved.
    ChargeAutomatically,
    /// Stripe sends the customer an invoice to pay.
    SendInvoice,
}

/// The body of `POST /v1/quotes/{name}/finalize`; none will do.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FinalizeQuote {
    /// Until when it can be accepted, where that is to be changed.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub expires_at: Option<OffsetDateTime>,
}

impl QuoteTerms {
    /// Checks what can be told without a look at anything.
    pub(super) fn check(&self, is_new: bool, now: OffsetDateTime) -> Result<(), ApiError> {
        let mut faults = Faults::default();
        if let Some(lines) = &self.lines {
            if lines.len() > MOST_LINES || (lines.is_empty() && !is_new) {
                faults.add("lines", format!("give 1 to {MOST_LINES} lines"));
            }
            for (at, line) in lines.iter().enumerate() {
                if !(1..=MOST_PIECES).contains(&line.quantity) {
                    faults.add(
                        format!("lines[{at}].quantity"),
                        format!("give a whole number from 1 to {MOST_PIECES}"),
                    );
                }
            }
        }
        faults.lines_of_text("description", self.description.as_deref(), 500);
        faults.text("header", self.header.as_deref(), 50);
        faults.lines_of_text("footer", self.footer.as_deref(), 500);
        check_expiry(&mut faults, self.expires_at, now);
        let is_sent = self.collection_method == Some(CollectionMethod::SendInvoice);
        match self.days_until_due {
            None if is_sent => {
                faults.add("days_until_due", "say how many days the customer has to pay, 1 to 365")
            }
            Some(days) if !(1..=LONGEST_DUE).contains(&days) => {
                faults.add("days_until_due", format!("give 1 to {LONGEST_DUE}"));
            }
            Some(_) if is_new && !is_sent => {
                faults.add(
                    "days_until_due",
                    "only an invoice that is sent has a due date: give collection_method send_invoice",
                );
            }
            _ => {}
        }
        if self.trial_days.is_some_and(|days| !(1..=LONGEST_TRIAL).contains(&days)) {
            faults.add("trial_days", format!("give 1 to {LONGEST_TRIAL}"));
        }
        if self.starts_at.is_some_and(|starts_at| starts_at <= now || starts_at > now + LONGEST_OFFER) {
            faults.add("starts_at", "give a time to come, within five years");
        }
        faults.metadata(&self.metadata);
        faults.finish(Some(())).map_err(ApiError::invalid)
    }

    /// Finds what it names, and makes of it what is sent to Stripe.
    ///
    /// # Errors
    /// 422 with each name that stands for nothing, and what does not go together.
    pub(super) async fn resolve(
        &self,
        conn: &mut PgConnection,
        id: Uuid,
        neighbours: Neighbours,
    ) -> Result<NewQuote, ApiError> {
        let mut faults = Faults::default();
        let mut customer = None;
        if let Some(name) = &self.customer {
            match (neighbours.customer)(conn, name).await? {
                Ok(found) => customer = Some(found),
                Err(why) => faults.add("customer", why),
            }
        }
        let mut line_items = Vec::new();
        let mut terms: Vec<Option<PriceTerms>> = Vec::new();
        for (at, line) in self.lines.iter().flatten().enumerate() {
            match (neighbours.price)(conn, &line.price).await? {
                Ok(price) => {
                    line_items.push(NewQuoteLine { price: price.stripe_id, quantity: line.quantity });
                    terms.push(price.terms);
                }
                Err(why) => faults.add(format!("lines[{at}].price"), why),
            }
        }
        check_terms(&mut faults, &terms);
        let all_are_known = !terms.is_empty() && terms.iter().all(Option::is_some);
        let repeats = terms.iter().flatten().any(|terms| terms.repeats.is_some());
        for (field, is_given) in
            [("trial_days", self.trial_days.is_some()), ("starts_at", self.starts_at.is_some())]
        {
            if is_given && all_are_known && !repeats {
                faults.add(field, "nothing of this is paid again and again, so it begins no subscription");
            }
        }
        let metadata: NewMetadata = self
            .metadata
            .iter()
            .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
            .collect();
        let params = NewQuote {
            customer,
            line_items,
            description: self.description.clone(),
            header: self.header.clone(),
            footer: self.footer.clone(),
            expires_at: self.expires_at.map(OffsetDateTime::unix_timestamp),
            collection_method: self.collection_method.map(|method| match method {
                CollectionMethod::ChargeAutomatically => QuoteCollectionMethod::ChargeAutomatically,
                CollectionMethod::SendInvoice => QuoteCollectionMethod::SendInvoice,
            }),
            invoice_settings: self
                .days_until_due
                .map(|days| NewInvoiceSettings { days_until_due: Some(days.into()) }),
            subscription_data: Some(NewSubscriptionData {
                trial_period_days: self.trial_days.map(Into::into),
                effective_date: self.starts_at.map(OffsetDateTime::unix_timestamp),
                metadata: [(QUOTE.to_owned(), id.to_string())].into(),
            }),
            metadata,
            expand: expand(),
        };
        faults.finish(Some(params)).map_err(ApiError::invalid)
    }
}

/// What answers are asked to say beside what events say.
pub(super) fn expand() -> Vec<String> {
    vec!["line_items.data.price.product".to_owned()]
}

pub(super) fn check_expiry(faults: &mut Faults, expires_at: Option<OffsetDateTime>, now: OffsetDateTime) {
    if expires_at.is_some_and(|expires_at| expires_at <= now || expires_at > now + LONGEST_OFFER) {
        faults.add("expires_at", "give a time to come, within five years");
    }
}

/// One currency, and one rhythm for all that recurs: as far as the prices are known.
fn check_terms(faults: &mut Faults, terms: &[Option<PriceTerms>]) {
    let mut currency: Option<(usize, &str)> = None;
    let mut rhythm: Option<(usize, &(String, i64))> = None;
    for (at, terms) in terms.iter().enumerate() {
        let Some(terms) = terms else { continue };
        let (first, known) = *currency.get_or_insert((at, &terms.currency));
        if known != terms.currency {
            let message = format!(
                "this price is in {}, that of lines[{first}] in {known}: a quote has one currency, make a quote for each",
                terms.currency
            );
            faults.add(format!("lines[{at}].price"), message);
        }
        let Some(repeats) = &terms.repeats else { continue };
        let (first, known) = *rhythm.get_or_insert((at, repeats));
        if known != repeats {
            let (count, interval) = (repeats.1, &repeats.0);
            let message = format!(
                "this price is paid every {count} {interval}, that of lines[{first}] every {} {}: all that recurs on a \
                 quote has one rhythm, make a quote for each",
                known.1, known.0
            );
            faults.add(format!("lines[{at}].price"), message);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(currency: &str, repeats: Option<(&str, i64)>) -> Option<PriceTerms> {
        let repeats = repeats.map(|(interval, count)| (interval.to_owned(), count));
        Some(PriceTerms { currency: currency.to_owned(), repeats })
    }

    #[test]
    fn a_quote_has_one_currency_and_one_rhythm_as_far_as_its_prices_are_known() {
        let month = Some(("month", 1));
        for (prices, is_good) in [
            (vec![terms("usd", None), terms("usd", month), None], true),
            (vec![None, None], true),
            (vec![terms("usd", None), None, terms("eur", None)], false),
            (vec![terms("usd", month), terms("usd", Some(("year", 1)))], false),
            (vec![terms("usd", month), terms("usd", Some(("month", 2)))], false),
            (vec![terms("usd", month), terms("usd", None), terms("usd", month)], true),
        ] {
            let mut faults = Faults::default();
            check_terms(&mut faults, &prices);
            assert_eq!(faults.is_empty(), is_good, "{prices:?}: {faults:?}");
        }
    }
}
