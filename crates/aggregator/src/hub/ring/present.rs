//! The newest state of everything, for those who know nothing yet.
//!
//! One for all clones of a ring, and changed in place: a map of each clone's own would have to be copied, in part, for each
//! revision, only because somebody might want a snapshot of it. Who does clones the map, which is persistent, and reads at
//! leisure. Neither side waits for the other: who finds the writer at work is told to come again, and woken when it is done.
//!
//! States of instances take more memory than all else that is known of an instance, and hardly anybody wants a snapshot of
//! them, so they are kept only while somebody does.

use std::{
    mem,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use bytes::BytesMut;
use imbl::OrdMap;
use parking_lot::RwLock;
use ward_model::{Entity, EntityKey, Epoch, InstanceState, Revision};

use super::{
    super::{filter::Level, frame::encode_entity},
    Cursor,
    entry::Entry,
    snapshot::{Newest, Snapshot, Telling},
};

/// The newest state of everything.
#[derive(Debug)]
pub(crate) struct Present {
    state: RwLock<State>,
    /// Somebody wants a snapshot of instances and there is none to have, see [`Present::fill`].
    wanted: AtomicBool,
    /// Somebody found the writer at work.
    turned_away: AtomicBool,
}

#[derive(Debug)]
struct State {
    /// Up to here.
    at: Revision,
    newest: OrdMap<EntityKey, Arc<Newest>>,
    instances: Instances,
}

/// Which states of instances are among those kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Instances {
    None,
    /// Those that changed lately, and others.
    Some,
    All,
}

impl Present {
    /// The state at `at`.
    pub(super) fn new(at: Revision, state: impl IntoIterator<Item = Entity>) -> Self {
        Self {
            state: RwLock::new(State {
                at,
                newest: state.into_iter().map(|entity| newest(&entity)).collect(),
                instances: Instances::None,
            }),
            wanted: AtomicBool::new(false),
            turned_away: AtomicBool::new(false),
        }
    }

    /// Brings it up to date with a revision.
    pub(super) fn renew(&self, at: Revision, entry: &Entry) {
        let mut state = self.state.write();
        let keeps_instances = state.instances != Instances::None;
        for (part, field) in entry.fields() {
            if !keeps_instances && Level::of(&part.key) == Level::Instance {
                break;
            }
            match part.status {
                Some(status) => {
                    let newest = Arc::new(Newest::new(status, field));
                    state.newest.insert(part.key.clone(), newest);
                }
                None => drop(state.newest.remove(&part.key)),
            }
        }
        state.at = at;
    }

    /// Whether somebody has to be woken because a snapshot could not be had, until this is asked again.
    pub(crate) fn turned_away(&self) -> bool {
        self.turned_away.load(Relaxed) && self.turned_away.swap(false, Relaxed)
    }

    /// Whether somebody waits for states of instances to be kept.
    pub(crate) fn wants_instances(&self) -> bool {
        self.wanted.load(Relaxed)
    }

    /// Keeps states of instances from now on, these among them; with `all` there are no others.
    pub(crate) fn fill(&self, states: Vec<InstanceState>, all: bool) {
        let states = states.into_iter().map(Entity::Instance);
        let states: Vec<_> = states.map(|entity| newest(&entity)).collect();
        let mut state = self.state.write();
        state.newest.extend(states);
        state.instances = if all { Instances::All } else { Instances::Some };
        if all {
            self.wanted.store(false, Relaxed);
        }
    }

    /// Keeps no states of instances from now on. What was kept is returned: to drop a million of them takes a while.
    pub(crate) fn empty(&self) -> impl Send + use<> {
        let mut state = self.state.write();
        let others = state.newest.iter();
        let others = others.take_while(|(key, _)| Level::of(key) < Level::Instance);
        let others = others.map(|(key, state)| (key.clone(), state.clone())).collect();
        state.instances = Instances::None;
        mem::replace(&mut state.newest, others)
    }

    /// Everything there is; `None` if that cannot be had now: who waits for news hears when it can.
    pub(super) fn snapshot(&self, epoch: Epoch, telling: Telling) -> Option<Snapshot> {
        let Some(state) = self.state.try_read() else {
            self.turned_away.store(true, Relaxed);
            return None;
        };
        if telling.filter.level == Level::Instance && state.instances != Instances::All {
            self.wanted.store(true, Relaxed);
            return None;
        }
        let at = Cursor {
            epoch,
            revision: state.at,
        };
        Some(Snapshot::new(at, state.newest.clone(), telling))
    }
}

fn newest(entity: &Entity) -> (EntityKey, Arc<Newest>) {
    let mut field = BytesMut::new();
    encode_entity(entity, &mut field);
    (entity.key(), Arc::new(Newest::new(entity.status(), &field)))
}
