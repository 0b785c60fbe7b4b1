//! Events as JSON objects for programs, one a line. Everything is told, also what is no news to people.

use serde::Serialize;
use ward_model::{Entity, InstanceState, ServiceState, Status, SystemState, Wall};
use ward_sdk::watch::{Changed, Update, UpdateKind};

use super::line::name;
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
