//! What others are told: states built from the world, with reasons and messages for people.
//!
//! Messages are made when somebody is told, not when something happens; nothing here decides.

use std::{collections::BTreeMap, time::Duration};

use ward_model::{
    CheckState, Condition, Dependency, Freshness, InstanceCounts, InstanceState, Name, Reason, ServiceState,
    SignalState, Status,
};

use crate::{
    causes,
    rollup::{self, Need, Source, through_dependency},
    world::{Check, Culprit, Instance, InstanceIx, ServiceIx, Signal, World},
};

const NOT_HEARD: &str = "not heard since the aggregator's start";

/// Most disagreements told; the metric counts all.
const DISAGREEMENTS_TOLD: usize = 8;

pub(crate) fn check_condition(check: &Check) -> Condition {
    let reason = check.reason();
    let message = match reason {
        Reason::Flapping => flapping_message(check.leaf.raw(), &check.message),
        Reason::Starting => "no first result yet".into(),
        Reason::StartupTimeout => "no first result by the startup deadline".into(),
        _ => check.message.to_string(),
    };
    Condition {
        status: check.leaf.status(),
        reason,
        message,
        since: check.leaf.since(),
    }
}

pub(crate) fn signal_condition(signal: &Signal) -> Condition {
    let status = signal.leaf.status();
    let level = if status == Status::Unhealthy {
        signal.levels.unhealthy
    } else {
        signal.levels.degraded
    };
    let message = match level.filter(|_| status.is_bad()) {
        Some(_) if signal.leaf.is_flapping() => flapping_message(signal.leaf.raw(), ""),
        Some(level) => format!(
            "{} at {:.4}, {} from {:.4} on",
            signal.name,
            signal.value.unwrap_or_default(),
            status,
            level.raise
        ),
        None => String::new(),
    };
    let reason = match status {
        Status::Healthy => Reason::Reported,
        _ if signal.leaf.is_flapping() => Reason::Flapping,
        _ => Reason::Threshold,
    };
    Condition {
        status,
        reason,
        message,
        since: signal.leaf.since(),
    }
}

pub(crate) fn instance_condition(instance: &Instance) -> Condition {
    let status = instance.leaf.status();
    let judged = instance.judge(|_| false);
    let message = instance_message(instance, judged.culprit);
    let (reason, message) = if instance.leaf.is_flapping() && (instance.is_heard() || instance.is_gone()) {
        (Reason::Flapping, flapping_message(judged.status, &message))
    } else {
        (judged.reason, message)
    };
    Condition {
        status,
        reason,
        message,
        since: instance.leaf.since(),
    }
}

/// What is behind the flapping must not be hidden by it.
fn flapping_message(now: Status, message: &str) -> String {
    let colon = if message.is_empty() { "" } else { ": " };
    format!("changes too often, held at its worst of late; now {now}{colon}{message}")
}

fn instance_message(instance: &Instance, culprit: Culprit<'_>) -> String {
    match culprit {
        Culprit::Check(check) => named(&check.name, &check_condition(check).message),
        Culprit::Signal(signal) => signal_condition(signal).message,
        Culprit::Instance if instance.freshness == Freshness::Exited => instance.exit().into(),
        Culprit::Instance if instance.is_gone() => lost_message(instance),
        Culprit::Instance if instance.unseen => "the observer hears nobody, and does not judge".into(),
        Culprit::Instance if instance.recalled.is_some() => NOT_HEARD.into(),
        Culprit::Instance if instance.tainted.is_some() => {
            "the one before ended uncleanly, and this one has not been healthy yet".into()
        }
        Culprit::Instance => String::new(),
    }
}

fn lost_message(instance: &Instance) -> String {
    if instance.broken {
        "its stream broke and it did not come back".into()
    } else {
        format!(
            "not heard within its lease of {}",
            span(instance.pace.lease().lost_after)
        )
    }
}

/// Seconds, or hours and days where seconds would say little.
fn span(time: Duration) -> String {
    const HOUR: f64 = 3_600.0;
    match time.as_secs_f64() {
        seconds if seconds < 2.0 * HOUR => format!("{seconds:.1} s"),
        seconds if seconds < 48.0 * HOUR => format!("{:.1} h", seconds / HOUR),
        seconds => format!("{:.1} d", seconds / (24.0 * HOUR)),
    }
}

