-- Only events move an order: one that Stripe says is paid, and whose event never comes, must not go unnoticed.

alter table order_payments
  add column awaits_event_since timestamptz;

comment on column order_payments.awaits_event_since is 'Since when Stripe''s answer says that the payment succeeded while no event has told so. Null: nothing is awaited.';

update order_payments as payments set
  awaits_event_since = payments.updated_at
from orders
where orders.id = payments.order_id
  and payments.intent_status = 'succeeded'
  and orders.amount_paid = 0;

-- Serves ops_v1.stuck_orders: what is awaited is little, however many were paid.
create index order_payments_awaiting on order_payments (awaits_event_since) where awaits_event_since is not null;

create or replace view ops_v1.stuck_orders as
with
stuck as (
  -- A person must act.
  select
    f.order_id,
    f.id as fulfilment_id,
    f.state as stuck,
    f.finished_at as since,
    f.reason,
    case
      when o.payment_status = 'refunded' then
        'the money went back, and the provider may have it: `packline fulfilments retry ' || f.id
        || '` asks it by key and cancels what it does not have; `cancel --even-if-sent` closes it'
      when f.state = 'rejected' then
        'mend what the provider says, then `packline fulfilments retry ' || f.id || '` sends it under a new key; or refund, or `cancel`, or `mark-done`'
      when f.last_outcome = 'unknown' then
        'the provider may have it: `packline fulfilments retry ' || f.id || '` asks it by key and sends only what it does not have; `mark-done` if it was sent'
      else
        'see that the provider is well, then `packline fulfilments retry ' || f.id || '`; or `cancel`, or `mark-done` if it was sent otherwise'
    end as next_action
  from fulfilments as f
  join orders as o on o.id = f.order_id
  where f.state in ('rejected', 'failed')
    and (
      o.payment_status in ('paid', 'partially_refunded')
      or (o.payment_status = 'refunded' and f.state = 'failed' and f.last_outcome = 'unknown')
    )

  union all

  -- Money arrived, and a hold keeps it from being sent.
  select
    o.id,
    f.id,
    'held',
    held.since,
    held.reason,
    held.next_action || '; `packline orders release ' || o.number || ' --hold KIND` lets it go'
  from (
    select
      order_id,
      min(opened_at) as since,
      string_agg(kind || ': ' || reason, '; ' order by opened_at, kind) as reason,
      string_agg(distinct case kind
        when 'dispute' then 'dispute: answer it in Stripe''s Dashboard, it ends when it is won'
        when 'early_fraud_warning' then 'early_fraud_warning: look at the payment, refund it if it is fraud'
        when 'review' then 'review: decide it in Stripe''s Dashboard'
        when 'amount_mismatch' then 'amount_mismatch: compare what arrived with what was asked, refund it or accept it'
        when 'refund' then 'refund: Stripe has not told of it yet, look at it in Stripe''s Dashboard'
        when 'refund_failed' then 'refund_failed: refund it another way, or send the goods after all'
        when 'possible_duplicate' then 'possible_duplicate: compare it with the other order, refund one of them'
        when 'unknown_order' then 'unknown_order: find out what was bought'
        else kind || ': ask who opened it'
      end, '; ') as next_action
    from holds
    where released_at is null
    group by order_id
  ) as held
  join orders as o on o.id = held.order_id
  left join fulfilments as f
    on f.order_id = o.id
    and f.state = 'queued'
  where o.payment_status not in ('refunded', 'cancelled')
    and (o.payment_status in ('paid', 'partially_refunded') or o.amount_paid > 0)
    and (f.id is not null or not exists (select from fulfilments as any_part where any_part.order_id = o.id))

  union all

  -- Queued for longer than workers need.
  select
    f.order_id,
    f.id,
    why.stuck,
    coalesce(f.tries_since, f.created_at),
    case why.stuck
      when 'no_provider' then 'there is no provider ' || f.provider
      when 'snoozed' then 'snoozed until ' || to_char(f.snoozed_until at time zone 'UTC', 'YYYY-MM-DD HH24:MI "UTC"')
      when 'breaker_open' then
        h.reason || '; tried again at ' || to_char(h.retry_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"')
      when 'retrying' then coalesce(f.reason, 'waits for its next try')
      when 'unclaimed' then coalesce(f.reason, 'due, and no worker took it')
      else coalesce('sku ' || pause.sku, 'provider ' || pause.provider) || ' is paused by ' || pause.paused_by || ': ' || pause.reason
        || coalesce('; until ' || to_char(pause.expires_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI "UTC"'), '')
    end,
    case why.stuck
      when 'no_provider' then '`packline providers add ' || f.provider || '`; it goes on by itself'
      when 'snoozed' then 'nothing, or `packline fulfilments retry ' || f.id || '` to try it now'
      when 'provider_paused' then '`packline providers resume ' || pause.provider || '` once the reason is gone'
      when 'sku_paused' then '`packline providers resume --sku ' || pause.sku || '` once the reason is gone'
      when 'breaker_open' then 'find out what ails the provider ' || f.provider || '; it is tried again by itself'
      when 'retrying' then
        'find out what ails the provider ' || f.provider || '; tried again at '
        || to_char(f.next_attempt_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"') || ' by itself, or now by `packline fulfilments retry ' || f.id || '`'
      else 'see that a worker runs, and in its log whether it can reach the provider ' || f.provider || ' (for "default": FULFILMENT_URL)'
    end
  from fulfilments as f
  join orders as o on o.id = f.order_id
  left join fulfilment_providers as p on p.name = f.provider
  left join fulfilment_provider_health as h on h.provider = f.provider
  left join lateral (
    select pauses.provider, pauses.sku, pauses.reason, pauses.paused_by, pauses.expires_at
    from fulfilment_pauses as pauses
    where pauses.ended_at is null
      and (pauses.expires_at is null or pauses.expires_at > now())
      and (
        pauses.provider = f.provider
        or exists (
          select
          from fulfilment_lines as mine
          join order_lines as lines
            on lines.order_id = mine.order_id
            and lines.position = mine.position
          where mine.fulfilment_id = f.id
            and lines.sku = pauses.sku
        )
      )
    order by pauses.provider nulls last, pauses.paused_at
    limit 1
  ) as pause on true
  cross join lateral (
    select case
      when p.name is null then 'no_provider'
      when f.snoozed_until > now() then 'snoozed'
      when pause.provider is not null then 'provider_paused'
      when pause.sku is not null then 'sku_paused'
      when h.breaker <> 'closed' then 'breaker_open'
      when f.next_attempt_at > now() then 'retrying'
      else 'unclaimed'
    end as stuck
  ) as why
  where f.state = 'queued'
    and coalesce(f.tries_since, f.created_at) < now() - interval '5 minutes'
    and o.payment_status in ('paid', 'partially_refunded')
    and o.open_holds = 0

  union all

  -- A worker has been at it for longer than any attempt may take.
  select
    f.order_id,
    f.id,
    'in_progress',
    a.started_at,
    case
      when f.lease_until < now() then 'the lease of ' || f.lease_holder || ' is over, and no worker took it over'
      else f.lease_holder || ' is at it, and its lease goes on'
    end,
    case
      when f.lease_until < now() then 'see that a worker runs: it asks the provider what became of it'
      else 'look at the worker''s log; ending the worker lets another one take it over'
    end
  from fulfilments as f
  join fulfilment_attempts as a
    on a.fulfilment_id = f.id
    and a.attempt = f.attempts
  where f.state = 'in_progress'
    and a.started_at < now() - interval '15 minutes'

  union all

  -- The provider has it and is silent.
  select
    f.order_id,
    f.id,
    'accepted',
    news.at,
    'the provider ' || f.provider || ' has it, and has told nothing for ' || extract(day from now() - news.at) || ' days',
    'ask the provider about ' || coalesce(f.provider_reference, f.idempotency_key) || '; `packline fulfilments mark-done ' || f.id
      || '` if it left, `cancel` to have it recalled'
  from fulfilments as f
  join orders as o on o.id = f.order_id
  cross join lateral (
    select greatest(
      f.accepted_at,
      (select max(told.received_at) from fulfilment_events as told where told.fulfilment_id = f.id)
    ) as at
  ) as news
  where f.state = 'accepted'
    and news.at < now() - interval '2 days'
    and not (
      coalesce(f.recall_outcome, '') in ('too_late', 'not_offered', 'unanswered')
      and (o.open_holds > 0 or o.payment_status in ('refunded', 'cancelled') or f.called_off is not null)
    )

  union all

  -- It is to be stopped, and the provider does not say whether it is.
  select
    f.order_id,
    f.id,
    'recalling',
    coalesce(asked.at, f.updated_at),
    f.reason,
    'stop ' || coalesce(f.provider_reference, f.idempotency_key) || ' at the provider ' || f.provider || ' by other means; it is asked again by itself'
  from fulfilments as f
  cross join lateral (
    select min(a.started_at) as at
    from fulfilment_attempts as a
    where a.fulfilment_id = f.id
      and a.task = 'recall'
      and a.idempotency_key = f.idempotency_key
  ) as asked
  where f.state = 'recalling'
    and coalesce(asked.at, f.updated_at) < now() - interval '15 minutes'

  union all

  -- It was to be stopped and could not be. After two weeks it has long arrived: the order's history keeps it.
  select
    f.order_id,
    f.id,
    'not_stopped',
    coalesce(answered.at, f.updated_at),
    case f.recall_outcome
      when 'too_late' then 'the provider ' || f.provider || ' said that it is too late to stop it'
      else 'the provider ' || f.provider || ' takes nothing back'
    end
      || '; ' || coalesce(
        'called off: ' || f.called_off,
        case when o.payment_status in ('refunded', 'cancelled') then 'the order is ' || o.payment_status else 'the order is held' end
      ),
    'stop ' || coalesce(f.provider_reference, f.idempotency_key) || ' on its way, or have it sent back; `packline fulfilments mark-done ' || f.id
      || '` accepts that it left'
  from fulfilments as f
  join orders as o on o.id = f.order_id
  cross join lateral (
    select max(a.finished_at) as at
    from fulfilment_attempts as a
    where a.fulfilment_id = f.id
      and a.task = 'recall'
  ) as answered
  where f.recall_outcome in ('too_late', 'not_offered', 'unanswered')
    and f.state in ('accepted', 'fulfilled')
    and (o.open_holds > 0 or o.payment_status in ('refunded', 'cancelled') or f.called_off is not null)
    and coalesce(answered.at, f.updated_at) > now() - interval '14 days'
    and (
      not exists (select from fulfilment_lines as mine where mine.fulfilment_id = f.id)
      or exists (
        select
        from fulfilment_lines as mine
        where mine.fulfilment_id = f.id
          and mine.quantity_returned < mine.quantity
          and mine.quantity_returned < greatest(mine.quantity_shipped, 1)
      )
    )

  union all

  -- Paid, and nobody was told to send it.
  select
    o.id,
    null,
    'no_fulfilment',
    o.paid_at,
    'it is paid, and nothing was queued for it',
    '`packline fulfilments retry ' || o.number || '` queues it'
  from orders as o
  where o.status = 'paid'
    and o.fulfilment_status = 'none'
    and not exists (select from fulfilments as any_part where any_part.order_id = o.id)

  union all

  -- Stripe answered that the money is there, and its event never came.
  select
    o.id,
    null,
    'awaiting_event',
    p.awaits_event_since,
    'Stripe answered that ' || p.payment_intent || ' succeeded, and no event has told so',
    'look in Stripe''s Dashboard at what the webhook endpoint answered, and whether payment_intent.succeeded is among its events; then resend it there, or by `stripe events resend`'
  from order_payments as p
  join orders as o on o.id = p.order_id
  where p.awaits_event_since < now() - interval '5 minutes'
    and o.amount_paid = 0
)
select
  o.number as order_number,
  o.status as order_status,
  stuck.stuck,
  stuck.since,
  now() - stuck.since as age,
  stuck.reason,
  stuck.next_action,
  stuck.order_id,
  stuck.fulfilment_id,
  f.part,
  f.provider,
  f.state
from stuck
join orders as o on o.id = stuck.order_id
left join fulfilments as f on f.id = stuck.fulfilment_id;

comment on column ops_v1.stuck_orders.stuck is 'rejected, failed: a person must act. held: a hold is open. no_provider, snoozed, provider_paused, sku_paused, breaker_open, retrying, unclaimed: queued for over 5 minutes. in_progress: a worker has been at it for over 15 minutes. accepted: the provider has told nothing for 2 days. recalling: it has not said for 15 minutes whether it stops. not_stopped: it could not be stopped though the order is held, refunded or called off. no_fulfilment: nothing was queued. awaiting_event: Stripe answered over 5 minutes ago that it is paid, and its event never came.';
