FROM rust:1.95-slim-bookworm AS builder
WORKDIR /build
COPY . .
# The queries are checked against the committed .sqlx, so that the build needs no database.
ENV SQLX_OFFLINE=true
# Without the default features: the local Stripe, and the demo that runs on it, are not for production.
# The cached target directory outlives the sources, and cargo does not notice a new migration or
# query description by itself: touching the crate roots makes it compile this crate every time.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/build/target \
    touch src/*.rs \
    && cargo build --release --locked --no-default-features \
    && cp target/release/packline /usr/local/bin/packline

FROM debian:bookworm-slim
# The certificates are what Packline trusts when it calls Stripe, the provider and a remote Postgres.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 packline \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin packline
COPY --from=builder /usr/local/bin/packline /usr/local/bin/packline
# A number rather than a name lets an orchestrator prove that this is not root.
USER 10001:10001
# Inside a container, loopback cannot be reached from outside it.
ENV PACKLINE_LISTEN=0.0.0.0:8080
EXPOSE 8080
STOPSIGNAL SIGTERM
ENTRYPOINT ["packline"]
CMD ["serve"]
