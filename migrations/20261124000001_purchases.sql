-- Purchases: what becomes an order beyond a bare payment (open invoices, checkout sessions), what of it is to be sent,
-- how the merchant calls it, and what had to be asked of Stripe to know that.

-- 1. What orders and their lines learn ------------------------------------------------------------------------------

alter table orders
  drop constraint orders_origin_check,
  add constraint orders_origin_check check (origin in ('api', 'payment_intent', 'invoice', 'checkout_session'));

comment on column orders.origin is 'api: made by POST /v1/orders. invoice: made of an invoice when it was finalised. payment_intent, checkout_session: adopted from a Stripe success that no order was made for.';

alter table order_lines
  drop constraint order_lines_quantity_check,
  add column kind text not null default 'goods' check (kind in ('goods', 'proration', 'credit')),
  add constraint order_lines_of_goods_have_pieces check (quantity > 0 or kind <> 'goods' and quantity = 0);

comment on table order_lines is 'What was bought, and what adjusts its price; only goods are sent. Orders adopted from a bare PaymentIntent have no lines: Stripe does not know them.';
comment on column order_lines.kind is 'goods: the parcel must hold it. proration: what a change in the middle of a period costs or gives back. credit: money back, or a line without pieces.';

alter table payments
  drop constraint payments_kind_check,
  add constraint payments_kind_check check (kind in (
    'captured', 'invoice_paid', 'session_paid', 'charge_refunded', 'refunded', 'refund_reversed',
    'dispute_withdrawn', 'dispute_reinstated', 'dispute_lost'));

comment on column payments.kind is 'captured: a PaymentIntent succeeded. invoice_paid: an invoice was paid, however. session_paid: a checkout session was paid. These three can tell of the same money, which counts once. charge_refunded: a charge''s cumulative refund, as old API versions tell it. refunded, refund_reversed: one refund, and its failure or cancellation. dispute_withdrawn, dispute_reinstated, dispute_lost: a dispute took money, gave it back, was lost.';
comment on column payments.stripe_id is 'pi_…, in_…, cs_…, ch_…, re_… or du_….';

alter table holds
  drop constraint holds_kind_check,
  add constraint holds_kind_check check (kind in (
    'dispute', 'early_fraud_warning', 'review', 'amount_mismatch', 'refund', 'refund_failed', 'possible_duplicate',
    'unknown_order', 'incomplete_lines', 'operator'));

-- 2. How the merchant calls what Stripe calls by a price --------------------------------------------------------------

create table skus (
  account     text not null default '',
  price       text not null,
  sku         text not null,
  product     text,
  description text,
  source      text not null check (source in ('metadata', 'catalogue', 'stripe')),
  learnt_at   timestamptz not null,
  primary key (account, price)
);

comment on table skus is 'The merchant''s name for each price of Stripe''s: invoices and checkout sessions name prices, warehouses know skus.';
comment on column skus.account is 'The connected account that the price belongs to; empty for our own.';
comment on column skus.price is 'price_… or plan_…';
comment on column skus.sku is 'The merchant''s name for the article; the price''s own id where Stripe knows no other.';
comment on column skus.product is 'prod_…';
comment on column skus.source is 'catalogue: the price was made through Packline. metadata: the price or its product says it. stripe: nothing says it, so it is the lookup key or the id of the price.';

-- 3. What had to be asked of Stripe -----------------------------------------------------------------------------------

create table lookups (
  kind        text not null check (kind in (
    'price', 'invoice_lines', 'invoice', 'payment_intent_invoice', 'session_lines')),
  stripe_id   text not null,
  account     text not null default '',
  state       text not null default 'open' check (state in ('open', 'answered', 'refused')),
  answer      jsonb,
  problem     text,
  tries       integer not null default 0 check (tries >= 0),
  next_try_at timestamptz,
  asked_at    timestamptz not null,
  answered_at timestamptz,
  primary key (account, kind, stripe_id),
  check ((state = 'open') = (next_try_at is not null)),
  check ((state = 'open') = (answered_at is null)),
  check ((state = 'answered') = (answer is not null)),
  check (state <> 'refused' or problem is not null)
);

comment on table lookups is 'What events do not say and Stripe was asked for: each question once. Events that need the answer wait for it no longer than the adoption grace.';
comment on column lookups.kind is 'price: the sku of a price. invoice_lines: lines of an invoice beyond the ten of its event. invoice: what pays an invoice, and the secret of its payment form. payment_intent_invoice: which invoice a PaymentIntent pays. session_lines: the lines of a checkout session.';
comment on column lookups.stripe_id is 'What the question is about: price_…, in_…, pi_… or cs_….';
comment on column lookups.account is 'The connected account that it belongs to; empty for our own.';
comment on column lookups.state is 'open: to be asked, at next_try_at. answered: answer has what Stripe said, reduced to what is needed. refused: Stripe said no, problem has why.';
comment on column lookups.problem is 'Why the last try had no answer, or why Stripe refused.';

-- Serves the worker's claim, oldest first.
create index lookups_due on lookups (next_try_at) where state = 'open';
