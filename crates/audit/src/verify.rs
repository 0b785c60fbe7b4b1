//! Verifies a log, believing nothing of it but the key.
//!
//! Three questions, answered apart. **Integrity**: is every entry the one that was written, in its place, behind the one that
//! it names; do the hashes lead to the root that the log has signed? **Completeness**: is everything there between the first
//! entry and the signed size? **Anchoring**: is it the log that it was? That nobody can say who has not kept a checkpoint: a
//! log that was cut and signed anew is a shorter log and a whole one.
//!
//! Entries are hashed as they stand and their beginning is compared with what it must be; nothing is parsed, so that this runs
//! at the speed of the hash. Files are read ahead by a second thread, a few bundles at most. Only findings end the reading of
//! what depends on them: what is wrong elsewhere is told as well.

mod levels;
mod narrower;
mod reading;
mod report;
mod tail;

use std::{path::Path, thread};

use ward_tlog::{Checkpoint, Hash, Head, TILE_WIDTH, TileId, Verifier, entries_path, leaf_hash};

pub use report::{Anchoring, Finding, Report, Verdict};

use crate::{
    event::Prefix,
    files::{Disk, Files},
    key,
    layout::{CHECKPOINT, Entries, FORMAT, FORMAT_TEXT, PUBLIC_KEY, SMALL},
    tiles::{Found, Published, ReadError},
};
use levels::Levels;
use reading::Pair;

/// Verifies the log in `dir`: with `key`, else with the one that lies there; against a checkpoint that somebody has kept.
/// `progress` is told how many entries are done, and of how many. A writer may go on meanwhile.
pub fn verify(
    dir: &Path,
    key: Option<&Verifier>,
    held: Option<&str>,
    progress: &mut dyn FnMut(u64, u64),
) -> Report {
    verify_in(&Disk::new(dir), key, held, progress)
}

pub(crate) fn verify_in(
    files: &dyn Files,
    key: Option<&Verifier>,
    held: Option<&str>,
    progress: &mut dyn FnMut(u64, u64),
) -> Report {
    let mut report = Report::default();
    let Some((verifier, checkpoint)) = signed(files, key, &mut report) else {
        report.anchoring = held.map_or(Anchoring::Unanchored, |_| Anchoring::Unknown);
        return report;
    };
    behind(files, &verifier, &checkpoint, held, report, progress)
}

/// All that stands behind a checkpoint that is believed.
pub(crate) fn behind(
    files: &dyn Files,
    verifier: &Verifier,
    checkpoint: &Checkpoint,
    held: Option<&str>,
    mut report: Report,
    progress: &mut dyn FnMut(u64, u64),
) -> Report {
    let head = checkpoint.head;
    report.origin = Some(checkpoint.origin.clone());
    report.head = Some(head);
    let wanted = held.map(|held| Held::read(held, verifier));
    let mut walk = Walk::new(files, head, &mut report, wanted.as_ref().and_then(Held::size));
    walk.all(progress);
    let (last, at_held) = (walk.last, walk.at_held);
    report.anchoring = wanted.map_or(Anchoring::Unanchored, |held| held.judge(head, at_held));
    tail::read(files, head.size, last, &mut report);
    report
}

/// Key and checkpoint: without them there is nothing to hold the rest to.
pub(crate) fn signed(
    files: &dyn Files,
    key: Option<&Verifier>,
    report: &mut Report,
) -> Option<(Verifier, Checkpoint)> {
    match files.read(FORMAT, SMALL) {
        Ok(text) if text == FORMAT_TEXT.as_bytes() => {}
        Ok(_) => report.damaged(files.path(FORMAT), None, "is of another format, or damaged"),
        Err(error) => report.unreadable(files.path(FORMAT), None, &error),
    }
    let verifier = match (key, key::verifier(files)) {
        (Some(key), Ok(Some(there))) if *key != there => {
            report.damaged(files.path(PUBLIC_KEY), None, "is not the key that was given");
            key.clone()
        }
        (Some(key), _) => key.clone(),
        (None, Ok(Some(there))) => there,
        (None, Ok(None)) => {
            report.damaged(
                files.path(PUBLIC_KEY),
                None,
                "is missing or no key: give the key of the log",
            );
            return None;
        }
        (None, Err(error)) => {
            report.unreadable(error.path, None, &error.source);
            return None;
        }
    };
    match Published(files).checkpoint(&verifier) {
        Ok((checkpoint, _)) => Some((verifier, checkpoint)),
        Err(error) => {
            report.read_error(error, None);
            None
        }
    }
}

