//! Why a log is not opened, in words that say what to do.
//!
//! Whatever is wrong with it, a log that is refused is left as it was found. There is no repair: what could be repaired
//! without a doubt is no error.

use std::path::PathBuf;

use ward_tlog::ProveError;

use crate::{
    files::{FileError, Files},
    layout::FORMAT_TEXT,
    tiles::{ReadError, is_read_only},
};

/// What to do with a log that cannot be gone on with.
const ADVICE: &str = "nothing was changed. Restore it from a backup, or move the directory away and keep it as evidence: a \
                      new log is begun then";

/// Why a log was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process writes to it, or this one does already.
    #[error("open the audit log {path:?}: another process writes to it; there can be only one")]
    Held {
        /// The directory.
        path: PathBuf,
    },
    /// It is on a file system that is read-only.
    #[error(
        "open the audit log: {path:?} is on a file system that is read-only; `ward audit` reads it there"
    )]
    ReadOnly {
        /// The file.
        path: PathBuf,
    },
    /// It is full, and not even an empty log or the rest of this one finds room.
    #[error("open the audit log: no room to write {path:?}; free some, at least 4 MiB")]
    Full {
        /// The file.
        path: PathBuf,
    },
    /// Of another format, such as a newer Ward's.
    #[error(
        "open the audit log: {path:?} says {found:?}, and this Ward knows {:?}: use the Ward that made it, or a newer one",
        FORMAT_TEXT.trim_end()
    )]
    Format {
        /// The file.
        path: PathBuf,
        /// What it says.
        found: String,
    },
    /// Something that was acknowledged is damaged or missing.
    #[error("open the audit log: {path:?}{} {what}; {ADVICE}", offset.map(|at| format!(" at byte {at}")).unwrap_or_default())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where in it.
        offset: Option<usize>,
        /// What is wrong with it.
        what: String,
    },
    /// Checkpoint and tail are older than the tiles.
    #[error(
        "open the audit log: it was rolled back: checkpoint and tail end at {size} events, and {path:?} holds later ones; \
         {ADVICE}"
    )]
    RolledBack {
        /// A file beyond the end.
        path: PathBuf,
        /// Where the log ends.
        size: u64,
    },
    /// The system refused.
    #[error("open the audit log")]
    File(#[source] FileError),
    /// A thread could not be started.
    #[error("start the writer of the audit log")]
    Thread(#[source] std::io::Error),
}

impl OpenError {
    pub(crate) fn file(error: FileError) -> Self {
        if is_read_only(&error.source) {
            return Self::ReadOnly { path: error.path };
        }
        if error.is_full() {
            return Self::Full { path: error.path };
        }
        Self::File(error)
    }

    pub(crate) fn damaged(files: &dyn Files, name: &str, offset: Option<usize>, what: &str) -> Self {
        Self::Damaged {
            path: files.path(name),
            offset,
            what: what.to_owned(),
        }
    }

    pub(crate) fn published(error: ReadError) -> Self {
        match error {
            ReadError::File(error) => Self::file(error),
            ReadError::Missing { path } => {
                let what =
                    "is missing, and the checkpoint speaks of it: the log was damaged, cut or rolled back"
                        .to_owned();
                Self::Damaged {
                    path,
                    offset: None,
                    what,
                }
            }
            ReadError::Broken { path, what } => Self::Damaged {
                path,
                offset: None,
                what,
            },
        }
    }

    pub(crate) fn prove(error: ProveError<ReadError>) -> Self {
        match error {
            ProveError::Tile { source, .. } => Self::published(source),
            error => Self::Damaged {
                path: PathBuf::from("tile"),
                offset: None,
                what: error.to_string(),
            },
        }
    }
}
