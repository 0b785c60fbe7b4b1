//! The instances of a service in the order of their names, four bytes each: their places, without the names again.
//!
//! Blocks of [`BLOCK`] places lie one after the other, each in order; so a place is found by halving, and entering one
//! moves a kilobyte at most. A map by name was not taken: with its share of half-filled nodes it takes ten times as
//! much of each instance. Nor was a hash table, which takes as much as this and would have to be sorted whenever it is
//! shown. Whoever asks brings the arena in which the names are.

use slab::Slab as Arena;
use ward_model::Name;

use super::{Instance, InstanceIx};

/// Most places in a block.
const BLOCK: usize = 256;

#[derive(Debug, Default)]
pub(crate) struct Members {
    /// None of them is empty.
    blocks: Vec<Vec<u32>>,
}

impl Members {
    pub(crate) fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// Counted block by block: who is new is rare, and has its place looked for among as many.
    pub(crate) fn len(&self) -> usize {
        self.blocks.iter().map(Vec::len).sum()
    }

    /// There is one and another.
    pub(crate) fn are_several(&self) -> bool {
        self.values().nth(1).is_some()
    }

    /// All of them, in the order of their names.
    pub(crate) fn values(&self) -> impl Iterator<Item = InstanceIx> + '_ {
        self.blocks.iter().flatten().map(|&ix| ix as InstanceIx)
    }

    pub(crate) fn get(&self, name: &Name, instances: &Arena<Instance>) -> Option<InstanceIx> {
        let (block, place) = self.find(name, instances).ok()?;
        Some(self.blocks[block][place] as InstanceIx)
    }

    /// Enters an instance that is in the arena already.
    pub(super) fn insert(&mut self, ix: InstanceIx, instances: &Arena<Instance>) {
        let (Ok((block, place)) | Err((block, place))) = self.find(&instances[ix].name, instances);
        let ix = u32::try_from(ix).expect("instances are bounded");
        let last = block + 1 >= self.blocks.len();
        match self.blocks.get_mut(block) {
            Some(places) if places.len() < BLOCK => places.insert(place, ix),
            // Names mostly come in order: what is behind all others leaves the blocks before it full.
            Some(places) if place < BLOCK || !last => {
                let mut behind = places.split_off(BLOCK / 2);
                match place.checked_sub(BLOCK / 2) {
                    Some(place) => behind.insert(place, ix),
                    None => places.insert(place, ix),
                }
                self.blocks.insert(block + 1, behind);
            }
            _ => {
                if self.blocks.is_empty() {
                    // Most services have few instances.
                    self.blocks.reserve_exact(1);
                }
                self.blocks.push(vec![ix]);
            }
        }
    }

    /// Takes an instance out that is still in the arena.
    pub(super) fn remove(&mut self, name: &Name, instances: &Arena<Instance>) {
        if let Ok((block, place)) = self.find(name, instances) {
            self.blocks[block].remove(place);
            if self.blocks[block].is_empty() {
                self.blocks.remove(block);
            }
        }
    }

    /// Its block and its place in that, or those where it belongs.
    fn find(&self, name: &Name, instances: &Arena<Instance>) -> Result<(usize, usize), (usize, usize)> {
        let name_of = |ix: u32| &instances[ix as InstanceIx].name;
        let last = self.blocks.len().saturating_sub(1);
        let is_behind_all = |places: &Vec<u32>| places.last().is_some_and(|&ix| name_of(ix) < name);
        if let Some(places) = self.blocks.last().filter(|places| is_behind_all(places)) {
            return Err((last, places.len()));
        }
        let behind = self.blocks.partition_point(|block| name_of(block[0]) <= name);
        let block = behind.saturating_sub(1);
        let places = self.blocks.get(block).map_or(&[][..], Vec::as_slice);
        match places.binary_search_by(|&ix| name_of(ix).cmp(name)) {
            Ok(place) => Ok((block, place)),
            Err(place) => Err((block, place)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, time::Duration};

    use proptest::prelude::*;
    use ward_model::{Incarnation, Mono, Status, Wall};

    use super::*;
    use crate::{Slot, world::Pace};

    fn name(number: u32) -> Name {
        Name::new(&format!("i{number}")).unwrap()
    }

    fn instance(number: u32) -> Instance {
        let (life, pace) = (
            Incarnation::new("life").unwrap(),
            Pace::new(Duration::from_secs(1), false, None),
        );
        let (name, healthy) = (name(number), Status::Healthy);
        Instance::new(name, 0, life, pace, Slot(0), Mono(0), Wall(0), healthy)
    }

    proptest! {
        /// Beside a map by name: some come in order, some do not, and some leave.
        #[test]
        fn is_a_map_by_name(steps in prop::collection::vec((0..2_000u32, any::<bool>(), 1..300u32), 1..30)) {
            let (mut members, mut arena, mut model) = (Members::default(), Arena::new(), BTreeMap::new());
            for (first, come, count) in steps {
                for number in first..first + count {
                    match model.get(&name(number)).copied() {
                        Some(ix) if !come => {
                            members.remove(&name(number), &arena);
                            arena.remove(ix);
                            model.remove(&name(number));
                        }
                        None if come => {
                            let ix = arena.insert(instance(number));
                            members.insert(ix, &arena);
                            model.insert(name(number), ix);
                        }
                        _ => {}
                    }
                }
                prop_assert!(members.values().eq(model.values().copied()));
                prop_assert_eq!(members.is_empty(), model.is_empty());
                prop_assert_eq!(members.len(), model.len());
                prop_assert_eq!(members.are_several(), model.len() > 1);
            }
            for number in 0..2_300 {
                prop_assert_eq!(members.get(&name(number), &arena), model.get(&name(number)).copied());
            }
        }
    }

    #[test]
    fn names_in_order_fill_their_blocks() {
        let (mut members, mut arena) = (Members::default(), Arena::new());
        for number in 10_000..10_000 + 4 * BLOCK as u32 {
            let ix = arena.insert(instance(number));
            members.insert(ix, &arena);
        }
        assert_eq!(members.blocks.len(), 4);
    }
}
