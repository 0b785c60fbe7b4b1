//! Files as the system has them.

use std::{
    fmt,
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Read},
    os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

#[cfg(target_os = "linux")]
use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};

use super::{Files, Handle, ROOT};

/// The lock of a log. The data directory around it has one as well; a log may be opened without one.
const LOCK: &str = "lock";

/// A directory of the file system.
#[derive(Debug)]
pub(crate) struct Disk {
    root: PathBuf,
}

impl Disk {
    /// The directory at `root`, which need not be there yet.
    pub(crate) fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    fn to_write(&self, name: &str, truncate: bool) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(truncate).mode(0o600);
        options.open(self.path(name))
    }
}

/// Makes durable that a directory is there.
fn sync_parent(dir: &Path) -> io::Result<()> {
    match dir.parent() {
        Some(parent) if parent.as_os_str().is_empty() => File::open(".")?.sync_all(),
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}

impl Files for Disk {
    fn read(&self, name: &str, limit: u64) -> io::Result<Vec<u8>> {
        let mut file = File::open(self.path(name))?;
        let length = file.metadata()?.len();
        let mut bytes = Vec::with_capacity(usize::try_from(length.min(limit)).unwrap_or(0));
        // Without the limit the buffer is not filled with zeros first.
        match length <= limit {
            true => file.read_to_end(&mut bytes)?,
            false => file.take(limit).read_to_end(&mut bytes)?,
        };
        Ok(bytes)
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn Handle>> {
        Ok(Box::new(self.to_write(name, true)?))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path(from), self.path(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path(name))
    }

    fn remove_dir(&self, name: &str) -> io::Result<()> {
        fs::remove_dir(self.path(name))
    }

    fn create_dir(&self, name: &str) -> io::Result<bool> {
        // The log's own directory may be missing with those it is in.
        let missing = |dir: &&Path| name == ROOT && !dir.as_os_str().is_empty() && !dir.exists();
        let made: Vec<_> = self.root.ancestors().take_while(missing).collect();
        let mut builder = DirBuilder::new();
        builder.mode(0o700).recursive(!made.is_empty());
        match builder.create(self.path(name)) {
            Ok(()) => made.into_iter().try_for_each(sync_parent).map(|()| true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn flush_dir(&self, name: &str) -> io::Result<()> {
        File::open(self.path(name))?.sync_all()
    }

    fn list(&self, name: &str) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(self.path(name)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        // A name that is no text is none of ours.
        entries
            .filter_map(|entry| {
                entry
                    .map(|entry| entry.file_name().into_string().ok())
                    .transpose()
            })
            .collect()
    }

    fn lock(&self) -> io::Result<Option<Box<dyn fmt::Debug + Send>>> {
        let file = self.to_write(LOCK, false)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Box::new(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        match name {
            ROOT => self.root.clone(),
            name => self.root.join(name),
        }
    }
}

impl Handle for File {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        FileExt::write_at(self, bytes, offset)
    }

    /// Linux begins to write what is dirty when it hears that nobody will read it soon; other systems take it as advice.
    #[cfg(target_os = "linux")]
    fn begin_flush(&self) {
        posix_fadvise(self, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED).ok();
    }

    /// Without what no reader needs, such as the time of the change; a new length is synced.
    fn flush(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}
