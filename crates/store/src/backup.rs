//! Backups: one file of SQLite, whatever the store is in, taken while it runs.
//!
//! Of a file it is a copy of one moment, by SQLite's own means; of a PostgreSQL the same tables are read in one
//! transaction and written to a file, so that a backup can be restored into either. `pg_dump` was not taken: it has to be
//! there, and what it writes can be read by nothing but PostgreSQL.
//!
//! Alerts and what is owed to somebody are in a backup and not in what is restored: see [`restore`].
//!
//! What is written stands under another name until it was checked and is on the disk. These calls block.

mod tables;

use std::{
    fs::{self, File},
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::backup::{Backup, StepResult};
use tokio::runtime;

use crate::{
    code,
    connection::Connection,
    fault::{Fault, OpenError, chain},
    postgres, sqlite,
    store::Place,
    write::Kept,
};

use tables::{TABLES, move_all};

/// Pages in one step: a megabyte, between two looks at how far it is.
const PAGES: i32 = 256;

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Pages or rows that are done.
    pub done: u64,
    /// Of so many.
    pub all: u64,
}

/// Why a backup could not be made, or restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// Something is there already.
    #[error("write {0:?}: it is there already; name another, or say that it may be overwritten")]
    Exists(PathBuf),
    /// A database could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A database could not be read or written.
    #[error("{doing}: {why}")]
    Database {
        /// What was attempted.
        doing: &'static str,
        /// What it says.
        why: String,
    },
    /// What was written is not what was read.
    #[error("check {path:?}: {why}; try again, and look at the disk if that is of no use")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
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
}

