// The README's snippets about the local Stripe, payments, billing and connected accounts, run as they are printed and in their
// order: those for a shell in one shell, that for a browser on a page of another origin. Only addresses, and ids that the
// README leaves out (…), are filled in.
//
//   node readme.mjs path/to/packline [path/to/README.md]
//
// A snippet that is run stands below `<!-- run: name -->`. Needs Chromium, the Stripe CLI of npm, curl and psql.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { Visitor, launch } from "./chromium.mjs";
import { folder, psql, until } from "./programs.mjs";
import { freePort } from "./stack.mjs";

const packline = resolve(process.argv[2] ?? "../../target/debug/packline");
const readme = readFileSync(process.argv[3] ?? new URL("../../README.md", import.meta.url), "utf8");
const snippets = new Map();
for (const [, name, language, text] of readme.matchAll(/<!-- run: (.+?) -->\n```(\w+)\n([^]*?)\n```/g)) snippets.set(name, { language, text });

// Programs by the names that the README gives them; curl keeps its answers, each with its status.
const home = folder("readme");
const bin = join(home, "bin");
mkdirSync(bin);
symlinkSync(packline, join(bin, "packline"));
const require = createRequire(import.meta.url);
const platform = require("@stripe/cli/platforms.json")[`${process.platform}-${process.arch}`];
symlinkSync(join(dirname(require.resolve(`${platform.pkg}/package.json`)), "bin", platform.bin), join(bin, "stripe"));
writeFileSync(join(bin, "curl"), `#!/bin/sh\nPATH="\${PATH#*:}" curl -sS -w '\\n<%{http_code}>\\n' "$@" | tee -a answers | sed '/^<[0-9]*>$/d'\n`);
chmodSync(join(bin, "curl"), 0o755);

const [port, stripePort] = [await freePort(), await freePort()];
const base = `http://127.0.0.1:${port}`;
const stripeBase = `http://127.0.0.1:${stripePort}`;
const seen = new Map();
const filled = (text) =>
  text
    .replaceAll("127.0.0.1:8080", `127.0.0.1:${port}`)
    .replaceAll("127.0.0.1:12111", `127.0.0.1:${stripePort}`)
    .replace(/^packline fake-stripe /m, `packline fake-stripe --listen 127.0.0.1:${stripePort} `)
    .replace(/\b(pi|evt)_…/g, (_, kind) => seen.get(kind) ?? assert.fail(`no ${kind}_ was seen yet`));

// The shop's pages, on an origin of their own.
let shopPage = "";
const shop = createServer((_, response) => response.setHeader("content-type", "text/html").end(shopPage)).listen(0, "127.0.0.1");
await once(shop, "listening");
const shopOrigin = `http://127.0.0.1:${shop.address().port}`;

// A warehouse that does at once what it gets, or tells later.
const parcels = [];
let warehouseSays = 201;
const warehouse = createServer(async (request, response) => {
  let body = "";
  for await (const chunk of request) body += chunk;
  if (request.method === "POST") parcels.push(JSON.parse(body));
  response.writeHead(warehouseSays).end();
}).listen(0, "127.0.0.1");
await once(warehouse, "listening");

/** One shell, as somebody has it open who reads along. */
class Shell {
  constructor(env) {
    this.child = spawn("bash", { cwd: home, env, stdio: ["pipe", "pipe", "pipe"] });
    this.said = "";
    for (const stream of [this.child.stdout, this.child.stderr]) stream.on("data", (data) => (this.said += data));
    this.exited = once(this.child, "exit");
    this.turn = 0;
  }
  /** Types it, waits until it is done, and gives what was said meanwhile. */
  async run(text) {
    const end = `== ${(this.turn += 1)} is done`;
    const from = this.said.length;
    this.child.stdin.write(`${text}\necho "${end} \$?"\n`);
    await until(`the shell did not finish:\n${text}\n${this.said.slice(from)}`, async () => [this.said.includes(end), ""], 60);
    return this.said.slice(from, this.said.indexOf(end));
  }
  /** What a command prints, without what goes on beside it. */
  async output(command) {
    await this.run(`${command} > output`);
    return readFileSync(join(home, "output"), "utf8").trim();
  }
  async end() {
    this.child.stdin.end("kill $(jobs -p) 2>/dev/null; wait; exit\n");
    const patience = setTimeout(() => this.child.kill("SIGKILL"), 30_000);
    await this.exited;
    clearTimeout(patience);
  }
}

