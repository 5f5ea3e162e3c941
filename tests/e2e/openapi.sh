#!/usr/bin/env bash
# Fuzzes every route that /openapi.json describes, against a service of its own and the local Stripe: no answer may be a
# fault of the server, and each must be as it is described. The description itself must be valid OpenAPI 3.1.
#
#     openapi.sh path/to/packline path/to/python [seconds]
#
# The Python has what requirements.txt lists.
set -euo pipefail
packline=$(realpath "$1")
python=$(realpath -s "$2")
seconds=${3:-60}
folder=$(mktemp -d)
chmod 755 "$folder"
cd "$folder"

running=()
stop() {
  local code=$?
  for pid in "${running[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait
  [ "$code" = 0 ] || tail -n 40 ./*.log
  cd / && rm -rf "$folder"
}
trap stop EXIT

# Starts a program and waits for a line of it; gives the part that matches.
start() {
  local name=$1 pattern=$2
  shift 2
  "$@" >"$name.log" 2>&1 &
  running+=($!)
  local match tries=0
  until match=$(grep -om1 -E "$pattern" "$name.log"); do
    tries=$((tries + 1))
    [ "$tries" -lt 300 ] && kill -0 "${running[-1]}" || { echo "$name did not start"; return 1; }
    sleep 0.2
  done
  found=$match
}

start stripe 'http://127\.0\.0\.1:[0-9]+' "$packline" fake-stripe --listen 127.0.0.1:0 --seed 7
export STRIPE_API_BASE=$found STRIPE_SECRET_KEY=sk_test_fuzz STRIPE_CONNECT_CLIENT_ID=ca_fuzz STRIPE_RATE_LIMIT=1000
export STRIPE_WEBHOOK_SECRET=whsec_fuzz STRIPE_CONNECT_WEBHOOK_SECRET=whsec_fuzz_connect
export PACKLINE_DATA_DIR=$folder/data PACKLINE_LISTEN=127.0.0.1:0 FULFILMENT_PROVIDER=log
key=$("$packline" keys create --name fuzz 2>/dev/null)
start serve 'http://127\.0\.0\.1:[0-9]+' "$packline" serve
base=$found

# Stripe's events are left out but for one order that is sent: what they move is not asked here.
ask() {
  curl -sS --fail-with-body "$base$1" -H "Authorization: Bearer ${3:-$key}" -H 'Content-Type: application/json' -d "$2"
}
field() { "$python" -c 'import functools, json, sys; print(functools.reduce(lambda a, k: a[int(k) if k.isdigit() else k], sys.argv[1].split("."), json.load(sys.stdin)))' "$1"; }

# What the names in paths can be found by: orders that are paid otherwise, wait, are authorised, are charged.
lines='"currency": "usd", "lines": [{"sku": "TEA", "quantity": 4, "unit_amount": 500}]'
ask /v1/orders "{\"number\": \"fuzz-1\", $lines}" >/dev/null
token=$(ask /v1/orders "{\"number\": \"fuzz-2\", $lines, \"payment\": {\"mode\": \"server\"}}" | field payment.checkout_token)
for number in fuzz-3 fuzz-4; do
  capture=$([ "$number" = fuzz-3 ] && echo manual || echo automatic)
  payment="{\"mode\": \"server\", \"capture\": \"$capture\"}"
  paying=$(ask /v1/orders "{\"number\": \"$number\", $lines, \"payment\": $payment}" | field payment.checkout_token)
  ask /pay '{"payment_method_id": "pm_card_visa"}' "$paying" >/dev/null
done
# Of one that was sent: a parcel of the log's, a link and a licence code.
for kind in "EBOOK --link https://files.example.com/tea.pdf" "CODE --licence"; do
  # shellcheck disable=SC2086
  "$packline" providers goods add $kind --by fuzz --why fuzz >/dev/null 2>&1
done
"$packline" providers add downloads --kind digital --by fuzz --why fuzz >/dev/null 2>&1
"$packline" providers rules add --sku EBOOK --provider downloads --by fuzz --why fuzz >/dev/null 2>&1
"$packline" providers rules add --sku CODE --provider downloads --by fuzz --why fuzz >/dev/null 2>&1
curl -sS --fail-with-body "$STRIPE_API_BASE/_fake/webhook_endpoints" -H 'Content-Type: application/json' \
  -d "{\"url\": \"$base/webhooks/stripe\", \"secret\": \"$STRIPE_WEBHOOK_SECRET\"}" >/dev/null
sent='"currency": "usd", "lines": [{"sku": "TEA", "quantity": 4, "unit_amount": 500},
  {"sku": "EBOOK", "quantity": 1, "unit_amount": 900}, {"sku": "CODE", "quantity": 2, "unit_amount": 100}]'
paying=$(ask /v1/orders "{\"number\": \"fuzz-5\", $sent, \"payment\": {\"mode\": \"server\"}}" | field payment.checkout_token)
ask /pay '{"payment_method_id": "pm_card_visa"}' "$paying" >/dev/null
tries=0
until [ "$(curl -sS "$base/v1/orders/fuzz-5" -H "Authorization: Bearer $key" | field status)" = fulfilled ]; do
  tries=$((tries + 1))
  [ "$tries" -lt 150 ] || { echo "the order to be sent was not"; exit 1; }
  sleep 0.2
done
curl -sS "$base/v1/orders/fuzz-5/fulfilments" -H "Authorization: Bearer $key" >parts.json
parcel=$(field data.0.id <parts.json)
download=$(field data.1.digital.0.link <parts.json)
account=$(ask /v1/connect/accounts '{"reference": "fuzz", "country": "GB", "commission": {"basis_points": 1200}}' | field account.stripe_id)
curl -sS --fail-with-body -X POST "$STRIPE_API_BASE/_fake/accounts/$account/complete" >/dev/null

curl -sS --fail-with-body "$base/openapi.json" >openapi.json
"$python" -m openapi_spec_validator --schema 3.1 openapi.json

cat >schemathesis.toml <<END
[dictionaries.orders]
values = ["fuzz-1", "fuzz-2", "fuzz-3", "fuzz-4", "fuzz-5"]

[dictionaries.fulfilments]
values = ["$parcel", "$(field data.1.id <parts.json)"]

[dictionaries.links]
values = ["${download##*/}"]

[dictionaries.accounts]
values = ["$account"]

[parameters]
"path.name" = { dictionary = "orders", probability = 0.7 }
"path.order" = { dictionary = "orders", probability = 0.7 }
"path.id" = { dictionary = "fulfilments", probability = 0.7 }
"path.code" = { dictionary = "links", probability = 0.5 }

[[operations]]
include-path-regex = "^/v1/connect/accounts/"
parameters = { "path.name" = { dictionary = "accounts", probability = 0.7 } }

# Browsers have a token instead of a key.
[[operations]]
include-path-regex = "^/(pay|checkout/)"
headers = { Authorization = "Bearer $token" }
END

"$python" -m schemathesis.cli --config-file schemathesis.toml run "$base/openapi.json" --url "$base" \
  -H "Authorization: Bearer $key" --seed 7 --max-time "$seconds" --workers 2 \
  --phases examples,coverage,fuzzing --max-redirects 0 --request-timeout 20 --continue-on-failure --warnings off \
  --checks not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,ignored_auth
