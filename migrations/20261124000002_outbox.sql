-- What is sold before there is an order: calls to Stripe about it, customers, products, prices, quotes.

-- 1. The outbox ----------------------------------------------------------------------------------------------------

create table outbox_calls (
  id              uuid primary key,
  operation       text not null check (operation ~ '^[a-z_]+\.[a-z_]+$'),
  subject         uuid not null,
  attempt         integer not null check (attempt > 0),
  idempotency_key text not null constraint outbox_calls_have_their_own_key unique,
  path            text not null check (path like '/v1/%'),
  params          jsonb not null check (jsonb_typeof(params) = 'object'),
  account         text,
  state           text not null default 'open' check (state in ('open', 'done', 'refused', 'not_done', 'seen')),
  reason          text,
  code            text,
  http_status     smallint,
  request_id      text,
  tries           integer not null default 0,
  opened_at       timestamptz not null,
  last_tried_at   timestamptz,
  next_try_at     timestamptz,
  closed_at       timestamptz,
  constraint outbox_calls_are_numbered unique (subject, operation, attempt),
  check ((state = 'open') = (next_try_at is not null)),
  check ((state = 'open') = (closed_at is null)),
  check (state not in ('refused', 'not_done') or reason is not null),
  check (state <> 'refused' or http_status is not null)
);

comment on table outbox_calls is 'Every call that changes something at Stripe and is no order''s payment, written before it is made: with its idempotency key it can be asked again whatever became of the answer.';
comment on column outbox_calls.operation is 'What is asked of what, such as quote.accept: the part before the dot names the feature whose it is.';
comment on column outbox_calls.subject is 'Our row that it makes or moves. A call that makes something carries it to Stripe as metadata packline_id.';
comment on column outbox_calls.attempt is 'Which one of its operation, from 1: a call that Stripe refused needs a new key, so a new attempt.';
comment on column outbox_calls.idempotency_key is 'Sent with every try of this call; Stripe gives the same answer for at least 24 hours.';
comment on column outbox_calls.params is 'What is asked, so that each try asks the same.';
comment on column outbox_calls.account is 'acct_… where it is made for a connected account.';
comment on column outbox_calls.state is 'open: under way, or its outcome is not known yet. done: Stripe did it. refused: Stripe said no. not_done: Stripe never did it. seen: its key was too old to ask again, so the object was looked at, and its owner took over how it is.';
comment on column outbox_calls.reason is 'Why it is not done: what Stripe said, or why the outcome is not known.';
comment on column outbox_calls.code is 'Stripe''s code of a refusal, such as resource_missing; key_reused where Stripe knows the key with other parameters.';
comment on column outbox_calls.http_status is 'Of a refusal.';
comment on column outbox_calls.request_id is 'req_… of the answer that closed it, where it had one: Stripe''s Dashboard finds it by that.';
comment on column outbox_calls.tries is 'Tries begun.';
comment on column outbox_calls.next_try_at is 'When the worker asks again, if nobody else did until then.';

-- One call at a time moves a thing.
create unique index outbox_calls_one_at_a_time on outbox_calls (subject) where state = 'open';
-- Serves the worker.
create index outbox_calls_due on outbox_calls (next_try_at, id) where state = 'open';

-- 2. The catalogue -------------------------------------------------------------------------------------------------

create table customers (
  id          uuid primary key,
  stripe_id   text constraint customers_stripe_id_is_unique unique,
  state       text not null check (state in ('creating', 'created', 'refused')),
  reason      text,
  email       text,
  name        text,
  phone       text,
  description text,
  shipping    jsonb,
  metadata    jsonb not null default '{}',
  api_key_id  uuid not null references api_keys (id),
  created_at  timestamptz not null,
  updated_at  timestamptz not null,
  check (state <> 'created' or stripe_id is not null),
  check (state <> 'refused' or reason is not null)
);

comment on table customers is 'Customers that were made through Packline; those made elsewhere are named by their cus_… and need no row.';
comment on column customers.state is 'creating: Stripe may not know it yet. created: it is there. refused: Stripe said no, or never made it.';
comment on column customers.shipping is 'Where to send what the customer''s invoices bill.';

create index customers_by_time on customers (created_at desc, id desc);

create table products (
  id          uuid primary key,
  stripe_id   text constraint products_stripe_id_is_unique unique,
  state       text not null check (state in ('creating', 'created', 'refused')),
  reason      text,
  name        text not null,
  description text,
  sku         text,
  metadata    jsonb not null default '{}',
  api_key_id  uuid not null references api_keys (id),
  created_at  timestamptz not null,
  updated_at  timestamptz not null,
  check (state <> 'created' or stripe_id is not null),
  check (state <> 'refused' or reason is not null)
);

comment on table products is 'Products that were made through Packline.';
comment on column products.state is 'creating: Stripe may not know it yet. created: it is there. refused: Stripe said no, or never made it.';
comment on column products.sku is 'The merchant''s name for the article, for all its prices that have none of their own; Stripe has it as metadata sku.';

create index products_by_time on products (created_at desc, id desc);

