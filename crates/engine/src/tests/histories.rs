//! Random histories: the incremental result always equals the one computed from nothing, and what is told is what is.

use std::{collections::BTreeMap, time::Duration};

use proptest::prelude::*;
use ward_model::{
    CheckDeclaration, CheckKind, Criticality, Dependency, DependencyKind, Entity, EntityKey, Freshness,
    InstanceState, MinHealthy, Name, SignalDeclaration, SignalLevel, Status, SystemState, bounds,
};

use super::{
    fleet::{Fleet, hello, id, life, name},
    from_nothing::{self, verdicts},
};
use crate::{Config, Declaration, Event, Levels};

const SERVICES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];
const CHECKS: [&str; 2] = ["one", "two"];
const GROUPS: [&str; 2] = ["g", "h"];
const SIGNAL: &str = "load";
/// No two of them are at the same bad level of [`LEVELS`]: within a level a value is nobody's news.
const VALUES: [f64; 3] = [0.0, 0.5, 1.0];
const LEVELS: [(Option<f64>, Option<f64>); 4] = [
    (Some(0.4), Some(0.9)),
    (Some(0.9), None),
    (None, Some(0.9)),
    (None, None),
];
const INTERVALS: [Duration; 4] = [
    Duration::from_secs(1),
    Duration::from_millis(600),
    Duration::from_secs(30),
    Duration::from_secs(7_200),
];

#[derive(Clone, Debug)]
enum Step {
    Join {
        at: (usize, usize),
        life: u8,
        criticality: Option<Criticality>,
        wanted: Option<MinHealthy>,
        needs: Vec<Need>,
        checks: Vec<Observing>,
        levels: Option<usize>,
        every: usize,
        once: bool,
    },
    Say {
        member: usize,
        check: usize,
        status: usize,
    },
    Measure {
        member: usize,
        value: usize,
    },
    Leave {
        member: usize,
    },
    Cut {
        member: usize,
    },
    Exit {
        member: usize,
    },
    Pass {
        seconds: u64,
        silent: u8,
    },
    Maintain {
        service: usize,
        on: bool,
    },
    Forget {
        service: usize,
    },
    Declare {
        service: usize,
        declared: Option<Declared>,
    },
    Renew,
}

type Declared = (Option<Criticality>, Option<usize>, Option<usize>);
type Need = (usize, bool, Option<usize>);
type Observing = (bool, Option<usize>);

fn criticality() -> impl Strategy<Value = Criticality> {
    prop_oneof![
        Just(Criticality::Critical),
        Just(Criticality::Important),
        Just(Criticality::Optional)
    ]
}

fn wanted() -> impl Strategy<Value = MinHealthy> {
    prop_oneof![
        (1..4u32).prop_map(MinHealthy::Count),
        (1..=100u32).prop_map(MinHealthy::Percent)
    ]
}

