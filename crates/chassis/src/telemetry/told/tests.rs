//! What is told by hand, as an exporter has it.

use opentelemetry::trace::SpanId;
use opentelemetry_sdk::trace::SdkTracerProvider;

use super::*;
use crate::telemetry::context::tests::Kept;

/// One test: what it turns on is of the whole process.
#[test]
fn what_is_told_afterwards_has_its_time_its_parent_and_its_end() {
    const AGO: Duration = Duration::from_secs(5);
    assert!(tell("check", None, AGO, &[]).is_none(), "nobody wants it");
    let kept = Kept::default();
    let provider = SdkTracerProvider::builder()
        .with_simple_exporter(kept.clone())
        .build();
    global::set_tracer_provider(provider.clone());
    turn_on();
    let outer = tell("report", None, AGO, &[("service", &"bank")]).unwrap();
    let inner = tell("deliver", Some(outer.context()), Duration::ZERO, &[]).unwrap();
    assert_eq!(inner.context().trace_id(), outer.context().trace_id());
    let parent = outer.context();
    inner.failed("nobody is there");
    assert_eq!(kept.0.lock().len(), 1, "it has ended");
    drop(outer);
    let spans = std::mem::take(&mut *kept.0.lock());
    let [inner, outer] = &spans[..] else {
        panic!("{spans:?}")
    };
    assert_eq!(inner.parent_span_id.to_string(), parent.span_id_hex());
    assert_eq!(inner.status, Status::error("nobody is there"));
    assert_eq!(outer.parent_span_id, SpanId::INVALID);
    assert_eq!(outer.attributes, [KeyValue::new("service", "bank")]);
    assert!(outer.end_time.duration_since(outer.start_time).unwrap() >= AGO);
    provider.shutdown().unwrap();
    assert!(tell("late", None, AGO, &[]).is_none());
}
