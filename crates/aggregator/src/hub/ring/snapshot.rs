//! Everything there was at one revision.

use std::sync::{Arc, OnceLock};

use bytes::{Bytes, BytesMut};
use imbl::OrdMap;
use ward_model::{EntityKey, Status};

use super::{
    super::{
        filter::{Filter, Level},
        frame::{Encoding, append_json},
    },
    Cursor,
    entry::Pieces,
    room::{Kept, Room},
};

/// The newest state of one thing, in bytes of its own: a slice of its revision's body would keep all of that alive.
#[derive(Debug)]
pub(super) struct Newest {
    status: Status,
    field: Bytes,
    /// Boxed, because there may be a million of these and nobody who watches in JSON.
    json: OnceLock<Box<Kept<Bytes>>>,
}

/// How a snapshot is told.
#[derive(Clone, Debug)]
pub(super) struct Telling {
    pub(super) filter: Arc<Filter>,
    pub(super) encoding: Encoding,
    /// Target size of one message.
    pub(super) frame_bytes: usize,
    /// Where kept JSON is counted, and how much there may be.
    pub(super) room: Room,
    pub(super) json_bytes: usize,
}

/// Everything there was at one revision, told a message at a time. Only the states are kept alive, not the ring.
#[derive(Debug)]
pub(crate) struct Snapshot {
    /// Where it was everything.
    pub(crate) at: Cursor,
    newest: OrdMap<EntityKey, Arc<Newest>>,
    telling: Telling,
    next: EntityKey,
}

impl Newest {
    pub(super) fn new(status: Status, field: &[u8]) -> Self {
        Self {
            status,
            field: Bytes::copy_from_slice(field),
            json: OnceLock::new(),
        }
    }

    fn encoded(&self, telling: &Telling) -> Bytes {
        let make = || {
            let mut json = BytesMut::new();
            append_json(&self.field, &mut json);
            json.freeze()
        };
        match telling.encoding {
            Encoding::Protobuf => self.field.clone(),
            // What does not fit is made for each watcher anew: slower, but no watcher can fill the memory by looking.
            Encoding::Json if self.json.get().is_none() && telling.room.taken() >= telling.json_bytes => {
                make()
            }
            Encoding::Json => {
                let keep = || {
                    // Without the spare room of what it grew in.
                    let json = Bytes::copy_from_slice(&make());
                    let bytes = json.len();
                    Box::new(Kept::new(json, bytes, &telling.room))
                };
                Bytes::clone(self.json.get_or_init(keep))
            }
        }
    }
}

impl Snapshot {
    pub(super) fn new(at: Cursor, newest: OrdMap<EntityKey, Arc<Newest>>, telling: Telling) -> Self {
        Self {
            at,
            newest,
            telling,
            next: EntityKey::System,
        }
    }

    /// The next message, and whether it is the last. The last may be empty: that nothing is there has to be told too.
    pub(crate) fn next_message(&mut self) -> (Pieces, bool) {
        let (telling, newest) = (&self.telling, &self.newest);
        let filter = &telling.filter;
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
            let piece = state.encoded(telling);
            if size > 0 && size + piece.len() > telling.frame_bytes {
                self.next = key.clone();
                return (pieces, false);
            }
            size += piece.len();
            pieces.push(piece);
        }
        (pieces, true)
    }
}