/// Somebody says hello, in one of three lives.
fn join() -> impl Strategy<Value = Step> {
    let service = 0..SERVICES.len();
    let needs = prop::collection::vec(
        (service.clone(), any::<bool>(), prop::option::of(0..GROUPS.len())),
        0..4,
    );
    let checks = prop::collection::vec(
        (any::<bool>(), prop::option::of(service.clone())),
        0..=CHECKS.len(),
    );
    let parts = (
        (service, 0..3usize),
        0..3u8,
        prop::option::of(criticality()),
        prop::option::of(wanted()),
        needs,
        checks,
        (prop::option::of(0..LEVELS.len()), 0..INTERVALS.len(), 0..5u8),
    );
    parts.prop_map(
        |(at, life, criticality, wanted, needs, checks, (levels, every, once))| Step::Join {
            at,
            life,
            criticality,
            wanted,
            needs,
            checks,
            levels,
            every,
            once: once == 0,
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    let service = 0..SERVICES.len();
    let declared = (
        prop::option::of(criticality()),
        prop::option::of(0..INTERVALS.len()),
        prop::option::of(0..LEVELS.len()),
    );
    let member = any::<prop::sample::Index>().prop_map(|index| index.index(1 << 16));
    prop_oneof![
        6 => join(),
        12 => (member.clone(), 0..CHECKS.len(), 0..4usize).prop_map(|(member, check, status)| Step::Say { member, check, status }),
        6 => (member.clone(), 0..VALUES.len()).prop_map(|(member, value)| Step::Measure { member, value }),
        1 => member.clone().prop_map(|member| Step::Leave { member }),
        2 => member.clone().prop_map(|member| Step::Cut { member }),
        1 => member.prop_map(|member| Step::Exit { member }),
        3 => (1..400u64, any::<u8>()).prop_map(|(seconds, silent)| Step::Pass { seconds: if seconds > 390 { 300 } else { seconds.min(8) }, silent }),
        2 => (service.clone(), any::<bool>()).prop_map(|(service, on)| Step::Maintain { service, on }),
        1 => service.clone().prop_map(|service| Step::Forget { service }),
        4 => (service, prop::option::of(declared)).prop_map(|(service, declared)| Step::Declare { service, declared }),
        2 => Just(Step::Renew),
    ]
}

fn dependency((target, hard, group): Need) -> Dependency {
    let kind = if hard {
        DependencyKind::Hard
    } else {
        DependencyKind::Soft
    };
    Dependency {
        service: name(SERVICES[target]),
        kind,
        any_of: group.map(|group| name(GROUPS[group])),
    }
}

fn declaration(((required, subject), check): (Observing, &str)) -> CheckDeclaration {
    let kind = if required {
        CheckKind::Required
    } else {
        CheckKind::Advisory
    };
    CheckDeclaration {
        name: name(check),
        kind,
        subject: subject.map(|subject| name(SERVICES[subject])),
    }
}

fn levels(of: usize) -> Levels {
    let level = |raise: f64| SignalLevel { raise, clear: raise };
    let (degraded, unhealthy) = LEVELS[of];
    Levels {
        degraded: degraded.map(level),
        unhealthy: unhealthy.map(level),
    }
}

/// Somebody says hello, on a stream or once.
fn enter(fleet: &mut Fleet, join: Step) {
    let Step::Join {
        at: (service, instance),
        life: lives,
        criticality,
        wanted,
        needs,
        checks,
        levels: of,
        every,
        once,
    } = join
    else {
        unreachable!("only joins are entered: {join:?}");
    };
    let mut hello = hello(SERVICES[service], &format!("i{instance}"));
    hello.incarnation = life(&format!("life{lives}"));
    hello.sequence = 0;
    (hello.criticality, hello.min_healthy) = (criticality, wanted);
    hello.dependencies = needs.into_iter().map(dependency).collect();
    hello.checks = checks.into_iter().zip(CHECKS).map(declaration).collect();
    let declared = of.map(levels).map(|levels| SignalDeclaration {
        name: name(SIGNAL),
        degraded: levels.degraded,
        unhealthy: levels.unhealthy,
    });
    hello.signals.extend(declared);
    if once {
        hello.interval = INTERVALS[every];
        fleet.members.remove(&hello.id);
        fleet.once(hello);
    } else {
        hello.interval = INTERVALS[every].min(bounds::INTERVAL_MAX);
        fleet.join(hello);
    }
}

fn take(fleet: &mut Fleet, step: Step) {
    let nth = |fleet: &Fleet, member: usize| {
        let count = fleet.members.len().max(1);
        fleet.members.keys().nth(member % count).cloned()
    };
    match step {
        join @ Step::Join { .. } => enter(fleet, join),
        Step::Say {
            member,
            check,
            status,
        } => {
            if let Some(id) = nth(fleet, member) {
                fleet.say(&id, CHECKS[check], Status::ALL[status]);
            }
        }
        Step::Measure { member, value } => {
            if let Some(id) = nth(fleet, member) {
                fleet.measure(&id, SIGNAL, VALUES[value]);
            }
        }
        Step::Leave { member } => {
            if let Some((registered, ..)) = nth(fleet, member).and_then(|id| fleet.members.remove(&id)) {
                fleet.apply(Event::Goodbye {
                    slot: registered.slot,
                });
            }
        }
        Step::Cut { member } => {
            if let Some(id) = nth(fleet, member) {
                fleet.cut(&id);
            }
        }
        Step::Exit { member } => {
            if let Some(id) = nth(fleet, member) {
                for lives in 0..3 {
                    let incarnation = life(&format!("life{lives}"));
                    fleet.apply(Event::Exited {
                        id: id.clone(),
                        incarnation,
                        message: "exit status 1".into(),
                    });
                }
            }
        }
        Step::Pass { seconds, silent } => {
            let quiet = move |id: &ward_model::InstanceId| {
                let number = id.service.as_str().as_bytes()[0] ^ id.instance.as_str().as_bytes()[1];
                number % 4 != silent % 4
            };
            fleet.run(Duration::from_secs(seconds), quiet);
        }
        Step::Maintain { service, on } => {
            let service = name(SERVICES[service]);
            fleet.apply(if on {
                let (by, why) = ("ops".into(), "test".into());
                Event::StartMaintenance {
                    service,
                    by,
                    why,
                    duration: Some(Duration::from_secs(5)),
                }
            } else {
                Event::EndMaintenance { service }
            });
        }
        Step::Forget { service } => {
            fleet.apply(Event::Forget {
                service: name(SERVICES[service]),
                instance: None,
            });
        }
        Step::Declare { service, declared } => {
            let declaration = declared.map(|(criticality, every, of)| Declaration {
                criticality,
                interval: every.map(|every| INTERVALS[every]),
                levels: of.map(|of| (name(SIGNAL), levels(of))).into_iter().collect(),
                ..Declaration::default()
            });
            fleet.declare(SERVICES[service], declaration);
        }
        Step::Renew => fleet.renew(),
    }
}

/// What a watcher that took every revision knows.
#[derive(Default)]
struct Told(BTreeMap<EntityKey, Entity>, u64, usize);

impl Told {
    fn follow(&mut self, fleet: &Fleet) -> Result<(), TestCaseError> {
        for set in &fleet.told[self.2..] {
            prop_assert_eq!(set.revision.0, self.1 + 1, "revisions have no gap");
            self.1 = set.revision.0;
            let mut keys: Vec<_> = set.changes.iter().map(|change| change.entity.key()).collect();
            keys.sort();
            let all = keys.len();
            keys.dedup();
            prop_assert_eq!(keys.len(), all, "a thing is in a revision once");
            for change in &set.changes {
                let key = change.entity.key();
                let known = self.0.get(&key).map(Entity::status);
                prop_assert_eq!(
                    change.before,
                    known,
                    "what was before is what was told of {:?}",
                    key
                );
                match &change.entity {
                    Entity::Removed(_) => drop(self.0.remove(&key)),
                    entity => drop(self.0.insert(key, entity.clone())),
                }
            }
        }
        self.2 = fleet.told.len();
        Ok(())
    }

    fn matches(&self, fleet: &Fleet) -> Result<(), TestCaseError> {
        for service in fleet.engine.services(None) {
            let told = self.0.get(&EntityKey::Service(service.name.clone()));
            prop_assert_eq!(told, Some(&Entity::Service(service.clone())));
            let instances = fleet.engine.instances(&service.name, usize::MAX);
            let gone =
                |state: &&InstanceState| matches!(state.freshness, Freshness::Lost | Freshness::Exited);
            let live = instances.iter().filter(|state| !gone(state));
            let oldest = live.map(|state| state.started).min();
            prop_assert_eq!(service.up_since, oldest, "the oldest of {}", &service.name);
            for state in &instances {
                let told = match self.0.get(&EntityKey::Instance(state.id.clone())) {
                    Some(Entity::Instance(told)) => Some(without_values(told)),
                    _ => None,
                };
                prop_assert_eq!(told, Some(without_values(state)));
            }
        }
        let count = |engine: &crate::Engine| {
            let names: Vec<Name> = engine.services(None).map(|service| service.name).collect();
            let instances: usize = names
                .iter()
                .map(|name| engine.instances(name, usize::MAX).len())
                .sum();
            names.len() + instances + 1
        };
        if fleet.engine.revision().0 > 0 {
            let told = match self.0.get(&EntityKey::System) {
                Some(Entity::System(told)) => Some(without_doubt(told.clone())),
                _ => None,
            };
            prop_assert_eq!(told, Some(without_doubt(fleet.engine.system())));
            prop_assert_eq!(self.0.len(), count(&fleet.engine), "nothing told is left over");
        }
        Ok(())
    }
}

/// How much the observer doubts itself is nobody's news alone.
fn without_doubt(mut system: SystemState) -> SystemState {
    system.observer.score = 0;
    system
}

/// A value within its level is nobody's news.
fn without_values(state: &InstanceState) -> InstanceState {
    let mut state = state.clone();
    state.signals.iter_mut().for_each(|signal| signal.value = 0.0);
    state
}

/// What is declared is in force, everywhere and at once.
fn declared_is_in_force(fleet: &Fleet) -> Result<(), TestCaseError> {
    let engine = &fleet.engine;
    for service in engine.services(None) {
        for state in engine.instances(&service.name, usize::MAX) {
            let interval = from_nothing::interval(engine, &state.id).as_millis();
            prop_assert_eq!(
                u128::from(state.interval_ms),
                interval,
                "interval of {}",
                &state.id
            );
            let expected = from_nothing::signals(engine, &state.id);
            prop_assert_eq!(
                from_nothing::raw(engine, &state.id),
                expected,
                "signals of {}",
                &state.id
            );
            let leaf = from_nothing::leaf(engine, &state.id);
            let status = state.condition.status;
            prop_assert_eq!(status, leaf.unwrap_or(status), "status of {}", &state.id);
        }
    }
    let telling = [Freshness::Fresh, Freshness::Suspect].map(|of| engine.telling(of));
    prop_assert_eq!(telling, from_nothing::telling(engine), "those that say something");
    Ok(())
}

/// The short form; `PROPTEST_CASES` asks for the long one.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES")
        .ok()
        .and_then(|cases| cases.parse().ok())
        .unwrap_or(128)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), max_shrink_iters: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn incremental_equals_from_nothing(steps in prop::collection::vec(step(), 1..60)) {
        let mut fleet = Fleet::new(Config { settle: Duration::from_secs(1), ..Config::default() });
        let mut told = Told::default();
        for step in steps {
            take(&mut fleet, step);
            let reference = verdicts(&fleet.engine, fleet.now);
            for service in fleet.engine.services(None) {
                prop_assert_eq!(service.own.status, reference.own[&service.name], "own status of {}", &service.name);
                prop_assert_eq!(service.condition.status, reference.effective[&service.name], "verdict on {}", &service.name);
                let causes: std::collections::BTreeSet<_> = service.causes.iter().cloned().collect();
                let all = reference.causes.get(&service.name).cloned().unwrap_or_default();
                prop_assert_eq!(causes, all, "causes of {}", &service.name);
                let up_since = from_nothing::up_since(&fleet.engine, &service.name);
                prop_assert_eq!(service.up_since, up_since, "how long {} is up", &service.name);
            }
            prop_assert_eq!(fleet.system(), reference.system);
            prop_assert_eq!(from_nothing::recomputed(&fleet.engine), from_nothing::rolled_up(&fleet.engine));
            prop_assert_eq!(from_nothing::worst(&fleet.engine), from_nothing::worst_known(&fleet.engine));
            declared_is_in_force(&fleet)?;
            told.follow(&fleet)?;
            told.matches(&fleet)?;
        }
    }

    #[test]
    fn one_history_has_one_outcome(steps in prop::collection::vec(step(), 1..40)) {
        let run = || {
            let mut fleet = Fleet::new(Config::default());
            steps.iter().cloned().for_each(|step| take(&mut fleet, step));
            fleet.told
        };
        prop_assert_eq!(run(), run());
    }

    /// Who takes verdicts only is told later, and of the same.
    #[test]
    fn what_is_told_late_is_decided_alike(steps in prop::collection::vec(step(), 1..60)) {
        let mut fleets = [Fleet::new(Config::default()), Fleet::new(Config::default())];
        fleets[1].tells = false;
        for step in steps {
            let [now, late] = fleets.each_mut().map(|fleet| {
                take(fleet, step.clone());
                let services = fleet.engine.services(None);
                let services: Vec<_> = services.map(|service| (service.name.clone(), service)).collect();
                let instances = services.iter().flat_map(|(name, _)| fleet.engine.instances(name, usize::MAX));
                (instances.collect::<Vec<_>>(), fleet.engine.system(), services)
            });
            prop_assert_eq!(now, late);
        }
    }

    /// Two fleets of the same shape, one at least as bad in every leaf: no verdict of it is better.
    #[test]
    fn the_rollup_is_monotone_in_the_leaves(
        joins in prop::collection::vec(join(), 1..10),
        leaves in prop::collection::vec((0..4usize, 0..4usize), 40),
    ) {
        let mut fleets = [Fleet::new(Config::default()), Fleet::new(Config::default())];
        for fleet in &mut fleets {
            joins.iter().cloned().for_each(|join| take(fleet, join));
        }
        let members: Vec<_> = fleets[0].members.keys().cloned().collect();
        let leaves = leaves.into_iter().map(|(a, b)| [Status::ALL[a.min(b)], Status::ALL[a.max(b)]]);
        let places = members.iter().flat_map(|id| CHECKS.map(|check| (id, check)));
        for ((id, check), statuses) in places.zip(leaves) {
            for (fleet, status) in fleets.iter_mut().zip(statuses) {
                fleet.say(id, check, status);
            }
        }
        let [better, worse] = &fleets;
        for (a, b) in better.engine.services(None).zip(worse.engine.services(None)) {
            prop_assert!(a.condition.status <= b.condition.status, "{}: {} but {}", a.name, a.condition.status, b.condition.status);
        }
        prop_assert!(better.system() <= worse.system());
    }
}

#[test]
fn ids_are_what_they_are_called() {
    assert_eq!(id("a", "i0").to_string(), "a/i0");
}
