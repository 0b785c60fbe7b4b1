//! Files of lines that follow one another: one for each day (UTC), more when one is full, the oldest deleted.
//!
//! `ward.2026-11-30.jsonl`, then `ward.2026-11-30.1.jsonl`. Nothing but what is named so is ever deleted. A file that is
//! gone (deleted, moved, its directory unmounted) is begun anew with the next line. tracing-appender was not taken: its files
//! have no bound, it deletes by prefix, which would be the log of errors too, it writes on into what was deleted, and says on
//! stdout and stderr what is wrong, or nothing.

use std::{
    fs::{self, File, Metadata, OpenOptions},
    io::{self, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use jiff::{Timestamp, civil::Date, tz::TimeZone};
use ward_model::Wall;

/// What follows the date.
const SUFFIX: &str = ".jsonl";
/// For who runs the process, and the group that collects logs.
const MODE: u32 = 0o640;

/// How much is kept. The product is what a directory has to have room for, twice: the log of errors is one more of these.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Most bytes in a file.
    pub(super) file_bytes: u64,
    /// Most files.
    pub(super) files: usize,
}

impl Default for Bounds {
    /// Two weeks of a quiet Ward, some hours of a very loud one; 448 MiB.
    fn default() -> Self {
        Self {
            file_bytes: 32 << 20,
            files: 14,
        }
    }
}

/// A file of the row: its day, and which of that day.
type Place = (Date, u32);

/// The row of files of one stem.
#[derive(Debug)]
pub(super) struct Rolling {
    dir: PathBuf,
    stem: &'static str,
    bounds: Bounds,
    open: Option<Open>,
}

/// The last file of the row.
#[derive(Debug)]
struct Open {
    file: File,
    path: PathBuf,
    place: Place,
    /// Device and inode: whether what is at the path is still this.
    id: (u64, u64),
    bytes: u64,
}

impl Rolling {
    pub(super) fn new(dir: &Path, stem: &'static str, bounds: Bounds) -> Self {
        Self {
            dir: dir.to_owned(),
            stem,
            bounds,
            open: None,
        }
    }

    /// Writes one line, with its line end, whole or not at all. An error leaves it to be tried anew with the next line.
    pub(super) fn write(&mut self, line: &[u8], now: Wall) -> io::Result<()> {
        let day = day(now);
        let mut open = match self.open.take() {
            Some(open) if open.takes(line, day, self.bounds) => open,
            _ => self.begin(line, day)?,
        };
        if let Err(error) = open.file.write_all(line) {
            // Half a line would spoil the next one. Where even this cannot be done, it does.
            drop(open.file.set_len(open.bytes));
            return Err(error);
        }
        open.bytes += line.len() as u64;
        self.open = Some(open);
        Ok(())
    }

    /// Opens the last file of the day if it has room, or the next one.
    fn begin(&self, line: &[u8], day: Date) -> io::Result<Open> {
        fs::create_dir_all(&self.dir)?;
        let mut row = self.row()?;
        let last = row.iter().copied().filter(|(date, _)| *date == day).max();
        if let Some(last) = last {
            let open = Open::at(self.path(last), last)?;
            if open.has_room(line, self.bounds) {
                return Ok(open);
            }
        }
        // Room for the next one: of the future first, where the clock was ahead, or else what is written now would be the
        // oldest. What cannot be deleted is tried again with the one behind that.
        row.sort_unstable_by_key(|&(date, part)| (date <= day, date, part));
        let excess = (row.len() + 1).saturating_sub(self.bounds.files);
        for place in row.iter().take(excess) {
            drop(fs::remove_file(self.path(*place)));
        }
        let next = (day, last.map_or(0, |(_, part)| part.saturating_add(1)));
        Open::at(self.path(next), next)
    }

    /// All files of the row, in any order.
    fn row(&self) -> io::Result<Vec<Place>> {
        let entries = fs::read_dir(&self.dir)?;
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        Ok(names.filter_map(|name| self.place(&name)).collect())
    }

    fn path(&self, (date, part): Place) -> PathBuf {
        let part = if part == 0 {
            String::new()
        } else {
            format!(".{part}")
        };
        self.dir.join(format!("{}.{date}{part}{SUFFIX}", self.stem))
    }

    /// The inverse of [`Rolling::path`]; `None` of what is not of this row.
    fn place(&self, name: &str) -> Option<Place> {
        let rest = name
            .strip_prefix(self.stem)?
            .strip_prefix('.')?
            .strip_suffix(SUFFIX)?;
        let (date, part) = match rest.split_once('.') {
            Some((date, part)) => (date, part.parse().ok()?),
            None => (rest, 0),
        };
        let place = (date.parse().ok()?, part);
        (self.path(place).file_name()?.to_str() == Some(name)).then_some(place)
    }
}

impl Open {
    fn at(path: PathBuf, place: Place) -> io::Result<Self> {
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(MODE)
            .open(&path)?;
        let found = file.metadata()?;
        Ok(Self {
            id: id(&found),
            bytes: found.len(),
            file,
            path,
            place,
        })
    }

    fn takes(&self, line: &[u8], day: Date, bounds: Bounds) -> bool {
        let is_there = || fs::metadata(&self.path).is_ok_and(|found| id(&found) == self.id);
        self.place.0 == day && self.has_room(line, bounds) && is_there()
    }

    /// A line that is longer than a file may be has one of its own.
    fn has_room(&self, line: &[u8], bounds: Bounds) -> bool {
        self.bytes == 0 || self.bytes + line.len() as u64 <= bounds.file_bytes
    }
}

fn id(file: &Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}

/// A clock that is centuries off is none of ours to mend: its day is the first one.
fn day(now: Wall) -> Date {
    let moment = Timestamp::from_millisecond(now.0).unwrap_or(Timestamp::UNIX_EPOCH);
    moment.to_zoned(TimeZone::UTC).date()
}

#[cfg(test)]
mod tests;
