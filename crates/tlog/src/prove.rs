//! Making proofs out of tiles.
//!
//! A proof is a list of ranges of entries, each the sibling of a step from a leaf to the root; the ranges follow RFC 6962,
//! sections 2.1.1 and 2.1.2, as they stand there. Each range falls into full subtrees, and the hash of one is in a tile or is
//! hashed out of a part of one. In a log of 10 million entries that is three to six tiles.

use std::{borrow::Cow, ops::Range};

use crate::{
    Hash, MAX_SIZE, TileId, Tiles, node_hash,
    tile::{TILE_HEIGHT, TILE_WIDTH},
    tree::root_of,
};

/// Why a proof could not be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProveError<E> {
    /// The log has no such entry, or is not that long.
    #[error("nothing to prove: {asked} is beyond a log of {size} entries")]
    Range {
        /// The entry, or the size, that was asked about.
        asked: u64,
        /// Of the log.
        size: u64,
    },
    /// A tile could not be had.
    #[error("could not read {id}")]
    Tile {
        /// Which one.
        id: TileId,
        /// Why.
        source: E,
    },
    /// A tile has fewer hashes than its name says.
    #[error("{id} has {got} hashes, expected {}", id.width)]
    Short {
        /// Which one.
        id: TileId,
        /// How many it has.
        got: usize,
    },
}

/// Shows that the entry `index` is in the log of `size` entries: siblings from the leaf to the root.
///
/// # Errors
///
/// If there is no such entry, or a tile cannot be had or is too short.
pub fn inclusion_proof<T: Tiles + ?Sized>(
    index: u64,
    size: u64,
    tiles: &T,
) -> Result<Vec<Hash>, ProveError<T::Error>> {
    if index >= size {
        return Err(ProveError::Range { asked: index, size });
    }
    let (mut whole, mut path) = (0..size, Vec::new());
    while whole.end - whole.start > 1 {
        let (left, right) = split(&whole);
        let in_left = index < left.end;
        path.push(if in_left { right.clone() } else { left.clone() });
        whole = if in_left { left } else { right };
    }
    Reader::new(size, tiles)?.roots(path)
}

/// Shows that the log of `new_size` entries begins with that of `old_size`. Empty if there is nothing to show: the sizes are
/// the same, or the old log was empty.
///
/// # Errors
///
/// If the old one is longer, or a tile cannot be had or is too short.
pub fn consistency_proof<T: Tiles + ?Sized>(
    old_size: u64,
    new_size: u64,
    tiles: &T,
) -> Result<Vec<Hash>, ProveError<T::Error>> {
    if old_size > new_size {
        return Err(ProveError::Range {
            asked: old_size,
            size: new_size,
        });
    }
    if old_size == 0 {
        return Ok(Vec::new());
    }
    // `known` while the part looked at is the old log from its beginning: its root is known to whoever asks.
    let (mut whole, mut path, mut known) = (0..new_size, Vec::new(), true);
    while whole.end != old_size {
        let (left, right) = split(&whole);
        let in_left = old_size <= left.end;
        path.push(if in_left { right.clone() } else { left.clone() });
        known &= in_left;
        whole = if in_left { left } else { right };
    }
    if !known {
        path.push(whole);
    }
    Reader::new(new_size, tiles)?.roots(path)
}

/// Where RFC 6962 divides: on the left the largest power of two that leaves something on the right.
fn split(range: &Range<u64>) -> (Range<u64>, Range<u64>) {
    let length = range.end - range.start;
    let left = 1 << (length - 1).ilog2();
    let middle = range.start + left;
    (range.start..middle, middle..range.end)
}

/// Reads hashes of a log of one size. Keeps the tile it read last: neighbours of a proof are mostly in the same one.
pub(crate) struct Reader<'a, T: Tiles + ?Sized> {
    size: u64,
    tiles: &'a T,
    last: Option<(TileId, Cow<'a, [Hash]>)>,
}

impl<'a, T: Tiles + ?Sized> Reader<'a, T> {
    pub(crate) fn new(size: u64, tiles: &'a T) -> Result<Self, ProveError<T::Error>> {
        if size > MAX_SIZE {
            return Err(ProveError::Range {
                asked: size,
                size: MAX_SIZE,
            });
        }
        Ok(Self {
            size,
            tiles,
            last: None,
        })
    }

    /// The hashes of the ranges, the last one first: from the leaf up.
    fn roots(mut self, path: Vec<Range<u64>>) -> Result<Vec<Hash>, ProveError<T::Error>> {
        path.into_iter()
            .rev()
            .map(|range| Ok(root_of(&self.subtrees(range)?)))
            .collect()
    }

    /// The roots of the full subtrees that a range falls into. Each begins where its own length divides.
    pub(crate) fn subtrees(&mut self, mut range: Range<u64>) -> Result<Vec<Hash>, ProveError<T::Error>> {
        let mut roots = Vec::new();
        while range.start < range.end {
            let height = (range.end - range.start).ilog2();
            roots.push(self.subtree(range.start, height)?);
            range.start += 1 << height;
        }
        Ok(roots)
    }

    /// The root of the full subtree over `2^height` entries from `start`: out of a run of hashes of one tile, since a tile is
    /// a subtree itself.
    fn subtree(&mut self, start: u64, height: u32) -> Result<Hash, ProveError<T::Error>> {
        let level = height / TILE_HEIGHT;
        let first = start >> (level * TILE_HEIGHT);
        let at = (first % TILE_WIDTH) as usize;
        let tile = self.tile(level as u8, first / TILE_WIDTH)?;
        Ok(full_root(&tile[at..at + (1 << (height % TILE_HEIGHT))]))
    }

    fn tile(&mut self, level: u8, index: u64) -> Result<&[Hash], ProveError<T::Error>> {
        let id =
            TileId::of(self.size, level, index).expect("a range within the log has its hashes in a tile");
        if self.last.as_ref().is_none_or(|(last, _)| *last != id) {
            let hashes = self
                .tiles
                .tile(id)
                .map_err(|source| ProveError::Tile { id, source })?;
            if hashes.len() < usize::from(id.width) {
                return Err(ProveError::Short {
                    id,
                    got: hashes.len(),
                });
            }
            self.last = Some((id, hashes));
        }
        Ok(self.last.as_ref().map_or(&[], |(_, hashes)| hashes))
    }
}

/// The root over a power of two of hashes.
fn full_root(hashes: &[Hash]) -> Hash {
    let mut row = hashes.to_vec();
    while row.len() > 1 {
        row = row
            .chunks_exact(2)
            .map(|pair| node_hash(&pair[0], &pair[1]))
            .collect();
    }
    row.first().copied().unwrap_or(Hash::EMPTY)
}

#[cfg(test)]
mod tests;
