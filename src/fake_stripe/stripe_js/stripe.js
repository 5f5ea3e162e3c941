// A stand-in for Stripe.js: the part that a page with a Payment Element, a card field or a CVC field uses, against the
// local Stripe that served this file. Plain browser JavaScript; it works under a strict content security policy, since
// all looks come from constructed style sheets inside shadow roots.
//
// For tests: every field and button has a data-testid (card-number, card-expiry, card-cvc, 3ds-complete, 3ds-fail …).
(() => {
  "use strict";
  if (window.Stripe) return;

  const base = new URL(document.currentScript.src).origin;

  const style = `
    :host { all: initial; display: block; font: 15px/1.4 system-ui, -apple-system, "Segoe UI", sans-serif; color: #1a1f36; }
    * { box-sizing: border-box; }
    .methods { display: flex; gap: 8px; margin-bottom: 12px; }
    .methods button { flex: 1; padding: 10px; border: 1px solid #e0e4ea; border-radius: 8px; background: #fff; font: inherit;
      color: #4f566b; cursor: pointer; text-align: left; }
    .methods button[aria-pressed="true"] { border-color: #0570de; color: #0570de; box-shadow: 0 0 0 1px #0570de; }
    label { display: block; font-size: 13px; color: #4f566b; }
    .row { display: flex; gap: 12px; margin-top: 12px; }
    .row > label { flex: 1; min-width: 0; }
    input, select { display: block; width: 100%; margin-top: 4px; padding: 11px 12px; border: 1px solid #e0e4ea; border-radius: 8px;
      background: #fff; font: inherit; font-size: 16px; color: inherit; outline: none; box-shadow: 0 1px 2px rgba(26, 31, 54, 0.06); }
    input::placeholder { color: #a3acb9; }
    input:focus, select:focus, button:focus-visible { border-color: #0570de; box-shadow: 0 0 0 3px rgba(5, 112, 222, 0.2); }
    input[aria-invalid="true"] { border-color: #df1b41; color: #df1b41; }
    .line { display: flex; gap: 4px; align-items: center; }
    .line input { margin: 0; border: 0; padding: 4px; box-shadow: none; min-width: 0; flex: 1; }
    .line input:first-child { flex: 3; }
    .line input:focus { box-shadow: none; }
    .fault { min-height: 1.4em; margin: 6px 0 0; font-size: 13px; color: #df1b41; }
    .hint { margin: 8px 0 0; font-size: 12px; color: #697386; }
    .hint select { display: inline-block; width: auto; max-width: 100%; margin: 0 0 0 6px; padding: 3px 6px; font-size: 12px; }
    dialog { width: min(420px, calc(100vw - 32px)); padding: 0; border: 0; border-radius: 14px; color: inherit;
      box-shadow: 0 24px 60px rgba(26, 31, 54, 0.35); font: inherit; }
    dialog::backdrop { background: rgba(26, 31, 54, 0.55); }
    .bank { padding: 18px 22px; background: #1a1f36; color: #fff; font-weight: 600; display: flex; justify-content: space-between; }
    .bank small { font-weight: 400; opacity: 0.7; }
    .ask { padding: 22px; }
    .ask h2 { margin: 0 0 8px; font-size: 18px; }
    .ask p { margin: 0 0 18px; color: #4f566b; }
    .answers { display: flex; gap: 10px; }
    .answers button { flex: 1; padding: 12px; border: 1px solid #e0e4ea; border-radius: 8px; background: #fff; font: inherit;
      font-weight: 600; color: #df1b41; cursor: pointer; }
    .answers button.yes { background: #0570de; border-color: #0570de; color: #fff; }
    .answers button:disabled { opacity: 0.5; cursor: default; }
  `;

  const testCards = [
    ["4242424242424242", "succeeds"],
    ["4000002500003155", "asks for 3-D Secure"],
    ["4000002760003184", "asks for 3-D Secure each time"],
    ["4000000000000002", "is declined"],
    ["4000000000009995", "has insufficient funds"],
    ["4000000000000341", "fails when it is charged"],
    ["4000000000000259", "is disputed afterwards"],
  ];

  // The DOM, without markup in strings.
  const make = (tag, props = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(props)) {
      if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else element.setAttribute(name, value);
    }
    element.append(...children);
    return element;
  };
  const shadow = (host) => {
    const root = host.shadowRoot ?? host.attachShadow({ mode: "open" });
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(style);
    root.adoptedStyleSheets = [sheet];
    root.replaceChildren();
    return root;
  };

  /** An object as bracketed form fields: {a: {b: 1}, c: ["x"]} is a[b]=1&c[]=x. */
  const form = (fields, into = new URLSearchParams(), above = "") => {
    for (const [name, value] of Object.entries(fields)) {
      const key = above ? `${above}[${Array.isArray(fields) ? "" : name}]` : name;
      if (value === undefined || value === null) continue;
      if (typeof value === "object") form(value, into, key);
      else into.append(key, String(value));
    }
    return into;
  };

  const invalid = (message, code) => ({ error: { type: "validation_error", code, message } });
  const idOf = (clientSecret, what) => {
    const id = String(clientSecret).split("_secret_")[0];
    if (!clientSecret || id === clientSecret)
      throw new Error(`Invalid value for ${what}: a client secret looks like pi_…_secret_…, but this was ${clientSecret}.`);
    return id;
  };

  /** Digits in groups of four, a slash after the month. */
  const asNumber = (text) => (text.replace(/\D/g, "").slice(0, 19).match(/.{1,4}/g) ?? []).join(" ");
  const asExpiry = (text) => {
    const digits = text.replace(/\D/g, "").slice(0, 4);
    return digits.length > 2 ? `${digits.slice(0, 2)} / ${digits.slice(2)}` : digits;
  };
  const asCvc = (text) => text.replace(/\D/g, "").slice(0, 4);
  const passesLuhn = (number) =>
    [...number].reverse().reduce((sum, digit, at) => {
      const value = Number(digit) * (at % 2 ? 2 : 1);
      return sum + (value > 9 ? value - 9 : value);
    }, 0) % 10 === 0;

  /** The fields of a card, and what is wrong with them. */
  class CardFields {
    constructor(changed) {
      const field = (label, testid, placeholder, autocomplete, shape) => {
        const input = make("input", {
          "data-testid": testid, "aria-label": label, placeholder, autocomplete, inputmode: "numeric", name: testid,
          oninput: () => {
            input.value = shape(input.value);
            input.removeAttribute("aria-invalid");
            changed();
          },
        });
        return input;
      };
      this.number = field("Card number", "card-number", "1234 1234 1234 1234", "cc-number", asNumber);
      this.expiry = field("Expiration date", "card-expiry", "MM / YY", "cc-exp", asExpiry);
      this.cvc = field("Security code", "card-cvc", "CVC", "cc-csc", asCvc);
    }
    get digits() {
      return this.number.value.replace(/\D/g, "");
    }
    fault() {
      const [month, year] = this.expiry.value.split("/").map((part) => Number(part));
      const now = new Date();
      const isPast = 2000 + year < now.getFullYear() || (2000 + year === now.getFullYear() && month < now.getMonth() + 1);
      if (this.digits.length < 13) return [this.number, "incomplete_number", "Your card number is incomplete."];
      if (!passesLuhn(this.digits)) return [this.number, "invalid_number", "Your card number is invalid."];
      if (!(month >= 1 && month <= 12) || Number.isNaN(year) || this.expiry.value.length < 7)
        return [this.expiry, "incomplete_expiry", "Your card’s expiration date is incomplete."];
      if (isPast) return [this.expiry, "invalid_expiry_year_past", "Your card’s expiration year is in the past."];
      if (this.cvc.value.length < 3) return [this.cvc, "incomplete_cvc", "Your card’s security code is incomplete."];
      return undefined;
    }
    params() {
      const [month, year] = this.expiry.value.split("/").map((part) => Number(part));
      return { type: "card", card: { number: this.digits, exp_month: month, exp_year: 2000 + year, cvc: this.cvc.value } };
    }
    fill(number) {
      this.number.value = asNumber(number);
      this.expiry.value = `12 / ${String(new Date().getFullYear() + 3).slice(2)}`;
      this.cvc.value = "123";
      for (const input of [this.number, this.expiry, this.cvc]) input.removeAttribute("aria-invalid");
    }
    clear() {
      for (const input of [this.number, this.expiry, this.cvc]) input.value = "";
    }
  }

  /** What all elements share: where they are, and who listens. */
  class Field {
    constructor(type, options) {
      this.type = type;
      this.options = options ?? {};
      this.listeners = new Map();
      this.fields = new CardFields(() => this.changed());
      this.faultLine = make("p", { class: "fault", role: "alert", "data-testid": "element-error" });
    }
    on(name, handler) {
      this.listeners.set(name, [...(this.listeners.get(name) ?? []), handler]);
      return this;
    }
    once(name, handler) {
      const once = (event) => (this.off(name, once), handler(event));
      return this.on(name, once);
    }
    off(name, handler) {
      this.listeners.set(name, (this.listeners.get(name) ?? []).filter((one) => handler && one !== handler));
      return this;
    }
    emit(name, more = {}) {
      for (const handler of this.listeners.get(name) ?? []) handler({ elementType: this.type, ...more });
    }
    mount(where) {
      const host = typeof where === "string" ? document.querySelector(where) : where;
      if (!host) throw new Error(`The selector you specified (${where}) applies to no DOM elements that are currently on the page.`);
      this.host = host;
      const box = make("div", { "data-testid": `stripe-${this.type}` });
      host.replaceChildren(box);
      shadow(box).append(...this.content());
      queueMicrotask(() => this.emit("ready"));
      return this;
    }
    unmount() {
      this.host?.replaceChildren();
      this.host = undefined;
      return this;
    }
    destroy() {
      this.unmount();
      this.listeners.clear();
    }
    update(options) {
      Object.assign(this.options, options);
    }
    focus() {
      this.fields[this.type === "cardCvc" ? "cvc" : "number"].focus();
    }
    blur() {
      this.host?.querySelector("div")?.shadowRoot?.activeElement?.blur();
    }
    clear() {
      this.fields.clear();
      this.changed();
    }
    fault() {
      if (this.type === "cardCvc")
        return this.fields.cvc.value.length < 3
          ? [this.fields.cvc, "incomplete_cvc", "Your card’s security code is incomplete."] : undefined;
      return this.fields.fault();
    }
    changed() {
      this.faultLine.textContent = "";
      const fault = this.fault();
      const isEmpty = !this.fields.number.value && !this.fields.expiry.value && !this.fields.cvc.value;
      const error = fault && fault[1].startsWith("invalid") ? { type: "validation_error", code: fault[1], message: fault[2] } : undefined;
      this.emit("change", { complete: !fault, empty: isEmpty, error, value: { type: this.method ?? "card" } });
    }
    /** Shows what is wrong; the error that a call is answered with, if anything is. */
    check() {
      const fault = this.fault();
      if (!fault) return undefined;
      const [input, code, message] = fault;
      input?.setAttribute("aria-invalid", "true");
      this.faultLine.textContent = message;
      return invalid(message, code);
    }
    params() {
      return this.fields.params();
    }
    testCardHint() {
      const select = make("select", {
        "aria-label": "Test card", "data-testid": "test-card",
        onchange: () => (this.fields.fill(select.value), this.changed()),
      }, make("option", { value: "" }, "fill in …"),
        ...testCards.map(([number, what]) => make("option", { value: number }, `…${number.slice(-4)} ${what}`)));
      return make("p", { class: "hint" }, "Local Stripe, test cards:", select);
    }
    content() {
      const { number, expiry, cvc } = this.fields;
      const parts = this.type === "cardCvc" ? [cvc] : [number, expiry, cvc];
      return [make("div", { class: "line" }, ...parts), this.faultLine];
    }
  }

  /** The Payment Element: cards, and the delayed debit where the payment takes it. */
  class PaymentElement extends Field {
    constructor(elements, options) {
      super("payment", options);
      this.elements = elements;
      this.method = "card";
      this.iban = make("input", {
        "data-testid": "iban", placeholder: "DE89 3704 0044 0532 0130 00", "aria-label": "IBAN", name: "iban",
        oninput: () => this.changed(),
      });
      this.body = make("div");
    }
    content() {
      this.elements.types().then((types) => this.offer(types), (error) => (this.faultLine.textContent = error.message));
      this.show();
      this.choice = make("div", { class: "methods" });
      return [this.choice, this.body, this.faultLine];
    }
    offer(types) {
      const names = { card: "Card", sepa_debit: "SEPA Debit" };
      const known = types.filter((type) => names[type]);
      if (known.length < 2) return;
      const buttons = known.map((type) => make("button", {
        type: "button", "data-testid": `method-${type}`, "aria-pressed": String(type === this.method),
        onclick: () => {
          this.method = type;
          for (const [at, button] of buttons.entries()) button.setAttribute("aria-pressed", String(known[at] === type));
          this.show();
          this.changed();
        },
      }, names[type]));
      this.choice.replaceChildren(...buttons);
    }
    show() {
      const { number, expiry, cvc } = this.fields;
      this.body.replaceChildren(...(this.method === "card"
        ? [make("label", {}, "Card number", number),
          make("div", { class: "row" }, make("label", {}, "Expiration date", expiry), make("label", {}, "Security code", cvc)),
          this.testCardHint()]
        : [make("label", {}, "IBAN", this.iban),
          make("p", { class: "hint" }, "Local Stripe: DE89370400440532013000 succeeds after a while, DE62370400440532013001 fails.")]));
    }
    fault() {
      if (this.method === "card") return this.fields.fault();
      const iban = this.iban.value.replace(/\s/g, "");
      return /^[A-Z]{2}\d{2}[A-Z0-9]{10,30}$/.test(iban) ? undefined : [this.iban, "incomplete_iban", "Your IBAN is incomplete."];
    }
    params() {
      if (this.method === "card") return this.fields.params();
      return {
        type: "sepa_debit", sepa_debit: { iban: this.iban.value.replace(/\s/g, "") },
        billing_details: { name: "Test Customer", email: "test@example.com" },
      };
    }
  }

  /** The elements of one payment. */
  class Elements {
    constructor(stripe, options = {}) {
      this.stripe = stripe;
      this.options = options;
      this.all = new Map();
    }
    create(type, options) {
      if (!["payment", "card", "cardCvc"].includes(type))
        throw new Error(`The local Stripe.js has no element "${type}": it has payment, card and cardCvc.`);
      const element = type === "payment" ? new PaymentElement(this, options) : new Field(type, options);
      this.all.set(type, element);
      return element;
    }
    getElement(type) {
      return this.all.get(type) ?? null;
    }
    update(options) {
      Object.assign(this.options, options);
    }
    async fetchUpdates() {
      return {};
    }
    async types() {
      if (!this.options.clientSecret) return this.options.paymentMethodTypes ?? ["card"];
      const { paymentIntent, error } = await this.stripe.retrievePaymentIntent(this.options.clientSecret);
      if (error) throw new Error(error.message);
      return paymentIntent.payment_method_types;
    }
    async submit() {
      const element = this.getElement("payment");
      if (!element) throw new Error("elements.submit() needs a mounted Payment Element.");
      return element.check() ?? { selectedPaymentMethod: element.method };
    }
  }

  const connection = () => ({
    error: { type: "api_connection_error", message: "We are experiencing issues connecting to our payments provider. Please check your internet connection and try again." },
  });

  class LocalStripe {
    constructor(key, options = {}) {
      if (!/^pk_test_./.test(String(key)))
        throw new Error("The local Stripe.js takes a publishable key of test mode: any that begins with pk_test_.");
      this.key = key;
      this.options = options;
    }

    /** One call of the API: the object, or `{error}` as Stripe has it. */
    async call(method, path, fields = {}) {
      const headers = { authorization: `Bearer ${this.key}` };
      if (this.options.stripeAccount) headers["stripe-account"] = this.options.stripeAccount;
      if (this.options.apiVersion) headers["stripe-version"] = this.options.apiVersion;
      const body = form(fields);
      const url = method === "GET" ? `${base}${path}?${body}` : `${base}${path}`;
      try {
        const answer = await fetch(url, { method, headers, body: method === "GET" ? undefined : body });
        return await answer.json();
      } catch {
        return connection();
      }
    }

    elements(options) {
      return new Elements(this, options);
    }

    async createPaymentMethod(options) {
      const fields = await this.paymentMethodFields(options);
      if (fields.error) return fields;
      const made = await this.call("POST", "/v1/payment_methods", fields);
      return made.error ? made : { paymentMethod: made };
    }

    /** The parameters of a payment method, from elements, an element, or a token. */
    async paymentMethodFields({ elements, element, params, ...plain }) {
      const source = elements?.getElement("payment") ?? element ?? (plain.card instanceof Field ? plain.card : undefined);
      if (!source) return plain;
      const fault = source.check();
      if (fault) return fault;
      const { card, ...rest } = plain;
      return { ...source.params(), ...rest, ...params };
    }

    async createToken(type, data) {
      if (type instanceof Field) return this.token({ card: type.params().card }, type);
      if (type === "cvc_update") return this.token({ cvc_update: { cvc: data.fields.cvc.value } }, data);
      throw new Error(`The local Stripe.js makes no token of "${type}": only of a card element and "cvc_update".`);
    }
    async token(fields, element) {
      const fault = element.check();
      if (fault) return fault;
      const made = await this.call("POST", "/v1/tokens", fields);
      return made.error ? made : { token: made };
    }

    async retrievePaymentIntent(clientSecret) {
      const id = idOf(clientSecret, "paymentIntent secret");
      const found = await this.call("GET", `/v1/payment_intents/${id}`, { client_secret: clientSecret });
      return found.error ? found : { paymentIntent: found };
    }

    async confirmPayment({ elements, clientSecret, confirmParams = {}, redirect = "always" }) {
      const secret = clientSecret ?? elements?.options.clientSecret;
      const { payment_method_data: data, return_url, payment_method, ...more } = confirmParams;
      const given = payment_method ?? confirmParams.confirmation_token;
      const result = await this.confirm(secret, async () => given
        ? { payment_method: given }
        : this.methodOf({ elements, params: data }), { return_url, ...more });
      if (result.error || redirect === "if_required") return result;
      if (!return_url) throw new Error('confirmPayment needs confirmParams.return_url, or redirect: "if_required".');
      const url = new URL(return_url);
      url.searchParams.set("payment_intent", result.paymentIntent.id);
      url.searchParams.set("payment_intent_client_secret", secret);
      url.searchParams.set("redirect_status", ["succeeded", "processing", "requires_capture"].includes(result.paymentIntent.status) ? "succeeded" : "failed");
      window.location.assign(url);
      return new Promise(() => {});
    }

    async confirmCardPayment(clientSecret, { payment_method, ...more } = {}, { handleActions = true } = {}) {
      return this.confirm(clientSecret, async () => {
        if (payment_method === undefined) return {};
        if (typeof payment_method === "string") return { payment_method };
        return this.methodOf({ type: "card", ...payment_method });
      }, more, handleActions);
    }

    async methodOf(options) {
      const { paymentMethod, error } = await this.createPaymentMethod(options);
      return error ? { error } : { payment_method: paymentMethod.id };
    }

    async confirm(clientSecret, method, more, handleActions = true) {
      const id = idOf(clientSecret, "clientSecret");
      const chosen = await method();
      if (chosen.error) return chosen;
      const intent = await this.call("POST", `/v1/payment_intents/${id}/confirm`, {
        ...more, ...chosen, client_secret: clientSecret, use_stripe_sdk: true,
      });
      if (intent.error) return intent;
      return handleActions && intent.status === "requires_action" ? this.act(intent, clientSecret) : { paymentIntent: intent };
    }

    async handleNextAction({ clientSecret }) {
      const { paymentIntent, error } = await this.retrievePaymentIntent(clientSecret);
      if (error) return { error };
      if (paymentIntent.status !== "requires_action") return { paymentIntent };
      return this.act(paymentIntent, clientSecret);
    }
    async handleCardAction(clientSecret) {
      const { paymentIntent, error } = await this.retrievePaymentIntent(clientSecret);
      if (error) return { error };
      if (paymentIntent.status !== "requires_action")
        return { error: { type: "invalid_request_error", code: "payment_intent_unexpected_state", payment_intent: paymentIntent,
          message: "handleCardAction: The PaymentIntent supplied is not in the requires_action state." } };
      return this.act(paymentIntent, clientSecret);
    }

    async authenticate(id, outcome) {
      const headers = { "content-type": "application/json" };
      const body = JSON.stringify({ outcome });
      try {
        return await (await fetch(`${base}/_fake/payment_intents/${id}/authenticate`, { method: "POST", headers, body })).json();
      } catch {
        return connection();
      }
    }

    /** The customer's bank asks; afterwards the PaymentIntent is looked at again. */
    async act(intent, clientSecret) {
      const done = await askBank(intent, (outcome) => this.authenticate(intent.id, outcome));
      if (done?.error) return { error: done.error };
      const { paymentIntent, error } = await this.retrievePaymentIntent(clientSecret);
      if (error) return { error };
      if (paymentIntent.status !== "requires_payment_method" && paymentIntent.status !== "requires_action") return { paymentIntent };
      return {
        error: {
          ...paymentIntent.last_payment_error,
          type: "invalid_request_error", code: "payment_intent_authentication_failure", payment_intent: paymentIntent,
          message: "We are unable to authenticate your payment method. Please choose a different payment method and try again.",
        },
      };
    }
  }

  /** A dialog of the customer's bank. Resolves to what the local Stripe answered, when one of the buttons was pressed. */
  function askBank(intent, answer) {
    return new Promise((resolve) => {
      const host = make("div", { "data-testid": "stripe-3ds" });
      const amount = new Intl.NumberFormat(undefined, { style: "currency", currency: intent.currency });
      const minor = amount.resolvedOptions().maximumFractionDigits;
      const finish = async (outcome) => {
        for (const button of [yes, no]) button.disabled = true;
        const answered = await answer(outcome);
        dialog.close();
        host.remove();
        resolve(answered);
      };
      const yes = make("button", { type: "button", class: "yes", "data-testid": "3ds-complete", onclick: () => finish("succeeded") }, "Complete");
      const no = make("button", { type: "button", "data-testid": "3ds-fail", onclick: () => finish("failed") }, "Fail");
      const dialog = make("dialog", { "aria-label": "3-D Secure", oncancel: (event) => (event.preventDefault(), finish("failed")) },
        make("div", { class: "bank" }, "Your bank", make("small", {}, "3-D Secure test page")),
        make("div", { class: "ask" }, make("h2", {}, "Is it you?"),
          make("p", {}, `A payment of ${amount.format(intent.amount / 10 ** minor)} wants to be approved. Nothing real is charged: this is the local Stripe.`),
          make("div", { class: "answers" }, yes, no)));
      document.body.append(host);
      shadow(host).append(dialog);
      dialog.showModal();
    });
  }

  window.Stripe = (key, options) => new LocalStripe(key, options);
  window.Stripe.version = "local";
})();
