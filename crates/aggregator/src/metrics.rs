//! What Ward measures about itself and shows of the system, in OpenMetrics.
//!
//! Counters that edges bump live here; everything the engine knows is collected from its figures when somebody asks, so
//! that a series ends with its service and no decision is made slower by being measured. A process-wide recorder was
//! not taken: two aggregators in one process must not share counters.
//!
//! It names every metric there is. Labels are only what is registered here: bounded words, and names of accepted
//! services up to a cap.

mod access;
mod alerts;
mod collect;
mod config;
mod memory;
mod process;
mod services;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use prometheus_client::{
    encoding::text::{encode_eof, encode_registry},
    metrics::{
        counter::Counter, exemplar::HistogramWithExemplars, family::Family, gauge::Gauge,
        histogram::Histogram,
    },
    registry::Registry,
};
use ward_chassis::{listener::ListenerStats, telemetry::Lost};

use crate::{
    decider::Timings,
    hub::{Encoding, Hub},
    memory::Part,
};

pub(crate) use access::AccessMetrics;
pub(crate) use alerts::Alerts;
pub(crate) use config::ConfigMetrics;
pub(crate) use services::{Decided, ask};

/// The media type of [`Metrics::encode`].
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// From 5 µs (an event that changes little) doubling to 80 ms (a roll-up of everything).
const ROLLUP_BUCKETS: [f64; 15] = [
    0.000_005, 0.000_01, 0.000_02, 0.000_04, 0.000_08, 0.000_16, 0.000_32, 0.000_64, 0.001_28, 0.002_56,
    0.005_12, 0.010_24, 0.020_48, 0.040_96, 0.081_92,
];
/// From 20 µs doubling to 330 ms: what a watcher notices.
const REPORT_TO_WATCH_BUCKETS: [f64; 15] = [
    0.000_02, 0.000_04, 0.000_08, 0.000_16, 0.000_32, 0.000_64, 0.001_28, 0.002_56, 0.005_12, 0.010_24,
    0.020_48, 0.040_96, 0.081_92, 0.163_84, 0.327_68,
];

/// One label with a value out of a bounded set.
pub(crate) type Label = [(&'static str, &'static str); 1];
/// Two of them.
pub(crate) type Labels = [(&'static str, &'static str); 2];

/// The counters that edges bump, and where the rest is collected from.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    reports: Family<Label, Counter>,
    rejections: Family<Label, Counter>,
    requests: Family<Labels, Counter>,
    refused: Family<Label, Counter>,
    bounds: Family<Label, Counter>,
    /// Bumped once for each message that carries beats, whatever their number.
    pub(crate) beats: Arc<AtomicU64>,
    /// Report streams open now.
    pub(crate) report_streams: Gauge,
    /// Watchers ended because they took nothing.
    pub(crate) stalled_watchers: Counter,
    pub(crate) timings: Timings,
    dropped_series: Arc<AtomicU64>,
    pub(crate) config: ConfigMetrics,
    pub(crate) access: AccessMetrics,
    lost: Lost,
    /// Seconds of judging all rules that there is reason to.
    judging: Histogram,
}

/// The live counters of both listeners.
#[derive(Clone, Debug)]
pub(crate) struct Listeners {
    pub(crate) grpc: Arc<ListenerStats>,
    pub(crate) http: Arc<ListenerStats>,
}

