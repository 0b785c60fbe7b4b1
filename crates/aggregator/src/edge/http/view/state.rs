//! The system, its services, their instances.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;
use ward_model::Name;

use super::{
    rfc3339,
    words::{CheckKind, Criticality, DependencyKind, Freshness, Status},
};

/// A status with what one needs to believe it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(in super::super) struct Condition {
    /// The verdict.
    pub(in super::super) status: Status,
    /// Why, for machines.
    #[schema(example = "Reported")]
    pub(in super::super) reason: &'static str,
    /// Why, for people. May be empty.
    #[schema(example = "database: connection refused")]
    pub(in super::super) message: String,
    /// Since when the status holds, by the aggregator's wall clock.
    #[schema(format = DateTime)]
    pub(in super::super) since: String,
}

/// One check of an instance.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(in super::super) struct CheckState {
    /// Its name.
    #[schema(value_type = String)]
    name: Name,
    /// What it does to the instance.
    kind: CheckKind,
    /// The service it is about. Left out when that is its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, nullable = false)]
    subject: Option<Name>,
    /// Its word.
    condition: Condition,
    /// It changes too often to be believed; the condition is the worst of late.
    flapping: bool,
}

/// One level of a signal: raised at or above `raise`, cleared below `clear`.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub(in super::super) struct SignalLevel {
    raise: f64,
    clear: f64,
}

/// One signal of an instance.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(in super::super) struct SignalState {
    /// Its name.
    #[schema(value_type = String)]
    name: Name,
    /// Its last value.
    value: f64,
    /// The level it is at.
    status: Status,
    /// From here on degraded.
    degraded: Option<SignalLevel>,
    /// From here on unhealthy.
    unhealthy: Option<SignalLevel>,
}

/// One instance of a service.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(in super::super) struct InstanceState {
    /// Of which service.
    #[schema(value_type = String)]
    service: Name,
    /// Which of its instances.
    #[schema(value_type = String)]
    instance: Name,
    /// In which life.
    incarnation: String,
    /// Of which version. May be empty.
    version: String,
    /// For people and for selecting.
    labels: BTreeMap<String, String>,
    /// How often it is to be heard.
    interval_ms: u32,
    /// The verdict about it.
    condition: Condition,
    /// The status last known, where the condition only says that the observer cannot see.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    last_status: Option<Status>,
    /// Whether one still hears from it.
    freshness: Freshness,
    /// It changes too often to be believed.
    flapping: bool,
    /// Its checks.
    checks: Vec<CheckState>,
    /// Its signals.
    signals: Vec<SignalState>,
    /// When this incarnation was first accepted.
    #[schema(format = DateTime)]
    started: String,
}

/// A service whose contribution to the system is capped while somebody works on it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(in super::super) struct Maintenance {
    /// The service.
    #[schema(value_type = String, example = "bank")]
    pub(in super::super) service: Name,
    /// Who said so.
    #[schema(example = "alice")]
    pub(in super::super) by: String,
    /// And why. May be empty.
    #[schema(example = "new disks")]
    pub(in super::super) why: String,
    /// From when.
    #[schema(format = DateTime)]
    pub(in super::super) start: String,
    /// Until when; null while open-ended.
    #[schema(format = DateTime)]
    pub(in super::super) end: Option<String>,
}

/// A service that another needs.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(in super::super) struct Dependency {
    /// The service needed.
    #[schema(value_type = String)]
    service: Name,
    /// How much.
    kind: DependencyKind,
    /// Dependencies in the same group count as the best of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, nullable = false)]
    any_of: Option<Name>,
}

/// How many instances of a service are in which state.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub(in super::super) struct InstanceCounts {
    /// All that count.
    total: u32,
    healthy: u32,
    unknown: u32,
    degraded: u32,
    unhealthy: u32,
    /// Of all, those that are suspect.
    suspect: u32,
    /// Of all, those that are lost or exited.
    lost: u32,
}

/// One service.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(in super::super) struct ServiceState {
    /// Its name.
    #[schema(value_type = String, example = "payments")]
    pub(in super::super) name: Name,
    /// What its own instances and its observers say.
    own: Condition,
    /// `own` joined with what its dependencies do to it: the verdict.
    pub(in super::super) condition: Condition,
    /// Root causes of a condition that is not healthy, nearest first.
    #[schema(value_type = Vec<String>)]
    pub(in super::super) causes: Vec<Name>,
    /// How much it matters.
    pub(in super::super) criticality: Criticality,
    /// What it needs, observed subjects included.
    dependencies: Vec<Dependency>,
    /// Its instances, counted.
    instances: InstanceCounts,
    /// How many instances are wanted.
    min_healthy: u32,
    /// There while it is in maintenance.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(in super::super) maintenance: Option<Maintenance>,
    /// Somebody reports for it; false for what is only observed or depended on.
    reported: bool,
    /// Declarations that disagree with those in force.
    disagreements: Vec<String>,
    /// When its longest-running live instance started.
    #[schema(format = DateTime)]
    up_since: Option<String>,
    /// Its verdict before the aggregator's start, as long as there is none since.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_status: Option<Status>,
}

