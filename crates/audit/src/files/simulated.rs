//! A file system that fails when it is told to, and that loses what it may lose when the power goes.
//!
//! What was written and not synced may be there or not, page by page, and the last write cut at any byte. What a directory was
//! not synced about may have happened or not, each thing for itself; a rename happens whole. After each operation the state can
//! be kept, so that one run yields a crash at every one of its steps.

mod state;

use std::{fmt, io, path::PathBuf, sync::Arc};

use parking_lot::Mutex;

use super::{Files, Handle, ROOT, parent};
use state::{Change, Inode, State, broken, put};
pub(crate) use state::{Fate, Fault, Step};

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Simulated(Arc<Mutex<Whole>>);

#[derive(Debug)]
struct Whole {
    state: State,
    fault: Option<Fault>,
    /// Bytes that can still be written beyond what is there.
    room: Option<u64>,
    read_only: bool,
    locked: bool,
    steps: Option<Vec<Step>>,
    noted: u64,
    last_write: usize,
    ops: u64,
}

impl Simulated {
    pub(crate) fn new() -> Self {
        Self::with(State::default())
    }

    fn with(state: State) -> Self {
        Self(Arc::new(Mutex::new(Whole {
            state,
            fault: None,
            room: None,
            read_only: false,
            locked: false,
            steps: None,
            noted: 0,
            last_write: 0,
            ops: 0,
        })))
    }

    pub(crate) fn files(&self) -> Arc<dyn Files> {
        Arc::new(self.clone())
    }

    /// Keeps every step from here on.
    pub(crate) fn keep_steps(&self) {
        self.0.lock().steps = Some(Vec::new());
    }

    pub(crate) fn take_steps(&self) -> Vec<Step> {
        self.0.lock().steps.take().unwrap_or_default()
    }

    /// What the test knows by now, for the steps that follow.
    pub(crate) fn note(&self, noted: u64) {
        self.0.lock().noted = noted;
    }

    /// This moment, as if the power went now.
    pub(crate) fn now(&self) -> Step {
        let whole = self.0.lock();
        Step {
            state: whole.state.clone(),
            noted: whole.noted,
            last_write: whole.last_write,
        }
    }

    pub(crate) fn fail(&self, fault: Option<Fault>) {
        self.0.lock().fault = fault;
    }

    /// Whatever is asked of it waits until what is returned is dropped.
    pub(crate) fn hang(&self) -> impl Sized + '_ {
        self.0.lock()
    }

    pub(crate) fn room(&self, room: Option<u64>) {
        self.0.lock().room = room;
    }

    pub(crate) fn read_only(&self, read_only: bool) {
        self.0.lock().read_only = read_only;
    }

    /// How much was asked of it.
    pub(crate) fn ops(&self) -> u64 {
        self.0.lock().ops
    }

    /// All files, with what is in them.
    pub(crate) fn all(&self) -> Vec<(String, Vec<u8>)> {
        let whole = self.0.lock();
        let files = whole.state.live.files.iter();
        files
            .map(|(name, inode)| (name.clone(), whole.state.inodes[*inode].live.to_vec()))
            .collect()
    }

    /// Changes a file behind everybody's back; `None` removes it.
    pub(crate) fn tamper(&self, name: &str, bytes: Option<Vec<u8>>) {
        let mut whole = self.0.lock();
        let state = &mut whole.state;
        match (state.live.files.get(name).copied(), bytes) {
            (Some(inode), Some(bytes)) => {
                let bytes = Arc::new(bytes);
                state.inodes[inode] = Arc::new(Inode {
                    live: bytes.clone(),
                    durable: bytes,
                    writes: Vec::new(),
                });
            }
            (None, Some(bytes)) => {
                let bytes = Arc::new(bytes);
                state.inodes.push(Arc::new(Inode {
                    live: bytes.clone(),
                    durable: bytes,
                    writes: Vec::new(),
                }));
                let inode = state.inodes.len() - 1;
                state.live.files.insert(name.to_owned(), inode);
                state.durable.files.insert(name.to_owned(), inode);
                for dir in std::iter::successors(Some(parent(name)), |dir| Some(parent(dir))) {
                    if dir == ROOT {
                        break;
                    }
                    state.live.dirs.insert(dir.to_owned());
                    state.durable.dirs.insert(dir.to_owned());
                }
            }
            (_, None) => {
                state.live.files.remove(name);
                state.durable.files.remove(name);
            }
        }
    }

    /// Turns one bit of a file over.
    pub(crate) fn flip(&self, name: &str, bit: usize) {
        let mut whole = self.0.lock();
        let inode = whole.find(name).unwrap();
        let inode = Arc::make_mut(&mut whole.state.inodes[inode]);
        inode.durable = Arc::default();
        Arc::make_mut(&mut inode.live)[bit / 8] ^= 1 << (bit % 8);
    }

    /// Another one with the same files.
    pub(crate) fn copy(&self) -> Self {
        self.now().crash(Fate::Kept)
    }
}

impl Whole {
    fn change(&mut self, change: Change) {
        self.state.live.apply(&change);
        self.state.pending.push(change);
    }