fn io_error(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> BackupError {
    let path = path.to_owned();
    move |source| BackupError::Io { doing, path, source }
}

fn database(doing: &'static str) -> impl Fn(&dyn std::error::Error) -> BackupError {
    move |error| BackupError::Database {
        doing,
        why: chain(error),
    }
}

/// Writes all that is in `place` to the new file `to`, while it is used by others, and checks it.
///
/// # Errors
///
/// See [`BackupError`]; nothing stands at `to` then.
pub fn backup(place: &Place, to: &Path, mut progress: impl FnMut(Progress)) -> Result<(), BackupError> {
    if fs::symlink_metadata(to).is_ok() {
        return Err(BackupError::Exists(to.to_owned()));
    }
    let write = |part: &Path| match place {
        Place::Sqlite(path) => copy(&sqlite::Connection::look(path)?, part, &mut progress),
        Place::Postgres(address) => {
            let server = postgres::Server::new(address)?;
            let mut target = Connection::Sqlite(sqlite::Connection::write(part)?);
            block_on(async {
                let mut source = Connection::Postgres(server.read().await?);
                move_all(&mut source, &mut target, &mut progress).await
            })
            .map_err(|fault: Fault| database("read from the database")(&fault))
        }
    };
    into_place(to, write, || Ok(()))
}

/// Whether something is kept in `place`, which [`restore`] would replace: a file, whatever is in it, or a row in PostgreSQL.
///
/// # Errors
///
/// If PostgreSQL cannot be asked.
pub fn holds_anything(place: &Place) -> Result<bool, BackupError> {
    match place {
        Place::Sqlite(path) => Ok(fs::symlink_metadata(path).is_ok()),
        Place::Postgres(address) => {
            let server = postgres::Server::new(address)?;
            let asked = block_on(async {
                // Reading makes no tables.
                let mut source = Connection::Postgres(server.connect().await?);
                any_row(&mut source).await
            });
            asked.map_err(|fault: Fault| database("see what is in the database")(&fault))
        }
    }
}

async fn any_row(source: &mut Connection) -> Result<bool, Fault> {
    for table in TABLES {
        let there = "SELECT (to_regclass($1) IS NOT NULL)::int::bigint";
        if source.number(there, vec![table.name.into()]).await? == Some(1)
            && source.number(table.any, vec![]).await? == Some(1)
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Puts the backup `from` in place of all that is in `place`, which nobody may be using. Of a file `from` is checked before
/// anything is touched; in PostgreSQL all of it is one transaction. One of an older version is brought up to date.
///
/// Alerts ([`Kept::Alert`](crate::Kept::Alert)) and what was owed to their receivers ([`Kept::Owed`](crate::Kept::Owed)) are
/// left out: what fires is told again and again, so either would wake somebody now for what was over a week ago. What still
/// holds fires anew. Of the end of what fired at the backup nobody is told: in Alertmanager it ends by itself, some minutes
/// after it was told last. Acknowledgements come back, which end by themselves, and what was recorded.
///
/// # Errors
///
/// See [`BackupError`]; what was there before is there still.
pub fn restore(from: &Path, place: &Place, mut progress: impl FnMut(Progress)) -> Result<(), BackupError> {
    let source = sqlite::Connection::look(from)?;
    check(&source, from)?;
    let mut write = |part: &Path| {
        copy(&source, part, &mut progress)?;
        tell_nobody(part)
    };
    match place {
        Place::Sqlite(path) => into_place(path, write, || retire(path)),
        Place::Postgres(address) => {
            let side = tempfile_beside(from);
            into_place(&side, &mut write, || Ok(()))?;
            let done = into_postgres(&side, address, &mut progress);
            remove(&side)?;
            done
        }
    }
}

/// Brings the copy at `path` up to date, and takes out of it what somebody would be told.
fn tell_nobody(path: &Path) -> Result<(), BackupError> {
    let mut file = sqlite::Connection::write(path)?;
    let told = [Kept::Alert, Kept::Owed].map(|kind| vec![code::kept(kind).into()]);
    let dropped = file.execute("DELETE FROM kept WHERE kind = $1", &told);
    dropped.map_err(|fault| database("take out alerts")(&fault))
}

/// Makes the database at `path`, if it is one, a file for itself: what stood beside it would be taken for a part of the one
/// that comes in its place. One that somebody uses is left as it is.
fn retire(path: &Path) -> Result<(), BackupError> {
    if fs::symlink_metadata(path).is_ok() {
        match sqlite::Connection::alone(path) {
            // One that is damaged cannot be asked, and is not missed.
            Ok(_) | Err(OpenError::NoDatabase(_) | OpenError::Damaged { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    ["-wal", "-shm", "-journal"]
        .into_iter()
        .try_for_each(|beside| remove(&named(path, beside)))
}

fn into_postgres(
    file: &Path,
    address: &secrecy::SecretString,
    progress: &mut impl FnMut(Progress),
) -> Result<(), BackupError> {
    let mut source = Connection::Sqlite(sqlite::Connection::write(file)?);
    let server = postgres::Server::new(address)?;
    let done = block_on(async {
        // As the one who writes, so that no aggregator does meanwhile.
        let mut target = Connection::Postgres(server.write().await?);
        move_all(&mut source, &mut target, progress).await
    });
    done.map_err(|fault: Fault| database("write to the database")(&fault))
}

fn block_on<T>(work: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Fault::Away(error.to_string()))?;
    runtime.block_on(work)
}

/// As one moment has it: a reader keeps its moment for as long as it reads.
fn copy(
    source: &sqlite::Connection,
    to: &Path,
    progress: &mut impl FnMut(Progress),
) -> Result<(), BackupError> {
    let failed = database("copy the database");
    let raw = source.raw();
    let moment = raw.unchecked_transaction().map_err(|error| failed(&error))?;
    let begun: rusqlite::Result<i64> =
        moment.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0));
    begun.map_err(|error| failed(&error))?;
    let mut target = rusqlite::Connection::open(to).map_err(|error| failed(&error))?;
    {
        let copying = Backup::new(raw, &mut target).map_err(|error| failed(&error))?;
        loop {
            let step = copying.step(PAGES).map_err(|error| failed(&error))?;
            let is = copying.progress();
            let pages = |count: i32| u64::try_from(count).unwrap_or(0);
            let all = pages(is.pagecount);
            let done = all.saturating_sub(pages(is.remaining));
            progress(Progress { done, all });
            match step {
                StepResult::Done => break,
                StepResult::More => {}
                // Somebody holds a lock for a moment.
                _ => std::thread::sleep(Duration::from_millis(10)),
            }
        }
    }
    // A file for itself, that can be read where nothing can be written.
    let alone = target.execute_batch("PRAGMA journal_mode = DELETE");
    alone.map_err(|error| failed(&error))
}

/// Lets `write` make a file beside `path`, checks it, and moves it over `path` once that is `ready`: what is there is not
/// touched before the other is on the disk.
fn into_place(
    path: &Path,
    write: impl FnOnce(&Path) -> Result<(), BackupError>,
    ready: impl FnOnce() -> Result<(), BackupError>,
) -> Result<(), BackupError> {
    let part = named(path, ".part");
    for beside in ["", "-wal", "-shm", "-journal"] {
        remove(&named(&part, beside))?;
    }
    let new = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&part);
    drop(new.map_err(io_error("make", &part))?);
    let made = write(&part).and_then(|()| {
        let written = sqlite::Connection::alone(&part)?;
        check(&written, &part)
    });
    let moved = made.and_then(|()| {
        File::open(&part)
            .and_then(|file| file.sync_all())
            .map_err(io_error("write", &part))?;
        ready()?;
        fs::rename(&part, path).map_err(io_error("move into place", path))?;
        sync_folder(path)
    });
    if moved.is_err() {
        for beside in ["", "-wal", "-shm", "-journal"] {
            // The first error is the one to tell.
            drop(remove(&named(&part, beside)));
        }
    }
    moved
}

/// Every page is read, and every index compared with its table.
fn check(file: &sqlite::Connection, path: &Path) -> Result<(), BackupError> {
    let said: rusqlite::Result<String> = file
        .raw()
        .query_row("PRAGMA integrity_check(1)", [], |row| row.get(0));
    let why = match said {
        Ok(said) if said == "ok" => return Ok(()),
        Ok(said) => said,
        Err(error) => error.to_string(),
    };
    let path = path.to_owned();
    Err(BackupError::Damaged { path, why })
}

fn named(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn tempfile_beside(path: &Path) -> PathBuf {
    named(path, &format!(".{}", std::process::id()))
}

fn remove(path: &Path) -> Result<(), BackupError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_error("remove", path)(error)),
        _ => Ok(()),
    }
}

fn sync_folder(path: &Path) -> Result<(), BackupError> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(io_error("write", folder))
}
