//! What is on the simulated disk, what of it is durable, and what is left when the power goes.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    sync::Arc,
};

use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::Simulated;
use crate::files::{ROOT, parent};

const PAGE: usize = 4096;

/// What goes wrong, and from which operation on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Every write and sync fails.
    Io,
    /// Only syncs do.
    Sync,
    /// Syncs do, for want of room: the system had taken what it cannot put anywhere.
    SyncFull,
    /// A write does the half of what it should, and says so.
    Short,
}

/// What becomes of what was not synced.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fate {
    /// None of it is there.
    Lost,
    /// All of it is.
    Kept,
    /// Some of it, by this seed.
    Torn(u64),
    /// All of it but the end of the last write: so many bytes are there.
    Cut(usize),
}

/// A step of a run: what was there then, and what the test had noted.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(super) state: State,
    pub(crate) noted: u64,
    pub(crate) last_write: usize,
}

#[derive(Clone, Debug, Default)]
pub(super) struct State {
    pub(super) inodes: Vec<Arc<Inode>>,
    pub(super) live: Names,
    pub(super) durable: Names,
    pub(super) pending: Vec<Change>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    pub(super) files: BTreeMap<String, usize>,
    pub(super) dirs: BTreeSet<String>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Inode {
    pub(super) live: Arc<Vec<u8>>,
    pub(super) durable: Arc<Vec<u8>>,
    pub(super) writes: Vec<(usize, Arc<[u8]>)>,
}

#[derive(Clone, Debug)]
pub(super) enum Change {
    Link(String, usize),
    Rename(String, String, usize),
    Unlink(String),
    MakeDir(String),
    RemoveDir(String),
}

impl Names {
    pub(super) fn apply(&mut self, change: &Change) {
        match change {
            Change::Link(name, inode) => drop(self.files.insert(name.clone(), *inode)),
            Change::Unlink(name) => drop(self.files.remove(name)),
            Change::MakeDir(name) => drop(self.dirs.insert(name.clone())),
            Change::RemoveDir(name) => drop(self.dirs.remove(name)),
            Change::Rename(from, to, inode) => {
                self.files.remove(from);
                self.files.insert(to.clone(), *inode);
            }
        }
    }
}

impl Change {
    pub(super) fn is_in(&self, dir: &str) -> bool {
        match self {
            Self::Link(name, _) | Self::Unlink(name) | Self::MakeDir(name) | Self::RemoveDir(name) => {
                parent(name) == dir
            }
            Self::Rename(from, to, _) => parent(from) == dir || parent(to) == dir,
        }
    }
}

impl Inode {
    fn after(&self, fate: Fate, chance: &mut StdRng, is_last: bool) -> Arc<Vec<u8>> {
        if self.writes.is_empty() {
            return self.durable.clone();
        }
        let mut bytes = self.durable.to_vec();
        let count = self.writes.len();
        for (n, (offset, written)) in self.writes.iter().enumerate() {
            let written = match fate {
                Fate::Cut(length) if is_last && n + 1 == count => &written[..length.min(written.len())],
                _ => written,
            };
            for (page, part) in written.chunks(PAGE).enumerate() {
                let there = match fate {
                    Fate::Lost => false,
                    Fate::Kept | Fate::Cut(_) => true,
                    Fate::Torn(_) => chance.random(),
                };
                let part = match fate {
                    Fate::Torn(_) if chance.random_ratio(1, 8) => {
                        &part[..chance.random_range(0..=part.len())]
                    }
                    _ => part,
                };
                if there {
                    put(&mut bytes, offset + page * PAGE, part);
                }
            }
        }
        Arc::new(bytes)
    }
}

pub(super) fn put(bytes: &mut Vec<u8>, offset: usize, part: &[u8]) {
    if bytes.len() < offset + part.len() {
        bytes.resize(offset + part.len(), 0);
    }
    bytes[offset..offset + part.len()].copy_from_slice(part);
}

impl Step {
    /// What is there after the power went at this step.
    pub(crate) fn crash(&self, fate: Fate) -> Simulated {
        let seed = if let Fate::Torn(seed) = fate { seed } else { 0 };
        let mut chance = StdRng::seed_from_u64(seed);
        let mut names = self.state.durable.clone();
        for change in &self.state.pending {
            let happened = match fate {
                Fate::Lost => false,
                Fate::Kept | Fate::Cut(_) => true,
                Fate::Torn(_) => chance.random(),
            };
            if happened {
                names.apply(change);
            }
        }
        // What is in a directory that is not there is not there.
        let dirs = names.dirs.clone();
        let in_place = |name: &String| {
            std::iter::successors(Some(parent(name)), |dir| Some(parent(dir)))
                .take_while(|dir| *dir != ROOT)
                .all(|dir| dirs.contains(dir))
        };
        names.files.retain(|name, _| in_place(name));
        names.dirs.retain(|name| in_place(name));
        let last = self
            .state
            .inodes
            .iter()
            .rposition(|inode| !inode.writes.is_empty());
        let inodes = self.state.inodes.iter().enumerate().map(|(n, inode)| {
            let bytes = inode.after(fate, &mut chance, Some(n) == last);
            Arc::new(Inode {
                live: bytes.clone(),
                durable: bytes,
                writes: Vec::new(),
            })
        });
        let state = State {
            inodes: inodes.collect(),
            live: names.clone(),
            durable: names,
            pending: Vec::new(),
        };
        Simulated::with(state)
    }
}

/// EIO, which has no kind of its own.
pub(super) fn broken() -> io::Error {
    io::Error::from_raw_os_error(5)
}
