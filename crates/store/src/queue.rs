//! What waits to be written: filled by the engine's own thread, emptied by the store's.
//!
//! To put something takes one short lock and one place in a map: no I/O, no waking of anybody who is awake, and never a
//! wait for a database. Last known state is kept by key, so that what waits is bounded by how much there is to know,
//! however long the database is away. A bounded channel was not taken: it is full soonest when there is most to remember,
//! and what it then refuses is the newest word about something.
//!
//! Instances stand in many small maps instead of a large one, because a map that grows moves all it has: that would hold up
//! the engine for tens of milliseconds.

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    hash::{BuildHasher as _, Hash, RandomState},
    mem,
    sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering},
};

use parking_lot::Mutex;
use tokio::sync::Notify;
use ward_model::{
    Freshness, Incarnation, InstanceId, Maintenance, Name, SpanReason, Status, Wall,
    bounds::{INSTANCES, SERVICES},
};

use crate::write::{KnownInstance, KnownService, Transition, Write};

/// Transitions that wait: some 20 MB. An hour without a database, with eighteen of them a second.
pub(crate) const TRANSITIONS: usize = 65_536;
/// A power of two, so that each map of a million instances holds 16,000: moved in a third of a millisecond.
const SHARDS: usize = 64;
/// Twice what there may be, because what is gone waits as well. Past it all is asked for anew.
const KEYS: usize = 2 * INSTANCES / SHARDS;
const NAMES: usize = 2 * SERVICES;
/// Of one transaction: some 20 ms of SQLite, and a tenth of what a server gets as time.
const AT_ONCE: usize = 4_096;

/// A transition as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) subject: Option<Name>,
    pub(crate) at: Wall,
    pub(crate) epoch: u64,
    pub(crate) revision: u64,
    pub(crate) status: Status,
    pub(crate) reason: SpanReason,
    pub(crate) message: String,
    pub(crate) maintenance: bool,
}

/// An instance without its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Instance {
    pub(crate) incarnation: Incarnation,
    pub(crate) interval_ms: u32,
    pub(crate) status: Status,
    pub(crate) freshness: Freshness,
}

/// What is written in one transaction. Written twice it changes nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Batch {
    /// All last known state is to be dropped first.
    pub(crate) forget: bool,
    pub(crate) transitions: Vec<Kept>,
    pub(crate) services: Vec<(Name, Option<KnownService>)>,
    pub(crate) instances: Vec<(InstanceId, Option<Instance>)>,
    pub(crate) maintenance: Vec<(Name, Option<Maintenance>)>,
    pub(crate) alive: Option<Wall>,
}

impl Batch {
    pub(crate) fn rows(&self) -> usize {
        self.transitions.len() + self.services.len() + self.instances.len() + self.maintenance.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows() == 0 && self.alive.is_none() && !self.forget
    }

    /// Its second half, to be written behind it.
    pub(crate) fn split_off(&mut self) -> Self {
        let mut keep = self.rows() / 2;
        Self {
            forget: false,
            transitions: behind(&mut self.transitions, &mut keep),
            services: behind(&mut self.services, &mut keep),
            instances: behind(&mut self.instances, &mut keep),
            maintenance: behind(&mut self.maintenance, &mut keep),
            alive: self.alive.take(),
        }
    }

    /// Drops its only row; in the place of a transition it says that one is missing. `false` if that is what was dropped.
    pub(crate) fn leave_out(&mut self) -> bool {
        let (forget, alive) = (self.forget, self.alive);
        let lost = mem::take(self).transitions.pop();
        (self.forget, self.alive) = (forget, alive);
        let counted = lost
            .as_ref()
            .is_some_and(|lost| lost.reason == SpanReason::NotRecorded);
        self.transitions
            .extend(lost.filter(|_| !counted).map(not_recorded));
        !counted
    }
}

/// All but the first `keep`, which then counts those that are yet to be kept.
fn behind<T>(rows: &mut Vec<T>, keep: &mut usize) -> Vec<T> {
    let rest = rows.split_off(rows.len().min(*keep));
    *keep -= rows.len();
    rest
}

