//! Reads a log: events, proofs, the newest of a kind. A writer may go on meanwhile, here or in another process.
//!
//! Whoever has no writer reads what is published, which is at most a second old; the writer's own reader sees all that is
//! durable. One bundle is in memory at a time. What a reader is given is decoded, not verified: that is `verify`'s business,
//! and of whoever gets the proofs.

use std::{path::Path, sync::Arc};

use ward_tlog::{
    Checkpoint, Hash, Head, LogProof, ProveError, TILE_WIDTH, TileId, Verifier, consistency_proof,
    inclusion_proof,
};

use crate::{
    event::{Event, InvalidEntry},
    files::{Disk, Files},
    filter::Filter,
    key,
    layout::{CHECKPOINT, Entries, PUBLIC_KEY, push_entry},
    shared::Shared,
    tiles::{Published, ReadError},
};

/// Most entries that one question looks at: some 3 s of one core. Who wants older ones asks again, from there.
pub const LOOKED_AT: u64 = 1_000_000;

/// Reads a log.
#[derive(Clone, Debug)]
pub struct Reader {
    files: Arc<dyn Files>,
    verifier: Verifier,
    live: Option<Arc<Shared>>,
}

/// What is called with each entry: its index and its bytes. `false` is enough.
pub type EachEntry<'a> = dyn FnMut(u64, &[u8]) -> Result<bool, QueryError> + 'a;

