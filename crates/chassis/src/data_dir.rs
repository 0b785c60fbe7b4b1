//! A directory that belongs to one process.
//!
//! The lock is the kernel's (`flock` on `ward.lock`): it ends with its holder, however that ends, so that no stale
//! file ever has to be judged or removed by hand. A pid file alone, checked with `kill(pid, 0)`, takes whoever has the
//! recycled pid for the holder. What the file says is for people: who holds it, since when, and where it listens.

use std::{
    fmt,
    fs::{DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Read, Seek, Write},
    net::SocketAddr,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    process,
};

use serde::{Deserialize, Serialize};
use ward_model::Wall;

use crate::Clock;

const LOCK_FILE: &str = "ward.lock";

/// Far more than a holder writes; what is longer is not ours.
const HOLDER_BYTES: u64 = 4096;

/// A directory that this process holds until it is dropped.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    lock: File,
    holder: Holder,
}

/// Who holds a directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Its process.
    pub pid: u32,
    /// When it took the directory.
    pub since: Wall,
    /// Where it listens, if it has said so yet.
    pub addresses: Vec<SocketAddr>,
}

/// Why a directory could not be had.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// Another process has it.
    #[error(
        "use the data directory {path:?}: {} holds it; stop that one, or give this one a directory of its own",
        holder.as_ref().map_or_else(|| "another process".to_owned(), ToString::to_string)
    )]
    Held {
        /// The directory.
        path: PathBuf,
        /// Who has it; `None` in the moment before it has written that down.
        holder: Option<Holder>,
    },
    /// The system refused.
    #[error("{doing} {path:?}")]
    Io {
        /// What was attempted.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl DataDir {
    /// Creates `path` if it is not there (for this user only, with its parents), and takes it for this process.
    pub fn lock(path: impl Into<PathBuf>, clock: &Clock) -> Result<Self, DataDirError> {
        let path = path.into();
        let refused = |doing, path: &Path| {
            let path = path.to_owned();
            move |source| DataDirError::Io { doing, path, source }
        };
        let mut builder = DirBuilder::new();
        builder
            .recursive(true)
            .mode(0o700)
            .create(&path)
            .map_err(refused("create the data directory", &path))?;
        let file = path.join(LOCK_FILE);
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&file)
            .map_err(refused("open the lock file", &file))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(DataDirError::Held {
                    holder: read_holder(&mut lock),
                    path,
                });
            }
            Err(TryLockError::Error(source)) => return Err(refused("lock", &file)(source)),
        }
        let holder = Holder {
            pid: process::id(),
            since: clock.wall(),
            addresses: Vec::new(),
        };
        let mut held = Self { path, lock, holder };
        held.write().map_err(refused("write", &file))?;
        Ok(held)
    }

    /// Writes down where this process listens, for a second one to tell.
    pub fn announce(&mut self, addresses: impl IntoIterator<Item = SocketAddr>) -> Result<(), DataDirError> {
        self.holder.addresses = addresses.into_iter().collect();
        self.write().map_err(|source| DataDirError::Io {
            doing: "write",
            path: self.path.join(LOCK_FILE),
            source,
        })
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// In place: a new file moved over the old one would have a lock of its own.
    fn write(&mut self) -> io::Result<()> {
        let text = serde_json::to_string(&self.holder)?;
        self.lock.rewind()?;
        self.lock.set_len(0)?;
        self.lock.write_all(text.as_bytes())
    }
}

fn read_holder(lock: &mut File) -> Option<Holder> {
    let mut text = String::new();
    lock.take(HOLDER_BYTES).read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {}", self.pid)?;
        for (n, address) in self.addresses.iter().enumerate() {
            write!(f, "{}{address}", if n == 0 { ", listening on " } else { " and " })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_second_one_is_told_who_holds_it() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("deep/ward");
        let clock = Clock::start();
        let mut first = DataDir::lock(&path, &clock).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o700);
        first
            .announce([
                "127.0.0.1:7700".parse().unwrap(),
                "127.0.0.1:7780".parse().unwrap(),
            ])
            .unwrap();
        let refused = DataDir::lock(&path, &clock).unwrap_err();
        let expected = format!(
            "process {}, listening on 127.0.0.1:7700 and 127.0.0.1:7780 holds it",
            process::id()
        );
        assert!(refused.to_string().contains(&expected), "{refused}");
        drop(first);
        DataDir::lock(&path, &clock).unwrap();
    }

    #[test]
    fn what_a_killed_holder_left_behind_is_overwritten() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join(LOCK_FILE);
        std::fs::write(&file, "\u{1b}[31mnot ours".repeat(1000)).unwrap();
        let _held = DataDir::lock(home.path(), &Clock::start()).unwrap();
        let holder: Holder = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
        assert_eq!(holder.pid, process::id());
    }

    #[test]
    fn a_holder_that_has_written_nothing_yet_is_still_one() {
        let home = tempfile::tempdir().unwrap();
        let other = File::create(home.path().join(LOCK_FILE)).unwrap();
        other.try_lock().unwrap();
        let refused = DataDir::lock(home.path(), &Clock::start()).unwrap_err();
        assert!(
            refused.to_string().contains("another process holds it"),
            "{refused}"
        );
    }

    #[test]
    fn a_file_in_its_place_is_named() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("file");
        std::fs::write(&file, "").unwrap();
        let refused = DataDir::lock(&file, &Clock::start()).unwrap_err();
        assert!(
            refused.to_string().starts_with("create the data directory"),
            "{refused}"
        );
    }
}
