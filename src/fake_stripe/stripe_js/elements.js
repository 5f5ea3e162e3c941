// The elements that a page mounts. For tests: every field and button has a data-testid (card-number, card-expiry,
// card-cvc, iban …).

const invalid = (message, code) => ({ error: { type: "validation_error", code, message } });

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
    this.box = box;
    this.dress();
    host.replaceChildren(box);
    shadow(box).append(...this.content());
    queueMicrotask(() => this.emit("ready"));
    return this;
  }
  /** Of Stripe's appearances there are the bright theme and "night", and of their variables colorPrimary. */
  dress(appearance = this.appearance) {
    this.appearance = appearance;
    if (!this.box || !appearance) return;
    this.box.dataset.theme = appearance.theme ?? "stripe";
    this.box.style.setProperty("--accent", appearance.variables?.colorPrimary ?? "");
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
        make("p", { class: "hint" }, "Local Stripe: AT321904300235473204 succeeds after three minutes, AT051904300235473205 fails.")]));
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
    element.dress(this.options.appearance);
    this.all.set(type, element);
    return element;
  }
  getElement(type) {
    return this.all.get(type) ?? null;
  }
  update(options) {
    Object.assign(this.options, options);
    for (const element of this.all.values()) element.dress(this.options.appearance);
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
