-- Fulfilment that a warehouse can rely on: several providers, parts and lines, call-backs, recall, pauses, audit.

-- 1. Who carries orders out ---------------------------------------------------------------------------------------

create table fulfilment_providers (
  name            text primary key check (name ~ '^[a-z0-9][a-z0-9_-]{0,39}$'),
  kind            text not null check (kind in ('settings', 'http', 'log', 'digital')),
  url             text,
  secret          text,
  timeout_ms      integer check (timeout_ms > 0),
  concurrency     integer check (concurrency > 0),
  rate_per_second double precision check (rate_per_second > 0),
  created_at      timestamptz not null,
  updated_at      timestamptz not null,
  check ((kind = 'http') = (url is not null)),
  check ((kind in ('http', 'digital')) = (secret is not null))
);

comment on table fulfilment_providers is 'Who carries orders out. The provider "default" is the one that the settings name; others are added with `packline providers add`.';
comment on column fulfilment_providers.kind is 'settings: FULFILMENT_URL or FULFILMENT_PROVIDER of each worker says what it is. http: a warehouse behind a URL. log: writes a log line. digital: issues links and licence codes.';
comment on column fulfilment_providers.secret is 'whsec_ and base64. http: signs our requests. digital: signs links. In clear, since signing needs it: nobody but Packline may read this table.';
comment on column fulfilment_providers.timeout_ms is 'How long one request may take, in milliseconds; null is FULFILMENT_TIMEOUT.';
comment on column fulfilment_providers.concurrency is 'How many attempts may be under way at once, over all workers; null is only bounded by each worker.';
comment on column fulfilment_providers.rate_per_second is 'How many attempts may begin a second, over all workers; null is no limit.';

insert into fulfilment_providers (name, kind, created_at, updated_at) values ('default', 'settings', now(), now());

create table fulfilment_provider_health (
  provider          text primary key references fulfilment_providers on delete cascade,
  breaker           text not null default 'closed' check (breaker in ('closed', 'open', 'half_open')),
  reason            text,
  opened_at         timestamptz,
  retry_at          timestamptz,
  trips             integer not null default 0 check (trips >= 0),
  window_started_at timestamptz,
  window_attempts   integer not null default 0 check (window_attempts >= 0),
  window_failures   integer not null default 0 check (window_failures between 0 and window_attempts),
  tokens            double precision,
  tokens_at         timestamptz,
  check ((breaker = 'closed') = (opened_at is null)),
  check ((breaker = 'closed') = (retry_at is null)),
  check (breaker = 'closed' or reason is not null)
) with (fillfactor = 50);

comment on table fulfilment_provider_health is 'How each provider is doing, kept apart because it changes with every batch: its circuit breaker and its rate limit.';
comment on column fulfilment_provider_health.breaker is 'closed: attempts are made. open: it failed too often, nothing is sent until retry_at. half_open: one attempt is under way to see whether it is well again.';
comment on column fulfilment_provider_health.reason is 'What opened the breaker.';
comment on column fulfilment_provider_health.retry_at is 'open: when one attempt is let through. half_open: when the trial counts as lost and another is let through.';
comment on column fulfilment_provider_health.trips is 'How often in a row it opened; each time it stays open for longer.';
comment on column fulfilment_provider_health.window_attempts is 'Attempts since window_started_at, and how many of them failed technically; rejections are no failures.';
comment on column fulfilment_provider_health.tokens is 'Attempts that may begin at once, as of tokens_at, under rate_per_second.';

insert into fulfilment_provider_health (provider) values ('default');

create table fulfilment_rules (
  position   integer primary key check (position > 0),
  sku        text,
  country    text check (country ~ '^[A-Z]{2}$'),
  account    text,
  provider   text not null references fulfilment_providers,
  priority   smallint not null default 1 check (priority between 0 and 2),
  created_at timestamptz not null
);

comment on table fulfilment_rules is 'Which provider carries out which lines of an order: the first rule, by position, all of whose given conditions match a line. Without one it is "default". Judged when the order is paid.';
comment on column fulfilment_rules.sku is 'The line''s sku; * stands for any characters. Null matches every line.';
comment on column fulfilment_rules.country is 'Two-letter ISO code of the address. Null matches every order.';
comment on column fulfilment_rules.account is 'The connected account, acct_…, that sells or gets the money. Null matches every order.';
comment on column fulfilment_rules.priority is '0 before 1 before 2, among what is due at one provider.';

