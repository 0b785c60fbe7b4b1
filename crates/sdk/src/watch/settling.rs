//! What a restarted aggregator cannot know yet, and therefore nobody is told.
//!
//! Behind its start an aggregator has heard of nobody; reporters come back one by one while it says `settling`. What was
//! known before stays as it was told until there is evidence: a thing that is missing or Unknown, a service with fewer
//! instances than before, and what rests on such things, in either direction (a system whose only reporter so far is the
//! one broken service looks dead; one whose broken service has not come back looks well). What does not rest on them is
//! told at once: an instance that says it is ill, a service whose own word is worse than before.
//!
//! The simpler rule, telling nothing until settling is over, would hide real failures for 15 s after each restart.

use std::collections::{BTreeMap, BTreeSet};

use ward_model::{
    Criticality, DependencyKind, Entity, EntityKey, Name, ServiceState, Status, SystemState, Wall,
};

use super::differ::Known;

/// The aggregator no longer says that it is settling. Without its word, as under a filter, a bookmark will tell.
pub(super) fn is_over(truth: &Known) -> bool {
    match truth.get(&EntityKey::System) {
        Some(Entity::System(system)) => !system.observer.settling,
        _ => false,
    }
}

/// What is not to be taken as it looks.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// Not to be told.
    pub(super) keys: BTreeSet<EntityKey>,
    /// To be told, being worse by what is evident; yet they rest on what is held as well, so the doubt stays.
    pub(super) in_part: BTreeSet<EntityKey>,
}

/// Which of the `old` things are not to be taken as they look in `truth`.
pub(super) fn held(old: &BTreeSet<EntityKey>, told: &Known, truth: &Known) -> Held {
    let keys = old
        .iter()
        .filter(|key| lacks_evidence(told.get(key), truth.get(key)))
        .cloned()
        .collect();
    let mut held = Held {
        keys,
        in_part: BTreeSet::new(),
    };
    hold_what_observers_said(old, told, truth, &mut held.keys);
    hold_dependents(old, told, truth, &mut held);
    if old.contains(&EntityKey::System) {
        hold_system(told, truth, &mut held);
    }
    held
}

/// Nothing differs but times, and what the observer says about itself.
pub(super) fn same_but_for_time(told: &Entity, now: &Entity) -> bool {
    timeless(told.clone()) == timeless(now.clone())
}

/// Missing, Unknown, or seen by fewer instances than before.
fn lacks_evidence(told: Option<&Entity>, now: Option<&Entity>) -> bool {
    let (Some(told), Some(now)) = (told, now) else {
        return true;
    };
    if now.status() == Status::Unknown {
        return true;
    }
    match (told, now) {
        (Entity::Service(told), Entity::Service(now)) => now.instances.total < told.instances.total,
        _ => false,
    }
}

/// A service gets better by what others see of it only when all of them are back.
fn hold_what_observers_said(
    old: &BTreeSet<EntityKey>,
    told: &Known,
    truth: &Known,
    held: &mut BTreeSet<EntityKey>,
) {
    let absent = held
        .iter()
        .filter_map(|key| service(told, key))
        .collect::<Vec<_>>();
    let better = absent
        .iter()
        .flat_map(|observer| &observer.dependencies)
        .map(|dependency| EntityKey::Service(dependency.service.clone()))
        .filter(|key| old.contains(key) && status(truth, key) < status(told, key))
        .collect::<Vec<_>>();
    held.extend(better);
}

/// Whose verdict rests on what is held is held too, but for one that is worse by what is evident.
fn hold_dependents(old: &BTreeSet<EntityKey>, told: &Known, truth: &Known, held: &mut Held) {
    let mut dependents: BTreeMap<&Name, Vec<&ServiceState>> = BTreeMap::new();
    for dependent in old.iter().filter_map(|key| service(told, key)) {
        for dependency in &dependent.dependencies {
            dependents.entry(&dependency.service).or_default().push(dependent);
        }
    }
    let evident = evident(&held.keys, old, truth);
    let mut queue: Vec<Name> = held.keys.iter().filter_map(service_name).cloned().collect();
    while let Some(name) = queue.pop() {
        for dependent in dependents.get(&name).into_iter().flatten() {
            let key = EntityKey::Service(dependent.name.clone());
            let now = service(truth, &key).map(|now| now.condition.status);
            let worse = now > Some(dependent.condition.status);
            let in_part = worse && evident.get(&dependent.name).copied() >= now;
            let holding = if in_part {
                &mut held.in_part
            } else {
                &mut held.keys
            };
            if holding.insert(key) {
                queue.push(dependent.name.clone());
            }
        }
    }
}