/// A checkpoint that somebody has kept.
enum Held {
    /// Of this log, or one that says it is.
    Of(Head),
    /// Of another one.
    Other(String),
    /// Not signed by the key of this one.
    Unsigned(String),
}

impl Held {
    fn read(text: &str, verifier: &Verifier) -> Self {
        match (
            Checkpoint::open(text, verifier),
            Checkpoint::parse_unverified(text),
        ) {
            (Ok(checkpoint), _) => Self::Of(checkpoint.head),
            (Err(_), Ok(other)) if other.origin != verifier.name() => Self::Other(other.origin),
            (Err(error), _) => Self::Unsigned(error.to_string()),
        }
    }

    fn size(&self) -> Option<u64> {
        match self {
            Self::Of(head) => Some(head.size),
            Self::Other(_) | Self::Unsigned(_) => None,
        }
    }

    fn judge(self, now: Head, there: Option<Hash>) -> Anchoring {
        match self {
            Self::Other(origin) => Anchoring::OtherLog { origin },
            Self::Unsigned(why) => Anchoring::Unsigned { why },
            Self::Of(held) if held.size > now.size => Anchoring::Cut { held, size: now.size },
            Self::Of(held) => match there {
                Some(root) if root == held.root => Anchoring::Anchored { held },
                Some(root) => Anchoring::Rewritten { held, root },
                None => Anchoring::Unknown,
            },
        }
    }
}

/// From the first entry to the last.
struct Walk<'a> {
    files: &'a dyn Files,
    head: Head,
    report: &'a mut Report,
    levels: Levels,
    /// The hash of the entry before.
    last: Hash,
    /// The size of which the root is wanted, and that root.
    held: Option<u64>,
    at_held: Option<Hash>,
}

impl<'a> Walk<'a> {
    fn new(files: &'a dyn Files, head: Head, report: &'a mut Report, held: Option<u64>) -> Self {
        let at_held = (held == Some(0)).then_some(Hash::EMPTY);
        Self {
            files,
            head,
            report,
            levels: Levels::default(),
            last: Hash([0; 32]),
            held,
            at_held,
        }
    }

    fn all(&mut self, progress: &mut dyn FnMut(u64, u64)) {
        let (files, size) = (self.files, self.head.size);
        thread::scope(|scope| {
            let pairs = reading::ahead(scope, files, size);
            for bundle in 0..size.div_ceil(TILE_WIDTH) {
                let width = (size - bundle * TILE_WIDTH).min(TILE_WIDTH) as u16;
                let Ok(pair) = pairs.recv() else {
                    // The thread that reads has panicked, which the scope tells.
                    return;
                };
                if !self.bundle(bundle, width, pair) {
                    return;
                }
                progress(bundle * TILE_WIDTH + u64::from(width), size);
            }
            self.end();
        });
    }

    /// Takes a bundle and its tile. `false` if the hashes are not all there: nothing can be said of what is behind.
    fn bundle(&mut self, index: u64, width: u16, pair: Pair) -> bool {
        let first = index * TILE_WIDTH;
        let tile = pair
            .tile
            .map_err(|error| self.report.read_error(error, Some(first)));
        let tile: Option<Vec<Hash>> = tile.ok().map(|found| found.hashes().collect());
        let taken = match pair.bundle {
            Ok(found) => self.entries(index, width, &found, tile.as_deref()),
            Err(error) => {
                self.report.read_error(error, Some(first));
                0
            }
        };
        // What the bundle does not have, the tile may have the hashes of.
        let rest = tile.as_ref().and_then(|tile| tile.get(taken..width.into()));
        rest.into_iter().flatten().for_each(|hash| self.take(*hash));
        if rest.is_none() && taken < width.into() {
            return false;
        }
        if width == TILE_WIDTH as u16 {
            self.raise(index);
        }
        true
    }

