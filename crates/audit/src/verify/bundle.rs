//! What a bundle and its tile show by themselves, without what is before them: all that takes time, and can be done for many
//! of them at once.

use std::path::PathBuf;

use ward_tlog::{Hash, TILE_WIDTH, TileId, entries_path, leaf_hash};

use super::{Report, levels::root_in_place};
use crate::{
    event::Prefix,
    files::Files,
    layout::Entries,
    tiles::{Found, Published},
};

/// What was seen of one.
#[derive(Debug, Default)]
pub(super) struct Looked {
    /// What is wrong, whatever was before.
    pub(super) findings: Report,
    /// The first entry, of which that is yet to be said.
    pub(super) first: Option<First>,
    /// The hashes of its entries: those of the tile where there is one, so that one damaged entry is one finding. With its own
    /// hash all that rests on it would be.
    pub(super) leaves: Vec<Hash>,
    /// Over them, of a full tile.
    pub(super) root: Option<Hash>,
    /// There is a hash for each entry. If not, nothing can be said of what is behind.
    pub(super) is_whole: bool,
}

/// The first entry of a bundle.
#[derive(Debug)]
pub(super) struct First {
    path: PathBuf,
    index: u64,
    begins: Vec<u8>,
    in_tile: bool,
}

impl Looked {
    /// Reads and hashes a bundle of a log of `size` events.
    pub(super) fn at(files: &dyn Files, size: u64, index: u64) -> Self {
        let first = index * TILE_WIDTH;
        let width = (size - first).min(TILE_WIDTH) as u16;
        let id = TileId {
            level: 0,
            index,
            width,
        };
        let mut looked = Self::default();
        let tile = Published(files).tile_file(id);
        let tile: Option<Vec<Hash>> = tile
            .map_err(|error| looked.findings.read_error(error, Some(first)))
            .ok()
            .map(|found| found.hashes().collect());
        match Published(files).bundle(index, width) {
            Ok(found) => looked.entries(files, id, &found, tile.as_deref()),
            Err(error) => looked.findings.read_error(error, Some(first)),
        }
        // What the bundle does not have, the tile may have the hashes of.
        let rest = tile.and_then(|tile| Some(tile.get(looked.leaves.len()..width.into())?.to_vec()));
        looked.leaves.extend(rest.into_iter().flatten());
        looked.is_whole = looked.leaves.len() == usize::from(width);
        if looked.leaves.len() as u64 == TILE_WIDTH {
            looked.root = Some(root_in_place(&mut looked.leaves.clone()));
        }
        looked
    }

    fn entries(&mut self, files: &dyn Files, id: TileId, found: &Found, tile: Option<&[Hash]>) {
        let first = id.index * TILE_WIDTH;
        let path = || files.path(&entries_path(id.index, found.width));
        let mut entries = Entries { rest: &found.bytes };
        for (n, entry) in entries.by_ref().take(id.width.into()).enumerate() {
            let index = first + n as u64;
            let leaf = leaf_hash(entry);
            let in_tile = tile.is_none_or(|tile| tile[n] == leaf);
            match self.leaves.last() {
                None => {
                    self.first = Some(First {
                        path: path(),
                        index,
                        begins: Prefix::most_of(entry).to_vec(),
                        in_tile,
                    });
                }
                Some(last) => {
                    let in_place = entry.starts_with(Prefix::of(index, last).as_bytes());
                    if !(in_place && in_tile) {
                        self.findings.wrong_entry(path(), index, in_place);
                    }
                }
            }
            self.leaves.push(tile.map_or(leaf, |tile| tile[n]));
        }
        // A wider one has more, which this checkpoint does not speak of.
        let all = self.leaves.len() + entries.by_ref().count();
        if all != usize::from(found.width) || !entries.rest.is_empty() {
            let what = format!(
                "has {all} whole entries and {} bytes behind them, expected {}",
                entries.rest.len(),
                found.width
            );
            let behind = first + self.leaves.len() as u64;
            self.findings.damaged(path(), Some(behind), &what);
        }
    }
}

impl First {
    /// Says whether it belongs behind an entry with that hash.
    pub(super) fn judge(self, last: &Hash, report: &mut Report) {
        let in_place = self.begins.starts_with(Prefix::of(self.index, last).as_bytes());
        if !(in_place && self.in_tile) {
            report.wrong_entry(self.path, self.index, in_place);
        }
    }
}

impl Report {
    #[cold]
    fn wrong_entry(&mut self, path: PathBuf, index: u64, in_place: bool) {
        let what = match in_place {
            false => "does not have the event that belongs behind the one before",
            true => "has an event that its tile has another hash of",
        };
        self.damaged(path, Some(index), what);
    }
}
