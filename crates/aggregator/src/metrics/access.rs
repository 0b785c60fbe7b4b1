//! What is measured about who calls: what was refused, and whether certificates and tokens are up to date.

use std::sync::atomic::AtomicU64;

use prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};
use ward_access::Right;
use ward_model::Wall;

use super::Label;
use crate::access::Unproven;

/// Counted where somebody is refused; the rest written by the keeper alone.
#[derive(Clone, Debug, Default)]
pub(crate) struct AccessMetrics {
    denied: Family<Label, Counter>,
    unauthenticated: Family<Label, Counter>,
    tokens: Gauge,
    tokens_successful: Gauge,
    tls_successful: Gauge,
    certificate_expiry: Gauge<f64, AtomicU64>,
}

impl AccessMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        let help = "Calls and parts of reports refused for want of a right, by that right";
        registry.register("ward_denied", help, self.denied.clone());
        let help = "Calls refused because of their token, by reason: cleartext, unknown, expired";
        registry.register("ward_unauthenticated", help, self.unauthenticated.clone());
        let help = "Tokens in force";
        registry.register("ward_tokens", help, self.tokens.clone());
        let help = "1 if the tokens were taken when they were last read";
        let name = "ward_tokens_last_reload_successful";
        registry.register(name, help, self.tokens_successful.clone());
        let help = "1 if certificates and keys were taken when they were last read; 0 without TLS";
        registry.register(
            "ward_tls_last_reload_successful",
            help,
            self.tls_successful.clone(),
        );
        let help = "When the certificate that is shown expires, in seconds since the epoch; 0 without TLS";
        let name = "ward_tls_certificate_expiry_timestamp_seconds";
        registry.register(name, help, self.certificate_expiry.clone());
    }

    /// Somebody has not the right.
    pub(crate) fn count_denied(&self, right: Right) {
        self.denied.get_or_create(&[("right", right.as_str())]).inc();
    }

    /// Somebody could not prove who they are.
    pub(crate) fn count_unauthenticated(&self, why: Unproven) {
        let reason = match why {
            Unproven::Cleartext => "cleartext",
            Unproven::Unknown => "unknown",
            Unproven::Expired => "expired",
        };
        self.unauthenticated.get_or_create(&[("reason", reason)]).inc();
    }

    /// The tokens were read, and so many are good for something.
    pub(crate) fn tokens_are(&self, count: usize) {
        self.tokens.set(i64::try_from(count).unwrap_or(i64::MAX));
        self.tokens_successful.set(1);
    }

    #[cfg(test)]
    pub(crate) fn tokens(&self) -> i64 {
        self.tokens.get()
    }

    #[cfg(test)]
    pub(crate) fn tokens_are_well(&self) -> bool {
        self.tokens_successful.get() == 1
    }

    /// They were not; those before are in force.
    pub(crate) fn tokens_failed(&self) {
        self.tokens_successful.set(0);
    }

    /// Certificates were read, and the one that is shown is good until then.
    pub(crate) fn tls_renewed(&self, expires: Wall) {
        self.tls_successful.set(1);
        self.certificate_expiry.set(expires.0 as f64 / 1_000.0);
    }

    /// They were not; those before are in force.
    pub(crate) fn tls_failed(&self) {
        self.tls_successful.set(0);
    }
}
