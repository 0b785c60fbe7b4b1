//! The variables of OpenTelemetry: <https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/>.
//!
//! Read here: `OTEL_SDK_DISABLED`, `OTEL_TRACES_EXPORTER` (`otlp` or `none`), whether there is an `OTEL_EXPORTER_OTLP_ENDPOINT`
//! and what it is reached by, `_PROTOCOL` (`grpc` alone), `_CERTIFICATE`, `_CLIENT_CERTIFICATE` and `_CLIENT_KEY`, all also as
//! `OTEL_EXPORTER_OTLP_TRACES_...`; `OTEL_SERVICE_NAME`, `OTEL_BSP_MAX_QUEUE_SIZE`, `OTEL_BSP_SCHEDULE_DELAY`,
//! `OTEL_BSP_EXPORT_TIMEOUT`; and whether `OTEL_TRACES_SAMPLER` and its `_ARG` make sense.
//!
//! Read by the crates of OpenTelemetry: the endpoint itself, `OTEL_EXPORTER_OTLP_INSECURE`, `_HEADERS`, `_TIMEOUT`,
//! `_COMPRESSION` (`gzip` or `none`), also for traces alone; `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_TRACES_SAMPLER` and `_ARG`,
//! `OTEL_BSP_MAX_EXPORT_BATCH_SIZE`, `OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT`, `_EVENT_COUNT_LIMIT` and `_LINK_COUNT_LIMIT`.
//!
//! Not honoured: `OTEL_PROPAGATORS` (W3C Trace Context it is), `OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT`, what is about metrics and
//! logs. No value is ever shown: headers are secret, and an address may hold a password.

use std::{path::PathBuf, time::Duration};

use http::Uri;

/// How traces are sent.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Settings {
    pub(super) service: String,
    /// Most spans that wait.
    pub(super) queue: usize,
    /// How long spans wait for more of them.
    pub(super) delay: Duration,
    /// How long a batch may take, all attempts together.
    pub(super) limit: Duration,
    /// The collector is reached by TLS.
    pub(super) is_tls: bool,
    /// Believed instead of what the system believes, in PEM.
    pub(super) ca: Option<PathBuf>,
    /// Who we are to the collector, in PEM: certificate and key.
    pub(super) identity: Option<(PathBuf, PathBuf)>,
}

/// What the specification says unless told.
const QUEUE: usize = 2_048;
const DELAY: Duration = Duration::from_secs(5);
const LIMIT: Duration = Duration::from_secs(30);
/// At a kilobyte or so a span, 64 MB.
const MOST_QUEUED: usize = 65_536;
/// Less would be a loop that does little else.
const LEAST_DELAY: Duration = Duration::from_millis(100);

/// What `variable` says about `service`: how traces are sent, if they are, and what is wrong, for people.
pub(super) fn read(
    service: &str,
    variable: impl Fn(&str) -> Option<String>,
) -> (Option<Settings>, Vec<String>) {
    let mut reading = Reading {
        variable,
        warnings: Vec::new(),
    };
    let settings = reading.is_on().then(|| reading.settings(service));
    (settings, reading.warnings)
}

struct Reading<F> {
    variable: F,
    warnings: Vec<String>,
}

impl<F: Fn(&str) -> Option<String>> Reading<F> {
    /// An empty variable is as one that is not set.
    fn get(&self, name: &str) -> Option<String> {
        (self.variable)(name)
            .map(|value| value.trim().to_owned())
            .filter(|value| !value.is_empty())
    }

    /// That of traces before that of all signals; with the name of the one that is set.
    fn otlp(&self, what: &str) -> Option<(String, String)> {
        ["OTEL_EXPORTER_OTLP_TRACES_", "OTEL_EXPORTER_OTLP_"]
            .map(|prefix| format!("{prefix}{what}"))
            .into_iter()
            .find_map(|name| self.get(&name).map(|value| (name, value)))
    }

    fn warn(&mut self, name: &str, expected: &str) {
        self.warnings
            .push(format!("{name} is of no use: expected {expected}"));
    }

    fn is_on(&mut self) -> bool {
        if self
            .get("OTEL_SDK_DISABLED")
            .is_some_and(|value| value.eq_ignore_ascii_case("true"))
        {
            return false;
        }
        let endpoint = self.otlp("ENDPOINT");
        let wanted = match self.get("OTEL_TRACES_EXPORTER") {
            None => endpoint.is_some(),
            Some(named) if named.split(',').any(|name| name.trim() == "otlp") => true,
            Some(named) => {
                if named != "none" {
                    self.warn("OTEL_TRACES_EXPORTER", "`otlp` or `none`; no traces are sent");
                }
                false
            }
        };
        wanted && self.can_reach(endpoint) && self.speaks_grpc()
    }

    fn can_reach(&mut self, endpoint: Option<(String, String)>) -> bool {
        let Some((name, address)) = endpoint else {
            return true;
        };
        let usable = address.parse::<Uri>().is_ok_and(|uri| uri.host().is_some());
        if !usable {
            self.warn(
                &name,
                "an address such as `http://127.0.0.1:4317`; no traces are sent",
            );
        }
        usable
    }

