//! `/health`: the system, as one page of JSON.

use std::collections::BTreeMap;

use serde::Serialize;
use ward_engine::Engine;
use ward_model::{Condition, Mono, Name, ServiceState, Status, SystemState};

use super::view::rfc3339;
use crate::{
    decider::Unavailable,
    edge::{Edge, VERSION},
};

/// Services copied at once. Between two portions the engine goes on, so that a large page makes no tick late.
const PORTION: usize = 500;

/// The page.
#[derive(Debug, Serialize)]
pub(super) struct Health {
    status: Status,
    timestamp: String,
    service: &'static str,
    version: &'static str,
    uptime_seconds: f64,
    reason: &'static str,
    message: String,
    since: String,
    causes: Vec<Name>,
    /// Critical services of which nothing is known.
    critical_unknown: Vec<Name>,
    components: BTreeMap<Name, Component>,
}

/// One service on it.
#[derive(Debug, Serialize)]
struct Component {
    status: Status,
    reason: &'static str,
    message: String,
    since: String,
    causes: Vec<Name>,
    criticality: ward_model::Criticality,
    #[serde(skip_serializing_if = "is_false")]
    in_maintenance: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants a reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}

impl Health {
    /// Copies the page out of the engine.
    pub(super) async fn of(edge: &Edge) -> Result<Self, Unavailable> {
        let system = edge.decider.read(Engine::system).await?;
        let mut components = BTreeMap::new();
        loop {
            let after = components
                .last_key_value()
                .map(|(name, _): (&Name, &Component)| name.clone());
            let copy = move |engine: &Engine| {
                engine
                    .services(after.as_ref())
                    .take(PORTION)
                    .map(component)
                    .collect::<Vec<_>>()
            };
            let portion = edge.decider.read(copy).await?;
            let last = portion.len() < PORTION;
            components.extend(portion);
            if last {
                return Ok(Self::new(edge, system, components));
            }
        }
    }

    fn new(edge: &Edge, system: SystemState, components: BTreeMap<Name, Component>) -> Self {
        let Condition {
            status,
            reason,
            message,
            since,
        } = system.condition;
        Self {
            status,
            timestamp: rfc3339(edge.clock.wall()),
            service: "ward",
            version: VERSION,
            uptime_seconds: edge.clock.mono().since(Mono::default()).as_secs_f64(),
            reason: reason.as_str(),
            message,
            since: rfc3339(since),
            causes: system.causes,
            critical_unknown: system.critical_unknown,
            components,
        }
    }

    /// Somebody who only reads the code may send work here. An unknown critical service counts as none.
    pub(super) fn is_serving(&self) -> bool {
        matches!(self.status, Status::Healthy | Status::Degraded) && self.critical_unknown.is_empty()
    }
}

fn component(service: ServiceState) -> (Name, Component) {
    let Condition {
        status,
        reason,
        message,
        since,
    } = service.condition;
    let component = Component {
        status,
        reason: reason.as_str(),
        message,
        since: rfc3339(since),
        causes: service.causes,
        criticality: service.criticality,
        in_maintenance: service.maintenance.is_some(),
    };
    (service.name, component)
}
