# Ward's one program, `ward`, for the aggregator and for everything else it does.
#
#   docker build --tag ward .
#   docker run --rm ward check --help
#
# Crates are fetched and compiled into caches that outlive the build: one that was interrupted goes on, and a change compiles
# what it changed. A layer of dependencies, made of the manifests with empty sources, was not taken: it compiles all of them anew
# whenever one changes. PROFILE is a profile of Cargo.toml; `dev` takes half the time to build.

FROM rust:1.95-bookworm AS build
ARG PROFILE=release
WORKDIR /src
COPY . .
RUN --mount=type=cache,id=ward-crates,target=/usr/local/cargo/registry \
    --mount=type=cache,id=ward-target,target=/src/target,sharing=locked \
    cargo build --locked --profile "$PROFILE" --package ward \
    && strip -o /ward "target/$(echo "$PROFILE" | sed 's/^dev$/debug/')/ward"

FROM debian:bookworm-slim
# Whom to trust where Ward is told of an https address: nothing else is added to the distribution's base.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
# The owner of what is kept. A new volume takes over from here whose it is.
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin ward \
    && install --directory --owner=ward --group=ward --mode=0700 /var/lib/ward \
    && install --directory --owner=ward --group=ward --mode=0755 /identity
COPY --from=build /ward /usr/local/bin/ward
USER 10001:10001
# No VOLUME: whatever else is run from this image would have one as well.
ENV WARD_DATA_DIR=/var/lib/ward
EXPOSE 7700 7780
ENTRYPOINT ["ward"]
CMD ["aggregator"]
