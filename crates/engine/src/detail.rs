//! What metrics tell of services beside their verdicts: few words of each, at a price that does not grow with its instances.
//!
//! It decides nothing, and makes no text: a service with states and messages for people is `view`'s, and costs ten times as
//! much. Who asks takes some services at a time, so that no verdict waits for a scrape.

use std::collections::BTreeMap;

use ward_model::{Dependency, Freshness, Name, Status};

use crate::{
    causes, view,
    world::{InstanceIx, ServiceIx, World},
};

/// Instances of a service that are looked at. Those of a service mostly have the same checks, and the bad are looked at first:
/// of a hundred thousand nobody reads all in a picture, and a scrape must not look at them either.
const INSTANCES_LOOKED_AT: usize = 32;

/// A service, in some words.
#[derive(Clone, Debug, PartialEq)]
pub struct Detail {
    /// Which.
    pub service: Name,
    /// Its instances that are healthy, unknown, degraded, unhealthy.
    pub instances: [u32; 4],
    /// Somebody works on it.
    pub in_maintenance: bool,
    /// What it needs.
    pub dependencies: Vec<Dependency>,
    /// Root causes of a status that is not healthy.
    pub causes: Vec<Name>,
    /// Its checks, each as bad as it is in any instance that is looked at.
    pub checks: BTreeMap<Name, Status>,
    /// Its signals, of each the greatest value of the fresh instances that are looked at.
    pub signals: BTreeMap<Name, f64>,
}

pub(crate) fn of(world: &World, ix: ServiceIx) -> Detail {
    let service = &world.services[ix];
    let (mut checks, mut signals) = (BTreeMap::new(), BTreeMap::new());
    for instance in looked_at(world, ix).map(|ix| &world.instances[ix]) {
        for check in &instance.checks {
            let worst = checks.entry(check.name.clone()).or_insert(Status::Healthy);
            *worst = check.leaf.status().max(*worst);
        }
        let heard = instance.freshness == Freshness::Fresh;
        for signal in instance.signals.iter().filter(|_| heard) {
            let Some(value) = signal.value else { continue };
            let greatest = signals.entry(signal.name.clone()).or_insert(value);
            *greatest = f64::max(*greatest, value);
        }
    }
    Detail {
        service: service.name.clone(),
        instances: *world.rollup.counts(ix),
        in_maintenance: service.maintenance.is_some(),
        dependencies: view::dependencies(world, ix),
        causes: causes::named(world, ix),
        checks,
        signals,
    }
}

/// Bad ones first. One may be there twice, which changes no worst and no greatest.
fn looked_at(world: &World, ix: ServiceIx) -> impl Iterator<Item = InstanceIx> + '_ {
    let all = world.services[ix].instances.values();
    world.bad(ix).chain(all).take(INSTANCES_LOOKED_AT)
}
