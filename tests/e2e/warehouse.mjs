// Warehouses as a stranger would build them from the README: one that tells later, takes back, is busy, and is asked what it
// did for a service that was killed; one added at run time; and the digital one. A Standard Webhooks library verifies what they receive, Stripe's SDK signs what is posted.
//
//   node warehouse.mjs path/to/packline
//
// Runs on a private Postgres in a folder of its own, which it removes.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { Stripe } from "stripe";
import { Webhook } from "standardwebhooks";
import { until } from "./programs.mjs";
import { SECRET, Stack } from "./stack.mjs";

const stripe = new Stripe("sk_test_never_used");

/** Receives requests, verifies each, remembers it, and answers as it is told. */
class Warehouse {
  static async open(secret) {
    const warehouse = new Warehouse();
    Object.assign(warehouse, { secret, seen: [], answer: () => [201, {}] });
    warehouse.server = createServer(async (request, response) => {
      const chunks = [];
      for await (const chunk of request) chunks.push(chunk);
      const body = Buffer.concat(chunks).toString();
      if (warehouse.secret) new Webhook(warehouse.secret).verify(body || "", request.headers, { parse: false });
      const seen = { method: request.method, path: request.url, key: request.headers["idempotency-key"], at: Date.now() };
      if (body) seen.body = JSON.parse(body);
      warehouse.seen.push(seen);
      const [status, answer, headers] = await warehouse.answer(seen);
      response.writeHead(status, { "content-type": "application/json", ...headers });
      response.end(answer && JSON.stringify(answer));
    }).listen(0, "127.0.0.1");
    await once(warehouse.server, "listening");
    warehouse.url = `http://127.0.0.1:${warehouse.server.address().port}/parcels`;
    return warehouse;
  }

  of(method) {
    return this.seen.filter((seen) => seen.method === method);
  }

  /** The requests to send an order. */
  sent({ id }) {
    return this.of("POST").filter(({ body }) => body.order.id === id);
  }

  /** The requests about a key, in their order. */
  about(key) {
    return this.seen.filter((seen) => seen.key === key);
  }

  close() {
    this.server.close();
    this.server.closeAllConnections();
  }
}

const main = await Warehouse.open("whsec_" + randomBytes(32).toString("base64"));
const stack = await Stack.start(process.argv[2], {
  FULFILMENT_PROVIDER: "http",
  FULFILMENT_URL: main.url,
  FULFILMENT_SECRET: main.secret,
  FULFILMENT_RETRY_BASE: "200ms",
});
const said = ["--by", "Grace", "--why", "end to end"];

/** Posts an event as Stripe does. */
async function post(id, type, object) {
  const payload = JSON.stringify({
    id, object: "event", api_version: "2026-03-25.dahlia", created: Math.floor(Date.now() / 1000), type, livemode: false,
    pending_webhooks: 1, request: { id: null, idempotency_key: null }, data: { object },
  });
  const signature = stripe.webhooks.generateTestHeaderString({ payload, secret: SECRET });
  const headers = { "content-type": "application/json", "stripe-signature": signature };
  const answer = await fetch(`${stack.base}/webhooks/stripe`, { method: "POST", headers, body: payload });
  assert.equal(answer.status, 200, await answer.text());
}

let count = 0;
let other;
/** The payment of an order succeeds. */
const pay = ({ amount_total }, intent) =>
  post(`evt_paid_${intent}`, "payment_intent.succeeded", {
    id: intent, object: "payment_intent", amount: amount_total, amount_received: amount_total, currency: "eur", customer: null,
    latest_charge: null, metadata: {}, status: "succeeded",
  });

/** An order that is paid. */
async function paid(fields = {}) {
  const intent = `pi_e2e_${++count}`;
  const order = await stack.place({ payment_intent: intent, ...fields });
  await pay(order, intent);
  return { ...order, intent };
}

/** All of an order's money goes back. */
const refunded = ({ intent, amount_total }) =>
  post(`evt_refunded_${intent}`, "charge.refunded", {
    id: `ch_${intent}`, object: "charge", amount: amount_total, amount_captured: amount_total, amount_refunded: amount_total,
    captured: true, currency: "eur", customer: null, metadata: {}, paid: true, payment_intent: intent, refunded: true,
    status: "succeeded",
  });

/** A dispute of an order's payment. */
const dispute = ({ intent, amount_total }, type, status) =>
  post(`evt_${type}_${intent}`, `charge.dispute.${type}`, {
    id: `du_${intent}`, object: "dispute", amount: amount_total, currency: "eur", charge: `ch_${intent}`, payment_intent: intent,
    reason: "fraudulent", status, metadata: {}, balance_transactions: [],
  });

const parts = async ({ id }) => (await stack.api("GET", `/v1/orders/${id}/fulfilments`)).data;
const untilPart = (order, state) =>
  until(`a part of ${order.number} is ${state}`, async () => {
    const all = await parts(order);
    return [all.some((part) => part.state === state), all];
  });
