//! `grpc.health.v1`: verdicts for clients that know SERVING and NOT_SERVING.
//!
//! The empty name, `liveness`, `readiness` and `startup` are this process alone, as `/livez`, `/readyz` and `/startupz`
//! are; `system` is the system as `/health` answers for it; any other name is a service. Healthy is SERVING, degraded is
//! as configured, unknown and unhealthy are not. A service without instances is no service: it is not known here until
//! it has one.
//!
//! The answers are kept by [`follow`], a task, so that no call asks the engine. What the calls promise is the business of
//! `ward-grpc-health`.

mod follow;
mod service;

use std::collections::HashMap;

use ward_config::Settings;
use ward_grpc_health::{Health, Limits, ServingStatus};
use ward_model::Reason;
use ward_proto::v1::{self, Status};

use super::Edge;

pub(crate) use follow::follow;
pub(crate) use service::service;

const LIVENESS: &str = "liveness";
const READINESS: &str = "readiness";
const STARTUP: &str = "startup";
const SYSTEM: &str = "system";

/// What is answered.
#[derive(Debug)]
pub(crate) struct Standard {
    health: Health,
}

/// Whether what is degraded is serving, as it is asked.
#[derive(Debug)]
struct Rule {
    degraded: bool,
    services: HashMap<String, bool>,
}

impl Standard {
    /// Knows that nothing serves yet. Lists are as long as messages may be at most.
    pub(crate) fn new(list_bytes: usize) -> Self {
        let health = Health::with_limits(Limits {
            list_bytes,
            ..Limits::default()
        });
        for name in ["", LIVENESS, READINESS, STARTUP, SYSTEM] {
            health.set(name, ServingStatus::NotServing);
        }
        Self { health }
    }

    /// Nothing serves from now on: watches are told, and end.
    pub(crate) fn drain(&self) {
        self.health.drain();
    }

    /// Takes over how this process is.
    pub(crate) fn look_at_process(&self, edge: &Edge) {
        let (alive, ready) = (edge.is_alive(), edge.readiness.is_ready());
        self.health.set("", serving(alive && ready));
        self.health.set(LIVENESS, serving(alive));
        self.health.set(READINESS, serving(ready));
        self.health.set(STARTUP, serving(edge.readiness.is_started()));
    }
}

impl Rule {
    /// How the system reads. As for `/health`, an unknown critical service counts as none.
    fn system(&self, system: &v1::SystemState) -> ServingStatus {
        let status = status(system.condition.as_ref(), self.degraded);
        serving(status == ServingStatus::Serving && system.critical_unknown.is_empty())
    }

    /// How a service reads; `None` while it has no instance.
    fn service(&self, service: &v1::ServiceState) -> Option<ServingStatus> {
        let own = service.own.as_ref().map_or("", |own| own.reason.as_str());
        if own == Reason::NoInstances.as_str() {
            return None;
        }
        let degraded = self.services.get(&service.name).copied().unwrap_or(self.degraded);
        Some(status(service.condition.as_ref(), degraded))
    }
}

impl From<&Settings> for Rule {
    fn from(settings: &Settings) -> Self {
        let services = settings.services.iter();
        let said =
            services.filter_map(|(name, service)| Some((name.to_string(), service.degraded_is_serving?)));
        Self {
            degraded: settings.aggregator.degraded_is_serving,
            services: said.collect(),
        }
    }
}

fn status(condition: Option<&v1::Condition>, degraded: bool) -> ServingStatus {
    serving(match condition.map(v1::Condition::status) {
        Some(Status::Healthy) => true,
        Some(Status::Degraded) => degraded,
        _ => false,
    })
}

fn serving(serving: bool) -> ServingStatus {
    if serving {
        ServingStatus::Serving
    } else {
        ServingStatus::NotServing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn condition(status: Status, reason: Reason) -> Option<v1::Condition> {
        Some(v1::Condition {
            status: status.into(),
            reason: reason.as_str().into(),
            ..Default::default()
        })
    }

    fn bank(status: Status, own: Reason) -> v1::ServiceState {
        v1::ServiceState {
            name: "bank".into(),
            own: condition(Status::Unknown, own),
            condition: condition(status, Reason::Dependency),
            ..Default::default()
        }
    }

    #[test]
    fn degraded_is_as_configured_and_the_rest_is_not() {
        use ServingStatus::{NotServing, Serving as Serves};
        let bank_is = |serving: bool| [("bank".to_owned(), serving)].into();
        for (degraded, services, expected) in [
            (true, HashMap::new(), Serves),
            (false, HashMap::new(), NotServing),
            (true, bank_is(false), NotServing),
            (false, bank_is(true), Serves),
        ] {
            let rule = Rule { degraded, services };
            let of = |status| rule.service(&bank(status, Reason::Reported));
            assert_eq!(of(Status::Degraded), Some(expected), "{rule:?}");
            assert_eq!(of(Status::Healthy), Some(Serves));
            assert_eq!(of(Status::Unknown), Some(NotServing));
            assert_eq!(of(Status::Unhealthy), Some(NotServing));
        }
    }

    #[test]
    fn without_an_instance_it_is_no_service_whatever_its_dependencies_are() {
        let rule = Rule::from(&Settings::default());
        for status in [Status::Unknown, Status::Unhealthy] {
            assert_eq!(rule.service(&bank(status, Reason::NoInstances)), None);
        }
    }

    #[test]
    fn the_system_does_not_serve_while_a_critical_service_is_unknown() {
        let rule = Rule::from(&Settings::default());
        let mut system = v1::SystemState {
            condition: condition(Status::Degraded, Reason::Dependency),
            ..Default::default()
        };
        assert_eq!(rule.system(&system), ServingStatus::Serving);
        system.critical_unknown.push("bank".into());
        assert_eq!(rule.system(&system), ServingStatus::NotServing);
    }
}
