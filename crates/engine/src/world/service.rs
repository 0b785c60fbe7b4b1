//! One service: its instances, what was declared about it, and what others were told of it. Its counts, its edges and its
//! verdict are in the roll-up, at the same place.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use ward_model::{
    Criticality, Dependency, Incarnation, Maintenance, MinHealthy, Mono, Name, ServiceState, Status, Wall,
    bounds,
};

use super::{InstanceIx, Members, Oldest, Said, ServiceIx};
use crate::{
    Declaration, Levels,
    rollup::{Counts, Need},
    wake::Asked,
};

/// How many ended incarnations are remembered, so that a late message of one does not bring it back.
const DEPARTED: usize = 64;
/// Of how many checks and signals the names are kept once for all instances: of all, if they are alike.
const NAMES: usize = bounds::CHECKS + bounds::SIGNALS;

/// Dependencies, with the names of their groups by the numbers in them.
pub(crate) type Needs = (Vec<Need>, Vec<Name>);

#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) name: Name,
    pub(crate) instances: Members,
    /// Where to look for counted instances that are bad. Some no longer are, and some are there twice.
    pub(super) bad: Vec<InstanceIx>,
    /// The worst of them, of equal ones the first by its place. That it is so no longer is seen when an event is settled.
    pub(super) worst: Option<(Status, Reverse<InstanceIx>)>,
    pub(crate) suspects: u32,
    pub(crate) lost: u32,
    /// Somebody reports, or has reported, for it.
    pub(crate) reported: bool,
    /// Missing seats are judged from here on.
    pub(crate) seats_due: Mono,
    /// The wake that is asked for.
    pub(crate) next_wake: Asked,
    pub(crate) file: Option<Box<Declaration>>,
    pub(crate) hello: Declaration,
    /// That is what was in force before the aggregator's start, the file's word with it: the first hello replaces all of it.
    pub(crate) hello_recalled: bool,
    pub(crate) disagreements: BTreeMap<Name, String>,
    departed: VecDeque<(Name, Incarnation)>,
    /// What the last of its instances said of itself; most of them say the same.
    pub(super) said: Arc<Said>,
    /// Names of checks and signals of its instances.
    names: Vec<Name>,
    /// Names of the groups of its dependencies, by the numbers that the roll-up has for them.
    pub(crate) groups: Vec<Name>,
    /// Subjects of its instances' checks: how many required and advisory ones are about each.
    pub(crate) observes: BTreeMap<ServiceIx, [u32; 2]>,
    /// Which services have checks about it, and how many.
    pub(crate) observers: BTreeMap<ServiceIx, u32>,
    /// Its instances counted with their checks about bad subjects left out.
    pub(crate) without: Counts,
    /// It is bad by itself, not only by what it sees of others.
    pub(crate) root: bool,
    /// Root causes of a bad verdict with how far away they are, nearest first.
    pub(crate) causes: Vec<(u32, ServiceIx)>,
    /// Since when its own status is as it is.
    pub(crate) own_since: Wall,
    /// And its verdict.
    pub(crate) since: Wall,
    pub(crate) maintenance: Option<Box<Maintenance>>,
    pub(crate) maintenance_due: Option<Mono>,
    /// Its longest-running instances. That the first is over is seen when an event is settled.
    pub(super) oldest: Oldest,
    /// The first of those may be over.
    pub(super) oldest_may_be_over: bool,
    /// What others were told last, but for its dependencies.
    pub(crate) published: Option<ServiceState>,
    /// Its dependencies as they were told, where those it has may be others.
    pub(crate) needs_told: Option<Needs>,
    /// Its verdict before the aggregator's start, until there is one since.
    pub(crate) recalled: Option<Status>,
    /// An instance of it has, or had, a signal: of most services none ever has, and they need not be looked at for it.
    pub(crate) signals: bool,
    /// Instances of it are still to be recalled.
    pub(crate) expected: bool,
    pub(crate) dirty: bool,
}

