//! Everything there was at one revision.

use std::sync::Arc;

use bytes::Bytes;
use imbl::OrdMap;
use ward_model::{EntityKey, Status};

use super::{
    super::filter::{Filter, Level},
    Cursor,
    entry::Pieces,
};

/// The newest state of one thing, in bytes of its own: a slice of its revision's body would keep all of that alive.
#[derive(Debug)]
pub(super) struct Newest {
    status: Status,
    field: Bytes,
}

/// Everything there was at one revision, told a message at a time. Only the states are kept alive, not the ring.
#[derive(Debug)]
pub(crate) struct Snapshot {
    /// Where it was everything.
    pub(crate) at: Cursor,
    newest: OrdMap<EntityKey, Arc<Newest>>,
    filter: Arc<Filter>,
    next: EntityKey,
    frame_bytes: usize,
}

impl Newest {
    pub(super) fn new(status: Status, field: &[u8]) -> Self {
        Self {
            status,
            field: Bytes::copy_from_slice(field),
        }
    }
}

impl Snapshot {
    pub(super) fn new(
        at: Cursor,
        newest: OrdMap<EntityKey, Arc<Newest>>,
        filter: Arc<Filter>,
        frame_bytes: usize,
    ) -> Self {
        Self {
            at,
            newest,
            filter,
            next: EntityKey::System,
            frame_bytes,
        }
    }

    /// The next message, and whether it is the last. The last may be empty: that nothing is there has to be told too.
    pub(crate) fn next_message(&mut self) -> (Pieces, bool) {
        let (filter, newest) = (&self.filter, &self.newest);
        let mut pieces = Pieces::new();
        let mut size = 0;
        let stretches = filter.stretches(&self.next);
        for (key, state) in stretches.into_iter().flat_map(|stretch| newest.range(stretch)) {
            if Level::of(key) > filter.level {
                break;
            }
            if !filter.passes(key, state.status) {
                continue;
            }
            if size > 0 && size + state.field.len() > self.frame_bytes {
                self.next = key.clone();
                return (pieces, false);
            }
            size += state.field.len();
            pieces.push(state.field.clone());
        }
        (pieces, true)
    }
}
