// The Stripe CLI, the real one, between a local Stripe and Packline: it triggers events there and forwards them here, and
// orders reach their states in Postgres.
//
//   node cli.mjs path/to/packline
//
// Needs nothing but the program, @stripe/cli and psql: everything runs in a folder of its own, which is removed.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { Programs, folder, psql, until } from "./programs.mjs";

const packline = resolve(process.argv[2] ?? "../../target/debug/packline");
// The program itself: npm's wrapper around it would not hand on the signal to stop.
const require = createRequire(import.meta.url);
const platform = require("@stripe/cli/platforms.json")[`${process.platform}-${process.arch}`];
const stripe = join(dirname(require.resolve(`${platform.pkg}/package.json`)), "bin", platform.bin);

const home = folder("cli");
const programs = new Programs(home, {
  PACKLINE_DATA_DIR: join(home, "data"),
  PACKLINE_LISTEN: "127.0.0.1:0",
  STRIPE_API_KEY: "sk_test_local",
  STRIPE_CLI_TELEMETRY_OPTOUT: "1",
  STRIPE_DEVICE_NAME: "e2e",
  XDG_CONFIG_HOME: join(home, "config"),
});

// What is triggered, the order that it is about, and what becomes of it. Each payment names its order in its metadata.
const triggers = [
  ["payment_intent.succeeded", 2000, "usd", "payment_intent", { status: "fulfilled", payment_status: "paid" }],
  ["payment_intent.payment_failed", 2000, "usd", "payment_intent", { status: "payment_failed" }],
  ["charge.refunded", 100, "usd", "payment_intent", { payment_status: "refunded" }],
  ["payment_intent.canceled", 2000, "usd", "payment_intent", { status: "cancelled" }],
  ["payment_intent.requires_action", 2000, "usd", "payment_intent", { payment_status: "requires_action" }],
  ["payment_intent.amount_capturable_updated", 2000, "usd", "payment_intent", { payment_status: "authorised" }],
  ["charge.captured", 2000, "usd", "payment_intent", { payment_status: "paid" }],
  ["payment_intent.processing", 1000, "eur", "payment_intent", { payment_status: "processing" }],
  ["charge.dispute.created", 100, "usd", "payment_intent", { payment_status: "paid", hold: "dispute" }],
  ["invoice.paid", 2000, "usd", "invoice", { status: "fulfilled", payment_status: "paid" }],
  ["invoice.voided", 2000, "usd", "invoice", { status: "cancelled" }],
  ["invoice.payment_failed", 2000, "usd", "invoice", { status: "payment_failed" }],
];

