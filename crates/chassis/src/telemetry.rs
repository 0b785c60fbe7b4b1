//! What a process tells of its own doings: log lines, and traces over OTLP/gRPC where somebody collects them.
//!
//! Traces are off unless `OTEL_EXPORTER_OTLP_ENDPOINT` (or that of traces) or `OTEL_TRACES_EXPORTER=otlp` asks for them: to
//! call localhost:4317 unasked, as the specification would have it, fails on most machines, and spans that nobody takes cost
//! their time. Off, a span costs a look at a flag. All of Ward's own spans are kept, and nobody else's (`logs::admitted`).
//!
//! The collector costs nothing but the traces. Spans wait in a bounded queue; what finds no room, or is not taken, is counted
//! ([`Lost`]) and said once. Sending has threads and a runtime of its own (`export`). Which `OTEL_` variables are honoured is
//! in `variables`; what is wrong with one costs the traces as well, is said, and ends nothing. Metrics are not sent: they are
//! at /metrics.

mod context;
mod export;
pub mod told;
mod variables;

pub use self::context::{Entered, TRACEPARENT, TraceContext, extract, inject, set_parent};
use self::export::Traces;
use crate::logs::{self, Dropped, Lines, Logs, LogsError};

/// Lines and spans of this process. Dropped, it sends and writes what waits, for three seconds at most: at the very end.
#[derive(Debug)]
#[must_use = "what is logged last is written when this is dropped"]
pub struct Telemetry {
    lost: Lost,
    // In this order: of what becomes of the last spans there may be a line.
    _traces: Option<Traces>,
    _logs: Logs,
}

/// Counters of what was to be told and was not. Cheap to clone; clones share the counters.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lost {
    /// Lines that one place in the code had too many of.
    pub lines: Dropped,
    /// Lines that are not in the files: no room in the queue, or on the disk.
    pub file_lines: Dropped,
    /// Spans that no collector has: no room in the queue, or nobody who took them.
    pub spans: Dropped,
}

/// Begins logging and tracing for the whole process, in a service of this name unless `OTEL_SERVICE_NAME` has another.
///
/// # Errors
///
/// The filter of the log is wrong, or this process logs already.
pub fn begin(service: &str, lines: Lines<'_>) -> Result<Telemetry, LogsError> {
    let lost = Lost::default();
    let (settings, mut warnings) = variables::read(service, |name| std::env::var(name).ok());
    let traces = settings.and_then(|settings| {
        Traces::begin(&settings, lost.spans.clone())
            .map_err(|warning| warnings.push(warning))
            .ok()
    });
    let tracer = traces.as_ref().map(Traces::tracer);
    let logs = logs::install(lines, tracer, &lost)?;
    if let Some(traces) = &traces {
        traces.publish();
    }
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    Ok(Telemetry {
        lost,
        _traces: traces,
        _logs: logs,
    })
}

impl Telemetry {
    /// The counters of what is lost.
    pub fn lost(&self) -> &Lost {
        &self.lost
    }
}

/// What a sample of a histogram is labelled with, so that the trace it is of can be looked at: `trace_id`.
///
/// A label set of prometheus-client, for `HistogramWithExemplars`.
pub type Exemplar = [(&'static str, String); 1];

/// The exemplar of what is measured now; `None` where no trace is kept that somebody could look at.
pub fn exemplar() -> Option<Exemplar> {
    let context = TraceContext::current().filter(|context| context.is_sampled())?;
    Some([("trace_id", context.trace_id_hex())])
}