fn named(name: &Name, message: &str) -> String {
    if message.is_empty() {
        name.to_string()
    } else {
        format!("{name}: {message}")
    }
}

pub(crate) fn instance(world: &World, instance: &Instance) -> InstanceState {
    let checks = instance.checks.iter().map(|check| CheckState {
        name: check.name.clone(),
        kind: check.kind,
        subject: check
            .subject
            .map(|subject| world.services[subject.ix()].name.clone()),
        condition: check_condition(check),
        flapping: check.leaf.is_flapping(),
    });
    let signals = instance.signals.iter().map(|signal| SignalState {
        name: signal.name.clone(),
        value: signal.value.unwrap_or_default(),
        status: signal.leaf.status(),
        degraded: signal.levels.degraded,
        unhealthy: signal.levels.unhealthy,
    });
    InstanceState {
        id: world.id_of(instance),
        incarnation: instance.incarnation.clone(),
        version: instance.said.version.clone(),
        labels: instance.said.labels.clone(),
        interval_ms: u32::try_from(instance.pace.interval().as_millis()).unwrap_or(u32::MAX),
        condition: instance_condition(instance),
        last_status: last_status(instance),
        freshness: instance.freshness,
        flapping: instance.leaf.is_flapping(),
        checks: checks.collect(),
        signals: signals.collect(),
        started: instance.started,
    }
}

fn last_status(instance: &Instance) -> Option<Status> {
    let word = instance.unseen.then(|| instance.word(|_| false).status);
    instance.recalled.or(word)
}

/// What a service's own instances and observers say.
pub(crate) fn own(world: &World, ix: ServiceIx) -> Condition {
    let service = &world.services[ix];
    let (reason, message) = match world.rollup.source(ix) {
        // They are recalled behind it.
        Source::NoInstances if service.expected => (Reason::ObserverSuspect, NOT_HEARD.into()),
        Source::NoInstances => (Reason::NoInstances, no_instances(service.reported)),
        Source::Observers => observed(world, ix),
        Source::Seats => (Reason::Quorum, quorum(world, ix)),
        Source::Instances => by_worst_instance(world, ix),
    };
    Condition {
        status: world.rollup.own(ix),
        reason,
        message,
        since: service.own_since,
    }
}

fn no_instances(reported: bool) -> String {
    if reported {
        "all its instances have left"
    } else {
        "nobody reports for it"
    }
    .into()
}

fn quorum(world: &World, ix: ServiceIx) -> String {
    let [healthy, ..] = world.rollup.counts(ix);
    let wanted = world.rollup.wanted(ix);
    format!("{healthy} of {wanted} wanted instances are healthy")
}

fn by_worst_instance(world: &World, ix: ServiceIx) -> (Reason, String) {
    // The first by its place, so that what is said does not depend on who became so first.
    let worst = world.services[ix]
        .worst()
        .filter(|_| world.rollup.own(ix).is_bad());
    let Some(instance) = worst.map(|ix| &world.instances[ix]) else {
        return (Reason::Reported, String::new());
    };
    let condition = instance_condition(instance);
    let message = if world.rollup.counted(ix) > 1 {
        format!("{}: {}", instance.name, condition.message)
    } else {
        condition.message
    };
    (condition.reason, message)
}

/// The first of the worst words that observers have about a service.
fn observed(world: &World, subject: ServiceIx) -> (Reason, String) {
    let service = &world.services[subject];
    let worst = rollup::worst(world.rollup.evidence(subject));
    let instances = service
        .observers
        .keys()
        .flat_map(|&observer| world.services[observer].instances.values());
    let checks = instances.flat_map(|ix| world.instances[ix].checks.iter().map(move |check| (ix, check)));
    let about = |check: &Check| check.subject.is_some_and(|about| about.ix() == subject);
    let said = checks
        .filter(|(_, check)| about(check))
        .find(|(_, check)| check.counted.is_some_and(|(status, _)| status == worst));
    let message = said.map(|(ix, check)| {
        let by = &world.instances[ix];
        if !by.is_heard() {
            return format!("{} is not heard, and would see it", world.id_of(by));
        }
        let word = check_condition(check).message;
        let word = if word.is_empty() {
            String::new()
        } else {
            format!(": {word}")
        };
        format!("{} sees it {worst}{word}", world.services[by.service()].name)
    });
    (Reason::Observed, message.unwrap_or_default())
}

