// An invoice that our API made, paid on its page in a real browser: what the page and its receipt say, and how the order
// follows, as psql shows it.
//
//   node billing.mjs path/to/packline [folder-for-screenshots]
//
// Needs Chromium (CHROMIUM says where) and psql. Runs on a private Postgres in a folder of its own, which it removes.

import assert from "node:assert/strict";
import { Visitor, launch, shoot } from "./chromium.mjs";
import { psql, until } from "./programs.mjs";
import { Stack } from "./stack.mjs";

const shots = process.argv[3];
const stack = await Stack.start(process.argv[2]);
const browser = await launch();

try {
  const visitor = await Visitor.of(browser);
  // Whatever the console calls an error, but for the answer that says that a card was declined.
  const visit = async (url) => {
    const errors = [];
    visitor.context.once("page", (page) =>
      page.on("console", (message) => message.type() === "error" && !/status of 402/.test(message.text()) && errors.push(message.text())));
    const page = await visitor.visit(url);
    page.errors = errors;
    return page;
  };
  const post = (path, body = {}) => stack.api("POST", `/v1/${path}`, body);
  const write = async (page, number) => {
    for (const [name, text] of Object.entries({ card_number: number, card_expiry: "12 / 34", card_cvc: "123" }))
      await page.locator(`[name=${name}]`).fill(text);
    await page.locator("#pay").click();
  };
  const becomes = (invoice, ...wanted) =>
    until(`the order of ${invoice} is not ${wanted}`, async () => {
      const query = `select payment_status, amount_paid from orders join order_refs on order_id = orders.id where stripe_id = '${invoice}'`;
      const rows = psql(stack.programs.folder, query);
      return [rows.length === 1 && rows[0].join() === wanted.join(), rows];
    });
  // No part of a page is wider than its window.
  const fits = async (page) => {
    for (const width of [320, 390, 1000]) {
      await page.setViewportSize({ width, height: 800 });
      assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${page.url()} at ${width}`);
    }
  };

  const customer = await post("customers", { name: "Ada <b>Lovelace</b>", email: "ada@example.com" });
  const product = await post("products", { name: "Green tea, first flush, in the large tin with the painted lid", sku: "TEA-100G" });
  const price = { product: product.id, currency: "usd", unit_amount: 123456 };
  const once = await post("prices", price);
  const monthly = await post("prices", { ...price, unit_amount: 900, recurring: { interval: "month" } });
  const offered = async (lines, more) => {
    const quote = await post("quotes", { customer: customer.id, lines, ...more });
    await post(`quotes/${quote.id}/finalize`);
    return post(`quotes/${quote.id}/accept`);
  };

  // What is paid once: declined, confirmed by the bank in vain, and paid.
  const { invoice } = await offered([{ price: once.id, quantity: 2 }, { price: once.id, quantity: 1 }], { collection_method: "send_invoice", days_until_due: 14 });
  const open = await post(`invoices/${invoice}/finalize`);
  await becomes(invoice, "awaiting_payment", "0");
  const page = await visit(open.hosted_invoice_url);
  const policy = (await fetch(open.hosted_invoice_url)).headers.get("content-security-policy");
  assert.match(policy, /default-src 'none'/);
  assert.doesNotMatch(policy, /unsafe|\*/);
  for (const text of [open.number, "Ada <b>Lovelace</b>", "× 2", "$3,703.68", "Due"]) await page.getByText(text).first().waitFor().catch(() => assert.fail(text));
  await fits(page);
  await shoot(page, shots, "invoice");
  await write(page, "4000000000000002");
  await page.locator("#error", { hasText: "declined" }).waitFor();
  await shoot(page, shots, "invoice-declined");
  await becomes(invoice, "payment_failed", "0");
  await page.goto(open.hosted_invoice_url);
  await page.locator("#error", { hasText: "declined" }).waitFor();
  await write(page, "4000002760003184");
  await shoot(page, shots, "bank");
  await page.locator("#failed").click();
  await page.locator("#error", { hasText: "authentication" }).waitFor();
  await write(page, "4242 4242 4242 4242");
  await page.locator("#paid").waitFor();
  await fits(page);
  await shoot(page, shots, "invoice-paid");
  await becomes(invoice, "paid", "370368");

  // The receipt, and both papers.
  const order = await until("the order has no receipt", async () => {
    const now = await stack.order(invoice);
    return [now.billing.invoice.receipt_url, now];
  });
  assert.equal(await page.locator("#receipt").getAttribute("href"), order.billing.invoice.receipt_url);
  const receipt = await visit(order.billing.invoice.receipt_url);
  for (const text of ["$3,703.68", "ending in 4242"]) await receipt.getByText(text).first().waitFor();
  await fits(receipt);
  await shoot(receipt, shots, "receipt");
  const paper = await fetch(order.billing.invoice.invoice_pdf);
  assert.equal(paper.headers.get("content-type"), "application/pdf");
  await stack.until(invoice, "fulfilled");

  // The first invoice of a subscription is paid on its page too, and begins it.
  const subscription = await post("subscriptions", { customer: customer.id, items: [{ price: monthly.id, quantity: 3 }] });
  assert.deepEqual([subscription.status, subscription.access], ["incomplete", "revoked"]);
  const first = await visit(subscription.dunning.pay_here);
  await write(first, "4242424242424242");
  await first.locator("#paid").waitFor();
  await becomes(subscription.dunning.invoice, "paid", "2700");
  await until("the subscription is not active", async () => {
    const now = await stack.api("GET", `/v1/subscriptions/${subscription.id}`);
    return [now.status === "active" && now.access === "granted", now];
  });

  // An invoice that nobody is to pay any more has no form, and a link of nothing says so.
  const { invoice: called } = await offered([{ price: once.id }]);
  const off = await post(`invoices/${called}/finalize`);
  await post(`invoices/${called}/void`);
  const voided = await visit(off.hosted_invoice_url);
  await voided.getByText("This invoice is void.").waitFor();
  assert.equal(await voided.locator("#pay").count(), 0);
  await shoot(voided, shots, "invoice-void");
  const none = await visit(`${stack.stripeBase}/_fake/pages/receipts/none`);
  await none.getByText("No such receipt").waitFor();
  await becomes(called, "cancelled", "0");

  for (const one of [page, receipt, first, voided, none]) assert.deepEqual(one.errors, [], one.url());
  assert.deepEqual(visitor.complaints, []);
  console.log("billing: invoices are paid on their pages, and their orders follow");
} catch (error) {
  console.error(stack.programs.said());
  throw error;
} finally {
  await browser.close();
  await stack.stop();
}
