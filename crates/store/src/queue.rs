//! What waits to be written: filled by the engine's own thread, emptied by the store's.
//!
//! To put something takes one short lock and one place in a map: no I/O, no waking of anybody who is awake, and never a
//! wait for a database. Last known state is kept by key, so that what waits is bounded by how much there is to know,
//! however long the database is away. A bounded channel was not taken: it is full soonest when there is most to remember,
//! and what it then refuses is the newest word about something.
//!
//! Instances stand in many small maps instead of a large one, because a map that grows moves all it has: that would hold up
//! the engine for tens of milliseconds.

mod in_order;

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, Hash, RandomState},
    mem,
    sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering},
};

use parking_lot::Mutex;
use tokio::sync::Notify;
use ward_model::{
    InstanceId, Maintenance, Name, SpanReason, Status, Wall,
    bounds::{INSTANCES, SERVICES},
};

use crate::{
    batch::{Batch, Instance, KeptTransition},
    position::Position,
    write::{Kept, KnownInstance, KnownService, Transition, Write},
};

use in_order::{Records, TakenRecords, Transitions};

/// Alerts and acknowledgements: twenty and ten thousand at most, and what is gone waits as well. Some 60 MB.
pub(crate) const KEPT: usize = 65_536;
/// What is owed: all alerts to three receivers, or a thousand to each that there may be. Some 60 MB. It may be ten times as much,
/// so past it the newest are dropped: were all asked for anew, the same would find no room again, for ever.
pub(crate) const OWED: usize = 65_536;
/// A power of two, so that each map of a million instances holds 16,000: moved in a third of a millisecond.
const SHARDS: usize = 64;
/// Twice what there may be, because what is gone waits as well. Past it all is asked for anew.
const KEYS: usize = 2 * INSTANCES / SHARDS;
const NAMES: usize = 2 * SERVICES;
/// Of one transaction: some 20 ms of SQLite, and a tenth of what a server gets as time.
const AT_ONCE: usize = 4_096;

type Shard = Mutex<HashMap<InstanceId, Option<Instance>>>;

/// What waits.
#[derive(Debug)]
pub(crate) struct Queue {
    transitions: Mutex<Transitions>,
    services: Mutex<HashMap<Name, Option<KnownService>>>,
    maintenance: Mutex<HashMap<Name, Option<Maintenance>>>,
    /// All of it but what is owed.
    kept: Mutex<HashMap<(Kept, String), Option<String>>>,
    owed: Mutex<HashMap<String, Option<String>>>,
    /// Held while both are put what belongs together, and while both are emptied.
    together: Mutex<()>,
    records: Mutex<Records>,
    instances: Vec<Shard>,
    hasher: RandomState,
    /// The shard that is taken next.
    next: AtomicUsize,
    alive: AtomicI64,
    forget: AtomicBool,
    queued: AtomicUsize,
    left_out: AtomicU64,
    records_dropped: AtomicU64,
    /// Takes that were begun.
    takes: AtomicU64,
    wake: Notify,
    /// Where the furthest stands who waits to be written.
    awaited: Mutex<Position>,
    hurry: Notify,
}

/// No mark of life waits.
const NONE: i64 = i64::MIN;

impl Queue {
    pub(crate) fn new() -> Self {
        Self {
            transitions: Mutex::default(),
            services: Mutex::default(),
            maintenance: Mutex::default(),
            kept: Mutex::default(),
            owed: Mutex::default(),
            together: Mutex::default(),
            records: Mutex::default(),
            instances: (0..SHARDS).map(|_| Shard::default()).collect(),
            hasher: RandomState::new(),
            next: AtomicUsize::new(0),
            alive: AtomicI64::new(NONE),
            forget: AtomicBool::new(false),
            queued: AtomicUsize::new(0),
            left_out: AtomicU64::new(0),
            records_dropped: AtomicU64::new(0),
            takes: AtomicU64::new(0),
            wake: Notify::new(),
            awaited: Mutex::default(),
            hurry: Notify::new(),
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
            Write::Keep {
                kind: Kept::Owed,
                key,
                body,
            } => self.owe(key, body),
            Write::Keep { kind, key, body } => self.keep(&self.kept, (kind, key), body, KEPT),
            Write::Record { at, subject, body } => self.record(at, subject, body),
            Write::Alive(at) => {
                self.alive.fetch_max(at.0, Ordering::Relaxed);
                self.wake.notify_one();
            }
        }
    }

    /// What `put` puts by key is taken together.
    pub(crate) fn together<T>(&self, put: impl FnOnce() -> T) -> T {
        let _together = self.together.lock();
        put()
    }

