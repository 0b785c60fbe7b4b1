//! Where revisions are published and watchers read them: one writer, any number of readers, none waits on another.
//!
//! The writer keeps a [`Ring`] of its own and publishes a clone of it (persistent, so O(1)) with each revision. A
//! watcher is a cursor into whatever clone it last looked at. A broadcast channel was not taken: it has one queue length
//! for everybody, no newest state for those who fall behind, and forgets entities that do not change.
//!
//! It knows nothing of gRPC or server-sent events; the edges turn a [`Watcher`] into a stream.

mod filter;
mod follower;
mod frame;
mod news;
mod reader;
mod ring;
mod watcher;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    task::Waker,
    time::Duration,
};

use arc_swap::{ArcSwap, ArcSwapOption};
use parking_lot::Mutex;
use slab::Slab;
use ward_model::{AuditHead, ChangeSet, Entity, Epoch, InstanceState, Revision};

pub(crate) use filter::{Filter, Level};
pub(crate) use follower::{Follower, Told};
pub(crate) use frame::{Closing, Encoding, Frame, Outgoing};
pub(crate) use reader::Reader;
pub(crate) use ring::{Bounds, Cursor};
pub(crate) use watcher::Watcher;

use news::News;
use ring::Ring;

/// How watchers are served.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Config {
    /// A bookmark comes at least this often.
    pub(crate) bookmark_every: Duration,
    /// One who is behind and takes nothing for so long is ended, and its connection is cut if that does not help.
    pub(crate) stall_after: Duration,
    /// What the ring keeps.
    pub(crate) bounds: Bounds,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            bookmark_every: Duration::from_secs(10),
            stall_after: Duration::from_secs(60),
            bounds: Bounds::default(),
        }
    }
}

/// The readers' side. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Hub {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    ring: ArcSwap<Ring>,
    news: Arc<News>,
    config: Config,
    coalesced: AtomicU64,
    /// How many watch now, by encoding.
    watching: [AtomicUsize; Encoding::COUNT],
    /// How many of them watch instances.
    deep: AtomicUsize,
    stalls: Mutex<watcher::Stalls>,
    /// As much of the audit log as is durable, for bookmarks.
    audit: ArcSwapOption<AuditHead>,
}

/// The writer's side. There is one.
#[derive(Debug)]
pub(crate) struct Publisher {
    ring: Ring,
    shared: Arc<Shared>,
    /// Something was published, and nobody woken for it.
    unheard: bool,
    /// Room for who is woken next.
    spare: Slab<Waker>,
}

/// Both sides of a hub that knows `state` at `head`.
pub(crate) fn hub(
    epoch: Epoch,
    head: Revision,
    state: impl IntoIterator<Item = Entity>,
    config: Config,
) -> (Publisher, Hub) {
    let ring = Ring::new(epoch, head, state, config.bounds);
    let shared = Arc::new(Shared {
        ring: ArcSwap::from_pointee(ring.clone()),
        news: Arc::default(),
        config,
        coalesced: AtomicU64::new(0),
        watching: Default::default(),
        deep: AtomicUsize::new(0),
        stalls: Mutex::default(),
        audit: ArcSwapOption::empty(),
    });
    (
        Publisher {
            ring,
            shared: shared.clone(),
            unheard: false,
            spare: Slab::new(),
        },
        Hub { shared },
    )
}

impl Publisher {
    /// Publishes one revision. Watchers see all of it or nothing, and are woken by [`Self::wake`].
    pub(crate) fn publish(&mut self, set: &ChangeSet) {
        let entry = self.ring.push(set);
        self.show(self.ring.clone());
        self.ring.renew(&entry);
    }

    /// Publishes what the next revision says of the system and its services, all of it. Who watches instances waits for
    /// [`Self::publish`] of the same revision, which is to follow at once.
    pub(crate) fn announce(&mut self, verdict: &ChangeSet) {
        let mut ring = self.ring.clone();
        ring.push_verdict(verdict);
        self.show(ring);
    }

