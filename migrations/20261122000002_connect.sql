-- Connect: the accounts that payments can go to, how they join and leave.

create table connected_accounts (
  id                     uuid primary key,
  stripe_id              text constraint connected_accounts_stripe_id_is_unique unique,
  reference              text not null,
  livemode               boolean not null,
  joined_by              text not null check (joined_by in ('onboarding', 'oauth')),
  state                  text not null check (state in ('creating', 'connected', 'disconnecting', 'disconnected', 'refused')),
  reason                 text,
  country                text,
  email                  text,
  business_type          text,
  card_payments          boolean not null default false,
  metadata               jsonb not null default '{}',
  scope                  text,
  fee_fixed              bigint not null default 0 check (fee_fixed >= 0),
  fee_currency           text check (fee_currency ~ '^[a-z]{3}$'),
  fee_basis_points       integer not null default 0 check (fee_basis_points between 0 and 10000),
  charges_enabled        boolean not null default false,
  payouts_enabled        boolean not null default false,
  details_submitted      boolean not null default false,
  transfers              text,
  card_payments_status   text,
  currently_due          text[] not null default '{}',
  past_due               text[] not null default '{}',
  disabled_reason        text,
  current_deadline       timestamptz,
  told_at                timestamptz,
  told_by                text,
  news                   bigint not null default 0,
  looked_at_news         bigint not null default 0,
  next_look_at           timestamptz,
  looks                  integer not null default 0,
  create_key             text,
  links                  integer not null default 0,
  api_key_id             uuid references api_keys (id),
  created_at             timestamptz not null,
  updated_at             timestamptz not null,
  connected_at           timestamptz,
  disconnected_at        timestamptz,
  check (state in ('creating', 'refused') or stripe_id is not null),
  check (state in ('creating', 'refused') or connected_at is not null),
  check ((state = 'disconnected') = (disconnected_at is not null)),
  check (state not in ('disconnected', 'refused') or reason is not null),
  check (fee_fixed = 0 or fee_currency is not null)
);

comment on table connected_accounts is 'The accounts that an order''s payment can go to. What they may do is Stripe''s word, kept as of told_at.';
comment on column connected_accounts.stripe_id is 'acct_…; null until Stripe''s answer to its creation is known.';
comment on column connected_accounts.reference is 'The platform''s own name for whoever owns the account; one account in use for each.';
comment on column connected_accounts.livemode is 'The mode of Stripe in which the account is connected; the other mode knows nothing of it.';
comment on column connected_accounts.joined_by is 'onboarding: made by us, filled in by its owner behind an account link. oauth: the owner let us in.';
comment on column connected_accounts.state is 'creating: Stripe is being asked, or its answer was lost and is asked for again. connected: ours to send money to, as far as Stripe allows. disconnecting: we are leaving, Stripe''s answer is not known yet. disconnected: no longer ours. refused: Stripe did not make it.';
comment on column connected_accounts.reason is 'Why it is in its state; for creating and disconnecting, how the last call ended.';
comment on column connected_accounts.card_payments is 'Whether the capability card_payments was asked for beside transfers.';
comment on column connected_accounts.scope is 'What the owner granted by OAuth.';
comment on column connected_accounts.fee_fixed is 'The fixed part of the commission where an order names none, in minor units of fee_currency.';
comment on column connected_accounts.fee_basis_points is 'The proportional part of that commission, in hundredths of a per cent.';
comment on column connected_accounts.charges_enabled is 'Whether Stripe lets it take charges of its own.';
comment on column connected_accounts.payouts_enabled is 'Whether Stripe pays out what it holds.';
comment on column connected_accounts.details_submitted is 'Whether its owner has finished the onboarding form.';
comment on column connected_accounts.transfers is 'The capability that payments with a destination need: active, inactive, pending or null (not asked for).';
comment on column connected_accounts.card_payments_status is 'The capability that payments on behalf of the account need: active, inactive, pending or null (not asked for).';
comment on column connected_accounts.currently_due is 'What Stripe wants to know of the owner by current_deadline.';
comment on column connected_accounts.past_due is 'What Stripe wanted to know and did not learn in time.';
comment on column connected_accounts.disabled_reason is 'Why Stripe holds back charges or payouts.';
comment on column connected_accounts.told_at is 'As of when the facts are: the time of the event that told them, or of our look at the account.';
comment on column connected_accounts.told_by is 'The event that told them, evt_…, or api where we looked.';
comment on column connected_accounts.news is 'How many events spoke of the account; a look counts only if none came meanwhile.';
comment on column connected_accounts.looked_at_news is 'The news as of our last look at the account.';
comment on column connected_accounts.next_look_at is 'When the worker looks at the account, or asks again how a call ended; null where there is nothing to learn.';
comment on column connected_accounts.looks is 'Looks that ended in an error, one after the other.';
comment on column connected_accounts.create_key is 'The Idempotency-Key under which Stripe is asked to make the account, in every try; null where its owner let us in.';
comment on column connected_accounts.links is 'Account links made; each is asked for under a key of its own.';

-- One account in use for each of the platform's people.
create unique index connected_accounts_reference_in_use on connected_accounts (livemode, reference)
  where state not in ('refused', 'disconnected');
-- Serves the worker's claim.
create index connected_accounts_due on connected_accounts (next_look_at) where next_look_at is not null;
-- Serves lists, newest first.
create index connected_accounts_by_created on connected_accounts (created_at desc, id desc);

create table connect_tokens (
  hash       bytea primary key,
  purpose    text not null check (purpose in ('refresh', 'return', 'oauth_start', 'oauth_state')),
  account_id uuid references connected_accounts (id),
  grant_id   uuid,
  browser    bytea,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  used_at    timestamptz,
  check (purpose not in ('refresh', 'return') or account_id is not null),
  check (purpose not in ('oauth_start', 'oauth_state') or grant_id is not null),
  check ((purpose = 'oauth_state') = (browser is not null))
);

comment on table connect_tokens is 'What a browser on its way through onboarding shows instead of an API key: 256 random bits, kept as their SHA-256.';
comment on column connect_tokens.purpose is 'refresh: makes one fresh account link. return: shows what is missing. oauth_start: begins OAuth, as often as wanted until it ended. oauth_state: comes back from Stripe once.';
comment on column connect_tokens.browser is 'The SHA-256 of the cookie of the browser that began; another browser cannot end it.';

-- Serves the deletion of those that are long over.
create index connect_tokens_by_expiry on connect_tokens (expires_at);

create table connect_grants (
  id               uuid primary key,
  reference        text not null,
  livemode         boolean not null,
  email            text,
  fee_fixed        bigint not null default 0 check (fee_fixed >= 0),
  fee_currency     text,
  fee_basis_points integer not null default 0,
  api_key_id       uuid not null references api_keys (id),
  account_id       uuid references connected_accounts (id),
  outcome          text check (outcome in ('connected', 'denied', 'refused', 'unknown')),
  reason           text,
  created_at       timestamptz not null,
  expires_at       timestamptz not null,
  ended_at         timestamptz,
  check ((outcome is null) = (ended_at is null)),
  check (outcome is null or outcome <> 'connected' or account_id is not null)
);

comment on table connect_grants is 'Each invitation to connect an account by OAuth, and how it ended last. Stripe''s access tokens are not kept: nothing here needs them.';
comment on column connect_grants.outcome is 'connected: done. denied: the owner said no. refused: Stripe or we did not accept it. unknown: no answer to the exchange of the code. All but connected can be tried again until expires_at.';
