//! What is remembered: one thing that was decided, or that somebody did.
//!
//! A [`Draft`] is what a caller knows; the log's writer adds the place in the log and makes an [`Event`] of it. An event is
//! plain data with a fixed set of fields and words: evidence is a small map of texts, so that a new kind of evidence is no
//! new format. A schema for each kind was not made: what is in the log must be readable for as long as the log is, by
//! programs that know nothing of the Ward that wrote it.

mod canonical;
mod evidence;
mod word;

use serde::{Deserialize, Serialize};
use ward_model::{Epoch, Mono, Now, Revision, Wall};
use ward_tlog::Hash;

pub(crate) use canonical::Prefix;
pub use canonical::{ENTRY_BYTES, InvalidEntry};
pub use evidence::Evidence;
pub use word::{Kind, Phase, Source, UnknownWord};

/// The version of the format that this Ward writes.
pub const VERSION: u32 = 1;

/// Who acts when nobody else does.
pub const WARD: &str = "ward";

/// One entry of the log. [`Event::encode`] says how it is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// Its place in the log, from 0.
    pub index: u64,
    /// The leaf hash (RFC 6962) of the entry before; zeros for the first.
    #[serde(with = "canonical::hash")]
    pub prev: Hash,
    /// Of the format.
    pub version: u32,
    /// The life of the aggregator it was written in.
    #[serde(with = "canonical::epoch")]
    pub epoch: Epoch,
    /// The revision it belongs to, or that was the newest then.
    pub revision: Revision,
    /// When, for people: clocks are set back at times, the index is not.
    pub time: Wall,
    /// The boot of the machine it was written in.
    pub boot: String,
    /// When, on the monotonic clock of that life.
    #[serde(with = "canonical::mono")]
    pub mono: Mono,
    /// Who: a SPIFFE id, the id of a token (never the token), an operator's name as claimed, or `ward`.
    pub actor: String,
    /// About what: a service, `service/instance`, `system`, `aggregator`, `config`, the id of a token.
    pub subject: String,
    /// What happened.
    pub kind: Kind,
    /// What it was decided by.
    pub source: Source,
    /// Whether it is to happen, or has.
    pub phase: Phase,
    /// Of an outcome: the index of its intent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intent: Option<u64>,
    /// What it rests on.
    pub evidence: Evidence,
}

/// An event without its place in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// The life of the aggregator.
    pub epoch: Epoch,
    /// The revision it belongs to.
    pub revision: Revision,
    /// When.
    pub now: Now,
    /// Who.
    pub actor: String,
    /// About what.
    pub subject: String,
    /// What happened.
    pub kind: Kind,
    /// What it was decided by.
    pub source: Source,
    /// Whether it is to happen, or has.
    pub phase: Phase,
    /// Of an outcome: the index of its intent.
    pub intent: Option<u64>,
    /// What it rests on.
    pub evidence: Evidence,
}

impl Draft {
    /// Something that Ward itself did, as an outcome without evidence; change what is otherwise.
    pub fn new(kind: Kind, source: Source, subject: impl Into<String>, now: Now) -> Self {
        Self {
            epoch: Epoch::default(),
            revision: Revision::default(),
            now,
            actor: WARD.to_owned(),
            subject: subject.into(),
            kind,
            source,
            phase: Phase::Outcome,
            intent: None,
            evidence: Evidence::default(),
        }
    }

    /// In that place of the order of changes.
    #[must_use]
    pub fn at(mut self, epoch: Epoch, revision: Revision) -> Self {
        (self.epoch, self.revision) = (epoch, revision);
        self
    }

    /// Done by somebody.
    #[must_use]
    pub fn by(mut self, actor: impl Into<String>) -> Self {
        self.actor = actor.into();
        self
    }

    /// To be done, and not done yet.
    #[must_use]
    pub fn intent(mut self) -> Self {
        self.phase = Phase::Intent;
        self
    }

    /// What came of the intent with that index.
    #[must_use]
    pub fn outcome_of(mut self, intent: u64) -> Self {
        (self.phase, self.intent) = (Phase::Outcome, Some(intent));
        self
    }

    /// With one more piece of evidence. See [`Evidence::insert`].
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<String>) -> Self {
        self.evidence.insert(key, value);
        self
    }

    /// With its place in the log.
    pub fn placed(self, index: u64, prev: Hash, boot: &str) -> Event {
        Event {
            index,
            prev,
            version: VERSION,
            epoch: self.epoch,
            revision: self.revision,
            time: self.now.wall,
            boot: boot.to_owned(),
            mono: self.now.mono,
            actor: self.actor,
            subject: self.subject,
            kind: self.kind,
            source: self.source,
            phase: self.phase,
            intent: self.intent,
            evidence: self.evidence,
        }
    }
}