const tell = async (part, event, key) => {
  const answer = await fetch(`${stack.base}/v1/fulfilments/${part.id}/events`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    body: JSON.stringify(event),
  });
  return [answer.status, await answer.json()];
};

try {
  const key = stack.packline("keys", "create", "--name", "warehouse", "--provider", "default").trim();

  // It tells later: a part, then the rest, each told twice.
  main.answer = ({ body }) => [202, { reference: `W-${body.order.number}` }];
  const later = await paid({
    lines: [{ sku: "TEE", quantity: 2, unit_amount: 1000 }, { sku: "KANNE", quantity: 1, unit_amount: 3000 }],
  });
  const [accepted] = await untilPart(later, "accepted");
  assert.equal(accepted.reference ?? accepted.provider_reference, `W-${later.number}`);
  const first = { id: "ev-1", type: "shipped", shipment: "P1", lines: [{ sku: "TEE", quantity: 2 }],
    tracking: { carrier: "DHL", number: "00340", url: "https://example.com/00340" } };
  for (let times = 0; times < 2; times++) assert.equal((await tell(accepted, first, key))[0], 200);
  assert.equal((await stack.order(later.id)).fulfilment_status, "partially_fulfilled");
  const second = { id: "ev-2", type: "shipped", shipment: "P2" };
  assert.equal((await tell(accepted, second, key))[0], 200);
  assert.equal((await tell(accepted, { id: "ev-3", type: "delivered", shipment: "P2" }, key))[0], 200);
  assert.equal((await tell(accepted, first, key))[0], 200);
  await stack.until(later.id, "fulfilled");
  const [sent] = await parts(later);
  assert.equal(sent.shipments.length, 2);
  assert.match(stack.packline("orders", "show", later.number), /00340/);
  assert.equal((await tell(accepted, { type: "shiped" }, key))[0], 422, "what is wrong is said");
  const listed = await fetch(`${stack.base}/v1/orders`, { headers: { authorization: `Bearer ${key}` } });
  assert.equal(listed.status, 403, "a warehouse's key opens nothing else");

  // A dispute calls the parcel back; when it is won, it is sent under another key.
  main.answer = ({ method }) => (method === "DELETE" ? [204] : [202, {}]);
  const disputed = await paid();
  await untilPart(disputed, "accepted");
  await dispute(disputed, "created", "needs_response");
  const recalled = await until("it was called back", async () => [main.of("DELETE").length === 1, main.of("DELETE")]);
  const [before] = main.sent(disputed);
  assert.equal(recalled[0].key, before.key);
  assert.equal(recalled[0].path, `/parcels/${before.key}`);
  await stack.until(disputed.id, "on_hold");
  main.answer = () => [200, {}];
  await dispute(disputed, "closed", "won");
  await stack.until(disputed.id, "fulfilled");
  const keys = main.sent(disputed).map((seen) => seen.key);
  assert.equal(new Set(keys).size, 2, "what was called back goes out under a key of its own");

  // All money goes back before it left: it is called back, and stays.
  main.answer = ({ method }) => (method === "DELETE" ? [200, {}] : [202, {}]);
  const unwanted = await paid();
  await untilPart(unwanted, "accepted");
  await refunded(unwanted);
  await untilPart(unwanted, "cancelled");
  assert.equal((await stack.order(unwanted.id)).status, "refunded");
  const [{ key: unwantedKey }] = main.sent(unwanted);
  assert.deepEqual(main.about(unwantedKey).map(({ method }) => method), ["POST", "DELETE"]);
  assert.equal(main.sent(unwanted).length, 1, "it is not sent again");

  // It is busy: it is left alone for as long as it says, and nothing is asked, since nothing was done.
  for (const [status, wait, headers] of [[429, 2000, { "retry-after": "2" }], [503, 1000, { "retry-after": "1" }], [503, 100, {}]]) {
    main.answer = () => ((main.answer = () => [200, {}]), [status, undefined, headers]);
    const order = await paid();
    await stack.until(order.id, "fulfilled");
    const [busy, taken, ...more] = main.sent(order);
    assert.deepEqual([busy.key, more.length], [taken.key, 0]);
    assert.ok(taken.at - busy.at >= wait, `after ${status}, ${JSON.stringify(headers)} it came back in ${taken.at - busy.at} ms`);
    assert.deepEqual(main.about(busy.key).map(({ method }) => method), ["POST", "POST"]);
  }

  // It is at it when the service is killed: its work counts, and it is asked before anything is sent again. Of another
  // order the request was lost: that one it does not know, and gets it then.
  let working = 0;
  const packed = new Set();
  main.answer = ({ method, key, body }) => {
    if (method === "GET") return packed.has(key) ? [200, { status: "done", reference: "W-packed" }] : [404];
    if (body.order.id === lost.id && !working) return new Promise(() => {});
    packed.add(key);
    return working++ ? [200, {}] : new Promise(() => {});
  };
  const held = await stack.place({ payment_intent: "pi_held" });
  const lost = await stack.place({ payment_intent: "pi_lost" });
  for (const order of [lost, held]) {
    await pay(order, order === held ? "pi_held" : "pi_lost");
    await until("the warehouse is at it", async () => [main.sent(order).length === 1, main.seen]);
  }
  const startAgain = await stack.kill();
  await startAgain();
  // A lease ends by itself, since nobody beats for it.
  for (const order of [held, lost]) await stack.until(order.id, "fulfilled", 60);
  const asked = (order) => main.about(main.sent(order)[0].key).map(({ method }) => method);
  assert.deepEqual([asked(held), asked(lost)], [["POST", "GET"], ["POST", "GET", "POST"]]);
  assert.equal((await parts(held))[0].reference, "W-packed");
  assert.equal(packed.size, 2, "each was packed once");

  // It says no; a person mends it and tries again.
  main.answer = () => [422, { reason: "no such street" }];
  const refused = await paid();
  await stack.until(refused.id, "fulfilment_failed");
  assert.match(stack.packline("fulfilments", "stuck"), /no such street/);
  main.answer = () => [201, { tracking: { carrier: "DHL", number: "00341" } }];
  stack.packline("fulfilments", "retry", refused.number, ...said);
  await stack.until(refused.id, "fulfilled");
  assert.match(stack.packline("orders", "show", refused.number), /Grace/);

  // Another warehouse, for one country; an order is split between it, the digital one and the first.
  other = await Warehouse.open(undefined);
  const shown = stack.packline("providers", "add", "eu", "--kind", "http", "--url", other.url, ...said);
  other.secret = shown.match(/whsec_\S+/)[0];
  stack.packline("providers", "add", "downloads", "--kind", "digital", ...said);
  stack.packline("providers", "goods", "add", "EBOOK", "--link", "https://files.example.com/tea.pdf", ...said);
  stack.packline("providers", "goods", "add", "EBOOK-KEY", "--licence", ...said);
  stack.packline("providers", "rules", "add", "--position", "1", "--sku", "EBOOK*", "--provider", "downloads", ...said);
  stack.packline("providers", "rules", "add", "--position", "2", "--country", "DE", "--sku", "TEE", "--provider", "eu", ...said);
  const split = await paid({
    shipping: { name: "Ada", line1: "Hauptstr. 1", city: "Bremen", postal_code: "28195", country: "DE" },
    lines: [
      { sku: "TEE", quantity: 1, unit_amount: 1000 },
      { sku: "EBOOK", quantity: 1, unit_amount: 900 },
      { sku: "EBOOK-KEY", quantity: 2, unit_amount: 500 },
      { sku: "KANNE", quantity: 1, unit_amount: 3000 },
    ],
  });
  await stack.until(split.id, "fulfilled");
  const skus = (seen) => seen.filter(({ body }) => body?.order.id === split.id).flatMap(({ body }) => body.order.lines.map(({ sku }) => sku));
  assert.deepEqual([skus(other.seen), skus(main.seen)], [["TEE"], ["KANNE"]]);
  const issued = (await parts(split)).flatMap((part) => part.digital);
  const { link } = issued.find(({ kind }) => kind === "link");
  const follow = async (to) => {
    const answer = await fetch(to, { redirect: "manual" });
    return [answer.status, answer.headers.get("location")];
  };
  assert.deepEqual(await follow(link), [302, "https://files.example.com/tea.pdf"]);
  assert.deepEqual(await follow(link.slice(0, -4) + "AAAA"), [404, null], "a forged link leads nowhere");
  const licences = issued.filter(({ kind }) => kind === "licence").map(({ code }) => code);
  assert.equal(new Set(licences).size, 2, "a licence code for each piece");
  const splitShown = stack.packline("orders", "show", split.number);
  for (const licence of licences) assert.ok(licence && splitShown.includes(licence), splitShown);

  // All money goes back: what left, left; the link ends.
  await refunded(split);
  await until("the link ends", async () => {
    const answer = await follow(link);
    return [answer[0] === 410, answer];
  });
  assert.equal((await stack.order(split.id)).payment_status, "refunded");

  // Paused, an order waits; resumed, it goes.
  stack.packline("providers", "pause", "default", "--for", "1h", ...said);
  const waits = await paid();
  await new Promise((go) => setTimeout(go, 1500));
  assert.equal((await stack.order(waits.id)).fulfilment_status, "queued");
  stack.packline("providers", "resume", "default", ...said);
  await stack.until(waits.id, "fulfilled");

  assert.match(stack.packline("fulfilments", "stuck"), /nothing is stuck/);
  console.log("warehouses: told later, called back, busy, killed, refused, split, downloaded, paused; every request verified");
} catch (error) {
  console.error(stack.programs.said());
  throw error;
} finally {
  main.close();
  other?.close();
  await stack.stop();
}
