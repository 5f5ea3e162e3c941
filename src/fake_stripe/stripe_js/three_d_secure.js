// The step at the customer's bank. For tests: its buttons have the data-testid 3ds-complete and 3ds-fail.

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
