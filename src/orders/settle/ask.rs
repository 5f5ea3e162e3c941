//! What is missing to make an order of an event, and what Stripe has said of it.

use std::collections::{BTreeSet, HashMap};

use sqlx::PgConnection;

use super::super::events::{OrderEvent, Seed};
use super::super::lookups::{LinesAnswer, Outcome, Question};
use super::super::order::{Line, LookupKind};
use super::super::store;

/// What is known beyond what events say.
#[derive(Default)]
pub(super) struct Known {
    outcomes: HashMap<Question, Option<Outcome>>,
    /// By account and price.
    skus: HashMap<(String, String), String>,
}

/// The lines of an order that is to be made.
pub(super) struct Lines {
    pub lines: Vec<Line>,
    /// The prices that stand in for the skus of some.
    prices: Vec<String>,
    /// Whether Stripe has more of them.
    pub is_cut: bool,
}

impl Known {
    /// Reads all that is known about what seeds lack.
    pub(super) async fn load(conn: &mut PgConnection, seeds: &[(&OrderEvent, &Seed)]) -> sqlx::Result<Self> {
        let questions: Vec<Question> =
            seeds.iter().flat_map(|(event, seed)| questions(event, seed)).collect();
        let questions: Vec<&Question> = questions.iter().collect();
        let mut known = Self { outcomes: store::load_lookups(conn, &questions).await?, skus: HashMap::new() };
        let prices: BTreeSet<(String, String)> = seeds
            .iter()
            .flat_map(|(event, seed)| {
                let account = event.account.clone().unwrap_or_default();
                let prices = known.lines_told(event, seed).prices.into_iter();
                prices.map(move |price| (account.clone(), price)).collect::<Vec<_>>()
            })
            .collect();
        known.skus = store::load_skus(conn, &prices).await?;
        let unknown: Vec<Question> = prices
            .iter()
            .filter(|price| !known.skus.contains_key(*price))
            .map(|(account, price)| question(Some(account), LookupKind::Price, price))
            .collect();
        let of_prices = store::load_lookups(conn, &unknown.iter().collect::<Vec<_>>()).await?;
        known.outcomes.extend(of_prices);
        Ok(known)
    }

    /// The lines of a seed, called as the merchant calls them.
    pub(super) fn lines(&self, event: &OrderEvent, seed: &Seed) -> Lines {
        let mut told = self.lines_told(event, seed);
        let account = event.account.clone().unwrap_or_default();
        for line in told.lines.iter_mut().filter(|line| told.prices.contains(&line.sku)) {
            if let Some(sku) = self.skus.get(&(account.clone(), line.sku.clone())) {
                line.sku.clone_from(sku);
            }
        }
        told
    }

    /// Whether Stripe said that nothing is linked with a payment.
    pub(super) fn is_known_unlinked(&self, event: &OrderEvent, seed: &Seed) -> bool {
        let asked = seed.wants.iter().filter(|(kind, _)| *kind == LookupKind::PaymentIntentInvoice);
        let mut outcomes =
            asked.map(|(kind, id)| self.outcome(&question(event.account.as_deref(), *kind, id)));
        // Where it is linked with an invoice, the link is known by now and the invoice is among the references.
        outcomes.any(|outcome| matches!(outcome, Some(Outcome::Answered(_))))
    }

    /// What Stripe is to be asked for, and of that what an order has to wait for.
    pub(super) fn missing(&self, event: &OrderEvent, seed: &Seed) -> (Vec<Question>, Vec<Question>) {
        let told = self.lines_told(event, seed);
        let account = event.account.clone().unwrap_or_default();
        let prices =
            told.prices.iter().filter(|price| !self.skus.contains_key(&(account.clone(), (*price).clone())));
        let prices = prices.map(|price| question(event.account.as_deref(), LookupKind::Price, price));
        let open: Vec<Question> = questions(event, seed)
            .chain(prices)
            .filter(|question| self.outcome(question).is_none())
            .collect();
        let is_needed =
            |kind| matches!(kind, LookupKind::Price | LookupKind::InvoiceLines | LookupKind::SessionLines);
        let needed = open.iter().filter(|question| is_needed(question.kind)).cloned().collect();
        let new = open.into_iter().filter(|question| !self.outcomes.contains_key(question)).collect();
        (new, needed)
    }

    fn outcome(&self, question: &Question) -> Option<&Outcome> {
        self.outcomes.get(question)?.as_ref()
    }

    fn lines_told(&self, event: &OrderEvent, seed: &Seed) -> Lines {
        let is_of_lines = |kind| matches!(kind, LookupKind::InvoiceLines | LookupKind::SessionLines);
        let Some((kind, id)) = seed.wants.iter().find(|(kind, _)| is_of_lines(*kind)) else {
            return Lines { lines: seed.lines.clone(), prices: seed.prices.clone(), is_cut: false };
        };
        let answer = match self.outcome(&question(event.account.as_deref(), *kind, id)) {
            Some(Outcome::Answered(answer)) => serde_json::from_value::<LinesAnswer>(answer.clone()).ok(),
            _ => None,
        };
        match answer {
            Some(LinesAnswer { lines, prices }) => Lines { lines, prices, is_cut: false },
            None => Lines {
                lines: seed.lines.clone(),
                prices: seed.prices.clone(),
                is_cut: *kind == LookupKind::InvoiceLines,
            },
        }
    }
}

fn question(account: Option<&str>, kind: LookupKind, id: &str) -> Question {
    let account = account.filter(|account| !account.is_empty()).map(str::to_owned);
    Question { account, kind, stripe_id: id.to_owned() }
}

fn questions<'s>(event: &'s OrderEvent, seed: &'s Seed) -> impl Iterator<Item = Question> + 's {
    seed.wants.iter().map(|(kind, id)| question(event.account.as_deref(), *kind, id))
}
