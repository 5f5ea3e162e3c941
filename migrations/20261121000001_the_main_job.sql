-- The main job: a signed Stripe event in, a fulfilled order out.
-- States are text with a check; a check ties a state to its timestamps; amounts are minor units of the row's currency.

-- 1. The inbox ---------------------------------------------------------------------------------------------------

create table stripe_events (
  id              text primary key,
  type            text not null,
  object_id       text,
  account         text,
  api_version     text,
  livemode        boolean not null,
  created_at      timestamptz,
  received_at     timestamptz not null,
  endpoint        text not null check (endpoint in ('platform', 'connect')),
  verified_by     text not null,
  state           text not null check (state in ('pending', 'parked', 'applied', 'set_aside', 'failed')),
  reason          text,
  attempts        integer not null default 0,
  next_attempt_at timestamptz,
  parked_at       timestamptz,
  waits_for       text[],
  applied_at      timestamptz,
  order_id        uuid,
  check (state not in ('pending', 'parked') or next_attempt_at is not null),
  check (state in ('pending', 'parked') or next_attempt_at is null),
  check ((state = 'applied') = (applied_at is not null)),
  check (state in ('pending', 'applied') or reason is not null)
);

comment on table stripe_events is 'The ledger: one row for each event that Stripe signed and sent, for ever.';
comment on column stripe_events.id is 'Stripe''s event id, evt_…; the same event delivered again finds this row.';
comment on column stripe_events.type is 'Such as payment_intent.succeeded.';
comment on column stripe_events.api_version is 'In whose shape the payload is; for people, nothing decides by it.';
comment on column stripe_events.livemode is 'Live or test mode; STRIPE_MODE says which of them is ours.';
comment on column stripe_events.received_at is 'When it came in first.';
comment on column stripe_events.applied_at is 'When it had its effect.';
comment on column stripe_events.object_id is 'The id of the object that the event is about (data.object.id).';
comment on column stripe_events.account is 'The connected account, acct_…, of a Connect event; null for our own account.';
comment on column stripe_events.created_at is 'Stripe''s own time of the event, whole seconds; it does not order events.';
comment on column stripe_events.endpoint is 'Which of our two endpoints received it: platform = /webhooks/stripe, connect = /webhooks/stripe/connect.';
comment on column stripe_events.verified_by is 'The label of the endpoint secret whose signature matched.';
comment on column stripe_events.state is 'pending: to be applied. parked: waits for an order that may still appear. applied: had its effect, or the reason says why it had none. set_aside: not for us, or for an order that never appeared; wakes up if that order does. failed: could not be applied, see reason; `packline events replay` tries again.';
comment on column stripe_events.reason is 'Why the event is in its state, or why it changed nothing.';
comment on column stripe_events.attempts is 'Tries that ended in an error.';
comment on column stripe_events.next_attempt_at is 'When the inbox worker looks at it (again).';
comment on column stripe_events.parked_at is 'When it was first found to concern no known order; the adoption grace counts from here.';
comment on column stripe_events.waits_for is 'The Stripe objects and orders, kind:id, whose appearance wakes the event up.';
comment on column stripe_events.order_id is 'The order that the event concerned.';

-- Serves the claim: what is due, oldest first; applied events are not in it.
create index stripe_events_due on stripe_events (next_attempt_at, id) where next_attempt_at is not null;
-- Serves the wake-up when an order appears; only events without an order are in it.
-- Without a pending list: a wake-up asks for many keys and would read the whole list for each.
create index stripe_events_waiting on stripe_events using gin (waits_for) with (fastupdate = off) where waits_for is not null;
-- Serves `packline events list` and `orders show`.
create index stripe_events_by_received on stripe_events (received_at desc, id desc);
create index stripe_events_by_order on stripe_events (order_id) where order_id is not null;
create index stripe_events_troubled on stripe_events (state, received_at desc) where state in ('parked', 'set_aside', 'failed');

-- No foreign key to the ledger: both rows are written by one statement, and payloads expire on their own.
create table stripe_event_payloads (
  event_id text primary key,
  body     text not null
);

comment on table stripe_event_payloads is 'The bytes of each event as Stripe signed them, apart from the ledger so that they can expire.';

-- A Postgres that was built without lz4 keeps its default compression; only speed differs.
do $$
begin
  alter table stripe_event_payloads alter column body set compression lz4;
exception when feature_not_supported then
  raise notice 'this Postgres has no lz4; payloads use its default compression';
end
$$;

create table invoice_payments (
  invoice        text not null,
  payment_intent text not null,
  event_id       text not null,
  primary key (invoice, payment_intent)
);

