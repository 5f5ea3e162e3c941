-- What Stripe is asked for about quotes: all their lines, which its events do not tell and its answers cut after ten.
--
-- Why quotes, invoices, subscriptions, customers, products, prices and outbox calls have no livemode, as orders have none:
-- a service is of one of Stripe's modes as a whole. Events of the other mode are set aside before any of these tables is
-- touched (inbox/dispatch.rs), a key of the other mode is refused at the start (config/stripe.rs), and Stripe's ids are of
-- one mode each, so that no unique key would need it. Connected accounts are the exception: one account has the same
-- acct_ in both modes. So a database is for one mode: what a call was written for in one must not be asked in the other.

alter table quotes
  add column next_look_at timestamptz,
  add column looks        integer not null default 0,
  add column news         bigint not null default 0;

comment on column quotes.lines is 'All that is offered; null until Stripe was asked for it, since events do not say it.';
comment on column quotes.next_look_at is 'When the worker looks at the quote; null when nothing asks for it.';
comment on column quotes.looks is 'Looks that ended in an error since the last that saw it.';
comment on column quotes.news is 'How often it was spoken of. A look counts only if nobody spoke of it meanwhile.';

-- Serves the worker.
create index quotes_to_look_at on quotes (next_look_at) where next_look_at is not null;

-- Those of the Dashboard, and those that may have more than the ten lines that were kept of them.
update quotes set next_look_at = updated_at
where stripe_id is not null
  and (lines is null or jsonb_array_length(lines) >= 10);
