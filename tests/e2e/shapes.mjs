// Everything that our client sends to Stripe, held against Stripe's own SDK:
//
// - by its types: each request is decoded from the form that was sent and compiled as the SDK's parameters. The SDK of
//   the version of the API that we pin decides; a newer one tells early what will change.
// - by its deeds: the SDK, given the same parameters, must send the same request: method, path, version and pairs.
//
//   node shapes.mjs path/to/stripe-shapes.json
//
// That the types would catch a mistake is shown with each: every name and every word of a set is misspelt once, every
// number and truth value is replaced by something else once, and each time the compiler must object.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { Stripe } from "stripe-dahlia";

const shapes = JSON.parse(readFileSync(resolve(process.argv[2] ?? "../../target/tmp/stripe-shapes.json"), "utf8"));

/** What the SDK calls each of our calls: the type of the parameters, none where there are none, and the call. */
const sdk = {
  create_payment_intent: ["PaymentIntentCreateParams", (s, p) => s.paymentIntents.create(p)],
  update_payment_intent: ["PaymentIntentUpdateParams", (s, p) => s.paymentIntents.update("pi_1", p)],
  confirm_payment_intent: ["PaymentIntentConfirmParams", (s, p) => s.paymentIntents.confirm("pi_1", p)],
  capture_payment_intent: ["PaymentIntentCaptureParams", (s, p) => s.paymentIntents.capture("pi_1", p)],
  cancel_payment_intent: ["PaymentIntentCancelParams", (s, p) => s.paymentIntents.cancel("pi_1", p)],
  retrieve_payment_intent: [undefined, (s) => s.paymentIntents.retrieve("pi_1")],
  list_payment_intents: ["PaymentIntentListParams", (s, p) => s.paymentIntents.list(p)],
  create_checkout_session: ["Checkout.SessionCreateParams", (s, p) => s.checkout.sessions.create(p)],
  expire_checkout_session: ["Checkout.SessionExpireParams", (s, p) => s.checkout.sessions.expire("cs_1", p)],
  retrieve_checkout_session: [undefined, (s) => s.checkout.sessions.retrieve("cs_1")],
  list_checkout_sessions: ["Checkout.SessionListParams", (s, p) => s.checkout.sessions.list(p)],
  create_refund: ["RefundCreateParams", (s, p) => s.refunds.create(p)],
  retrieve_refund: [undefined, (s) => s.refunds.retrieve("re_1")],
  list_refunds: ["RefundListParams", (s, p) => s.refunds.list(p)],
  retrieve_charge: [undefined, (s) => s.charges.retrieve("ch_1")],
  retrieve_balance_transaction: [undefined, (s) => s.balanceTransactions.retrieve("txn_1")],
  create_customer: ["CustomerCreateParams", (s, p) => s.customers.create(p)],
  retrieve_payment_method: [undefined, (s) => s.paymentMethods.retrieve("pm_1")],
  list_payment_methods: ["PaymentMethodListParams", (s, p) => s.paymentMethods.list(p)],
  list_events: ["EventListParams", (s, p) => s.events.list(p)],
  create_account: ["AccountCreateParams", (s, p) => s.accounts.create(p)],
  retrieve_account: [undefined, (s) => s.accounts.retrieve("acct_1")],
  list_accounts: ["AccountListParams", (s, p) => s.accounts.list(p)],
  create_account_link: ["AccountLinkCreateParams", (s, p) => s.accountLinks.create(p)],
  finalize_invoice: ["InvoiceFinalizeInvoiceParams", (s, p) => s.invoices.finalizeInvoice("in_1", p)],
  pay_invoice: ["InvoicePayParams", (s, p) => s.invoices.pay("in_1", p)],
  send_invoice: ["InvoiceSendInvoiceParams", (s, p) => s.invoices.sendInvoice("in_1", p)],
  void_invoice: ["InvoiceVoidInvoiceParams", (s, p) => s.invoices.voidInvoice("in_1", p)],
  mark_invoice_uncollectible: ["InvoiceMarkUncollectibleParams", (s, p) => s.invoices.markUncollectible("in_1", p)],
  create_subscription: ["SubscriptionCreateParams", (s, p) => s.subscriptions.create(p)],
  change_subscription: ["SubscriptionUpdateParams", (s, p) => s.subscriptions.update("sub_1", p)],
  resume_subscription: ["SubscriptionResumeParams", (s, p) => s.subscriptions.resume("sub_1", p)],
  cancel_subscription: ["SubscriptionCancelParams", (s, p) => s.subscriptions.cancel("sub_1", p)],
  retrieve_subscription: [undefined, (s) => s.subscriptions.retrieve("sub_1")],
  create_product: ["ProductCreateParams", (s, p) => s.products.create(p)],
  list_products: ["ProductListParams", (s, p) => s.products.list(p)],
  create_price: ["PriceCreateParams", (s, p) => s.prices.create(p)],
  list_prices: ["PriceListParams", (s, p) => s.prices.list(p)],
  list_customers: ["CustomerListParams", (s, p) => s.customers.list(p)],
  create_quote: ["QuoteCreateParams", (s, p) => s.quotes.create(p)],
  update_quote: ["QuoteUpdateParams", (s, p) => s.quotes.update("qt_1", p)],
  finalize_quote: ["QuoteFinalizeQuoteParams", (s, p) => s.quotes.finalizeQuote("qt_1", p)],
  accept_quote: [undefined, (s) => s.quotes.accept("qt_1")],
  cancel_quote: [undefined, (s) => s.quotes.cancel("qt_1")],
  retrieve_quote: ["QuoteRetrieveParams", (s, p) => s.quotes.retrieve("qt_1", p)],
  list_quote_lines: ["QuoteListLineItemsParams", (s, p) => s.quotes.listLineItems("qt_1", p)],
  list_quotes: ["QuoteListParams", (s, p) => s.quotes.list(p)],
  oauth_token: ["OAuthTokenParams", (s, p) => s.oauth.token(p)],
  oauth_deauthorize: ["OAuthDeauthorizeParams", (s, p) => s.oauth.deauthorize(p)],
};
assert.deepEqual(new Set(shapes.map((shape) => shape.call)), new Set(Object.keys(sdk)), "every call has its example");

