# syntax=docker/dockerfile:1
# One image for all roles: `docker run logicore` serves everything, `docker run logicore gateway` the gateway alone.

FROM rust:1.95-slim-bookworm AS build
WORKDIR /src
COPY . .
# The caches stay with the builder: a second build compiles what changed.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --locked --release --package logicore-cli \
    && install -D target/release/logicore /out/usr/local/bin/logicore \
    && install -D LICENSE /out/usr/share/doc/logicore/LICENSE \
    && install -d -m 0700 -o 10001 -g 10001 /out/var/lib/logicore

FROM debian:bookworm-slim
COPY --from=build /out/ /
# A number, so that Kubernetes can see that it is not root. It needs no name: nothing looks it up.
USER 10001:10001
ENV LOGICORE_LISTEN=0.0.0.0:8080 \
    LOGICORE_DATA_DIR=/var/lib/logicore \
    LOGICORE_LOG_FORMAT=json
VOLUME /var/lib/logicore
EXPOSE 8080
ENTRYPOINT ["/usr/local/bin/logicore"]
CMD ["all"]
