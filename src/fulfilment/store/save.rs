//! What locked fulfilments become.

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::super::state::{Next, RecallOutcome, RecallsFrom};
use super::{Locked, all_hit};

/// What a locked fulfilment becomes: its next state, and everything else that may change, as it will be.
#[derive(Clone, Debug)]
pub(in crate::fulfilment) struct Change {
    pub id: Uuid,
    pub next: Next,
    /// Attempts begun, from now on.
    pub attempts: i32,
    /// Attempts begun in the present series, and when it began.
    pub tries: i32,
    pub tries_since: Option<OffsetDateTime>,
    pub round: i32,
    pub idempotency_key: String,
    pub priority: i16,
    pub last_outcome: Option<String>,
    pub provider_reference: Option<String>,
    pub accepted_at: Option<OffsetDateTime>,
    pub recalls_from: Option<RecallsFrom>,
    pub recall_outcome: Option<RecallOutcome>,
    pub called_off: Option<String>,
    pub snoozed_until: Option<OffsetDateTime>,
}

impl Change {
    /// A change of state that leaves everything else as it is, but for what the state brings with it: a receipt, and
    /// where a recall starts from and ends.
    pub(in crate::fulfilment) fn of(part: &Locked, next: Next) -> Self {
        let facts = &part.facts;
        let reference = match &next {
            Next::Fulfilled { receipt } | Next::Accepted { receipt } => receipt.reference.clone(),
            _ => None,
        };
        let recalls_from = match &next {
            Next::Recalling { from, .. } => Some(*from),
            Next::InProgress { .. } => facts.recalls_from,
            _ => None,
        };
        // A doubt about the recall ends with it: that the provider has it was never one.
        let last_outcome = match &next {
            Next::Returned { to, .. } => Some(to.as_str().to_owned()),
            _ => part.last_outcome.clone(),
        };
        let mut change = Self {
            id: part.id,
            attempts: part.attempts,
            tries: facts.tries,
            tries_since: facts.tries_since,
            round: part.round,
            idempotency_key: part.idempotency_key.clone(),
            priority: part.priority,
            last_outcome,
            provider_reference: reference.or_else(|| part.provider_reference.clone()),
            accepted_at: part.accepted_at,
            recalls_from,
            recall_outcome: facts.recall_outcome,
            called_off: facts.called_off.clone(),
            snoozed_until: facts.snoozed_until,
            next,
        };
        if recalls_from.is_some() && facts.recalls_from.is_none() {
            change.begin_series();
        }
        change
    }

    /// The same with another state, by what was told meanwhile.
    pub(in crate::fulfilment) fn becoming(mut self, next: Next) -> Self {
        let code = next.state().as_str();
        if let Next::Fulfilled { receipt } | Next::Accepted { receipt } = &next {
            self.provider_reference = receipt.reference.clone().or(self.provider_reference);
        }
        // What was told is no doubt.
        self.last_outcome = Some(code.to_owned());
        self.recalls_from = None;
        self.next = next;
        self
    }

    /// Forgets the tries so far: the next one begins a new series.
    pub(in crate::fulfilment) fn begin_series(&mut self) {
        self.tries = 0;
        self.tries_since = None;
    }

    /// Begins anew under a key of its own. Only where it is certain that nothing is carried out under the old one.
    pub(in crate::fulfilment) fn begin_round(&mut self) {
        self.round += 1;
        self.idempotency_key = key(self.id, self.round);
        self.last_outcome = None;
        self.provider_reference = None;
        self.accepted_at = None;
        self.recalls_from = None;
        self.begin_series();
    }
}

/// The idempotency key of a round of a fulfilment.
pub(in crate::fulfilment) fn key(id: Uuid, round: i32) -> String {
    let id = id.simple();
    if round == 1 { format!("ful_{id}") } else { format!("ful_{id}_{round}") }
}

