//! The last revisions, and the newest state of everything: what there is to tell.
//!
//! Pure and synchronous: [`Ring::push`] is the only way in, [`Ring::read`] says what to tell to one who stands at a
//! cursor. A ring is cheap to clone (its parts are persistent), so readers work on a clone of their own while the
//! writer goes on; nobody waits on anybody. A queue for each watcher was not taken: a slow one would then cost memory,
//! or the writer's time, or be told less than it could be.

use std::{collections::BTreeMap, mem::size_of, ops::Range, sync::Arc};

use bytes::{Bytes, BytesMut};
use imbl::{OrdMap, Vector};
use ward_model::{Change, ChangeSet, Entity, EntityKey, Epoch, ObserverState, Revision, Status};

use super::{
    filter::{Filter, Level},
    frame::encode_entity,
};

/// How much the ring keeps, and how it is told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Most revisions kept: at 100 a second, ten minutes in which a watcher can be away and need no snapshot.
    pub(crate) revisions: usize,
    /// Most bytes kept, whatever the number of revisions.
    pub(crate) bytes: usize,
    /// Up to this lag a watcher is told each revision, beyond it several as one.
    pub(crate) told_apart: u64,
    /// Target size of one message. A quarter of what may be sent at most, since a single entity may be large.
    pub(crate) frame_bytes: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            revisions: 65_536,
            bytes: 64 << 20,
            told_apart: 64,
            frame_bytes: 256 << 10,
        }
    }
}

/// A place in the history of one life of an aggregator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cursor {
    pub(crate) epoch: Epoch,
    pub(crate) revision: Revision,
}

/// The entities of one message, encoded, some in each piece.
pub(crate) type Pieces = Vec<Bytes>;

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
}

/// One changed thing within the body of its revision.
#[derive(Debug)]
struct Part {
    key: EntityKey,
    severity: Status,
    range: Range<usize>,
}

/// One revision: everything that changed, encoded once, back to back in the order of keys. So the system comes first
/// and instances last, and what a level is told of a whole revision is one slice.
#[derive(Debug)]
struct Entry {
    parts: Vec<Part>,
    body: Bytes,
}

/// The newest state of one thing, in bytes of its own: a slice of its revision's body would keep all of that alive.
#[derive(Debug)]
struct Newest {
    status: Status,
    field: Bytes,
}

/// The last revisions, and the newest state of everything.
#[derive(Clone, Debug)]
pub(crate) struct Ring {
    epoch: Epoch,
    head: Revision,
    /// Without a hole; the last is `head`.
    entries: Vector<Arc<Entry>>,
    bytes: usize,
    newest: OrdMap<EntityKey, Arc<Newest>>,
    observer: ObserverState,
    bounds: Bounds,
}