    fn transition(&self, kept: KeptTransition) {
        let mut transitions = self.transitions.lock();
        match transitions.push(kept) {
            true => self.leave_out(1),
            false => self.grew(),
        }
    }

    fn record(&self, at: Wall, subject: Option<Name>, body: String) {
        let mut records = self.records.lock();
        match records.push(at, subject, body) {
            true => drop(self.records_dropped.fetch_add(1, Ordering::Relaxed)),
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

    /// One that finds no room is counted, and not kept before it changes again.
    fn owe(&self, key: String, body: Option<String>) {
        self.place(&self.owed, key, body, OWED);
    }

    /// One that finds no room is asked for anew, with all others.
    fn keep<K: Eq + Hash, V>(&self, kept: &Mutex<HashMap<K, V>>, key: K, value: V, most: usize) {
        if !self.place(kept, key, value, most) {
            self.forget.store(true, Ordering::Release);
        }
    }

    /// Whether there was room.
    fn place<K: Eq + Hash, V>(&self, kept: &Mutex<HashMap<K, V>>, key: K, value: V, most: usize) -> bool {
        let mut kept = kept.lock();
        if let Some(held) = kept.get_mut(&key) {
            *held = value;
        } else if kept.len() < most {
            kept.insert(key, value);
            self.grew();
        } else {
            self.leave_out(1);
            return false;
        }
        true
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

    /// Where all that was put until now is written, which the writer is to see to at once.
    pub(crate) fn ask(&self) -> Position {
        let mut awaited = self.awaited.lock();
        let position = Position {
            // One that was begun may have passed by what was put.
            takes: self.takes.load(Ordering::SeqCst) + 1,
            shards: self.next.load(Ordering::SeqCst) + SHARDS,
            transitions: self.transitions.lock().pushed(),
            records: self.records.lock().pushed(),
        };
        *awaited = position;
        self.hurry.notify_one();
        position
    }

    /// Whether somebody waits, or did, for more than is written up to `position`.
    pub(crate) fn is_awaited_behind(&self, position: &Position) -> bool {
        !position.reaches(&self.awaited.lock())
    }

    /// Somebody has asked since this was last waited for, or will.
    pub(crate) async fn asked(&self) {
        self.hurry.notified().await;
    }

    /// As much as goes into one transaction, and how far it reaches; what a map holds is taken at once, whatever its size.
    pub(crate) fn take(&self) -> (Batch, Position) {
        let takes = self.takes.fetch_add(1, Ordering::SeqCst) + 1;
        let alive = self.alive.swap(NONE, Ordering::Relaxed);
        let (transitions, counted, transitions_to) = self.taken_transitions();
        let (records, hole, records_to) = self.taken_records();
        let mut batch = Batch {
            forget: self.forget.swap(false, Ordering::AcqRel),
            transitions,
            services: taken(&self.services).into_iter().collect(),
            maintenance: taken(&self.maintenance).into_iter().collect(),
            kept: self.taken_kept(),
            records,
            hole,
            instances: Vec::new(),
            alive: (alive != NONE).then_some(Wall(alive)),
        };
        for _ in 0..SHARDS {
            if batch.instances.len() >= AT_ONCE {
                break;
            }
            let shard = self.next.fetch_add(1, Ordering::SeqCst) % SHARDS;
            batch.instances.extend(taken(&self.instances[shard]));
        }
        let counted = counted + batch.rows() - batch.transitions.len();
        self.queued.fetch_sub(counted, Ordering::AcqRel);
        let position = Position {
            takes,
            shards: self.next.load(Ordering::SeqCst),
            transitions: transitions_to,
            records: records_to,
        };
        (batch, position)
    }

    fn taken_transitions(&self) -> (Vec<KeptTransition>, usize, u64) {
        self.transitions.lock().take()
    }

    fn taken_kept(&self) -> Vec<((Kept, String), Option<String>)> {
        let both = || (taken(&self.kept), taken(&self.owed));
        let (kept, owed) = self.together(both);
        let owed = owed.into_iter().map(|(key, body)| ((Kept::Owed, key), body));
        kept.into_iter().chain(owed).collect()
    }

    fn taken_records(&self) -> TakenRecords {
        self.records.lock().take()
    }

    pub(crate) fn queued(&self) -> usize {
        self.queued.load(Ordering::Acquire)
    }

    pub(crate) fn left_out(&self) -> u64 {
        self.left_out.load(Ordering::Relaxed)
    }

    /// Records that found no room.
    pub(crate) fn records_dropped(&self) -> u64 {
        self.records_dropped.load(Ordering::Relaxed)
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
fn forgotten(name: Name, at: Wall) -> KeptTransition {
    KeptTransition {
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

impl From<Transition> for KeptTransition {
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
