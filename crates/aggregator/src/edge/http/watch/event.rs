//! What the hub hands out, as server-sent events.
//!
//! A delta becomes three kinds of chunks: a head of this watcher's own, the entities, whose bytes all watchers share, and
//! a tail. Nothing of the entities is looked at or copied here; serializing each event for each watcher, as axum's `Sse`
//! does, was not taken for the same reason as in gRPC: a thousand watchers would be a thousand times the work.
//!
//! `id` stands behind `data`, and only on what makes the watcher's state whole. A reader of events remembers an id when
//! its event is dispatched, some already when its line is read; so one whose connection breaks anywhere within a step
//! resumes before all of it.

use std::{fmt::Write, ops::Range};

use bytes::Bytes;
use serde::Serialize;
use utoipa::ToSchema;
use ward_model::{Epoch, Revision};
use ward_proto::v1::DeltaKind;

use super::entity::Entity;
use crate::{
    edge::http::view::{AuditHead, Cursor, ObserverState},
    hub::{self, Frame, Outgoing},
};

/// Watchers that are cut off without a word come back within this, spread evenly: a killed aggregator has hardly
/// restarted before, and its watchers must not come all at once. Browsers' own choice is three to five seconds.
const RETRY_MS: Range<u32> = 500..2_000;

/// What stands at the beginning of a stream: when to come back should it break.
pub(super) fn opening() -> Bytes {
    format!("retry: {}\n\n", rand::random_range(RETRY_MS)).into()
}

/// One message as chunks of one event.
pub(super) fn chunks(message: Outgoing) -> Vec<Bytes> {
    match message {
        Outgoing::Delta(frame) => delta(frame),
        Outgoing::Bookmark {
            epoch,
            revision,
            observer,
            audit,
        } => vec![bookmark(epoch, revision, observer.into(), audit.as_deref())],
        Outgoing::Closing(last_word) => vec![closing(&last_word)],
    }
}

fn delta(frame: Frame) -> Vec<Bytes> {
    let kind = match frame.kind {
        DeltaKind::Snapshot => Kind::Snapshot,
        DeltaKind::Coalesced => Kind::Coalesced,
        DeltaKind::Revision | DeltaKind::Unspecified => Kind::Revision,
    }
    .as_str();
    let Frame {
        epoch: at,
        from: Revision(from),
        to: Revision(to),
        skipped,
        last,
        entities,
        ..
    } = frame;
    let epoch = hex(at);
    let head = format!(
        "event: {kind}\ndata: {{\"epoch\":\"{epoch}\",\"from\":{from},\"to\":{to},\"kind\":\"{kind}\",\
         \"skipped\":{skipped},\"last\":{last},\"entities\":["
    );
    let mut tail = String::from("]}\n");
    if last {
        push_id(&mut tail, at, Revision(to));
    }
    tail.push('\n');
    let mut chunks = Vec::with_capacity(entities.len() + 2);
    chunks.push(head.into());
    for (index, piece) in entities.into_iter().enumerate() {
        // Each entity stands behind a comma; the first of an array does not.
        chunks.push(if index == 0 { piece.slice(1..) } else { piece });
    }
    chunks.push(tail.into());
    chunks
}

/// `data` of `snapshot`, `revision` and `coalesced`: one message of a step from one revision to another. It is written
/// by hand, around bytes that are shared; a test holds that to this description.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WatchDelta)]
pub(in super::super) struct Delta {
    /// One life of the aggregator, in hexadecimal. Revisions of different epochs cannot be compared.
    #[schema(example = "00184f2c9d1be7a3", pattern = "^[0-9a-f]{16}$")]
    epoch: String,
    /// What was told before: revisions behind this one, up to and including `to`. 0 for a snapshot.
    from: u64,
    /// Up to here.
    to: u64,
    /// The same as the event's own.
    kind: Kind,
    /// Revisions whose own states are not told apart here.
    skipped: u64,
    /// The step is whole with this message: apply all of it now. Only then the event has an id.
    last: bool,
    /// What changed, as it is now; for a snapshot everything there is.
    entities: Vec<Entity>,
}

/// What a step is.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = WatchKind)]
pub(in super::super) enum Kind {
    /// Everything there is: forget what you knew.
    Snapshot,
    /// One revision.
    Revision,
    /// Several revisions as one.
    Coalesced,
}

impl Kind {
    /// The same word as in JSON.
    fn as_str(self) -> &'static str {
        match self {
            Self::Snapshot => "snapshot",
            Self::Revision => "revision",
            Self::Coalesced => "coalesced",
        }
    }
}

/// `data` of `bookmark`: everything up to here has been told. Comes at least every 10 s, also as proof of life.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WatchBookmark)]
pub(in super::super) struct Bookmark {
    #[serde(flatten)]
    cursor: Cursor,
    /// How far the aggregator trusts itself.
    observer: ObserverState,
    /// As much of the audit log as is durable.
    #[serde(skip_serializing_if = "Option::is_none")]
    audit: Option<AuditHead>,
}

