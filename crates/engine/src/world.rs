//! What the engine knows: services, their instances, and the graph between them, with the counts the roll-up needs.
//!
//! Keeps its own books consistent (every count, edge and observation has one place that changes it) and judges nothing:
//! no status of a service is decided here. Iterated maps are ordered, so that one history has one outcome.

mod graph;
mod instance;
mod members;
mod oldest;
mod pace;
mod rare;
mod service;

use std::{cmp::Reverse, collections::BTreeMap, sync::Arc};

use slab::Slab as Arena;
use ward_model::{Freshness, InstanceId, Mono, Name, Status, Wall};

use crate::{causes, rollup::Rollup};

pub(crate) use instance::{Check, Culprit, Instance, Said, Signal, Subject};
pub(crate) use members::Members;
pub(crate) use oldest::Oldest;
pub(crate) use pace::Pace;
pub(crate) use rare::Rare;
pub(crate) use service::Service;

/// A service's place in the arena.
pub(crate) type ServiceIx = usize;
/// An instance's place in the arena.
pub(crate) type InstanceIx = usize;

/// So many entries that no longer hold are borne in a list of a service beside as many as do.
const SLACK: usize = 64;

/// Everything known.
#[derive(Debug, Default)]
pub(crate) struct World {
    /// Each in a place of its own: a service is a kilobyte, and to move them all whenever there are twice as many would take
    /// twice the memory.
    pub(crate) services: Arena<Box<Service>>,
    pub(crate) instances: Arena<Instance>,
    pub(crate) names: BTreeMap<Name, ServiceIx>,
    /// What the verdicts rest on, and the verdicts, each at its service's place.
    pub(crate) rollup: Rollup,
    /// What was last said of an instance: a fleet of small services says much the same.
    said: Arc<Said>,
    /// Services whose state must be computed again, each once.
    pub(crate) dirty_services: Vec<ServiceIx>,
    /// Instances whose state others must be told, each once.
    pub(crate) dirty_instances: Vec<InstanceIx>,
}

impl World {
    pub(crate) fn find(&self, name: &Name) -> Option<ServiceIx> {
        self.names.get(name).copied()
    }

    /// What an instance is called everywhere.
    pub(crate) fn id_of(&self, instance: &Instance) -> InstanceId {
        InstanceId {
            service: self.services[instance.service()].name.clone(),
            instance: instance.name.clone(),
        }
    }

    /// The service of this name, made if it is not there.
    pub(crate) fn service_or_new(&mut self, name: &Name, now: Mono, wall: Wall) -> ServiceIx {
        if let Some(ix) = self.find(name) {
            return ix;
        }
        let ix = self
            .services
            .insert(Box::new(Service::new(name.clone(), now, wall)));
        self.names.insert(name.clone(), ix);
        self.rollup.insert(ix);
        self.touch_service(ix);
        ix
    }

