// The stand-in for Stripe.js in a real browser, on a page with a strict content security policy: it pays, asks for 3-D
// Secure, says why a card was declined, and leaves confirmations to the server.
//
//   node stripe_js.mjs path/to/packline

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { resolve } from "node:path";
import { chromium } from "playwright-core";
import { Stripe } from "stripe";
import { Programs, folder } from "./programs.mjs";

const packline = resolve(process.argv[2] ?? "../../target/debug/packline");
const programs = new Programs(folder("js"), {});
let page, shop, browser;

try {
  const [, base, port] = await programs.start(packline, ["fake-stripe", "--listen", "127.0.0.1:0"], /Local Stripe at (http:\/\/127\.0\.0\.1:(\d+)),/);
  const stripe = new Stripe("sk_test_local", { host: "127.0.0.1", port, protocol: "http", telemetry: false });

  shop = createServer((_, response) => {
    response.setHeader("content-type", "text/html; charset=utf-8");
    response.setHeader("content-security-policy", `default-src 'none'; script-src ${base}; connect-src ${base}; base-uri 'none'`);
    response.end(`<!doctype html><title>Shop</title><div id="field"></div><script src="${base}/v3/"></script>`);
  }).listen(0, "127.0.0.1");
  await once(shop, "listening");
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
  page = await browser.newPage();
  const faults = [];
  page.on("pageerror", (error) => faults.push(String(error)));
  page.on("console", (message) => /Content Security Policy|Refused to/.test(message.text()) && faults.push(message.text()));

  /** A fresh page with a mounted element; the shop's own code runs from the outside, past the page's policy. */
  const open = async (type, options) => {
    await page.goto(`http://127.0.0.1:${shop.address().port}/`);
    await page.evaluate(([type, options]) => new Promise((ready) => {
      window.stripe = window.Stripe("pk_test_local");
      window.elements = window.stripe.elements(options);
      window.element = window.elements.create(type);
      window.element.on("change", (event) => (window.complete = event.complete));
      window.element.on("ready", ready);
      window.element.mount("#field");
    }), [type, options]);
  };
  const fill = async (number) => {
    await page.getByTestId("card-number").fill(number);
    await page.getByTestId("card-expiry").fill("12 / 40");
    await page.getByTestId("card-cvc").fill("123");
    assert.equal(await page.evaluate(() => window.complete), true);
  };
  const confirm = () => page.evaluate(() => window.stripe.confirmPayment({ elements: window.elements, redirect: "if_required" }));
  const intent = () => stripe.paymentIntents.create({ amount: 2000, currency: "eur", payment_method_types: ["card"] });

  // Paid in the page.
  const plain = await intent();
  await open("payment", { clientSecret: plain.client_secret });
  assert.match((await confirm()).error.message, /incomplete/);
  await fill("4242424242424242");
  assert.equal((await confirm()).paymentIntent.status, "succeeded");
  assert.equal((await stripe.paymentIntents.retrieve(plain.id)).amount_received, 2000);

  // Declined, and why; then another card.
  const declined = await intent();
  await open("payment", { clientSecret: declined.client_secret });
  await fill("4000000000009995");
  const { error } = await confirm();
  assert.deepEqual([error.type, error.code, error.decline_code], ["card_error", "card_declined", "insufficient_funds"]);
  assert.equal(error.payment_intent.id, declined.id);

  // 3-D Secure, failed and passed.
  await fill("4000002760003184");
  const failing = confirm();
  await page.getByTestId("3ds-fail").click();
  assert.equal((await failing).error.code, "payment_intent_authentication_failure");
  const passing = confirm();
  await page.getByTestId("3ds-complete").click();
  assert.equal((await passing).paymentIntent.status, "succeeded");

  // The server confirms; the page only collects the card and takes the customer through 3-D Secure.
  await open("payment", { mode: "payment", amount: 900, currency: "eur", paymentMethodCreation: "manual", paymentMethodTypes: ["card"] });
  await fill("4000002760003184");
  assert.deepEqual(await page.evaluate(() => window.elements.submit()), { selectedPaymentMethod: "card" });
  const { paymentMethod } = await page.evaluate(() => window.stripe.createPaymentMethod({ elements: window.elements }));
  const manual = await stripe.paymentIntents.create({
    amount: 900, currency: "eur", payment_method: paymentMethod.id, payment_method_types: ["card"],
    confirmation_method: "manual", confirm: true, use_stripe_sdk: true,
  });
  assert.equal(manual.status, "requires_action");
  const acting = page.evaluate((clientSecret) => window.stripe.handleNextAction({ clientSecret }), manual.client_secret);
  await page.getByTestId("3ds-complete").click();
  assert.equal((await acting).paymentIntent.status, "requires_confirmation");
  assert.equal((await stripe.paymentIntents.confirm(manual.id)).status, "succeeded");

  // A card field alone, and the security code alone.
  const single = await intent();
  await open("card", {});
  await fill("4242424242424242");
  const paid = await page.evaluate((secret) => window.stripe.confirmCardPayment(secret, { payment_method: { card: window.element } }), single.client_secret);
  assert.equal(paid.paymentIntent.status, "succeeded");
  await open("cardCvc", {});
  await page.getByTestId("card-cvc").fill("123");
  const { token } = await page.evaluate(() => window.stripe.createToken("cvc_update", window.element));
  assert.match(token.id, /^cvctok_/);

  assert.deepEqual(faults, [], "nothing broke the page's policy");
  if (process.env.PICTURE) {
    await open("payment", { clientSecret: (await intent()).client_secret });
    await fill("4000002760003184");
    await page.screenshot({ path: `${process.env.PICTURE}-element.png` });
    const shown = confirm();
    await page.getByTestId("3ds-complete").waitFor();
    await page.screenshot({ path: `${process.env.PICTURE}-3ds.png` });
    await page.getByTestId("3ds-complete").click();
    await shown;
  }
  await browser.close();
  assert.deepEqual(await programs.stop(), [0]);
  console.log("a browser paid, was declined and passed 3-D Secure with the stand-in for Stripe.js");
} catch (error) {
  console.error(programs.said());
  throw error;
} finally {
  await browser?.close();
  shop?.close();
  await programs.stop();
}
