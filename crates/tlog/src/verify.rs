//! Verifying proofs: by the procedures of RFC 9162, sections 2.1.3.2 and 2.1.4.2, which give the same answers as RFC 6962.
//!
//! What is verified was written by somebody who may want it to pass. A proof that is too long or too short is refused like a
//! wrong one, and nothing is hashed beyond the height of the tree.

use crate::{Hash, Head, MAX_PROOF, node_hash};

/// A proof that shows nothing, or the opposite of what it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The entry is beyond the log.
    #[error("the log has {size} entries and none with index {index}")]
    Beyond {
        /// Of the entry.
        index: u64,
        /// Of the log.
        size: u64,
    },
    /// The later log is the shorter one.
    #[error("the log had {old} entries and has {new}")]
    Shrunk {
        /// Entries before.
        old: u64,
        /// Entries now.
        new: u64,
    },
    /// It has more or fewer hashes than there are steps between leaf and root.
    #[error("the proof has {hashes} hashes, which is not the length of one for these sizes")]
    Length {
        /// How many it has.
        hashes: usize,
    },
    /// It leads to another root than that of the earlier head.
    #[error("the proof does not lead to the root of the earlier head")]
    OldRoot,
    /// It leads to another root than that of the head.
    #[error("the proof does not lead to the root of the head")]
    Root,
}

/// The way from a leaf to the root, and from the last leaf beside it: bits of the two indices.
struct Climb {
    node: u64,
    last: u64,
}

impl Climb {
    /// One step up. `true` if the sibling is on the left; `None` if the root is reached already.
    fn step(&mut self) -> Option<bool> {
        if self.last == 0 {
            return None;
        }
        let on_the_left = self.node & 1 == 1 || self.node == self.last;
        if on_the_left && self.node & 1 == 0 {
            // A last node without a sibling stands for itself in the rows above, up to where it is a right child.
            let alone = self.node.trailing_zeros();
            self.node >>= alone;
            self.last >>= alone;
        }
        self.node >>= 1;
        self.last >>= 1;
        Some(on_the_left)
    }

    fn at_the_root(&self) -> bool {
        self.last == 0
    }
}

/// That the entry with this hash is the entry `index` of the log with this head.
///
/// # Errors
///
/// If that is not shown.
pub fn verify_inclusion(leaf: Hash, index: u64, head: &Head, proof: &[Hash]) -> Result<(), ProofError> {
    if index >= head.size {
        return Err(ProofError::Beyond {
            index,
            size: head.size,
        });
    }
    let length = ProofError::Length { hashes: proof.len() };
    let mut climb = Climb {
        node: index,
        last: head.size - 1,
    };
    let mut root = leaf;
    for sibling in bounded(proof)? {
        let on_the_left = climb.step().ok_or(length)?;
        root = if on_the_left {
            node_hash(sibling, &root)
        } else {
            node_hash(&root, sibling)
        };
    }
    if !climb.at_the_root() {
        return Err(length);
    }
    if root == head.root {
        Ok(())
    } else {
        Err(ProofError::Root)
    }
}

/// That the log with the head `new` begins with all entries of the log with the head `old`, unchanged.
///
/// # Errors
///
/// If that is not shown. [`ProofError::Shrunk`], and [`ProofError::Root`] of two heads of one size, show that the log was
/// rewritten; other errors may be the fault of the proof.
pub fn verify_consistency(old: &Head, new: &Head, proof: &[Hash]) -> Result<(), ProofError> {
    if old.size > new.size {
        return Err(ProofError::Shrunk {
            old: old.size,
            new: new.size,
        });
    }
    if old.size == 0 || old.size == new.size {
        return verify_without_hashes(old, new, proof);
    }
    climb_to_both(old, new, bounded(proof)?)
}

/// Nothing was there before, or nothing has come: there is nothing to hash.
fn verify_without_hashes(old: &Head, new: &Head, proof: &[Hash]) -> Result<(), ProofError> {
    if !proof.is_empty() {
        return Err(ProofError::Length { hashes: proof.len() });
    }
    if old.size == 0 && old.root != Hash::EMPTY {
        return Err(ProofError::OldRoot);
    }
    if old.size == new.size && old.root != new.root {
        return Err(ProofError::Root);
    }
    Ok(())
}

/// From the last entry of the old log to both roots at once.
fn climb_to_both(old: &Head, new: &Head, proof: &[Hash]) -> Result<(), ProofError> {
    let length = ProofError::Length { hashes: proof.len() };
    // The full subtree that ends with the old log: where the two climbs part.
    let full = old.size.trailing_zeros();
    let mut climb = Climb {
        node: (old.size - 1) >> full,
        last: (new.size - 1) >> full,
    };
    // If that subtree is all of the old log, its root is known and not in the proof.
    let (first, siblings) = if old.size.is_power_of_two() {
        (&old.root, proof)
    } else {
        proof.split_first().ok_or(length)?
    };
    let (mut old_root, mut new_root) = (*first, *first);
    for sibling in siblings {
        if climb.step().ok_or(length)? {
            old_root = node_hash(sibling, &old_root);
            new_root = node_hash(sibling, &new_root);
        } else {
            new_root = node_hash(&new_root, sibling);
        }
    }
    if !climb.at_the_root() {
        return Err(length);
    }
    if old_root != old.root {
        return Err(ProofError::OldRoot);
    }
    if new_root == new.root {
        Ok(())
    } else {
        Err(ProofError::Root)
    }
}

fn bounded(proof: &[Hash]) -> Result<&[Hash], ProofError> {
    if proof.len() > MAX_PROOF {
        return Err(ProofError::Length { hashes: proof.len() });
    }
    Ok(proof)
}

#[cfg(test)]
mod tests;
