//! The handles of one stream.
//!
//! A handle is an index, given in order and never used again on its stream, so that a beat that was under way when its
//! instance left cannot keep another one alive. Names are looked at when an instance comes or leaves, never for a beat.

use std::{
    collections::BTreeSet,
    hash::{BuildHasher, RandomState},
    num::NonZeroU32,
    time::Duration,
};

use hashbrown::HashTable;
use ward_engine::{Registered, Slot};
use ward_model::{InstanceId, Mono, Name};

/// Most handles one stream is given: as many as have room for their beats in one message of 64 KiB.
pub(super) const HANDLES: usize = 16_384;

/// Where one instance of the stream beats.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lease {
    pub(super) slot: Slot,
    /// Above an hour's lease by far.
    suspect_after_ms: NonZeroU32,
}

impl Lease {
    fn new(slot: Slot, suspect_after: Duration) -> Self {
        Self {
            slot,
            suspect_after_ms: u32::try_from(suspect_after.as_millis()).map_or(NonZeroU32::MAX, |ms| {
                NonZeroU32::new(ms).unwrap_or(NonZeroU32::MIN)
            }),
        }
    }

    /// Good until when, after a beat at `now`.
    #[inline]
    pub(super) fn deadline(&self, now: Mono) -> Mono {
        Mono(
            now.0
                .saturating_add(u64::from(self.suspect_after_ms.get()) * 1_000_000),
        )
    }
}

#[derive(Debug, Default)]
pub(super) struct Table {
    leases: Vec<Option<Lease>>,
    /// How often each is to be heard, in milliseconds; beside the leases too.
    intervals: Vec<u32>,
    /// How many of the handles stand for somebody.
    live: usize,
    /// How often those are to be heard, all together: thousandths a second.
    beats: u64,
    /// Whose each handle is; beside the leases, so that beats run through as little memory as possible.
    ids: Vec<InstanceId>,
    /// The present handle of each id. The ids are not kept again: there are a million of them.
    handles: HashTable<u32>,
    hasher: RandomState,
    /// The services of the ids, each once.
    services: BTreeSet<Name>,
}

impl Table {
    /// What a handle stands for, while it does.
    #[inline]
    pub(super) fn get(&self, handle: u32) -> Option<Lease> {
        self.leases.get(handle as usize).copied().flatten()
    }

    /// Whose it is or was.
    pub(super) fn id(&self, handle: u32) -> Option<&InstanceId> {
        self.ids.get(handle as usize)
    }

    /// Where all that are on the stream beat.
    pub(super) fn leases(&self) -> impl Iterator<Item = &Lease> {
        self.leases.iter().flatten()
    }

    /// Those whose lease is of a kind.
    pub(super) fn handles(&self, of: impl Fn(&Lease) -> bool) -> impl Iterator<Item = u32> {
        (0..)
            .zip(&self.leases)
            .filter_map(move |(handle, lease)| lease.as_ref().filter(|lease| of(lease)).map(|_| handle))
    }

    /// How many instances are on the stream.
    pub(super) fn live(&self) -> usize {
        self.live
    }

    /// How often they are to be heard, all together: thousandths a second.
    pub(super) fn beats(&self) -> u64 {
        self.beats
    }

    /// The present handle of an id.
    pub(super) fn handle(&self, id: &InstanceId) -> Option<u32> {
        let hash = self.hasher.hash_one(id);
        let found = self
            .handles
            .find(hash, |&handle| self.ids[handle as usize] == *id);
        found.copied()
    }

    /// There is no handle left to give.
    pub(super) fn is_full(&self) -> bool {
        self.leases.len() >= HANDLES
    }

    /// A new handle for an instance; one it had before is void.
    pub(super) fn give(&mut self, id: InstanceId, registered: &Registered) -> u32 {
        let handle = u32::try_from(self.leases.len()).expect("handles are bounded far below");
        if let Some(old) = self.forget(&id) {
            self.void(old);
        }
        self.leases
            .push(Some(Lease::new(registered.slot, registered.suspect_after)));
        self.intervals.push(millis(registered.interval));
        self.live += 1;
        self.beats += beats(millis(registered.interval));
        let id = self.share(id);
        let hash = self.hasher.hash_one(&id);
        self.ids.push(id);
        let Self {
            ids, handles, hasher, ..
        } = self;
        let rehash = |&handle: &u32| hasher.hash_one(&ids[handle as usize]);
        handles.insert_unique(hash, handle, rehash);
        handle
    }

    /// The same id, its service in the memory that those before have theirs in.
    fn share(&mut self, id: InstanceId) -> InstanceId {
        let Some(service) = self.services.get(&id.service).cloned() else {
            self.services.insert(id.service.clone());
            return id;
        };
        InstanceId { service, ..id }
    }

    /// The id has no handle from now on; the one it had.
    fn forget(&mut self, id: &InstanceId) -> Option<u32> {
        let Self {
            ids, handles, hasher, ..
        } = self;
        let hash = hasher.hash_one(id);
        let found = handles.find_entry(hash, |&handle| ids[handle as usize] == *id);
        found.ok().map(|entry| entry.remove().0)
    }

    /// Beats under this handle are good for so long from now on.
    pub(super) fn renew(&mut self, handle: u32, registered: &Registered) {
        if let Some(Some(lease)) = self.leases.get_mut(handle as usize) {
            *lease = Lease::new(lease.slot, registered.suspect_after);
            let interval = &mut self.intervals[handle as usize];
            self.beats -= beats(*interval);
            *interval = millis(registered.interval);
            self.beats += beats(*interval);
        }
    }

    fn void(&mut self, handle: u32) -> Option<Lease> {
        let lease = self.leases.get_mut(handle as usize)?.take()?;
        self.live -= 1;
        self.beats -= beats(self.intervals[handle as usize]);
        Some(lease)
    }

    /// The handle is void from now on; what it stood for.
    pub(super) fn take(&mut self, handle: u32) -> Option<Lease> {
        let lease = self.void(handle)?;
        let id = self.ids[handle as usize].clone();
        self.forget(&id);
        Some(lease)
    }
}

fn millis(interval: Duration) -> u32 {
    u32::try_from(interval.as_millis()).unwrap_or(u32::MAX)
}

/// Of one that is heard at this interval, thousandths a second. An hour makes none, and a tenth of a second 10,000.
fn beats(interval_ms: u32) -> u64 {
    1_000_000 / u64::from(interval_ms.max(1))
}