comment on table invoice_payments is 'Which PaymentIntent pays which invoice, as learnt from any event that says so: the link that orders need to tell one purchase from two.';

create index invoice_payments_by_payment_intent on invoice_payments (payment_intent);

-- 2. Orders ------------------------------------------------------------------------------------------------------

create table orders (
  id                uuid primary key,
  number            text not null constraint orders_number_is_unique unique,
  status            text not null generated always as (
    case
      when payment_status in ('refunded', 'cancelled') then payment_status
      when open_holds > 0 then 'on_hold'
      when payment_status = 'payment_failed' then 'payment_failed'
      when payment_status not in ('paid', 'partially_refunded') then 'pending'
      when fulfilment_status in ('in_progress', 'partially_fulfilled') then 'fulfilling'
      when fulfilment_status = 'failed' then 'fulfilment_failed'
      when fulfilment_status in ('fulfilled', 'cancelled') then fulfilment_status
      else 'paid'
    end
  ) stored,
  payment_status    text not null default 'awaiting_payment' check (payment_status in (
    'awaiting_payment', 'requires_action', 'processing', 'authorised', 'payment_failed', 'paid',
    'partially_refunded', 'refunded', 'cancelled')),
  fulfilment_status text not null default 'none' check (fulfilment_status in (
    'none', 'queued', 'in_progress', 'partially_fulfilled', 'fulfilled', 'failed', 'cancelled')),
  open_holds        integer not null default 0 check (open_holds >= 0),
  currency          text not null check (currency ~ '^[a-z]{3}$'),
  amount_total      bigint not null check (amount_total >= 0),
  amount_paid       bigint not null default 0 check (amount_paid >= 0),
  amount_refunded   bigint not null default 0 check (amount_refunded >= 0),
  origin            text not null check (origin in ('api', 'payment_intent', 'invoice')),
  account           text,
  stripe_customer   text,
  customer_email    text,
  customer_name     text,
  shipping          jsonb,
  metadata          jsonb not null default '{}',
  created_at        timestamptz not null,
  updated_at        timestamptz not null,
  paid_at           timestamptz,
  stripe_paid_at    timestamptz,
  fulfilled_at      timestamptz,
  check (payment_status not in ('paid', 'partially_refunded') or paid_at is not null),
  check ((fulfilment_status = 'fulfilled') = (fulfilled_at is not null))
);

comment on table orders is 'What was bought. payment_status is moved by Stripe events, fulfilment_status by the fulfilment worker, holds by Stripe events and operators; status sums them up in one word.';
comment on column orders.number is 'The short name that people use.';
comment on column orders.payment_status is 'Moved by Stripe events only. awaiting_payment: nothing was tried, or what arrived is not what was asked. requires_action: the customer must do something. processing: under way. payment_failed: a try failed. authorised: reserved, not captured. cancelled: called off. paid: covered. partially_refunded, refunded: a part or all went back.';
comment on column orders.fulfilment_status is 'Moved by the fulfilment worker. none: nothing to send yet. queued: waits for a worker, fulfilments.reason says what for. in_progress: a worker is at it. partially_fulfilled, fulfilled: a part or all was sent. failed: a person must act. cancelled: nothing will be sent.';
comment on column orders.status is 'One word from the three axes: pending, payment_failed, paid, on_hold, fulfilling, fulfilled, fulfilment_failed, refunded, cancelled.';
comment on column orders.open_holds is 'How many rows of holds are open; nothing is sent while there is one.';
comment on column orders.currency is 'Three-letter ISO code, lower case.';
comment on column orders.amount_total is 'What the customer was asked for, in minor units of the currency.';
comment on column orders.amount_paid is 'What arrived in the order''s currency, in minor units; derived from payments.';
comment on column orders.amount_refunded is 'What went back, in minor units; derived from payments.';
comment on column orders.origin is 'api: made by POST /v1/orders. payment_intent, invoice: adopted from a Stripe success that no order was made for.';
comment on column orders.account is 'The connected account, acct_…, that the purchase belongs to; null for our own.';
comment on column orders.shipping is 'Recipient and address: name, phone, line1, line2, city, state, postal_code, country.';
comment on column orders.stripe_customer is 'cus_…, where known.';
comment on column orders.metadata is 'The merchant''s own notes, texts by key.';
comment on column orders.created_at is 'When the order was placed or adopted.';
comment on column orders.updated_at is 'When anything of it last changed.';
comment on column orders.fulfilled_at is 'When all was sent.';
comment on column orders.paid_at is 'When we found the order covered by what arrived.';
comment on column orders.stripe_paid_at is 'Stripe''s own time of the success, whole seconds.';

