//! A few services that need each other, what happens to them, and what the engine would say of it.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use proptest::prelude::*;
use ward_alerts::{Facts, Rule, RuleSet, RuleSpec, Seen, ServiceFacts, SystemFacts, Unknown};
use ward_model::{Acknowledgement, Name, RuleName, Severity, Status, Wall};

pub(crate) const SERVICES: [&str; 4] = ["a", "b", "c", "d"];
const PASSES: [i64; 7] = [0, 1_000, 5_000, 12_000, 31_000, 70_000, 901_000];

pub(crate) fn name(index: usize) -> Name {
    Name::new(SERVICES[index]).unwrap()
}

#[derive(Clone, Debug)]
pub(crate) enum What {
    Is(Status),
    Needs(u8),
    Maintained(bool),
    Measured(Option<u8>),
    Suspect(bool),
    Gone,
    Acknowledged(bool),
    Heard,
}

/// Something happens, some time after what happened before.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    To {
        service: usize,
        what: What,
        after: usize,
    },
    Settling {
        on: bool,
        after: usize,
    },
    /// `last_alive`: so many tenths of the time that passed, nobody watched. `told`: at once what is there.
    Restart {
        last_alive: u8,
        told: bool,
        after: usize,
    },
    Rules {
        set: usize,
        after: usize,
    },
}

impl Act {
    pub(crate) fn passes(&self) -> i64 {
        match self {
            Self::To { after, .. }
            | Self::Settling { after, .. }
            | Self::Restart { after, .. }
            | Self::Rules { after, .. } => PASSES[*after],
        }
    }
}

pub(crate) fn acts() -> impl Strategy<Value = Vec<Act>> {
    let status = prop_oneof![
        2 => Just(Status::Healthy),
        1 => Just(Status::Unknown),
        2 => Just(Status::Degraded),
        4 => Just(Status::Unhealthy),
    ];
    let what = prop_oneof![
        8 => status.prop_map(What::Is),
        4 => (0..16u8).prop_map(What::Needs),
        2 => any::<bool>().prop_map(What::Maintained),
        4 => prop::option::weighted(0.8, 0..3u8).prop_map(What::Measured),
        1 => any::<bool>().prop_map(What::Suspect),
        1 => Just(What::Gone),
        1 => any::<bool>().prop_map(What::Acknowledged),
        3 => Just(What::Heard),
    ];
    let after = || {
        prop_oneof![
            12 => 0..PASSES.len() - 1,
            1 => Just(PASSES.len() - 1),
        ]
    };
    let act = prop_oneof![
        20 => (0..SERVICES.len(), what, after()).prop_map(|(service, what, after)| Act::To { service, what, after }),
        1 => (any::<bool>(), after()).prop_map(|(on, after)| Act::Settling { on, after }),
        2 => (0..=10u8, any::<bool>(), after())
            .prop_map(|(last_alive, told, after)| Act::Restart { last_alive, told, after }),
        1 => (0..3usize, after()).prop_map(|(set, after)| Act::Rules { set, after }),
    ];
    prop::collection::vec(act, 1..60)
}

fn spec(name: &str, expr: &str, for_: u64, keep: u64, severity: Severity) -> RuleSpec {
    RuleSpec {
        name: RuleName::new(name).unwrap(),
        about_system: false,
        services: Vec::new(),
        expr: expr.into(),
        hold: None,
        for_: Duration::from_secs(for_),
        keep_firing_for: Duration::from_secs(keep),
        severity,
        unknown: Unknown::Keep,
        suppression: false,
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
    }
}

