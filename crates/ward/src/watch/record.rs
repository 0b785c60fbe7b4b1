//! Events as JSON objects for programs, one a line. Everything is told, also what is no news to people.

use serde::Serialize;
use ward_model::{AuditHead, Entity, InstanceState, ServiceState, Status, SystemState, Wall};
use ward_sdk::watch::{Changed, Finding, Update, UpdateKind};
use ward_tlog::Hash;

use super::{chain, line::name};
use crate::output::Cursor;

/// A line. `event` says which.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(super) enum Record<'a> {
    /// Something differs.
    Change(Change<'a>),
    /// The state may be old from here on.
    Lost {
        /// What happened.
        error: &'a str,
        /// When that was noticed.
        time_unix_ms: Wall,
    },
    /// It is the newest again once the changes that follow are told.
    Restored {
        /// The aggregator was restarted.
        epoch_changed: bool,
        /// When.
        time_unix_ms: Wall,
    },
    /// What the witness of the audit log has found.
    Audit {
        /// `held`, `another`, `rewritten` or `unverified`.
        finding: &'static str,
        /// Seen before, unless this is the first.
        before: Option<Head<'a>>,
        /// Shown now.
        now: Head<'a>,
        /// Why it is not held.
        why: Option<String>,
        /// When.
        time_unix_ms: Wall,
    },
}

/// A head of an audit log.
#[derive(Debug, Serialize)]
pub(super) struct Head<'a> {
    origin: &'a str,
    size: u64,
    root: String,
}

impl<'a> From<&'a AuditHead> for Head<'a> {
    fn from(head: &'a AuditHead) -> Self {
        Self {
            origin: &head.origin,
            size: head.size,
            root: Hash(head.root).to_string(),
        }
    }
}

/// One change.
#[derive(Debug, Serialize)]
pub(super) struct Change<'a> {
    /// When it came here.
    time_unix_ms: Wall,
    cursor: Cursor,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    skipped: Option<u64>,
    #[serde(rename = "type")]
    of: &'static str,
    name: String,
    /// Null if it is new.
    before: Option<Status>,
    /// Null if it is no more.
    after: Option<Status>,
    entity: State<'a>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum State<'a> {
    System(&'a SystemState),
    Service(&'a ServiceState),
    Instance(&'a InstanceState),
    Removed,
}

pub(super) fn changed<'a>(update: &Update, changed: &'a Changed, now: Wall) -> Record<'a> {
    let (of, entity) = match &changed.entity {
        Entity::System(system) => ("system", State::System(system)),
        Entity::Service(service) => ("service", State::Service(service)),
        Entity::Instance(instance) => ("instance", State::Instance(instance)),
        Entity::Removed(key) => {
            let of = match key {
                ward_model::EntityKey::System => "system",
                ward_model::EntityKey::Service(_) => "service",
                ward_model::EntityKey::Instance(_) => "instance",
            };
            (of, State::Removed)
        }
    };
    let (kind, skipped) = match update.kind {
        UpdateKind::Snapshot => ("snapshot", None),
        UpdateKind::Revision => ("revision", None),
        UpdateKind::Coalesced { skipped } => ("coalesced", Some(skipped)),
        UpdateKind::Settled => ("settled", None),
    };
    Record::Change(Change {
        time_unix_ms: now,
        cursor: Cursor::new(update.cursor.epoch, update.cursor.revision),
        kind,
        skipped,
        of,
        name: name(&changed.entity.key()),
        before: changed.before.as_ref().map(Entity::status),
        after: (!matches!(entity, State::Removed)).then(|| changed.entity.status()),
        entity,
    })
}

pub(super) fn audit(finding: &Finding, now: Wall) -> Record<'_> {
    let (what, before, shown, why) = match finding {
        Finding::Held(head) => ("held", None, head, None),
        Finding::Another { before, now } => ("another", Some(before), now, None),
        Finding::Rewritten { held, shown, why } => ("rewritten", Some(held), shown, Some(why.to_string())),
        Finding::Unverified { held, shown, why } => ("unverified", Some(held), shown, Some(chain(why))),
    };
    Record::Audit {
        finding: what,
        before: before.map(Head::from),
        now: shown.into(),
        why,
        time_unix_ms: now,
    }
}

pub(super) fn lost(error: &str, now: Wall) -> Record<'_> {
    Record::Lost {
        error,
        time_unix_ms: now,
    }
}

pub(super) fn restored(epoch_changed: bool, now: Wall) -> Record<'static> {
    Record::Restored {
        epoch_changed,
        time_unix_ms: now,
    }
}
