//! Where what was published waits to be remembered.
//!
//! The engine's thread puts it here and goes on: one uncontended lock and a push. Whoever remembers takes all of it at
//! once, and is woken at most once for what comes in a row. A channel was not taken: it wakes its reader for each
//! message, which costs as much as a decision.

use std::{sync::Arc, thread::Thread};

use parking_lot::Mutex;
use ward_model::{
    Change, ChangeSet, Entity, EntityKey, Epoch, Freshness, Incarnation, InstanceId, InstanceState, Now,
    Reason, Revision, ServiceState, Status, SystemState,
};

/// How many changes may wait: more than a roll-up of everything makes, and about 30 MB. Who remembers takes microseconds
/// for each.
const CHANGES: usize = 1 << 17;

/// One revision, as far as it is remembered.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Heard {
    pub(crate) epoch: Epoch,
    pub(crate) revision: Revision,
    pub(crate) at: Now,
    /// It is no news, but what there is, looked at anew: `before` of each word is its status.
    pub(crate) is_look: bool,
    pub(crate) words: Vec<Word>,
}

/// One thing that changed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Word {
    /// Its status before; `None` if it is new.
    pub(crate) before: Option<Status>,
    pub(crate) thing: Thing,
}

/// What it is now.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Thing {
    System(Box<SystemState>),
    Service(Box<ServiceState>),
    Instance(Box<Instance>),
    Removed(EntityKey),
}

/// An instance, as far as it is remembered: labels, checks and signals are let go of where they were made.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Instance {
    pub(crate) id: InstanceId,
    pub(crate) incarnation: Incarnation,
    pub(crate) interval_ms: u32,
    pub(crate) status: Status,
    pub(crate) reason: Reason,
    pub(crate) message: String,
    /// Set where the status only says that the observer cannot see.
    pub(crate) last_status: Option<Status>,
    pub(crate) freshness: Freshness,
}

impl From<InstanceState> for Instance {
    fn from(state: InstanceState) -> Self {
        Self {
            id: state.id,
            incarnation: state.incarnation,
            interval_ms: state.interval_ms,
            status: state.condition.status,
            reason: state.condition.reason,
            message: state.condition.message,
            last_status: state.last_status,
            freshness: state.freshness,
        }
    }
}

impl From<Change> for Word {
    fn from(change: Change) -> Self {
        Self {
            before: change.before,
            thing: change.entity.into(),
        }
    }
}

impl From<Entity> for Thing {
    fn from(entity: Entity) -> Self {
        match entity {
            Entity::System(system) => Self::System(Box::new(system)),
            Entity::Service(service) => Self::Service(Box::new(service)),
            Entity::Instance(instance) => Self::Instance(Box::new(instance.into())),
            Entity::Removed(key) => Self::Removed(key),
        }
    }
}

/// Revisions that nobody will remember, for want of room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Missed {
    pub(crate) epoch: Epoch,
    /// The first of them.
    pub(crate) from: Revision,
    /// The last.
    pub(crate) to: Revision,
    /// When the first came.
    pub(crate) since: Now,
    /// What was removed in them, which cannot be seen by looking at what is there. At most [`CHANGES`].
    pub(crate) removed: Vec<EntityKey>,
}

impl Missed {
    /// Leaves instances out, and gives back the verdicts about the system and its services: there are few of them, and they
    /// matter most.
    fn add(&mut self, set: ChangeSet) -> Vec<Change> {
        self.to = set.revision;
        let mut verdicts = Vec::new();
        for change in set.changes {
            match change.entity {
                Entity::System(_) | Entity::Service(_) => verdicts.push(change),
                Entity::Removed(key) if self.removed.len() < CHANGES => self.removed.push(key),
                Entity::Removed(_) | Entity::Instance(_) => {}
            }
        }
        verdicts
    }
}

/// What is taken at once: what was missed comes behind what was heard.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Taken {
    pub(crate) heard: Vec<Heard>,
    pub(crate) missed: Option<Missed>,
    /// The system, if it was ill before the aggregator's start, and instances that were.
    pub(crate) ill: Vec<(EntityKey, Status)>,
    /// What the store knew is lost: all of it is to be put again.
    pub(crate) lost: bool,
    /// Nothing will come any more.
    pub(crate) over: bool,
}

#[derive(Debug, Default)]
struct Waiting {
    taken: Taken,
    changes: usize,
    /// Who takes waits to be woken.
    sleeper: Option<Thread>,
}

impl Waiting {
    fn push(&mut self, epoch: Epoch, revision: Revision, at: Now, changes: Vec<Change>) {
        self.changes += changes.len();
        self.taken.heard.push(Heard {
            epoch,
            revision,
            at,
            is_look: false,
            words: changes.into_iter().map(Word::from).collect(),
        });
    }
}

/// See the module. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ear(Arc<Mutex<Waiting>>);

