//! Tiles: the hashes of a log in files that never change, as C2SP `tlog-tiles` has them.
//!
//! A tile is up to 256 hashes of one level; level 0 are leaves, and each hash of a level above is the root over a full tile
//! below. The levels between are not kept: they are hashed anew when asked for. The last tile of a level may be partial; it
//! has a name of its own, so that no file is ever written twice with other bytes.

use std::{borrow::Cow, fmt};

use crate::Hash;

/// Hashes of a full tile.
pub const TILE_WIDTH: u64 = 256;
const FULL: u16 = 256;
/// Of a hash at one level, how many leaves more it stands for than one of the level below, as a power of two.
pub(crate) const TILE_HEIGHT: u32 = 8;
/// The levels that a log of any size can have: 8 bits of its size each.
const LEVELS: u8 = 8;

/// Names a tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TileId {
    /// 0 are the hashes of entries.
    pub level: u8,
    /// Which one of its level, from the left.
    pub index: u64,
    /// How many hashes it has: 1 to 256.
    pub width: u16,
}

/// Where hashes of a log come from.
///
/// What is given is not believed here: a proof made of wrong hashes does not verify.
pub trait Tiles {
    /// Why a tile could not be had.
    type Error;

    /// The hashes of a tile: all that its name says. There may be more: a full one does for a partial one.
    ///
    /// # Errors
    ///
    /// If it cannot be had.
    fn tile(&self, id: TileId) -> Result<Cow<'_, [Hash]>, Self::Error>;
}

impl TileId {
    /// The tile of that level and index in a log of `size` entries, as wide as it is then; `None` if there is none.
    pub fn of(size: u64, level: u8, index: u64) -> Option<Self> {
        let hashes = hashes_at(size, level);
        let before = index.checked_mul(TILE_WIDTH)?;
        let width = hashes.checked_sub(before)?.min(TILE_WIDTH) as u16;
        (width > 0).then_some(Self { level, index, width })
    }

    /// Whether it has all the hashes that it will ever have.
    pub fn is_full(&self) -> bool {
        self.width == FULL
    }

    /// The full one in the same place.
    pub fn full(self) -> Self {
        Self { width: FULL, ..self }
    }

    /// Where it is kept, relative to the log: `tile/0/x001/x234/067`, with `.p/5` behind it if it is partial.
    pub fn path(&self) -> String {
        place(&format!("tile/{}", self.level), self.index, self.width)
    }

    /// Reads what [`path`](Self::path) wrote, and nothing else.
    pub fn parse(path: &str) -> Option<Self> {
        let (level, place) = path.strip_prefix("tile/")?.split_once('/')?;
        let (index, width) = parse_place(place)?;
        let tile = Self {
            level: level.parse().ok()?,
            index,
            width,
        };
        (tile.level < 64 && tile.path() == path).then_some(tile)
    }
}

impl fmt::Display for TileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.path())
    }
}

/// Where the entries beneath the tile `(level 0, index, width)` are kept, relative to the log.
pub fn entries_path(index: u64, width: u16) -> String {
    place("tile/entries", index, width)
}

/// Reads what [`entries_path`] wrote, and nothing else: index and width.
pub fn parse_entries_path(path: &str) -> Option<(u64, u16)> {
    let (index, width) = parse_place(path.strip_prefix("tile/entries/")?)?;
    (entries_path(index, width) == path).then_some((index, width))
}

/// The tiles that a log of `new_size` has and one of `old_size` had not, or not as wide: what to write when it has grown.
/// Level 0 first, each level from the left.
pub fn tiles_between(old_size: u64, new_size: u64) -> impl Iterator<Item = TileId> {
    (0..LEVELS).flat_map(move |level| {
        let (had, has) = (hashes_at(old_size, level), hashes_at(new_size, level));
        let end = if has > had { has.div_ceil(TILE_WIDTH) } else { 0 };
        (had / TILE_WIDTH..end).filter_map(move |index| TileId::of(new_size, level, index))
    })
}

/// How many hashes a level has, in a log of that size.
fn hashes_at(size: u64, level: u8) -> u64 {
    size.checked_shr(u32::from(level) * TILE_HEIGHT).unwrap_or(0)
}

fn place(kind: &str, index: u64, width: u16) -> String {
    let mut groups = vec![format!("{:03}", index % 1000)];
    let mut rest = index / 1000;
    while rest > 0 {
        groups.push(format!("x{:03}", rest % 1000));
        rest /= 1000;
    }
    groups.reverse();
    let partial = if width == FULL {
        String::new()
    } else {
        format!(".p/{width}")
    };
    format!("{kind}/{}{partial}", groups.join("/"))
}

