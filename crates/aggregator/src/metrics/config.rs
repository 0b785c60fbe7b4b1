//! What is measured about the configuration: whether and when it was last read well, and which one is in force. Names as
//! Prometheus and Alertmanager have them for themselves.

use std::sync::atomic::AtomicU64;

use prometheus_client::{
    metrics::{family::Family, gauge::Gauge},
    registry::Registry,
};
use ward_model::Wall;

/// Cheap to read, written by reloads alone.
#[derive(Clone, Debug, Default)]
pub(crate) struct ConfigMetrics {
    successful: Gauge,
    success_timestamp: Gauge<f64, AtomicU64>,
    /// One series at a time.
    info: Family<[(&'static str, String); 1], Gauge>,
}

impl ConfigMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        let help = "1 if the configuration was taken when it was last read";
        registry.register(
            "ward_config_last_reload_successful",
            help,
            self.successful.clone(),
        );
        let help = "When the configuration was last read and taken, in seconds since the epoch";
        let name = "ward_config_last_reload_success_timestamp_seconds";
        registry.register(name, help, self.success_timestamp.clone());
        let help = "The SHA-256 of the configuration in force";
        registry.register("ward_config_info", help, self.info.clone());
    }

    /// It was read and taken.
    pub(crate) fn succeeded(&self, at: Wall, hash: &str) {
        self.successful.set(1);
        self.success_timestamp.set(at.0 as f64 / 1_000.0);
        self.info.clear();
        self.info.get_or_create(&[("hash", hash.to_owned())]).set(1);
    }

    /// It was not; the one before is in force.
    pub(crate) fn failed(&self) {
        self.successful.set(0);
    }
}
