//! Spans that are told by hand: of what goes on over threads and queues, or is known to be worth a span only when it is over.
//!
//! A verdict is made in microseconds, and most of what is decided changes nothing. So nothing is begun before: who sees
//! that something did change tells of it behind that, with when it began. Spans of `tracing` begin when they are made and
//! belong to the thread that they are entered on; they are for what is a call.
//!
//! While nobody wants spans, each of these costs one relaxed load. They go where those of `tracing` go, to the process's
//! tracer provider, and have the bounds that its exporter has: who tells never waits.

use std::{
    fmt::Display,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::Duration,
};

use opentelemetry::{
    Context, KeyValue, global,
    global::BoxedSpan,
    time,
    trace::{Span, SpanBuilder, Status, TraceContextExt, Tracer},
};

use super::{TraceContext, export::SCOPE};

static ON: AtomicBool = AtomicBool::new(false);

/// A span that goes on. It ends when it is dropped.
#[derive(Debug)]
pub struct Telling(BoxedSpan, TraceContext);

/// Somebody wants spans.
#[inline]
pub fn is_on() -> bool {
    ON.load(Relaxed)
}

/// From here on spans are told, to the tracer provider of the process ([`global::set_tracer_provider`]), whoever set it.
pub fn turn_on() {
    ON.store(true, Relaxed);
}

/// A span that began `ago`, a child of `parent` or a trace of its own. `None`, and nothing done, where nobody wants it.
pub fn tell(
    name: &'static str,
    parent: Option<TraceContext>,
    ago: Duration,
    attributes: &[(&'static str, &dyn Display)],
) -> Option<Telling> {
    is_on().then(|| begin(name, parent, ago, attributes))?
}

#[cold]
fn begin(
    name: &'static str,
    parent: Option<TraceContext>,
    ago: Duration,
    attributes: &[(&'static str, &dyn Display)],
) -> Option<Telling> {
    let now = time::now();
    let attributes = attributes
        .iter()
        .map(|(key, value)| KeyValue::new(*key, value.to_string()));
    let builder = SpanBuilder::from_name(name)
        .with_start_time(now.checked_sub(ago).unwrap_or(now))
        .with_attributes(attributes);
    // Whatever this thread is in the middle of is no parent.
    let parent = parent.map_or_else(Context::new, |parent| {
        Context::new().with_remote_span_context(parent.as_remote())
    });
    let span = global::tracer(SCOPE).build_with_context(builder, &parent);
    // A provider that was shut down makes spans that are none.
    let context = TraceContext::of(span.span_context())?;
    Some(Telling(span, context))
}

impl Telling {
    /// For its children.
    pub fn context(&self) -> TraceContext {
        self.1
    }

    /// It ends, and what it tells of did not succeed.
    pub fn failed(mut self, why: &str) {
        self.0.set_status(Status::error(why.to_owned()));
    }
}

#[cfg(test)]
mod tests;