    /// How many of these names are not there yet.
    pub(crate) fn count_new<'a>(&self, names: impl Iterator<Item = &'a Name>) -> usize {
        let mut new: Vec<_> = names.filter(|name| !self.names.contains_key(*name)).collect();
        new.sort_unstable();
        new.dedup();
        new.len()
    }

    pub(crate) fn touch_service(&mut self, ix: ServiceIx) {
        let service = &mut self.services[ix];
        if !service.dirty {
            service.dirty = true;
            self.dirty_services.push(ix);
        }
    }

    pub(crate) fn touch_instance(&mut self, ix: InstanceIx) {
        let instance = &mut self.instances[ix];
        if !instance.dirty {
            instance.dirty = true;
            self.dirty_instances.push(ix);
        }
    }

    /// Puts a new instance under its service.
    pub(crate) fn add_instance(&mut self, instance: Instance) -> InstanceIx {
        let (service, status, started) = (instance.service(), instance.leaf.status(), instance.started);
        let ix = self.instances.insert(instance);
        let under = &mut self.services[service];
        under.instances.insert(ix, &self.instances);
        under.reported = true;
        under.note_bad(ix, None, status);
        under.without[status as usize] += 1;
        self.rollup.count(service, None, Some(status));
        under.oldest.begin((started, ix));
        self.touch_service(service);
        self.touch_instance(ix);
        ix
    }

    /// What an instance says of itself, kept once for all of a service that say the same.
    pub(crate) fn say(&mut self, ix: InstanceIx, said: Said) {
        let instance = &mut self.instances[ix];
        let shared = &mut self.services[instance.service()].said;
        if **shared != said {
            if *self.said != said {
                self.said = Arc::new(said);
            }
            *shared = self.said.clone();
        }
        let before = std::mem::replace(&mut instance.said, shared.clone());
        if (&before.version, &before.labels) != (&instance.said.version, &instance.said.labels) {
            self.touch_instance(ix);
        }
    }

    /// Takes an instance and its observations away. The caller rebuilds the edges of its service.
    pub(crate) fn remove_instance(&mut self, ix: InstanceIx) -> Instance {
        self.drop_observations(ix);
        let instance = &self.instances[ix];
        let under = &mut self.services[instance.service()];
        under.instances.remove(&instance.name, &self.instances);
        let instance = self.instances.remove(ix);
        under.disagreements.remove(&instance.name);
        under.without[instance.without as usize] -= 1;
        under.suspects -= u32::from(instance.is_suspect());
        under.lost -= u32::from(instance.is_gone());
        under.oldest_may_be_over = true;
        self.rollup
            .count(instance.service(), Some(instance.leaf.status()), None);
        self.touch_service(instance.service());
        instance
    }

    /// An instance's status is another than `before`.
    pub(crate) fn recount_status(&mut self, ix: InstanceIx, before: Status) {
        let instance = &self.instances[ix];
        let (service, status) = (instance.service(), instance.leaf.status());
        self.services[service].note_bad(ix, Some(before), status);
        self.rollup.count(service, Some(before), Some(status));
        self.tidy_bad(service);
        self.touch_service(service);
        self.touch_instance(ix);
    }

    /// Brings what an instance counts as without its checks about bad subjects up to date.
    pub(crate) fn recount_without(&mut self, ix: InstanceIx) {
        let status = causes::without_observations(self, &self.instances[ix]);
        let instance = &mut self.instances[ix];
        let before = std::mem::replace(&mut instance.without, status);
        let counts = &mut self.services[instance.service()].without;
        counts[before as usize] -= 1;
        counts[status as usize] += 1;
    }

    /// An instance's freshness is another than `before`.
    pub(crate) fn recount_freshness(&mut self, ix: InstanceIx, before: Freshness) {
        let instance = &self.instances[ix];
        let (service, started) = (instance.service(), instance.started);
        let was_gone = matches!(before, Freshness::Lost | Freshness::Exited);
        let under = &mut self.services[service];
        under.suspects =
            under.suspects + u32::from(instance.is_suspect()) - u32::from(before == Freshness::Suspect);
        under.lost = under.lost + u32::from(instance.is_gone()) - u32::from(was_gone);
        under.oldest_may_be_over |= instance.is_gone();
        if was_gone && !instance.is_gone() {
            under.oldest.begin((started, ix));
        }
        self.touch_service(service);
        self.touch_instance(ix);
    }

    /// Finds the longest-running instance of a service anew, should that have ended.
    pub(crate) fn find_oldest(&mut self, service: ServiceIx) {
        let under = &mut self.services[service];
        if !std::mem::take(&mut under.oldest_may_be_over) {
            return;
        }
        let none_left = under
            .oldest
            .drop_over(|(started, ix)| runs(&self.instances, service, started, ix));
        if none_left {
            let all = under.instances.values().map(|ix| (ix, &self.instances[ix]));
            let running = all.filter(|(_, instance)| !instance.is_gone());
            under
                .oldest
                .fill(running.map(|(ix, instance)| (instance.started, ix)).collect());
        }
    }

    /// The counted instances of a service that are bad, each at least once.
    pub(crate) fn bad(&self, service: ServiceIx) -> impl Iterator<Item = InstanceIx> + '_ {
        let bad = self.services[service].bad.iter().copied();
        bad.filter(move |&ix| bad_status(&self.instances, service, ix).is_some())
    }

    /// Finds the first of the worst instances of a service anew, should it no longer be so.
    pub(crate) fn find_worst(&mut self, service: ServiceIx) {
        let still = |(status, Reverse(ix))| bad_status(&self.instances, service, ix) == Some(status);
        if !self.services[service].worst.is_none_or(still) {
            let bad = self.services[service].bad.iter();
            let found = bad.filter_map(|&ix| Some((bad_status(&self.instances, service, ix)?, Reverse(ix))));
            self.services[service].worst = found.max();
        }
    }

    /// Lets go of those that no longer are bad, once they are many.
    fn tidy_bad(&mut self, service: ServiceIx) {
        let under = &mut self.services[service];
        let [_, bad @ ..] = *self.rollup.counts(service);
        if under.bad.len() > 2 * bad.into_iter().sum::<u32>() as usize + SLACK {
            let instances = &self.instances;
            under
                .bad
                .retain(|&ix| bad_status(instances, service, ix).is_some());
            under.bad.sort_unstable();
            under.bad.dedup();
        }
    }

    /// A new incarnation of an instance started.
    pub(crate) fn restart(&mut self, ix: InstanceIx, started: Wall) {
        let instance = &mut self.instances[ix];
        instance.started = started;
        let (service, live) = (instance.service(), !instance.is_gone());
        self.services[service].oldest_may_be_over = true;
        if live {
            self.services[service].oldest.begin((started, ix));
        }
        self.touch_service(service);
    }
}

/// This life of an instance of the service goes on.
fn runs(instances: &Arena<Instance>, service: ServiceIx, started: Wall, ix: InstanceIx) -> bool {
    let instance = instances.get(ix);
    instance.is_some_and(|instance| {
        instance.service() == service && instance.started == started && !instance.is_gone()
    })
}

/// The status of an instance of the service that is bad.
fn bad_status(instances: &Arena<Instance>, service: ServiceIx, ix: InstanceIx) -> Option<Status> {
    let instance = instances
        .get(ix)
        .filter(|instance| instance.service() == service)?;
    Some(instance.leaf.status()).filter(|status| status.is_bad())
}
