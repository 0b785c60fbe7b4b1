//! The last revisions, and the newest state of everything: what there is to tell.
//!
//! Synchronous: [`Ring::push`] and [`Ring::renew`] are the ways in, [`Ring::read`] says what to tell to one who stands at a
//! cursor. A ring is cheap to clone (its parts are persistent), so readers work on a clone of their own while the writer goes
//! on; nobody waits on a reader for longer than it takes to clone. A queue for each watcher was not taken: a slow one would
//! then cost memory, or the writer's time, or be told less than it could be.

mod entry;
mod present;
mod room;
mod snapshot;

use std::{collections::BTreeMap, sync::Arc};

use imbl::Vector;
use ward_model::{ChangeSet, Entity, EntityKey, Epoch, ObserverState, Revision, Status};
use ward_proto::v1::DeltaKind;

pub(crate) use self::{
    entry::{Entry, Pieces},
    present::Present,
    snapshot::Snapshot,
};
use self::{
    entry::{Gather, Part},
    room::Room,
    snapshot::Telling,
};
use super::{
    filter::{Filter, Level},
    frame::{Encoding, Frame},
};

/// How much the ring keeps, and how it is told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Most revisions kept: at 100 a second, ten minutes in which a watcher can be away and need no snapshot.
    pub(crate) revisions: usize,
    /// Most bytes kept, whatever the number of revisions; what is kept of them as JSON, and as whole messages, included.
    pub(crate) bytes: usize,
    /// Most bytes of JSON kept of the newest state, for those who are told everything there is: some 50,000 services.
    pub(crate) json_bytes: usize,
    /// Up to this lag a watcher is told each revision, beyond it several as one.
    pub(crate) told_apart: u64,
    /// Target size of one message; a single entity may be larger. Small, since each watcher who does not read holds one or
    /// two.
    pub(crate) frame_bytes: usize,
}

/// Messages of a snapshot are smaller, since nobody shares them: a watcher who does not read holds two of its own.
const SNAPSHOT_BYTES: usize = 8 << 10;

impl Default for Bounds {
    fn default() -> Self {
        Self {
            revisions: 65_536,
            bytes: 64 << 20,
            json_bytes: 64 << 20,
            told_apart: 64,
            frame_bytes: 32 << 10,
        }
    }
}

/// A place in the history of one life of an aggregator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cursor {
    pub(crate) epoch: Epoch,
    pub(crate) revision: Revision,
}

/// What to tell next.
#[derive(Debug)]
pub(crate) enum Step {
    /// Nothing: all up to here is told, or left out by the filter.
    Idle(Revision),
    /// One revision, or several as one, in as many messages as it takes; at least one.
    Delta {
        /// Up to here.
        to: Revision,
        /// Revisions whose own states are not told apart; `None` for one revision.
        coalesced: Option<u64>,
        /// The messages.
        messages: Vec<Pieces>,
    },
    /// Everything there is.
    Snapshot(Snapshot),
    /// Everything there is, which is not ready to be read: who waits for news hears when it is.
    Later,
}

/// The last revisions, and the newest state of everything.
#[derive(Clone, Debug)]
pub(crate) struct Ring {
    epoch: Epoch,
    head: Revision,
    /// Without a hole; the last is `head`.
    entries: Vector<Arc<Entry>>,
    bytes: usize,
    /// Bytes that the entries keep beside that of what was made for readers: JSON, and whole messages.
    entries_made: Room,
    present: Arc<Present>,
    newest_json: Room,
    observer: ObserverState,
    /// What the newest revision says of instances is not there yet.
    verdict_only: bool,
    bounds: Bounds,
}

impl Ring {
    /// The state at `head`, with nothing before it.
    pub(crate) fn new(
        epoch: Epoch,
        head: Revision,
        state: impl IntoIterator<Item = Entity>,
        bounds: Bounds,
    ) -> Self {
        Self {
            epoch,
            head,
            entries: Vector::new(),
            bytes: 0,
            entries_made: Room::default(),
            present: Arc::new(Present::new(head, state)),
            newest_json: Room::default(),
            observer: ObserverState::default(),
            verdict_only: false,
            bounds,
        }
    }

    pub(crate) fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The newest revision.
    pub(crate) fn head(&self) -> Revision {
        self.head
    }

    pub(crate) fn observer(&self) -> ObserverState {
        self.observer
    }

    /// Bytes kept of what was made of revisions for readers, and of the newest state as JSON.
    #[cfg(test)]
    pub(super) fn made(&self) -> (usize, usize) {
        (self.entries_made.taken(), self.newest_json.taken())
    }

    /// One who was told up to `cursor` can go on from there without a snapshot.
    pub(crate) fn holds(&self, cursor: Cursor) -> bool {
        let oldest = self.head.0 - self.entries.len() as u64;
        cursor.epoch == self.epoch && (oldest..=self.head.0).contains(&cursor.revision.0)
    }

    /// Takes the next revision, encodes what changed and drops what is past the bounds. What is returned is to be given to
    /// [`Self::renew`] once the revision can be read.
    pub(crate) fn push(&mut self, set: &ChangeSet) -> Arc<Entry> {
        if set.revision != self.head.next() {
            // A hole would be a gap that nobody announces; without entries everybody gets a snapshot.
            self.entries.clear();
            self.bytes = 0;
        }
        let mut changes: Vec<_> = set
            .changes
            .iter()
            .map(|change| (change.entity.key(), change))
            .collect();
        changes.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        let system = set.changes.iter().find_map(|change| match &change.entity {
            Entity::System(system) => Some(system),
            _ => None,
        });
        if let Some(system) = system {
            self.observer = system.observer;
        }
        let entry = Arc::new(Entry::encode(&changes, &self.entries_made));
        self.head = set.revision;
        self.bytes += entry.bytes();
        self.entries.push_back(entry.clone());
        self.forget_oldest();
        entry
    }