create index orders_by_created on orders (created_at desc, id desc);
create index orders_by_status on orders (status, created_at desc, id desc);
-- Serves the search for a purchase that already became another order.
create index orders_by_purchase on orders (stripe_customer, currency, amount_total) where stripe_customer is not null;
create index orders_by_email on orders (lower(customer_email), created_at desc, id desc) where customer_email is not null;

create table order_lines (
  order_id    uuid not null references orders,
  position    integer not null check (position > 0),
  sku         text not null,
  description text,
  quantity    bigint not null check (quantity > 0),
  unit_amount bigint not null,
  amount      bigint not null,
  primary key (order_id, position)
);

comment on table order_lines is 'What the parcel must hold. Orders adopted from a bare PaymentIntent have no lines: Stripe does not know them.';
comment on column order_lines.unit_amount is 'Minor units for one piece; for invoice lines that Stripe prices as a whole, rounded towards zero.';
comment on column order_lines.amount is 'Minor units for the line.';

create table order_refs (
  kind       text not null check (kind in (
    'payment_intent', 'charge', 'invoice', 'checkout_session', 'quote', 'subscription_period')),
  stripe_id  text not null,
  order_id   uuid not null references orders,
  created_at timestamptz not null,
  constraint order_refs_stand_for_one_order primary key (kind, stripe_id)
);

comment on table order_refs is 'The Stripe objects that stand for an order; each stands for exactly one.';
comment on column order_refs.stripe_id is 'pi_…, ch_…, in_…, cs_…, qt_…, or sub_… with the start of the period.';

create index order_refs_by_order on order_refs (order_id);

create table order_transitions (
  id         uuid primary key,
  order_id   uuid not null references orders,
  at         timestamptz not null,
  axis       text not null check (axis in ('payment', 'fulfilment', 'hold')),
  from_value text,
  to_value   text,
  cause_kind text not null check (cause_kind in ('api', 'event', 'attempt', 'operator')),
  cause_id   text not null,
  reason     text,
  check (from_value is distinct from to_value or reason is not null)
);

comment on table order_transitions is 'Append-only: every move of an order and its cause, and the reason where an event moved nothing.';
comment on column order_transitions.id is 'A version 7 UUID: sorts by time.';
comment on column order_transitions.from_value is 'Where the axis was; null for what was not there before. Equal to to_value where the reason says why nothing moved.';
comment on column order_transitions.cause_kind is 'api: a merchant''s call. event: a Stripe event. attempt: a try at a fulfilment. operator: a person.';
comment on column order_transitions.cause_id is 'The API key, the event id, the fulfilment id and attempt, or the operator.';

create index order_transitions_by_order on order_transitions (order_id, id);

create table payments (
  order_id   uuid not null references orders,
  kind       text not null check (kind in (
    'captured', 'invoice_paid', 'charge_refunded', 'refunded', 'refund_reversed',
    'dispute_withdrawn', 'dispute_reinstated', 'dispute_lost')),
  stripe_id  text not null,
  amount     bigint not null check (amount >= 0),
  currency   text not null,
  event_id   text not null,
  created_at timestamptz not null,
  constraint payments_are_counted_once primary key (kind, stripe_id, amount)
);

comment on table payments is 'Append-only money facts, keyed by the Stripe object that each comes from; the sums on orders are derived from them.';
comment on column payments.kind is 'captured: a PaymentIntent succeeded. invoice_paid: an invoice was paid, however. charge_refunded: a charge''s cumulative refund, as old API versions tell it. refunded, refund_reversed: one refund, and its failure or cancellation. dispute_withdrawn, dispute_reinstated, dispute_lost: a dispute took money, gave it back, was lost.';
comment on column payments.stripe_id is 'pi_…, in_…, ch_…, re_… or du_….';
comment on column payments.event_id is 'The first event that told it.';

create index payments_by_order on payments (order_id);

create table holds (
  id             uuid primary key,
  order_id       uuid not null references orders,
  kind           text not null check (kind in (
    'dispute', 'early_fraud_warning', 'review', 'amount_mismatch', 'refund_failed', 'possible_duplicate',
    'unknown_order', 'operator')),
  source_id      text not null,
  reason         text not null,
  opened_at      timestamptz not null,
  opened_by      text not null,
  released_at    timestamptz,
  released_by    text,
  release_reason text,
  constraint holds_are_opened_once unique (order_id, kind, source_id),
  check ((released_at is null) = (released_by is null)),
  check ((released_at is null) = (release_reason is null))
);

