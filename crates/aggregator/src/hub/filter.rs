//! What one watcher wants to be told of.
//!
//! Pure. It decides about keys and severities and knows nothing of revisions; what it leaves out is not a gap. Names are
//! kept sorted, so that a snapshot for a few of a million instances seeks to them; walking all and asking of each was
//! not taken, because after a restart every watcher asks at once.

use std::{collections::BTreeSet, ops::Bound};

use ward_model::{EntityKey, InstanceId, Name, Status};

/// How deep a watcher looks. Each level has those above it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// The system.
    System,
    /// Its services.
    #[default]
    Service,
    /// Their instances.
    Instance,
}

impl Level {
    /// How many there are.
    pub(crate) const COUNT: usize = 3;

    /// The level of one thing.
    pub(crate) fn of(key: &EntityKey) -> Self {
        match key {
            EntityKey::System => Self::System,
            EntityKey::Service(_) => Self::Service,
            EntityKey::Instance(_) => Self::Instance,
        }
    }
}

/// What one watcher wants to be told of. The default is the system and all services.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    /// Services to tell of; all when empty. The system is told whatever is named.
    pub(crate) names: BTreeSet<Name>,
    /// How deep.
    pub(crate) level: Level,
    /// Only what is, or was until now, at least this bad.
    pub(crate) least: Status,
}

/// A stretch of the order of keys, first and last included.
pub(crate) type Stretch = (Bound<EntityKey>, Bound<EntityKey>);

impl Filter {
    /// Everything down to its level is wanted.
    pub(crate) fn leaves_nothing_out(&self) -> bool {
        self.names.is_empty() && self.least == Status::Healthy
    }

    /// The thing is of a wanted level and name.
    pub(crate) fn wants(&self, key: &EntityKey) -> bool {
        Level::of(key) <= self.level
            && (self.names.is_empty() || key.service().is_none_or(|name| self.names.contains(name)))
    }

    /// A change of that thing, as severe as this, is wanted.
    pub(crate) fn passes(&self, key: &EntityKey, severity: Status) -> bool {
        severity >= self.least && self.wants(key)
    }

    /// Where wanted keys lie at or behind `from`, in order: all of them, and little else.
    pub(crate) fn stretches(&self, from: &EntityKey) -> Vec<Stretch> {
        if self.names.is_empty() {
            return vec![(Bound::Included(from.clone()), Bound::Unbounded)];
        }
        let exact = |key: EntityKey| (key.clone(), key);
        let mut stretches = vec![exact(EntityKey::System)];
        stretches.extend(
            self.names
                .iter()
                .map(|name| exact(EntityKey::Service(name.clone()))),
        );
        if self.level == Level::Instance {
            stretches.extend(
                self.names
                    .iter()
                    .map(|name| (extreme(name, FIRST), extreme(name, LAST))),
            );
        }
        stretches.retain(|(_, last)| last >= from);
        let begin = |first: EntityKey| Bound::Included(first.max(from.clone()));
        stretches
            .into_iter()
            .map(|(first, last)| (begin(first), Bound::Included(last)))
            .collect()
    }
}

/// The least name there can be: `-` is the first of the allowed characters.
const FIRST: &str = "-";
/// The greatest: `z` is the last of them.
const LAST: &str = "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz";

fn extreme(service: &Name, instance: &str) -> EntityKey {
    let instance = Name::instance(instance).expect("the extremes are names themselves");
    EntityKey::Instance(InstanceId {
        service: service.clone(),
        instance,
    })
}