const shell = new Shell({
  PATH: `${bin}:${process.env.PATH}`, HOME: home, XDG_CONFIG_HOME: join(home, "config"),
  PACKLINE_DATA_DIR: join(home, "data"), PACKLINE_LISTEN: `127.0.0.1:${port}`, PACKLINE_CORS_ORIGINS: shopOrigin,
  FULFILMENT_URL: `http://127.0.0.1:${warehouse.address().port}/parcels`,
  STRIPE_CLI_TELEMETRY_OPTOUT: "1", STRIPE_DEVICE_NAME: "e2e", STRIPE_RATE_LIMIT: "1000", NO_COLOR: "1",
});
const ran = [];
const snippet = (name, language = "sh") => {
  const found = snippets.get(name) ?? assert.fail(`the README has no snippet "${name}"`);
  assert.equal(found.language, language);
  ran.push(name);
  return filled(found.text);
};
/** Runs a snippet of shell commands; the answers of its calls. */
const play = async (text) => {
  const answers = join(home, "answers");
  writeFileSync(answers, "");
  await shell.run(text);
  return readFileSync(answers, "utf8").split(/(?<=\n<\d+>\n)/).map((answer) => {
    const [, body, status] = answer.match(/^([^]*)\n<(\d+)>\n$/);
    return { status: Number(status), body: body && JSON.parse(body) };
  });
};
const order = async (number) => {
  const answer = await fetch(`${base}/v1/orders/${number}`, { headers: { authorization: `Bearer ${key}` } });
  return answer.json();
};
const becomes = (number, wanted) =>
  until(`${number} is not ${JSON.stringify(wanted)}`, async () => {
    const now = await order(number);
    return [Object.entries(wanted).every(([name, value]) => now[name] === value), now];
  });
const place = async (number, payment, more) => {
  const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
  const body = { number, currency: "usd", lines: [{ sku: "TEA-100G", quantity: 2, unit_amount: 1000 }], payment, ...more };
  return (await fetch(`${base}/v1/orders`, { method: "POST", headers, body: JSON.stringify(body) })).json();
};
/** Pays for one that was placed; it is `paid` by an event, a little later. */
const pay = async ({ payment }) => {
  const answer = await fetch(`${base}/pay`, {
    method: "POST", headers: { authorization: `Bearer ${payment.checkout_token}`, "content-type": "application/json" },
    body: JSON.stringify({ payment_method_id: "pm_card_visa" }),
  });
  assert.deepEqual(await answer.json(), { success: true });
};
/** The only part of an order, once it is in a state. */
const part = (number, state) =>
  until(`${number} has no part that is ${state}`, async () => {
    const answer = await fetch(`${base}/v1/orders/${number}/fulfilments`, { headers: { authorization: `Bearer ${key}` } });
    const [one] = (await answer.json()).data;
    return [one?.state === state, one];
  });
let key, browser, billing;

