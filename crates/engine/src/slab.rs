//! The lease slab: one deadline a slot. The hot path of Ward ends in [`Slab::touch`].
//!
//! A beat is one relaxed store into an array; expiry is a sweep over the same array. No timer is armed for a beat and
//! nothing is looked up by name: the obvious alternatives, a timer wheel or a delay queue, cost 10 to 1,000 times as
//! much a beat (`DelayQueue::reset` at 100,000 entries: 697 ns, a store: 2 ns). The array grows in chunks that never
//! move, so that neither side needs a lock.
//!
//! It knows nothing of instances. Who may touch which slot is for the engine to hand out and for the edge to keep.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use ward_model::{Mono, bounds};

/// An entry of the slab. Belongs to one stream until that stream has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(pub(crate) u32);

const CHUNK: usize = 4096;
/// Twice the instances there may be: while streams of superseded incarnations linger, both hold a slot.
const CAPACITY: usize = 2 * bounds::INSTANCES;
/// The deadline of a slot that nobody beats.
const IDLE: u64 = u64::MAX;
/// The deadline of a slot whose instance is suspect or lost, until its next beat.
const PARKED: u64 = u64::MAX - 1;

type Chunk = Box<Entries>;

#[derive(Debug)]
struct Entries {
    deadlines: [AtomicU64; CHUNK],
    /// Slots whose instance is gone while their stream still holds them.
    orphaned: [AtomicBool; CHUNK],
}

/// The deadlines.
#[derive(Debug)]
pub struct Slab {
    chunks: Box<[OnceLock<Chunk>]>,
}

impl Default for Slab {
    fn default() -> Self {
        Self {
            chunks: (0..CAPACITY.div_ceil(CHUNK)).map(|_| OnceLock::new()).collect(),
        }
    }
}

impl Slab {
    /// A beat: the slot is good until `deadline`.
    ///
    /// Wait-free. A slot in a part of the slab that was never reserved is ignored.
    #[inline]
    pub fn touch(&self, slot: Slot, deadline: Mono) {
        if let Some(entry) = self.entry(slot) {
            entry.store(deadline.0, Relaxed);
        }
    }

    #[inline]
    fn entry(&self, slot: Slot) -> Option<&AtomicU64> {
        let index = slot.0 as usize;
        self.chunks
            .get(index / CHUNK)?
            .get()
            .map(|chunk| &chunk.deadlines[index % CHUNK])
    }

    /// The instance behind this slot was forgotten or taken over: whoever beats it must say hello again. For the edge
    /// to ask now and then.
    pub fn is_orphaned(&self, slot: Slot) -> bool {
        self.flag(slot).is_some_and(|flag| flag.load(Relaxed))
    }

    pub(crate) fn set_orphaned(&self, slot: Slot, orphaned: bool) {
        if let Some(flag) = self.flag(slot) {
            flag.store(orphaned, Relaxed);
        }
    }

    fn flag(&self, slot: Slot) -> Option<&AtomicBool> {
        let index = slot.0 as usize;
        self.chunks
            .get(index / CHUNK)?
            .get()
            .map(|chunk| &chunk.orphaned[index % CHUNK])
    }

    /// Takes the slot out of the sweep until its next beat; false if one came since `seen` was read.
    pub(crate) fn park(&self, slot: Slot, seen: Mono) -> bool {
        self.entry(slot)
            .is_some_and(|entry| entry.compare_exchange(seen.0, PARKED, Relaxed, Relaxed).is_ok())
    }

    pub(crate) fn is_parked(&self, slot: Slot) -> bool {
        self.deadline(slot).0 == PARKED
    }

    pub(crate) fn deadline(&self, slot: Slot) -> Mono {
        Mono(self.entry(slot).map_or(IDLE, |entry| entry.load(Relaxed)))
    }

    /// Makes room for `slot`; false when the slab is full.
    pub(crate) fn reserve(&self, slot: Slot) -> bool {
        let Some(chunk) = self.chunks.get(slot.0 as usize / CHUNK) else {
            return false;
        };
        chunk.get_or_init(|| {
            Box::new(Entries {
                deadlines: [const { AtomicU64::new(IDLE) }; CHUNK],
                orphaned: [const { AtomicBool::new(false) }; CHUNK],
            })
        });
        true
    }

    pub(crate) fn idle(&self, slot: Slot) {
        self.touch(slot, Mono(IDLE));
    }

    /// Calls `expired` with each slot, and its deadline, that is before or at `now`, among the first `slots`.
    pub(crate) fn sweep(&self, slots: u32, now: Mono, mut expired: impl FnMut(Slot, Mono)) {
        let chunks = self
            .chunks
            .iter()
            .map_while(OnceLock::get)
            .take((slots as usize).div_ceil(CHUNK));
        for (number, chunk) in chunks.enumerate() {
            // No further: what else is in a chunk would come into the cache each tick, and drive out what is in use.
            let used = (slots as usize - number * CHUNK).min(CHUNK);
            for (offset, entry) in chunk.deadlines[..used].iter().enumerate() {
                let deadline = entry.load(Relaxed);
                if deadline <= now.0 {
                    expired(Slot((number * CHUNK + offset) as u32), Mono(deadline));
                }
            }
        }
    }

    /// Brings a deadline beyond `most` back to it.
    pub(crate) fn cap(&self, slot: Slot, most: Mono) {
        if let Some(entry) = self.entry(slot)
            && entry.load(Relaxed) < PARKED
        {
            entry.fetch_min(most.0, Relaxed);
        }
    }

    /// Moves a deadline before `least` on to it. Unlike a beat it shortens none, and brings nobody back who was missed.
    pub fn extend(&self, slot: Slot, least: Mono) {
        if let Some(entry) = self.entry(slot)
            && entry.load(Relaxed) < PARKED
        {
            entry.fetch_max(least.0.min(PARKED - 1), Relaxed);
        }
    }

    /// Moves every deadline by `gap`: time that passed while this process could not listen counts for nobody. A beat
    /// stored meanwhile stands as it is.
    pub(crate) fn shift(&self, gap: Duration) {
        let gap = u64::try_from(gap.as_nanos()).unwrap_or(u64::MAX);
        for entry in self
            .chunks
            .iter()
            .map_while(OnceLock::get)
            .flat_map(|chunk| &chunk.deadlines)
        {
            let deadline = entry.load(Relaxed);
            let moved = deadline.saturating_add(gap).min(PARKED - 1);
            if deadline < PARKED && entry.compare_exchange(deadline, moved, Relaxed, Relaxed).is_err() {
                // A beat came meanwhile, which needs no moving.
                continue;
            }
        }
    }
}