create table fulfilment_pauses (
  id         uuid primary key,
  provider   text references fulfilment_providers,
  sku        text,
  reason     text not null,
  paused_by  text not null,
  paused_at  timestamptz not null,
  expires_at timestamptz,
  ended_at   timestamptz,
  ended_by   text,
  check ((provider is null) <> (sku is null)),
  check ((ended_at is null) = (ended_by is null))
);

comment on table fulfilment_pauses is 'Nothing is sent to a provider, or nothing with a sku in it, until the pause ends or expires.';
comment on column fulfilment_pauses.sku is 'As in an order line, without patterns.';
comment on column fulfilment_pauses.expires_at is 'When it ends by itself; null is never.';

create index fulfilment_pauses_open on fulfilment_pauses (paused_at) where ended_at is null;
create unique index fulfilment_pauses_one_for_each on fulfilment_pauses (coalesce(provider, ''), coalesce(sku, '')) where ended_at is null;

-- 2. What is to be sent, by part and line -------------------------------------------------------------------------

update fulfilments set provider = 'default';

alter table fulfilments
  alter column provider set default 'default',
  alter column provider set not null,
  add column account text not null default '',
  add column priority smallint not null default 1 check (priority between 0 and 2),
  add column round integer not null default 1 check (round > 0),
  add column tries integer not null default 0 check (tries >= 0),
  add column tries_since timestamptz,
  add column accepted_at timestamptz,
  add column recalls_from text check (recalls_from in ('accepted', 'fulfilled')),
  add column recall_outcome text check (recall_outcome in ('recalled', 'too_late', 'not_offered', 'unanswered')),
  add column called_off text,
  add column snoozed_until timestamptz,
  drop constraint fulfilments_state_check,
  drop constraint fulfilments_check,
  drop constraint fulfilments_check3,
  drop constraint fulfilments_check4,
  add constraint fulfilments_state_is_known check (state in (
    'queued', 'in_progress', 'accepted', 'recalling', 'fulfilled', 'rejected', 'failed', 'cancelled')),
  add constraint fulfilments_waiting_are_due_once check ((state in ('queued', 'recalling')) = (next_attempt_at is not null)),
  add constraint fulfilments_open_have_no_end check (state not in ('queued', 'accepted') or finished_at is null),
  add constraint fulfilments_ended_have_one check (state not in ('fulfilled', 'rejected', 'failed', 'cancelled') or finished_at is not null),
  add constraint fulfilments_say_why check (state not in ('rejected', 'failed', 'cancelled', 'recalling') or reason is not null),
  add constraint fulfilments_recall_from_somewhere check (state <> 'recalling' or recalls_from is not null);

comment on column fulfilments.state is 'queued: waits for a worker, or for what reason says. in_progress: a worker holds the lease. accepted: the provider has it and tells later what became of it. recalling: the provider is to be asked not to send it. fulfilled: all of it was sent. rejected: the provider said no, a person must act. failed: tries are used up (dead letter), a person must act. cancelled: not to be sent any more.';
comment on column fulfilments.provider is 'Who carries it out, by fulfilment_providers. No foreign key: each would lock the same row of it.';
comment on column fulfilments.account is 'The connected account whose turn it takes: claims are fair between accounts. Empty for our own.';
comment on column fulfilments.priority is '0 before 1 before 2.';
comment on column fulfilments.round is 'How often it was begun anew under a key of its own: after the provider gave it back, or said no and a person mended it.';
comment on column fulfilments.tries is 'Tries begun in the present series; waits grow with it.';
comment on column fulfilments.tries_since is 'When the present series of tries began: it ends as failed when it is too old. Times that it waited for us, not for the provider, do not count.';
comment on column fulfilments.accepted_at is 'When the provider said that it has it, for the present round.';
comment on column fulfilments.recalls_from is 'Where it was when it had to be recalled, and returns to if that is too late. Not null while a recall is due or under way.';
comment on column fulfilments.recall_outcome is 'How the last recall ended. recalled: it will not be sent. too_late: it is on its way. not_offered: the provider takes nothing back. unanswered: it never said.';
comment on column fulfilments.called_off is 'Why an operator wants it not to be sent; it is cancelled as soon as that is sure.';
comment on column fulfilments.snoozed_until is 'An operator wants it not to be tried before.';