/// The verdict about a service.
pub(crate) fn effective(world: &World, ix: ServiceIx) -> Condition {
    verdict(world, ix, || own(world, ix))
}

/// The same where what its own instances say is at hand.
fn verdict(world: &World, ix: ServiceIx, own: impl FnOnce() -> Condition) -> Condition {
    let (status, since) = (world.rollup.verdict(ix), world.services[ix].since);
    if status == world.rollup.own(ix) {
        return Condition { since, ..own() };
    }
    let worst = world.rollup.bad_needs(ix).max_by_key(|need| {
        let target = world.rollup.verdict(need.target);
        (
            through_dependency(need.kind, target),
            std::cmp::Reverse(need.target),
        )
    });
    let message = worst.map(|need| {
        let target = &world.services[need.target].name;
        format!("{target} is {}", world.rollup.verdict(need.target))
    });
    Condition {
        status,
        reason: Reason::Dependency,
        message: message.unwrap_or_default(),
        since,
    }
}

pub(crate) fn service(world: &World, ix: ServiceIx) -> ServiceState {
    ServiceState {
        dependencies: dependencies(world, ix),
        ..independent(world, ix)
    }
}

/// What a service needs.
pub(crate) fn dependencies(world: &World, ix: ServiceIx) -> Vec<Dependency> {
    let groups = &world.services[ix].groups;
    let dependency = |need: Need| Dependency {
        service: world.services[need.target].name.clone(),
        kind: need.kind,
        any_of: need.any_of.map(|group| groups[usize::from(group)].clone()),
    };
    world.rollup.needs(ix).map(dependency).collect()
}

/// A service without its dependencies: they seldom change, and to compare them each time costs as much as all the rest.
pub(crate) fn independent(world: &World, ix: ServiceIx) -> ServiceState {
    let (service, rollup) = (&world.services[ix], &world.rollup);
    let &[healthy, unknown, degraded, unhealthy] = rollup.counts(ix);
    let own = own(world, ix);
    ServiceState {
        name: service.name.clone(),
        condition: verdict(world, ix, || own.clone()),
        own,
        causes: causes::named(world, ix),
        criticality: service.criticality(),
        dependencies: Vec::new(),
        instances: InstanceCounts {
            total: rollup.counted(ix) as u32,
            healthy,
            unknown,
            degraded,
            unhealthy,
            suspect: service.suspects,
            lost: service.lost,
        },
        min_healthy: u32::try_from(rollup.wanted(ix)).unwrap_or(u32::MAX),
        maintenance: service.maintenance.as_deref().cloned(),
        reported: service.reported,
        disagreements: service
            .disagreements
            .values()
            .take(DISAGREEMENTS_TOLD)
            .cloned()
            .collect(),
        up_since: service.up_since(),
        last_status: service.recalled,
    }
}

/// Of each signal the greatest value of the instances that are fresh: of at most `most` of them behind the first `skip`. And how
/// many those were.
pub(crate) fn signals(
    world: &World,
    ix: ServiceIx,
    skip: usize,
    most: usize,
) -> (BTreeMap<Name, f64>, usize) {
    let (mut greatest, mut looked) = (BTreeMap::new(), 0);
    for ix in world.services[ix].instances.values().skip(skip).take(most) {
        looked += 1;
        let instance = &world.instances[ix];
        let heard = instance.freshness == Freshness::Fresh;
        for signal in instance.signals.iter().filter(|_| heard) {
            let Some(value) = signal.value else { continue };
            let known = greatest.entry(signal.name.clone()).or_insert(value);
            *known = f64::max(*known, value);
        }
    }
    (greatest, looked)
}

/// The instances of a service, the worst first, at most `limit`.
pub(crate) fn instances(world: &World, ix: ServiceIx, limit: usize) -> Vec<InstanceState> {
    let service = &world.services[ix];
    let well = service
        .instances
        .values()
        .filter(|&ix| !world.instances[ix].leaf.status().is_bad());
    let order: Vec<InstanceIx> = causes::worst_instances(world, ix, limit)
        .into_iter()
        .chain(well)
        .collect();
    order
        .into_iter()
        .take(limit)
        .map(|ix| instance(world, &world.instances[ix]))
        .collect()
}
