//! What is known of the services and of the system.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use ward_model::{Name, Status, Wall};

use super::watch::Watch;
use crate::{
    expression::Subject,
    facts::{ServiceFacts, SystemFacts},
    rule::{RuleSpec, Unknown},
};

/// How many of the services that one needs are asked for suspects, nearest first. More are needed by what fans out to half of
/// the fleet only; and this is asked for every alert that is held, every second.
const REACH: usize = 256;

/// What a service became.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct News {
    /// Something beside its signals.
    pub(super) facts: bool,
    /// Those of its signals that have another value, or are new or gone.
    pub(super) signals: Vec<Name>,
    /// Maintenance began or ended.
    pub(super) maintenance: bool,
    /// It became suspect or is so no more, or needs others than before.
    pub(super) suspects: bool,
    /// It was not known, or is so no more.
    pub(super) existence: bool,
}

impl News {
    /// There is any.
    pub(super) fn any(&self) -> bool {
        *self != Self::default()
    }
}

/// See the module. Bounded by the services that the engine knows.
#[derive(Debug, Default)]
pub(super) struct Known {
    services: BTreeMap<Name, Box<ServiceFacts>>,
    system: Option<SystemFacts>,
    /// Services with suspect instances.
    suspects: usize,
}

impl Known {
    pub(super) fn services(&self) -> impl Iterator<Item = &Name> {
        self.services.keys()
    }

    pub(super) fn service(&self, name: &Name) -> Option<&ServiceFacts> {
        self.services.get(name).map(Box::as_ref)
    }

    /// A service is as it is from now on; `None`: it is no more.
    pub(super) fn take_in(&mut self, name: &Name, facts: Option<Box<ServiceFacts>>) -> News {
        let is_suspect = |facts: &ServiceFacts| facts.instances.suspect > 0;
        let after = facts.as_deref().is_some_and(is_suspect);
        let before = match facts {
            Some(facts) => self.services.insert(name.clone(), facts),
            None => self.services.remove(name),
        };
        self.suspects += usize::from(after);
        self.suspects -= usize::from(before.as_deref().is_some_and(is_suspect));
        match (before, self.services.get(name)) {
            (None, None) => News::default(),
            (Some(before), Some(now)) => compare(&before, now),
            (before, now) => News {
                existence: true,
                facts: true,
                signals: Vec::new(),
                maintenance: before.as_ref().or(now).is_some_and(|facts| facts.maintenance),
                suspects: true,
            },
        }
    }

    /// The signals of a service, if it is known.
    pub(super) fn measured(&mut self, name: &Name, signals: BTreeMap<Name, f64>) -> News {
        let Some(facts) = self.services.get_mut(name) else {
            return News::default();
        };
        let before = std::mem::replace(&mut facts.signals, signals);
        News {
            signals: differing(&before, &facts.signals),
            ..News::default()
        }
    }

    /// The system is as it is from now on. Returns whether it differs.
    pub(super) fn take_in_system(&mut self, facts: SystemFacts) -> bool {
        let differs = self.system.as_ref() != Some(&facts);
        self.system = Some(facts);
        differs
    }

    /// Reporters are still coming back.
    pub(super) fn is_settling(&self) -> bool {
        self.system
            .as_ref()
            .is_some_and(|system| system.observer.settling)
    }

    pub(super) fn in_maintenance(&self, name: &Name) -> bool {
        self.services.get(name).is_some_and(|facts| facts.maintenance)
    }

    /// Root causes of a service or of the system.
    pub(super) fn causes(&self, service: Option<&Name>) -> &[Name] {
        let causes = match service {
            Some(service) => self.services.get(service).map(|facts| &facts.causes),
            None => self.system.as_ref().map(|facts| &facts.causes),
        };
        causes.map_or(&[], Vec::as_slice)
    }

    /// Since when something has its status.
    pub(super) fn since(&self, service: Option<&Name>) -> Option<Wall> {
        match service {
            Some(service) => self.services.get(service).map(|facts| facts.since),
            None => self.system.as_ref().map(|facts| facts.since),
        }
    }

    /// What an expression is asked about, if anything is known of it.
    pub(super) fn subject<'a>(
        &'a self,
        service: Option<&'a Name>,
        with_suspects: bool,
    ) -> Option<Subject<'a>> {
        let Some(name) = service else {
            return self.system.as_ref().map(Subject::System);
        };
        let facts = self.services.get(name)?;
        let suspect_dependencies = if with_suspects {
            self.suspects_below(name)
        } else {
            0
        };
        Some(Subject::Service {
            name,
            facts,
            suspect_dependencies,
        })
    }

    /// Whether nobody can know at present what a rule asks.
    ///
    /// While the aggregator settles, that goes for rules that judge Unknown as well: that Unknown is its own.
    pub(super) fn is_unknowable(&self, service: Option<&Name>, watch: Watch, spec: &RuleSpec) -> bool {
        let settling = self.is_settling();
        let unknown = match service {
            Some(service) => self.services.get(service).is_some_and(|facts| {
                let unknown = |asked, status| asked && status == Status::Unknown;
                unknown(watch.status, facts.status) || unknown(watch.own, facts.own)
            }),
            None => {
                let unknown = |system: &SystemFacts| system.status == Status::Unknown;
                watch.status && (settling || self.system.as_ref().is_some_and(unknown))
            }
        };
        unknown && (spec.unknown == Unknown::Keep || settling)
    }

    /// How many of the services that one needs, directly or not, have suspect instances.
    fn suspects_below(&self, name: &Name) -> u32 {
        if self.suspects == 0 {
            return 0;
        }
        let mut met = BTreeSet::from([name]);
        let mut queue = VecDeque::from([name]);
        let mut suspects = 0;
        while let Some(facts) = queue.pop_front().map(|name| self.services.get(name)) {
            for needed in facts.iter().flat_map(|facts| &facts.dependencies) {
                if met.len() <= REACH && met.insert(needed) {
                    queue.push_back(needed);
                    let facts = self.services.get(needed);
                    suspects += u32::from(facts.is_some_and(|facts| facts.instances.suspect > 0));
                }
            }
        }
        suspects
    }
}

fn compare(before: &ServiceFacts, now: &ServiceFacts) -> News {
    if before == now {
        return News::default();
    }
    let others = |facts: &ServiceFacts| ServiceFacts {
        signals: BTreeMap::new(),
        ..facts.clone()
    };
    News {
        facts: others(before) != others(now),
        signals: differing(&before.signals, &now.signals),
        maintenance: before.maintenance != now.maintenance,
        suspects: (before.instances.suspect > 0) != (now.instances.suspect > 0)
            || before.dependencies != now.dependencies,
        existence: false,
    }
}

fn differing(before: &BTreeMap<Name, f64>, now: &BTreeMap<Name, f64>) -> Vec<Name> {
    let names = before.keys().chain(now.keys());
    names
        .filter(|name| before.get(*name) != now.get(*name))
        .cloned()
        .collect()
}
