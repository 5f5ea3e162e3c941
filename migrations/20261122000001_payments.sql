-- Payments: the PaymentIntent of each order that is paid through Packline, every call that changes one, refunds.

-- 1. What orders and their holds learn -----------------------------------------------------------------------------

alter table orders
  add column amount_to_capture bigint,
  add check (amount_to_capture > 0 and amount_to_capture <= amount_total);

comment on column orders.amount_to_capture is 'What was asked to be captured of an authorised payment, where that is less than the total; the order counts as paid when this much arrives. Null: the total.';

alter table order_lines
  add column quantity_refunded bigint not null default 0,
  add constraint order_lines_refund_what_was_bought check (quantity_refunded between 0 and quantity);

comment on column order_lines.quantity_refunded is 'How many of them a refund by line took back: those are not sent any more.';

alter table holds
  drop constraint holds_kind_check,
  add constraint holds_kind_check check (kind in (
    'dispute', 'early_fraud_warning', 'review', 'amount_mismatch', 'refund', 'refund_failed', 'possible_duplicate',
    'unknown_order', 'operator'));

comment on column holds.opened_by is 'event, api, or the operator that opened it.';

alter table order_transitions
  drop constraint order_transitions_cause_kind_check,
  add constraint order_transitions_cause_kind_check check (cause_kind in (
    'api', 'event', 'attempt', 'operator', 'call'));

comment on column order_transitions.cause_kind is 'api: a merchant''s call. event: a Stripe event. attempt: a try at a fulfilment. operator: a person. call: what a call to Stripe came to.';
comment on column order_transitions.cause_id is 'The API key, the event id, the fulfilment id and attempt, the operator, or the call''s idempotency key.';

-- A caller's key can stand for work that began and whose answer is not there yet.
alter table idempotency_keys
  add column subject_id uuid,
  alter column response_status drop not null,
  alter column response_body drop not null,
  add check ((response_status is null) = (response_body is null)),
  add check (response_status is not null or subject_id is not null);

comment on column idempotency_keys.subject_id is 'What the request made, in its first transaction: a repetition goes on with it instead of making another.';

-- 2. The payment of an order ---------------------------------------------------------------------------------------

create table order_payments (
  order_id                uuid primary key references orders,
  mode                    text not null check (mode in ('client', 'server')),
  capture                 text not null check (capture in ('automatic', 'manual')),
  off_session             boolean not null,
  save_for_later          boolean not null,
  payment_method          text,
  receipt_email           text,
  statement_suffix        text,
  stripe_customer         text,
  destination             text,
  commission_fixed        bigint not null default 0 check (commission_fixed >= 0),
  commission_basis_points integer not null default 0 check (commission_basis_points between 0 and 10000),
  on_behalf_of            boolean not null default false,
  application_fee         bigint not null default 0 check (application_fee >= 0),
  payment_intent          text constraint order_payments_have_an_intent_each unique,
  client_secret           text,
  intent_status           text,
  problem                 text,
  problem_code            text,
  declined                jsonb,
  declined_at             timestamptz,
  created_at              timestamptz not null,
  updated_at              timestamptz not null,
  check (not off_session or payment_method is not null and stripe_customer is not null),
  check (destination is not null or application_fee = 0),
  check ((declined is null) = (declined_at is null))
);

comment on table order_payments is 'How an order is paid, for orders whose PaymentIntent Packline makes: one intent for each order, ever.';
comment on column order_payments.mode is 'client: the browser confirms the intent. server: POST /pay does.';
comment on column order_payments.capture is 'automatic: the money moves at once. manual: it is reserved, and captured or let go later.';
comment on column order_payments.off_session is 'Charged at once, without the customer, with payment_method of stripe_customer.';
comment on column order_payments.save_for_later is 'The payment method is to be kept for later charges.';
comment on column order_payments.payment_method is 'pm_…, of an off-session charge.';
comment on column order_payments.stripe_customer is 'cus_…: given by the merchant, or made for this order because something is saved for later.';
comment on column order_payments.destination is 'acct_…: the connected account that gets the money, less application_fee.';
comment on column order_payments.commission_fixed is 'The fixed part of the commission, in minor units of the order''s currency.';
comment on column order_payments.commission_basis_points is 'The part of the commission that grows with the amount, in hundredths of a percent.';
comment on column order_payments.application_fee is 'What the commission came to, in minor units, for the amount that was last asked for.';
comment on column order_payments.client_secret is 'Lets whoever has it pay for this order, and nothing else; given to the browser that holds a checkout token. Never logged.';
comment on column order_payments.intent_status is 'The status of the intent as Stripe told it last, by answer or event. News for pages and people: only events move the order.';
comment on column order_payments.problem is 'Why the last try failed, or why nothing goes on, for people. Null after a success.';
comment on column order_payments.declined is 'What of the last failure that an event told may be shown to the customer; the page tells it where the browser confirms.';
comment on column order_payments.declined_at is 'Stripe''s time of that event: an older one that comes later changes nothing.';
comment on column order_payments.problem_code is 'Stripe''s code for it, such as authentication_required.';

