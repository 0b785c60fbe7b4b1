//! How a batch stands in a file.
//!
//! A header of 64 bytes, the entries as they stand in bundles, zeros to the end of the page. No entry holds the byte that a
//! header begins with, so none can pass for a batch.

use sha2::{Digest, Sha256};

use crate::layout::{Entries, Entry, push_entry};

/// A page of every system Ward runs on, or a part of one; what a disk writes whole is not more.
pub(crate) const PAGE: usize = 4096;
/// The last byte is the version.
const MAGIC: [u8; 8] = *b"\xffwardlog";
const HEADER: usize = 64;
/// Behind it stands the hash.
const SEALED: usize = 32;

/// Makes the bytes of a batch.
pub(crate) fn seal(out: &mut Vec<u8>, first: u64, entries: &[Entry]) {
    out.clear();
    out.resize(HEADER, 0);
    for entry in entries {
        push_entry(out, &entry.bytes);
    }
    let length = out.len() - HEADER;
    out[..8].copy_from_slice(&MAGIC);
    out[8..16].copy_from_slice(&first.to_be_bytes());
    out[16..24].copy_from_slice(&(entries.len() as u64).to_be_bytes());
    out[24..32].copy_from_slice(&(length as u64).to_be_bytes());
    let hash = hash(&out[..SEALED], entries);
    out[SEALED..HEADER].copy_from_slice(&hash);
    out.resize(out.len().next_multiple_of(PAGE), 0);
}

fn hash(header: &[u8], entries: &[Entry]) -> [u8; 32] {
    let mut hasher = Sha256::new_with_prefix(header);
    for entry in entries {
        hasher.update(entry.leaf.0);
    }
    hasher.finalize().into()
}

/// A batch that is whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Batch {
    /// The index of its first entry.
    pub(crate) first: u64,
    pub(crate) entries: Vec<Entry>,
    /// Where it stands.
    pub(crate) at: usize,
}

impl Batch {
    /// The index behind its last entry.
    pub(crate) fn end(&self) -> u64 {
        self.first + self.entries.len() as u64
    }
}

/// What is in a file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scan {
    /// In the order of the file.
    pub(crate) batches: Vec<Batch>,
    /// Pages that are neither part of a whole batch nor zeros.
    pub(crate) remains: Vec<usize>,
}

impl Scan {
    /// What is left of a batch that was being written: from where it began. Pages of old batches that newer ones were
    /// written over are none; those are there only where whole old ones, before `published`, may be as well.
    pub(crate) fn torn<'a>(&self, file: &'a [u8], published: u64) -> &'a [u8] {
        let reused = self.batches.iter().any(|batch| batch.end() <= published);
        let begins = |at: &&usize| !reused || file[**at..].starts_with(&MAGIC);
        let (Some(first), Some(last)) = (self.remains.iter().find(begins), self.remains.last()) else {
            return &[];
        };
        &file[*first..file.len().min(last + PAGE)]
    }
}

/// Finds all batches that are whole.
pub(crate) fn scan(bytes: &[u8]) -> Scan {
    let mut found = Scan::default();
    let mut at = 0;
    while at < bytes.len() {
        match read(bytes, at) {
            Some((batch, length)) => {
                found.batches.push(batch);
                at += length;
            }
            None => {
                let page = &bytes[at..bytes.len().min(at + PAGE)];
                if page.iter().any(|byte| *byte != 0) {
                    found.remains.push(at);
                }
                at += PAGE;
            }
        }
    }
    found
}

/// The batch at a place, and how long it is.
fn read(file: &[u8], at: usize) -> Option<(Batch, usize)> {
    let bytes = &file[at..];
    let header = bytes.get(..HEADER)?;
    let number = |at: usize| header[at..at + 8].try_into().map(u64::from_be_bytes).ok();
    if header[..8] != MAGIC {
        return None;
    }
    let (first, count, length) = (number(8)?, number(16)?, usize::try_from(number(24)?).ok()?);
    let end = HEADER.checked_add(length)?;
    let whole = end.checked_next_multiple_of(PAGE)?;
    let mut entries = Entries {
        rest: bytes.get(HEADER..end)?,
    };
    let read: Vec<_> = entries.by_ref().map(Entry::new).collect();
    let sealed = entries.rest.is_empty()
        && !read.is_empty()
        && read.len() as u64 == count
        && first.checked_add(count).is_some()
        && header[SEALED..] == hash(&header[..SEALED], &read)
        && bytes.get(end..whole)?.iter().all(|byte| *byte == 0);
    sealed.then_some((
        Batch {
            first,
            entries: read,
            at,
        },
        whole,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(count: usize) -> Vec<Entry> {
        (0..count)
            .map(|n| Entry::new(format!("entry {n} {}", "x".repeat(n * 50)).as_bytes()))
            .collect()
    }

    fn sealed(first: u64, count: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        seal(&mut bytes, first, &entries(count));
        bytes
    }

    #[test]
    fn batches_are_found_one_behind_the_other() {
        let file = [
            sealed(3, 1),
            sealed(4, 20),
            vec![0; PAGE],
            sealed(24, 2),
            vec![0; 3 * PAGE],
        ]
        .concat();
        assert_eq!(file.len() % PAGE, 0);
        let found = scan(&file);
        let places: Vec<_> = found
            .batches
            .iter()
            .map(|batch| (batch.at / PAGE, batch.first, batch.end()))
            .collect();
        assert_eq!(places, [(0, 3, 4), (1, 4, 24), (5, 24, 26)]);
        assert_eq!(found.batches[1].entries, entries(20));
        assert!(found.remains.is_empty());
    }

    #[test]
    fn no_bit_of_a_batch_may_change() {
        let whole = [sealed(7, 3), sealed(10, 1)].concat();
        for bit in 0..whole.len() * 8 {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let found = scan(&bytes);
            assert_eq!(found.batches.len(), 1, "bit {bit}");
            assert_eq!(found.remains.len(), 1, "bit {bit}");
        }
    }

    #[test]
    fn a_batch_that_is_cut_is_none() {
        let whole = sealed(7, 30);
        for cut in 1..whole.len() {
            assert!(scan(&whole[..cut]).batches.is_empty(), "{cut}");
        }
    }
}