/** Pairs of a form or a query as a set that can be compared. */
const pairs = (form) => [...new URLSearchParams(form)].map(([name, value]) => `${name}=${value}`).sort();

/** What a form says, as nested maps of texts. */
function nested(form) {
  const whole = {};
  for (const [name, value] of new URLSearchParams(form)) {
    const [first, rest] = name.match(/^([^[\]]+)((?:\[[^[\]]+\])*)$/).slice(1);
    const way = [first, ...[...rest.matchAll(/\[([^[\]]+)\]/g)].map((step) => step[1])];
    const last = way.pop();
    const place = way.reduce((at, step) => (at[step] ??= {}), whole);
    assert(!(last in place), `${name} is sent once`);
    place[last] = value;
  }
  return whole;
}

/** Gives what was sent its types back: those of the parameters, which must be the same texts at the same places. */
function typed(sent, parameters, where) {
  if (typeof sent === "string") {
    assert(["string", "number", "boolean"].includes(typeof parameters), `${where} has a type`);
    assert.equal(sent, String(parameters), where);
    return parameters;
  }
  assert.deepEqual(Object.keys(sent).sort(), Object.keys(parameters).sort(), `all of ${where} is sent`);
  const entries = Object.entries(sent).map(([name, value]) => [name, typed(value, parameters[name], `${where}.${name}`)]);
  return Array.isArray(parameters) ? entries.map(([, value]) => value) : Object.fromEntries(entries);
}

/** All that is one mistake away: a name misspelt, a number or a truth value of another kind. */
function* mistakes(value) {
  if (value === null || typeof value !== "object") {
    if (typeof value !== "string") yield { not: "this" };
    return;
  }
  for (const [name, inner] of Object.entries(value)) {
    const others = Object.entries(value).filter(([other]) => other !== name);
    if (!Array.isArray(value)) yield Object.fromEntries([...others, [`${name}_misspelt`, inner]]);
    if (name === "metadata") continue; // Its names and values are free.
    for (const mistake of mistakes(inner)) {
      yield Array.isArray(value)
        ? value.map((element, at) => (at === Number(name) ? mistake : element))
        : Object.fromEntries([...others, [name, mistake]]);
    }
  }
}

/** The texts, each with its place. */
function* texts(value, place = []) {
  if (typeof value === "string") yield [place, value];
  if (value === null || typeof value !== "object") return;
  for (const [name, inner] of Object.entries(value)) {
    if (name !== "metadata") yield* texts(inner, [...place, Array.isArray(value) ? "0" : name]);
  }
}

/** Where the SDK names the words: there, a misspelt one must be noticed. */
const setNames = new Set([
  "allow_redirects", "behavior", "business_type", "cancellation_reason", "capture_method", "collection_method",
  "confirmation_method", "customer_creation", "grant_type", "interval", "mode", "payment_behavior", "proration_behavior",
  "reason", "request_three_d_secure", "setup_future_usage", "type",
]);

