//! Opening a log: what is published, what the tail has beyond that, and whether the two can be true together.
//!
//! A few tiles and the tail are read, whatever the size of the log. The rule for the tail is by index and not by place:
//! batches that are whole and go on from what is published are the log; a last one that is not whole was never acknowledged
//! and is cut; but if a batch is whole and one before it is not, something that was acknowledged is damaged, and nothing is
//! opened. Whatever is refused is left as it is: it is evidence, and what is in it may be all there is.

use std::sync::Arc;

use ward_model::Wall;
use ward_tlog::{Hash, Head, Signer, TILE_WIDTH, TileId, Tiles, Tree, entries_path};

use crate::{
    event::Prefix,
    files::{FileError, Files, ROOT, TMP, parent, read_if_there},
    key::{self, KeyFault},
    layout::{CHECKPOINT, Entry, FORMAT, FORMAT_TEXT, KEY, PUBLIC_KEY, SMALL, TAILS},
    open_error::OpenError,
    press::Press,
    tail::{self, Batch, TAIL},
    tiles::Published,
};

/// What is cut is kept in files that begin so.
const TORN: &str = "torn-";
/// Most of them: who looks at one looks at the newest. Each has at most the length of a tail.
const KEPT: usize = 16;

/// A log that can be gone on with.
#[derive(Debug)]
pub(crate) struct Recovered {
    pub(crate) press: Press,
    pub(crate) tree: Tree,
    /// The hash of the last entry.
    pub(crate) last: Hash,
    pub(crate) checkpoint: String,
    pub(crate) opened: Opened,
}

/// What was found when a log was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Whether it was made just now.
    pub created: bool,
    /// How many events were in it.
    pub size: u64,
    /// How many of them were in the tail only: not zero after a crash.
    pub from_tail: u64,
    /// The end of the tail was torn.
    pub torn: Option<Torn>,
}

/// The remains of what was being written when the process, or the machine, ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Torn {
    /// Bytes.
    pub bytes: u64,
    /// Where they are kept.
    pub kept: String,
}

/// Opens the log, or makes it. The lock is the caller's.
pub(crate) fn recover(files: &Arc<dyn Files>, now: Wall) -> Result<Recovered, OpenError> {
    let created = prepare(&**files)?;
    let signer = signer(&**files)?;
    let published = Published(&**files);
    if created {
        begin(files, &signer)?;
    }
    // A life that was killed may have left it without: what it says is relied on from here on.
    sync_root(&**files)?;
    let (checkpoint, text) = published
        .checkpoint(signer.verifier())
        .map_err(OpenError::published)?;
    let head = checkpoint.head;
    let mut tree = trusted(published, head)?;
    let mut press = Press::resume(files.clone(), signer, head).map_err(OpenError::prove)?;
    let mut last = last_leaf(published, &press, head.size)?;
    agree(&**files, &press, head.size)?;
    let beyond = beyond(&**files, &press, &mut tree, &mut last)?;
    not_rolled_back(published, tree.size())?;
    let torn = keep(&**files, &beyond.torn, now)?;
    let checkpoint = match beyond.entries.is_empty() {
        true => text,
        false => press
            .publish(&beyond.entries, tree.head())
            .map_err(OpenError::file)?,
    };
    sweep(&**files, tree.size());
    let opened = Opened {
        created,
        size: tree.size(),
        from_tail: beyond.entries.len() as u64,
        torn,
    };
    Ok(Recovered {
        press,
        tree,
        last,
        checkpoint,
        opened,
    })
}

/// Makes the directory; `true` if there is no log in it yet, or one that was not finished being made.
fn prepare(files: &dyn Files) -> Result<bool, OpenError> {
    let step = |doing, path: &str| {
        let path = files.path(path);
        move |source| OpenError::file(FileError { doing, path, source })
    };
    files.create_dir(TMP).map_err(step("make", TMP))?;
    for name in files.list(TMP).map_err(step("list", TMP))? {
        files
            .remove(&format!("{TMP}/{name}"))
            .map_err(step("empty", TMP))?;
    }
    let there = files.list(ROOT).map_err(step("list", ROOT))?;
    match read_if_there(files, FORMAT, SMALL).map_err(OpenError::file)? {
        Some(text) if text == FORMAT_TEXT.as_bytes() => Ok(false),
        Some(text) => Err(OpenError::Format {
            path: files.path(FORMAT),
            found: String::from_utf8_lossy(&text)
                .trim_end()
                .chars()
                .take(64)
                .collect(),
        }),
        None if there
            .iter()
            .any(|name| name == "tile" || TAILS.contains(&name.as_str())) =>
        {
            Err(OpenError::damaged(files, FORMAT, None, "is missing"))
        }
        None => has_begun(files).map(|begun| !begun),
    }
}

