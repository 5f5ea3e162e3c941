"""Stripe's SDK for Python against the local Stripe: an independent client and an independent check of its signatures.

    python3 sdk.py path/to/packline

Needs the package `stripe`, of the version that requirements.txt pins.
"""

import http.server
import queue
import re
import subprocess
import sys
import threading

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


shop = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Shop)
threading.Thread(target=shop.serve_forever, daemon=True).start()
fake = subprocess.Popen([packline, "fake-stripe", "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE, text=True)
try:
    base = re.search(r"http://127\.0\.0\.1:\d+", fake.stdout.readline()).group()
    check(base, f"http://127.0.0.1:{shop.server_port}/")
finally:
    fake.terminate()
    code = fake.wait(20)
assert code == 0, code
print("the SDK for Python paid, refunded, listed and verified against the local Stripe")
