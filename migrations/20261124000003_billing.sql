-- Billing: what Stripe says of invoices and of the subscriptions that make them, and what ops look at.

-- 1. Invoices ------------------------------------------------------------------------------------------------------

create table invoices (
  id                        uuid primary key,
  stripe_id                 text not null constraint invoices_stripe_id_is_unique unique,
  account                   text,
  order_id                  uuid references orders (id),
  status                    text not null check (status in ('draft', 'open', 'uncollectible', 'void', 'paid')),
  number                    text,
  billing_reason            text,
  collection_method         text,
  customer                  text,
  customer_email            text,
  subscription              text,
  quote                     text,
  currency                  text not null check (currency ~ '^[a-z]{3}$'),
  amount_due                bigint not null,
  amount_paid               bigint not null,
  amount_remaining          bigint not null,
  lines                     integer,
  auto_advance              boolean,
  automatically_finalizes_at timestamptz,
  attempt_count             bigint not null default 0,
  next_payment_attempt      timestamptz,
  due_date                  timestamptz,
  period_start              timestamptz,
  period_end                timestamptz,
  hosted_invoice_url        text,
  invoice_pdf               text,
  told_as                   text not null,
  told_at                   timestamptz not null,
  told_by                   text not null,
  deleted_at                timestamptz,
  client_secret             text,
  client_secret_at          timestamptz,
  action_required_at        timestamptz,
  news                      bigint not null default 0,
  looked_at_news            bigint not null default 0,
  next_look_at              timestamptz,
  looks                     integer not null default 0,
  created_at                timestamptz not null,
  updated_at                timestamptz not null
);

comment on table invoices is 'What Stripe says of each invoice: the furthest of all snapshots that came, in whatever order. The order of an invoice is moved elsewhere.';
comment on column invoices.stripe_id is 'in_…';
comment on column invoices.account is 'acct_… where it is a connected account''s own.';
comment on column invoices.order_id is 'The order that it became: from when it is finalised.';
comment on column invoices.subscription is 'sub_…, of whose period it is.';
comment on column invoices.quote is 'qt_…, whose acceptance made it.';
comment on column invoices.lines is 'How many lines it has, at most ten counted; null where nobody told.';
comment on column invoices.automatically_finalizes_at is 'When Stripe finalises a draft by itself: an hour after our 200 to invoice.created.';
comment on column invoices.told_as is 'The type of the event that told the facts; api where our own call or look did.';
comment on column invoices.told_at is 'Stripe''s time of that event, whole seconds.';
comment on column invoices.told_by is 'The event, evt_…, or api.';
comment on column invoices.client_secret is 'Lets a browser pay this invoice in a form of the shop''s own page; learnt by looking, no event tells it.';
comment on column invoices.action_required_at is 'When the bank last wanted the customer to do something.';
comment on column invoices.news is 'How many events spoke of it; a look counts only if none came meanwhile.';
comment on column invoices.next_look_at is 'When the worker looks at it; null where there is nothing to learn.';
comment on column invoices.looks is 'Looks that ended in an error, one after the other.';

-- Serves lists, newest first, and with a filter those of a subscription, of a customer, of an order.
create index invoices_by_created on invoices (created_at desc, id desc);
create index invoices_by_subscription on invoices (subscription, created_at desc) where subscription is not null;
create index invoices_by_customer on invoices (customer, created_at desc, id desc);
create index invoices_by_order on invoices (order_id) where order_id is not null;
-- Serves ops: what is to be paid and is not.
create index invoices_unpaid on invoices (created_at) where status in ('open', 'uncollectible');
-- Serves the worker's claim.
create index invoices_due on invoices (next_look_at) where next_look_at is not null;

create table invoice_intents (
  invoice        text not null,
  payment_intent text not null,
  primary key (invoice, payment_intent)
);

comment on table invoice_intents is 'Which PaymentIntents pay which invoice, as any event told: how an invoice finds its receipt and why a try failed.';

create table payment_notes (
  payment_intent text primary key,
  charge         text,
  receipt_url    text,
  receipt_at     timestamptz,
  failed_by      text,
  failed_at      timestamptz,
  failure        text,
  check ((receipt_url is null) = (receipt_at is null)),
  check ((failure is null) = (failed_at is null))
);

comment on table payment_notes is 'What customers and ops want to know of a PaymentIntent beside its money: the receipt of its last charge, and why its last try failed.';
comment on column payment_notes.failed_by is 'The event that told the failure; the last one counts.';

-- 2. Subscriptions -------------------------------------------------------------------------------------------------

