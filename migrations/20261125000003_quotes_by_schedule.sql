-- The chain from an order back to its quote, where the quote began its subscription by a schedule.

-- Serves the chain from an order back to its quote.
create index quotes_by_schedule on quotes (subscription_schedule) where subscription_schedule is not null;
