//! Proofs that were made lately.
//!
//! Watchers are told the same heads at the same time, and each then asks for the proof between the last two. To make one
//! reads files; to look one up here reads none.

use std::collections::VecDeque;

use parking_lot::Mutex;

/// Heads move every two seconds and bookmarks come every ten: a watcher is rarely more than a few heads behind.
const KEPT: usize = 32;

/// From one size to another.
pub(super) type Between = (u64, u64);
/// The hashes of a proof, as they are told.
pub(super) type Proof = Vec<Vec<u8>>;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Recent(Mutex<VecDeque<(Between, Proof)>>);

impl Recent {
    pub(super) fn get(&self, between: Between) -> Option<Proof> {
        let kept = self.0.lock();
        let found = kept.iter().find(|(key, _)| *key == between);
        found.map(|(_, proof)| proof.clone())
    }

    pub(super) fn put(&self, between: Between, proof: Proof) {
        let mut kept = self.0.lock();
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back((between, proof));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_ones_are_kept() {
        let recent = Recent::default();
        let proof = |size: u64| vec![size.to_string().into_bytes()];
        for size in 0..=KEPT as u64 {
            recent.put((size, size + 1), proof(size));
        }
        assert_eq!(recent.get((0, 1)), None);
        assert_eq!(recent.get((1, 2)), Some(proof(1)));
        assert_eq!(recent.get((1, 3)), None);
    }
}
