//! The incremental roll-up: from changed services to every service they affect, and no other.
//!
//! Each map is monotone, so the verdicts are the least fixpoint. What gets worse only raises, from where it is. What
//! may get better could be holding itself up over a cycle: those that stand on it are set back to their own status
//! first and raised again. Only services whose verdict is worse than their own status can stand on another, so the
//! set back stays within what the change can affect; no condensation of the graph is kept.

use std::collections::{BTreeMap, BTreeSet};

use ward_model::{Mono, Status, Wall};

use crate::{
    rollup::{as_second_opinion, by_instances, by_observers, through_dependency},
    world::{Service, ServiceIx, World},
};

/// Where a service's own status comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    NoInstances,
    Instances,
    /// Not enough of them.
    Seats,
    Observers,
}

/// A service's own status, from its counts alone.
pub(crate) fn own(service: &Service, now: Mono) -> (Status, Source) {
    own_with(service, &service.counts, now)
}

/// The same with other counts of its instances.
pub(crate) fn own_with(service: &Service, counts: &[u32; 4], now: Mono) -> (Status, Source) {
    let observed = service
        .evidence
        .iter()
        .any(|&count| count > 0)
        .then(|| by_observers(&service.evidence));
    if service.counted() == 0 {
        return observed.map_or((Status::Unknown, Source::NoInstances), |status| {
            (status, Source::Observers)
        });
    }
    let missing = if now < service.seats_due {
        Status::Unknown
    } else {
        Status::Unhealthy
    };
    let reported = by_instances(counts, service.wanted(), missing);
    let second = as_second_opinion(observed.unwrap_or_default(), service.observers.len());
    if second > reported {
        return (second, Source::Observers);
    }
    let of_those_there = by_instances(counts, 1, missing);
    let source = if reported > of_those_there {
        Source::Seats
    } else {
        Source::Instances
    };
    (reported, source)
}

/// Its verdict from its own status and the present verdicts of what it depends on.
fn derived(world: &World, ix: ServiceIx) -> Status {
    let service = &world.services[ix];
    let contributions = (0..service.edges.len()).filter_map(|edge| contribution(world, service, edge));
    contributions.fold(service.own.0, Status::join)
}

/// What edge number `edge` does to its service; a group's is told by the first of its edges.
fn contribution(world: &World, service: &Service, edge: usize) -> Option<Status> {
    let through = |number: usize| {
        let edge = &service.edges[number];
        through_dependency(edge.kind, world.services[edge.target].effective.0)
    };
    let Some(group) = &service.edges[edge].any_of else {
        return Some(through(edge));
    };
    let members = |number: &usize| service.edges[*number].any_of.as_ref() == Some(group);
    let first = (0..edge).find(members).is_none();
    first.then(|| {
        (0..service.edges.len())
            .filter(members)
            .map(through)
            .min()
            .unwrap_or_default()
    })
}

/// The edges over which something bad reaches a service: all of a group that does.
pub(crate) fn bad_edges(world: &World, ix: ServiceIx) -> Vec<usize> {
    let service = &world.services[ix];
    let group_of = |edge: usize| service.edges[edge].any_of.as_ref();
    let bad = |edge: usize| match group_of(edge) {
        None => contribution(world, service, edge).is_some_and(Status::is_bad),
        Some(group) => {
            let first = (0..service.edges.len()).find(|&other| group_of(other) == Some(group));
            first
                .and_then(|first| contribution(world, service, first))
                .is_some_and(Status::is_bad)
        }
    };
    (0..service.edges.len()).filter(|&edge| bad(edge)).collect()
}

/// Computes the own status of each service of `dirty` again and carries what changed to all it affects. Returns those
/// whose verdict changed.
pub(crate) fn propagate(world: &mut World, dirty: &[ServiceIx], now: Mono, wall: Wall) -> Vec<ServiceIx> {
    let lowered = refresh_own(world, dirty, now, wall);
    let mut before = BTreeMap::new();
    let reset = standing_on(world, lowered);
    for &ix in &reset {
        let service = &mut world.services[ix];
        before.insert(ix, service.effective.0);
        // Where its own status rose, the raising below tells its dependents.
        service.effective.0 = service.effective.0.min(service.own.0);
    }
    raise(world, reset.iter().chain(dirty).copied().collect(), &mut before);
    before.retain(|&ix, status| world.services[ix].effective.0 != *status);
    for &ix in before.keys() {
        world.services[ix].effective.1 = wall;
    }
    before.into_keys().collect()
}

/// Brings own statuses up to date. Returns the services whose verdict may have to fall.
fn refresh_own(world: &mut World, dirty: &[ServiceIx], now: Mono, wall: Wall) -> Vec<ServiceIx> {
    let mut lowered = Vec::new();
    for &ix in dirty {
        let service = &mut world.services[ix];
        let (status, _) = own(service, now);
        let fell = status < service.own.0 && service.effective.0 == service.own.0;
        if service.rewired || fell {
            lowered.push(ix);
        }
        if status != service.own.0 {
            service.own = (status, wall);
        }
    }
    lowered
}

/// Those services and all whose verdict may rest on theirs.
fn standing_on(world: &World, lowered: Vec<ServiceIx>) -> BTreeSet<ServiceIx> {
    let mut found = BTreeSet::new();
    let mut open = lowered;
    while let Some(ix) = open.pop() {
        if found.insert(ix) {
            let worse_than_own = |dependent: &ServiceIx| {
                let service = &world.services[*dependent];
                service.effective.0 > service.own.0
            };
            open.extend(
                world.services[ix]
                    .dependents
                    .keys()
                    .copied()
                    .filter(worse_than_own),
            );
        }
    }
    found
}

/// Raises verdicts until none rises any more: at most three times each, there being four statuses.
fn raise(world: &mut World, mut open: Vec<ServiceIx>, before: &mut BTreeMap<ServiceIx, Status>) {
    while let Some(ix) = open.pop() {
        let status = derived(world, ix);
        let service = &mut world.services[ix];
        if status > service.effective.0 {
            before.entry(ix).or_insert(service.effective.0);
            service.effective.0 = status;
            open.extend(service.dependents.keys());
        }
    }
}