    /// An operation that changes something begins.
    fn begin(&mut self) -> io::Result<()> {
        self.ops += 1;
        if self.read_only {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        match self.fault {
            Some(Fault::Io) => Err(broken()),
            _ => Ok(()),
        }
    }

    fn begin_sync(&self) -> io::Result<()> {
        match self.fault {
            Some(Fault::Sync) => Err(broken()),
            Some(Fault::SyncFull) => Err(io::ErrorKind::StorageFull.into()),
            _ => Ok(()),
        }
    }

    /// And has ended.
    fn end(&mut self) {
        let (noted, last_write) = (self.noted, self.last_write);
        if let Some(steps) = &mut self.steps {
            steps.push(Step {
                state: self.state.clone(),
                noted,
                last_write,
            });
        }
    }

    fn find(&self, name: &str) -> io::Result<usize> {
        self.state
            .live
            .files
            .get(name)
            .copied()
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn dir_of(&self, name: &str) -> io::Result<()> {
        match parent(name) {
            ROOT => Ok(()),
            dir if self.state.live.dirs.contains(dir) => Ok(()),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

impl Files for Simulated {
    fn read(&self, name: &str, limit: u64) -> io::Result<Vec<u8>> {
        let whole = self.0.lock();
        let bytes = &whole.state.inodes[whole.find(name)?].live;
        Ok(bytes[..bytes.len().min(limit as usize)].to_vec())
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn Handle>> {
        let mut whole = self.0.lock();
        whole.begin()?;
        whole.dir_of(name)?;
        whole.state.inodes.push(Arc::default());
        let inode = whole.state.inodes.len() - 1;
        whole.change(Change::Link(name.to_owned(), inode));
        whole.end();
        Ok(Box::new(Open {
            files: self.clone(),
            inode,
        }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut whole = self.0.lock();
        whole.begin()?;
        let inode = whole.find(from)?;
        whole.dir_of(to)?;
        whole.change(Change::Rename(from.to_owned(), to.to_owned(), inode));
        whole.end();
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut whole = self.0.lock();
        whole.begin()?;
        let inode = whole.find(name)?;
        let freed = whole.state.inodes[inode].live.len() as u64;
        if let Some(room) = &mut whole.room {
            *room += freed;
        }
        whole.change(Change::Unlink(name.to_owned()));
        whole.end();
        Ok(())
    }

    fn remove_dir(&self, name: &str) -> io::Result<()> {
        let mut whole = self.0.lock();
        whole.begin()?;
        let names = &whole.state.live;
        if names
            .files
            .keys()
            .chain(&names.dirs)
            .any(|there| parent(there) == name)
        {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        whole.change(Change::RemoveDir(name.to_owned()));
        whole.end();
        Ok(())
    }

    fn create_dir(&self, name: &str) -> io::Result<bool> {
        let mut whole = self.0.lock();
        if name == ROOT || whole.state.live.dirs.contains(name) {
            return Ok(false);
        }
        whole.begin()?;
        whole.dir_of(name)?;
        whole.change(Change::MakeDir(name.to_owned()));
        whole.end();
        Ok(true)
    }

    fn flush_dir(&self, name: &str) -> io::Result<()> {
        let mut whole = self.0.lock();
        whole.begin()?;
        whole.begin_sync()?;
        if name != ROOT && !whole.state.live.dirs.contains(name) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let State { durable, pending, .. } = &mut whole.state;
        pending.retain(|change| {
            let synced = change.is_in(name);
            if synced {
                durable.apply(change);
            }
            !synced
        });
        whole.end();
        Ok(())
    }

    fn list(&self, name: &str) -> io::Result<Vec<String>> {
        let whole = self.0.lock();
        let names = &whole.state.live;
        let all = names
            .files
            .keys()
            .chain(&names.dirs)
            .filter(|there| parent(there) == name);
        Ok(all
            .filter_map(|there| there.rsplit('/').next())
            .map(str::to_owned)
            .collect())
    }

    fn lock(&self) -> io::Result<Option<Box<dyn fmt::Debug + Send>>> {
        let mut whole = self.0.lock();
        if whole.locked {
            return Ok(None);
        }
        whole.locked = true;
        Ok(Some(Box::new(Locked(self.clone()))))
    }

    fn path(&self, name: &str) -> PathBuf {
        PathBuf::from("/log").join(name)
    }
}

#[derive(Debug)]
struct Locked(Simulated);

impl Drop for Locked {
    fn drop(&mut self) {
        self.0.0.lock().locked = false;
    }
}

struct Open {
    files: Simulated,
    inode: usize,
}

impl fmt::Debug for Open {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Open({})", self.inode)
    }
}

impl Handle for Open {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        let mut whole = self.files.0.lock();
        whole.begin()?;
        let bytes = match whole.fault {
            Some(Fault::Short) => &bytes[..bytes.len().div_ceil(2)],
            _ => bytes,
        };
        let offset = offset as usize;
        let grows = (offset + bytes.len()).saturating_sub(whole.state.inodes[self.inode].live.len()) as u64;
        if let Some(room) = &mut whole.room {
            if grows > *room {
                return Err(io::ErrorKind::StorageFull.into());
            }
            *room -= grows;
        }
        let inode = Arc::make_mut(&mut whole.state.inodes[self.inode]);
        put(Arc::make_mut(&mut inode.live), offset, bytes);
        inode.writes.push((offset, bytes.into()));
        whole.last_write = bytes.len();
        whole.end();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let mut whole = self.files.0.lock();
        whole.begin()?;
        whole.begin_sync()?;
        let inode = Arc::make_mut(&mut whole.state.inodes[self.inode]);
        inode.durable = inode.live.clone();
        inode.writes.clear();
        whole.end();
        Ok(())
    }
}
