//! Reads bundles and tiles ahead of whoever hashes them.

use std::{
    sync::mpsc::{Receiver, sync_channel},
    thread::Scope,
};

use ward_tlog::{TILE_WIDTH, TileId};

use crate::{
    files::Files,
    tiles::{Found, Published, ReadError},
};

/// Bundles in memory that nobody has hashed yet: enough that neither waits for the other. The largest have 4 MiB.
const AHEAD: usize = 8;

/// A bundle and its tile.
pub(super) struct Pair {
    pub(super) bundle: Result<Found, ReadError>,
    pub(super) tile: Result<Found, ReadError>,
}

impl Pair {
    fn read(published: Published<'_>, size: u64, index: u64) -> Self {
        let width = (size - index * TILE_WIDTH).min(TILE_WIDTH) as u16;
        let tile = published.tile_file(TileId {
            level: 0,
            index,
            width,
        });
        Self {
            bundle: published.bundle(index, width),
            tile,
        }
    }
}

/// All pairs of a log, in order. Ends when nobody takes them.
pub(super) fn ahead<'scope, 'env>(
    scope: &'scope Scope<'scope, 'env>,
    files: &'env dyn Files,
    size: u64,
) -> Receiver<Pair> {
    let (sender, receiver) = sync_channel(AHEAD);
    let read = move || {
        for index in 0..size.div_ceil(TILE_WIDTH) {
            // Whoever takes them may have seen enough.
            if sender.send(Pair::read(Published(files), size, index)).is_err() {
                break;
            }
        }
    };
    // All of them fit: no thread is worth its start.
    match size <= AHEAD as u64 * TILE_WIDTH {
        true => read(),
        false => drop(scope.spawn(read)),
    }
    receiver
}
