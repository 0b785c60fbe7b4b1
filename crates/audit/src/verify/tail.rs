//! What is behind the checkpoint: of a log that is being written, or was not closed.

use ward_tlog::{Checkpoint, Hash, TILE_WIDTH, entries_path};

use super::Report;
use crate::{
    event::Prefix,
    files::{Files, read_if_there},
    layout::TAILS,
    tail::{self, Batch, TAIL},
    tiles::Published,
};

/// What is read while it is written can look damaged, and does not the next time.
const READS: u32 = 3;

/// Follows the chain on from the last signed entry. Nothing is said if the checkpoint has moved on meanwhile: then there is a
/// writer, and what was read of the tail is of several moments.
pub(super) fn read(files: &dyn Files, size: u64, last: Hash, report: &mut Report) {
    let mut found = Report::default();
    for _ in 0..READS {
        found = Report::default();
        follow(files, size, last, &mut found);
        if found.is_whole() {
            break;
        }
    }
    let now = Published(files).checkpoint_text().ok();
    let now = now.and_then(|text| Checkpoint::parse_unverified(&text).ok());
    let moved = now.is_some_and(|now| now.head.size != size);
    if moved {
        return;
    }
    (report.unsigned, report.torn) = (found.unsigned, found.torn);
    report.join(found);
}

fn follow(files: &dyn Files, size: u64, mut last: Hash, report: &mut Report) {
    let mut live: Vec<(&str, Batch)> = Vec::new();
    for name in TAILS {
        match read_if_there(files, name, TAIL) {
            Ok(None) => {}
            Ok(Some(bytes)) => {
                let scan = tail::scan(&bytes);
                report.torn += scan.torn(&bytes, size).len() as u64;
                live.extend(
                    scan.batches
                        .into_iter()
                        .filter(|batch| batch.end() > size)
                        .map(|batch| (name, batch)),
                );
            }
            Err(error) => report.unreadable(error.path, Some(size), &error.source),
        }
    }
    live.sort_by_key(|(_, batch)| batch.first);
    let mut next = size;
    for (name, batch) in live {
        if batch.first != next {
            report.damaged(
                files.path(name),
                Some(next),
                "has whole records behind some that are damaged or missing",
            );
            return;
        }
        for entry in batch.entries {
            if !entry.bytes.starts_with(Prefix::of(next, &last).as_bytes()) {
                report.damaged(
                    files.path(name),
                    Some(next),
                    "has a record that does not follow the one before",
                );
                return;
            }
            (last, next) = (entry.leaf, next + 1);
        }
    }
    report.unsigned = next - size;
    let beyond = entries_path(next / TILE_WIDTH, TILE_WIDTH as u16);
    if files.read(&beyond, 0).is_ok() {
        let what = "holds later events than checkpoint and tail: the log was rolled back";
        report.damaged(files.path(&beyond), Some(next), what);
    }
}
