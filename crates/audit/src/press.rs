//! Writes tiles, bundles and the checkpoint: what the tail holds becomes what others can verify.
//!
//! It runs beside the writer and touches none of its files, so that it costs an append nothing but the disk's time. Order is
//! all there is to it: files first, then the directories they are in, then the checkpoint that speaks of them. Whatever a crash
//! leaves of that, the checkpoint that is there holds, and what is beyond it is still in the tail.
//!
//! A checkpoint at every full tile was not made: at full speed that is one every 200 microseconds.

use std::{collections::HashSet, io, sync::Arc};

use ward_tlog::{
    Checkpoint, Hash, Head, ProveError, Signer, TILE_WIDTH, TileId, Tiles, Tree, Verifier, entries_path,
};

use crate::{
    files::{FileError, Files, Handle, ROOT, TMP, parent},
    layout::{CHECKPOINT, Entry, push_entry},
    tiles::{Published, ReadError},
};

/// Entries whose files are written, synced and named together. Their handles are open meanwhile: 16 bundles, 16 tiles.
const TOGETHER: usize = 16 * TILE_WIDTH as usize;
const WIDTH: usize = TILE_WIDTH as usize;

/// The published part of a log, and how it grows.
#[derive(Debug)]
pub(crate) struct Press {
    files: Arc<dyn Files>,
    signer: Signer,
    head: Head,
    edge: Edge,
    /// Partial files of the head.
    partial: Vec<String>,
    /// Directories that are durable themselves.
    known: HashSet<String>,
}

/// What is not in full tiles yet.
#[derive(Clone, Debug, Default)]
pub(crate) struct Edge {
    size: u64,
    /// At most 255.
    entries: Vec<Entry>,
    /// For each level at most 255 hashes.
    hashes: Vec<Vec<Hash>>,
}

/// A file with a name to come.
struct Written {
    name: String,
    handle: Box<dyn Handle>,
}

impl Press {
    /// Goes on from what is published.
    pub(crate) fn resume(
        files: Arc<dyn Files>,
        signer: Signer,
        head: Head,
    ) -> Result<Self, ProveError<ReadError>> {
        let edge = Edge::read(&*files, head.size)?;
        let partial = edge.partial().into_iter().map(|(name, _)| name).collect();
        Ok(Self {
            files,
            signer,
            head,
            edge,
            partial,
            known: HashSet::new(),
        })
    }

    /// Who verifies what it signs.
    pub(crate) fn verifier(&self) -> &Verifier {
        self.signer.verifier()
    }

    /// What is published.
    pub(crate) fn head(&self) -> Head {
        self.head
    }

    /// Entries of the published part that are in no full bundle.
    pub(crate) fn entries(&self) -> &[Entry] {
        &self.edge.entries
    }

    /// The first of those that is not the one its tile has the hash of.
    pub(crate) fn disagreement(&self) -> Option<u64> {
        let hashes = self.edge.hashes.first().map_or(&[][..], Vec::as_slice);
        let at = self
            .edge
            .entries
            .iter()
            .zip(hashes)
            .position(|(entry, hash)| entry.leaf != *hash);
        at.map(|at| self.edge.size / TILE_WIDTH * TILE_WIDTH + at as u64)
    }

    /// Publishes `fresh` entries, which are durable, behind those that are: `head` is the log's with them. When it fails
    /// nothing is lost, and the same can be asked again.
    pub(crate) fn publish(&mut self, fresh: &[Entry], head: Head) -> Result<String, FileError> {
        let mut edge = self.edge.clone();
        for entries in fresh.chunks(TOGETHER) {
            let full = edge.push(entries);
            self.write(&full)?;
        }
        debug_assert_eq!(edge.size, head.size, "the entries lead to the head");
        let partial = edge.partial();
        self.write(&partial)?;
        let text = self.sign(head)?;
        self.head = head;
        self.edge = edge;
        self.tidy(partial.into_iter().map(|(name, _)| name).collect());
        Ok(text)
    }

    /// Signs a head, and puts it in the place of the checkpoint before.
    pub(crate) fn sign(&self, head: Head) -> Result<String, FileError> {
        let checkpoint = Checkpoint {
            origin: self.signer.name().to_owned(),
            head,
        };
        let text = checkpoint
            .sign(&self.signer)
            .expect("a log of possible size, under its own name");
        self.files.replace(CHECKPOINT, text.as_bytes())?;
        Ok(text)
    }

    /// Writes files. What is left of those that cannot be would keep room that somebody else needs.
    fn write(&mut self, files: &[(String, Vec<u8>)]) -> Result<(), FileError> {
        let written = self.together(files);
        if written.is_err() {
            (0..files.len()).for_each(|n| drop(self.files.remove(&temporary(n))));
        }
        written
    }

    /// All of them are written before the first is waited for: they go to the disk together, and what the file system
    /// notes of them, with one commit of its journal and not with one each.
    fn together(&mut self, files: &[(String, Vec<u8>)]) -> Result<(), FileError> {
        let mut dirs = HashSet::new();
        let mut written = Vec::with_capacity(files.len());
        for (n, (name, bytes)) in files.iter().enumerate() {
            self.in_place(parent(name), &mut dirs)?;
            written.push(self.begin(n, name, bytes)?);
        }
        written.iter().for_each(|file| file.handle.begin_flush());
        for Written { name, handle } in &mut written {
            self.step("sync", name, handle.sync())?;
        }
        for (n, Written { name, .. }) in written.iter().enumerate() {
            self.step("rename", name, self.files.rename(&temporary(n), name))?;
            dirs.insert(parent(name).to_owned());
        }
        for dir in dirs {
            self.step("sync", &dir, self.files.sync_dir(&dir))?;
            self.known.insert(dir);
        }
        Ok(())
    }