try {
  // A local Stripe. Its CLI's secret is put beside the other one, as the text below the snippet says.
  const starting = snippet("local stripe").split("\npackline serve");
  await shell.run(starting[0]);
  await until("the local Stripe listens", async () => [shell.said.includes("Local Stripe at"), shell.said]);
  const secret = await shell.output(`STRIPE_API_KEY=sk_test_local stripe listen --print-secret --all-snapshot --skip-update --api-base ${stripeBase}`);
  assert.match(secret, /^whsec_\w+$/);
  await shell.run(`export STRIPE_WEBHOOK_SECRET=$STRIPE_WEBHOOK_SECRET,${secret}`);
  await shell.run(`packline serve${starting[1]}`);
  await until("Packline serves", async () => [shell.said.includes(`serving ${base}`), shell.said], 60);

  let answers = await play(snippet("a payment"));
  assert.deepEqual([answers[0].status, answers[0].body.status], [200, "succeeded"]);
  seen.set("pi", answers[0].body.id);
  const listed = await until("the event is listed", async () => {
    const table = await shell.output("packline events list");
    return [table.includes("payment_intent.succeeded"), table];
  });
  seen.set("evt", listed.match(/evt_\w+/)[0]);

  await shell.run(snippet("the cli"));
  await until("the CLI forwards", async () => [/\[200\] POST/.test(shell.said), shell.said]);

  // An order for the payment that is there.
  answers = await play(snippet("an order"));
  key = await shell.output('echo "$KEY"');
  assert.match(key, /^plk_/);
  assert.deepEqual([answers[0].status, answers[0].body.number], [201, "4711"]);
  await becomes("4711", { status: "fulfilled", payment_status: "paid", amount_total: 2000 });

  // An order to be paid, by a form of the shop's own: 3-D Secure.
  answers = await play(snippet("an order to pay"));
  assert.equal(answers[0].status, 201);
  const { checkout_token, checkout_url, client_secret } = answers[0].body.payment;
  assert.ok(client_secret && checkout_token.startsWith("plc_"));
  browser = await launch();
  const visitor = await Visitor.of(browser);
  const page = await visitor.visit(checkout_url);
  await page.getByTestId("card-number").waitFor();
  const form = snippet("a form of your own", "js");
  shopPage = `<!doctype html><meta charset="utf-8"><title>A shop</title><div id="card"></div><button>Pay</button><p></p>
    <script src="${stripeBase}/v3/"></script><script type="module">
      const stripe = Stripe("pk_test_local");
      const card = stripe.elements().create("card");
      card.mount("#card");
      const showMessage = (text) => { document.querySelector("p").textContent = text; };
      const showThanks = () => showMessage("Thank you");
      const checkoutToken = ${JSON.stringify(checkout_token)};
      document.querySelector("button").addEventListener("click", async () => {\n${form}\n});
    </script>`;
  const ownForm = await visitor.visit(shopOrigin);
  const fill = async (number) => {
    await ownForm.getByTestId("card-number").fill(number);
    await ownForm.getByTestId("card-expiry").fill("1234");
    await ownForm.getByTestId("card-cvc").fill("123");
    await ownForm.locator("button", { hasText: "Pay" }).click();
  };
  await fill("4000000000009995");
  await ownForm.getByText("insufficient funds").waitFor();
  await fill("4000002760003184");
  await ownForm.getByTestId("3ds-fail").click();
  await ownForm.getByText("unable to authenticate").waitFor();
  await fill("4000002760003184");
  await ownForm.getByTestId("3ds-complete").click();
  await ownForm.getByText("Thank you").waitFor();
  await becomes("4712", { payment_status: "paid", amount_paid: 2000 });
  // The page of the same order, open all the while, has seen it.
  await page.locator("#status", { hasText: "Paid." }).waitFor();
  assert.deepEqual(visitor.complaints, []);

  // An order that is paid on a page of Stripe's, which leads to the shop: that page is not there.
  answers = await play(snippet("a page of Stripe's"));
  assert.equal(answers[0].status, 201, JSON.stringify(answers));
  const stripes = await visitor.visit(answers[0].body.payment.url);
  await stripes.route("https://shop.example/**", (route) => route.fulfill({ body: "thanks" }));
  for (const [name, text] of Object.entries({ email: "ada@example.com", card_number: "4242 4242 4242 4242", card_expiry: "12 / 34", card_cvc: "123" }))
    await stripes.locator(`[name=${name}]`).fill(text);
  await stripes.locator("#pay").click();
  await stripes.waitForURL(`https://shop.example/thanks?session=${answers[0].body.payment.session}`);
  await becomes("4720", { payment_status: "paid", amount_paid: 2000 });

  // What a shop does afterwards: 4713 was authorised, 4714 waits for its customer.
  const reserved = await place("4713", { mode: "server", capture: "manual" });
  await place("4714", { mode: "server" });
  await pay(reserved);
  await becomes("4713", { payment_status: "authorised" });
  answers = await play(snippet("afterwards"));
  assert.deepEqual(answers.map(({ status }) => status), [201, 200, 200], JSON.stringify(answers));
  await becomes("4712", { payment_status: "partially_refunded", amount_refunded: 1000 });
  await becomes("4713", { payment_status: "paid", amount_paid: 1500 });
  await becomes("4714", { status: "cancelled" });

  // Nothing is stuck, says the query.
  assert.deepEqual(psql(home, snippet("calls", "sql")), []);

  // From a quote to a paid order: the customer pays on the page of its invoice.
  const payOnPage = async (url) => {
    const page = await visitor.visit(url);
    for (const [name, text] of Object.entries({ card_number: "4242 4242 4242 4242", card_expiry: "12 / 34", card_cvc: "123" }))
      await page.locator(`[name=${name}]`).fill(text);
    await page.locator("#pay").click();
    await page.locator("#paid").waitFor();
  };
  answers = await play(snippet("a quote"));
  assert.deepEqual(answers.map(({ status }) => status), [201, 201, 201, 201, 200, 200, 200, 200], JSON.stringify(answers));
  assert.match(readFileSync(join(home, "quote.pdf"), "latin1"), /^%PDF-/);
  const invoice = answers.at(-1).body;
  assert.deepEqual([invoice.status, invoice.amount_due], ["open", 10000]);
  await becomes(invoice.stripe_id, { payment_status: "awaiting_payment", amount_total: 10000 });
  await payOnPage(invoice.hosted_invoice_url);
  await becomes(invoice.stripe_id, { status: "fulfilled", payment_status: "paid" });
  assert.deepEqual(parcels.at(-1).order.lines.map(({ sku, quantity }) => [sku, quantity]), [["TEA-100G", 10]]);
  [{ body: { billing } }] = answers = await play(snippet("the order of an invoice"));
  assert.ok(billing.quote.number && billing.invoice.receipt_url, JSON.stringify(answers));

  // A subscription begins when the first invoice is paid.
  answers = await play(snippet("a subscription"));
  assert.deepEqual(answers.map(({ status }) => status), [201, 201], JSON.stringify(answers));
  const { status, dunning } = answers[1].body;
  assert.equal(status, "incomplete");
  await payOnPage(dunning.pay_here);
  await becomes(dunning.invoice, { status: "fulfilled", amount_total: 1800 });
  assert.deepEqual(visitor.complaints, []);

  // Connected accounts.
  answers = await play(snippet("accounts"));
  assert.deepEqual(answers.map(({ status }) => status), [201, 201], JSON.stringify(answers));
  assert.ok(answers[0].body.onboarding.url.startsWith(stripeBase) && answers[1].body.url.startsWith(base), JSON.stringify(answers));

  // A warehouse that tells later sends a part of what it got.
  warehouseSays = 202;
  await pay(await place("4715", { mode: "server" }));
  const accepted = await part("4715", "accepted");
  assert.equal(parcels.at(-1).fulfilment_id, accepted.id);
  await shell.run(`FULFILMENT_ID=${accepted.id}`);
  answers = await play(snippet("a call-back"));
  assert.deepEqual([answers[0].status, answers[0].body.shipments[0].tracking.number], [200, "00340434"], JSON.stringify(answers));
  await becomes("4715", { fulfilment_status: "partially_fulfilled" });

  // Several providers; the one for Germany is left paused, and people do what the table tells.
  await shell.run(`set -e; ${snippet("providers")}\nset +e`);
  assert.match(await shell.run("packline providers rules list"), /BOOK\*.*downloads[^]*DE.*eu/);
  for (const number of ["4716", "4717"]) {
    await pay(await place(number, { mode: "server" }, { shipping: { name: "Ada", line1: "Hauptstr. 1", city: "Bremen", country: "DE" } }));
    assert.equal((await part(number, "queued")).provider, "eu");
  }
  assert.match(await shell.run("packline providers list"), /eu [^]*stocktaking/);
  assert.match(await shell.run("packline fulfilments stuck"), /nothing is stuck/);
  const commands = [...readme.matchAll(/^\| `packline (fulfilments [^`]+)`(?:, `([^`]+)`)? \|.*\|$/gm)]
    .flatMap(([, one, another]) => [one, another && `fulfilments ${another}`]).filter((one) => / ID|--/.test(one));
  const does = async (fits, number) => {
    const at = commands.findIndex((one) => fits.test(one));
    const [command] = at < 0 ? assert.fail(`the README has no command like ${fits}`) : commands.splice(at, 1);
    const { id } = await part(number, "queued");
    const said = await shell.run(`packline ${command.replace(" ID", ` ${id}`)} --by mia --why 'read it' || echo FAILED`);
    assert.doesNotMatch(said, /FAILED/);
  };
  for (const fits of [/snooze/, /prioritise/, /retry ID/, /retry --state/, /mark-done/]) await does(fits, "4716");
  await does(/cancel/, "4717");
  assert.deepEqual(commands, []);
  await becomes("4716", { status: "fulfilled" });
  await becomes("4717", { fulfilment_status: "cancelled" });

  assert.deepEqual(ran.toSorted(), [...snippets.keys()].toSorted(), "every snippet that is marked was run");
  console.log(`readme: ${ran.length} snippets do what the README says`);
} catch (error) {
  console.error(shell.said.slice(-6000));
  throw error;
} finally {
  await browser?.close();
  shop.close();
  warehouse.close();
  await shell.end();
  rmSync(home, { recursive: true, force: true });
}
