"""Stripe's SDK for Python against the local Stripe: an independent client and an independent check of its signatures.

    python3 sdk.py path/to/packline

Needs the package `stripe`, of the version that requirements.txt pins.
"""

import http.server
import json
import queue
import re
import subprocess
import sys
import threading
import urllib.parse
import urllib.request

import stripe

packline = sys.argv[1] if len(sys.argv) > 1 else "../../target/debug/packline"
received = queue.Queue()


class Shop(http.server.BaseHTTPRequestHandler):
    """An endpoint that takes everything."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        received.put((body, self.headers["stripe-signature"]))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


def fails(error, call, **fields):
    try:
        call()
    except error as raised:
        for name, value in fields.items():
            assert getattr(raised, name) == value, (name, getattr(raised, name))
        return raised
    raise AssertionError(f"no {error.__name__}")


def check(base, hook):
    client = stripe.StripeClient("sk_test_local", base_addresses={"api": base}, max_network_retries=2)
    v1 = client.v1
    endpoint = v1.webhook_endpoints.create({"url": hook, "enabled_events": ["payment_intent.succeeded"]})
    card = {"payment_method": "pm_card_visa", "payment_method_types": ["card"], "confirm": True}

    paid = v1.payment_intents.create({"amount": 2000, "currency": "eur", "metadata": {"order_id": "ö1"}, **card})
    assert paid.status == "succeeded", paid
    body, signature = received.get(timeout=30)
    event = client.construct_event(body, signature, endpoint.secret)
    assert event.data.object["id"] == paid.id and event.data.object["metadata"]["order_id"] == "ö1"
    fails(stripe.SignatureVerificationError, lambda: client.construct_event(body + b" ", signature, endpoint.secret))

    keyed = lambda amount: v1.payment_intents.create({"amount": amount, "currency": "eur"}, {"idempotency_key": "k"})
    assert keyed(500).id == keyed(500).id
    fails(stripe.IdempotencyError, lambda: keyed(600), http_status=400)
    declined = {**card, "payment_method": "pm_card_chargeDeclinedInsufficientFunds", "amount": 1, "currency": "eur"}
    error = fails(stripe.CardError, lambda: v1.payment_intents.create({**declined, "amount": 100}), code="card_declined")
    assert error.error.decline_code == "insufficient_funds", error.error
    fails(stripe.InvalidRequestError, lambda: v1.payment_intents.retrieve("pi_none"), code="resource_missing")

    refund = v1.refunds.create({"payment_intent": paid.id, "amount": 500, "reason": "requested_by_customer"})
    assert (refund.amount, refund.status) == (500, "succeeded")
    for number in range(12):
        v1.customers.create({"name": f"N{number}"})
    names = [customer.name for customer in v1.customers.list({"limit": 5}).auto_paging_iter()]
    assert names == [f"N{number}" for number in reversed(range(12))], names
    listed = v1.events.list({"type": "customer.*", "limit": 100})
    assert len(listed.data) == 12


def control(base, path, body):
    body = json.dumps(body).encode()
    request = urllib.request.Request(f"{base}/_fake/{path}", body, {"content-type": "application/json"})
    return json.load(urllib.request.urlopen(request))


def pay_on_page(url):
    """Fills in the form of a page of the local Stripe."""
    card = {"type": "card", "email": "ada@example.com", "card_number": "4242424242424242", "card_expiry": "12/34", "card_cvc": "123"}
    return urllib.request.urlopen(url, urllib.parse.urlencode(card).encode()).read().decode()


def check_billing(base):
    client = stripe.StripeClient(
        "sk_test_local", base_addresses={"api": base, "files": base}, max_network_retries=2
    )
    v1 = client.v1
    buyer = v1.customers.create({
        "name": "Ann", "email": "ann@example.com", "payment_method": "pm_card_visa",
        "invoice_settings": {"default_payment_method": "pm_card_visa"},
    })
    tea = v1.products.create({"name": "Tea", "metadata": {"sku": "TEA"}})
    price = {"product": tea.id, "currency": "usd", "unit_amount": 1500}
    once, monthly = v1.prices.create(price), v1.prices.create({**price, "recurring": {"interval": "month"}})
    fails(stripe.InvalidRequestError, lambda: v1.prices.create({"currency": "usd", "unit_amount": 1}), http_status=400)

    # A quote for once: its lines over several pages, its PDF, and the draft that its acceptance makes.
    lines = [{"price": once.id, "quantity": number} for number in range(1, 13)]
    quote = v1.quotes.create({"customer": buyer.id, "line_items": lines, "expand": ["line_items.data.price.product"]})
    assert (quote.status, quote.amount_total, quote.line_items.has_more) == ("draft", 78 * 1500, True), quote
    assert quote.line_items.data[0].price.product.metadata["sku"] == "TEA"
    pages = v1.quotes.line_items.list(quote.id, {"limit": 5}).auto_paging_iter()
    assert [line.quantity for line in pages] == list(range(1, 13))
    fails(stripe.InvalidRequestError, lambda: v1.quotes.accept(quote.id))
    fails(stripe.InvalidRequestError, lambda: v1.quotes.pdf(quote.id))
    offered = v1.quotes.finalize_quote(quote.id)
    paper = v1.quotes.pdf(quote.id)
    paper = paper.read() if hasattr(paper, "read") else b"".join(paper.io)
    assert paper.startswith(b"%PDF-") and offered.number.encode() in paper, paper[:80]
    fails(stripe.InvalidRequestError, lambda: v1.quotes.update(quote.id, {"line_items": lines[:1]}))
    accepted = v1.quotes.accept(quote.id)
    assert (accepted.status, accepted.subscription) == ("accepted", None)

    # Its invoice: finalised, declined, paid; and one that is void and one that is written off.
    invoice = v1.invoices.finalize_invoice(accepted.invoice, {"expand": ["payments", "confirmation_secret"]})
    assert (invoice.status, invoice.amount_due) == ("open", 78 * 1500)
    assert "_secret_" in invoice.confirmation_secret.client_secret and len(invoice.payments.data) == 1
    fails(stripe.CardError, lambda: v1.invoices.pay(invoice.id, {"payment_method": "pm_card_chargeCustomerFail"}), code="card_declined")
    assert v1.invoices.retrieve(invoice.id).attempt_count == 1
    assert v1.invoices.pay(invoice.id).status == "paid"
    fails(stripe.InvalidRequestError, lambda: v1.invoices.pay(invoice.id))
    fails(stripe.InvalidRequestError, lambda: v1.invoices.void_invoice(invoice.id))
    [link] = v1.invoice_payments.list({"invoice": invoice.id}).data
    assert (link.status, link.amount_paid) == ("paid", 78 * 1500)
    for end, status in [(v1.invoices.void_invoice, "void"), (v1.invoices.mark_uncollectible, "uncollectible")]:
        v1.invoice_items.create({"customer": buyer.id, "amount": 700, "currency": "usd"})
        draft = v1.invoices.create({"customer": buyer.id, "pending_invoice_items_behavior": "include", "auto_advance": False})
        v1.invoices.finalize_invoice(draft.id)
        assert end(draft.id).status == status
    hosted = v1.invoices.retrieve(draft.id)
    assert "This invoice is paid" in pay_on_page(hosted.hosted_invoice_url), "what was written off can be paid"

    # A subscription: changed, renewed, paused, resumed, cancelled.
    subscription = v1.subscriptions.create({"customer": buyer.id, "items": [{"price": monthly.id, "quantity": 2}]})
    item = subscription["items"].data[0]
    assert subscription.status == "active"
    v1.subscriptions.update(subscription.id, {"items": [{"id": item.id, "quantity": 3}], "proration_behavior": "none"})
    control(base, "clock/advance", {"seconds": 32 * 24 * 60 * 60})
    renewed = v1.subscriptions.retrieve(subscription.id, {"expand": ["latest_invoice.payments"]})
    assert (renewed.latest_invoice.billing_reason, renewed.latest_invoice.amount_paid) == ("subscription_cycle", 4500)
    paused = v1.subscriptions.update(subscription.id, {"pause_collection": {"behavior": "void"}})
    assert paused.pause_collection.behavior == "void"
    assert v1.subscriptions.update(subscription.id, {"pause_collection": ""}).pause_collection is None
    assert v1.subscriptions.cancel(subscription.id).status == "canceled"
    fails(stripe.InvalidRequestError, lambda: v1.subscriptions.update(subscription.id, {"metadata": {"a": "b"}, "cancel_at_period_end": True}))
    of_quote = v1.quotes.create({"customer": buyer.id, "line_items": [{"price": monthly.id}]})
    v1.quotes.finalize_quote(of_quote.id)
    assert v1.quotes.accept(of_quote.id).subscription.startswith("sub_")

    # A Checkout Session is paid on its page.
    session = v1.checkout.sessions.create({
        "mode": "payment", "line_items": [{"price": once.id, "quantity": 2}], "success_url": f"{base}/_fake/clock",
        "client_reference_id": "basket-1",
    })
    assert (session.status, session.payment_intent, session.amount_total) == ("open", None, 3000)
    pay_on_page(session.url)
    complete = v1.checkout.sessions.retrieve(session.id, {"expand": ["payment_intent"]})
    assert (complete.payment_status, complete.payment_intent.status) == ("paid", "succeeded")
    assert [line.quantity for line in v1.checkout.sessions.line_items.list(session.id).data] == [2]
    late = v1.checkout.sessions.create({"mode": "payment", "line_items": [{"price": once.id, "quantity": 1}], "success_url": base})
    assert v1.checkout.sessions.expire(late.id).status == "expired"
    # Stripe keeps events for thirty days, so those from before the renewal are gone.
    types = {event.type for event in v1.events.list({"limit": 100}).auto_paging_iter()}
    for wanted in ["quote.accepted", "invoice.paid", "customer.subscription.deleted", "checkout.session.completed"]:
        assert wanted in types, (wanted, types)


shop = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Shop)
threading.Thread(target=shop.serve_forever, daemon=True).start()
fake = subprocess.Popen([packline, "fake-stripe", "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE, text=True)
try:
    base = re.search(r"http://127\.0\.0\.1:\d+", fake.stdout.readline()).group()
    check(base, f"http://127.0.0.1:{shop.server_port}/")
    check_billing(base)
finally:
    fake.terminate()
    code = fake.wait(20)
assert code == 0, code
print("the SDK for Python paid, refunded, billed, listed and verified against the local Stripe")
