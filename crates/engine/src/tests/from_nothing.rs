//! The reference: every verdict computed from the leaves alone, by repeating the health model's definitions until
//! nothing changes. Slow and plain on purpose; shares no formula with the incremental roll-up.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use ward_model::{
    CheckKind, Criticality, DependencyKind, Freshness, InstanceId, Mono, Name, SignalLevel, Status, Wall,
    bounds,
};

use crate::{
    Engine, Rollup,
    leaf::Leaf,
    world::{Check, Instance, InstanceIx, Service, Signal},
};

use Status::{Degraded as D, Healthy as H, Unhealthy as X, Unknown as U};

pub(super) struct Verdicts {
    pub(super) own: BTreeMap<Name, Status>,
    pub(super) effective: BTreeMap<Name, Status>,
    pub(super) system: Status,
    /// Root causes of each bad service: all of them, however far.
    pub(super) causes: BTreeMap<Name, BTreeSet<Name>>,
}

/// What a fleet says, without anything the engine derived from it.
pub(super) fn verdicts(engine: &Engine, now: Mono) -> Verdicts {
    let services: BTreeMap<Name, &Service> = engine
        .world
        .names
        .iter()
        .map(|(name, &ix)| (name.clone(), &*engine.world.services[ix]))
        .collect();
    let own: BTreeMap<_, _> = services
        .iter()
        .map(|(name, service)| (name.clone(), own(engine, name, service, now)))
        .collect();
    let mut effective: BTreeMap<_, _> = services.keys().map(|name| (name.clone(), H)).collect();
    loop {
        let next: BTreeMap<_, _> = services
            .iter()
            .map(|(name, service)| (name.clone(), join(engine, service, own[name], &effective)))
            .collect();
        if next == effective {
            break;
        }
        effective = next;
    }
    let system = system(&services, &effective);
    let causes = services
        .iter()
        .filter(|(name, _)| effective[name] != H)
        .map(|(name, _)| (name.clone(), causes(engine, name, &effective, now)))
        .collect();
    Verdicts {
        own,
        effective,
        system,
        causes,
    }
}

/// What the roll-up has for each service: its counts, own status and verdict; and the system's verdict.
type RolledUp = (Vec<([u32; 4], Status, Status)>, Status);

pub(super) fn rolled_up(engine: &Engine) -> RolledUp {
    of(engine, &engine.world.rollup)
}

/// The same where the roll-up is given every instance again and computes all of it.
pub(super) fn recomputed(engine: &Engine) -> RolledUp {
    let mut rollup = engine.world.rollup.clone();
    let instances = engine.world.instances.iter().map(|(_, instance)| instance);
    rollup.recompute(instances.map(|instance| (instance.service(), instance.leaf.status())));
    of(engine, &rollup)
}

fn of(engine: &Engine, rollup: &Rollup) -> RolledUp {
    let services = engine.world.names.values();
    let all = services.map(|&ix| (*rollup.counts(ix), rollup.own(ix), rollup.verdict(ix)));
    (all.collect(), rollup.system())
}

/// How often an instance is to be heard, from what is declared alone.
pub(super) fn interval(engine: &Engine, id: &InstanceId) -> Duration {
    let (service, instance) = find(engine, id);
    let file = service.file.as_ref().and_then(|file| file.interval);
    match file {
        Some(file) if instance.pace.once => file,
        Some(file) => file.min(bounds::INTERVAL_MAX),
        None => instance.pace.own(),
    }
}

/// The status of each signal of an instance, from its value and what is declared alone; levels that clear where they
/// raise have no past.
pub(super) fn signals(engine: &Engine, id: &InstanceId) -> Vec<(Name, Status)> {
    let (service, instance) = find(engine, id);
    let status = |signal: &Signal| {
        let file = service
            .file
            .as_ref()
            .and_then(|file| file.levels.get(&signal.name));
        let levels = file.unwrap_or(&signal.declared);
        let over = |level: Option<SignalLevel>| {
            level.is_some_and(|level| signal.value.is_some_and(|value| value >= level.raise))
        };
        if over(levels.unhealthy) {
            X
        } else if over(levels.degraded) {
            D
        } else {
            H
        }
    };
    let signals = instance.signals.iter();
    signals
        .map(|signal| (signal.name.clone(), status(signal)))
        .collect()
}

/// The same as the engine has it, before flapping is looked at.
pub(super) fn raw(engine: &Engine, id: &InstanceId) -> Vec<(Name, Status)> {
    let signals = find(engine, id).1.signals.iter();
    signals
        .map(|signal| (signal.name.clone(), signal.leaf.raw()))
        .collect()
}

