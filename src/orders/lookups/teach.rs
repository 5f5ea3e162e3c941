//! Answers that come after their orders were made: each order that was made without one learns it now.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::super::late::{self, KnownLines, Lesson, ToldLines};
use super::super::order::{Cause, LookupKind, Origin, Ref, RefKind};
use super::super::settle::{SettleError, name_answer};
use super::super::state::{Consequence, News, OrderFacts};
use super::super::store::{self, NewTransition, Saved};
use super::{LinesAnswer, Outcome, Question, read};

type Taught = Result<Vec<(Uuid, Consequence, Cause)>, SettleError>;

/// Orders of bare payments that turn out to pay an invoice: Stripe is asked for its lines, unless its event tells them.
pub(super) async fn links(
    conn: &mut PgConnection,
    question: &Question,
    links: &BTreeSet<(String, String)>,
    until: OffsetDateTime,
    now: OffsetDateTime,
) -> Taught {
    let intents: Vec<Ref> =
        links.iter().map(|(_, intent)| Ref::new(RefKind::PaymentIntent, intent)).collect();
    let mut orders: HashMap<String, Uuid> = HashMap::new();
    for found in store::resolve_refs(conn, &intents.iter().collect::<Vec<_>>()).await? {
        orders.extend(
            found.order_id.filter(|_| found.asked == found.found).map(|id| (found.asked.stripe_id, id)),
        );
    }
    let ids: Vec<Uuid> = orders.values().copied().collect();
    let learners = store::list_learners(conn, &ids).await?;
    let bare = links.iter().filter(|(_, intent)| {
        let learner = orders.get(intent).and_then(|order| learners.get(order));
        learner.is_some_and(|learner| learner.origin == Origin::PaymentIntent && !learner.has_lines)
    });
    let (invoices, ids): (BTreeSet<&String>, BTreeSet<Uuid>) =
        bare.map(|(invoice, intent)| (invoice, orders[intent])).unzip();
    let asked: BTreeSet<Question> = invoices
        .into_iter()
        .map(|invoice| Question {
            kind: LookupKind::InvoiceLines,
            stripe_id: invoice.clone(),
            ..question.clone()
        })
        .collect();
    let known = store::load_lookups(conn, &asked.iter().collect::<Vec<_>>()).await?;
    let is_open = |question: &&Question| !matches!(known.get(*question), Some(Some(_)));
    let open: BTreeSet<Question> = asked.iter().filter(is_open).cloned().collect();
    store::insert_lookups(conn, &open, now).await?;
    let mut taught = match open.is_empty() {
        true => Vec::new(),
        false => Lessons::begin(conn, question, ids).await?.wait(until, now)?,
    };
    // Another payment of the invoice may have had them asked for already.
    for question in &asked {
        if let Some(Some(Outcome::Answered(answer))) = known.get(question) {
            taught.extend(lines(conn, question, read(answer.clone())?, until, now).await?);
        }
    }
    Ok(taught)
}

/// Orders that were made without their lines, or with a part of them.
pub(super) async fn lines(
    conn: &mut PgConnection,
    question: &Question,
    answer: LinesAnswer,
    until: OffsetDateTime,
    now: OffsetDateTime,
) -> Taught {
    let (kind, least) = match question.kind {
        LookupKind::SessionLines => (RefKind::CheckoutSession, Origin::CheckoutSession),
        _ => (RefKind::Invoice, Origin::Invoice),
    };
    let source = Ref::new(kind, &question.stripe_id);
    let found = store::resolve_refs(conn, &[&source]).await?;
    let ids: BTreeSet<Uuid> = found.into_iter().filter_map(|found| found.order_id).collect();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let (told, is_asked) = name_answer(conn, question.account.as_deref(), answer, now).await?;
    let wait = (is_asked.then_some(until), now);
    let mut lessons = Lessons::begin(conn, question, ids).await?;
    // What an invoice said is not overruled by a session, nor what a shop said by anybody.
    lessons.keep(|facts| facts.origin.may_learn_from(least) || facts.origin == least);
    let written = lessons.teach(|facts, known| late::learn(facts, known, &told, &question.stripe_id, wait));
    store::write_lines(conn, written.iter().map(|id| (*id, told.lines.as_slice(), &told.stand_ins))).await?;
    lessons.save(conn, now).await
}