/// Three sets; in the second some rules are others, the third has few.
pub(crate) fn rule_sets() -> Vec<RuleSet> {
    use Severity::{Critical, Warning};
    let suppressing = |spec| RuleSpec {
        suppression: true,
        ..spec
    };
    let down = RuleSpec {
        hold: Some("dependencies.suspect > 0".into()),
        ..suppressing(spec("Down", "status == 'unhealthy'", 30, 0, Critical))
    };
    let bad = suppressing(spec("Bad", "status != 'healthy'", 5, 20, Warning));
    let unseen = RuleSpec {
        unknown: Unknown::Judge,
        ..suppressing(spec("Unseen", "status == 'unknown'", 60, 0, Warning))
    };
    let cpu = suppressing(spec("Cpu", "signals.cpu_ratio > 0.8", 10, 15, Warning));
    let most = suppressing(spec("CpuMost", "signals.cpu_ratio > 0.95", 12, 40, Critical));
    let system = RuleSpec {
        about_system: true,
        ..suppressing(spec("System", "status == 'unhealthy'", 30, 0, Critical))
    };
    let watchdog = RuleSpec {
        about_system: true,
        ..spec("Watchdog", "true", 0, 0, Severity::None)
    };
    let mixed = spec(
        "Mixed",
        "status == 'degraded' && signals.cpu_ratio > 0.8",
        0,
        40,
        Warning,
    );
    let others = [
        RuleSpec {
            severity: Warning,
            for_: Duration::from_secs(5),
            suppression: false,
            ..down.clone()
        },
        RuleSpec {
            expr: "status == 'degraded'".into(),
            severity: Critical,
            ..bad.clone()
        },
        // So long that hardly anything may hide behind it.
        RuleSpec {
            for_: Duration::from_secs(300),
            ..most.clone()
        },
        cpu.clone(),
        system.clone(),
        mixed.clone(),
    ];
    [
        vec![down, bad, unseen, cpu, most, system, watchdog, mixed.clone()],
        others.into(),
        vec![mixed],
    ]
    .into_iter()
    .map(|specs| {
        specs
            .into_iter()
            .map(|spec| Rule::compile(spec).unwrap())
            .collect()
    })
    .collect()
}

#[derive(Clone, Debug, Default)]
struct Service {
    exists: bool,
    own: Status,
    needs: BTreeSet<usize>,
    maintenance: bool,
    cpu: Option<f64>,
    suspect: bool,
    /// Heard of since the last start.
    heard: bool,
}

/// What is, and what was told of it.
#[derive(Debug, Default)]
pub(crate) struct World {
    services: [Service; SERVICES.len()],
    settling: bool,
    told: BTreeMap<Name, ServiceFacts>,
    told_system: Option<SystemFacts>,
}

impl World {
    /// The aggregator started.
    pub(crate) fn forget(&mut self) {
        self.told.clear();
        self.told_system = None;
        for service in &mut self.services {
            service.heard = false;
        }
    }

    /// What is told of what happens.
    pub(crate) fn act(&mut self, act: &Act, now: i64) -> Vec<Seen> {
        let mut seen = Vec::new();
        match act {
            Act::To { service, what, .. } => self.to(*service, what, now, &mut seen),
            Act::Settling { on, .. } => self.settling = *on,
            Act::Restart { told: false, .. } => return seen,
            Act::Restart { .. } | Act::Rules { .. } => {}
        }
        self.tell(&mut seen);
        seen
    }

    fn to(&mut self, index: usize, what: &What, now: i64, seen: &mut Vec<Seen>) {
        let service = &mut self.services[index];
        service.exists |= matches!(what, What::Is(_));
        service.heard = true;
        match what {
            What::Is(status) => service.own = *status,
            What::Needs(bits) => {
                let needs = (0..SERVICES.len()).filter(|at| bits & (1 << at) != 0 && *at != index);
                service.needs = needs.collect();
            }
            What::Maintained(on) => service.maintenance = *on,
            What::Measured(value) => service.cpu = value.map(|level| [0.1, 0.9, 0.99][usize::from(level)]),
            What::Suspect(on) => service.suspect = *on,
            What::Gone => *service = Service::default(),
            What::Acknowledged(false) => seen.push(Seen::Unacknowledged(Some(name(index)))),
            What::Acknowledged(true) => seen.push(Seen::Acknowledged(Acknowledgement {
                service: Some(name(index)),
                rules: ["Down", "Cpu", "CpuMost"]
                    .map(|rule| RuleName::new(rule).unwrap())
                    .into(),
                by: "ada".into(),
                why: "on it".into(),
                start: Wall(now),
                end: Wall(now + 60_000),
            })),
            What::Heard => {}
        }
    }