comment on table holds is 'Why an order must not be sent now. An order is held while one row has no released_at.';
comment on column holds.source_id is 'What the hold is about: the dispute, or the order itself; one hold of a kind for each.';
comment on column holds.opened_by is 'The event or operator that opened it.';

create index holds_open on holds (order_id) where released_at is null;

-- 3. Fulfilment --------------------------------------------------------------------------------------------------

create table fulfilments (
  id                 uuid primary key,
  order_id           uuid not null references orders,
  part               integer not null default 1 check (part > 0),
  state              text not null default 'queued' check (state in (
    'queued', 'in_progress', 'fulfilled', 'rejected', 'failed', 'cancelled')),
  reason             text,
  idempotency_key    text not null constraint fulfilments_have_their_own_key unique,
  attempts           integer not null default 0,
  next_attempt_at    timestamptz,
  lease_holder       text,
  lease_until        timestamptz,
  last_outcome       text,
  provider           text,
  provider_reference text,
  created_at         timestamptz not null,
  updated_at         timestamptz not null,
  finished_at        timestamptz,
  constraint fulfilments_are_queued_once unique (order_id, part),
  check ((state = 'queued') = (next_attempt_at is not null)),
  check ((state = 'in_progress') = (lease_until is not null)),
  check ((state = 'in_progress') = (lease_holder is not null)),
  check ((state in ('queued', 'in_progress')) = (finished_at is null)),
  check (state not in ('rejected', 'failed', 'cancelled') or reason is not null)
);

comment on table fulfilments is 'What is to be sent: one row for each hand-over to a provider.';
comment on column fulfilments.state is 'queued: waits for a worker, or for what reason says. in_progress: a worker holds the lease. fulfilled: the provider has it. rejected: the provider said no, a person must act. failed: tries are used up (dead letter), a person must act. cancelled: not to be sent any more.';
comment on column fulfilments.reason is 'Why it is not on its way: not ready, rejected, failed, cancelled.';
comment on column fulfilments.idempotency_key is 'Sent with every try, so that the provider can tell a repetition from a second order.';
comment on column fulfilments.attempts is 'Tries begun; the fence: only the worker whose attempt this is may write the outcome.';
comment on column fulfilments.lease_until is 'After this the worker counts as dead and another takes over.';
comment on column fulfilments.part is 'Which part of the order, from 1.';
comment on column fulfilments.next_attempt_at is 'When a worker looks at it (again).';
comment on column fulfilments.lease_holder is 'The worker that is at it.';
comment on column fulfilments.last_outcome is 'How the last try ended; unknown means that the provider is asked by key before anything is sent again.';
comment on column fulfilments.provider_reference is 'The provider''s own name for it.';

-- Serves the claim: queued work that is due, oldest first.
create index fulfilments_due on fulfilments (next_attempt_at, id) where state = 'queued';
-- Serves the take-over from dead workers.
create index fulfilments_leased on fulfilments (lease_until, id) where state = 'in_progress';

create table fulfilment_attempts (
  fulfilment_id uuid not null references fulfilments,
  attempt       integer not null check (attempt > 0),
  lease_holder  text not null,
  provider      text not null,
  started_at    timestamptz not null,
  finished_at   timestamptz,
  outcome       text check (outcome in ('fulfilled', 'rejected', 'not_done', 'unknown')),
  detail        text,
  primary key (fulfilment_id, attempt),
  check ((finished_at is null) = (outcome is null))
);

comment on table fulfilment_attempts is 'Each try at a fulfilment. A row without an outcome is under way, or its worker died: then the outcome counts as unknown.';
comment on column fulfilment_attempts.outcome is 'fulfilled: the provider has it. rejected: it said no. not_done: it said that it did nothing, try again. unknown: no clear answer; it is asked by key before anything is sent again.';

-- 4. Who may do what ---------------------------------------------------------------------------------------------

create table api_keys (
  id         uuid primary key,
  name       text not null,
  prefix     text not null,
  hash       bytea not null constraint api_keys_hash_is_unique unique,
  created_at timestamptz not null,
  revoked_at timestamptz
);

comment on table api_keys is 'Keys of the merchant''s back ends for /v1. Only a SHA-256 of each is kept.';
comment on column api_keys.prefix is 'The first characters, to tell keys apart.';

create table idempotency_keys (
  api_key_id      uuid not null references api_keys,
  key             text not null,
  request_hash    bytea not null,
  response_status smallint not null,
  response_body   text not null,
  created_at      timestamptz not null,
  primary key (api_key_id, key)
);

comment on table idempotency_keys is 'The answer that each Idempotency-Key of each API key got, so that a repetition gets the same.';

create index idempotency_keys_by_created on idempotency_keys (created_at);