    fn speaks_grpc(&mut self) -> bool {
        match self.otlp("PROTOCOL") {
            Some((name, protocol)) if protocol != "grpc" => {
                self.warn(
                    &name,
                    "`grpc`, which is all that Ward sends traces by; none are sent",
                );
                false
            }
            _ => true,
        }
    }

    fn settings(&mut self, service: &str) -> Settings {
        self.judge_sampler();
        self.judge_compression();
        Settings {
            service: self.service(service),
            queue: self.number("OTEL_BSP_MAX_QUEUE_SIZE").map_or(QUEUE, |most| {
                usize::try_from(most).map_or(MOST_QUEUED, |most| most.clamp(1, MOST_QUEUED))
            }),
            delay: self.millis("OTEL_BSP_SCHEDULE_DELAY", DELAY).max(LEAST_DELAY),
            limit: self.limit(),
            is_tls: self.is_tls(),
            ca: self.otlp("CERTIFICATE").map(|(_, path)| path.into()),
            identity: self.identity(),
        }
    }

    /// The crate would have that of the attributes win; the specification does not.
    fn service(&self, service: &str) -> String {
        let named = |attributes: String| {
            attributes
                .split(',')
                .filter_map(|pair| pair.split_once('='))
                .find(|(key, value)| key.trim() == "service.name" && !value.trim().is_empty())
                .map(|(_, value)| value.trim().to_owned())
        };
        self.get("OTEL_SERVICE_NAME")
            .or_else(|| self.get("OTEL_RESOURCE_ATTRIBUTES").and_then(named))
            .unwrap_or_else(|| service.to_owned())
    }

    fn identity(&mut self) -> Option<(PathBuf, PathBuf)> {
        match (self.otlp("CLIENT_CERTIFICATE"), self.otlp("CLIENT_KEY")) {
            (Some((_, cert)), Some((_, key))) => Some((cert.into(), key.into())),
            (None, None) => None,
            (Some((name, _)), None) | (None, Some((name, _))) => {
                self.warn(&name, "a certificate and its key, both or neither");
                None
            }
        }
    }

    /// As the crate has it: an address without a scheme is one of TLS, unless told.
    fn is_tls(&self) -> bool {
        let address = self
            .otlp("ENDPOINT")
            .and_then(|(_, address)| address.parse().ok());
        address.is_some_and(|address: Uri| match address.scheme_str() {
            Some(scheme) => scheme == "https",
            None => !self
                .otlp("INSECURE")
                .is_some_and(|(_, value)| value.eq_ignore_ascii_case("true")),
        })
    }

    /// In no time at all nothing is sent, and nobody means that.
    fn limit(&mut self) -> Duration {
        const NAME: &str = "OTEL_BSP_EXPORT_TIMEOUT";
        let limit = self.millis(NAME, LIMIT);
        if limit.is_zero() {
            self.warn(NAME, "milliseconds, more than 0; it is 30000");
            return LIMIT;
        }
        limit
    }

    fn millis(&mut self, name: &str, unless_told: Duration) -> Duration {
        self.number(name).map_or(unless_told, Duration::from_millis)
    }

    fn number(&mut self, name: &str) -> Option<u64> {
        let number = self.get(name)?.parse().ok();
        if number.is_none() {
            self.warn(name, "a whole number");
        }
        number
    }

    fn judge_compression(&mut self) {
        let known = ["gzip", "none"];
        if let Some((name, _)) = self
            .otlp("COMPRESSION")
            .filter(|(_, named)| !known.contains(&named.as_str()))
        {
            self.warn(&name, "`gzip` or `none`; nothing is compressed");
        }
    }

    /// The crate keeps every trace where it does not understand.
    fn judge_sampler(&mut self) {
        const PLAIN: [&str; 4] = [
            "always_on",
            "always_off",
            "parentbased_always_on",
            "parentbased_always_off",
        ];
        let Some(sampler) = self.get("OTEL_TRACES_SAMPLER") else {
            return;
        };
        let ratio = sampler.strip_prefix("parentbased_").unwrap_or(&sampler) == "traceidratio";
        let is_share = |share: String| {
            share
                .parse::<f64>()
                .is_ok_and(|share| (0.0..=1.0).contains(&share))
        };
        if ratio && !self.get("OTEL_TRACES_SAMPLER_ARG").is_some_and(is_share) {
            self.warn(
                "OTEL_TRACES_SAMPLER_ARG",
                "the share of traces to keep, 0.0 to 1.0; all are kept",
            );
        }
        if !ratio && !PLAIN.contains(&sampler.as_str()) {
            self.warn(
                "OTEL_TRACES_SAMPLER",
                "`always_on`, `always_off` or `traceidratio`, each also behind `parentbased_`; all are kept",
            );
        }
    }
}

#[cfg(test)]
mod tests;
