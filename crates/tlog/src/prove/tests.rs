//! Proofs made out of tiles, held to RFC 6962 as it is written.

use super::*;
use crate::{
    Tree, consistency_proof,
    testing::{Naive, leaf},
    verify_consistency, verify_inclusion,
};

/// Holds every tile of a log as it would be on disk, and counts what is read.
struct Shelf {
    tree: Vec<Vec<Hash>>,
    reads: std::cell::Cell<usize>,
    /// Gives full tiles where partial ones are asked for.
    generous: bool,
}

impl Shelf {
    fn new(size: u64) -> Self {
        let mut tree: Vec<Vec<Hash>> = vec![(0..size).map(leaf).collect()];
        while let Some(above) = tree.last().filter(|level| level.len() >= 256) {
            let above: Vec<_> = above.chunks_exact(256).map(full_root).collect();
            tree.push(above);
        }
        Self {
            tree,
            reads: 0.into(),
            generous: false,
        }
    }
}

impl Tiles for Shelf {
    type Error = &'static str;

    fn tile(&self, id: TileId) -> Result<Cow<'_, [Hash]>, Self::Error> {
        self.reads.set(self.reads.get() + 1);
        let level = self.tree.get(usize::from(id.level)).ok_or("no such level")?;
        let first = (id.index * TILE_WIDTH) as usize;
        let width = if self.generous { 256 } else { usize::from(id.width) };
        let end = (first + width).min(level.len());
        Ok(level.get(first..end).ok_or("no such tile")?.into())
    }
}

#[test]
fn proofs_are_those_of_the_recursive_definition_for_every_entry() {
    let (naive, shelf) = (Naive::new(600), Shelf::new(600));
    for size in 1..=600 {
        let head = naive.head(size);
        // All entries of small logs, and of larger ones those about the edges of tiles and a sample.
        let step = if size <= 70 { 1 } else { 13 };
        for index in (0..size).filter(|index| index % step == 0 || index % 256 < 2 || size - index < 3) {
            let proof = inclusion_proof(index, size, &shelf).unwrap();
            assert_eq!(proof, naive.path(index, 0..size), "{index} in {size}");
            assert_eq!(verify_inclusion(leaf(index), index, &head, &proof), Ok(()));
        }
    }
}

#[test]
fn proofs_are_those_of_the_recursive_definition_for_every_pair_of_sizes() {
    let (naive, shelf) = (Naive::new(600), Shelf::new(600));
    let heads: Vec<_> = (0..=600).map(|size| naive.head(size)).collect();
    for new in 0..=600_u64 {
        let step = if new <= 70 { 1 } else { 13 };
        for old in (0..=new).filter(|old| old % step == 0 || old % 256 < 2 || new - old < 3) {
            let proof = consistency_proof(old, new, &shelf).unwrap();
            if old > 0 {
                assert_eq!(proof, naive.subproof(old, 0..new, true), "{old} in {new}");
            }
            let (old, new) = (&heads[old as usize], &heads[new as usize]);
            assert_eq!(verify_consistency(old, new, &proof), Ok(()));
        }
    }
}

/// Three levels of tiles.
#[test]
fn proofs_of_a_larger_log_verify_and_read_few_tiles() {
    let size = 70_001;
    let (mut shelf, mut tree) = (Shelf::new(size), Tree::new());
    let mut heads = vec![tree.head()];
    for index in 0..size {
        tree.push(leaf(index));
        heads.push(tree.head());
    }
    for generous in [false, true] {
        shelf.generous = generous;
        for now in [size, 65_536, 65_535, 257] {
            let head = &heads[now as usize];
            for index in [0, 1, 255, 256, now / 2, now - 2, now - 1] {
                shelf.reads.set(0);
                let proof = inclusion_proof(index, now, &shelf).unwrap();
                assert_eq!(
                    verify_inclusion(leaf(index), index, head, &proof),
                    Ok(()),
                    "{index} in {now}"
                );
                assert!(shelf.reads.get() <= 6, "{} tiles", shelf.reads.get());
                let old = &heads[index as usize];
                let proof = consistency_proof(index, now, &shelf).unwrap();
                assert_eq!(verify_consistency(old, head, &proof), Ok(()), "{index} in {now}");
            }
            assert_eq!(Tree::resume(now, &shelf).map(|tree| tree.head()), Ok(*head));
        }
    }
}

#[test]
fn what_is_not_in_the_log_cannot_be_proven() {
    let shelf = Shelf::new(300);
    assert_eq!(
        inclusion_proof(300, 300, &shelf),
        Err(ProveError::Range {
            asked: 300,
            size: 300
        })
    );
    assert!(matches!(
        inclusion_proof(0, 0, &shelf),
        Err(ProveError::Range { .. })
    ));
    assert!(matches!(
        consistency_proof(301, 300, &shelf),
        Err(ProveError::Range { .. })
    ));
    assert!(matches!(
        inclusion_proof(0, u64::MAX, &shelf),
        Err(ProveError::Range { .. })
    ));
    assert!(matches!(
        consistency_proof(1, u64::MAX, &shelf),
        Err(ProveError::Range { .. })
    ));
}

#[test]
fn tiles_that_cannot_be_had_or_are_short_are_named() {
    let shelf = Shelf::new(300);
    let id = TileId {
        level: 0,
        index: 1,
        width: 45,
    };
    assert_eq!(
        inclusion_proof(300, 301, &shelf),
        Err(ProveError::Short { id, got: 44 })
    );
    let id = TileId {
        level: 0,
        index: 1,
        width: 256,
    };
    assert_eq!(
        inclusion_proof(256, 600, &shelf),
        Err(ProveError::Short { id, got: 44 })
    );
    let id = TileId {
        level: 1,
        index: 0,
        width: 255,
    };
    assert_eq!(
        inclusion_proof(0, 65_535, &shelf),
        Err(ProveError::Short { id, got: 1 })
    );
    let id = TileId {
        level: 2,
        index: 0,
        width: 1,
    };
    let missing = ProveError::Tile {
        id,
        source: "no such level",
    };
    assert_eq!(Tree::resume(65_536, &shelf), Err(missing));
}
