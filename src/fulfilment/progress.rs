//! Where a part stands by what its provider told of it: a pure fold over all call-backs, however often and in whatever
//! order they came.
//!
//! # How parcels are counted
//!
//! - A parcel has a name: `shipment`, else its tracking number, else the id of the event. What is told of one name twice
//!   is one parcel.
//! - A parcel that is told of without lines holds all that was to be sent and that no other parcel holds.
//! - `delivered` and `returned` say that a parcel left, even where `shipped` is late or lost. Without a name they speak
//!   of all parcels that are known.
//! - What the provider's answer "done" covered and no parcel holds counts as shipped, unless it says later that it failed.

use std::collections::BTreeMap;

use time::OffsetDateTime;

use super::fulfilment::PartLine;
use super::outcome::Tracking;

/// What an id begins with that is a digest of what was said, since the provider gave none.
pub(super) const DIGEST: &str = "sha256:";

/// The name of a parcel without one.
const NAMELESS: &str = "1";

/// What a call-back is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// The provider has it and will carry it out.
    Accepted,
    /// A parcel left.
    Shipped,
    /// A parcel arrived.
    Delivered,
    /// It cannot be carried out: a person must act.
    Failed,
    /// Pieces came back.
    Returned,
}

impl EventKind {
    /// The value in `fulfilment_events.type`.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Shipped => "shipped",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Returned => "returned",
        }
    }
}

/// Pieces by the position of their line.
pub(super) type Pieces = BTreeMap<i32, i64>;

/// One call-back, checked.
#[derive(Clone, Debug)]
pub(super) struct Told {
    /// The provider's id of it, or a digest.
    pub id: String,
    /// Which round of the part it is about.
    pub round: i32,
    pub kind: EventKind,
    pub occurred_at: OffsetDateTime,
    pub shipment: Option<String>,
    pub tracking: Option<Tracking>,
    /// None: all of them.
    pub pieces: Option<Pieces>,
    /// What "all of them" was when it came: what was bought and not taken back.
    pub wanted: Pieces,
    pub reason: Option<String>,
    pub reference: Option<String>,
}

/// A parcel that left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Parcel {
    pub name: String,
    pub tracking: Tracking,
    pub shipped_at: Option<OffsetDateTime>,
    pub delivered_at: Option<OffsetDateTime>,
    pub returned_at: Option<OffsetDateTime>,
    pub pieces: Pieces,
    pub returned: Pieces,
}

/// All that call-backs tell of a part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Progress {
    /// By name.
    pub parcels: Vec<Parcel>,
    /// Pieces that left, by parcels.
    pub shipped: Pieces,
    pub returned: Pieces,
    /// It cannot be carried out, and why; what left afterwards undoes that.
    pub failed: Option<String>,
    /// Whether the provider has what it got in the present round.
    pub is_known: bool,
    /// Whether any parcel of the present round left.
    pub has_begun: bool,
    /// The provider's name for it, the last that it told.
    pub reference: Option<String>,
}

/// What follows from it for the part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nothing that matters now.
    Silent,
    /// The provider has it.
    Known,
    /// All that is to be sent left.
    AllShipped,
    /// A person must act.
    Failed { reason: String },
}

impl Progress {
    /// Folds events, of which any may be there twice. `round` is the part's present one.
    pub(super) fn of(events: &[Told], round: i32) -> Self {
        let once: BTreeMap<&str, &Told> = events.iter().map(|event| (event.id.as_str(), event)).collect();
        let mut by_time: Vec<&Told> = once.into_values().collect();
        by_time.sort_by(|a, b| (a.occurred_at, &a.id).cmp(&(b.occurred_at, &b.id)));

        let present = || by_time.iter().filter(|event| event.round == round);
        let last_parcel = present().rfind(|event| event.kind.is_of_a_parcel());
        let failed = present().rfind(|event| event.kind == EventKind::Failed);
        let undone =
            last_parcel.zip(failed).is_some_and(|(parcel, failed)| parcel.occurred_at > failed.occurred_at);
        let failed = failed.filter(|_| !undone).map(|event| {
            let reason = event.reason.clone();
            reason.unwrap_or_else(|| "the provider says that it failed and gave no reason".to_owned())
        });

        let (parcels, loose) = parcels(&by_time);
        let mut progress = Self {
            shipped: sum(parcels.iter().map(|parcel| &parcel.pieces)),
            returned: sum(parcels.iter().map(|parcel| &parcel.returned).chain(&loose)),
            failed,
            is_known: present().any(|event| event.kind != EventKind::Failed),
            has_begun: last_parcel.is_some(),
            reference: by_time.iter().rev().find_map(|event| event.reference.clone()),
            parcels,
        };
        progress.shipped.retain(|_, pieces| *pieces > 0);
        progress
    }