impl Metrics {
    /// With all counters at zero, but what is counted elsewhere.
    pub(crate) fn new(lost: Lost) -> Self {
        let timings = Timings {
            rollup: HistogramWithExemplars::new(ROLLUP_BUCKETS.into_iter()),
            report_to_watch: HistogramWithExemplars::new(REPORT_TO_WATCH_BUCKETS.into_iter()),
        };
        let mut metrics = Self {
            registry: Registry::default(),
            reports: Family::default(),
            rejections: Family::default(),
            requests: Family::default(),
            refused: Family::default(),
            bounds: Family::default(),
            beats: Arc::default(),
            report_streams: Gauge::default(),
            stalled_watchers: Counter::default(),
            timings,
            dropped_series: Arc::default(),
            config: ConfigMetrics::default(),
            access: AccessMetrics::default(),
            lost,
            judging: Histogram::new(ROLLUP_BUCKETS),
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        let registry = &mut self.registry;
        self.config.register(registry);
        self.access.register(registry);
        registry.register(
            "ward_reports",
            "Parts of reports taken in, by kind, beats aside",
            self.reports.clone(),
        );
        registry.register(
            "ward_rejections",
            "Parts of reports not taken, by code",
            self.rejections.clone(),
        );
        registry.register(
            "ward_requests",
            "Calls answered, by method and code",
            self.requests.clone(),
        );
        registry.register(
            "ward_http_refused",
            "HTTP requests refused without being looked at, by reason: rate, busy, origin, host, time",
            self.refused.clone(),
        );
        registry.register(
            "ward_refused",
            "What was asked of this side beyond a bound, by bound: watchers, recordings, streams, instances, hellos, updates, \
             reports, commands, questions, answers of one client; all_watchers, all_recordings, services, instances, \
             instances_of_service there may be; overload of the engine",
            self.bounds.clone(),
        );
        registry.register(
            "ward_report_streams",
            "Report streams open now",
            self.report_streams.clone(),
        );
        let help = "Watchers ended because they were behind and read nothing";
        registry.register("ward_stalled_watchers", help, self.stalled_watchers.clone());
        let help = "Seconds to apply one event, roll-up included";
        registry.register("ward_rollup_seconds", help, self.timings.rollup.clone());
        let help = "Seconds to judge the rules of alerts, once a second";
        registry.register("ward_alert_judging_seconds", help, self.judging.clone());
        let help = "Seconds from taking a report in to publishing what it changed";
        registry.register(
            "ward_report_to_watch_seconds",
            help,
            self.timings.report_to_watch.clone(),
        );
    }

    /// Rules were judged.
    pub(crate) fn judged(&self, took: Duration) {
        self.judging.observe(took.as_secs_f64());
    }

    /// One part of a report was taken in.
    pub(crate) fn count_report(&self, kind: &'static str) {
        self.reports.get_or_create(&[("kind", kind)]).inc();
    }

    /// So many parts of reports were not taken.
    pub(crate) fn count_rejections(&self, code: &'static str, count: u64) {
        self.rejections.get_or_create(&[("code", code)]).inc_by(count);
    }

    /// One HTTP request was refused by a guard.
    pub(crate) fn count_refused(&self, reason: &'static str) {
        self.refused.get_or_create(&[("reason", reason)]).inc();
    }

    /// One thing was not done because a bound of its client, or of all, is reached.
    pub(crate) fn count_bound(&self, bound: &'static str) {
        self.bounds.get_or_create(&[("bound", bound)]).inc();
    }

    /// One call was answered.
    pub(crate) fn count_request(&self, method: &'static str, code: tonic::Code) {
        self.requests
            .get_or_create(&[("method", method), ("code", code_name(code))])
            .inc();
    }

    /// Everything, as text. Without figures (the engine does not answer) it is what is known without them.
    pub(crate) fn encode(
        &self,
        decided: Decided,
        hub: &Hub,
        listeners: &Listeners,
        parts: [Part; 2],
        alerts: Alerts,
    ) -> Result<String, fmt::Error> {
        let mut text = String::with_capacity(16 << 10);
        encode_registry(&mut text, &self.registry)?;
        let mut collected = Registry::default();
        collected.register_collector(Box::new(collect::Own {
            beats: self.beats.load(Relaxed),
            queued: decided.queued,
            watchers: [
                ("grpc", hub.watching(Encoding::Protobuf)),
                ("sse", hub.watching(Encoding::Json)),
            ],
            coalesced: hub.coalesced(),
            lost: self.lost.clone(),
            listeners: [
                ("grpc", listeners.grpc.snapshot()),
                ("http", listeners.http.snapshot()),
            ],
        }));
        let head = hub.audit();
        collected.register_collector(Box::new(memory::Memory { parts, head }));
        collected.register_collector(Box::new(alerts));
        collected.register_collector(Box::new(process::Process));
        if let Some(figures) = decided.figures {
            let beyond = services::beyond(&decided.details);
            let system = collect::System::new(figures, beyond, &self.dropped_series);
            collected.register_collector(Box::new(system));
            collected.register_collector(Box::new(services::Services(decided.details)));
        }
        encode_registry(&mut text, &collected)?;
        encode_eof(&mut text)?;
        Ok(text)
    }
}

fn code_name(code: tonic::Code) -> &'static str {
    use tonic::Code;
    match code {
        Code::Ok => "ok",
        Code::InvalidArgument => "invalid_argument",
        Code::Unauthenticated => "unauthenticated",
        Code::PermissionDenied => "permission_denied",
        Code::NotFound => "not_found",
        Code::AlreadyExists => "already_exists",
        Code::FailedPrecondition => "failed_precondition",
        Code::ResourceExhausted => "resource_exhausted",
        Code::Unavailable => "unavailable",
        Code::Internal => "internal",
        _ => "other",
    }
}

#[cfg(test)]
mod tests;
