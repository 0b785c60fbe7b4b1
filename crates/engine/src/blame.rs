//! Who is to blame, kept up to date: for every bad service the nearest root causes and how far away they are.
//!
//! Roots spread backwards over bad edges, nearest first, all of them in one pass over the services that may have others
//! now. A search from each bad service on its own gives the same and was not taken: with one broken database under
//! everything it is quadratic, and costs seconds where this costs milliseconds.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap},
};

use ward_model::{Mono, Name, bounds};

use crate::{
    causes,
    propagate::bad_edges,
    world::{ServiceIx, World},
};

/// A cause on its way: how far, which (by name, so that ties have one order), and to whom.
type Step = Reverse<(u32, Name, ServiceIx, ServiceIx)>;

/// Finds causes again after `dirty` services changed and the verdicts of `moved` did. Returns those that have others.
pub(crate) fn refresh(
    world: &mut World,
    dirty: &[ServiceIx],
    moved: &[ServiceIx],
    rewired: &[ServiceIx],
    now: Mono,
) -> Vec<ServiceIx> {
    let observers = recount_observers(world, moved);
    let mut changed: BTreeSet<ServiceIx> = moved.iter().chain(rewired).copied().collect();
    for &ix in dirty.iter().chain(moved).chain(&observers) {
        let root = causes::is_root(&world.services[ix], now);
        if std::mem::replace(&mut world.services[ix].root, root) != root {
            changed.insert(ix);
        }
    }
    if changed.is_empty() {
        return Vec::new();
    }
    let affected = affected(world, changed);
    spread(world, &affected)
}

/// Instances whose checks are about a subject that became bad or good count as something else without those checks.
fn recount_observers(world: &mut World, moved: &[ServiceIx]) -> BTreeSet<ServiceIx> {
    let observers: BTreeSet<ServiceIx> = moved
        .iter()
        .flat_map(|&ix| world.services[ix].observers.keys().copied())
        .collect();
    for &observer in &observers {
        let instances: Vec<_> = world.services[observer].instances.values().collect();
        instances.into_iter().for_each(|ix| world.recount_without(ix));
    }
    observers
}

/// The changed and all bad services that depend on them, however far.
fn affected(world: &World, changed: BTreeSet<ServiceIx>) -> BTreeSet<ServiceIx> {
    let mut affected = BTreeSet::new();
    let mut open: Vec<ServiceIx> = changed.into_iter().collect();
    while let Some(ix) = open.pop() {
        if affected.insert(ix) {
            let dependents = world.services[ix].dependents.keys().copied();
            open.extend(dependents.filter(|&dependent| world.services[dependent].effective.0.is_bad()));
        }
    }
    affected
}

fn spread(world: &mut World, affected: &BTreeSet<ServiceIx>) -> Vec<ServiceIx> {
    let mut heirs: BTreeMap<ServiceIx, Vec<ServiceIx>> = BTreeMap::new();
    let mut steps: BinaryHeap<Step> = BinaryHeap::new();
    for &ix in affected {
        let service = &world.services[ix];
        if !service.effective.0.is_bad() {
            continue;
        }
        if service.root {
            steps.push(Reverse((0, service.name.clone(), ix, ix)));
        }
        for edge in bad_edges(world, ix) {
            let target = service.edges[edge].target;
            if affected.contains(&target) {
                heirs.entry(target).or_default().push(ix);
            } else {
                let inherited = world.services[target].causes.iter();
                steps.extend(
                    inherited
                        .map(|&(far, root)| Reverse((far + 1, world.services[root].name.clone(), root, ix))),
                );
            }
        }
    }
    let mut found: BTreeMap<ServiceIx, Vec<(u32, ServiceIx)>> = BTreeMap::new();
    while let Some(Reverse((far, name, root, ix))) = steps.pop() {
        let causes = found.entry(ix).or_default();
        if causes.len() == bounds::CAUSES || causes.iter().any(|&(_, known)| known == root) {
            continue;
        }
        causes.push((far, root));
        let next = heirs.get(&ix).into_iter().flatten();
        steps.extend(next.map(|&heir| Reverse((far + 1, name.clone(), root, heir))));
    }
    let mut changed = Vec::new();
    for &ix in affected {
        let causes = found.remove(&ix).unwrap_or_default();
        if causes != world.services[ix].causes {
            world.services[ix].causes = causes;
            changed.push(ix);
        }
    }
    changed
}