    /// Pieces of a line that left, those included of which the provider only answered "done".
    pub(super) fn shipped_of(&self, line: &PartLine) -> i64 {
        let told = self.shipped.get(&line.position).copied().unwrap_or_default();
        if self.failed.is_some() { told } else { told.max(line.answered) }
    }

    /// What follows for a part with these lines.
    pub(super) fn standing(&self, lines: &[PartLine]) -> Standing {
        let told = |line: &PartLine| self.shipped.get(&line.position).copied().unwrap_or_default();
        let is_all = !self.parcels.is_empty() && lines.iter().all(|line| told(line) >= line.wanted());
        match &self.failed {
            _ if is_all => Standing::AllShipped,
            Some(reason) => Standing::Failed { reason: reason.clone() },
            None if self.is_known => Standing::Known,
            None => Standing::Silent,
        }
    }

    /// What left beyond what was bought, for people.
    pub(super) fn excess(&self, lines: &[PartLine]) -> Option<String> {
        let over = lines.iter().filter_map(|line| {
            let shipped = *self.shipped.get(&line.position)?;
            (shipped > line.wanted())
                .then(|| format!("{shipped} of {}, where {} were to be sent", line.sku, line.wanted()))
        });
        let over: Vec<String> = over.collect();
        (!over.is_empty()).then(|| format!("more was shipped than was to be: {}", over.join("; ")))
    }
}

impl EventKind {
    fn is_of_a_parcel(self) -> bool {
        matches!(self, Self::Shipped | Self::Delivered | Self::Returned)
    }
}

/// The parcels by name, and the pieces that came back from nobody knows which.
fn parcels(by_time: &[&Told]) -> (Vec<Parcel>, Option<Pieces>) {
    let mut groups: BTreeMap<&str, Vec<&Told>> = BTreeMap::new();
    let mut unnamed = Vec::new();
    // One event may name a parcel and its number, another only the number.
    let known_as: BTreeMap<&str, &str> =
        by_time.iter().filter_map(|event| Some((event.number()?, event.shipment.as_deref()?))).collect();
    for event in by_time.iter().filter(|event| event.kind.is_of_a_parcel()) {
        match event.parcel_name(&known_as) {
            Some(name) => groups.entry(name).or_default().push(event),
            None => unnamed.push(*event),
        }
    }
    if groups.is_empty() && !unnamed.is_empty() {
        groups.insert(NAMELESS, std::mem::take(&mut unnamed));
    }

    let mut parcels: Vec<Parcel> = groups.iter().map(|(name, events)| Parcel::of(name, events)).collect();
    // What is told piece by piece comes first; the rest is what the others hold.
    let mut held = sum(parcels.iter().map(|parcel| &parcel.pieces));
    for (parcel, events) in parcels.iter_mut().zip(groups.values()) {
        if let Contents::Rest(wanted) = contents(events) {
            for (position, wanted) in wanted {
                let held = held.entry(position).or_default();
                if wanted > *held {
                    parcel.pieces.insert(position, wanted - *held);
                    *held = wanted;
                }
            }
        }
        parcel.returned = returned(events, &parcel.pieces);
    }
    let loose = speak_of_all(&mut parcels, &unnamed);
    (parcels, loose)
}

/// What a parcel holds.
enum Contents {
    These(Pieces),
    /// What no other parcel holds, up to this.
    Rest(Pieces),
}

