//! `/health` as `application/health+json` (draft-inadarei-api-health-check-06), which some gateways and monitors read.
//!
//! It knows pass, warn and fail. Unknown is fail, for the system and for a service: absence of evidence is never evidence
//! of health. The whole is also fail where a critical service is unknown, because the draft wants the word and the status
//! code to agree.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::{
    health::{Component, Health},
    view::Status,
};

/// The media type.
pub(super) const MEDIA: &str = "application/health+json";

/// How well something is, in the three words of the draft.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Verdict {
    /// Healthy.
    Pass,
    /// Degraded.
    Warn,
    /// Unhealthy or unknown.
    Fail,
}

impl From<Status> for Verdict {
    fn from(status: Status) -> Self {
        match status {
            Status::Healthy => Self::Pass,
            Status::Degraded => Self::Warn,
            Status::Unknown | Status::Unhealthy => Self::Fail,
        }
    }
}

/// The page in the words of the draft.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct HealthJson {
    status: Verdict,
    /// Of the API.
    version: &'static str,
    /// Of the aggregator.
    release_id: &'static str,
    /// For people.
    notes: Vec<String>,
    /// What is wrong; left out while nothing is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    output: Option<String>,
    service_id: &'static str,
    description: &'static str,
    /// By `<service>:status`.
    checks: BTreeMap<String, Vec<Check>>,
    links: BTreeMap<&'static str, &'static str>,
}

/// One service.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = HealthCheck)]
#[serde(rename_all = "camelCase")]
struct Check {
    component_id: String,
    component_type: &'static str,
    /// The status in Ward's own words.
    observed_value: Status,
    status: Verdict,
    /// Since when.
    #[schema(format = DateTime)]
    time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    output: Option<String>,
}

impl From<Health> for HealthJson {
    fn from(health: Health) -> Self {
        let status = if health.is_serving() {
            Verdict::from(health.status)
        } else {
            Verdict::Fail
        };
        let unknown = |name| format!("nothing is known of {name}, which is critical");
        let notes = health.critical_unknown.iter().map(unknown);
        let causes = health.causes.iter().map(|name| format!("{name} is a root cause"));
        Self {
            status,
            version: "1",
            release_id: health.version,
            notes: notes.chain(causes).collect(),
            output: output(status, health.reason, &health.message),
            service_id: health.service,
            description: "the system that Ward watches",
            checks: health
                .components
                .into_iter()
                .map(|(name, component)| (format!("{name}:status"), vec![check(name.to_string(), component)]))
                .collect(),
            links: BTreeMap::from([
                ("self", "/health"),
                ("explain", "/api/v1/explain"),
                ("services", "/api/v1/services"),
                ("metrics", "/metrics"),
            ]),
        }
    }
}

fn check(component_id: String, component: Component) -> Check {
    let status = component.status.into();
    Check {
        component_id,
        component_type: "component",
        observed_value: component.status,
        status,
        time: component.since,
        output: output(status, component.reason, &component.message),
    }
}

/// The draft wants none where all is well.
fn output(status: Verdict, reason: &str, message: &str) -> Option<String> {
    let colon = if message.is_empty() { "" } else { ": " };
    (status != Verdict::Pass).then(|| format!("{reason}{colon}{message}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_unknown_is_no_pass() {
        let verdicts = [
            Status::Healthy,
            Status::Unknown,
            Status::Degraded,
            Status::Unhealthy,
        ]
        .map(Verdict::from);
        assert_eq!(
            verdicts,
            [Verdict::Pass, Verdict::Fail, Verdict::Warn, Verdict::Fail]
        );
        assert_eq!(output(Verdict::Pass, "Reported", "fine"), None);
        assert_eq!(output(Verdict::Fail, "Lost", "").as_deref(), Some("Lost"));
    }
}
