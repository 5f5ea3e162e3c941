// How accounts join a platform, in a real browser: onboarding by a link, and OAuth. What the pages say is compared with
// what the account is.
//
//   node connect.mjs path/to/packline [folder-for-screenshots]
//
// Needs Chromium. Runs on a private Postgres in a folder of its own, which it removes.

import assert from "node:assert/strict";
import { Visitor, launch, shoot } from "./chromium.mjs";
import { until } from "./programs.mjs";
import { Stack } from "./stack.mjs";

const shots = process.argv[3];
const stack = await Stack.start(process.argv[2], { STRIPE_CONNECT_CLIENT_ID: "ca_endtoend" });
const browser = await launch();

try {
  const owner = await Visitor.of(browser);
  const says = (page, title) => page.locator("h1", { hasText: title }).waitFor({ timeout: 15000 });
  const account = (name) => stack.api("GET", `/v1/connect/accounts/${name}`);
  const ofReference = async (reference) => (await stack.api("GET", `/v1/connect/accounts?reference=${reference}`)).data;

  // Onboarding: the owner leaves before the end, comes back, and goes on.
  const made = await stack.api("POST", "/v1/connect/accounts", { reference: "driver-7", country: "GB", email: "ada@example.com" });
  const id = made.account?.id ?? made.id;
  assert.equal((await account(id)).can_receive, false);
  const page = await owner.visit(made.onboarding.url);
  await shoot(page, shots, "stripe-onboarding");
  await page.locator("#later").click();
  await says(page, "Not ready yet");
  assert.ok(page.url().startsWith(`${stack.base}/connect/return?token=`));
  await shoot(page, shots, "not-ready");
  const goOn = await page.locator("a.button").getAttribute("href");
  await page.locator("a.button").click();
  await page.locator("#complete").click();
  await says(page, "Your account is ready");
  await shoot(page, shots, "ready");
  await until("the account can receive", async () => [(await account(id)).can_receive, await account(id)]);

  // Stripe sends a link that was used to us, and we to a fresh one, once; the button of a page is good once too.
  await page.goto(made.onboarding.url);
  assert.ok(page.url().startsWith(`${stack.stripeBase}/`), "a fresh link of Stripe's");
  await page.locator("#complete").click();
  await says(page, "Your account is ready");
  for (const used of [made.onboarding.url, goOn]) {
    await page.goto(used);
    await says(page, "Used up");
  }
  await shoot(page, shots, "used-up");

  // OAuth: the owner denies, thinks again, and agrees; each way back is good once, and in one browser.
  const invitation = await stack.api("POST", "/v1/connect/oauth", { reference: "driver-8", commission: { basis_points: 1200 } });
  await page.goto(invitation.url);
  await shoot(page, shots, "stripe-oauth");
  await page.locator("#deny").click();
  await says(page, "You did not connect");
  assert.ok(page.url().startsWith(`${stack.base}/connect/oauth/callback?`));
  await shoot(page, shots, "denied");
  assert.deepEqual(await ofReference("driver-8"), []);

  await page.goto(invitation.url);
  const form = await page.locator("form").evaluate((form) => Object.fromEntries(new FormData(form)));
  const agreed = await owner.context.request.post(`${stack.stripeBase}/_fake/pages/oauth`, { form: { ...form, decision: "accept" }, maxRedirects: 0 });
  const back = agreed.headers().location;
  const stranger = await Visitor.of(browser);
  const theirs = await stranger.visit(back);
  await says(theirs, "Another browser");
  await shoot(theirs, shots, "another-browser");
  assert.deepEqual(await ofReference("driver-8"), []);
  await page.goto(back);
  await says(page, "Connected");
  await shoot(page, shots, "connected");
  const [joined] = await ofReference("driver-8");
  assert.equal(joined.state, "connected");
  assert.equal((await account(joined.id)).commission.basis_points, 1200);

  // By clicks alone; then whatever was used, or is guessed, opens nothing.
  const other = await stack.api("POST", "/v1/connect/oauth", { reference: "driver-9" });
  await page.goto(other.url);
  await page.locator("#accept").click();
  await says(page, "Connected");
  await page.reload();
  await says(page, "Used already");
  await page.goto(invitation.url);
  await says(page, "Connected already");
  await page.goto(`${stack.base}/connect/oauth/start?token=guessed`);
  await says(page, "Not known");
  await page.goto(`${stack.base}/connect/oauth/callback?state=guessed&code=ac_1`);
  await says(page, "Not known");
  assert.equal((await ofReference("driver-8")).length, 1);

  assert.deepEqual([...owner.complaints, ...stranger.complaints], [], "the pages keep to their content security policy");
  console.log("connect: an account was onboarded and one joined by OAuth; what was used, denied or guessed opens nothing");
} catch (error) {
  console.error(stack.programs.said());
  throw error;
} finally {
  await browser.close();
  await stack.stop();
}
