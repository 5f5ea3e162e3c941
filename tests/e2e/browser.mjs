// The payment page in a real browser, against the local Stripe: cards, 3-D Secure, declines, two tabs, a shop's own form
// on another origin. What the page says is compared with what the order is.
//
//   node browser.mjs path/to/packline [folder-for-screenshots]
//
// Needs Chromium (CHROMIUM says where). Runs on a private Postgres in a folder of its own, which it removes.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { join } from "node:path";
import { Visitor, launch } from "./chromium.mjs";
import { Stack } from "./stack.mjs";

const shots = process.argv[3];
const shop = createServer((request, response) => {
  response.setHeader("content-type", "text/html");
  response.end("<!doctype html><title>A shop</title>");
}).listen(0, "127.0.0.1");
await once(shop, "listening");
const shopOrigin = `http://127.0.0.1:${shop.address().port}`;

const stack = await Stack.start(process.argv[2], { PACKLINE_CORS_ORIGINS: shopOrigin });
const browser = await launch();

try {
  const visitor = await Visitor.of(browser);
  const { context, complaints } = visitor;
  const open = async (placed) => {
    const page = await visitor.visit(`${stack.base}/checkout/${placed.id}?token=${placed.payment.checkout_token}`);
    await page.getByTestId("card-number").waitFor();
    return page;
  };
  const fill = async (page, number) => {
    await page.getByTestId("card-number").fill(number);
    await page.getByTestId("card-expiry").fill("1234");
    await page.getByTestId("card-cvc").fill("123");
  };
  const press = (page) => page.locator("#pay").click();
  const says = (page, text) => page.locator("#status", { hasText: text }).waitFor({ timeout: 15000 });
  const complains = (page) => page.locator("#error:not(:empty)").waitFor({ timeout: 15000 });
  const shoot = (page, name) => shots && page.screenshot({ path: join(shots, `${name}.png`), fullPage: true });
  const charges = async (placed) => {
    const list = await stack.stripe(`/v1/charges?payment_intent=${placed.payment.payment_intent}`);
    return list.data.filter((charge) => charge.status === "succeeded").length;
  };

  for (const mode of ["server", "client"]) {
    // A card that is good.
    let placed = await stack.place({ payment: { mode } });
    let page = await open(placed);
    await shoot(page, `${mode}-form`);
    await fill(page, "4242424242424242");
    await press(page);
    await says(page, "Paid.");
    await shoot(page, `${mode}-paid`);
    await stack.until(placed.id, "fulfilled");
    assert.equal(await charges(placed), 1);
    await page.close();

    // Declined; then 3-D Secure, failed, and passed.
    placed = await stack.place({ payment: { mode } });
    page = await open(placed);
    await fill(page, "4000000000000002");
    await press(page);
    await complains(page);
    await shoot(page, `${mode}-declined`);
    await stack.until(placed.id, "payment_failed");
    await fill(page, "4000002760003184");
    await press(page);
    await page.getByTestId("3ds-fail").click();
    await complains(page);
    await fill(page, "4000002760003184");
    await press(page);
    await page.getByTestId("3ds-complete").waitFor();
    await shoot(page, `${mode}-3ds`);
    await page.getByTestId("3ds-complete").click();
    await says(page, "Paid.");
    await stack.until(placed.id, "fulfilled");
    assert.equal(await charges(placed), 1);
    await page.close();

    // Two tabs, both pay at once.
    placed = await stack.place({ payment: { mode } });
    const tabs = [await open(placed), await open(placed)];
    for (const tab of tabs) await fill(tab, "4242424242424242");
    // Not by clicks, which wait for a button that the first tab's success may have hidden already.
    await Promise.all(tabs.map((tab) => tab.evaluate(() => document.getElementById("form").requestSubmit())));
    for (const tab of tabs) await says(tab, "Paid.");
    assert.equal(await charges(placed), 1, "two tabs make one charge");
    for (const tab of tabs) await tab.close();
  }

  // The card is only authorised.
  const authorised = await stack.place({ payment: { mode: "server", capture: "manual" } });
  const page = await open(authorised);
  await fill(page, "4242424242424242");
  await press(page);
  await says(page, "authorised");
  await page.close();

  // A token opens no other order, and a wrong one none.
  const other = await stack.place({ payment: { mode: "server" } });
  const stranger = await context.newPage();
  await stranger.goto(`${stack.base}/checkout/${other.id}?token=${authorised.payment.checkout_token}`);
  await stranger.locator("#status[data-kind=bad]").waitFor();
  assert.equal(await stranger.locator("#form").isVisible(), false);
  await shoot(stranger, "wrong-token");
  await stranger.close();

  // A shop's own form on its own origin may call /pay; another origin may not.
  const fromShop = await context.newPage();
  await fromShop.goto(shopOrigin);
  const pay = ([base, token]) =>
    fetch(`${base}/pay`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
      body: JSON.stringify({ payment_method_id: "pm_card_visa" }),
    }).then((answer) => answer.json(), (error) => ({ blocked: String(error) }));
  assert.deepEqual(await fromShop.evaluate(pay, [stack.base, other.payment.checkout_token]), { success: true });
  await stack.until(other.id, "fulfilled");
  const stranded = await stack.place({ payment: { mode: "server" } });
  await fromShop.goto(shopOrigin.replace("127.0.0.1", "localhost"));
  const blocked = await fromShop.evaluate(pay, [stack.base, stranded.payment.checkout_token]);
  assert.ok(blocked.blocked, `another origin was answered ${JSON.stringify(blocked)}`);
  assert.equal((await stack.order(stranded.id)).payment_status, "awaiting_payment");

  assert.deepEqual(complaints, [], "no script failed, and nothing was outside of the content security policy");
  console.log("browser: cards, declines, 3-D Secure, two tabs and a shop's own form end as the orders say");
} finally {
  await browser.close();
  await stack.stop();
  shop.close();
}