drop index fulfilments_due;
-- Serves the claim: the lanes of a provider, and in each what is due, oldest first.
create index fulfilments_lanes on fulfilments (provider, priority, account, next_attempt_at, id) where state in ('queued', 'recalling');
-- Serves a provider's bound on concurrency.
create index fulfilments_under_way on fulfilments (provider) where state = 'in_progress';
-- Serves what people look for: what waits for a person or for a provider.
create index fulfilments_troubled on fulfilments (state, updated_at desc, id desc) where state in ('accepted', 'recalling', 'rejected', 'failed');
create index fulfilments_by_created on fulfilments (created_at desc, id desc);

create table fulfilment_lines (
  fulfilment_id      uuid not null references fulfilments,
  order_id           uuid not null,
  position           integer not null,
  quantity           bigint not null check (quantity > 0),
  quantity_shipped   bigint not null default 0 check (quantity_shipped >= 0),
  quantity_answered  bigint not null default 0 check (quantity_answered >= 0),
  answered_round     integer,
  quantity_cancelled bigint not null default 0 check (quantity_cancelled between 0 and quantity),
  quantity_returned  bigint not null default 0 check (quantity_returned >= 0),
  primary key (fulfilment_id, position),
  foreign key (order_id, position) references order_lines,
  constraint fulfilment_lines_are_sent_once unique (order_id, position)
);

comment on table fulfilment_lines is 'Which lines of an order a fulfilment carries out; each line is carried out by one. Orders without lines have none here.';
comment on column fulfilment_lines.quantity is 'Pieces that were bought.';
comment on column fulfilment_lines.quantity_shipped is 'Pieces that left, by all that is known: more than were bought where the provider says so.';
comment on column fulfilment_lines.quantity_answered is 'Pieces that were to be sent when the provider answered "done" to the hand-over, or an operator said so. It covers what call-backs do not tell apart; 0 again once the provider gave them back.';
comment on column fulfilment_lines.answered_round is 'The round of that answer: it says nothing about a later one.';
comment on column fulfilment_lines.quantity_cancelled is 'Pieces that were not to be sent, since they had been refunded, when it was last handed over.';
comment on column fulfilment_lines.quantity_returned is 'Pieces that came back.';

insert into fulfilment_lines (fulfilment_id, order_id, position, quantity, quantity_shipped, quantity_answered, answered_round, quantity_cancelled)
select
  fulfilments.id,
  order_lines.order_id,
  order_lines.position,
  order_lines.quantity,
  case when fulfilments.state = 'fulfilled' then order_lines.quantity - order_lines.quantity_refunded else 0 end,
  case when fulfilments.state = 'fulfilled' then order_lines.quantity - order_lines.quantity_refunded else 0 end,
  case when fulfilments.state = 'fulfilled' then 1 end,
  order_lines.quantity_refunded
from fulfilments
join order_lines on order_lines.order_id = fulfilments.order_id
where fulfilments.part = 1;

alter table fulfilment_attempts
  add column task text not null default 'send' check (task in ('send', 'recall')),
  add column idempotency_key text,
  drop constraint fulfilment_attempts_outcome_check,
  add constraint fulfilment_attempts_outcome_is_known check (outcome in (
    'fulfilled', 'accepted', 'rejected', 'not_done', 'unknown', 'recalled', 'too_late', 'not_offered'));

comment on column fulfilment_attempts.task is 'send: hand it over, after asking where there was doubt. recall: ask for it not to be sent.';
comment on column fulfilment_attempts.idempotency_key is 'The key it was made under.';
comment on column fulfilment_attempts.outcome is 'fulfilled: the provider did it. accepted: it has it and tells later. rejected: it said no. not_done: it said that it did nothing, try again. unknown: no clear answer; it is asked by key before anything is sent again. recalled, too_late, not_offered: how a recall ended.';

update fulfilment_attempts set provider = 'default';

-- 3. What providers tell later ------------------------------------------------------------------------------------

create table fulfilment_events (
  fulfilment_id uuid not null references fulfilments,
  event_id      text not null,
  round         integer not null,
  type          text not null check (type in ('accepted', 'shipped', 'delivered', 'failed', 'returned')),
  shipment      text,
  occurred_at   timestamptz not null,
  received_at   timestamptz not null,
  body          jsonb not null,
  primary key (fulfilment_id, event_id)
);

comment on table fulfilment_events is 'Append-only: what providers told by call-back, once each. Where a fulfilment stands follows from all of them, in whatever order they came.';
comment on column fulfilment_events.event_id is 'The provider''s id of it; where it gave none, a digest of what it said.';
comment on column fulfilment_events.round is 'Which round of the fulfilment it is about.';
comment on column fulfilment_events.shipment is 'The provider''s name for the parcel.';