    /// Own statuses as they are known.
    fn own(&self, index: usize) -> Status {
        let service = &self.services[index];
        match service.exists && service.heard {
            true => service.own,
            false => Status::Unknown,
        }
    }

    /// The least fixpoint of hard dependencies.
    fn verdicts(&self) -> [Status; SERVICES.len()] {
        let mut verdicts: [Status; SERVICES.len()] = std::array::from_fn(|at| self.own(at));
        for _ in SERVICES {
            for at in 0..SERVICES.len() {
                let needs = self.services[at].needs.iter();
                verdicts[at] = needs.fold(verdicts[at], |worst, need| worst.join(verdicts[*need]));
            }
        }
        verdicts
    }

    /// Bad ones by themselves, over bad dependencies, nearest first.
    fn causes(&self, index: usize, verdicts: &[Status]) -> Vec<Name> {
        let mut met = BTreeSet::from([index]);
        let mut queue = VecDeque::from([index]);
        let mut causes = Vec::new();
        while let Some(at) = queue.pop_front().filter(|_| verdicts[index].is_bad()) {
            if self.own(at).is_bad() {
                causes.push(name(at));
            }
            let needs = self.services[at].needs.iter().copied();
            queue.extend(needs.filter(|need| verdicts[*need].is_bad() && met.insert(*need)));
        }
        causes
    }

    fn tell(&mut self, seen: &mut Vec<Seen>) {
        let verdicts = self.verdicts();
        for (at, service) in self.services.clone().iter().enumerate() {
            let facts = service.exists.then(|| {
                let mut facts = ServiceFacts {
                    status: verdicts[at],
                    own: self.own(at),
                    causes: self.causes(at, &verdicts),
                    dependencies: service.needs.iter().map(|need| name(*need)).collect(),
                    maintenance: service.maintenance,
                    ..ServiceFacts::default()
                };
                facts.instances.suspect = u32::from(service.suspect);
                let cpu = service.cpu.filter(|_| service.heard);
                facts.signals = cpu
                    .map(|cpu| (Name::new("cpu_ratio").unwrap(), cpu))
                    .into_iter()
                    .collect();
                facts
            });
            seen.extend(self.tell_service(name(at), facts));
        }
        let status = verdicts.into_iter().fold(Status::Healthy, Status::join);
        let all = (0..SERVICES.len()).flat_map(|at| self.causes(at, &verdicts));
        let mut system = SystemFacts {
            status,
            causes: all.collect::<BTreeSet<_>>().into_iter().collect(),
            ..SystemFacts::default()
        };
        system.observer.settling = self.settling;
        if self.told_system.as_ref() != Some(&system) {
            self.told_system = Some(system.clone());
            seen.push(Seen::Facts(Facts::System(Box::new(system))));
        }
    }

    /// Only what is another than it was; signals apart if nothing else is.
    fn tell_service(&mut self, name: Name, facts: Option<ServiceFacts>) -> Option<Seen> {
        let Some(facts) = facts else {
            let was = self.told.remove(&name);
            return was.map(|_| Seen::Facts(Facts::Gone(name)));
        };
        let before = self.told.insert(name.clone(), facts.clone());
        let Some(mut before) = before else {
            return Some(Seen::Facts(Facts::Service(name, Box::new(facts))));
        };
        if before == facts {
            return None;
        }
        before.signals.clone_from(&facts.signals);
        Some(match before == facts {
            true => Seen::Signals(name, facts.signals),
            false => Seen::Facts(Facts::Service(name, Box::new(facts))),
        })
    }
}