/// What stands for a transition that is left out.
fn not_recorded(lost: Kept) -> Kept {
    Kept {
        status: Status::Unknown,
        reason: SpanReason::NotRecorded,
        message: String::new(),
        maintenance: false,
        ..lost
    }
}

/// Transitions in order, and what became of those that found no room.
#[derive(Debug, Default)]
struct Transitions {
    waiting: VecDeque<Kept>,
    /// Of each subject that lost some: when its unknown time begins, and the last that was left out, with which it ends.
    left_out: HashMap<Option<Name>, (Kept, Kept)>,
}

impl Transitions {
    /// Makes room by the oldest, and says whether one is left out for it: what is newer says more about now. A subject keeps
    /// the last that it lost, so that only the time between is unknown and not all that follows.
    fn push(&mut self, kept: Kept) -> bool {
        self.waiting.push_back(kept);
        if self.waiting.len() <= TRANSITIONS {
            return false;
        }
        let Some(oldest) = self.waiting.pop_front() else {
            return false;
        };
        let room = self.left_out.len() < NAMES;
        match self.left_out.entry(oldest.subject.clone()) {
            Entry::Occupied(mut lost) => lost.get_mut().1 = oldest,
            Entry::Vacant(_) if !room => {}
            Entry::Vacant(place) => {
                place.insert((not_recorded(oldest.clone()), oldest));
                // One alone is not lost: it is both.
                return false;
            }
        }
        true
    }

    /// The oldest, and how many of them were counted.
    fn take(&mut self) -> (Vec<Kept>, usize) {
        let mut taken = Vec::new();
        let most = self.waiting.len().min(AT_ONCE);
        let counted = self.left_out.len() + most;
        for (begins, last) in mem::take(&mut self.left_out).into_values() {
            if (begins.epoch, begins.revision) != (last.epoch, last.revision) {
                taken.push(begins);
            }
            taken.push(last);
        }
        taken.extend(self.waiting.drain(..most));
        (taken, counted)
    }
}

type Shard = Mutex<HashMap<InstanceId, Option<Instance>>>;

/// What waits.
#[derive(Debug)]
pub(crate) struct Queue {
    transitions: Mutex<Transitions>,
    services: Mutex<HashMap<Name, Option<KnownService>>>,
    maintenance: Mutex<HashMap<Name, Option<Maintenance>>>,
    instances: Vec<Shard>,
    hasher: RandomState,
    /// The shard that is taken next.
    next: AtomicUsize,
    alive: AtomicI64,
    forget: AtomicBool,
    queued: AtomicUsize,
    left_out: AtomicU64,
    wake: Notify,
}

/// No mark of life waits.
const NONE: i64 = i64::MIN;

impl Queue {
    pub(crate) fn new() -> Self {
        Self {
            transitions: Mutex::default(),
            services: Mutex::default(),
            maintenance: Mutex::default(),
            instances: (0..SHARDS).map(|_| Shard::default()).collect(),
            hasher: RandomState::new(),
            next: AtomicUsize::new(0),
            alive: AtomicI64::new(NONE),
            forget: AtomicBool::new(false),
            queued: AtomicUsize::new(0),
            left_out: AtomicU64::new(0),
            wake: Notify::new(),
        }
    }

    /// Takes `write` in; `now` is when something is gone that does not say so itself.
    pub(crate) fn put(&self, write: Write, now: impl FnOnce() -> Wall) {
        match write {
            Write::Transition(transition) => self.transition(transition.into()),
            Write::Service(service) => self.service(service.name.clone(), Some(service)),
            Write::ServiceGone(name) => {
                self.transition(forgotten(name.clone(), now()));
                self.service(name, None);
            }
            Write::Instance(known) => {
                let (id, instance) = split(known);
                self.instance(id, Some(instance));
            }
            Write::InstanceGone(id) => self.instance(id, None),
            Write::Maintenance(window) => self.window(window.service.clone(), Some(window)),
            Write::MaintenanceEnded(service) => self.window(service, None),
            Write::Alive(at) => {
                self.alive.fetch_max(at.0, Ordering::Relaxed);
                self.wake.notify_one();
            }
        }
    }

    fn transition(&self, kept: Kept) {
        let mut transitions = self.transitions.lock();
        match transitions.push(kept) {
            true => self.leave_out(1),
            false => self.grew(),
        }
    }

