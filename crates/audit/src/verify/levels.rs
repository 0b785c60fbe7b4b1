//! The hashes on the way from the entries to the root, a tile of each level at a time.

use ward_tlog::{Hash, Head, TILE_WIDTH, TileId, Tree, node_hash};

const WIDTH: usize = TILE_WIDTH as usize;

/// The right edge of a tree, in tiles.
#[derive(Clone, Debug, Default)]
pub(super) struct Levels {
    size: u64,
    /// For each level, from the lowest: the hashes that are in no full tile yet.
    edges: Vec<Vec<Hash>>,
}

impl Levels {
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    fn at(&mut self, level: usize) -> &mut Vec<Hash> {
        if self.edges.len() == level {
            self.edges.push(Vec::with_capacity(WIDTH));
        }
        &mut self.edges[level]
    }

    /// Takes the next tile of the lowest level, and the root over it if it is full. Gives the tiles above that are full with it.
    pub(super) fn add(&mut self, leaves: Vec<Hash>, root: Option<Hash>) -> Vec<(TileId, Vec<Hash>)> {
        self.size += leaves.len() as u64;
        match root {
            Some(root) => self.raise(root),
            None => {
                *self.at(0) = leaves;
                Vec::new()
            }
        }
    }

    fn raise(&mut self, mut root: Hash) -> Vec<(TileId, Vec<Hash>)> {
        let mut full = Vec::new();
        self.at(0).clear();
        let mut index = self.size / TILE_WIDTH - 1;
        for level in 1.. {
            let edge = self.at(level);
            edge.push(root);
            if edge.len() < WIDTH {
                break;
            }
            index /= TILE_WIDTH;
            let id = TileId {
                level: level as u8,
                index,
                width: WIDTH as u16,
            };
            full.push((id, edge.clone()));
            root = root_in_place(edge);
            edge.clear();
        }
        full
    }

    /// What the root would be with the first few hashes of the next tile.
    pub(super) fn root_with(&self, leaves: &[Hash]) -> Hash {
        let mut edge = self.clone();
        let root = (leaves.len() == WIDTH).then(|| root_in_place(&mut leaves.to_vec()));
        edge.add(leaves.to_vec(), root);
        edge.head().root
    }

    /// Tiles above the lowest level that are not full.
    pub(super) fn partial(&self) -> Vec<(TileId, Vec<Hash>)> {
        let above = self
            .edges
            .iter()
            .enumerate()
            .skip(1)
            .filter(|(_, edge)| !edge.is_empty());
        above
            .map(|(level, edge)| {
                let index = self.size >> (8 * (level + 1));
                (
                    TileId {
                        level: level as u8,
                        index,
                        width: edge.len() as u16,
                    },
                    edge.clone(),
                )
            })
            .collect()
    }

    pub(super) fn head(&self) -> Head {
        let mut edge = self.clone();
        let mut frontier = Vec::new();
        for hashes in edge.edges.iter_mut().rev() {
            let mut rest = hashes.as_mut_slice();
            while !rest.is_empty() {
                let (subtree, behind) = rest.split_at_mut(1 << rest.len().ilog2());
                frontier.push(root_in_place(subtree));
                rest = behind;
            }
        }
        let tree = Tree::from_frontier(self.size, frontier);
        tree.expect("a root for each bit of the size").head()
    }
}

/// The root over a power of two of hashes. Leaves nothing of use in them.
pub(super) fn root_in_place(hashes: &mut [Hash]) -> Hash {
    let mut count = hashes.len();
    while count > 1 {
        for at in 0..count / 2 {
            hashes[at] = node_hash(&hashes[2 * at], &hashes[2 * at + 1]);
        }
        count /= 2;
    }
    hashes.first().copied().unwrap_or(Hash::EMPTY)
}

#[cfg(test)]
mod tests {
    use ward_tlog::leaf_hash;

    use super::*;

    #[test]
    fn the_root_is_that_of_the_tree_at_every_size() {
        let (mut levels, mut tree) = (Levels::default(), Tree::new());
        let mut tile = Vec::new();
        for n in 0..70_000_u64 {
            let leaf = leaf_hash(&n.to_be_bytes());
            tile.push(leaf);
            tree.push(leaf);
            if n < 1000 || n % 251 == 0 || n % 256 == 255 {
                assert_eq!(levels.root_with(&tile), tree.root(), "{n}");
            }
            if n % 256 == 255 {
                let root = root_in_place(&mut tile.clone());
                let full = levels.add(std::mem::take(&mut tile), Some(root));
                assert_eq!(full.len(), usize::from(n == 65_535));
                assert_eq!(levels.head(), tree.head(), "{n}");
            }
        }
        assert!(levels.add(tile, None).is_empty());
        assert_eq!(levels.head(), tree.head());
        let partial: Vec<_> = levels.partial().iter().map(|(id, _)| id.path()).collect();
        assert_eq!(partial, ["tile/1/001.p/17", "tile/2/000.p/1"]);
    }
}
