//! Events that concern no known order: which of them wait, which become an order, which are set aside.
//!
//! Events that share a Stripe object are one purchase and are judged together. A purchase without a success waits,
//! and is set aside when the grace is over. A success that names an order, or may be a part of what an invoice asks,
//! waits for that order or invoice. An invoice becomes an order when it is finalised; one that is heard of when it is paid
//! already, as soon as it is known what paid it, so that the PaymentIntent's own success finds it. Of a draft nothing
//! becomes. Any other success waits out the grace. What is in doubt is adopted with a hold, so that nothing ships twice.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::super::events::{OrderEvent, Seed};
use super::super::late::missing_lines;
use super::super::lookups::Question;
use super::super::number;
use super::super::order::{Axis, Cause, HoldKind, Origin, PaymentStatus, Ref, RefKind};
use super::super::state::{HoldNews, Move, WHOLE_ORDER};
use super::super::store::{self, AdoptedOrder, NewTransition, Purchase, Twin};
use super::ask::Known;
use super::resolve::Resolved;
use super::{Candidate, Patience, SettleError, Verdict};
use crate::money::Money;

/// What is to be done about the events without an order.
#[derive(Default)]
pub(super) struct Adoption {
    pub orders: Vec<AdoptedOrder>,
    pub transitions: Vec<NewTransition>,
    pub holds: Vec<(Uuid, HoldNews, Cause)>,
    /// One place for each candidate; filled for those that stay without an order.
    pub verdicts: Vec<Option<Verdict>>,
    /// The names of the adopted orders.
    pub names: Vec<String>,
    /// What Stripe is to be asked for.
    pub questions: BTreeSet<Question>,
}

/// Judges the events without an order. Those that are adopted are resolved to their new order.
pub(super) async fn plan(
    conn: &mut PgConnection,
    candidates: &[Candidate],
    resolved: &mut [Resolved],
    patience: Patience,
    now: OffsetDateTime,
) -> Result<Adoption, SettleError> {
    let mut adoption = Adoption { verdicts: vec![None; candidates.len()], ..Adoption::default() };
    let mut groups: Vec<Group<'_>> =
        group(resolved).into_iter().map(|members| Group::new(candidates, resolved, members)).collect();
    // Invoices first: they know the lines, and a PaymentIntent that may pay one of them must find it.
    groups.sort_by_key(|group| group.seed.is_none_or(|(_, seed)| seed.origin != Origin::Invoice));

    let seeds = groups.iter().filter_map(|group| group.seed);
    let purchases: Vec<_> = seeds.map(|(event, seed)| (event, &seed.bought)).collect();
    let known = Known::load(conn, &purchases).await?;

    for group in groups {
        let mut judgement = group.judge(patience, now);
        if let (Some((event, seed)), true) = (group.seed, patience.can_ask) {
            let (new, needed) = known.missing(event, &seed.bought);
            adoption.questions.extend(new);
            judgement = group.wait_for_answers(judgement, &needed, patience, now);
        }
        match judgement {
            Judgement::Adopt { hold } => {
                let doubt = match (hold, group.seed) {
                    // What is not paid yet is compared when it is.
                    (None, Some((event, seed)))
                        if seed.is_paid && !known.is_known_unlinked(event, &seed.bought) =>
                    {
                        same_purchase(conn, (event, seed), &group.refs, &adoption.orders).await?
                    }
                    (hold, _) => hold,
                };
                let order_id = adoption.adopt(&group, doubt, &known);
                for &member in &group.members {
                    resolved[member].orders.push(order_id);
                }
            }
            Judgement::Leave(verdict) => {
                for &member in &group.members {
                    let note = candidates[member].event.note;
                    let verdict = note
                        .map_or_else(|| verdict.clone(), |note| Verdict::Noted { reason: note.to_owned() });
                    adoption.verdicts[member] = Some(verdict);
                }
            }
        }
    }
    Ok(adoption)
}

