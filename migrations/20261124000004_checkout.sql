-- Checkout: orders that are paid on a page of Stripe's, by one Checkout Session each.

alter table order_payments
  drop constraint order_payments_mode_check,
  add constraint order_payments_mode_check check (mode in ('client', 'server', 'checkout')),
  add column success_url        text,
  add column cancel_url         text,
  add column expires_in         integer check (expires_in between 1860 and 86340),
  add column session            text constraint order_payments_have_a_session_each unique,
  add column session_url        text,
  add column session_status     text,
  add column session_expires_at timestamptz,
  add constraint order_payments_checkout_knows_its_way_back check ((mode = 'checkout') = (success_url is not null)),
  add constraint order_payments_only_checkout_has_a_session check (
    mode = 'checkout' or cancel_url is null and expires_in is null and session is null),
  add constraint order_payments_sessions_are_whole check (
    session is not null or session_url is null and session_status is null and session_expires_at is null);

comment on column order_payments.mode is 'client: the browser confirms the intent. server: POST /pay does. checkout: a page of Stripe''s, opened by a Checkout Session.';
comment on column order_payments.success_url is 'Where Stripe''s page leads after the payment; {CHECKOUT_SESSION_ID} in it becomes the session''s id.';
comment on column order_payments.cancel_url is 'Where Stripe''s page leads whoever does not want to pay.';
comment on column order_payments.expires_in is 'For how many seconds the page can be paid on, from when it is asked for. Null: Stripe''s own 24 hours.';
comment on column order_payments.session is 'cs_…';
comment on column order_payments.session_url is 'The page. Null once the session is complete or expired.';
comment on column order_payments.session_status is 'open, complete or expired, as Stripe told it last, by answer or event. News for pages and people: only events move the order.';
comment on column order_payments.session_expires_at is 'Until when the page can be paid on.';
comment on column order_payments.payment_intent is 'pi_…. In mode checkout Stripe makes it when the customer first tries to pay.';

alter table stripe_calls
  drop constraint stripe_calls_operation_check,
  add constraint stripe_calls_operation_check check (operation in (
    'create', 'confirm', 'capture', 'cancel', 'refund', 'open_session', 'expire_session'));

comment on column stripe_calls.operation is 'create, confirm, capture, cancel: of the PaymentIntent. refund: of its money. open_session, expire_session: of the Checkout Session.';
