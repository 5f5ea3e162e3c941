-- Late knowledge: what Stripe answers after an order was made, as long as nothing of it was handed over.

alter table order_lines
  add column price text;

comment on column order_lines.price is 'The price of Stripe''s whose id stands in for the sku, where the merchant''s name for it was not known when the line was made. Null once it is known, or known that there is none.';

-- Serves the answer to how a price's article is called.
create index order_lines_by_stand_in on order_lines (price) where price is not null;

alter table order_transitions
  drop constraint order_transitions_cause_is_known,
  add constraint order_transitions_cause_is_known check (cause_kind in (
    'api', 'event', 'attempt', 'operator', 'call', 'provider', 'lookup'));

comment on column order_transitions.cause_kind is 'api: a merchant''s call. event: a Stripe event. attempt: a try at a fulfilment. operator: a person. call: what a call to Stripe came to. provider: what a provider told by call-back. lookup: what Stripe answered when it was asked for what events do not say.';
comment on column order_transitions.cause_id is 'The API key, the event id, the fulfilment id and attempt, the operator, the call''s idempotency key, the provider and its event, or what was asked.';

comment on column holds.opened_by is 'event, api, lookup, or the operator that opened it.';