/// The observer's opinion of itself.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub(in super::super) struct ObserverState {
    /// 0 (no doubt) to 7.
    #[schema(maximum = 7)]
    score: u8,
    /// Over 55 % of the live instances are missing at once.
    degraded_view: bool,
    /// All live instances are missing at once.
    blind: bool,
    /// The aggregator started a moment ago and reporters are still coming back.
    settling: bool,
}

/// How many services are in which state.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub(in super::super) struct ServiceCounts {
    total: u32,
    healthy: u32,
    unknown: u32,
    degraded: u32,
    unhealthy: u32,
}

/// The whole system.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(in super::super) struct SystemState {
    /// The verdict.
    condition: Condition,
    /// Root causes of a condition that is not healthy.
    #[schema(value_type = Vec<String>)]
    causes: Vec<Name>,
    /// How far the observer trusts itself.
    observer: ObserverState,
    /// Its services, counted.
    services: ServiceCounts,
    /// Critical services that are unknown.
    #[schema(value_type = Vec<String>)]
    critical_unknown: Vec<Name>,
}

impl From<&ward_model::Condition> for Condition {
    fn from(condition: &ward_model::Condition) -> Self {
        Self {
            status: condition.status.into(),
            reason: condition.reason.as_str(),
            message: condition.message.clone(),
            since: rfc3339(condition.since),
        }
    }
}

impl From<&ward_model::CheckState> for CheckState {
    fn from(check: &ward_model::CheckState) -> Self {
        Self {
            name: check.name.clone(),
            kind: check.kind.into(),
            subject: check.subject.clone(),
            condition: (&check.condition).into(),
            flapping: check.flapping,
        }
    }
}

impl From<ward_model::SignalLevel> for SignalLevel {
    fn from(ward_model::SignalLevel { raise, clear }: ward_model::SignalLevel) -> Self {
        Self { raise, clear }
    }
}

impl From<&ward_model::SignalState> for SignalState {
    fn from(signal: &ward_model::SignalState) -> Self {
        Self {
            name: signal.name.clone(),
            value: signal.value,
            status: signal.status.into(),
            degraded: signal.degraded.map(Into::into),
            unhealthy: signal.unhealthy.map(Into::into),
        }
    }
}

impl From<&ward_model::InstanceState> for InstanceState {
    fn from(instance: &ward_model::InstanceState) -> Self {
        Self {
            service: instance.id.service.clone(),
            instance: instance.id.instance.clone(),
            incarnation: instance.incarnation.to_string(),
            version: instance.version.clone(),
            labels: instance.labels.clone(),
            interval_ms: instance.interval_ms,
            condition: (&instance.condition).into(),
            last_status: instance.last_status.map(Into::into),
            freshness: instance.freshness.into(),
            flapping: instance.flapping,
            checks: instance.checks.iter().map(Into::into).collect(),
            signals: instance.signals.iter().map(Into::into).collect(),
            started: rfc3339(instance.started),
        }
    }
}

impl From<&ward_model::Maintenance> for Maintenance {
    fn from(maintenance: &ward_model::Maintenance) -> Self {
        Self {
            service: maintenance.service.clone(),
            by: maintenance.by.clone(),
            why: maintenance.why.clone(),
            start: rfc3339(maintenance.start),
            end: maintenance.end.map(rfc3339),
        }
    }
}

impl From<&ward_model::Dependency> for Dependency {
    fn from(dependency: &ward_model::Dependency) -> Self {
        Self {
            service: dependency.service.clone(),
            kind: dependency.kind.into(),
            any_of: dependency.any_of.clone(),
        }
    }
}

impl From<&ward_model::ServiceState> for ServiceState {
    fn from(service: &ward_model::ServiceState) -> Self {
        Self {
            name: service.name.clone(),
            own: (&service.own).into(),
            condition: (&service.condition).into(),
            causes: service.causes.clone(),
            criticality: service.criticality.into(),
            dependencies: service.dependencies.iter().map(Into::into).collect(),
            instances: service.instances.into(),
            min_healthy: service.min_healthy,
            maintenance: service.maintenance.as_ref().map(Into::into),
            reported: service.reported,
            disagreements: service.disagreements.clone(),
            up_since: service.up_since.map(rfc3339),
            last_status: service.last_status.map(Into::into),
        }
    }
}

impl From<&ward_model::SystemState> for SystemState {
    fn from(system: &ward_model::SystemState) -> Self {
        Self {
            condition: (&system.condition).into(),
            causes: system.causes.clone(),
            observer: system.observer.into(),
            services: system.services.into(),
            critical_unknown: system.critical_unknown.clone(),
        }
    }
}

/// A struct of plain fields.
macro_rules! copied {
    ($name:ident { $($field:ident),+ $(,)? }) => {
        impl From<ward_model::$name> for $name {
            fn from(ward_model::$name { $($field),+ }: ward_model::$name) -> Self {
                Self { $($field),+ }
            }
        }
    };
}

copied!(InstanceCounts {
    total,
    healthy,
    unknown,
    degraded,
    unhealthy,
    suspect,
    lost
});
copied!(ServiceCounts {
    total,
    healthy,
    unknown,
    degraded,
    unhealthy
});
copied!(ObserverState {
    score,
    degraded_view,
    blind,
    settling
});