impl Ring {
    /// The state at `head`, with nothing before it.
    pub(crate) fn new(epoch: Epoch, head: Revision, state: &[Entity], bounds: Bounds) -> Self {
        let mut ring = Self {
            epoch,
            head,
            entries: Vector::new(),
            bytes: 0,
            newest: OrdMap::new(),
            observer: ObserverState::default(),
            bounds,
        };
        for entity in state {
            let mut field = BytesMut::new();
            encode_entity(entity, &mut field);
            ring.renew(entity, &field);
        }
        ring
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

    /// One who was told up to `cursor` can go on from there without a snapshot.
    pub(crate) fn holds(&self, cursor: Cursor) -> bool {
        let oldest = self.head.0 - self.entries.len() as u64;
        cursor.epoch == self.epoch && (oldest..=self.head.0).contains(&cursor.revision.0)
    }

    /// Takes the next revision, encodes what changed and drops what is past the bounds.
    pub(crate) fn push(&mut self, mut set: ChangeSet) {
        if set.revision != self.head.next() {
            // A hole would be a gap that nobody announces; without entries everybody gets a snapshot.
            self.entries.clear();
            self.bytes = 0;
        }
        set.changes.sort_by_cached_key(|change| change.entity.key());
        let entry = self.encode(&set.changes);
        self.head = set.revision;
        self.bytes += entry.bytes();
        self.entries.push_back(Arc::new(entry));
        while self.entries.len() > self.bounds.revisions || self.bytes > self.bounds.bytes {
            let Some(oldest) = self.entries.pop_front() else {
                break;
            };
            self.bytes -= oldest.bytes();
        }
    }

    fn encode(&mut self, changes: &[Change]) -> Entry {
        let mut body = BytesMut::new();
        let mut parts = Vec::with_capacity(changes.len());
        for change in changes {
            let start = body.len();
            encode_entity(&change.entity, &mut body);
            self.renew(&change.entity, &body[start..]);
            parts.push(Part {
                key: change.entity.key(),
                severity: change.severity(),
                range: start..body.len(),
            });
        }
        Entry {
            parts,
            body: body.freeze(),
        }
    }

    fn renew(&mut self, entity: &Entity, field: &[u8]) {
        if let Entity::System(system) = entity {
            self.observer = system.observer;
        }
        if let Entity::Removed(key) = entity {
            self.newest.remove(key);
        } else {
            let newest = Newest {
                status: entity.status(),
                field: Bytes::copy_from_slice(field),
            };
            self.newest.insert(entity.key(), Arc::new(newest));
        }
    }

    /// What to tell to one who was told up to `cursor`; `None` knows nothing yet.
    pub(crate) fn read(&self, cursor: Option<Cursor>, filter: &Arc<Filter>) -> Step {
        let Some(cursor) = cursor.filter(|&cursor| self.holds(cursor)) else {
            return Step::Snapshot(self.snapshot(filter));
        };
        let lag = self.head.0 - cursor.revision.0;
        if lag > self.bounds.told_apart {
            self.coalesced(lag, filter)
        } else {
            self.next_wanted(lag, filter)
        }
    }

    /// The last `lag` entries with their revisions.
    fn behind(&self, lag: u64) -> impl Iterator<Item = (Revision, &Entry)> {
        let skip = self.entries.len() - usize::try_from(lag).expect("the lag is at most the entries kept");
        let revisions = (self.head.0 - lag + 1..).map(Revision);
        revisions.zip(self.entries.focus().narrow(skip..).into_iter().map(AsRef::as_ref))
    }

    fn next_wanted(&self, lag: u64, filter: &Filter) -> Step {
        for (to, entry) in self.behind(lag) {
            let messages = entry.select(filter, self.bounds.frame_bytes);
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

    fn coalesced(&self, lag: u64, filter: &Filter) -> Step {
        let mut changed = BTreeMap::<&EntityKey, Touched<'_>>::new();
        for (_, entry) in self.behind(lag) {
            for part in entry.parts.iter().filter(|part| filter.wants(&part.key)) {
                let severity = changed
                    .get(&part.key)
                    .map_or(part.severity, |old| old.severity.join(part.severity));
                changed.insert(
                    &part.key,
                    Touched {
                        severity,
                        entry,
                        range: &part.range,
                    },
                );
            }
        }
        let mut gather = Gather::new(self.bounds.frame_bytes);
        for touched in changed
            .into_values()
            .filter(|touched| touched.severity >= filter.least)
        {
            gather.push(touched.entry.body.slice(touched.range.clone()));
        }
        if gather.messages.is_empty() {
            return Step::Idle(self.head);
        }
        Step::Delta {
            to: self.head,
            coalesced: Some(lag - 1),
            messages: gather.messages,
        }
    }

    fn snapshot(&self, filter: &Arc<Filter>) -> Snapshot {
        Snapshot {
            to: self.head,
            epoch: self.epoch,
            newest: self.newest.clone(),
            filter: filter.clone(),
            next: EntityKey::System,
            frame_bytes: self.bounds.frame_bytes,
        }
    }
}

/// A thing that changed within a range: the worst that happened to it, and where its newest state lies.
struct Touched<'a> {
    severity: Status,
    entry: &'a Entry,
    range: &'a Range<usize>,
}

impl Entry {
    /// What it costs to keep; names in keys are shared with the engine.
    fn bytes(&self) -> usize {
        size_of::<Self>() + self.body.len() + self.parts.len() * size_of::<Part>()
    }

    /// What of this revision passes; parts that lie together stay one piece.
    fn select(&self, filter: &Filter, frame_bytes: usize) -> Vec<Pieces> {
        let mut gather = Gather::new(frame_bytes);
        let mut run = 0..0;
        for part in &self.parts {
            if Level::of(&part.key) > filter.level {
                break;
            }
            if !filter.passes(&part.key, part.severity) {
                continue;
            }
            if run.end == part.range.start && part.range.end - run.start <= frame_bytes {
                run.end = part.range.end;
            } else {
                gather.push(self.body.slice(run));
                run = part.range.clone();
            }
        }
        gather.push(self.body.slice(run));
        gather.messages
    }
}

/// Fills messages up to their target size.
struct Gather {
    messages: Vec<Pieces>,
    size: usize,
    target: usize,
}

impl Gather {
    fn new(target: usize) -> Self {
        Self {
            messages: Vec::new(),
            size: 0,
            target,
        }
    }

    fn push(&mut self, piece: Bytes) {
        if piece.is_empty() {
            return;
        }
        self.size += piece.len();
        match self.messages.last_mut() {
            Some(message) if self.size <= self.target => message.push(piece),
            _ => {
                self.size = piece.len();
                self.messages.push(vec![piece]);
            }
        }
    }
}

/// Everything there was at one revision, told a message at a time. Only the states are kept alive, not the ring.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) epoch: Epoch,
    pub(crate) to: Revision,
    newest: OrdMap<EntityKey, Arc<Newest>>,
    filter: Arc<Filter>,
    next: EntityKey,
    frame_bytes: usize,
}

impl Snapshot {
    /// The next message, and whether it is the last. The last may be empty: that nothing is there has to be told too.
    pub(crate) fn next_message(&mut self) -> (Pieces, bool) {
        let (filter, newest) = (&self.filter, &self.newest);
        let mut pieces = Pieces::new();
        let mut size = 0;
        let stretches = filter.stretches(&self.next);
        for (key, state) in stretches.into_iter().flat_map(|stretch| newest.range(stretch)) {
            if Level::of(key) > filter.level {
                break;
            }
            if !filter.passes(key, state.status) {
                continue;
            }
            if size > 0 && size + state.field.len() > self.frame_bytes {
                self.next = key.clone();
                return (pieces, false);
            }
            size += state.field.len();
            pieces.push(state.field.clone());
        }
        (pieces, true)
    }
}
