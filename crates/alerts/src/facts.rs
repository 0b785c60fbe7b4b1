//! What rules see: of each service, and of the system. The same is recorded, so that it can be replayed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use ward_model::{
    Criticality, InstanceCounts, Name, ObserverState, Reason, ServiceCounts, ServiceState, Status,
    SystemState, Wall,
};

/// One service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ServiceFacts {
    /// The verdict.
    pub status: Status,
    /// What its own instances and its observers say.
    pub own: Status,
    /// Why it has its verdict.
    pub reason: Reason,
    /// The same for people.
    pub message: String,
    /// Since when.
    pub since: Wall,
    /// Root causes, nearest first; itself if it is one.
    pub causes: Vec<Name>,
    /// What it needs.
    pub dependencies: Vec<Name>,
    /// How much it matters.
    pub criticality: Criticality,
    /// Its instances, counted.
    pub instances: InstanceCounts,
    /// How many are wanted.
    pub min_healthy: u32,
    /// Somebody works on it.
    pub maintenance: bool,
    /// Its signals: of each the greatest of its fresh instances. All signals that rules are shipped for are worse when greater.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub signals: BTreeMap<Name, f64>,
}

impl ServiceFacts {
    /// Of what is published; `signals` are asked for apart. Who was not heard since a start, or cannot be seen, is Unknown
    /// for that reason, whatever its dependencies do to it: they may be heard before it, and it would count as a cause of
    /// itself.
    pub fn new(state: &ServiceState, signals: BTreeMap<Name, f64>) -> Self {
        let unseen = state.own.status == Status::Unknown && state.own.reason == Reason::ObserverSuspect;
        let verdict = if unseen { &state.own } else { &state.condition };
        Self {
            status: verdict.status,
            own: state.own.status,
            reason: verdict.reason,
            message: verdict.message.clone(),
            since: verdict.since,
            causes: state.causes.clone(),
            dependencies: state
                .dependencies
                .iter()
                .map(|needed| needed.service.clone())
                .collect(),
            criticality: state.criticality,
            instances: state.instances,
            min_healthy: state.min_healthy,
            maintenance: state.maintenance.is_some(),
            signals,
        }
    }
}

/// The system.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SystemFacts {
    /// The verdict.
    pub status: Status,
    /// Why.
    pub reason: Reason,
    /// The same for people.
    pub message: String,
    /// Since when.
    pub since: Wall,
    /// Root causes.
    pub causes: Vec<Name>,
    /// Its services, counted.
    pub services: ServiceCounts,
    /// How far the observer trusts itself.
    pub observer: ObserverState,
}

impl From<&SystemState> for SystemFacts {
    fn from(state: &SystemState) -> Self {
        Self {
            status: state.condition.status,
            reason: state.condition.reason,
            message: state.condition.message.clone(),
            since: state.condition.since,
            causes: state.causes.clone(),
            services: state.services,
            observer: state.observer,
        }
    }
}

/// One thing as it is from now on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Facts {
    /// A service.
    Service(Name, Box<ServiceFacts>),
    /// A service that is no more.
    Gone(Name),
    /// The system.
    System(Box<SystemFacts>),
    /// The aggregator started: nobody watched since `last_alive`, if that is known.
    Started {
        /// When somebody last watched.
        last_alive: Option<Wall>,
    },
}

/// What was seen, and when: a line of a recording.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recorded {
    /// When.
    pub at: Wall,
    /// What.
    pub facts: Facts,
}

#[cfg(test)]
mod tests {
    use ward_model::Condition;

    use super::*;

    fn condition(status: Status, reason: Reason, message: &str, since: i64) -> Condition {
        Condition {
            status,
            reason,
            message: message.into(),
            since: Wall(since),
        }
    }

    /// The rule of what is silent leaves out what the observer cannot see by its reason.
    #[test]
    fn who_is_unseen_is_so_for_that_reason_whatever_its_dependencies_do_to_it() {
        let unseen = condition(
            Status::Unknown,
            Reason::ObserverSuspect,
            "not heard since the start",
            1,
        );
        let degraded = condition(Status::Degraded, Reason::Dependency, "bank is unhealthy", 2);
        let mut state = ServiceState {
            name: Name::service("shop").unwrap(),
            own: unseen.clone(),
            condition: degraded.clone(),
            causes: Vec::new(),
            criticality: Criticality::default(),
            dependencies: Vec::new(),
            instances: InstanceCounts::default(),
            min_healthy: 1,
            maintenance: None,
            reported: true,
            disagreements: Vec::new(),
            up_since: None,
            last_status: None,
        };
        let verdict = |state: &ServiceState| {
            let facts = ServiceFacts::new(state, BTreeMap::new());
            condition(facts.status, facts.reason, &facts.message, facts.since.0)
        };
        assert_eq!(verdict(&state), unseen);
        state.own = condition(Status::Healthy, Reason::Reported, "", 0);
        assert_eq!(verdict(&state), degraded);
    }
}
