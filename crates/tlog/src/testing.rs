//! What tests hold the crate to: RFC 6962 as it is written, by recursion over all leaves, and logs made of it.

use std::{borrow::Cow, ops::Range};

use crate::{Checkpoint, Hash, Head, Signer, TileId, Tiles, leaf_hash, node_hash};

/// The entry at an index.
pub(crate) fn leaf(index: u64) -> Hash {
    leaf_hash(format!("entry {index}").as_bytes())
}

/// All leaves of a log.
pub(crate) struct Naive(Vec<Hash>);

impl Naive {
    pub(crate) fn new(size: u64) -> Self {
        Self((0..size).map(leaf).collect())
    }

    /// `MTH(D[range])` of section 2.1.
    pub(crate) fn root(&self, range: Range<u64>) -> Hash {
        match range.end - range.start {
            0 => Hash::EMPTY,
            1 => self.0[range.start as usize],
            length => {
                let middle = range.start + length.next_power_of_two() / 2;
                node_hash(&self.root(range.start..middle), &self.root(middle..range.end))
            }
        }
    }

    pub(crate) fn head(&self, size: u64) -> Head {
        Head {
            size,
            root: self.root(0..size),
        }
    }

    /// `PATH(m, D[n])` of section 2.1.1.
    pub(crate) fn path(&self, index: u64, range: Range<u64>) -> Vec<Hash> {
        let length = range.end - range.start;
        if length == 1 {
            return Vec::new();
        }
        let middle = range.start + length.next_power_of_two() / 2;
        let (within, beside) = if index < middle {
            (range.start..middle, middle..range.end)
        } else {
            (middle..range.end, range.start..middle)
        };
        let mut path = self.path(index, within);
        path.push(self.root(beside));
        path
    }

    /// `SUBPROOF(m, D[n], b)` of section 2.1.2.
    pub(crate) fn subproof(&self, old: u64, range: Range<u64>, known: bool) -> Vec<Hash> {
        if old == range.end {
            return if known { Vec::new() } else { vec![self.root(range)] };
        }
        let middle = range.start + (range.end - range.start).next_power_of_two() / 2;
        let (mut proof, beside) = if old <= middle {
            (self.subproof(old, range.start..middle, known), middle..range.end)
        } else {
            (self.subproof(old, middle..range.end, false), range.start..middle)
        };
        proof.push(self.root(beside));
        proof
    }
}

impl Tiles for Naive {
    type Error = std::convert::Infallible;

    fn tile(&self, id: TileId) -> Result<Cow<'_, [Hash]>, Self::Error> {
        let each = 256_u64.pow(u32::from(id.level));
        let first = id.index * 256;
        let hashes = (first..first + u64::from(id.width)).map(|at| self.root(at * each..(at + 1) * each));
        Ok(Cow::Owned(hashes.collect()))
    }
}

pub(crate) const ORIGIN: &str = "ward.example/log";

pub(crate) fn signer() -> Signer {
    Signer::new(ORIGIN, &[7; 32]).unwrap()
}

/// A log of that size as its checkpoint has it.
pub(crate) fn signed(size: u64) -> String {
    let head = Naive::new(size).head(size);
    Checkpoint {
        origin: ORIGIN.to_owned(),
        head,
    }
    .sign(&signer())
    .unwrap()
}

/// Every text that differs in one bit. Where that is not UTF-8 any more there is nothing to read.
pub(crate) fn flipped(text: &str) -> impl Iterator<Item = String> {
    (0..text.len() * 8).filter_map(|bit| {
        let mut bytes = text.as_bytes().to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        String::from_utf8(bytes).ok()
    })
}