create table checkout_tokens (
  hash       bytea primary key,
  order_id   uuid not null references orders,
  created_at timestamptz not null,
  expires_at timestamptz not null
);

comment on table checkout_tokens is 'What lets a browser pay for one order and see its state. Only a SHA-256 of each token is kept.';

create index checkout_tokens_by_order on checkout_tokens (order_id);

-- 3. Calls to Stripe -----------------------------------------------------------------------------------------------

create table stripe_calls (
  id              uuid primary key,
  order_id        uuid not null references orders,
  operation       text not null check (operation in ('create', 'confirm', 'capture', 'cancel', 'refund')),
  attempt         integer not null check (attempt > 0),
  idempotency_key text not null constraint stripe_calls_have_their_own_key unique,
  params          jsonb not null,
  state           text not null default 'open' check (state in ('open', 'done', 'refused', 'not_done')),
  reason          text,
  code            text,
  shown           jsonb,
  tries           integer not null default 0,
  clear_tries     integer not null default 0,
  opened_at       timestamptz not null,
  last_tried_at   timestamptz,
  next_try_at     timestamptz,
  closed_at       timestamptz,
  constraint stripe_calls_are_numbered unique (order_id, operation, attempt),
  check ((state = 'open') = (next_try_at is not null)),
  check ((state = 'open') = (closed_at is null)),
  check (state not in ('refused', 'not_done') or reason is not null),
  check (clear_tries <= tries)
);

comment on table stripe_calls is 'Every call that changes something at Stripe for an order, written before it is made: with its idempotency key it can be asked again whatever became of the answer.';
comment on column stripe_calls.attempt is 'Which one of its operation, from 1: a call that Stripe refused needs a new key, so a new attempt.';
comment on column stripe_calls.idempotency_key is 'Sent with every try of this call; Stripe gives the same answer for at least 24 hours.';
comment on column stripe_calls.params is 'What is asked, so that each try asks the same.';
comment on column stripe_calls.state is 'open: under way, or its outcome is not known yet. done: Stripe did it. refused: Stripe said no. not_done: Stripe surely did nothing.';
comment on column stripe_calls.reason is 'Why it is not done: what Stripe said, or why the outcome is not known.';
comment on column stripe_calls.code is 'Stripe''s code of a refusal, such as card_declined.';
comment on column stripe_calls.shown is 'Of a refused try to pay: what the customer may be told. message, code, decline_code.';
comment on column stripe_calls.tries is 'Tries begun.';
comment on column stripe_calls.clear_tries is 'Tries of which Stripe surely did nothing. Where all others were so, the call can be closed as not_done.';
comment on column stripe_calls.next_try_at is 'When the worker asks again, if nobody else did until then.';

-- One call at a time changes an order's PaymentIntent; refunds may run side by side.
create unique index stripe_calls_one_at_a_time on stripe_calls (order_id) where state = 'open' and operation <> 'refund';
-- Serves the worker that finds out what became of calls.
create index stripe_calls_due on stripe_calls (next_try_at, id) where state = 'open';

-- 4. Refunds -------------------------------------------------------------------------------------------------------

create table refund_requests (
  id                     uuid primary key,
  order_id               uuid not null references orders,
  call_id                uuid references stripe_calls,
  origin                 text not null check (origin in ('api', 'stripe')),
  amount                 bigint not null check (amount > 0),
  currency               text not null,
  reason                 text check (reason in (
    'duplicate', 'fraudulent', 'requested_by_customer', 'expired_uncaptured_charge')),
  lines                  jsonb,
  reverse_transfer       boolean not null default false,
  refund_application_fee boolean not null default false,
  state                  text not null check (state in (
    'requested', 'pending', 'succeeded', 'failed', 'cancelled', 'refused')),
  problem                text,
  stripe_id              text constraint refund_requests_are_one_refund_each unique,
  created_at             timestamptz not null,
  updated_at             timestamptz not null,
  check ((origin = 'api') = (call_id is not null)),
  check (state in ('requested', 'refused') or stripe_id is not null),
  check (state not in ('failed', 'refused') or problem is not null)
);

comment on table refund_requests is 'Refunds, wherever they were asked for. What they come to is in payments, moved by events.';
comment on column refund_requests.origin is 'api: POST /v1/orders/{id}/refunds. stripe: made elsewhere, for instance in the Dashboard, and learnt from an event.';
comment on column refund_requests.lines is 'What was taken back, by position and quantity, where the refund was by line.';
comment on column refund_requests.reverse_transfer is 'The connected account pays its part of it.';
comment on column refund_requests.refund_application_fee is 'The commission goes back to the connected account in proportion.';
comment on column refund_requests.state is 'requested: Stripe may not know it yet. pending: Stripe has it, the money is on its way. succeeded, failed, cancelled: as Stripe says. refused: Stripe said no, nothing went back.';
comment on column refund_requests.stripe_id is 're_…';

create index refund_requests_by_order on refund_requests (order_id, created_at);
