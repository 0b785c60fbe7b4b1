//! The few things that a log asks of a file system, so that tests can be one that fails, or that loses power.
//!
//! Names are relative to the log's directory. Nothing here is durable until it is synced: a file by its handle, what it is
//! called by its directory. [`Files::replace`] is the one recipe for a file that is there whole or not at all.

mod disk;
#[cfg(test)]
pub(crate) mod simulated;

use std::{fmt, io, path::PathBuf};

pub(crate) use disk::Disk;

/// Where files on their way to their place are. Emptied by whoever opens the log.
pub(crate) const TMP: &str = "tmp";
/// The directory of the log itself.
pub(crate) const ROOT: &str = "";

/// A directory with files in it.
pub(crate) trait Files: fmt::Debug + Send + Sync {
    /// The first `limit` bytes of a file.
    fn read(&self, name: &str, limit: u64) -> io::Result<Vec<u8>>;

    /// Makes a file, empty, for writing. Nobody else can read it.
    fn create(&self, name: &str) -> io::Result<Box<dyn Handle>>;

    /// Gives a file another name, over whatever had it.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Removes a directory that is empty.
    fn remove_dir(&self, name: &str) -> io::Result<()>;

    /// Makes a directory; `false` if it was there.
    fn create_dir(&self, name: &str) -> io::Result<bool>;

    /// Hands what the files in a directory are called to the disk.
    fn flush_dir(&self, name: &str) -> io::Result<()>;

    /// Makes durable what the files in a directory are called.
    fn sync_dir(&self, name: &str) -> io::Result<()> {
        self.flush_dir(name).map_err(lost)
    }

    /// What is in a directory, in no order; nothing if there is none.
    fn list(&self, name: &str) -> io::Result<Vec<String>>;

    /// Takes the log for this process, until what is returned is dropped; `None` if somebody has it.
    fn lock(&self) -> io::Result<Option<Box<dyn fmt::Debug + Send>>>;

    /// The path of a file, for people.
    fn path(&self, name: &str) -> PathBuf;

    /// Writes a file so that it is there whole and durable when this returns, or the one before is. The directory of `name`
    /// is synced as well.
    ///
    /// # Errors
    ///
    /// If any step fails.
    fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), FileError> {
        let temporary = format!("{TMP}/{}", name.replace('/', "-"));
        let step = |doing, result: io::Result<()>| {
            result.map_err(|source| FileError {
                doing,
                path: self.path(name),
                source,
            })
        };
        let write = || {
            let mut doing = "write";
            let mut make = || {
                let mut file = self.create(&temporary)?;
                file.write_all_at(0, bytes)?;
                doing = "sync";
                file.sync()?;
                doing = "rename";
                self.rename(&temporary, name)
            };
            let made = make();
            step(doing, made)
        };
        if let Err(error) = write() {
            // What is left of it would keep room that somebody else needs.
            drop(self.remove(&temporary));
            return Err(error);
        }
        step("sync the directory of", self.sync_dir(parent(name)))
    }
}

/// A file that is open for writing.
pub(crate) trait Handle: fmt::Debug + Send {
    /// Writes at a place; says how much was written.
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<usize>;

    /// Has the system begin to hand what was written to the disk, and waits for nothing: a sync that comes then finds
    /// it under way. Whether it does is the system's business.
    fn begin_flush(&self) {}

    /// Hands what was written to the disk.
    fn flush(&mut self) -> io::Result<()>;

    /// Makes durable what was written.
    fn sync(&mut self) -> io::Result<()> {
        self.flush().map_err(lost)
    }

    /// Writes all of it.
    fn write_all_at(&mut self, mut offset: u64, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.write_at(offset, bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    offset += written as u64;
                    bytes = &bytes[written..];
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// What the system refused, and on which file.
#[derive(Debug, thiserror::Error)]
#[error("{doing} {path:?}")]
pub struct FileError {
    /// What was attempted.
    pub doing: &'static str,
    /// On what.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

impl FileError {
    /// For want of room, which may come again.
    pub(crate) fn is_full(&self) -> bool {
        is_full(&self.source)
    }
}

/// A sync that fails for want of room has lost what was written before, which the system had taken: that is no full disk,
/// where a write is refused and nothing is lost, but a failed one, and no second try can tell.
fn lost(error: io::Error) -> io::Error {
    match is_full(&error) {
        true => io::Error::other(error),
        false => error,
    }
}

pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

/// The directory a file is in.
pub(crate) fn parent(name: &str) -> &str {
    name.rsplit_once('/').map_or(ROOT, |(parent, _)| parent)
}

/// A file that may not be there.
pub(crate) fn read_if_there(files: &dyn Files, name: &str, limit: u64) -> Result<Option<Vec<u8>>, FileError> {
    match files.read(name, limit) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(FileError {
            doing: "read",
            path: files.path(name),
            source,
        }),
    }
}
