//! Metrics that are made from figures at the moment somebody asks.
//!
//! Names of services are the only labels from outside, and they are checked names. Past [`SERVICES_SHOWN`] the rest is
//! shown as one, with the worst status among them: a monitoring system that dies of too many series helps nobody.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeGaugeValue},
    metrics::MetricType,
};
use ward_chassis::{listener::ListenerCounts, telemetry::Lost};
use ward_engine::Figures;
use ward_model::{Freshness, Status};

/// Services with series of their own.
pub(super) const SERVICES_SHOWN: usize = 10_000;
/// Stands for all services past the cap. No service can be called that.
const OVERFLOW: &str = "__overflow__";

pub(super) type Labels<'a, const N: usize> = [(&'a str, &'a str); N];

/// Writes one metric family: a value for each set of labels.
pub(super) struct Family<'a, 'e> {
    pub(super) encoder: &'a mut DescriptorEncoder<'e>,
}

impl Family<'_, '_> {
    pub(super) fn gauges<'l, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (Labels<'l, N>, impl EncodeGaugeValue)>,
    ) -> fmt::Result {
        let mut metric = self
            .encoder
            .encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (labels, value) in values {
            metric.encode_family(&labels)?.encode_gauge(&value)?;
        }
        Ok(())
    }

    pub(super) fn counters<'l, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (Labels<'l, N>, u64)>,
    ) -> fmt::Result {
        let mut metric = self
            .encoder
            .encode_descriptor(name, help, None, MetricType::Counter)?;
        for (labels, value) in values {
            metric
                .encode_family(&labels)?
                .encode_counter::<NoLabels, _, f64>(&value, None)?;
        }
        Ok(())
    }

    pub(super) fn gauge(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        self.encoder
            .encode_descriptor(name, help, None, MetricType::Gauge)?
            .encode_gauge(&value)
    }

    pub(super) fn gauge_f64(&mut self, name: &str, help: &str, value: f64) -> fmt::Result {
        self.encoder
            .encode_descriptor(name, help, None, MetricType::Gauge)?
            .encode_gauge(&value)
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        let mut metric = self
            .encoder
            .encode_descriptor(name, help, None, MetricType::Counter)?;
        metric.encode_counter::<NoLabels, _, f64>(&value, None)
    }

    pub(super) fn counter_f64(&mut self, name: &str, help: &str, value: f64) -> fmt::Result {
        let mut metric = self
            .encoder
            .encode_descriptor(name, help, None, MetricType::Counter)?;
        metric.encode_counter::<NoLabels, _, f64>(&value, None)
    }
}

/// The labels of an exemplar, of which there are none.
type NoLabels = [(&'static str, &'static str); 0];

