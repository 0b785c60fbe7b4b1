//! What a reporter shows in OpenMetrics: its checks, its signals, and how its reporting goes.
//!
//! Read from the board at each scrape; nothing is counted twice, and nothing is registered globally.

use std::{fmt, sync::Arc, sync::atomic::Ordering::Relaxed};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric, text::encode},
    metrics::{counter::ConstCounter, gauge::ConstGauge},
    registry::Registry,
};
use ward_model::Status;

use crate::{board::Board, liveness::Liveness};

pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Reads the board when asked.
#[derive(Debug)]
pub(crate) struct Figures {
    pub(crate) board: Arc<Board>,
    pub(crate) liveness: Arc<Liveness>,
}

impl Figures {
    /// The text of one scrape.
    pub(crate) fn text(self) -> Result<String, fmt::Error> {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(self));
        let mut text = String::new();
        encode(&mut text, &registry)?;
        Ok(text)
    }

    fn checks(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let gauge = ConstGauge::new(0_i64);
        let help = "Debounced status of a check, one series a status";
        let mut family = encoder.encode_descriptor("ward_check_status", help, None, gauge.metric_type())?;
        for standing in self.board.standings() {
            for status in Status::ALL {
                let labels = [("check", standing.name.as_str()), ("status", status.as_str())];
                let value = ConstGauge::new(i64::from(status == standing.status));
                value.encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }

    fn signals(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let gauge = ConstGauge::new(0.0_f64);
        let help = "Value of a signal, in its own unit";
        let mut family = encoder.encode_descriptor("ward_signal_value", help, None, gauge.metric_type())?;
        for value in self.board.values() {
            let labels = [("signal", value.name.as_str())];
            ConstGauge::new(value.value).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }

    fn reporting(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let figures = &self.board.figures;
        let reconnects = figures.connections.load(Relaxed).saturating_sub(1);
        let counters = [
            (
                "ward_reporter_requests",
                "Requests sent to the aggregator",
                figures.requests.load(Relaxed),
            ),
            (
                "ward_reporter_beats",
                "Beats sent that said nothing new",
                figures.beats.load(Relaxed),
            ),
            (
                "ward_reporter_updates",
                "Updates sent",
                figures.updates.load(Relaxed),
            ),
            (
                "ward_reporter_rejections",
                "Rejections received",
                figures.rejections.load(Relaxed),
            ),
            (
                "ward_reporter_reconnects",
                "Connections to the aggregator after the first",
                reconnects,
            ),
        ];
        for (name, help, value) in counters {
            let counter = ConstCounter::new(value);
            counter.encode(encoder.encode_descriptor(name, help, None, counter.metric_type())?)?;
        }
        let resident = i64::try_from(self.liveness.resident()).unwrap_or(i64::MAX);
        let gauges = [
            (
                "ward_reporter_connected",
                "The aggregator hears this service",
                figures.connected.load(Relaxed).into(),
            ),
            (
                "ward_process_resident_bytes",
                "Memory in use, 0 where that is not known",
                resident,
            ),
        ];
        for (name, help, value) in gauges {
            let gauge = ConstGauge::new(value);
            gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
        }
        Ok(())
    }
}

impl Collector for Figures {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.checks(&mut encoder)?;
        self.signals(&mut encoder)?;
        self.reporting(&mut encoder)
    }
}
