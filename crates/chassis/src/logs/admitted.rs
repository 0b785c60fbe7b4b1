//! What comes to those who write lines and spans at all.
//!
//! Events are for the log, and its filter says which. Spans are for traces: those of Ward are let in where traces are sent,
//! and nowhere else. Elsewhere a span costs what a line of debug costs: a look at a flag. One filter for each of those who
//! write was not taken: tracing-subscriber keeps what each of them wants in the thread, and a line that is logged while
//! another one is judged (see `flood`) would mix them up. So `[span]=level` in a filter has no effect.

use tracing::{Metadata, Subscriber, level_filters::LevelFilter, subscriber::Interest};
use tracing_subscriber::{
    EnvFilter,
    layer::{Context, Layer},
};

#[derive(Debug)]
pub(super) struct Admitted {
    pub(super) events: EnvFilter,
    /// Whether anybody wants spans.
    pub(super) spans: bool,
}

impl Admitted {
    fn is_wanted(&self, span: &Metadata<'_>) -> bool {
        self.spans && is_ours(span.target())
    }
}

/// Whether a target is Ward's. Those of h2, hyper and tonic are spans for each frame; those of whoever sends the spans would
/// make more spans to be sent.
fn is_ours(target: &str) -> bool {
    target
        .strip_prefix("ward")
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['_', ':']))
}

impl<S: Subscriber> Layer<S> for Admitted {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if !metadata.is_span() {
            return Layer::<S>::register_callsite(&self.events, metadata);
        }
        if self.is_wanted(metadata) {
            Interest::always()
        } else {
            Interest::never()
        }
    }

    fn enabled(&self, metadata: &Metadata<'_>, context: Context<'_, S>) -> bool {
        if metadata.is_span() {
            self.is_wanted(metadata)
        } else {
            Layer::enabled(&self.events, metadata, context)
        }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        if self.spans {
            return Some(LevelFilter::TRACE);
        }
        self.events.max_level_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_of_others_are_not_ours() {
        for ours in ["ward", "ward_sdk::checks", "ward::record"] {
            assert!(is_ours(ours), "{ours}");
        }
        for other in [
            "h2::proto",
            "tonic",
            "warden",
            "hyper_util",
            "opentelemetry_sdk",
            "forward_it",
        ] {
            assert!(!is_ours(other), "{other}");
        }
    }
}
