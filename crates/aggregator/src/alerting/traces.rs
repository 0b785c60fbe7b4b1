//! Alerts as spans, in the trace of what they are about: each time that one begins to fire, is withheld or is resolved.
//!
//! An alert goes on from the last transition of its service, or of a cause. What it was told in goes with it, to people as
//! the annotation `trace_id` and to whoever delivers it, and is kept with it over a restart.

use std::{collections::BTreeMap, fmt::Display, sync::Arc, time::Duration};

use ward_chassis::telemetry::{
    TraceContext,
    told::{self, Telling},
};
use ward_model::{Alert, AlertKey, AlertState, Name, Severity, Wall};

use super::run::was_told;
use crate::story::Story;

/// Most spans of one step: of a storm its causes, which come first, and those that follow at once.
const MOST: usize = 64;
/// The annotation.
const TRACE_ID: &str = "trace_id";

/// The span that each alert was told in last. There is at most one for each alert there is.
#[derive(Debug, Default)]
pub(super) struct Traces(BTreeMap<AlertKey, TraceContext>);

impl Traces {
    /// Those that stand otherwise than before.
    pub(super) fn tell(&mut self, story: &Story, moved: &[Arc<Alert>], now: Wall) {
        if !told::is_on() {
            return;
        }
        for alert in moved.iter().filter(|alert| has_story(alert)).take(MOST) {
            if let Some(span) = span(alert, story.behind(alert), now) {
                self.0.insert(alert.key.clone(), span.context());
            }
        }
    }

    /// Says in an alert where it was told. What is known from before a start stays.
    pub(super) fn write_into(&self, alert: &mut Alert) {
        if let Some(context) = self.0.get(&alert.key) {
            alert.traceparent = Some(context.to_string());
        }
        let context = alert.traceparent.as_deref().and_then(TraceContext::parse);
        // Of a trace that nobody keeps people would find nothing.
        if let Some(context) = context.filter(|context| context.is_sampled()) {
            let annotation = (TRACE_ID.to_owned(), context.trace_id_hex());
            alert.annotations.extend([annotation]);
        }
    }

    /// It is over.
    pub(super) fn forget(&mut self, key: &AlertKey) {
        self.0.remove(key);
    }
}

/// A sign of life has none, nor has what only waits or is over without anybody having been told.
fn has_story(alert: &Alert) -> bool {
    alert.severity > Severity::None && (was_told(alert) || alert.state == AlertState::Suppressed)
}

/// While it waits to fire it goes on: the span is as long as that.
fn span(alert: &Alert, parent: Option<TraceContext>, now: Wall) -> Option<Telling> {
    let waited = match alert.state {
        AlertState::Firing => u64::try_from(now.0 - alert.since.0).unwrap_or(0),
        _ => 0,
    };
    let subject = alert.key.service.as_ref().map_or("system", Name::as_str);
    let attributes: [(_, &dyn Display); 4] = [
        ("rule", &alert.key.rule),
        ("subject", &subject),
        ("state", &alert.state),
        ("severity", &alert.severity),
    ];
    told::tell("alert", parent, Duration::from_millis(waited), &attributes)
}

#[cfg(test)]
mod tests {
    use ward_model::RuleName;

    use super::*;

    #[test]
    fn people_are_led_to_traces_that_somebody_keeps() {
        const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
        let annotation = |flags| {
            let traceparent = format!("00-{TRACE}-00f067aa0ba902b7-{flags}");
            let mut alert = Alert {
                state: AlertState::Firing,
                traceparent: Some(traceparent.clone()),
                ..Alert::pending(
                    AlertKey {
                        service: None,
                        rule: RuleName::new("Ill").unwrap(),
                    },
                    Severity::Critical,
                    Wall(0),
                )
            };
            Traces::default().write_into(&mut alert);
            assert_eq!(
                alert.traceparent,
                Some(traceparent),
                "who delivers goes on from it"
            );
            alert.annotations.remove(TRACE_ID)
        };
        assert_eq!(annotation("01").as_deref(), Some(TRACE));
        assert_eq!(annotation("00"), None);
    }
}
