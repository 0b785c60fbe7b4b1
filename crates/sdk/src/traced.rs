//! Where the trace of a transition begins: a check whose status is another one than before.
//!
//! One change is kept until a report takes it along: of several that are told together the worst, or the newest of one
//! check. A queue of them was not taken, since an update says what is now, and not what was on the way to it. Nothing of this
//! is done while nobody wants spans, and whoever changes a status never waits for whoever reports it.

use std::time::Duration;

use parking_lot::Mutex;
use ward_chassis::telemetry::{TraceContext, told};
use ward_model::{CheckResult, Name, Status};

/// From here on a check whose status changes is a span (`check`) of this process's OpenTelemetry tracer provider, which is that
/// of `opentelemetry::global`, and the aggregator goes on in its trace. A status set within a span is a child of that one.
///
/// For services that have a tracer provider of their own; who begins telemetry with `ward-chassis` need not call it.
pub fn trace_changes() {
    told::turn_on();
}

/// A change of status, and the span that it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Traced {
    pub(crate) check: Name,
    pub(crate) status: Status,
    pub(crate) context: TraceContext,
}

/// The change that is to be told next.
#[derive(Debug, Default)]
pub(crate) struct Slot(Mutex<Option<Traced>>);

impl Traced {
    /// It is one of these.
    pub(crate) fn is_in(&self, results: &[CheckResult]) -> bool {
        results
            .iter()
            .any(|result| (&result.name, result.status) == (&self.check, self.status))
    }
}

impl Slot {
    /// A check has another status, after a run that took so long. Who calls within a span of its own is the parent.
    #[inline]
    pub(crate) fn changed(&self, service: &Name, check: &Name, status: Status, took: Duration) {
        if told::is_on() {
            self.keep(service, check, status, took);
        }
    }

    #[cold]
    fn keep(&self, service: &Name, check: &Name, status: Status, took: Duration) {
        let parent = TraceContext::current();
        let attributes: [(_, &dyn std::fmt::Display); 3] =
            [("service", service), ("check", check), ("status", &status)];
        let Some(span) = told::tell("check", parent, took, &attributes) else {
            return;
        };
        // Found taken, the change goes without its trace.
        if let Some(mut kept) = self.0.try_lock()
            && kept
                .as_ref()
                .is_none_or(|kept| kept.check == *check || kept.status <= status)
        {
            *kept = Some(Traced {
                check: check.clone(),
                status,
                context: span.context(),
            });
        }
    }

    pub(crate) fn get(&self) -> Option<Traced> {
        self.0.lock().clone()
    }

    /// It was told, or something newer was. What changed meanwhile stays.
    pub(crate) fn told(&self, traced: Option<&Traced>) {
        let mut kept = self.0.lock();
        if kept.as_ref() == traced {
            *kept = None;
        }
    }
}