create table subscriptions (
  id                     uuid primary key,
  stripe_id              text constraint subscriptions_stripe_id_is_unique unique,
  account                text,
  state                  text not null check (state in ('creating', 'known', 'refused')),
  reason                 text,
  status                 text,
  customer               text,
  currency               text,
  collection_method      text,
  days_until_due         integer,
  started_at             timestamptz,
  current_period_start   timestamptz,
  current_period_end     timestamptz,
  trial_start            timestamptz,
  trial_end              timestamptz,
  cancel_at_period_end   boolean not null default false,
  cancel_at              timestamptz,
  cancelled_at           timestamptz,
  ended_at               timestamptz,
  cancellation_reason    text,
  pause_behaviour        text,
  pause_resumes_at       timestamptz,
  pending_update_expires_at timestamptz,
  latest_invoice         text,
  default_payment_method text,
  schedule               text,
  metadata               jsonb not null default '{}',
  end_now                text check (end_now in ('asked', 'asked_with_invoice')),
  told_as                text,
  told_at                timestamptz,
  told_by                text,
  news                   bigint not null default 0,
  looked_at_news         bigint not null default 0,
  next_look_at           timestamptz,
  looks                  integer not null default 0,
  api_key_id             uuid references api_keys (id),
  created_at             timestamptz not null,
  updated_at             timestamptz not null,
  check ((state = 'known') = (stripe_id is not null)),
  check ((state = 'known') = (status is not null)),
  check (state <> 'refused' or reason is not null)
);

comment on table subscriptions is 'What Stripe says of each subscription, kept as of told_at. It moves no order: each paid invoice of it becomes one.';
comment on column subscriptions.stripe_id is 'sub_…; null until Stripe''s answer to its creation is known.';
comment on column subscriptions.account is 'acct_… where it is a connected account''s own.';
comment on column subscriptions.state is 'creating: Stripe is being asked, or its answer was lost. known: Stripe has it. refused: Stripe did not make it.';
comment on column subscriptions.status is 'As Stripe has it: incomplete, incomplete_expired, trialing, active, past_due, canceled, unpaid or paused.';
comment on column subscriptions.current_period_end is 'Until when it is billed: of several items with periods of their own the one that renews next.';
comment on column subscriptions.pause_behaviour is 'What becomes of its invoices while their collection is paused: keep_as_draft, mark_uncollectible or void; null where it is not paused.';
comment on column subscriptions.schedule is 'sub_sched_…, which steers it.';
comment on column subscriptions.end_now is 'We were asked to end it at once, and Stripe has not said yet that it did; asked_with_invoice: what is owed is to be billed first.';
comment on column subscriptions.told_as is 'The type of the event that told the facts; api where our own call or look did.';
comment on column subscriptions.told_at is 'Stripe''s time of that event, whole seconds.';
comment on column subscriptions.told_by is 'The event, evt_…, or api.';
comment on column subscriptions.news is 'How many events spoke of it; a look counts only if none came meanwhile.';
comment on column subscriptions.next_look_at is 'When the worker looks at it; null where there is nothing to learn.';
comment on column subscriptions.looks is 'Looks that ended in an error, one after the other.';

-- Serves lists, newest first.
create index subscriptions_by_created on subscriptions (created_at desc, id desc);
create index subscriptions_by_customer on subscriptions (customer, created_at desc, id desc);
create index subscriptions_by_schedule on subscriptions (schedule) where schedule is not null;
-- Serves the worker's claim.
create index subscriptions_due on subscriptions (next_look_at) where next_look_at is not null;

create table subscription_items (
  subscription_id uuid not null references subscriptions (id),
  position        integer not null check (position > 0),
  stripe_id       text not null,
  price           text,
  product         text,
  sku             text,
  quantity        bigint,
  unit_amount     bigint,
  currency        text,
  interval        text,
  interval_count  integer,
  current_period_start timestamptz,
  current_period_end   timestamptz,
  primary key (subscription_id, position)
);

comment on table subscription_items is 'What is subscribed to, as of the subscription''s told_at.';
comment on column subscription_items.stripe_id is 'si_…';
comment on column subscription_items.sku is 'Ours, where the item''s or the price''s metadata tell it.';
comment on column subscription_items.quantity is 'Null where it is billed by use.';
comment on column subscription_items.unit_amount is 'Minor units of currency for one piece and period; null where the price has tiers.';

create table subscription_schedules (
  stripe_id    text primary key,
  account      text,
  status       text not null,
  subscription text,
  customer     text,
  starts_at    timestamptz,
  told_as      text not null,
  told_at      timestamptz not null,
  told_by      text not null,
  updated_at   timestamptz not null
);

