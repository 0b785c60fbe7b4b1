//! Which files a log has, and how entries stand in a bundle.
//!
//! `tile/`, `tile/entries/` and `checkpoint` are those of C2SP `tlog-tiles`, and all that others need to verify a log, with
//! `key.pub`. The rest is the writer's own: `key` to sign with, `tail-0` and `tail-1` for what is durable and not yet in tiles,
//! `reserve` for the day the disk is full, `format`, `lock` and `tmp/`.

use std::sync::Arc;

use ward_tlog::{Hash, TILE_WIDTH, leaf_hash};

use crate::event::ENTRY_BYTES;

pub(crate) const CHECKPOINT: &str = "checkpoint";
pub(crate) const KEY: &str = "key";
pub(crate) const PUBLIC_KEY: &str = "key.pub";
pub(crate) const FORMAT: &str = "format";
pub(crate) const RESERVE: &str = "reserve";
pub(crate) const TAILS: [&str; 2] = ["tail-0", "tail-1"];

/// What `format` says.
pub(crate) const FORMAT_TEXT: &str = "ward-audit 1\n";
/// More than any of the small files has.
pub(crate) const SMALL: u64 = 256 << 10;
/// The largest bundle.
pub(crate) const BUNDLE: u64 = TILE_WIDTH * (2 + ENTRY_BYTES as u64);
/// A full tile.
pub(crate) const TILE: u64 = TILE_WIDTH * 32;

/// An entry and its hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) bytes: Arc<[u8]>,
    pub(crate) leaf: Hash,
}

impl Entry {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        Self {
            bytes: bytes.into(),
            leaf: leaf_hash(bytes),
        }
    }
}

/// Appends an entry as it stands in bundles: its length in two bytes, the higher first, and itself.
pub(crate) fn push_entry(out: &mut Vec<u8>, entry: &[u8]) {
    let length = u16::try_from(entry.len()).expect("an entry is at most 16 KiB");
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(entry);
}

/// Entries one behind the other; stops at the first that is not whole.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entries<'a> {
    pub(crate) rest: &'a [u8],
}

impl<'a> Iterator for Entries<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (length, rest) = self.rest.split_first_chunk()?;
        let (entry, rest) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
        self.rest = rest;
        Some(entry)
    }
}
