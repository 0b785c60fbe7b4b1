//! Alerts in the words of the audit log.

use ward_audit::{Draft, Kind, Source};
use ward_model::{Alert, AlertState, Name, Now};

use crate::hub::Cursor;

/// Longest text of an annotation that is written down, in characters: the chain and its evidence stand in the transitions.
const TEXT: usize = 512;

/// What became of an alert that `was` so; `None` of what was never more than pending.
pub(super) fn draft(alert: &Alert, was: Option<AlertState>, at: Cursor, now: Now) -> Option<Draft> {
    let kind = match alert.state {
        AlertState::Pending => return None,
        AlertState::Suppressed => Kind::AlertSuppressed,
        AlertState::Firing => Kind::AlertFiring,
        // Nobody had been told of it. Or it had been told before, and is history now.
        AlertState::Resolved if alert.fired.is_none() && was != Some(AlertState::Suppressed) => return None,
        AlertState::Resolved => Kind::AlertResolved,
    };
    let subject = alert.key.service.as_ref().map_or("system", Name::as_str);
    let mut draft = Draft::new(kind, Source::Alerting, subject, now)
        .at(at.epoch, at.revision)
        .with("rule", alert.key.rule.as_str())
        .with("severity", alert.severity.as_str());
    if let Some(suppression) = &alert.suppression {
        draft = draft.with("suppressed", suppression.to_string());
    }
    if let Some(cause) = alert.labels.get("root_cause") {
        draft = draft.with("root_cause", cause.as_str());
    }
    let summary = alert.annotations.get("summary").map_or("", String::as_str);
    let cut: String = summary.chars().take(TEXT).collect();
    Some(draft.with("summary", cut))
}