impl Service {
    pub(super) fn new(name: Name, now: Mono, wall: Wall) -> Self {
        Self {
            name,
            instances: Members::default(),
            bad: Vec::new(),
            worst: None,
            suspects: 0,
            lost: 0,
            reported: false,
            seats_due: now + bounds::STARTUP_DEADLINE_DEFAULT,
            next_wake: Asked::default(),
            file: None,
            hello: Declaration::default(),
            hello_recalled: false,
            disagreements: BTreeMap::new(),
            departed: VecDeque::new(),
            said: Arc::default(),
            names: Vec::new(),
            groups: Vec::new(),
            observes: BTreeMap::new(),
            observers: BTreeMap::new(),
            without: Counts::default(),
            root: false,
            causes: Vec::new(),
            own_since: wall,
            since: wall,
            maintenance: None,
            maintenance_due: None,
            oldest: Oldest::default(),
            oldest_may_be_over: false,
            published: None,
            needs_told: None,
            recalled: None,
            signals: false,
            expected: false,
            dirty: false,
        }
    }

    /// An instance's status is another; `None` before it was there.
    pub(super) fn note_bad(&mut self, ix: InstanceIx, before: Option<Status>, status: Status) {
        if status.is_bad() {
            if !before.is_some_and(Status::is_bad) {
                self.bad.push(ix);
            }
            self.worst = self.worst.max(Some((status, Reverse(ix))));
        }
    }

    /// The first of its worst instances, if one is bad.
    pub(crate) fn worst(&self) -> Option<InstanceIx> {
        self.worst.map(|(_, Reverse(ix))| ix)
    }

    /// Since when the longest-running of its instances runs.
    pub(crate) fn up_since(&self) -> Option<Wall> {
        self.oldest.since()
    }

    /// The file's word, else the latest hello's, else the default.
    pub(crate) fn criticality(&self) -> Criticality {
        let file = self.file.as_ref().and_then(|file| file.criticality);
        file.or(self.hello.criticality).unwrap_or_default()
    }

    pub(crate) fn min_healthy(&self) -> MinHealthy {
        let file = self.file.as_ref().and_then(|file| file.min_healthy);
        file.or(self.hello.min_healthy).unwrap_or_default()
    }

    pub(crate) fn declared_dependencies(&self) -> &[Dependency] {
        let file = self.file.as_ref().and_then(|file| file.dependencies.as_deref());
        file.or(self.hello.dependencies.as_deref()).unwrap_or_default()
    }

    /// What the file says about how often its instances are to be heard.
    pub(crate) fn file_interval(&self) -> Option<Duration> {
        self.file.as_ref().and_then(|file| file.interval)
    }

    /// The levels in force for a signal for which an instance declares `own`.
    pub(crate) fn levels(&self, signal: &Name, own: Levels) -> Levels {
        let file = self.file.as_ref().and_then(|file| file.levels.get(signal));
        file.copied().unwrap_or(own)
    }

    /// The same name of a check or signal, in the memory that other instances have theirs in.
    pub(crate) fn shared(&mut self, name: Name) -> Name {
        if let Some(known) = self.names.iter().find(|&known| *known == name) {
            return known.clone();
        }
        if self.names.len() < NAMES {
            self.names.push(name.clone());
        }
        name
    }

    pub(crate) fn remember_departed(&mut self, instance: Name, incarnation: Incarnation) {
        if self.departed.len() == DEPARTED {
            self.departed.pop_front();
        }
        self.departed.push_back((instance, incarnation));
    }

    pub(crate) fn has_departed(&self, instance: &Name, incarnation: &Incarnation) -> bool {
        self.departed
            .iter()
            .any(|(name, life)| name == instance && life == incarnation)
    }

    /// Nobody reports for it, observes it or declares it.
    pub(crate) fn is_unreferenced(&self) -> bool {
        self.instances.is_empty()
            && self.observers.is_empty()
            && self.file.is_none()
            && self.maintenance.is_none()
            && !self.expected
    }
}
