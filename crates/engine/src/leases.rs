//! Who holds which slot of the slab: the book that makes a beat a plain store.
//!
//! A slot is beaten by one stream only, and by nobody else until that stream is over, so an edge needs to ask no one
//! before it stores. Handles die with the stream, leases do not: an instance keeps its slot when its stream ends, and
//! a stream that lingers keeps a slot whose instance has moved on (an orphan).

use std::{collections::HashMap, sync::Arc};

use slab::Slab as Arena;
use ward_model::Mono;

use crate::{Slab, Slot, StreamId, world::InstanceIx};

/// Who beats a slot, in twelve bytes.
#[derive(Debug, Default)]
struct Entry {
    instance: Place,
    /// Its stream, by its place.
    owner: Place,
    /// Listed among the stale.
    stale: bool,
}

/// A place in an arena, or none: half the size of an `Option<u32>`, a quarter of that of an `Option<usize>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place(u32);

impl Default for Place {
    fn default() -> Self {
        Self(u32::MAX)
    }
}

impl Place {
    fn get(self) -> Option<usize> {
        (self != Self::default()).then_some(self.0 as usize)
    }
}

impl From<usize> for Place {
    fn from(place: usize) -> Self {
        Self(u32::try_from(place).expect("there are fewer slots than that"))
    }
}

/// What a stream may beat.
#[derive(Debug)]
struct Held {
    by: StreamId,
    slots: Vec<Slot>,
}

#[derive(Debug)]
pub(crate) struct Leases {
    pub(crate) slab: Arc<Slab>,
    entries: Vec<Entry>,
    free: Vec<Slot>,
    streams: Arena<Held>,
    /// Their places. Only looked up, never iterated: its order is nobody's.
    places: HashMap<StreamId, usize>,
    /// Slots of instances that are suspect or gone: where a beat is a return.
    stale: Vec<Slot>,
    /// Slots that a stream kept when its instance was taken over: should it take the instance back, they serve again,
    /// so that two streams fighting over an instance do not eat up the slab.
    kept: HashMap<(StreamId, InstanceIx), Slot>,
}

impl Leases {
    pub(crate) fn new(slab: Arc<Slab>) -> Self {
        Self {
            slab,
            entries: Vec::new(),
            free: Vec::new(),
            streams: Arena::new(),
            places: HashMap::new(),
            stale: Vec::new(),
            kept: HashMap::new(),
        }
    }

    /// A slot for an instance, good until `deadline`; `None` when there are no more.
    pub(crate) fn allocate(&mut self, owner: Option<StreamId>, deadline: Mono) -> Option<Slot> {
        let slot = self.free.pop().or_else(|| {
            let slot = Slot(u32::try_from(self.entries.len()).ok()?);
            self.slab
                .reserve(slot)
                .then(|| self.entries.push(Entry::default()))?;
            Some(slot)
        })?;
        self.entries[slot.0 as usize].instance = Place::default();
        self.own(slot, owner);
        self.slab.set_orphaned(slot, false);
        self.slab.touch(slot, deadline);
        Some(slot)
    }

    /// From now on `owner` beats the slot.
    fn own(&mut self, slot: Slot, owner: Option<StreamId>) {
        let place = owner.map(|stream| {
            let streams = &mut self.streams;
            let held = |by| Held {
                by,
                slots: Vec::new(),
            };
            *self
                .places
                .entry(stream)
                .or_insert_with(|| streams.insert(held(stream)))
        });
        if let Some(place) = place {
            self.streams[place].slots.push(slot);
        }
        self.entries[slot.0 as usize].owner = place.map_or_else(Place::default, Place::from);
    }

    fn owner(&self, slot: Slot) -> Option<StreamId> {
        let place = self.entries[slot.0 as usize].owner.get()?;
        Some(self.streams[place].by)
    }

    pub(crate) fn assign(&mut self, slot: Slot, instance: InstanceIx) {
        self.entries[slot.0 as usize].instance = instance.into();
    }

