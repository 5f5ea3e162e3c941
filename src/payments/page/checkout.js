// The page that pays for one order. What the order is comes from /checkout/{order}/state; the card goes from the
// browser to Stripe. Only Stripe's webhook makes the order paid: this page waits for it and says so meanwhile.
"use strict";

(async () => {
  const POLL_MS = 1000;
  const SLOW_POLL_MS = 5000;
  const PAYABLE = ["awaiting_payment", "requires_action", "payment_failed"];

  const token = new URLSearchParams(location.search).get("token") || "";
  const stateUrl = `${location.pathname.replace(/\/$/, "")}/state?token=${encodeURIComponent(token)}`;
  const element = (id) => document.getElementById(id);

  let stripe = null;
  let elements = null;
  let atWork = false;
  // Stripe told this browser that the payment went through; its webhook has not told the order yet.
  let announced = false;

  const state = await load();
  if (!state) return;
  showOrder(state);
  await returnedFromBank(state);
  show(state);
  follow(state);

  async function load() {
    try {
      const answer = await fetch(stateUrl, { headers: { accept: "application/json" }, cache: "no-store" });
      if (answer.ok) return await answer.json();
      const fault = await answer.json().catch(() => null);
      say("bad", (fault && fault.error && fault.error.message) || "This link is not valid any more. Ask the shop for a new one.");
    } catch {
      say("bad", "The shop cannot be reached. Check your connection; this page tries again when you reload it.");
    }
    return null;
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

  function fail(message) {
    element("error").textContent = message || "The payment did not go through. Try again or use another card.";
    element("error").hidden = false;
  }

  function show(order) {
    const status = order.payment_status;
    document.body.dataset.paymentStatus = status;
    if (["paid", "partially_refunded"].includes(status)) {
      finish("good", "Paid. Thank you: your order is on its way to being packed.");
    } else if (status === "authorised") {
      finish("good", "Thank you. Your card is authorised; the shop charges it when the order is ready.");
    } else if (status === "refunded") {
      finish("", "This order was refunded.");
    } else if (status === "cancelled") {
      finish("", "This order was cancelled. Nothing will be charged.");
    } else if (announced || order.is_awaiting_event) {
      finish("good", "Payment received. Waiting for the confirmation …");
    } else if (status === "processing") {
      finish("", "Your payment is being processed. With some methods this takes days; you can close this page.");
    } else if (PAYABLE.includes(status)) {
      say("", status === "payment_failed" ? (order.error && order.error.message) || "The last try did not go through." : "");
      offer(order);
    }
  }

  function finish(kind, text) {
    say(kind, text);
    element("form").hidden = true;
  }

  async function follow(order) {
    let wait = POLL_MS;
    for (let last = order; ; ) {
      await new Promise((done) => setTimeout(done, wait));
      if (document.hidden) continue;
      const now = await fetch(stateUrl, { cache: "no-store" }).then((answer) => (answer.ok ? answer.json() : null)).catch(() => null);
      if (!now) continue;
      const moved = now.payment_status !== last.payment_status || now.is_awaiting_event !== last.is_awaiting_event;
      if (moved && !atWork) show(now);
      last = now;
      wait = ["paid", "refunded", "cancelled"].includes(now.payment_status) ? SLOW_POLL_MS : POLL_MS;
    }
  }

  async function offer(order) {
    element("form").hidden = false;
    if (elements) return;
    if (!order.publishable_key) {
      finish("bad", "This shop has not finished setting up payments: STRIPE_PUBLISHABLE_KEY is not set.");
      return;
    }
    try {
      await script(order.js_url);
    } catch {
      finish("bad", "The payment form cannot be loaded. Check your connection and reload this page.");
      return;
    }
    stripe = window.Stripe(order.publishable_key);
    elements = stripe.elements(
      order.mode === "client"
        ? { clientSecret: order.client_secret }
        : {
            mode: "payment",
            amount: order.amount_total,
            currency: order.currency,
            paymentMethodCreation: "manual",
            paymentMethodTypes: ["card"],
            ...(order.capture === "manual" ? { captureMethod: "manual" } : {}),
            ...(order.save_for_later ? { setupFutureUsage: "off_session" } : {}),
          },
    );
    const form = elements.create("payment");
    form.on("ready", () => (element("pay").disabled = false));
    form.mount("#payment-element");
    element("pay-text").textContent = `Pay ${money(order.amount_total, order.currency)}`;
    element("form").addEventListener("submit", (event) => {
      event.preventDefault();
      if (!atWork) pay(order);
    });
  }

  async function pay(order) {
    atWork = true;
    element("pay").disabled = true;
    element("error").hidden = true;
    say("", "");
    element("pay-text").textContent = "Paying …";
    try {
      const error = order.mode === "client" ? await payInBrowser() : await payOnServer(order);
      if (error) fail(error.message);
      else announced = true;
    } catch {
      fail("We could not find out whether the payment went through. You will not be charged twice: try again.");
    } finally {
      atWork = false;
      element("pay").disabled = false;
      element("pay-text").textContent = `Pay ${money(order.amount_total, order.currency)}`;
    }
    const now = await load();
    if (now && (announced || !PAYABLE.includes(now.payment_status))) show(now);
  }

  // Stripe.js confirms, 3-D Secure included; some methods send the customer away and back to this page.
  async function payInBrowser() {
    const { error, paymentIntent } = await stripe.confirmPayment({
      elements,
      confirmParams: { return_url: location.href },
      redirect: "if_required",
    });
    return error || failed(paymentIntent);
  }

  // The card becomes a payment method here and is confirmed by the shop's server; 3-D Secure happens in between.
  async function payOnServer() {
    const submitted = await elements.submit();
    if (submitted.error) return submitted.error;
    const { error, paymentMethod } = await stripe.createPaymentMethod({ elements });
    if (error) return error;
    const answer = await post({ payment_method_id: paymentMethod.id });
    if (!answer.requires_action) return answer.error;
    const handled = await stripe.handleNextAction({ clientSecret: answer.payment_intent_client_secret });
    if (handled.error) return handled.error;
    const again = await post({ payment_intent_id: handled.paymentIntent.id });
    return again.requires_action ? { message: "Your bank asks once more; try again." } : again.error;
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
  async function returnedFromBank(order) {
    if (!new URLSearchParams(location.search).has("payment_intent_client_secret")) return;
    history.replaceState(null, "", `${location.pathname}?token=${encodeURIComponent(token)}`);
    if (order.mode !== "client" || !order.publishable_key || !PAYABLE.includes(order.payment_status)) return;
    try {
      await script(order.js_url);
      const { paymentIntent } = await window.Stripe(order.publishable_key).retrievePaymentIntent(order.client_secret);
      const error = failed(paymentIntent);
      if (error) fail(error.message);
      else announced = true;
    } catch {
      // The order's own state, asked for next, tells how it went.
    }
  }

  function failed(intent) {
    if (!intent || intent.status !== "requires_payment_method") return null;
    return intent.last_payment_error || { message: "The payment did not go through. Try again or use another card." };
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
