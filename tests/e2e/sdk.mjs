// Stripe's own SDK against the local Stripe: it creates, confirms, lists, refunds, gets its typed errors, and takes what
// the local Stripe signs for Stripe's.
//
//   node sdk.mjs path/to/packline

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { resolve } from "node:path";
import { Stripe } from "stripe";
import { Programs, folder, until } from "./programs.mjs";

const packline = resolve(process.argv[2] ?? "../../target/debug/packline");
const programs = new Programs(folder("sdk"), {});

const received = [];
let answer = 200;
const shop = createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  received.push({ body: Buffer.concat(chunks), signature: request.headers["stripe-signature"], path: request.url });
  response.statusCode = answer;
  response.end();
}).listen(0, "127.0.0.1");
await once(shop, "listening");
const hook = `http://127.0.0.1:${shop.address().port}`;

try {
  const [, port] = await programs.start(packline, ["fake-stripe", "--listen", "127.0.0.1:0"], /Local Stripe at http:\/\/127\.0\.0\.1:(\d+),/);
  const connect = (key, options = {}) => new Stripe(key, { host: "127.0.0.1", port, protocol: "http", telemetry: false, ...options });
  const stripe = connect("sk_test_local");
  const control = (path, body) =>
    fetch(`http://127.0.0.1:${port}/_fake/${path}`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
  const fails = async (call, type, fields = {}) => {
    const error = await call.then(() => undefined, (error) => error);
    assert.ok(error instanceof Stripe.errors[type], `${type}: ${error}`);
    for (const [name, value] of Object.entries(fields)) assert.equal(error[name], value, `${type}.${name}`);
    return error;
  };

  // An endpoint, and events that its secret verifies, in two versions.
  const endpoint = await stripe.webhookEndpoints.create({ url: `${hook}/new`, enabled_events: ["*"] });
  const old = await stripe.webhookEndpoints.create({ url: `${hook}/old`, enabled_events: ["payment_intent.*"], api_version: "2020-08-27" });
  assert.match(endpoint.secret, /^whsec_/);
  const shown = await stripe.webhookEndpoints.retrieve(endpoint.id);
  assert.equal(shown.secret, undefined, "the secret is told once");

  const card = { payment_method: "pm_card_visa", payment_method_types: ["card"], confirm: true };
  const paid = await stripe.paymentIntents.create({ amount: 2000, currency: "eur", metadata: { order_id: "o × 1" }, ...card });
  assert.equal(paid.status, "succeeded");
  assert.equal(paid.amount_received, 2000);
  const verify = ({ body, signature }, { secret }) => stripe.webhooks.constructEvent(body, signature, secret);
  await until("both endpoints are told", async () => {
    const told = ["/new", "/old"].every((path) => received.some((one) => one.path === path && one.body.includes("payment_intent.succeeded")));
    return [told, received.map((one) => one.path)];
  });
  const success = (path, of) => received.filter((one) => one.path === path).map((one) => verify(one, of)).find((event) => event.type === "payment_intent.succeeded");
  const now = success("/new", endpoint);
  const then = success("/old", old);
  assert.equal(now.data.object.latest_charge, paid.latest_charge);
  assert.equal(now.data.object.metadata.order_id, "o × 1");
  assert.equal(now.id, then.id, "one event in two shapes");
  assert.equal(then.api_version, "2020-08-27");
  assert.equal(then.data.object.charges.data[0].id, paid.latest_charge);
  assert.equal(then.data.object.latest_charge, undefined);
  assert.throws(() => verify({ ...received[0], body: received[0].body + " " }, endpoint), Stripe.errors.StripeSignatureVerificationError);

  // What was refused is tried again, signed afresh.
  answer = 500;
  const tries = () => received.filter((one) => one.body.includes('"customer.created"'));
  await stripe.customers.create({ name: "Ada" });
  await until("a try", async () => [tries().length > 0, received.length]);
  answer = 200;
  await until("another try", async () => [tries().length > 1, received.length]);
  assert.equal(verify(tries().at(-1), endpoint).type, "customer.created");
  assert.deepEqual(tries().at(-1).body, tries()[0].body);

  // Idempotency: the same answer, or a refusal.
  const params = { amount: 700, currency: "usd", payment_method_types: ["card"] };
  const first = await stripe.paymentIntents.create(params, { idempotencyKey: "key-1" });
  const again = await stripe.paymentIntents.create(params, { idempotencyKey: "key-1" });
  assert.equal(again.id, first.id);
  assert.equal(again.lastResponse.headers["idempotent-replayed"], "true");
  await fails(stripe.paymentIntents.create({ ...params, amount: 701 }, { idempotencyKey: "key-1" }), "StripeIdempotencyError", { statusCode: 400 });

  // Errors as the SDK types them.
  const declined = await fails(
    stripe.paymentIntents.create({ amount: 2000, currency: "eur", ...card, payment_method: "pm_card_chargeDeclined" }),
    "StripeCardError", { statusCode: 402, code: "card_declined", decline_code: "generic_decline" },
  );
  assert.equal(declined.payment_intent.status, "requires_payment_method");
  assert.match(declined.requestId, /^req_/);
  await fails(stripe.paymentIntents.retrieve("pi_none"), "StripeInvalidRequestError", { statusCode: 404, code: "resource_missing" });
  await fails(stripe.paymentIntents.create({ amount: 1 }), "StripeInvalidRequestError", { param: "currency" });
  await fails(connect("sk_live_never").customers.list(), "StripeAuthenticationError", { statusCode: 401 });
  await control("faults", { path: "/v1/customers", kind: "429" });
  await fails(connect("sk_test_local", { maxNetworkRetries: 0 }).customers.list(), "StripeRateLimitError", { statusCode: 429 });
  await control("faults", { path: "/v1/customers", kind: "500", times: 1 });
  assert.equal((await stripe.customers.create({ name: "Grace" })).name, "Grace", "the SDK tries again by itself");

  // 3-D Secure.
  const asked = await stripe.paymentIntents.create({ amount: 900, currency: "eur", ...card, payment_method: "pm_card_threeDSecure2Required" });
  assert.equal(asked.status, "requires_action");
  assert.equal(asked.next_action.type, "use_stripe_sdk");
  await control(`payment_intents/${asked.id}/authenticate`, { outcome: "succeeded" });
  assert.equal((await stripe.paymentIntents.retrieve(asked.id)).status, "succeeded");

  // Refunds, in part and then the rest.
  await stripe.refunds.create({ payment_intent: paid.id, amount: 500 });
  const rest = await stripe.refunds.create({ payment_intent: paid.id });
  assert.deepEqual([rest.amount, rest.status], [1500, "succeeded"]);
  const charge = await stripe.charges.retrieve(paid.latest_charge);
  assert.deepEqual([charge.amount_refunded, charge.refunded], [2000, true]);
  await fails(stripe.refunds.create({ payment_intent: paid.id }), "StripeInvalidRequestError", { code: "charge_already_refunded" });

  // Lists, over several pages, and expanded objects.
  for (let number = 0; number < 23; number++) await stripe.customers.create({ name: `N${number}` });
  const names = [];
  for await (const customer of stripe.customers.list({ limit: 10 })) names.push(customer.name);
  assert.equal(names.length, 25);
  assert.equal(names[0], "N22", "newest first");
  const types = new Set();
  for await (const event of stripe.events.list({ types: ["refund.created", "charge.refunded"], limit: 1 })) types.add(event.type);
  assert.deepEqual([...types].sort(), ["charge.refunded", "refund.created"]);
  const expanded = await stripe.paymentIntents.retrieve(paid.id, { expand: ["latest_charge"] });
  assert.equal(expanded.latest_charge.payment_intent, paid.id);

  // A Checkout Session is paid on its page; so is the one that a Payment Link opens.
  const product_data = { name: "Green tea", metadata: { sku: "TEA-100G" } };
  const line_items = [{ quantity: 2, price_data: { currency: "usd", unit_amount: 1000, product_data } }];
  const session = await stripe.checkout.sessions.create({
    mode: "payment", line_items, success_url: `${hook}/thanks?session={CHECKOUT_SESSION_ID}`, client_reference_id: "basket-1",
    payment_intent_data: { metadata: { order_id: "o2" } }, expand: ["line_items.data.price.product"],
  });
  assert.deepEqual([session.status, session.payment_intent, session.amount_total], ["open", null, 2000]);
  assert.deepEqual(session.line_items.data[0].price.product.metadata, product_data.metadata);
  const pays = (url) =>
    fetch(url, {
      method: "POST", redirect: "manual",
      body: new URLSearchParams({ type: "card", email: "ada@example.com", card_number: "4242424242424242", card_expiry: "12/34", card_cvc: "123" }),
    });
  const thanks = await pays(session.url);
  assert.equal(thanks.headers.get("location"), `${hook}/thanks?session=${session.id}`);
  const complete = await stripe.checkout.sessions.retrieve(session.id, { expand: ["payment_intent"] });
  assert.deepEqual([complete.payment_status, complete.payment_intent.metadata.order_id], ["paid", "o2"]);
  const lines = [];
  for await (const line of stripe.checkout.sessions.listLineItems(session.id, { limit: 1 })) lines.push(line.description);
  assert.deepEqual(lines, ["Green tea"]);
  await until("its event", async () => [received.some((one) => one.path === "/new" && one.body.includes("checkout.session.completed")), received.length]);
  await fails(stripe.checkout.sessions.expire(session.id), "StripeInvalidRequestError", { statusCode: 400 });
  const link = await stripe.paymentLinks.create({ line_items, metadata: { campaign: "spring" } });
  const opened = await fetch(`${link.url}?client_reference_id=basket-2`, { redirect: "manual" });
  await pays(opened.headers.get("location"));
  const { data: [bought] } = await stripe.checkout.sessions.list({ payment_link: link.id, limit: 1 });
  assert.deepEqual([bought.status, bought.client_reference_id, bought.metadata.campaign], ["complete", "basket-2", "spring"]);

  // From a price to a quote, its PDF, and a subscription that renews.
  const buyer = await stripe.customers.create({
    name: "Ann", payment_method: "pm_card_visa", invoice_settings: { default_payment_method: "pm_card_visa" },
  });
  const monthly = await stripe.prices.create({
    currency: "usd", unit_amount: 1500, recurring: { interval: "month" }, product_data: { name: "Tea" },
  });
  const quote = await stripe.quotes.create({ customer: buyer.id, line_items: [{ price: monthly.id, quantity: 2 }] });
  await fails(stripe.quotes.accept(quote.id), "StripeInvalidRequestError");
  const offered = await stripe.quotes.finalizeQuote(quote.id);
  const pdf = await fetch(`http://127.0.0.1:${port}/v1/quotes/${quote.id}/pdf`, { headers: { authorization: "Bearer sk_test_local" } });
  assert.equal(pdf.headers.get("content-type"), "application/pdf");
  assert.match(await pdf.text(), new RegExp(offered.number));
  const accepted = await stripe.quotes.accept(quote.id);
  await control("clock/advance", { seconds: 32 * 24 * 60 * 60 });
  const subscription = await stripe.subscriptions.retrieve(accepted.subscription, { expand: ["latest_invoice.payments"] });
  assert.equal(subscription.status, "active");
  assert.equal(subscription.latest_invoice.billing_reason, "subscription_cycle");
  assert.equal(subscription.latest_invoice.payments.data[0].amount_paid, 3000);

  await stripe.webhookEndpoints.del(endpoint.id);
  assert.deepEqual(await programs.stop(), [0]);
  console.log(`the official SDK paid, refunded, listed, got its typed errors and verified ${received.length} deliveries`);
} catch (error) {
  console.error(programs.said());
  throw error;
} finally {
  shop.close();
  await programs.stop();
}
