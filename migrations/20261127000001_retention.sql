-- What nobody can need any more is deleted: payloads of old events, old answers under an Idempotency-Key, tokens that are
-- long over.

create table retention_marks (
  what       text primary key,
  reached_at timestamptz not null,
  reached_id text not null default ''
) with (fillfactor = 50);

comment on table retention_marks is 'How far each kind of old row was looked at for deletion. The next batch goes on from here: what was deleted is not read again. Its lock lets one process at a time do it.';
comment on column retention_marks.what is 'applied_payloads, all_payloads: payloads of stripe_events, by received_at and id; once for applied events, and much later once more for those that were set aside. idempotency_keys: by created_at. checkout_tokens: by expires_at.';
comment on column retention_marks.reached_at is 'All that is older was looked at.';

insert into retention_marks (what, reached_at)
select what, 'epoch'
from unnest(array['applied_payloads', 'all_payloads', 'idempotency_keys', 'checkout_tokens']) as kinds (what);

comment on table stripe_event_payloads is 'The bytes of each event as Stripe signed them, apart from the ledger because they expire (PACKLINE_PAYLOAD_RETENTION).';
comment on table idempotency_keys is 'The answer that each Idempotency-Key of each API key got, so that a repetition gets the same; deleted after PACKLINE_ANSWER_RETENTION.';

-- Serves the deletion of those that are long over. Nobody asks for the tokens of an order.
create index checkout_tokens_by_expiry on checkout_tokens (expires_at);
drop index checkout_tokens_by_order;
