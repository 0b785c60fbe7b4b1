//! Copies a log to where nobody can take anything away: an object store, or a directory.
//!
//! Tiles and bundles are written once and never again, which is what a store with a retention lock asks for; one that is there
//! with other bytes is an error, and says that somebody else's history is there. The checkpoint comes last, so that whatever it
//! speaks of is there; it is the one object that is written over, and only by a later one of the same history. What was shipped
//! is told from it: the next time only what is new is copied.
//!
//! What is written once cannot be put right: each file is held to the signed root before, and damage is not shipped.
//!
//! The partial tiles of the checkpoint are copied as well, a few small objects each time: without them nobody could verify
//! the copy. A list of all objects was not asked for: a log of ten million events has 80,000.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, UpdateVersion, path::Path as Key};
use ward_tlog::{
    Checkpoint, Hash, Head, ProveError, TILE_WIDTH, TileId, Tiles, Tree, Verifier, entries_path, leaf_hash,
    tiles_between,
};

use crate::{
    files::{Disk, Files, read_if_there},
    key,
    layout::{BUNDLE, CHECKPOINT, Entries, FORMAT, PUBLIC_KEY, SMALL},
    press::Edge,
    tiles::{Published, ReadError},
};

/// Objects under way at once: as many as hide the way to a store and back; the largest have 4 MiB.
const AT_ONCE: usize = 16;

/// What was shipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shipped {
    /// How many events there were before.
    pub before: u64,
    /// How many there are now.
    pub size: u64,
    /// Objects that were written.
    pub written: u64,
}

/// Why a log was not shipped.
#[derive(Debug, thiserror::Error)]
pub enum ShipError {
    /// It cannot be read here.
    #[error("ship the audit log: read it here")]
    Read(#[from] ReadError),
    /// The store refused.
    #[error("ship the audit log: write {key} there")]
    Store {
        /// Which object.
        key: Key,
        /// What it said.
        source: object_store::Error,
    },
    /// Something here is not what was signed.
    #[error(
        "ship the audit log: {path:?} is not what the checkpoint was signed for: it is damaged, and was not shipped; see \
             `ward audit verify`"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// Somebody else ships there.
    #[error(
        "ship the audit log: {key} there was written by somebody else meanwhile; look who, and ship again"
    )]
    Raced {
        /// The checkpoint.
        key: Key,
    },
    /// Another object is in the place of one.
    #[error(
        "ship the audit log: {key} is there with other bytes: it is the place of another history; nothing was written \
             over. Ship to another place, and find out whose that is"
    )]
    Other {
        /// Which object.
        key: Key,
    },
    /// What is there is not the beginning of this log.
    #[error(
        "ship the audit log: {key} there is of {there}, which is not the beginning of this log of {here} events: this \
             one was rolled back or rewritten, or it is another one"
    )]
    NotOurs {
        /// The checkpoint.
        key: Key,
        /// What it says.
        there: String,
        /// How many there are here.
        here: u64,
    },
}

/// Ships the log in `dir` to `prefix` in a store. `progress` is told how many objects are done, and of how many.
///
/// # Errors
///
/// If it cannot be read here or written there, or something else is there.
pub async fn ship(
    dir: &Path,
    store: &dyn ObjectStore,
    prefix: &Key,
    progress: &mut (dyn FnMut(u64, u64) + Send),
) -> Result<Shipped, ShipError> {
    let files: Arc<dyn Files> = Arc::new(Disk::new(dir));
    let published = Published(&*files);
    let verifier = key::verifier(&*files).map_err(ReadError::from)?;
    let verifier = verifier.ok_or_else(|| ReadError::Missing {
        path: files.path(PUBLIC_KEY),
    })?;
    let (checkpoint, text) = published.checkpoint(&verifier)?;
    let size = checkpoint.head.size;
    let there = There { store, prefix };
    let seen = there.checkpoint().await?;
    let before = there.before(seen.as_ref(), published, &verifier, &checkpoint)?;
    let signed = &Signed::read(published, before, checkpoint.head)?;
    let names: Vec<_> = names(before, size).collect();
    let (total, mut done, mut written) = (names.len() as u64 + 3, 0, 0);
    let mut tell = |new: bool| {
        (done, written) = (done + 1, written + u64::from(new));
        progress(done, total);
    };
    for name in [FORMAT, PUBLIC_KEY] {
        tell(there.put(name, read(&*files, name)?).await?);
    }
    let mut puts = stream::iter(names)
        .map(|name| {
            let bytes = read(&*files, &name).map_err(ShipError::from).and_then(|bytes| {
                let path = files.path(&name);
                signed
                    .has(&name, &bytes)
                    .then_some(bytes)
                    .ok_or(ShipError::Damaged { path })
            });
            async move { there.put(&name, bytes?).await }
        })
        .buffer_unordered(AT_ONCE);
    while let Some(new) = puts.try_next().await? {
        tell(new);
    }
    there.replace_checkpoint(text, seen).await?;
    tell(true);
    Ok(Shipped {
        before,
        size,
        written,
    })
}