/// The positions of the events without an order, those that share an object together.
fn group(resolved: &[Resolved]) -> Vec<Vec<usize>> {
    let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    let mut group_of: HashMap<&Ref, usize> = HashMap::new();
    for (position, event) in resolved.iter().enumerate().filter(|(_, event)| event.orders.is_empty()) {
        let touched: BTreeSet<usize> =
            event.all.iter().filter_map(|reference| group_of.get(reference).copied()).collect();
        let mut members: Vec<usize> =
            touched.iter().filter_map(|group| groups.remove(group)).flatten().collect();
        members.push(position);
        members.sort_unstable();
        for member in &members {
            group_of.extend(resolved[*member].all.iter().map(|reference| (reference, position)));
        }
        groups.insert(position, members);
    }
    groups.into_values().collect()
}

/// Events of one purchase that no order was made for.
struct Group<'c> {
    members: Vec<usize>,
    /// The event and the seed that an order would be made of: a paid invoice's, an open one's, else a PaymentIntent's.
    seed: Option<(&'c OrderEvent, &'c Seed)>,
    /// Whether one of them shows the invoice open: as if that had been heard first.
    has_open_invoice: bool,
    names_order: Option<&'c str>,
    refs: BTreeSet<Ref>,
    parked_at: Option<OffsetDateTime>,
    /// Whether one of them was never looked at before. It may have missed an order that was being made at that moment,
    /// and nothing that appeared until now could wake it: it must be looked at again soon.
    is_first_look: bool,
}

enum Judgement {
    Adopt { hold: Option<HoldNews> },
    Leave(Verdict),
}

impl<'c> Group<'c> {
    fn new(candidates: &'c [Candidate], resolved: &[Resolved], members: Vec<usize>) -> Self {
        let events = || members.iter().map(|&member| &candidates[member].event);
        let seeds = events().filter_map(|event| Some((event, event.seed.as_ref()?)));
        let rank = |seed: &Seed| {
            (seed.origin == Origin::Invoice, seed.origin == Origin::CheckoutSession, seed.is_paid)
        };
        Self {
            // Of equals the first.
            seed: seeds.rev().max_by_key(|(_, seed)| rank(seed)),
            has_open_invoice: events().filter_map(|event| event.seed.as_ref()).any(|seed| !seed.is_paid),
            names_order: events().find_map(|event| event.names_order.as_deref()),
            refs: members.iter().flat_map(|&member| resolved[member].all.iter().cloned()).collect(),
            is_first_look: members.iter().any(|&member| candidates[member].parked_at.is_none()),
            parked_at: members.iter().filter_map(|&member| candidates[member].parked_at).min(),
            members,
        }
    }

    fn judge(&self, patience: Patience, now: OffsetDateTime) -> Judgement {
        let parked_at = self.parked_at.unwrap_or(now);
        let mut waits_for: Vec<String> = self.refs.iter().map(ToString::to_string).collect();
        waits_for.extend(self.names_order.map(order_key));
        let Some((event, seed)) = self.seed else {
            return Judgement::Leave(self.leave(waits_for, patience.grace, now));
        };

        if self.is_complete(seed) && self.names_order.is_none() {
            return Judgement::Adopt { hold: None };
        }
        let (until, doubt, reason) = match self.awaited_order(seed) {
            Some(awaited) => {
                let last = parked_at + patience.order_wait;
                let until = if self.is_first_look { last.min(now + patience.grace) } else { last };
                (until, Some(awaited.doubt()), awaited.to_string())
            }
            None => {
                let own = describe(event, &self.refs);
                let reason = format!("no order is known for {own}; if none appears, one is made of it");
                (parked_at + patience.grace, None, reason)
            }
        };
        match now < until {
            true => Judgement::Leave(Verdict::Parked { waits_for, until, reason }),
            false => Judgement::Adopt { hold: doubt },
        }
    }