/// What this process knows of itself.
#[derive(Debug)]
pub(super) struct Own {
    pub(super) beats: u64,
    pub(super) queued: usize,
    pub(super) watchers: [(&'static str, usize); 2],
    pub(super) coalesced: u64,
    pub(super) lost: Lost,
    pub(super) listeners: [(&'static str, ListenerCounts); 2],
}

impl Collector for Own {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut family = Family {
            encoder: &mut encoder,
        };
        family.counter("ward_beats", "Beats taken in", self.beats)?;
        let help = "Reports, questions and commands that wait for the engine";
        family.gauge("ward_engine_queued", help, self.queued as u64)?;
        let watchers = self
            .watchers
            .map(|(transport, count)| ([("transport", transport)], count as u64));
        family.gauges("ward_watchers", "Watchers now", watchers)?;
        let help = "Revisions that watchers were not told apart, because they were behind";
        family.counter("ward_coalesced_changes", help, self.coalesced)?;
        let help = "Log lines not written, because one place in the code had too much to say";
        family.counter("ward_log_lines_dropped", help, self.lost.lines.count())?;
        let help = "Log lines not in the log files, because the disk was slow, full or gone";
        family.counter("ward_log_file_lines_dropped", help, self.lost.file_lines.count())?;
        let help = "Spans of traces that no collector has, because there were too many or nobody took them";
        family.counter("ward_spans_dropped", help, self.lost.spans.count())?;
        let connections = self
            .listeners
            .iter()
            .map(|(name, counts)| ([("listener", *name)], counts.active));
        family.gauges("ward_connections", "Connections open now", connections)?;
        let refused = self.listeners.iter().flat_map(|(name, counts)| {
            let refused = |reason, count| ([("listener", *name), ("reason", reason)], count);
            [
                refused("connections", counts.refused_connections),
                refused("address", counts.refused_address),
                refused("descriptors", counts.accept_errors),
                refused("handshake", counts.handshake_timeouts),
                refused("handshakes", counts.refused_handshakes),
                refused("tls", counts.failed_handshakes),
                refused("stranger", counts.strangers),
            ]
        });
        family.counters("ward_connections_refused", "Connections not served", refused)?;
        let failed = self
            .listeners
            .iter()
            .map(|(name, counts)| ([("listener", *name)], counts.failed));
        family.counters(
            "ward_connections_failed",
            "Connections that ended in an error",
            failed,
        )?;
        let lost = self
            .listeners
            .iter()
            .map(|(name, counts)| ([("listener", *name)], counts.lost_identities));
        let help = "Connections told to go because their certificate is believed no more";
        family.counters("ward_identities_lost", help, lost)?;
        let build = [([("version", env!("CARGO_PKG_VERSION"))], 1)];
        family.gauges("ward_build_info", "The running version", build)
    }
}

/// What the engine knows of the system.
#[derive(Debug)]
pub(super) struct System {
    figures: Figures,
    overflow: Option<Status>,
    dropped: u64,
}

impl System {
    /// `beyond` sets of labels are not shown elsewhere.
    pub(super) fn new(mut figures: Figures, beyond: usize, dropped_series: &Arc<AtomicU64>) -> Self {
        let rest = figures
            .services
            .split_off(SERVICES_SHOWN.min(figures.services.len()));
        let overflow = rest.iter().map(|(_, status)| *status).max();
        let more = (rest.len() + beyond) as u64;
        let dropped = dropped_series.fetch_add(more, Relaxed) + more;
        Self {
            figures,
            overflow,
            dropped,
        }
    }

    fn statuses(&self) -> impl Iterator<Item = (Labels<'_, 2>, u64)> {
        let shown = self
            .figures
            .services
            .iter()
            .map(|(name, status)| (name.as_str(), *status));
        let all = shown.chain(self.overflow.map(|status| (OVERFLOW, status)));
        all.flat_map(|(name, is)| {
            Status::ALL.map(|status| {
                (
                    [("service", name), ("status", status.as_str())],
                    u64::from(status == is),
                )
            })
        })
    }
}

impl Collector for System {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut family = Family {
            encoder: &mut encoder,
        };
        let figures = &self.figures;
        family.gauges(
            "ward_service_status",
            "1 for the status a service is in",
            self.statuses(),
        )?;
        let system =
            Status::ALL.map(|status| ([("status", status.as_str())], u64::from(status == figures.system)));
        family.gauges("ward_system_status", "1 for the status the system is in", system)?;
        let help = "Services shown as one and details not shown, because of caps, over all scrapes";
        family.counter("ward_series_dropped", help, self.dropped)?;
        let freshness = [
            Freshness::Fresh,
            Freshness::Suspect,
            Freshness::Lost,
            Freshness::Exited,
        ];
        let instances = freshness
            .iter()
            .map(|freshness| [("freshness", freshness.as_str())])
            .zip(figures.instances);
        family.gauges("ward_instances", "Instances now", instances)?;
        let levels = ["system", "service", "instance"].map(|level| [("level", level)]);
        let help = "Changes of status";
        family.counters(
            "ward_transitions",
            help,
            levels.into_iter().zip(figures.transitions),
        )?;
        family.counter(
            "ward_convictions",
            "Instances made lost because of silence",
            figures.convictions,
        )?;
        family.counter(
            "ward_late_ticks",
            "Ticks that came late by more than four periods",
            figures.late_ticks,
        )?;
        let help = "Declarations that disagreed with those in force";
        family.counter("ward_disagreements", help, figures.disagreements)?;
        let observer = figures.observer;
        family.gauge(
            "ward_observer_score",
            "How far the observer doubts itself, 0 to 7",
            observer.score.into(),
        )?;
        let help = "1 while most instances are missing at once";
        family.gauge("ward_observer_degraded_view", help, observer.degraded_view.into())?;
        family.gauge(
            "ward_observer_blind",
            "1 while all instances are missing at once",
            observer.blind.into(),
        )?;
        family.gauge(
            "ward_observer_settling",
            "1 while reporters are coming back",
            observer.settling.into(),
        )
    }
}
