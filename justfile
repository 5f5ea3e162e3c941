set positional-arguments

# Lists the recipes
default:
    @just --list --unsorted

# Shows orders on their way from a signed event to fulfilled; needs no Stripe account
demo *args:
    cargo run -- demo "$@"

# Runs the tests, or those whose name contains an argument
test *args:
    cargo test "$@"

# Runs what CI runs
check:
    .ci/run

# Formats the code
fmt:
    cargo fmt

# Runs clippy, with the local Stripe and, as in the production image, without it
lint:
    cargo clippy --all-targets -- -D warnings
    cargo clippy --all-targets --no-default-features -- -D warnings

# Describes every query anew in .sqlx; needs a DATABASE_URL whose user may create databases
prepare:
    #!/usr/bin/env bash
    set -euo pipefail
    : "${DATABASE_URL:?must name a Postgres database, for example the one of docker-compose.yml}"

    # The queries are checked against a scratch database made from the migrations alone: what an
    # older or a hand-changed schema would accept must not get into .sqlx.
    scratch="packline_prepare_$$"
    before_query="${DATABASE_URL%%\?*}"
    scratch_url="${before_query%/*}/$scratch${DATABASE_URL#"$before_query"}"
    run_sql=(psql --no-psqlrc --quiet --set ON_ERROR_STOP=1)
    "${run_sql[@]}" --command "create database $scratch" "$DATABASE_URL"
    trap '"${run_sql[@]}" --command "drop database $scratch with (force)" "$DATABASE_URL"' EXIT
    for migration in migrations/*.sql; do
        "${run_sql[@]}" --file "$migration" "$scratch_url"
    done

    # The sqlx macros write only where they expand, so the crate must be compiled even if nothing in
    # it changed. The old .sqlx goes only once all of the new one is there.
    rm -rf target/sqlx
    mkdir -p target/sqlx
    touch src/lib.rs
    SQLX_OFFLINE=false SQLX_OFFLINE_DIR="$PWD/target/sqlx" DATABASE_URL="$scratch_url" \
        cargo check --all-targets --all-features
    rm -rf .sqlx
    mv target/sqlx .sqlx

# Opens psql on DATABASE_URL or, without it, on the running private cluster
psql *args:
    #!/usr/bin/env bash
    set -euo pipefail
    if [[ -n "${DATABASE_URL:-}" ]]; then
        exec psql "$DATABASE_URL" "$@"
    fi

    data_dir="${PACKLINE_DATA_DIR:-.packline}"
    pid_file="$(find "$data_dir" -name postmaster.pid -print -quit 2>/dev/null || true)"
    if [[ -z "$pid_file" ]]; then
        echo "No private cluster is running under $data_dir: start packline or set DATABASE_URL." >&2
        exit 1
    fi
    # A running Postgres keeps its port, socket directory and TCP address in lines 4 to 6 of this file.
    mapfile -t postmaster < "$pid_file"
    PGPORT="${postmaster[3]}" PGHOST="${postmaster[4]:-${postmaster[5]}}" \
        PGUSER="${PGUSER:-packline}" PGDATABASE="${PGDATABASE:-packline}" exec psql "$@"
