//! One instance: its lease, its checks and signals, and its status as a leaf of the roll-up.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use ward_model::{CheckKind, Freshness, Incarnation, Mono, Name, Reason, Status, Wall};

use super::{Pace, Rare, ServiceIx};
use crate::{Declaration, Levels, Slot, leaf::Leaf, rollup::through_check, signal::cross, wake::Asked};

/// How many superseded incarnations are remembered and refused.
const SUPERSEDED: usize = 8;

#[derive(Clone, Debug)]
pub(crate) struct Check {
    pub(crate) name: Name,
    pub(crate) kind: CheckKind,
    /// What it is about, unless that is its own service.
    pub(crate) subject: Option<Subject>,
    pub(crate) leaf: Leaf,
    pub(crate) message: Box<str>,
    /// No word yet.
    pub(crate) pending: bool,
    /// Announced in a hello, not only reported.
    pub(crate) declared: bool,
    /// What it last counted as among the evidence about its subject, and whether its instance was heard then.
    pub(crate) counted: Option<(Status, bool)>,
}

/// The service that a check is about. It is there as long as the check is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Subject(u32);

impl Subject {
    pub(crate) fn new(ix: ServiceIx) -> Self {
        Self(u32::try_from(ix).expect("services are bounded"))
    }

    pub(crate) fn ix(self) -> ServiceIx {
        self.0 as ServiceIx
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Signal {
    pub(crate) name: Name,
    /// The last one of this life.
    pub(crate) value: Option<f64>,
    /// What its instance declares.
    pub(crate) declared: Levels,
    /// In force: the file's, or those declared.
    pub(crate) levels: Levels,
    pub(crate) leaf: Leaf,
}

/// What a hello says of its instance that does not change while it runs, and that others of the service say as well.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Said {
    pub(crate) version: String,
    pub(crate) labels: BTreeMap<String, String>,
    /// Of what the file can overrule, to be compared with another word of the file.
    pub(crate) declared: Declaration,
}

/// What most instances never have.
#[derive(Debug, Default)]
struct Past {
    superseded: VecDeque<Incarnation>,
    /// What an agent said of its end.
    exit: String,
}

/// There may be a million of these: what is seldom there is boxed, and what is alike is shared.
#[derive(Debug)]
pub(crate) struct Instance {
    /// Its own; its service has the other half of its id.
    pub(crate) name: Name,
    service: u32,
    pub(crate) incarnation: Incarnation,
    pub(crate) said: Arc<Said>,
    pub(crate) pace: Pace,
    /// Where it beats. Always there while the instance is; its stream may be over.
    pub(crate) slot: Slot,
    pub(crate) freshness: Freshness,
    /// While suspect: when it will be convicted. While gone: when it may be forgotten.
    pub(crate) due: Mono,
    /// It fell silent because its stream broke.
    pub(crate) broken: bool,
    pub(crate) sequence: u64,
    past: Option<Box<Past>>,
    pub(crate) started: Wall,
    pub(crate) startup_due: Mono,
    /// The incarnation before ended uncleanly and this one has not been healthy yet: how it ended.
    pub(crate) tainted: Option<Reason>,
    /// Known from before the aggregator's start and not heard since: its status then.
    pub(crate) recalled: Option<Status>,
    /// The observer is blind and this one is among what it cannot see.
    pub(crate) unseen: bool,
    /// Its deadline began anew when sight came back, and nothing was heard of it since.
    pub(crate) renewed: bool,
    /// What it counts as where its checks about bad subjects are left out.
    pub(crate) without: Status,
    pub(crate) checks: Box<[Check]>,
    pub(crate) signals: Rare<Signal>,
    pub(crate) leaf: Leaf,
    /// Its status is its own: what changes from here on counts towards flapping.
    pub(crate) speaks: bool,
    /// The earliest wake that is already asked for.
    pub(crate) next_wake: Asked,
    pub(crate) published: Option<Status>,
    pub(crate) dirty: bool,
    /// As it was last judged, see [`Self::has_steady_words`].
    pub(crate) steady: bool,
}

/// What makes an instance as it is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Culprit<'a> {
    Instance,
    Check(&'a Check),
    Signal(&'a Signal),
}

/// A status with its reason and what is behind it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Judgement<'a> {
    pub(crate) status: Status,
    pub(crate) reason: Reason,
    pub(crate) culprit: Culprit<'a>,
}

impl Instance {
    #[expect(
        clippy::too_many_arguments,
        reason = "one caller; a struct of them would be this struct again"
    )]
    pub(crate) fn new(
        name: Name,
        service: ServiceIx,
        incarnation: Incarnation,
        pace: Pace,
        slot: Slot,
        startup_due: Mono,
        wall: Wall,
        status: Status,
    ) -> Self {
        Self {
            name,
            service: u32::try_from(service).expect("services are bounded"),
            incarnation,
            said: Arc::default(),
            pace,
            slot,
            freshness: Freshness::Fresh,
            due: Mono::default(),
            broken: false,
            sequence: 0,
            past: None,
            started: wall,
            startup_due,
            tainted: None,
            recalled: None,
            unseen: false,
            renewed: false,
            without: status,
            checks: Box::default(),
            signals: Rare::default(),
            leaf: Leaf::new(status, wall),
            speaks: false,
            next_wake: Asked::default(),
            published: None,
            dirty: false,
            steady: false,
        }
    }

    pub(crate) fn service(&self) -> ServiceIx {
        self.service as ServiceIx
    }

    pub(crate) fn is_suspect(&self) -> bool {
        self.freshness == Freshness::Suspect
    }

    /// Lost or exited.
    pub(crate) fn is_gone(&self) -> bool {
        matches!(self.freshness, Freshness::Lost | Freshness::Exited)
    }

    /// Neither gone nor out of sight: its checks speak for now.
    pub(crate) fn is_heard(&self) -> bool {
        !self.is_gone() && !self.unseen && self.recalled.is_none()
    }

    /// A check has no first word yet.
    pub(crate) fn is_pending(&self) -> bool {
        self.checks.iter().any(|check| check.pending)
    }

    /// Time alone changes nothing of what its checks and signals say, and none is about another service.
    pub(crate) fn has_steady_words(&self) -> bool {
        let steady = |check: &Check| !check.pending && check.subject.is_none() && !check.leaf.is_flapping();
        self.checks.iter().all(steady) && !self.signals.iter().any(|signal| signal.leaf.is_flapping())
    }

    pub(crate) fn supersede(&mut self, by: Incarnation) {
        let before = std::mem::replace(&mut self.incarnation, by);
        let superseded = &mut self.past.get_or_insert_default().superseded;
        if superseded.len() == SUPERSEDED {
            superseded.pop_front();
        }
        superseded.push_back(before);
    }

    /// What an agent said of its end; nothing while it runs.
    pub(crate) fn exit(&self) -> &str {
        self.past.as_ref().map_or("", |past| &past.exit)
    }

    pub(crate) fn set_exit(&mut self, message: String) {
        if self.exit() != message {
            self.past.get_or_insert_default().exit = message;
        }
    }

    fn superseded(&self) -> impl Iterator<Item = &Incarnation> {
        self.past.iter().flat_map(|past| &past.superseded)
    }

    /// Its lives that are known, the present one last.
    pub(crate) fn lives(&self) -> impl Iterator<Item = &Incarnation> {
        self.superseded().chain([&self.incarnation])
    }

    pub(crate) fn has_superseded(&self, incarnation: &Incarnation) -> bool {
        self.superseded().any(|life| life == incarnation)
    }

    /// The join of its checks and signals, leaving out those for which `skip` says so.
    pub(crate) fn word(&self, skip: impl Fn(&Check) -> bool) -> Judgement<'_> {
        let mut worst = Judgement {
            status: Status::Healthy,
            reason: Reason::Reported,
            culprit: Culprit::Instance,
        };
        for check in self.checks.iter().filter(|check| !skip(check)) {
            let status = through_check(check.kind, check.leaf.status());
            if status > worst.status {
                worst = Judgement {
                    status,
                    reason: check.reason(),
                    culprit: Culprit::Check(check),
                };
            }
        }
        for signal in self.signals.iter() {
            if signal.leaf.status() > worst.status {
                let reason = if signal.leaf.is_flapping() {
                    Reason::Flapping
                } else {
                    Reason::Threshold
                };
                worst = Judgement {
                    status: signal.leaf.status(),
                    reason,
                    culprit: Culprit::Signal(signal),
                };
            }
        }
        worst
    }

    /// Its status before flapping is looked at. The order is that of certainty: what an agent or silence proved, what
    /// cannot be seen, what a bad end leaves behind, and last its own word.
    pub(crate) fn judge(&self, skip: impl Fn(&Check) -> bool) -> Judgement<'_> {
        let sure = |status, reason| Judgement {
            status,
            reason,
            culprit: Culprit::Instance,
        };
        match self.freshness {
            Freshness::Exited => return sure(Status::Unhealthy, Reason::Exited),
            Freshness::Lost => return sure(Status::Unhealthy, Reason::Lost),
            Freshness::Fresh | Freshness::Suspect => {}
        }
        if self.unseen || self.recalled.is_some() {
            return sure(Status::Unknown, Reason::ObserverSuspect);
        }
        let word = self.word(skip);
        match self.tainted {
            Some(ended) if word.status.is_bad() && word.status != Status::Unhealthy => {
                sure(Status::Unhealthy, ended)
            }
            _ => word,
        }
    }

    /// The next moment at which it must be looked at though nothing happens.
    pub(crate) fn next_look(&self, now: Mono) -> Option<Mono> {
        let forget = self.is_gone().then_some(self.due);
        let own = self.leaf.next_look().into_iter().chain(forget);
        if self.steady {
            return own.min();
        }
        let startup = (self.is_pending() && self.startup_due > now).then_some(self.startup_due);
        let checks = self.checks.iter().filter_map(|check| check.leaf.next_look());
        let signals = self.signals.iter().filter_map(|signal| signal.leaf.next_look());
        checks.chain(signals).chain(startup).chain(own).min()
    }
}

impl Signal {
    /// The status of its value, where it was at `before`. Without a value it is idle.
    pub(crate) fn at_level(&self, before: Status) -> Status {
        let Levels { degraded, unhealthy } = self.levels;
        self.value
            .map_or(Status::Healthy, |value| cross(before, value, degraded, unhealthy))
    }
}

impl Check {
    pub(crate) fn reason(&self) -> Reason {
        if self.pending {
            match self.leaf.status() {
                Status::Unhealthy => Reason::StartupTimeout,
                _ => Reason::Starting,
            }
        } else if self.leaf.is_flapping() {
            Reason::Flapping
        } else {
            Reason::Reported
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// There may be a million instances. Who adds a field says here what it costs.
    #[test]
    fn an_instance_stays_small() {
        assert_eq!(size_of::<Instance>(), 184);
        assert_eq!(size_of::<Check>(), 72);
        assert_eq!(size_of::<Pace>(), 20);
        assert_eq!(size_of::<Leaf>(), 24);
    }
}
