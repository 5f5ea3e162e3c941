-- How tables are kept tight under a steady load. Nothing here changes what they hold.
--
-- What a row goes through in the first minute of its life makes it be written anew once or twice: an event is applied, an
-- order is paid and fulfilled, a fulfilment is claimed and recorded. Each of these moves changes a column that an index or
-- its condition names (state, status, next_attempt_at), so none can be a HOT update, and room beside the row would stay
-- empty for ever after: these tables are filled to the brim. What bounds their bloat is that vacuum comes often. By
-- default it comes when a fifth of a table is dead, which of twenty million events would be four million, and all that
-- while the indexes of what is due would hold entries that lead nowhere. From here on it comes at a twentieth.
--
-- The thresholds keep it from coming all the time while a table is small. Statistics follow sooner too: what is planned
-- for a list must know how many orders are in each status.

alter table stripe_events set (
  autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 2000,
  autovacuum_vacuum_insert_scale_factor = 0.1, autovacuum_analyze_scale_factor = 0.03
);
alter table orders set (
  autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 1000,
  autovacuum_vacuum_insert_scale_factor = 0.1, autovacuum_analyze_scale_factor = 0.03
);
alter table fulfilments set (
  autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 1000,
  autovacuum_vacuum_insert_scale_factor = 0.1, autovacuum_analyze_scale_factor = 0.03
);

-- Only ever written and, when their time is over, deleted: what was deleted is to be used again soon.
alter table stripe_event_payloads set (
  autovacuum_vacuum_scale_factor = 0.03, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_insert_scale_factor = 0.1
);
alter table checkout_tokens set (autovacuum_vacuum_scale_factor = 0.05);

-- HOT: nothing that an index names changes, so with room beside the row an update touches no index and leaves nothing
-- for vacuum to do. An attempt's outcome and what left of a line have that room already.

-- The answer is written into the row that the request began.
alter table idempotency_keys set (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);
-- What Stripe says of the intent, once or twice after its id is known.
alter table order_payments set (fillfactor = 70);
-- A parcel is sent, then delivered.
alter table shipments set (fillfactor = 80);

-- Outcomes are written HOT, and nothing else dies here: vacuum has only to mark pages as seen.
alter table fulfilment_attempts set (autovacuum_vacuum_scale_factor = 0.1, autovacuum_vacuum_insert_scale_factor = 0.1);

-- One row each for everything that is under way; each round of the worker writes them.
alter table fulfilment_provider_health set (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 200);
alter table retention_marks set (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 200);