    /// An order that could be made waits a grace for what Stripe is asked.
    fn wait_for_answers(
        &self,
        judgement: Judgement,
        needed: &[Question],
        patience: Patience,
        now: OffsetDateTime,
    ) -> Judgement {
        let until = self.parked_at.unwrap_or(now) + patience.grace;
        if needed.is_empty() || now >= until || matches!(judgement, Judgement::Leave(_)) {
            return judgement;
        }
        let mut waits_for: Vec<String> = self.refs.iter().map(ToString::to_string).collect();
        waits_for.extend(needed.iter().map(Question::key));
        let asked: Vec<String> =
            needed.iter().map(|question| format!("{} {}", question.kind, question.stripe_id)).collect();
        let reason = format!("Stripe is asked for what its event does not say: {}", asked.join(", "));
        Judgement::Leave(Verdict::Parked { waits_for, until, reason })
    }

    /// What must appear before this success can be an order of its own without a doubt.
    fn awaited_order(&self, seed: &Seed) -> Option<Awaited<'_>> {
        let invoice = self.refs.iter().find(|reference| reference.kind == RefKind::Invoice);
        // Since 2025-05-28.basil an invoice can be paid by several PaymentIntents: one of them may be a mere part.
        let may_be_a_part = seed.origin == Origin::PaymentIntent && !seed.is_linked;
        match (self.names_order, invoice) {
            (Some(name), _) => Some(Awaited::Order(name)),
            (None, Some(invoice)) if may_be_a_part => Some(Awaited::Invoice(invoice)),
            _ => None,
        }
    }

    /// Nothing here makes an order. Only a second look sets it aside.
    fn leave(&self, waits_for: Vec<String>, grace: Duration, now: OffsetDateTime) -> Verdict {
        if waits_for.is_empty() {
            return Verdict::SetAside {
                waits_for,
                reason: "it names nothing that could be an order's".to_owned(),
            };
        }
        let reason = format!("no order is known for {}", waits_for.join(", "));
        match self.parked_at.map(|parked_at| parked_at + grace) {
            Some(until) if !self.is_first_look && now < until => Verdict::Parked { waits_for, until, reason },
            Some(_) if !self.is_first_look => Verdict::SetAside { waits_for, reason },
            _ => Verdict::Parked { waits_for, until: now + grace, reason },
        }
    }

    /// Whether nothing that may still be heard could tell that it is another purchase: an invoice that is open, or of
    /// which it is known what paid it, and a checkout session.
    fn is_complete(&self, seed: &Seed) -> bool {
        seed.origin == Origin::CheckoutSession
            || seed.origin == Origin::Invoice
                && (self.has_open_invoice || seed.is_linked || self.has(RefKind::PaymentIntent))
    }

    fn has(&self, kind: RefKind) -> bool {
        self.refs.iter().any(|reference| reference.kind == kind)
    }
}

/// Where no event links invoice and PaymentIntent, a twin of the same customer, amount and currency near in time may be
/// the same purchase, and so may an invoice of which this may be a part: then the order of this success is held. `refs` is all that the success is known to stand for.
pub(super) async fn same_purchase(
    conn: &mut PgConnection,
    (event, seed): (&OrderEvent, &Seed),
    refs: &BTreeSet<Ref>,
    adopted: &[AdoptedOrder],
) -> Result<Option<HoldNews>, SettleError> {
    let (Some(customer), Some(at)) = (&event.news.details.stripe_customer, event.created_at) else {
        return Ok(None);
    };
    let has = |kind| refs.iter().any(|reference| reference.kind == kind);
    let is_linked = seed.is_linked || has(RefKind::Invoice) && has(RefKind::PaymentIntent);
    if is_linked || seed.total.amount == 0 {
        return Ok(None);
    }
    let purchase = Purchase {
        account: event.account.as_deref(),
        customer,
        total: seed.total,
        origin: seed.origin,
        is_bare: seed.origin == Origin::PaymentIntent && event.names_order.is_none(),
        at,
    };
    let twin = match adopted.iter().find(|other| purchase.is_twin_of(other)) {
        Some(other) => Some(Twin { number: other.number.clone(), total: other.total }),
        None => store::find_twin(conn, &purchase).await?,
    };
    Ok(twin.map(|twin| HoldNews {
        kind: HoldKind::PossibleDuplicate,
        source: WHOLE_ORDER.to_owned(),
        reason: why_in_doubt(seed.total, &twin),
        ended: None,
        is_final: false,
    }))
}

