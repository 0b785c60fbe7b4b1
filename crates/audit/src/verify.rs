//! Verifies a log, believing nothing of it but the key.
//!
//! Three questions, answered apart. **Integrity**: is every entry the one that was written, in its place, behind the one that
//! it names; do the hashes lead to the root that the log has signed? **Completeness**: is everything there between the first
//! entry and the signed size? **Anchoring**: is it the log that it was? That nobody can say who has not kept a checkpoint: a
//! log that was cut and signed anew is a shorter log and a whole one.
//!
//! Entries are hashed as they stand and their beginning is compared with what it must be; nothing is parsed, so that this runs
//! at the speed of the hash. That is done on all cores, a bundle at a time; what links the bundles is judged in order. Only
//! findings end the reading of what depends on them: what is wrong elsewhere is told as well.

mod ahead;
mod bundle;
mod levels;
mod narrower;
mod report;
mod tail;

use std::{path::Path, thread};

use ward_tlog::{Checkpoint, Hash, Head, TILE_WIDTH, TileId, Verifier};

pub use report::{Anchoring, Finding, Report, Verdict};

use crate::{
    files::{Disk, Files},
    key,
    layout::{CHECKPOINT, FORMAT, FORMAT_TEXT, PUBLIC_KEY, SMALL},
    tiles::{Published, ReadError},
};
use bundle::Looked;
use levels::Levels;

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
            for looked in ahead::all(scope, files, size) {
                if !self.bundle(looked) {
                    return;
                }
                progress(self.levels.size(), size);
            }
            self.end();
        });
    }

    /// Takes what was seen of the next bundle. `false` if nothing can be said of what is behind it.
    fn bundle(&mut self, looked: Looked) -> bool {
        if let Some(first) = looked.first {
            first.judge(&self.last, self.report);
        }
        self.report.join(looked.findings);
        self.report.verified += looked.leaves.len() as u64;
        self.last = looked.leaves.last().copied().unwrap_or(self.last);
        let before = self.levels.size();
        let held = self
            .held
            .and_then(|held| usize::try_from(held.checked_sub(before)?).ok());
        if let Some(leaves) = held
            .and_then(|held| looked.leaves.get(..held))
            .filter(|leaves| !leaves.is_empty())
        {
            self.at_held = Some(self.levels.root_with(leaves));
        }
        for (id, hashes) in self.levels.add(looked.leaves, looked.root) {
            self.compare(id, &hashes);
        }
        looked.is_whole
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
