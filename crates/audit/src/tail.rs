//! The tail: what is durable and not yet in tiles.
//!
//! Batches of entries, each written and synced at once and acknowledged then. A batch begins on a page of its own: what was
//! acknowledged shares no page with what is being written. It is sealed with a hash over the hashes of its entries, which
//! have been made anyway. The file is filled with zeros ahead of its use, so that syncing a batch changes no length.
//!
//! There are two files. When one is full the other is taken, as soon as all that is in that one is in tiles and under a
//! checkpoint; its old batches are then written over. Batches are told apart by the index of their first entry, so what is
//! old needs no erasing. One file that is truncated would need its blocks allocated again and again.

mod batch;

use std::{io, sync::Arc};

#[cfg(test)]
pub(crate) use batch::PAGE;
pub(crate) use batch::{Batch, scan, seal};

use crate::{
    files::{FileError, Files, Handle, ROOT, TMP},
    layout::{Entry, TAILS},
};

/// Sizes of the files.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    /// From here on the other file is taken. Two of them are what memory holds of entries at most, and what is read at open.
    pub(crate) full: u64,
    /// By how much a file is filled with zeros ahead.
    pub(crate) step: u64,
}

impl Default for Sizes {
    /// 8 MiB are some 25,000 events, and 50 ms at the most that two cores write. 1 MiB holds 256 lone events.
    fn default() -> Self {
        Self {
            full: 8 << 20,
            step: 1 << 20,
        }
    }
}

/// Longest file of a tail: one batch may begin just before it is full.
pub(crate) const TAIL: u64 = 16 << 20;

/// Writes batches.
#[derive(Debug)]
pub(crate) struct Tail {
    files: Arc<dyn Files>,
    sizes: Sizes,
    current: usize,
    segments: [Option<Segment>; 2],
    buffer: Vec<u8>,
}

/// Whether there is room for a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    /// In the file that the one before went to.
    Here,
    /// In the other file: this one is full.
    Turned,
    /// Not until more is published.
    None,
}

#[derive(Debug)]
struct Segment {
    handle: Box<dyn Handle>,
    name: &'static str,
    /// Where the next batch goes.
    at: u64,
    /// How far it is filled.
    filled: u64,
    /// The index behind its last entry.
    end: u64,
}

impl Tail {
    /// An empty one, over whatever is there.
    pub(crate) fn begin(files: Arc<dyn Files>, sizes: Sizes) -> Result<Self, FileError> {
        let first = Segment::begin(&*files, TAILS[0], sizes.step)?;
        Ok(Self {
            files,
            sizes,
            current: 0,
            segments: [Some(first), None],
            buffer: Vec::new(),
        })
    }

    /// Finds room for a batch, with all entries before `published` in tiles and under a checkpoint.
    pub(crate) fn make_room(&mut self, published: u64) -> Result<Room, FileError> {
        if self.segments[self.current]
            .as_ref()
            .is_some_and(|segment| segment.at < self.sizes.full)
        {
            return Ok(Room::Here);
        }
        let other = 1 - self.current;
        match &mut self.segments[other] {
            Some(segment) if segment.end > published => return Ok(Room::None),
            Some(segment) => segment.at = 0,
            empty => *empty = Some(Segment::begin(&*self.files, TAILS[other], self.sizes.step)?),
        }
        self.current = other;
        Ok(Room::Turned)
    }

    /// Writes a batch and makes it durable.
    pub(crate) fn append(&mut self, first: u64, entries: &[Entry]) -> Result<(), FileError> {
        seal(&mut self.buffer, first, entries);
        let segment = self.segments[self.current]
            .as_mut()
            .expect("the current one was begun");
        let length = self.buffer.len() as u64;
        segment
            .write(&self.buffer, self.sizes.step)
            .map_err(|source| FileError {
                doing: "write",
                path: self.files.path(segment.name),
                source,
            })?;
        segment.at += length;
        segment.end = first + entries.len() as u64;
        Ok(())
    }
}

impl Segment {
    /// Under another name first, so that it is never there half. Its place in the directory is durable before anything in
    /// it is acknowledged.
    fn begin(files: &dyn Files, name: &'static str, step: u64) -> Result<Self, FileError> {
        let temporary = format!("{TMP}/{name}");
        let make = || -> io::Result<Box<dyn Handle>> {
            let mut handle = files.create(&temporary)?;
            handle.write_all_at(0, &zeros(step))?;
            handle.sync()?;
            files.rename(&temporary, name)?;
            files.sync_dir(ROOT)?;
            Ok(handle)
        };
        let handle = make().map_err(|source| {
            // What is left of it would keep room that somebody else needs.
            drop(files.remove(&temporary));
            FileError {
                doing: "begin",
                path: files.path(name),
                source,
            }
        })?;
        Ok(Self {
            handle,
            name,
            at: 0,
            filled: step,
            end: 0,
        })
    }

    fn write(&mut self, batch: &[u8], step: u64) -> io::Result<()> {
        while self.filled < self.at + batch.len() as u64 {
            self.handle.write_all_at(self.filled, &zeros(step))?;
            self.filled += step;
        }
        self.handle.write_all_at(self.at, batch)?;
        self.handle.sync()
    }
}

fn zeros(count: u64) -> Vec<u8> {
    vec![0; usize::try_from(count).unwrap_or(0)]
}
