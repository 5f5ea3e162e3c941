#!/usr/bin/env bash
# Fuzzes every route that /openapi.json describes, against a service of its own and the local Stripe: no answer may be a
# fault of the server, and each must be as it is described.
#
#     openapi.sh path/to/packline path/to/schemathesis [seconds]
set -euo pipefail
packline=$(realpath "$1")
schemathesis=$(realpath "$2")
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

# What the names in paths can be found by.
ask() { curl -sS --fail-with-body "$base$1" -H "Authorization: Bearer $key" -H 'Content-Type: application/json' -d "$2" >/dev/null; }
ask /v1/orders '{"number": "fuzz-1", "currency": "usd", "lines": [{"sku": "TEA", "quantity": 1, "unit_amount": 500}]}'
ask /v1/connect/accounts '{"reference": "fuzz", "country": "GB", "commission": {"basis_points": 1200}}'

"$schemathesis" run "$base/openapi.json" --url "$base" -H "Authorization: Bearer $key" --seed 7 --max-time "$seconds" --workers 2 \
  --phases examples,coverage,fuzzing --max-redirects 0 --request-timeout 20 --continue-on-failure --warnings off \
  --checks not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,ignored_auth
