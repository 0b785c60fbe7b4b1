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

    /// The bytes of a bundle with at least `width` entries.
    pub(crate) fn bundle(self, index: u64, width: u16) -> Result<Vec<u8>, ReadError> {
        self.at_least(|width| entries_path(index, width), width, BUNDLE)
    }

    /// The first `width` entries of a bundle.
    pub(crate) fn entries(self, index: u64, width: u16) -> Result<Vec<Entry>, ReadError> {
        let bytes = self.bundle(index, width)?;
        let entries: Vec<_> = Entries { rest: &bytes }
            .take(width.into())
            .map(Entry::new)
            .collect();
        if entries.len() < usize::from(width) {
            let what = format!("has {} entries, expected {width}", entries.len());
            return Err(self.broken(&entries_path(index, width), what));
        }
        Ok(entries)
    }

    /// A file that is as wide as asked, or wider.
    fn at_least(self, path: impl Fn(u16) -> String, width: u16, limit: u64) -> Result<Vec<u8>, ReadError> {
        let full = TILE_WIDTH as u16;
        for width in [width, full] {
            if let Some(bytes) = read_if_there(self.0, &path(width), limit)? {
                return Ok(bytes);
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
            if let Some(bytes) = read_if_there(self.0, &path(width), limit)? {
                return Ok(bytes);
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
        let bytes = self.at_least(|width| TileId { width, ..id }.path(), id.width, TILE)?;
        let (hashes, rest) = bytes.as_chunks::<32>();
        if !rest.is_empty() || hashes.len() < id.width.into() {
            let what = format!("has {} bytes, expected {}", bytes.len(), 32 * u64::from(id.width));
            return Err(self.broken(&id.path(), what));
        }
        Ok(hashes.iter().copied().map(Hash).collect::<Vec<_>>().into())
    }
}

/// Whether the file system cannot be written to.
pub(crate) fn is_read_only(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::ReadOnlyFilesystem
}
