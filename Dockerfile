# Ward's one program, `ward`, for the aggregator and for everything else it does.
#
#   docker build --tag ward .
#   docker run --rm ward check --help
#
# In layers, so that a change of a source compiles Ward and not what it depends on, also where the cache of layers is all that
# builds share. PROFILE is a profile of Cargo.toml.

# The manifests, with sources that say nothing: the same until a manifest changes, whatever the sources do.
# (checks.rs is a test of the sdk that its manifest names.)
FROM rust:1.95-bookworm AS manifests
WORKDIR /src
COPY . .
RUN find . -type f -not -name 'Cargo.*' -not -name lib.rs -not -name main.rs -not -name build.rs -not -name checks.rs -delete \
    && find . -type d -empty -delete \
    && for source in $(find crates -name '*.rs'); do echo 'fn main() {}' >"$source"; done

FROM rust:1.95-bookworm AS build
WORKDIR /src
ARG PROFILE=release
COPY --from=manifests /src .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    cargo build --locked --profile "$PROFILE" --package ward
COPY . .
# The files of the context are older than what was made of those that say nothing.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    find crates -name '*.rs' -exec touch {} + \
    && cargo build --locked --profile "$PROFILE" --package ward \
    && strip -o /ward "target/$(echo "$PROFILE" | sed 's/^dev$/debug/')/ward"

FROM debian:bookworm-slim
# Whom to trust where Ward is told of an https address: nothing else of a distribution is needed.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
# The owner of what is kept; a named volume takes that over from here. 10001 is nobody on the host.
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin ward \
    && install --directory --owner=ward --group=ward --mode=0700 /var/lib/ward \
    && install --directory --owner=ward --group=ward --mode=0755 /identity
COPY --from=build /ward /usr/local/bin/ward
USER 10001:10001
ENV WARD_DATA_DIR=/var/lib/ward
VOLUME /var/lib/ward
EXPOSE 7700 7780
ENTRYPOINT ["ward"]
CMD ["aggregator"]
