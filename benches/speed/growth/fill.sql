-- A shop's past: orders over a year, as their lives left them, and a few that are under way. Made by Postgres itself.
-- {orders}: how many; {open}: how many of them, the newest, are under way or stuck, whatever the size of the shop.

create unlogged table grown as
select
  n,
  at,
  (lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0') || '7' || substr(hash, 1, 3) || '8' || substr(hash, 4, 15))::uuid as id,
  (lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0') || '7' || substr(hash, 4, 3) || '9' || substr(hash, 7, 15))::uuid as part,
  lpad(n::text, 12, '0') || substr(hash, 1, 8) as name,
  case
    when n >= {orders} - {open} then
      (array['held', 'rejected', 'silent', 'awaiting', 'requires_action', 'processing', 'authorised', 'parted', 'queued', 'in_progress'])[1 + n % 10]
    when n % 100 < 2 then 'abandoned'
    when n % 100 = 2 then 'declined'
    when n % 100 = 3 then 'refunded'
    when n % 100 = 4 then 'partially_refunded'
    when n % 100 = 5 then 'cancelled'
    else 'fulfilled'
  end as fate
from (
  select
    n,
    date_trunc('milliseconds', now() - interval '1 day' - interval '365 days' * (1 - n::float8 / {orders})) as at,
    md5('growth' || n) as hash
  from generate_series(0, {orders}::bigint - 1) as n
) as numbered;

insert into orders (
  id, number, payment_status, fulfilment_status, open_holds, currency, amount_total, amount_paid, amount_refunded, origin,
  stripe_customer, customer_email, customer_name, shipping, created_at, updated_at, paid_at, stripe_paid_at, fulfilled_at
)
select
  id,
  'G-' || name,
  case
    when fate in ('abandoned', 'awaiting') then 'awaiting_payment'
    when fate = 'declined' then 'payment_failed'
    when fate in ('refunded', 'partially_refunded', 'cancelled', 'requires_action', 'processing', 'authorised') then fate
    else 'paid'
  end,
  case
    when fate in ('fulfilled', 'partially_refunded') then 'fulfilled'
    when fate = 'refunded' then 'cancelled'
    when fate = 'rejected' then 'failed'
    when fate in ('silent', 'in_progress') then 'in_progress'
    when fate = 'parted' then 'partially_fulfilled'
    when fate in ('held', 'queued') then 'queued'
    else 'none'
  end,
  case when fate = 'held' then 1 else 0 end,
  'usd',
  2000,
  case when fate in ('abandoned', 'awaiting', 'declined', 'cancelled', 'requires_action', 'processing', 'authorised') then 0 else 2000 end,
  case fate when 'refunded' then 2000 when 'partially_refunded' then 500 else 0 end,
  'api',
  'cus_' || n / 3,
  'customer' || n / 3 || '@example.com',
  'Ada Lovelace',
  '{"name": "Ada Lovelace", "line1": "12 Headingley Lane", "city": "Leeds", "country": "GB"}',
  at,
  at + interval '1 minute',
  case when fate not in ('abandoned', 'awaiting', 'declined', 'cancelled', 'requires_action', 'processing', 'authorised') then at end,
  case when fate not in ('abandoned', 'awaiting', 'declined', 'cancelled', 'requires_action', 'processing', 'authorised') then at end,
  case when fate in ('fulfilled', 'partially_refunded') then at + interval '1 minute' end
from grown;

insert into order_lines (order_id, position, sku, quantity, unit_amount, amount)
select id, 1, 'TEA-' || n % 50, 2, 1000, 2000
from grown;

insert into order_refs (kind, stripe_id, order_id, created_at)
select 'payment_intent', 'pi_3Q' || name, id, at
from grown;

insert into order_refs (kind, stripe_id, order_id, created_at)
select 'charge', 'ch_3Q' || name, id, at
from grown
where fate not in ('abandoned', 'awaiting', 'requires_action');

insert into stripe_events (
  id, type, object_id, api_version, livemode, created_at, received_at, endpoint, verified_by, state, applied_at, order_id
)
select
  'evt_3Q' || name || which,
  case
    when which = 0 then 'payment_intent.created'
    when fate in ('abandoned', 'awaiting', 'requires_action') then 'payment_intent.requires_action'
    when fate = 'declined' then 'payment_intent.payment_failed'
    else 'payment_intent.succeeded'
  end,
  'pi_3Q' || name, '2025-10-29.clover', false, at, at, 'platform', 'secret_1', 'applied', at + interval '10 ms', id
from grown
cross join generate_series(0, 1) as which;

-- Of types that nothing acts on, and a few that could not be applied.
insert into stripe_events (
  id, type, object_id, livemode, created_at, received_at, endpoint, verified_by, state, reason, attempts
)
select
  'evt_3Q' || name || 'x', 'customer.updated', 'cus_' || n / 3, false, at, at, 'platform', 'secret_1',
  case when n >= {orders} - {open} then 'failed' else 'set_aside' end, 'nothing here acts on customer.updated', 0
from grown
where n % 20 = 9;

insert into stripe_event_payloads (event_id, body)
select
  id,
  '{"id": "' || id || '", "object": "event", "api_version": "2025-10-29.clover", "type": "' || type
  || '", "livemode": false, "pending_webhooks": 1, "request": {"id": "req_' || id
  || '"}, "data": {"object": {"id": "' || object_id || '", "amount": 2000, "currency": "usd"}}}'
from stripe_events;

insert into order_transitions (id, order_id, at, axis, from_value, to_value, cause_kind, cause_id)
select
  (lpad(to_hex((extract(epoch from at) * 1000)::bigint + step), 12, '0') || '7' || substr(id::text, 16, 3) || 'a' || step || right(replace(id::text, '-', ''), 14))::uuid,
  id,
  at,
  case when step < 2 then 'payment' else 'fulfilment' end,
  (array[null, 'awaiting_payment', 'none', 'queued'])[1 + step],
  (array['awaiting_payment', 'paid', 'queued', 'fulfilled'])[1 + step],
  (array['api', 'event', 'event', 'attempt'])[1 + step],
  (array['00000000-0000-7000-8000-000000000000', 'evt_3Q' || name || '1', 'evt_3Q' || name || '1', part::text || '/1'])[1 + step]
from grown
cross join generate_series(0, 3) as step
where step = 0
  or fate not in ('abandoned', 'awaiting', 'declined', 'cancelled', 'requires_action', 'processing', 'authorised');

insert into payments (order_id, kind, stripe_id, amount, currency, event_id, created_at)
select id, 'captured', 'pi_3Q' || name, 2000, 'usd', 'evt_3Q' || name || '1', at
from grown
where fate not in ('abandoned', 'awaiting', 'declined', 'cancelled', 'requires_action', 'processing', 'authorised');

insert into payments (order_id, kind, stripe_id, amount, currency, event_id, created_at)
select id, 'refunded', 're_3Q' || name, case fate when 'refunded' then 2000 else 500 end, 'usd', 'evt_3Q' || name || '2', at
from grown
where fate in ('refunded', 'partially_refunded');

insert into holds (id, order_id, kind, source_id, reason, opened_at, opened_by, released_at, released_by, release_reason)
select
  part, id, 'review', 'prv_3Q' || name, 'Stripe reviews the payment', at, 'event',
  case when fate <> 'held' then at end, case when fate <> 'held' then 'event' end, case when fate <> 'held' then 'approved' end
from grown
where fate = 'held'
  or fate = 'fulfilled' and n % 100 = 7;

insert into fulfilments (
  id, order_id, state, reason, idempotency_key, attempts, tries, next_attempt_at, snoozed_until, lease_holder, lease_until,
  last_outcome, accepted_at, created_at, updated_at, finished_at
)
select
  part,
  id,
  case
    when fate in ('fulfilled', 'partially_refunded') then 'fulfilled'
    when fate = 'refunded' then 'cancelled'
    when fate in ('rejected', 'in_progress') then fate
    when fate in ('silent', 'parted') then 'accepted'
    else 'queued'
  end,
  case when fate in ('refunded', 'rejected', 'held') then 'so it is' end,
  'ful_' || replace(part::text, '-', ''),
  case when fate in ('refunded', 'held', 'queued') then 0 else 1 end,
  case when fate in ('refunded', 'held', 'queued') then 0 else 1 end,
  case when fate in ('held', 'queued') then now() + interval '30 days' end,
  case when fate = 'queued' then now() + interval '30 days' end,
  case when fate = 'in_progress' then 'a worker' end,
  case when fate = 'in_progress' then now() + interval '30 days' end,
  case when fate in ('refunded', 'held', 'queued', 'in_progress') then null when fate in ('silent', 'parted') then 'accepted' when fate = 'rejected' then fate else 'fulfilled' end,
  case when fate = 'silent' then at - interval '5 days' when fate = 'parted' then at end,
  at,
  at + interval '1 minute',
  case when fate in ('fulfilled', 'partially_refunded', 'refunded', 'rejected') then at + interval '1 minute' end
from grown
where fate not in ('abandoned', 'awaiting', 'declined', 'cancelled', 'requires_action', 'processing', 'authorised');

insert into fulfilment_lines (fulfilment_id, order_id, position, quantity, quantity_shipped, quantity_answered, answered_round)
select
  part, id, 1, 2,
  case when fate in ('fulfilled', 'partially_refunded') then 2 when fate = 'parted' then 1 else 0 end,
  case when fate in ('fulfilled', 'partially_refunded') then 2 else 0 end,
  case when fate in ('fulfilled', 'partially_refunded') then 1 end
from grown
where fate not in ('abandoned', 'awaiting', 'declined', 'cancelled', 'requires_action', 'processing', 'authorised');

insert into fulfilment_attempts (fulfilment_id, attempt, lease_holder, provider, started_at, finished_at, outcome, idempotency_key)
select
  part, 1, 'a worker', 'default', at,
  case when fate <> 'in_progress' then at + interval '1 second' end,
  case when fate in ('silent', 'parted') then 'accepted' when fate = 'rejected' then fate when fate <> 'in_progress' then 'fulfilled' end,
  'ful_' || replace(part::text, '-', '')
from grown
where fate in ('fulfilled', 'partially_refunded', 'silent', 'parted', 'rejected', 'in_progress');

insert into shipments (id, fulfilment_id, name, carrier, tracking_number, shipped_at, is_told, created_at, updated_at)
select part, part, '1', 'Royal Mail', 'RM' || name, at, false, at, at
from grown
where fate in ('fulfilled', 'partially_refunded', 'parted');

insert into shipment_lines (shipment_id, position, quantity)
select part, 1, case when fate = 'parted' then 1 else 2 end
from grown
where fate in ('fulfilled', 'partially_refunded', 'parted');

insert into idempotency_keys (api_key_id, key, request_hash, response_status, response_body, created_at)
select api_keys.id, 'cart-' || grown.name, decode(md5(grown.name), 'hex'), 201, '{"id": "' || grown.id || '", "number": "G-' || grown.name || '"}', grown.at
from grown
cross join api_keys
where grown.n >= {orders} * 11 / 12;

-- One in twenty was asked for by an invoice, one of those in five by a subscription's.
insert into invoices (
  id, stripe_id, order_id, status, number, customer, subscription, currency, amount_due, amount_paid, amount_remaining,
  told_as, told_at, told_by, created_at, updated_at
)
select
  id, 'in_3Q' || name, id,
  case when fate = 'awaiting' then 'open' else 'paid' end,
  'N-' || name, 'cus_' || n / 3,
  case when n % 100 = 19 or fate = 'awaiting' then 'sub_3Q' || n % 1000 end,
  'usd', 2000, case when fate = 'awaiting' then 0 else 2000 end, case when fate = 'awaiting' then 2000 else 0 end,
  'invoice.paid', at, 'evt_3Q' || name || '1', at, at
from grown
where fate = 'awaiting'
  or fate = 'fulfilled' and n % 20 = 19;

insert into invoice_intents (invoice, payment_intent)
select stripe_id, 'pi_' || substr(stripe_id, 4)
from invoices;

insert into payment_notes (payment_intent, charge, receipt_url, receipt_at, failed_by, failed_at, failure)
select
  payment_intent, 'ch_' || substr(payment_intent, 4), 'https://pay.stripe.com/receipts/' || payment_intent, now(),
  'evt_1', now(), 'Your card was declined.'
from invoice_intents;

insert into subscriptions (
  id, stripe_id, state, status, customer, currency, current_period_start, current_period_end, told_as, told_at, told_by, created_at,
  updated_at
)
select
  id, 'sub_3Q' || n, 'known', 'active', 'cus_' || n / 3, 'usd', at, at + interval '1 month', 'customer.subscription.updated',
  at, 'evt_1', at, at
from grown
where n < 1000
  or n % 100 = 19;

insert into subscription_items (subscription_id, position, stripe_id, sku, quantity, unit_amount, currency)
select id, 1, 'si_' || substr(stripe_id, 5), 'TEA-1', 2, 1000, 'usd'
from subscriptions;

insert into quotes (
  id, stripe_id, origin, state, number, customer, currency, amount_total, expires_at, told_at, created_at, updated_at
)
select
  id, 'qt_3Q' || name, 'stripe', case when n >= {orders} - {open} then 'open' else 'accepted' end, 'QT-' || name, 'cus_' || n / 3,
  'usd', 2000, at + interval '30 days', at, at, at
from grown
where n % 50 = 19;

drop table grown;
