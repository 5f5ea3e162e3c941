-- What changes with each hand-over is written more cheaply: fewer indexes to keep, and room in the pages.

-- One index for both: whose lease is over, and how many a provider has under way. It only holds what is under way.
drop index fulfilments_under_way;
drop index fulfilments_leased;
create index fulfilments_in_progress on fulfilments (lease_until, provider, id) where state = 'in_progress';

-- Room for an attempt's outcome and for what left of a line beside the row as it was: neither touches an index then.
alter table fulfilment_attempts set (fillfactor = 50);
alter table fulfilment_lines set (fillfactor = 70);
