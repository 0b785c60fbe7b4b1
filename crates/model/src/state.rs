//! What is known: the system, its services, their instances.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    CheckKind, Condition, Criticality, Dependency, Freshness, Incarnation, InstanceId, Name, SignalLevel,
    Status, Wall,
};

/// One check of an instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckState {
    /// Its name.
    pub name: Name,
    /// What it does to the instance.
    pub kind: CheckKind,
    /// The service it is about, when that is not its own.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub subject: Option<Name>,
    /// Its word.
    pub condition: Condition,
    /// It changes too often to be believed; the condition is the worst of late.
    pub flapping: bool,
}

/// One signal of an instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SignalState {
    /// Its name.
    pub name: Name,
    /// Its last value.
    pub value: f64,
    /// The level it is at.
    pub status: Status,
    /// From here on degraded.
    pub degraded: Option<SignalLevel>,
    /// From here on unhealthy.
    pub unhealthy: Option<SignalLevel>,
}

/// One instance of a service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InstanceState {
    /// Who.
    #[serde(flatten)]
    pub id: InstanceId,
    /// In which life.
    pub incarnation: Incarnation,
    /// Of which version.
    pub version: String,
    /// For people and for selecting.
    pub labels: BTreeMap<String, String>,
    /// How often it is to be heard, in milliseconds: what is configured, or what it says itself.
    pub interval_ms: u32,
    /// The verdict about it.
    pub condition: Condition,
    /// The status last known, where the condition only says that the observer cannot see.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub last_status: Option<Status>,
    /// Whether one still hears from it.
    pub freshness: Freshness,
    /// It changes too often to be believed.
    pub flapping: bool,
    /// Its checks.
    pub checks: Vec<CheckState>,
    /// Its signals.
    pub signals: Vec<SignalState>,
    /// When this incarnation was first accepted.
    pub started: Wall,
}

/// A service whose contribution to the system is capped while somebody works on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Maintenance {
    /// The service.
    pub service: Name,
    /// Who said so.
    pub by: String,
    /// And why.
    pub why: String,
    /// From when.
    pub start: Wall,
    /// Until when; `None` while open-ended.
    pub end: Option<Wall>,
}

/// How many instances of a service are in which state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceCounts {
    /// All that count.
    pub total: u32,
    /// Of them healthy.
    pub healthy: u32,
    /// Of them unknown.
    pub unknown: u32,
    /// Of them degraded.
    pub degraded: u32,
    /// Of them unhealthy.
    pub unhealthy: u32,
    /// Of all, those that are suspect.
    pub suspect: u32,
    /// Of all, those that are lost or exited.
    pub lost: u32,
}

/// One service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServiceState {
    /// Its name.
    pub name: Name,
    /// What its own instances and its observers say.
    pub own: Condition,
    /// `own` joined with what its dependencies do to it: the verdict.
    pub condition: Condition,
    /// Root causes of a condition that is not healthy, nearest first.
    pub causes: Vec<Name>,
    /// How much it matters.
    pub criticality: Criticality,
    /// What it needs, observed subjects included.
    pub dependencies: Vec<Dependency>,
    /// Its instances, counted.
    pub instances: InstanceCounts,
    /// How many instances are wanted.
    pub min_healthy: u32,
    /// Set while it is in maintenance.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub maintenance: Option<Maintenance>,
    /// Somebody reports for it; false for what is only observed or depended on.
    pub reported: bool,
    /// Declarations that disagree with those in force.
    pub disagreements: Vec<String>,
    /// When its longest-running live instance started.
    pub up_since: Option<Wall>,
    /// Its verdict before the aggregator's start, as long as there is none since.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub last_status: Option<Status>,
}

/// The observer's opinion of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObserverState {
    /// 0 (no doubt) to 7.
    pub score: u8,
    /// Over 55 % of the live instances are missing at once.
    pub degraded_view: bool,
    /// All live instances are missing at once.
    pub blind: bool,
    /// The aggregator started a moment ago and reporters are still coming back.
    pub settling: bool,
}

/// How many services are in which state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceCounts {
    /// All.
    pub total: u32,
    /// Of them healthy.
    pub healthy: u32,
    /// Of them unknown.
    pub unknown: u32,
    /// Of them degraded.
    pub degraded: u32,
    /// Of them unhealthy.
    pub unhealthy: u32,
}

/// The whole system.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SystemState {
    /// The verdict.
    pub condition: Condition,
    /// Root causes of a condition that is not healthy.
    pub causes: Vec<Name>,
    /// How far the observer trusts itself.
    pub observer: ObserverState,
    /// Its services, counted.
    pub services: ServiceCounts,
    /// Critical services that are Unknown.
    pub critical_unknown: Vec<Name>,
}
