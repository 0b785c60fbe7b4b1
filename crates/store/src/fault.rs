//! What is wrong with a database: as an error where it is opened, as a word while it is used.
//!
//! Each says what to do. The text of a database's own error stands at the end of one, never alone.

use std::{io, path::PathBuf};

use crate::schema::VERSION;

/// Why the store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The SQLite that is linked may corrupt its files.
    #[error(
        "use SQLite {0}: versions before 3.51.3 can corrupt a database (the WAL-reset bug); build Ward with the SQLite that \
         comes with it"
    )]
    Library(&'static str),
    /// There is a directory in its place.
    #[error("open the database {0:?}: it is a directory; move it away, and `ward restore` or start anew")]
    Directory(PathBuf),
    /// There is neither a file nor a directory in its place.
    #[error("open the database {0:?}: it is no ordinary file; move it away")]
    NoFile(PathBuf),
    /// It belongs to somebody else, who could not use what this process leaves beside it.
    #[error(
        "open the database {path:?}: it belongs to user {owner} and this process runs as user {us}; run as that user, or \
         give it away with `chown {us} {path:?}*`"
    )]
    Owner {
        /// The file.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Who this is.
        us: u32,
    },
    /// It cannot be written.
    #[error("open the database {0:?} for writing: it is read-only, or its file system is; make it writable")]
    ReadOnly(PathBuf),
    /// It holds something else.
    #[error(
        "open the database {0:?}: it is no database of SQLite; move it away, and `ward restore` or start anew"
    )]
    NoDatabase(PathBuf),
    /// It is a database, of another program.
    #[error("open the database {0:?}: it is another program's; move it away, or name another data directory")]
    NotOurs(PathBuf),
    /// A newer Ward has used it.
    #[error(
        "open the database {path:?}: its schema is version {found} and this Ward knows versions up to {VERSION}; run the \
         newer Ward, or `ward restore` a backup from before"
    )]
    Newer {
        /// The file, or the database's name.
        path: PathBuf,
        /// Its version.
        found: i64,
    },
    /// It is damaged.
    #[error("open the database {path:?}: it is damaged ({why}); move it away, and `ward restore` a backup")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        why: String,
    },
    /// Its disk has no room.
    #[error("open the database {0:?}: the disk is full; make room")]
    Full(PathBuf),
    /// SQLite says something else.
    #[error("open the database {path:?}")]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// What it says.
        source: rusqlite::Error,
    },
    /// The system refused.
    #[error("{doing} {path:?}")]
    Io {
        /// What was attempted.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// The address of a PostgreSQL cannot be understood. It is not repeated: it holds a password.
    #[error(
        "read the address of the PostgreSQL database: expected postgresql://USER:PASSWORD@HOST:PORT/NAME, with no \
         parameters but those of PostgreSQL that Ward knows (sslmode=disable|prefer|require, connect_timeout, ...)"
    )]
    Address,
    /// What is to be trusted for TLS cannot be read.
    #[error("make ready for TLS to the database: {0}")]
    Tls(String),
    /// A thread of the store could not be started.
    #[error("start a thread of the store")]
    Thread(#[source] io::Error),
}

/// Why the database cannot be used now.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// It may work again by itself, or when somebody has done something about it.
    #[error("{0}")]
    Away(String),
    /// It works, and refuses what it was given: trying again is of no use.
    #[error("{0}")]
    Refused(String),
}

impl From<OpenError> for Fault {
    fn from(error: OpenError) -> Self {
        Self::Away(chain(&error))
    }
}

/// Why something could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The database cannot be used now.
    #[error("read from the database: {0}")]
    Away(String),
    /// It did not answer in time.
    #[error("read from the database: it did not answer in time; try again later")]
    Late,
    /// Too many wait for answers already.
    #[error("read from the database: too many wait for it already; try again later")]
    Busy,
    /// The store has stopped.
    #[error("read from the database: the store has stopped")]
    Stopped,
}

impl From<Fault> for ReadError {
    fn from(fault: Fault) -> Self {
        Self::Away(fault.to_string())
    }
}

/// An error with all that is behind it.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut error = error.source();
    while let Some(source) = error {
        text = format!("{text}: {source}");
        error = source.source();
    }
    text
}
