// The three fields of a card.

const testCards = [
  ["4242424242424242", "succeeds"],
  ["4000002500003155", "asks for 3-D Secure"],
  ["4000002760003184", "asks for 3-D Secure each time"],
  ["4000000000000002", "is declined"],
  ["4000000000009995", "has insufficient funds"],
  ["4000000000000341", "fails when it is charged"],
  ["4000000000000259", "is disputed afterwards"],
];

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