    fn service(&self, name: Name, service: Option<KnownService>) {
        self.keep(&self.services, name, service, NAMES);
    }

    fn window(&self, service: Name, window: Option<Maintenance>) {
        self.keep(&self.maintenance, service, window, NAMES);
    }

    fn instance(&self, id: InstanceId, instance: Option<Instance>) {
        let shard = self.hasher.hash_one(&id) as usize % SHARDS;
        self.keep(&self.instances[shard], id, instance, KEYS);
    }

    fn keep<K: Eq + Hash, V>(&self, kept: &Mutex<HashMap<K, V>>, key: K, value: V, most: usize) {
        let mut kept = kept.lock();
        if let Some(held) = kept.get_mut(&key) {
            *held = value;
        } else if kept.len() < most {
            kept.insert(key, value);
            self.grew();
        } else {
            self.leave_out(1);
            self.forget.store(true, Ordering::Release);
        }
    }

    /// Counted under the lock that it is taken under, so that no more is taken than was counted. Only the first wakes the
    /// writer: it looks again before it sleeps.
    fn grew(&self) {
        if self.queued.fetch_add(1, Ordering::AcqRel) == 0 {
            self.wake.notify_one();
        }
    }

    /// Something was put since the last take, or will be.
    pub(crate) async fn filled(&self) {
        self.wake.notified().await;
    }

    /// As much as goes into one transaction; what a map holds is taken at once, whatever its size.
    pub(crate) fn take(&self) -> Batch {
        let alive = self.alive.swap(NONE, Ordering::Relaxed);
        let (transitions, counted) = self.taken_transitions();
        let mut batch = Batch {
            forget: self.forget.swap(false, Ordering::AcqRel),
            transitions,
            services: taken(&self.services).into_iter().collect(),
            maintenance: taken(&self.maintenance).into_iter().collect(),
            instances: Vec::new(),
            alive: (alive != NONE).then_some(Wall(alive)),
        };
        for _ in 0..SHARDS {
            if batch.instances.len() >= AT_ONCE {
                break;
            }
            let shard = self.next.fetch_add(1, Ordering::Relaxed) % SHARDS;
            batch.instances.extend(taken(&self.instances[shard]));
        }
        let counted = counted + batch.rows() - batch.transitions.len();
        self.queued.fetch_sub(counted, Ordering::AcqRel);
        batch
    }

    fn taken_transitions(&self) -> (Vec<Kept>, usize) {
        self.transitions.lock().take()
    }

    pub(crate) fn queued(&self) -> usize {
        self.queued.load(Ordering::Acquire)
    }

    pub(crate) fn left_out(&self) -> u64 {
        self.left_out.load(Ordering::Relaxed)
    }

    /// What a database refused for good.
    pub(crate) fn leave_out(&self, rows: usize) {
        self.left_out.fetch_add(rows as u64, Ordering::Relaxed);
    }
}

/// All that is in it. A function, so that the lock ends before anything is done with that.
fn taken<K, V>(map: &Mutex<HashMap<K, V>>) -> HashMap<K, V> {
    mem::take(&mut *map.lock())
}

fn split(known: KnownInstance) -> (InstanceId, Instance) {
    let KnownInstance {
        id,
        incarnation,
        interval_ms,
        status,
        freshness,
    } = known;
    let instance = Instance {
        incarnation,
        interval_ms,
        status,
        freshness,
    };
    (id, instance)
}

/// The end of a service's history. It is no revision of its own; its time is its place.
fn forgotten(name: Name, at: Wall) -> Kept {
    Kept {
        subject: Some(name),
        at,
        epoch: 0,
        revision: 0,
        status: Status::Unknown,
        reason: SpanReason::Forgotten,
        message: String::new(),
        maintenance: false,
    }
}

impl From<Transition> for Kept {
    fn from(transition: Transition) -> Self {
        Self {
            subject: transition.subject,
            at: transition.at,
            epoch: transition.epoch.0,
            revision: transition.revision.0,
            status: transition.status,
            reason: SpanReason::Verdict(transition.reason),
            message: transition.message,
            maintenance: transition.maintenance,
        }
    }
}

#[cfg(test)]
mod tests;