/// Writes what locked fulfilments become.
///
/// # Errors
/// The database failed, or a fulfilment is not there: then nothing may be committed.
pub(in crate::fulfilment) async fn save(
    conn: &mut PgConnection,
    changes: &[Change],
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    if changes.is_empty() {
        return Ok(());
    }
    let columns = Columns::of(changes);
    let result = sqlx::query!(
        r#"
        update fulfilments as f
        set
          state = new.state,
          reason = new.reason,
          attempts = new.attempts,
          next_attempt_at = new.next_attempt_at,
          lease_holder = new.lease_holder,
          lease_until = new.lease_until,
          tries = new.tries,
          tries_since = new.tries_since,
          round = new.round,
          idempotency_key = new.idempotency_key,
          priority = new.priority,
          last_outcome = new.last_outcome,
          provider_reference = new.provider_reference,
          accepted_at = case
            when new.state = 'accepted' then coalesce(new.accepted_at, $20)
            else new.accepted_at
          end,
          recalls_from = new.recalls_from,
          recall_outcome = new.recall_outcome,
          called_off = new.called_off,
          snoozed_until = new.snoozed_until,
          updated_at = $20,
          finished_at = case
            when new.state in ('fulfilled', 'rejected', 'failed', 'cancelled') then
              -- One that was not recalled after all ended when it ended.
              coalesce(case when new.state in (f.state, f.recalls_from) then f.finished_at end, $20)
            when new.recalls_from = 'fulfilled' then f.finished_at
          end
        from unnest(
          $1::uuid[], $2::text[], $3::text[], $4::integer[], $5::timestamptz[], $6::text[], $7::timestamptz[],
          $8::integer[], $9::timestamptz[], $10::integer[], $11::text[], $12::smallint[], $13::text[], $14::text[],
          $15::timestamptz[], $16::text[], $17::text[], $18::text[], $19::timestamptz[]
        ) as new (
          id, state, reason, attempts, next_attempt_at, lease_holder, lease_until,
          tries, tries_since, round, idempotency_key, priority, last_outcome, provider_reference,
          accepted_at, recalls_from, recall_outcome, called_off, snoozed_until
        )
        where f.id = new.id
        "#,
        &columns.ids,
        &columns.states as &[&str],
        &columns.reasons as &[Option<&str>],
        &columns.attempts,
        &columns.next_attempts_at as &[Option<OffsetDateTime>],
        &columns.lease_holders as &[Option<&str>],
        &columns.leases_until as &[Option<OffsetDateTime>],
        &columns.tries,
        &columns.tries_since as &[Option<OffsetDateTime>],
        &columns.rounds,
        &columns.keys as &[&str],
        &columns.priorities,
        &columns.last_outcomes as &[Option<&str>],
        &columns.references as &[Option<&str>],
        &columns.accepted_at as &[Option<OffsetDateTime>],
        &columns.recalls_from as &[Option<&str>],
        &columns.recall_outcomes as &[Option<&str>],
        &columns.called_off as &[Option<&str>],
        &columns.snoozed_until as &[Option<OffsetDateTime>],
        now,
    )
    .execute(conn)
    .await?;
    all_hit(result.rows_affected(), changes.len())
}

/// The columns of a set of changes, as `unnest` takes them.
#[derive(Default)]
struct Columns<'a> {
    ids: Vec<Uuid>,
    states: Vec<&'static str>,
    reasons: Vec<Option<&'a str>>,
    attempts: Vec<i32>,
    next_attempts_at: Vec<Option<OffsetDateTime>>,
    lease_holders: Vec<Option<&'a str>>,
    leases_until: Vec<Option<OffsetDateTime>>,
    tries: Vec<i32>,
    tries_since: Vec<Option<OffsetDateTime>>,
    rounds: Vec<i32>,
    keys: Vec<&'a str>,
    priorities: Vec<i16>,
    last_outcomes: Vec<Option<&'a str>>,
    references: Vec<Option<&'a str>>,
    accepted_at: Vec<Option<OffsetDateTime>>,
    recalls_from: Vec<Option<&'static str>>,
    recall_outcomes: Vec<Option<&'static str>>,
    called_off: Vec<Option<&'a str>>,
    snoozed_until: Vec<Option<OffsetDateTime>>,
}

impl<'a> Columns<'a> {
    fn of(changes: &'a [Change]) -> Self {
        let mut columns = Self::default();
        for change in changes {
            let (holder, until) = match &change.next {
                Next::InProgress { lease_holder, lease_until } => {
                    (Some(lease_holder.as_str()), Some(*lease_until))
                }
                _ => (None, None),
            };
            columns.ids.push(change.id);
            columns.states.push(change.next.state().as_str());
            columns.reasons.push(change.next.reason());
            columns.attempts.push(change.attempts);
            columns.next_attempts_at.push(match &change.next {
                Next::Queued { at, .. } | Next::Recalling { at, .. } => Some(*at),
                _ => None,
            });
            columns.lease_holders.push(holder);
            columns.leases_until.push(until);
            columns.tries.push(change.tries);
            columns.tries_since.push(change.tries_since);
            columns.rounds.push(change.round);
            columns.keys.push(&change.idempotency_key);
            columns.priorities.push(change.priority);
            columns.last_outcomes.push(change.last_outcome.as_deref());
            columns.references.push(change.provider_reference.as_deref());
            columns.accepted_at.push(change.accepted_at);
            columns.recalls_from.push(change.recalls_from.map(RecallsFrom::as_str));
            columns.recall_outcomes.push(change.recall_outcome.map(RecallOutcome::as_str));
            columns.called_off.push(change.called_off.as_deref());
            columns.snoozed_until.push(change.snoozed_until);
        }
        columns
    }
}
