//! What a watcher tells, and why a watch broke off: plain data.

use std::time::Duration;

use ward_model::{Entity, Epoch, ObserverState, Revision};

use super::{Disorder, Finding};
use crate::server::{ConnectError, InvalidServer};

/// A place in the history of one life of an aggregator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cursor {
    /// Which life.
    pub epoch: Epoch,
    /// Where in it.
    pub revision: Revision,
}

/// How deep to watch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// The system only.
    System,
    /// And its services.
    #[default]
    Service,
    /// And their instances.
    Instance,
}

/// What an [`Update`] came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UpdateKind {
    /// A snapshot; told are the differences to what was known.
    Snapshot,
    /// One revision.
    Revision,
    /// Several revisions as one.
    Coalesced {
        /// Revisions whose own states are not told apart.
        skipped: u64,
    },
    /// A restarted aggregator has settled; what was in doubt until now.
    Settled,
}

/// One thing that is not as it was.
#[derive(Clone, Debug, PartialEq)]
pub struct Changed {
    /// As it was told last; `None` if it is new here.
    pub before: Option<Entity>,
    /// As it is now. [`Entity::Removed`] is no more or, where a least severity is asked for, no longer that bad.
    pub entity: Entity,
}

impl Changed {
    /// Its status, or its being there, differs from before.
    pub fn is_transition(&self) -> bool {
        let removed = matches!(self.entity, Entity::Removed(_));
        removed || self.before.as_ref().map(Entity::status) != Some(self.entity.status())
    }
}

/// One step of the state, whole.
#[derive(Clone, Debug, PartialEq)]
pub struct Update {
    /// The state is that of this place.
    pub cursor: Cursor,
    /// Where it came from.
    pub kind: UpdateKind,
    /// The differences, in the order of their keys: the system, services, instances. Empty only in a first snapshot.
    pub changes: Vec<Changed>,
}

/// What a [`Watcher`](super::Watcher) tells.
#[derive(Debug)]
pub enum Event {
    /// The state changed.
    Update(Update),
    /// Nothing did, and the aggregator lives. At least every 10 s while connected.
    Bookmark {
        /// Everything up to here has been told.
        cursor: Cursor,
        /// How far the observer trusts itself.
        observer: ObserverState,
    },
    /// The connection is gone and the state may be old. Told once; the watcher keeps trying.
    Lost {
        /// What happened.
        error: Error,
    },
    /// Connected again; the differences follow.
    Restored {
        /// The aggregator was restarted.
        epoch_changed: bool,
    },
    /// The witness of the audit log has found something: behind the bookmark that showed it, or later.
    Audit(Finding),
}

/// Why a watch broke off, or why there is no proof of the audit log.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not an address, or what is to be shown there cannot be used.
    #[error(transparent)]
    Address(#[from] InvalidServer),
    /// No connection.
    #[error("connect to the aggregator")]
    Connect(#[source] ConnectError),
    /// The aggregator does not let this client watch: it wants to be shown who that is (`Unauthenticated`), or knows and
    /// lacks the right (`PermissionDenied`).
    #[error("the aggregator refuses this client: {} ({:?})", .0.message(), .0.code())]
    Denied(Box<tonic::Status>),
    /// No answer to the request in time.
    #[error("the aggregator did not answer within {0:?}")]
    Unanswered(Duration),
    /// The aggregator, or something on the way, ended the call.
    #[error("watch: {} ({:?})", .0.message(), .0.code())]
    Call(Box<tonic::Status>),
    /// The aggregator did not prove that its audit log begins as it did before.
    #[error("the aggregator gives no proof: {}", said(.0))]
    NoProof(Box<tonic::Status>),
    /// The stream ended without a word.
    #[error("the aggregator ended the stream")]
    Ended,
    /// The aggregator is going away and said so.
    #[error("the aggregator is closing: {reason}")]
    Closing {
        /// In its words.
        reason: String,
        /// When to come back.
        retry_after: Duration,
    },
    /// Not even a bookmark for three of its periods.
    #[error("the aggregator was silent for {0:?}")]
    Silent(Duration),
    /// Something that is not part of the contract.
    #[error("read what the aggregator sent")]
    Invalid(#[from] ward_proto::Invalid),
    /// A promise of the stream was broken.
    #[error("follow the revisions")]
    Disorder(#[from] Disorder),
}

/// In its words, or in those that go with the code.
fn said(status: &tonic::Status) -> &str {
    match status.message() {
        "" => status.code().description(),
        message => message,
    }
}
