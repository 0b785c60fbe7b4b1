//! One revision as it is kept, and what of it is told.

use std::{mem::size_of, ops::Range, sync::OnceLock};

use bytes::{Bytes, BytesMut};
use ward_model::{Change, Entity, EntityKey, Status};

use super::{
    super::{
        filter::{Filter, Level},
        frame::{Encoding, Frame, Outgoing, append_json, encode_entity},
    },
    room::{Kept, Room},
};

/// The entities of one message, encoded, some in each piece.
pub(crate) type Pieces = Vec<Bytes>;

/// Bytes to have at hand for each part, enough for most, and for all of them; where there are many, what is there grows. What
/// is over is given back.
const ROOM: usize = 512;
const ROOM_IN_ALL: usize = 64 << 10;

/// One changed thing of its revision.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) key: EntityKey,
    /// The worse of its status before and now.
    pub(super) severity: Status,
    /// As it is now; `None` if it is no more.
    pub(super) status: Option<Status>,
    /// Its place among the others.
    index: u32,
}

/// Everything that changed, in one encoding, back to back in the order of keys. So the system comes first and instances
/// last, and what a level is told of a whole revision is one slice.
#[derive(Debug)]
struct Encoded {
    body: Bytes,
    /// Where each part ends: of a revision there are not 4 GiB.
    ends: Box<[u32]>,
}

/// One revision: everything that changed, encoded once. As JSON only if somebody watches in JSON, and then by the first
/// who needs it and not by the engine's thread.
#[derive(Debug)]
pub(crate) struct Entry {
    parts: Box<[Part]>,
    protobuf: Encoded,
    json: OnceLock<Box<Kept<Encoded>>>,
    /// By level, see [`Entry::share`].
    shared: [OnceLock<Box<Kept<Bytes>>>; Level::COUNT],
    room: Room,
}

impl Encoded {
    fn new(parts: usize, mut append: impl FnMut(usize, &mut BytesMut)) -> Self {
        let mut body = BytesMut::with_capacity((parts * ROOM).min(ROOM_IN_ALL));
        let part = |index| {
            append(index, &mut body);
            short(body.len())
        };
        let ends = (0..parts).map(part).collect();
        Self {
            // At its length, which is what the ring counts.
            body: Vec::from(body).into_boxed_slice().into(),
            ends,
        }
    }

    fn range(&self, index: usize) -> Range<usize> {
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        start as usize..self.ends[index] as usize
    }

    fn len(&self) -> usize {
        self.body.len() + self.ends.len() * size_of::<u32>()
    }
}

fn short(length: usize) -> u32 {
    u32::try_from(length).expect("what is known is bounded")
}

impl Entry {
    /// Encodes what changed, which must be in the order of keys. JSON that is made of it is counted in `room`.
    pub(super) fn encode(changes: &[(EntityKey, &Change)], room: &Room) -> Self {
        let protobuf = Encoded::new(changes.len(), |index, body| {
            encode_entity(&changes[index].1.entity, body);
        });
        let part = |(index, (key, change)): (usize, &(EntityKey, &Change))| Part {
            key: key.clone(),
            severity: change.severity(),
            status: (!matches!(change.entity, Entity::Removed(_))).then(|| change.entity.status()),
            index: short(index),
        };
        Self {
            parts: changes.iter().enumerate().map(part).collect(),
            protobuf,
            json: OnceLock::new(),
            shared: Default::default(),
            room: room.clone(),
        }
    }

    /// Each part with its bytes.
    pub(super) fn fields(&self) -> impl Iterator<Item = (&Part, &[u8])> {
        self.parts.iter().map(|part| {
            (
                part,
                &self.protobuf.body[self.protobuf.range(part.index as usize)],
            )
        })
    }

    /// The parts of a wanted level and name, whatever their severity.
    pub(super) fn wanted(&self, filter: &Filter) -> impl Iterator<Item = &Part> {
        self.parts.iter().filter(|part| filter.wants(&part.key))
    }