/// The status of an instance from its checks and signals; `None` where its past plays a part.
pub(super) fn leaf(engine: &Engine, id: &InstanceId) -> Option<Status> {
    let (_, instance) = find(engine, id);
    let checks = instance.checks.iter().map(|check| &check.leaf);
    let mut leaves = checks.chain(instance.signals.iter().map(|signal| &signal.leaf));
    let flaps = instance.leaf.is_flapping() || leaves.any(Leaf::is_flapping);
    if flaps || instance.tainted.is_some() || !instance.is_heard() {
        return None;
    }
    let checks = instance
        .checks
        .iter()
        .map(|check| match (check.kind, check.leaf.status()) {
            (CheckKind::Required, status) => status,
            (CheckKind::Advisory, D | X) => D,
            (CheckKind::Advisory, _) => H,
        });
    let signals = signals(engine, id).into_iter().map(|(_, status)| status);
    Some(checks.chain(signals).max().unwrap_or(H))
}

/// When the longest-running instance of a service started.
pub(super) fn up_since(engine: &Engine, service: &Name) -> Option<Wall> {
    let states = engine.instances(service, usize::MAX).into_iter();
    let running = states.filter(|state| matches!(state.freshness, Freshness::Fresh | Freshness::Suspect));
    running.map(|state| state.started).min()
}

/// The first of the worst instances of each service, by their places, if one is bad.
pub(super) fn worst(engine: &Engine) -> Vec<Option<InstanceIx>> {
    let worst = |service: &Service| {
        let instances = service.instances.values();
        let status = |&ix: &InstanceIx| engine.world.instances[ix].leaf.status();
        let bad = instances.filter(|ix| status(ix).is_bad());
        bad.max_by_key(|&ix| (status(&ix), Reverse(ix)))
    };
    let services = engine.world.services.iter();
    services.map(|(_, service)| worst(service)).collect()
}

/// The same as the engine has it.
pub(super) fn worst_known(engine: &Engine) -> Vec<Option<InstanceIx>> {
    let services = engine.world.services.iter();
    services.map(|(_, service)| service.worst()).collect()
}

/// How many are fresh and how many are suspect of those that say something about the observer.
pub(super) fn telling(engine: &Engine) -> [u64; 2] {
    let instances = engine.world.instances.iter().map(|(_, instance)| instance);
    let telling: Vec<_> = instances
        .filter(|instance| interval(engine, &engine.world.id_of(instance)) <= bounds::INTERVAL_MAX)
        .collect();
    [Freshness::Fresh, Freshness::Suspect]
        .map(|of| telling.iter().filter(|instance| instance.freshness == of).count() as u64)
}

fn find<'a>(engine: &'a Engine, id: &InstanceId) -> (&'a Service, &'a Instance) {
    let service = &engine.world.services[engine.world.names[&id.service]];
    let instance = service.instances.get(&id.instance, &engine.world.instances);
    (service, &engine.world.instances[instance.expect("an instance")])
}

/// Every bad service reachable over bad dependencies whose own status stays bad without its observations of bad
/// subjects; the service itself if there is none.
fn causes(engine: &Engine, name: &Name, effective: &BTreeMap<Name, Status>, now: Mono) -> BTreeSet<Name> {
    let (mut seen, mut open, mut found) = (BTreeSet::new(), vec![name.clone()], BTreeSet::new());
    while let Some(name) = open.pop() {
        if !seen.insert(name.clone()) {
            continue;
        }
        let service = &engine.world.services[engine.world.names[&name]];
        if own_without(engine, &name, service, effective, now) != H {
            found.insert(name.clone());
        }
        open.extend(bad_dependencies(engine, service, effective));
    }
    if found.is_empty() {
        BTreeSet::from([name.clone()])
    } else {
        found
    }
}

fn own_without(
    engine: &Engine,
    name: &Name,
    service: &Service,
    effective: &BTreeMap<Name, Status>,
    now: Mono,
) -> Status {
    if own(engine, name, service, now) == H {
        return H;
    }
    let of_instance = |ix: InstanceIx| {
        let instance = &engine.world.instances[ix];
        let about_bad = |check: &Check| about(engine, check).is_some_and(|subject| effective[subject] != H);
        if instance.checks.iter().any(about_bad) {
            instance.judge(about_bad).status
        } else {
            instance.leaf.status()
        }
    };
    own_of(
        engine,
        name,
        service,
        service.instances.values().map(of_instance).collect(),
        now,
    )
}

