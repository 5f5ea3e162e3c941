-- Lists and views that cost the same however many orders there are.

-- Serve lists of orders by one of the two axes. Without what nearly all orders come to: of those the newest hold enough.
-- So an order is in neither once it has gone the usual way, and both stay small.
create index orders_by_payment_status on orders (payment_status, created_at desc, id desc)
  where payment_status <> 'paid';
create index orders_by_fulfilment_status on orders (fulfilment_status, created_at desc, id desc)
  where fulfilment_status <> 'fulfilled';

-- Serves lists of fulfilments: all other states are few, or are what most have.
create index fulfilments_cancelled on fulfilments (created_at desc, id desc) where state = 'cancelled';

-- Serve events that had no effect: all of them, newest first, and those that need somebody. One index for both, by state,
-- would have to sort all of them, or have Postgres look for them among the applied ones.
drop index stripe_events_troubled;
create index stripe_events_without_effect on stripe_events (received_at desc, id desc)
  where state in ('parked', 'set_aside', 'failed');
create index stripe_events_unsolved on stripe_events (state, received_at desc, id desc) where state in ('parked', 'failed');

-- Serves what is offered.
create index quotes_open on quotes (expires_at) where state = 'open';

-- Serves who does not pay.
create index invoices_unpaid_by_subscription on invoices (subscription, created_at desc)
  where status in ('open', 'uncollectible') and subscription is not null;

create or replace view ops_v1.subscriptions as
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
-- Not for each subscription: who asks for those that are not paid is led from the few unpaid invoices to them.
left join (
  select distinct on (i.subscription) i.*
  from ops_v1.invoices as i
  where i.status in ('open', 'uncollectible')
    and i.subscription is not null
  order by i.subscription, i.created_at desc
) as unpaid on unpaid.subscription = s.stripe_id;