    /// One of its parts, encoded.
    pub(super) fn piece(&self, part: &Part, encoding: Encoding) -> Bytes {
        let encoded = self.encoded(encoding);
        encoded.body.slice(encoded.range(part.index as usize))
    }

    /// What it costs to keep, JSON aside; names in keys are shared with the engine.
    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>() + self.protobuf.len() + self.parts.len() * size_of::<Part>()
    }

    /// What was made of it for readers, and is kept.
    pub(super) fn made_bytes(&self) -> usize {
        let shared = self.shared.iter().filter_map(OnceLock::get);
        self.json.get().map_or(0, |json| json.bytes()) + shared.map(|shared| shared.bytes()).sum::<usize>()
    }

    /// Fills `frame` with all of this revision down to `level`; `None` if that is nothing, or too much for one message.
    /// The whole message is made by the first who asks. Everybody else is to ask with the same frame.
    pub(super) fn share(&self, mut frame: Frame, level: Level, frame_bytes: usize) -> Option<Frame> {
        let parts = self.parts.partition_point(|part| Level::of(&part.key) <= level);
        let end = self.protobuf.range(parts.checked_sub(1)?).end;
        if end > frame_bytes {
            return None;
        }
        frame.entities.push(self.protobuf.body.slice(..end));
        let shared = self.shared[level as usize].get_or_init(|| {
            let message = Outgoing::Delta(frame.clone()).delimited();
            let bytes = message.len();
            Box::new(Kept::new(message, bytes, &self.room))
        });
        frame.shared = Some(Bytes::clone(shared));
        Some(frame)
    }

    fn encoded(&self, encoding: Encoding) -> &Encoded {
        let make = || {
            let json = Encoded::new(self.parts.len(), |index, body| {
                append_json(&self.protobuf.body[self.protobuf.range(index)], body);
            });
            let bytes = json.len();
            Box::new(Kept::new(json, bytes, &self.room))
        };
        match encoding {
            Encoding::Protobuf => &self.protobuf,
            Encoding::Json => self.json.get_or_init(make),
        }
    }

    /// What of this revision passes; parts that lie together stay one piece.
    pub(super) fn select(&self, filter: &Filter, encoding: Encoding, frame_bytes: usize) -> Vec<Pieces> {
        let mut passing = self
            .parts
            .iter()
            .take_while(|part| Level::of(&part.key) <= filter.level)
            .filter(|part| filter.passes(&part.key, part.severity))
            .peekable();
        // Before anything is encoded for one who is told nothing of it.
        if passing.peek().is_none() {
            return Vec::new();
        }
        let encoded = self.encoded(encoding);
        let mut gather = Gather::new(frame_bytes);
        let mut run = 0..0;
        for part in passing {
            let range = encoded.range(part.index as usize);
            if run.end == range.start && range.end - run.start <= frame_bytes {
                run.end = range.end;
            } else {
                gather.push(encoded.body.slice(run));
                run = range;
            }
        }
        gather.push(encoded.body.slice(run));
        gather.into_messages()
    }
}

/// Fills messages up to their target size.
pub(super) struct Gather {
    messages: Vec<Pieces>,
    size: usize,
    target: usize,
}

impl Gather {
    pub(super) fn new(target: usize) -> Self {
        Self {
            messages: Vec::new(),
            size: 0,
            target,
        }
    }

    pub(super) fn push(&mut self, piece: Bytes) {
        if piece.is_empty() {
            return;
        }
        self.size += piece.len();
        match self.messages.last_mut() {
            Some(message) if self.size <= self.target => message.push(piece),
            _ => {
                self.size = piece.len();
                self.messages.push(vec![piece]);
            }
        }
    }

    pub(super) fn into_messages(self) -> Vec<Pieces> {
        self.messages
    }
}
