//! The decision: a pure function from events and a time to changes.
//!
//! It does no I/O, reads no clock and draws no random number, so an hour of a thousand services runs in milliseconds
//! in a test and one seed replays one history. The one thing shared with the outside is the [`Slab`], into which edges
//! store beats; what is in it enters a decision only at a tick.
//!
//! An [`Event`] goes through [`Engine::apply`]: a handler (`registry`, `freshness`, `operate`) changes the `world`,
//! which notes what it touched; `settle` rolls that up (`rollup`) and makes one revision of it.

mod agenda;
mod blame;
mod causes;
mod config;
mod debounce;
mod detail;
mod event;
mod freshness;
mod judge;
mod leaf;
mod leases;
mod observer;
mod once;
mod operate;
mod recall;
mod registry;
mod rollup;
mod settle;
mod signal;
mod slab;
mod suspects;
mod system;
#[cfg(test)]
mod tests;
mod view;
mod wake;
mod world;

use std::{collections::BTreeMap, ops::Bound, sync::Arc};

use ward_model::{
    CausalChain, Epoch, Explanation, InstanceState, Mono, Name, Now, ObserverState, Revision, ServiceState,
    Status, SystemState, Wall,
};

pub use config::{Config, Lease};
pub use debounce::Debounce;
pub use detail::Detail;
pub use event::{Declaration, Event, Levels, Outcome, Recalled, Refusal, Registered, Reply, StreamId, Tick};
pub use rollup::{Need, Rollup};
pub use slab::{Slab, Slot};

/// The whole state of one life of the aggregator.
#[derive(Debug)]
pub struct Engine {
    config: Config,
    epoch: Epoch,
    revision: Revision,
    world: world::World,
    leases: leases::Leases,
    observer: observer::Observer,
    system: system::System,
    wakes: wake::Wakes,
    started: Mono,
    /// The moment of the event being applied.
    mono: Mono,
    wall: Wall,
    told_system: Option<SystemState>,
    /// Services of which something else may be said, while an event is settled.
    touched: once::Once,
    blame: blame::Blame,
    /// Things removed by the event being applied.
    gone: Vec<settle::Gone>,
    transitions: [u64; 3],
    convictions: u64,
    disagreements: u64,
    freshness: [u64; 4],
    /// Those of them that are heard too seldom to say anything about the observer.
    seldom: [u64; 4],
    /// For the outcome of the event being applied.
    renewals: bool,
    /// Who falls silent, by when they will be convicted.
    suspects: suspects::Suspects,
}

impl Engine {
    /// An empty system, seen from `now` on.
    pub fn new(config: Config, epoch: Epoch, slab: Arc<Slab>, now: Now) -> Self {
        let mut wakes = wake::Wakes::default();
        wakes.ask(
            &mut wake::Asked::default(),
            Some(now.mono + config.settle),
            wake::Wake::System,
        );
        Self {
            observer: observer::Observer::new(&config, now.mono),
            config,
            epoch,
            revision: Revision(0),
            world: world::World::default(),
            leases: leases::Leases::new(slab),
            system: system::System::new(now.wall),
            wakes,
            started: now.mono,
            mono: now.mono,
            wall: now.wall,
            told_system: None,
            touched: once::Once::default(),
            blame: blame::Blame::default(),
            gone: Vec::new(),
            transitions: [0; 3],
            convictions: 0,
            disagreements: 0,
            freshness: [0; 4],
            seldom: [0; 4],
            renewals: false,
            suspects: suspects::Suspects::default(),
        }
    }

    /// Takes one event. `now` must not run backwards.
    pub fn apply(&mut self, event: Event, now: Now) -> Outcome {
        let mut outcome = self.decide(event, now);
        if let Some(changes) = &mut outcome.changes {
            self.tell(&mut changes.changes);
        }
        outcome
    }

    /// The same up to the verdict: what is said of instances is left out of the changes until [`Self::tell`], to be
    /// called before the next event. So the verdict need not wait for a hundred thousand of them.
    pub fn decide(&mut self, event: Event, now: Now) -> Outcome {
        self.remember_untold();
        (self.mono, self.wall) = (now.mono, now.wall);
        let reply = self.handle(event, now);
        Outcome {
            reply,
            changes: self.settle(now),
            renewals: std::mem::take(&mut self.renewals),
        }
    }

    fn handle(&mut self, event: Event, now: Now) -> Reply {
        let result = match event {
            Event::Hello { stream, hello } => self.hello(stream, *hello, now).map(Reply::Registered),
            Event::HelloAnonymous { hello } => self.hello_anonymous(*hello, now).map(Reply::Registered),
            Event::Renew { stream } => Ok(Reply::Renewed(self.renew(stream, now))),
            Event::Update { slot, update } => self.update(slot, update, now),
            Event::Goodbye { slot } => self.goodbye(slot),
            Event::GoodbyeOnce { id, incarnation } => self.goodbye_once(&id, incarnation.as_ref()),
            Event::StreamEnded { stream, by_peer } => self.stream_ended(stream, by_peer, now),
            Event::Exited {
                id,
                incarnation,
                message,
            } => self.exited(&id, &incarnation, message, now),
            Event::DeclareAll(declarations) => self.declare_all(declarations, now),
            Event::Recall(recalled) => {
                self.recall(recalled, now);
                Ok(Reply::Done)
            }
            Event::StartMaintenance {
                service,
                by,
                why,
                duration,
            } => self.start_maintenance(&service, by, why, duration, now),
            Event::EndMaintenance { service } => self.end_maintenance(&service),
            Event::Forget { service, instance } => self.forget(&service, instance.as_ref()),
            Event::Tick(tick) => {
                self.tick(tick, now);
                Ok(Reply::Done)
            }
        };
        result.unwrap_or_else(Reply::Refused)
    }

