//! A tree that grows, of which only its right edge is kept.
//!
//! The edge has one hash for each bit that is set in the size: the roots of the full subtrees that the log falls into, the
//! largest first. That is all that appending and the root need, so a log of any size is opened from a few tiles. Proofs need
//! more, and take it from [`Tiles`](crate::Tiles).

use crate::{Hash, MAX_SIZE, ProveError, Tiles, node_hash, prove::Reader};

/// What stands for a whole log: how long it is, and the root of its tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Head {
    /// How many entries.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
}

impl Head {
    /// Of a log without entries.
    pub const EMPTY: Self = Self {
        size: 0,
        root: Hash::EMPTY,
    };
}

/// The right edge of a growing log. At most 63 hashes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    size: u64,
    /// Roots of full subtrees, largest first.
    frontier: Vec<Hash>,
}

/// Hashes that are not the right edge of a log of that size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{given} hashes are not the right edge of a log of {size} entries, expected {}", size.count_ones())]
pub struct InvalidFrontier {
    size: u64,
    given: usize,
}

impl Tree {
    /// Of a log without entries.
    pub fn new() -> Self {
        Self::default()
    }

    /// What [`frontier`](Self::frontier) and [`size`](Self::size) said before.
    ///
    /// # Errors
    ///
    /// If a log of that size has another number of full subtrees, or is larger than [`MAX_SIZE`].
    pub fn from_frontier(size: u64, frontier: Vec<Hash>) -> Result<Self, InvalidFrontier> {
        if size > MAX_SIZE || frontier.len() != size.count_ones() as usize {
            return Err(InvalidFrontier {
                size,
                given: frontier.len(),
            });
        }
        Ok(Self { size, frontier })
    }

    /// The tree over the first `size` entries of what the tiles hold: reads one tile a level, two at most.
    ///
    /// # Errors
    ///
    /// If a tile cannot be had or is too short.
    pub fn resume<T: Tiles + ?Sized>(size: u64, tiles: &T) -> Result<Self, ProveError<T::Error>> {
        let frontier = Reader::new(size, tiles)?.subtrees(0..size)?;
        Ok(Self { size, frontier })
    }

    /// Appends a leaf: [`leaf_hash`](crate::leaf_hash) of an entry.
    pub fn push(&mut self, leaf: Hash) {
        let mut hash = leaf;
        for _ in 0..self.size.trailing_ones() {
            let left = self.frontier.pop().expect("a hash for each bit of the size");
            hash = node_hash(&left, &hash);
        }
        self.frontier.push(hash);
        self.size += 1;
    }

    /// How many entries.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The root over all entries.
    pub fn root(&self) -> Hash {
        root_of(&self.frontier)
    }

    /// Size and root.
    pub fn head(&self) -> Head {
        Head {
            size: self.size,
            root: self.root(),
        }
    }

    /// The roots of the full subtrees, largest first.
    pub fn frontier(&self) -> &[Hash] {
        &self.frontier
    }
}

/// The root over full subtrees, largest first.
pub(crate) fn root_of(subtrees: &[Hash]) -> Hash {
    subtrees
        .iter()
        .rev()
        .copied()
        .reduce(|right, left| node_hash(&left, &right))
        .unwrap_or(Hash::EMPTY)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Naive, leaf};

    #[test]
    fn the_root_is_that_of_the_recursive_definition_at_every_size() {
        let mut tree = Tree::new();
        let naive = Naive::new(600);
        for size in 0..=600 {
            assert_eq!(
                tree.head(),
                Head {
                    size,
                    root: naive.root(0..size)
                }
            );
            assert_eq!(
                Tree::from_frontier(size, tree.frontier().to_vec()),
                Ok(tree.clone())
            );
            assert_eq!(Tree::resume(size, &naive), Ok(tree.clone()));
            tree.push(leaf(size));
        }
    }

    #[test]
    fn a_frontier_of_another_size_is_refused() {
        let frontier = vec![Hash::EMPTY; 2];
        for size in [0, 1, 2, 4, 7, u64::MAX] {
            assert!(Tree::from_frontier(size, frontier.clone()).is_err(), "{size}");
        }
        assert!(Tree::from_frontier(u64::MAX, vec![Hash::EMPTY; 64]).is_err());
        assert!(Tree::from_frontier(MAX_SIZE, vec![Hash::EMPTY; 63]).is_ok());
    }
}
