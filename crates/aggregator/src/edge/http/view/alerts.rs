//! Alerts, acknowledgements, rules and receivers, as JSON.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;
use ward_model::{AlertState, Name, Severity, Suppression};

use super::rfc3339;
use crate::edge::alerts::{Listed, Origin};

/// One alert.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct Alert {
    /// The rule it is of.
    rule: String,
    /// What it is about. Left out where that is the system.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    service: Option<String>,
    #[schema(inline)]
    severity: Urgency,
    #[schema(inline)]
    state: Standing,
    /// Its identity for those who receive it, fixed from its first firing until it is resolved.
    labels: BTreeMap<String, String>,
    /// What varies: for people.
    annotations: BTreeMap<String, String>,
    /// Since when its condition holds.
    #[schema(format = DateTime)]
    since: String,
    /// When it first fired.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime, nullable = false)]
    fired: Option<String>,
    /// When it was resolved.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime, nullable = false)]
    resolved: Option<String>,
    /// Why it is withheld; only while it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    suppression: Option<Withheld>,
    /// Somebody works on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    acknowledged: Option<Acknowledgement>,
    /// The present root causes.
    causes: Vec<String>,
}

/// How urgent.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(in super::super) enum Urgency {
    None,
    Info,
    Warning,
    Critical,
}

/// Where an alert stands.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(in super::super) enum Standing {
    Pending,
    Suppressed,
    Firing,
    Resolved,
}

/// Why an alert is withheld.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct Withheld {
    /// `cause` or `maintenance`.
    because: &'static str,
    /// In words.
    message: String,
    /// The alert that tells of the cause, as `service/rule`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    cause: Option<String>,
    /// What is in maintenance.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    services: Vec<String>,
}

/// Somebody works on what fires.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct Acknowledgement {
    /// Whose alerts; `system` for those about the system.
    service: String,
    /// Of which rules: those that fired when it was said.
    rules: Vec<String>,
    by: String,
    why: String,
    #[schema(format = DateTime)]
    start: String,
    /// Until when at most: it is over when nothing of it fires any more.
    #[schema(format = DateTime)]
    end: String,
}

impl From<&ward_model::Acknowledgement> for Acknowledgement {
    fn from(said: &ward_model::Acknowledgement) -> Self {
        Self {
            service: said.service.as_ref().map_or("system", Name::as_str).to_owned(),
            rules: said.rules.iter().map(ToString::to_string).collect(),
            by: said.by.clone(),
            why: said.why.clone(),
            start: rfc3339(said.start),
            end: rfc3339(said.end),
        }
    }
}

impl From<Severity> for Urgency {
    fn from(severity: Severity) -> Self {
        match severity {
            Severity::None => Self::None,
            Severity::Info => Self::Info,
            Severity::Warning => Self::Warning,
            Severity::Critical => Self::Critical,
        }
    }
}

impl From<&Suppression> for Withheld {
    fn from(suppression: &Suppression) -> Self {
        let (cause, services) = match suppression {
            Suppression::Cause(alert) => (Some(alert.to_string()), Vec::new()),
            Suppression::Maintenance(services) => (None, services.iter().map(ToString::to_string).collect()),
        };
        Self {
            because: suppression.as_str(),
            message: suppression.to_string(),
            cause,
            services,
        }
    }
}

impl From<&ward_model::Alert> for Alert {
    fn from(alert: &ward_model::Alert) -> Self {
        Self {
            rule: alert.key.rule.to_string(),
            service: alert.key.service.as_ref().map(ToString::to_string),
            severity: alert.severity.into(),
            state: match alert.state {
                AlertState::Pending => Standing::Pending,
                AlertState::Suppressed => Standing::Suppressed,
                AlertState::Firing => Standing::Firing,
                AlertState::Resolved => Standing::Resolved,
            },
            labels: alert.labels.clone(),
            annotations: alert.annotations.clone(),
            since: rfc3339(alert.since),
            fired: alert.fired.map(rfc3339),
            resolved: alert.resolved.map(rfc3339),
            suppression: alert.suppression.as_ref().map(Into::into),
            acknowledged: alert.acknowledged.as_ref().map(Into::into),
            causes: alert.causes.iter().map(ToString::to_string).collect(),
        }
    }
}

/// What makes an alert.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct Rule {
    name: String,
    /// `shipped`; `changed` where the configuration changed a shipped one; `own`.
    origin: &'static str,
    /// It is switched off.
    off: bool,
    /// About the `system`, or about each `service`.
    about: &'static str,
    /// The condition, in CEL.
    expr: String,
    /// How long it has to hold.
    for_seconds: f64,
    #[schema(inline)]
    severity: Urgency,
}

impl From<Listed> for Rule {
    fn from(listed: Listed) -> Self {
        Self {
            name: listed.spec.name.to_string(),
            origin: match listed.origin {
                Origin::Shipped => "shipped",
                Origin::Changed => "changed",
                Origin::Own => "own",
            },
            off: listed.off,
            about: if listed.spec.about_system {
                "system"
            } else {
                "service"
            },
            expr: listed.spec.expr,
            for_seconds: listed.spec.for_.as_secs_f64(),
            severity: listed.spec.severity.into(),
        }
    }
}

/// One who is told of alerts.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct Receiver {
    name: String,
    /// `alertmanager` or `webhook`.
    kind: &'static str,
    /// What it has yet to be told.
    owed: u64,
    /// Since when the oldest of that.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime, nullable = false)]
    oldest: Option<String>,
    /// When it was last told something.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime, nullable = false)]
    delivered: Option<String>,
    /// Why the last request failed, if none succeeded since.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    error: Option<String>,
}

impl From<crate::alerting::Receiver> for Receiver {
    fn from(receiver: crate::alerting::Receiver) -> Self {
        let kind = match receiver.is_alertmanager {
            true => "alertmanager",
            false => "webhook",
        };
        let standing = receiver.standing;
        Self {
            name: standing.receiver,
            kind,
            owed: standing.owed,
            oldest: standing.oldest.map(rfc3339),
            delivered: standing.delivered.map(rfc3339),
            error: standing.error,
        }
    }
}
