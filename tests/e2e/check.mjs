// The main job, end to end, with other people's libraries at both ends: Stripe's own SDK signs what is posted, a
// Standard Webhooks library verifies what the warehouse receives.
//
//   node check.mjs path/to/packline
//
// Needs nothing but the program: it runs on a private Postgres in a folder of its own, which it removes.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, chmodSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { randomBytes } from "node:crypto";
import { Stripe } from "stripe";
import { Webhook } from "standardwebhooks";

const program = resolve(process.argv[2] ?? "../../target/debug/packline");
const secret = "whsec_" + randomBytes(24).toString("hex");
const warehouseSecret = "whsec_" + randomBytes(32).toString("base64");
const stripe = new Stripe("sk_test_never_used");

const folder = mkdtempSync(join(tmpdir(), "packline-e2e-"));
chmodSync(folder, 0o755); // As root, Postgres runs as another user.

/** A warehouse: verifies every request and remembers it. */
const parcels = [];
const warehouse = createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const body = Buffer.concat(chunks).toString();
  const verified = new Webhook(warehouseSecret).verify(body, request.headers);
  parcels.push({ key: request.headers["idempotency-key"], order: verified.order });
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify({ reference: `W-${parcels.length}` }));
}).listen(0, "127.0.0.1");
await once(warehouse, "listening");

const env = {
  PATH: process.env.PATH,
  HOME: process.env.HOME,
  PACKLINE_DATA_DIR: join(folder, "data"),
  PACKLINE_LISTEN: "127.0.0.1:0",
  PACKLINE_ADOPTION_GRACE: "500ms",
  STRIPE_WEBHOOK_SECRET: `new=whsec_notthisone,old=${secret}`,
  FULFILMENT_URL: `http://127.0.0.1:${warehouse.address().port}/parcels`,
  FULFILMENT_SECRET: warehouseSecret,
};
const packline = (...args) => execFileSync(program, args, { env, cwd: folder, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });

const service = spawn(program, ["serve"], { env, cwd: folder, stdio: ["ignore", "inherit", "pipe"] });
const stopped = once(service, "exit");

try {
  const base = await new Promise((found, failed) => {
    const lines = createInterface({ input: service.stderr });
    lines.on("line", (line) => {
      const at = line.match(/serving (http:\/\/\S+)/);
      if (at) found(at[1]);
    });
    lines.on("close", () => failed(new Error("the service did not start")));
  });
  const apiKey = packline("keys", "create", "--name", "e2e").trim();
  const order = async (name) => {
    const answer = await fetch(`${base}/v1/orders/${name}`, { headers: { authorization: `Bearer ${apiKey}` } });
    return answer.status === 200 ? answer.json() : undefined;
  };
  const until = async (name, status) => {
    for (let tries = 0; tries < 200; tries++) {
      const now = await order(name);
      if (now?.status === status) return now;
      await new Promise((go) => setTimeout(go, 50));
    }
    throw new Error(`${name} is not ${status}: ${JSON.stringify(await order(name))}`);
  };
  const post = async (payload, signingSecret = secret, timestamp = undefined) => {
    const signature = stripe.webhooks.generateTestHeaderString({ payload, secret: signingSecret, timestamp });
    const headers = { "content-type": "application/json; charset=utf-8", "stripe-signature": signature };
    return (await fetch(`${base}/webhooks/stripe`, { method: "POST", headers, body: payload })).status;
  };
  const event = (id, type, object) =>
    JSON.stringify(
      {
        id, object: "event", api_version: "2026-03-25.dahlia", created: Math.floor(Date.now() / 1000), type,
        livemode: false, pending_webhooks: 1, request: { id: null, idempotency_key: null }, data: { object },
      },
      null,
      2,
    );
  const intent = (id, status, received) => ({
    id, object: "payment_intent", amount: 4200, amount_received: received, currency: "eur", customer: null,
    latest_charge: null, metadata: {}, status, description: "Tee × 2 – süß",
  });

  // An order is placed, paid, and reaches the warehouse once.
  const placed = await fetch(`${base}/v1/orders`, {
    method: "POST",
    headers: { authorization: `Bearer ${apiKey}`, "content-type": "application/json" },
    body: JSON.stringify({
      currency: "eur",
      lines: [{ sku: "TEE", quantity: 2, unit_amount: 2100 }],
      payment_intent: "pi_e2e_1",
    }),
  });
  assert.equal(placed.status, 201);
  const success = event("evt_e2e_1", "payment_intent.succeeded", intent("pi_e2e_1", "succeeded", 4200));
  assert.equal(await post(success, "whsec_guessed"), 400, "a forgery is refused");
  assert.equal(await post(success, secret, Math.floor(Date.now() / 1000) - 301), 400, "an old signature is refused");
  assert.equal((await order("pi_e2e_1")).status, "pending");
  for (let repetition = 0; repetition < 3; repetition++) assert.equal(await post(success), 200);
  const fulfilled = await until("pi_e2e_1", "fulfilled");
  assert.equal(fulfilled.amount_paid, 4200);
  assert.equal(parcels.length, 1, "one parcel, verified by a Standard Webhooks library");
  assert.equal(parcels[0].order.id, fulfilled.id);
  assert.deepEqual(parcels[0].order.lines.map((line) => [line.sku, line.quantity]), [["TEE", 2]]);

  // The SDK itself takes what we stored for what Stripe signed.
  const stored = JSON.parse(packline("events", "show", "evt_e2e_1", "--json"));
  assert.equal(stored.body, success, "the payload is kept byte for byte");
  assert.equal(stored.verified_by, "old");

  // Nobody placed this one: it is adopted after the grace, and sent once too.
  const unknown = event("evt_e2e_2", "payment_intent.succeeded", intent("pi_e2e_2", "succeeded", 4200));
  assert.equal(await post(unknown), 200);
  assert.equal((await until("pi_e2e_2", "fulfilled")).origin, "payment_intent");
  assert.equal(parcels.length, 2);
  assert.notEqual(parcels[0].key, parcels[1].key);

  const shown = packline("orders", "show", "pi_e2e_1");
  assert.match(shown, /payment_intent\.succeeded/, "the history names its causes");
  const metrics = await (await fetch(`${base}/metrics`)).text();
  assert.match(metrics, /packline_webhook_requests_total\{endpoint="platform",answer="stored"\} 2/);
  assert.match(metrics, /packline_webhook_requests_total\{endpoint="platform",answer="duplicate"\} 2/);

  service.kill("SIGTERM");
  const [code] = await stopped;
  assert.equal(code, 0, "the service stops cleanly");
  console.log("end to end: the official SDK signed, a Standard Webhooks library verified, both orders arrived once");
} finally {
  service.kill("SIGKILL");
  warehouse.close();
  await stopped;
  rmSync(folder, { recursive: true, force: true });
}
