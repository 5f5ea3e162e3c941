// The local Stripe and a service that is paid through it, as processes, on a private Postgres.

import { once } from "node:events";
import { createServer } from "node:net";
import { join, resolve } from "node:path";
import { Programs, folder, until } from "./programs.mjs";

export const SECRET = "whsec_endtoend";
export const SECRET_KEY = "sk_test_endtoend";

export async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

export class Stack {
  /** Starts both; `settings` are more of the service's. */
  static async start(program = "../../target/debug/packline", settings = {}) {
    const stack = new Stack();
    stack.program = resolve(program);
    const [port, stripePort] = [await freePort(), await freePort()];
    stack.base = `http://127.0.0.1:${port}`;
    stack.stripeBase = `http://127.0.0.1:${stripePort}`;
    const path = folder("stack");
    stack.programs = new Programs(path, {
      PACKLINE_DATA_DIR: join(path, "data"),
      PACKLINE_LISTEN: `127.0.0.1:${port}`,
      PACKLINE_ADOPTION_GRACE: "500ms",
      STRIPE_WEBHOOK_SECRET: SECRET,
      STRIPE_CONNECT_WEBHOOK_SECRET: SECRET,
      STRIPE_SECRET_KEY: SECRET_KEY,
      STRIPE_PUBLISHABLE_KEY: "pk_test_endtoend",
      STRIPE_API_BASE: stack.stripeBase,
      STRIPE_RATE_LIMIT: "1000",
      ...settings,
    });
    try {
      await stack.programs.start(stack.program, ["fake-stripe", "--listen", `127.0.0.1:${stripePort}`], /Local Stripe at/);
      for (const [path, connect] of [["/webhooks/stripe", false], ["/webhooks/stripe/connect", true]])
        await stack.fake("webhook_endpoints", { url: stack.base + path, secret: SECRET, connect });
      await stack.programs.start(stack.program, ["serve"], /serving http/);
      stack.apiKey = stack.packline("keys", "create", "--name", "e2e").trim();
    } catch (error) {
      await stack.stop();
      throw error;
    }
    return stack;
  }

  packline(...args) {
    return this.programs.run(this.program, args);
  }

  /** A call to our API. */
  async api(method, path, body) {
    const headers = { authorization: `Bearer ${this.apiKey}`, "content-type": "application/json" };
    const answer = await fetch(this.base + path, { method, headers, body: body && JSON.stringify(body) });
    const told = await answer.json();
    if (!answer.ok) throw new Error(`${method} ${path} was answered ${answer.status}: ${JSON.stringify(told)}`);
    return told;
  }

  /** Places an order of 20.00 EUR. */
  place(more) {
    return this.api("POST", "/v1/orders", {
      currency: "eur",
      lines: [{ sku: "TEE", description: "Green tea, 100 g", quantity: 2, unit_amount: 1000 }],
      customer: { name: "Ada Lovelace", email: "ada@example.com" },
      ...more,
    });
  }

  order(name) {
    return this.api("GET", `/v1/orders/${name}`);
  }

  async until(name, status, seconds) {
    await until(`${name} is not ${status}`, async () => {
      const order = await this.order(name);
      return [order.status === status, order];
    }, seconds);
  }

  /** An object of the local Stripe. */
  async stripe(path) {
    return (await fetch(this.stripeBase + path, { headers: { authorization: `Bearer ${SECRET_KEY}` } })).json();
  }

  /** Steers the local Stripe. */
  async fake(path, body = {}) {
    const headers = { "content-type": "application/json" };
    const answer = await fetch(`${this.stripeBase}/_fake/${path}`, { method: "POST", headers, body: JSON.stringify(body) });
    if (!answer.ok) throw new Error(`/_fake/${path} was answered ${answer.status}: ${await answer.text()}`);
    return answer.json();
  }

  /** Stops the service; what is given starts it again. */
  async pause(signal) {
    await this.programs.stopOne((name) => / serve$/.test(name), signal);
    return () => this.programs.start(this.program, ["serve"], /serving http/);
  }

  /** The same with kill -9. */
  kill() {
    return this.pause("SIGKILL");
  }

  /** Another process that serves the same orders with other settings, as its base. */
  async serveToo(settings) {
    const port = await freePort();
    const env = { ...settings, PACKLINE_LISTEN: `127.0.0.1:${port}` };
    await this.programs.start(this.program, ["serve", "--no-worker"], /serving http/, env);
    return `http://127.0.0.1:${port}`;
  }

  /** Ends what was started, last first, and removes the folder. */
  stop() {
    return this.programs.stop();
  }
}
