//! SQLite: the file, what may be wrong with it, and how it is spoken to.
//!
//! WAL with synchronous=FULL, so that what was committed survives the loss of power; no mmap, through which a stray write
//! of the process would reach the file; the version is checked, because before 3.51.3 a checkpoint could corrupt it.
//! All calls block: they are made on the store's own threads.

mod error;

use std::{
    fs::{self, OpenOptions},
    io,
    os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{OpenFlags, params_from_iter, types::ValueRef};

use crate::{
    connection::{Column, Row, Value},
    fault::{Fault, OpenError},
    schema::{APPLICATION, STEPS, VERSION},
};

pub(crate) use error::refusal;

/// The oldest SQLite without the WAL-reset bug.
const LIBRARY: i32 = 3_051_003;
/// How long a statement waits for a lock: only `ward backup` and people with a shell may hold one.
const BUSY: Duration = Duration::from_secs(2);
/// Statements kept ready; there are some thirty.
const STATEMENTS: usize = 64;

/// Most columns of a row that is streamed.
const COLUMNS: usize = 8;

const WRITER: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA mmap_size = 0;
    PRAGMA trusted_schema = OFF;
    PRAGMA cell_size_check = ON;
    PRAGMA journal_size_limit = 67108864;
    PRAGMA cache_size = -2048;
";
const READER: &str = "
    PRAGMA mmap_size = 0;
    PRAGMA trusted_schema = OFF;
    PRAGMA query_only = ON;
";

/// An open file.
#[derive(Debug)]
pub(crate) struct Connection {
    raw: rusqlite::Connection,
    path: PathBuf,
    file: (u64, u64),
}

impl Connection {
    /// Opens the file for writing; makes it, for this user only, if it is not there; brings its tables up to date.
    pub(crate) fn write(path: &Path) -> Result<Self, OpenError> {
        if rusqlite::version_number() < LIBRARY {
            return Err(OpenError::Library(rusqlite::version()));
        }
        inspect(path)?;
        let create = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path);
        create.map_err(|error| unwritable(path, error))?;
        let mut connection = Self::open(path, OpenFlags::SQLITE_OPEN_READ_WRITE, WRITER)?;
        let read_only = connection.raw.is_readonly(rusqlite::MAIN_DB);
        if read_only.map_err(|error| refusal(path, error))? {
            return Err(OpenError::ReadOnly(path.to_owned()));
        }
        connection.migrate()?;
        Ok(connection)
    }

    /// Opens the file, which must be there and up to date, for reading.
    pub(crate) fn read(path: &Path) -> Result<Self, OpenError> {
        let connection = Self::look(path)?;
        match connection.version()? {
            VERSION => Ok(connection),
            _ => Err(OpenError::NotOurs(path.to_owned())),
        }
    }

    /// Opens the file, which must be there, for reading, if it is Ward's and no newer than this Ward.
    pub(crate) fn look(path: &Path) -> Result<Self, OpenError> {
        inspect(path)?;
        let connection = Self::open(path, OpenFlags::SQLITE_OPEN_READ_ONLY, READER)?;
        let path = path.to_owned();
        match connection.version()? {
            0 => Err(OpenError::NotOurs(path)),
            found if found > VERSION => Err(OpenError::Newer { path, found }),
            _ => Ok(connection),
        }
    }

    /// Opens a file that nobody else uses for reading, and leaves nothing beside it.
    pub(crate) fn alone(path: &Path) -> Result<Self, OpenError> {
        let connection = Self::open(
            path,
            OpenFlags::SQLITE_OPEN_READ_WRITE,
            "PRAGMA journal_mode = DELETE",
        )?;
        Ok(connection)
    }

    fn open(path: &Path, how: OpenFlags, settings: &str) -> Result<Self, OpenError> {
        let refused = |error| refusal(path, error);
        let flags = how | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
        let path_of = resolved(path)?;
        let raw = rusqlite::Connection::open_with_flags(&path_of, flags).map_err(refused)?;
        raw.busy_timeout(BUSY).map_err(refused)?;
        raw.set_prepared_statement_cache_capacity(STATEMENTS);
        // Before any setting: the first that touches the file says whether it is a database, and whose.
        let connection = Self {
            raw,
            path: path.to_owned(),
            file: identity(path).map_err(|source| OpenError::Io {
                doing: "look at",
                path: path.to_owned(),
                source,
            })?,
        };
        connection.ours()?;
        connection.raw.execute_batch(settings).map_err(refused)?;
        Ok(connection)
    }

    /// Empty, or Ward's.
    fn ours(&self) -> Result<(), OpenError> {
        let application = self.pragma("PRAGMA application_id")?;
        let tables = self.pragma("SELECT count(*) FROM sqlite_schema")?;
        match application == APPLICATION || (application == 0 && tables == 0) {
            true => Ok(()),
            false => Err(OpenError::NotOurs(self.path.clone())),
        }
    }

    fn version(&self) -> Result<i64, OpenError> {
        self.pragma("PRAGMA user_version")
    }

    fn pragma(&self, sql: &str) -> Result<i64, OpenError> {
        let value = self.raw.query_row(sql, [], |row| row.get(0));
        value.map_err(|error| refusal(&self.path, error))
    }

    fn migrate(&mut self) -> Result<(), OpenError> {
        let found = self.version()?;
        if found > VERSION {
            let path = self.path.clone();
            return Err(OpenError::Newer { path, found });
        }
        let steps = STEPS.iter().zip(1_i64..).filter(|(_, version)| *version > found);
        for (step, version) in steps {
            // In one transaction with its number: a step is done or not.
            let sql = format!(
                "BEGIN IMMEDIATE; {} PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {version}; COMMIT;",
                step.sqlite
            );
            let done = self.raw.execute_batch(&sql);
            done.map_err(|error| refusal(&self.path, error))?;
        }
        Ok(())
    }

    /// The file is still the one that was opened: SQLite would go on writing into one that was deleted.
    pub(crate) fn is_there(&self) -> Result<(), Fault> {
        match identity(&self.path) {
            Ok(file) if file == self.file => Ok(()),
            _ => {
                inspect(&self.path)?;
                let path = &self.path;
                Err(Fault::Away(format!(
                    "the database {path:?} was replaced or deleted while in use"
                )))
            }
        }
    }

    /// For what needs SQLite itself: backups.
    pub(crate) fn raw(&self) -> &rusqlite::Connection {
        &self.raw
    }

    pub(crate) fn begin(&mut self) -> Result<(), Fault> {
        self.is_there()?;
        self.run("BEGIN IMMEDIATE")
    }

    pub(crate) fn run(&mut self, sql: &str) -> Result<(), Fault> {
        self.raw.execute_batch(sql).map_err(|error| self.fault(error))
    }

    pub(crate) fn execute(&mut self, sql: &str, rows: &[Row]) -> Result<(), Fault> {
        let all = || {
            let mut statement = self.raw.prepare_cached(sql)?;
            rows.iter().try_for_each(|row| {
                let mut answers = statement.query(params_from_iter(row))?;
                while answers.next()?.is_some() {}
                Ok(())
            })
        };
        all().map_err(|error| self.fault(error))
    }

    pub(crate) fn query(&mut self, sql: &str, rows: &[Row]) -> Result<Vec<Vec<Row>>, Fault> {
        let all = || {
            let mut statement = self.raw.prepare_cached(sql)?;
            let ask = |row: &Row| {
                let answers = statement.query_map(params_from_iter(row), values)?;
                answers.collect::<rusqlite::Result<Vec<Row>>>()
            };
            rows.iter().map(ask).collect::<rusqlite::Result<Vec<_>>>()
        };
        all().map_err(|error| self.fault(error))
    }

    pub(crate) async fn stream<T>(
        &mut self,
        sql: &str,
        many: usize,
        read: impl Fn(&[Column<'_>]) -> T,
        mut each: impl AsyncFnMut(Vec<T>) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let failed = |error| self.fault(error);
        let mut statement = self.raw.prepare_cached(sql).map_err(failed)?;
        let columns = statement.column_count();
        let mut rows = statement.query([]).map_err(failed)?;
        let mut some = Vec::with_capacity(many);
        while let Some(row) = rows.next().map_err(failed)? {
            let mut seen = [Column::Null; COLUMNS];
            for (at, seen) in seen.iter_mut().enumerate().take(columns) {
                *seen = row.get_ref(at).map_err(failed)?.into();
            }
            some.push(read(&seen[..columns.min(COLUMNS)]));
            if some.len() == many {
                each(std::mem::replace(&mut some, Vec::with_capacity(many))).await?;
            }
        }
        match some.is_empty() {
            true => Ok(()),
            false => each(some).await,
        }
    }

    fn fault(&self, error: rusqlite::Error) -> Fault {
        error::fault(&self.path, error)
    }
}

fn values(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    let columns = row.as_ref().column_count();
    (0..columns)
        .map(|at| Ok(Column::from(row.get_ref(at)?).into()))
        .collect()
}

/// A text that is none reads as nothing.
impl<'a> From<ValueRef<'a>> for Column<'a> {
    fn from(value: ValueRef<'a>) -> Self {
        match value {
            ValueRef::Integer(number) => Self::Int(number),
            ValueRef::Text(text) => std::str::from_utf8(text).map_or(Self::Null, Self::Text),
            ValueRef::Blob(bytes) => Self::Bytes(bytes),
            ValueRef::Real(_) | ValueRef::Null => Self::Null,
        }
    }
}

impl rusqlite::ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        let value = match self {
            Self::Null => ValueRef::Null,
            Self::Int(number) => ValueRef::Integer(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Bytes(bytes) => ValueRef::Blob(bytes),
        };
        Ok(rusqlite::types::ToSqlOutput::Borrowed(value))
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::metadata(path).map(|file| (file.dev(), file.ino()))
}

/// The folder may be behind links, and the file not: what it leads to could be changed while it is used.
fn resolved(path: &Path) -> Result<PathBuf, OpenError> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(OpenError::NoFile(path.to_owned()));
    };
    let folder = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    let folder = fs::canonicalize(folder).map_err(|source| OpenError::Io {
        doing: "look at",
        path: folder.to_owned(),
        source,
    })?;
    Ok(folder.join(name))
}

/// What is there may be used as a database, as far as can be seen from outside. Nothing there is well too.
fn inspect(path: &Path) -> Result<(), OpenError> {
    let file = match fs::symlink_metadata(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => {
            let (doing, path) = ("look at", path.to_owned());
            return Err(OpenError::Io { doing, path, source });
        }
    };
    let (kind, path) = (file.file_type(), path.to_owned());
    let us = nix::unistd::geteuid().as_raw();
    if kind.is_dir() {
        Err(OpenError::Directory(path))
    } else if !kind.is_file() || kind.is_fifo() {
        Err(OpenError::NoFile(path))
    } else if file.uid() != us {
        let owner = file.uid();
        Err(OpenError::Owner { path, owner, us })
    } else {
        Ok(())
    }
}

fn unwritable(path: &Path, source: io::Error) -> OpenError {
    let path = path.to_owned();
    match source.kind() {
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => OpenError::ReadOnly(path),
        io::ErrorKind::StorageFull => OpenError::Full(path),
        _ => OpenError::Io {
            doing: "make the database",
            path,
            source,
        },
    }
}