/// Of a log that was not finished being made there is a checkpoint of nothing at most. One of events, or one that cannot be
/// read, is all that is left of another log.
fn has_begun(files: &dyn Files) -> Result<bool, OpenError> {
    let Some(text) = read_if_there(files, CHECKPOINT, SMALL).map_err(OpenError::file)? else {
        return Ok(false);
    };
    let text = String::from_utf8_lossy(&text);
    match ward_tlog::Checkpoint::parse_unverified(&text) {
        Ok(checkpoint) if checkpoint.head.size == 0 => Ok(false),
        _ => {
            let what = "speaks of events, and nothing else is left of them";
            Err(OpenError::damaged(files, CHECKPOINT, None, what))
        }
    }
}

fn signer(files: &dyn Files) -> Result<Signer, OpenError> {
    let fault = |name, fault| match fault {
        KeyFault::File(error) => OpenError::file(error),
        fault => OpenError::damaged(files, name, None, &fault.to_string()),
    };
    let signer = key::load_or_make(files).map_err(|error| fault(KEY, error))?;
    key::publish(files, &signer).map_err(|error| fault(PUBLIC_KEY, error))?;
    Ok(signer)
}

/// An empty log. What says that it is one comes last.
fn begin(files: &Arc<dyn Files>, signer: &Signer) -> Result<(), OpenError> {
    let checkpoint = ward_tlog::Checkpoint {
        origin: signer.name().to_owned(),
        head: Head::EMPTY,
    };
    let text = checkpoint.sign(signer).expect("an empty log under its own name");
    files
        .replace(CHECKPOINT, text.as_bytes())
        .map_err(OpenError::file)?;
    files
        .replace(FORMAT, FORMAT_TEXT.as_bytes())
        .map_err(OpenError::file)
}

fn sync_root(files: &dyn Files) -> Result<(), OpenError> {
    let synced = files.sync_dir(ROOT);
    synced.map_err(|source| {
        OpenError::file(FileError {
            doing: "sync",
            path: files.path(ROOT),
            source,
        })
    })
}

/// The tree of the checkpoint, from the tiles at its right edge.
fn trusted(published: Published<'_>, head: Head) -> Result<Tree, OpenError> {
    let tree = Tree::resume(head.size, &published).map_err(OpenError::prove)?;
    if tree.head() != head {
        let what = format!(
            "is signed for {} events that the tiles do not have: they have others",
            head.size
        );
        return Err(OpenError::damaged(published.0, CHECKPOINT, None, &what));
    }
    Ok(tree)
}

/// The hash that the next entry names as the one before.
fn last_leaf(published: Published<'_>, press: &Press, size: u64) -> Result<Hash, OpenError> {
    if let Some(entry) = press.entries().last() {
        return Ok(entry.leaf);
    }
    let Some(before) = (size / TILE_WIDTH).checked_sub(1) else {
        return Ok(Hash([0; 32]));
    };
    let id = TileId {
        level: 0,
        index: before,
        width: TILE_WIDTH as u16,
    };
    let tile = published.tile(id).map_err(OpenError::published)?;
    Ok(tile[TILE_WIDTH as usize - 1])
}

/// The entries of the partial bundle are those of its tile.
fn agree(files: &dyn Files, press: &Press, size: u64) -> Result<(), OpenError> {
    match press.disagreement() {
        None => Ok(()),
        Some(at) => {
            let name = entries_path(size / TILE_WIDTH, press.entries().len() as u16);
            let what = format!("has another event {at} than its tile");
            Err(OpenError::damaged(files, &name, None, &what))
        }
    }
}

/// What the tail has behind the published part.
#[derive(Debug, Default)]
struct Beyond {
    entries: Vec<Entry>,
    /// Bytes of what is not whole.
    torn: Vec<u8>,
}