/// Orders whose lines are called by a price.
pub(super) async fn name(
    conn: &mut PgConnection,
    question: &Question,
    until: OffsetDateTime,
    now: OffsetDateTime,
) -> Taught {
    let (account, price) = (question.account.as_deref(), question.stripe_id.as_str());
    let ids = store::list_orders_of_stand_in(conn, account, price).await?;
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let of_account = (account.unwrap_or_default().to_owned(), price.to_owned());
    let skus = store::load_skus(conn, &BTreeSet::from([of_account.clone()])).await?;
    let sku = skus.get(&of_account).map_or(price, String::as_str);
    let mut lessons = Lessons::begin(conn, question, ids.into_iter().collect()).await?;
    let others: BTreeSet<String> = lessons.known.values().flat_map(|known| known.stand_ins.clone()).collect();
    let open = store::list_open_prices(conn, account, &others).await?;
    let all = lessons.ids();
    let named = lessons.teach(|facts, known| {
        let due = if known.stand_ins.is_disjoint(&open) { now } else { until };
        late::learn_name(facts, known, (price, sku), due)
    });
    let kept: Vec<Uuid> = all.into_iter().filter(|id| !named.contains(id)).collect();
    store::name_lines(conn, price, sku, (&named, &kept)).await?;
    lessons.save(conn, now).await
}

/// Orders that are taught, locked.
struct Lessons {
    cause: Cause,
    before: BTreeMap<Uuid, OrderFacts>,
    after: BTreeMap<Uuid, OrderFacts>,
    known: BTreeMap<Uuid, KnownLines>,
    transitions: Vec<NewTransition>,
    consequences: Vec<(Uuid, Consequence, Cause)>,
}

impl Lessons {
    async fn begin(conn: &mut PgConnection, question: &Question, ids: BTreeSet<Uuid>) -> sqlx::Result<Self> {
        let ids: Vec<Uuid> = ids.into_iter().collect();
        let before = store::load_facts_for_update(conn, &ids).await?;
        Ok(Self {
            cause: question.cause(),
            after: before.clone(),
            before,
            known: store::load_known_lines(conn, &ids).await?,
            transitions: Vec::new(),
            consequences: Vec::new(),
        })
    }

    fn ids(&self) -> Vec<Uuid> {
        self.before.keys().copied().collect()
    }

    fn keep(&mut self, may_learn: impl Fn(&OrderFacts) -> bool) {
        self.before.retain(|_, facts| may_learn(facts));
    }

    /// What is queued waits for an answer.
    fn wait(mut self, until: OffsetDateTime, now: OffsetDateTime) -> Taught {
        let wait = (Some(until), now);
        self.teach(|facts, known| late::learn(facts, known, &ToldLines::default(), "", wait));
        Ok(self.consequences)
    }

    /// Teaches each; returns those whose lines are written.
    fn teach(&mut self, lesson: impl Fn(&OrderFacts, &KnownLines) -> Lesson) -> Vec<Uuid> {
        let mut written = Vec::new();
        for (&order_id, facts) in &self.before {
            let Lesson { is_written, note, hold, consequence } = lesson(facts, &self.known[&order_id]);
            written.extend(is_written.then_some(order_id));
            let moved = facts.transition(&News { hold, ..News::default() });
            self.after.insert(order_id, moved.after);
            let moves = note.into_iter().chain(moved.moves);
            let cause = &self.cause;
            self.transitions.extend(moves.map(|moved| NewTransition {
                order_id,
                moved,
                cause: cause.clone(),
            }));
            let consequences = moved.consequences.into_iter().chain(consequence);
            self.consequences.extend(consequences.map(|consequence| (order_id, consequence, cause.clone())));
        }
        written
    }

    async fn save(self, conn: &mut PgConnection, now: OffsetDateTime) -> Taught {
        let saved = self.before.values().map(|before| Saved {
            before,
            after: &self.after[&before.id],
            success_at: None,
            is_queued: false,
        });
        let changed: Vec<Saved<'_>> = saved.filter(Saved::is_change).collect();
        store::save(conn, &changed, &HashMap::new(), store::BY_LOOKUP, now).await?;
        store::insert_transitions(conn, &self.transitions, now).await?;
        Ok(self.consequences)
    }
}
