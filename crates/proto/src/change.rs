//! What a watcher is told: entities, and places in the order of changes.
//!
//! Deltas are not converted here. Cutting a revision into messages is the hub's business, and putting it together again
//! the watcher's.

use ward_model::{Change, Entity, EntityKey, Epoch, InstanceId, Revision};

use crate::{
    Invalid,
    declaration::text_of,
    state::name,
    v1::{self, entity::State},
};

impl From<&Entity> for v1::Entity {
    fn from(entity: &Entity) -> Self {
        let state = match entity {
            Entity::System(system) => State::System(system.into()),
            Entity::Service(service) => State::Service(service.into()),
            Entity::Instance(instance) => State::Instance(instance.into()),
            Entity::Removed(key) => State::Removed(key.into()),
        };
        Self { state: Some(state) }
    }
}

impl From<&Change> for v1::Entity {
    fn from(change: &Change) -> Self {
        (&change.entity).into()
    }
}

impl TryFrom<v1::Entity> for Entity {
    type Error = Invalid;

    fn try_from(wire: v1::Entity) -> Result<Self, Invalid> {
        let entity = match wire.state.ok_or_else(|| Invalid::missing("state"))? {
            State::System(system) => system
                .try_into()
                .map(Self::System)
                .map_err(|e: Invalid| e.within("system")),
            State::Service(service) => service
                .try_into()
                .map(Self::Service)
                .map_err(|e: Invalid| e.within("service")),
            State::Instance(instance) => instance
                .try_into()
                .map(Self::Instance)
                .map_err(|e: Invalid| e.within("instance")),
            State::Removed(removed) => removed
                .try_into()
                .map(Self::Removed)
                .map_err(|e: Invalid| e.within("removed")),
        };
        entity.map_err(|invalid| invalid.within("entity"))
    }
}

impl From<&EntityKey> for v1::Removed {
    fn from(key: &EntityKey) -> Self {
        let instance = match key {
            EntityKey::Instance(id) => id.instance.as_str().to_owned(),
            EntityKey::System | EntityKey::Service(_) => String::new(),
        };
        Self {
            service: text_of(key.service()),
            instance,
        }
    }
}

impl TryFrom<v1::Removed> for EntityKey {
    type Error = Invalid;

    fn try_from(wire: v1::Removed) -> Result<Self, Invalid> {
        if wire.service.is_empty() && wire.instance.is_empty() {
            return Ok(Self::System);
        }
        let service = name("service", &wire.service)?;
        if wire.instance.is_empty() {
            return Ok(Self::Service(service));
        }
        Ok(Self::Instance(InstanceId {
            service,
            instance: name("instance", &wire.instance)?,
        }))
    }
}

impl From<(Epoch, Revision)> for v1::Cursor {
    fn from((epoch, revision): (Epoch, Revision)) -> Self {
        Self {
            epoch: epoch.0,
            revision: revision.0,
        }
    }
}

impl From<v1::Cursor> for (Epoch, Revision) {
    fn from(cursor: v1::Cursor) -> Self {
        (Epoch(cursor.epoch), Revision(cursor.revision))
    }
}