/// How bad each service is at least, by what rests on nothing that is held. From its own word upwards, so that two in a
/// circle are no evidence for each other. Of a group of which any will do none is evidence.
fn evident<'a>(
    held: &BTreeSet<EntityKey>,
    old: &BTreeSet<EntityKey>,
    truth: &'a Known,
) -> BTreeMap<&'a Name, Status> {
    let services = || truth.keys().filter_map(|key| Some((key, service(truth, key)?)));
    let own = |(key, service): (&EntityKey, &'a ServiceState)| {
        let status = match (old.contains(key), held.contains(key)) {
            (_, true) => Status::Healthy,
            (true, false) => service.own.status,
            (false, false) => service.condition.status,
        };
        (&service.name, status)
    };
    let mut evident: BTreeMap<_, _> = services().map(own).collect();
    loop {
        let mut changed = false;
        for (_, service) in services().filter(|(key, _)| !held.contains(key)) {
            let needs = service
                .dependencies
                .iter()
                .filter(|dependency| dependency.any_of.is_none());
            let worst = needs
                .filter_map(|need| effect(need.kind, *evident.get(&need.service)?))
                .max();
            let status = evident.entry(&service.name).or_default();
            changed |= worst > Some(*status);
            *status = status.join(worst.unwrap_or_default());
        }
        if !changed {
            return evident;
        }
    }
}

/// What a dependency does to its dependent, where that is evidence.
fn effect(kind: DependencyKind, status: Status) -> Option<Status> {
    match (kind, status) {
        (_, Status::Healthy | Status::Unknown) => None,
        (DependencyKind::Hard, status) => Some(status),
        (DependencyKind::Soft, Status::Unhealthy) => Some(Status::Degraded),
        (DependencyKind::Soft, _) => None,
    }
}

/// The system is held while any service is, unless one that is not makes it worse.
fn hold_system(told: &Known, truth: &Known, held: &mut Held) {
    let (Some(Entity::System(before)), Some(Entity::System(now))) =
        (told.get(&EntityKey::System), truth.get(&EntityKey::System))
    else {
        held.keys.insert(EntityKey::System);
        return;
    };
    let services = held.keys.iter().chain(&held.in_part).filter_map(service_name);
    if services.count() == 0 && counts_are_back(before, now) && now.condition.status != Status::Unknown {
        return;
    }
    let worse = now.condition.status > before.condition.status;
    let shown = truth
        .keys()
        .filter(|key| !held.keys.contains(key))
        .filter_map(|key| service(truth, key));
    let evident = worse
        && shown
            .map(contribution)
            .any(|status| status >= now.condition.status);
    let holding = if evident {
        &mut held.in_part
    } else {
        &mut held.keys
    };
    holding.insert(EntityKey::System);
}

fn counts_are_back(before: &SystemState, now: &SystemState) -> bool {
    now.services.total >= before.services.total && now.services.unknown <= before.services.unknown
}

/// What a service does to the system.
fn contribution(service: &ServiceState) -> Status {
    match (service.criticality, service.maintenance.is_some()) {
        (Criticality::Optional, _) => Status::Healthy,
        (Criticality::Critical, false) => service.condition.status,
        _ => service.condition.status.min(Status::Degraded),
    }
}

fn timeless(mut entity: Entity) -> Entity {
    match &mut entity {
        Entity::System(system) => {
            system.condition.since = Wall(0);
            system.observer = Default::default();
        }
        Entity::Service(service) => {
            service.condition.since = Wall(0);
            service.own.since = Wall(0);
            service.up_since = None;
            service.last_status = None;
        }
        Entity::Instance(instance) => {
            instance.condition.since = Wall(0);
            instance.started = Wall(0);
            instance
                .checks
                .iter_mut()
                .for_each(|check| check.condition.since = Wall(0));
        }
        Entity::Removed(_) => {}
    }
    entity
}

fn status(known: &Known, key: &EntityKey) -> Option<Status> {
    known.get(key).map(Entity::status)
}

fn service<'a>(known: &'a Known, key: &EntityKey) -> Option<&'a ServiceState> {
    match known.get(key) {
        Some(Entity::Service(service)) => Some(service),
        _ => None,
    }
}

fn service_name(key: &EntityKey) -> Option<&Name> {
    match key {
        EntityKey::Service(name) => Some(name),
        _ => None,
    }
}
