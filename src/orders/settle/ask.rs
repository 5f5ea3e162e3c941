//! What is missing to make an order of an event, and what Stripe has said of it.

use std::collections::{BTreeSet, HashMap};

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::super::events::{Bought, OrderEvent};
use super::super::late::ToldLines;
use super::super::lookups::{LinesAnswer, Outcome, Question};
use super::super::order::{Line, LookupKind};
use super::super::store;
use super::SettleError;

/// What is known beyond what events say.
#[derive(Default)]
pub(super) struct Known {
    outcomes: HashMap<Question, Option<Outcome>>,
    /// By account and price.
    skus: HashMap<(String, String), String>,
}

/// The lines that an event or an answer tells.
struct Lines {
    lines: Vec<Line>,
    /// The prices that stand in for the skus of some.
    prices: Vec<String>,
    /// Whether Stripe has more of them.
    is_cut: bool,
}

impl Known {
    /// Reads all that is known about what events lack.
    pub(super) async fn load(
        conn: &mut PgConnection,
        purchases: &[(&OrderEvent, &Bought)],
    ) -> sqlx::Result<Self> {
        let questions: Vec<Question> =
            purchases.iter().flat_map(|(event, bought)| questions(event, bought)).collect();
        let questions: Vec<&Question> = questions.iter().collect();
        let mut known = Self { outcomes: store::load_lookups(conn, &questions).await?, skus: HashMap::new() };
        let prices: BTreeSet<(String, String)> = purchases
            .iter()
            .flat_map(|(event, bought)| {
                let account = event.account.clone().unwrap_or_default();
                let prices = known.lines_told(event, bought).prices.into_iter();
                prices.map(move |price| (account.clone(), price)).collect::<Vec<_>>()
            })
            .collect();
        known.load_prices(conn, &prices).await?;
        Ok(known)
    }

    /// What is being asked about prices first, then their skus: an answer that arrives in between brings its sku before
    /// its question is seen closed, never after.
    async fn load_prices(
        &mut self,
        conn: &mut PgConnection,
        prices: &BTreeSet<(String, String)>,
    ) -> sqlx::Result<()> {
        let questions: Vec<Question> =
            prices.iter().map(|(account, price)| question(Some(account), LookupKind::Price, price)).collect();
        let outcomes = store::load_lookups(conn, &questions.iter().collect::<Vec<_>>()).await?;
        self.outcomes.extend(outcomes);
        self.skus = store::load_skus(conn, prices).await?;
        Ok(())
    }

    /// The lines of a purchase, called as the merchant calls them.
    pub(super) fn lines(&self, event: &OrderEvent, bought: &Bought) -> ToldLines {
        self.name(event.account.as_deref(), self.lines_told(event, bought))
    }

    fn name(&self, account: Option<&str>, Lines { mut lines, prices, is_cut }: Lines) -> ToldLines {
        let account = account.unwrap_or_default().to_owned();
        for line in lines.iter_mut().filter(|line| prices.contains(&line.sku)) {
            if let Some(sku) = self.skus.get(&(account.clone(), line.sku.clone())) {
                line.sku.clone_from(sku);
            }
        }
        let is_unknown = |price: &String| !self.skus.contains_key(&(account.clone(), price.clone()));
        ToldLines { lines, stand_ins: prices.into_iter().filter(is_unknown).collect(), is_cut }
    }

    /// Whether Stripe said that nothing is linked with a payment.
    pub(super) fn is_known_unlinked(&self, event: &OrderEvent, bought: &Bought) -> bool {
        let asked = bought.wants.iter().filter(|(kind, _)| *kind == LookupKind::PaymentIntentInvoice);
        let mut outcomes =
            asked.map(|(kind, id)| self.outcome(&question(event.account.as_deref(), *kind, id)));
        // Where it is linked with an invoice, the link is known by now and the invoice is among the references.
        outcomes.any(|outcome| matches!(outcome, Some(Outcome::Answered(_))))
    }

    /// What Stripe is to be asked for, and of that what an order has to wait for.
    pub(super) fn missing(&self, event: &OrderEvent, bought: &Bought) -> (Vec<Question>, Vec<Question>) {
        let told = self.lines_told(event, bought);
        let account = event.account.clone().unwrap_or_default();
        let prices =
            told.prices.iter().filter(|price| !self.skus.contains_key(&(account.clone(), (*price).clone())));
        let prices = prices.map(|price| question(event.account.as_deref(), LookupKind::Price, price));
        let open: Vec<Question> = questions(event, bought)
            .chain(prices)
            .filter(|question| self.outcome(question).is_none())
            .collect();
        let needed = open.iter().filter(|question| is_of_lines(question.kind)).cloned().collect();
        let new = open.into_iter().filter(|question| !self.outcomes.contains_key(question)).collect();
        (new, needed)
    }

    fn outcome(&self, question: &Question) -> Option<&Outcome> {
        self.outcomes.get(question)?.as_ref()
    }

    fn lines_told(&self, event: &OrderEvent, bought: &Bought) -> Lines {
        let is_of_all = |kind| matches!(kind, LookupKind::InvoiceLines | LookupKind::SessionLines);
        let Some((kind, id)) = bought.wants.iter().find(|(kind, _)| is_of_all(*kind)) else {
            return Lines { lines: bought.lines.clone(), prices: bought.prices.clone(), is_cut: false };
        };
        let answer = match self.outcome(&question(event.account.as_deref(), *kind, id)) {
            Some(Outcome::Answered(answer)) => serde_json::from_value::<LinesAnswer>(answer.clone()).ok(),
            _ => None,
        };
        match answer {
            Some(LinesAnswer { lines, prices }) => Lines { lines, prices, is_cut: false },
            None => Lines {
                lines: bought.lines.clone(),
                prices: bought.prices.clone(),
                is_cut: *kind == LookupKind::InvoiceLines,
            },
        }
    }
}

/// Whether it asks what was bought: an order waits for that.
pub(super) fn is_of_lines(kind: LookupKind) -> bool {
    matches!(kind, LookupKind::Price | LookupKind::InvoiceLines | LookupKind::SessionLines)
}

/// Names the lines of an answer as the merchant calls them, and asks for the names that are not known; whether any of them
/// is being asked for.
pub(in super::super) async fn name_answer(
    conn: &mut PgConnection,
    account: Option<&str>,
    answer: LinesAnswer,
    now: OffsetDateTime,
) -> Result<(ToldLines, bool), SettleError> {
    let mut known = Known::default();
    let of_account = |price: &String| (account.unwrap_or_default().to_owned(), price.clone());
    known.load_prices(conn, &answer.prices.iter().map(of_account).collect()).await?;
    let told = known.name(account, Lines { lines: answer.lines, prices: answer.prices, is_cut: false });
    let questions = told.stand_ins.iter().map(|price| question(account, LookupKind::Price, price));
    let open: Vec<Question> = questions.filter(|question| known.outcome(question).is_none()).collect();
    let new = open.iter().filter(|question| !known.outcomes.contains_key(question)).cloned().collect();
    store::insert_lookups(conn, &new, now).await?;
    Ok((told, !open.is_empty()))
}

fn question(account: Option<&str>, kind: LookupKind, id: &str) -> Question {
    let account = account.filter(|account| !account.is_empty()).map(str::to_owned);
    Question { account, kind, stripe_id: id.to_owned() }
}

fn questions<'s>(event: &'s OrderEvent, bought: &'s Bought) -> impl Iterator<Item = Question> + 's {
    bought.wants.iter().map(|(kind, id)| question(event.account.as_deref(), *kind, id))
}
