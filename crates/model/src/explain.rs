//! Why something is as it is.

use serde::{Deserialize, Serialize};

use crate::{Condition, DependencyKind, Name};

/// The shortest chains from a service, or the system, to its root causes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// What was asked about; `None` for the system.
    pub name: Option<Name>,
    /// Its condition.
    pub condition: Condition,
    /// One chain a root cause, the shortest first; empty when healthy.
    pub chains: Vec<CausalChain>,
}

/// From what was asked about (first; for the system, the service that makes it bad) to one root cause (last).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CausalChain {
    /// At least one.
    pub links: Vec<CausalLink>,
}

/// One service of a chain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CausalLink {
    /// The service.
    pub service: Name,
    /// How the link before depends on it; `None` on the first.
    pub via: Option<DependencyKind>,
    /// Its condition: what its own status says on the last link, the verdict on the others.
    pub condition: Condition,
    /// On the last link: what makes it bad.
    pub evidence: Vec<Evidence>,
}

/// A check, signal, observation or lost instance at the end of a chain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// Whose word it is.
    pub service: Name,
    /// Which of its instances; `None` where it is about the service as a whole.
    pub instance: Option<Name>,
    /// The check or signal; `None` where it is the instance itself.
    pub name: Option<Name>,
    /// The signal's value.
    pub value: Option<f64>,
    /// The level that value crossed.
    pub threshold: Option<f64>,
    /// What it says.
    pub condition: Condition,
}
