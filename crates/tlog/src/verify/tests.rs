//! Verifying: the vectors of Certificate Transparency, and everything that is not the proof.

use proptest::prelude::*;

use super::*;
use crate::{
    consistency_proof, inclusion_proof, leaf_hash,
    testing::{Naive, leaf},
};

/// The log that the tests of Certificate Transparency use: its entries, and its roots at sizes 1 to 8.
const ENTRIES: [&str; 8] = [
    "",
    "00",
    "10",
    "2021",
    "3031",
    "40414243",
    "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
];
const ROOTS: [&str; 8] = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

fn hash(text: &str) -> Hash {
    unhex(text).as_slice().try_into().unwrap()
}

fn known(size: u64) -> Head {
    Head {
        size,
        root: hash(ROOTS[size as usize - 1]),
    }
}

#[test]
fn roots_are_those_of_certificate_transparency() {
    let mut tree = crate::Tree::new();
    for (entry, size) in ENTRIES.iter().zip(1..) {
        tree.push(leaf_hash(&unhex(entry)));
        assert_eq!(tree.head(), known(size));
    }
}

/// Inclusion and consistency proofs of the tests of `certificate-transparency-go`.
#[test]
fn proofs_of_certificate_transparency_verify() {
    let path = [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ]
    .map(hash);
    assert_eq!(
        verify_inclusion(leaf_hash(&unhex(ENTRIES[0])), 0, &known(8), &path),
        Ok(())
    );
    let path = [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]
    .map(hash);
    assert_eq!(
        verify_inclusion(leaf_hash(&unhex(ENTRIES[5])), 5, &known(8), &path),
        Ok(())
    );
    let proof = [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ]
    .map(hash);
    assert_eq!(verify_consistency(&known(2), &known(5), &proof), Ok(()));
}

/// With hashes left out, doubled, swapped or changed, for another entry, or for a log of another size.
#[test]
fn nothing_but_the_proof_itself_shows_inclusion() {
    let naive = Naive::new(70);
    for size in 1..=70_u64 {
        let head = naive.head(size);
        for index in 0..size {
            let proof = naive.path(index, 0..size);
            for other in spoiled(&proof) {
                assert!(
                    verify_inclusion(leaf(index), index, &head, &other).is_err(),
                    "{index} in {size}"
                );
            }
            for other in (0..70).filter(|other| *other != index) {
                assert!(
                    verify_inclusion(leaf(index), other, &head, &proof).is_err(),
                    "{other} in {size}"
                );
                assert!(verify_inclusion(leaf(other), index, &head, &proof).is_err());
            }
            let other = Head {
                root: naive.root(0..size - 1),
                size,
            };
            assert_eq!(
                verify_inclusion(leaf(index), index, &other, &proof),
                Err(ProofError::Root)
            );
        }
    }
}

#[test]
fn nothing_but_the_proof_itself_shows_consistency() {
    let naive = Naive::new(40);
    let heads: Vec<_> = (0..=40).map(|size| naive.head(size)).collect();
    let wrong = leaf(99);
    for new in &heads {
        for old in &heads[..=new.size as usize] {
            let proof = consistency_proof(old.size, new.size, &naive).unwrap();
            for other in spoiled(&proof) {
                assert!(
                    verify_consistency(old, new, &other).is_err(),
                    "{} in {}",
                    old.size,
                    new.size
                );
            }
            let rewritten = Head { root: wrong, ..*old };
            assert!(verify_consistency(&rewritten, new, &proof).is_err());
            if old.size > 0 {
                let rewritten = Head { root: wrong, ..*new };
                assert_eq!(verify_consistency(old, &rewritten, &proof), Err(ProofError::Root));
            }
            if old.size < new.size {
                assert!(matches!(
                    verify_consistency(new, old, &proof),
                    Err(ProofError::Shrunk { .. })
                ));
            }
        }
    }
}

fn spoiled(proof: &[Hash]) -> Vec<Vec<Hash>> {
    let with = |change: &dyn Fn(&mut Vec<Hash>)| {
        let mut other = proof.to_vec();
        change(&mut other);
        other
    };
    let mut all = vec![
        with(&|proof| proof.push(Hash::EMPTY)),
        with(&|proof| proof.insert(0, Hash::EMPTY)),
    ];
    for at in 0..proof.len() {
        all.push([&proof[..at], &proof[at + 1..]].concat());
        all.push(with(&|proof| proof[at].0[at % 32] ^= 1));
        all.push(with(&|proof| proof.truncate(at)));
        all.push(with(&|proof| proof.insert(at, proof[at])));
        if at > 0 {
            all.push(with(&|proof| proof.swap(at - 1, at)));
        }
    }
    all
}

proptest! {
    /// Sizes and hashes that nobody made a log of: an answer, and no more work than the tree is high.
    #[test]
    fn no_numbers_break_it(
        index: u64, old: u64, new: u64, hashes in prop::collection::vec(any::<[u8; 32]>(), 0..70), shift in 0..64_u32,
    ) {
        let proof: Vec<_> = hashes.into_iter().map(Hash).collect();
        for (old, new) in [(old >> shift, new >> shift), (old, u64::MAX), (u64::MAX - 1, u64::MAX), (1 << 63, u64::MAX)] {
            let (old, new) = (Head { size: old, root: Hash::EMPTY }, Head { size: new, root: leaf(0) });
            prop_assert!(verify_inclusion(leaf(1), index >> shift, &new, &proof).is_err());
            prop_assert!(verify_consistency(&old, &new, &proof).is_err() || (old.size == 0 && proof.is_empty()));
        }
    }

    #[test]
    fn of_a_log_of_any_size_the_first_entry_is_as_deep_as_the_tree(shift in 0..62_u32) {
        let size = 1 << shift;
        let proof = vec![Hash::EMPTY; shift as usize];
        let head = |root| Head { size, root };
        let error = verify_inclusion(leaf(0), 0, &head(Hash::EMPTY), &proof);
        prop_assert_eq!(error, Err(ProofError::Root));
        let root = proof.iter().fold(leaf(0), |root, sibling| node_hash(&root, sibling));
        prop_assert_eq!(verify_inclusion(leaf(0), 0, &head(root), &proof), Ok(()));
    }
}

#[test]
fn the_proofs_made_here_are_the_ones_of_the_vectors() {
    let mut leaves = ENTRIES.iter().map(|entry| leaf_hash(&unhex(entry)));
    struct Leaves(Vec<Hash>);
    impl crate::Tiles for Leaves {
        type Error = ();
        fn tile(&self, _: crate::TileId) -> Result<std::borrow::Cow<'_, [Hash]>, ()> {
            Ok(self.0.as_slice().into())
        }
    }
    let leaves = Leaves(leaves.by_ref().collect());
    for size in 1..=8 {
        for index in 0..size {
            let proof = inclusion_proof(index, size, &leaves).unwrap();
            assert_eq!(
                verify_inclusion(leaves.0[index as usize], index, &known(size), &proof),
                Ok(())
            );
            let proof = consistency_proof(index + 1, size, &leaves).unwrap();
            assert_eq!(
                verify_consistency(&known(index + 1), &known(size), &proof),
                Ok(())
            );
        }
    }
}
