//! Where in which trace something happens, as W3C Trace Context writes it: the header `traceparent`.
//!
//! A context is a value of 25 bytes that goes where its change goes: into a header, through a queue, onto a span of
//! another thread. What is of a newer version is read as far as version 00 knows it, as the recommendation asks
//! (<https://www.w3.org/TR/trace-context/>); what is malformed is no context, and its trace begins anew. `tracestate` is
//! not carried: it is for vendors' own notes, Ward has none, and it would make each of these a list on the heap.

use std::fmt;

use http::{HeaderMap, HeaderValue, header::HeaderName};
use opentelemetry::{
    Context, ContextGuard,
    trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState},
};
use tracing::Span;
use tracing_opentelemetry::{OpenTelemetrySpanExt, SetParentError};

/// The header, and the key of gRPC metadata, that carries a context.
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Version, trace, span and flags in hex, with a dash between any two.
const LENGTH: usize = 55;
/// Never a version.
const FORBIDDEN: u8 = 0xff;
const SAMPLED: u8 = 1;

/// A span of a trace, here or in another process. Neither id is ever zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TraceContext {
    trace_id: u128,
    span_id: u64,
    is_sampled: bool,
}

impl TraceContext {
    /// Reads a `traceparent`, such as `00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01`; `None` if it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let version = hex(text.get(0..2)?)?;
        let rest = text.get(LENGTH..)?;
        // Version 00 ends here; later ones may go on behind a dash.
        let ends_well = rest.is_empty() || version > 0 && rest.starts_with('-');
        if version == u128::from(FORBIDDEN) || !ends_well {
            return None;
        }
        let mut fields = text[..LENGTH].split('-').skip(1);
        let mut field = |digits: usize| fields.next().filter(|field| field.len() == digits).and_then(hex);
        let (trace_id, span_id, flags) = (field(32)?, field(16)?, field(2)?);
        let span_id = u64::try_from(span_id).ok()?;
        (trace_id != 0 && span_id != 0).then_some(Self {
            trace_id,
            span_id,
            is_sampled: flags & u128::from(SAMPLED) != 0,
        })
    }

    /// That of the span in which the caller runs; `None` outside of one, and where telemetry is off.
    pub fn current() -> Option<Self> {
        Context::map_current(|context| {
            context
                .has_active_span()
                .then(|| Self::of(context.span().span_context()))
                .flatten()
        })
    }

    /// From here on this thread is in this span: what it logs is of its trace. Until what is returned is dropped, which keeps
    /// it to what waits for nothing.
    pub fn enter(self) -> Entered {
        Entered(Context::new().with_remote_span_context(self.as_remote()).attach())
    }

    pub(super) fn of(span: &SpanContext) -> Option<Self> {
        span.is_valid().then(|| Self {
            trace_id: u128::from_be_bytes(span.trace_id().to_bytes()),
            span_id: u64::from_be_bytes(span.span_id().to_bytes()),
            is_sampled: span.is_sampled(),
        })
    }

    pub(super) fn as_remote(self) -> SpanContext {
        SpanContext::new(
            TraceId::from(self.trace_id),
            SpanId::from(self.span_id),
            if self.is_sampled {
                TraceFlags::SAMPLED
            } else {
                TraceFlags::NOT_SAMPLED
            },
            true,
            TraceState::NONE,
        )
    }

    /// The trace: 32 hex digits when shown by [`TraceContext::trace_id_hex`].
    pub fn trace_id(self) -> u128 {
        self.trace_id
    }

    /// The trace as logs, exemplars and Jaeger write it.
    pub fn trace_id_hex(self) -> String {
        format!("{:032x}", self.trace_id)
    }

    /// The span as logs write it.
    pub fn span_id_hex(self) -> String {
        format!("{:016x}", self.span_id)
    }

    /// Whether somebody keeps the trace.
    pub fn is_sampled(self) -> bool {
        self.is_sampled
    }
}

/// See [`TraceContext::enter`].
#[must_use = "it ends when this is dropped"]
pub struct Entered(#[expect(dead_code, reason = "it is there to be dropped")] ContextGuard);

impl fmt::Debug for Entered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Entered")
    }
}

/// As a `traceparent` of version 00.
impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            trace_id, span_id, ..
        } = self;
        write!(
            f,
            "00-{trace_id:032x}-{span_id:016x}-{:02x}",
            u8::from(self.is_sampled)
        )
    }
}

/// Lower-case hex only: the recommendation forbids the other, and `from_str_radix` would take a sign.
fn hex(text: &str) -> Option<u128> {
    let is_hex = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    text.bytes()
        .all(is_hex)
        .then(|| u128::from_str_radix(text, 16).ok())?
}

/// Tells whoever is called in which trace it is. Nothing, outside of a span.
pub fn inject(headers: &mut HeaderMap) {
    if let Some(context) = TraceContext::current() {
        let value = HeaderValue::try_from(context.to_string()).expect("hex and dashes are a header's value");
        headers.insert(TRACEPARENT, value);
    }
}

/// In which trace the caller is. More than one header is as good as none: nobody could say which is meant.
pub fn extract(headers: &HeaderMap) -> Option<TraceContext> {
    let mut found = headers.get_all(TRACEPARENT).iter();
    let (Some(only), None) = (found.next(), found.next()) else {
        return None;
    };
    TraceContext::parse(only.to_str().ok()?)
}

/// Makes `span` a child of `parent`. Only before `span` is entered first: from then on it has its place.
///
/// Nothing where telemetry is off, or keeps no spans of this kind.
pub fn set_parent(span: &Span, parent: TraceContext) {
    let context = Context::new().with_remote_span_context(parent.as_remote());
    if let Err(SetParentError::AlreadyStarted) = span.set_parent(context) {
        tracing::debug!(
            span = span.metadata().map(|m| m.name()),
            "a span was entered before it had its parent"
        );
    }
}

#[cfg(test)]
pub(super) mod tests;