    /// Whether states of instances are to be kept.
    pub(crate) fn wants_instances(&self) -> bool {
        self.ring.present().wants_instances()
    }

    /// Whether anybody watches instances.
    pub(crate) fn is_watched_deep(&self) -> bool {
        self.shared.deep.load(Relaxed) > 0
    }

    /// Keeps states of instances, these and others; `all` that there are, and then who waits for them is to be woken.
    pub(crate) fn fill(&mut self, states: Vec<InstanceState>, all: bool) {
        self.ring.present().fill(states, all);
        self.unheard |= all;
    }

    /// Keeps no states of instances any more, see [`ring::Present::empty`].
    pub(crate) fn empty(&self) -> impl Send + use<> {
        self.ring.present().empty()
    }

    fn show(&mut self, ring: Ring) {
        self.shared.ring.store(Arc::new(ring));
        self.unheard = true;
    }

    /// Wakes who watches, if there is something they have not been woken for. Apart from publishing, because waking many
    /// watchers costs more than a revision does: for revisions that are made in one go they are woken once. To be called each
    /// tick as well, for those who came while the state was being changed.
    pub(crate) fn wake(&mut self) {
        let turned_away = self.ring.present().turned_away();
        if std::mem::take(&mut self.unheard) || turned_away {
            self.shared.news.tell(&mut self.spare);
        }
    }
}

impl Hub {
    /// Starts watching behind `resume`, or with a snapshot.
    pub(crate) fn watch(&self, filter: Filter, encoding: Encoding, resume: Option<Cursor>) -> Watcher {
        Watcher::new(self.clone(), filter, encoding, resume)
    }

    /// So much of the audit log is durable: who watches is told with the next bookmark, and is a witness of it.
    pub(crate) fn witness(&self, head: AuditHead) {
        self.shared.audit.store(Some(Arc::new(head)));
    }

    /// What watchers are told of the audit log.
    pub(crate) fn audit(&self) -> Option<Arc<AuditHead>> {
        self.shared.audit.load_full()
    }

    /// What is published, as it stands.
    pub(crate) fn ring(&self) -> Arc<Ring> {
        self.shared.ring.load_full()
    }

    /// Where the published history stands.
    pub(crate) fn head(&self) -> Cursor {
        let ring = self.shared.ring.load();
        Cursor {
            epoch: ring.epoch(),
            revision: ring.head(),
        }
    }

    /// Follows the system and its services from within this process.
    pub(crate) fn follow(&self) -> Follower {
        Follower::new(self)
    }

    /// How many watch now, from outside of this process.
    #[cfg(test)]
    pub(crate) fn watchers(&self) -> usize {
        self.shared.watching.iter().map(|count| count.load(Relaxed)).sum()
    }

    /// How many of them in this encoding.
    pub(crate) fn watching(&self, encoding: Encoding) -> usize {
        self.shared.watching[encoding as usize].load(Relaxed)
    }

    /// How long one may take nothing that is there for it.
    pub(crate) fn stall_after(&self) -> Duration {
        self.shared.config.stall_after
    }

    /// How many revisions were not told apart, over all watchers.
    pub(crate) fn coalesced(&self) -> u64 {
        self.shared.coalesced.load(Relaxed)
    }

    /// Ends watchers that are behind and have taken nothing for too long, says how many, and cuts the connections of those
    /// that are still there since the last time. To be called every
    /// [`STALL_SWEEP`].
    pub(crate) fn end_stalled(&self) -> usize {
        // One more, since it may have fallen behind just before the first of them.
        let sweeps = self
            .shared
            .config
            .stall_after
            .as_secs()
            .div_ceil(STALL_SWEEP.as_secs())
            + 1;
        let ring = self.shared.ring.load();
        self.shared
            .stalls
            .lock()
            .sweep(&ring, u32::try_from(sweeps).unwrap_or(u32::MAX))
    }
}

/// How often stalled watchers are looked for.
pub(crate) const STALL_SWEEP: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests;
