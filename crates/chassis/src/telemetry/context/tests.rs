//! The context of a trace as W3C writes it, and what is none.

use std::sync::Arc;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::{
    error::OTelSdkResult,
    trace::{SdkTracerProvider, SpanData, SpanExporter},
};
use parking_lot::Mutex;
use tracing::{info_span, subscriber::with_default};
use tracing_subscriber::{layer::SubscriberExt, registry};

use super::*;
use crate::telemetry::exemplar;

const EXAMPLE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

#[derive(Clone, Debug, Default)]
pub(in super::super) struct Kept(pub(in super::super) Arc<Mutex<Vec<SpanData>>>);

impl SpanExporter for Kept {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.0.lock().extend(batch);
        Ok(())
    }
}

/// What `f` leaves behind.
fn spans_of(f: impl FnOnce()) -> Vec<SpanData> {
    let kept = Kept::default();
    let provider = SdkTracerProvider::builder()
        .with_simple_exporter(kept.clone())
        .build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
    with_default(registry().with(layer), f);
    std::mem::take(&mut kept.0.lock())
}

#[test]
fn what_is_shown_is_read_again() {
    let context = TraceContext::parse(EXAMPLE).unwrap();
    assert_eq!(context.to_string(), EXAMPLE);
    assert_eq!(context.trace_id_hex(), "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(context.span_id_hex(), "00f067aa0ba902b7");
    assert!(context.is_sampled());
}

/// <https://www.w3.org/TR/trace-context/#trace-flags>: only the lowest bit has a meaning, and others are not passed on.
#[test]
fn of_the_flags_one_is_known() {
    for (flags, shown) in [
        ("00", "00"),
        ("01", "01"),
        ("03", "01"),
        ("fe", "00"),
        ("ff", "01"),
    ] {
        let context = TraceContext::parse(&EXAMPLE.replace("-01", &format!("-{flags}"))).unwrap();
        assert!(context.to_string().ends_with(&format!("-{shown}")), "{flags}");
    }
}

#[test]
fn later_versions_are_read_as_far_as_they_are_known() {
    for later in [
        "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-the-future-will-be-like",
    ] {
        assert_eq!(
            TraceContext::parse(later).unwrap().to_string(),
            EXAMPLE,
            "{later}"
        );
    }
}

#[test]
fn what_is_malformed_is_no_context() {
    let malformed = [
        "",
        "00",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
        "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01more",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "FE-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00F067AA0BA902B7-01",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "00-4bf92f3577b34da6a3ce929d0e0e47-3600f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e473-600f067aa0ba902b7-01",
        "00_4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7_01",
        "+0-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        " 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e473\u{e9}-00f067aa0ba902b7-01",
        "\u{1d7d8}0-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    ];
    for text in malformed {
        assert_eq!(TraceContext::parse(text), None, "{text:?}");
    }
}

#[test]
fn outside_of_a_span_nobody_is_told_anything() {
    let mut headers = HeaderMap::new();
    inject(&mut headers);
    assert!(headers.is_empty());
    assert_eq!(TraceContext::current(), None);
    // Nor with spans that nobody traces.
    let _entered = info_span!("call").entered();
    inject(&mut headers);
    assert!(headers.is_empty());
}

#[test]
fn a_trace_goes_on_behind_a_call() {
    let spans = spans_of(|| {
        let mut headers = HeaderMap::new();
        info_span!("call").in_scope(|| inject(&mut headers));
        let answer = info_span!("answer");
        set_parent(&answer, extract(&headers).unwrap());
        answer.in_scope(|| {
            let current = TraceContext::current().unwrap();
            assert_eq!(exemplar(), Some([("trace_id", current.trace_id_hex())]));
            assert_eq!(
                Some(current.trace_id()),
                extract(&headers).map(TraceContext::trace_id)
            );
        });
    });
    let [call, answer] = &spans[..] else {
        panic!("{spans:?}")
    };
    assert_eq!(answer.parent_span_id, call.span_context.span_id());
    assert_eq!(answer.span_context.trace_id(), call.span_context.trace_id());
}

#[test]
fn who_calls_without_sampling_is_not_sampled() {
    let spans = spans_of(|| {
        let span = info_span!("answer");
        set_parent(
            &span,
            TraceContext::parse(&EXAMPLE.replace("-01", "-00")).unwrap(),
        );
        span.in_scope(|| {
            assert!(!TraceContext::current().unwrap().is_sampled());
            assert_eq!(exemplar(), None, "nobody could look at it");
        });
    });
    assert!(spans.is_empty(), "{spans:?}");
}

#[test]
fn of_two_headers_none_is_believed() {
    let mut headers = HeaderMap::new();
    headers.append(TRACEPARENT, HeaderValue::from_static(EXAMPLE));
    assert!(extract(&headers).is_some());
    headers.append(TRACEPARENT, HeaderValue::from_static(EXAMPLE));
    assert_eq!(extract(&headers), None);
}
