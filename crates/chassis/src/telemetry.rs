//! What a process tells about its own doings: traces, and in which trace a line was logged.

mod context;

pub use self::context::{TRACEPARENT, TraceContext, extract, inject, set_parent};

/// What a sample of a histogram is labelled with, so that the trace it is of can be looked at: `trace_id`.
///
/// A label set of prometheus-client, for `HistogramWithExemplars`.
pub type Exemplar = [(&'static str, String); 1];

/// The exemplar of what is measured now; `None` where no trace is kept that somebody could look at.
pub fn exemplar() -> Option<Exemplar> {
    let context = TraceContext::current().filter(|context| context.is_sampled())?;
    Some([("trace_id", context.trace_id_hex())])
}