/// `shipped` knows best what is in a parcel, then `delivered`; of one that was only returned, what came back.
fn contents(events: &[&Told]) -> Contents {
    for kind in [EventKind::Shipped, EventKind::Delivered, EventKind::Returned] {
        let of_kind = || events.iter().filter(|event| event.kind == kind);
        if of_kind().any(|event| event.pieces.is_some()) {
            return Contents::These(greatest(of_kind().filter_map(|event| event.pieces.as_ref())));
        }
        if of_kind().next().is_some() {
            return Contents::Rest(greatest(of_kind().map(|event| &event.wanted)));
        }
    }
    Contents::Rest(Pieces::new())
}

/// What came back of a parcel.
fn returned(events: &[&Told], held: &Pieces) -> Pieces {
    let of_kind = || events.iter().filter(|event| event.kind == EventKind::Returned);
    if of_kind().any(|event| event.pieces.is_none()) {
        held.clone()
    } else {
        sum(of_kind().filter_map(|event| event.pieces.as_ref()))
    }
}

/// Lets events without a name speak of all parcels; returns the pieces that cannot be told apart.
fn speak_of_all(parcels: &mut [Parcel], unnamed: &[&Told]) -> Option<Pieces> {
    let first = |kind| unnamed.iter().find(|event| event.kind == kind).map(|event| event.occurred_at);
    for parcel in &mut *parcels {
        parcel.delivered_at = parcel.delivered_at.or(first(EventKind::Delivered));
    }
    let came_back: Vec<&&Told> = unnamed.iter().filter(|event| event.kind == EventKind::Returned).collect();
    let all_back = came_back.iter().any(|event| event.pieces.is_none());
    let pieces = sum(came_back.iter().filter_map(|event| event.pieces.as_ref()));
    match parcels {
        parcels if all_back => {
            for parcel in parcels {
                parcel.returned_at = parcel.returned_at.or(first(EventKind::Returned));
                parcel.returned = parcel.pieces.clone();
            }
            None
        }
        [parcel] if !came_back.is_empty() => {
            parcel.returned_at = parcel.returned_at.or(first(EventKind::Returned));
            parcel.returned = sum([&parcel.returned, &pieces].into_iter());
            None
        }
        _ => Some(pieces).filter(|pieces| !pieces.is_empty()),
    }
}

impl Told {
    fn number(&self) -> Option<&str> {
        self.tracking.as_ref()?.number.as_deref()
    }

    fn parcel_name<'e>(&'e self, known_as: &BTreeMap<&'e str, &'e str>) -> Option<&'e str> {
        let number = self.number().map(|number| known_as.get(number).copied().unwrap_or(number));
        let own_id = (self.kind == EventKind::Shipped)
            .then(|| if self.id.starts_with(DIGEST) { NAMELESS } else { self.id.as_str() });
        self.shipment.as_deref().or(number).or(own_id)
    }
}

impl Parcel {
    /// `events` are in the order of their times.
    fn of(name: &str, events: &[&Told]) -> Self {
        let first = |kind| events.iter().find(|event| event.kind == kind).map(|event| event.occurred_at);
        let tracked = || events.iter().rev().filter_map(|event| event.tracking.as_ref());
        let left =
            [EventKind::Shipped, EventKind::Delivered, EventKind::Returned].into_iter().find_map(first);
        Self {
            name: name.to_owned(),
            tracking: Tracking {
                carrier: tracked().find_map(|tracking| tracking.carrier.clone()),
                number: tracked().find_map(|tracking| tracking.number.clone()),
                url: tracked().find_map(|tracking| tracking.url.clone()),
            },
            shipped_at: left,
            delivered_at: first(EventKind::Delivered),
            returned_at: first(EventKind::Returned),
            pieces: match contents(events) {
                Contents::These(pieces) => pieces,
                Contents::Rest(_) => Pieces::new(),
            },
            returned: Pieces::new(),
        }
    }
}

fn sum<'p>(all: impl Iterator<Item = &'p Pieces>) -> Pieces {
    merge(all, i64::saturating_add)
}

fn greatest<'p>(all: impl Iterator<Item = &'p Pieces>) -> Pieces {
    merge(all, i64::max)
}

fn merge<'p>(all: impl Iterator<Item = &'p Pieces>, with: fn(i64, i64) -> i64) -> Pieces {
    let mut merged = Pieces::new();
    for (position, pieces) in all.flatten() {
        let known = merged.entry(*position).or_default();
        *known = with(*known, *pieces);
    }
    merged
}

#[cfg(test)]
mod tests;