/// Reads the tail, and takes tree and hash up to its end.
fn beyond(files: &dyn Files, press: &Press, tree: &mut Tree, last: &mut Hash) -> Result<Beyond, OpenError> {
    let published = press.head().size;
    let mut beyond = Beyond::default();
    let mut live: Vec<(&str, Batch)> = Vec::new();
    for name in TAILS {
        let Some(bytes) = read_if_there(files, name, TAIL).map_err(OpenError::file)? else {
            continue;
        };
        let scan = tail::scan(&bytes);
        beyond.torn.extend_from_slice(scan.torn(&bytes, published));
        live.extend(
            scan.batches
                .into_iter()
                .filter(|batch| batch.end() > published)
                .map(|batch| (name, batch)),
        );
    }
    live.sort_by_key(|(_, batch)| batch.first);
    for (name, batch) in live {
        if batch.first != tree.size() {
            let what = format!(
                "has whole records from {} on, and those from {} on are damaged or missing",
                batch.first,
                tree.size()
            );
            return Err(OpenError::damaged(files, name, Some(batch.at), &what));
        }
        for entry in batch.entries {
            if !entry.bytes.starts_with(Prefix::of(tree.size(), last).as_bytes()) {
                let what = format!("has a record {} that does not follow the one before", tree.size());
                return Err(OpenError::damaged(files, name, Some(batch.at), &what));
            }
            *last = entry.leaf;
            tree.push(entry.leaf);
            beyond.entries.push(entry);
        }
    }
    Ok(beyond)
}

/// Nothing is published that the log does not have.
fn not_rolled_back(published: Published<'_>, size: u64) -> Result<(), OpenError> {
    let bundle = size / TILE_WIDTH;
    for index in [bundle, bundle + 1] {
        let full = entries_path(index, TILE_WIDTH as u16);
        let dir = parent(&full).to_owned();
        let listed = |dir: &str| published.list(dir).map_err(OpenError::published);
        let name = full.rsplit('/').next().unwrap_or_default();
        let beyond = listed(&dir)?.iter().any(|there| there == name)
            || listed(parent(&entries_path(index, 1)))?
                .iter()
                .filter_map(|width| width.parse::<u64>().ok())
                .any(|width| index * TILE_WIDTH + width > size);
        if beyond {
            return Err(OpenError::RolledBack {
                path: published.0.path(&full),
                size,
            });
        }
    }
    Ok(())
}

/// Puts aside what is cut.
fn keep(files: &dyn Files, torn: &[u8], now: Wall) -> Result<Option<Torn>, OpenError> {
    if torn.is_empty() {
        return Ok(None);
    }
    let mut before = files.list(ROOT).unwrap_or_default();
    before.retain(|name| name.starts_with(TORN));
    before.sort();
    for old in before.iter().rev().skip(KEPT - 1) {
        drop(files.remove(old));
    }
    let name = format!("{TORN}{}", now.0);
    files.replace(&name, torn).map_err(OpenError::file)?;
    Ok(Some(Torn {
        bytes: torn.len() as u64,
        kept: name,
    }))
}

/// Removes what nobody needs: partial files that wider ones have replaced, of the last tile of each level and the one before.
/// All that is in the tail is published, and the first file of the next tail takes the place of the old one.
fn sweep(files: &dyn Files, size: u64) {
    drop(files.remove(TAILS[1]));
    for level in 0..8 {
        let hashes = size >> (8 * u32::from(level));
        let (last, width) = (hashes / TILE_WIDTH, (hashes % TILE_WIDTH) as u16);
        let tile = |index, width| TileId { level, index, width }.path();
        for index in last.saturating_sub(1)..=last {
            let keep = if index == last { width } else { 0 };
            keep_only(files, parent(&tile(index, 1)), keep);
            if level == 0 {
                keep_only(files, parent(&entries_path(index, 1)), keep);
            }
        }
    }
}

/// Of partial files, only that with one width.
fn keep_only(files: &dyn Files, dir: &str, width: u16) {
    let listed = files.list(dir).unwrap_or_default();
    for name in listed.iter().filter(|name| **name != width.to_string()) {
        drop(files.remove(&format!("{dir}/{name}")));
    }
    if width == 0 && !listed.is_empty() {
        drop(files.remove_dir(dir));
    }
}