    /// This life of the aggregator.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The last revision published; 0 before the first.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// The verdict.
    pub fn system(&self) -> SystemState {
        self.system.state(&self.world, self.observer.state)
    }

    /// One service.
    pub fn service(&self, name: &Name) -> Option<ServiceState> {
        self.world.find(name).map(|ix| view::service(&self.world, ix))
    }

    /// All services, in the order of their names, behind `after`.
    pub fn services<'a>(&'a self, after: Option<&'a Name>) -> impl Iterator<Item = ServiceState> + 'a {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let found = self.world.names.range::<Name, _>((from, Bound::Unbounded));
        found.map(|(_, &ix)| view::service(&self.world, ix))
    }

    /// The instances of a service, the worst first, at most `limit`.
    pub fn instances(&self, service: &Name, limit: usize) -> Vec<InstanceState> {
        self.world
            .find(service)
            .map_or_else(Vec::new, |ix| view::instances(&self.world, ix, limit))
    }

    /// States of instances in an order of the engine's own, at most `most` of them from place `from` on, and the place to go
    /// on from; `None` at the end. Instances that come or go meanwhile may be left out or not.
    pub fn instances_from(&self, from: usize, most: usize) -> (Vec<InstanceState>, Option<usize>) {
        let until = self.world.instances.capacity();
        let to = until.min(from + most);
        let found = (from..to).filter_map(|ix| self.world.instances.get(ix));
        let states = found
            .map(|instance| view::instance(&self.world, instance))
            .collect();
        (states, (to < until).then_some(to))
    }

    /// The signals of services, in the order of their names: see [`ServiceSignals`]. Looks at some `most` instances, and says
    /// where to go on; `None` at the end. Of a service that is looked at in pieces each piece is told apart.
    pub fn signals_from(&self, from: Option<Place>, most: usize) -> (Vec<ServiceSignals>, Option<Place>) {
        let (first, mut skipped) = from.map_or((None, 0), |Place { service, instances }| {
            (Some(service), instances)
        });
        let from = first.as_ref().map_or(Bound::Unbounded, Bound::Included);
        let (mut found, mut looked) = (Vec::new(), 0);
        for (name, &ix) in self.world.names.range::<Name, _>((from, Bound::Unbounded)) {
            if first.as_ref() != Some(name) {
                skipped = 0;
            }
            if looked >= most {
                let (service, instances) = (name.clone(), skipped);
                return (found, Some(Place { service, instances }));
            }
            // As long as it takes to look at an instance, for one without.
            looked += 1;
            if self.world.services[ix].signals {
                let (signals, seen) = view::signals(&self.world, ix, skipped, most - looked + 1);
                found.push((name.clone(), signals));
                looked += seen;
                if looked > most {
                    let (service, instances) = (name.clone(), skipped + seen);
                    return (found, Some(Place { service, instances }));
                }
            }
        }
        (found, None)
    }

    /// Why a service (`None`: the system) is as it is.
    pub fn explain(&self, name: Option<&Name>) -> Option<Explanation> {
        match name {
            Some(name) => self.world.find(name).map(|ix| causes::explain(&self.world, ix)),
            None => Some(self.explain_system()),
        }
    }

    /// The chains of the services that make the system bad; of several to one root the shortest.
    fn explain_system(&self) -> Explanation {
        let mut chains: Vec<CausalChain> = Vec::new();
        let root = |chain: &CausalChain| chain.links.last().map(|link| link.service.clone());
        for ix in self.world.rollup.culprits().take(ward_model::bounds::CAUSES) {
            for chain in causes::explain(&self.world, ix).chains {
                if !chains.iter().any(|known| root(known) == root(&chain)) {
                    chains.push(chain);
                }
            }
        }
        chains.truncate(ward_model::bounds::CAUSES);
        Explanation {
            name: None,
            condition: self.system().condition,
            chains,
        }
    }

    /// Details of services for metrics, in the order of their names, behind `after`: of at most `most` of them.
    pub fn details(&self, after: Option<&Name>, most: usize) -> Vec<Detail> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let found = self.world.names.range::<Name, _>((from, Bound::Unbounded));
        found
            .take(most)
            .map(|(_, &ix)| detail::of(&self.world, ix))
            .collect()
    }

    /// Figures for metrics.
    pub fn figures(&self) -> Figures {
        let services = self.world.names.iter();
        Figures {
            services: services
                .map(|(name, &ix)| (name.clone(), self.world.rollup.verdict(ix)))
                .collect(),
            system: self.world.rollup.system(),
            instances: self.freshness,
            transitions: self.transitions,
            convictions: self.convictions,
            late_ticks: self.observer.late_ticks,
            observer: self.observer.state,
            disagreements: self.disagreements,
        }
    }
}

/// Where to go on looking at signals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    service: Name,
    /// How many of its instances were looked at.
    instances: usize,
}

/// A service that has signals, or had: of each the greatest value of its fresh instances.
pub type ServiceSignals = (Name, BTreeMap<Name, f64>);

/// Figures about the engine itself, for metrics. Counters since the start unless said otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Name and verdict of each service, now.
    pub services: Vec<(Name, Status)>,
    /// The system's verdict, now.
    pub system: Status,
    /// Instances that are fresh, suspect, lost, exited, now.
    pub instances: [u64; 4],
    /// Transitions of the system, of services and of instances.
    pub transitions: [u64; 3],
    /// Instances made Lost because of silence.
    pub convictions: u64,
    /// Ticks that came late by more than four periods.
    pub late_ticks: u64,
    /// Score, degraded view, blind, settling, now.
    pub observer: ObserverState,
    /// Declarations that disagreed with those in force.
    pub disagreements: u64,
}
