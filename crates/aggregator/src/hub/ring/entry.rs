//! One revision as it is kept, and what of it is told.

use std::{mem::size_of, ops::Range};

use bytes::{Bytes, BytesMut};
use ward_model::{Change, EntityKey, Status};

use super::super::{
    filter::{Filter, Level},
    frame::encode_entity,
};

/// The entities of one message, encoded, some in each piece.
pub(crate) type Pieces = Vec<Bytes>;

/// One changed thing within the body of its revision.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) key: EntityKey,
    /// The worse of its status before and now.
    pub(super) severity: Status,
    range: Range<usize>,
}

/// One revision: everything that changed, encoded once, back to back in the order of keys. So the system comes first
/// and instances last, and what a level is told of a whole revision is one slice.
#[derive(Debug)]
pub(super) struct Entry {
    parts: Vec<Part>,
    body: Bytes,
}

impl Entry {
    /// Encodes what changed, which must be in the order of keys.
    pub(super) fn encode(changes: &[Change]) -> Self {
        let mut body = BytesMut::new();
        let part = |change: &Change| {
            let start = body.len();
            encode_entity(&change.entity, &mut body);
            Part {
                key: change.entity.key(),
                severity: change.severity(),
                range: start..body.len(),
            }
        };
        let parts = changes.iter().map(part).collect();
        Self {
            parts,
            body: body.freeze(),
        }
    }

    /// The bytes of each part.
    pub(super) fn fields(&self) -> impl Iterator<Item = &[u8]> {
        self.parts.iter().map(|part| &self.body[part.range.clone()])
    }

    /// The parts of a wanted level and name, whatever their severity.
    pub(super) fn wanted(&self, filter: &Filter) -> impl Iterator<Item = &Part> {
        self.parts.iter().filter(|part| filter.wants(&part.key))
    }

    /// One of its parts, encoded.
    pub(super) fn piece(&self, part: &Part) -> Bytes {
        self.body.slice(part.range.clone())
    }

    /// What it costs to keep; names in keys are shared with the engine.
    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>() + self.body.len() + self.parts.len() * size_of::<Part>()
    }

    /// What of this revision passes; parts that lie together stay one piece.
    pub(super) fn select(&self, filter: &Filter, frame_bytes: usize) -> Vec<Pieces> {
        let mut gather = Gather::new(frame_bytes);
        let mut run = 0..0;
        for part in &self.parts {
            if Level::of(&part.key) > filter.level {
                break;
            }
            if !filter.passes(&part.key, part.severity) {
                continue;
            }
            if run.end == part.range.start && part.range.end - run.start <= frame_bytes {
                run.end = part.range.end;
            } else {
                gather.push(self.body.slice(run));
                run = part.range.clone();
            }
        }
        gather.push(self.body.slice(run));
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
