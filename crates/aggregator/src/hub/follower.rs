//! A watcher that is a part of this process, and wants entities instead of bytes.
//!
//! It reads as any other does: it gets the newest when it is behind, and cannot make the writer wait. Handing changes to
//! it where they are published was not taken: the engine's thread would then do its work.

use prost::Message;
use ward_proto::v1::{Delta, DeltaKind, Entity};

use super::{Encoding, Filter, Hub, Outgoing, Watcher};

/// One who follows, and is not counted in [`Hub::watching`].
#[derive(Debug)]
pub(crate) struct Follower(Watcher);

/// One message of a step. Steps need not be taken whole by who asks for the newest only.
#[derive(Debug)]
pub(crate) struct Told {
    /// Part of everything there is, rather than of what changed.
    pub(crate) snapshot: bool,
    /// The step is whole with this one.
    pub(crate) last: bool,
    pub(crate) entities: Vec<Entity>,
}

impl Follower {
    pub(super) fn new(hub: &Hub) -> Self {
        Self(Watcher::uncounted(
            hub.clone(),
            Filter::default(),
            Encoding::Protobuf,
        ))
    }

    /// The next message, a snapshot first. `None` if nothing was taken for so long that it was ended as any watcher is:
    /// follow anew. Cancel safe.
    pub(crate) async fn next(&mut self) -> Option<Told> {
        loop {
            match self.0.next().await? {
                Outgoing::Delta(frame) => {
                    let mut delta = Delta::default();
                    for piece in frame.entities {
                        delta.merge(piece).expect("the hub encoded it");
                    }
                    return Some(Told {
                        snapshot: frame.kind == DeltaKind::Snapshot,
                        last: frame.last,
                        entities: delta.entities,
                    });
                }
                Outgoing::Bookmark { .. } => {}
                Outgoing::Closing(_) => return None,
            }
        }
    }
}