comment on table subscription_schedules is 'Subscriptions that begin or change later, as an accepted quote can make them: which subscription each became.';
comment on column subscription_schedules.status is 'not_started, active, completed, released or canceled.';
comment on column subscription_schedules.subscription is 'sub_…; null until it starts.';

-- Serves the chain from a subscription back to its quote.
create index subscription_schedules_by_subscription on subscription_schedules (subscription) where subscription is not null;

-- 3. What ops look at ----------------------------------------------------------------------------------------------

create view ops_v1.invoices as
select
  i.stripe_id,
  i.number,
  i.status,
  o.number as order_number,
  i.order_id,
  o.status as order_status,
  i.customer,
  i.customer_email,
  i.subscription,
  i.quote,
  i.billing_reason,
  i.collection_method,
  i.currency,
  i.amount_due,
  i.amount_paid,
  i.amount_remaining,
  i.attempt_count,
  i.next_payment_attempt,
  i.due_date,
  i.automatically_finalizes_at,
  i.period_start,
  i.period_end,
  i.hosted_invoice_url,
  i.invoice_pdf,
  receipt.receipt_url,
  failed.failure as problem,
  i.action_required_at,
  i.told_at,
  i.created_at,
  i.updated_at
from invoices as i
left join orders as o on o.id = i.order_id
left join lateral (
  select n.receipt_url
  from invoice_intents as p
  join payment_notes as n using (payment_intent)
  where p.invoice = i.stripe_id
    and n.receipt_url is not null
  order by n.receipt_at desc, n.payment_intent desc
  limit 1
) as receipt on true
left join lateral (
  select n.failure
  from invoice_intents as p
  join payment_notes as n using (payment_intent)
  where p.invoice = i.stripe_id
    and n.failure is not null
    and i.status in ('open', 'uncollectible')
  order by n.failed_at desc, n.payment_intent desc
  limit 1
) as failed on true
where i.deleted_at is null;

comment on view ops_v1.invoices is 'Invoices as Stripe told of them last, each with the order that it became.';
comment on column ops_v1.invoices.problem is 'Why the last try to collect an unpaid one failed.';
comment on column ops_v1.invoices.action_required_at is 'When the bank last wanted the customer to do something: send them hosted_invoice_url.';

create view ops_v1.subscriptions as
select
  s.id,
  s.stripe_id,
  s.state,
  s.reason,
  s.status,
  s.customer,
  case
    when s.status in ('active', 'trialing', 'past_due') then 'granted'
    else 'revoked'
  end as access,
  s.collection_method,
  items.items,
  s.current_period_start,
  s.current_period_end,
  s.trial_end,
  s.cancel_at_period_end,
  s.cancel_at,
  s.cancelled_at,
  s.ended_at,
  s.pause_behaviour,
  s.pause_resumes_at,
  s.schedule,
  s.latest_invoice,
  unpaid.stripe_id as unpaid_invoice,
  unpaid.number as unpaid_number,
  unpaid.amount_remaining as unpaid_amount,
  unpaid.attempt_count,
  unpaid.next_payment_attempt,
  unpaid.problem,
  unpaid.hosted_invoice_url as pay_here,
  (select count(*) from invoices as paid where paid.subscription = s.stripe_id and paid.status = 'paid') as periods_paid,
  s.told_at,
  s.created_at,
  s.updated_at
from subscriptions as s
left join lateral (
  select string_agg(coalesce(i.quantity::text || ' × ', '') || coalesce(i.sku, i.price, i.stripe_id), ', ' order by i.position) as items
  from subscription_items as i
  where i.subscription_id = s.id
) as items on true
left join lateral (
  select i.*
  from ops_v1.invoices as i
  where i.subscription = s.stripe_id
    and i.status in ('open', 'uncollectible')
  order by i.created_at desc
  limit 1
) as unpaid on true;

comment on view ops_v1.subscriptions is 'Subscriptions as Stripe told of them last, each with the invoice that is not paid.';
comment on column ops_v1.subscriptions.access is 'granted while it is active, in its trial, or past due and Stripe still tries; else revoked.';
comment on column ops_v1.subscriptions.next_payment_attempt is 'When Stripe tries again to collect the unpaid invoice.';
comment on column ops_v1.subscriptions.pay_here is 'Where the customer can pay it.';
comment on column ops_v1.subscriptions.periods_paid is 'Invoices of it that were paid: each is one order.';
