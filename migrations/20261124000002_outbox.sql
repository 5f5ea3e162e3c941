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