try {
  const [, api] = await programs.start(packline, ["fake-stripe", "--listen", "127.0.0.1:0"], /Local Stripe at (http:\S+),/);
  const at = ["--api-base", api];
  const secret = programs.run(stripe, ["listen", "--print-secret", "--all-snapshot", "--skip-update", ...at]).trim();
  assert.match(secret, /^whsec_/);

  const settings = { STRIPE_WEBHOOK_SECRET: secret, STRIPE_SECRET_KEY: "sk_test_local", STRIPE_API_BASE: api };
  const [, base] = await programs.start(packline, ["serve"], /serving (http:\/\/\S+)/, settings);
  const key = programs.run(packline, ["keys", "create", "--name", "e2e"]).trim();
  const call = async (method, path, body) => {
    const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
    const answer = await fetch(`${base}${path}`, { method, headers, body: body && JSON.stringify(body) });
    return [answer.status, await answer.json()];
  };
  await programs.start(stripe, ["listen", "--all-snapshot", "--skip-update", ...at, "--forward-to", `${base}/webhooks/stripe`], /Ready!/);

  const play = async ([event, amount, currency, fixture, wanted]) => {
    const number = `e2e-${event}`;
    const lines = [{ sku: "TEE", quantity: 1, unit_amount: amount }];
    const [status, placed] = await call("POST", "/v1/orders", { number, currency, lines });
    assert.equal(status, 201, JSON.stringify(placed));
    await programs.runAside(stripe, ["trigger", event, ...at, "--add", `${fixture}:metadata.order_id=${number}`]);
    const { hold, ...fields } = wanted;
    await until(`${event} ends in ${JSON.stringify(wanted)}`, async () => {
      const [, order] = await call("GET", `/v1/orders/${number}`);
      const fits = Object.entries(fields).every(([name, value]) => order[name] === value);
      return [fits && (!hold || JSON.stringify(order).includes(hold)), order];
    });
    console.log(`  ${event}: ${JSON.stringify(wanted)}`);
  };
  // Three at a time: the CLI takes a while to start, and events of several orders come mixed.
  const waiting = [...triggers];
  const hand = async () => {
    for (let next; (next = waiting.shift()); ) await play(next);
  };
  await Promise.all([hand(), hand(), hand()]);

  // What each order is, as anybody reads it from Postgres; and no order came up that nobody placed.
  const data = join(home, "data");
  const stored = psql(data, "select number, status, payment_status, amount_paid, amount_refunded from orders");
  assert.equal(stored.length, triggers.length);
  const state = (event) => stored.find(([number]) => number === `e2e-${event}`).slice(1);
  assert.deepEqual(state("payment_intent.succeeded"), ["fulfilled", "paid", "2000", "0"]);
  assert.deepEqual(state("payment_intent.payment_failed"), ["payment_failed", "payment_failed", "0", "0"]);
  assert.deepEqual(state("charge.refunded"), ["refunded", "refunded", "100", "100"]);

  // Purchases that no order was placed for: an order comes up by itself, paid once, with what was bought.
  const adopted = async (event, amount) => {
    await programs.runAside(stripe, ["trigger", event, ...at]);
    await until(`${event} ends in one order of ${amount}`, async () => {
      const found = psql(data, `select number, payment_status from orders where number not like 'e2e-%' and amount_total = ${amount}`);
      return [found.length === 1 && found[0][1] === "paid", found];
    }, 60);
    console.log(`  ${event}: an order of its own, paid`);
  };
  await adopted("checkout.session.completed", 3000);

  // Told, and taken without a fault.
  for (const event of ["quote.accepted", "customer.subscription.updated"]) {
    await programs.runAside(stripe, ["trigger", event, ...at]);
    await until(`${event} is applied`, async () => {
      const found = psql(data, `select state from stripe_events where type = '${event}'`);
      return [found.length > 0 && found.every(([state]) => ["applied", "set_aside"].includes(state)), found];
    }, 60);
    console.log(`  ${event}: taken`);
  }

  // Sent again by the CLI, each of the three is known already: it is taken, and changes nothing.
  for (const [nth, type] of ["payment_intent.succeeded", "payment_intent.payment_failed", "charge.refunded"].entries()) {
    const [[event]] = psql(data, `select id from stripe_events join stripe_event_payloads on event_id = id
      where type = '${type}' and body::jsonb #>> '{data,object,metadata,order_id}' = 'e2e-${type}'`);
    const all = () => psql(data, `select o.*, (select count(*) from order_transitions where order_id = o.id),
      (select count(*) from payments where order_id = o.id), (select count(*) from fulfilments where order_id = o.id)
      from orders o where number = 'e2e-${type}'`);
    const before = all();
    programs.run(stripe, ["events", "resend", event, ...at]);
    await until(`the repetition of ${type} is known`, async () => {
      const metrics = await (await fetch(`${base}/metrics`)).text();
      return [metrics.includes(`packline_webhook_requests_total{endpoint="platform",answer="duplicate"} ${nth + 1}\n`), metrics];
    });
    assert.deepEqual(all(), before, `${type}, sent again, changed something`);
    console.log(`  ${type} again: ${state(type).join(" ")}, as before`);
  }

  // Events of connected accounts are forwarded too.
  programs.run(stripe, ["trigger", "account.updated", ...at]);
  await until("the account's event is stored", async () => {
    const stored = JSON.parse(programs.run(packline, ["events", "list", "--type", "account.updated", "--json"]));
    return [stored.length > 0, stored];
  });

  // What the CLI said of each answer was heard.
  const { deliveries } = await (await fetch(`${api}/_fake/deliveries`)).json();
  const taken = deliveries.filter((delivery) => delivery.stage === "delivered");
  assert.ok(taken.length >= triggers.length && taken.every((delivery) => delivery.attempts[0].status === 200));

  const codes = await programs.stop();
  assert.deepEqual(codes.slice(1), [0, 0], "Packline and the local Stripe end cleanly");
  console.log(`the Stripe CLI triggered ${triggers.length + 3} events, forwarded them, and the orders are where they belong`);
} catch (error) {
  console.error(programs.said());
  throw error;
} finally {
  await programs.stop();
}