/// The files that a log of `size` has and one of `before` had not.
fn names(before: u64, size: u64) -> impl Iterator<Item = String> {
    tiles_between(before, size).flat_map(|tile| {
        let TileId { level, index, width } = tile;
        let bundle = (level == 0).then(|| entries_path(index, width));
        [Some(tile.path()), bundle].into_iter().flatten()
    })
}

/// A file under its own name. One that is partial may have gone meanwhile, for a wider one: its beginning is the same.
fn read(files: &dyn Files, name: &str) -> Result<Bytes, ReadError> {
    if let Some(bytes) = read_if_there(files, name, BUNDLE.max(SMALL) + 1)? {
        return Ok(bytes.into());
    }
    let published = Published(files);
    let narrow = match (TileId::parse(name), ward_tlog::parse_entries_path(name)) {
        (Some(id), _) => {
            let mut bytes = published.tile_file(id)?.bytes;
            bytes.truncate(32 * usize::from(id.width));
            bytes
        }
        (_, Some((index, width))) => {
            let mut bytes = Vec::new();
            for entry in published.entries(index, width)? {
                crate::layout::push_entry(&mut bytes, &entry.bytes);
            }
            bytes
        }
        _ => {
            return Err(ReadError::Missing {
                path: files.path(name),
            });
        }
    };
    Ok(narrow.into())
}

fn unproved(published: Published<'_>, error: ProveError<ReadError>) -> ShipError {
    match error {
        ProveError::Tile { source, .. } => ShipError::Read(source),
        _ => ShipError::Damaged {
            path: published.0.path("tile"),
        },
    }
}

/// What each new tile has to be, for the root that is signed: a hash of it by its name, 1.5 MB for ten million events.
struct Signed(HashMap<String, Hash>);

impl Signed {
    /// From the lowest tiles, if they lead to the head.
    fn read(published: Published<'_>, before: u64, head: Head) -> Result<Self, ShipError> {
        let prove = |error| unproved(published, error);
        let mut tree = Tree::resume(before, &published).map_err(prove)?;
        let mut edge = Edge::read(published.0, before).map_err(prove)?;
        let (mut made, mut signed) = (Vec::new(), HashMap::new());
        for id in tiles_between(before, head.size).filter(|id| id.level == 0) {
            for hash in published.tile(id)?.iter().take(id.width.into()) {
                tree.push(*hash);
                edge.raise(*hash, &mut made);
            }
            signed.extend(made.drain(..).map(|(name, bytes)| (name, leaf_hash(&bytes))));
        }
        signed.extend(
            edge.partial()
                .into_iter()
                .map(|(name, bytes)| (name, leaf_hash(&bytes))),
        );
        match tree.head() == head {
            true => Ok(Self(signed)),
            false => Err(ShipError::Damaged {
                path: published.0.path("tile/0"),
            }),
        }
    }

    /// Whether a tile, or the tile that a bundle makes, is as it has to be.
    fn has(&self, name: &str, bytes: &[u8]) -> bool {
        let Some((index, width)) = ward_tlog::parse_entries_path(name) else {
            return self.0.get(name) == Some(&leaf_hash(bytes));
        };
        let mut entries = Entries { rest: bytes };
        let leaves: Vec<u8> = entries.by_ref().flat_map(|entry| leaf_hash(entry).0).collect();
        let tile = TileId {
            level: 0,
            index,
            width,
        };
        entries.rest.is_empty() && self.0.get(&tile.path()) == Some(&leaf_hash(&leaves))
    }
}