impl Ear {
    /// Takes a revision in. Never waits for who remembers.
    pub(crate) fn hear(&self, epoch: Epoch, set: ChangeSet, at: Now) {
        let revision = set.revision;
        let mut waiting = self.0.lock();
        if waiting.changes + set.changes.len() > CHANGES || waiting.taken.missed.is_some() {
            let missed = waiting.taken.missed.get_or_insert_with(|| Missed {
                epoch,
                from: revision,
                to: revision,
                since: at,
                removed: Vec::new(),
            });
            let verdicts = missed.add(set);
            if !verdicts.is_empty() && waiting.changes + verdicts.len() <= 2 * CHANGES {
                waiting.push(epoch, revision, at, verdicts);
            }
            return;
        }
        waiting.push(epoch, revision, at, set.changes);
    }

    /// The same for what is looked at anew.
    pub(crate) fn look_at(&self, heard: Heard) {
        let mut waiting = self.0.lock();
        waiting.changes += heard.words.len();
        waiting.taken.heard.push(heard);
    }

    /// Wakes who remembers, if it sleeps and there is something.
    pub(crate) fn wake(&self) {
        let sleeper = {
            let mut waiting = self.0.lock();
            if waiting.taken == Taken::default() {
                return;
            }
            waiting.sleeper.take()
        };
        if let Some(sleeper) = sleeper {
            sleeper.unpark();
        }
    }

    /// These were ill before the aggregator's start. Bounded by the instances there may be.
    pub(crate) fn recall(&self, ill: impl IntoIterator<Item = (EntityKey, Status)>) {
        self.0.lock().taken.ill.extend(ill);
    }

    /// The store has lost what it knew.
    pub(crate) fn lose(&self) {
        self.0.lock().taken.lost = true;
        self.wake();
    }

    /// Nothing will come any more.
    pub(crate) fn close(&self) {
        self.0.lock().taken.over = true;
        self.wake();
    }

    /// All that is there. If there is nothing, `sleeper` is woken for what comes next.
    pub(crate) fn take(&self, sleeper: &Thread) -> Taken {
        let mut waiting = self.0.lock();
        waiting.changes = 0;
        let over = waiting.taken.over;
        let taken = std::mem::take(&mut waiting.taken);
        waiting.taken.over = over;
        if taken == Taken::default() {
            waiting.sleeper = Some(sleeper.clone());
        }
        taken
    }

    /// How many changes wait.
    pub(crate) fn waiting(&self) -> usize {
        self.0.lock().changes
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use ward_model::{Mono, Name, Wall};

    use super::*;

    fn set(revision: u64, changes: usize) -> ChangeSet {
        let key = EntityKey::Service(Name::new("bank").unwrap());
        let change = Change {
            before: None,
            entity: Entity::Removed(key),
        };
        ChangeSet {
            revision: Revision(revision),
            changes: vec![change; changes],
        }
    }

    fn at(ms: i64) -> Now {
        Now {
            mono: Mono(0),
            wall: Wall(ms),
        }
    }

    #[test]
    fn what_has_no_room_is_told_as_missed_up_to_the_last() {
        let (ear, me) = (Ear::default(), thread::current());
        ear.hear(Epoch(1), set(1, CHANGES), at(1));
        ear.hear(Epoch(1), set(2, 1), at(2));
        let mut last = set(3, 1);
        last.changes.push(Change {
            before: None,
            entity: Entity::System(SystemState::default()),
        });
        ear.hear(Epoch(1), last, at(3));
        let taken = ear.take(&me);
        assert_eq!((taken.heard.len(), taken.over), (2, false));
        assert_eq!(taken.heard[1].words.len(), 1, "the verdict is not missed");
        let missed = taken.missed.unwrap();
        assert_eq!(
            (missed.from, missed.to, missed.since),
            (Revision(2), Revision(3), at(2))
        );
        assert_eq!(missed.removed.len(), 2);
        assert_eq!(ear.take(&me), Taken::default());
        ear.hear(Epoch(1), set(4, 1), at(4));
        assert_eq!(
            ear.take(&me).heard[0].revision,
            Revision(4),
            "there is room again"
        );
    }

    #[test]
    fn who_sleeps_is_woken_once() {
        let ear = Ear::default();
        let hears = ear.clone();
        let taker = thread::spawn(move || {
            let mut revisions = Vec::new();
            loop {
                let taken = hears.take(&thread::current());
                revisions.extend(taken.heard.iter().map(|heard| heard.revision.0));
                if taken.over {
                    return revisions;
                }
                if taken.heard.is_empty() {
                    thread::park();
                }
            }
        });
        for revision in 1..=100 {
            ear.hear(Epoch(1), set(revision, 1), at(0));
            ear.wake();
        }
        ear.close();
        assert_eq!(taker.join().unwrap(), (1..=100).collect::<Vec<_>>());
    }
}