create table shipments (
  id              uuid primary key,
  fulfilment_id   uuid not null references fulfilments,
  name            text not null,
  carrier         text,
  tracking_number text,
  tracking_url    text,
  shipped_at      timestamptz,
  delivered_at    timestamptz,
  returned_at     timestamptz,
  is_told         boolean not null default true,
  created_at      timestamptz not null,
  updated_at      timestamptz not null,
  constraint shipments_are_named_once unique (fulfilment_id, name)
);

comment on table shipments is 'Parcels, as providers tell of them.';
comment on column shipments.name is 'The provider''s name for it, unique within the fulfilment; its tracking number or "1" where it gave none.';

comment on column shipments.is_told is 'Whether a call-back told of it; else an answer announced it, or an operator.';

create table shipment_lines (
  shipment_id uuid not null references shipments,
  position    integer not null,
  quantity    bigint not null check (quantity > 0),
  returned    bigint not null default 0 check (returned >= 0),
  primary key (shipment_id, position)
);

comment on table shipment_lines is 'What is in a parcel: lines of the order, by position, and pieces.';

alter table api_keys
  add column provider text references fulfilment_providers;

comment on column api_keys.provider is 'Set for keys of a provider: such a key may only post call-backs for fulfilments of that provider. Null for keys of merchants.';

-- 4. Digital goods ------------------------------------------------------------------------------------------------

create table digital_goods (
  sku           text primary key,
  kind          text not null check (kind in ('link', 'licence')),
  url           text,
  valid_seconds bigint check (valid_seconds > 0),
  created_at    timestamptz not null,
  updated_at    timestamptz not null,
  check ((kind = 'link') = (url is not null))
);

comment on table digital_goods is 'What the digital provider issues for a sku.';
comment on column digital_goods.url is 'link: where the file is; customers only see a signed link to us that leads there.';
comment on column digital_goods.valid_seconds is 'How long a link works, in seconds from its issue; null is for ever.';

create table digital_deliveries (
  id            uuid primary key,
  fulfilment_id uuid not null references fulfilments,
  idempotency_key text not null,
  position      integer not null,
  piece         integer not null check (piece > 0),
  sku           text not null,
  kind          text not null check (kind in ('link', 'licence')),
  code          text not null,
  url           text,
  issued_at     timestamptz not null,
  expires_at    timestamptz,
  revoked_at    timestamptz,
  constraint digital_deliveries_are_issued_once unique (idempotency_key, position, piece),
  constraint digital_deliveries_have_their_own_code unique (code)
);

comment on table digital_deliveries is 'Links and licence codes that were issued.';
comment on column digital_deliveries.code is 'licence: the code. link: the part of the link that names it; it is signed besides.';
comment on column digital_deliveries.url is 'link: where it leads.';
comment on column digital_deliveries.piece is 'Licences: one for each piece that was bought, from 1. Links: always 1.';

create index digital_deliveries_by_fulfilment on digital_deliveries (fulfilment_id);

-- 5. Who did what -------------------------------------------------------------------------------------------------

alter table order_transitions
  drop constraint order_transitions_cause_kind_check,
  add constraint order_transitions_cause_is_known check (cause_kind in (
    'api', 'event', 'attempt', 'operator', 'call', 'provider'));

comment on column order_transitions.cause_kind is 'api: a merchant''s call. event: a Stripe event. attempt: a try at a fulfilment. operator: a person. call: what a call to Stripe came to. provider: what a provider told by call-back.';
comment on column order_transitions.cause_id is 'The API key, the event id, the fulfilment id and attempt, the operator, the call''s idempotency key, or the provider and its event.';

create table audit_log (
  id      uuid primary key,
  at      timestamptz not null,
  who     text not null,
  action  text not null,
  subject text not null,
  because text not null,
  details jsonb not null default '{}'
);

comment on table audit_log is 'Append-only: what people did by hand, and why.';
comment on column audit_log.action is 'Such as fulfilments.retry or providers.pause.';
comment on column audit_log.subject is 'What it was done to: a fulfilment''s id, a provider''s name.';

create index audit_log_by_subject on audit_log (subject, id);

-- 6. What people look at ------------------------------------------------------------------------------------------

create schema ops_v1;

comment on schema ops_v1 is 'Views for people and their tools: their names and columns stay.';