    fn begin(&self, n: usize, name: &str, bytes: &[u8]) -> Result<Written, FileError> {
        let write = || -> io::Result<Box<dyn Handle>> {
            let mut handle = self.files.create(&temporary(n))?;
            handle.write_all_at(0, bytes)?;
            Ok(handle)
        };
        let handle = self.step("write", name, write())?;
        Ok(Written {
            name: name.to_owned(),
            handle,
        })
    }

    /// Makes a directory with those it is in. Those that this life has not synced yet are to be synced with their parents,
    /// also where they exist: a life that was killed may have made them.
    fn in_place(&self, dir: &str, dirs: &mut HashSet<String>) -> Result<(), FileError> {
        if dir == ROOT || self.known.contains(dir) || dirs.contains(dir) {
            return Ok(());
        }
        self.in_place(parent(dir), dirs)?;
        self.step("make", dir, self.files.create_dir(dir))?;
        dirs.insert(parent(dir).to_owned());
        dirs.insert(dir.to_owned());
        Ok(())
    }

    /// Partial files of what is full now. Until then narrower ones stay beside wider: whoever has an older checkpoint still asks
    /// for them (C2SP tlog-tiles). At most 255 of each level. Nobody needs them to be gone.
    fn tidy(&mut self, now: Vec<String>) {
        let before = std::mem::replace(&mut self.partial, now);
        for dir in before.iter().map(|name| parent(name)) {
            if self.partial.iter().any(|name| parent(name) == dir) {
                continue;
            }
            for name in self.files.list(dir).unwrap_or_default() {
                drop(self.files.remove(&format!("{dir}/{name}")));
            }
            self.known.remove(dir);
            drop(self.files.remove_dir(dir));
        }
    }

    fn step<T>(&self, doing: &'static str, name: &str, result: io::Result<T>) -> Result<T, FileError> {
        result.map_err(|source| FileError {
            doing,
            path: self.files.path(name),
            source,
        })
    }
}

fn temporary(n: usize) -> String {
    format!("{TMP}/{n}")
}

impl Edge {
    /// Of a log of that size, from its tiles.
    pub(crate) fn read(files: &dyn Files, size: u64) -> Result<Self, ProveError<ReadError>> {
        let published = Published(files);
        let mut edge = Self {
            size,
            ..Self::default()
        };
        let wrong = |id| move |source| ProveError::Tile { id, source };
        for level in 0.. {
            let here = size >> (8 * u32::from(level));
            if here == 0 || level == 8 {
                break;
            }
            let mut hashes = Vec::new();
            if let Some(id) = TileId::of(size, level, here / TILE_WIDTH) {
                let tile = published.tile(id).map_err(wrong(id))?;
                hashes = tile[..id.width.into()].to_vec();
                if level == 0 {
                    edge.entries = published.entries(id.index, id.width).map_err(wrong(id))?;
                }
            }
            edge.hashes.push(hashes);
        }
        Ok(edge)
    }

    /// Takes entries up; gives the files that are full with them.
    fn push(&mut self, entries: &[Entry]) -> Vec<(String, Vec<u8>)> {
        let mut full = Vec::new();
        for entry in entries {
            let bundle = self.size / TILE_WIDTH;
            self.entries.push(entry.clone());
            if self.entries.len() == WIDTH {
                full.push((entries_path(bundle, WIDTH as u16), bundle_of(&self.entries)));
                self.entries.clear();
            }
            self.raise(entry.leaf, &mut full);
        }
        full
    }

    /// Adds a hash to the lowest level, and the root of what is full to the one above.
    pub(crate) fn raise(&mut self, leaf: Hash, full: &mut Vec<(String, Vec<u8>)>) {
        self.size += 1;
        let mut hash = leaf;
        for level in 0.. {
            if self.hashes.len() == level {
                self.hashes.push(Vec::with_capacity(WIDTH));
            }
            let hashes = &mut self.hashes[level];
            hashes.push(hash);
            if hashes.len() < WIDTH {
                break;
            }
            let index = (self.size >> (8 * (level + 1))) - 1;
            let id = TileId {
                level: level as u8,
                index,
                width: WIDTH as u16,
            };
            full.push((id.path(), tile_of(hashes)));
            hash = root(hashes);
            hashes.clear();
        }
    }

    /// The files of what is not full.
    pub(crate) fn partial(&self) -> Vec<(String, Vec<u8>)> {
        let mut partial = Vec::new();
        if !self.entries.is_empty() {
            let path = entries_path(self.size / TILE_WIDTH, self.entries.len() as u16);
            partial.push((path, bundle_of(&self.entries)));
        }
        for (level, hashes) in self
            .hashes
            .iter()
            .enumerate()
            .filter(|(_, hashes)| !hashes.is_empty())
        {
            let index = self.size >> (8 * (level + 1));
            let id = TileId {
                level: level as u8,
                index,
                width: hashes.len() as u16,
            };
            partial.push((id.path(), tile_of(hashes)));
        }
        partial
    }
}

fn tile_of(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}

fn bundle_of(entries: &[Entry]) -> Vec<u8> {
    let mut out = Vec::with_capacity(entries.iter().map(|entry| entry.bytes.len() + 2).sum());
    for entry in entries {
        push_entry(&mut out, &entry.bytes);
    }
    out
}

/// The root over a full tile.
fn root(hashes: &[Hash]) -> Hash {
    let mut tree = Tree::new();
    hashes.iter().for_each(|hash| tree.push(*hash));
    tree.root()
}
