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
        atomic::{AtomicU64, Ordering::Relaxed},
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

type Chunk = Box<[AtomicU64; CHUNK]>;

/// The deadlines.
#[derive(Debug)]
pub struct Slab {
    chunks: Box<[OnceLock<Chunk>]>,
}

impl Default for Slab {
    fn default() -> Self {
        Self { chunks: (0..CAPACITY.div_ceil(CHUNK)).map(|_| OnceLock::new()).collect() }
    }
}

impl Slab {
    /// A beat: the slot is good until `deadline`.
    ///
    /// Wait-free. A slot that was never handed out is ignored.
    #[inline]
    pub fn touch(&self, slot: Slot, deadline: Mono) {
        if let Some(entry) = self.entry(slot) {
            entry.store(deadline.0, Relaxed);
        }
    }

    #[inline]
    fn entry(&self, slot: Slot) -> Option<&AtomicU64> {
        let index = slot.0 as usize;
        self.chunks.get(index / CHUNK)?.get().map(|chunk| &chunk[index % CHUNK])
    }

    pub(crate) fn deadline(&self, slot: Slot) -> Mono {
        Mono(self.entry(slot).map_or(IDLE, |entry| entry.load(Relaxed)))
    }

    /// Makes room for `slot`; false when the slab is full.
    pub(crate) fn reserve(&self, slot: Slot) -> bool {
        let Some(chunk) = self.chunks.get(slot.0 as usize / CHUNK) else { return false };
        chunk.get_or_init(|| Box::new([const { AtomicU64::new(IDLE) }; CHUNK]));
        true
    }

    pub(crate) fn idle(&self, slot: Slot) {
        self.touch(slot, Mono(IDLE));
    }

    /// Calls `expired` with each of the first `slots` slots whose deadline is before or at `now`.
    pub(crate) fn sweep(&self, slots: u32, now: Mono, mut expired: impl FnMut(Slot)) {
        let chunks = self.chunks.iter().map_while(OnceLock::get).take((slots as usize).div_ceil(CHUNK));
        for (number, chunk) in chunks.enumerate() {
            for (offset, entry) in chunk.iter().enumerate() {
                if entry.load(Relaxed) <= now.0 {
                    expired(Slot((number * CHUNK + offset) as u32));
                }
            }
        }
    }

    /// Moves every deadline by `gap`: time that passed while this process could not listen counts for nobody.
    ///
    /// A beat stored meanwhile may be moved as well; that delays one conviction by `gap` once.
    pub(crate) fn shift(&self, gap: Duration) {
        let gap = u64::try_from(gap.as_nanos()).unwrap_or(u64::MAX);
        for entry in self.chunks.iter().map_while(OnceLock::get).flat_map(|chunk| chunk.iter()) {
            let deadline = entry.load(Relaxed);
            if deadline != IDLE {
                entry.store(deadline.saturating_add(gap), Relaxed);
            }
        }
    }
}