/// Why something could not be read.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// A file of the log.
    #[error("read the audit log")]
    Read(#[from] ReadError),
    /// There is no such event, or not yet.
    #[error("the audit log has {size} events, and none with index {index}")]
    Beyond {
        /// What was asked for.
        index: u64,
        /// How many there are.
        size: u64,
    },
    /// An entry that is no event.
    #[error("entry {index} of the audit log cannot be read")]
    Entry {
        /// Which one.
        index: u64,
        /// What is wrong with it.
        source: InvalidEntry,
    },
    /// A proof could not be made.
    #[error("make a proof")]
    Prove(#[from] ProveError<ReadError>),
    /// What it would rest on cannot be written now.
    #[error("the audit log has no checkpoint yet that covers {size} events, and its disk is full or failing")]
    Unpublished {
        /// How many it should cover.
        size: u64,
    },
}

impl Reader {
    /// Of the log in `dir`, whoever writes to it.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn open(dir: &Path) -> Result<Self, ReadError> {
        Self::open_in(Arc::new(Disk::new(dir)))
    }

    pub(crate) fn open_in(files: Arc<dyn Files>) -> Result<Self, ReadError> {
        let verifier = match key::verifier(&*files)? {
            Some(verifier) => verifier,
            None => {
                return Err(ReadError::Missing {
                    path: files.path(PUBLIC_KEY),
                });
            }
        };
        let reader = Self {
            files,
            verifier,
            live: None,
        };
        reader.published().checkpoint(&reader.verifier)?;
        Ok(reader)
    }

    pub(crate) fn live(files: Arc<dyn Files>, verifier: Verifier, shared: Arc<Shared>) -> Self {
        Self {
            files,
            verifier,
            live: Some(shared),
        }
    }

    /// The name of the log.
    pub fn origin(&self) -> &str {
        self.verifier.name()
    }

    /// The key its checkpoints are verified with.
    pub fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// Size and root.
    ///
    /// # Errors
    ///
    /// If the checkpoint cannot be read.
    pub fn head(&self) -> Result<Head, QueryError> {
        match &self.live {
            Some(shared) => Ok(shared.head()),
            None => Ok(self.checkpoint()?.0.head),
        }
    }

    /// How many events there are.
    ///
    /// # Errors
    ///
    /// If the checkpoint cannot be read.
    pub fn size(&self) -> Result<u64, QueryError> {
        Ok(self.head()?.size)
    }

    /// The checkpoint on disk, and its text.
    ///
    /// # Errors
    ///
    /// If it cannot be read, or is not signed by the log's key.
    pub fn checkpoint(&self) -> Result<(Checkpoint, String), QueryError> {
        Ok(self.published().checkpoint(&self.verifier)?)
    }

    /// The bytes of an entry.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn entry(&self, index: u64) -> Result<Vec<u8>, QueryError> {
        if let Some(entry) = self.live.as_ref().and_then(|shared| shared.entry(index)) {
            return Ok(entry.bytes.to_vec());
        }
        let size = self.size()?;
        let beyond = || QueryError::Beyond { index, size };
        let id = TileId::of(size, 0, index / TILE_WIDTH).ok_or_else(beyond)?;
        let at = (index % TILE_WIDTH) as u16;
        if at >= id.width {
            return Err(beyond());
        }
        let bytes = self.published().bundle(id.index, at + 1)?.bytes;
        let entry = Entries { rest: &bytes }.nth(at.into());
        entry.map(<[u8]>::to_vec).ok_or_else(beyond)
    }

    /// One event.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn event(&self, index: u64) -> Result<Event, QueryError> {
        decoded(index, &self.entry(index)?)
    }

    /// What the bytes of an entry say.
    ///
    /// # Errors
    ///
    /// If that is no event.
    pub fn event_of(&self, index: u64, entry: &[u8]) -> Result<Event, QueryError> {
        decoded(index, entry)
    }

    /// Events from one on, at most `limit`.
    ///
    /// # Errors
    ///
    /// If one cannot be read.
    pub fn range(&self, from: u64, limit: usize) -> Result<Vec<Event>, QueryError> {
        let mut events = Vec::new();
        self.each(from, &mut |index, entry| {
            events.push(decoded(index, entry)?);
            Ok(events.len() < limit)
        })?;
        Ok(events)
    }

    /// Calls `with` for each entry from one on, until it says `false` or there are no more.
    ///
    /// # Errors
    ///
    /// Of `with`, or if an entry cannot be read.
    pub fn each(&self, from: u64, with: &mut EachEntry<'_>) -> Result<(), QueryError> {
        let size = self.size()?;
        for bundle in from / TILE_WIDTH..size.div_ceil(TILE_WIDTH) {
            for (index, entry) in self.bundle(bundle, size)?.iter() {
                if index >= from && !with(index, entry)? {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// The newest events that pass `filter`, the newest first, at most `limit`. At most [`LOOKED_AT`] entries are looked at.
    ///
    /// # Errors
    ///
    /// If one cannot be read.
    pub fn newest(&self, filter: &Filter, limit: usize) -> Result<Vec<Event>, QueryError> {
        let size = self.size()?;
        let end = filter.before.map_or(size, |before| before.min(size));
        let oldest = end.saturating_sub(LOOKED_AT);
        let mut found = Vec::new();
        for bundle in (oldest / TILE_WIDTH..end.div_ceil(TILE_WIDTH)).rev() {
            let entries = self.bundle(bundle, size)?;
            let mut all_older = true;
            for (index, entry) in entries.iter().rev().filter(|(index, _)| *index < end) {
                if found.len() == limit {
                    return Ok(found);
                }
                let old = filter.may_pass(entry) && {
                    let event = decoded(index, entry)?;
                    let old = filter.is_before(&event);
                    if filter.passes(&event) {
                        found.push(event);
                    }
                    old
                };
                all_older &= old;
            }
            // Clocks are set back: one older event means nothing, a whole bundle of them does.
            if all_older {
                break;
            }
        }
        Ok(found)
    }

    /// Shows that an event is in the log of `size` events.
    ///
    /// # Errors
    ///
    /// If there is none, or a tile cannot be read.
    pub fn inclusion(&self, index: u64, size: u64) -> Result<Vec<Hash>, QueryError> {
        self.ensure(size)?;
        Ok(inclusion_proof(index, size, &self.published())?)
    }

    /// Shows that the log of `new` events begins with that of `old`.
    ///
    /// # Errors
    ///
    /// If it is not that long, or a tile cannot be read.
    pub fn consistency(&self, old: u64, new: u64) -> Result<Vec<Hash>, QueryError> {
        self.ensure(new)?;
        Ok(consistency_proof(old, new, &self.published())?)
    }

    /// Shows that an event is in the log, to whoever has its public key.
    ///
    /// # Errors
    ///
    /// If there is none, or its tiles cannot be read.
    pub fn proof(&self, index: u64) -> Result<LogProof, QueryError> {
        let size = self.size()?;
        if index >= size {
            return Err(QueryError::Beyond { index, size });
        }
        self.ensure(index + 1)?;
        let (checkpoint, text) = self.checkpoint()?;
        let hashes = inclusion_proof(index, checkpoint.head.size, &self.published())?;
        Ok(LogProof::new(index, hashes, text))
    }

    /// All before `size` is published.
    fn ensure(&self, size: u64) -> Result<(), QueryError> {
        let there = self.size()?;
        if size > there {
            return Err(QueryError::Beyond {
                index: size,
                size: there,
            });
        }
        match &self.live {
            Some(shared) if !shared.wait_published(size) => Err(QueryError::Unpublished { size }),
            _ => Ok(()),
        }
    }

    /// A bundle as it is in the log of `size` events.
    fn bundle(&self, index: u64, size: u64) -> Result<Bundle, QueryError> {
        let width = (size - index * TILE_WIDTH).min(TILE_WIDTH) as u16;
        let first = index * TILE_WIDTH;
        let (published, _) = self.live.as_ref().map_or((size, false), |shared| shared.first());
        if published >= size.min(first + TILE_WIDTH) {
            return Ok(Bundle {
                first,
                bytes: self.published().bundle(index, width)?.bytes,
                width,
            });
        }
        let mut bytes = Vec::new();
        if published > first {
            let there = (published - first) as u16;
            let found = self.published().bundle(index, there)?;
            let begin = Entries { rest: &found.bytes }.take(there.into());
            begin.for_each(|entry| push_entry(&mut bytes, entry));
        }
        // The end of it is in memory; or was, and is published by now.
        for at in published.max(first)..first + u64::from(width) {
            push_entry(&mut bytes, &self.entry(at)?);
        }
        Ok(Bundle { first, bytes, width })
    }

    fn published(&self) -> Published<'_> {
        Published(&*self.files)
    }

    /// The directory, for people.
    pub fn path(&self) -> std::path::PathBuf {
        self.files.path(CHECKPOINT)
    }
}

/// Entries in memory.
struct Bundle {
    first: u64,
    bytes: Vec<u8>,
    width: u16,
}

impl Bundle {
    fn iter(&self) -> impl DoubleEndedIterator<Item = (u64, &[u8])> {
        let entries: Vec<_> = Entries { rest: &self.bytes }.take(self.width.into()).collect();
        let first = self.first;
        entries
            .into_iter()
            .enumerate()
            .map(move |(at, entry)| (first + at as u64, entry))
    }
}

fn decoded(index: u64, entry: &[u8]) -> Result<Event, QueryError> {
    Event::decode(entry).map_err(|source| QueryError::Entry { index, source })
}
