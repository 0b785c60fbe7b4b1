//! Root causes and the shortest chains to them.
//!
//! A root cause of a service is a bad service, reachable over its bad dependencies, whose own status stays bad when its
//! observations of bad subjects are left out: what is merely the victim of another is not a cause.

use std::collections::{BTreeMap, VecDeque};

use ward_model::{
    CausalChain, CausalLink, Condition, DependencyKind, Evidence, Explanation, Name, Reason, Status, bounds,
};

use crate::{
    rollup::{Counts, Rollup},
    view,
    world::{Check, Instance, InstanceIx, Service, ServiceIx, World},
};

/// Most pieces of evidence told for one root cause; the worst instances come first.
const EVIDENCE: usize = 16;
/// Most bad instances looked at for evidence.
const INSTANCES_LOOKED_AT: usize = 64;

/// Who leads to a service in a search, and over what kind of edge.
type Parents = BTreeMap<ServiceIx, (ServiceIx, DependencyKind)>;

/// The root causes of a service as others are told them: itself where nothing else is found.
pub(crate) fn named(world: &World, ix: ServiceIx) -> Vec<Name> {
    let service = &world.services[ix];
    if service.causes.is_empty() && is_bad(world, ix) {
        return vec![service.name.clone()];
    }
    service
        .causes
        .iter()
        .map(|&(_, root)| world.services[root].name.clone())
        .collect()
}

/// Breadth-first over bad edges; tells each root, with who leads to whom, until told to stop.
fn search(world: &World, from: ServiceIx, mut root: impl FnMut(ServiceIx, &Parents) -> bool) {
    if !is_bad(world, from) {
        return;
    }
    let mut parents = BTreeMap::new();
    let mut open = VecDeque::from([from]);
    while let Some(ix) = open.pop_front() {
        if world.services[ix].root && !root(ix, &parents) {
            return;
        }
        for need in world.rollup.bad_needs(ix) {
            let target = need.target;
            if target != from && !parents.contains_key(&target) {
                parents.insert(target, (ix, need.kind));
                open.push_back(target);
            }
        }
    }
}

/// Whether a service is bad by itself, with the counts kept for that.
pub(crate) fn is_root(rollup: &Rollup, ix: ServiceIx, without: &Counts) -> bool {
    rollup.own(ix).is_bad() && rollup.own_with(ix, without).is_bad()
}

fn is_bad(world: &World, ix: ServiceIx) -> bool {
    world.rollup.verdict(ix).is_bad()
}

/// The check is about something bad, so that its word is explained by that.
fn is_about_bad(world: &World, check: &Check) -> bool {
    check.subject.is_some_and(|subject| is_bad(world, subject.ix()))
}

/// An instance's status without what it says about bad subjects. Its flapping counts only where nothing is left out.
pub(crate) fn without_observations(world: &World, instance: &Instance) -> Status {
    if !instance.steady && instance.checks.iter().any(|check| is_about_bad(world, check)) {
        instance.judge(|check| is_about_bad(world, check)).status
    } else {
        instance.leaf.status()
    }
}

/// Why a service is as it is.
pub(crate) fn explain(world: &World, ix: ServiceIx) -> Explanation {
    let mut chains = Vec::new();
    search(world, ix, |root, parents| {
        chains.push(chain(world, ix, root, parents));
        chains.len() < bounds::CAUSES
    });
    let condition = view::effective(world, ix);
    if chains.is_empty() && condition.status.is_bad() {
        chains.push(chain(world, ix, ix, &Parents::new()));
    }
    Explanation {
        name: Some(world.services[ix].name.clone()),
        condition,
        chains,
    }
}