// The SDK's sets of words are open, so that any text is of their type: a text is held against the words that are named,
// where some are.
const prelude = `
type At<T, Place> = Place extends [infer Name, ...infer Rest]
  ? T extends readonly (infer Element)[] ? At<Element, Rest> : T extends object ? (Name extends keyof T ? At<T[Name], Rest> : never) : never
  : T;
type Words<T> = T extends string ? (string extends T ? never : T) : never;
type Named<T> = [Words<T>] extends [never] ? string : Words<T> | "";
let _: unknown;`;

/** Compiles a source against one of the SDKs; the compiler's words, none if it has nothing to say. */
function compile(name, source) {
  const here = dirname(fileURLToPath(import.meta.url));
  const folder = mkdtempSync(join(here, "shapes-"));
  try {
    const file = join(folder, `${name}.mts`);
    writeFileSync(file, source);
    const tsc = join(dirname(createRequire(import.meta.url).resolve("typescript/package.json")), "bin", "tsc");
    const options = ["--noEmit", "--strict", "--skipLibCheck", "--module", "nodenext", "--target", "es2022"];
    const run = spawnSync(process.execPath, [tsc, ...options, file], { encoding: "utf8", maxBuffer: 1 << 26 });
    return run.status === 0 ? "" : run.stdout + run.stderr;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The examples as a source, and each mistake under a line that says that the compiler objects. */
function source(library, examples) {
  const lines = [`import type { Stripe } from ${JSON.stringify(library)};`, prelude];
  let wrong = 0;
  for (const [type, value] of examples) {
    lines.push(`_ = ${JSON.stringify(value)} satisfies Stripe.${type};`);
    for (const mistake of mistakes(value)) {
      lines.push("// @ts-expect-error", `_ = ${JSON.stringify(mistake)} satisfies Stripe.${type};`);
      wrong += 1;
    }
    for (const [place, text] of texts(value)) {
      const at = `At<Stripe.${type}, ${JSON.stringify(place)}>`;
      lines.push(`_ = ${JSON.stringify(text)} satisfies Named<${at}>;`);
      if (setNames.has(place.at(-1))) {
        lines.push("// @ts-expect-error", `_ = ${JSON.stringify(`${text}_misspelt`)} satisfies Named<${at}>;`);
        wrong += 1;
      }
    }
  }
  return [lines.join("\n"), wrong];
}

/** What is known to change after the version that we pin: `allowed_payment_method_types` comes in its place. */
function afterOurs([type, value]) {
  const { payment_method_types: gone, ...rest } = value;
  return [type, type.startsWith("PaymentIntent") ? rest : value];
}

// By its deeds.
let seen;
const record = async (url, init) => {
  seen = { url: new URL(url), init };
  return new Response(JSON.stringify({ object: "list", data: [], has_more: false }), { status: 200 });
};
const stripe = new Stripe("sk_test_never_used", { httpClient: Stripe.createFetchHttpClient(record), telemetry: false });
const examples = [];
for (const shape of shapes) {
  const [type, call] = sdk[shape.call];
  const parameters = typed(nested(shape.form), shape.parameters, shape.call);
  await call(stripe, parameters);
  const form = shape.method === "POST" ? seen.init.body : seen.url.search;
  assert.equal(shape.method, seen.init.method, shape.call);
  assert.equal(shape.path, seen.url.pathname, shape.call);
  assert.deepEqual(pairs(shape.form), pairs(form), `${shape.call} sends the same pairs`);
  assert.equal(shape.version, new Headers(seen.init.headers).get("stripe-version"), "the version that we pin");
  if (type) examples.push([type, parameters]);
  else assert.deepEqual(parameters, {}, shape.call);
}

// By its types.
for (const [library, sent] of [["stripe-dahlia", examples], ["stripe", examples.map(afterOurs)]]) {
  const [text, wrong] = source(library, sent);
  const objections = compile(library, text);
  assert.equal(objections, "", `${library}:\n${objections}`);
  console.log(`${library}: ${examples.length} requests are of its types, ${wrong} mistakes are not`);
}
const unnoticed = compile("unnoticed", source("stripe-dahlia", [])[0] + "\n// @ts-expect-error\n_ = {} satisfies object;");
assert.match(unnoticed, /TS2578/, "a mistake that the compiler did not notice would be told");
console.log(`shapes: ${shapes.length} requests are those of Stripe's own SDK`);
