// Every state of the payment page in a real browser: what it says while an order moves by itself, when the customer comes
// back, and when something is missing.
//
//   node checkout.mjs path/to/packline [folder-for-screenshots]
//
// Needs Chromium. Runs on a private Postgres in a folder of its own, which it removes.

import assert from "node:assert/strict";
import { Visitor, launch, shoot } from "./chromium.mjs";
import { Stack } from "./stack.mjs";

const shots = process.argv[3];
const stack = await Stack.start(process.argv[2]);
const browser = await launch();

try {
  const visitor = await Visitor.of(browser);
  const url = (placed, base = stack.base) => `${base}/checkout/${placed.id}?token=${placed.payment.checkout_token}`;
  const open = async (placed) => {
    const page = await visitor.visit(url(placed));
    await page.getByTestId("card-number").waitFor();
    return page;
  };
  const fill = async (page, number) => {
    await page.getByTestId("card-number").fill(number);
    await page.getByTestId("card-expiry").fill("1234");
    await page.getByTestId("card-cvc").fill("123");
  };
  const press = (page) => page.locator("#pay").click();
  const says = (page, text) => page.locator("#status:visible", { hasText: text }).waitFor({ timeout: 20000 });
  const complains = (page, text) => page.locator("#error:visible", { hasText: text }).waitFor({ timeout: 15000 });
  // Confirms as methods do that send the customer away; where to.
  const toTheBank = (page, placed) => page.evaluate(async ([stripe, secret]) => {
    const body = new URLSearchParams({
      client_secret: secret, payment_method: "pm_card_threeDSecure2Required", return_url: location.href,
    });
    const headers = { authorization: "Bearer pk_test_endtoend" };
    const answer = await fetch(`${stripe}/v1/payment_intents/${secret.split("_secret_")[0]}/confirm`, { method: "POST", headers, body });
    return (await answer.json()).next_action.redirect_to_url.url;
  }, [stack.stripeBase, placed.payment.client_secret]);
  const hasForm = (page) => page.locator("#form").isVisible();

  // The address loses its token before Stripe.js runs, and the tab knows it still: reloads and the way back work.
  let placed = await stack.place({ number: "address", payment: { mode: "client" } });
  let page = await open(placed);
  assert.equal(page.url(), `${stack.base}/checkout/${placed.id}`);
  await shoot(page, shots, "form");

  // A decline: its reason stays, where the browser confirms too. What only a thief would learn from does not.
  await fill(page, "4000000000009995");
  await press(page);
  await complains(page, "insufficient funds");
  assert.equal(await page.evaluate(() => document.activeElement.id), "pay", "the button keeps the focus");
  await shoot(page, shots, "declined");
  await stack.until(placed.id, "payment_failed");
  await page.reload();
  await says(page, "insufficient funds");
  assert.ok(await hasForm(page));
  await shoot(page, shots, "declined-reloaded");
  await fill(page, "4000000000009979");
  await press(page);
  await complains(page, "declined");
  const { error } = await (await fetch(`${stack.base}/checkout/${placed.id}/state?token=${placed.payment.checkout_token}`)).json();
  assert.ok(!JSON.stringify(error).includes("stolen"), JSON.stringify(error));

  // To the bank's own page and back: the way back carries no token of ours.
  const onward = await toTheBank(page, placed);
  const sent = [];
  page.on("request", (request) => request.url().startsWith(stack.base) || sent.push(request.url() + JSON.stringify(request.headers())));
  await page.goto(onward);
  await page.locator("#failed").click();
  await complains(page, "Your bank could not confirm");
  assert.equal(page.url(), `${stack.base}/checkout/${placed.id}`);
  await shoot(page, shots, "back-from-bank");
  await fill(page, "4242424242424242");
  await press(page);
  await says(page, "Paid.");
  assert.ok(sent.length > 2 && !sent.join().includes("plc_"), "nobody else sees the token");
  await shoot(page, shots, "paid");

  // The bank's app opens another browser, which knows no token.
  const elsewhere = await (await Visitor.of(browser)).visit(`${stack.base}/checkout/${placed.id}?payment_intent_client_secret=x`);
  await says(elsewhere, "back from your bank");
  await shoot(elsewhere, shots, "other-browser");

  // Passed at the bank's page, and the webhook comes later than the customer.
  placed = await stack.place({ payment: { mode: "client" } });
  page = await open(placed);
  await stack.fake("deliveries", { hold: true });
  await page.goto(await toTheBank(page, placed));
  await page.locator("#succeeded").click();
  await says(page, "Waiting for the confirmation");
  assert.equal((await stack.order(placed.id)).payment_status, "awaiting_payment");
  await shoot(page, shots, "waiting");
  await stack.fake("deliveries/deliver");
  await stack.fake("deliveries", {});
  await says(page, "Paid.");

  // A debit is under way for days, and then there, or not.
  for (const [iban, end] of [["AT321904300235473204", "Paid."], ["AT051904300235473205", "bank returned the debit"]]) {
    placed = await stack.place({ payment: { mode: "client" } });
    page = await visitor.visit(url(placed));
    await page.getByTestId("method-sepa_debit").click();
    await page.getByTestId("iban").fill(iban);
    await shoot(page, shots, "debit");
    await press(page);
    await says(page, "being processed");
    await stack.until(placed.id, "pending");
    await shoot(page, shots, "processing");
    await page.reload();
    await says(page, "being processed");
    await stack.fake("clock/advance", { seconds: 8 * 86400 });
    await says(page, end);
    assert.equal(await hasForm(page), end !== "Paid.", "who was not charged can try again");
  }
  await page.getByTestId("method-card").click();
  await fill(page, "4242424242424242");
  await press(page);
  await says(page, "Paid.");

  // The card is kept for later, and the customer is told.
  placed = await stack.place({ payment: { mode: "server", save_for_later: true } });
  page = await open(placed);
  await page.locator("#terms", { hasText: "keeps your card" }).waitFor();
  await shoot(page, shots, "save-for-later");
  // However often the form is sent, once is asked.
  const asked = [];
  page.on("request", (request) => request.url().endsWith("/pay") && asked.push(request));
  await fill(page, "4242424242424242");
  await page.evaluate(() => {
    for (let time = 0; time < 5; time += 1) document.getElementById("form").requestSubmit();
  });
  await says(page, "Paid.");
  assert.equal(asked.length, 1);

  // A page of Stripe's takes the payment: this one leads there and sees how it went.
  placed = await stack.place({ payment: { mode: "checkout", success_url: `${stack.base}/healthz`, cancel_url: `${stack.base}/healthz` } });
  page = await visitor.visit(url(placed));
  const there = page.locator("#go", { hasText: "on Stripe's page" });
  await there.waitFor();
  await shoot(page, shots, "leads-to-stripe");
  const stripes = await visitor.visit(await there.getAttribute("href"));
  await shoot(stripes, shots, "stripes-page");
  const write = async (fields) => {
    for (const [name, text] of Object.entries(fields)) await stripes.locator(`[name=${name}]`).fill(text);
    await stripes.locator("#pay").click();
  };
  const by = (card_number) => ({ email: "ada@example.com", card_number, card_expiry: "12/34", card_cvc: "123" });
  await write(by("4000000000009995"));
  await stripes.locator("#error", { hasText: "insufficient funds" }).waitFor();
  await stack.until(placed.id, "payment_failed");
  await write(by("4000002760003184"));
  await stripes.locator("#succeeded").click();
  await stripes.waitForURL(`${stack.base}/healthz`);
  await says(page, "Paid.");
  assert.equal(await page.locator("#elsewhere").isVisible(), false);

  // What the shop does meanwhile shows.
  await stack.api("POST", `/v1/orders/${placed.id}/refunds`, { reason: "requested_by_customer" });
  await says(page, "was refunded");
  await shoot(page, shots, "refunded");
  placed = await stack.place({ payment: { mode: "server" } });
  page = await open(placed);
  await stack.api("POST", `/v1/orders/${placed.id}/cancel`, { reason: "abandoned" });
  await says(page, "was cancelled");
  assert.equal(await hasForm(page), false);
  await shoot(page, shots, "cancelled");

  // The service restarts under an open page: nobody need reload. Who presses meanwhile is told, and charged once.
  placed = await stack.place({ payment: { mode: "server" } });
  page = await open(placed);
  await fill(page, "4242424242424242");
  const start = await stack.pause();
  await press(page);
  await complains(page, "could not find out");
  await shoot(page, shots, "unreachable");
  const late = await visitor.context.newPage();
  await start();
  await late.goto(url(placed));
  await press(page);
  await says(page, "Paid.");
  await says(late, "Paid.");
  const { data } = await stack.stripe(`/v1/charges?payment_intent=${placed.payment.payment_intent}`);
  assert.equal(data.length, 1);

  // Links that are no good, and services that are not set up.
  placed = await stack.place({ payment: { mode: "server" } });
  const bad = async (address, text, name) => {
    const page = await visitor.visit(address);
    await says(page, text);
    assert.equal(await hasForm(page), false);
    await shoot(page, shots, name);
  };
  await bad(`${stack.base}/checkout/${placed.id}`, "not complete", "no-token");
  await bad(`${stack.base}/checkout/${placed.id}?token=plc_old`, "expired", "expired");
  await bad(`${stack.base}/checkout/another?token=${placed.payment.checkout_token}`, "another order", "another-order");
  await bad(url(placed, await stack.serveToo({ STRIPE_PUBLISHABLE_KEY: undefined })), "STRIPE_PUBLISHABLE_KEY", "no-publishable-key");
  await bad(url(placed, await stack.serveToo({ STRIPE_SECRET_KEY: undefined })), "takes no payments", "no-stripe");
  const plain = await (await Visitor.of(browser, { javaScriptEnabled: false })).visit(url(placed));
  await plain.locator("noscript p", { hasText: "needs JavaScript" }).waitFor();
  await shoot(plain, shots, "no-script");

  assert.deepEqual(visitor.complaints, [], "no script failed, and nothing was outside of the content security policy");
  console.log("checkout: the page follows its order, and says what is the matter in every state");
} catch (error) {
  console.error(stack.programs.said());
  throw error;
} finally {
  await browser.close();
  await stack.stop();
}