fn chain(world: &World, from: ServiceIx, root: ServiceIx, parents: &Parents) -> CausalChain {
    let mut links = vec![CausalLink {
        service: world.services[root].name.clone(),
        via: None,
        condition: view::own(world, root),
        evidence: evidence(world, root),
    }];
    let mut at = root;
    while let Some(&(parent, kind)) = parents.get(&at).filter(|_| at != from) {
        if let Some(link) = links.last_mut() {
            link.via = Some(kind);
        }
        links.push(CausalLink {
            service: world.services[parent].name.clone(),
            via: None,
            condition: view::effective(world, parent),
            evidence: Vec::new(),
        });
        at = parent;
    }
    links.reverse();
    CausalChain { links }
}

/// What makes a root cause bad: its missing seats, its bad instances with their checks and signals, and what others
/// see of it.
fn evidence(world: &World, ix: ServiceIx) -> Vec<Evidence> {
    let service = &world.services[ix];
    let mut found = Vec::new();
    let own = view::own(world, ix);
    if matches!(own.reason, Reason::Quorum | Reason::NoInstances) {
        found.push(bare(service, own));
    }
    for instance in worst_instances(world, ix, INSTANCES_LOOKED_AT) {
        of_instance(world, &world.instances[instance], &mut found);
    }
    for (&observer, _) in service.observers.iter().take(EVIDENCE) {
        by_observer(world, observer, ix, &mut found);
    }
    found.truncate(EVIDENCE);
    found
}

fn bare(service: &Service, condition: Condition) -> Evidence {
    Evidence {
        service: service.name.clone(),
        instance: None,
        name: None,
        value: None,
        threshold: None,
        condition,
    }
}

fn of_instance(world: &World, instance: &Instance, found: &mut Vec<Evidence>) {
    let at = |name, condition| Evidence {
        service: world.services[instance.service()].name.clone(),
        instance: Some(instance.name.clone()),
        name,
        value: None,
        threshold: None,
        condition,
    };
    if !instance.is_heard() || instance.tainted.is_some() {
        found.push(at(None, view::instance_condition(instance)));
        return;
    }
    let own_checks = instance.checks.iter().filter(|check| !is_about_bad(world, check));
    for check in own_checks.filter(|check| check.leaf.status().is_bad()) {
        found.push(at(Some(check.name.clone()), view::check_condition(check)));
    }
    for signal in instance
        .signals
        .iter()
        .filter(|signal| signal.leaf.status().is_bad())
    {
        let level = if signal.leaf.status() == Status::Unhealthy {
            signal.levels.unhealthy
        } else {
            signal.levels.degraded
        };
        found.push(Evidence {
            value: signal.value,
            threshold: level.map(|level| level.raise),
            ..at(Some(signal.name.clone()), view::signal_condition(signal))
        });
    }
}

fn by_observer(world: &World, observer: ServiceIx, subject: ServiceIx, found: &mut Vec<Evidence>) {
    for ix in world.services[observer]
        .instances
        .values()
        .take(INSTANCES_LOOKED_AT)
    {
        let instance = &world.instances[ix];
        let about = |check: &&Check| check.subject.is_some_and(|about| about.ix() == subject);
        for check in instance.checks.iter().filter(about) {
            if check.leaf.status().is_bad() && found.len() < EVIDENCE {
                found.push(Evidence {
                    service: world.services[observer].name.clone(),
                    instance: Some(instance.name.clone()),
                    name: Some(check.name.clone()),
                    value: None,
                    threshold: None,
                    condition: view::check_condition(check),
                });
            }
        }
    }
}

/// The bad instances of a service, the worst first, at most `limit`, those of one status in the order of their names.
pub(crate) fn worst_instances(world: &World, service: ServiceIx, limit: usize) -> Vec<InstanceIx> {
    let mut bad: Vec<_> = world.bad(service).collect();
    bad.sort_unstable();
    bad.dedup();
    let mut found = Vec::new();
    for status in Status::ALL.into_iter().rev().filter(|status| status.is_bad()) {
        let of_status = bad
            .iter()
            .copied()
            .filter(|&ix| world.instances[ix].leaf.status() == status);
        let from = found.len();
        found.extend(of_status.take(limit - from));
        found[from..].sort_by_key(|&ix| &world.instances[ix].name);
    }
    found
}
