//! What changed of late: a bounded list, the newest first.
//!
//! A change is kept as what people read of it, not as two states: the list outlives the states, and a state of a service
//! is a hundred times as large.

use std::{collections::VecDeque, sync::Arc};

use ward_model::{Condition, Entity, EntityKey, Maintenance, Name, Now, ServiceState, Status, Wall};
use ward_sdk::watch::Changed;

/// More than the tallest screen shows.
const KEPT: usize = 200;

/// What the connection is called: nothing that a service could be.
const AGGREGATOR: &str = "(aggregator)";

/// Something that is not as it was.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Change {
    pub(super) at: Wall,
    pub(super) what: String,
    /// `None` for what was not there; equal to `to` where something else changed.
    pub(super) from: Option<Status>,
    /// `None` for what is no more.
    pub(super) to: Option<Status>,
    /// As it came: escaped where it is shown.
    pub(super) why: String,
}

/// The newest of them, first.
#[derive(Clone, Debug, Default)]
pub(super) struct Changes {
    kept: VecDeque<Arc<Change>>,
    /// How many there have been.
    pub(super) count: u64,
}

impl Changes {
    pub(super) fn add(&mut self, change: Change) {
        self.kept.truncate(KEPT - 1);
        self.kept.push_front(Arc::new(change));
        self.count += 1;
    }

    /// Adds something about the connection, in place of what was said about that just before: one that comes and goes must
    /// not push out what it told.
    pub(super) fn remark(&mut self, now: Now, why: String) {
        let remarks = self
            .newest()
            .take(2)
            .filter(|change| change.what == AGGREGATOR)
            .count();
        if remarks == 2 {
            self.kept.drain(..2);
        }
        self.add(Change::remark(now, why));
    }

    pub(super) fn newest(&self) -> impl Iterator<Item = &Change> {
        self.kept.iter().map(Arc::as_ref)
    }
}

/// What of a thing is news when it differs. A reason that differs at the same status from the same causes is none: the
/// list is short.
#[derive(Debug, Default, PartialEq)]
struct Seen<'a> {
    status: Status,
    causes: &'a [Name],
    unheard: (u32, u32),
    maintenance: Option<&'a Maintenance>,
}

impl Change {
    /// Something about the connection.
    fn remark(now: Now, why: String) -> Self {
        Self {
            at: now.wall,
            what: AGGREGATOR.into(),
            from: None,
            to: None,
            why,
        }
    }

    /// `None` for what is no news to people, such as a number that moved.
    pub(super) fn of(changed: &Changed, now: Now) -> Option<Self> {
        let what = match changed.entity.key() {
            EntityKey::System => "system".into(),
            EntityKey::Service(name) => name.to_string(),
            EntityKey::Instance(_) => return None,
        };
        let from = changed.before.as_ref().map(Entity::status);
        let Some((condition, seen)) = seen(&changed.entity) else {
            return Some(Self {
                at: now.wall,
                what,
                from,
                to: None,
                why: "forgotten, or left".into(),
            });
        };
        let before = changed.before.as_ref().and_then(self::seen).map(|(_, seen)| seen);
        if before.as_ref() == Some(&seen) {
            return None;
        }
        let since = changed.is_transition().then_some(condition.since);
        Some(Self {
            at: since.filter(|since| *since != Wall(0)).unwrap_or(now.wall),
            why: why(&what, before.as_ref(), &seen, condition),
            what,
            from,
            to: Some(seen.status),
        })
    }
}

fn seen(entity: &Entity) -> Option<(&Condition, Seen<'_>)> {
    let (condition, causes, service): (_, &[Name], Option<&ServiceState>) = match entity {
        Entity::System(system) => (&system.condition, &system.causes, None),
        Entity::Service(service) => (&service.condition, &service.causes, Some(service)),
        Entity::Instance(_) | Entity::Removed(_) => return None,
    };
    let counts = service.map(|service| service.instances).unwrap_or_default();
    let seen = Seen {
        status: condition.status,
        causes,
        unheard: (counts.suspect, counts.lost),
        maintenance: service.and_then(|service| service.maintenance.as_ref()),
    };
    Some((condition, seen))
}

/// What differs, the most telling first.
fn why(what: &str, before: Option<&Seen<'_>>, now: &Seen<'_>, condition: &Condition) -> String {
    let mut parts = Vec::new();
    let others = now.causes.iter().map(Name::as_str).filter(|cause| *cause != what);
    let others = others.collect::<Vec<_>>().join(", ");
    if now.status.is_bad() && !others.is_empty() {
        parts.push(format!("cause: {others}"));
    }
    if before.map_or((0, 0), |before| before.unheard) != now.unheard {
        parts.push(match now.unheard {
            (0, 0) => "all heard again".into(),
            (suspect, 0) => format!("{suspect} suspect"),
            (0, lost) => format!("{lost} lost"),
            (suspect, lost) => format!("{lost} lost, {suspect} suspect"),
        });
    }
    match (before.and_then(|before| before.maintenance), now.maintenance) {
        (before, Some(now)) if before != Some(now) => {
            parts.push(format!("maintenance by {}: {}", now.by, now.why));
        }
        (Some(_), None) => parts.push("maintenance ended".into()),
        _ => {}
    }
    if now.status.is_bad() {
        parts.push(match condition.message.as_str() {
            "" => condition.reason.to_string(),
            message => format!("{}: {message}", condition.reason),
        });
    }
    parts.join("; ")
}