/// Index and width. Reads more than is written: the callers compare with what would have been.
fn parse_place(place: &str) -> Option<(u64, u16)> {
    let (groups, width) = match place.split_once(".p/") {
        Some((groups, width)) => (
            groups,
            width.parse().ok().filter(|width| (1..FULL).contains(width))?,
        ),
        None => (place, FULL),
    };
    let index = groups.split('/').try_fold(0_u64, |index, group| {
        let digits: u64 = group.strip_prefix('x').unwrap_or(group).parse().ok()?;
        index.checked_mul(1000)?.checked_add(digits)
    })?;
    Some((index, width))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paths_are_those_of_the_specification() {
        for (level, index, width, path) in [
            (0, 1_234_067, 256, "tile/0/x001/x234/067"),
            (0, 0, 256, "tile/0/000"),
            (0, 273, 112, "tile/0/273.p/112"),
            (1, 1, 17, "tile/1/001.p/17"),
            (2, 0, 1, "tile/2/000.p/1"),
            (63, 999, 255, "tile/63/999.p/255"),
            (3, u64::MAX, 256, "tile/3/x018/x446/x744/x073/x709/x551/615"),
        ] {
            let tile = TileId { level, index, width };
            assert_eq!(tile.path(), path);
            assert_eq!(TileId::parse(path), Some(tile));
        }
        assert_eq!(entries_path(1_234_067, 256), "tile/entries/x001/x234/067");
        assert_eq!(entries_path(273, 112), "tile/entries/273.p/112");
        assert_eq!(parse_entries_path("tile/entries/273.p/112"), Some((273, 112)));
    }

    #[test]
    fn there_is_one_way_to_write_each() {
        for path in [
            "",
            "tile",
            "tile/0",
            "tile/0/",
            "tile/0/1",
            "tile/0/0001",
            "tile/00/001",
            "tile/+0/001",
            "tile/64/001",
            "tile/256/001",
            "tile/0/x000/001",
            "tile/0/001/002",
            "tile/0/x001/x002",
            "tile/0/x001",
            "tile/0/001.p/0",
            "tile/0/001.p/256",
            "tile/0/001.p/07",
            "tile/0/001.p/+7",
            "tile/0/001.p",
            "tile/0/001.p/7/",
            "/tile/0/001",
            "tile/0/001/",
            "tile/0/+01",
            "tile/0/../001",
            "tile/0/x018/x446/x744/x073/x709/x551/616",
            "tile/entries/001",
        ] {
            assert_eq!(TileId::parse(path), None, "{path}");
        }
        for path in [
            "tile/entries/1",
            "tile/entries/x000/001",
            "tile/entries/001.p/256",
            "tile/0/001",
        ] {
            assert_eq!(parse_entries_path(path), None, "{path}");
        }
    }

    #[test]
    fn a_log_has_the_tiles_that_the_specification_counts() {
        let tiles: Vec<_> = tiles_between(0, 70_000).collect();
        let full = |level| {
            tiles
                .iter()
                .filter(|tile| tile.level == level && tile.is_full())
                .count()
        };
        let partial: Vec<_> = tiles
            .iter()
            .filter(|tile| !tile.is_full())
            .map(TileId::path)
            .collect();
        assert_eq!((full(0), full(1), full(2)), (273, 1, 0));
        assert_eq!(partial, ["tile/0/273.p/112", "tile/1/001.p/17", "tile/2/000.p/1"]);
        let of_256: Vec<_> = tiles_between(0, 256).map(|tile| tile.path()).collect();
        assert_eq!(of_256, ["tile/0/000", "tile/1/000.p/1"]);
        assert_eq!(tiles_between(70_000, 70_000).count(), 0);
        assert!(tiles_between(u64::MAX - 1, u64::MAX).all(|tile| tile.level == 0));
        assert_eq!(TileId::of(70_000, 200, 0), None);
        assert_eq!(TileId::of(u64::MAX, 0, u64::MAX), None);
    }

    proptest! {
        #[test]
        fn whatever_the_steps_of_growth_the_full_tiles_are_the_same(steps in prop::collection::vec(0..3000_u64, 0..20)) {
            let mut written = HashSet::new();
            let mut size = 0;
            for step in steps {
                written.extend(tiles_between(size, size + step));
                size += step;
            }
            for tile in tiles_between(0, size) {
                prop_assert!(written.contains(&tile), "{tile}");
            }
        }

        #[test]
        fn no_text_breaks_the_reading(path in "(tile/)?[0-9x/.p+e]{0,40}") {
            if let Some(tile) = TileId::parse(&path) {
                prop_assert_eq!(tile.path(), path);
            }
        }
    }
}