/// Says of what the order may be the whole, or a part.
fn why_in_doubt(own: Money, Twin { number, total }: &Twin) -> String {
    match own.amount.cmp(&total.amount) {
        Ordering::Equal => {
            format!("its {own} may be all of order {number} of the same customer: they may be one purchase")
        }
        Ordering::Less => {
            format!("its {own} may be a part of the {total} of order {number} of the same customer")
        }
        Ordering::Greater => {
            format!("the {total} of order {number} of the same customer may be a part of its {own}")
        }
    }
}

impl Adoption {
    fn adopt(&mut self, group: &Group<'_>, doubt: Option<HoldNews>, known: &Known) -> Uuid {
        let order_id = Uuid::now_v7();
        let Some((event, seed)) = group.seed else {
            return order_id;
        };
        let cause = Cause::Event(event.event_id.clone());
        let told = known.lines(event, &seed.bought);
        let cut = told.is_cut.then(|| missing_lines(told.lines.len()));
        let order = AdoptedOrder {
            id: order_id,
            number: number::random(),
            origin: seed.origin,
            total: seed.total,
            account: event.account.clone(),
            details: event.news.details.clone(),
            metadata: seed.metadata.iter().map(|(key, value)| (key.clone(), value.clone().into())).collect(),
            told,
            refs: group.refs.clone(),
            at: event.created_at.filter(|_| seed.is_paid),
            is_in_doubt: doubt.is_some(),
        };
        let why = match seed.is_paid {
            true => "no order was made for it",
            false => "it asks for its money",
        };
        self.names.extend([order_key(&order_id.to_string()), order_key(&order.number)]);
        self.transitions.push(NewTransition {
            order_id,
            moved: Move {
                axis: Axis::Payment,
                from: None,
                to: Some(PaymentStatus::AwaitingPayment.as_str()),
                reason: Some(format!("made of {}: {why}", describe(event, &group.refs))),
            },
            cause: cause.clone(),
        });
        self.holds.extend([doubt, cut].into_iter().flatten().map(|hold| (order_id, hold, cause.clone())));
        self.orders.push(order);
        order_id
    }
}

/// The key under which events wait for an order by name.
pub(in crate::orders) fn order_key(name: &str) -> String {
    format!("order:{name}")
}

/// What a success waits for beyond the grace.
enum Awaited<'g> {
    /// The order that its metadata names.
    Order(&'g str),
    /// The invoice that it pays, perhaps in part.
    Invoice(&'g Ref),
}

impl std::fmt::Display for Awaited<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Order(name) => write!(f, "waits for the order {name:?} that its metadata names"),
            Self::Invoice(invoice) => write!(f, "waits until {invoice}, which it pays, is paid"),
        }
    }
}

impl Awaited<'_> {
    /// The hold of an order that had to be made without it.
    fn doubt(&self) -> HoldNews {
        let reason = match self {
            Self::Order(name) => format!("its metadata names the order {name:?}, which never appeared"),
            Self::Invoice(invoice) => {
                format!("it pays {invoice}, perhaps in part, which was not heard to be paid")
            }
        };
        HoldNews {
            kind: HoldKind::UnknownOrder,
            source: WHOLE_ORDER.to_owned(),
            reason,
            ended: None,
            is_final: false,
        }
    }
}

fn describe(event: &OrderEvent, refs: &BTreeSet<Ref>) -> String {
    let own = event.refs.first().or(refs.first());
    own.map_or_else(|| event.event_id.clone(), ToString::to_string)
}