fn bad_dependencies(engine: &Engine, service: &Service, effective: &BTreeMap<Name, Status>) -> Vec<Name> {
    let through = |kind, name: &Name| match (kind, effective[name]) {
        (DependencyKind::Hard, status) => status,
        (DependencyKind::Soft, X) => D,
        (DependencyKind::Soft, _) => H,
    };
    let declared: Vec<_> = service
        .declared_dependencies()
        .iter()
        .filter(|dependency| dependency.service != service.name)
        .collect();
    let mut bad = Vec::new();
    for dependency in &declared {
        let group = declared.iter().filter(|other| other.any_of == dependency.any_of);
        let counts = match &dependency.any_of {
            None => through(dependency.kind, &dependency.service),
            Some(_) => group
                .map(|other| through(other.kind, &other.service))
                .min()
                .unwrap_or(H),
        };
        if counts != H {
            bad.push(dependency.service.clone());
        }
    }
    let checks = service
        .instances
        .values()
        .flat_map(|ix| &engine.world.instances[ix].checks);
    for (subject, kind) in checks.filter_map(|check| Some((about(engine, check)?, check.kind))) {
        let kind = if kind == CheckKind::Required {
            DependencyKind::Hard
        } else {
            DependencyKind::Soft
        };
        if through(kind, subject) != H {
            bad.push(subject.clone());
        }
    }
    bad
}

fn leaves(engine: &Engine, service: &Service) -> Vec<Status> {
    service
        .instances
        .values()
        .map(|ix| engine.world.instances[ix].leaf.status())
        .collect()
}

fn cap(status: Status) -> Status {
    if status >= D { D } else { H }
}

fn rolled(mut leaves: Vec<Status>, wanted: usize, missing: Status) -> Status {
    let worst = leaves.iter().copied().max().unwrap_or(H);
    while leaves.len() < wanted {
        leaves.push(missing);
    }
    leaves.sort_unstable();
    cap(worst).max(leaves[wanted - 1])
}

/// What a check is about, unless that is its own service.
fn about<'a>(engine: &'a Engine, check: &Check) -> Option<&'a Name> {
    let subject = check.subject?;
    Some(&engine.world.services[subject.ix()].name)
}

/// What all checks about `subject` say, and of which services.
fn observations(engine: &Engine, subject: &Name) -> (Vec<Status>, BTreeSet<Name>) {
    let (mut said, mut by) = (Vec::new(), BTreeSet::new());
    for (_, instance) in &engine.world.instances {
        for check in &instance.checks {
            if about(engine, check) == Some(subject) {
                said.push(if instance.is_heard() {
                    check.leaf.status()
                } else {
                    U
                });
                by.insert(engine.world.services[instance.service()].name.clone());
            }
        }
    }
    (said, by)
}

fn own(engine: &Engine, name: &Name, service: &Service, now: Mono) -> Status {
    own_of(engine, name, service, leaves(engine, service), now)
}

fn own_of(engine: &Engine, name: &Name, service: &Service, leaves: Vec<Status>, now: Mono) -> Status {
    let (said, by) = observations(engine, name);
    let evidence = (!said.is_empty()).then(|| rolled(said, 1, U));
    if leaves.is_empty() {
        return evidence.unwrap_or(U);
    }
    let wanted = service.min_healthy().resolve(leaves.len());
    let missing = if now < service.seats_due { U } else { X };
    let second = match evidence {
        None | Some(H | U) => H,
        Some(bad) if by.len() >= 2 => bad,
        Some(_) => D,
    };
    rolled(leaves, wanted, missing).max(second)
}

fn join(engine: &Engine, service: &Service, own: Status, effective: &BTreeMap<Name, Status>) -> Status {
    let through = |kind, status| match (kind, status) {
        (DependencyKind::Hard, status) => status,
        (DependencyKind::Soft, X) => D,
        (DependencyKind::Soft, _) => H,
    };
    let mut status = own;
    let mut groups: BTreeMap<&Name, Status> = BTreeMap::new();
    for dependency in service.declared_dependencies() {
        if dependency.service == service.name {
            continue;
        }
        let seen = through(dependency.kind, effective[&dependency.service]);
        match &dependency.any_of {
            None => status = status.max(seen),
            Some(group) => {
                let best = groups.entry(group).or_insert(X);
                *best = (*best).min(seen);
            }
        }
    }
    for ix in service.instances.values() {
        for check in &engine.world.instances[ix].checks {
            if let Some(subject) = about(engine, check) {
                let kind = if check.kind == CheckKind::Required {
                    DependencyKind::Hard
                } else {
                    DependencyKind::Soft
                };
                status = status.max(through(kind, effective[subject]));
            }
        }
    }
    groups.into_values().fold(status, Status::max)
}

fn system(services: &BTreeMap<Name, &Service>, effective: &BTreeMap<Name, Status>) -> Status {
    let mut status = H;
    let mut best = None::<Status>;
    for (name, service) in services {
        let seen = effective[name];
        let contribution = match service.criticality() {
            Criticality::Critical => seen,
            Criticality::Important => seen.min(D),
            Criticality::Optional => H,
        };
        status = status.max(if service.maintenance.is_some() {
            contribution.min(D)
        } else {
            contribution
        });
        if service.criticality() != Criticality::Optional {
            let seen = if service.maintenance.is_some() {
                seen.min(D)
            } else {
                seen
            };
            best = Some(best.map_or(seen, |best| best.min(seen)));
        }
    }
    status.max(best.unwrap_or(U))
}
