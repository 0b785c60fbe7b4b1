//! Reading what is published: tiles, bundles of entries and the checkpoint over them.
//!
//! A writer may go on meanwhile, in this process or another. What is published stays true; only partial tiles go away, when
//! wider ones are there, so whoever does not find one looks for a wider one.

use std::{borrow::Cow, io};

use ward_tlog::{Checkpoint, Hash, TILE_WIDTH, TileId, Tiles, Verifier, entries_path};

use crate::{
    files::{FileError, Files, parent, read_if_there},
    layout::{BUNDLE, CHECKPOINT, Entries, Entry, SMALL, TILE},
};

/// Why something published could not be had.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The system refused.
    #[error(transparent)]
    File(#[from] FileError),
    /// It is not there.
    #[error("{path:?} is missing")]
    Missing {
        /// The file.
        path: std::path::PathBuf,
    },
    /// It is not what it should be.
    #[error("{path:?} {what}")]
    Broken {
        /// The file.
        path: std::path::PathBuf,
        /// What is wrong with it.
        what: String,
    },
}

/// A file with a part of the log, and how wide it says it is.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) bytes: Vec<u8>,
    pub(crate) width: u16,
}

/// The published part of a log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Published<'a>(pub(crate) &'a dyn Files);

impl Published<'_> {
    /// The text of the checkpoint.
    pub(crate) fn checkpoint_text(self) -> Result<String, ReadError> {
        let bytes = self.whole(CHECKPOINT, SMALL)?;
        String::from_utf8(bytes).map_err(|_| self.broken(CHECKPOINT, "is no text"))
    }

    /// The checkpoint, if it is signed by that key.
    pub(crate) fn checkpoint(self, verifier: &Verifier) -> Result<(Checkpoint, String), ReadError> {
        let text = self.checkpoint_text()?;
        let checkpoint = Checkpoint::open(&text, verifier);
        let checkpoint = checkpoint.map_err(|error| self.broken(CHECKPOINT, error.to_string()))?;
        Ok((checkpoint, text))
    }

    /// A tile with at least as many hashes.
    pub(crate) fn tile_file(self, id: TileId) -> Result<Found, ReadError> {
        let found = self.at_least(|width| TileId { width, ..id }.path(), id.width, TILE)?;
        if found.bytes.len() == 32 * usize::from(found.width) {
            return Ok(found);
        }
        let what = format!(
            "has {} bytes, expected {}",
            found.bytes.len(),
            32 * u32::from(found.width)
        );
        let found = TileId {
            width: found.width,
            ..id
        };
        Err(self.broken(&found.path(), what))
    }

    /// A bundle with at least `width` entries.
    pub(crate) fn bundle(self, index: u64, width: u16) -> Result<Found, ReadError> {
        self.at_least(|width| entries_path(index, width), width, BUNDLE)
    }

    /// The first `width` entries of a bundle.
    pub(crate) fn entries(self, index: u64, width: u16) -> Result<Vec<Entry>, ReadError> {
        let found = self.bundle(index, width)?;
        let mut entries = Entries { rest: &found.bytes };
        let mut read: Vec<_> = entries.by_ref().map(Entry::new).collect();
        if read.len() != usize::from(found.width) || !entries.rest.is_empty() {
            let what = format!("has {} whole entries, expected {}", read.len(), found.width);
            return Err(self.broken(&entries_path(index, found.width), what));
        }
        read.truncate(width.into());
        Ok(read)
    }

    /// A file that is as wide as asked, or wider.
    fn at_least(self, path: impl Fn(u16) -> String, width: u16, limit: u64) -> Result<Found, ReadError> {
        let full = TILE_WIDTH as u16;
        let there = |width| {
            let bytes = read_if_there(self.0, &path(width), limit + 1)?;
            Ok::<_, ReadError>(bytes.map(|bytes| Found { bytes, width }))
        };
        for width in [width, full] {
            if let Some(found) = there(width)? {
                return Ok(found);
            }
        }
        // The directory of partial ones names those there are.
        let exact = path(width);
        let listed = if width < full {
            self.list(parent(&exact))?
        } else {
            Vec::new()
        };
        let wider = listed
            .iter()
            .filter_map(|name| name.parse::<u16>().ok())
            .filter(|wide| *wide > width);
        for width in wider.chain([full]) {
            if let Some(found) = there(width)? {
                return Ok(found);
            }
        }
        Err(ReadError::Missing {
            path: self.0.path(&exact),
        })
    }

    pub(crate) fn list(self, dir: &str) -> Result<Vec<String>, ReadError> {
        let listed = self.0.list(dir);
        listed.map_err(|source| {
            FileError {
                doing: "list",
                path: self.0.path(dir),
                source,
            }
            .into()
        })
    }

    fn whole(self, name: &str, limit: u64) -> Result<Vec<u8>, ReadError> {
        read_if_there(self.0, name, limit)?.ok_or_else(|| ReadError::Missing {
            path: self.0.path(name),
        })
    }

    pub(crate) fn broken(self, name: &str, what: impl Into<String>) -> ReadError {
        ReadError::Broken {
            path: self.0.path(name),
            what: what.into(),
        }
    }
}

impl Tiles for Published<'_> {
    type Error = ReadError;

    fn tile(&self, id: TileId) -> Result<Cow<'_, [Hash]>, ReadError> {
        let found = self.tile_file(id)?;
        Ok(found.hashes().collect::<Vec<_>>().into())
    }
}

impl Found {
    /// Of a tile.
    pub(crate) fn hashes(&self) -> impl Iterator<Item = Hash> {
        self.bytes.as_chunks::<32>().0.iter().copied().map(Hash)
    }
}

/// Whether the file system cannot be written to.
pub(crate) fn is_read_only(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::ReadOnlyFilesystem
}