/// The checkpoint that was there, and how the store knows it again.
struct Seen {
    bytes: Bytes,
    version: UpdateVersion,
}

/// The place it is shipped to.
#[derive(Clone, Copy)]
struct There<'a> {
    store: &'a dyn ObjectStore,
    prefix: &'a Key,
}

impl There<'_> {
    fn key(self, name: &str) -> Key {
        name.split('/')
            .fold(self.prefix.clone(), |key, part| key.join(part))
    }

    async fn get(self, name: &str) -> Result<Option<Bytes>, ShipError> {
        let key = self.key(name);
        let got = match self.store.get(&key).await {
            Ok(got) => got.bytes().await,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(error) => Err(error),
        };
        got.map(Some).map_err(|source| ShipError::Store { key, source })
    }

    /// Writes an object if it is not there. `false` if it was.
    async fn put(self, name: &str, bytes: Bytes) -> Result<bool, ShipError> {
        let key = self.key(name);
        let options = PutOptions {
            mode: PutMode::Create,
            ..PutOptions::default()
        };
        match self.store.put_opts(&key, bytes.clone().into(), options).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::AlreadyExists { .. }) => match self.get(name).await? {
                Some(there) if there == bytes => Ok(false),
                _ => Err(ShipError::Other { key }),
            },
            Err(source) => Err(ShipError::Store { key, source }),
        }
    }

    async fn checkpoint(self) -> Result<Option<Seen>, ShipError> {
        let key = self.key(CHECKPOINT);
        let got = match self.store.get(&key).await {
            Ok(got) => got,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(source) => return Err(ShipError::Store { key, source }),
        };
        let version = UpdateVersion {
            e_tag: got.meta.e_tag.clone(),
            version: got.meta.version.clone(),
        };
        match got.bytes().await {
            Ok(bytes) => Ok(Some(Seen { bytes, version })),
            Err(source) => Err(ShipError::Store { key, source }),
        }
    }

    /// Only in the place of the one that was seen, which this one goes on from.
    async fn replace_checkpoint(self, text: String, seen: Option<Seen>) -> Result<(), ShipError> {
        let key = self.key(CHECKPOINT);
        let put = async |mode| {
            let options = PutOptions {
                mode,
                ..PutOptions::default()
            };
            self.store.put_opts(&key, text.clone().into(), options).await
        };
        let (bytes, mode) = match seen {
            Some(seen) => (Some(seen.bytes), PutMode::Update(seen.version)),
            None => (None, PutMode::Create),
        };
        let mut done = put(mode).await;
        // A directory, or a store that has no such thing: then as late as can be.
        if matches!(done, Err(object_store::Error::NotImplemented { .. })) {
            if self.get(CHECKPOINT).await? != bytes {
                return Err(ShipError::Raced { key });
            }
            done = put(PutMode::Overwrite).await;
        }
        match done {
            Ok(_) => Ok(()),
            Err(object_store::Error::Precondition { .. } | object_store::Error::AlreadyExists { .. }) => {
                Err(ShipError::Raced { key })
            }
            Err(source) => Err(ShipError::Store { key, source }),
        }
    }

    /// How much of this log is there.
    fn before(
        self,
        seen: Option<&Seen>,
        published: Published<'_>,
        verifier: &Verifier,
        here: &Checkpoint,
    ) -> Result<u64, ShipError> {
        let Some(seen) = seen else {
            return Ok(0);
        };
        let text = String::from_utf8_lossy(&seen.bytes);
        let not_ours = |there| ShipError::NotOurs {
            key: self.key(CHECKPOINT),
            there,
            here: here.head.size,
        };
        let there =
            Checkpoint::open(&text, verifier).map_err(|error| not_ours(format!("another key ({error})")))?;
        let tree = match there.head.size <= here.head.size {
            true => {
                Some(Tree::resume(there.head.size, &published).map_err(|error| unproved(published, error))?)
            }
            false => None,
        };
        if tree.is_none_or(|tree| tree.head() != there.head) {
            return Err(not_ours(format!(
                "{} events with the root {}",
                there.head.size, there.head.root
            )));
        }
        // Of the last tile there only a part is there.
        Ok(there.head.size / TILE_WIDTH * TILE_WIDTH)
    }
}

#[cfg(test)]
mod tests;