fn bookmark(
    epoch: Epoch,
    revision: Revision,
    observer: ObserverState,
    audit: Option<&ward_model::AuditHead>,
) -> Bytes {
    let bookmark = Bookmark {
        cursor: hub::Cursor { epoch, revision }.into(),
        observer,
        audit: audit.map(AuditHead::from),
    };
    let mut event = format!("event: bookmark\ndata: {}\n", json(&bookmark));
    push_id(&mut event, epoch, revision);
    event.push('\n');
    event.into()
}

/// `data` of `closing`: the stream is about to end from this side.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WatchClosing)]
pub(in super::super) struct Closing {
    /// Why, for people.
    #[schema(example = "the aggregator is stopping: come back in a moment")]
    reason: &'static str,
    /// Come back after so long. The event says the same as `retry`, which clients follow by themselves.
    retry_after_ms: u32,
}

fn closing(last_word: &hub::Closing) -> Bytes {
    let &hub::Closing {
        reason,
        retry_after_ms,
    } = last_word;
    let last_word = Closing {
        reason,
        retry_after_ms,
    };
    // Without a wish of its own the one from the beginning stays: nobody should come back at once, again and again.
    let retry = match retry_after_ms {
        0 => String::new(),
        retry_after_ms => format!("retry: {retry_after_ms}\n"),
    };
    format!("event: closing\n{retry}data: {}\n\n", json(&last_word)).into()
}

/// As everywhere in JSON: an epoch may fill more bits than readers of numbers keep.
fn hex(Epoch(epoch): Epoch) -> String {
    format!("{epoch:016x}")
}

fn push_id(event: &mut String, epoch: Epoch, revision: Revision) {
    writeln!(event, "id: {}-{}", hex(epoch), revision.0).expect("a string takes everything");
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("plain data")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(message: Outgoing) -> String {
        let chunks = chunks(message).concat();
        String::from_utf8(chunks).unwrap()
    }

    fn frame(last: bool, entities: Vec<Bytes>) -> Outgoing {
        Outgoing::Delta(Frame {
            epoch: Epoch(7),
            from: Revision(3),
            to: Revision(5),
            kind: DeltaKind::Coalesced,
            skipped: 1,
            last,
            entities,
            shared: None,
        })
    }

    #[test]
    fn only_the_last_message_of_a_step_has_an_id_and_has_it_last() {
        let entities = vec![",{\"a\":1},{\"b\":2}".into(), ",{\"c\":3}".into()];
        assert_eq!(
            text(frame(false, entities)),
            "event: coalesced\ndata: {\"epoch\":\"0000000000000007\",\"from\":3,\"to\":5,\"kind\":\"coalesced\",\"skipped\":1,\
             \"last\":false,\"entities\":[{\"a\":1},{\"b\":2},{\"c\":3}]}\n\n"
        );
        let whole = text(frame(true, Vec::new()));
        assert!(
            whole.ends_with("\"last\":true,\"entities\":[]}\nid: 0000000000000007-5\n\n"),
            "{whole}"
        );
    }

    #[test]
    fn entities_are_the_hubs_bytes() {
        let piece = Bytes::from(",{\"a\":1}".to_owned());
        let Outgoing::Delta(frame) = frame(true, vec![piece.clone(), piece.clone()]) else {
            unreachable!()
        };
        let chunks = delta(frame);
        assert_eq!(chunks[1].as_ptr(), piece[1..].as_ptr());
        assert_eq!(chunks[2].as_ptr(), piece.as_ptr());
    }

    #[test]
    fn what_is_written_by_hand_is_what_is_described() {
        let removed = ward_model::Entity::Removed(ward_model::EntityKey::System);
        let mut piece = vec![b','];
        super::super::entity::write(&removed, &mut piece);
        let described = Delta {
            epoch: "0000000000000007".into(),
            from: 3,
            to: 5,
            kind: Kind::Coalesced,
            skipped: 1,
            last: true,
            entities: vec![Entity::from(&removed)],
        };
        let written = text(frame(true, vec![piece.into()]));
        let data = written
            .lines()
            .find_map(|line| line.strip_prefix("data: "))
            .unwrap();
        assert_eq!(data, serde_json::to_string(&described).unwrap());
        for kind in [Kind::Snapshot, Kind::Revision, Kind::Coalesced] {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
    }

    #[test]
    fn a_bookmark_has_an_id_and_a_last_word_has_none() {
        let mark = text(Outgoing::Bookmark {
            epoch: Epoch(7),
            revision: Revision(5),
            observer: ward_model::ObserverState::default(),
            audit: None,
        });
        assert!(mark.starts_with("event: bookmark\ndata: {\"epoch\":\"0000000000000007\",\"revision\":5,\"observer\":{\"score\":0,"), "{mark}");
        assert!(mark.ends_with("}\nid: 0000000000000007-5\n\n"), "{mark}");
        let last_word = |retry_after_ms| {
            text(Outgoing::Closing(hub::Closing {
                reason: "enough",
                retry_after_ms,
            }))
        };
        assert_eq!(
            last_word(250),
            "event: closing\nretry: 250\ndata: {\"reason\":\"enough\",\"retry_after_ms\":250}\n\n"
        );
        assert!(!last_word(0).contains("retry: "));
    }
}
