// What a page calls: it asks the local Stripe and answers as Stripe.js does.

const base = new URL(document.currentScript.src).origin;

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

const idOf = (clientSecret, what) => {
  const id = String(clientSecret).split("_secret_")[0];
  if (!clientSecret || id === clientSecret)
    throw new Error(`Invalid value for ${what}: a client secret looks like pi_…_secret_…, but this was ${clientSecret}.`);
  return id;
};

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

window.Stripe = (key, options) => new LocalStripe(key, options);
window.Stripe.version = "local";
