-- One purchase that had become two orders before anything said that it is one.

alter table orders
  add column merged_into uuid references orders;

comment on column orders.merged_into is 'The order that took this one over, before anything of this one was handed over: Stripe links their payments. Its references and money are that one''s; its history stays here.';

-- Serves an order that is taken over after it took over others.
create index orders_merged on orders (merged_into) where merged_into is not null;
