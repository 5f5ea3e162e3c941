// The page that pays for one order. What the order is comes from /checkout/{order}/state; the card goes from the
// browser to Stripe. Only Stripe's webhook makes the order paid: this page waits for it and says so meanwhile.
"use strict";

(async () => {
  const POLL_MS = 1000;
  const SLOW_POLL_MS = 5000;
  const PAYABLE = ["awaiting_payment", "requires_action", "payment_failed"];
  const NOT_THROUGH = "The payment did not go through. Try again or use another card.";

  const element = (id) => document.getElementById(id);
  const path = location.pathname.replace(/\/$/, "");
  const isBackFromBank = new URLSearchParams(location.search).has("payment_intent_client_secret");
  const token = takeToken();

  let stripe = null;
  let elements = null;
  let atWork = false;
  // What Stripe told this browser of the payment, while its webhook has not told the order yet; and how the order was then.
  let announced = null;
  let before = null;

  if (!token) return say("bad", isBackFromBank
    ? "You are back from your bank. The page where you began shows how the payment went; you can close this one."
    : "This link is not complete. Open it once more as the shop gave it to you.");
  say("", "Loading …");
  const state = await firstState();
  if (!state) return;
  showOrder(state);
  if (isBackFromBank) await askHowItWent(state);
  show(state);
  follow(state);

  // The token leaves the address before anything of others is loaded: Stripe.js tells Stripe where it runs, and banks
  // get the address to send the customer back to. The tab remembers it, over reloads and the way to the bank and back.
  function takeToken() {
    const given = new URLSearchParams(location.search).get("token");
    try {
      if (given) sessionStorage.setItem(`token ${path}`, given);
      const kept = sessionStorage.getItem(`token ${path}`);
      if (location.search) history.replaceState(null, "", path);
      return kept;
    } catch {
      // A browser that keeps nothing: the address has to.
      return given;
    }
  }

  // The order; a fault that lasts, as {gone: what to say}; null where nobody answers just now.
  async function ask() {
    try {
      const headers = { accept: "application/json", authorization: `Bearer ${token}` };
      const answer = await fetch(`${path}/state`, { headers, cache: "no-store" });
      if (answer.ok) return await answer.json();
      const code = await answer.json().then((fault) => fault.error.code, () => null);
      if (answer.status === 401) return { gone: "This link has expired. Ask the shop for a new one; nothing more is charged through it." };
      if (answer.status === 404) return { gone: "This link is for another order. Open it once more as the shop gave it to you." };
      if (code === "payments_not_configured") return { gone: "This shop takes no payments at the moment. Nothing was charged." };
      return null;
    } catch {
      return null;
    }
  }

  async function firstState() {
    for (;;) {
      const now = await ask();
      if (now && now.gone) return say("bad", now.gone), null;
      if (now) return now;
      say("bad", "The shop cannot be reached. This page goes on trying.");
      await new Promise((done) => setTimeout(done, POLL_MS));
    }
  }

  function showOrder(order) {
    document.title = `Pay for order ${order.number}`;
    element("number").textContent = order.number;
    element("total").textContent = money(order.amount_total, order.currency);
    for (const line of order.lines) {
      const row = element("lines").insertRow();
      const what = row.insertCell();
      what.textContent = line.description || line.sku;
      if (line.quantity > 1) {
        const quantity = document.createElement("span");
        quantity.className = "quantity";
        quantity.textContent = ` × ${line.quantity}`;
        what.append(quantity);
      }
      row.insertCell().textContent = money(line.amount, order.currency);
    }
    for (const id of ["title", "total", "lines"]) element(id).hidden = false;
  }

  // Minor units as the currency has them.
  function money(amount, currency) {
    const format = new Intl.NumberFormat(undefined, { style: "currency", currency: currency.toUpperCase() });
    return format.format(amount / 10 ** format.resolvedOptions().maximumFractionDigits);
  }

  function say(kind, text) {
    const status = element("status");
    status.hidden = !text;
    status.dataset.kind = kind;
    status.textContent = text;
  }

  // The shop's server says only what may be shown; of Stripe's errors, those of other types speak to developers.
  function words(error) {
    if (!error) return "";
    if (error.code === "payment_intent_authentication_failure") return "Your bank could not confirm that it is you. Try again or use another card.";
    const isForCustomers = !error.type || ["card_error", "validation_error", "api_connection_error"].includes(error.type);
    return (isForCustomers && error.message) || NOT_THROUGH;
  }

  function fail(error) {
    element("error").textContent = words(error);
    say("", "");
  }

  function announce(intent, order) {
    announced = intent.status;
    before = order.payment_status;
  }

  function show(order) {
    const status = order.payment_status;
    document.body.dataset.paymentStatus = status;
    // A debit that was under way failed after all.
    if (status === "payment_failed" && announced === "processing" && before !== status && !order.is_awaiting_event) announced = null;
    before = status === "processing" ? status : before;
    if (["paid", "partially_refunded"].includes(status)) {
      finish("good", "Paid. Thank you: your order is on its way to being packed.");
    } else if (status === "authorised") {
      finish("good", "Thank you. Your card is authorised; the shop charges it when the order is ready.");
    } else if (status === "refunded") {
      finish("", "This order was refunded.");
    } else if (status === "cancelled") {
      finish("", "This order was cancelled. Nothing will be charged.");
    } else if (status === "processing" || announced === "processing") {
      finish("", "Your payment is being processed. With some methods this takes days; you can close this page.");
    } else if (announced || order.is_awaiting_event) {
      finish("good", "Payment received. Waiting for the confirmation …");
    } else if (PAYABLE.includes(status)) {
      const isSaid = element("error").textContent !== "";
      say("bad", status === "payment_failed" && !isSaid ? words(order.error) || NOT_THROUGH : "");
      offer(order);
    }
  }

  function finish(kind, text) {
    const hadFocus = element("form").contains(document.activeElement);
    element("form").hidden = true;
    element("elsewhere").hidden = true;
    say(kind, text);
    if (hadFocus) element("status").focus();
  }

  async function follow(order) {
    let wait = POLL_MS;
    let isLost = false;
    for (let last = order; ; ) {
      await new Promise((done) => setTimeout(done, wait));
      if (document.hidden || atWork) continue;
      const now = await ask();
      if (atWork) continue;
      if (now && now.gone) return finish("bad", now.gone);
      if (!now) {
        isLost = true;
        continue;
      }
      const moved = ["payment_status", "is_awaiting_event", "url"].some((name) => now[name] !== last[name]);
      if (moved || isLost) show(now);
      isLost = false;
      last = now;
      wait = ["paid", "refunded", "cancelled"].includes(now.payment_status) ? SLOW_POLL_MS : POLL_MS;
    }
  }

  // A page of Stripe's takes the payment: this one leads there, and tells afterwards how it went.
  function lead(order) {
    element("elsewhere").hidden = !order.url;
    if (!order.url) return say("", "The payment page is being prepared …");
    element("go").href = order.url;
    element("go").textContent = `Pay ${money(order.amount_total, order.currency)} on Stripe's page`;
  }

  async function offer(order) {
    if (order.mode === "checkout") return lead(order);
    element("form").hidden = false;
    if (elements) return;
    if (!order.publishable_key) {
      return finish("bad", "This shop has not finished setting up payments: STRIPE_PUBLISHABLE_KEY is not set.");
    }
    try {
      await script(order.js_url);
    } catch {
      return finish("bad", "The payment form cannot be loaded. Check your connection and reload this page.");
    }
    stripe = window.Stripe(order.publishable_key);
    const dark = matchMedia("(prefers-color-scheme: dark)");
    const appearance = () => ({
      theme: dark.matches ? "night" : "stripe",
      variables: { colorPrimary: getComputedStyle(document.documentElement).getPropertyValue("--accent").trim() },
    });
    elements = stripe.elements({
      appearance: appearance(),
      ...(order.mode === "client"
        ? { clientSecret: order.client_secret }
        : {
            mode: "payment",
            amount: order.amount_total,
            currency: order.currency,
            paymentMethodCreation: "manual",
            paymentMethodTypes: ["card"],
            ...(order.capture === "manual" ? { captureMethod: "manual" } : {}),
            ...(order.save_for_later ? { setupFutureUsage: "off_session" } : {}),
          }),
    });
    dark.addEventListener("change", () => elements.update({ appearance: appearance() }));
    // What is agreed to stands above the button, once.
    element("terms").hidden = !order.save_for_later;
    const form = elements.create("payment", { terms: { card: "never" } });
    form.on("ready", () => ready(order));
    form.mount("#payment-element");
    ready(null, order);
    element("form").addEventListener("submit", (event) => {
      event.preventDefault();
      if (!atWork && element("pay").getAttribute("aria-disabled") === "false") pay(order);
    });
  }

  // The button keeps the focus while it is at work, so it is never `disabled`.
  function ready(order, later) {
    element("pay").setAttribute("aria-disabled", String(!order));
    element("pay").textContent = `Pay ${money((order || later).amount_total, (order || later).currency)}`;
  }

  async function pay(order) {
    atWork = true;
    element("pay").setAttribute("aria-disabled", "true");
    element("pay").textContent = "Paying …";
    element("error").textContent = "";
    say("", "");
    try {
      const { error, paid } = order.mode === "client" ? await payInBrowser() : await payOnServer();
      if (error) fail(error);
      else announce(paid, order);
    } catch {
      fail({ message: "We could not find out whether the payment went through. You will not be charged twice: try again." });
    }
    const now = await ask();
    atWork = false;
    ready(order);
    if (now && now.gone) finish("bad", now.gone);
    else if (now ? announced || !PAYABLE.includes(now.payment_status) : announced) show(now || order);
  }

  // Stripe.js confirms, 3-D Secure included; some methods send the customer away and back to this page.
  async function payInBrowser() {
    const { error, paymentIntent } = await stripe.confirmPayment({
      elements,
      confirmParams: { return_url: location.href },
      redirect: "if_required",
    });
    return error ? { error } : outcome(paymentIntent);
  }

  // The card becomes a payment method here and is confirmed by the shop's server; 3-D Secure happens in between.
  async function payOnServer() {
    const submitted = await elements.submit();
    if (submitted.error) return submitted;
    const { error, paymentMethod } = await stripe.createPaymentMethod({ elements });
    if (error) return { error };
    const answer = await post({ payment_method_id: paymentMethod.id });
    if (!answer.requires_action) return answered(answer);
    const handled = await stripe.handleNextAction({ clientSecret: answer.payment_intent_client_secret });
    if (handled.error) return handled;
    const again = await post({ payment_intent_id: handled.paymentIntent.id });
    return again.requires_action ? { error: { message: "Your bank asks once more; try again." } } : answered(again);
  }

  function answered({ error }) {
    return error ? { error } : { paid: { status: "succeeded" } };
  }

  async function post(body) {
    const answer = await fetch("/pay", {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
      body: JSON.stringify(body),
    });
    return answer.json();
  }

  // The customer comes back from the bank's page.
  async function askHowItWent(order) {
    if (!order.client_secret || !order.publishable_key || !PAYABLE.includes(order.payment_status)) return;
    try {
      await script(order.js_url);
      const { paymentIntent } = await window.Stripe(order.publishable_key).retrievePaymentIntent(order.client_secret);
      const { error, paid } = outcome(paymentIntent);
      if (error) fail(error);
      else if (paid) announce(paid, order);
    } catch {
      // The order's own state, asked for next, tells how it went.
    }
  }

  function outcome(intent) {
    if (!["requires_payment_method", "requires_action", "requires_confirmation"].includes(intent.status)) return { paid: intent };
    return { error: intent.last_payment_error || { message: NOT_THROUGH } };
  }

  function script(url) {
    if (window.Stripe) return Promise.resolve();
    return new Promise((done, give_up) => {
      const tag = document.createElement("script");
      tag.src = url;
      tag.onload = done;
      tag.onerror = give_up;
      document.head.append(tag);
    });
  }
})();
