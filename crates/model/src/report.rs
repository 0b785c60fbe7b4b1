//! What reporters say. Values are checked and within bounds when they are of these types.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{Incarnation, InstanceId, Name, Status};

/// How much a service matters to the system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Criticality {
    /// The system is as bad as this service.
    Critical,
    /// The system is at most degraded by this service.
    #[default]
    Important,
    /// The system does not mind.
    Optional,
}

impl Criticality {
    /// All, what matters most first.
    pub const ALL: [Self; 3] = [Self::Critical, Self::Important, Self::Optional];

    /// The lower-case word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Important => "important",
            Self::Optional => "optional",
        }
    }
}

/// What a dependency does to its dependent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DependencyKind {
    /// The dependent is as bad as this.
    #[default]
    Hard,
    /// The dependent is degraded when this is unhealthy.
    Soft,
}

/// A service that another needs.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Dependency {
    /// The service needed.
    pub service: Name,
    /// How much.
    pub kind: DependencyKind,
    /// Dependencies of one service in the same group count as the best of them.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub any_of: Option<Name>,
}

/// What a check does to its instance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckKind {
    /// The instance is as bad as this check.
    #[default]
    Required,
    /// The instance is at most degraded by this check.
    Advisory,
}

/// How many instances of a service must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MinHealthy {
    /// So many.
    Count(u32),
    /// 1 to 100, of the counted instances, rounded up.
    Percent(u32),
}

impl Default for MinHealthy {
    fn default() -> Self {
        Self::Count(1)
    }
}

impl MinHealthy {
    /// The number wanted of `counted` instances: at least 1.
    #[inline]
    pub fn resolve(self, counted: usize) -> usize {
        match self {
            Self::Count(count) => (count as usize).max(1),
            Self::Percent(percent) => (counted * percent as usize).div_ceil(100).max(1),
        }
    }
}

/// A check that an instance will report on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckDeclaration {
    /// Its name, unique in the instance.
    pub name: Name,
    /// What it does to the instance.
    pub kind: CheckKind,
    /// The service it is about, when that is not its own.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub subject: Option<Name>,
}

/// One level of a signal: raised at or above `raise`, cleared below `clear`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SignalLevel {
    /// Finite.
    pub raise: f64,
    /// Finite, at most `raise`.
    pub clear: f64,
}

/// A number that an instance will report, and what it means.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SignalDeclaration {
    /// Its name, unique among the instance's signals.
    pub name: Name,
    /// From here on degraded.
    pub degraded: Option<SignalLevel>,
    /// From here on unhealthy.
    pub unhealthy: Option<SignalLevel>,
}

/// The debounced word of one check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckResult {
    /// Which check. An undeclared one is taken as required and about its own service.
    pub name: Name,
    /// Its status.
    pub status: Status,
    /// Why, for people; at most [`crate::bounds::MESSAGE_BYTES`].
    pub message: String,
}

/// The value of one signal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SignalValue {
    /// Which signal. An undeclared one is stored and has no levels.
    pub name: Name,
    /// Finite.
    pub value: f64,
}

/// Introduces an instance, with its full state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hello {
    /// Who.
    pub id: InstanceId,
    /// In which life.
    pub incarnation: Incarnation,
    /// Of which version; may be empty.
    pub version: String,
    /// How often it will be heard.
    pub interval: Duration,
    /// For people and for selecting.
    pub labels: BTreeMap<String, String>,
    /// `None` declares nothing.
    pub criticality: Option<Criticality>,
    /// Of the service, not of the instance.
    pub dependencies: Vec<Dependency>,
    /// Checks to come.
    pub checks: Vec<CheckDeclaration>,
    /// Signals to come.
    pub signals: Vec<SignalDeclaration>,
    /// `None` declares nothing.
    pub min_healthy: Option<MinHealthy>,
    /// How long checks may stay without a first result.
    pub startup_deadline: Duration,
    /// The sequence of the state that follows.
    pub sequence: u64,
    /// The present word of the checks that have one.
    pub results: Vec<CheckResult>,
    /// The present values of the signals that have one.
    pub values: Vec<SignalValue>,
}

/// What changed at one instance since its last update.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Update {
    /// One more than that of the update before.
    pub sequence: u64,
    /// The whole state: any sequence may follow a gap.
    pub full: bool,
    /// Changed checks.
    pub results: Vec<CheckResult>,
    /// Changed signals.
    pub values: Vec<SignalValue>,
}
