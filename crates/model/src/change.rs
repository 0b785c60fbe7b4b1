//! What the engine publishes: whole revisions, made of the newest state of each thing that changed.

use crate::{InstanceId, InstanceState, Name, Revision, ServiceState, Status, SystemState};

/// Names one thing that can change.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EntityKey {
    /// The system.
    System,
    /// A service.
    Service(Name),
    /// An instance.
    Instance(InstanceId),
}

impl EntityKey {
    /// The service this is, or is part of; `None` for the system.
    pub fn service(&self) -> Option<&Name> {
        match self {
            Self::System => None,
            Self::Service(name) => Some(name),
            Self::Instance(id) => Some(&id.service),
        }
    }
}

/// The newest state of one thing.
#[derive(Clone, Debug, PartialEq)]
pub enum Entity {
    /// The system.
    System(SystemState),
    /// A service.
    Service(ServiceState),
    /// An instance.
    Instance(InstanceState),
    /// A thing that is no more.
    Removed(EntityKey),
}

impl Entity {
    /// Which thing it is.
    pub fn key(&self) -> EntityKey {
        match self {
            Self::System(_) => EntityKey::System,
            Self::Service(service) => EntityKey::Service(service.name.clone()),
            Self::Instance(instance) => EntityKey::Instance(instance.id.clone()),
            Self::Removed(key) => key.clone(),
        }
    }

    /// Its status; healthy for what is no more.
    pub fn status(&self) -> Status {
        match self {
            Self::System(system) => system.condition.status,
            Self::Service(service) => service.condition.status,
            Self::Instance(instance) => instance.condition.status,
            Self::Removed(_) => Status::Healthy,
        }
    }
}

/// One changed thing in a revision.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Its status before; `None` if it is new.
    pub before: Option<Status>,
    /// What it is now.
    pub entity: Entity,
}

impl Change {
    /// The worse of its status before and now: what a severity filter goes by, so that a recovery is told as well.
    pub fn severity(&self) -> Status {
        self.entity.status().join(self.before.unwrap_or_default())
    }

    /// Its status differs from before.
    pub fn is_transition(&self) -> bool {
        self.before != Some(self.entity.status())
    }
}

/// One revision, whole: each thing is in it at most once.
#[derive(Clone, Debug, PartialEq)]
pub struct ChangeSet {
    /// Its place in the order.
    pub revision: Revision,
    /// What changed.
    pub changes: Vec<Change>,
}