    /// The instance that beats there.
    pub(crate) fn instance(&self, slot: Slot) -> Option<InstanceIx> {
        self.entries.get(slot.0 as usize)?.instance.get()
    }

    /// The slot from which an instance is to be beaten by `stream` from now on: its present one if nobody else can
    /// beat it, else a new one. `None` when there are no more.
    pub(crate) fn take_over(
        &mut self,
        slot: Slot,
        instance: InstanceIx,
        stream: Option<StreamId>,
        deadline: Mono,
    ) -> Option<Slot> {
        let owner = self.owner(slot);
        if let Some(other) = owner.filter(|_| owner != stream) {
            let kept = stream.and_then(|stream| self.kept.remove(&(stream, instance)));
            let new = match kept {
                Some(kept) => {
                    self.slab.set_orphaned(kept, false);
                    self.slab.touch(kept, deadline);
                    kept
                }
                None => self.allocate(stream, deadline)?,
            };
            self.orphan(slot);
            self.kept.insert((other, instance), slot);
            self.assign(new, instance);
            return Some(new);
        }
        if owner.is_none() {
            self.own(slot, stream);
        }
        self.slab.touch(slot, deadline);
        Some(slot)
    }

    /// The instance is no more, or beats elsewhere. The slot is free once nobody can beat it.
    pub(crate) fn orphan(&mut self, slot: Slot) {
        let entry = &mut self.entries[slot.0 as usize];
        entry.instance = Place::default();
        if entry.owner.get().is_some() {
            self.slab.set_orphaned(slot, true);
        } else {
            self.release(slot);
        }
    }

    /// The instance left cleanly; its stream has let go of the slot.
    pub(crate) fn release(&mut self, slot: Slot) {
        let entry = &mut self.entries[slot.0 as usize];
        entry.instance = Place::default();
        if let Some(owner) = std::mem::take(&mut entry.owner).get() {
            self.streams[owner].slots.retain(|&other| other != slot);
        }
        self.slab.idle(slot);
        self.free.push(slot);
    }

    /// The instances that a stream keeps alive.
    pub(crate) fn held_by(&self, stream: StreamId) -> Vec<InstanceIx> {
        let held = self.places.get(&stream).map(|&place| &self.streams[place].slots);
        let slots = held.into_iter().flatten();
        slots.filter_map(|&slot| self.instance(slot)).collect()
    }

    /// A stream is over. Returns the instances it kept alive.
    pub(crate) fn end(&mut self, stream: StreamId) -> Vec<InstanceIx> {
        let place = self.places.remove(&stream);
        let slots = place.map_or_else(Vec::new, |place| self.streams.remove(place).slots);
        let mut kept = Vec::new();
        self.kept.retain(|&(owner, _), _| owner != stream);
        for slot in slots {
            let entry = &mut self.entries[slot.0 as usize];
            entry.owner = Place::default();
            match entry.instance.get() {
                Some(instance) => kept.push(instance),
                None => self.release(slot),
            }
        }
        kept
    }

    /// From now on a beat there is a return.
    pub(crate) fn watch_for_return(&mut self, slot: Slot) {
        if !std::mem::replace(&mut self.entries[slot.0 as usize].stale, true) {
            self.stale.push(slot);
        }
    }

    /// The instances whose slots were beaten, or given to others, since they are watched for a return.
    pub(crate) fn returned(&mut self) -> Vec<(Slot, InstanceIx)> {
        let (
            mut returned,
            Self {
                slab, entries, stale, ..
            },
        ) = (Vec::new(), self);
        stale.retain(|&slot| {
            // Nearly all are still silent, and this is asked every tick: the slot says so alone.
            let silent = slab.is_parked(slot);
            if !silent {
                let entry = &mut entries[slot.0 as usize];
                entry.stale = false;
                returned.extend(entry.instance.get().map(|instance| (slot, instance)));
            }
            silent
        });
        returned
    }

    /// How many slots were ever given out.
    pub(crate) fn slots(&self) -> u32 {
        self.entries.len() as u32
    }
}
