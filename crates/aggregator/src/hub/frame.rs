//! What is sent to one watcher at a time, as bytes that were encoded when the change was published.
//!
//! A [`Frame`] carries entities as shared bytes that are already fields of a `v1::Delta`, so that telling one more
//! watcher costs a copy and no encoding. Building a `v1::WatchResponse` for each watcher was not taken: with a thousand
//! watchers it is a thousand times the work for the same bytes.

use std::sync::Arc;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use prost::{
    Message,
    encoding::{WireType, decode_key, encode_key, encode_varint, encoded_len_varint},
};
use ward_model::{AuditHead, Entity, Epoch, ObserverState, Revision};
use ward_proto::v1;

use crate::edge::http::watch::write_entity;

/// Field number of `Delta.entities`; the codec test compares with what prost makes of it.
const ENTITIES: u32 = 7;
/// Field number of `WatchResponse.delta`.
const DELTA: u32 = 1;

/// What [`Outgoing::delimited`] puts before a message.
const PREFIX: usize = 5;

/// In which encoding a watcher is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// Each entity is a field of a `v1::Delta`, as [`encode_entity`] makes it.
    Protobuf,
    /// Each entity is an object behind a comma, as [`append_json`] makes it.
    Json,
}

impl Encoding {
    /// How many there are.
    pub(crate) const COUNT: usize = 2;
}

/// Appends one entity to `buffer`, as an element of `Delta.entities`.
pub(crate) fn encode_entity(entity: &Entity, buffer: &mut BytesMut) {
    ward_proto::encode_entity(ENTITIES, entity, buffer);
}

/// Appends the entity that [`encode_entity`] made `field` of to `buffer`: a comma, and an object of JSON on one line. So
/// elements of an array that lie together can be told as one piece; the first comma is left out by who tells them.
///
/// It is made from the encoded state because nothing else of it is kept.
pub(crate) fn append_json(field: &[u8], buffer: &mut BytesMut) {
    const OURS: &str = "what this process encoded can be decoded";
    let mut field = field;
    decode_key(&mut field).expect(OURS);
    let entity = v1::Entity::decode_length_delimited(&mut field).expect(OURS);
    debug_assert!(!field.has_remaining(), "one entity");
    let entity = Entity::try_from(entity).expect(OURS);
    buffer.put_u8(b',');
    write_entity(&entity, buffer.writer());
}

/// One message of a step from one revision to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) epoch: Epoch,
    /// What the watcher was told up to; 0 for a snapshot.
    pub(crate) from: Revision,
    pub(crate) to: Revision,
    pub(crate) kind: v1::DeltaKind,
    /// Revisions whose own states are not told apart.
    pub(crate) skipped: u64,
    /// The step is whole with this one.
    pub(crate) last: bool,
    /// Encoded entities, some in each piece, in the encoding of who watches.
    pub(crate) entities: Vec<Bytes>,
    /// The whole message as [`Outgoing::delimited`] makes it, where many are told the very same.
    pub(crate) shared: Option<Bytes>,
}

/// One message to a watcher.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Outgoing {
    /// Something changed.
    Delta(Frame),
    /// Everything up to here has been told.
    Bookmark {
        /// Of this life of the aggregator.
        epoch: Epoch,
        /// Up to here.
        revision: Revision,
        /// How far the observer trusts itself.
        observer: ObserverState,
        /// As much of the audit log as is durable.
        audit: Option<Arc<AuditHead>>,
    },
    /// The stream is about to end from this side.
    Closing(Closing),
}

/// Why a stream ends from this side, and when to come back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Closing {
    /// For people.
    pub(crate) reason: &'static str,
    /// Not before this.
    pub(crate) retry_after_ms: u32,
}

impl From<&Closing> for v1::Closing {
    fn from(closing: &Closing) -> Self {
        Self {
            reason: closing.reason.to_owned(),
            retry_after_ms: closing.retry_after_ms,
        }
    }
}

impl Frame {
    /// The delta without its entities. They are its last field, so that their bytes can simply follow.
    fn head(&self) -> v1::Delta {
        v1::Delta {
            epoch: self.epoch.0,
            from: self.from.0,
            to: self.to.0,
            kind: self.kind.into(),
            skipped: self.skipped,
            last: self.last,
            entities: Vec::new(),
        }
    }

    fn encode(&self, buffer: &mut impl BufMut) {
        let head = self.head();
        let length = head.encoded_len() + self.entities.iter().map(Bytes::len).sum::<usize>();
        encode_key(DELTA, WireType::LengthDelimited, buffer);
        encode_varint(length as u64, buffer);
        head.encode_raw(buffer);
        for piece in &self.entities {
            buffer.put_slice(piece);
        }
    }

    fn encoded_len(&self) -> usize {
        let length = self.head().encoded_len() + self.entities.iter().map(Bytes::len).sum::<usize>();
        1 + encoded_len_varint(length as u64) + length
    }
}

impl Outgoing {
    /// Appends the message as an encoded `v1::WatchResponse`.
    pub(crate) fn encode(&self, buffer: &mut impl BufMut) {
        match self {
            Self::Delta(frame) => frame.encode(buffer),
            Self::Bookmark {
                epoch,
                revision,
                observer,
                audit,
            } => {
                let cursor = Some(v1::Cursor {
                    epoch: epoch.0,
                    revision: revision.0,
                });
                let bookmark = v1::Bookmark {
                    cursor,
                    observer: Some((*observer).into()),
                    audit: audit.as_deref().map(Into::into),
                };
                v1::WatchResponse {
                    event: Some(v1::watch_response::Event::Bookmark(bookmark)),
                }
                .encode_raw(buffer);
            }
            Self::Closing(closing) => {
                let event = Some(v1::watch_response::Event::Closing(closing.into()));
                v1::WatchResponse { event }.encode_raw(buffer);
            }
        }
    }

    /// The message with the length before it, as gRPC sends it: a zero for "not compressed", four bytes of length, and
    /// what [`Self::encode`] appends.
    pub(crate) fn delimited(&self) -> Bytes {
        if let Self::Delta(Frame {
            shared: Some(shared), ..
        }) = self
        {
            return shared.clone();
        }
        let mut buffer = BytesMut::with_capacity(PREFIX + self.size_hint());
        buffer.put_bytes(0, PREFIX);
        self.encode(&mut buffer);
        let length = u32::try_from(buffer.len() - PREFIX).expect("messages are far smaller");
        buffer[1..PREFIX].copy_from_slice(&length.to_be_bytes());
        buffer.freeze()
    }

    /// How many bytes [`Self::encode`] appends, roughly for what is small.
    pub(crate) fn size_hint(&self) -> usize {
        match self {
            Self::Delta(frame) => frame.encoded_len(),
            Self::Bookmark { .. } | Self::Closing(_) => 192,
        }
    }
}