    /// Brings the newest state of everything up to date with a revision. Behind the moment at which readers can see that
    /// revision, or a snapshot would lead to where there is nothing yet.
    pub(crate) fn renew(&self, entry: &Entry) {
        self.present.renew(self.head, entry);
    }

    /// The newest state of everything, the same for all clones.
    pub(crate) fn present(&self) -> &Present {
        &self.present
    }

    /// Takes what the next revision says of the system and its services, and nothing behind it: for a clone, since the
    /// whole revision is still to be pushed.
    pub(crate) fn push_verdict(&mut self, verdict: &ChangeSet) {
        drop(self.push(verdict));
        self.verdict_only = true;
    }

    /// Takes the next revision, all at once.
    #[cfg(test)]
    pub(super) fn take(&mut self, set: &ChangeSet) {
        let entry = self.push(set);
        self.renew(&entry);
    }

    /// The newest revision can be told to who looks as deep as `level`.
    pub(crate) fn is_whole_for(&self, level: Level) -> bool {
        !self.verdict_only || level < Level::Instance
    }

    /// Down to the bounds. What was made of a revision goes with it, so that the newest is always shared by all who need it.
    fn forget_oldest(&mut self) {
        // Counted here, since what goes may live on for a moment in the clone that readers still have.
        let mut made = self.entries_made.taken();
        while self.entries.len() > self.bounds.revisions || self.bytes + made > self.bounds.bytes {
            let Some(oldest) = self.entries.pop_front() else {
                break;
            };
            self.bytes -= oldest.bytes();
            made = made.saturating_sub(oldest.made_bytes());
        }
    }

    /// What to tell to one who was told up to `cursor`; `None` knows nothing yet.
    pub(crate) fn read(&self, cursor: Option<Cursor>, filter: &Arc<Filter>, encoding: Encoding) -> Step {
        let Some(cursor) = cursor.filter(|&cursor| self.holds(cursor)) else {
            return self.snapshot(filter, encoding);
        };
        let lag = self.head.0 - cursor.revision.0;
        if lag > self.bounds.told_apart {
            self.coalesced(lag, filter, encoding)
        } else {
            self.next_wanted(lag, filter, encoding)
        }
    }

    /// The revision behind `cursor` for one who wants all of it down to `level`, as the message that all of those share.
    /// `None` where it takes another way: far behind, nothing of that level, or more than one message.
    pub(crate) fn next_shared(&self, cursor: Cursor, level: Level) -> Option<Frame> {
        let lag = self.head.0.checked_sub(cursor.revision.0)?;
        if lag == 0 || lag > self.bounds.told_apart || !self.holds(cursor) {
            return None;
        }
        let place = self.entries.len() - usize::try_from(lag).ok()?;
        let frame = Frame {
            epoch: self.epoch,
            from: cursor.revision,
            to: cursor.revision.next(),
            kind: DeltaKind::Revision,
            skipped: 0,
            last: true,
            entities: Vec::new(),
            shared: None,
        };
        self.entries
            .get(place)?
            .share(frame, level, self.bounds.frame_bytes)
    }

    /// The last `lag` entries with their revisions.
    fn behind(&self, lag: u64) -> impl Iterator<Item = (Revision, &Entry)> {
        let skip = self.entries.len() - usize::try_from(lag).expect("the lag is at most the entries kept");
        let revisions = (self.head.0 - lag + 1..).map(Revision);
        revisions.zip(self.entries.focus().narrow(skip..).into_iter().map(AsRef::as_ref))
    }

    fn next_wanted(&self, lag: u64, filter: &Filter, encoding: Encoding) -> Step {
        // By their places: a focus over all entries would cost more than the few looks there are.
        let first = self.entries.len() - usize::try_from(lag).expect("the lag is small here");
        let revisions = (self.head.0 - lag + 1..).map(Revision);
        for (to, entry) in revisions.zip((first..).map_while(|place| self.entries.get(place))) {
            let messages = entry.select(filter, encoding, self.bounds.frame_bytes);
            if !messages.is_empty() {
                return Step::Delta {
                    to,
                    coalesced: None,
                    messages,
                };
            }
        }
        Step::Idle(self.head)
    }

    fn coalesced(&self, lag: u64, filter: &Filter, encoding: Encoding) -> Step {
        // The worst that happened to each thing, and where its newest state lies.
        let mut changed = BTreeMap::<&EntityKey, (Status, &Entry, &Part)>::new();
        for (_, entry) in self.behind(lag) {
            for part in entry.wanted(filter) {
                let before = changed.get(&part.key).map_or(part.severity, |(worst, ..)| *worst);
                changed.insert(&part.key, (before.join(part.severity), entry, part));
            }
        }
        let mut gather = Gather::new(self.bounds.frame_bytes);
        for (worst, entry, part) in changed.into_values() {
            if worst >= filter.least {
                gather.push(entry.piece(part, encoding));
            }
        }
        let messages = gather.into_messages();
        if messages.is_empty() {
            return Step::Idle(self.head);
        }
        Step::Delta {
            to: self.head,
            coalesced: Some(lag - 1),
            messages,
        }
    }

    fn snapshot(&self, filter: &Arc<Filter>, encoding: Encoding) -> Step {
        let telling = Telling {
            filter: filter.clone(),
            encoding,
            frame_bytes: self.bounds.frame_bytes.min(SNAPSHOT_BYTES),
            room: self.newest_json.clone(),
            json_bytes: self.bounds.json_bytes,
        };
        let snapshot = self.present.snapshot(self.epoch, telling);
        snapshot.map_or(Step::Later, Step::Snapshot)
    }
}
