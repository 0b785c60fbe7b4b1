//! Partial files beside wider ones: whoever has an older checkpoint asks for them, and they must be the beginning of what is
//! there now. That one is missing is no finding: there is one for each checkpoint that was made, and nothing says which.

use ward_tlog::{TILE_WIDTH, TileId, entries_path};

use super::Report;
use crate::{
    files::{Files, parent},
    layout::Entries,
};

/// Larger than any bundle there can be.
const LIMIT: u64 = TILE_WIDTH * (u16::MAX as u64 + 2);
/// Of a tile.
const HASH_BYTES: usize = 32;

/// Compares those of the partial files of a log of `size` events.
pub(super) fn compare(files: &dyn Files, size: u64, report: &mut Report) {
    let width = (size % TILE_WIDTH) as u16;
    if width > 0 {
        let wide = entries_path(size / TILE_WIDTH, width);
        beside(files, &wide, width, report, |wide, narrow| {
            let mut entries = Entries { rest: wide };
            let taken = entries.by_ref().take(narrow.into()).count();
            &wide[..if taken == usize::from(narrow) {
                wide.len() - entries.rest.len()
            } else {
                0
            }]
        });
    }
    for level in 0..8 {
        let hashes = size >> (8 * u32::from(level));
        let width = (hashes % TILE_WIDTH) as u16;
        if width > 0 {
            let index = hashes / TILE_WIDTH;
            let wide = TileId { level, index, width }.path();
            beside(files, &wide, width, report, |wide, narrow| {
                &wide[..wide.len().min(usize::from(narrow) * HASH_BYTES)]
            });
        }
    }
}

fn beside(
    files: &dyn Files,
    wide: &str,
    width: u16,
    report: &mut Report,
    beginning: impl Fn(&[u8], u16) -> &[u8],
) {
    let dir = parent(wide);
    // What cannot be read of the wide one was told before.
    let (Ok(whole), Ok(names)) = (files.read(wide, LIMIT), files.list(dir)) else {
        return;
    };
    let widths = names.iter().filter_map(|name| name.parse().ok());
    for narrow in widths.filter(|narrow: &u16| *narrow < width) {
        let name = format!("{dir}/{narrow}");
        match files.read(&name, LIMIT) {
            Ok(there) if there == beginning(&whole, narrow) => {}
            Ok(_) => report.damaged(
                files.path(&name),
                None,
                "is not the beginning of the wider one beside it",
            ),
            Err(error) => report.unreadable(files.path(&name), None, &error),
        }
    }
}