create table prices (
  id             uuid primary key,
  stripe_id      text constraint prices_stripe_id_is_unique unique,
  state          text not null check (state in ('creating', 'created', 'refused')),
  reason         text,
  product_id     uuid references products,
  stripe_product text not null,
  sku            text,
  nickname       text,
  currency       text not null check (currency ~ '^[a-z]{3}$'),
  unit_amount    bigint not null check (unit_amount >= 0),
  period         text check (period in ('day', 'week', 'month', 'year')),
  period_count   integer check (period_count > 0),
  metadata       jsonb not null default '{}',
  api_key_id     uuid not null references api_keys (id),
  created_at     timestamptz not null,
  updated_at     timestamptz not null,
  check (state <> 'created' or stripe_id is not null),
  check (state <> 'refused' or reason is not null),
  check ((period is null) = (period_count is null))
);

comment on table prices is 'Prices that were made through Packline.';
comment on column prices.state is 'creating: Stripe may not know it yet. created: it is there. refused: Stripe said no, or never made it.';
comment on column prices.product_id is 'Null where the product was made elsewhere, for instance in the Dashboard.';
comment on column prices.sku is 'The merchant''s name for what a line of this price sends: its own, else its product''s. Stripe has it as metadata sku.';
comment on column prices.unit_amount is 'Minor units of currency, for one.';
comment on column prices.period is 'Of a price that is asked for again and again: each period_count of these. Null: once.';

create index prices_by_time on prices (created_at desc, id desc);

-- 3. Quotes --------------------------------------------------------------------------------------------------------

create table quotes (
  id                    uuid primary key,
  stripe_id             text constraint quotes_stripe_id_is_unique unique,
  origin                text not null check (origin in ('api', 'stripe')),
  state                 text not null check (state in ('creating', 'draft', 'open', 'accepted', 'cancelled', 'refused')),
  reason                text,
  number                text,
  customer              text,
  lines                 jsonb,
  description           text,
  collection_method     text,
  currency              text check (currency ~ '^[a-z]{3}$'),
  amount_subtotal       bigint,
  amount_total          bigint,
  recurring             jsonb,
  metadata              jsonb not null default '{}',
  expires_at            timestamptz,
  invoice               text,
  subscription          text,
  subscription_schedule text,
  finalized_at          timestamptz,
  accepted_at           timestamptz,
  cancelled_at          timestamptz,
  told_at               timestamptz,
  told_by               text,
  api_key_id            uuid references api_keys (id),
  created_at            timestamptz not null,
  updated_at            timestamptz not null,
  check (state in ('creating', 'refused') or stripe_id is not null),
  check (state <> 'refused' or reason is not null),
  check ((origin = 'api') = (api_key_id is not null))
);

comment on table quotes is 'Offers to customers: made through Packline, or elsewhere and learnt from Stripe''s events.';
comment on column quotes.origin is 'api: POST /v1/quotes. stripe: made elsewhere, for instance in the Dashboard.';
comment on column quotes.state is 'creating: Stripe may not know it yet. draft, open, accepted, cancelled: as Stripe tells, only ever forwards. refused: Stripe said no, or never made it.';
comment on column quotes.reason is 'Why it is refused or cancelled.';
comment on column quotes.number is 'What the customer knows it by; from the moment it is finalised.';
comment on column quotes.customer is 'cus_…';
comment on column quotes.lines is 'What is offered, as Stripe answered last; null where only events told of the quote, which do not say it.';
comment on column quotes.amount_total is 'Minor units of currency: what is to be paid on acceptance.';
comment on column quotes.recurring is 'What is to be paid each period, where something is: amount_total, interval, interval_count.';
comment on column quotes.invoice is 'in_… of the first invoice, once accepted.';
comment on column quotes.subscription is 'sub_… that the acceptance began.';
comment on column quotes.subscription_schedule is 'sub_sched_… where the subscription begins later.';
comment on column quotes.told_at is 'Stripe''s time of the last word of it.';
comment on column quotes.told_by is 'The event, or api where Stripe answered us.';

create index quotes_by_time on quotes (created_at desc, id desc);
-- Serve the chain from an order back to its quote.
create index quotes_by_invoice on quotes (invoice) where invoice is not null;
create index quotes_by_subscription on quotes (subscription) where subscription is not null;

create view ops_v1.quotes as
select
  id,
  stripe_id,
  number,
  state,
  state in ('draft', 'open') and expires_at <= now() as expired,
  origin,
  customer,
  currency,
  amount_total,
  recurring,
  expires_at,
  invoice,
  subscription,
  subscription_schedule,
  reason,
  created_at,
  finalized_at,
  accepted_at,
  cancelled_at,
  updated_at
from quotes;

comment on view ops_v1.quotes is 'Offers to customers, and what became of them.';
comment on column ops_v1.quotes.expired is 'Its time is over and Stripe has not said yet that it cancelled it: nobody can accept it any more.';
comment on column ops_v1.quotes.amount_total is 'Minor units of currency: what is to be paid on acceptance.';
comment on column ops_v1.quotes.invoice is 'Its order has the same: `packline orders show in_…`.';