    /// Says how many it took.
    fn entries(&mut self, index: u64, width: u16, found: &Found, tile: Option<&[Hash]>) -> usize {
        let first = index * TILE_WIDTH;
        let mut entries = Entries { rest: &found.bytes };
        let mut count = 0;
        for entry in entries.by_ref().take(width.into()) {
            let at = first + count as u64;
            let leaf = leaf_hash(entry);
            let in_place = entry.starts_with(Prefix::of(at, &self.last).as_bytes());
            let in_tile = tile.is_none_or(|tile| tile[count] == leaf);
            if !(in_place && in_tile) {
                self.wrong_entry(index, found.width, at, in_place);
            }
            // With the hash of the tile one damaged entry is one finding; with its own, all that rests on it would be.
            self.take(tile.map_or(leaf, |tile| tile[count]));
            count += 1;
        }
        // A wider one has more, which this checkpoint does not speak of.
        let all = count + entries.by_ref().count();
        if all != usize::from(found.width) || !entries.rest.is_empty() {
            let what = format!(
                "has {all} whole entries and {} bytes behind them, expected {}",
                entries.rest.len(),
                found.width
            );
            let path = self.files.path(&entries_path(index, found.width));
            self.report.damaged(path, Some(first + count as u64), &what);
        }
        count
    }

    #[cold]
    fn wrong_entry(&mut self, index: u64, width: u16, at: u64, in_place: bool) {
        let what = match in_place {
            false => "does not have the event that belongs behind the one before",
            true => "has an event that its tile has another hash of",
        };
        self.report
            .damaged(self.files.path(&entries_path(index, width)), Some(at), what);
    }

    fn take(&mut self, leaf: Hash) {
        self.last = leaf;
        self.levels.push(leaf);
        self.report.verified += 1;
        if self.held == Some(self.levels.size()) {
            self.at_held = Some(self.levels.root());
        }
    }

    /// What is full becomes a hash of the level above; full tiles there are compared.
    fn raise(&mut self, index: u64) {
        for (id, hashes) in self.levels.raise(index) {
            self.compare(id, &hashes);
        }
    }

    /// A tile above the lowest level.
    fn compare(&mut self, id: TileId, hashes: &[Hash]) {
        let first = (id.index * TILE_WIDTH) << (8 * u32::from(id.level));
        match ward_tlog::Tiles::tile(&Published(self.files), id) {
            Ok(there) if there[..id.width.into()] == *hashes => {}
            Ok(_) => {
                let path = self.files.path(&id.path());
                self.report.damaged(
                    path,
                    Some(first),
                    "has other hashes than the tiles below it lead to",
                );
            }
            Err(error) => self.report.read_error(error, Some(first)),
        }
    }

    /// The partial tiles above, and the root.
    fn end(&mut self) {
        for (id, hashes) in self.levels.partial() {
            self.compare(id, &hashes);
        }
        narrower::compare(self.files, self.head.size, self.report);
        let there = self.levels.head();
        if there != self.head {
            let what = format!(
                "is signed for the root {}, and the entries lead to {}",
                self.head.root, there.root
            );
            self.report.damaged(self.files.path(CHECKPOINT), None, &what);
        }
    }
}

impl Report {
    fn read_error(&mut self, error: ReadError, index: Option<u64>) {
        match error {
            ReadError::File(error) => self.unreadable(error.path, index, &error.source),
            ReadError::Missing { path } => self.missing(path, index),
            ReadError::Broken { path, what } => self.damaged(path, index, &what),
        }
    }
}
